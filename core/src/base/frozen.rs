//! A base that stands still: what was looked at once stays as it was then, for all branches alike.
//!
//! The names of a directory are remembered when the first of them is asked for, attributes, links and extended attributes at
//! the first look, and content chunk by chunk when it is read; chunks are kept as those of any file. What was not read yet
//! is read as it was at the first look or, once the base has changed it, not at all.
//!
//! What has been looked at keeps its number and its place: the host may move it, or give its number to something else, and neither may
//! be shown with what is remembered of it. So a name leads to what is remembered only once that was looked at by this name.
//!
//! All of it is counted, and none of it is given up: it could not be had again.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Base, BaseIdentity, Listed, Place, Sought, Source, Status, Tell, Xattr};
use crate::data::{ChunkStore, Stream};
use crate::error::{Error, Result};
use crate::ledger::{Charge, CountedMap, Entered, Footprint, Kind, Ledger, arc_bytes, heap_bytes};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::types::{FileKind, InodeId};

#[derive(Default)]
struct Names(HashMap<Box<[u8]>, Entry>);

/// Where a name leads.
struct Entry {
    /// As the directory has it, until the name is looked at.
    id: AtomicU64,
    kind: FileKind,
    /// It was looked at: the inode is remembered.
    looked_at: AtomicBool,
}

impl Entry {
    fn id(&self) -> InodeId {
        InodeId(self.id.load(Ordering::Acquire))
    }

    fn set(&self, id: InodeId) {
        self.id.store(id.0, Ordering::Release);
        self.looked_at.store(true, Ordering::Release);
    }
}

impl Footprint for Names {
    fn heap_bytes(&self) -> usize {
        heap_bytes(self.0.allocation_size()) + self.0.keys().map(|name| heap_bytes(name.len())).sum::<usize>()
    }
}

/// Extended attributes as they were.
struct Xattrs(Vec<Xattr>);

impl Footprint for Xattrs {
    fn heap_bytes(&self) -> usize {
        let each = self
            .0
            .iter()
            .map(|(name, value)| heap_bytes(name.len()) + heap_bytes(value.len() + 2 * size_of::<usize>()));
        heap_bytes(self.0.capacity() * size_of::<Xattr>()) + each.sum::<usize>()
    }
}

/// The target of a symbolic link.
struct Link(Arc<[u8]>);

impl Footprint for Link {
    fn heap_bytes(&self) -> usize {
        heap_bytes(self.0.len() + 2 * size_of::<usize>())
    }
}

/// What is remembered of one inode.
#[derive(Default)]
struct Memory {
    status: Option<Status>,
    names: Option<Arc<Entered<Names>>>,
    link: Option<Arc<Entered<Link>>>,
    xattrs: Option<Arc<Entered<Xattrs>>>,
    content: Option<Arc<Kept>>,
}

/// Content of a file, as far as it was read.
struct Kept {
    /// Locked while it is read: each chunk is copied once.
    stream: Mutex<Stream>,
    _charge: Charge,
}

impl Kept {
    fn new(ledger: Ledger, stream: Stream) -> Arc<Kept> {
        let charge = Charge::new(ledger, Kind::References, arc_bytes::<Kept>());
        Arc::new(Kept { stream: Mutex::new(stream), _charge: charge })
    }
}

const SHARDS: usize = 16;

pub(super) struct Frozen {
    base: Arc<dyn Base>,
    store: Arc<ChunkStore>,
    ledger: Ledger,
    shards: [Mutex<CountedMap<InodeId, Memory>>; SHARDS],
}

impl Frozen {
    pub(super) fn new(base: Arc<dyn Base>, store: Arc<ChunkStore>) -> Frozen {
        let ledger = store.ledger();
        let shards = std::array::from_fn(|_| Mutex::new(CountedMap::new(ledger, Kind::References)));
        Frozen { base, store, ledger, shards }
    }

    fn memory<R>(&self, id: InodeId, with: impl FnOnce(&mut Memory) -> R) -> R {
        let mut shard = self.shards[(id.0 % SHARDS as u64) as usize].lock();
        with(shard.get_or_insert_with(id, Memory::default))
    }

    /// As [`Frozen::memory`], of what is remembered already.
    fn memory_of(&self, id: InodeId, is: impl FnOnce(&Memory) -> bool) -> bool {
        self.shards[(id.0 % SHARDS as u64) as usize].lock().get(&id).is_some_and(is)
    }

    /// What is remembered, or what `ask` answers, which is remembered from then on: by the first who asks.
    fn recall<T: Clone>(
        &self,
        id: InodeId,
        field: impl Fn(&mut Memory) -> &mut Option<T>,
        ask: impl FnOnce() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        if let Some(known) = self.memory(id, |memory| field(memory).clone()) {
            return Ok(Some(known));
        }
        // Without the lock: the host may take its time.
        let Some(found) = ask()? else { return Ok(None) };
        Ok(Some(self.memory(id, |memory| field(memory).get_or_insert(found).clone())))
    }

