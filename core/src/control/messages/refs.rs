//! Branches and snapshots: listed, grown, taken, shown, renamed and deleted.

use bytemuck::{Pod, Zeroable};

use super::{fs_control_header, fs_control_name};

/// Entries in one `fs_control_list`.
pub const FS_CONTROL_LIST_ENTRIES: usize = 40;

/// Take a snapshot of the branch that the view shows, or of the one named.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_snapshot {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Its name; empty: BRANCH@N. Answer: the name it got.
    pub name: fs_control_name,
    /// The branch; empty: the one that the view shows.
    pub branch: fs_control_name,
    /// Answer: its id.
    pub id: u64,
}

/// A branch or snapshot in a list.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_ref {
    /// Its name.
    pub name: fs_control_name,
    /// Its id.
    pub id: u64,
    /// Id of what it grew from; 0: nothing.
    pub parent_id: u64,
    /// `FS_REF_BRANCH` or `FS_REF_SNAPSHOT`.
    pub kind: u32,
    /// Kind of what it grew from; 0: nothing.
    pub parent_kind: u32,
    /// When it was made: nanoseconds since 1970-01-01 UTC.
    pub created: i64,
    /// Branches and snapshots grown from it.
    pub children: u64,
    /// Views that show it.
    pub views: u64,
    /// Inodes it holds.
    pub inodes: u64,
    /// A number that nothing in the volume had before, taken anew when it begins to change. The same number again, and no views either
    /// time: it is this one, as it was.
    pub changes: u64,
}

/// A page of branches and snapshots, oldest first.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_list {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Begin after this id; 0: from the first.
    pub after_id: u64,
    /// And this kind.
    pub after_kind: u32,
    /// Answer: entries filled in; fewer than `FS_CONTROL_LIST_ENTRIES`: there are no more.
    pub count: u32,
    /// Answer: the entries.
    pub entries: [fs_control_ref; FS_CONTROL_LIST_ENTRIES],
}

/// Grow a branch.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_branch {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Its name.
    pub name: fs_control_name,
    /// The branch or snapshot to grow it from; empty: what the view shows.
    pub from: fs_control_name,
    /// Answer: its id.
    pub id: u64,
}

/// Show another branch or snapshot in this view.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_switch {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Its name.
    pub to: fs_control_name,
}

/// Rename a branch or snapshot.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_rename {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Its name.
    pub from: fs_control_name,
    /// Its new name.
    pub to: fs_control_name,
    /// `FS_REF_BRANCH`, `FS_REF_SNAPSHOT`, or 0 for either.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
}

/// Delete a branch or snapshot.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_delete {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Its name.
    pub name: fs_control_name,
    /// `FS_REF_BRANCH`, `FS_REF_SNAPSHOT`, or 0 for either.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
    /// Only while this is its number of `changes` (`fs_control_ref`), else `FS_STALE`; 0: whatever it is.
    pub changes: u64,
}
