//! A volume: everything that one process serves. Opening, branches and snapshots, views.

mod base;
mod budget;
mod check;
mod handles;
mod identity;
mod revert;
mod room;
mod sessions;
#[cfg(test)]
mod tests;
pub(crate) mod view;
mod view_base;
mod view_content;
mod view_foreign;
mod view_locks;
pub(crate) mod view_paths;
mod view_streams;
pub(crate) mod view_windows;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;

use crate::base::BaseConfig;
use crate::context::{Clock, Context, SystemClock};
use crate::data::pressure::Watch;
use crate::data::{CHUNK_BYTES, ChunkStore};
use crate::error::{Error, Result};
use crate::history::diff::Diff;
use crate::history::holdings::Holdings;
use crate::history::reaper::Reaper;
use crate::history::refs::{RefInfo, Refs};
use crate::limits;
use crate::meter::{OPERATIONS, Operation, OperationStats};
use crate::operations::ViewOptions;
use crate::operations::create::new_root;
use crate::sync::Mutex;
use crate::tree::name::{NamePolicy, NameRules};
use crate::tree::table::FrozenTable;
use crate::types::{BranchId, FsStats, RefId, SnapshotId, ViewId};

pub use base::{Origin, OwnRanges};
pub use identity::{Capabilities, VolumeInfo};
use view::View;

/// Unit of the block counts in [`FsStats`].
const BLOCK_BYTES: u64 = 4096;

/// How to open a volume.
pub struct Config {
    /// What it is called: 1 to 255 bytes, the rules of branch names. Shown by listings.
    pub name: String,
    /// Bytes that it may hold in memory, content and metadata; `None`: a share.
    pub memory_bytes: Option<u64>,
    /// The share: so many hundredths of the memory that the machine, the process' groups and its limits allow.
    /// `None`: a quarter of it.
    pub memory_percent: Option<u32>,
    /// Where content goes that memory has no room for: an unlinked file in this directory. `None`: nowhere.
    pub spill_dir: Option<PathBuf>,
    /// Without [`Config::spill_dir`]: spill to the folder of temporary files or, where that is in memory itself, to
    /// `/var/tmp`; with a warning in the log nowhere, if that is no disk either.
    pub spill_by_default: bool,
    /// The most bytes that are spilled; `None`: what the disk has room for.
    pub spill_limit_bytes: Option<u64>,
    /// Free space of the disk that is left to others; `None`: 256 MiB.
    pub spill_reserve_bytes: Option<u64>,
    /// Its label: text as Windows has it (WTF-8). `None`: its name, or as much of it as is a label everywhere.
    pub label: Option<Vec<u8>>,
    /// Its id, a UUID; its serial number follows from it. `None`: a random one.
    pub id: Option<[u8; 16]>,
    /// Which names are one and the same, and which are allowed.
    pub names: NamePolicy,
    /// Owner of the root directory, who may control the volume.
    pub root_uid: u32,
    /// Group of the root directory.
    pub root_gid: u32,
    /// Permission bits of the root directory.
    pub root_mode: u32,
    /// Where its host listens for control messages besides its mounts; empty: nowhere. Handed on to who asks.
    pub endpoint: String,
    /// Where the time comes from.
    pub clock: Box<dyn Clock>,
    /// What lies beneath the first tree; `None`: nothing.
    pub base: Option<BaseConfig>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            name: "bough".into(),
            memory_bytes: None,
            memory_percent: None,
            spill_dir: None,
            spill_by_default: false,
            spill_limit_bytes: None,
            spill_reserve_bytes: None,
            label: None,
            id: None,
            names: NamePolicy::Posix,
            root_uid: 0,
            root_gid: 0,
            root_mode: 0o755,
            endpoint: String::new(),
            clock: Box::new(SystemClock),
            base: None,
        }
    }
}

