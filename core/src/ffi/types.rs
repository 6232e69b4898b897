//! What every part of the C API speaks in: nodes, handles, attributes, callers, branches and snapshots.

use super::boundary::Outcome;
use super::tokens::fs_token;
use crate::control::messages::{FS_REF_BRANCH, FS_REF_SNAPSHOT};
use crate::error::Error;
use crate::types::{Attr, BranchId, FileKind, HandleId, RefId, SnapshotId};
use crate::volume::view::Entry;

/// A node: an inode as one view shows it. `FS_NODE_ROOT` is the root of what the view shows now.
pub type fs_node = u64;
/// An open file or directory of one view. `FS_HANDLE_NONE` is none.
pub type fs_handle = u64;

/// The root directory of what a view shows now.
pub const FS_NODE_ROOT: u64 = 1;
/// No node, where one can be left out.
pub const FS_NODE_NONE: u64 = 0;
/// No handle: the operation checks the caller's permission itself.
pub const FS_HANDLE_NONE: u64 = 0;

/// Kind: a regular file.
pub const FS_KIND_FILE: u32 = 1;
/// Kind: a directory.
pub const FS_KIND_DIRECTORY: u32 = 2;
/// Kind: a symbolic link.
pub const FS_KIND_SYMLINK: u32 = 3;
/// Kind: a named pipe.
pub const FS_KIND_FIFO: u32 = 4;
/// Kind: a socket's name.
pub const FS_KIND_SOCKET: u32 = 5;
/// Kind: a character device.
pub const FS_KIND_CHAR_DEVICE: u32 = 6;
/// Kind: a block device.
pub const FS_KIND_BLOCK_DEVICE: u32 = 7;

/// File flag: nothing about it may change, no name of it may come or go.
pub const FS_FLAG_IMMUTABLE: u32 = 1;
/// File flag: content may only grow at its end; entries may only be added.
pub const FS_FLAG_APPEND: u32 = 2;
/// File flag: access times stay.
pub const FS_FLAG_NO_ACCESS_TIME: u32 = 4;
/// File flag: left out by dump(8). Kept, without effect.
pub const FS_FLAG_NO_DUMP: u32 = 8;
/// File flag: hidden from people. Kept, without effect.
pub const FS_FLAG_HIDDEN: u32 = 16;
/// File flag: archived. Kept, without effect.
pub const FS_FLAG_ARCHIVED: u32 = 32;

/// Base: the base does not have it.
pub const FS_BASE_NONE: u32 = 0;
/// Base: it is what the base has now, unchanged; it changes when the base does.
pub const FS_BASE_SHOWS: u32 = 1;
/// Base: it was the base's, and has been copied up.
pub const FS_BASE_COPIED_UP: u32 = 2;
/// Base: the base has it, and the branch or snapshot does not show it any more.
pub const FS_BASE_REMOVED: u32 = 3;
/// Base: as `FS_BASE_SHOWS`, and who follows the view's changes (`fs_events_open`) is told when it changes.
pub const FS_BASE_WATCHED: u32 = 4;

/// Privilege: read, write and search whatever the mode says (CAP_DAC_OVERRIDE).
pub const FS_PRIVILEGE_DAC_OVERRIDE: u32 = 1;
/// Privilege: read files and search directories whatever the mode says (CAP_DAC_READ_SEARCH).
pub const FS_PRIVILEGE_DAC_READ_SEARCH: u32 = 2;
/// Privilege: act as the owner of any file (CAP_FOWNER).
pub const FS_PRIVILEGE_OWNER: u32 = 4;
/// Privilege: give files away (CAP_CHOWN).
pub const FS_PRIVILEGE_CHOWN: u32 = 8;
/// Privilege: keep setuid and setgid bits on change (CAP_FSETID).
pub const FS_PRIVILEGE_KEEP_SETID: u32 = 16;
/// Privilege: make device nodes (CAP_MKNOD).
pub const FS_PRIVILEGE_MAKE_NODES: u32 = 32;
/// Privilege: set and clear `FS_FLAG_IMMUTABLE` and `FS_FLAG_APPEND` (CAP_LINUX_IMMUTABLE).
pub const FS_PRIVILEGE_IMMUTABLE: u32 = 64;
/// Privilege: use `trusted.` extended attributes, control the volume (CAP_SYS_ADMIN).
pub const FS_PRIVILEGE_ADMIN: u32 = 128;
/// The host has checked access already (FUSE's default_permissions): permission bits and ACLs are not looked at again.
pub const FS_PRIVILEGE_CHECKED: u32 = 256;
/// The host's kernel keeps times itself and sets them afterwards (FUSE's write-back): `fs_write` does not set them.
pub const FS_PRIVILEGE_KEEP_TIMES: u32 = 512;
/// All a superuser has.
pub const FS_PRIVILEGE_SUPERUSER: u32 = 255;

