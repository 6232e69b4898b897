//! Opens as Windows makes them, and what their handles can do. Reading, writing and closing is as for other handles.

use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::boundary::*;
use super::locks::{FS_LOCK_RANGE, Waiter, fs_lock_callback, fs_wait};
use super::results::fs_result;
use super::types::*;
use super::utf16::name_of;
use super::view::fs_view;
use crate::error::Error;
use crate::operations::{Disposal, Disposition, LockSpace, NewSecurity, Renaming, WaitId, WindowsOpen};
use crate::types::{HandleId, NodeId};
use crate::volume::view_windows::{From, RenameTo, WindowsInfo, WindowsOpened};

/// Right: read a file's bytes, list a directory.
pub const FS_RIGHT_READ_DATA: u32 = 0x1;
/// Right: write a file's bytes, make files in a directory.
pub const FS_RIGHT_WRITE_DATA: u32 = 0x2;
/// Right: write at a file's end, make directories in a directory.
pub const FS_RIGHT_APPEND_DATA: u32 = 0x4;
/// Right: read extended attributes.
pub const FS_RIGHT_READ_EA: u32 = 0x8;
/// Right: write extended attributes.
pub const FS_RIGHT_WRITE_EA: u32 = 0x10;
/// Right: execute a file, go through a directory.
pub const FS_RIGHT_EXECUTE: u32 = 0x20;
/// Right: delete what is in a directory.
pub const FS_RIGHT_DELETE_CHILD: u32 = 0x40;
/// Right: read attributes and times.
pub const FS_RIGHT_READ_ATTRIBUTES: u32 = 0x80;
/// Right: write attributes and times.
pub const FS_RIGHT_WRITE_ATTRIBUTES: u32 = 0x100;
/// Right: delete the file.
pub const FS_RIGHT_DELETE: u32 = 0x10000;
/// Right: read the security descriptor, but for its SACL.
pub const FS_RIGHT_READ_CONTROL: u32 = 0x20000;
/// Right: change the DACL.
pub const FS_RIGHT_WRITE_DAC: u32 = 0x40000;
/// Right: change owner and group.
pub const FS_RIGHT_WRITE_OWNER: u32 = 0x80000;
/// Right: wait for the handle.
pub const FS_RIGHT_SYNCHRONIZE: u32 = 0x100000;
/// Right: read and write the SACL.
pub const FS_RIGHT_SYSTEM_SECURITY: u32 = 0x1000000;
/// Right: all that can be had.
pub const FS_RIGHT_MAXIMUM_ALLOWED: u32 = 0x2000000;
/// Right: all that a file allows.
pub const FS_RIGHT_GENERIC_ALL: u32 = 0x10000000;
/// Right: what executing needs.
pub const FS_RIGHT_GENERIC_EXECUTE: u32 = 0x20000000;
/// Right: what writing needs.
pub const FS_RIGHT_GENERIC_WRITE: u32 = 0x40000000;
/// Right: what reading needs.
pub const FS_RIGHT_GENERIC_READ: u32 = 0x80000000;

/// Share mode: others may read meanwhile.
pub const FS_SHARE_READ: u32 = 1;
/// Share mode: others may write meanwhile.
pub const FS_SHARE_WRITE: u32 = 2;
/// Share mode: others may delete and rename meanwhile.
pub const FS_SHARE_DELETE: u32 = 4;

/// Disposition: put a new file in the place of what is there, or create it.
pub const FS_DISPOSITION_SUPERSEDE: u32 = 0;
/// Disposition: open what is there.
pub const FS_DISPOSITION_OPEN: u32 = 1;
/// Disposition: create what is not there.
pub const FS_DISPOSITION_CREATE: u32 = 2;
/// Disposition: open, or create.
pub const FS_DISPOSITION_OPEN_IF: u32 = 3;
/// Disposition: open and empty what is there.
pub const FS_DISPOSITION_OVERWRITE: u32 = 4;
/// Disposition: open and empty, or create.
pub const FS_DISPOSITION_OVERWRITE_IF: u32 = 5;

