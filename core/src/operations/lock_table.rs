//! Advisory locks: byte ranges as fcntl(2) has them, whole files as flock(2) has them.
//!
//! Owns who holds what and who waits, for every inode of one branch. An inode is in the table only while somebody
//! holds or waits; a table that nobody ever used has no memory of its own.
//!
//! Invariants: two owners never hold ranges of one inode and space that overlap, but for reading both; one owner's
//! ranges do not overlap, and neighbours of one kind are one. A waiter that could be granted is granted before the call
//! that made it possible returns, by its thread. Its callback runs after every lock in here is free again, and may
//! call the table.
//!
//! Fairness: waiters are served in the order in which they came. A later request that no holder stands against does
//! overtake waiters, as on Linux: a parent that waits for its child would otherwise hang for a stranger's sake. But
//! after [`LOCK_OVERTAKES`] of these a waiter lets no other wait pass any more, so that none starves. A request that
//! does not wait ([`LockTable::set`]) looks at holders only.
//!
//! Deadlocks between owners of byte ranges are found across all inodes of the table, and refused. flock(2) finds none.
//!
//! Left to others: what an owner is, when one is gone ([`LockTable::release_owner`], [`LockTable::forget_owner`]),
//! and whether the handle permits the lock. Order of the locks within: an inode's shard, then the graph of waits.

mod graph;
mod space;
mod spans;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crossbeam_utils::CachePadded;
use hashbrown::HashMap;

use crate::error::{Error, Result};
use crate::ledger::{Kind, Ledger, heap_bytes};
use crate::sync::{Mutex, MutexGuard};
use crate::tree::table::shard_of;
use crate::types::InodeId;
use graph::WaitGraph;
use space::{Space, Waiter};

/// Locked ranges and waiters that one table holds together.
pub(crate) const LOCKS: usize = 1 << 20;
/// Requests that may overtake one waiter.
pub(crate) const LOCK_OVERTAKES: u32 = 64;

const SHARDS: usize = 16;
/// A shard without locks keeps room for this many inodes, not more.
const IDLE_INODES: usize = 28;

/// Which kind of advisory lock: the two know nothing of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockSpace {
    /// Byte ranges, as fcntl(2).
    Range,
    /// The whole file, as flock(2). Ranges given are taken as the whole.
    Whole,
}

/// Whether others may hold it as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockKind {
    /// Shared with other readers.
    Read,
    /// Exclusive.
    Write,
}

/// A lock on a range of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lock {
    /// Shared or exclusive.
    pub kind: LockKind,
    /// First byte.
    pub start: u64,
    /// Last byte; `u64::MAX` for all to come.
    pub end: u64,
    /// The process that asked, for reports.
    pub pid: u32,
}

/// A lock that stands in the way, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conflict {
    /// Who holds it: the number by which the owner is known to the table.
    pub owner: u64,
    /// What is held.
    pub lock: Lock,
}

/// What an owner asks for.
#[derive(Debug, Clone, Copy)]
struct Claim {
    owner: u64,
    lock: Lock,
}

impl Claim {
    fn new(space: LockSpace, owner: u64, lock: Lock) -> Result<Claim> {
        match space {
            LockSpace::Whole => Ok(Claim { owner, lock: Lock { start: 0, end: u64::MAX, ..lock } }),
            LockSpace::Range if lock.start > lock.end => Err(Error::Invalid("a lock's range ends before it starts")),
            LockSpace::Range => Ok(Claim { owner, lock }),
        }
    }

    fn conflicts(&self, other: &Claim) -> bool {
        self.owner != other.owner
            && self.lock.start <= other.lock.end
            && other.lock.start <= self.lock.end
            && (self.lock.kind == LockKind::Write || other.lock.kind == LockKind::Write)
    }
}

/// A request that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WaitId {
    inode: InodeId,
    space: LockSpace,
    number: u64,
}

impl WaitId {
    /// The inode that the lock is on.
    pub(crate) fn on(self) -> InodeId {
        self.inode
    }

    /// Its number among the waits of the branch: never 0. With the inode and the space it is the whole.
    pub(crate) fn number(self) -> u64 {
        self.number
    }

    pub(crate) fn from_number(inode: InodeId, space: LockSpace, number: u64) -> WaitId {
        WaitId { inode, space, number }
    }
}

/// How a waiter learns how its wait ended. Called once, without any lock of the table held.
pub(crate) type Done = Box<dyn FnOnce(Result<()>) + Send>;
/// Waits that ended during a change, to be told after it.
pub(crate) type Ended = Vec<(Done, Result<()>)>;

/// What the locks of an inode take of a shard, which is three quarters full on average.
const ENTRY_BYTES: usize = (size_of::<(InodeId, Box<InodeLocks>)>() + 1) * 4 / 3;

