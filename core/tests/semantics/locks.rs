//! Advisory locks: byte ranges and whole files.

use std::sync::mpsc;
use std::time::Duration;

use bough::LockKind::{Read, Write};
use bough::LockSpace::{Range, Whole};
use bough::{Config, Error, Lock, LockKind, LockSpace, NodeId, RefId, WaitId};

use crate::support::*;

const A: u64 = 1;
const B: u64 = 2;
const ALL: (u64, u64) = (0, u64::MAX);

fn with_file() -> (Fs, NodeId) {
    let fs = Fs::new();
    fs.write_file("file", "x");
    let node = fs.node("file");
    (fs, node)
}

fn lock(kind: LockKind, (start, end): (u64, u64)) -> Lock {
    Lock { kind, start, end, pid: 7 }
}

fn set(fs: &Fs, node: NodeId, owner: u64, kind: LockKind, range: (u64, u64)) -> bough::Result<()> {
    fs.set_lock(node, Range, owner, lock(kind, range))
}

type Answer = mpsc::Receiver<bough::Result<()>>;

fn wait(fs: &Fs, node: NodeId, space: LockSpace, owner: u64, lock: Lock) -> bough::Result<(Option<WaitId>, Answer)> {
    let (tell, answer) = mpsc::channel();
    let done = Box::new(move |result| tell.send(result).unwrap());
    Ok((fs.wait_lock(node, space, owner, lock, done)?, answer))
}

fn answered(answer: &Answer) -> bough::Result<()> {
    answer.recv_timeout(Duration::from_secs(120)).expect("the wait ends")
}

#[test]
fn readers_share_and_writers_exclude() {
    let (fs, node) = with_file();
    set(&fs, node, A, Read, (0, 9)).unwrap();
    assert_eq!(set(&fs, node, B, Read, (0, 9)), Ok(()));
    assert_eq!(set(&fs, node, B, Write, (5, 5)), Err(Error::WouldBlock));
    assert_eq!(set(&fs, node, B, Write, (10, u64::MAX)), Ok(()));
    assert_eq!(set(&fs, node, A, Read, (0, 10)), Err(Error::WouldBlock));
}

#[test]
fn an_owner_converts_splits_and_joins_its_own_ranges() {
    let (fs, node) = with_file();
    set(&fs, node, A, Write, (0, 99)).unwrap();
    set(&fs, node, A, Read, (10, 19)).unwrap();
    fs.unlock(node, Range, A, 50, 59).unwrap();
    let test = |kind, range| fs.test_lock(node, Range, B, lock(kind, range)).unwrap();
    assert_eq!(test(Read, (10, 19)), None);
    let conflict = test(Write, (10, 10)).unwrap();
    assert_eq!((conflict.owner, conflict.lock), (A, lock(Read, (10, 19))));
    assert_eq!(test(Write, (50, 59)), None);
    assert_eq!(test(Read, (20, 99)).unwrap().lock, lock(Write, (20, 49)));
    assert_eq!(fs.test_lock(node, Range, A, lock(Write, ALL)).unwrap(), None, "not against itself");
}

#[test]
fn a_range_that_ends_before_it_starts_is_invalid() {
    let (fs, node) = with_file();
    assert!(matches!(set(&fs, node, A, Read, (5, 4)), Err(Error::Invalid(_))));
    assert!(matches!(fs.unlock(node, Range, A, 5, 4), Err(Error::Invalid(_))));
}

#[test]
fn a_waiter_gets_the_lock_when_it_is_free() {
    let (fs, node) = with_file();
    set(&fs, node, A, Write, ALL).unwrap();
    let (id, answer) = wait(&fs, node, Range, B, lock(Write, (0, 0))).unwrap();
    assert!(id.is_some());
    assert!(answer.try_recv().is_err());
    fs.unlock(node, Range, A, 0, u64::MAX).unwrap();
    assert_eq!(answered(&answer), Ok(()));
    assert_eq!(set(&fs, node, A, Read, (0, 0)), Err(Error::WouldBlock));
    let (id, _) = wait(&fs, node, Range, A, lock(Read, (1, 1))).unwrap();
    assert_eq!(id, None, "taken at once");
}