/// What an open did: a new file took the place of what was there.
pub const FS_OUTCOME_SUPERSEDED: u32 = 0;
/// What an open did: what was there was opened.
pub const FS_OUTCOME_OPENED: u32 = 1;
/// What an open did: it was made.
pub const FS_OUTCOME_CREATED: u32 = 2;
/// What an open did: what was there was emptied.
pub const FS_OUTCOME_OVERWRITTEN: u32 = 3;

/// Create option: it must be a directory.
pub const FS_CREATE_DIRECTORY: u32 = 0x1;
/// Create option: what is written is safe when the write returns. Always so.
pub const FS_CREATE_WRITE_THROUGH: u32 = 0x2;
/// Create option: it must not be a directory.
pub const FS_CREATE_NON_DIRECTORY: u32 = 0x40;
/// Create option: it is deleted when the handle is closed.
pub const FS_CREATE_DELETE_ON_CLOSE: u32 = 0x1000;
/// Create option: to back up or restore; privileges of the token for that count.
pub const FS_CREATE_BACKUP_INTENT: u32 = 0x4000;
/// Create option: a link at the end of the path is opened itself.
pub const FS_CREATE_OPEN_REPARSE_POINT: u32 = 0x200000;

/// Request flag, from the host: some program has mapped the file as an image: it runs.
pub const FS_REQUEST_MAPPED_IMAGE: u32 = 1;
/// Request flag, from the host: some program has mapped the file's content.
pub const FS_REQUEST_MAPPED_DATA: u32 = 2;
/// Request flag: the path is UTF-16; its length in bytes is even, and it need not be aligned. The stream's name is not.
pub const FS_REQUEST_UTF16: u32 = 4;
/// Request flag: `security` is the whole descriptor, what is inherited included.
pub const FS_REQUEST_COMPLETE_SECURITY: u32 = 8;

/// Disposal flag: delete; without it: keep.
pub const FS_DISPOSE_DELETE: u32 = 0x1;
/// Disposal flag: the name goes when this handle ends, whoever else has the file open.
pub const FS_DISPOSE_POSIX: u32 = 0x2;
/// Disposal flag: ask whether the file is mapped as an image. Always so.
pub const FS_DISPOSE_FORCE_IMAGE_CHECK: u32 = 0x4;
/// Disposal flag: do not mark the file now, but set or clear that this handle deletes it when it ends.
pub const FS_DISPOSE_ON_CLOSE: u32 = 0x8;
/// Disposal flag: delete it though it is read-only.
pub const FS_DISPOSE_IGNORE_READONLY: u32 = 0x10;
/// Disposal flag, from the host: some program has mapped the file as an image.
pub const FS_DISPOSE_MAPPED_IMAGE: u32 = 0x10000;

/// Renaming flag: what has the name is replaced.
pub const FS_RENAMING_REPLACE: u32 = 0x1;
/// Renaming flag: what is replaced, or lies below what is renamed, may be open if all share its deletion.
pub const FS_RENAMING_POSIX: u32 = 0x2;
/// Renaming flag: what is replaced may be read-only.
pub const FS_RENAMING_IGNORE_READONLY: u32 = 0x40;
/// Renaming flag, from the host: some program has mapped what is replaced as an image.
pub const FS_RENAMING_MAPPED_IMAGE: u32 = 0x10000;
/// Renaming flag: the path is UTF-16; its length in bytes is even, and it need not be aligned.
pub const FS_RENAMING_UTF16: u32 = 0x20000;

/// Range lock flag: exclusive; without it: shared.
pub const FS_RANGE_EXCLUSIVE: u32 = 1;

/// Handle flag: what it has open is to be deleted, or is.
pub const FS_WINDOWS_DELETE_PENDING: u32 = 1;
/// Handle flag: it deletes what it has open when it ends.
pub const FS_WINDOWS_DELETE_ON_CLOSE: u32 = 2;

