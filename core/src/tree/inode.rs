//! One version of a file's record, with the lock that guards it.
//!
//! Invariants: `id` never changes, `epoch` only while nobody else has the version. Whoever changes the record holds the branch's gate, has
//! checked that `epoch` is the branch's, and holds the lock for writing. A version of an older epoch may be shared with a snapshot or
//! another branch, and is only ever read.

mod extra;

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::Arc;

pub(crate) use self::extra::{Extra, Foreign};
use super::directory::Directory;
use super::streams::{NamedStream, Streams};
use crate::base::BaseIdentity;
use crate::data::Stream;
use crate::error::{Error, Result};
use crate::ledger::{Blob, Counted, Entered, Footprint, Kind, Ledger, Tally, arc_bytes};
use crate::operations::acl::Acl;
use crate::operations::windows::attributes;
use crate::reckoning::Reckoning;
use crate::sync::{Biased, BiasedReadGuard, BiasedWriteGuard, Concerns, Glance, Look, Ordered, Rank, ordered};
use crate::types::{Attr, BaseState, FileKind, HeldTimes, InodeId, StreamId, Time};

/// A record locked for reading.
pub(crate) type Reading<'a> = Ordered<BiasedReadGuard<'a, Record, Versions>>;
/// A record locked for change.
pub(crate) type Writing<'a> = Ordered<BiasedWriteGuard<'a, Record, Versions>>;

/// The locks of an inode's versions: glances at it may read them.
pub(crate) enum Versions {}

impl Versions {
    pub(crate) fn number(id: InodeId) -> u32 {
        id.0 as u32
    }
}

impl Concerns for Versions {
    const CALM: u16 = if cfg!(feature = "shuttle") { 2 } else { 32 };

    fn concerns(number: u32, id: u64) -> bool {
        Versions::number(InodeId(id)) == number
    }
}

/// The epoch of what is not in any tree: made of what the base says.
const FROM_BASE: u64 = u64::MAX;
/// The same, of what the base tells when it changes.
const FROM_WATCHED_BASE: u64 = u64::MAX - 1;
/// The epoch of what says that a tree does not show an inode of the base any more.
const GONE: u64 = u64::MAX - 2;

/// One version of an inode.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) id: InodeId,
    pub(crate) epoch: u64,
    record: Biased<Record, Versions>,
    tally: Tally<Inode>,
}

impl Counted for Inode {
    const KIND: Kind = Kind::Inodes;
    const BYTES: usize = arc_bytes::<Inode>();
}

impl Inode {
    pub(crate) fn new(id: InodeId, epoch: u64, record: Record) -> Inode {
        let tally = Tally::new(record.ledger);
        Inode { id, epoch, record: Biased::new(Versions::number(id), record), tally }
    }

    /// Whether the base has it too, or had it.
    pub(crate) fn is_of_base(&self) -> bool {
        self.read_shared().is_of_base()
    }

    /// Whether a file of the base has more names than these: its record need not know them all.
    pub(crate) fn has_more_names_than(&self, known: usize) -> bool {
        let record = self.read_shared();
        record.is_of_base() && record.kind != FileKind::Directory && record.links as usize > known
    }

    /// Who counts it.
    pub(crate) fn ledger(&self) -> Ledger {
        self.tally.ledger()
    }

    /// What the base says of an inode now. It belongs to no tree, and is never changed.
    pub(crate) fn of_base(id: InodeId, watched: bool, record: Record) -> Inode {
        Inode::new(id, if watched { FROM_WATCHED_BASE } else { FROM_BASE }, record)
    }

    /// What a tree holds of this inode of the base when it does not show it any more.
    pub(crate) fn gone(&self) -> Inode {
        let nothing = Record::new(self.ledger(), FileKind::File, Content::None, Time(0));
        let mut record = Record { links: 0, ..nothing };
        record.set_origin(self.read_shared().origin());
        Inode::new(self.id, GONE, record)
    }

    /// Whether it is no more than what the base says.
    pub(crate) fn is_untouched(&self) -> bool {
        self.epoch >= FROM_WATCHED_BASE
    }

