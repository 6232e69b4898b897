//! What files carry for Windows and macOS: attributes, times, allocation, security descriptors, extended attributes, reparse points,
//! flags, and what files are made with.

use std::ffi::{c_char, c_void};

use super::boundary::*;
use super::results::fs_result;
use super::types::*;
use super::view::fs_view;
use super::xattrs::xattr_mode;
use crate::error::Error;
use crate::operations::windows::filetime;
use crate::operations::{FileInfo, MacInfo, NewExtras, NewNode, NewSecurity, SetFileInfo, SetMacInfo};
use crate::types::{NodeId, Time};

/// Security of what is made: its mode decides, and what the directory passes on about others.
pub const FS_SECURITY_MODE: u32 = 0;
/// Security of what is made: by Windows' rules from the descriptor that is given, if any, and what the directory passes on. The mode
/// follows.
pub const FS_SECURITY_INHERIT: u32 = 1;
/// Security of what is made: the descriptor as it is given. The mode follows.
pub const FS_SECURITY_COMPLETE: u32 = 2;

/// Set: `flags`.
pub const FS_MAC_FLAGS: u32 = 1;
/// Set: `added`.
pub const FS_MAC_ADDED: u32 = 2;
/// Set: `backed_up`.
pub const FS_MAC_BACKED_UP: u32 = 4;

/// What Windows programs are told of a file, or of one of its streams. Times are in 100 ns since 1601-01-01 00:00 UTC.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_file_info {
    /// `sizeof(fs_file_info)`.
    pub size: u32,
    /// FILE_ATTRIBUTE_ bits; never 0.
    pub attributes: u32,
    /// The tag of a reparse point, or 0.
    pub reparse_tag: u32,
    /// What its extended attributes take, as EaSize counts it; 0 for none.
    pub ea_bytes: u32,
    /// Bytes of the stream; 0 for a directory or link.
    pub length: u64,
    /// Bytes set aside for the stream: at least its length, in units of 4,096.
    pub allocation: u64,
    /// Creation.
    pub created: u64,
    /// Last access.
    pub accessed: u64,
    /// Last write.
    pub written: u64,
    /// Last change of anything.
    pub changed: u64,
    /// The file's id in the volume (IndexNumber): never another file's.
    pub index: u64,
    /// Number of names; 1 for a directory.
    pub links: u32,
    /// 0.
    pub reserved0: u32,
    /// 0.
    pub reserved: [u64; 4],
}

/// Attributes and times to set, in the numbers of FILE_BASIC_INFORMATION.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_set_file_info {
    /// `sizeof(fs_set_file_info)`.
    pub size: u32,
    /// FILE_ATTRIBUTE_ bits. 0 and 0xffffffff keep what is there, FILE_ATTRIBUTE_NORMAL alone clears all.
    pub attributes: u32,
    /// Creation, in 100 ns since 1601. 0 keeps it, here and below.
    pub created: i64,
    /// Last access. -1: it stays, and operations through this handle leave it alone; -2: they change it again; here and
    /// below. A time that is set is left alone as well.
    pub accessed: i64,
    /// Last write.
    pub written: i64,
    /// Last change of anything.
    pub changed: i64,
    /// 0.
    pub reserved: [u64; 4],
}

/// What macOS is told of a file besides `fs_attr`. Times are nanoseconds since 1970-01-01 00:00 UTC.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_mac_info {
    /// `sizeof(fs_mac_info)`.
    pub size: u32,
    /// To set: `FS_MAC_...` bits: which of the fields below are meant. As an answer: all of them.
    pub valid: u32,
    /// UF_ and SF_ bits of chflags(2): NODUMP, IMMUTABLE, APPEND, OPAQUE, HIDDEN; ARCHIVED, IMMUTABLE, APPEND.
    pub flags: u32,
    /// 0.
    pub reserved0: u32,
    /// When it came to its directory.
    pub added: i64,
    /// When it was last backed up; 0: never.
    pub backed_up: i64,
    /// 0.
    pub reserved: [u64; 4],
}

