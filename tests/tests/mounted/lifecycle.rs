//! How a daemon begins and ends, and what it says when it does not begin.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use bough::control::message;
use bough::control::messages::*;

use crate::fixture::{
    Mount, PATIENCE, Scratch, USUAL, daemon, daemon_command, eventually, fuse_is_here, info, installed, is_alive, run,
    snapshot, start,
};
use crate::sys;

/// The exit code, and the one line that it said.
#[track_caller]
fn refused(output: &Output) -> (i32, String) {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(said.lines().count(), 1, "{said}");
    (output.status.code().unwrap(), said)
}

#[test]
fn help_and_version_are_printed() {
    let help = run(Command::new(daemon()).arg("--help"));
    for option in [
        "volume=",
        "branch=",
        "snapshot=",
        "memory=",
        "spill_dir=",
        "spill_limit=",
        "spill_reserve=",
        "no_spill",
        "keep",
        "locks",
        "no_writeback",
        "max_threads=",
    ] {
        assert!(help.contains(option), "{option}");
    }
    assert!(help.lines().all(|line| line.len() <= 120));
    assert!(run(Command::new(daemon()).arg("-V")).starts_with("bough-fuse "));
}

#[test]
fn wrong_words_are_a_usage_error() {
    let scratch = Scratch::new();
    let point = scratch.folder("mnt");
    let cases = [
        ("memory=much", "memory=much is no size"),
        ("memory=0", "no size"),
        ("memory=1Q", "no size"),
        ("memory=99999999999999999999", "no size"),
        ("allow_other", "allow_other needs default_permissions"),
        ("branch=a,snapshot=b", "not both"),
        ("no_such_option", "no_such_option"),
    ];
    for (options, expected) in cases {
        let (code, said) = refused(&start(&scratch, options, &point));
        assert!(code == 2 && said.contains(expected), "{options}: {code} {said}");
    }
    let (code, _) = refused(&Command::new(daemon()).output().unwrap());
    assert_eq!(code, 2);
    let (code, _) = refused(&Command::new(daemon()).args(["/a", "/b"]).output().unwrap());
    assert_eq!(code, 2);
}

#[test]
fn a_mount_point_that_will_not_do_is_named_with_a_code_of_its_own() {
    let Some(mount) = Mount::new() else { return };
    let scratch = Scratch::new();
    let (file, full) = (scratch.path().join("file"), scratch.folder("full"));
    fs::write(&file, "").unwrap();
    fs::write(full.join("x"), "").unwrap();
    let cases = [
        (scratch.path().join("missing"), 3),
        (scratch.path().join("missing/deeper"), 3),
        (file.clone(), 4),
        (file.join("below"), 4),
        (full, 5),
        (mount.point().to_owned(), 6),
    ];
    for (point, expected) in cases {
        let (code, said) = refused(&start(&scratch, "default_permissions", &point));
        assert_eq!(code, expected, "{said}");
        assert!(said.contains(point.to_str().unwrap()), "{said}");
    }
    assert!(!scratch.path().join("state").exists());
}

#[test]
fn a_volume_that_cannot_be_is_refused() {
    let scratch = Scratch::new();
    let point = scratch.folder("mnt");
    if !fuse_is_here() {
        return;
    }
    for options in ["volume=.", "volume=a/b", "memory=1", "spill_dir=/no/such/folder", "branch=none", "snapshot=none"] {
        let (code, said) = refused(&start(&scratch, options, &point));
        assert_eq!(code, 10, "{options}: {said}");
    }
    let (code, said) = refused(&start(&scratch, &format!("volume={}", "n".repeat(200)), &point));
    assert!(code == 11 && said.contains("too long"), "{said}");
    assert!(sys::mounts_below(scratch.path()).is_empty());
    assert_eq!(fs::read_dir(scratch.path().join("state")).unwrap().count(), 0);
}

