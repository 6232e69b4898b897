//! io_uring as the transport, where the kernel has it: an administrator may switch it on.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bough::control::message;
use bough::control::messages::*;

use crate::base::others_are_served;
use crate::confinement::with_addresses;
use crate::fixture::{Mount, PATIENCE, Scratch, USUAL, daemon_command, eventually, info, name, snapshot};
use crate::sys;

const SWITCH: &str = "/sys/module/fuse/parameters/enable_uring";

/// It is switched on as long as this lives; one test at a time, so that none finds it off again.
struct SwitchedOn {
    before: String,
    _alone: std::sync::MutexGuard<'static, ()>,
}

impl SwitchedOn {
    /// `None`: this kernel does not have it, or nobody here may switch it on.
    fn new() -> Option<SwitchedOn> {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = fs::read_to_string(SWITCH).ok();
        let on = before.is_some() && fs::write(SWITCH, "Y").is_ok();
        if !on {
            eprintln!("SKIPPED: this kernel has no io_uring for FUSE, or {SWITCH} cannot be written");
            return None;
        }
        Some(SwitchedOn { before: before?, _alone: alone })
    }
}

impl Drop for SwitchedOn {
    fn drop(&mut self) {
        let _ = fs::write(SWITCH, self.before.trim());
    }
}

fn rings(mount: &Mount) -> usize {
    let files = fs::read_dir(format!("/proc/{}/fd", mount.pid())).unwrap();
    let targets = files.filter_map(|file| fs::read_link(file.unwrap().path()).ok());
    targets.filter(|target| target == Path::new("anon_inode:[io_uring]")).count()
}

/// A mount that uses it. `None`: this daemon was built without liburing, or with a libfuse that keeps its transport to itself.
fn mount_over_rings(options: &str) -> Option<Mount> {
    let mount = Mount::with(options)?;
    if rings(&mount) == 0 {
        eprintln!("SKIPPED: this daemon does not know io_uring, or may not use it");
        return None;
    }
    Some(mount)
}

#[test]
fn each_processor_has_a_ring_where_it_is_switched_on_and_nobody_said_otherwise() {
    let Some(_on) = SwitchedOn::new() else { return };
    let Some(mount) = mount_over_rings(USUAL) else { return };
    assert!(rings(&mount) >= sys::processors().len());
    let other = mount.attach("", "other");
    assert!(rings(&mount) >= 2 * sys::processors().len());
    fs::write(mount.at("f"), "through rings").unwrap();
    sys::syncfs(mount.point());
    assert_eq!(fs::read_to_string(other.join("f")).unwrap(), "through rings");
    mount.end_with(&[&other]);
    for options in ["no_io_uring", "locks", "max_threads=1"] {
        let Some(mount) = Mount::with(&format!("{USUAL},{options}")) else { return };
        assert_eq!(rings(&mount), 0, "{options}");
        fs::write(mount.at("f"), options).unwrap();
        assert_eq!(fs::read_to_string(mount.at("f")).unwrap(), options);
        mount.end();
    }
}

/// Rings have room for all that may come at once, which is much where addresses are few.
#[test]
fn a_daemon_with_few_addresses_leaves_them_to_what_it_holds() {
    let Some(_on) = SwitchedOn::new() else { return };
    let Some(mount) = mount_over_rings(USUAL) else { return };
    mount.end();
    crate::confined::serve_with_few_addresses();
    let possible = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap();
    let queues = 1 + possible.trim().rsplit('-').next().unwrap().parse::<u64>().unwrap();
    let enough = queues * 16 * 32 * ((1 << 20) + (4 << 10));
    for (addresses, expected) in [(enough, true), (enough - 1, false)] {
        let scratch = Scratch::new();
        let point = scratch.folder("mnt");
        let output = with_addresses(&daemon_command(&scratch, USUAL, &point), addresses).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let pid = info(&point).pid;
        let mount = Mount::of(scratch, point, pid);
        assert_eq!(rings(&mount) > 0, expected, "{addresses} for {queues} processors");
        mount.end();
    }
}

/// A queue whose thread a base keeps waiting stands still; the others do not, as soon as that is known.
#[test]
fn while_the_base_hangs_on_one_processor_others_are_served_on_the_next() {
    let Some(_on) = SwitchedOn::new() else { return };
    let &[there, here, ..] = &sys::processors()[..] else {
        eprintln!("SKIPPED: one processor");
        return;
    };
    let Some(base) = Mount::new() else { return };
    let Some(mount) = mount_over_rings(&format!("{USUAL},base={}", base.point().display())) else { return };
    let _abort = sys::Abort(base.point().to_owned());
    // On a busy machine it takes a while until it is known.
    let served = (0..6)
        .map(|round| Duration::from_millis(300 << round))
        .any(|patience| others_are_served((&base, &mount), (&[there], &[here]), patience, 4 * patience));
    assert!(served, "all wait with who asked the base");
    mount.end();
    base.end();
}