/// What a file or directory is made with.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_new {
    /// `sizeof(fs_new)`.
    pub size: u32,
    /// `FS_KIND_FILE` or `FS_KIND_DIRECTORY`.
    pub kind: u32,
    /// Permission bits, before the caller's umask or the directory's default ACL, where `security_how` does not say more.
    pub mode: u32,
    /// FILE_ATTRIBUTE_ bits; 0: none but what is usual.
    pub attributes: u32,
    /// Bytes to set aside for its content.
    pub allocation: u64,
    /// A security descriptor, self-relative; may be NULL.
    pub security: *const c_void,
    /// Its length.
    pub security_bytes: usize,
    /// Extended attributes: a list of FILE_FULL_EA_INFORMATION; may be NULL.
    pub eas: *const c_void,
    /// Its length.
    pub eas_bytes: usize,
    /// A REPARSE_DATA_BUFFER; may be NULL.
    pub reparse: *const c_void,
    /// Its length.
    pub reparse_bytes: usize,
    /// `FS_SECURITY_...`.
    pub security_how: u32,
    /// 0.
    pub reserved0: u32,
    /// 0.
    pub reserved: [u64; 4],
}

impl From<FileInfo> for fs_file_info {
    fn from(info: FileInfo) -> fs_file_info {
        fs_file_info {
            size: size_of::<fs_file_info>() as u32,
            attributes: info.attributes,
            reparse_tag: info.reparse_tag,
            ea_bytes: info.ea_bytes,
            length: info.size,
            allocation: info.allocation,
            created: filetime::from_time(info.created),
            accessed: filetime::from_time(info.accessed),
            written: filetime::from_time(info.written),
            changed: filetime::from_time(info.changed),
            index: info.inode.0,
            links: info.links,
            reserved0: 0,
            reserved: [0; 4],
        }
    }
}

impl fs_set_file_info {
    fn to_core(self) -> SetFileInfo {
        SetFileInfo {
            attributes: self.attributes,
            created: self.created,
            accessed: self.accessed,
            written: self.written,
            changed: self.changed,
        }
    }
}

impl From<MacInfo> for fs_mac_info {
    fn from(info: MacInfo) -> fs_mac_info {
        fs_mac_info {
            size: size_of::<fs_mac_info>() as u32,
            valid: FS_MAC_FLAGS | FS_MAC_ADDED | FS_MAC_BACKED_UP,
            flags: info.flags,
            reserved0: 0,
            added: info.added.0,
            backed_up: info.backed_up.0,
            reserved: [0; 4],
        }
    }
}

impl fs_mac_info {
    fn to_core(self) -> Outcome<SetMacInfo> {
        if self.valid & !(FS_MAC_FLAGS | FS_MAC_ADDED | FS_MAC_BACKED_UP) != 0 {
            return Err(Error::Invalid("something to set that this version does not know").into());
        }
        let set = |bit: u32| self.valid & bit != 0;
        Ok(SetMacInfo {
            flags: set(FS_MAC_FLAGS).then_some(self.flags),
            added: set(FS_MAC_ADDED).then_some(Time(self.added)),
            backed_up: set(FS_MAC_BACKED_UP).then_some(Time(self.backed_up)),
        })
    }
}

impl fs_new {
    /// # Safety
    /// What it points to does not change during the call.
    unsafe fn extras<'a>(self) -> Outcome<NewExtras<'a>> {
        // SAFETY: the caller's promise is this function's own.
        let (security, eas, reparse) = unsafe {
            let security = bytes_in(self.security.cast(), self.security_bytes)?;
            (security, bytes_in(self.eas.cast(), self.eas_bytes)?, bytes_in(self.reparse.cast(), self.reparse_bytes)?)
        };
        let security = match self.security_how {
            FS_SECURITY_MODE if security.is_empty() => NewSecurity::Mode,
            FS_SECURITY_MODE => return Err(Error::Invalid("a descriptor, and no word what to do with it").into()),
            FS_SECURITY_INHERIT => NewSecurity::Inherit(security),
            FS_SECURITY_COMPLETE => NewSecurity::Complete(security),
            _ => return Err(Error::Invalid("a kind of security that this version does not know").into()),
        };
        Ok(NewExtras { attributes: self.attributes, security, eas, reparse, allocation: self.allocation })
    }
}

