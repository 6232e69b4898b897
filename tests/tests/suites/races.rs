//! What only a kernel and many threads can race: renames against lookups and listings, locks against each other,
//! branches against everything; mappings are in `mappings.rs`. A watchdog sees to it that nobody is stuck. Each on an empty volume and over
//! a base that has the files that are raced for.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::fixture::{Mount, PATIENCE, USUAL, eventually, name, names, snapshot, try_snapshot_as_it_is};
use crate::ground::{Ground, On};
use crate::kit::{noise, sound_in_use};
use crate::sys;
use bough::control::message;
use bough::control::messages::*;
use bough::ffi::results::{FS_BUSY, FS_OK};

/// Nothing on a file system of ours takes longer, where nothing else is done.
const STALL: Duration = Duration::from_secs(5);

/// Races of minutes are for a machine that has time for them; others are run by anybody, on a machine that may be slow and busy.
fn stall_of(duration: Duration) -> Duration {
    if duration >= Duration::from_secs(60) { STALL } else { PATIENCE }
}

/// Lets threads work for some time; a thread that does not tell of progress for `stall` fails the test.
struct Watch {
    stop: AtomicBool,
    begun: Instant,
    stall: Duration,
    pulses: Vec<Arc<Pulse>>,
}

/// What a thread does, and since when.
struct Pulse {
    begun: Instant,
    state: Mutex<Beat>,
}

#[derive(Default)]
struct Beat {
    /// Since the race began; `None`: the thread is done, and nobody waits for it.
    since: Option<Duration>,
    does: &'static str,
    /// The operation that took longest.
    longest: (Duration, &'static str),
}

impl Pulse {
    fn begins(&self, what: &'static str) {
        let (now, mut beat) = (self.begun.elapsed(), self.state.lock().unwrap());
        if let Some(since) = beat.since {
            beat.longest = beat.longest.max((now.saturating_sub(since), beat.does));
        }
        (beat.since, beat.does) = (Some(now), what);
    }
}

thread_local! {
    static PULSE: RefCell<Option<Arc<Pulse>>> = const { RefCell::new(None) };
}

/// In a work that consists of several operations: one of them has ended, and this one begins.
fn begins(what: &'static str) {
    PULSE.with_borrow(|pulse| pulse.iter().for_each(|pulse| pulse.begins(what)));
}

/// A thread that has not finished an operation for so long.
#[derive(Debug)]
struct Stuck {
    thread: usize,
    #[expect(dead_code, reason = "for who reads what is printed")]
    does: &'static str,
    silent: Duration,
}

impl Watch {
    fn over(threads: usize, stall: Duration) -> Watch {
        let begun = Instant::now();
        let beat = || Mutex::new(Beat { since: Some(Duration::ZERO), ..Beat::default() });
        let pulses = (0..threads).map(|_| Arc::new(Pulse { begun, state: beat() })).collect();
        Watch { stop: AtomicBool::new(false), begun, stall, pulses }
    }

    /// Whether the thread is to go on. Asked between any two operations, by that thread.
    fn goes_on(&self, thread: usize) -> bool {
        PULSE.with_borrow_mut(|own| _ = own.get_or_insert_with(|| self.pulses[thread].clone()));
        begins("its work");
        !self.stop.load(Ordering::Relaxed)
    }

    /// The thread is done: nobody waits for it.
    fn ends(&self, thread: usize) {
        self.pulses[thread].state.lock().unwrap().since = None;
    }

    /// In a thread of its own: until all are done, or one is stuck. They work for so long, and on until it is enough.
    fn guard(&self, duration: Duration, enough: impl Fn() -> bool) -> Result<(), Stuck> {
        while !self.pulses.iter().all(|pulse| pulse.state.lock().unwrap().since.is_none()) {
            std::thread::sleep(Duration::from_millis(50));
            let is_over = self.begun.elapsed() > duration && (enough() || self.begun.elapsed() > duration + PATIENCE);
            self.stop.fetch_or(is_over, Ordering::Relaxed);
            self.look()?;
        }
        Ok(())
    }