#[test]
fn two_volumes_of_one_name_are_refused_while_the_first_lives() {
    let Some(mount) = Mount::with("default_permissions,volume=mine") else { return };
    let second = mount.scratch().folder("second");
    let (code, said) = refused(&start(mount.scratch(), "volume=mine", &second));
    assert!(code == 11 && said.contains("`mine` is alive already"), "{code} {said}");
    mount.end();
}

#[test]
fn a_state_directory_that_others_may_write_is_refused() {
    let scratch = Scratch::new();
    let (point, state) = (scratch.folder("mnt"), scratch.folder("state"));
    if !fuse_is_here() {
        return;
    }
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    let (code, said) = refused(&start(&scratch, "default_permissions", &point));
    assert!(code == 11 && said.contains("writable by nobody else"), "{said}");
}

#[test]
fn after_a_sudden_death_the_next_mount_explains_and_recovers() {
    let Some(mount) = Mount::with("default_permissions,volume=mine") else { return };
    fs::write(mount.at("f"), "lost").unwrap();
    sys::kill(mount.pid(), libc::SIGKILL);
    eventually("the daemon is dead", || !is_alive(mount.pid()));
    assert!(fs::metadata(mount.point()).is_err());
    let output = start(mount.scratch(), "default_permissions,volume=mine", mount.point());
    let (code, said) = refused(&output);
    assert!(code == 0 && said.contains("had ended without unmounting"), "{code} {said}");
    let pid = info(mount.point()).pid;
    assert_ne!(pid, mount.pid());
    assert!(!mount.at("f").exists());
    fs::write(mount.at("f"), "new").unwrap();
    sys::unmount(mount.point()).unwrap();
    eventually("the second has ended", || !is_alive(pid));
}

#[test]
fn sigterm_and_sigint_unmount_everything_and_leave_nothing() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let Some(mount) = Mount::new() else { return };
        mount.attach("", "other");
        fs::write(mount.at("f"), "x").unwrap();
        sys::kill(mount.pid(), signal);
        mount.is_gone();
        assert!(sys::mounts_below(mount.scratch().path()).is_empty());
    }
}