    /// Whether it is that, and word comes when it changes.
    pub(crate) fn is_watched(&self) -> bool {
        self.epoch == FROM_WATCHED_BASE
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.epoch == GONE
    }

    /// The version of an inode of the base that a tree takes over, with the content as it is now.
    pub(crate) fn take_up(&self, epoch: u64) -> Inode {
        let mut record = self.read_shared().clone();
        if let Content::File(stream) = &mut record.content {
            stream.record_source();
        }
        Inode::new(self.id, epoch, record)
    }

    pub(crate) fn read(&self) -> Reading<'_> {
        ordered(Rank::Inode(self.id.0), || self.record.read())
    }

    /// Of a version that nobody may change any more: so it does not matter what else is held.
    pub(crate) fn read_shared(&self) -> BiasedReadGuard<'_, Record, Versions> {
        self.record.read()
    }

    pub(crate) fn write(&self) -> Writing<'_> {
        ordered(Rank::Inode(self.id.0), || self.record.write())
    }

    /// Its record, within a glance at it. `None` while somebody changes it.
    #[inline]
    pub(crate) fn look<'g>(&'g self, glance: &'g Glance) -> Option<Look<'g, Record, Versions>> {
        self.record.look(glance)
    }

    pub(crate) fn attr(&self) -> Attr {
        let _ordered = ordered(Rank::Inode(self.id.0), || ());
        self.record.with(self.id.0, |record| self.attr_in(record))
    }

    /// The attributes by its record.
    #[inline]
    pub(crate) fn attr_in(&self, record: &Record) -> Attr {
        let attr = record.attr(self.id);
        match self.epoch {
            FROM_BASE => Attr { base: BaseState::Shows, ..attr },
            FROM_WATCHED_BASE => Attr { base: BaseState::Watched, ..attr },
            _ => attr,
        }
    }

    /// A version of the same inode for another epoch; shares content with this one.
    pub(crate) fn copy_for(&self, epoch: u64) -> Inode {
        Inode::new(self.id, epoch, self.read_shared().clone())
    }
}

/// The names of an inode: which entries of which directories show it. Lets a path be found from an inode without
/// searching, and counts links.
#[derive(Debug, Clone)]
pub(crate) enum Names {
    /// The root, or an inode whose last name is gone.
    None,
    /// The directory, and the key of the entry there.
    One(InodeId, u64),
    /// Several of them: always two or more.
    Many(Arc<Entered<NameSet>>),
}

/// Which entries of which directories show an inode.
#[derive(Debug, Clone)]
pub(crate) struct NameSet(BTreeSet<(InodeId, u64)>);

impl Deref for NameSet {
    type Target = BTreeSet<(InodeId, u64)>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Footprint for NameSet {
    fn heap_bytes(&self) -> usize {
        // Nodes of such a set are at least half full, and on average three quarters.
        self.0.len() * size_of::<(InodeId, u64)>() * 4 / 3
    }
}

impl Names {
    fn add(&mut self, ledger: Ledger, parent: InodeId, key: u64) {
        *self = match std::mem::replace(self, Names::None) {
            Names::None => Names::One(parent, key),
            Names::One(p, k) => Names::Many(Entered::new(ledger, NameSet(BTreeSet::from([(p, k), (parent, key)])))),
            Names::Many(set) => Names::Many(Entered::changed(set, |set| set.0.insert((parent, key))).0),
        };
    }

    fn remove(&mut self, parent: InodeId, key: u64) {
        *self = match std::mem::replace(self, Names::None) {
            Names::Many(set) => {
                let (set, _) = Entered::changed(set, |set| set.0.remove(&(parent, key)));
                match set.first() {
                    Some(&(p, k)) if set.len() == 1 => Names::One(p, k),
                    _ => Names::Many(set),
                }
            }
            Names::One(p, k) if (p, k) != (parent, key) => Names::One(p, k),
            _ => Names::None,
        };
    }

