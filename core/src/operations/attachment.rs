//! One showing of a tree: what a view is attached to between two switches. All operations are methods of it, in the
//! files beside this one.

use std::sync::Arc;

use crossbeam_utils::CachePadded;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::base::Layer;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::flags;
use crate::history::Tree;
use crate::history::events::{Changes, Event, EventKind};
use crate::history::gate::Passage;
use crate::history::head::Head;
use crate::history::live::{self, Part};
use crate::history::refs::Refs;
use crate::ledger::{Counted, Kind, Tally, arc_bytes};
use crate::operations::access::{self, Mask};
use crate::operations::granted;
use crate::operations::lookup::Looked;
use crate::operations::streams::Target;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Biased, BiasedReadGuard, BiasedWriteGuard, Glance, Ordered, Rank, glance, ordered};
use crate::tree::inode::{Inode, Record};
use crate::tree::table::{Shards, shard_of};
use crate::types::{Attr, Caller, FileKind, InodeId, NodeId, RefId, StreamId, Time, ViewId};

/// How a view behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ViewOptions {
    /// Refuse every change. Views of snapshots always do.
    pub read_only: bool,
    /// Leave access times alone.
    pub no_access_time: bool,
    /// Refuse control but for the question what this is: who works in the view reaches nothing of the volume but its tree.
    pub confined: bool,
}

/// As many as there are of live nodes: both are locked once for many nodes.
const REFERENCE_SHARDS: usize = live::SHARDS;
/// Counts in one shard. A further reference is counted within a glance; one comes and goes with the lock held for writing.
type References = HashMap<InodeId, AtomicU64>;
/// What a reference takes of a shard, which is three quarters full on average.
const REFERENCE_BYTES: usize = (size_of::<(InodeId, u64)>() + 1) * 4 / 3;

pub(crate) struct Attachment {
    pub(crate) context: Arc<Context>,
    refs: Arc<Refs>,
    pub(crate) shows: RefId,
    pub(crate) view: ViewId,
    pub(crate) generation: u16,
    pub(crate) options: ViewOptions,
    pub(crate) tree: Tree,
    /// How often the host has been told of each node, less what it forgot.
    references: [CachePadded<Biased<References, Shards>>; REFERENCE_SHARDS],
    handles: AtomicU64,
    _tally: Tally<Attachment>,
}

impl Counted for Attachment {
    const KIND: Kind = Kind::References;
    const BYTES: usize = arc_bytes::<Attachment>();
}

impl Attachment {
    pub(crate) fn new(
        context: &Arc<Context>,
        refs: &Arc<Refs>,
        shows: RefId,
        view: ViewId,
        generation: u16,
        options: ViewOptions,
    ) -> Result<Attachment> {
        let tree = refs.attach(shows, !options.read_only, context)?;
        Ok(Attachment {
            context: context.clone(),
            refs: refs.clone(),
            shows,
            view,
            generation,
            options,
            tree,
            references: std::array::from_fn(|i| CachePadded::new(Biased::new(i as u32, References::new()))),
            handles: AtomicU64::new(0),
            _tally: Tally::new(context.store.ledger()),
        })
    }

    pub(crate) fn node(&self, id: InodeId) -> NodeId {
        if id == InodeId::ROOT { NodeId::ROOT } else { NodeId::new(self.generation, id) }
    }

    /// The inode as it is now. Ids that are gone are stale.
    pub(crate) fn inode(&self, id: InodeId) -> Result<Arc<Inode>> {
        self.find(id)?.ok_or(Error::Stale)
    }

    /// The inode as it is now: the tree's, or what the base has where the tree says nothing.
    pub(crate) fn find(&self, id: InodeId) -> Result<Option<Arc<Inode>>> {
        self.find_by(id, |base| Ok(base.inode(id)?.map(Arc::new)))
    }

    fn find_by(
        &self,
        id: InodeId,
        ask: impl FnOnce(&Layer) -> Result<Option<Arc<Inode>>>,
    ) -> Result<Option<Arc<Inode>>> {
        match (self.tree.get(id), &self.context.base) {
            (Some(inode), _) => Ok(Some(inode)),
            (None, Some(base)) if !self.tree.decides(id) => ask(base),
            // Another thread may have copied it up between the two.
            (None, Some(_)) => Ok(self.tree.get(id)),
            (None, None) => Ok(None),
        }
    }

