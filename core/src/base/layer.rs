//! The base of one volume, as trees see it: inodes made of what the base says, whenever they are asked for.
//!
//! An inode made here belongs to nobody: it is dropped when it has been read. One that shall change is copied up, which
//! shares nothing but the content that the base still holds.

use std::sync::Arc;

use super::extras::Extras;
use super::frozen::Frozen;
use super::listing::{Listing, Listings};
use super::searched::Searched;
use super::{Base, BaseChange, BaseConfig, BaseIdentity, Place, Shown, Source, Status, Xattr};
use crate::check::CheckReport;
use crate::context::{Clock, SystemClock};
use crate::data::{ChunkStore, Holdings, Stream};
use crate::error::Result;
use crate::history::events::{EventHub, Events};
use crate::ledger::{Blob, Entered, Kind, Ledger};
use crate::limits::FILE_BYTES;
use crate::operations::acl::Acl;
use crate::operations::xattrs::{ACCESS_ACL, DEFAULT_ACL};
use crate::tree::directory::{Beneath, Directory};
use crate::tree::inode::{Content, Extra, Inode, Record};
use crate::tree::name::NameRules;
use crate::types::{Attr, BaseState, FileKind, InodeId, Time};

pub(crate) struct Layer {
    /// As it shows.
    base: Arc<dyn Base>,
    /// As it is.
    present: Arc<dyn Base>,
    names: NameRules,
    ledger: Ledger,
    listings: Listings,
    extras: Extras,
    searched: Arc<Searched>,
    config: BaseConfig,
    /// Who hears of changes in the base.
    events: Arc<EventHub>,
}

impl Layer {
    pub(crate) fn open(
        config: BaseConfig,
        names: NameRules,
        store: &Arc<ChunkStore>,
        new_id: Box<dyn Fn() -> Result<InodeId> + Send + Sync>,
    ) -> Result<Layer> {
        let present = open_base(&config, store.ledger(), new_id)?;
        let BaseConfig::HostDirectory { freeze, .. } = &config;
        let base = match freeze {
            true => Arc::new(Frozen::new(present.clone(), store.clone())),
            false => present.clone(),
        };
        let ledger = store.ledger();
        Ok(Layer {
            present,
            base,
            names,
            ledger,
            listings: Listings::default(),
            extras: Extras::new(ledger),
            searched: Arc::default(),
            config,
            events: Arc::default(),
        })
    }

    pub(crate) fn config(&self) -> &BaseConfig {
        &self.config
    }

    /// Lets a subscriber hear of changes in the base too.
    pub(crate) fn follow(&self, events: &Events) {
        self.events.join(events);
        // The base keeps the closure: it must not hold what may hold the base.
        let (hub, searched) = (self.events.clone(), Arc::downgrade(&self.searched));
        self.base.clone().watch(Arc::new(move |change| {
            if !matches!(change, BaseChange::Content(_))
                && let Some(searched) = searched.upgrade()
            {
                searched.forget();
            }
            hub.publish_all(&change);
        }));
    }

    /// Counts what the base keeps.
    pub(crate) fn check(&self, still: bool, holdings: &mut Holdings, report: &mut CheckReport) {
        self.base.kept(&mut |id, stream| stream.check(&format!("the frozen base: {id:?}"), still, holdings, report));
    }

    /// Inodes that are kept here.
    pub(crate) fn inodes(&self) -> u64 {
        self.searched.count()
    }

    /// Whether the host need not be told of the inode again before word comes of a change.
    pub(crate) fn is_told(&self, id: InodeId) -> bool {
        self.base.is_told(id)
    }

    /// Whether who follows is told of names that come and go in a directory of the base.
    pub(crate) fn is_watched(&self, directory: InodeId) -> bool {
        self.base.is_watched(directory)
    }

    pub(crate) fn knows(&self, id: InodeId) -> bool {
        self.base.knows(id)
    }

    /// The entry of this name in a base directory.
    pub(crate) fn look(&self, directory: InodeId, name: &[u8]) -> Result<Option<(InodeId, FileKind)>> {
        Ok(self.base.look(directory, name)?.map(|(id, status)| (id, status.kind)))
    }