    /// The first of them.
    pub(crate) fn first(&self) -> Option<(InodeId, u64)> {
        match self {
            Names::None => None,
            Names::One(parent, key) => Some((*parent, *key)),
            Names::Many(set) => set.first().copied(),
        }
    }

    /// Whether this entry is one of them.
    pub(crate) fn has(&self, parent: InodeId, key: u64) -> bool {
        match self {
            Names::None => false,
            Names::One(p, k) => (*p, *k) == (parent, key),
            Names::Many(set) => set.contains(&(parent, key)),
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u32 {
        match self {
            Names::None => 0,
            Names::One(..) => 1,
            Names::Many(set) => u32::try_from(set.len()).unwrap_or(u32::MAX),
        }
    }

    /// All of them, in order.
    pub(crate) fn all(&self) -> Vec<(InodeId, u64)> {
        match self {
            Names::None => Vec::new(),
            Names::One(parent, key) => vec![(*parent, *key)],
            Names::Many(set) => set.iter().copied().collect(),
        }
    }
}

/// What an inode holds.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    File(Stream),
    Directory(Directory),
    Symlink(Blob),
    Device(u64),
    /// Fifos and sockets.
    None,
}

/// The record itself. A clone shares content and extras.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) kind: FileKind,
    /// 0..=0o7777.
    pub(crate) mode: u16,
    /// Made without a name and may still get one (O_TMPFILE).
    pub(crate) linkable: bool,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) flags: u32,
    /// Number of names; for a directory 1 while it has one. 0: removed, kept for those who hold it.
    pub(crate) links: u32,
    pub(crate) accessed: Time,
    pub(crate) modified: Time,
    pub(crate) changed: Time,
    pub(crate) born: Time,
    pub(crate) version: u64,
    pub(crate) names: Names,
    pub(crate) content: Content,
    pub(crate) extra: Option<Arc<Entered<Extra>>>,
    ledger: Ledger,
}

impl Record {
    pub(crate) fn new(ledger: Ledger, kind: FileKind, content: Content, now: Time) -> Record {
        Record {
            kind,
            mode: 0,
            linkable: false,
            uid: 0,
            gid: 0,
            flags: 0,
            links: 1,
            accessed: now,
            modified: now,
            changed: now,
            born: now,
            version: 1,
            names: Names::None,
            content,
            extra: None,
            ledger,
        }
    }

    pub(crate) fn attr(&self, inode: InodeId) -> Attr {
        let parent = self
            .names
            .first()
            .map_or(if inode == InodeId::ROOT { InodeId::ROOT } else { InodeId(0) }, |(parent, _)| parent);
        Attr {
            inode,
            kind: self.kind,
            mode: self.shown_mode(),
            uid: self.uid,
            gid: self.gid,
            links: self.visible_links(),
            flags: self.flags,
            base: if self.is_of_base() { BaseState::CopiedUp } else { BaseState::None },
            device: if let Content::Device(number) = self.content { number } else { 0 },
            size: self.size(),
            allocated: self.allocated(),
            accessed: self.accessed,
            modified: self.modified,
            changed: self.changed,
            born: self.born,
            parent,
            version: self.version,
        }
    }

    /// The attributes as a handle on one of its streams shows them: with the size of that stream.
    pub(crate) fn attr_of(&self, inode: InodeId, stream: StreamId) -> Attr {
        let attr = self.attr(inode);
        match stream {
            StreamId::DEFAULT => attr,
            named => Attr { size: self.named_stream(named).map_or(0, |stream| stream.content.size()), ..attr },
        }
    }

    /// Whether the base has it too, or had it.
    pub(crate) fn is_of_base(&self) -> bool {
        self.origin().is_some()
    }

    /// What the base said when it was copied up, or just now; of what the base does not have nothing.
    pub(crate) fn origin(&self) -> Option<BaseIdentity> {
        self.extra.as_ref().and_then(|extra| extra.origin)
    }

    pub(crate) fn set_origin(&mut self, origin: Option<BaseIdentity>) {
        self.change_extra(|extra| extra.origin = origin);
    }

    fn visible_links(&self) -> u32 {
        match &self.content {
            Content::Directory(dir) if self.links > 0 => dir.links(),
            _ => self.links,
        }
    }

