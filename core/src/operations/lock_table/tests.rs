//! What a user of the table sees, as sentences; the model that knows only bytes is in [`model`].

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::*;
use crate::tree::table::ID_BLOCK;

mod model;

const FILE: InodeId = InodeId(7);
const OTHER: InodeId = InodeId(8);
const A: u64 = 1;
const B: u64 = 2;
const C: u64 = 3;
use LockKind::{Read, Write};
use LockSpace::{Range, Whole};

fn lock(kind: LockKind, start: u64, end: u64) -> Lock {
    Lock { kind, start, end, pid: 42 }
}

fn whole(kind: LockKind) -> Lock {
    lock(kind, 0, u64::MAX)
}

type Said<Name> = Vec<(Name, Result<()>)>;

/// What waits were told, in order, each by its name.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Said<&'static str>>>);

impl Told {
    fn done(&self, name: &'static str) -> Done {
        let told = self.0.clone();
        Box::new(move |result| told.lock().push((name, result)))
    }

    fn take(&self) -> Said<&'static str> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl LockTable {
    fn held(&self, inode: InodeId, space: LockSpace, owner: u64) -> Vec<(LockKind, u64, u64)> {
        let Some(mut shard) = self.used_shard(inode) else { return Vec::new() };
        let Some(locks) = shard.get_mut(&inode) else { return Vec::new() };
        assert!(locks.space(space).sums_up());
        locks.space(space).held_by(owner).iter().map(|held| (held.kind, held.start, held.end)).collect()
    }

    fn waiting(&self, inode: InodeId, space: LockSpace) -> Vec<u64> {
        let Some(mut shard) = self.used_shard(inode) else { return Vec::new() };
        shard.get_mut(&inode).map(|locks| locks.space(space).numbers()).unwrap_or_default()
    }

    fn used(&self) -> usize {
        self.quota.used.load(Ordering::Relaxed)
    }

    fn assert_unused(&self) {
        assert_eq!(self.used(), 0);
        assert!(self.graph.lock().is_empty());
        for shard in self.shards.get().into_iter().flat_map(|shards| shards.iter()) {
            assert!(shard.lock().is_empty());
        }
    }
}

#[test]
fn an_owners_ranges_split_and_merge_as_posix_says() {
    type Held = &'static [(LockKind, u64, u64)];
    // What is held before; what is set (None: unlocked) and where; what is held then.
    let table: &[(Held, Option<LockKind>, u64, u64, Held)] = &[
        (&[], Some(Read), 3, 5, &[(Read, 3, 5)]),
        (&[(Read, 0, 9)], Some(Read), 3, 5, &[(Read, 0, 9)]),
        (&[(Read, 0, 9)], Some(Write), 3, 5, &[(Read, 0, 2), (Write, 3, 5), (Read, 6, 9)]),
        (&[(Read, 0, 9)], None, 3, 5, &[(Read, 0, 2), (Read, 6, 9)]),
        (&[(Read, 0, 9)], None, 0, 5, &[(Read, 6, 9)]),
        (&[(Read, 0, 9)], None, 6, 20, &[(Read, 0, 5)]),
        (&[(Read, 0, 9)], None, 0, 9, &[]),
        (&[(Read, 2, 9)], Some(Write), 0, 9, &[(Write, 0, 9)]),
        (&[(Read, 0, 2), (Read, 6, 9)], Some(Read), 3, 5, &[(Read, 0, 9)]),
        (&[(Read, 0, 2), (Read, 6, 9)], Some(Write), 3, 5, &[(Read, 0, 2), (Write, 3, 5), (Read, 6, 9)]),
        (&[(Read, 0, 2), (Write, 6, 9)], Some(Read), 3, 5, &[(Read, 0, 5), (Write, 6, 9)]),
        (&[(Read, 0, 2), (Write, 6, 9)], Some(Write), 2, 5, &[(Read, 0, 1), (Write, 2, 9)]),
        (&[(Read, 0, 2), (Write, 4, 5), (Read, 7, 9)], Some(Read), 2, 7, &[(Read, 0, 9)]),
        (&[(Read, 0, 2), (Write, 4, 5), (Read, 7, 9)], None, 1, 8, &[(Read, 0, 0), (Read, 9, 9)]),
        (&[(Read, 0, 3), (Write, 4, 7)], Some(Read), 4, 7, &[(Read, 0, 7)]),
        (&[(Write, 0, u64::MAX)], Some(Read), 0, 4, &[(Read, 0, 4), (Write, 5, u64::MAX)]),
        (&[(Read, 0, 4)], Some(Read), 5, u64::MAX, &[(Read, 0, u64::MAX)]),
        (&[(Read, 5, u64::MAX)], None, u64::MAX, u64::MAX, &[(Read, 5, u64::MAX - 1)]),
        (&[(Read, 5, 9)], None, 0, 4, &[(Read, 5, 9)]),
        (&[(Read, 5, 9)], None, 10, 12, &[(Read, 5, 9)]),
    ];
    for &(before, kind, start, end, after) in table {
        let locks = LockTable::new(Ledger::of_tests());
        for &(kind, start, end) in before {
            locks.set(FILE, Range, A, lock(kind, start, end)).unwrap();
        }
        match kind {
            Some(kind) => locks.set(FILE, Range, A, lock(kind, start, end)).unwrap(),
            None => locks.unlock(FILE, Range, A, start, end).unwrap(),
        }
        assert_eq!(locks.held(FILE, Range, A), after, "{before:?} {kind:?} {start}..={end}");
        assert_eq!(locks.used(), after.len());
        locks.release_owner(FILE, Range, A);
        locks.assert_unused();
    }
}

