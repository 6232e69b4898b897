//! What every error is called outside: the number of the C API, errno, NTSTATUS and a text; Win32's codes and the errno
//! of macOS in files of their own.
//!
//! Owns [`ResultCode`], whose numbers are part of the ABI: they never change, and a number that falls out of use is
//! not used again. Every table here is one total `match` without a wildcard arm, so that a new [`Error`] does not
//! compile before it has its place in each. What a host makes of an errno or an NTSTATUS is left to the host.

mod darwin;
mod win32;

use std::ffi::CStr;

use super::Error;

pub use darwin::darwin_errno;
pub use win32::win32;

/// The result of a call of the C API, as a number that stays what it is for good.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ResultCode {
    /// The call did what it says.
    Ok = 0,
    /// [`Error::NotFound`]
    NotFound = 1,
    /// [`Error::Exists`]
    Exists = 2,
    /// [`Error::NotADirectory`]
    NotADirectory = 3,
    /// [`Error::IsADirectory`]
    IsADirectory = 4,
    /// [`Error::NotEmpty`]
    NotEmpty = 5,
    /// [`Error::AccessDenied`]
    AccessDenied = 6,
    /// [`Error::NotPermitted`]
    NotPermitted = 7,
    /// [`Error::ReadOnly`]
    ReadOnly = 8,
    /// [`Error::Invalid`]
    Invalid = 9,
    /// [`Error::NameTooLong`]
    NameTooLong = 10,
    /// [`Error::TooManySymlinks`]
    TooManySymlinks = 11,
    /// [`Error::TooManyLinks`]
    TooManyLinks = 12,
    /// [`Error::IntoItself`]
    IntoItself = 13,
    /// [`Error::CrossesVolumes`]
    CrossesVolumes = 14,
    /// [`Error::NoSpace`]
    NoSpace = 15,
    /// [`Error::FileTooLarge`]
    FileTooLarge = 16,
    /// [`Error::NoSuchOffset`]
    NoSuchOffset = 17,
    /// [`Error::NoAttribute`]
    NoAttribute = 18,
    /// [`Error::BufferTooSmall`]
    BufferTooSmall = 19,
    /// [`Error::ValueTooLarge`]
    ValueTooLarge = 20,
    /// [`Error::TooManyAttributes`]
    TooManyAttributes = 21,
    /// [`Error::NotSupported`]
    NotSupported = 22,
    /// [`Error::WouldBlock`]
    WouldBlock = 23,
    /// [`Error::Deadlock`]
    Deadlock = 24,
    /// [`Error::Cancelled`]
    Cancelled = 25,
    /// [`Error::BadHandle`]
    BadHandle = 26,
    /// [`Error::Stale`]
    Stale = 27,
    /// [`Error::NoSuchRef`]
    NoSuchRef = 28,
    /// [`Error::RefExists`]
    RefExists = 29,
    /// [`Error::BadRefName`]
    BadRefName = 30,
    /// [`Error::Busy`]
    Busy = 31,
    /// [`Error::Limit`]
    Limit = 32,
    /// [`Error::BadStructure`]
    BadStructure = 33,
    /// [`Error::Io`]
    Io = 34,
    /// [`Error::Internal`]: a panic stopped at the C boundary.
    Internal = 35,
    /// Made by the C API only: a pointer that must not be null is.
    NullPointer = 36,
    /// [`Error::BadUtf8`]; also made by the C API, for texts that must be UTF-8. (Names and paths need not be on a volume
    /// with POSIX names.)
    BadUtf8 = 37,
    /// [`Error::PathNotFound`]
    PathNotFound = 38,
    /// [`Error::BadName`]
    BadName = 39,
    /// [`Error::SharingViolation`]
    SharingViolation = 40,
    /// [`Error::DeletePending`]
    DeletePending = 41,
    /// [`Error::CannotDelete`]
    CannotDelete = 42,
    /// [`Error::LockConflict`]
    LockConflict = 43,
    /// [`Error::RangeNotLocked`]
    RangeNotLocked = 44,
    /// [`Error::UserMapped`]
    UserMapped = 45,
    /// [`Error::PrivilegeNotHeld`]
    PrivilegeNotHeld = 46,
    /// [`Error::BadOwner`]
    BadOwner = 47,
    /// [`Error::BadSecurity`]
    BadSecurity = 48,
    /// [`Error::BadEaList`]
    BadEaList = 49,
    /// [`Error::BadEaName`]
    BadEaName = 50,
    /// [`Error::NotAReparsePoint`]
    NotAReparsePoint = 51,
    /// [`Error::BadReparseTag`]
    BadReparseTag = 52,
    /// [`Error::ReparseTagMismatch`]
    ReparseTagMismatch = 53,
    /// [`Error::BadReparse`]
    BadReparse = 54,
    /// [`Error::ReparseConflict`]
    ReparseConflict = 55,
    /// [`Error::BadCookie`]
    BadCookie = 56,
    /// [`Error::Deleted`]
    Deleted = 57,
    /// [`Error::BaseChanged`]
    BaseChanged = 58,
    /// [`Error::BadBase`]
    BadBase = 59,
}

