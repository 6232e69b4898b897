//! What differs between two trees, part by part.

use bytemuck::{Pod, Zeroable};

use super::{fs_control_header, fs_control_name};

/// Of a difference: the earlier tree has changed it since the two parted.
pub const FS_CONTROL_CHANGED_BEFORE: u32 = 1;
/// The later tree has; of what was removed: it was there when they parted.
pub const FS_CONTROL_CHANGED_AFTER: u32 = 2;
/// Of a difference: the later tree has what differs under further names, which no difference tells of.
pub const FS_CONTROL_FURTHER_NAMES: u32 = 4;
/// Bytes in one `fs_control_diff_read`.
pub const FS_CONTROL_DIFF_BYTES: usize = 16_000;

/// Begin a diff. At most 64 are open on a volume; one more ends the one that was read longest ago.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_diff_open {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// The earlier tree; empty: what the later one grew from.
    pub before: fs_control_name,
    /// The later tree; empty: what the view shows.
    pub after: fs_control_name,
    /// Answer: the id of the diff.
    pub id: u64,
}

/// The next part of a diff: records (`fs_control_diff_record` and the bytes after it) one after another, cut anywhere.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_diff_read {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// The id of the diff.
    pub id: u64,
    /// Answer: bytes filled in; 0: that was all.
    pub count: u32,
    /// 0.
    pub reserved: u32,
    /// Answer: the bytes.
    pub data: [u8; FS_CONTROL_DIFF_BYTES],
}

/// One difference. After it come `path_bytes` bytes of the path and `old_path_bytes` bytes of the path before.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct fs_control_diff_record {
    /// The inode.
    pub inode: u64,
    /// 1 added, 2 removed, 3 changed, 4 renamed.
    pub kind: u32,
    /// In what it differs: 1 content, 2 mode, 4 owner, 8 times, 16 xattrs and ACLs, 32 flags, 64 kind of file.
    pub aspects: u32,
    /// Kind of file: an `fs_kind`.
    pub file_kind: u32,
    /// Length of the path.
    pub path_bytes: u32,
    /// Length of the path before; 0: the same.
    pub old_path_bytes: u32,
    /// `FS_CONTROL_CHANGED_BEFORE`, `FS_CONTROL_CHANGED_AFTER`: which tree has changed it since the two parted. And
    /// `FS_CONTROL_FURTHER_NAMES`.
    pub changed_by: u32,
}

/// End a diff.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_diff_close {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// The id of the diff.
    pub id: u64,
}