fn kind(kind: u32) -> Outcome<NewNode<'static>> {
    match kind {
        FS_KIND_FILE => Ok(NewNode::File),
        FS_KIND_DIRECTORY => Ok(NewNode::Directory),
        _ => Err(Error::NotSupported.into()),
    }
}

/// Makes a file or directory that carries all this from the start.
///
/// `parent`, `name`, `name_bytes`: the directory and the name.
/// `new`: what.
/// `entry`: the file; its `size` must be set. Counts one reference.
///
/// Results: as `fs_mknod`; `FS_NOT_SUPPORTED` for another kind, `FS_BAD_SECURITY`, `FS_BAD_OWNER`, `FS_BAD_EA_LIST`, `FS_BAD_EA_NAME`,
/// `FS_TOO_MANY_ATTRIBUTES`, `FS_BAD_REPARSE`, `FS_BAD_REPARSE_TAG`, `FS_NO_SPACE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_make(
    view: *const fs_view,
    caller: *const fs_caller,
    parent: fs_node,
    name: *const c_char,
    name_bytes: usize,
    new: *const fs_new,
    entry: *mut fs_entry,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name, new) = (caller_in(caller)?, name_in(name, name_bytes)?, input(new)?);
            let (entry, kind, extras) = (output_structure(entry)?, kind(new.kind)?, new.extras()?);
            entry.put(view.0.make_carrying(&who, NodeId(parent), name, new.mode, kind, &extras)?.into());
            Ok(())
        })
    }
}

/// What Windows programs are told of a file.
///
/// `handle`: `FS_HANDLE_NONE`, or a handle: what it is open on is meant, here and in the functions below.
/// `info`: the answer; its `size` must be set.
///
/// Results: `FS_OK`, `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_file_info_get(
    view: *const fs_view,
    node: fs_node,
    handle: fs_handle,
    info: *mut fs_file_info,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            output_structure(info)?.put(view.0.file_info(NodeId(node), handle_in(handle))?.into());
            Ok(())
        })
    }
}

/// Sets attributes and times of Windows: all that are asked for, or none.
///
/// `set`: what.
/// `info`: all of them afterwards; its `size` must be set.
///
/// Results: `FS_OK`, `FS_INVALID` for a time before 1601 and for attributes that a file or directory cannot have, `FS_NOT_PERMITTED`,
/// `FS_ACCESS_DENIED`, `FS_READ_ONLY`, `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_file_info_set(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    set: *const fs_set_file_info,
    info: *mut fs_file_info,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, set, info) = (caller_in(caller)?, input(set)?, output_structure(info)?);
            info.put(view.0.set_file_info(&who, NodeId(node), handle_in(handle), &set.to_core())?.into());
            Ok(())
        })
    }
}

/// Sets the allocation size, rounded up to a whole number of units of 4,096 bytes. One below the length cuts the file, or stream.
///
/// `handle`: as for `fs_write`.
/// `bytes`: the allocation.
/// `info`: what Windows programs are told afterwards; its `size` must be set.
///
/// Results: as `fs_write`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_allocation_set(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    bytes: u64,
    info: *mut fs_file_info,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, info) = (caller_in(caller)?, output_structure(info)?);
            info.put(view.0.set_allocation(&who, NodeId(node), handle_in(handle), bytes)?.into());
            Ok(())
        })
    }
}

/// Gives back what was set aside beyond the length: for the last handle that closes.
///
/// Results: `FS_OK`, `FS_READ_ONLY`, `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_allocation_give_back(view: *const fs_view, node: fs_node, handle: fs_handle) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.give_back_allocation(NodeId(node), handle_in(handle))?)) }
}

/// Parts of the security descriptor, self-relative, by the size protocol.
///
/// `parts`: bits of SECURITY_INFORMATION.
/// `into`, `capacity`: where they go; a capacity of 0 asks for the size only, and `into` may be NULL then.
/// `descriptor_bytes`: how long they are.
///
/// Results: `FS_OK`, `FS_BUFFER_TOO_SMALL`, `FS_PRIVILEGE_NOT_HELD` for audits, `FS_ACCESS_DENIED`, `FS_INVALID` for unknown bits,
/// `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_security_get(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    parts: u32,
    into: *mut c_void,
    capacity: usize,
    descriptor_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, into) = (caller_in(caller)?, buffer_in(into.cast(), capacity)?);
            let size = output(descriptor_bytes)?;
            put_sized(&view.0.get_security(&who, NodeId(node), handle_in(handle), parts)?, into, size)
        })
    }
}