impl ResultCode {
    /// Every code, in the order of its number.
    pub const ALL: [ResultCode; 60] = {
        use ResultCode::*;
        [
            Ok,
            NotFound,
            Exists,
            NotADirectory,
            IsADirectory,
            NotEmpty,
            AccessDenied,
            NotPermitted,
            ReadOnly,
            Invalid,
            NameTooLong,
            TooManySymlinks,
            TooManyLinks,
            IntoItself,
            CrossesVolumes,
            NoSpace,
            FileTooLarge,
            NoSuchOffset,
            NoAttribute,
            BufferTooSmall,
            ValueTooLarge,
            TooManyAttributes,
            NotSupported,
            WouldBlock,
            Deadlock,
            Cancelled,
            BadHandle,
            Stale,
            NoSuchRef,
            RefExists,
            BadRefName,
            Busy,
            Limit,
            BadStructure,
            Io,
            Internal,
            NullPointer,
            BadUtf8,
            PathNotFound,
            BadName,
            SharingViolation,
            DeletePending,
            CannotDelete,
            LockConflict,
            RangeNotLocked,
            UserMapped,
            PrivilegeNotHeld,
            BadOwner,
            BadSecurity,
            BadEaList,
            BadEaName,
            NotAReparsePoint,
            BadReparseTag,
            ReparseTagMismatch,
            BadReparse,
            ReparseConflict,
            BadCookie,
            Deleted,
            BaseChanged,
            BadBase,
        ]
    };

