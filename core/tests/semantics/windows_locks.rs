//! Byte ranges locked by handles that were opened the Windows way: mandatory for such handles, advisory for others.

use std::sync::mpsc;
use std::time::Duration;

use bough::windows::rights;
use bough::{Error, HandleId, Lock, LockKind, LockSpace, NodeId, WindowsOpen, WriteAt};

use crate::support::windows::*;
use crate::support::*;

fn fixture() -> (Fs, HandleId, HandleId) {
    let fs = Fs::new();
    fs.write_file("file", [b'.'; 100]);
    let handles = (fs.wopen("file", ALL), fs.wopen("file", ALL));
    (fs, handles.0, handles.1)
}

fn read(fs: &Fs, handle: HandleId, offset: u64, length: usize) -> bough::Result<usize> {
    fs.read(&ROOT, NodeId::ROOT, Some(handle), offset, &mut vec![0; length])
}

fn write(fs: &Fs, handle: HandleId, offset: u64, length: usize) -> bough::Result<usize> {
    fs.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(offset), &vec![b'x'; length])
}

#[test]
fn what_another_handle_locked_exclusively_is_neither_read_nor_written() {
    let (fs, one, two) = fixture();
    fs.windows_lock(one, 10, 10, true, 0).unwrap();
    assert_eq!((read(&fs, one, 10, 10), write(&fs, one, 10, 10)), (Ok(10), Ok(10)));
    for (offset, length, free) in [(0, 10, true), (0, 11, false), (19, 1, false), (20, 5, true), (15, 0, true)] {
        let wanted = if free { Ok(length) } else { Err(Error::LockConflict) };
        assert_eq!(read(&fs, two, offset, length), wanted, "{offset} {length}");
        assert_eq!(write(&fs, two, offset, length), wanted, "{offset} {length}");
    }
    assert!(matches!(fs.read_pin(&ROOT, NodeId::ROOT, Some(two), 10, 1), Err(Error::LockConflict)));
}

#[test]
fn what_is_locked_shared_is_read_by_all_and_written_by_nobody() {
    let (fs, one, two) = fixture();
    fs.windows_lock(one, 10, 10, false, 0).unwrap();
    assert_eq!((read(&fs, one, 10, 10), read(&fs, two, 10, 10)), (Ok(10), Ok(10)));
    assert_eq!(write(&fs, two, 10, 1), Err(Error::LockConflict));
    assert_eq!(write(&fs, one, 10, 1), Err(Error::LockConflict), "not by its holder either");
    assert_eq!(write(&fs, one, 20, 1), Ok(1));
}

#[test]
fn posix_handles_read_and_write_regardless() {
    let (fs, one, _) = fixture();
    fs.windows_lock(one, 0, 100, true, 0).unwrap();
    let posix = fs.open("file", BOTH);
    assert_eq!((read(&fs, posix, 0, 10), write(&fs, posix, 0, 10)), (Ok(10), Ok(10)));
    assert!(fs.write_at_node("file"));
}

trait AtNode {
    fn write_at_node(&self, path: &str) -> bool;
}

impl AtNode for Fs {
    fn write_at_node(&self, path: &str) -> bool {
        let node = self.node(path);
        self.write(&ROOT, node, None, WriteAt::Offset(0), b"y") == Ok(1)
    }
}

#[test]
fn locks_of_posix_and_of_windows_exclude_each_other() {
    let (fs, one, two) = fixture();
    let node = fs.node("file");
    let lock = |start, end| Lock { kind: LockKind::Write, start, end, pid: 7 };
    fs.windows_lock(one, 10, 10, true, 42).unwrap();
    assert_eq!(fs.set_lock(node, LockSpace::Range, 1, lock(15, 30)), Err(Error::WouldBlock));
    let conflict = fs.test_lock(node, LockSpace::Range, 1, lock(15, 30)).unwrap().unwrap();
    assert_eq!((conflict.lock.start, conflict.lock.end, conflict.lock.pid), (10, 19, 42));
    fs.set_lock(node, LockSpace::Range, 1, lock(50, 59)).unwrap();
    assert_eq!(fs.windows_lock(two, 55, 1, false, 0), Err(Error::WouldBlock));
    assert_eq!(read(&fs, two, 55, 1), Err(Error::LockConflict), "to a Windows handle every lock is mandatory");
}

#[test]
fn a_range_is_given_up_exactly_as_it_was_locked() {
    let (fs, one, two) = fixture();
    fs.windows_lock(one, 10, 10, true, 0).unwrap();
    assert_eq!(fs.windows_unlock(one, 10, 5), Err(Error::RangeNotLocked));
    assert_eq!(fs.windows_unlock(two, 10, 10), Err(Error::RangeNotLocked), "it is another handle's");
    assert_eq!(read(&fs, two, 10, 1), Err(Error::LockConflict));
    assert_eq!(fs.windows_unlock(one, 10, 10), Ok(()));
    assert_eq!(read(&fs, two, 10, 1), Ok(1));
    assert_eq!(fs.windows_unlock(one, 10, 10), Err(Error::RangeNotLocked));
}

