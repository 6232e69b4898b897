//! Attributes of nodes, and the space there is.

use super::boundary::*;
use super::results::fs_result;
use super::types::*;
use super::view::fs_view;
use crate::error::Error;
use crate::operations::Mask;
use crate::types::{NodeId, SetAttr, SetTime, Time};

/// Set: `mode`.
pub const FS_SET_MODE: u32 = 1;
/// Set: `uid`.
pub const FS_SET_UID: u32 = 2;
/// Set: `gid`.
pub const FS_SET_GID: u32 = 4;
/// Set: `length`.
pub const FS_SET_LENGTH: u32 = 8;
/// Set: `accessed`.
pub const FS_SET_ACCESSED: u32 = 16;
/// Set: `modified`.
pub const FS_SET_MODIFIED: u32 = 32;
/// Set: `changed`. Only for hosts whose kernel keeps time itself.
pub const FS_SET_CHANGED: u32 = 64;
/// Set: `born`.
pub const FS_SET_BORN: u32 = 128;
/// Set: `flags`.
pub const FS_SET_FLAGS: u32 = 256;
/// Set: last access, to the time now; `accessed` is not looked at.
pub const FS_SET_ACCESSED_NOW: u32 = 512;
/// Set: last change of content, to the time now; `modified` is not looked at.
pub const FS_SET_MODIFIED_NOW: u32 = 1024;
const ALL_SETS: u32 = 2047;

/// Access: execute a file, search a directory.
pub const FS_ACCESS_EXECUTE: u32 = 1;
/// Access: write a file, change a directory's entries.
pub const FS_ACCESS_WRITE: u32 = 2;
/// Access: read a file, list a directory.
pub const FS_ACCESS_READ: u32 = 4;

/// Attributes to set. Times are nanoseconds since 1970-01-01 00:00 UTC.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_set_attr {
    /// `sizeof(fs_set_attr)`.
    pub size: u32,
    /// `FS_SET_...` bits: which of the fields below are meant; all others stay as they are.
    pub valid: u32,
    /// Permission bits, 0 to 07777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// `FS_FLAG_...` bits.
    pub flags: u32,
    /// Bytes of content: cuts or extends with zeros.
    pub length: u64,
    /// Last access.
    pub accessed: i64,
    /// Last change of content.
    pub modified: i64,
    /// Last change of content or attributes.
    pub changed: i64,
    /// Birth.
    pub born: i64,
    /// 0.
    pub reserved: [u64; 4],
}

/// Space and inodes of a volume, as statvfs(3) counts them.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_space {
    /// `sizeof(fs_space)`.
    pub size: u32,
    /// Unit of the block counts, in bytes.
    pub block_bytes: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks that a writer can still store.
    pub blocks_free: u64,
    /// Inodes that can exist.
    pub inodes: u64,
    /// Inodes that can still be made.
    pub inodes_free: u64,
    /// Longest name, in bytes.
    pub name_bytes: u32,
    /// Longest name in the units that the volume counts names in: UTF-16 units with `FS_NAMES_WINDOWS`, else bytes.
    pub name_units: u32,
    /// 0.
    pub reserved: [u64; 4],
}

impl fs_set_attr {
    pub(super) fn to_core(self) -> Outcome<SetAttr> {
        let set = |bit: u32| self.valid & bit != 0;
        if set(!ALL_SETS) {
            return Err(Error::Invalid("an attribute to set that this version does not know").into());
        }
        let time = |now: u32, at: u32, time: i64| match (set(now), set(at)) {
            (true, _) => Some(SetTime::Now),
            (false, true) => Some(SetTime::At(Time(time))),
            (false, false) => None,
        };
        Ok(SetAttr {
            mode: set(FS_SET_MODE).then_some(self.mode),
            uid: set(FS_SET_UID).then_some(self.uid),
            gid: set(FS_SET_GID).then_some(self.gid),
            size: set(FS_SET_LENGTH).then_some(self.length),
            accessed: time(FS_SET_ACCESSED_NOW, FS_SET_ACCESSED, self.accessed),
            modified: time(FS_SET_MODIFIED_NOW, FS_SET_MODIFIED, self.modified),
            changed: set(FS_SET_CHANGED).then_some(Time(self.changed)),
            born: set(FS_SET_BORN).then_some(Time(self.born)),
            flags: set(FS_SET_FLAGS).then_some(self.flags),
        })
    }
}

pub(super) fn access_mask(want: u32) -> Outcome<Mask> {
    Ok(Mask::from_bits(want).ok_or(Error::Invalid("access: an unknown bit"))?)
}

/// The attributes of a node.
///
/// `attr`: the answer; its `size` must be set.
///
/// Results: `FS_OK`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_getattr(view: *const fs_view, node: fs_node, attr: *mut fs_attr) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            output_structure(attr)?.put(view.0.attr(NodeId(node))?.into());
            Ok(())
        })
    }
}

/// Whether what is known of the names in a directory, which of them there are not too, holds until an event says otherwise
/// (`fs_events_open`): always, but for a directory over one of the base that cannot be watched.
///
/// `hold`: the answer.
///
/// Results: `FS_OK`, without a base whatever the node is; `FS_STALE`, `FS_NOT_A_DIRECTORY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_names_hold(view: *const fs_view, node: fs_node, hold: *mut bool) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            output(hold)?.put(view.0.names_hold(NodeId(node))?);
            Ok(())
        })
    }
}

/// Sets attributes of a node: all that are asked for, or none.
///
/// `handle`: `FS_HANDLE_NONE`, or a handle: its file is meant, and if it is open for writing a change of `length` needs no permission.
/// `set`: what.
/// `attr`: all attributes afterwards; its `size` must be set.
///
/// Results: `FS_OK`, `FS_NOT_PERMITTED`, `FS_ACCESS_DENIED`, `FS_IS_A_DIRECTORY`, `FS_NO_SPACE`, `FS_FILE_TOO_LARGE`, `FS_READ_ONLY`,
/// `FS_INVALID`, `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_setattr(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    set: *const fs_set_attr,
    attr: *mut fs_attr,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, set, attr) = (caller_in(caller)?, input(set)?, output_structure(attr)?);
            attr.put(view.0.set_attr(&who, NodeId(node), handle_in(handle), &set.to_core()?)?.into());
            Ok(())
        })
    }
}

/// Whether the caller may do all of `want`, as access(2).
///
/// `want`: `FS_ACCESS_...` bits; 0: only whether it is there.
///
/// Results: `FS_OK`: it may; `FS_ACCESS_DENIED`, `FS_NOT_PERMITTED`, `FS_READ_ONLY`, `FS_INVALID`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_access(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    want: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let who = caller_in(caller)?;
            Ok(view.0.access(&who, NodeId(node), access_mask(want)?)?)
        })
    }
}

/// Space and inodes of the volume.
///
/// `space`: the answer; its `size` must be set.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_statfs(view: *const fs_view, space: *mut fs_space) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (stats, size) = (view.0.fs_stats(), size_of::<fs_space>() as u32);
            output_structure(space)?.put(fs_space {
                size,
                block_bytes: stats.block_bytes,
                blocks: stats.blocks,
                blocks_free: stats.blocks_free,
                inodes: stats.inodes,
                inodes_free: stats.inodes_free,
                name_bytes: stats.name_bytes,
                name_units: stats.name_units,
                reserved: [0; 4],
            });
            Ok(())
        })
    }
}