    /// The code of an error.
    #[must_use]
    pub fn of(error: &Error) -> ResultCode {
        match error {
            Error::NotFound => ResultCode::NotFound,
            Error::Exists => ResultCode::Exists,
            Error::NotADirectory => ResultCode::NotADirectory,
            Error::IsADirectory => ResultCode::IsADirectory,
            Error::NotEmpty => ResultCode::NotEmpty,
            Error::AccessDenied => ResultCode::AccessDenied,
            Error::NotPermitted => ResultCode::NotPermitted,
            Error::ReadOnly => ResultCode::ReadOnly,
            Error::Invalid(_) => ResultCode::Invalid,
            Error::NameTooLong => ResultCode::NameTooLong,
            Error::TooManySymlinks => ResultCode::TooManySymlinks,
            Error::TooManyLinks => ResultCode::TooManyLinks,
            Error::IntoItself => ResultCode::IntoItself,
            Error::CrossesVolumes => ResultCode::CrossesVolumes,
            Error::NoSpace => ResultCode::NoSpace,
            Error::FileTooLarge => ResultCode::FileTooLarge,
            Error::NoSuchOffset => ResultCode::NoSuchOffset,
            Error::NoAttribute => ResultCode::NoAttribute,
            Error::BufferTooSmall => ResultCode::BufferTooSmall,
            Error::ValueTooLarge => ResultCode::ValueTooLarge,
            Error::TooManyAttributes => ResultCode::TooManyAttributes,
            Error::NotSupported => ResultCode::NotSupported,
            Error::WouldBlock => ResultCode::WouldBlock,
            Error::Deadlock => ResultCode::Deadlock,
            Error::Cancelled => ResultCode::Cancelled,
            Error::BadHandle => ResultCode::BadHandle,
            Error::Stale => ResultCode::Stale,
            Error::NoSuchRef => ResultCode::NoSuchRef,
            Error::RefExists => ResultCode::RefExists,
            Error::BadRefName(_) => ResultCode::BadRefName,
            Error::Busy(_) => ResultCode::Busy,
            Error::Limit(_) => ResultCode::Limit,
            Error::BadStructure(_) => ResultCode::BadStructure,
            Error::Io(_) => ResultCode::Io,
            Error::Internal => ResultCode::Internal,
            Error::PathNotFound => ResultCode::PathNotFound,
            Error::BadName(_) => ResultCode::BadName,
            Error::SharingViolation => ResultCode::SharingViolation,
            Error::DeletePending => ResultCode::DeletePending,
            Error::CannotDelete => ResultCode::CannotDelete,
            Error::LockConflict => ResultCode::LockConflict,
            Error::RangeNotLocked => ResultCode::RangeNotLocked,
            Error::UserMapped => ResultCode::UserMapped,
            Error::PrivilegeNotHeld => ResultCode::PrivilegeNotHeld,
            Error::BadOwner => ResultCode::BadOwner,
            Error::BadSecurity(_) => ResultCode::BadSecurity,
            Error::BadEaList(_) => ResultCode::BadEaList,
            Error::BadEaName(_) => ResultCode::BadEaName,
            Error::NotAReparsePoint => ResultCode::NotAReparsePoint,
            Error::BadReparseTag => ResultCode::BadReparseTag,
            Error::ReparseTagMismatch => ResultCode::ReparseTagMismatch,
            Error::BadReparse(_) => ResultCode::BadReparse,
            Error::ReparseConflict => ResultCode::ReparseConflict,
            Error::BadCookie => ResultCode::BadCookie,
            Error::BaseChanged => ResultCode::BaseChanged,
            Error::BadBase(_) => ResultCode::BadBase,
            Error::BadUtf8 => ResultCode::BadUtf8,
            Error::Deleted => ResultCode::Deleted,
        }
    }

    /// The code of a number; `None` for a number that no code has.
    #[must_use]
    pub fn from_number(number: u32) -> Option<ResultCode> {
        ResultCode::ALL.get(number as usize).copied()
    }

    /// The number, as the C API returns it.
    #[must_use]
    pub fn number(self) -> u32 {
        self as u32
    }

