//! The error codes of Win32 (`GetLastError`): what `RtlNtStatusToDosError` makes of the NTSTATUS of each result, so that a
//! program inside a host and one beyond the kernel are told the same.

use super::ResultCode;

impl ResultCode {
    /// The Win32 error code; 0 for [`ResultCode::Ok`].
    #[must_use]
    pub fn win32(self) -> u32 {
        match self {
            ResultCode::Ok => ERROR_SUCCESS,
            ResultCode::NotFound | ResultCode::NoSuchRef => ERROR_FILE_NOT_FOUND,
            // CreateFile itself says ERROR_FILE_EXISTS for CREATE_NEW; all else that meets a taken name says this.
            ResultCode::Exists | ResultCode::RefExists => ERROR_ALREADY_EXISTS,
            ResultCode::NotADirectory => ERROR_DIRECTORY,
            // Windows has no word for it: opening a directory as a file is refused like this.
            ResultCode::IsADirectory => ERROR_ACCESS_DENIED,
            ResultCode::NotEmpty => ERROR_DIR_NOT_EMPTY,
            ResultCode::AccessDenied | ResultCode::NotPermitted => ERROR_ACCESS_DENIED,
            ResultCode::ReadOnly => ERROR_WRITE_PROTECT,
            ResultCode::Invalid | ResultCode::IntoItself => ERROR_INVALID_PARAMETER,
            ResultCode::NameTooLong => ERROR_FILENAME_EXCED_RANGE,
            ResultCode::TooManySymlinks => ERROR_CANT_RESOLVE_FILENAME,
            ResultCode::TooManyLinks => ERROR_TOO_MANY_LINKS,
            ResultCode::CrossesVolumes => ERROR_NOT_SAME_DEVICE,
            ResultCode::NoSpace => ERROR_DISK_FULL,
            ResultCode::FileTooLarge => ERROR_FILE_TOO_LARGE,
            ResultCode::NoSuchOffset => ERROR_HANDLE_EOF,
            ResultCode::NoAttribute => ERROR_FILE_CORRUPT,
            ResultCode::BufferTooSmall => ERROR_INSUFFICIENT_BUFFER,
            ResultCode::ValueTooLarge | ResultCode::TooManyAttributes => ERROR_EA_LIST_INCONSISTENT,
            ResultCode::NotSupported => ERROR_NOT_SUPPORTED,
            ResultCode::WouldBlock | ResultCode::LockConflict => ERROR_LOCK_VIOLATION,
            ResultCode::Deadlock => ERROR_POSSIBLE_DEADLOCK,
            ResultCode::Cancelled => ERROR_OPERATION_ABORTED,
            ResultCode::BadHandle => ERROR_INVALID_HANDLE,
            ResultCode::Stale | ResultCode::BaseChanged => ERROR_FILE_INVALID,
            ResultCode::BadRefName | ResultCode::BadName => ERROR_INVALID_NAME,
            ResultCode::Busy => ERROR_BUSY,
            ResultCode::Limit => ERROR_NO_SYSTEM_RESOURCES,
            ResultCode::BadStructure => ERROR_BAD_LENGTH,
            ResultCode::Io => ERROR_IO_DEVICE,
            ResultCode::Internal => ERROR_INTERNAL_ERROR,
            ResultCode::NullPointer => ERROR_INVALID_PARAMETER,
            ResultCode::BadUtf8 => ERROR_NO_UNICODE_TRANSLATION,
            ResultCode::PathNotFound | ResultCode::BadBase => ERROR_PATH_NOT_FOUND,
            ResultCode::SharingViolation => ERROR_SHARING_VIOLATION,
            // ERROR_DELETE_PENDING exists, but is not what programs are told.
            ResultCode::DeletePending | ResultCode::CannotDelete | ResultCode::Deleted => ERROR_ACCESS_DENIED,
            ResultCode::RangeNotLocked => ERROR_NOT_LOCKED,
            ResultCode::UserMapped => ERROR_USER_MAPPED_FILE,
            ResultCode::PrivilegeNotHeld => ERROR_PRIVILEGE_NOT_HELD,
            ResultCode::BadOwner => ERROR_INVALID_OWNER,
            ResultCode::BadSecurity => ERROR_INVALID_SECURITY_DESCR,
            ResultCode::BadEaList => ERROR_EA_LIST_INCONSISTENT,
            ResultCode::BadEaName => ERROR_INVALID_EA_NAME,
            ResultCode::NotAReparsePoint => ERROR_NOT_A_REPARSE_POINT,
            ResultCode::BadReparseTag => ERROR_REPARSE_TAG_INVALID,
            ResultCode::ReparseTagMismatch => ERROR_REPARSE_TAG_MISMATCH,
            ResultCode::BadReparse => ERROR_INVALID_REPARSE_DATA,
            ResultCode::ReparseConflict => ERROR_REPARSE_ATTRIBUTE_CONFLICT,
            ResultCode::BadCookie => ERROR_INVALID_PARAMETER,
        }
    }
}