/// Who asks for an operation: the effective identity of one thread of one process.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_caller {
    /// `sizeof(fs_caller)`.
    pub size: u32,
    /// File-system user id.
    pub uid: u32,
    /// File-system group id.
    pub gid: u32,
    /// Process id, for reports about locks; 0 where there is none.
    pub pid: u32,
    /// File mode creation mask, applied to what is made unless a default ACL takes its place.
    pub umask: u32,
    /// `FS_PRIVILEGE_...` bits.
    pub privileges: u32,
    /// Number of supplementary groups.
    pub groups_count: u32,
    /// 0.
    pub reserved0: u32,
    /// The supplementary groups; may be NULL when there are none. Read during the call only.
    pub groups: *const u32,
    /// Who the caller is to Windows; NULL: what guards files are permission bits and ACLs.
    pub token: *const fs_token,
    /// 0.
    pub reserved: [u64; 2],
}

/// The attributes of an inode, all read at one moment. Times are nanoseconds since 1970-01-01 00:00 UTC.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_attr {
    /// `sizeof(fs_attr)`.
    pub size: u32,
    /// `FS_KIND_...`.
    pub kind: u32,
    /// Its id in the volume: the same in every branch.
    pub inode: u64,
    /// Permission bits with setuid, setgid and sticky: 0 to 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names; a directory has 2 and one more for each subdirectory.
    pub links: u32,
    /// `FS_FLAG_...` bits.
    pub flags: u32,
    /// `FS_BASE_...`: what it has to do with the volume's base.
    pub base: u32,
    /// Device number of a device node, as the host encodes it; else 0.
    pub device: u64,
    /// Bytes of content; length of a symbolic link's target; number of entries of a directory.
    pub length: u64,
    /// Bytes of storage that content occupies (holes do not).
    pub allocated: u64,
    /// Last access.
    pub accessed: i64,
    /// Last change of content.
    pub modified: i64,
    /// Last change of content or attributes.
    pub changed: i64,
    /// Birth.
    pub born: i64,
    /// Inode of one directory that holds it (itself for the root; 0 when it has no name any more).
    pub parent: u64,
    /// Counts every change of content, entries or attributes.
    pub version: u64,
    /// 0.
    pub reserved: [u64; 4],
}

/// A node looked up or made, with its attributes. It counts as one reference, given back with `fs_forget`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_entry {
    /// `sizeof(fs_entry)`.
    pub size: u32,
    /// 0.
    pub reserved0: u32,
    /// The node.
    pub node: fs_node,
    /// Its attributes.
    pub attr: fs_attr,
    /// 0.
    pub reserved: [u64; 2],
}

/// A branch or a snapshot. A plain value; all zero is none.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct fs_ref {
    /// Its id.
    pub id: u64,
    /// `FS_REF_BRANCH` or `FS_REF_SNAPSHOT`; 0: none.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
}

