//! The one error type of the core. Variants name the situation; [`crate::error::tables`] turns each of
//! them into the codes of the C API and of every platform, in one total `match` each.

pub mod tables;

/// What went wrong. Nothing has changed when an operation answers with one of these, unless the operation's own
/// documentation says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No entry of that name, or no such inode any more.
    #[error("no such file or directory")]
    NotFound,
    /// The name is taken.
    #[error("the name is taken already")]
    Exists,
    /// A component that must be a directory is none.
    #[error("not a directory")]
    NotADirectory,
    /// The operation does not apply to directories.
    #[error("is a directory")]
    IsADirectory,
    /// The directory still has entries.
    #[error("the directory is not empty")]
    NotEmpty,
    /// The caller lacks the permission bits that the operation asks for (EACCES).
    #[error("permission denied")]
    AccessDenied,
    /// The caller is not the owner, lacks a privilege, or a flag such as immutable forbids it (EPERM).
    #[error("operation not permitted")]
    NotPermitted,
    /// The view shows a snapshot, was opened read-only, or the volume was latched read-only.
    #[error("read-only: a snapshot, a read-only view, or a volume latched after an internal fault")]
    ReadOnly,
    /// An argument is out of its domain; the text says which and why.
    #[error("invalid argument: {0}")]
    Invalid(&'static str),
    /// A name is longer than [`crate::limits::NAME_BYTES`] or a path longer than its limit.
    #[error("name too long")]
    NameTooLong,
    /// More than [`crate::limits::SYMLINKS`] symbolic links in one path.
    #[error("too many symbolic links")]
    TooManySymlinks,
    /// The inode has as many names as it can have.
    #[error("too many links")]
    TooManyLinks,
    /// Rename of a directory into itself or below itself.
    #[error("a directory cannot be moved into itself")]
    IntoItself,
    /// Objects of two volumes or of two branches in one operation.
    #[error("crosses volumes or branches")]
    CrossesVolumes,
    /// The memory limit (and the spill limit) is reached.
    #[error("no space left: the volume's memory limit is reached")]
    NoSpace,
    /// Past the largest file size, 2^63-1.
    #[error("file too large")]
    FileTooLarge,
    /// No data or no hole at or after that offset (ENXIO).
    #[error("no data or hole at or after that offset")]
    NoSuchOffset,
    /// No extended attribute of that name.
    #[error("no such extended attribute")]
    NoAttribute,
    /// The caller's buffer is too small.
    #[error("the buffer is too small")]
    BufferTooSmall,
    /// An extended attribute's value exceeds its limit (E2BIG).
    #[error("extended attribute value too large")]
    ValueTooLarge,
    /// The inode's extended attributes together exceed their limit.
    #[error("too many extended attributes on one inode")]
    TooManyAttributes,
    /// The operation is not supported on this kind of object.
    #[error("not supported")]
    NotSupported,
    /// A lock conflicts, and the caller did not want to wait.
    #[error("locked by another owner")]
    WouldBlock,
    /// Waiting for the lock would never end.
    #[error("waiting would deadlock")]
    Deadlock,
    /// The wait was cancelled.
    #[error("cancelled")]
    Cancelled,
    /// A handle that is not open, or not open for what was asked (EBADF).
    #[error("not an open handle, or not open for that")]
    BadHandle,
    /// A node id that this view never gave out, or whose generation is gone (ESTALE).
    #[error("stale node")]
    Stale,
    /// A branch or snapshot of that name or id does not exist.
    #[error("no branch or snapshot of that name")]
    NoSuchRef,
    /// A branch or snapshot of that name exists already.
    #[error("a branch or snapshot of that name exists already")]
    RefExists,
    /// A branch or snapshot name that breaks the rules of [`crate::check_ref_name`].
    #[error("bad branch or snapshot name: {0}")]
    BadRefName(&'static str),
    /// The branch or snapshot is in use; the text says by what.
    #[error("in use: {0}")]
    Busy(&'static str),
    /// A named limit is reached; the text names it.
    #[error("limit reached: {0}")]
    Limit(&'static str),
    /// A structure whose size or version this library does not know.
    #[error("unknown structure size or version: {0}")]
    BadStructure(&'static str),
    /// Reading or writing the spill file failed.
    #[error("input/output error: {0}")]
    Io(String),
    /// A panic was caught at the C boundary; the volume is read-only from now on.
    #[error("internal fault; the volume is read-only from now on: please report it")]
    Internal,
    /// A component before the last does not exist. Only opens that Windows' rules govern tell it from [`Error::NotFound`].
    #[error("a directory of the path does not exist")]
    PathNotFound,
    /// A name that the volume's [`crate::NamePolicy`] does not allow; the text says why.
    #[error("bad name: {0}")]
    BadName(&'static str),
    /// Another handle does not share what is asked, or has what is not shared.
    #[error("another handle does not share the file for that")]
    SharingViolation,
    /// The file is deleted as soon as its last handle closes.
    #[error("the file is about to be deleted")]
    DeletePending,
    /// The file is read-only, or mapped, and cannot be deleted.
    #[error("the file cannot be deleted")]
    CannotDelete,
    /// A byte range that another handle has locked was read or written.
    #[error("another handle has locked that range")]
    LockConflict,
    /// No lock of the handle has exactly that range.
    #[error("no lock of that range")]
    RangeNotLocked,
    /// A program has mapped the part of the file that would go.
    #[error("a program has mapped the file")]
    UserMapped,
    /// The token lacks the privilege that the access needs.
    #[error("a required privilege is not held")]
    PrivilegeNotHeld,
    /// The token may not make that account the owner.
    #[error("the account may not be made the owner")]
    BadOwner,
    /// A security descriptor that breaks the rules of its format; the text says which.
    #[error("bad security descriptor: {0}")]
    BadSecurity(&'static str),
    /// A list of extended attributes that breaks the rules of its format; the text says which.
    #[error("bad list of extended attributes: {0}")]
    BadEaList(&'static str),
    /// An extended attribute's name that Windows does not allow; the text says why.
    #[error("bad name of an extended attribute: {0}")]
    BadEaName(&'static str),
    /// The file is no reparse point.
    #[error("not a reparse point")]
    NotAReparsePoint,
    /// A reparse tag that is reserved, or one that cannot be set.
    #[error("reparse tag out of its domain")]
    BadReparseTag,
    /// The reparse point that is there has another tag.
    #[error("the reparse point has another tag")]
    ReparseTagMismatch,
    /// A reparse buffer that breaks the rules of its format; the text says which.
    #[error("bad reparse data: {0}")]
    BadReparse(&'static str),
    /// The reparse point that is there has another GUID.
    #[error("the reparse point has another GUID")]
    ReparseConflict,
    /// A listing cannot go on there: the cookie and the verifier are not of this directory as it is shown now.
    #[error("a listing cannot go on from that cookie: begin anew")]
    BadCookie,
    /// The base holds another content by now than when the file was copied up (ESTALE).
    #[error("the base has changed since the file was copied up")]
    BaseChanged,
    /// The base cannot be used; the text says which and why.
    #[error("bad base: {0}")]
    BadBase(String),
    /// A name that must be UTF-8 (or UTF-16 turned into bytes without loss) is not.
    #[error("a text that must be UTF-8 is not")]
    BadUtf8,
    /// The file has been deleted; a handle is all that is left of it.
    #[error("the file has been deleted")]
    Deleted,
}

/// The result of every operation of the core.
pub type Result<T> = std::result::Result<T, Error>;
