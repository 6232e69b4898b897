//! Results: their numbers, and what to call them elsewhere.

use std::ffi::c_char;

use super::boundary::{buffer_in, last_text, output, put_sized, quiet_call};
use crate::error::tables::{self, ResultCode};

/// What a call answers: `FS_OK`, or why nothing was done. The numbers never change.
pub type fs_result = u32;

/// The call did what it says.
pub const FS_OK: fs_result = 0;
/// No entry of that name, or no such inode any more.
pub const FS_NOT_FOUND: fs_result = 1;
/// The name is taken.
pub const FS_EXISTS: fs_result = 2;
/// A component that must be a directory is none.
pub const FS_NOT_A_DIRECTORY: fs_result = 3;
/// The operation does not apply to directories.
pub const FS_IS_A_DIRECTORY: fs_result = 4;
/// The directory still has entries.
pub const FS_NOT_EMPTY: fs_result = 5;
/// The caller lacks the permission bits that the operation asks for.
pub const FS_ACCESS_DENIED: fs_result = 6;
/// The caller is not the owner, lacks a privilege, or a flag such as immutable forbids it.
pub const FS_NOT_PERMITTED: fs_result = 7;
/// The view shows a snapshot or was opened read-only, or the volume was latched read-only.
pub const FS_READ_ONLY: fs_result = 8;
/// An argument is out of its domain.
pub const FS_INVALID: fs_result = 9;
/// A name is longer than 255 bytes or a path longer than 32,767.
pub const FS_NAME_TOO_LONG: fs_result = 10;
/// More than 40 symbolic links in one path.
pub const FS_TOO_MANY_SYMLINKS: fs_result = 11;
/// The inode has as many names as it can have.
pub const FS_TOO_MANY_LINKS: fs_result = 12;
/// Rename of a directory into itself or below itself.
pub const FS_INTO_ITSELF: fs_result = 13;
/// Objects of two volumes or of two branches in one operation.
pub const FS_CROSSES_VOLUMES: fs_result = 14;
/// The memory limit, and the room for spilling, is reached.
pub const FS_NO_SPACE: fs_result = 15;
/// Past the largest file size, 2^63-1.
pub const FS_FILE_TOO_LARGE: fs_result = 16;
/// No data or no hole at or after that offset.
pub const FS_NO_SUCH_OFFSET: fs_result = 17;
/// No extended attribute of that name.
pub const FS_NO_ATTRIBUTE: fs_result = 18;
/// The caller's buffer is too small.
pub const FS_BUFFER_TOO_SMALL: fs_result = 19;
/// An extended attribute's value exceeds its limit.
pub const FS_VALUE_TOO_LARGE: fs_result = 20;
/// The inode's extended attributes together exceed their limit.
pub const FS_TOO_MANY_ATTRIBUTES: fs_result = 21;
/// The operation is not supported on this kind of object.
pub const FS_NOT_SUPPORTED: fs_result = 22;
/// A lock conflicts, and the caller did not want to wait.
pub const FS_WOULD_BLOCK: fs_result = 23;
/// Waiting for the lock would never end.
pub const FS_DEADLOCK: fs_result = 24;
/// The wait was cancelled.
pub const FS_CANCELLED: fs_result = 25;
/// A handle that is not open, or not open for what was asked.
pub const FS_BAD_HANDLE: fs_result = 26;
/// A node that this view never gave out or has forgotten.
pub const FS_STALE: fs_result = 27;
/// A branch or snapshot of that name or id does not exist.
pub const FS_NO_SUCH_REF: fs_result = 28;
/// A branch or snapshot of that name exists already.
pub const FS_REF_EXISTS: fs_result = 29;
/// A name that a volume, branch or snapshot cannot have.
pub const FS_BAD_REF_NAME: fs_result = 30;
/// It is in use; `fs_error_text` says by what.
pub const FS_BUSY: fs_result = 31;
/// A named limit is reached; `fs_error_text` names it.
pub const FS_LIMIT: fs_result = 32;
/// A structure of unknown size or version, or reserved space in it is not zero.
pub const FS_BAD_STRUCTURE: fs_result = 33;
/// Reading or writing the spill file failed.
pub const FS_IO: fs_result = 34;
/// A fault of the library was stopped; the volume is read-only from now on.
pub const FS_INTERNAL: fs_result = 35;
/// A pointer that must not be NULL is. Nothing was done.
pub const FS_NULL_POINTER: fs_result = 36;
/// A text that must be UTF-8 is not. (Names of files and paths need not be.)
pub const FS_BAD_UTF8: fs_result = 37;
/// A component before the last does not exist. Only opens that Windows' rules govern tell it from `FS_NOT_FOUND`.
pub const FS_PATH_NOT_FOUND: fs_result = 38;
/// A name that the volume's name policy does not allow; `fs_error_text` says why.
pub const FS_BAD_NAME: fs_result = 39;
/// Another handle does not share what is asked, or has what is not shared.
pub const FS_SHARING_VIOLATION: fs_result = 40;
/// The file is deleted as soon as its last handle closes.
pub const FS_DELETE_PENDING: fs_result = 41;
/// The file is read-only, or mapped, and cannot be deleted.
pub const FS_CANNOT_DELETE: fs_result = 42;
/// A byte range that another handle has locked was read or written.
pub const FS_LOCK_CONFLICT: fs_result = 43;
/// No lock of the handle has exactly that range.
pub const FS_RANGE_NOT_LOCKED: fs_result = 44;
/// A program has mapped the part of the file that would go.
pub const FS_USER_MAPPED: fs_result = 45;
/// The token lacks the privilege that the access needs.
pub const FS_PRIVILEGE_NOT_HELD: fs_result = 46;
/// The token may not make that account the owner.
pub const FS_BAD_OWNER: fs_result = 47;
/// A security descriptor that breaks the rules of its format; `fs_error_text` says which.
pub const FS_BAD_SECURITY: fs_result = 48;
/// A list of extended attributes that breaks the rules of its format; `fs_error_text` says which.
pub const FS_BAD_EA_LIST: fs_result = 49;
/// An extended attribute's name that Windows does not allow; `fs_error_text` says why.
pub const FS_BAD_EA_NAME: fs_result = 50;
/// The file is no reparse point.
pub const FS_NOT_A_REPARSE_POINT: fs_result = 51;
/// A reparse tag that is reserved, or one that cannot be set.
pub const FS_BAD_REPARSE_TAG: fs_result = 52;
/// The reparse point that is there has another tag.
pub const FS_REPARSE_TAG_MISMATCH: fs_result = 53;
/// A reparse buffer that breaks the rules of its format; `fs_error_text` says which.
pub const FS_BAD_REPARSE: fs_result = 54;
/// The reparse point that is there has another GUID.
pub const FS_REPARSE_CONFLICT: fs_result = 55;
/// A listing cannot go on there: cookie and verifier are not of this directory as the view shows it now. Begin anew.
pub const FS_BAD_COOKIE: fs_result = 56;
/// The file has been deleted; a handle is all that is left of it.
pub const FS_DELETED: fs_result = 57;
/// The base holds another content by now than when the file was copied up.
pub const FS_BASE_CHANGED: fs_result = 58;
/// The base cannot be used; `fs_error_text` says which and why.
pub const FS_BAD_BASE: fs_result = 59;

