//! What shows a volume: this view, all of them, and one more.

use bytemuck::{Pod, Zeroable};

use super::{fs_control_header, fs_control_label, fs_control_name};

/// Entries in one `fs_control_views`.
pub const FS_CONTROL_VIEWS_ENTRIES: usize = 8;
/// A view that refuses every change.
pub const FS_CONTROL_READ_ONLY: u32 = 1;
/// A view that leaves access times alone.
pub const FS_CONTROL_NO_ACCESS_TIME: u32 = 2;
/// A view that refuses control, but for `FS_CONTROL_INFO`.
pub const FS_CONTROL_CONFINED: u32 = 4;
/// To attach: the kernel checks permissions (`default_permissions`), which the host cannot see in another mount namespace.
pub const FS_CONTROL_CHECKED: u32 = 8;

/// What this volume and view are.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_info {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Answer: the volume's name.
    pub volume: fs_control_name,
    /// Answer: name of the branch or snapshot that the view shows.
    pub shows: fs_control_name,
    /// Answer: its id.
    pub shows_id: u64,
    /// Answer: `FS_REF_BRANCH` or `FS_REF_SNAPSHOT`.
    pub shows_kind: u32,
    /// Answer: `FS_CONTROL_READ_ONLY`, `FS_CONTROL_NO_ACCESS_TIME`, `FS_CONTROL_CONFINED`.
    pub flags: u32,
    /// Answer: id of the view.
    pub view: u64,
    /// Answer: process id of the host.
    pub pid: u32,
    /// Answer: 1 when the volume ignores case.
    pub ignores_case: u32,
    /// Answer: what the host calls the view: its mount point.
    pub label: fs_control_label,
    /// Answer: where the host listens: the path of its socket; empty when it does not.
    pub endpoint: fs_control_label,
}

/// A view in a list.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_view {
    /// Its id.
    pub id: u64,
    /// Id of what it shows.
    pub shows_id: u64,
    /// `FS_REF_BRANCH` or `FS_REF_SNAPSHOT`.
    pub shows_kind: u32,
    /// `FS_CONTROL_READ_ONLY`, `FS_CONTROL_CONFINED`.
    pub flags: u32,
    /// Name of what it shows.
    pub shows: fs_control_name,
    /// What the host calls it: its mount point.
    pub label: fs_control_label,
}

/// A page of views, in order of id.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_views {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Begin after this id; 0: from the first.
    pub after: u64,
    /// Answer: entries filled in; fewer than `FS_CONTROL_VIEWS_ENTRIES`: there are no more.
    pub count: u32,
    /// 0.
    pub reserved: u32,
    /// Answer: the entries.
    pub entries: [fs_control_view; FS_CONTROL_VIEWS_ENTRIES],
}

/// Open a further view. On Linux it comes over the host's socket, with the descriptor of a mounted `/dev/fuse` beside it.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_attach {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// The branch or snapshot to show; empty: the volume's first branch.
    pub shows: fs_control_name,
    /// What to call the view: its mount point.
    pub label: fs_control_label,
    /// `FS_CONTROL_READ_ONLY`, `FS_CONTROL_NO_ACCESS_TIME`, `FS_CONTROL_CONFINED`, `FS_CONTROL_CHECKED`.
    pub flags: u32,
    /// Answer: `FS_REF_BRANCH` or `FS_REF_SNAPSHOT`, which it shows.
    pub shows_kind: u32,
    /// Answer: id of the view.
    pub view: u64,
}
