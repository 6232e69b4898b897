//! Every limit of a volume, by name. `docs/semantics.md` lists them for users; tests stand at each and one past it.

/// Longest name of a directory entry, in bytes.
pub const NAME_BYTES: usize = 255;
/// Longest name of a directory entry on a volume with Windows names, in UTF-16 units.
pub const NAME_UNITS: usize = 255;
/// Most bytes that one UTF-16 unit of a name takes.
pub const UNIT_BYTES: usize = 3;
/// Longest path that an operation by path accepts, in bytes.
pub const PATH_BYTES: usize = 32_767;
/// Longest path that an operation by path accepts on a volume with Windows names, in UTF-16 units.
pub const PATH_UNITS: usize = 32_767;
/// Longest target of a symbolic link, in bytes (as Linux: `PATH_MAX` less the NUL).
pub const SYMLINK_BYTES: usize = 4_095;
/// Symbolic links followed in one path resolution (path_resolution(7)).
pub const SYMLINKS: u32 = 40;
/// Names of one inode (hard links).
pub const LINKS: u32 = 65_000;
/// Largest file, in bytes: 2^63-1.
pub const FILE_BYTES: u64 = i64::MAX as u64;
/// Longest name of an extended attribute, in bytes.
pub const XATTR_NAME_BYTES: usize = 255;
/// Largest value of an extended attribute, in bytes.
pub const XATTR_VALUE_BYTES: usize = 65_536;
/// Names and values of all extended attributes of one inode together, in bytes.
pub const XATTR_TOTAL_BYTES: usize = 1 << 20;
/// Branches of one volume.
pub const BRANCHES: usize = 1 << 20;
/// Snapshots of one volume.
pub const SNAPSHOTS: usize = 1 << 20;
/// Longest name of a branch or snapshot, in bytes.
pub const REF_NAME_BYTES: usize = 255;
/// Largest inode id: a host keeps 16 bits of a 64-bit node id for itself.
pub const INODE_ID: u64 = (1 << 48) - 1;
/// Open handles of one view.
pub const HANDLES: usize = 1 << 24;
/// Diffs open at one time on one volume.
pub const OPEN_DIFFS: usize = 64;
/// How long a part of a diff is filled, in nanoseconds, once there is something in it.
pub const DIFF_FILL_NS: i64 = 1_000_000_000;
/// Bytes that one pin lends, holes included.
pub const PIN_BYTES: usize = 1 << 30;
/// Bytes that one pin lends of a base, for which they are read into memory of the pin's own.
pub const BASE_PIN_BYTES: usize = 4 << 20;
/// Problems that one check of the invariants tells.
pub const CHECK_PROBLEMS: usize = 64;
/// Events that one subscription may hold.
pub const EVENT_QUEUE: usize = 1 << 20;
/// Groups of one token (Windows itself allows fewer).
pub const TOKEN_GROUPS: usize = 1024;
/// Longest label of a volume with Windows names, in UTF-16 units.
pub const LABEL_UNITS: usize = 32;
/// Longest label of any other volume, in bytes.
pub const LABEL_BYTES: usize = 255;
/// Longest security descriptor of an inode, self-relative, in bytes.
pub const SECURITY_BYTES: usize = 65_536;
/// Longest list of extended attributes of Windows, in bytes, as [MS-FSCC] packs it (NTFS allows as much).
pub const EA_LIST_BYTES: usize = 65_535;
/// Longest reparse data buffer, header included, in bytes (MAXIMUM_REPARSE_DATA_BUFFER_SIZE).
pub const REPARSE_BYTES: usize = 16_384;
/// Unit of the allocation size that Windows programs are told, in bytes.
pub const ALLOCATION_BYTES: u64 = 4_096;
/// Named streams of one inode.
pub const STREAMS: usize = 4_096;
/// Longest name of a stream, in UTF-16 units.
pub const STREAM_NAME_UNITS: usize = 255;
/// Inode ids from here on are given to what the base has no number for; below are the host's own. Volumes without a base begin at 1.
pub const BASE_INODE_ID: u64 = 1 << 40;
/// Descriptors of directories of the base that are kept open, and as many of files; an eighth of what the process may have, if
/// that is less.
pub const BASE_DESCRIPTORS: usize = 1024;
/// Inodes of the base whose extended attributes are remembered.
pub const BASE_EXTRAS: usize = 1 << 16;
/// Directories of the base that are remembered for who may search them.
pub const BASE_SEARCHED: usize = 512;
/// For how long, in nanoseconds, where nothing tells of a change.
pub const BASE_SEARCHED_NS: i64 = 1_000_000_000;
/// Directories of the base that are watched for changes, if the system allows as many.
pub const BASE_WATCHES: usize = 1 << 16;
/// Directories of the base within one another.
pub const BASE_DEPTH: usize = 16_384;
/// Bytes that kept listings of base directories take; the latest one may be larger.
pub const BASE_LISTED_BYTES: usize = 32 << 20;
