//! Who has what open the Windows way, and what is to be deleted when they are done: for every inode of one branch that
//! has such handles. A table that nobody ever used has no memory of its own; POSIX operations do not ask it.
//!
//! Owns share modes ([`SharingTable`]), the count of handles and the delete-pending mark of each name (\[MS-FSA\] calls
//! it a link) and each named stream.
//!
//! Invariants: an inode is in the table only while a handle is open on it, or the name that its last handle deleted is
//! being removed. A name that is marked for deletion takes no new handles; the mark goes with the last handle, or when it is
//! cleared. Who removes the name tells so ([`OpenTable::removed`]) before the next handle can come.
//!
//! Left to others: whether somebody may delete ([`crate::operations::windows_delete`]), and the removal itself.
//! The guard of names ([`OpenTable::hold_names`]) is held shared by every open and alone by the rename of a directory, so that
//! nobody opens a file below it meanwhile.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::operations::windows::sharing::{SharingTable, Use};
use crate::sync::{Mutex, MutexGuard, Ordered, Rank, RwLock, RwLockReadGuard, RwLockWriteGuard, ordered};
use crate::tree::table::shard_of;
use crate::types::{InodeId, StreamId};

const SHARDS: usize = 16;

/// The entry that a handle was opened by: its directory and its key there. `None` for the root.
pub(crate) type Place = Option<(InodeId, u64)>;

/// What one handle has open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) inode: InodeId,
    pub(crate) stream: Option<StreamId>,
    /// What its locks stand on in the branch's lock table.
    pub(crate) locks_on: InodeId,
    user: Use,
    /// Number of the link within the inode.
    link: u32,
}

/// One name of an open inode.
#[derive(Debug)]
struct Link {
    number: u32,
    place: Place,
    handles: u32,
    /// To be removed with the last handle.
    pending: bool,
    /// Removed already; handles go on.
    gone: bool,
    /// Somebody is removing it.
    removing: bool,
}

/// One open named stream.
#[derive(Debug)]
struct OpenStream {
    key: StreamId,
    handles: u32,
    pending: bool,
    /// What its locks stand on in the branch's lock table: a number that no inode has.
    locks_on: InodeId,
}

#[derive(Debug, Default)]
struct OpenFile {
    sharing: SharingTable<StreamId>,
    links: Vec<Link>,
    streams: Vec<OpenStream>,
    last_link: u32,
}

impl OpenFile {
    fn link(&mut self, number: u32) -> &mut Link {
        self.find_link(number).expect("invariant: a handle's link is there")
    }

    /// As [`OpenFile::link`], for those whose handle another thread may have cleaned up meanwhile.
    fn find_link(&mut self, number: u32) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.number == number)
    }

    /// The link of this place; a new one if nobody has opened the inode by it.
    fn link_at(&mut self, place: Place) -> &mut Link {
        if let Some(index) = self.links.iter().position(|link| link.place == place && !link.gone) {
            return &mut self.links[index];
        }
        self.last_link += 1;
        let number = self.last_link;
        self.links.push(Link { number, place, handles: 0, pending: false, gone: false, removing: false });
        self.links.last_mut().expect("invariant: it was just put there")
    }

    fn stream(&mut self, key: StreamId) -> &mut OpenStream {
        self.find_stream(key).expect("invariant: a handle's stream is there")
    }

    fn find_stream(&mut self, key: StreamId) -> Option<&mut OpenStream> {
        self.streams.iter_mut().find(|stream| stream.key == key)
    }

    /// One handle more on the stream. Answers what its locks stand on.
    fn open_stream(&mut self, key: StreamId, fresh: InodeId) -> InodeId {
        if !self.streams.iter().any(|stream| stream.key == key) {
            self.streams.push(OpenStream { key, handles: 0, pending: false, locks_on: fresh });
        }
        let stream = self.stream(key);
        stream.handles += 1;
        stream.locks_on
    }

    fn has_handles(&self) -> bool {
        self.links.iter().any(|link| link.handles > 0)
    }

    fn is_idle(&self) -> bool {
        self.links.iter().all(|link| link.handles == 0 && !link.removing)
    }

    fn is_pending(&self, place: Place) -> bool {
        self.links.iter().any(|link| link.place == place && link.pending && !link.gone)
    }

    /// Drops what nobody has open any more.
    fn tidy(&mut self) {
        self.links.retain(|link| link.handles > 0 || link.removing);
        self.streams.retain(|stream| stream.handles > 0);
    }
}