    fn look(&self) -> Result<(), Stuck> {
        for (thread, pulse) in self.pulses.iter().enumerate() {
            let beat = pulse.state.lock().unwrap();
            let silent = self.begun.elapsed().saturating_sub(beat.since.unwrap_or(Duration::MAX));
            if silent > self.stall {
                return Err(Stuck { thread, does: beat.does, silent });
            }
        }
        Ok(())
    }

    /// For whoever reads the log.
    fn tell_longest(&self) {
        let longest = self.pulses.iter().map(|pulse| pulse.state.lock().unwrap().longest);
        let ((took, what), thread) = longest.zip(0..).max().expect("somebody worked");
        println!("race: of {} threads the longest operation took {took:?}: {what}, thread {thread}", self.pulses.len());
    }
}

/// Each of `works` in a thread, again and again, until the time is up.
pub(crate) fn race(duration: Duration, works: Vec<Box<dyn FnMut() + Send + '_>>) {
    race_until(duration, works, || true);
}

/// The same, and on until it is enough: on a machine that is slow or busy some of it may hardly have begun by then.
pub(crate) fn race_until(
    duration: Duration,
    works: Vec<Box<dyn FnMut() + Send + '_>>,
    enough: impl Fn() -> bool + Send,
) {
    race_beside(duration, works, None, enough);
}

/// The same, with something beside that is no operation of a file system and may take its time.
fn race_beside(
    duration: Duration,
    works: Vec<Box<dyn FnMut() + Send + '_>>,
    beside: Option<Box<dyn FnMut() + Send + '_>>,
    enough: impl Fn() -> bool + Send,
) {
    let watch = Watch::over(works.len(), stall_of(duration));
    std::thread::scope(|scope| {
        for (thread, mut work) in works.into_iter().enumerate() {
            let watch = &watch;
            scope.spawn(move || {
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    while watch.goes_on(thread) {
                        work();
                    }
                }));
                watch.ends(thread);
                watch.stop.fetch_or(done.is_err(), Ordering::Relaxed);
                done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            });
        }
        if let Some(mut beside) = beside {
            let watch = &watch;
            scope.spawn(move || {
                while !watch.stop.load(Ordering::Relaxed) {
                    beside();
                }
            });
        }
        scope.spawn(|| {
            // A process that is stuck in the kernel cannot be told to stop: it ends here.
            if let Err(stuck) = watch.guard(duration, enough) {
                // Not by a macro whose words a test keeps until it has ended.
                let _ = writeln!(std::io::stderr(), "STUCK: {stuck:?}");
                std::process::abort();
            }
        });
    });
    watch.tell_longest();
}

/// Tells the threads to stop, whatever way the scope that they belong to ends.
struct StopsAtEnd<'a>(&'a Watch);

impl Drop for StopsAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// A daemon that stands still for so long, or until the watchdog says so, while one thread uses its mount and another does not; what the watchdog says.
fn stand_still(duration: Duration, stall: Duration) -> Option<Result<(), Stuck>> {
    let mount = Mount::new()?;
    let watch = Watch::over(2, stall);
    let again = |thread: usize, mut work: Box<dyn FnMut() + Send>| {
        let watch = &watch;
        move || {
            while watch.goes_on(thread) {
                work();
                std::thread::sleep(Duration::from_millis(1));
            }
            watch.ends(thread);
        }
    };
    let said = std::thread::scope(|scope| {
        let _stops = StopsAtEnd(&watch);
        let (folder, mut made) = (mount.point().to_owned(), 0);
        scope.spawn(again(
            0,
            Box::new(move || {
                made += 1;
                drop(File::create(folder.join(made.to_string())).unwrap());
            }),
        ));
        scope.spawn(again(1, Box::new(|| {})));
        let guard = scope.spawn(|| watch.guard(duration + Duration::from_secs(1), || true));
        std::thread::sleep(Duration::from_millis(300));
        let (halted, begun) = (mount.halt(), Instant::now());
        while begun.elapsed() < duration && !guard.is_finished() {
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(halted);
        guard.join().unwrap()
    });
    mount.end();
    Some(said)
}

#[test]
fn the_watchdog_tells_of_an_operation_that_takes_longer_than_it_may_and_of_no_other() {
    let Some(said) = stand_still(PATIENCE, STALL) else { return };
    let stuck = said.expect_err("a thread waited longer than it may");
    assert!(stuck.thread == 0 && stuck.silent > STALL, "{stuck:?}");
    let said = stand_still(Duration::from_secs(2), PATIENCE).unwrap();
    assert!(said.is_ok(), "{said:?}");
}

/// Seconds that a race takes: few, or `BOUGH_RACE_SECONDS`.
pub(crate) fn seconds(usual: u64) -> Duration {
    let asked = std::env::var("BOUGH_RACE_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(asked.unwrap_or(usual))
}

pub(crate) fn work<'a>(work: impl FnMut() + Send + 'a) -> Box<dyn FnMut() + Send + 'a> {
    Box::new(work)
}

