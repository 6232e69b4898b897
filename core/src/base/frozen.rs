//! A base that stands still: what was looked at once stays as it was then, for all branches alike.
//!
//! The names of a directory are remembered when the first of them is asked for, attributes, links and extended attributes at
//! the first look, and content chunk by chunk when it is read; chunks are kept as those of any file. What was not read yet
//! is read as it was at the first look or, once the base has changed it, not at all.
//!
//! All of it is counted, and none of it is given up: it could not be had again.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Base, BaseIdentity, Listed, Place, Sought, Source, Status, Tell, Xattr};
use crate::data::{ChunkStore, Stream};
use crate::error::{Error, Result};
use crate::ledger::{Entered, Footprint, Kind, Ledger, heap_bytes};
use crate::sync::Mutex;
use crate::types::{FileKind, InodeId};

#[derive(Default)]
struct Names(HashMap<Box<[u8]>, (InodeId, FileKind)>);

impl Footprint for Names {
    fn heap_bytes(&self) -> usize {
        let table = self.0.capacity() * (size_of::<(Box<[u8]>, (InodeId, FileKind))>() + 1) * 8 / 7;
        table + self.0.keys().map(|name| heap_bytes(name.len())).sum::<usize>()
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

/// What the memory of an inode is counted as, what it points to aside.
const MEMORY_BYTES: usize = (size_of::<(InodeId, Memory)>() + 1) * 8 / 7;

/// What is remembered of one inode.
#[derive(Default)]
struct Memory {
    status: Option<Status>,
    names: Option<Arc<Entered<Names>>>,
    link: Option<Arc<Entered<Link>>>,
    xattrs: Option<Arc<Entered<Xattrs>>>,
    /// Locked while it is read: each chunk is copied once.
    content: Option<Arc<Mutex<Stream>>>,
}

const SHARDS: usize = 16;

pub(super) struct Frozen {
    base: Arc<dyn Base>,
    store: Arc<ChunkStore>,
    ledger: Ledger,
    shards: [Mutex<HashMap<InodeId, Memory>>; SHARDS],
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let count: usize = self.shards.iter().map(|shard| shard.lock().len()).sum();
        self.ledger.sub(Kind::References, count * MEMORY_BYTES);
    }
}

impl Frozen {
    pub(super) fn new(base: Arc<dyn Base>, store: Arc<ChunkStore>) -> Frozen {
        Frozen { base, ledger: store.ledger(), store, shards: Default::default() }
    }

    fn memory<R>(&self, id: InodeId, with: impl FnOnce(&mut Memory) -> R) -> R {
        let mut shard = self.shards[(id.0 % SHARDS as u64) as usize].lock();
        with(shard.entry(id).or_insert_with(|| {
            self.ledger.add(Kind::References, MEMORY_BYTES);
            Memory::default()
        }))
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
                names.0.insert(entry.name.into(), (entry.id, entry.kind));
            })?;
            Ok(Some(Entered::new(self.ledger, names)))
        };
        let names = self.recall(directory, |memory| &mut memory.names, list)?;
        Ok(names.unwrap_or_else(|| Entered::new(self.ledger, Names::default())))
    }

    fn settle(mut status: Status) -> Status {
        status.watched = true;
        status
    }

    fn content(&self, id: InodeId) -> Result<Option<Arc<Mutex<Stream>>>> {
        let Some(status) = self.status(id)? else { return Ok(None) };
        self.recall(
            id,
            |memory| &mut memory.content,
            || {
                let source = Source::live(&self.base, id, status.identity, status.allocated).recorded();
                Ok(Some(Arc::new(Mutex::new(Stream::over(source, status.identity.size)))))
            },
        )
    }
}

impl Base for Frozen {
    fn watch(self: Arc<Self>, _: Tell) {}

    fn is_watched(&self, _: InodeId) -> bool {
        true
    }

    fn look(&self, directory: InodeId, name: &[u8]) -> Result<Option<(InodeId, Status)>> {
        let names = self.names(directory)?;
        let Some((id, _)) = names.0.get(name) else { return Ok(None) };
        if let Some(known) = self.memory(*id, |memory| memory.status) {
            return Ok(Some((*id, known)));
        }
        let Some((id, found)) = self.base.look(directory, name)? else { return Ok(None) };
        let status = self.memory(id, |memory| *memory.status.get_or_insert(Frozen::settle(found)));
        Ok(Some((id, status)))
    }

    fn knows(&self, id: InodeId) -> bool {
        self.base.knows(id)
    }

    fn status(&self, id: InodeId) -> Result<Option<Status>> {
        self.recall(id, |memory| &mut memory.status, || Ok(self.base.status(id)?.map(Frozen::settle)))
    }

    fn places(&self, id: InodeId) -> Vec<Place> {
        self.base.places(id)
    }

    fn keep_place(&self, id: InodeId) {
        self.base.keep_place(id);
    }

    fn list(&self, directory: InodeId, each: &mut dyn FnMut(Listed<'_>)) -> Result<()> {
        for (name, (id, kind)) in &self.names(directory)?.0 {
            each(Listed { name, id: *id, kind: *kind });
        }
        Ok(())
    }

    fn read_link(&self, id: InodeId) -> Result<Option<Arc<[u8]>>> {
        let read = || Ok(self.base.read_link(id)?.map(|target| Entered::new(self.ledger, Link(target))));
        let link = self.recall(id, |memory| &mut memory.link, read)?;
        Ok(link.map(|link| link.0.clone()))
    }

    fn xattrs(&self, id: InodeId) -> Result<Vec<Xattr>> {
        let ask = || Ok(Some(Entered::new(self.ledger, Xattrs(self.base.xattrs(id)?))));
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
        let mut content = content.lock();
        content.keep(&self.store, offset, into.len() as u64)?;
        let count = content.read(offset, into)?;
        drop(content);
        Ok(Some((count, self.status(id)?.map(|status| status.identity))))
    }

    fn kept(&self, each: &mut dyn FnMut(InodeId, &Stream)) {
        for shard in &self.shards {
            let content = |(id, memory): (&InodeId, &Memory)| Some((*id, memory.content.clone()?));
            let contents: Vec<_> = shard.lock().iter().filter_map(content).collect();
            contents.iter().for_each(|(id, content)| each(*id, &content.lock()));
        }
    }

    fn seek(&self, id: InodeId, offset: u64, what: Sought) -> Result<Option<u64>> {
        let Some(content) = self.content(id)? else { return Err(Error::Stale) };
        let content = content.lock();
        Ok(match what {
            Sought::Data => content.seek_data(offset),
            Sought::Hole => content.seek_hole(offset),
        })
    }
}