    /// The key of a base entry, whichever directory it is in.
    pub(crate) fn key(&self, name: &[u8]) -> u64 {
        self.names.base_key(name)
    }

    /// Where an inode was seen.
    pub(crate) fn places(&self, id: InodeId) -> Vec<Place> {
        self.base.places(id)
    }

    /// Somebody copies the inode up: it is bound to its place.
    pub(crate) fn keep_place(&self, id: InodeId) {
        self.base.keep_place(id);
    }

    /// What the base says of the inode now.
    pub(crate) fn identity(&self, id: InodeId) -> Result<Option<BaseIdentity>> {
        Ok(self.present.status(id)?.map(|status| status.identity))
    }

    /// The same of what shows: of a frozen base what it was.
    pub(crate) fn shown(&self, id: InodeId) -> Result<Option<BaseIdentity>> {
        Ok(self.base.status(id)?.map(|status| status.identity))
    }

    /// The host's own file of an inode that nobody has changed.
    #[cfg(unix)]
    pub(crate) fn host_file(&self, id: InodeId) -> Result<Option<std::os::fd::OwnedFd>> {
        self.base.host_file(id)
    }

    /// The inode as it is now; `None` when it is not of the base, or not there any more.
    pub(crate) fn inode(&self, id: InodeId) -> Result<Option<Inode>> {
        if !self.base.knows(id) {
            return Ok(None);
        }
        let Some(status) = self.base.status(id)? else { return Ok(None) };
        self.inode_of(id, &status)
    }

    /// As [`Layer::inode`], of a directory that is to be searched.
    pub(crate) fn directory(&self, id: InodeId, now: Time) -> Result<Option<Arc<Inode>>> {
        self.searched.get_or(id, now, || self.inode(id))
    }

    /// What the entry of this name in a base directory leads to, for [`Layer::inode_of`] and [`Layer::attr`]: the host is asked once.
    pub(crate) fn show(&self, directory: InodeId, name: &[u8]) -> Result<Option<(InodeId, Shown)>> {
        Ok(self.base.look(directory, name)?.map(|(id, status)| (id, Shown { directory, status })))
    }

    /// The inode of which the base has just said this.
    pub(crate) fn inode_of(&self, id: InodeId, status: &Status) -> Result<Option<Inode>> {
        Ok(self.record(id, status)?.map(|record| Inode::of_base(id, status.watched, record)))
    }

    /// Its attributes. Most of what is looked at is never asked for more: so of files and directories no inode is made, and the
    /// host is not asked for what only an inode has.
    pub(crate) fn attr(&self, id: InodeId, shown: &Shown) -> Result<Option<Attr>> {
        let Shown { directory, status } = shown;
        let is_plain = match status.kind {
            FileKind::File => status.links == 1 && status.identity.size <= FILE_BYTES,
            FileKind::Directory => true,
            _ => false,
        };
        if status.covered || !is_plain {
            return Ok(self.inode_of(id, status)?.map(|inode| inode.attr()));
        }
        let BaseIdentity { size, modified, changed, born, .. } = status.identity;
        Ok(Some(Attr {
            inode: id,
            kind: status.kind,
            mode: status.mode.into(),
            uid: status.uid,
            gid: status.gid,
            links: status.links,
            flags: 0,
            base: if status.watched { BaseState::Watched } else { BaseState::Shows },
            device: 0,
            size,
            allocated: if status.kind == FileKind::File && size > 0 { status.allocated } else { 0 },
            accessed: status.accessed,
            modified,
            changed,
            born,
            parent: *directory,
            version: version(changed),
        }))
    }

    /// The entries of a base directory. `goes_on`: the listing was begun before.
    pub(crate) fn list(&self, directory: InodeId, goes_on: bool, now: Time) -> Result<Option<Arc<Listing>>> {
        let Some(status) = self.base.status(directory)?.filter(|status| !status.covered) else { return Ok(None) };
        if let Some(kept) = self.listings.get(directory, &status.identity, goes_on) {
            return Ok(Some(kept));
        }
        let listing = Listing::read(self.ledger, &*self.base, &self.names, directory, status.identity, now)?;
        let listing = Arc::new(listing);
        self.listings.keep(directory, &listing);
        Ok(Some(listing))
    }