/// A test on both grounds, whose folders are made the same way.
pub(crate) fn on_both(options: &str, make: impl Fn(&Path), test: impl Fn(Ground)) {
    for on in On::BOTH {
        let Some(ground) = Ground::new(on, options, &make) else { return };
        test(ground);
    }
}

#[test]
fn a_name_that_is_replaced_is_always_there_and_whole() {
    let make = |folder: &Path| fs::write(folder.join("file"), content_of(0)).unwrap();
    on_both(USUAL, make, replace_a_name);
}

fn content_of(version: u8) -> Vec<u8> {
    vec![version; 50_000 + usize::from(version) * 400]
}

fn replace_a_name(ground: Ground) {
    let folder = ground.folder();
    let file = folder.join("file");
    let replace = |new: &'static str| {
        let (new, file, mut version) = (folder.join(new), file.clone(), 0_u8);
        work(move || {
            version = version.wrapping_add(1);
            fs::write(&new, content_of(version)).unwrap();
            fs::rename(&new, &file).unwrap();
        })
    };
    let look = || {
        work(|| {
            let read = fs::read(&file).unwrap();
            assert_eq!(read, content_of(read[0]), "a file that was never there");
        })
    };
    race(seconds(2), vec![replace("new-1"), replace("new-2"), look(), look(), look()]);
    ground.end();
}

#[test]
fn two_names_that_are_exchanged_are_always_both_there() {
    let make = |folder: &Path| {
        fs::create_dir(folder.join("below")).unwrap();
        fs::write(folder.join("one"), "1").unwrap();
        fs::write(folder.join("below/two"), "2").unwrap();
    };
    on_both(USUAL, make, exchange_two_names);
}

fn exchange_two_names(ground: Ground) {
    let (one, two) = (ground.folder().join("one"), ground.folder().join("below/two"));
    let exchange = work(|| assert_eq!(sys::rename(&one, &two, libc::RENAME_EXCHANGE).unwrap(), 0));
    let look = |path: &Path| {
        let path = path.to_owned();
        work(move || assert!(["1", "2"].contains(&fs::read_to_string(&path).unwrap().as_str())))
    };
    let mut taken = 0;
    let snap = work(|| {
        taken += 1;
        snapshot(ground.point(), &format!("s{taken}"));
        std::thread::sleep(Duration::from_millis(20));
    });
    race(seconds(2), vec![exchange, look(&one), look(&two), look(&one), snap]);
    for number in 1..=taken.min(20) {
        let shown = ground.attach(&format!("s{number}"), &format!("shown-{number}"));
        let folder = Ground::folder_at(&shown);
        let both = [folder.join("one"), folder.join("below/two")].map(|path| fs::read_to_string(path).unwrap());
        assert_ne!(both[0], both[1], "a snapshot in the middle of an exchange");
        sys::unmount(&shown).unwrap();
    }
    ground.end();
}

#[test]
fn a_listing_shows_what_stays_once_while_others_come_and_go() {
    let make = |folder: &Path| {
        fs::create_dir(folder.join("folder")).unwrap();
        stays().for_each(|name| drop(File::create(folder.join("folder").join(name)).unwrap()));
    };
    on_both(USUAL, make, list_what_stays);
}

fn stays() -> impl Iterator<Item = String> {
    (0..700).map(|n| format!("stays-{n:04}"))
}