    /// What `look` says of an inode of the tree and its record, without a count on it and without a lock. It waits for nothing. `None` says
    /// nothing: the inode may be elsewhere, or changing just now.
    #[inline]
    pub(crate) fn glimpse<R>(&self, id: InodeId, look: impl FnOnce(&Inode, &Record) -> Option<R>) -> Option<R> {
        glance(id.0, |glance| self.glimpse_in(glance, id, look))
    }

    /// As [`Attachment::glimpse`], within a glance at it.
    #[inline]
    pub(crate) fn glimpse_in<R>(
        &self,
        glance: &Glance,
        id: InodeId,
        look: impl FnOnce(&Inode, &Record) -> Option<R>,
    ) -> Option<R> {
        self.tree.look(glance, id, |inode| look(inode, &*inode.look(glance)?))
    }

    /// A directory to look for names in. One of the base is not asked for anew for each of them.
    pub(crate) fn searched(&self, id: InodeId) -> Result<Arc<Inode>> {
        self.find_by(id, |base| base.directory(id, self.context.clock.now()))?.ok_or(Error::Stale)
    }

    /// As [`Attachment::find`], of what a name leads to: what the base has there need not be asked for again.
    pub(crate) fn find_looked(&self, looked: &Looked) -> Result<Option<Arc<Inode>>> {
        self.find_by(looked.id, |base| {
            let found = match &looked.of_base {
                Some(shown) => base.inode_of(looked.id, &shown.status)?,
                None => base.inode(looked.id)?,
            };
            Ok(found.map(Arc::new))
        })
    }

    /// The attributes of that.
    pub(crate) fn attr_looked(&self, looked: &Looked) -> Result<Option<Attr>> {
        if let Some(attr) = self.glimpse_attr(looked.id) {
            return Ok(Some(attr));
        }
        match (self.tree.get(looked.id), &self.context.base, &looked.of_base) {
            (Some(inode), ..) => Ok(Some(self.attr_of(&inode))),
            (None, Some(base), Some(shown)) if !self.tree.decides(looked.id) => base.attr(looked.id, shown),
            _ => Ok(self.find(looked.id)?.map(|inode| self.attr_of(&inode))),
        }
    }

    /// Whether there is such an inode, or was when the base was last looked at.
    pub(crate) fn exists(&self, id: InodeId) -> bool {
        let base = self.context.base.as_ref();
        self.tree.get(id).is_some()
            || base.is_some_and(|base| if self.tree.decides(id) { self.tree.get(id).is_some() } else { base.knows(id) })
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.options.read_only || self.tree.head().is_none() || self.context.is_latched()
    }