/// How a file or directory is opened the Windows way. Numbers are Windows' own.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_windows_request {
    /// `sizeof(fs_windows_request)`.
    pub size: u32,
    /// `FS_RIGHT_...` bits.
    pub access: u32,
    /// `FS_SHARE_...` bits.
    pub share: u32,
    /// `FS_DISPOSITION_...`.
    pub disposition: u32,
    /// `FS_CREATE_...` bits, and others of NtCreateFile's, which are hints without effect.
    pub options: u32,
    /// FILE_ATTRIBUTE_ bits of what is made or overwritten.
    pub attributes: u32,
    /// Permission bits of what is made, before umask or default ACL, where no descriptor says who may do what. Files get no execute bits.
    pub mode: u32,
    /// `FS_REQUEST_...` bits.
    pub flags: u32,
    /// Bytes to reserve for what is made or overwritten.
    pub allocation: u64,
    /// The security descriptor of what is made, self-relative, joined by what the directory passes on; may be NULL: for a caller with a token what
    /// is inherited alone, else what `mode` says.
    pub security: *const u8,
    /// Length of `security`.
    pub security_bytes: usize,
    /// The extended attributes of what is made or overwritten: FILE_FULL_EA_INFORMATION entries; may be NULL.
    pub extended_attributes: *const u8,
    /// Length of `extended_attributes`.
    pub extended_attributes_bytes: usize,
    /// The name of a stream, without its type; may be NULL: what the path leads to itself.
    pub stream: *const c_char,
    /// Length of `stream`.
    pub stream_bytes: usize,
    /// 0.
    pub reserved: [u64; 4],
}

/// What an open answers.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_windows_opened {
    /// `sizeof(fs_windows_opened)`.
    pub size: u32,
    /// `FS_OUTCOME_...`.
    pub outcome: u32,
    /// `FS_RIGHT_...` bits that the handle was granted, generic ones mapped.
    pub granted: u32,
    /// 0.
    pub reserved0: u32,
    /// The handle, to be closed with `fs_release`.
    pub handle: fs_handle,
    /// The node. It is not counted as a reference: `fs_forget` is not for it.
    pub node: fs_node,
    /// Its attributes.
    pub attr: fs_attr,
    /// 0.
    pub reserved: [u64; 4],
}

/// What a handle is.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_windows_handle_info {
    /// `sizeof(fs_windows_handle_info)`.
    pub size: u32,
    /// `FS_WINDOWS_...` bits.
    pub flags: u32,
    /// `FS_RIGHT_...` bits that the handle was granted.
    pub granted: u32,
    /// 0.
    pub reserved0: u32,
    /// The node that it has open.
    pub node: fs_node,
    /// 0.
    pub reserved: [u64; 4],
}

impl fs_windows_request {
    /// # Safety
    /// The descriptor and the list are null or as long as their lengths say, and do not change during the call.
    unsafe fn to_core<'a>(self) -> Outcome<WindowsOpen<'a>> {
        let known = FS_REQUEST_MAPPED_IMAGE | FS_REQUEST_MAPPED_DATA | FS_REQUEST_UTF16 | FS_REQUEST_COMPLETE_SECURITY;
        if self.flags & !known != 0 {
            return Err(Error::Invalid("a request flag that this version does not know").into());
        }
        // SAFETY: the caller's promise is this function's own.
        let (security, extended_attributes, stream) = unsafe {
            let security = bytes_in(self.security, self.security_bytes)?;
            let stream = bytes_in(self.stream.cast(), self.stream_bytes)?;
            (security, bytes_in(self.extended_attributes, self.extended_attributes_bytes)?, stream)
        };
        Ok(WindowsOpen {
            access: self.access,
            share: self.share,
            disposition: Disposition::from_number(self.disposition)?,
            options: self.options,
            attributes: self.attributes,
            mode: self.mode,
            mapped_image: self.flags & FS_REQUEST_MAPPED_IMAGE != 0,
            mapped_data: self.flags & FS_REQUEST_MAPPED_DATA != 0,
            security: match (self.security.is_null(), self.flags & FS_REQUEST_COMPLETE_SECURITY != 0) {
                (true, _) => NewSecurity::Mode,
                (false, false) => NewSecurity::Inherit(security),
                (false, true) => NewSecurity::Complete(security),
            },
            extended_attributes,
            allocation: self.allocation,
            stream,
        })
    }
}