#[test]
fn a_range_locked_exclusively_and_shared_takes_two_unlocks_and_the_first_ends_the_exclusive_one() {
    let (fs, one, two) = fixture();
    fs.windows_lock(one, 10, 10, true, 0).unwrap();
    fs.windows_lock(one, 10, 10, false, 0).unwrap();
    assert_eq!(fs.windows_lock(one, 10, 10, true, 0), Err(Error::WouldBlock));
    fs.windows_unlock(one, 10, 10).unwrap();
    assert_eq!((read(&fs, two, 10, 1), write(&fs, two, 10, 1)), (Ok(1), Err(Error::LockConflict)));
    fs.windows_unlock(one, 10, 10).unwrap();
    assert_eq!(write(&fs, two, 10, 1), Ok(1));
}

#[test]
fn all_is_given_up_when_the_handle_goes() {
    let (fs, one, two) = fixture();
    for start in 0..5 {
        fs.windows_lock(one, start * 10, 5, true, 0).unwrap();
    }
    fs.windows_unlock_all(one).unwrap();
    assert_eq!(read(&fs, two, 0, 50), Ok(50));
    fs.windows_lock(one, 0, 50, true, 0).unwrap();
    fs.close(one);
    assert_eq!(write(&fs, two, 0, 50), Ok(50));
}

#[test]
fn a_wait_is_granted_when_the_range_is_free_and_cancelled_when_its_handle_goes() {
    let (fs, one, two) = fixture();
    fs.windows_lock(one, 0, 10, true, 0).unwrap();
    let (sender, answers) = mpsc::channel();
    let tell = |sender: &mpsc::Sender<bough::Result<()>>| {
        let sender = sender.clone();
        Box::new(move |result| sender.send(result).unwrap()) as Box<dyn FnOnce(bough::Result<()>) + Send>
    };
    assert!(fs.windows_wait_lock(two, 5, 10, true, tell(&sender)).unwrap().is_some());
    fs.windows_unlock(one, 0, 10).unwrap();
    assert_eq!(answers.recv_timeout(Duration::from_secs(120)), Ok(Ok(())));
    assert_eq!(read(&fs, one, 5, 1), Err(Error::LockConflict));
    assert!(fs.windows_wait_lock(one, 0, 20, false, tell(&sender)).unwrap().is_some());
    fs.close(one);
    assert_eq!(answers.recv_timeout(Duration::from_secs(120)), Ok(Err(Error::Cancelled)));
    assert_eq!(fs.windows_unlock(two, 5, 10), Ok(()), "what was waited for is held as any other");
    assert_eq!(fs.windows_wait_lock(two, 0, 1, true, tell(&sender)), Ok(None), "free: taken at once");
}

#[test]
fn a_handle_that_waits_for_a_range_is_granted_it_once() {
    let (fs, one, two) = fixture();
    fs.windows_lock(two, 0, 10, true, 0).unwrap();
    let (sender, answers) = mpsc::channel();
    let wait = |start, exclusive| {
        let sender = sender.clone();
        fs.windows_wait_lock(one, start, 10, exclusive, Box::new(move |result| sender.send(result).unwrap()))
    };
    let first = wait(0, true).unwrap().unwrap();
    for (start, exclusive) in [(0, true), (0, false), (9, true)] {
        assert_eq!(wait(start, exclusive), Err(Error::WouldBlock), "{start} {exclusive}");
        assert_eq!(fs.windows_lock(one, start, 10, exclusive, 0), Err(Error::WouldBlock), "{start} {exclusive}");
    }
    assert!(fs.windows_cancel_wait(one, first));
    assert_eq!(answers.recv_timeout(Duration::from_secs(120)), Ok(Err(Error::Cancelled)));
    assert!(wait(0, true).unwrap().is_some(), "a wait that has ended stands against nothing");
    fs.windows_unlock(two, 0, 10).unwrap();
    assert_eq!(answers.recv_timeout(Duration::from_secs(120)), Ok(Ok(())));
    assert!(answers.try_recv().is_err());
    assert_eq!(fs.windows_unlock(one, 0, 10), Ok(()));
    assert_eq!(fs.windows_unlock(one, 0, 10), Err(Error::RangeNotLocked));
    assert_eq!(write(&fs, two, 0, 10), Ok(10));
}

#[test]
fn giving_up_all_ends_a_wait_that_may_begin_anew() {
    let (fs, one, two) = fixture();
    fs.windows_lock(two, 0, 10, true, 0).unwrap();
    let (sender, answers) = mpsc::channel();
    for _ in 0..2 {
        let sender = sender.clone();
        let done = Box::new(move |result| sender.send(result).unwrap());
        assert!(fs.windows_wait_lock(one, 0, 10, true, done).unwrap().is_some());
        fs.windows_unlock_all(one).unwrap();
        assert_eq!(answers.recv_timeout(Duration::from_secs(120)), Ok(Err(Error::Cancelled)));
    }
}