/// Whoever writes counts what has returned; a snapshot holds all that was counted before it, from whatever processor and through
/// whatever mount point it came.
#[test]
fn a_snapshot_holds_what_had_been_written_from_every_processor_and_through_every_mount() {
    const SNAPSHOTS: usize = 30;
    let Some(_on) = SwitchedOn::new() else { return };
    for options in ["", ",no_writeback"] {
        let Some(mount) = mount_over_rings(&format!("{USUAL},memory=2G{options}")) else { return };
        let other = mount.attach("", "other");
        let all = sys::processors();
        let places: Vec<(usize, &Path)> =
            all.iter().take(4).flat_map(|&here| [(here, mount.point()), (here, other.as_path())]).collect();
        let stop = AtomicBool::new(false);
        let written: Vec<AtomicU64> = places.iter().map(|_| AtomicU64::new(0)).collect();
        let held: Vec<Vec<u64>> = thread::scope(|scope| {
            for (number, (here, point)) in places.iter().enumerate() {
                let (stop, count) = (&stop, &written[number]);
                scope.spawn(move || {
                    sys::stay_on(&[*here]);
                    let file = File::create(point.join(format!("f{number}"))).unwrap();
                    while !stop.load(Ordering::Relaxed) && count.load(Ordering::Relaxed) < 100_000 {
                        let next = count.load(Ordering::Relaxed) + 1;
                        file.write_all_at(&next.to_ne_bytes(), next % 8 * 8192).unwrap();
                        count.store(next, Ordering::Release);
                    }
                });
            }
            let take = |round: usize| {
                sys::stay_on(&[all[round % all.len()]]);
                let counts = written.iter().map(|count| count.load(Ordering::Acquire)).collect();
                sys::syncfs(&other);
                snapshot(mount.point(), &format!("s{round}"));
                counts
            };
            let held = (0..SNAPSHOTS).map(take).collect();
            stop.store(true, Ordering::Relaxed);
            held
        });
        for (round, counts) in held.iter().enumerate() {
            let then = mount.attach(&format!("s{round}"), &format!("then{round}"));
            for (number, &count) in counts.iter().enumerate() {
                let bytes = fs::read(then.join(format!("f{number}"))).unwrap_or_default();
                let word = |at: usize| bytes.get(at..at + 8).map_or(0, |it| u64::from_ne_bytes(it.try_into().unwrap()));
                let latest = (0..8).map(|place| word(place * 8192)).max().unwrap();
                assert!(latest >= count, "{options}: s{round}, f{number}: {latest} of {count}");
            }
            sys::unmount(&then).unwrap();
        }
        mount.end_with(&[&other]);
    }
}

/// While a processor's ring has nobody to look at it, what the kernel has put there is waited for by a snapshot that is asked for elsewhere. (With
/// kernels before 6.16 syncfs(2) does not wait for answers either.)
#[test]
fn a_snapshot_waits_for_what_another_processor_s_ring_holds() {
    let Some(_on) = SwitchedOn::new() else { return };
    for through in ["", "other"] {
        let Some(mount) = mount_over_rings(USUAL) else { return };
        let all = sys::processors();
        let [here, there, ..] = all[..] else { return };
        let point = if through.is_empty() { mount.point().to_owned() } else { mount.attach("", through) };
        let file = File::create(point.join("f")).unwrap();
        file.set_len(1 << 20).unwrap();
        sys::syncfs(&point);
        let (tell, handed_over) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                sys::stay_on(&[there]);
                let alone = sys::run_first();
                (0..8).for_each(|page| file.write_all_at(b"written", page * 64 * 1024).unwrap());
                sys::begin_writing_back(&file);
                tell.send(alone).unwrap();
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(300) {}
            });
            sys::stay_on(&[here]);
            if !handed_over.recv().unwrap() {
                eprintln!("this user may keep nobody from a processor: what is shown here is little");
            }
            assert!(is_taken(&mount, "s"));
        });
        sys::stay_on(&all);
        let then = mount.attach("s", "then");
        let bytes = fs::read(then.join("f")).unwrap();
        let held = (0..8).filter(|page| &bytes[page * 64 * 1024..][..7] == b"written").count();
        assert_eq!(held, 8, "of 8 pages that were handed over before");
        let further = if through.is_empty() { vec![then] } else { vec![then, point] };
        drop(file);
        mount.end_with(&further.iter().map(|path| path.as_path()).collect::<Vec<_>>());
    }
}