impl core::convert::From<WindowsOpened> for fs_windows_opened {
    fn from(opened: WindowsOpened) -> fs_windows_opened {
        fs_windows_opened {
            size: size_of::<fs_windows_opened>() as u32,
            outcome: opened.outcome as u32,
            granted: opened.granted,
            reserved0: 0,
            handle: opened.handle.0,
            node: opened.node.0,
            attr: opened.attr.into(),
            reserved: [0; 4],
        }
    }
}

impl core::convert::From<WindowsInfo> for fs_windows_handle_info {
    fn from(info: WindowsInfo) -> fs_windows_handle_info {
        let pending = if info.delete_pending { FS_WINDOWS_DELETE_PENDING } else { 0 };
        let on_close = if info.delete_on_close { FS_WINDOWS_DELETE_ON_CLOSE } else { 0 };
        fs_windows_handle_info {
            size: size_of::<fs_windows_handle_info>() as u32,
            flags: pending | on_close,
            granted: info.granted,
            reserved0: 0,
            node: info.node.0,
            reserved: [0; 4],
        }
    }
}

fn disposal(flags: u32) -> Outcome<Disposal> {
    let known = FS_DISPOSE_DELETE
        | FS_DISPOSE_POSIX
        | FS_DISPOSE_FORCE_IMAGE_CHECK
        | FS_DISPOSE_ON_CLOSE
        | FS_DISPOSE_IGNORE_READONLY
        | FS_DISPOSE_MAPPED_IMAGE;
    if flags & !known != 0 {
        return Err(Error::Invalid("a disposal flag that this version does not know").into());
    }
    let has = |flag: u32| flags & flag != 0;
    Ok(Disposal {
        delete: has(FS_DISPOSE_DELETE),
        posix: has(FS_DISPOSE_POSIX),
        on_close: has(FS_DISPOSE_ON_CLOSE),
        ignore_readonly: has(FS_DISPOSE_IGNORE_READONLY),
        mapped_image: has(FS_DISPOSE_MAPPED_IMAGE),
    })
}

fn renaming(flags: u32) -> Outcome<Renaming> {
    let known = FS_RENAMING_REPLACE
        | FS_RENAMING_POSIX
        | FS_RENAMING_IGNORE_READONLY
        | FS_RENAMING_MAPPED_IMAGE
        | FS_RENAMING_UTF16;
    if flags & !known != 0 {
        return Err(Error::Invalid("a renaming flag that this version does not know").into());
    }
    let has = |flag: u32| flags & flag != 0;
    Ok(Renaming {
        replace: has(FS_RENAMING_REPLACE),
        posix: has(FS_RENAMING_POSIX),
        ignore_readonly: has(FS_RENAMING_IGNORE_READONLY),
        mapped_image: has(FS_RENAMING_MAPPED_IMAGE),
    })
}

fn exclusive(flags: u32) -> Outcome<bool> {
    if flags & !FS_RANGE_EXCLUSIVE != 0 {
        return Err(Error::Invalid("a flag of a range lock that this version does not know").into());
    }
    Ok(flags & FS_RANGE_EXCLUSIVE != 0)
}

/// Where a path begins: at a handle if there is one, else at a node, else where the operation says.
fn from(node: fs_node, within: fs_handle) -> Option<From> {
    match (handle_in(within), node) {
        (Some(handle), _) => Some(From::Handle(handle)),
        (None, FS_NODE_NONE) => None,
        (None, node) => Some(From::Node(NodeId(node))),
    }
}

