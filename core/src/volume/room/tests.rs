#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ledger::Kind;
use crate::operations::lock_table::{Lock, LockKind, LockSpace};
use crate::operations::windows::disposition::Disposition;
use crate::operations::windows::rights;
use crate::operations::windows_open::WindowsOpen;
use crate::operations::{Allocation, NewNode, OpenOptions, ViewOptions, XattrMode};
use crate::shed::Shed;
use crate::sync::atomic::{AtomicBool, Ordering::SeqCst};
use crate::sync::mpsc::{Receiver, channel};
use crate::sync::{Mutex, thread};
use crate::tree::name::NamePolicy;
use crate::types::{BranchId, Caller, HandleId, NodeId, RefId, SnapshotId};
use crate::volume::view::View;
use crate::volume::view_paths::PathAt;
use crate::volume::view_windows::From;
use crate::volume::{Config, Volume};

const ROOT: Caller<'static> = Caller::superuser();
const CHUNK: u64 = crate::data::CHUNK_BYTES as u64;

fn at(path: &str) -> PathAt<'_> {
    PathAt::root(path.as_bytes())
}

/// A view of a volume that holds no more than nine chunks, and spills nothing.
fn small() -> Arc<View> {
    let memory_bytes = Some(9 * CHUNK + CHUNK / 2);
    let volume = Volume::open(Config { memory_bytes, names: NamePolicy::MacOs, ..Config::default() }).unwrap();
    volume.view(RefId::Branch(volume.first_branch()), "main", ViewOptions::default()).unwrap()
}

fn write(view: &View, path: &str, chunks: u64) -> Result<()> {
    view.path_write(&ROOT, at(path), &vec![7; (chunks * CHUNK) as usize])
}

/// Has a snapshot alone hold what `clear` removes, and deletes it.
fn give_up(view: &View, clear: impl FnOnce()) {
    let volume = view.volume();
    let snapshot = volume.create_snapshot(volume.first_branch(), None).unwrap();
    clear();
    volume.delete_ref(RefId::Snapshot(snapshot)).unwrap();
}

/// Garbage that can be let go of in pieces without an end, until it is told to end.
struct Endless(Arc<AtomicBool>);

impl Shed for Endless {
    fn shed(&mut self) -> bool {
        thread::yield_now();
        !self.0.load(SeqCst)
    }
}

/// Garbage that cannot be let go of until the sender goes.
struct Stuck(Mutex<Receiver<()>>);

impl Shed for Stuck {
    fn shed(&mut self) -> bool {
        self.0.lock().recv().is_ok()
    }
}

/// Runs `operation`, for which there is no room before what `clear` removes is freed, while that takes as long as nobody waits for it.
#[track_caller]
fn waits_for_room(view: &View, clear: impl FnOnce(), operation: impl FnOnce() -> Result<()> + Send) {
    waits_while_freeing(view, || give_up(view, clear), operation);
}

/// As [`waits_for_room`], for what `free` gives up.
#[track_caller]
fn waits_while_freeing(view: &View, free: impl FnOnce(), operation: impl FnOnce() -> Result<()> + Send) {
    assert_eq!(done_while_freeing(view, free, operation), (Ok(()), true));
}

/// The answer, and whether it was waited for room before.
fn done_while_freeing(
    view: &View,
    free: impl FnOnce(),
    operation: impl FnOnce() -> Result<()> + Send,
) -> (Result<()>, bool) {
    let ends = Arc::new(AtomicBool::new(false));
    let reaper = &view.volume().reaper;
    reaper.take(Arc::new(Endless(ends.clone())));
    free();
    let answer = std::thread::scope(|scope| {
        let operation = scope.spawn(operation);
        while reaper.waiting() == 0 && !operation.is_finished() {
            thread::yield_now();
        }
        let waited = !operation.is_finished();
        ends.store(true, SeqCst);
        (operation.join().unwrap(), waited)
    });
    assert_eq!(reaper.waiting(), 0);
    answer
}

/// As [`waits_for_room`], with a memory full of content.
#[track_caller]
fn waits_for_chunks(operation: impl FnOnce(&View, NodeId) -> Result<()> + Send) {
    let view = small();
    view.path_write(&ROOT, at("file"), b"short").unwrap();
    write(&view, "source", 1).unwrap();
    let node = view.path_lookup(&ROOT, at("file")).unwrap().node;
    write(&view, "large", 6).unwrap();
    waits_for_room(&view, || view.path_unlink(&ROOT, at("large")).unwrap(), || operation(&view, node));
    assert!(view.volume().check_invariants(false).is_sound());
}