    /// Begins a change: passes the gate, or says why nothing can change here.
    pub(crate) fn change(&self) -> Result<Change<'_>> {
        self.begin(false)
    }

    /// Begins a change that adds something. [`Error::NoSpace`] when memory for it is short.
    pub(crate) fn change_to_add(&self) -> Result<Change<'_>> {
        if !self.is_read_only() {
            self.context.store.admit()?;
        }
        self.begin(false)
    }

    /// Begins a change that frees something in the end: it may take memory on the way though that is short.
    pub(crate) fn change_to_free(&self) -> Result<Change<'_>> {
        self.begin(true)
    }

    fn begin(&self, frees: bool) -> Result<Change<'_>> {
        if self.is_read_only() {
            return Err(Error::ReadOnly);
        }
        let head = self.tree.head().ok_or(Error::ReadOnly)?;
        let passage = head.enter();
        let now = self.context.clock.now();
        Ok(Change { at: self, head, now, frees, _passage: passage })
    }

    /// Whether the caller may: by mode and ACL.
    pub(crate) fn permit(&self, caller: &Caller<'_>, record: &Record, want: Mask) -> Result<()> {
        if caller.token.is_some() {
            return granted::permit(caller, record, want);
        }
        access::check(access::Subject::of(record), caller, want)
    }

    fn references_of(&self, id: InodeId) -> &Biased<References, Shards> {
        &self.references[shard_of(id, REFERENCE_SHARDS)]
    }

    /// The shard that the inode's references are in, to be changed.
    fn reference_shard(&self, id: InodeId) -> Ordered<BiasedWriteGuard<'_, References, Shards>> {
        ordered(Rank::References, || self.references_of(id).write())
    }

    /// Every shard, one after the other.
    fn reference_shards(&self) -> impl Iterator<Item = BiasedReadGuard<'_, References, Shards>> {
        self.references.iter().map(|shard| shard.read())
    }

    /// Reads of all these what counting a reference and taking attributes will read, one kind after the other: where it is in no cache of
    /// the processor, the waits for memory overlap, as no lock stands between them. Says nothing and holds nothing.
    pub(crate) fn bring_near(&self, ids: &mut [InodeId]) {
        let Tree::Head(head) = &self.tree else { return };
        ids.sort_unstable_by_key(|id| shard_of(*id, REFERENCE_SHARDS));
        for of_shard in ids.chunk_by(|a, b| shard_of(*a, REFERENCE_SHARDS) == shard_of(*b, REFERENCE_SHARDS)) {
            self.references_of(of_shard[0]).with(of_shard[0].0, |shard| {
                std::hint::black_box(of_shard.iter().filter(|id| shard.contains_key(*id)).count());
            });
            head.live.bring_near(of_shard);
            head.table.bring_near(of_shard);
        }
    }

    /// The host will be told of this node once more. Answers false when the inode is gone. The root is always there and never
    /// counted: its node is that of whatever the view shows, so that references from before a switch could not be given back.
    pub(crate) fn reference(&self, id: InodeId) -> bool {
        self.reference_if(id, || self.exists(id).then_some(())).is_some()
    }

    /// As [`Attachment::reference`]; answers with the attributes as they are now.
    pub(crate) fn reference_looked(&self, looked: &Looked) -> Result<Option<Attr>> {
        let id = looked.id;
        match self.reference_known(id) {
            Some(Some(attr)) => return Ok(Some(attr)),
            Some(None) => return self.attr_of_referenced(looked),
            None => {}
        }
        let look = || self.tree.get(id).map(Some).or_else(|| self.exists(id).then_some(None));
        match self.reference_if(id, look) {
            None => Ok(None),
            Some(Some(Some(inode))) => Ok(Some(self.attr_of(&inode))),
            // Counted before, or the base's: that is asked without a lock.
            Some(_) => self.attr_of_referenced(looked),
        }
    }

    /// Counts a reference to a node that the host knows, at a glance; and its attributes, if they can be had at the same. `None`: nothing is counted.
    fn reference_known(&self, id: InodeId) -> Option<Option<Attr>> {
        let references = self.references_of(id);
        if !references.is_biased() {
            return None;
        }
        glance(id.0, |glance| {
            // Who forgets it waits for the glance, or has taken it away: it cannot become none unseen.
            references.look(glance)?.get(&id)?.fetch_add(1, Ordering::Relaxed);
            Some(self.glimpse_attr_in(glance, id))
        })
    }

    /// The attributes of what was just referenced; when it is gone, its reference goes with it.
    fn attr_of_referenced(&self, looked: &Looked) -> Result<Option<Attr>> {
        match self.attr_looked(looked) {
            Ok(Some(attr)) => Ok(Some(attr)),
            gone => {
                self.forget(looked.id, 1);
                gone
            }
        }
    }

    /// As [`Attachment::reference`], of an inode that is there: whoever calls this has just made it, and lets nobody remove it yet.
    pub(crate) fn reference_new(&self, id: InodeId) {
        let _ = self.reference_if(id, || Some(()));
    }

    /// Counts a reference, the first one only if `there` finds the inode. `None`: it is gone; `Some(None)`: it was counted before.
    fn reference_if<R>(&self, id: InodeId, there: impl FnOnce() -> Option<R>) -> Option<Option<R>> {
        if id == InodeId::ROOT {
            return Some(None);
        }
        let mut shard = self.reference_shard(id);
        let count = match shard.entry(id) {
            Entry::Occupied(mut count) => {
                *count.get_mut().get_mut() += 1;
                shard.into_inner().end_as_look();
                return Some(None);
            }
            Entry::Vacant(count) => count,
        };
        // Held, and known to be there, before anybody else can count on it: the second reference looks no further than
        // this count.
        let part = self.tree.head().map(|head| head.live.part_of(id));
        count.insert(AtomicU64::new(1));
        if let Some(mut part) = part {
            part.hold(id);
        }
        self.context.store.ledger().add(Kind::References, REFERENCE_BYTES);
        let found = there();
        if found.is_some() {
            return Some(found);
        }
        shard.remove(&id);
        self.context.store.ledger().sub(Kind::References, REFERENCE_BYTES);
        drop(shard);
        if let Tree::Head(head) = &self.tree {
            head.release(id);
        }
        None
    }

    /// The host forgets `count` references of a node; more than it has is all.
    pub(crate) fn forget(&self, id: InodeId, count: u64) {
        // Outlives the locks.
        let _ended;
        let mut shard = self.reference_shard(id);
        // Mostly it is the last reference.
        let mut part = self.tree.head().map(|head| head.live.part_of(id));
        _ended = self.forget_in(&mut shard, part.as_mut(), id, count);
    }

    /// As [`Attachment::forget`], of many nodes: the locks are taken once for those of a shard, and the waits for memory overlap.
    pub(crate) fn forget_many(&self, forgotten: &mut [(InodeId, u64)]) {
        let shard_of = |(id, _): &(InodeId, u64)| shard_of(*id, REFERENCE_SHARDS);
        forgotten.sort_unstable_by_key(shard_of);
        for of_shard in forgotten.chunk_by(|a, b| shard_of(a) == shard_of(b)) {
            // Outlives the locks; seldom has anything in it, and takes no memory then.
            let mut ended = Vec::new();
            let mut shard = self.reference_shard(of_shard[0].0);
            let mut part = self.tree.head().map(|head| head.live.part_of(of_shard[0].0));
            let ids = || of_shard.iter().map(|(id, _)| *id);
            std::hint::black_box(ids().filter(|id| shard.contains_key(id)).count());
            if let Some(part) = &part {
                part.bring_near(ids());
            }
            ended.extend(
                of_shard.iter().filter_map(|(id, count)| self.forget_in(&mut shard, part.as_mut(), *id, *count)),
            );
        }
    }

    /// See [`Attachment::forget`]. Answers what ends with it, to be dropped outside of the locks.
    fn forget_in(
        &self,
        references: &mut References,
        part: Option<&mut Part<'_>>,
        id: InodeId,
        count: u64,
    ) -> Option<Arc<Inode>> {
        let held = references.get_mut(&id)?.get_mut();
        *held = held.saturating_sub(count);
        if *held > 0 {
            return None;
        }
        references.remove(&id);
        self.context.store.ledger().sub(Kind::References, REFERENCE_BYTES);
        part.and_then(|part| part.release(id))
    }

    /// How often the host was told of this node, less what it forgot.
    pub(crate) fn references_to(&self, id: InodeId) -> u64 {
        self.references_of(id).with(id.0, |shard| shard.get(&id).map_or(0, |count| count.load(Ordering::Relaxed)))
    }

    /// The nodes that the host knows.
    pub(crate) fn referenced(&self) -> Vec<InodeId> {
        let _ordered = ordered(Rank::References, || ());
        self.reference_shards().flat_map(|shard| shard.keys().copied().collect::<Vec<_>>()).collect()
    }

    /// A handle on the inode opens.
    pub(crate) fn hold(&self, id: InodeId) -> Result<()> {
        self.handles.fetch_add(1, Ordering::Relaxed);
        if let Tree::Head(head) = &self.tree {
            head.live.hold(id);
        }
        if self.exists(id) {
            return Ok(());
        }
        self.unhold(id);
        Err(Error::Stale)
    }

    /// A handle on the inode closes.
    pub(crate) fn unhold(&self, id: InodeId) {
        self.handles.fetch_sub(1, Ordering::Relaxed);
        if let Tree::Head(head) = &self.tree {
            head.release(id);
        }
    }

    /// Whether the host still knows nodes or holds handles of it.
    pub(crate) fn is_in_use(&self) -> bool {
        self.handles.load(Ordering::Relaxed) > 0 || self.reference_shards().any(|shard| !shard.is_empty())
    }

    pub(crate) fn reference_count(&self) -> u64 {
        self.reference_shards().map(|shard| shard.len() as u64).sum()
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.context.store.ledger().sub(Kind::References, self.reference_count() as usize * REFERENCE_BYTES);
        if let Tree::Head(head) = &self.tree {
            for shard in &self.references {
                for (id, _) in shard.write().drain() {
                    head.release(id);
                }
            }
        }
        self.refs.detach(self.shows);
    }
}