/// What the end of a handle makes necessary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ending {
    /// This name is to be removed, and then [`OpenTable::removed`] called.
    pub(crate) name: Option<Place>,
    /// This stream is to be removed.
    pub(crate) stream: Option<StreamId>,
    /// Nobody has the same stream, or content, open any more.
    pub(crate) last: bool,
}

/// Whether what a rename or a further link would replace, or move, may be: \[MS-FSA\] 2.1.5.15.12 and the reference, section 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Openness {
    /// Nobody has it open.
    Closed,
    /// All who have it open let it be deleted.
    SharesDeletion,
    /// Somebody does not.
    DeniesDeletion,
}

impl Openness {
    /// Without POSIX semantics nobody may have it open; with them all must share its deletion.
    pub(crate) fn check(self, posix: bool) -> Result<()> {
        match (self, posix) {
            (Openness::Closed, _) | (Openness::SharesDeletion, true) => Ok(()),
            (Openness::DeniesDeletion, true) => Err(Error::SharingViolation),
            (_, false) => Err(Error::AccessDenied),
        }
    }
}

type Files = HashMap<InodeId, Box<OpenFile>>;

/// The Windows opens of one branch.
#[derive(Default)]
pub(crate) struct OpenTable {
    /// Made by the first open: most branches never see one.
    shards: OnceLock<Box<[CachePadded<Mutex<Files>>; SHARDS]>>,
    names: RwLock<()>,
    next_owner: AtomicU64,
}