/// Fills the memory with names; answers what removes them.
fn full_of_names(view: &View) -> impl FnOnce() {
    let make = |n: &u32| view.path_make(&ROOT, at(&format!("{n}")), 0o755, NewNode::File).is_ok();
    let made = (0..).take_while(make).count();
    assert!(made > 100);
    move || (0..made).for_each(|n| view.path_unlink(&ROOT, at(&format!("{n}"))).unwrap())
}

/// As [`waits_for_room`], with a memory full of names.
#[track_caller]
fn waits_for_names(operation: impl FnOnce(&View, NodeId) -> Result<()> + Send) {
    let view = small();
    view.path_write(&ROOT, at("file"), b"short").unwrap();
    let node = view.path_lookup(&ROOT, at("file")).unwrap().node;
    waits_for_room(&view, full_of_names(&view), || operation(&view, node));
    assert!(view.volume().check_invariants(false).is_sound());
}

/// As [`waits_for_names`], where even branches and snapshots have taken all that they may.
#[track_caller]
fn waits_for_refs(operation: impl FnOnce(&Arc<Volume>, SnapshotId) -> Result<()> + Send) {
    let view = small();
    view.path_write(&ROOT, at("file"), b"short").unwrap();
    let volume = view.volume();
    let take = || volume.create_snapshot(volume.first_branch(), None);
    let before = take().unwrap();
    let clear = full_of_names(&view);
    let names = take().unwrap();
    // It may take what branches and snapshots had left.
    clear();
    let last = std::iter::from_fn(|| take().ok()).take(1000).last().unwrap_or(before);
    assert_eq!(take(), Err(Error::NoSpace));
    // Beyond the steps in which the store hears of metadata.
    let ledger = volume.context.store.ledger();
    ledger.add(Kind::Inodes, CHUNK as usize);
    let free = || volume.delete_ref(RefId::Snapshot(names)).unwrap();
    waits_while_freeing(&view, free, || operation(volume, last));
    ledger.sub(Kind::Inodes, CHUNK as usize);
    assert!(volume.check_invariants(false).is_sound());
}

#[test]
fn whoever_finds_no_room_for_content_waits_for_what_is_being_freed() {
    waits_for_chunks(|view, _| write(view, "new", 6));
    let reserve = Allocation::Reserve { keep_size: true };
    waits_for_chunks(|view, node| view.allocate(&ROOT, node, None, 0, 6 * CHUNK, reserve));
    waits_for_chunks(|view, node| {
        view.allocate(&ROOT, node, None, 0, 6 * CHUNK, Allocation::Zero { keep_size: false })
    });
    waits_for_chunks(|view, node| view.set_allocation(&ROOT, node, None, 6 * CHUNK).map(drop));
    let fork = b"com.apple.ResourceFork";
    let long = vec![3; 6 * CHUNK as usize];
    waits_for_chunks(|view, node| view.write_xattr(&ROOT, node, fork, 0, &long, XattrMode::Set));
    // A part of a chunk is copied, not shared.
    waits_for_chunks(|view, node| {
        let source = view.path_lookup(&ROOT, at("source"))?.node;
        (0..6).try_for_each(|n| view.copy_range(&ROOT, source, None, 1, node, None, n * 2 * CHUNK, CHUNK - 1).map(drop))
    });
}

#[test]
fn whoever_finds_no_room_for_names_waits_for_what_is_being_freed() {
    let new = OpenOptions { write: true, exclusive: true, ..OpenOptions::default() };
    waits_for_names(|view, _| view.path_make(&ROOT, at("new"), 0o755, NewNode::Directory).map(drop));
    waits_for_names(|view, _| view.make(&ROOT, NodeId::ROOT, b"new", 0o644, NewNode::File).map(drop));
    waits_for_names(|view, _| view.path_open(&ROOT, at("new"), new, Some(0o644)).map(drop));
    waits_for_names(|view, _| view.create(&ROOT, NodeId::ROOT, b"new", 0o644, new).map(drop));
    waits_for_names(|view, _| view.create_unnamed(&ROOT, NodeId::ROOT, 0o644, new).map(drop));
    waits_for_names(|view, node| view.link(&ROOT, node, NodeId::ROOT, b"new").map(drop));
    waits_for_names(|view, _| view.path_rename(&ROOT, at("file"), at("new"), crate::RenameMode::Replace));
    waits_for_names(|view, node| view.set_xattr(&ROOT, node, b"user.x", b"value", XattrMode::Set));
    waits_for_names(|view, node| view.open_stream(&ROOT, node, b"stream", new, true).map(drop));
    let made =
        |name: &'static [u8]| WindowsOpen { stream: name, disposition: Disposition::Create, ..WindowsOpen::default() };
    let root = || From::Node(NodeId::ROOT);
    waits_for_names(|view, _| view.windows_open(&ROOT, root(), b"file", &made(b"stream")).map(drop));
    waits_for_names(|view, _| view.windows_open(&ROOT, root(), b"new", &made(b"stream")).map(drop));
}