    pub(crate) fn size(&self) -> u64 {
        match &self.content {
            Content::File(stream) => stream.size(),
            Content::Directory(dir) => dir.size(),
            Content::Symlink(target) => target.len() as u64,
            Content::Device(_) | Content::None => 0,
        }
    }

    /// Every stream of the inode: what it takes of the chunk store.
    pub(crate) fn all_streams(&self) -> impl Iterator<Item = &Stream> {
        let content = match &self.content {
            Content::File(stream) => Some(stream),
            _ => None,
        };
        content.into_iter().chain(self.streams().into_iter().flat_map(Streams::contents))
    }

    /// Bytes of storage of all its streams.
    pub(crate) fn allocated(&self) -> u64 {
        let content = if let Content::File(stream) = &self.content { stream.allocated() } else { 0 };
        content + self.streams().map_or(0, Streams::allocated)
    }

    /// Bytes of all its streams that are stored here: without those of the base.
    pub(crate) fn stored(&self) -> u64 {
        let content = if let Content::File(stream) = &self.content { stream.stored() } else { 0 };
        content + self.streams().map_or(0, Streams::allocated)
    }

    /// Counts what would go with this record, step by step: a step is a stream and a place in it. Answers the next.
    pub(crate) fn count_sole(&self, reckoning: &mut Reckoning, (at, start): (usize, u64)) -> Option<(usize, u64)> {
        let stream = match (at, &self.content) {
            (0, Content::File(stream)) => Some(stream),
            (0, _) => None,
            _ => Some(&self.sole_streams(reckoning, (at, start))?.nth(at - 1)?.content),
        };
        if (at, start) == (0, 0) {
            self.count_sole_metadata(reckoning);
        }
        match stream.and_then(|stream| stream.count_sole(reckoning, start)) {
            Some(next) => Some((at, next)),
            None => Some((at + 1, 0)),
        }
    }

    fn count_sole_metadata(&self, reckoning: &mut Reckoning) {
        match &self.content {
            Content::Directory(directory) => directory.count_sole(reckoning),
            Content::Symlink(target) => target.count_sole(reckoning),
            Content::File(_) | Content::Device(_) | Content::None => {}
        }
        if let Names::Many(set) = &self.names {
            Entered::count_sole(set, reckoning);
        }
        if let Some(extra) = &self.extra {
            Entered::count_sole(extra, reckoning);
        }
    }

    /// The named streams, if they would go with this record; whose extras have been counted.
    fn sole_streams(
        &self,
        reckoning: &mut Reckoning,
        step: (usize, u64),
    ) -> Option<impl Iterator<Item = &NamedStream>> {
        let extra = self.extra.as_ref()?;
        let streams = extra.streams.as_ref()?;
        let (place, holders) = (Arc::as_ptr(streams), Arc::strong_count(streams));
        let goes = reckoning.has_let_go(Arc::as_ptr(extra), Arc::strong_count(extra))
            && if step == (1, 0) { reckoning.lets_go(place, holders) } else { reckoning.has_let_go(place, holders) };
        goes.then(|| streams.all())
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }

    pub(crate) fn directory(&self) -> Result<&Directory> {
        match &self.content {
            Content::Directory(dir) => Ok(dir),
            _ => Err(Error::NotADirectory),
        }
    }

    pub(crate) fn directory_mut(&mut self) -> Result<&mut Directory> {
        match &mut self.content {
            Content::Directory(dir) => Ok(dir),
            _ => Err(Error::NotADirectory),
        }
    }

    /// A file's content; directories and the rest answer as read(2) and write(2) would.
    pub(crate) fn stream(&self) -> Result<&Stream> {
        match &self.content {
            Content::File(stream) => Ok(stream),
            Content::Directory(_) => Err(Error::IsADirectory),
            _ => Err(Error::Invalid("only regular files have content to read or write")),
        }
    }