#[test]
fn readers_share_and_a_writer_is_alone() {
    let locks = LockTable::new(Ledger::of_tests());
    locks.set(FILE, Range, A, lock(Read, 0, 9)).unwrap();
    locks.set(FILE, Range, B, lock(Read, 5, 15)).unwrap();
    assert_eq!(locks.set(FILE, Range, A, lock(Write, 0, 9)), Err(Error::WouldBlock));
    assert_eq!(locks.held(FILE, Range, A), [(Read, 0, 9)]);
    locks.set(FILE, Range, A, lock(Write, 0, 4)).unwrap();
    assert_eq!(locks.held(FILE, Range, A), [(Write, 0, 4), (Read, 5, 9)]);
    locks.set(OTHER, Range, C, whole(Write)).unwrap();
    locks.set(FILE, Whole, C, whole(Write)).unwrap();
}

#[test]
fn test_names_the_first_lock_that_stands_against_and_its_owner() {
    let locks = LockTable::new(Ledger::of_tests());
    assert_eq!(locks.test(FILE, Range, C, whole(Write)), None);
    locks.set(FILE, Range, A, lock(Read, 10, 19)).unwrap();
    locks.set(FILE, Range, B, lock(Write, 0, 4)).unwrap();
    let found = |owner, wanted| locks.test(FILE, Range, owner, wanted);
    assert_eq!(found(C, whole(Write)), Some(Conflict { owner: B, lock: lock(Write, 0, 4) }));
    assert_eq!(found(C, lock(Write, 5, 30)), Some(Conflict { owner: A, lock: lock(Read, 10, 19) }));
    assert_eq!(found(C, lock(Read, 5, 30)), None);
    assert_eq!(found(B, lock(Read, 0, 30)), None);
    assert_eq!(locks.test(FILE, Whole, C, whole(Write)), None);
}

#[test]
fn a_range_that_ends_before_it_starts_is_invalid() {
    let locks = LockTable::new(Ledger::of_tests());
    let bad = lock(Read, 5, 4);
    assert!(matches!(locks.set(FILE, Range, A, bad), Err(Error::Invalid(_))));
    assert_eq!(locks.test(FILE, Range, A, bad), None);
    assert!(matches!(locks.unlock(FILE, Range, A, 5, 4), Err(Error::Invalid(_))));
    assert!(matches!(locks.wait(FILE, Range, A, bad, Box::new(|_| ())), Err(Error::Invalid(_))));
    locks.assert_unused();
}

#[test]
fn a_table_that_was_only_asked_has_no_memory() {
    let locks = LockTable::new(Ledger::of_tests());
    assert_eq!(locks.test(FILE, Range, A, whole(Write)), None);
    locks.unlock(FILE, Range, A, 0, 9).unwrap();
    locks.release_owner(FILE, Range, A);
    assert!(locks.shards.get().is_none());
}