#[test]
fn a_stream_that_is_there_is_opened_the_windows_way_without_waiting_for_room() {
    use Disposition::{Create, Open, OpenIf, Overwrite, OverwriteIf, Supersede};
    let opens = |disposition, path: &'static [u8], stream: &'static [u8], names| {
        let volume = Volume::open(Config { names, memory_bytes: Some(16 * CHUNK), ..Config::default() }).unwrap();
        let view = volume.view(RefId::Branch(volume.first_branch()), "main", ViewOptions::default()).unwrap();
        let open = |disposition| {
            let how = WindowsOpen { stream, disposition, access: rights::WRITE_DATA, ..WindowsOpen::default() };
            let opened = view.windows_open(&ROOT, From::Node(NodeId::ROOT), path, &how)?;
            view.release(opened.handle)
        };
        open(Create).unwrap();
        let clear = full_of_names(&view);
        done_while_freeing(&view, || give_up(&view, clear), || open(disposition))
    };
    for disposition in [Open, OpenIf, Overwrite, OverwriteIf, Supersede] {
        assert_eq!(opens(disposition, b"file", b"stream", NamePolicy::Posix), (Ok(()), false), "{disposition:?}");
        assert_eq!(opens(disposition, b"file:stream", b"", NamePolicy::Windows), (Ok(()), false), "{disposition:?}");
    }
    assert_eq!(opens(Create, b"file", b"stream", NamePolicy::Posix), (Err(Error::Exists), false));
}

#[test]
fn whoever_finds_no_room_for_a_branch_or_snapshot_waits_for_what_is_being_freed() {
    waits_for_refs(|volume, _| volume.create_snapshot(volume.first_branch(), None).map(drop));
    waits_for_refs(|volume, from| volume.create_branch("new", RefId::Snapshot(from)).map(drop));
    waits_for_refs(|volume, from| volume.rename_ref(RefId::Snapshot(from), &"longer".repeat(20)));
    waits_for_refs(|volume, from| {
        let (main, from) = (RefId::Branch(volume.first_branch()), RefId::Snapshot(from));
        let view = volume.view(main, "other", ViewOptions::default())?;
        // Each time what was shown before stays in use: the first time whatever room there is.
        [from, main].into_iter().try_for_each(|shows| {
            view.path_lookup(&ROOT, at("file"))?;
            view.switch(shows)
        })
    });
}

/// A view of a branch that has a new directory with a file in it, as another branch has by now; that other and the path.
fn with_directories_to_merge() -> (Arc<View>, BranchId, [Vec<u8>; 1]) {
    let view = small();
    let main = RefId::Branch(view.volume().first_branch());
    let other = view.volume().create_branch("other", main).unwrap();
    let inside = view.volume().view(RefId::Branch(other), "other", ViewOptions::default()).unwrap();
    for view in [&view, &inside] {
        view.path_make(&ROOT, at("new"), 0o755, NewNode::Directory).unwrap();
    }
    inside.path_write(&ROOT, at("new/mine"), b"mine").unwrap();
    (view, other, [b"new".to_vec()])
}

fn shows(volume: &Arc<Volume>, branch: BranchId, path: &str) -> bool {
    let view = volume.view(RefId::Branch(branch), "look", ViewOptions::default()).unwrap();
    view.path_lookup(&ROOT, at(path)).is_ok()
}

#[test]
fn whoever_finds_no_room_to_carry_a_directory_over_waits_for_what_is_being_freed() {
    let (view, other, paths) = with_directories_to_merge();
    let (volume, main) = (view.volume(), RefId::Branch(view.volume().first_branch()));
    waits_for_room(&view, full_of_names(&view), || volume.merge(other, main, &paths));
    assert!(shows(volume, other, "new/mine") && volume.check_invariants(false).is_sound());
}