#[test]
fn a_wait_can_be_cancelled_once() {
    let (fs, node) = with_file();
    set(&fs, node, A, Write, ALL).unwrap();
    let (id, answer) = wait(&fs, node, Range, B, lock(Write, ALL)).unwrap();
    assert!(fs.cancel_wait(node, id.unwrap()));
    assert_eq!(answered(&answer), Err(Error::Cancelled));
    assert!(!fs.cancel_wait(node, id.unwrap()));
    fs.unlock(node, Range, A, 0, u64::MAX).unwrap();
    assert_eq!(set(&fs, node, A, Write, ALL), Ok(()), "nothing is left of it");
}

#[test]
fn a_wait_that_would_never_end_is_refused() {
    let (fs, node) = with_file();
    fs.write_file("other", "");
    let other = fs.node("other");
    set(&fs, node, A, Write, ALL).unwrap();
    set(&fs, other, B, Write, ALL).unwrap();
    let (_, answer) = wait(&fs, other, Range, A, lock(Write, ALL)).unwrap();
    let refused = wait(&fs, node, Range, B, lock(Read, (3, 3)));
    assert_eq!(refused.err(), Some(Error::Deadlock), "across two files");
    fs.unlock(other, Range, B, 0, u64::MAX).unwrap();
    assert_eq!(answered(&answer), Ok(()));
}

#[test]
fn closing_releases_what_the_owner_held() {
    let (fs, node) = with_file();
    set(&fs, node, A, Write, ALL).unwrap();
    fs.flush(node, Some(B)).unwrap();
    assert_eq!(set(&fs, node, B, Read, ALL), Err(Error::WouldBlock));
    fs.flush(node, Some(A)).unwrap();
    assert_eq!(set(&fs, node, B, Write, ALL), Ok(()));
}

#[test]
fn an_owner_that_is_gone_leaves_neither_locks_nor_waits() {
    let (fs, node) = with_file();
    set(&fs, node, A, Write, (0, 9)).unwrap();
    set(&fs, node, B, Write, (20, 29)).unwrap();
    let (_, answer) = wait(&fs, node, Range, B, lock(Write, (0, 0))).unwrap();
    fs.forget_owner(node, Range, B).unwrap();
    assert_eq!(answered(&answer), Err(Error::Cancelled));
    assert_eq!(set(&fs, node, A, Write, ALL), Ok(()));
}

#[test]
fn whole_file_locks_and_ranges_know_nothing_of_each_other() {
    let (fs, node) = with_file();
    fs.set_lock(node, Whole, A, lock(Write, (5, 5))).unwrap();
    assert_eq!(set(&fs, node, B, Write, ALL), Ok(()));
    assert_eq!(fs.set_lock(node, Whole, B, lock(Read, (99, 99))), Err(Error::WouldBlock), "always the whole");
    fs.flush(node, Some(A)).unwrap();
    assert_eq!(fs.set_lock(node, Whole, B, lock(Read, ALL)), Err(Error::WouldBlock), "not given up by a close");
    fs.forget_owner(node, Whole, A).unwrap();
    assert_eq!(fs.set_lock(node, Whole, B, lock(Write, ALL)), Ok(()));
}

#[test]
fn a_whole_file_lock_that_waits_for_conversion_is_given_up_first() {
    let (fs, node) = with_file();
    fs.set_lock(node, Whole, A, lock(Read, ALL)).unwrap();
    fs.set_lock(node, Whole, B, lock(Read, ALL)).unwrap();
    let (_, first) = wait(&fs, node, Whole, A, lock(Write, ALL)).unwrap();
    let (id, _second) = wait(&fs, node, Whole, B, lock(Write, ALL)).unwrap();
    assert_eq!(id, None, "nobody else holds it any more: flock(2) finds no deadlock and makes none");
    fs.forget_owner(node, Whole, B).unwrap();
    assert_eq!(answered(&first), Ok(()));
}