#[test]
fn sigterm_ends_it_even_while_files_are_open() {
    let Some(mount) = Mount::new() else { return };
    let mut file = fs::File::create(mount.at("f")).unwrap();
    file.write_all(b"x").unwrap();
    let mut sleeper = Command::new("sleep").arg("30").current_dir(mount.point()).spawn().unwrap();
    sys::kill(mount.pid(), libc::SIGTERM);
    mount.is_gone();
    assert!(sys::mounts_below(mount.scratch().path()).is_empty());
    assert!(file.write_all(b"y").and_then(|()| file.sync_all()).is_err());
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

/// How long a daemon takes to end while two of its mounts write one file.
fn end_while_two_mounts_write(mount: &Mount) -> Duration {
    let other = mount.attach("", "other");
    fs::write(mount.at("f"), "x").unwrap();
    eventually("it is there", || other.join("f").exists());
    let points = [mount.point().to_owned(), other];
    let rounds = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|scope| {
        for (point, rounds) in points.iter().zip(&rounds) {
            scope.spawn(move || {
                let file = fs::OpenOptions::new().write(true).open(point.join("f")).unwrap();
                // Until it breaks. What only the kernel takes says nothing of the daemon.
                let round = || (0..64).try_for_each(|block| file.write_all_at(&[1; 1 << 16], block << 16));
                while round().and_then(|()| file.sync_data()).is_ok() {
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _aborts = points.clone().map(sys::Abort);
        eventually("both write", || rounds.iter().all(|rounds| rounds.load(Ordering::Relaxed) > 0));
        std::thread::sleep(Duration::from_millis(300));
        let begun = Instant::now();
        sys::kill(mount.pid(), libc::SIGTERM);
        mount.is_gone();
        begun.elapsed()
    })
}

#[test]
fn sigterm_ends_it_soon_while_two_mounts_write_one_file() {
    for options in ["default_permissions,allow_other", "default_permissions,allow_other,no_writeback"] {
        let mut took = Vec::new();
        // What else the machine does may hold one up, or two.
        while took.iter().all(|took| *took > Duration::from_secs(5)) {
            assert!(took.len() < 5, "{options}: {took:?}");
            let Some(mount) = Mount::with(options) else { return };
            took.push(end_while_two_mounts_write(&mount));
            assert!(sys::mounts_below(mount.scratch().path()).is_empty());
        }
    }
}

#[test]
fn the_daemon_lives_as_long_as_one_mount_does() {
    let Some(mount) = Mount::new() else { return };
    let other = mount.attach("", "other");
    fs::write(mount.at("f"), "x").unwrap();
    sys::unmount(mount.point()).unwrap();
    eventually("one view is left", || sys::control(&other, message::<fs_control_views>()).unwrap().count == 1);
    assert_eq!(fs::read(other.join("f")).unwrap(), b"x");
    sys::unmount(&other).unwrap();
    mount.is_gone();
}

#[test]
fn a_volume_that_is_kept_can_be_mounted_again() {
    let Some(mount) = Mount::with("default_permissions,keep,volume=kept") else { return };
    let socket = mount.socket();
    fs::write(mount.at("f"), "still here").unwrap();
    sys::unmount(mount.point()).unwrap();
    let views = || sys::send_control(&socket, message::<fs_control_views>(), None).count;
    // The one that answers.
    eventually("nothing is mounted", || views() == 1);
    let again = mount.scratch().folder("again");
    let device = sys::mount_fuse(&again, "default_permissions");
    let mut request: fs_control_attach = message();
    request.label.bytes = bough::control::filled(again.as_os_str().as_encoded_bytes());
    assert_eq!(sys::send_control(&socket, request, Some(device)).header.result, 0);
    assert_eq!(fs::read(again.join("f")).unwrap(), b"still here");
    sys::unmount(&again).unwrap();
    assert!(is_alive(mount.pid()));
    sys::kill(mount.pid(), libc::SIGTERM);
    mount.is_gone();
}

#[test]
fn an_attachment_to_nothing_is_refused_and_costs_nothing() {
    let Some(mount) = Mount::new() else { return };
    let point = mount.scratch().folder("other");
    let device = sys::mount_fuse(&point, "default_permissions");
    let mut request: fs_control_attach = message();
    request.shows = crate::fixture::name("no such");
    request.label.bytes = bough::control::filled(point.as_os_str().as_encoded_bytes());
    let answer = sys::send_control(&mount.socket(), request, Some(device));
    assert_ne!(answer.header.result, 0);
    assert!(fs::metadata(&point).is_err());
    sys::unmount(&point).unwrap();
    // What is no FUSE device at all.
    request.shows = crate::fixture::name("");
    let zero = fs::File::open("/dev/zero").unwrap();
    let answer = sys::send_control(&mount.socket(), request, Some(zero.into()));
    assert_ne!(answer.header.result, 0);
    mount.end();
}

#[test]
fn a_slow_client_of_the_socket_keeps_nobody_waiting() {
    let Some(mount) = Mount::new() else { return };
    let socket = mount.socket();
    // The daemon hangs up on one of them after 5 s; who waited for one would wait as long.
    let waits_for_none = || {
        let mut slow: Vec<UnixStream> = (0..10).map(|_| UnixStream::connect(&socket).unwrap()).collect();
        for stream in &mut slow {
            stream.write_all(&[1, 0, 0]).unwrap();
        }
        let begun = Instant::now();
        let answer = sys::send_control(&socket, message::<fs_control_info>(), None);
        assert_eq!(answer.pid, mount.pid());
        begun.elapsed() < Duration::from_secs(4)
    };
    // A busy machine may hold up whoever asks, but not each time.
    assert!((0..10).any(|_| waits_for_none()), "whoever asks waits for slow clients");
    let mut rude = UnixStream::connect(&socket).unwrap();
    rude.write_all(&[1, 0, 0, 0, 255, 255, 255, 255]).unwrap();
    let mut answer = [0; 8];
    rude.read_exact(&mut answer).unwrap();
    assert_ne!(u32::from_ne_bytes(answer[..4].try_into().unwrap()), 0);
    assert_eq!(rude.read(&mut answer).unwrap(), 0, "and is hung up on");
    mount.end();
}

#[test]
fn the_socket_is_for_its_owner_only() {
    let Some(mount) = Mount::new() else { return };
    let socket = mount.socket();
    assert_eq!(fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(socket.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
}

/// Makes /dev/fuse what it is on most systems, for as long as this lives.
struct OpenDevice(u32);

fn open_device() -> OpenDevice {
    static BEFORE: OnceLock<u32> = OnceLock::new();
    let path = Path::new("/dev/fuse");
    let before = *BEFORE.get_or_init(|| fs::metadata(path).unwrap().mode());
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    OpenDevice(before)
}

impl Drop for OpenDevice {
    fn drop(&mut self) {
        let _ = fs::set_permissions("/dev/fuse", fs::Permissions::from_mode(self.0));
    }
}

fn as_user(scratch: &Scratch, program: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(words);
    command.env("BOUGH_STATE_DIR", scratch.path().join("user-state"));
    command
}

const NOBODY: u32 = 65_534;

/// A folder of an ordinary user's, with a mount point and the daemon in it; one test at a time has /dev/fuse open to all.
fn place_of_user() -> Option<(Scratch, PathBuf, PathBuf, MutexGuard<'static, ()>)> {
    static TURN: Mutex<()> = Mutex::new(());
    if !fuse_is_here() || !sys::is_root() || !installed("fusermount3") || !installed("setpriv") {
        return None;
    }
    let turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let scratch = Scratch::new();
    let (point, program) = (scratch.folder("mnt"), scratch.path().join("bough-fuse"));
    // By another process: a file that this one has open for writing, be it for a moment, a test that forks may hold open, and then it cannot be run.
    assert!(Command::new("cp").arg(daemon()).arg(&program).status().unwrap().success());
    for folder in [&point, scratch.path()] {
        std::os::unix::fs::chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    Some((scratch, point, program, turn))
}

#[test]
fn an_ordinary_user_mounts_works_and_unmounts() {
    let Some((scratch, point, program, _turn)) = place_of_user() else { return };
    let shut = as_user(&scratch, &program, &[point.to_str().unwrap()]);
    if fs::metadata("/dev/fuse").unwrap().mode() & 0o006 == 0 {
        let (code, said) = refused(&{ shut }.output().unwrap());
        assert!(code == 8 && said.contains("/dev/fuse"), "{code} {said}");
    }
    let device = open_device();
    for options in ["default_permissions", "rw"] {
        let output = as_user(&scratch, &program, &["-o", options, point.to_str().unwrap()]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let line = format!(
            "cd {} && echo mine > f && mkdir d && mv f d && cat d/f && chmod 600 d/f && id -u",
            point.display()
        );
        assert_eq!(run(&mut as_user(&scratch, Path::new("sh"), &["-c", &line])), "mine\n65534\n");
        assert!(fs::metadata(&point).is_err(), "root has no business there");
        run(&mut as_user(&scratch, Path::new("fusermount3"), &["-u", point.to_str().unwrap()]));
        eventually("the daemon has ended", || fs::read_dir(scratch.path().join("user-state")).unwrap().count() == 0);
    }
    let words = ["PATH=/nowhere", program.to_str().unwrap(), point.to_str().unwrap()];
    let (code, said) = refused(&as_user(&scratch, Path::new("env"), &words).output().unwrap());
    assert!(code == 9 && said.contains("fusermount3"), "{code} {said}");
    drop(device);
}

#[test]
fn a_user_who_may_have_few_threads_is_served_or_told_why_not() {
    let Some((scratch, point, program, _turn)) = place_of_user() else { return };
    let _device = open_device();
    let run_as = |limit: Option<u32>, words: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", "120", "prlimit"]).args(limit.map(|limit| format!("--nproc={limit}")));
        command.args(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]).args(words);
        command.env("BOUGH_STATE_DIR", scratch.path().join("user-state")).current_dir("/").output().unwrap()
    };
    let mut served = 0;
    for limit in (1..=12).chain([16, 24]) {
        let words = [program.to_str().unwrap(), "-o", "default_permissions", point.to_str().unwrap()];
        let output = run_as(Some(limit), &words);
        if !output.status.success() {
            assert!(!output.stderr.is_empty(), "with {limit} threads it fails without a word");
            assert!(sys::mounts_below(scratch.path()).is_empty(), "with {limit} threads it fails and leaves a mount");
            continue;
        }
        served += 1;
        // From now on there are no more; what waits for others is refused, and nobody waits for ever.
        let line = format!(
            "for i in $(seq 24); do sleep 200 > /dev/null 2>&1 & done; trap 'kill $(jobs -p); wait' EXIT
             cd {} && echo mine > f && mkdir d && mv f d && cat d/f
             python3 -c 'import os; f = os.open(\"e\", os.O_RDWR | os.O_CREAT); os.write(f, bytes(300000)); os.lseek(f, 0, os.SEEK_DATA)' || true
             rm -r *",
            point.display()
        );
        let said = run_as(None, &["bash", "-c", &line]);
        assert!(said.status.success() && said.stdout == b"mine\n", "with {limit} threads: {said:?}");
        let unmounted = run_as(None, &["fusermount3", "-u", point.to_str().unwrap()]);
        assert!(unmounted.status.success(), "with {limit} threads: {unmounted:?}");
        eventually("the daemon has ended", || fs::read_dir(scratch.path().join("user-state")).unwrap().count() == 0);
    }
    assert!(served > 0, "two dozen are enough");
}

#[test]
fn in_the_foreground_it_stays_and_logs() {
    if !fuse_is_here() {
        return;
    }
    let scratch = Scratch::new();
    let point = scratch.folder("mnt");
    let mut command = daemon_command(&scratch, "default_permissions", &point);
    command.arg("-f").stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    eventually("it is mounted", || !sys::mounts_below(scratch.path()).is_empty());
    assert_eq!(info(&point).pid, child.id());
    fs::write(point.join("f"), "x").unwrap();
    assert!(child.try_wait().unwrap().is_none());
    sys::kill(child.id(), libc::SIGINT);
    assert!(child.wait().unwrap().success());
    assert!(sys::mounts_below(scratch.path()).is_empty());
}

#[test]
fn idle_mounts_use_no_processor_time() {
    let_mounts_idle();
}

/// Nothing wakes their daemon.
pub(crate) fn let_mounts_idle() {
    let Some(mount) = Mount::new() else { return };
    let other = mount.attach("", "other");
    fs::write(mount.at("f"), "x").unwrap();
    let ticks = || -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", mount.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let switches = || -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", mount.pid())).unwrap();
        let of = |task: fs::DirEntry| fs::read_to_string(task.path().join("status")).unwrap_or_default();
        // Who listens for memory getting short is woken as often as the machine says so, which others can bring about.
        let listens = |text: &String| text.starts_with("Name:\tbough-pressure\n");
        let lines: Vec<String> = tasks.map(|task| of(task.unwrap())).filter(|text| !listens(text)).collect();
        let counts = lines.iter().flat_map(|text| text.lines()).filter(|line| line.contains("ctxt_switches"));
        counts.map(|line| line.rsplit('\t').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    let idles = || {
        let (before, woken) = (ticks(), switches());
        std::thread::sleep(Duration::from_secs(1));
        let took = (ticks() - before, switches() - woken);
        if took != (0, 0) {
            println!("{} ticks of the clock, woken {} times in a second", took.0, took.1);
        }
        // Core looks after its memory a few times a second; nothing of the daemon's own wakes. What it does then may make a tick full.
        took.0 <= 1 && took.1 <= 20
    };
    // What was done just now has an end, and on a busy machine it comes late.
    assert!((0..30).any(|_| idles()), "the daemon is never idle");
    snapshot(mount.point(), "s");
    mount.end_with(&[&other]);
}

/// Of each thread of a daemon: how often it slept, and the processor that it was last on.
fn sleepers(daemon: u32) -> HashMap<String, (u64, usize)> {
    let of = |task: fs::DirEntry| {
        let read = |name: &str| fs::read_to_string(task.path().join(name)).ok();
        let (status, stat) = (read("status")?, read("stat")?);
        let slept =
            status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?.trim().parse().ok()?;
        let processor = stat.rsplit_once(") ")?.1.split(' ').nth(36)?.parse().ok()?;
        Some((task.file_name().into_string().ok()?, (slept, processor)))
    };
    fs::read_dir(format!("/proc/{daemon}/task")).unwrap().filter_map(|task| of(task.unwrap())).collect()
}

/// The processor of the thread that answers, which is the one that sleeps most often while somebody asks.
fn processor_of_answers(mount: &Mount) -> usize {
    let before = sleepers(mount.pid());
    for _ in 0..100 {
        fs::write(mount.at("f"), "").unwrap();
        fs::remove_file(mount.at("f")).unwrap();
    }
    let slept =
        |(task, (slept, _)): &(&String, &(u64, usize))| slept - before.get(*task).map_or(0, |(slept, _)| *slept);
    sleepers(mount.pid()).iter().max_by_key(slept).unwrap().1.1
}

/// Runs without an end on every processor.
struct Load(Vec<Child>);

impl Load {
    fn new() -> Load {
        // In the shell itself, so that it ends with the shell; and by itself, should nobody end it.
        let script = "ulimit -t 60; while :; do :; done";
        let busy = |_: &usize| Command::new("sh").args(["-c", script]).spawn().unwrap();
        Load(sys::processors().iter().map(busy).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for busy in &mut self.0 {
            busy.kill().unwrap();
            busy.wait().unwrap();
        }
    }
}

#[test]
fn on_a_busy_machine_who_answers_sleeps_on_the_processor_of_who_asks() {
    // Where there is io_uring each processor has a thread of its own.
    let (all, Some(mount)) = (sys::processors(), Mount::with(&format!("{USUAL},no_io_uring"))) else { return };
    let _load = Load::new();
    let is_near = |round: &usize| {
        let here = all[round % all.len().min(2)];
        sys::stay_on(&[here]);
        processor_of_answers(&mount) == here
    };
    // By chance it would be half of them.
    eventually("the daemon follows from one processor to the other", || (0..20).filter(is_near).count() >= 15);
    sys::stay_on(&all);
    let allowed = |task: &String| {
        let status = fs::read_to_string(format!("/proc/{}/task/{task}/status", mount.pid())).unwrap_or_default();
        status.lines().find(|line| line.starts_with("Cpus_allowed:")).map(str::to_owned)
    };
    let kinds: HashSet<String> = sleepers(mount.pid()).keys().filter_map(allowed).collect();
    assert_eq!(kinds.len(), 1, "a thread stays where it was sent: {kinds:?}");
    mount.end();
}

/// execve(2) closes what is marked so while whoever reads /proc/PID/stat must wait for it.
#[test]
fn programs_start_while_files_that_they_will_not_have_are_dirty() {
    let Some(mount) = Mount::new() else { return };
    let (done, when) = std::sync::mpsc::channel();
    let path = mount.at("f");
    std::thread::spawn(move || {
        for round in 0..200 {
            let file = fs::File::create(&path).unwrap();
            file.write_all_at(&[7; 4096], round * 4096).unwrap();
            assert!(Command::new("true").status().unwrap().success());
        }
        done.send(()).unwrap();
    });
    when.recv_timeout(3 * PATIENCE).expect("no program is held up");
    mount.end();
}