#[test]
fn a_shard_gives_its_memory_back_when_its_last_lock_goes() {
    let locks = LockTable::new(Ledger::of_tests());
    for id in 0..1000 {
        locks.set(InodeId(id * ID_BLOCK * SHARDS as u64), Whole, A, whole(Write)).unwrap();
    }
    for id in 0..1000 {
        locks.unlock(InodeId(id * ID_BLOCK * SHARDS as u64), Whole, A, 0, 0).unwrap();
    }
    assert!(locks.shards.get().unwrap()[0].lock().capacity() <= IDLE_INODES);
    locks.assert_unused();
}

#[test]
fn a_wait_that_nothing_stands_against_is_granted_at_once_and_says_nothing() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    assert_eq!(locks.wait(FILE, Range, A, lock(Write, 0, 9), told.done("a")), Ok(None));
    assert_eq!(locks.held(FILE, Range, A), [(Write, 0, 9)]);
    assert_eq!(told.take(), []);
}

#[test]
fn a_wait_is_granted_when_the_last_conflict_goes() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    locks.set(FILE, Range, A, lock(Read, 0, 4)).unwrap();
    locks.set(FILE, Range, C, lock(Read, 8, 9)).unwrap();
    assert!(locks.wait(FILE, Range, B, lock(Write, 0, 9), told.done("b")).unwrap().is_some());
    locks.unlock(FILE, Range, A, 0, 4).unwrap();
    assert_eq!(told.take(), []);
    locks.unlock(FILE, Range, C, 9, 9).unwrap();
    assert_eq!(told.take(), []);
    locks.release_owner(FILE, Range, C);
    assert_eq!(told.take(), [("b", Ok(()))]);
    assert_eq!(locks.held(FILE, Range, B), [(Write, 0, 9)]);
    locks.release_owner(FILE, Range, B);
    locks.assert_unused();
}

#[test]
fn a_downgrade_lets_waiting_readers_in() {
    for space in [Range, Whole] {
        let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
        locks.set(FILE, space, A, whole(Write)).unwrap();
        locks.wait(FILE, space, B, whole(Read), told.done("b")).unwrap();
        locks.wait(FILE, space, C, whole(Read), told.done("c")).unwrap();
        locks.set(FILE, space, A, whole(Read)).unwrap();
        assert_eq!(told.take(), [("b", Ok(())), ("c", Ok(()))]);
    }
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    locks.set(FILE, Range, A, whole(Write)).unwrap();
    for (owner, name) in [(11, "first"), (12, "second"), (13, "third")] {
        locks.wait(FILE, Range, owner, whole(Write), told.done(name)).unwrap();
    }
    for (owner, name) in [(A, "first"), (11, "second"), (12, "third")] {
        locks.release_owner(FILE, Range, owner);
        assert_eq!(told.take(), [(name, Ok(()))]);
    }
}

#[test]
fn a_waiting_writer_is_overtaken_by_so_many_readers_and_no_more() {
    for space in [Range, Whole] {
        let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
        locks.set(FILE, space, A, whole(Read)).unwrap();
        locks.wait(FILE, space, B, whole(Write), told.done("writer")).unwrap();
        let reader = |nth: u64| 100 + nth;
        for nth in 0..u64::from(LOCK_OVERTAKES) {
            let answer = locks.wait(FILE, space, reader(nth), whole(Read), told.done("early"));
            assert_eq!(answer, Ok(None), "{nth}");
        }
        let late = locks.wait(FILE, space, C, whole(Read), told.done("late")).unwrap();
        assert!(late.is_some());
        locks.release_owner(FILE, space, A);
        for nth in 0..u64::from(LOCK_OVERTAKES) {
            assert_eq!(told.take(), []);
            locks.release_owner(FILE, space, reader(nth));
        }
        assert_eq!(told.take(), [("writer", Ok(()))]);
        locks.release_owner(FILE, space, B);
        assert_eq!(told.take(), [("late", Ok(()))]);
    }
}