    /// The errno of the system that this is built for, positive; 0 for [`ResultCode::Ok`].
    #[must_use]
    pub fn errno(self) -> i32 {
        match self {
            ResultCode::Ok => 0,
            ResultCode::NotFound => libc::ENOENT,
            ResultCode::Exists => libc::EEXIST,
            ResultCode::NotADirectory => libc::ENOTDIR,
            ResultCode::IsADirectory => libc::EISDIR,
            ResultCode::NotEmpty => libc::ENOTEMPTY,
            ResultCode::AccessDenied => libc::EACCES,
            ResultCode::NotPermitted => libc::EPERM,
            ResultCode::ReadOnly => libc::EROFS,
            ResultCode::Invalid => libc::EINVAL,
            ResultCode::NameTooLong => libc::ENAMETOOLONG,
            ResultCode::TooManySymlinks => libc::ELOOP,
            ResultCode::TooManyLinks => libc::EMLINK,
            ResultCode::IntoItself => libc::EINVAL,
            ResultCode::CrossesVolumes => libc::EXDEV,
            ResultCode::NoSpace => libc::ENOSPC,
            ResultCode::FileTooLarge => libc::EFBIG,
            ResultCode::NoSuchOffset => libc::ENXIO,
            ResultCode::NoAttribute => host::NO_ATTRIBUTE,
            ResultCode::BufferTooSmall => libc::ERANGE,
            ResultCode::ValueTooLarge => libc::E2BIG,
            ResultCode::TooManyAttributes => libc::ENOSPC,
            ResultCode::NotSupported => libc::EOPNOTSUPP,
            ResultCode::WouldBlock => libc::EAGAIN,
            ResultCode::Deadlock => libc::EDEADLK,
            ResultCode::Cancelled => libc::EINTR,
            ResultCode::BadHandle => libc::EBADF,
            ResultCode::Stale => host::STALE,
            ResultCode::NoSuchRef => libc::ENOENT,
            ResultCode::RefExists => libc::EEXIST,
            ResultCode::BadRefName => libc::EINVAL,
            ResultCode::Busy => libc::EBUSY,
            // Arguable: ENFILE would fit handles and ENOLCK locks. ENOSPC is what programs take as "full", and
            // the code itself, with its text, still tells which. A host answers ENOLCK for locks (fcntl(2)).
            ResultCode::Limit => libc::ENOSPC,
            ResultCode::BadStructure => libc::EINVAL,
            ResultCode::Io => libc::EIO,
            ResultCode::Internal => libc::EIO,
            ResultCode::NullPointer => libc::EFAULT,
            ResultCode::BadUtf8 => libc::EILSEQ,
            ResultCode::PathNotFound => libc::ENOENT,
            ResultCode::BadName => libc::EINVAL,
            // As for a busy device: POSIX has no share modes.
            ResultCode::SharingViolation => libc::EBUSY,
            // Arguable: the name is still listed. To POSIX programs a file that nobody can open any more is gone.
            ResultCode::DeletePending => libc::ENOENT,
            ResultCode::CannotDelete => libc::EPERM,
            // What mandatory locks answered on Unix (fcntl(2), lockf).
            ResultCode::LockConflict => libc::EAGAIN,
            ResultCode::RangeNotLocked => libc::EINVAL,
            ResultCode::UserMapped => libc::ETXTBSY,
            ResultCode::PrivilegeNotHeld => libc::EPERM,
            ResultCode::BadOwner => libc::EPERM,
            ResultCode::BadSecurity => libc::EINVAL,
            ResultCode::BadEaList => libc::EINVAL,
            ResultCode::BadEaName => libc::EINVAL,
            // As readlink(2) on what is no link.
            ResultCode::NotAReparsePoint => libc::EINVAL,
            ResultCode::BadReparseTag => libc::EINVAL,
            ResultCode::ReparseTagMismatch => libc::EINVAL,
            ResultCode::BadReparse => libc::EINVAL,
            ResultCode::ReparseConflict => libc::EINVAL,
            ResultCode::BadCookie => libc::EINVAL,
            ResultCode::Deleted => libc::ENOENT,
            // As of a file on a server that has been replaced there.
            ResultCode::BaseChanged => libc::ESTALE,
            ResultCode::BadBase => libc::EINVAL,
        }
    }

