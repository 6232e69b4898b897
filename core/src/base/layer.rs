//! The base of one volume, as trees see it: inodes made of what the base says, whenever they are asked for.
//!
//! An inode made here belongs to nobody: it is dropped when it has been read. One that shall change is copied up, which
//! shares nothing but the content that the base still holds.

use std::sync::Arc;

use super::extras::Extras;
use super::frozen::Frozen;
use super::listing::{Listing, Listings};
use super::{Base, BaseConfig, BaseIdentity, Place, Source, Status, Xattr};
use crate::check::CheckReport;
use crate::context::{Clock, SystemClock};
use crate::data::{ChunkStore, Holdings, Stream};
use crate::error::Result;
use crate::history::events::{EventHub, Events};
use crate::ledger::{Blob, Entered, Kind, Ledger};
use crate::operations::acl::Acl;
use crate::operations::xattrs::{ACCESS_ACL, DEFAULT_ACL};
use crate::tree::directory::{Beneath, Directory};
use crate::tree::inode::{Content, Extra, Inode, Record};
use crate::tree::name::NameRules;
use crate::types::{FileKind, InodeId, Time};

pub(crate) struct Layer {
    /// As it shows.
    base: Arc<dyn Base>,
    /// As it is.
    present: Arc<dyn Base>,
    names: NameRules,
    ledger: Ledger,
    listings: Listings,
    extras: Extras,
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
            extras: Extras::default(),
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
        let hub = self.events.clone();
        self.base.clone().watch(Arc::new(move |change| hub.publish_all(&change)));
    }

    /// Counts what the base keeps.
    pub(crate) fn check(&self, still: bool, holdings: &mut Holdings, report: &mut CheckReport) {
        self.base.kept(&mut |id, stream| stream.check(&format!("the frozen base: {id:?}"), still, holdings, report));
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
        Ok(self.record(id, &status)?.map(|record| Inode::of_base(id, status.watched, record)))
    }

    /// The entries of a base directory. `goes_on`: the listing was begun before.
    pub(crate) fn list(&self, directory: InodeId, goes_on: bool, now: Time) -> Result<Option<Arc<Listing>>> {
        let Some(status) = self.base.status(directory)?.filter(|status| !status.covered) else { return Ok(None) };
        if let Some(kept) = self.listings.get(directory, &status.identity, goes_on) {
            return Ok(Some(kept));
        }
        let listing = Listing::read(&*self.base, &self.names, directory, status.identity, now)?;
        let listing = Arc::new(listing);
        self.listings.keep(directory, &listing);
        Ok(Some(listing))
    }

    fn record(&self, id: InodeId, status: &Status) -> Result<Option<Record>> {
        let Some(content) = self.content(id, status)? else { return Ok(None) };
        let mut record = Record::new(self.ledger, status.kind, content, status.identity.modified);
        record.version = status.identity.changed.0.unsigned_abs() / 1000;
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
        let found = self.extra_of(self.base.xattrs(id)?);
        self.extras.keep(id, identity, now, &found);
        Ok(found)
    }

    fn content(&self, id: InodeId, status: &Status) -> Result<Option<Content>> {
        Ok(Some(match status.kind {
            FileKind::File if status.covered => Content::File(Stream::empty()),
            FileKind::File => {
                let source = Source::live(&self.base, id, status.identity, status.allocated);
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

#[cfg(target_os = "linux")]
fn open_base(config: &BaseConfig, ledger: Ledger, new_id: super::host::NewId) -> Result<Arc<dyn Base>> {
    let BaseConfig::HostDirectory { path, cross_mounts, .. } = config;
    Ok(Arc::new(super::host::HostDirectory::open(path, *cross_mounts, ledger, new_id)?))
}

#[cfg(not(target_os = "linux"))]
fn open_base(_: &BaseConfig, _: Ledger, _: Box<dyn Fn() -> Result<InodeId> + Send + Sync>) -> Result<Arc<dyn Base>> {
    Err(crate::error::Error::BadBase("this system's directories cannot be a base yet".into()))
}