impl OpenTable {
    fn shard(&self, inode: InodeId) -> Ordered<MutexGuard<'_, Files>> {
        let shards = self.shards.get_or_init(Default::default);
        ordered(Rank::Opens, || shards[shard_of(inode, SHARDS)].lock())
    }

    /// As [`OpenTable::shard`], for those who only look: nothing where nobody opened anything.
    fn used_shard(&self, inode: InodeId) -> Option<Ordered<MutexGuard<'_, Files>>> {
        self.shards.get().map(|_| self.shard(inode))
    }

    /// Held by whoever opens by a name, from the first step of the path to the end.
    pub(crate) fn hold_names(&self) -> Ordered<RwLockReadGuard<'_, ()>> {
        ordered(Rank::OpenNames, || self.names.read())
    }

    /// Held by whoever moves a directory: nobody opens anything meanwhile.
    pub(crate) fn stop_opens(&self) -> Ordered<RwLockWriteGuard<'_, ()>> {
        ordered(Rank::OpenNames, || self.names.write())
    }

    /// A number for the locks of one handle, unlike those that POSIX hosts choose for theirs, and unlike any inode's.
    pub(crate) fn new_owner(&self) -> u64 {
        1 << 63 | self.next_owner.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a handle, if those that are there agree: [`Error::SharingViolation`], [`Error::DeletePending`]. `extra` is
    /// what the open does at once and not again.
    pub(crate) fn open(
        &self,
        inode: InodeId,
        place: Place,
        stream: Option<StreamId>,
        user: Use,
        extra: u32,
    ) -> Result<Opening> {
        let mut shard = self.shard(inode);
        let file = shard.entry(inode).or_default();
        let answer = add(file, inode, place, stream, user, extra, || InodeId(self.new_owner()));
        if file.is_idle() {
            shard.remove(&inode);
        }
        answer
    }

    /// A further handle on what one has open.
    pub(crate) fn open_again(&self, of: &Opening, stream: Option<StreamId>, user: Use, extra: u32) -> Result<Opening> {
        let place = match self.shard(of.inode).get_mut(&of.inode).and_then(|file| file.find_link(of.link)) {
            Some(link) if link.pending || link.gone => return Err(Error::DeletePending),
            Some(link) => link.place,
            None => return Err(Error::BadHandle),
        };
        self.open(of.inode, place, stream, user, extra)
    }

    /// A handle ends. `delete`: it was to delete what it has open. `posix`: the name goes now, whoever else has it open.
    pub(crate) fn close(&self, opening: &Opening, delete: bool, posix: bool) -> Ending {
        let mut shard = self.shard(opening.inode);
        let file = shard.get_mut(&opening.inode).expect("invariant: an open file is in the table");
        file.sharing.remove(opening.stream.as_ref(), opening.user);
        let mut ending = Ending::default();
        if let Some(key) = opening.stream {
            let stream = file.stream(key);
            stream.handles -= 1;
            stream.pending |= delete;
            ending.stream = (stream.pending && stream.handles == 0).then_some(key);
            ending.last = stream.handles == 0;
        }
        let link = file.link(opening.link);
        link.handles -= 1;
        link.pending |= delete && opening.stream.is_none();
        let posix = posix && opening.stream.is_none();
        if link.pending && !link.gone && !link.removing && (link.handles == 0 || posix) {
            link.removing = true;
            ending.name = Some(link.place);
        }
        ending.last |= opening.stream.is_none() && !file.has_handles();
        file.tidy();
        if file.is_idle() {
            shard.remove(&opening.inode);
        }
        ending
    }

    /// What [`OpenTable::close`] asked for was done, or could not be: then the name stays and takes handles again.
    pub(crate) fn removed(&self, opening: &Opening, done: bool) {
        let mut shard = self.shard(opening.inode);
        let Some(file) = shard.get_mut(&opening.inode) else { return };
        let link = file.link(opening.link);
        (link.removing, link.gone, link.pending) = (false, done, done);
        file.tidy();
        if file.is_idle() {
            shard.remove(&opening.inode);
        }
    }

    /// Marks what the handle has open for deletion, or clears the mark.
    pub(crate) fn set_pending(&self, opening: &Opening, pending: bool) -> Result<()> {
        let mut shard = self.shard(opening.inode);
        let file = shard.get_mut(&opening.inode).ok_or(Error::BadHandle)?;
        let link = file.find_link(opening.link).ok_or(Error::BadHandle)?;
        if link.gone || link.removing {
            return Err(Error::Deleted);
        }
        match opening.stream {
            None => link.pending = pending,
            Some(key) => file.find_stream(key).ok_or(Error::BadHandle)?.pending = pending,
        }
        Ok(())
    }

    /// Whether what the handle has open is to be deleted, or is deleted already.
    pub(crate) fn is_pending(&self, opening: &Opening) -> bool {
        let mut shard = self.shard(opening.inode);
        let Some(file) = shard.get_mut(&opening.inode) else { return false };
        let of_link = file.find_link(opening.link).is_some_and(|link| link.pending || link.gone);
        of_link || opening.stream.is_some_and(|key| file.find_stream(key).is_some_and(|stream| stream.pending))
    }

    /// Whether the name that the handle was opened by has been removed.
    pub(crate) fn is_gone(&self, opening: &Opening) -> bool {
        let mut shard = self.shard(opening.inode);
        shard.get_mut(&opening.inode).is_none_or(|file| file.find_link(opening.link).is_none_or(|link| link.gone))
    }

    /// Where the handle's name is.
    pub(crate) fn place(&self, opening: &Opening) -> Place {
        self.shard(opening.inode).get_mut(&opening.inode).and_then(|file| file.find_link(opening.link)?.place)
    }

    /// A name moved, and the handles that were opened by it with it.
    pub(crate) fn moved(&self, inode: InodeId, from: Place, to: Place) {
        let Some(mut shard) = self.used_shard(inode) else { return };
        let Some(file) = shard.get_mut(&inode) else { return };
        file.links.iter_mut().filter(|link| link.place == from && !link.gone).for_each(|link| link.place = to);
    }

    /// A name was replaced under the handles that have it open.
    pub(crate) fn replaced(&self, inode: InodeId, place: Place) {
        let Some(mut shard) = self.used_shard(inode) else { return };
        let Some(file) = shard.get_mut(&inode) else { return };
        file.links.iter_mut().filter(|link| link.place == place).for_each(|link| link.gone = true);
    }

    /// Whether the directory is to be deleted: then nothing is made in it.
    pub(crate) fn is_directory_pending(&self, directory: InodeId) -> bool {
        let shard = self.used_shard(directory);
        shard.is_some_and(|shard| {
            shard.get(&directory).is_some_and(|file| file.links.iter().any(|link| link.pending || link.gone))
        })
    }

    /// Whether this name of the inode is to be deleted.
    pub(crate) fn is_place_pending(&self, inode: InodeId, place: Place) -> bool {
        let shard = self.used_shard(inode);
        shard.is_some_and(|shard| shard.get(&inode).is_some_and(|file| file.is_pending(place)))
    }

    /// Who has the inode open, for whoever would replace it.
    pub(crate) fn openness(&self, inode: InodeId) -> Openness {
        let Some(shard) = self.used_shard(inode) else { return Openness::Closed };
        match shard.get(&inode) {
            Some(file) if file.has_handles() && file.sharing.all_share_deletion() => Openness::SharesDeletion,
            Some(file) if file.has_handles() => Openness::DeniesDeletion,
            _ => Openness::Closed,
        }
    }

    /// Who has streams of the inode open, for whoever renames it.
    pub(crate) fn stream_openness(&self, inode: InodeId) -> Openness {
        let Some(shard) = self.used_shard(inode) else { return Openness::Closed };
        match shard.get(&inode) {
            Some(file) if !file.streams.is_empty() && file.sharing.streams_share_deletion() => Openness::SharesDeletion,
            Some(file) if !file.streams.is_empty() => Openness::DeniesDeletion,
            _ => Openness::Closed,
        }
    }

    /// All inodes that have handles, with the directories they were opened in. Under [`OpenTable::stop_opens`] there come no more.
    pub(crate) fn open_inodes(&self) -> Vec<(InodeId, Vec<InodeId>)> {
        let Some(shards) = self.shards.get() else { return Vec::new() };
        let directories = |file: &OpenFile| {
            let open = file.links.iter().filter(|link| link.handles > 0 && !link.gone);
            open.filter_map(|link| link.place).map(|(directory, _)| directory).collect()
        };
        let mut all = Vec::new();
        for shard in shards.iter() {
            let shard = ordered(Rank::Opens, || shard.lock());
            all.extend(shard.iter().map(|(inode, file)| (*inode, directories(file))));
        }
        all
    }

    /// Inodes that have handles.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.shards.get().map_or(0, |shards| shards.iter().map(|shard| shard.lock().len()).sum())
    }
}

fn add(
    file: &mut OpenFile,
    inode: InodeId,
    place: Place,
    stream: Option<StreamId>,
    user: Use,
    extra: u32,
    fresh: impl FnOnce() -> InodeId,
) -> Result<Opening> {
    let stream_pending = stream.is_some_and(|key| file.streams.iter().any(|open| open.key == key && open.pending));
    if file.is_pending(place) || stream_pending {
        return Err(Error::DeletePending);
    }
    file.sharing.add(stream, user, extra)?;
    let locks_on = stream.map_or(inode, |key| file.open_stream(key, fresh()));
    let link = file.link_at(place);
    link.handles += 1;
    Ok(Opening { inode, stream, locks_on, user, link: link.number })
}

#[cfg(test)]
mod tests;