/// A writer that nobody may overtake any more: B waits for A on FILE.
fn barred(told: &Told) -> LockTable {
    let locks = LockTable::new(Ledger::of_tests());
    locks.set(FILE, Range, A, whole(Read)).unwrap();
    locks.wait(FILE, Range, B, whole(Write), told.done("writer")).unwrap();
    for reader in 0..u64::from(LOCK_OVERTAKES) {
        locks.wait(FILE, Range, 100 + reader, whole(Read), told.done("early")).unwrap();
        locks.release_owner(FILE, Range, 100 + reader);
    }
    locks
}

#[test]
fn who_would_deadlock_by_keeping_its_place_in_the_queue_passes() {
    let told = Told::default();
    let locks = barred(&told);
    // What A holds already, and more: to queue behind B, which waits for A, would never end.
    locks.unlock(FILE, Range, A, 10, 19).unwrap();
    assert_eq!(locks.wait(FILE, Range, A, whole(Read), told.done("a")), Ok(None));
    assert_eq!(told.take(), []);
}

#[test]
fn who_holds_a_lock_already_need_not_queue_for_it() {
    let told = Told::default();
    let locks = barred(&told);
    assert_eq!(locks.wait(FILE, Range, A, lock(Read, 3, 4), told.done("a")), Ok(None));
}

#[test]
fn cancelling_who_bars_the_way_lets_the_others_in() {
    let told = Told::default();
    let locks = barred(&told);
    let number = locks.waiting(FILE, Range)[0];
    assert!(locks.wait(FILE, Range, C, whole(Read), told.done("c")).unwrap().is_some());
    assert!(locks.cancel(WaitId { inode: FILE, space: Range, number }));
    assert_eq!(told.take(), [("writer", Err(Error::Cancelled)), ("c", Ok(()))]);
}

#[test]
fn a_cancelled_wait_says_so_once_and_holds_nothing() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    locks.set(FILE, Whole, A, whole(Write)).unwrap();
    let wait = locks.wait(FILE, Whole, B, whole(Write), told.done("b")).unwrap().unwrap();
    assert!(locks.cancel(wait));
    assert!(!locks.cancel(wait));
    assert_eq!(told.take(), [("b", Err(Error::Cancelled))]);
    locks.release_owner(FILE, Whole, A);
    assert_eq!(told.take(), []);
    locks.assert_unused();
    assert!(!locks.cancel(wait));
}

#[test]
fn a_granted_wait_can_no_longer_be_cancelled() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    locks.set(FILE, Range, A, whole(Write)).unwrap();
    let wait = locks.wait(FILE, Range, B, whole(Write), told.done("b")).unwrap().unwrap();
    locks.release_owner(FILE, Range, A);
    assert!(!locks.cancel(wait));
    assert_eq!(told.take(), [("b", Ok(()))]);
}

#[test]
fn two_owners_that_would_wait_for_each_other_are_told_so() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    locks.set(FILE, Range, A, lock(Write, 0, 0)).unwrap();
    locks.set(OTHER, Range, B, lock(Write, 0, 0)).unwrap();
    assert!(locks.wait(OTHER, Range, A, lock(Write, 0, 0), told.done("a")).unwrap().is_some());
    assert_eq!(locks.wait(FILE, Range, B, lock(Read, 0, 0), told.done("b")), Err(Error::Deadlock));
    locks.release_owner(OTHER, Range, B);
    assert_eq!(told.take(), [("a", Ok(()))]);
}

#[test]
fn three_owners_in_a_ring_are_a_deadlock_and_in_a_row_are_not() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    for (owner, at) in [(A, 0), (B, 1), (C, 2)] {
        locks.set(FILE, Range, owner, lock(Write, at, at)).unwrap();
    }
    assert!(locks.wait(FILE, Range, A, lock(Write, 1, 1), told.done("a")).unwrap().is_some());
    assert!(locks.wait(FILE, Range, B, lock(Write, 2, 2), told.done("b")).unwrap().is_some());
    assert_eq!(locks.wait(FILE, Range, C, lock(Write, 0, 0), told.done("c")), Err(Error::Deadlock));
    locks.release_owner(FILE, Range, C);
    assert_eq!(told.take(), [("b", Ok(()))]);
    locks.release_owner(FILE, Range, B);
    assert_eq!(told.take(), [("a", Ok(()))]);
}