    /// The NTSTATUS, as an unsigned number; 0 for [`ResultCode::Ok`].
    #[must_use]
    pub fn ntstatus(self) -> u32 {
        match self {
            ResultCode::Ok => STATUS_SUCCESS,
            // The last component. A host that knows that an earlier one was missing says OBJECT_PATH_NOT_FOUND.
            ResultCode::NotFound => STATUS_OBJECT_NAME_NOT_FOUND,
            ResultCode::Exists => STATUS_OBJECT_NAME_COLLISION,
            ResultCode::NotADirectory => STATUS_NOT_A_DIRECTORY,
            ResultCode::IsADirectory => STATUS_FILE_IS_A_DIRECTORY,
            ResultCode::NotEmpty => STATUS_DIRECTORY_NOT_EMPTY,
            // Windows knows no second kind of refusal: STATUS_PRIVILEGE_NOT_HELD speaks of tokens only.
            ResultCode::AccessDenied | ResultCode::NotPermitted => STATUS_ACCESS_DENIED,
            ResultCode::ReadOnly => STATUS_MEDIA_WRITE_PROTECTED,
            ResultCode::Invalid | ResultCode::IntoItself => STATUS_INVALID_PARAMETER,
            ResultCode::NameTooLong => STATUS_NAME_TOO_LONG,
            ResultCode::TooManySymlinks => STATUS_REPARSE_POINT_NOT_RESOLVED,
            ResultCode::TooManyLinks => STATUS_TOO_MANY_LINKS,
            ResultCode::CrossesVolumes => STATUS_NOT_SAME_DEVICE,
            ResultCode::NoSpace => STATUS_DISK_FULL,
            ResultCode::FileTooLarge => STATUS_FILE_TOO_LARGE,
            ResultCode::NoSuchOffset => STATUS_END_OF_FILE,
            ResultCode::NoAttribute => STATUS_NONEXISTENT_EA_ENTRY,
            ResultCode::BufferTooSmall => STATUS_BUFFER_TOO_SMALL,
            ResultCode::ValueTooLarge | ResultCode::TooManyAttributes => STATUS_EA_TOO_LARGE,
            ResultCode::NotSupported => STATUS_NOT_SUPPORTED,
            ResultCode::WouldBlock => STATUS_LOCK_NOT_GRANTED,
            ResultCode::Deadlock => STATUS_POSSIBLE_DEADLOCK,
            ResultCode::Cancelled => STATUS_CANCELLED,
            ResultCode::BadHandle => STATUS_INVALID_HANDLE,
            ResultCode::Stale => STATUS_FILE_INVALID,
            ResultCode::NoSuchRef => STATUS_OBJECT_NAME_NOT_FOUND,
            ResultCode::RefExists => STATUS_OBJECT_NAME_COLLISION,
            ResultCode::BadRefName => STATUS_OBJECT_NAME_INVALID,
            // Not STATUS_SHARING_VIOLATION, which Windows programs retry: they expect another handle of the file.
            ResultCode::Busy => STATUS_RESOURCE_IN_USE,
            ResultCode::Limit => STATUS_INSUFFICIENT_RESOURCES,
            ResultCode::BadStructure => STATUS_INFO_LENGTH_MISMATCH,
            ResultCode::Io => STATUS_IO_DEVICE_ERROR,
            ResultCode::Internal => STATUS_INTERNAL_ERROR,
            ResultCode::NullPointer => STATUS_INVALID_PARAMETER,
            ResultCode::BadUtf8 => STATUS_NO_UNICODE_TRANSLATION,
            ResultCode::PathNotFound => STATUS_OBJECT_PATH_NOT_FOUND,
            ResultCode::BadName => STATUS_OBJECT_NAME_INVALID,
            ResultCode::SharingViolation => STATUS_SHARING_VIOLATION,
            ResultCode::DeletePending => STATUS_DELETE_PENDING,
            ResultCode::CannotDelete => STATUS_CANNOT_DELETE,
            ResultCode::LockConflict => STATUS_FILE_LOCK_CONFLICT,
            ResultCode::RangeNotLocked => STATUS_RANGE_NOT_LOCKED,
            ResultCode::UserMapped => STATUS_USER_MAPPED_FILE,
            ResultCode::PrivilegeNotHeld => STATUS_PRIVILEGE_NOT_HELD,
            ResultCode::BadOwner => STATUS_INVALID_OWNER,
            ResultCode::BadSecurity => STATUS_INVALID_SECURITY_DESCR,
            ResultCode::BadEaList => STATUS_EA_LIST_INCONSISTENT,
            ResultCode::BadEaName => STATUS_INVALID_EA_NAME,
            ResultCode::NotAReparsePoint => STATUS_NOT_A_REPARSE_POINT,
            ResultCode::BadReparseTag => STATUS_IO_REPARSE_TAG_INVALID,
            ResultCode::ReparseTagMismatch => STATUS_IO_REPARSE_TAG_MISMATCH,
            ResultCode::BadReparse => STATUS_IO_REPARSE_DATA_INVALID,
            ResultCode::ReparseConflict => STATUS_REPARSE_ATTRIBUTE_CONFLICT,
            ResultCode::BadCookie => STATUS_INVALID_PARAMETER,
            ResultCode::Deleted => STATUS_FILE_DELETED,
            // "The volume for a file was externally altered such that the opened file is no longer valid."
            ResultCode::BaseChanged => STATUS_FILE_INVALID,
            ResultCode::BadBase => STATUS_OBJECT_PATH_NOT_FOUND,
        }
    }