const _: () = {
    assert!(FS_OK == ResultCode::Ok as u32);
    assert!(FS_NOT_FOUND == ResultCode::NotFound as u32);
    assert!(FS_EXISTS == ResultCode::Exists as u32);
    assert!(FS_NOT_A_DIRECTORY == ResultCode::NotADirectory as u32);
    assert!(FS_IS_A_DIRECTORY == ResultCode::IsADirectory as u32);
    assert!(FS_NOT_EMPTY == ResultCode::NotEmpty as u32);
    assert!(FS_ACCESS_DENIED == ResultCode::AccessDenied as u32);
    assert!(FS_NOT_PERMITTED == ResultCode::NotPermitted as u32);
    assert!(FS_READ_ONLY == ResultCode::ReadOnly as u32);
    assert!(FS_INVALID == ResultCode::Invalid as u32);
    assert!(FS_NAME_TOO_LONG == ResultCode::NameTooLong as u32);
    assert!(FS_TOO_MANY_SYMLINKS == ResultCode::TooManySymlinks as u32);
    assert!(FS_TOO_MANY_LINKS == ResultCode::TooManyLinks as u32);
    assert!(FS_INTO_ITSELF == ResultCode::IntoItself as u32);
    assert!(FS_CROSSES_VOLUMES == ResultCode::CrossesVolumes as u32);
    assert!(FS_NO_SPACE == ResultCode::NoSpace as u32);
    assert!(FS_FILE_TOO_LARGE == ResultCode::FileTooLarge as u32);
    assert!(FS_NO_SUCH_OFFSET == ResultCode::NoSuchOffset as u32);
    assert!(FS_NO_ATTRIBUTE == ResultCode::NoAttribute as u32);
    assert!(FS_BUFFER_TOO_SMALL == ResultCode::BufferTooSmall as u32);
    assert!(FS_VALUE_TOO_LARGE == ResultCode::ValueTooLarge as u32);
    assert!(FS_TOO_MANY_ATTRIBUTES == ResultCode::TooManyAttributes as u32);
    assert!(FS_NOT_SUPPORTED == ResultCode::NotSupported as u32);
    assert!(FS_WOULD_BLOCK == ResultCode::WouldBlock as u32);
    assert!(FS_DEADLOCK == ResultCode::Deadlock as u32);
    assert!(FS_CANCELLED == ResultCode::Cancelled as u32);
    assert!(FS_BAD_HANDLE == ResultCode::BadHandle as u32);
    assert!(FS_STALE == ResultCode::Stale as u32);
    assert!(FS_NO_SUCH_REF == ResultCode::NoSuchRef as u32);
    assert!(FS_REF_EXISTS == ResultCode::RefExists as u32);
    assert!(FS_BAD_REF_NAME == ResultCode::BadRefName as u32);
    assert!(FS_BUSY == ResultCode::Busy as u32);
    assert!(FS_LIMIT == ResultCode::Limit as u32);
    assert!(FS_BAD_STRUCTURE == ResultCode::BadStructure as u32);
    assert!(FS_IO == ResultCode::Io as u32);
    assert!(FS_INTERNAL == ResultCode::Internal as u32);
    assert!(FS_NULL_POINTER == ResultCode::NullPointer as u32);
    assert!(FS_BAD_UTF8 == ResultCode::BadUtf8 as u32);
    assert!(FS_PATH_NOT_FOUND == ResultCode::PathNotFound as u32);
    assert!(FS_BAD_NAME == ResultCode::BadName as u32);
    assert!(FS_SHARING_VIOLATION == ResultCode::SharingViolation as u32);
    assert!(FS_DELETE_PENDING == ResultCode::DeletePending as u32);
    assert!(FS_CANNOT_DELETE == ResultCode::CannotDelete as u32);
    assert!(FS_LOCK_CONFLICT == ResultCode::LockConflict as u32);
    assert!(FS_RANGE_NOT_LOCKED == ResultCode::RangeNotLocked as u32);
    assert!(FS_USER_MAPPED == ResultCode::UserMapped as u32);
    assert!(FS_PRIVILEGE_NOT_HELD == ResultCode::PrivilegeNotHeld as u32);
    assert!(FS_BAD_OWNER == ResultCode::BadOwner as u32);
    assert!(FS_BAD_SECURITY == ResultCode::BadSecurity as u32);
    assert!(FS_BAD_EA_LIST == ResultCode::BadEaList as u32);
    assert!(FS_BAD_EA_NAME == ResultCode::BadEaName as u32);
    assert!(FS_NOT_A_REPARSE_POINT == ResultCode::NotAReparsePoint as u32);
    assert!(FS_BAD_REPARSE_TAG == ResultCode::BadReparseTag as u32);
    assert!(FS_REPARSE_TAG_MISMATCH == ResultCode::ReparseTagMismatch as u32);
    assert!(FS_BAD_REPARSE == ResultCode::BadReparse as u32);
    assert!(FS_REPARSE_CONFLICT == ResultCode::ReparseConflict as u32);
    assert!(FS_BAD_COOKIE == ResultCode::BadCookie as u32);
    assert!(FS_DELETED == ResultCode::Deleted as u32);
    assert!(FS_BASE_CHANGED == ResultCode::BaseChanged as u32);
    assert!(FS_BAD_BASE == ResultCode::BadBase as u32);
};