fn list_what_stays(ground: Ground) {
    let folder = ground.folder().join("folder");
    let come_and_go = |prefix: &'static str| {
        let (folder, mut round) = (folder.clone(), 0_u64);
        work(move || {
            round += 1;
            let (here, there) =
                (folder.join(format!("{prefix}{}", round % 300)), folder.join(format!("{prefix}-{}", round % 7)));
            fs::write(&here, "").unwrap();
            fs::rename(&here, &there).unwrap();
            if round.is_multiple_of(3) {
                fs::remove_file(&there).unwrap();
            }
        })
    };
    let list = || {
        work(|| {
            let mut seen: BTreeMap<String, u32> = BTreeMap::new();
            names(&folder).into_iter().for_each(|name| *seen.entry(name).or_default() += 1);
            assert!(stays().all(|name| seen.get(&name) == Some(&1)), "a listing skipped or repeated a name");
        })
    };
    race(seconds(2), vec![come_and_go("a"), come_and_go("b"), come_and_go("c"), list(), list()]);
    ground.end();
}

#[test]
fn lines_that_many_append_at_once_are_all_there() {
    on_both(USUAL, |folder| drop(File::create(folder.join("log")).unwrap()), append_lines);
}

fn append_lines(ground: Ground) {
    let file = ground.folder().join("log");
    let append = |who: usize| {
        let (mut log, mut count) = (OpenOptions::new().append(true).open(&file).unwrap(), 0);
        work(move || {
            count += 1;
            let line = format!("{who:02} {count:08} {}\n", "x".repeat(who * 31));
            assert_eq!(log.write(line.as_bytes()).unwrap(), line.len());
        })
    };
    race(seconds(2), (0..6).map(append).collect());
    let mut next = [1_u32; 6];
    for line in fs::read_to_string(&file).unwrap().lines() {
        let (who, count): (usize, u32) = (line[..2].parse().unwrap(), line[3..11].parse().unwrap());
        assert_eq!(count, next[who], "a line of writer {who} is lost or torn: {line}");
        next[who] += 1;
    }
    ground.end();
}

#[test]
fn a_counter_under_a_lock_counts_everybody() {
    let make = |folder: &Path| fs::write(folder.join("counter"), 0_u64.to_le_bytes()).unwrap();
    on_both(&format!("{USUAL},locks"), make, count_under_a_lock);
}

fn count_under_a_lock(ground: Ground) {
    let other = ground.attach("main", "other");
    let (here, there) = (ground.folder().join("counter"), Ground::folder_at(&other).join("counter"));
    let total = AtomicU64::new(0);
    // On one mount, since pages that the kernel caches are its own on each; the lock is held on the other.
    let count = |lock_at: &Path| {
        let mut file = OpenOptions::new().read(true).write(true).open(&here).unwrap();
        let lock = OpenOptions::new().read(true).write(true).open(lock_at).unwrap();
        let total = &total;
        work(move || {
            sys::lock_range(&lock, libc::F_WRLCK, 0, 0, true).unwrap();
            let mut bytes = [0; 8];
            file.seek(SeekFrom::Start(0)).and_then(|_| file.read_exact(&mut bytes)).unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            file.write_all(&(u64::from_le_bytes(bytes) + 1).to_le_bytes()).unwrap();
            total.fetch_add(1, Ordering::Relaxed);
            sys::lock_range(&lock, libc::F_UNLCK, 0, 0, false).unwrap();
        })
    };
    race(seconds(2), vec![count(&here), count(&there), count(&here), count(&there)]);
    let counted = u64::from_le_bytes(fs::read(&here).unwrap().try_into().unwrap());
    assert_eq!(counted, total.load(Ordering::Relaxed));
    ground.end_with(&[&other]);
}

// ---- everything at once ------------------------------------------------------------------------------------------------

