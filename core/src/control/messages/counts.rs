//! What a volume counts: of all that is in it, of what it does, of what its branches and snapshots hold; and whether it is sound.

use bytemuck::{Pod, Zeroable};

use super::{fs_control_header, fs_control_name};

/// Room for operations in `fs_activity`.
pub const FS_OPERATIONS: usize = 32;
/// Buckets of times in `fs_operation`.
pub const FS_LATENCY_BUCKETS: usize = 24;
/// Entries in one `fs_control_holdings`.
pub const FS_CONTROL_HOLDINGS_ENTRIES: usize = 40;
/// Room for the problems of one `fs_control_check`.
pub const FS_CONTROL_PROBLEM_BYTES: usize = 8_192;
/// A check of a volume that nobody else uses meanwhile.
pub const FS_CONTROL_STILL: u32 = 1;

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