/// A change under way: the gate is held, and so the epoch stands still.
pub(crate) struct Change<'a> {
    pub(crate) at: &'a Attachment,
    pub(crate) head: &'a Head,
    pub(crate) now: Time,
    /// Copies are made whether memory is short or not.
    frees: bool,
    _passage: Passage<'a>,
}

impl Change<'_> {
    /// The version of an inode that may be changed; one of the base is copied up.
    pub(crate) fn own(&self, id: InodeId) -> Result<Arc<Inode>> {
        if let Some(own) = self.head.owned(id) {
            return Ok(own);
        }
        if !self.frees
            && let Err(full) = self.at.context.store.admit()
        {
            return self.head.own_alone(id).ok_or(full);
        }
        match self.head.own(id) {
            Err(Error::Stale) => self.copy_up(id),
            owned => owned,
        }
    }

    /// A new inode, not yet in the table.
    pub(crate) fn new_inode(&self, id: InodeId, record: Record) -> Arc<Inode> {
        Arc::new(Inode::new(id, self.head.epoch(), record))
    }

    /// Tells the subscribers, if there are any.
    pub(crate) fn tell(&self, event: impl FnOnce() -> Event) {
        if self.head.events.listens(self.at.view) {
            self.head.events.publish(self.at.view, event());
        }
    }

    /// Whether anybody would be told. What it takes to tell is not to be made when not.
    pub(crate) fn is_heard(&self) -> bool {
        self.head.events.listens(self.at.view)
    }

    /// Content of an inode, or of a named stream of it, changed; the size too unless it is what it was.
    pub(crate) fn tell_content(&self, record: &Record, target: Target, size_before: u64) {
        if !self.is_heard() {
            return;
        }
        let grew = record.stream_of(target.stream).map_or(true, |stream| stream.size() != size_before);
        if target.stream == StreamId::DEFAULT {
            let changes = Changes::LAST_WRITE.with(Changes::SIZE.when(grew));
            return self.tell_record(EventKind::Content, target.id, record, changes);
        }
        // A stream that was removed while it is open has no name to tell of.
        let Ok(stream) = record.named_stream(target.stream) else { return };
        let changes = Changes::STREAM_WRITE.with(Changes::STREAM_SIZE.when(grew));
        self.tell_stream(EventKind::StreamContent, target.id, record, &stream.name, changes);
    }

    /// A named stream came, went or changed.
    pub(crate) fn tell_stream(&self, kind: EventKind, id: InodeId, record: &Record, name: &[u8], changes: Changes) {
        let file_kind = Some(record.kind);
        self.tell(|| Event { stream: name.into(), file_kind, changes, ..Event::of(kind, id) });
    }

    /// Something about an inode changed.
    pub(crate) fn tell_record(&self, kind: EventKind, id: InodeId, record: &Record, changes: Changes) {
        let file_kind = Some(record.kind);
        self.tell(|| Event { file_kind, changes, ..Event::of(kind, id) });
    }

    /// A name of something that is a `what` came or went.
    pub(crate) fn tell_name(&self, kind: EventKind, id: InodeId, what: FileKind, parent: InodeId, name: &[u8]) {
        self.tell(|| Event { parent, name: name.into(), ..Event::of_name(kind, id, what) });
    }
}

/// Refuses what the immutable flag forbids, and the append-only flag unless `appending`.
pub(crate) fn check_flags(record: &Record, appending: bool) -> Result<()> {
    let forbidden = if appending { flags::ANY_IMMUTABLE } else { flags::ANY_IMMUTABLE | flags::ANY_APPEND };
    if record.flags & forbidden != 0 { Err(Error::NotPermitted) } else { Ok(()) }
}

impl Attachment {
    /// A handle on an inode that is held already ([`crate::history::live::LiveNodes::adopt`]).
    pub(crate) fn count_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }
}
