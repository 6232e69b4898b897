//! A base that stands still: what was looked at once stays as it was then, for all branches alike.
//!
//! The names of a directory are remembered when the first of them is asked for, attributes, links and extended attributes at
//! the first look, and content chunk by chunk when it is read; chunks are kept as those of any file. What was not read yet
//! is read as it was at the first look or, once the base has changed it, not at all.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Base, BaseIdentity, Listed, Place, Sought, Source, Status, Tell, Xattr};
use crate::data::{ChunkStore, Stream};
use crate::error::{Error, Result};
use crate::sync::Mutex;
use crate::types::{FileKind, InodeId};

type Names = HashMap<Box<[u8]>, (InodeId, FileKind)>;

/// What is remembered of one inode.
#[derive(Default)]
struct Memory {
    status: Option<Status>,
    names: Option<Arc<Names>>,
    link: Option<Arc<[u8]>>,
    xattrs: Option<Arc<[Xattr]>>,
    /// Locked while it is read: each chunk is copied once.
    content: Option<Arc<Mutex<Stream>>>,
}

const SHARDS: usize = 16;

pub(super) struct Frozen {
    base: Arc<dyn Base>,
    store: Arc<ChunkStore>,
    shards: [Mutex<HashMap<InodeId, Memory>>; SHARDS],
}

impl Frozen {
    pub(super) fn new(base: Arc<dyn Base>, store: Arc<ChunkStore>) -> Frozen {
        Frozen { base, store, shards: Default::default() }
    }

    fn memory<R>(&self, id: InodeId, with: impl FnOnce(&mut Memory) -> R) -> R {
        with(self.shards[(id.0 % SHARDS as u64) as usize].lock().entry(id).or_default())
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

    fn names(&self, directory: InodeId) -> Result<Arc<Names>> {
        let names = self.recall(
            directory,
            |memory| &mut memory.names,
            || {
                let mut names = Names::default();
                self.base.list(directory, &mut |entry| {
                    names.insert(entry.name.into(), (entry.id, entry.kind));
                })?;
                Ok(Some(Arc::new(names)))
            },
        )?;
        Ok(names.unwrap_or_default())
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
        let Some((id, _)) = names.get(name) else { return Ok(None) };
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
        for (name, (id, kind)) in &*self.names(directory)? {
            each(Listed { name, id: *id, kind: *kind });
        }
        Ok(())
    }

    fn read_link(&self, id: InodeId) -> Result<Option<Arc<[u8]>>> {
        self.recall(id, |memory| &mut memory.link, || self.base.read_link(id))
    }

    fn xattrs(&self, id: InodeId) -> Result<Vec<Xattr>> {
        let xattrs = self.recall(id, |memory| &mut memory.xattrs, || Ok(Some(Arc::from(self.base.xattrs(id)?))))?;
        Ok(xattrs.map_or_else(Vec::new, |xattrs| xattrs.to_vec()))
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
