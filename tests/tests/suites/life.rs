//! Mounts that come and go, daemons that die, and what runs out: disks, descriptors, threads, memory.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::fixture::{
    Mount, Scratch, USUAL, daemon_command, eventually, info, is_alive, root, run, shell, snapshot, sound, start,
};
use crate::kit::noise;
use crate::sys;

fn live_and_end(times: usize) {
    let Some(first) = Mount::new() else { return };
    first.end();
    let scratch = Scratch::new();
    let point = scratch.folder("mnt");
    for round in 0..times {
        let output = start(&scratch, USUAL, &point);
        assert!(output.status.success(), "round {round}: {output:?}");
        let pid = info(&point).pid;
        fs::write(point.join("file"), noise(round as u64, 5000 * (round % 9))).unwrap();
        if round % 3 == 0 {
            snapshot(&point, "s");
        }
        eventually("it can be unmounted", || sys::unmount(&point).is_ok());
        eventually("the daemon ends", || !is_alive(pid));
        assert_eq!(fs::read_dir(&point).unwrap().count(), 0);
    }
    assert_eq!(fs::read_dir(scratch.path().join("state")).unwrap().count(), 0);
}

#[test]
fn a_score_of_mounts_one_after_another_leaves_nothing() {
    live_and_end(20);
}

#[test]
#[ignore = "minutes: make test-long"]
fn hundreds_of_mounts_one_after_another_leave_nothing() {
    live_and_end(500);
}

fn die_at_random(times: u64) {
    let Some(first) = Mount::new() else { return };
    first.end();
    let scratch = Scratch::new();
    let (point, spill) = (scratch.folder("mnt"), scratch.folder("spill"));
    let options = format!("{USUAL},volume=mortal,memory=2M,spill_dir={}", spill.display());
    for round in 0..times {
        let output = start(&scratch, &options, &point);
        assert!(output.status.success(), "round {round}: {output:?}");
        let pid = info(&point).pid;
        let work = "i=0; while :; do i=$((i+1)); head -c 300000 /dev/zero > f$((i%9)); mv f$((i%9)) g; rm -f g; done";
        let mut worker = Command::new("sh");
        worker.args(["-c", work]).current_dir(&point).stderr(std::process::Stdio::null()).process_group(0);
        let mut worker = worker.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + round * 37 % 300));
        sys::kill(pid, libc::SIGKILL);
        eventually("the daemon is dead", || !is_alive(pid));
        let dead = fs::metadata(point.join("f1")).unwrap_err();
        assert!(matches!(dead.raw_os_error(), Some(libc::ENOTCONN | libc::ECONNABORTED)), "{dead}");
        worker.kill().unwrap();
        worker.wait().unwrap();
        eventually("what is left of the mount goes", || sys::unmount_lazily(&point).is_ok());
        assert_eq!(fs::read_dir(&spill).unwrap().count(), 0, "nothing is left of the spill file");
    }
    let output = start(&scratch, &options, &point);
    assert!(output.status.success(), "{output:?}");
    let pid = info(&point).pid;
    eventually("it can be unmounted", || sys::unmount(&point).is_ok());
    eventually("the daemon ends", || !is_alive(pid));
    assert_eq!(fs::read_dir(scratch.path().join("state")).unwrap().count(), 0, "the living clear away after the dead");
}

#[test]
fn a_daemon_killed_at_work_leaves_nothing_that_matters() {
    die_at_random(5);
}

#[test]
#[ignore = "minutes: make test-long"]
fn daemons_killed_at_a_hundred_moments_leave_nothing_that_matters() {
    die_at_random(100);
}

/// A file system of so many bytes, to fill up; unmounted at the end.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn new(point: std::path::PathBuf, size: &str) -> Option<SmallDisk> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&point);
        mount.output().is_ok_and(|output| output.status.success()).then_some(SmallDisk(point))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = sys::unmount_lazily(&self.0);
    }
}

/// Bytes written before there is no more room.
fn fill(file: &Path) -> u64 {
    let mut file = fs::File::create(file).unwrap();
    let piece = noise(5, 65_536);
    let mut written = 0;
    loop {
        match file.write_all(&piece).and_then(|()| file.sync_data()) {
            Ok(()) => written += piece.len() as u64,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                return written;
            }
        }
    }
}