/// Sets parts of the security descriptor; the others stay. Owner, group and mode follow.
///
/// `parts`: bits of SECURITY_INFORMATION.
/// `descriptor`, `descriptor_bytes`: a self-relative descriptor that has them.
///
/// Results: `FS_OK`, `FS_BAD_SECURITY`, `FS_BAD_OWNER`, `FS_NOT_PERMITTED`, `FS_ACCESS_DENIED`, `FS_PRIVILEGE_NOT_HELD`, `FS_INVALID` for unknown
/// bits, `FS_READ_ONLY`, `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_security_set(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    parts: u32,
    descriptor: *const c_void,
    descriptor_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, descriptor) = (caller_in(caller)?, name_in(descriptor.cast(), descriptor_bytes)?);
            Ok(view.0.set_security(&who, NodeId(node), handle_in(handle), parts, descriptor)?)
        })
    }
}

/// Extended attributes of Windows, as a list of FILE_FULL_EA_INFORMATION, by the size protocol. They are not those of `fs_xattr_get`.
///
/// `names`, `names_bytes`: a list of FILE_GET_EA_INFORMATION: which; one that is not there has an empty value. NULL: all.
/// `into`, `capacity`: where they go; a capacity of 0 asks for the size only, and `into` may be NULL then.
/// `list_bytes`: how long the list is; 0 when there are none.
///
/// Results: `FS_OK`, `FS_BUFFER_TOO_SMALL`, `FS_BAD_EA_LIST`, `FS_BAD_EA_NAME`, `FS_ACCESS_DENIED`, `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_ea_get(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    names: *const c_void,
    names_bytes: usize,
    into: *mut c_void,
    capacity: usize,
    list_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, names) = (caller_in(caller)?, bytes_in(names.cast(), names_bytes)?);
            let (into, size) = (buffer_in(into.cast(), capacity)?, output(list_bytes)?);
            put_sized(&view.0.get_eas(&who, NodeId(node), handle_in(handle), names)?, into, size)
        })
    }
}

/// Sets extended attributes of Windows: names without case, each spelled as it was first; an empty value deletes.
///
/// `list`, `list_bytes`: a list of FILE_FULL_EA_INFORMATION.
/// `ea_bytes`: EaSize afterwards.
///
/// Results: `FS_OK`, `FS_BAD_EA_LIST`, `FS_BAD_EA_NAME`, `FS_TOO_MANY_ATTRIBUTES`, `FS_ACCESS_DENIED`, `FS_NOT_PERMITTED` by flags,
/// `FS_READ_ONLY`, `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_ea_set(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    list: *const c_void,
    list_bytes: usize,
    ea_bytes: *mut u64,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, list) = (caller_in(caller)?, name_in(list.cast(), list_bytes)?);
            let size = output(ea_bytes)?;
            size.put(view.0.set_eas(&who, NodeId(node), handle_in(handle), list)?.into());
            Ok(())
        })
    }
}

/// The REPARSE_DATA_BUFFER of a reparse point, by the size protocol. What POSIX made, a symbolic link, pipe, socket or device, is one, too.
///
/// `into`, `capacity`: where it goes; a capacity of 0 asks for the size only, and `into` may be NULL then.
/// `buffer_bytes`: how long it is.
///
/// Results: `FS_OK`, `FS_NOT_A_REPARSE_POINT`, `FS_BUFFER_TOO_SMALL`, `FS_BAD_UTF8` for a link whose target Windows cannot say, `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_reparse_get(
    view: *const fs_view,
    node: fs_node,
    handle: fs_handle,
    into: *mut c_void,
    capacity: usize,
    buffer_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (into, size) = (buffer_in(into.cast(), capacity)?, output(buffer_bytes)?);
            put_sized(&view.0.get_reparse(NodeId(node), handle_in(handle))?, into, size)
        })
    }
}