#[test]
fn a_directory_that_there_is_no_room_to_carry_over_is_no_space_and_stays_as_it_is() {
    let (view, other, paths) = with_directories_to_merge();
    let (volume, main) = (view.volume(), RefId::Branch(view.volume().first_branch()));
    let clear = full_of_names(&view);
    assert_eq!(volume.merge(other, main, &paths), Err(Error::NoSpace));
    assert!(shows(volume, other, "new/mine") && volume.check_invariants(false).is_sound());
    clear();
    assert_eq!(volume.merge(other, main, &paths), Ok(()));
    assert!(shows(volume, other, "new/mine") && volume.check_invariants(false).is_sound());
}

#[test]
fn what_longer_names_of_branches_and_earlier_attachments_take_is_counted() {
    let view = small();
    let (volume, main) = (view.volume(), RefId::Branch(view.volume().first_branch()));
    let counted = || volume.context.store.ledger().by_kind().iter().sum::<u64>();
    view.path_write(&ROOT, at("file"), b"short").unwrap();
    let snapshot = RefId::Snapshot(volume.create_snapshot(volume.first_branch(), Some("short")).unwrap());
    let before = counted();
    volume.rename_ref(snapshot, &"longer".repeat(20)).unwrap();
    assert!((100..140).contains(&(counted() - before)), "{}", counted() - before);
    volume.rename_ref(snapshot, "short").unwrap();
    assert_eq!(counted(), before);
    for shown in [snapshot, main].repeat(8) {
        view.path_lookup(&ROOT, at("file")).unwrap();
        view.switch(shown).unwrap();
    }
    assert!(counted() - before > 16 * 2048, "{}", counted() - before);
}

#[test]
fn whoever_finds_no_room_for_a_lock_waits_for_what_is_being_freed() {
    let lock = Lock { kind: LockKind::Write, start: 0, end: 9, pid: 1 };
    waits_for_names(|view, node| view.set_lock(node, LockSpace::Range, 1, lock));
    waits_for_names(|view, node| {
        let waits = view.wait_lock(node, LockSpace::Whole, 1, lock, Box::new(|_| ()))?;
        assert_eq!(waits, None, "nobody is in the way");
        Ok(())
    });
    let windows = |lock: fn(&View, HandleId) -> Result<()>| {
        let view = small();
        view.path_write(&ROOT, at("file"), b"short").unwrap();
        let open = WindowsOpen { access: rights::READ_DATA, ..WindowsOpen::default() };
        let handle = view.windows_open(&ROOT, From::Node(NodeId::ROOT), b"file", &open).unwrap().handle;
        waits_for_room(&view, full_of_names(&view), || lock(&view, handle));
    };
    windows(|view, handle| view.windows_lock(handle, 0, 9, true, 1));
    windows(|view, handle| view.windows_wait_lock(handle, 0, 9, true, Box::new(|_| ())).map(drop));
}

#[test]
fn nobody_waits_for_what_is_not_being_freed() {
    let view = small();
    write(&view, "held", 6).unwrap();
    assert_eq!(write(&view, "a", 6), Err(Error::NoSpace), "there is nothing to free");
    let (go_on, told) = channel();
    view.volume().reaper.take(Arc::new(Stuck(Mutex::new(told))));
    assert_eq!(write(&view, "b", 6), Err(Error::NoSpace), "freeing makes no progress");
    assert_eq!(view.volume().reaper.waiting(), 0);
    drop(go_on);
    view.volume().reaper.settle();
    assert_eq!(write(&view, "c", 6), Err(Error::NoSpace), "nothing is left to free");
}

#[test]
fn what_was_freed_between_a_try_and_the_wait_is_worth_another_try() {
    let view = small();
    let reaper = &view.volume().reaper;
    let seen = reaper.turns();
    reaper.take(Arc::new(Endless(Arc::new(AtomicBool::new(true)))));
    reaper.settle();
    assert!(reaper.freed_since(seen, reaper.given()));
}

#[test]
fn an_operation_that_fails_for_another_reason_is_not_tried_again() {
    let view = small();
    let mut tries = 0;
    let answer: Result<()> = view.with_room(|| {
        tries += 1;
        view.volume().reaper.take(Arc::new(Endless(Arc::new(AtomicBool::new(true)))));
        Err(Error::Stale)
    });
    assert_eq!((answer, tries), (Err(Error::Stale), 1));
}

#[test]
fn what_is_given_up_while_somebody_waits_is_not_waited_for() {
    let view = small();
    let mut tries = 0;
    let answer: Result<()> = view.with_room(|| {
        tries += 1;
        view.volume().reaper.take(Arc::new(Endless(Arc::new(AtomicBool::new(true)))));
        Err(Error::NoSpace)
    });
    // A few turns for what the first try gave up, and one try after that.
    assert!(answer == Err(Error::NoSpace) && tries < 20, "{answer:?} after {tries} tries");
}