#[test]
fn a_full_disk_is_no_space_and_everything_stored_stays() {
    let scratch = Scratch::new();
    // What the volume leaves to others of its disk is 256 MiB: the disk has a little more.
    let Some(disk) = SmallDisk::new(scratch.folder("disk"), "264M") else {
        eprintln!("SKIPPED: mounting a small disk takes root");
        return;
    };
    let Some(mount) = Mount::with(&format!("{USUAL},memory=2M,spill_dir={}", disk.0.display())) else { return };
    fs::write(mount.at("kept"), noise(1, 1_000_000)).unwrap();
    for round in 0..2 {
        let room = fill(&mount.at("filling"));
        assert!(room > 4 << 20, "round {round}: only {room} bytes went to the disk");
        assert!(fs::read(mount.at("kept")).unwrap() == noise(1, 1_000_000), "round {round}");
        sound(mount.point(), false);
        fs::remove_file(mount.at("filling")).unwrap();
    }
    let mut after = fs::File::create(mount.at("after")).unwrap();
    after.write_all(&noise(2, 1_000_000)).and_then(|()| after.sync_all()).unwrap();
    drop(after);
    // The kernel tells once more of what failed before.
    let _ = Command::new("sync").arg("-f").arg(mount.point()).output();
    assert!(fs::read(mount.at("after")).unwrap() == noise(2, 1_000_000));
    mount.end();
}

/// A daemon under limits of its own (`prlimit`); what it says when it cannot.
fn under(limits: &[&str], scratch: &Scratch, point: &Path) -> std::process::Output {
    let daemon = daemon_command(scratch, USUAL, point);
    let mut command = Command::new("prlimit");
    command.args(limits).arg(daemon.get_program()).args(daemon.get_args());
    command.envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.output().unwrap()
}

#[test]
fn a_daemon_without_descriptors_says_so_or_serves() {
    let Some(first) = Mount::new() else { return };
    first.end();
    for limit in [4, 6, 8, 10, 12, 16, 24] {
        let scratch = Scratch::new();
        let point = scratch.folder("mnt");
        let output = under(&[&format!("--nofile={limit}")], &scratch, &point);
        if !output.status.success() {
            assert!(!output.stderr.is_empty(), "with {limit} descriptors it fails without a word");
            assert!(sys::mounts_below(scratch.path()).is_empty(), "and leaves a mount");
            continue;
        }
        fs::write(point.join("file"), noise(1, 200_000)).unwrap();
        assert!(fs::read(point.join("file")).unwrap() == noise(1, 200_000));
        let pid = info(&point).pid;
        eventually("it can be unmounted", || sys::unmount(&point).is_ok());
        eventually("the daemon ends", || !is_alive(pid));
    }
}

/// The daemon with a sanitizer in it: what it says of itself stands in files of its own.
fn sanitized(sanitizer: &str, options: (&str, &str)) {
    let Some(first) = Mount::new() else { return };
    first.end();
    let folder = root().join("target/sanitized");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "bough", "--target-dir"]).arg(&folder).current_dir(root());
    run(&mut cargo);
    let mut make = Command::new("make");
    make.arg("-C").arg(root().join("glue-linux")).arg(format!("SANITIZE={sanitizer}"));
    make.arg(format!("LIBBOUGH={}", folder.join("debug/libbough.a").display()));
    run(make.arg(format!("OUT={}", folder.display())));
    let scratch = Scratch::new();
    let (point, log) = (scratch.folder("mnt"), scratch.folder("log"));
    let daemon = daemon_command(&scratch, USUAL, &point);
    let mut command = Command::new(folder.join(format!("bough-fuse-{sanitizer}")));
    command.envs(daemon.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.args(daemon.get_args()).env(options.0, format!("{}:log_path={}/of", options.1, log.display()));
    // libfuse's copy of the mount point's name goes only where libfuse unmounts; who unmounts here is umount(8).
    let known = scratch.path().join("known-leaks");
    fs::write(&known, "leak:fuse_session_mount\n").unwrap();
    command.env("LSAN_OPTIONS", format!("print_suppressions=0:suppressions={}", known.display()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let pid = info(&point).pid;
    shell(
        &point,
        "mkdir a; for i in $(seq 200); do echo $i > a/$i; ln a/$i a/l$i; mv a/$i a/m$i; done; ls -lR > /dev/null
         head -c 3000000 /dev/urandom > big; cp big copy; cmp big copy; truncate -s 100 big; setfattr -n user.a -v b big
         flock big true; rm -r a; (cat copy & cat copy & wait) > /dev/null",
    );
    for round in 0..20 {
        snapshot(&point, &format!("s{round}"));
        fs::write(point.join("file"), noise(round, 100_000)).unwrap();
    }
    sound(&point, true);
    eventually("it can be unmounted", || sys::unmount(&point).is_ok());
    eventually("the daemon ends", || !is_alive(pid));
    let told = fs::read_dir(&log).unwrap().map(|report| fs::read_to_string(report.unwrap().path()).unwrap());
    assert_eq!(told.collect::<String>(), "");
}

#[test]
#[ignore = "builds the daemon anew: make test-long"]
fn the_daemon_leaks_nothing_and_touches_nothing_that_it_should_not() {
    sanitized("address", ("ASAN_OPTIONS", "detect_leaks=1"));
}

#[test]
#[ignore = "builds the daemon anew: make test-long"]
fn the_daemon_does_nothing_undefined() {
    sanitized("undefined", ("UBSAN_OPTIONS", "print_stacktrace=1"));
}