/// What is held and waited for on one inode.
#[derive(Default)]
struct InodeLocks {
    range: Space,
    whole: Space,
}

impl InodeLocks {
    fn space(&mut self, space: LockSpace) -> &mut Space {
        match space {
            LockSpace::Range => &mut self.range,
            LockSpace::Whole => &mut self.whole,
        }
    }

    fn is_empty(&self) -> bool {
        self.range.is_empty() && self.whole.is_empty()
    }

    /// What they take of the heap, with their entry in the table.
    fn bytes(&self) -> usize {
        let InodeLocks { range, whole } = self;
        ENTRY_BYTES + heap_bytes(size_of::<InodeLocks>()) + range.heap_bytes() + whole.heap_bytes()
    }
}

type Shard = CachePadded<Mutex<HashMap<InodeId, Box<InodeLocks>>>>;

/// The advisory locks of one branch.
pub(crate) struct LockTable {
    /// Made by the first lock: most branches never see one.
    shards: OnceLock<Box<[Shard; SHARDS]>>,
    graph: Mutex<WaitGraph>,
    quota: Quota,
    next_wait: AtomicU64,
    ledger: Ledger,
}

impl LockTable {
    /// Whoever takes a lock has asked before whether there is memory for it.
    pub(crate) fn new(ledger: Ledger) -> LockTable {
        LockTable::with_limit(LOCKS, ledger)
    }

    pub(crate) fn with_limit(locks: usize, ledger: Ledger) -> LockTable {
        LockTable {
            shards: OnceLock::new(),
            graph: Mutex::new(WaitGraph::new(ledger)),
            quota: Quota { used: AtomicUsize::new(0), limit: locks },
            next_wait: AtomicU64::new(1),
            ledger,
        }
    }

    /// The first lock, by its start, that stands against this one: F_GETLK. What the owner itself holds never does,
    /// and nothing stands against a range that ends before it starts.
    pub(crate) fn test(&self, inode: InodeId, space: LockSpace, owner: u64, lock: Lock) -> Option<Conflict> {
        let claim = Claim::new(space, owner, lock).ok()?;
        let mut shard = self.used_shard(inode)?;
        shard.get_mut(&inode)?.space(space).first_conflict(&claim)
    }

    /// Takes the lock or answers [`Error::WouldBlock`]: F_SETLK, LOCK_NB. What the owner holds of the range becomes
    /// this lock in one step; when that is refused it keeps what it had.
    pub(crate) fn set(&self, inode: InodeId, space: LockSpace, owner: u64, lock: Lock) -> Result<()> {
        let mut ended = Vec::new();
        let answer = self.set_untold(inode, space, owner, lock, &mut ended);
        tell(ended);
        answer
    }

    /// As [`LockTable::set`], for who tells of ended waits himself: see [`LockTable::unlock_untold`].
    pub(crate) fn set_untold(
        &self,
        inode: InodeId,
        space: LockSpace,
        owner: u64,
        lock: Lock,
        ended: &mut Ended,
    ) -> Result<()> {
        let claim = Claim::new(space, owner, lock)?;
        self.change_or_make(inode, ended, |locks, ended| {
            let at = locks.space(space);
            if at.first_conflict(&claim).is_some() {
                return Err(Error::WouldBlock);
            }
            at.hold(&claim, &self.quota)?;
            self.settle(space, at, ended);
            Ok(())
        })
    }

    /// Gives up what the owner holds of the range: F_UNLCK, LOCK_UN. Fails only with [`Error::Limit`], when a
    /// hole in a range would need one more entry than the table may have.
    pub(crate) fn unlock(&self, inode: InodeId, space: LockSpace, owner: u64, start: u64, end: u64) -> Result<()> {
        let mut ended = Vec::new();
        let answer = self.unlock_untold(inode, space, owner, start, end, &mut ended);
        tell(ended);
        answer
    }

    /// As [`LockTable::unlock`], by somebody who holds locks that callbacks may want: the waits that ended are left to him to
    /// [`tell`] of.
    pub(crate) fn unlock_untold(
        &self,
        inode: InodeId,
        space: LockSpace,
        owner: u64,
        start: u64,
        end: u64,
        ended: &mut Ended,
    ) -> Result<()> {
        let lock = Lock { kind: LockKind::Read, start, end, pid: 0 };
        let claim = Claim::new(space, owner, lock)?;
        self.change_untold(inode, ended, |locks, ended| {
            let at = locks.space(space);
            at.drop_range(&claim, &self.quota)?;
            self.settle(space, at, ended);
            Ok(())
        })
        .unwrap_or(Ok(()))
    }