    fn names(&self, directory: InodeId) -> Result<Arc<Entered<Names>>> {
        let list = || {
            let mut names = Names::default();
            self.base.list(directory, &mut |entry| {
                let Listed { name, id, kind } = entry;
                let entry = Entry { id: AtomicU64::new(id.0), kind, looked_at: AtomicBool::new(false) };
                names.0.insert(name.into(), entry);
            })?;
            Ok(Some(Entered::new(self.ledger, names)))
        };
        let names = self.recall(directory, |memory| &mut memory.names, list)?;
        Ok(names.unwrap_or_else(|| Entered::new(self.ledger, Names::default())))
    }

    /// What is remembered of an inode from now on, if nothing was before.
    fn remember(&self, id: InodeId, found: Status) -> Status {
        // First of all: whatever is seen elsewhere from here on is another inode.
        self.base.keep_place(id);
        self.memory(id, |memory| *memory.status.get_or_insert(Status { watched: true, ..found }))
    }

    fn content(&self, id: InodeId) -> Result<Option<Arc<Kept>>> {
        let Some(status) = self.status(id)? else { return Ok(None) };
        self.recall(
            id,
            |memory| &mut memory.content,
            || {
                let source = Source::live(self.ledger, &self.base, id, status.identity, status.allocated).recorded();
                Ok(Some(Kept::new(self.ledger, Stream::over(source, status.identity.size))))
            },
        )
    }
}

impl Base for Frozen {
    fn watch(self: Arc<Self>, _: Tell) {}

    fn is_told(&self, id: InodeId) -> bool {
        self.memory_of(id, |memory| memory.status.is_some())
    }

    fn is_watched(&self, _: InodeId) -> bool {
        true
    }

    fn look(&self, directory: InodeId, name: &[u8]) -> Result<Option<(InodeId, Status)>> {
        let names = self.names(directory)?;
        let Some(entry) = names.0.get(name) else { return Ok(None) };
        if entry.looked_at.load(Ordering::Acquire) {
            let id = entry.id();
            return Ok(self.memory(id, |memory| memory.status).map(|known| (id, known)));
        }
        let Some((id, found)) = self.base.look(directory, name)? else { return Ok(None) };
        let status = self.remember(id, found);
        entry.set(id);
        Ok(Some((id, status)))
    }

    fn knows(&self, id: InodeId) -> bool {
        self.base.knows(id)
    }

    fn status(&self, id: InodeId) -> Result<Option<Status>> {
        if let Some(known) = self.memory(id, |memory| memory.status) {
            return Ok(Some(known));
        }
        Ok(self.base.status(id)?.map(|found| self.remember(id, found)))
    }

    fn places(&self, id: InodeId) -> Vec<Place> {
        self.base.places(id)
    }

    fn keep_place(&self, id: InodeId) {
        self.base.keep_place(id);
    }

    fn list(&self, directory: InodeId, each: &mut dyn FnMut(Listed<'_>)) -> Result<()> {
        for (name, entry) in &self.names(directory)?.0 {
            each(Listed { name, id: entry.id(), kind: entry.kind });
        }
        Ok(())
    }

    fn read_link(&self, id: InodeId) -> Result<Option<Arc<[u8]>>> {
        let read = || Ok(self.base.read_link(id)?.map(|target| Entered::new(self.ledger, Link(target))));
        let link = self.recall(id, |memory| &mut memory.link, read)?;
        Ok(link.map(|link| link.0.clone()))
    }

    fn xattrs(&self, id: InodeId, _: bool) -> Result<Vec<Xattr>> {
        // What is known of it may be from long ago.
        let ask = || Ok(Some(Entered::new(self.ledger, Xattrs(self.base.xattrs(id, false)?))));
        let xattrs = self.recall(id, |memory| &mut memory.xattrs, ask)?;
        Ok(xattrs.map_or_else(Vec::new, |xattrs| xattrs.0.clone()))
    }

    fn read(
        &self,
        id: InodeId,
        offset: u64,
        into: &mut [u8],
        _: bool,
    ) -> Result<Option<(usize, Option<BaseIdentity>)>> {
        let Some(content) = self.content(id)? else { return Ok(None) };
        let mut content = content.stream.lock();
        content.keep(&self.store, offset, into.len() as u64)?;
        let count = content.read(offset, into)?;
        drop(content);
        Ok(Some((count, self.status(id)?.map(|status| status.identity))))
    }

    fn kept(&self, each: &mut dyn FnMut(InodeId, &Stream)) {
        for shard in &self.shards {
            let content = |(id, memory): (&InodeId, &Memory)| Some((*id, memory.content.clone()?));
            let contents: Vec<_> = shard.lock().iter().filter_map(content).collect();
            contents.iter().for_each(|(id, content)| each(*id, &content.stream.lock()));
        }
    }

    fn seek(&self, id: InodeId, offset: u64, what: Sought) -> Result<Option<u64>> {
        let Some(content) = self.content(id)? else { return Err(Error::Stale) };
        let content = content.stream.lock();
        Ok(match what {
            Sought::Data => content.seek_data(offset),
            Sought::Hole => content.seek_hole(offset),
        })
    }
}