    /// What it means, for people: one English clause, no full stop. Ends in a NUL for C.
    #[must_use]
    pub const fn message_c(self) -> &'static CStr {
        match self {
            ResultCode::Ok => c"success",
            ResultCode::NotFound => c"no such file or directory",
            ResultCode::Exists => c"the name is taken already",
            ResultCode::NotADirectory => c"not a directory",
            ResultCode::IsADirectory => c"is a directory",
            ResultCode::NotEmpty => c"the directory is not empty",
            ResultCode::AccessDenied => c"permission denied",
            ResultCode::NotPermitted => c"operation not permitted",
            ResultCode::ReadOnly => {
                c"read-only: a snapshot, a read-only view, or a volume latched after an internal fault"
            }
            ResultCode::Invalid => c"invalid argument",
            ResultCode::NameTooLong => c"name too long",
            ResultCode::TooManySymlinks => c"too many symbolic links",
            ResultCode::TooManyLinks => c"too many links",
            ResultCode::IntoItself => c"a directory cannot be moved into itself",
            ResultCode::CrossesVolumes => c"crosses volumes or branches",
            ResultCode::NoSpace => c"no space left: the volume's memory limit is reached",
            ResultCode::FileTooLarge => c"file too large",
            ResultCode::NoSuchOffset => c"no data or hole at or after that offset",
            ResultCode::NoAttribute => c"no such extended attribute",
            ResultCode::BufferTooSmall => c"the buffer is too small",
            ResultCode::ValueTooLarge => c"extended attribute value too large",
            ResultCode::TooManyAttributes => c"too many extended attributes on one inode",
            ResultCode::NotSupported => c"not supported",
            ResultCode::WouldBlock => c"locked by another owner",
            ResultCode::Deadlock => c"waiting would deadlock",
            ResultCode::Cancelled => c"cancelled",
            ResultCode::BadHandle => c"not an open handle, or not open for that",
            ResultCode::Stale => c"stale node",
            ResultCode::NoSuchRef => c"no branch or snapshot of that name",
            ResultCode::RefExists => c"a branch or snapshot of that name exists already",
            ResultCode::BadRefName => c"bad branch or snapshot name",
            ResultCode::Busy => c"in use",
            ResultCode::Limit => c"limit reached",
            ResultCode::BadStructure => c"unknown structure size or version",
            ResultCode::Io => c"input/output error",
            ResultCode::Internal => c"internal fault; the volume is read-only from now on: please report it",
            ResultCode::NullPointer => c"a pointer that must not be null is",
            ResultCode::BadUtf8 => c"a text that must be UTF-8 is not",
            ResultCode::PathNotFound => c"a directory of the path does not exist",
            ResultCode::BadName => c"bad name",
            ResultCode::SharingViolation => c"another handle does not share the file for that",
            ResultCode::DeletePending => c"the file is about to be deleted",
            ResultCode::CannotDelete => c"the file cannot be deleted",
            ResultCode::LockConflict => c"another handle has locked that range",
            ResultCode::RangeNotLocked => c"no lock of that range",
            ResultCode::UserMapped => c"a program has mapped the file",
            ResultCode::PrivilegeNotHeld => c"a required privilege is not held",
            ResultCode::BadOwner => c"the account may not be made the owner",
            ResultCode::BadSecurity => c"bad security descriptor",
            ResultCode::BadEaList => c"bad list of extended attributes",
            ResultCode::BadEaName => c"bad name of an extended attribute",
            ResultCode::NotAReparsePoint => c"not a reparse point",
            ResultCode::BadReparseTag => c"reparse tag out of its domain",
            ResultCode::ReparseTagMismatch => c"the reparse point has another tag",
            ResultCode::BadReparse => c"bad reparse data",
            ResultCode::ReparseConflict => c"the reparse point has another GUID",
            ResultCode::BadCookie => c"a listing cannot go on from that cookie: begin anew",
            ResultCode::Deleted => c"the file has been deleted",
            ResultCode::BaseChanged => c"the base has changed since the file was copied up",
            ResultCode::BadBase => c"bad base",
        }
    }

    /// What it means, for people; the same text as [`ResultCode::message_c`].
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self.message_c().to_str() {
            Ok(text) => text,
            Err(_) => panic!("invariant: the texts of this table are UTF-8"),
        }
    }
}

