//! What becomes of the name of what a handle has open the Windows way: deletion, another name, a further name.

use std::ffi::c_char;

use super::boundary::*;
use super::opens::from;
use super::results::fs_result;
use super::types::*;
use super::utf16::name_of;
use super::view::fs_view;
use crate::error::Error;
use crate::operations::{Disposal, Renaming};
use crate::types::HandleId;
use crate::volume::view_windows::RenameTo;

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