/// A request keeps its place until it is answered, and there are few for each processor.
#[test]
fn many_who_wait_on_one_processor_do_not_keep_out_those_they_wait_for() {
    const CROWD: usize = 40;
    let Some(_on) = SwitchedOn::new() else { return };
    let Some(mount) = mount_over_rings(&format!("{USUAL},memory=2G")) else { return };
    let here = sys::processors()[0];
    let begun = Instant::now();
    let taken: usize = thread::scope(|scope| {
        let (mount, begun) = (&mount, &begun);
        let one = move |number: usize| {
            sys::stay_on(&[here]);
            let path = mount.at(&format!("f{number}"));
            let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
            let mut taken = 0;
            for round in 0..5_u64 {
                let at = (round + 1) * 200_000;
                file.write_all_at(b"data", at).unwrap();
                // What was written and not handed over yet is no hole.
                assert!(sys::seek(&file, at, libc::SEEK_DATA).unwrap() <= at + 3);
                sys::syncfs(mount.point());
                taken += usize::from(is_taken(mount, &format!("s{number}-{round}")));
                assert!(begun.elapsed() < 5 * PATIENCE, "somebody waits for ever");
            }
            taken
        };
        let crowd: Vec<_> = (0..CROWD).map(|number| scope.spawn(move || one(number))).collect();
        crowd.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert!(taken > CROWD, "{taken} snapshots");
    mount.end();
}

/// Whether it was taken; that too many wait already is the only other answer.
fn is_taken(mount: &Mount, called: &str) -> bool {
    let mut request: fs_control_snapshot = message();
    request.name = name(called);
    match sys::control(mount.point(), request) {
        Ok(answer) => answer.header.result == 0,
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
            false
        }
    }
}

#[test]
fn idle_rings_use_no_processor_time() {
    let Some(_on) = SwitchedOn::new() else { return };
    crate::lifecycle::let_mounts_idle();
}

/// How often each thread has slept that is free to run on any processor; those of queues are not.
fn sleeps_of_others(mount: &Mount) -> HashMap<String, u64> {
    let all = sys::processors().len();
    let field = |status: &str, called: &str| -> Option<String> {
        status.lines().find_map(|line| line.strip_prefix(called)).map(|value| value.trim().to_owned())
    };
    let of_thread = |status: String| {
        let words = field(&status, "Cpus_allowed:")?;
        let allowed: u32 = words.split(',').map(|part| u32::from_str_radix(part, 16).unwrap().count_ones()).sum();
        let sleeps: u64 = field(&status, "voluntary_ctxt_switches:")?.parse().ok()?;
        (allowed as usize >= all).then_some((field(&status, "Pid:")?, sleeps))
    };
    let tasks = fs::read_dir(format!("/proc/{}/task", mount.pid())).unwrap();
    tasks.filter_map(|task| of_thread(fs::read_to_string(task.unwrap().path().join("status")).ok()?)).collect()
}

/// Each file that is removed is forgotten, which the kernel says through /dev/fuse. To be woken for each would take time from who removes them.
#[test]
fn what_is_forgotten_wakes_the_daemon_twice_a_millisecond_at_most() {
    const FILES: usize = 4000;
    let Some(_on) = SwitchedOn::new() else { return };
    let Some(mount) = mount_over_rings(USUAL) else { return };
    if sys::processors().len() < 2 {
        eprintln!("SKIPPED: with one processor the threads of queues look like all others");
        return;
    }
    let path = |number: usize| mount.at(&format!("f{number}"));
    (0..FILES).for_each(|number| fs::write(path(number), "").unwrap());
    let (before, begun) = (sleeps_of_others(&mount), Instant::now());
    (0..FILES).for_each(|number| fs::remove_file(path(number)).unwrap());
    let (after, took) = (sleeps_of_others(&mount), begun.elapsed());
    let sleeps: u64 =
        after.iter().map(|(thread, sleeps)| sleeps.saturating_sub(*before.get(thread).unwrap_or(&0))).sum();
    assert!(u128::from(sleeps) < 100 + 2 * took.as_millis(), "{sleeps} times in {took:?}");
    let known = || sys::control(mount.point(), message::<fs_control_stats>()).unwrap().nodes;
    eventually("what was removed is forgotten all the same", || known() <= 2);
    mount.end();
}

#[test]
fn a_daemon_that_is_killed_leaves_nobody_waiting() {
    let Some(_on) = SwitchedOn::new() else { return };
    for _ in 0..5 {
        let Some(mount) = mount_over_rings(USUAL) else { return };
        let (point, pid) = (mount.point().to_owned(), mount.pid());
        thread::scope(|scope| {
            for number in 0..4 {
                let path = point.join(format!("f{number}"));
                scope.spawn(
                    move || while fs::write(&path, vec![1; 300_000]).is_ok() && fs::remove_file(&path).is_ok() {},
                );
            }
            thread::sleep(Duration::from_millis(50));
            sys::kill(pid, libc::SIGKILL);
        });
        assert!(fs::metadata(point.join("f")).is_err());
    }
}