/// The number of an error.
#[must_use]
pub fn code(error: &Error) -> u32 {
    ResultCode::of(error).number()
}

/// The errno of a number; EIO for one that no code has.
#[must_use]
pub fn errno(code: u32) -> i32 {
    ResultCode::from_number(code).map_or(libc::EIO, ResultCode::errno)
}

/// The NTSTATUS of a number; `STATUS_UNSUCCESSFUL` for one that no code has.
#[must_use]
pub fn ntstatus(code: u32) -> u32 {
    ResultCode::from_number(code).map_or(STATUS_UNSUCCESSFUL, ResultCode::ntstatus)
}

/// The text of a number; a text that says so for one that no code has.
#[must_use]
pub fn message(code: u32) -> &'static str {
    ResultCode::from_number(code).map_or("unknown result code", ResultCode::message)
}

/// The text of a number, ended by a NUL.
#[must_use]
pub fn message_c(code: u32) -> &'static CStr {
    ResultCode::from_number(code).map_or(c"unknown result code", ResultCode::message_c)
}

/// The errno values that systems name differently or lack.
mod host {
    /// Linux says ENODATA where BSD and macOS have a number of their own for it.
    #[cfg(target_vendor = "apple")]
    pub(super) const NO_ATTRIBUTE: i32 = libc::ENOATTR;
    #[cfg(not(target_vendor = "apple"))]
    pub(super) const NO_ATTRIBUTE: i32 = libc::ENODATA;

    #[cfg(unix)]
    pub(super) const STALE: i32 = libc::ESTALE;
    /// The C runtime of Windows has no ESTALE.
    #[cfg(not(unix))]
    pub(super) const STALE: i32 = libc::ENOENT;
}