#[test]
fn two_readers_that_both_want_to_write_a_range_are_a_deadlock() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    locks.set(FILE, Range, A, whole(Read)).unwrap();
    locks.set(FILE, Range, B, whole(Read)).unwrap();
    assert!(locks.wait(FILE, Range, A, whole(Write), told.done("a")).unwrap().is_some());
    assert_eq!(locks.wait(FILE, Range, B, whole(Write), told.done("b")), Err(Error::Deadlock));
    locks.release_owner(FILE, Range, B);
    assert_eq!(told.take(), [("a", Ok(()))]);
}

#[test]
fn a_wait_that_anothers_new_lock_makes_endless_is_ended() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    // A waits for C; B, in one thread, waits for A; in another, it takes what A will need.
    locks.set(FILE, Range, C, lock(Read, 0, 0)).unwrap();
    locks.set(OTHER, Range, A, lock(Write, 0, 0)).unwrap();
    locks.wait(FILE, Range, A, lock(Write, 0, 9), told.done("a")).unwrap();
    locks.wait(OTHER, Range, B, lock(Write, 0, 0), told.done("b")).unwrap();
    assert_eq!(told.take(), []);
    locks.set(FILE, Range, B, lock(Read, 5, 5)).unwrap();
    assert_eq!(told.take(), [("a", Err(Error::Deadlock))]);
}

#[test]
fn whole_file_locks_find_no_deadlocks() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    locks.set(FILE, Whole, A, whole(Write)).unwrap();
    locks.set(OTHER, Whole, B, whole(Write)).unwrap();
    assert!(locks.wait(OTHER, Whole, A, whole(Write), told.done("a")).unwrap().is_some());
    let wait = locks.wait(FILE, Whole, B, whole(Write), told.done("b")).unwrap().unwrap();
    assert!(locks.cancel(wait));
}

#[test]
fn two_readers_that_both_want_to_write_a_whole_file_take_turns() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    locks.set(FILE, Whole, A, whole(Read)).unwrap();
    locks.set(FILE, Whole, B, whole(Read)).unwrap();
    assert!(locks.wait(FILE, Whole, A, whole(Write), told.done("a")).unwrap().is_some());
    assert_eq!(locks.held(FILE, Whole, A), []);
    // A has given up reading, so nothing stands against B.
    assert_eq!(locks.wait(FILE, Whole, B, whole(Write), told.done("b")), Ok(None));
    locks.unlock(FILE, Whole, B, 0, u64::MAX).unwrap();
    assert_eq!(told.take(), [("a", Ok(()))]);
}

#[test]
fn a_refused_conversion_keeps_the_lock_that_was_held() {
    let locks = LockTable::new(Ledger::of_tests());
    locks.set(FILE, Whole, A, whole(Read)).unwrap();
    locks.set(FILE, Whole, B, whole(Read)).unwrap();
    assert_eq!(locks.set(FILE, Whole, A, whole(Write)), Err(Error::WouldBlock));
    assert_eq!(locks.held(FILE, Whole, A), [(Read, 0, u64::MAX)]);
}

#[test]
fn releasing_an_owner_leaves_its_waits_and_forgetting_it_does_not() {
    let (locks, told) = (LockTable::new(Ledger::of_tests()), Told::default());
    locks.set(FILE, Range, A, lock(Write, 0, 0)).unwrap();
    locks.set(FILE, Range, B, lock(Write, 1, 1)).unwrap();
    locks.set(FILE, Whole, B, whole(Read)).unwrap();
    locks.wait(FILE, Range, B, lock(Write, 0, 0), told.done("b")).unwrap();
    locks.release_owner(FILE, Whole, B);
    assert_eq!(locks.held(FILE, Range, B), [(Write, 1, 1)]);
    locks.release_owner(FILE, Range, B);
    assert_eq!(locks.held(FILE, Range, B), []);
    assert_eq!(told.take(), []);
    locks.forget_owner(FILE, Range, B);
    assert_eq!(told.take(), [("b", Err(Error::Cancelled))]);
    locks.release_owner(FILE, Range, A);
    locks.assert_unused();
}