/// Makes a file or directory a reparse point, or changes the one it is. A symbolic link that stays on the volume is one to POSIX programs
/// as well.
///
/// `buffer`, `buffer_bytes`: a REPARSE_DATA_BUFFER, at most 16,384 bytes.
///
/// Results: `FS_OK`, `FS_BAD_REPARSE`, `FS_BAD_REPARSE_TAG`, `FS_REPARSE_TAG_MISMATCH`, `FS_REPARSE_CONFLICT`, `FS_NOT_EMPTY`, `FS_NOT_A_DIRECTORY`
/// for a mount point on a file, `FS_ACCESS_DENIED`, `FS_NOT_PERMITTED` by flags, `FS_READ_ONLY`, `FS_BAD_HANDLE`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_reparse_set(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    buffer: *const c_void,
    buffer_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, buffer) = (caller_in(caller)?, name_in(buffer.cast(), buffer_bytes)?);
            Ok(view.0.set_reparse(&who, NodeId(node), handle_in(handle), buffer)?)
        })
    }
}

/// Makes a reparse point a plain file or directory again.
///
/// `buffer`, `buffer_bytes`: its tag and GUID, and no data.
///
/// Results: `FS_OK`, `FS_NOT_A_REPARSE_POINT`, and as `fs_reparse_set`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_reparse_delete(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    buffer: *const c_void,
    buffer_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, buffer) = (caller_in(caller)?, name_in(buffer.cast(), buffer_bytes)?);
            Ok(view.0.delete_reparse(&who, NodeId(node), handle_in(handle), buffer)?)
        })
    }
}

/// What macOS is told of a file.
///
/// `info`: the answer; its `size` must be set.
///
/// Results: `FS_OK`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_mac_info_get(view: *const fs_view, node: fs_node, info: *mut fs_mac_info) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            output_structure(info)?.put(view.0.mac_info(NodeId(node))?.into());
            Ok(())
        })
    }
}

/// Sets what macOS knows: all of what `set->valid` names, or none.
///
/// `set`: what. The owner sets and clears UF_ flags; SF_IMMUTABLE and SF_APPEND take `FS_PRIVILEGE_IMMUTABLE`.
/// `info`: all of it afterwards; its `size` must be set.
///
/// Results: `FS_OK`, `FS_NOT_SUPPORTED` for a flag that is not kept, `FS_NOT_PERMITTED`, `FS_INVALID`, `FS_READ_ONLY`, `FS_STALE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_mac_info_set(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    set: *const fs_mac_info,
    info: *mut fs_mac_info,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, set, info) = (caller_in(caller)?, input(set)?.to_core()?, output_structure(info)?);
            info.put(view.0.set_mac_info(&who, NodeId(node), &set)?.into());
            Ok(())
        })
    }
}

/// Reads an extended attribute from `position` on. Only `com.apple.ResourceFork` on a volume with names of macOS is read from elsewhere than
/// its beginning, and in parts.
///
/// `into`, `capacity`: where the bytes go, and how many are wanted.
/// `read_bytes`: how many came; 0 at and past the end.
///
/// Results: as `fs_xattr_get`; `FS_INVALID` for a position.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_xattr_read(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    name: *const c_char,
    name_bytes: usize,
    position: u64,
    into: *mut c_void,
    capacity: usize,
    read_bytes: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, name) = (caller_in(caller)?, name_in(name, name_bytes)?);
            let (into, count) = (buffer_in(into.cast(), capacity)?, output(read_bytes)?);
            count.put(view.0.read_xattr(&who, NodeId(node), name, position, into)?);
            Ok(())
        })
    }
}

/// Writes to `com.apple.ResourceFork` from `position` on, the rest stays; any other extended attribute is set whole, from position 0.
///
/// `data`, `data_bytes`: what; `data` may be NULL for none.
/// `how`: `FS_XATTR_...`.
///
/// Results: as `fs_xattr_set`; `FS_INVALID` for a position, `FS_NO_SPACE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_xattr_write(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    name: *const c_char,
    name_bytes: usize,
    position: u64,
    data: *const c_void,
    data_bytes: usize,
    how: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, data) = (caller_in(caller)?, bytes_in(data.cast(), data_bytes)?);
            let (name, how) = (name_in(name, name_bytes)?, xattr_mode(how)?);
            Ok(view.0.write_xattr(&who, NodeId(node), name, position, data, how)?)
        })
    }
}