/// Opens or makes a file or directory as NtCreateFile does, with sharing, deletion and rights as Windows has them.
///
/// Share modes hold among all handles that were opened so on the branch, through whatever view; handles of `fs_open` neither ask for sharing nor give it.
/// On a snapshot such handles exclude nobody. A handle does what it was granted, whoever the caller of later calls is. On a volume with Windows names a
/// backslash separates names as a slash does, and `:name` or `:name:$DATA` at the end of a path names a stream.
///
/// `node`: where a path begins that does not begin with a separator; `FS_NODE_ROOT` for full paths. Ignored with `within`.
/// `within`: a handle of a directory where the path begins, which may not begin with a separator then; `FS_HANDLE_NONE`: none.
/// `path`, `path_bytes`: the path; with 0 bytes what `node` or `within` is is opened itself.
/// `request`: how.
/// `opened`: the answer; its `size` must be set. Close the handle with `fs_release`.
///
/// Results: `FS_OK`; `FS_NOT_FOUND` for the last component and `FS_PATH_NOT_FOUND` for those before; `FS_EXISTS`; `FS_IS_A_DIRECTORY`, `FS_NOT_A_DIRECTORY`;
/// `FS_ACCESS_DENIED`, also for writing a read-only file, for overwriting a hidden or system file without these attributes, and for anything but opening the
/// root; `FS_PRIVILEGE_NOT_HELD` for the SACL; `FS_SHARING_VIOLATION`, also for writing what runs; `FS_DELETE_PENDING`; `FS_CANNOT_DELETE` for deletion on close of
/// the root, of what is read-only and of what runs; `FS_USER_MAPPED` for overwriting what is mapped; `FS_READ_ONLY`; `FS_NOT_PERMITTED` by flags;
/// `FS_BAD_SECURITY`, `FS_BAD_EA_LIST`, `FS_BAD_EA_NAME`; `FS_INVALID` for options that exclude each other and for unknown bits; `FS_NOT_SUPPORTED` for an open by
/// number; `FS_TOO_MANY_SYMLINKS`, `FS_NO_SPACE`, `FS_LIMIT`, `FS_BAD_HANDLE`, `FS_STALE`; `FS_BAD_NAME`, `FS_NAME_TOO_LONG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_open(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    within: fs_handle,
    path: *const c_char,
    path_bytes: usize,
    request: *const fs_windows_request,
    opened: *mut fs_windows_opened,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, how, opened) = (caller_in(caller)?, input(request)?, output_structure(opened)?);
            let path = name_of(path, path_bytes, how.flags & FS_REQUEST_UTF16 != 0)?;
            let from = from(node, within).ok_or(Error::Stale)?;
            opened.put(view.0.windows_open(&who, from, &path, &how.to_core()?)?.into());
            Ok(())
        })
    }
}

/// What a handle of `fs_windows_open` is.
///
/// `info`: the answer; its `size` must be set.
///
/// Results: `FS_OK`, `FS_BAD_HANDLE`; `FS_INVALID` for a handle of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_info(
    view: *const fs_view,
    handle: fs_handle,
    info: *mut fs_windows_handle_info,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let info = output_structure(info)?;
            info.put(view.0.windows_info(HandleId(handle))?.into());
            Ok(())
        })
    }
}

/// Empties what a handle has open, as an open that overwrites or supersedes does by itself: for hosts whose framework opens first and asks for that then.
///
/// `request`: `disposition` (`FS_DISPOSITION_SUPERSEDE` supersedes, others overwrite), `attributes`, `extended_attributes` and `allocation` count. A named stream is
/// only emptied.
///
/// Results: `FS_OK`; `FS_ACCESS_DENIED` for a hidden or system file without these attributes, and for a handle without `FS_RIGHT_WRITE_DATA` (to supersede,
/// `FS_RIGHT_DELETE`) unless the caller has `FS_PRIVILEGE_CHECKED`; `FS_IS_A_DIRECTORY`; `FS_BAD_EA_LIST`, `FS_BAD_EA_NAME`; `FS_NO_SPACE`; `FS_READ_ONLY`;
/// `FS_NOT_PERMITTED` by flags of the file; `FS_BAD_HANDLE`; `FS_INVALID` as `fs_windows_open`, and for a handle of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_overwrite(
    view: *const fs_view,
    caller: *const fs_caller,
    handle: fs_handle,
    request: *const fs_windows_request,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, request) = (caller_in(caller)?, input(request)?.to_core()?);
            Ok(view.0.windows_overwrite(&who, HandleId(handle), &request)?)
        })
    }
}

