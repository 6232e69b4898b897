//! What is known about an inode from outside.

use super::InodeId;

/// What an inode is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FileKind {
    /// A regular file.
    File = 1,
    /// A directory.
    Directory = 2,
    /// A symbolic link.
    Symlink = 3,
    /// A named pipe.
    Fifo = 4,
    /// A socket's name.
    Socket = 5,
    /// A character device.
    CharDevice = 6,
    /// A block device.
    BlockDevice = 7,
}

/// Nanoseconds since 1970-01-01 00:00 UTC. Reaches from 1677 to 2262; times outside are stored as the nearest within.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct Time(pub i64);

impl Time {
    /// From seconds and nanoseconds (0..1_000_000_000), clamped to what can be stored.
    #[must_use]
    pub fn new(seconds: i64, nanoseconds: u32) -> Time {
        Time(seconds.saturating_mul(1_000_000_000).saturating_add(i64::from(nanoseconds)))
    }

    /// Seconds, rounded down.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000_000)
    }

    /// Nanoseconds after [`Time::seconds`].
    #[must_use]
    pub fn nanoseconds(self) -> u32 {
        self.0.rem_euclid(1_000_000_000) as u32
    }
}

/// What an inode has to do with the volume's base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u32)]
pub enum BaseState {
    /// The base does not have it.
    #[default]
    None = 0,
    /// It is what the base has now, unchanged: it changes when the base does.
    Shows = 1,
    /// It was the base's, and has been copied up.
    CopiedUp = 2,
    /// The base has it, and the tree does not show it any more.
    Removed = 3,
    /// As [`BaseState::Shows`], and subscribers are told when it changes ([`crate::View::events`]).
    Watched = 4,
}

/// The attributes of an inode, all read at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attr {
    /// Its id in the volume.
    pub inode: InodeId,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with setuid, setgid and sticky: 0..=0o7777.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names; a directory has 2 and one more for each subdirectory.
    pub links: u32,
    /// Flags: [`crate::flags`].
    pub flags: u32,
    /// What it has to do with the base; never [`BaseState::Removed`].
    pub base: BaseState,
    /// Device number of a device node, as the host encodes it; else 0.
    pub device: u64,
    /// Bytes of content; length of a symlink's target; number of entries of a directory.
    pub size: u64,
    /// Bytes of storage that content occupies (holes do not).
    pub allocated: u64,
    /// Last access.
    pub accessed: Time,
    /// Last change of content.
    pub modified: Time,
    /// Last change of content or attributes.
    pub changed: Time,
    /// Birth.
    pub born: Time,
    /// One directory that holds it (itself for the root; 0 when it has no name any more).
    pub parent: InodeId,
    /// Counts every change of content, entries or attributes.
    pub version: u64,
}

/// A time to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetTime {
    /// The volume's clock, now.
    Now,
    /// This time.
    At(Time),
}

/// Attributes to set; `None` keeps what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetAttr {
    /// Permission bits, 0..=0o7777.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Size in bytes: truncates or extends with zeros.
    pub size: Option<u64>,
    /// Last access.
    pub accessed: Option<SetTime>,
    /// Last change of content.
    pub modified: Option<SetTime>,
    /// Last change of attributes. Only hosts whose kernel keeps time itself (FUSE writeback) set it.
    pub changed: Option<Time>,
    /// Birth.
    pub born: Option<Time>,
    /// Flags: [`crate::flags`].
    pub flags: Option<u32>,
}

/// Times of a file that operations through a handle leave alone, because the handle's owner said so: a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct HeldTimes(pub(crate) u8);

impl HeldTimes {
    pub(crate) const ACCESSED: HeldTimes = HeldTimes(1);
    pub(crate) const WRITTEN: HeldTimes = HeldTimes(2);
    pub(crate) const CHANGED: HeldTimes = HeldTimes(4);

    pub(crate) fn has(self, time: HeldTimes) -> bool {
        self.0 & time.0 != 0
    }
}

/// Space and inodes of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FsStats {
    /// Unit of the block counts, in bytes.
    pub block_bytes: u32,
    /// Blocks in all.
    pub blocks: u64,
    /// Blocks that a writer can still store.
    pub blocks_free: u64,
    /// Inodes that can exist.
    pub inodes: u64,
    /// Inodes that can still be made.
    pub inodes_free: u64,
    /// Longest name in bytes.
    pub name_bytes: u32,
    /// Longest name in the units that the volume counts names in: UTF-16 units with Windows names, else bytes.
    pub name_units: u32,
}
