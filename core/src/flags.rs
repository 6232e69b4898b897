//! Flags of an inode, as chattr(1) and chflags(2) know them.

/// Nothing about the inode may change, no name of it may come or go (FS_IMMUTABLE_FL, UF/SF_IMMUTABLE).
pub const IMMUTABLE: u32 = 1;
/// Content may only grow at its end; entries of a directory may only be added (FS_APPEND_FL, UF/SF_APPEND).
pub const APPEND: u32 = 1 << 1;
/// Access times stay (FS_NOATIME_FL).
pub const NO_ACCESS_TIME: u32 = 1 << 2;
/// Left out by dump(8) (FS_NODUMP_FL, UF_NODUMP). Kept, without effect.
pub const NO_DUMP: u32 = 1 << 3;
/// Hidden from people (UF_HIDDEN). Kept, without effect.
pub const HIDDEN: u32 = 1 << 4;
/// Archived (SF_ARCHIVED). Kept, without effect.
pub const ARCHIVED: u32 = 1 << 5;

/// All of them.
pub const ALL: u32 = (1 << 6) - 1;
/// Those that only a caller with [`crate::Privileges::IMMUTABLE`] may set or clear.
pub const PRIVILEGED: u32 = IMMUTABLE | APPEND;
