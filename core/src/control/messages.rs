//! The messages: fixed sizes, little room for doubt. Each begins with a [`fs_control_header`]; a host and a program may be of
//! different versions, and find out by its `size` and `version`.

#![allow(non_camel_case_types)]

use bytemuck::{Pod, Zeroable};

/// Version of all messages. A message of another version is refused.
pub const FS_CONTROL_VERSION: u32 = 1;
/// Room for a name of a branch, snapshot or volume: at most 255 bytes of UTF-8 and a NUL.
pub const FS_CONTROL_NAME_BYTES: usize = 256;
/// Room for a label of a view or a path of a socket: at most 1023 bytes and a NUL; longer ones are cut.
pub const FS_CONTROL_LABEL_BYTES: usize = 1024;
/// Room for the text of an error: UTF-8 and a NUL.
pub const FS_CONTROL_TEXT_BYTES: usize = 128;
/// Entries in one `fs_control_list`.
pub const FS_CONTROL_LIST_ENTRIES: usize = 40;
/// Entries in one `fs_control_views`.
pub const FS_CONTROL_VIEWS_ENTRIES: usize = 8;
/// Entries in one `fs_control_holdings`.
pub const FS_CONTROL_HOLDINGS_ENTRIES: usize = 40;
/// Bytes in one `fs_control_diff_read`.
pub const FS_CONTROL_DIFF_BYTES: usize = 16_000;

/// Room for paths in one `fs_control_revert`.
pub const FS_CONTROL_PATHS_BYTES: usize = 12_288;
/// Entries in one `fs_control_ranges`.
pub const FS_CONTROL_RANGES_ENTRIES: usize = 500;
/// To revert a directory that is new in the branch and that is there by now: what is in it stays, over what is there.
pub const FS_CONTROL_KEEP_BELOW: u32 = 1;

/// Room for operations in `fs_activity`.
pub const FS_OPERATIONS: usize = 32;
/// Buckets of times in `fs_operation`.
pub const FS_LATENCY_BUCKETS: usize = 24;
/// Room for the problems of one `fs_control_check`.
pub const FS_CONTROL_PROBLEM_BYTES: usize = 8_192;
/// A check of a volume that nobody else uses meanwhile.
pub const FS_CONTROL_STILL: u32 = 1;

/// A branch.
pub const FS_REF_BRANCH: u32 = 1;
/// A snapshot.
pub const FS_REF_SNAPSHOT: u32 = 2;

/// A view that refuses every change.
pub const FS_CONTROL_READ_ONLY: u32 = 1;
/// A view that leaves access times alone.
pub const FS_CONTROL_NO_ACCESS_TIME: u32 = 2;
/// A view that refuses control, but for `FS_CONTROL_INFO`.
pub const FS_CONTROL_CONFINED: u32 = 4;
/// To attach: the kernel checks permissions (`default_permissions`), which the host cannot see in another mount namespace.
pub const FS_CONTROL_CHECKED: u32 = 8;

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
}

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
    /// 0.
    pub reserved: u32,
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

/// Counters of the volume.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_stats {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Branches.
    pub branches: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Views.
    pub views: u64,
    /// Nodes that the host of this view knows.
    pub nodes: u64,
    /// Limit of content in memory, in bytes.
    pub memory_bytes: u64,
    /// Content in use, in bytes: chunks and small buffers, memory and spill file together.
    pub used_bytes: u64,
    /// Content that can be stored in all, in bytes.
    pub capacity_bytes: u64,
    /// Chunks in use.
    pub chunks: u64,
    /// Bytes in small buffers.
    pub small_bytes: u64,
    /// Chunks allocated since the volume was opened.
    pub chunks_allocated: u64,
    /// Chunks copied because they were shared.
    pub chunks_copied: u64,
    /// Bytes of the spill file.
    pub spill_bytes: u64,
    /// 0.
    pub reserved: [u64; 8],
}

/// What is known about the operations of one kind.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct fs_operation {
    /// Its name, lower case; empty: this place is not used.
    pub name: [u8; 16],
    /// How many began since the volume was opened.
    pub count: u64,
    /// How many of them were timed: about one in 64 of what comes often, all of the rest.
    pub timed: u64,
    /// What those took together, in nanoseconds.
    pub total_ns: u64,
    /// What the slowest of those took, in nanoseconds.
    pub slowest_ns: u64,
    /// How many of those took how long: bucket i holds times below `128 << i` nanoseconds that the one before does not; the last holds
    /// all that are longer, too.
    pub buckets: [u64; FS_LATENCY_BUCKETS],
}