/// What a worker does on the tree that stays: files of its own, in versions that tell which they are.
fn own_files<'a>(folder: &'a Path, who: usize) -> Box<dyn FnMut() + Send + 'a> {
    let mut version = 0_u64;
    work(move || {
        version += 1;
        let (path, new) = (folder.join(format!("w{who}")), folder.join(format!("w{who}.new")));
        let mut content = version.to_le_bytes().to_vec();
        content.extend(noise(version, (version as usize * 977) % 90_000));
        begins("writing a file");
        fs::write(&new, &content).unwrap();
        begins("renaming it");
        fs::rename(&new, &path).unwrap();
        begins("reading it");
        assert_eq!(fs::read(&path).unwrap(), content, "worker {who}, version {version}");
    })
}

/// The version that is stored, if the file is what the worker wrote then.
fn version_of(path: &Path) -> Option<u64> {
    let content = fs::read(path).ok()?;
    let (head, body) = content.split_first_chunk().expect("whole files only");
    let version = u64::from_le_bytes(*head);
    assert_eq!(body, noise(version, (version as usize * 977) % 90_000), "{}", path.display());
    Some(version)
}

/// What a worker does where the ground shifts under it: anything may be gone, nothing may be torn.
fn shifting_ground(folder: &Path, who: u64) -> Box<dyn FnMut() + Send + '_> {
    let mut round = 0_u64;
    work(move || {
        round += 1;
        let path = folder.join(format!("f{}", (round + who) % 5));
        let fine = |error: std::io::Error| match error.kind() {
            ErrorKind::NotFound
            | ErrorKind::StaleNetworkFileHandle
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::AlreadyExists => {}
            // Two paths of one call, looked up before and after the switch.
            ErrorKind::CrossesDevices => {}
            _ => panic!("{}: {error}", path.display()),
        };
        match round % 6 {
            0 => fs::remove_file(&path).unwrap_or_else(fine),
            1 => fs::rename(&path, folder.join(format!("f{}", round % 3))).unwrap_or_else(fine),
            2 => fs::read_dir(folder).map(|list| assert!(list.flatten().count() <= 30)).unwrap_or_else(fine),
            3 => fs::hard_link(&path, folder.join(format!("f{}", round % 4))).unwrap_or_else(fine),
            4 => fs::read(&path).map(drop).unwrap_or_else(fine),
            _ => fs::write(&path, noise(round, 20_000)).unwrap_or_else(fine),
        }
    })
}

/// Branches that were switched away from, and how many of such are deleted.
#[derive(Default)]
struct Branches {
    left: Mutex<VecDeque<String>>,
    made: AtomicU64,
    deleted: AtomicU64,
}

impl Branches {
    /// Tries it with some. One that somebody still uses a file or a folder of is busy, and its turn comes again: as does one that only
    /// the kernel's cache of names holds. Whoever is on his way through a folder when it is switched away leaves such names, which the
    /// kernel keeps until it wants their memory, or is told to forget them.
    fn delete_some(&self, point: &Path) {
        let mut left = self.left.lock().unwrap();
        for _ in 0..left.len().min(16) {
            let called = left.pop_front().unwrap();
            let mut gone: fs_control_delete = message();
            gone.name = name(&called);
            begins("deleting a branch");
            match sys::control(point, gone).unwrap().header.result {
                FS_OK => _ = self.deleted.fetch_add(1, Ordering::Relaxed),
                FS_BUSY => left.push_back(called),
                result => panic!("deleting {called} answers {result}"),
            }
        }
    }

    fn deleted(&self) -> u64 {
        self.deleted.load(Ordering::Relaxed)
    }

    /// Whether there was much to delete, and some of it could be while others were at work.
    fn are_enough(&self) -> bool {
        self.made.load(Ordering::Relaxed) > 4 && self.deleted() > 0
    }

    /// When nobody is at work any more, all can be deleted.
    fn all_go(&self, point: &Path) {
        let left = || self.left.lock().unwrap().len();
        assert!(
            self.are_enough(),
            "of {} {} could be deleted while others were at work",
            self.made.load(Ordering::Relaxed),
            self.deleted()
        );
        sys::forget_names(point);
        eventually("every branch that nobody uses can be deleted", || {
            self.delete_some(point);
            left() == 0
        });
    }
}

