//! The messages: fixed sizes, little room for doubt. Each begins with a [`fs_control_header`]; a host and a program may be of
//! different versions, and find out by its `size` and `version`. Here is what all of them have; each noun has a file of its own.

#![allow(non_camel_case_types)]

mod base;
mod counts;
mod diff;
mod refs;
mod views;

use bytemuck::{Pod, Zeroable};

pub use base::*;
pub use counts::*;
pub use diff::*;
pub use refs::*;
pub use views::*;

/// Version of all messages. A message of another version is refused.
pub const FS_CONTROL_VERSION: u32 = 1;
/// Room for a name of a branch, snapshot or volume: at most 255 bytes of UTF-8 and a NUL.
pub const FS_CONTROL_NAME_BYTES: usize = 256;
/// Room for a label of a view or a path of a socket: at most 1023 bytes and a NUL; longer ones are cut.
pub const FS_CONTROL_LABEL_BYTES: usize = 1024;
/// Room for the text of an error: UTF-8 and a NUL.
pub const FS_CONTROL_TEXT_BYTES: usize = 128;

/// A branch.
pub const FS_REF_BRANCH: u32 = 1;
/// A snapshot.
pub const FS_REF_SNAPSHOT: u32 = 2;

/// Requests. On Linux the ioctl number is `_IOWR('B', request, message)`.
pub mod request {
    /// `fs_control_info`: what this volume and view are.
    pub const FS_CONTROL_INFO: u32 = 1;
    /// `fs_control_snapshot`: take a snapshot.
    pub const FS_CONTROL_SNAPSHOT: u32 = 2;
    /// `fs_control_list`: a page of branches and snapshots.
    pub const FS_CONTROL_LIST: u32 = 3;
    /// `fs_control_branch`: grow a branch.
    pub const FS_CONTROL_BRANCH: u32 = 4;
    /// `fs_control_switch`: show another branch or snapshot.
    pub const FS_CONTROL_SWITCH: u32 = 5;
    /// `fs_control_rename`: rename a branch or snapshot.
    pub const FS_CONTROL_RENAME: u32 = 6;
    /// `fs_control_delete`: delete a branch or snapshot.
    pub const FS_CONTROL_DELETE: u32 = 7;
    /// `fs_control_diff_open`: begin a diff.
    pub const FS_CONTROL_DIFF_OPEN: u32 = 8;
    /// `fs_control_diff_read`: the next part of a diff.
    pub const FS_CONTROL_DIFF_READ: u32 = 9;
    /// `fs_control_diff_close`: end a diff.
    pub const FS_CONTROL_DIFF_CLOSE: u32 = 10;
    /// `fs_control_stats`: counters.
    pub const FS_CONTROL_STATS: u32 = 11;
    /// `fs_control_views`: a page of views.
    pub const FS_CONTROL_VIEWS: u32 = 12;
    /// `fs_control_attach`: open a further view. Hosts answer it themselves, by their own means; core refuses it.
    pub const FS_CONTROL_ATTACH: u32 = 13;
    /// `fs_control_activity`: what the volume did, and how long it took.
    pub const FS_CONTROL_ACTIVITY: u32 = 14;
    /// `fs_control_holdings`: what branches and snapshots hold.
    pub const FS_CONTROL_HOLDINGS: u32 = 15;
    /// `fs_control_check`: look whether the volume is sound. From 64 on are requests for those who build hosts.
    pub const FS_CONTROL_CHECK: u32 = 64;
    /// Control request: the base of the volume. Carries a `fs_control_base`.
    pub const FS_CONTROL_BASE: u32 = 80;
    /// Control request: what an inode has to do with the base. Carries a `fs_control_origin`.
    pub const FS_CONTROL_ORIGIN: u32 = 81;
    /// Control request: have paths of a branch as another tree has them. Carries a `fs_control_revert`.
    pub const FS_CONTROL_REVERT: u32 = 82;
    /// Control request: the parts of a file that are not the base's. Carries a `fs_control_ranges`.
    pub const FS_CONTROL_RANGES: u32 = 83;
}

/// The beginning of every message.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_header {
    /// Size of the whole message in bytes.
    pub size: u32,
    /// `FS_CONTROL_VERSION`.
    pub version: u32,
    /// Answer: an `fs_result`; 0 when it was done.
    pub result: u32,
    /// 0.
    pub reserved: u32,
    /// Answer: what was wrong, for people; empty when it was done.
    pub text: [u8; FS_CONTROL_TEXT_BYTES],
}

/// A name: UTF-8, filled up with NULs.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_name {
    /// The bytes.
    pub bytes: [u8; FS_CONTROL_NAME_BYTES],
}

/// A label or path: bytes, filled up with NULs.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_label {
    /// The bytes.
    pub bytes: [u8; FS_CONTROL_LABEL_BYTES],
}