#[test]
fn a_wait_is_cancelled_by_who_began_it() {
    let (fs, one, two) = fixture();
    fs.windows_lock(one, 0, 10, true, 0).unwrap();
    let (sender, answers) = mpsc::channel();
    let done = Box::new(move |result| sender.send(result).unwrap());
    let wait = fs.windows_wait_lock(two, 0, 1, false, done).unwrap().unwrap();
    assert!(fs.windows_cancel_wait(two, wait));
    assert_eq!(answers.recv_timeout(Duration::from_secs(120)), Ok(Err(Error::Cancelled)));
    assert!(!fs.windows_cancel_wait(two, wait));
    assert_eq!(fs.windows_unlock(two, 0, 1), Err(Error::RangeNotLocked));
}

#[test]
fn directories_cannot_be_locked_and_locking_needs_access_to_content() {
    let (fs, one, _) = fixture();
    fs.mkdir_p("dir");
    let dir = fs.wopen("dir", READING);
    assert!(matches!(fs.windows_lock(dir, 0, 1, true, 0), Err(Error::Invalid(_))));
    let deleting = fs.wopen("file", WindowsOpen { access: rights::DELETE, ..READING });
    assert_eq!(fs.windows_lock(deleting, 0, 1, true, 0), Err(Error::AccessDenied));
    assert!(matches!(fs.windows_lock(one, u64::MAX, 2, true, 0), Err(Error::Invalid(_))));
    assert_eq!(fs.windows_lock(one, u64::MAX, 1, true, 0), Ok(()));
    let posix = fs.open("file", BOTH);
    assert!(matches!(fs.windows_lock(posix, 0, 1, true, 0), Err(Error::Invalid(_))));
}

#[test]
fn a_lock_of_no_bytes_excludes_nobody() {
    let (fs, one, two) = fixture();
    fs.windows_lock(one, 10, 0, true, 0).unwrap();
    assert_eq!((read(&fs, two, 0, 100), write(&fs, two, 0, 100)), (Ok(100), Ok(100)));
    assert_eq!(fs.windows_lock(two, 0, 100, true, 0), Ok(()));
    assert_eq!(fs.windows_unlock(one, 10, 0), Ok(()));
}

#[test]
fn copying_and_appending_are_kept_out_of_locked_ranges_too() {
    let (fs, one, two) = fixture();
    fs.windows_lock(one, 100, 10, true, 0).unwrap();
    assert_eq!(fs.write(&ROOT, NodeId::ROOT, Some(two), WriteAt::End, b"x"), Err(Error::LockConflict));
    let root = NodeId::ROOT;
    let copy = |to: u64| fs.copy_range(&ROOT, root, Some(two), 0, root, Some(two), to, 5);
    assert_eq!((copy(100), copy(50)), (Err(Error::LockConflict), Ok(5)));
    let reserve = bough::Allocation::Reserve { keep_size: false };
    assert_eq!(fs.allocate(&ROOT, root, Some(two), 105, 1, reserve), Err(Error::LockConflict));
}

#[test]
fn a_handle_locks_65_536_ranges_and_no_more() {
    let (fs, one, two) = fixture();
    for _ in 0..65_536 {
        fs.windows_lock(one, 0, 0, false, 0).unwrap();
    }
    assert!(matches!(fs.windows_lock(one, 0, 0, false, 0), Err(Error::Limit(_))));
    assert_eq!(fs.windows_lock(two, 0, 0, false, 0), Ok(()));
}

#[test]
fn two_threads_that_share_a_handle_lose_no_lock_to_each_other() {
    let (fs, shared, other) = fixture();
    let fs = &fs;
    let work = || {
        for _ in 0..5_000 {
            if fs.windows_lock(shared, 0, 10, true, 0).is_ok() {
                assert_eq!(fs.windows_lock(other, 0, 10, true, 0), Err(Error::WouldBlock));
                fs.windows_unlock(shared, 0, 10).unwrap();
            }
        }
    };
    std::thread::scope(|threads| {
        threads.spawn(work);
        threads.spawn(work);
    });
}

#[test]
fn what_a_handle_has_locked_counts_as_memory_until_it_is_given_up() {
    let (fs, one, two) = fixture();
    let used = || fs.volume.stats().used_bytes;
    let before = used();
    // One and the same for who asks what stands in the way, and each to be given up by itself.
    (0..1_000).for_each(|_| fs.windows_lock(one, 10, 10, false, 0).unwrap());
    assert!(used() - before >= 1_000 * 24, "{}", used() - before);
    (0..1_000).for_each(|_| fs.windows_unlock(one, 10, 10).unwrap());
    assert!(used().abs_diff(before) < 1 << 10, "{} of {before} once they are given up", used());
    (0..1_000).for_each(|_| fs.windows_lock(two, 10, 10, false, 0).unwrap());
    fs.release(two).unwrap();
    assert!(used().abs_diff(before) < 1 << 10, "{} of {before} once the handle is closed", used());
}
