//! Ids. Each is a number of its own kind; none is ever used for two things in the life of a volume.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub u64);
    };
}

id! {
    /// An inode of the volume: 1..=2^48-1, never used again. The same file has the same id in every branch.
    InodeId
}
id! {
    /// What a host holds: an inode as one view shows it. The top 16 bits count the view's switches, the low
    /// 48 bits are the inode id; 1 is the root of what the view shows now.
    NodeId
}
id! {
    /// A branch of the volume.
    BranchId
}
id! {
    /// A snapshot of the volume.
    SnapshotId
}
id! {
    /// An open handle of one view. Never 0.
    HandleId
}
id! {
    /// A view of the volume. Never 0.
    ViewId
}

/// A stream of an inode: [`StreamId::DEFAULT`], or a named one. Never used for two streams of one inode of one branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct StreamId(pub u32);

impl StreamId {
    /// The content that a file has without a name; directories have none.
    pub const DEFAULT: StreamId = StreamId(0);
}

impl InodeId {
    /// The root directory of every tree.
    pub const ROOT: InodeId = InodeId(1);
}

impl NodeId {
    /// The root of what the view shows now.
    pub const ROOT: NodeId = NodeId(1);

    pub(crate) fn new(generation: u16, inode: InodeId) -> NodeId {
        NodeId(u64::from(generation) << 48 | inode.0)
    }

    pub(crate) fn generation(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// The inode id within.
    pub fn inode(self) -> InodeId {
        InodeId(self.0 & crate::limits::INODE_ID)
    }
}

/// A branch or a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefId {
    /// A branch.
    Branch(BranchId),
    /// A snapshot.
    Snapshot(SnapshotId),
}