#[test]
fn waiters_are_served_in_the_order_they_came() {
    let (fs, node) = with_file();
    set(&fs, node, 100, Write, ALL).unwrap();
    let waits: Vec<_> = (0..5).map(|owner| wait(&fs, node, Range, owner, lock(Write, ALL)).unwrap().1).collect();
    fs.unlock(node, Range, 100, 0, u64::MAX).unwrap();
    for (owner, answer) in waits.iter().enumerate() {
        assert_eq!(answered(answer), Ok(()));
        assert!(waits[owner + 1..].iter().all(|later| later.try_recv().is_err()));
        fs.unlock(node, Range, owner as u64, 0, u64::MAX).unwrap();
    }
}

#[test]
fn locks_belong_to_the_branch_and_all_its_views() {
    let (fs, node) = with_file();
    set(&fs, node, A, Write, ALL).unwrap();
    let second = fs.view_of(fs.main());
    assert_eq!(second.set_lock(second.node("file"), Range, B, lock(Read, ALL)), Err(Error::WouldBlock));
    let branch = fs.view_of(RefId::Branch(fs.branch("b", fs.main())));
    assert_eq!(branch.set_lock(branch.node("file"), Range, B, lock(Write, ALL)), Ok(()));
}

#[test]
fn a_snapshot_has_no_locks() {
    let (fs, _) = with_file();
    let frozen = fs.frozen("s");
    let node = frozen.node("file");
    assert_eq!(frozen.set_lock(node, Range, A, lock(Read, ALL)), Err(Error::NotSupported));
    assert_eq!(frozen.test_lock(node, Range, A, lock(Read, ALL)), Err(Error::NotSupported));
    assert_eq!(frozen.unlock(node, Range, A, 0, 1), Err(Error::NotSupported));
    assert_eq!((frozen.flush(node, Some(A)), frozen.forget_owner(node, Whole, A)), (Ok(()), Ok(())));
}

#[test]
fn locks_count_as_memory_and_are_refused_when_there_is_none_for_more() {
    let fs = Fs::of(Config { memory_bytes: Some(4 << 20), ..Config::default() });
    fs.write_file("file", "x");
    let node = fs.node("file");
    let used = || fs.volume.stats().used_bytes;
    let before = used();
    let mut taken = 0;
    let refused = loop {
        // Apart from each other, so that none becomes one with the last.
        match set(&fs, node, A, Read, (taken * 2, taken * 2)) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 1 << 20, "they never end");
    };
    assert!(matches!(refused, Error::Limit(why) if why.contains("memory")), "{refused:?}");
    assert!(used() - before >= taken * size_of::<Lock>() as u64, "{taken} locks are counted as {}", used() - before);
    assert!(used() <= (4 << 20) * 9 / 8, "{}", used());
    assert!(matches!(wait(&fs, node, Whole, B, lock(Read, ALL)), Err(Error::Limit(_))), "nor whoever would wait");
    fs.forget_owner(node, Range, A).unwrap();
    assert!(used().abs_diff(before) < 8 << 10, "{} of {before} once they are given up", used());
    assert_eq!(set(&fs, node, B, Write, ALL), Ok(()));
}

#[test]
fn who_waits_is_counted_and_leaves_nothing_behind() {
    let (fs, node) = with_file();
    set(&fs, node, A, Write, ALL).unwrap();
    let used = || fs.volume.stats().used_bytes;
    let before = used();
    let waits: Vec<_> = (100..600).map(|owner| wait(&fs, node, Range, owner, lock(Read, ALL)).unwrap()).collect();
    assert!(used() - before > 500 * 100, "{}", used() - before);
    fs.unlock(node, Range, A, 0, u64::MAX).unwrap();
    waits.iter().for_each(|(_, answer)| assert_eq!(answered(answer), Ok(())));
    (100..600).for_each(|owner| fs.forget_owner(node, Range, owner).unwrap());
    assert!(used().abs_diff(before) < 8 << 10, "{} of {before}", used());
}