/// Marks what a handle has open for deletion, or clears the mark (FileDispositionInformationEx). The last handle takes the marked name away, or this one
/// with `FS_DISPOSE_POSIX`. The handle needs `FS_RIGHT_DELETE`.
///
/// `flags`: `FS_DISPOSE_...` bits; 0 keeps what was to be deleted.
///
/// Results: `FS_OK`; `FS_CANNOT_DELETE` for the root, what is read-only and what runs; `FS_NOT_EMPTY`; `FS_DELETED` for what has been deleted;
/// `FS_ACCESS_DENIED` without the right; `FS_NOT_PERMITTED` by flags of the file; `FS_READ_ONLY`; `FS_BAD_HANDLE`; `FS_INVALID` for unknown flags and for a
/// handle of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_dispose(view: *const fs_view, handle: fs_handle, flags: u32) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.windows_dispose(HandleId(handle), disposal(flags)?)?)) }
}

/// Ends a handle's part in sharing, its locks and, if it was the last, what was to be deleted with it, as IRP_MJ_CLEANUP does. Content can be read and
/// written by it until `fs_release`, which does the same if nobody did.
///
/// Results: `FS_OK`, also when it was done already; `FS_BAD_HANDLE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_cleanup(view: *const fs_view, handle: fs_handle) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.windows_clean_up(HandleId(handle))?)) }
}

/// Gives what a handle has open another name (FileRenameInformationEx). The handle needs `FS_RIGHT_DELETE`.
///
/// Without `FS_RENAMING_POSIX` nothing that is open is replaced, and no directory is renamed below which anything is open, whatever is shared. Handles of
/// `fs_open` do not count.
///
/// `caller`: who may delete what is replaced, and make names in the directory.
/// `node`, `within`: where the path begins, as for `fs_windows_open`; `FS_NODE_NONE` and `FS_HANDLE_NONE`: in the directory that it is in.
/// `path`, `path_bytes`: the new name, with the directories before it; for a handle on a named stream `:name`, within its file.
/// `flags`: `FS_RENAMING_...` bits.
///
/// Results: `FS_OK`, also when it has that name already; `FS_EXISTS`; `FS_ACCESS_DENIED` for what may not be renamed or replaced: what is open, a directory, what is
/// read-only, runs or is to be deleted; `FS_SHARING_VIOLATION` with `FS_RENAMING_POSIX`; `FS_NOT_EMPTY`; `FS_DELETE_PENDING` in a directory that is to be
/// deleted; `FS_INTO_ITSELF`; `FS_PATH_NOT_FOUND`; `FS_CROSSES_VOLUMES` for nodes of different switches; `FS_READ_ONLY`; `FS_NOT_PERMITTED` by flags of the
/// files; `FS_INVALID` for the root, unknown flags and a handle of another kind; `FS_BAD_HANDLE`, `FS_STALE`, `FS_BAD_NAME`, `FS_NAME_TOO_LONG`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_rename(
    view: *const fs_view,
    caller: *const fs_caller,
    handle: fs_handle,
    node: fs_node,
    within: fs_handle,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, name_of(path, path_bytes, flags & FS_RENAMING_UTF16 != 0)?);
            let to = RenameTo { from: from(node, within), path: &path };
            Ok(view.0.windows_rename(&who, HandleId(handle), to, renaming(flags)?)?)
        })
    }
}

/// Gives what a handle has open a further name (FileLinkInformationEx).
///
/// Parameters as for `fs_windows_rename`.
///
/// Results: as `fs_windows_rename`; `FS_IS_A_DIRECTORY` for a directory; `FS_TOO_MANY_LINKS`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_link(
    view: *const fs_view,
    caller: *const fs_caller,
    handle: fs_handle,
    node: fs_node,
    within: fs_handle,
    path: *const c_char,
    path_bytes: usize,
    flags: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, path) = (caller_in(caller)?, name_of(path, path_bytes, flags & FS_RENAMING_UTF16 != 0)?);
            let to = RenameTo { from: from(node, within), path: &path };
            Ok(view.0.windows_link(&who, HandleId(handle), to, renaming(flags)?)?)
        })
    }
}