/// Makes, switches to and deletes branches.
fn shift<'a>(point: &'a Path, branches: &'a Branches) -> Box<dyn FnMut() + Send + 'a> {
    let (mut round, mut shown) = (0_u64, None);
    work(move || {
        round += 1;
        let called = format!("branch-{round}");
        let mut grow: fs_control_branch = message();
        (grow.name, grow.from) = (name(&called), name("main"));
        begins("growing a branch");
        assert_eq!(sys::control(point, grow).unwrap().header.result, 0);
        branches.made.fetch_add(1, Ordering::Relaxed);
        let mut to: fs_control_switch = message();
        to.to = name(&called);
        begins("switching");
        assert_eq!(sys::control(point, to).unwrap().header.result, 0);
        branches.left.lock().unwrap().extend(shown.replace(called));
        if round.is_multiple_of(8) {
            begins("having the kernel forget names");
            sys::forget_names(point);
        }
        branches.delete_some(point);
        std::thread::sleep(Duration::from_millis(15));
    })
}

/// Version 0 of each worker's file, and some of those that all fight for.
fn make_everything(folder: &Path) {
    fs::create_dir(folder.join("own")).unwrap();
    for who in 0..44 {
        fs::write(folder.join(format!("own/w{who}")), 0_u64.to_le_bytes()).unwrap();
    }
    (0..3).for_each(|number| fs::write(folder.join(format!("f{number}")), noise(number, 30_000)).unwrap());
}

fn everything_at_once(on: On, options: &str, duration: Duration) {
    let Some(mount) = Ground::new(on, options, make_everything) else { return };
    let side = mount.attach("main", "side");
    let (folder, shifting) = (mount.folder().join("own"), Ground::folder_at(&side));
    let (mut taken, branches) = (0_u32, Branches::default());
    let mut works: Vec<Box<dyn FnMut() + Send + '_>> = (0..44).map(|who| own_files(&folder, who)).collect();
    works.extend((0..18).map(|who| shifting_ground(&shifting, who)));
    works.push(shift(&side, &branches));
    works.push(work(|| {
        taken += 1;
        begins("writing out what 44 others have just written");
        sys::syncfs(mount.point());
        begins("taking a snapshot");
        assert_eq!(try_snapshot_as_it_is(mount.point(), &format!("s{taken}")), 0);
        std::thread::sleep(Duration::from_millis(200));
    }));
    assert_eq!(works.len(), 64);
    // Which walks every snapshot there is by then.
    let check = work(|| {
        sound_in_use(mount.point());
        std::thread::sleep(Duration::from_millis(400));
    });
    race_beside(duration, works, Some(check), || branches.are_enough());
    let spilled = sys::control(mount.point(), message::<fs_control_stats>()).unwrap().spill_bytes;
    println!("race: {taken} snapshots, {spilled} bytes spilled, {} branches deleted", branches.deleted());
    let short = duration >= Duration::from_secs(60) && options.contains("spill_dir");
    assert!(spilled > 0 || !short, "memory was never short");
    branches.all_go(&side);
    let mut before = vec![0; 44];
    let step = (taken / 10).max(1) as usize;
    for number in (1..=taken).step_by(step) {
        let shown = mount.attach(&format!("s{number}"), &format!("shown-{number}"));
        for (who, before) in before.iter_mut().enumerate() {
            let version =
                version_of(&Ground::folder_at(&shown).join(format!("own/w{who}"))).expect("it was always there");
            assert!(version >= *before, "snapshot {number} shows an older file of worker {who} than the one before");
            *before = version;
        }
        sys::unmount(&shown).unwrap();
    }
    mount.end_with(&[&side]);
}

#[test]
fn sixty_four_threads_at_once_lose_nothing_and_are_never_stuck() {
    everything_at_once(On::Nothing, USUAL, seconds(6));
    everything_at_once(On::Base, USUAL, seconds(6));
}

#[test]
#[ignore = "minutes: make test-long"]
fn sixty_four_threads_for_minutes_lose_nothing_and_are_never_stuck() {
    // Room for what hundreds of snapshots say of files, and for hardly any of what the files hold.
    let spilling = format!("{USUAL},memory=128M,spill_dir={}", std::env::temp_dir().display());
    for on in On::BOTH {
        everything_at_once(on, USUAL, seconds(120));
        everything_at_once(on, &spilling, seconds(120));
    }
}