const STATUS_SUCCESS: u32 = 0x0000_0000;
const STATUS_INVALID_EA_NAME: u32 = 0x8000_0013;
const STATUS_EA_LIST_INCONSISTENT: u32 = 0x8000_0014;
const STATUS_UNSUCCESSFUL: u32 = 0xC000_0001;
const STATUS_INFO_LENGTH_MISMATCH: u32 = 0xC000_0004;
const STATUS_INVALID_HANDLE: u32 = 0xC000_0008;
const STATUS_INVALID_PARAMETER: u32 = 0xC000_000D;
const STATUS_END_OF_FILE: u32 = 0xC000_0011;
const STATUS_ACCESS_DENIED: u32 = 0xC000_0022;
const STATUS_BUFFER_TOO_SMALL: u32 = 0xC000_0023;
const STATUS_OBJECT_NAME_INVALID: u32 = 0xC000_0033;
const STATUS_OBJECT_NAME_NOT_FOUND: u32 = 0xC000_0034;
const STATUS_OBJECT_NAME_COLLISION: u32 = 0xC000_0035;
const STATUS_OBJECT_PATH_NOT_FOUND: u32 = 0xC000_003A;
const STATUS_SHARING_VIOLATION: u32 = 0xC000_0043;
const STATUS_EA_TOO_LARGE: u32 = 0xC000_0050;
const STATUS_NONEXISTENT_EA_ENTRY: u32 = 0xC000_0051;
const STATUS_FILE_LOCK_CONFLICT: u32 = 0xC000_0054;
const STATUS_LOCK_NOT_GRANTED: u32 = 0xC000_0055;
const STATUS_DELETE_PENDING: u32 = 0xC000_0056;
const STATUS_INVALID_OWNER: u32 = 0xC000_005A;
const STATUS_PRIVILEGE_NOT_HELD: u32 = 0xC000_0061;
const STATUS_INVALID_SECURITY_DESCR: u32 = 0xC000_0079;
const STATUS_RANGE_NOT_LOCKED: u32 = 0xC000_007E;
const STATUS_DISK_FULL: u32 = 0xC000_007F;
const STATUS_FILE_INVALID: u32 = 0xC000_0098;
const STATUS_INSUFFICIENT_RESOURCES: u32 = 0xC000_009A;
const STATUS_MEDIA_WRITE_PROTECTED: u32 = 0xC000_00A2;
const STATUS_FILE_IS_A_DIRECTORY: u32 = 0xC000_00BA;
const STATUS_NOT_SUPPORTED: u32 = 0xC000_00BB;
const STATUS_NOT_SAME_DEVICE: u32 = 0xC000_00D4;
const STATUS_INTERNAL_ERROR: u32 = 0xC000_00E5;
const STATUS_DIRECTORY_NOT_EMPTY: u32 = 0xC000_0101;
const STATUS_NOT_A_DIRECTORY: u32 = 0xC000_0103;
const STATUS_NAME_TOO_LONG: u32 = 0xC000_0106;
const STATUS_CANCELLED: u32 = 0xC000_0120;
const STATUS_CANNOT_DELETE: u32 = 0xC000_0121;
const STATUS_FILE_DELETED: u32 = 0xC000_0123;
const STATUS_IO_DEVICE_ERROR: u32 = 0xC000_0185;
const STATUS_POSSIBLE_DEADLOCK: u32 = 0xC000_0194;
const STATUS_USER_MAPPED_FILE: u32 = 0xC000_0243;
const STATUS_TOO_MANY_LINKS: u32 = 0xC000_0265;
const STATUS_NOT_A_REPARSE_POINT: u32 = 0xC000_0275;
const STATUS_IO_REPARSE_TAG_INVALID: u32 = 0xC000_0276;
const STATUS_IO_REPARSE_TAG_MISMATCH: u32 = 0xC000_0277;
const STATUS_IO_REPARSE_DATA_INVALID: u32 = 0xC000_0278;
const STATUS_REPARSE_POINT_NOT_RESOLVED: u32 = 0xC000_0280;
const STATUS_REPARSE_ATTRIBUTE_CONFLICT: u32 = 0xC000_02B2;
const STATUS_RESOURCE_IN_USE: u32 = 0xC000_0708;
const STATUS_NO_UNICODE_TRANSLATION: u32 = 0xC000_0717;
const STATUS_FILE_TOO_LARGE: u32 = 0xC000_0904;

#[cfg(test)]
mod tests;
