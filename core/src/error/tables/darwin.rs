//! The errno values of macOS, on every system: for hosts that speak to a Mac, and so that the table is tested everywhere.

use super::ResultCode;

impl ResultCode {
    /// The errno of macOS (`sys/errno.h`), positive; 0 for [`ResultCode::Ok`].
    #[must_use]
    pub fn darwin_errno(self) -> i32 {
        match self {
            ResultCode::Ok => 0,
            ResultCode::NotFound | ResultCode::NoSuchRef | ResultCode::PathNotFound => ENOENT,
            ResultCode::Exists | ResultCode::RefExists => EEXIST,
            ResultCode::NotADirectory => ENOTDIR,
            ResultCode::IsADirectory => EISDIR,
            ResultCode::NotEmpty => ENOTEMPTY,
            ResultCode::AccessDenied => EACCES,
            ResultCode::NotPermitted => EPERM,
            ResultCode::ReadOnly => EROFS,
            ResultCode::Invalid | ResultCode::IntoItself | ResultCode::BadRefName => EINVAL,
            ResultCode::NameTooLong => ENAMETOOLONG,
            ResultCode::TooManySymlinks => ELOOP,
            ResultCode::TooManyLinks => EMLINK,
            ResultCode::CrossesVolumes => EXDEV,
            ResultCode::NoSpace | ResultCode::TooManyAttributes => ENOSPC,
            ResultCode::FileTooLarge => EFBIG,
            ResultCode::NoSuchOffset => ENXIO,
            ResultCode::NoAttribute => ENOATTR,
            ResultCode::BufferTooSmall => ERANGE,
            ResultCode::ValueTooLarge => E2BIG,
            // Not EOPNOTSUPP, which is about sockets there.
            ResultCode::NotSupported => ENOTSUP,
            ResultCode::WouldBlock | ResultCode::LockConflict => EAGAIN,
            ResultCode::Deadlock => EDEADLK,
            ResultCode::Cancelled => EINTR,
            ResultCode::BadHandle => EBADF,
            ResultCode::Stale | ResultCode::BaseChanged => ESTALE,
            ResultCode::Busy | ResultCode::SharingViolation => EBUSY,
            ResultCode::Limit => ENOSPC,
            ResultCode::BadStructure => EINVAL,
            ResultCode::Io | ResultCode::Internal => EIO,
            ResultCode::NullPointer => EFAULT,
            // What APFS answers to a name that is no UTF-8.
            ResultCode::BadUtf8 => EILSEQ,
            ResultCode::BadName => EINVAL,
            ResultCode::DeletePending | ResultCode::Deleted => ENOENT,
            ResultCode::CannotDelete | ResultCode::PrivilegeNotHeld | ResultCode::BadOwner => EPERM,
            ResultCode::RangeNotLocked => EINVAL,
            ResultCode::UserMapped => ETXTBSY,
            ResultCode::BadSecurity | ResultCode::BadEaList | ResultCode::BadEaName => EINVAL,
            ResultCode::NotAReparsePoint | ResultCode::BadReparseTag | ResultCode::ReparseTagMismatch => EINVAL,
            ResultCode::BadReparse | ResultCode::ReparseConflict => EINVAL,
            // An FSKit host says FSError.invalidDirectoryCookie instead.
            ResultCode::BadCookie | ResultCode::BadBase => EINVAL,
        }
    }
}

/// The errno of macOS of a number; EIO for one that no code has.
#[must_use]
pub fn darwin_errno(code: u32) -> i32 {
    ResultCode::from_number(code).map_or(EIO, ResultCode::darwin_errno)
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EINTR: i32 = 4;
const EIO: i32 = 5;
const ENXIO: i32 = 6;
const E2BIG: i32 = 7;
const EBADF: i32 = 9;
const EDEADLK: i32 = 11;
const EACCES: i32 = 13;
const EFAULT: i32 = 14;
const EBUSY: i32 = 16;
const EEXIST: i32 = 17;
const EXDEV: i32 = 18;
const ENOTDIR: i32 = 20;
const EISDIR: i32 = 21;
const EINVAL: i32 = 22;
const ETXTBSY: i32 = 26;
const EFBIG: i32 = 27;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const EMLINK: i32 = 31;
const ERANGE: i32 = 34;
const EAGAIN: i32 = 35;
const ENOTSUP: i32 = 45;
const ELOOP: i32 = 62;
const ENAMETOOLONG: i32 = 63;
const ENOTEMPTY: i32 = 66;
const ESTALE: i32 = 70;
const EILSEQ: i32 = 92;
const ENOATTR: i32 = 93;
