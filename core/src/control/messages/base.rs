//! The base of a volume: which it is, what an inode has of it, and paths and parts of files that are not as it has them.

use bytemuck::{Pod, Zeroable};

use super::{fs_control_header, fs_control_label, fs_control_name};

/// Room for paths in one `fs_control_revert`.
pub const FS_CONTROL_PATHS_BYTES: usize = 12_288;
/// Entries in one `fs_control_ranges`.
pub const FS_CONTROL_RANGES_ENTRIES: usize = 500;
/// To revert a directory that is new in the branch and that is there by now: what is in it stays, over what is there.
pub const FS_CONTROL_KEEP_BELOW: u32 = 1;

/// Ask for the base of the volume.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_base {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Answer: its path, as the volume was opened with it; cut if it does not fit.
    pub path: fs_control_label,
    /// Answer: `FS_CONFIG_BASE_...`; 0: the volume has none.
    pub kind: u32,
    /// Answer: `FS_CONFIG_BASE_...` bits.
    pub flags: u32,
}

/// What tells whether a thing of the base is the one it was, and as it was. Times are nanoseconds since 1970-01-01 00:00 UTC.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct fs_control_identity {
    /// The file system it is on, as the host numbers them.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its birth; 0 where the host does not say.
    pub born: i64,
    /// Bytes of content.
    pub size: u64,
    /// Last change of content.
    pub modified: i64,
    /// Last change of content or attributes.
    pub changed: i64,
}

/// Ask what an inode has to do with the base: whether it was copied up, from what, and what the base has now. When both differ, the
/// base has changed since.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_origin {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// The branch or snapshot; empty: what the view shows.
    pub of: fs_control_name,
    /// The inode.
    pub inode: u64,
    /// Answer: `FS_BASE_...`.
    pub state: u32,
    /// Answer: 1 when the base still has it where it was.
    pub is_there: u32,
    /// Answer: what it was when it was copied up; all zero when it was not.
    pub recorded: fs_control_identity,
    /// Answer: what it is in the base now; all zero when it is not there.
    pub present: fs_control_identity,
}

/// Have paths of a branch as another tree has them, as if they had not been changed since. No view may show the branch. A file goes back
/// under all its names, and what has moved to or from a path goes back to where it was. All paths of one message go back in one step.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_revert {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// The branch.
    pub branch: fs_control_name,
    /// The branch or snapshot to go back to; empty: what it grew from.
    pub to: fs_control_name,
    /// `FS_CONTROL_KEEP_BELOW` or 0.
    pub flags: u32,
    /// Bytes of `paths` that are used.
    pub path_bytes: u32,
    /// Only while this is the branch's number of `changes` (`fs_control_ref`), else `FS_STALE`; 0: whatever it is. Answer: what it is
    /// now.
    pub changes: u64,
    /// Paths from the root without a slash in front, a NUL after each; an empty one is everything.
    pub paths: [u8; FS_CONTROL_PATHS_BYTES],
}

/// A part of a file.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct fs_control_range {
    /// Its first byte.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
}

/// Ask for the parts of a file that are not what the base has at the same place: whatever lies between them is. They begin and end
/// where chunks do, or the base, or the file. Of a file that the base has no part in, all of it is one.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_ranges {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// The branch or snapshot; empty: what the view shows.
    pub of: fs_control_name,
    /// The inode.
    pub inode: u64,
    /// Begin at this byte.
    pub from: u64,
    /// Answer: size of the file.
    pub size: u64,
    /// Answer: entries filled in; fewer than `FS_CONTROL_RANGES_ENTRIES`: there are no more.
    pub count: u32,
    /// 0.
    pub reserved: u32,
    /// Answer: the parts, in order.
    pub entries: [fs_control_range; FS_CONTROL_RANGES_ENTRIES],
}