/// Version of this header and of the library that it belongs to. A number that differs means: not compatible.
pub const FS_ABI_VERSION: u32 = 1;

/// The library's `FS_ABI_VERSION`. A program that loads the library at run time compares it with its header's.
#[unsafe(no_mangle)]
pub extern "C" fn fs_abi_version() -> u32 {
    FS_ABI_VERSION
}

/// The library's version, for people: "1.2.3". Lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn fs_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The errno of this system that fits a result best, positive; 0 for `FS_OK`; EIO for a number that is no result.
#[unsafe(no_mangle)]
pub extern "C" fn fs_result_errno(result: fs_result) -> i32 {
    tables::errno(result)
}

/// The NTSTATUS that fits a result best; 0 for `FS_OK`; `STATUS_UNSUCCESSFUL` for a number that is no result.
#[unsafe(no_mangle)]
pub extern "C" fn fs_result_ntstatus(result: fs_result) -> u32 {
    tables::ntstatus(result)
}

/// The Win32 error code that fits a result best (`GetLastError`); 0 for `FS_OK`; `ERROR_GEN_FAILURE` for a number that is no result.
#[unsafe(no_mangle)]
pub extern "C" fn fs_result_win32(result: fs_result) -> u32 {
    tables::win32(result)
}

/// The errno of macOS that fits a result best, positive, on every system; 0 for `FS_OK`; EIO for a number that is no result.
#[unsafe(no_mangle)]
pub extern "C" fn fs_result_darwin_errno(result: fs_result) -> i32 {
    tables::darwin_errno(result)
}

/// What a result means, for people: one English clause, ended by a NUL. Lives for ever; never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn fs_result_message(result: fs_result) -> *const c_char {
    tables::message_c(result).as_ptr()
}

/// What was wrong with the last call on this thread that did not answer `FS_OK`, in more detail than `fs_result_message`: which
/// limit, which argument. UTF-8 without a NUL, by the size protocol; empty when no call has failed.
///
/// `into`, `capacity`: where it goes; a capacity of 0 asks for the size only, and `into` may be NULL then.
/// `text_bytes`: how long it is.
///
/// Results: `FS_OK`, `FS_BUFFER_TOO_SMALL`, `FS_NULL_POINTER`. They do not replace the text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_error_text(into: *mut c_char, capacity: usize, text_bytes: *mut usize) -> fs_result {
    let text = last_text();
    // SAFETY: what the header asks of pointers.
    quiet_call(|| unsafe { put_sized(text.as_bytes(), buffer_in(into.cast(), capacity)?, output(text_bytes)?) })
}