    fn record(&self, id: InodeId, status: &Status) -> Result<Option<Record>> {
        let Some(content) = self.content(id, status)? else { return Ok(None) };
        let mut record = Record::new(self.ledger, status.kind, content, status.identity.modified);
        record.version = version(status.identity.changed);
        record.mode = status.mode;
        record.uid = status.uid;
        record.gid = status.gid;
        record.links = if status.kind == FileKind::Directory { 1 } else { status.links };
        record.accessed = status.accessed;
        record.changed = status.identity.changed;
        record.born = status.identity.born;
        for place in self.base.places(id) {
            record.add_name(place.parent, self.key(&place.name));
        }
        record.extra = if status.covered { None } else { self.extra(id, &status.identity)? };
        record.set_origin(Some(status.identity));
        Ok(Some(record))
    }

    fn extra(&self, id: InodeId, identity: &BaseIdentity) -> Result<Option<Arc<Entered<Extra>>>> {
        if let Some(known) = self.extras.get(id, identity) {
            return Ok(known);
        }
        // Before they are read: what changes after that must show.
        let now = SystemClock.now();
        let found = self.extra_of(self.base.xattrs(id, true)?);
        self.extras.keep(id, identity, now, &found);
        Ok(found)
    }

    fn content(&self, id: InodeId, status: &Status) -> Result<Option<Content>> {
        Ok(Some(match status.kind {
            FileKind::File if status.covered => Content::File(Stream::empty()),
            FileKind::File => {
                let source = Source::live(self.ledger, &self.base, id, status.identity, status.allocated);
                Content::File(Stream::over(source, status.identity.size))
            }
            FileKind::Directory if status.covered => Content::Directory(Directory::new(self.ledger)),
            FileKind::Directory => {
                Content::Directory(Directory::over(self.ledger, Beneath::new(self.ledger, id, status)))
            }
            FileKind::Symlink => match self.base.read_link(id)? {
                Some(target) => Content::Symlink(Blob::new(self.ledger, Kind::Extras, &target)),
                None => return Ok(None),
            },
            FileKind::CharDevice | FileKind::BlockDevice => Content::Device(status.device),
            FileKind::Fifo | FileKind::Socket => Content::None,
        }))
    }

    /// ACLs are kept as such; one that cannot be read is kept away from those it might let in.
    fn extra_of(&self, xattrs: Vec<Xattr>) -> Option<Arc<Entered<Extra>>> {
        let mut extra = Extra::default();
        for (name, value) in xattrs {
            match &*name {
                ACCESS_ACL => extra.acl = Acl::parse(&value).ok().filter(|acl| !acl.is_empty()).map(Arc::new),
                DEFAULT_ACL => extra.default_acl = Acl::parse(&value).ok().filter(|acl| !acl.is_empty()).map(Arc::new),
                _ => extra.xattrs.push((name, value)),
            }
        }
        (!extra.is_empty()).then(|| Entered::new(self.ledger, extra))
    }
}

/// Goes up with every change that the host's clock tells apart.
fn version(changed: Time) -> u64 {
    changed.0.unsigned_abs() / 1000
}

#[cfg(target_os = "linux")]
fn open_base(config: &BaseConfig, ledger: Ledger, new_id: super::host::NewId) -> Result<Arc<dyn Base>> {
    let BaseConfig::HostDirectory { path, cross_mounts, .. } = config;
    Ok(Arc::new(super::host::HostDirectory::open(path, *cross_mounts, ledger, new_id)?))
}

#[cfg(not(target_os = "linux"))]
fn open_base(_: &BaseConfig, _: Ledger, _: Box<dyn Fn() -> Result<InodeId> + Send + Sync>) -> Result<Arc<dyn Base>> {
    Err(crate::error::Error::BadBase("this system's directories cannot be a base yet".into()))
}