/// Counters of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VolumeStats {
    /// Branches.
    pub branches: u64,
    /// Snapshots.
    pub snapshots: u64,
    /// Views.
    pub views: u64,
    /// Limit of what is in memory, in bytes.
    pub memory_bytes: u64,
    /// Bytes in use: content and metadata, in memory and in the spill file.
    pub used_bytes: u64,
    /// Content that can be stored in all, in bytes: the memory limit, what is taken where spilling goes, and the room left there.
    pub capacity_bytes: u64,
    /// Chunks in use.
    pub chunks: u64,
    /// Bytes in small buffers.
    pub small_bytes: u64,
    /// Chunks allocated since the volume was opened.
    pub chunks_allocated: u64,
    /// Chunks copied because they were shared, since the volume was opened.
    pub chunks_copied: u64,
    /// Content in the spill file, in bytes.
    pub spill_bytes: u64,
}

/// What a volume did since it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// Bytes of memory that count against the limit now, with what is kept for the next to come: frames, and what the heap keeps of metadata that went.
    pub resident_bytes: u64,
    /// Chunks looked at by reads and writes.
    pub chunk_reads: u64,
    /// Those that were not in memory, and were waited for.
    pub faults: u64,
    /// Those that were in memory as they had been read ahead.
    pub ahead_hits: u64,
    /// How often somebody waited for memory.
    pub stalls: u64,
    /// Chunks moved out of memory.
    pub evictions: u64,
    /// Bytes read from the spill file.
    pub spill_read_bytes: u64,
    /// Bytes written to it.
    pub spill_written_bytes: u64,
    /// What is known about each operation, in the order of [`Operation::ALL`].
    pub operations: [OperationStats; OPERATIONS],
}

/// A view as listings show it.
#[derive(Debug, Clone)]
pub struct ViewInfo {
    /// Which.
    pub id: ViewId,
    /// What its host calls it: a mount point, say.
    pub label: Arc<str>,
    /// What it shows now.
    pub shows: RefId,
    /// Whether it refuses every change.
    pub read_only: bool,
    /// Whether it leaves access times alone.
    pub no_access_time: bool,
    /// Whether it refuses control.
    pub confined: bool,
}

/// A volume. Any thread may use it; it ends when the last reference, view, diff and subscription is dropped.
pub struct Volume {
    name: String,
    pub(crate) context: Arc<Context>,
    pub(crate) refs: Arc<Refs>,
    reaper: Reaper,
    first_branch: BranchId,
    views: Mutex<HashMap<ViewId, std::sync::Weak<View>>>,
    next_id: AtomicU64,
    pub(crate) sessions: sessions::DiffSessions,
    owner_uid: u32,
    endpoint: String,
    identity: identity::Identity,
    _watch: Option<Watch>,
}

impl Volume {
    /// Opens an empty volume with one branch, `main`. Over a base it has a snapshot, `base`, which shows the base and nothing
    /// else, and from which the branch has grown.
    ///
    /// Errors: [`Error::BadBase`] for one that is missing, no directory or unreadable; [`Error::BadRefName`] for a bad name, [`Error::Invalid`] for a memory limit below one chunk,
    /// [`Error::Io`] when the spill directory cannot be used, for a bad label as [`View::set_label`].
    pub fn open(config: Config) -> Result<Arc<Volume>> {
        crate::history::refs::check_name(&config.name)?;
        let store = ChunkStore::new(budget::store_config(&config)?)?;
        Volume::over(store, config)
    }