/// Locks a range of bytes for a handle, at once or not at all (LockFileEx with LOCKFILE_FAIL_IMMEDIATELY).
///
/// Handles of `fs_windows_open` are kept from reading and writing what others have locked so, or with `fs_lock_set`: `FS_LOCK_CONFLICT`. A shared lock keeps its
/// own handle from writing too. Other handles are not kept from anything. The handle needs `FS_RIGHT_READ_DATA` or `FS_RIGHT_WRITE_DATA`.
///
/// `start`, `length`: the range; one of no bytes excludes nobody.
/// `flags`: `FS_RANGE_EXCLUSIVE` or 0.
/// `pid`: the process that asks, for reports.
///
/// Results: `FS_OK`; `FS_WOULD_BLOCK` when another owner is in the way, or the handle itself for an exclusive lock; `FS_ACCESS_DENIED`; `FS_LIMIT`;
/// `FS_NOT_SUPPORTED` on a snapshot; `FS_BAD_HANDLE`; `FS_INVALID` for a directory, a range that ends beyond 2^64-1, unknown flags, a handle of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_lock(
    view: *const fs_view,
    handle: fs_handle,
    start: u64,
    length: u64,
    flags: u32,
    pid: u32,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.windows_lock(HandleId(handle), start, length, exclusive(flags)?, pid)?)) }
}

/// As `fs_windows_lock`, but waits: the callback is called once when the range is locked or the wait ended.
///
/// `callback`, `context`: called once unless the range was locked at once, by any thread, perhaps before this returns; with `FS_OK`, `FS_DEADLOCK`, or `FS_CANCELLED` when
/// the wait was cancelled or the handle ended. `context` is handed to it; may be NULL.
/// `wait`: the answer, to cancel by with `fs_windows_lock_cancel`; its `size` must be set. Its `number` is 0 when the range was locked at once.
///
/// Results: as `fs_windows_lock`, but `FS_WOULD_BLOCK` only when the handle itself is in the way; `FS_DEADLOCK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_lock_wait(
    view: *const fs_view,
    handle: fs_handle,
    start: u64,
    length: u64,
    flags: u32,
    callback: fs_lock_callback,
    context: *mut c_void,
    wait: *mut fs_wait,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (exclusive, wait) = (exclusive(flags)?, output_structure(wait)?);
            callback.ok_or(Fault::NullPointer)?;
            let waits = Arc::new(AtomicBool::new(false));
            let waiter = Waiter::new(callback, context, waits.clone());
            let done = Box::new(move |result| waiter.ended(result));
            let id = view.0.windows_wait_lock(HandleId(handle), start, length, exclusive, done)?;
            waits.store(id.is_some(), Ordering::Release);
            let (node, number) = id.map_or((0, 0), |id| (id.on().0, id.number()));
            let size = size_of::<fs_wait>() as u32;
            wait.put(fs_wait { size, space: FS_LOCK_RANGE, node, number, reserved: [0; 2] });
            Ok(())
        })
    }
}

/// Cancels a wait of `fs_windows_lock_wait`: its callback is called with `FS_CANCELLED` before this returns.
///
/// Results: `FS_OK`; `FS_NOT_FOUND` when it is over already, and its callback was called or is being called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_lock_cancel(
    view: *const fs_view,
    handle: fs_handle,
    wait: *const fs_wait,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let wait = input(wait)?;
            let id = WaitId::from_number(crate::types::InodeId(wait.node), LockSpace::Range, wait.number);
            match view.0.windows_cancel_wait(HandleId(handle), id) {
                true => Ok(()),
                false => Err(Error::NotFound.into()),
            }
        })
    }
}

/// Gives up a range that a handle locked: exactly as it was locked; of two the exclusive one first (UnlockFileEx).
///
/// Results: `FS_OK`, `FS_RANGE_NOT_LOCKED`, `FS_NOT_SUPPORTED` on a snapshot, `FS_BAD_HANDLE`, `FS_ACCESS_DENIED`, `FS_LIMIT`; `FS_INVALID` as `fs_windows_lock`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_unlock(
    view: *const fs_view,
    handle: fs_handle,
    start: u64,
    length: u64,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.windows_unlock(HandleId(handle), start, length)?)) }
}