/// What a volume did since it was opened.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_activity {
    /// `sizeof(fs_activity)`.
    pub size: u32,
    /// 0.
    pub reserved0: u32,
    /// Bytes of memory that count against the limit now, with what is kept for the next to come.
    pub resident_bytes: u64,
    /// Chunks that reads and writes asked for, in memory or not.
    pub chunk_reads: u64,
    /// Those of them that were waited for, as they were in the spill file only.
    pub faults: u64,
    /// Chunks that were in memory when they were asked for, as they had been read ahead.
    pub ahead_hits: u64,
    /// How often somebody waited for memory.
    pub stalls: u64,
    /// Chunks moved out of memory.
    pub evictions: u64,
    /// Bytes read from the spill file.
    pub spill_read_bytes: u64,
    /// Bytes written to it.
    pub spill_written_bytes: u64,
    /// 0.
    pub reserved: [u64; 8],
    /// What is known about each operation.
    pub operations: [fs_operation; FS_OPERATIONS],
}

/// What the volume did since it was opened.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_activity {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Answer.
    pub activity: fs_activity,
}

/// What a branch or snapshot holds.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
pub struct fs_holdings {
    /// `sizeof(fs_holdings)`.
    pub size: u32,
    /// 0.
    pub reserved0: u32,
    /// Inodes.
    pub inodes: u64,
    /// Bytes of content of all its files. A chunk that two of its files share counts twice.
    pub content_bytes: u64,
    /// Bytes of it that other branches and snapshots, or other files of this one, hold too.
    pub shared_bytes: u64,
    /// Inodes, or versions of them, that only it holds.
    pub exclusive_inodes: u64,
    /// Bytes of content that only it holds.
    pub exclusive_content_bytes: u64,
    /// Bytes of memory that deleting it frees.
    pub exclusive_memory_bytes: u64,
    /// Bytes of the spill file that deleting it frees.
    pub exclusive_spilled_bytes: u64,
    /// Those of the bytes of memory that are not content: inodes, names, tables.
    pub exclusive_metadata_bytes: u64,
    /// 0.
    pub reserved: [u64; 3],
}

/// A branch or snapshot, and what it holds.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_holding {
    /// Its name.
    pub name: fs_control_name,
    /// Its id.
    pub id: u64,
    /// `FS_REF_BRANCH` or `FS_REF_SNAPSHOT`.
    pub kind: u32,
    /// 0.
    pub reserved: u32,
    /// What it holds.
    pub holdings: fs_holdings,
}

/// A page of what branches and snapshots hold, oldest first.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_holdings {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// Begin after this id; 0: from the first.
    pub after_id: u64,
    /// And this kind.
    pub after_kind: u32,
    /// Answer: entries filled in.
    pub count: u32,
    /// Answer: 1 when there are more.
    pub more: u32,
    /// 0.
    pub reserved: u32,
    /// Answer: the entries.
    pub entries: [fs_control_holding; FS_CONTROL_HOLDINGS_ENTRIES],
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

/// Look whether everything in the volume is as it must be. Changes nothing. Takes the longer the more there is; it is for
/// tests, and for who suspects a fault of the volume's.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub struct fs_control_check {
    /// The beginning of every message.
    pub header: fs_control_header,
    /// `FS_CONTROL_STILL`: nobody uses the volume meanwhile, so that counts must be exact; changes wait until the answer.
    pub flags: u32,
    /// Answer: bytes of `problems` that are filled in.
    pub problem_bytes: u32,
    /// Answer: branches and snapshots looked at.
    pub trees: u64,
    /// Answer: versions of inodes looked at.
    pub inodes: u64,
    /// Answer: entries of directories looked at.
    pub entries: u64,
    /// Answer: chunks that the trees hold.
    pub chunks: u64,
    /// Answer: small buffers that the trees hold.
    pub small_buffers: u64,
    /// Answer: problems found, told or not; 0: the volume is sound.
    pub problem_count: u64,
    /// Answer: the first of the problems, in UTF-8, each ended by a line feed; what does not fit is cut.
    pub problems: [u8; FS_CONTROL_PROBLEM_BYTES],
}

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
    /// 0.
    pub reserved: u32,
    /// Answer: id of the view.
    pub view: u64,
}