    pub(crate) fn stream_mut(&mut self) -> Result<&mut Stream> {
        match &mut self.content {
            Content::File(stream) => Ok(stream),
            Content::Directory(_) => Err(Error::IsADirectory),
            _ => Err(Error::Invalid("only regular files have content to read or write")),
        }
    }

    /// The named streams, if there ever was one.
    pub(crate) fn streams(&self) -> Option<&Streams> {
        self.extra.as_ref().and_then(|extra| extra.streams.as_deref())
    }

    /// A named stream. One that is gone is stale.
    pub(crate) fn named_stream(&self, id: StreamId) -> Result<&NamedStream> {
        self.streams().and_then(|streams| streams.get(id)).ok_or(Error::Stale)
    }

    pub(crate) fn named_stream_mut(&mut self, id: StreamId) -> Result<&mut NamedStream> {
        // Looks first: what is shared with a snapshot is not to be copied for nothing.
        self.named_stream(id)?;
        let extra = Entered::make_mut(self.extra.as_mut().ok_or(Error::Stale)?);
        extra.streams_mut().get_mut(id).ok_or(Error::Stale)
    }

    /// The content of one of its streams.
    #[inline]
    pub(crate) fn stream_of(&self, id: StreamId) -> Result<&Stream> {
        if id == StreamId::DEFAULT { self.stream() } else { Ok(&self.named_stream(id)?.content) }
    }

    #[inline]
    pub(crate) fn stream_of_mut(&mut self, id: StreamId) -> Result<&mut Stream> {
        if id == StreamId::DEFAULT { self.stream_mut() } else { Ok(&mut self.named_stream_mut(id)?.content) }
    }

    pub(crate) fn acl(&self) -> Option<&Acl> {
        self.extra.as_ref().and_then(|extra| extra.acl.as_deref())
    }

    pub(crate) fn default_acl(&self) -> Option<&Acl> {
        self.extra.as_ref().and_then(|extra| extra.default_acl.as_deref())
    }

    /// Changes the extras; drops them when nothing is left.
    pub(crate) fn change_extra<R>(&mut self, change: impl FnOnce(&mut Extra) -> R) -> R {
        let (extra, answer) = match self.extra.take() {
            Some(extra) => Entered::changed(extra, change),
            None => Entered::changed(Entered::new(self.ledger, Extra::default()), change),
        };
        self.extra = (!extra.is_empty()).then_some(extra);
        answer
    }

    /// What counts it and all it holds.
    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// One more entry shows it.
    pub(crate) fn add_name(&mut self, parent: InodeId, key: u64) {
        self.names.add(self.ledger, parent, key);
    }

    /// An entry shows it no more.
    pub(crate) fn remove_name(&mut self, parent: InodeId, key: u64) {
        self.names.remove(parent, key);
    }

    /// Whether Windows programs see a directory.
    pub(crate) fn is_windows_directory(&self) -> bool {
        self.is_directory() || self.foreign().is_some_and(|foreign| foreign.directory_link)
    }

    /// The mode as POSIX sees it: a file that is read-only to Windows shows no write bits.
    #[inline]
    pub(crate) fn shown_mode(&self) -> u32 {
        let mode = self.mode.into();
        match self.foreign() {
            None => mode,
            Some(foreign) => attributes::shown_mode(mode, foreign.attributes, self.is_windows_directory()),
        }
    }

    /// Content or entries changed.
    pub(crate) fn touch_content(&mut self, now: Time) {
        self.modified = now;
        self.touch(now);
    }

    /// As [`Record::touch_content`], but for the times that a handle holds.
    pub(crate) fn touch_content_but(&mut self, now: Time, held: HeldTimes) {
        if !held.has(HeldTimes::WRITTEN) {
            self.modified = now;
        }
        self.touch_but(now, held);
    }

    /// As [`Record::touch`], but for the times that a handle holds.
    pub(crate) fn touch_but(&mut self, now: Time, held: HeldTimes) {
        let now = if held.has(HeldTimes::CHANGED) { self.changed } else { now };
        self.touch(now);
    }

    /// Attributes changed.
    pub(crate) fn touch(&mut self, now: Time) {
        self.changed = now;
        self.version += 1;
    }
}