#[test]
fn the_table_holds_as_much_as_its_limit_and_no_more() {
    let locks = LockTable::with_limit(3, Ledger::of_tests());
    locks.set(FILE, Range, A, lock(Write, 0, 9)).unwrap();
    assert_eq!(locks.set(FILE, Range, A, lock(Read, 2, 3)), Ok(()));
    assert!(matches!(locks.set(FILE, Range, A, lock(Read, 6, 7)), Err(Error::Limit(_))));
    assert!(matches!(locks.unlock(FILE, Range, A, 6, 7), Err(Error::Limit(_))));
    assert!(matches!(locks.wait(FILE, Range, B, lock(Read, 0, 0), Box::new(|_| ())), Err(Error::Limit(_))));
    assert!(matches!(locks.set(OTHER, Whole, B, whole(Read)), Err(Error::Limit(_))));
    assert_eq!(locks.held(FILE, Range, A), [(Write, 0, 1), (Read, 2, 3), (Write, 4, 9)]);
    assert!(locks.graph.lock().is_empty());
    locks.unlock(FILE, Range, A, 0, 1).unwrap();
    locks.set(OTHER, Whole, B, whole(Read)).unwrap();
    locks.release_owner(FILE, Range, A);
    locks.release_owner(OTHER, Whole, B);
    locks.assert_unused();
}

#[test]
fn a_callback_may_call_the_table() {
    let locks = Arc::new(LockTable::new(Ledger::of_tests()));
    locks.set(FILE, Range, A, whole(Write)).unwrap();
    let (sender, granted) = mpsc::channel();
    let again = locks.clone();
    let done = Box::new(move |result: Result<()>| {
        again.release_owner(FILE, Range, B);
        again.set(FILE, Range, C, whole(Write)).unwrap();
        sender.send(result).unwrap();
    });
    locks.wait(FILE, Range, B, whole(Write), done).unwrap();
    locks.release_owner(FILE, Range, A);
    assert_eq!(granted.try_recv(), Ok(Ok(())));
    assert_eq!(locks.held(FILE, Range, C), [(Write, 0, u64::MAX)]);
}

/// Locks as a process does that waits: blocks until the callback has come.
fn lock_blocking(locks: &LockTable, inode: InodeId, space: LockSpace, owner: u64, wanted: Lock) -> Result<()> {
    let (sender, told) = mpsc::channel();
    let done = Box::new(move |result| sender.send(result).unwrap());
    match locks.wait(inode, space, owner, wanted, done)? {
        None => Ok(()),
        Some(_) => told.recv_timeout(Duration::from_secs(120)).expect("a wait never ended"),
    }
}

#[test]
fn many_threads_exclude_each_other_and_none_starves() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 400;
    let locks = LockTable::new(Ledger::of_tests());
    let inside: [AtomicUsize; 3] = Default::default();
    std::thread::scope(|scope| {
        for owner in 1..=THREADS {
            let (locks, inside) = (&locks, &inside);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let (space, at) = if round % 3 == 0 { (Whole, 2) } else { (Range, (round + owner) % 2) };
                    let kind = if (round * 7 + owner) % 4 == 0 { Write } else { Read };
                    lock_blocking(locks, FILE, space, owner, lock(kind, at * 10, at * 10 + 9)).unwrap();
                    let step = if kind == Write { 1000 } else { 1 };
                    let before = inside[at as usize].fetch_add(step, Ordering::SeqCst);
                    assert!(before < 1000 && (kind == Read || before == 0), "{before}");
                    inside[at as usize].fetch_sub(step, Ordering::SeqCst);
                    locks.unlock(FILE, space, owner, at * 10, at * 10 + 9).unwrap();
                }
            });
        }
    });
    locks.assert_unused();
}

#[test]
fn threads_that_take_locks_in_any_order_are_never_stuck() {
    let locks = LockTable::new(Ledger::of_tests());
    std::thread::scope(|scope| {
        for owner in 1..=4u64 {
            let locks = &locks;
            scope.spawn(move || {
                for round in 0..500 {
                    let (first, second) = if (round + owner) % 2 == 0 { (FILE, OTHER) } else { (OTHER, FILE) };
                    lock_blocking(locks, first, Range, owner, whole(Write)).unwrap();
                    let answer = lock_blocking(locks, second, Range, owner, whole(Write));
                    assert!(matches!(answer, Ok(()) | Err(Error::Deadlock)), "{answer:?}");
                    locks.release_owner(second, Range, owner);
                    locks.release_owner(first, Range, owner);
                }
            });
        }
    });
    locks.assert_unused();
}