    /// Takes the lock, now (`None`, and `done` is dropped uncalled) or later (`Some`, and `done` is called once,
    /// perhaps before this returns): F_SETLKW, flock(2). On an error `done` is not called. A range that could never be
    /// granted is [`Error::Deadlock`], now or when another's change makes it so.
    ///
    /// A whole-file lock that has to wait is given up first, as flock(2) says of conversions: two readers that both
    /// want to write would wait for each other for ever.
    pub(crate) fn wait(
        &self,
        inode: InodeId,
        space: LockSpace,
        owner: u64,
        lock: Lock,
        done: Done,
    ) -> Result<Option<WaitId>> {
        let claim = Claim::new(space, owner, lock)?;
        // Dropping an uncalled callback may run code of the host: not before the shard is free again.
        let mut done = Some(done);
        self.change(inode, |locks, ended| {
            let at = locks.space(space);
            let number = self.next_wait.fetch_add(1, Ordering::Relaxed);
            let waits = self.must_wait(space, at, &claim, number)?;
            if waits {
                self.enqueue(space, at, claim, number, &mut done)?;
            } else {
                at.hold(&claim, &self.quota)?;
                at.count_overtaking(&claim);
            }
            self.settle(space, at, ended);
            Ok(waits.then_some(WaitId { inode, space, number }))
        })
    }

    /// Ends a wait with [`Error::Cancelled`]. False when it has ended already: then its callback says how.
    pub(crate) fn cancel(&self, wait: WaitId) -> bool {
        let cancelled = self.change_used(wait.inode, |locks, ended| {
            let at = locks.space(wait.space);
            let Some(waiter) = at.dequeue(wait.number) else { return false };
            self.end(waiter, Err(Error::Cancelled), ended);
            self.settle(wait.space, at, ended);
            true
        });
        cancelled.unwrap_or(false)
    }

    /// Gives up all that the owner holds of the inode in the space: close(2) by a process. Its waits go on: another
    /// thread of the owner may stand in them.
    pub(crate) fn release_owner(&self, inode: InodeId, space: LockSpace, owner: u64) {
        self.change_used(inode, |locks, ended| {
            let at = locks.space(space);
            at.drop_owner(owner, &self.quota);
            self.settle(space, at, ended);
        });
    }

    /// For an owner that will never come back, as when its handle is gone: ends its waits on the inode with
    /// [`Error::Cancelled`], then gives up what it holds there. Otherwise a wait could be granted to nobody, who
    /// never unlocks.
    pub(crate) fn forget_owner(&self, inode: InodeId, space: LockSpace, owner: u64) {
        self.change_used(inode, |locks, ended| {
            let at = locks.space(space);
            for waiter in at.dequeue_owner(owner) {
                self.end(waiter, Err(Error::Cancelled), ended);
            }
            at.drop_owner(owner, &self.quota);
            self.settle(space, at, ended);
        });
    }

    /// Whether the claim has to wait; if so, and if it is for a range, the graph knows of it now.
    fn must_wait(&self, space: LockSpace, at: &Space, claim: &Claim, number: u64) -> Result<bool> {
        let held_against = at.first_conflict(claim).is_some();
        if at.covers(claim) || !held_against && !at.is_barred(claim, at.waiters().len()) {
            return Ok(false);
        }
        if space == LockSpace::Whole {
            return Ok(true);
        }
        let mut graph = self.graph.lock();
        graph.set(claim.owner, number, at.blockers(claim, at.waiters().len()));
        if !graph.is_deadlocked(claim.owner, number) {
            return Ok(true);
        }
        graph.remove(claim.owner, number);
        // Only waiters stand against it, and they wait for it in turn: let it pass.
        if held_against { Err(Error::Deadlock) } else { Ok(false) }
    }

    fn enqueue(
        &self,
        space: LockSpace,
        at: &mut Space,
        claim: Claim,
        number: u64,
        done: &mut Option<Done>,
    ) -> Result<()> {
        if let Err(limit) = self.quota.take(1) {
            self.graph.lock().remove(claim.owner, number);
            return Err(limit);
        }
        if space == LockSpace::Whole {
            at.drop_owner(claim.owner, &self.quota);
        }
        let done = done.take().expect("invariant: a wait is queued once");
        at.enqueue(Waiter::new(number, claim, done));
        Ok(())
    }

    /// After any change: grants what can be granted now, refuses what can never be any more.
    fn settle(&self, space: LockSpace, at: &mut Space, ended: &mut Ended) {
        while self.grant(at, ended) || space == LockSpace::Range && self.refuse_deadlocked(at, ended) {}
    }

    fn grant(&self, at: &mut Space, ended: &mut Ended) -> bool {
        let granted = at.take_grantable(&self.quota);
        let any = !granted.is_empty();
        for (waiter, result) in granted {
            self.end(waiter, result, ended);
        }
        any
    }