/// Gives up all that a handle locked, and cancels its waits.
///
/// Results: `FS_OK`, `FS_NOT_SUPPORTED` on a snapshot, `FS_BAD_HANDLE`, `FS_ACCESS_DENIED`; `FS_INVALID` for a directory and a handle of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_windows_unlock_all(view: *const fs_view, handle: fs_handle) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe { call(view, |view| Ok(view.0.windows_unlock_all(HandleId(handle))?)) }
}

// What the header says in numbers is what the core says by name.
const _: () = {
    use crate::operations::OpenOutcome;
    use crate::operations::windows::{create_options as options, rights};
    assert!(FS_RIGHT_READ_DATA == rights::READ_DATA && FS_RIGHT_WRITE_DATA == rights::WRITE_DATA);
    assert!(FS_RIGHT_APPEND_DATA == rights::APPEND_DATA && FS_RIGHT_READ_EA == rights::READ_EA);
    assert!(FS_RIGHT_WRITE_EA == rights::WRITE_EA && FS_RIGHT_EXECUTE == rights::EXECUTE);
    assert!(FS_RIGHT_DELETE_CHILD == rights::DELETE_CHILD && FS_RIGHT_READ_ATTRIBUTES == rights::READ_ATTRIBUTES);
    assert!(FS_RIGHT_WRITE_ATTRIBUTES == rights::WRITE_ATTRIBUTES && FS_RIGHT_DELETE == rights::DELETE);
    assert!(FS_RIGHT_READ_CONTROL == rights::READ_CONTROL && FS_RIGHT_WRITE_DAC == rights::WRITE_DAC);
    assert!(FS_RIGHT_WRITE_OWNER == rights::WRITE_OWNER && FS_RIGHT_SYNCHRONIZE == rights::SYNCHRONIZE);
    assert!(FS_RIGHT_SYSTEM_SECURITY == rights::SYSTEM_SECURITY);
    assert!(FS_RIGHT_MAXIMUM_ALLOWED == rights::MAXIMUM_ALLOWED && FS_RIGHT_GENERIC_ALL == rights::GENERIC_ALL);
    assert!(FS_RIGHT_GENERIC_EXECUTE == rights::GENERIC_EXECUTE && FS_RIGHT_GENERIC_WRITE == rights::GENERIC_WRITE);
    assert!(FS_RIGHT_GENERIC_READ == rights::GENERIC_READ);
    assert!(
        FS_DISPOSITION_SUPERSEDE == Disposition::Supersede as u32 && FS_DISPOSITION_OPEN == Disposition::Open as u32
    );
    assert!(
        FS_DISPOSITION_CREATE == Disposition::Create as u32 && FS_DISPOSITION_OPEN_IF == Disposition::OpenIf as u32
    );
    assert!(FS_DISPOSITION_OVERWRITE == Disposition::Overwrite as u32);
    assert!(FS_DISPOSITION_OVERWRITE_IF == Disposition::OverwriteIf as u32);
    assert!(FS_OUTCOME_SUPERSEDED == OpenOutcome::Superseded as u32 && FS_OUTCOME_OPENED == OpenOutcome::Opened as u32);
    assert!(FS_OUTCOME_CREATED == OpenOutcome::Created as u32);
    assert!(FS_OUTCOME_OVERWRITTEN == OpenOutcome::Overwritten as u32);
    assert!(FS_CREATE_DIRECTORY == options::DIRECTORY_FILE && FS_CREATE_WRITE_THROUGH == options::WRITE_THROUGH);
    assert!(FS_CREATE_NON_DIRECTORY == options::NON_DIRECTORY_FILE);
    assert!(FS_CREATE_DELETE_ON_CLOSE == options::DELETE_ON_CLOSE);
    assert!(FS_CREATE_BACKUP_INTENT == options::OPEN_FOR_BACKUP_INTENT);
    assert!(FS_CREATE_OPEN_REPARSE_POINT == options::OPEN_REPARSE_POINT);
};