/// The Win32 error code of a number; `ERROR_GEN_FAILURE` for one that no code has.
#[must_use]
pub fn win32(code: u32) -> u32 {
    ResultCode::from_number(code).map_or(ERROR_GEN_FAILURE, ResultCode::win32)
}

const ERROR_SUCCESS: u32 = 0;
const ERROR_FILE_NOT_FOUND: u32 = 2;
const ERROR_PATH_NOT_FOUND: u32 = 3;
const ERROR_ACCESS_DENIED: u32 = 5;
const ERROR_INVALID_HANDLE: u32 = 6;
const ERROR_NOT_SAME_DEVICE: u32 = 17;
const ERROR_WRITE_PROTECT: u32 = 19;
const ERROR_BAD_LENGTH: u32 = 24;
const ERROR_GEN_FAILURE: u32 = 31;
const ERROR_SHARING_VIOLATION: u32 = 32;
const ERROR_LOCK_VIOLATION: u32 = 33;
const ERROR_HANDLE_EOF: u32 = 38;
const ERROR_NOT_SUPPORTED: u32 = 50;
const ERROR_INVALID_PARAMETER: u32 = 87;
const ERROR_DISK_FULL: u32 = 112;
const ERROR_INSUFFICIENT_BUFFER: u32 = 122;
const ERROR_INVALID_NAME: u32 = 123;
const ERROR_DIR_NOT_EMPTY: u32 = 145;
const ERROR_NOT_LOCKED: u32 = 158;
const ERROR_BUSY: u32 = 170;
const ERROR_ALREADY_EXISTS: u32 = 183;
const ERROR_FILENAME_EXCED_RANGE: u32 = 206;
const ERROR_FILE_TOO_LARGE: u32 = 223;
const ERROR_INVALID_EA_NAME: u32 = 254;
const ERROR_EA_LIST_INCONSISTENT: u32 = 255;
const ERROR_DIRECTORY: u32 = 267;
const ERROR_OPERATION_ABORTED: u32 = 995;
const ERROR_FILE_INVALID: u32 = 1006;
const ERROR_NO_UNICODE_TRANSLATION: u32 = 1113;
const ERROR_IO_DEVICE: u32 = 1117;
const ERROR_POSSIBLE_DEADLOCK: u32 = 1131;
const ERROR_TOO_MANY_LINKS: u32 = 1142;
const ERROR_USER_MAPPED_FILE: u32 = 1224;
const ERROR_INVALID_OWNER: u32 = 1307;
const ERROR_PRIVILEGE_NOT_HELD: u32 = 1314;
const ERROR_INVALID_SECURITY_DESCR: u32 = 1338;
const ERROR_INTERNAL_ERROR: u32 = 1359;
const ERROR_FILE_CORRUPT: u32 = 1392;
const ERROR_NO_SYSTEM_RESOURCES: u32 = 1450;
const ERROR_CANT_RESOLVE_FILENAME: u32 = 1921;
const ERROR_NOT_A_REPARSE_POINT: u32 = 4390;
const ERROR_REPARSE_ATTRIBUTE_CONFLICT: u32 = 4391;
const ERROR_INVALID_REPARSE_DATA: u32 = 4392;
const ERROR_REPARSE_TAG_INVALID: u32 = 4393;
const ERROR_REPARSE_TAG_MISMATCH: u32 = 4394;