// What the header says in numbers is what the core says by name.
const _: () = {
    use crate::types::{NodeId, Privileges};
    assert!(FS_NODE_ROOT == NodeId::ROOT.0);
    assert!(FS_KIND_FILE == FileKind::File as u32 && FS_KIND_DIRECTORY == FileKind::Directory as u32);
    assert!(FS_KIND_SYMLINK == FileKind::Symlink as u32 && FS_KIND_FIFO == FileKind::Fifo as u32);
    assert!(FS_KIND_SOCKET == FileKind::Socket as u32 && FS_KIND_CHAR_DEVICE == FileKind::CharDevice as u32);
    assert!(FS_KIND_BLOCK_DEVICE == FileKind::BlockDevice as u32);
    use crate::types::BaseState;
    assert!(FS_BASE_NONE == BaseState::None as u32 && FS_BASE_SHOWS == BaseState::Shows as u32);
    assert!(FS_BASE_WATCHED == BaseState::Watched as u32);
    assert!(FS_BASE_COPIED_UP == BaseState::CopiedUp as u32 && FS_BASE_REMOVED == BaseState::Removed as u32);
    assert!(FS_FLAG_IMMUTABLE == crate::flags::IMMUTABLE && FS_FLAG_APPEND == crate::flags::APPEND);
    assert!(FS_FLAG_NO_ACCESS_TIME == crate::flags::NO_ACCESS_TIME && FS_FLAG_NO_DUMP == crate::flags::NO_DUMP);
    assert!(FS_FLAG_HIDDEN == crate::flags::HIDDEN && FS_FLAG_ARCHIVED == crate::flags::ARCHIVED);
    assert!(FS_PRIVILEGE_DAC_OVERRIDE == Privileges::DAC_OVERRIDE.0);
    assert!(FS_PRIVILEGE_DAC_READ_SEARCH == Privileges::DAC_READ_SEARCH.0);
    assert!(FS_PRIVILEGE_OWNER == Privileges::OWNER.0 && FS_PRIVILEGE_CHOWN == Privileges::CHOWN.0);
    assert!(FS_PRIVILEGE_KEEP_SETID == Privileges::KEEP_SETID.0);
    assert!(FS_PRIVILEGE_MAKE_NODES == Privileges::MAKE_NODES.0);
    assert!(FS_PRIVILEGE_IMMUTABLE == Privileges::IMMUTABLE.0 && FS_PRIVILEGE_ADMIN == Privileges::ADMIN.0);
    assert!(FS_PRIVILEGE_KEEP_TIMES == Privileges::KEEP_TIMES.0);
    assert!(FS_PRIVILEGE_CHECKED == Privileges::CHECKED.0 && FS_PRIVILEGE_SUPERUSER == Privileges::SUPERUSER.0);
};

impl From<Attr> for fs_attr {
    #[inline]
    fn from(attr: Attr) -> fs_attr {
        fs_attr {
            size: size_of::<fs_attr>() as u32,
            kind: attr.kind as u32,
            inode: attr.inode.0,
            mode: attr.mode,
            uid: attr.uid,
            gid: attr.gid,
            links: attr.links,
            flags: attr.flags,
            base: attr.base as u32,
            device: attr.device,
            length: attr.size,
            allocated: attr.allocated,
            accessed: attr.accessed.0,
            modified: attr.modified.0,
            changed: attr.changed.0,
            born: attr.born.0,
            parent: attr.parent.0,
            version: attr.version,
            reserved: [0; 4],
        }
    }
}

impl From<Entry> for fs_entry {
    #[inline]
    fn from(entry: Entry) -> fs_entry {
        let size = size_of::<fs_entry>() as u32;
        fs_entry { size, reserved0: 0, node: entry.node.0, attr: entry.attr.into(), reserved: [0; 2] }
    }
}

impl From<RefId> for fs_ref {
    fn from(id: RefId) -> fs_ref {
        let (id, kind) = match id {
            RefId::Branch(id) => (id.0, FS_REF_BRANCH),
            RefId::Snapshot(id) => (id.0, FS_REF_SNAPSHOT),
        };
        fs_ref { id, kind, reserved: 0 }
    }
}

impl fs_ref {
    pub(super) const NONE: fs_ref = fs_ref { id: 0, kind: 0, reserved: 0 };

    pub(super) fn id(self) -> Outcome<RefId> {
        match self.kind {
            FS_REF_BRANCH => Ok(RefId::Branch(BranchId(self.id))),
            FS_REF_SNAPSHOT => Ok(RefId::Snapshot(SnapshotId(self.id))),
            _ => Err(Error::Invalid("neither a branch nor a snapshot").into()),
        }
    }

    pub(super) fn branch(self) -> Outcome<BranchId> {
        match self.id()? {
            RefId::Branch(id) => Ok(id),
            RefId::Snapshot(_) => Err(Error::Invalid("that is a snapshot; snapshots are taken of branches").into()),
        }
    }
}

/// The handle, if it is one.
pub(super) fn handle_in(handle: fs_handle) -> Option<HandleId> {
    (handle != FS_HANDLE_NONE).then_some(HandleId(handle))
}