    /// An empty volume whose bytes lie in `store`.
    fn over(store: Arc<ChunkStore>, config: Config) -> Result<Arc<Volume>> {
        let memory_bytes = store.usage().memory_limit_bytes;
        let names = NameRules::new(config.names, random_key());
        let now = config.clock.now();
        let label = config.label.as_deref();
        let identity = identity::Identity::new(label, &config.name, config.id, config.names, now)?;
        let ledger = store.ledger();
        let root = new_root(ledger, now, config.root_uid, config.root_gid, config.root_mode);
        let context = Context::new(store, names, config.clock, config.base)?;
        let watch = Watch::start(Arc::downgrade(&context.store));
        let (refs, first_branch) = match context.base {
            None => Refs::new(FrozenTable::with_root(root), now),
            Some(_) => Refs::over_base(ledger, now),
        };
        tracing::info!(volume = config.name, memory_bytes, "opened a volume");
        Ok(Arc::new(Volume {
            name: config.name,
            reaper: Reaper::start(Arc::downgrade(&context.store)),
            context: Arc::new(context),
            refs: Arc::new(refs),
            first_branch,
            views: Mutex::default(),
            next_id: AtomicU64::new(1),
            sessions: sessions::DiffSessions::default(),
            owner_uid: config.root_uid,
            endpoint: config.endpoint,
            identity,
            _watch: watch,
        }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who may control it.
    #[must_use]
    pub fn owner_uid(&self) -> u32 {
        self.owner_uid
    }

    /// Where its host listens; see [`Config::endpoint`].
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Which names there can be, and which are one and the same.
    #[must_use]
    pub fn names(&self) -> NamePolicy {
        self.context.names.policy()
    }

    /// Whether names that differ in case only are one and the same.
    #[must_use]
    pub fn ignores_case(&self) -> bool {
        self.names().folds()
    }

    /// The branch it was opened with.
    #[must_use]
    pub fn first_branch(&self) -> BranchId {
        self.first_branch
    }

    fn new_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Opens a view of a branch or snapshot. `label` is what its host calls it.
    ///
    /// Errors: [`Error::NoSuchRef`].
    pub fn view(self: &Arc<Volume>, shows: RefId, label: &str, options: ViewOptions) -> Result<Arc<View>> {
        let id = ViewId(self.new_id());
        let view = View::open(self, id, shows, label, options)?;
        self.views.lock().insert(id, Arc::downgrade(&view));
        Ok(view)
    }

    pub(crate) fn view_ended(&self, id: ViewId) {
        self.views.lock().remove(&id);
    }

    /// The views there are, in order of id.
    #[must_use]
    pub fn views(&self) -> Vec<ViewInfo> {
        let mut infos: Vec<ViewInfo> = self.live_views().iter().map(|view| view.info()).collect();
        infos.sort_by_key(|info| info.id);
        infos
    }

    fn live_views(&self) -> Vec<Arc<View>> {
        self.views.lock().values().filter_map(std::sync::Weak::upgrade).collect()
    }

    /// The branch or snapshot of this name.
    ///
    /// Errors: [`Error::NoSuchRef`].
    pub fn find(&self, name: &str) -> Result<RefId> {
        self.refs.find(name)
    }

    /// As [`Volume::find`], but only of this kind: 1 a branch, 2 a snapshot, 0 either.
    pub(crate) fn find_kind(&self, name: &str, kind: u32) -> Result<RefId> {
        match (self.find(name)?, kind) {
            (id, 0) | (id @ RefId::Branch(_), 1) | (id @ RefId::Snapshot(_), 2) => Ok(id),
            (RefId::Branch(_), _) => Err(Error::Invalid("that is a branch, not a snapshot")),
            (RefId::Snapshot(_), _) => Err(Error::Invalid("that is a snapshot, not a branch")),
        }
    }

    /// What is known about a branch or snapshot.
    ///
    /// Errors: [`Error::NoSuchRef`].
    pub fn ref_info(&self, id: RefId) -> Result<RefInfo> {
        self.refs.info(id)
    }

    /// Branches and snapshots in order of age, at most `limit` after `after`.
    #[must_use]
    pub fn list_refs(&self, after: Option<RefId>, limit: usize) -> Vec<RefInfo> {
        self.refs.list(after, limit)
    }

    /// Takes a snapshot of a branch as it is now, in constant time. Without a name it is called BRANCH@N.
    ///
    /// Errors: [`Error::NoSuchRef`], [`Error::RefExists`], [`Error::BadRefName`], [`Error::Limit`], [`Error::NoSpace`].
    pub fn create_snapshot(&self, branch: BranchId, name: Option<&str>) -> Result<SnapshotId> {
        let _timed = self.context.meters.begin(Operation::Snapshot);
        let id = self.with_room_for_ref(|| self.refs.snapshot(branch, name, &self.context))?;
        tracing::debug!(volume = self.name, snapshot = id.0, name, "took a snapshot");
        Ok(id)
    }

    /// Grows a branch from a snapshot, or from a branch as it is now, in constant time.
    ///
    /// Errors: [`Error::NoSuchRef`], [`Error::RefExists`], [`Error::BadRefName`], [`Error::Limit`], [`Error::NoSpace`].
    pub fn create_branch(&self, name: &str, from: RefId) -> Result<BranchId> {
        let _timed = self.context.meters.begin(Operation::Branch);
        let id = self.with_room_for_ref(|| self.refs.branch(name, from, &self.context))?;
        tracing::debug!(volume = self.name, branch = id.0, name, ?from, "grew a branch");
        Ok(id)
    }

    fn with_room_for_ref<R>(&self, mut make: impl FnMut() -> Result<R>) -> Result<R> {
        self.with_room(|| self.context.store.admit_ref().and_then(|()| make()))
    }

    /// Gives a branch or snapshot another name.
    ///
    /// Errors: [`Error::NoSuchRef`], [`Error::RefExists`], [`Error::BadRefName`]; [`Error::NoSpace`] for a longer name.
    pub fn rename_ref(&self, id: RefId, name: &str) -> Result<()> {
        let rename = || self.refs.rename(id, name);
        let grows = self.refs.info(id)?.name.len() < name.len();
        if grows { self.with_room_for_ref(rename) } else { rename() }
    }

    /// Deletes a branch or snapshot. What has grown from it stays, and from then on counts as grown from its parent. What it
    /// alone held is freed in the background.
    ///
    /// Errors: [`Error::NoSuchRef`]; [`Error::Busy`] while a view shows it, or for the last branch.
    pub fn delete_ref(&self, id: RefId) -> Result<()> {
        self.delete(id, None)
    }

    /// As [`Volume::delete_ref`], if it has not begun to change since it had this number of [`RefInfo::changes`].
    ///
    /// Errors: as [`Volume::delete_ref`]; [`Error::Stale`] if it has, and it is kept.
    pub fn delete_unchanged(&self, id: RefId, changes: u64) -> Result<()> {
        self.delete(id, Some(changes))
    }

    fn delete(&self, id: RefId, changes: Option<u64>) -> Result<()> {
        let _timed = self.context.meters.begin(Operation::Delete);
        // From before nobody finds it any more.
        let pending = self.reaper.pending();
        let table = match self.refs.delete(id, changes, &pending) {
            Err(Error::Busy(_)) => {
                self.live_views().iter().for_each(|view| view.drop_all_unused());
                self.refs.delete(id, changes, &pending)?
            }
            answer => answer?,
        };
        self.reaper.take(table);
        tracing::debug!(volume = self.name, ?id, "deleted a branch or snapshot");
        Ok(())
    }

    /// What differs between two branches or snapshots, each as it is now.
    ///
    /// Errors: [`Error::NoSuchRef`].
    pub fn diff(&self, before: RefId, after: RefId) -> Result<Diff> {
        let _timed = self.context.meters.begin(Operation::Diff);
        let parted = self.refs.parted(before, after);
        let pending = self.reaper.pending();
        let before = self.refs.frozen(before, &self.context)?;
        let after = self.refs.frozen(after, &self.context)?;
        Ok(Diff::new(&self.context, before, after, parted, pending))
    }

    /// Has a diff be read in parts; answers by which number.
    pub(crate) fn open_diff(&self, diff: Diff) -> u64 {
        let (id, ended) = self.sessions.open(diff);
        self.free(ended);
        id
    }

    pub(crate) fn close_diff(&self, id: u64) {
        self.free(self.sessions.close(id));
    }

    fn free(&self, ended: Option<sessions::Ended>) {
        let _pending = self.reaper.pending();
        for table in ended.and_then(sessions::Ended::into_tables).into_iter().flatten() {
            self.reaper.take(table);
        }
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> VolumeStats {
        let (branches, snapshots) = self.refs.counts();
        let store = self.context.store.usage();
        let spill_bytes = store.spilled_frames * CHUNK_BYTES as u64;
        VolumeStats {
            branches: branches as u64,
            snapshots: snapshots as u64,
            views: self.views.lock().len() as u64,
            memory_bytes: store.memory_limit_bytes,
            used_bytes: store.memory_bytes + spill_bytes,
            capacity_bytes: self.context.store.capacity_bytes(),
            chunks: store.frames,
            small_bytes: store.small_bytes,
            chunks_allocated: store.allocations,
            chunks_copied: store.copies,
            spill_bytes,
        }
    }

    /// What it did since it was opened.
    #[must_use]
    pub fn activity(&self) -> Activity {
        let store = self.context.store.usage();
        Activity {
            resident_bytes: store.resident_bytes,
            chunk_reads: store.reads,
            faults: store.faults,
            ahead_hits: store.ahead_hits,
            stalls: store.stalls,
            evictions: store.evictions,
            spill_read_bytes: store.read_bytes,
            spill_written_bytes: store.written_bytes,
            operations: self.context.meters.stats(),
        }
    }

    /// What a branch or snapshot holds, and what deleting it would free. Costs what would be freed, or what all others hold if
    /// that is less by far; and what has changed since it was last asked, or a tree that it shares with. What others
    /// do meanwhile may be counted or not.
    ///
    /// Errors: [`Error::NoSuchRef`].
    pub fn holdings(&self, id: RefId) -> Result<Holdings> {
        let trees = self.refs.ever_made();
        let (held, others, entry_bytes) = self.refs.held(id)?;
        // What was given up is counted for as long as it is there, and what came meanwhile is none of the others.
        let all = || self.reaper.is_idle() && self.refs.ever_made() == trees;
        let counted = held.reckoned(&self.context, others.filter(|_| all()), all).counted;
        // Not before that, as who looks at versions has them, too: writers would make copies.
        let epoch = self.refs.settle(&held, &self.context);
        Ok(held.holdings(counted, epoch, entry_bytes))
    }

    /// Space and inodes, as statvfs(3) counts them.
    #[must_use]
    pub fn fs_stats(&self) -> FsStats {
        let stats = self.stats();
        FsStats {
            block_bytes: BLOCK_BYTES as u32,
            blocks: stats.capacity_bytes / BLOCK_BYTES,
            blocks_free: self.context.store.free_bytes() / BLOCK_BYTES,
            inodes: limits::INODE_ID,
            inodes_free: limits::INODE_ID.saturating_sub(self.context.ids_used()),
            name_bytes: self.names().longest_bytes() as u32,
            name_units: self.names().longest() as u32,
        }
    }

    /// Refuses every change from now on; what is stored stays readable. For hosts that met a fault of ours.
    pub fn latch_read_only(&self) {
        self.context.latch_read_only();
        tracing::error!(volume = self.name, "latched: the volume is read-only from now on");
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        tracing::info!(volume = self.name, "closed a volume");
    }
}

/// So that nobody can choose names that collide.
fn random_key() -> (u64, u64) {
    use std::hash::{BuildHasher, RandomState};
    if cfg!(feature = "shuttle") {
        // So that a schedule replays.
        return (1, 2);
    }
    (RandomState::new().hash_one(0), RandomState::new().hash_one(1))
}
