//! The base: what lies beneath the first tree of a volume, and is never written to.
//!
//! A [`Base`] answers what is there now: it may change underneath at any time, and promises nothing else. [`Layer`] is the
//! base of one volume as the layers above use it: records made of what the base says, listings in the order of
//! [`Directory`](crate::tree::directory::Directory) keys, and content that shines through where a stream stores none.
//!
//! Base inodes have ids that hold in every branch and snapshot. Which of them a tree has copied up is for the tree to
//! know; nothing here knows trees.

mod extras;
mod frozen;
#[cfg(target_os = "linux")]
mod host;
mod layer;
mod listing;
mod searched;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use layer::Layer;
pub(crate) use listing::Listing;
pub(crate) use source::Source;

use crate::data::Stream;
use crate::error::Result;
use crate::types::{FileKind, InodeId, Time};

/// What a volume begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BaseConfig {
    /// A directory of the host, which is never written to. Linux only.
    HostDirectory {
        /// Its path. Symbolic links in it are followed, those below it never.
        path: PathBuf,
        /// Whether other file systems mounted below it are shown. A mount point is an empty directory else.
        cross_mounts: bool,
        /// Whether what is read is copied, so that a branch sees one state of it.
        freeze: bool,
    },
}

/// What tells whether a thing of the base is the one it was, and as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BaseIdentity {
    /// The file system it is on, as the host numbers them.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its birth; 0 where the host does not say.
    pub born: Time,
    /// Bytes of content.
    pub size: u64,
    /// Last change of content.
    pub modified: Time,
    /// Last change of content or attributes.
    pub changed: Time,
}

impl BaseIdentity {
    /// Whether both are the same thing, changed or not.
    #[must_use]
    pub fn is_same_thing(&self, other: &BaseIdentity) -> bool {
        (self.device, self.inode, self.born) == (other.device, other.inode, other.born)
    }
}

/// What a base says about one of its inodes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Status {
    pub(crate) identity: BaseIdentity,
    pub(crate) kind: FileKind,
    /// 0..=0o7777.
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) links: u32,
    /// Of a device node.
    pub(crate) device: u64,
    pub(crate) allocated: u64,
    pub(crate) accessed: Time,
    /// Something is mounted here, as far as the host says so.
    pub(crate) mount_root: bool,
    /// A mount point that is not crossed: nothing within it is shown.
    pub(crate) covered: bool,
    /// Word comes when it changes.
    pub(crate) watched: bool,
}

/// What was found at a name of a directory of the base.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) directory: InodeId,
    pub(crate) status: Status,
}

/// Where an inode of the base is: a directory of the base, and a name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) parent: InodeId,
    pub(crate) name: Arc<[u8]>,
}

/// The name and value of an extended attribute.
pub(crate) type Xattr = (Box<[u8]>, Arc<[u8]>);

/// An entry of a base directory as a listing has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) id: InodeId,
    pub(crate) kind: FileKind,
}

/// What has changed in the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BaseChange {
    /// A name came or went, or means another inode.
    Name { parent: InodeId, name: Box<[u8]>, is_there: bool },
    /// Content, and what goes with it.
    Content(InodeId),
    /// Attributes.
    Attributes(InodeId),
    /// More than could be told.
    Lost,
}

/// Is told what changes, by a thread of the base's own.
pub(crate) type Tell = Arc<dyn Fn(BaseChange) + Send + Sync>;

/// Whether data or a hole is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sought {
    Data,
    Hole,
}

/// What lies beneath. Whatever is no more there is `None`, or nothing in a list; errors are those of the host.
pub(crate) trait Base: Send + Sync {
    /// From now on `tell` hears of what changes in directories that are looked at, as far as this base knows it.
    fn watch(self: Arc<Self>, tell: Tell);

    /// Whether it hears of every change of the inode's attributes, as it was when it was last looked at.
    fn is_told(&self, id: InodeId) -> bool;

    /// Whether it would hear of names that come and go in the directory.
    fn is_watched(&self, directory: InodeId) -> bool;

    /// The entry `name` of a directory; from now on its id is known here.
    fn look(&self, directory: InodeId, name: &[u8]) -> Result<Option<(InodeId, Status)>>;

    /// Whether the id is one of this base's.
    fn knows(&self, id: InodeId) -> bool;

    fn status(&self, id: InodeId) -> Result<Option<Status>>;

    /// Where the inode was when it was last looked at: each of its names that was looked at.
    fn places(&self, id: InodeId) -> Vec<Place>;

    /// From now on the inode belongs to where it is: should it move, what is there then is another inode.
    fn keep_place(&self, id: InodeId);

    /// Each entry but `.` and `..`. Their ids need not be known before they are looked at.
    fn list(&self, directory: InodeId, each: &mut dyn FnMut(Listed<'_>)) -> Result<()>;

    fn read_link(&self, id: InodeId) -> Result<Option<Arc<[u8]>>>;

    /// Sorted by name, ACLs among them. `seen`: its status was asked for right before, so it is known to be where it was.
    fn xattrs(&self, id: InodeId, seen: bool) -> Result<Vec<Xattr>>;

    /// Reads at `offset`; fewer bytes than asked at the end only. `None`: it is gone. The identity is that after reading, if it
    /// was asked for.
    fn read(
        &self,
        id: InodeId,
        offset: u64,
        into: &mut [u8],
        identify: bool,
    ) -> Result<Option<(usize, Option<BaseIdentity>)>>;

    /// Content that is kept here, for who counts what the volume stores.
    fn kept(&self, _each: &mut dyn FnMut(InodeId, &Stream)) {}

    /// The host's own file, to read from, where what it holds is what is read here, now and later.
    #[cfg(unix)]
    fn host_file(&self, _id: InodeId) -> Result<Option<std::os::fd::OwnedFd>> {
        Ok(None)
    }

    /// The first byte of data or of a hole at or after `offset`; `None` when there is none before the end.
    fn seek(&self, id: InodeId, offset: u64, what: Sought) -> Result<Option<u64>>;
}