    /// Refuses the waits that somebody new blocks and that come back to their own owner by that.
    fn refuse_deadlocked(&self, at: &mut Space, ended: &mut Ended) -> bool {
        if at.waiters().is_empty() {
            return false;
        }
        let mut graph = self.graph.lock();
        let mut moved = false;
        for (owner, number) in at.refresh_edges(&mut graph) {
            if !graph.is_deadlocked(owner, number) {
                continue;
            }
            moved = true;
            if !at.let_pass(number)
                && let Some(waiter) = at.dequeue(number)
            {
                self.quota.give(1);
                graph.remove(owner, number);
                ended.push((waiter.done, Err(Error::Deadlock)));
            }
            // What it blocked by its place is free of it, and must not be found deadlocked by an edge that is gone.
            at.refresh_edges(&mut graph);
        }
        moved
    }

    fn end(&self, waiter: Waiter, result: Result<()>, ended: &mut Ended) {
        self.quota.give(1);
        self.graph.lock().remove(waiter.claim.owner, waiter.number);
        ended.push((waiter.done, result));
    }

    /// Changes an inode's locks, then tells the waiters whose wait ended.
    fn change<R>(&self, inode: InodeId, act: impl FnOnce(&mut InodeLocks, &mut Ended) -> R) -> R {
        let mut ended = Vec::new();
        let answer = self.change_or_make(inode, &mut ended, act);
        tell(ended);
        answer
    }

    fn change_or_make<R>(
        &self,
        inode: InodeId,
        ended: &mut Ended,
        act: impl FnOnce(&mut InodeLocks, &mut Ended) -> R,
    ) -> R {
        let shards = self.shards.get_or_init(Default::default);
        let mut shard = shards[shard_of(inode, SHARDS)].lock();
        let before = shard.get(&inode).map_or(0, |locks| locks.bytes());
        shard.entry(inode).or_default();
        self.act_on(&mut shard, inode, before, |locks| act(locks, ended)).expect("invariant: what was made is there")
    }

    /// As [`LockTable::change`], but `None` for an inode without locks.
    fn change_used<R>(&self, inode: InodeId, act: impl FnOnce(&mut InodeLocks, &mut Ended) -> R) -> Option<R> {
        let mut ended = Vec::new();
        let answer = self.change_untold(inode, &mut ended, act);
        tell(ended);
        answer
    }

    fn change_untold<R>(
        &self,
        inode: InodeId,
        ended: &mut Ended,
        act: impl FnOnce(&mut InodeLocks, &mut Ended) -> R,
    ) -> Option<R> {
        let mut shard = self.used_shard(inode)?;
        let before = shard.get(&inode)?.bytes();
        self.act_on(&mut shard, inode, before, |locks| act(locks, ended))
    }

    /// Changes the locks of an inode, which took so many bytes before; `None` if it has none.
    fn act_on<R>(
        &self,
        shard: &mut HashMap<InodeId, Box<InodeLocks>>,
        inode: InodeId,
        before: usize,
        act: impl FnOnce(&mut InodeLocks) -> R,
    ) -> Option<R> {
        let locks = shard.get_mut(&inode)?;
        let answer = act(locks);
        let now = if locks.is_empty() { 0 } else { locks.bytes() };
        if now == 0 {
            remove(shard, inode);
        }
        self.ledger.recount(Kind::References, before, now);
        Some(answer)
    }

    fn used_shard(&self, inode: InodeId) -> Option<MutexGuard<'_, HashMap<InodeId, Box<InodeLocks>>>> {
        self.shards.get().map(|shards| shards[shard_of(inode, SHARDS)].lock())
    }
}

impl Drop for LockTable {
    fn drop(&mut self) {
        let shards = self.shards.get_mut().into_iter().flat_map(|shards| shards.iter_mut());
        let left = shards.flat_map(|shard| shard.get_mut().values().map(|locks| locks.bytes()).collect::<Vec<_>>());
        self.ledger.sub(Kind::References, left.sum());
    }
}

fn remove(shard: &mut HashMap<InodeId, Box<InodeLocks>>, inode: InodeId) {
    shard.remove(&inode);
    if shard.is_empty() && shard.capacity() > IDLE_INODES {
        *shard = HashMap::new();
    }
}

pub(crate) fn tell(ended: Ended) {
    for (done, result) in ended {
        done(result);
    }
}

/// How many ranges and waiters the table has, and may have.
struct Quota {
    used: AtomicUsize,
    limit: usize,
}

impl Quota {
    fn take(&self, count: usize) -> Result<()> {
        let more = |used: usize| used.checked_add(count).filter(|&sum| sum <= self.limit);
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.map(drop).map_err(|_| Error::Limit("locks of one branch"))
    }

    fn give(&self, count: usize) {
        self.used.fetch_sub(count, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
