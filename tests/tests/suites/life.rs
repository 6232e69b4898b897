//! Mounts that come and go, daemons that die, and what runs out: disks, descriptors, threads, memory.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::census::Census;
use crate::fixture::{
    Mount, Scratch, USUAL, branch, daemon_command, eventually, fuse_is_here, info, is_alive, name, names, root, run,
    shell, snapshot, sound, start, switch,
};
use crate::ground::{On, populate};
use crate::kit::{Ended, SmallDisk, noise};
use crate::sys;
use crate::toolchain::{ThreadSanitizer, library, nightly};
use bough::control::message;
use bough::control::messages::fs_control_delete;

/// A folder for daemons that come and go, the options they are started with, and what the base is.
fn place(on: On) -> Option<(Scratch, String, Option<Census>)> {
    let scratch = fuse_is_here().then(Scratch::new)?;
    if on == On::Nothing {
        return Some((scratch, USUAL.to_owned(), None));
    }
    let base = scratch.folder("base");
    populate(&base);
    let options = format!("{USUAL},base={}", base.display());
    let before = Census::of(&base);
    Some((scratch, options, Some(before)))
}

#[track_caller]
fn check_base(scratch: &Scratch, before: Option<Census>) {
    if let Some(before) = before {
        before.assert_same(&Census::of(&scratch.path().join("base")));
    }
}

fn live_and_end(on: On, times: usize) {
    let Some((scratch, options, before)) = place(on) else { return };
    let point = scratch.folder("mnt");
    for round in 0..times {
        let output = start(&scratch, &options, &point);
        assert!(output.status.success(), "round {round}: {output:?}");
        let pid = info(&point).pid;
        let file = point.join(if on == On::Base { format!("many/{}", round % 700) } else { "file".to_owned() });
        fs::write(file, noise(round as u64, 5000 * (round % 9))).unwrap();
        if round % 3 == 0 {
            snapshot(&point, "s");
        }
        sound(&point, true);
        eventually("it can be unmounted", || sys::unmount(&point).is_ok());
        eventually("the daemon ends", || !is_alive(pid));
        assert_eq!(fs::read_dir(&point).unwrap().count(), 0);
    }
    assert_eq!(fs::read_dir(scratch.path().join("state")).unwrap().count(), 0);
    check_base(&scratch, before);
}

#[test]
fn a_score_of_mounts_one_after_another_leaves_nothing() {
    live_and_end(On::Nothing, 20);
    live_and_end(On::Base, 10);
}

#[test]
#[ignore = "minutes: make test-long"]
fn hundreds_of_mounts_one_after_another_leave_nothing() {
    live_and_end(On::Nothing, 500);
    live_and_end(On::Base, 500);
}

/// What a daemon holds: descriptors, threads, and KiB of memory.
fn held(pid: u32) -> (usize, usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    (count("fd"), count("task"), resident.trim().trim_end_matches(" kB").parse().unwrap())
}

/// Branches made, shown at a further mount point, worked in, unmounted and deleted, by one daemon.
fn show_branches(on: On, times: usize) {
    const GROWTH_KIB: usize = 8 * 1024;
    /// Workers that a busy moment has started stay, each with a descriptor or two. What leaks leaks in each round.
    const MORE: usize = 4;
    let Some((scratch, options, before)) = place(on) else { return };
    let point = scratch.folder("mnt");
    // Threads as many as ever, so that a number of them says something.
    let mount = Mount::begin(scratch, &format!("{options},max_threads=2"), point);
    let cycle = |round: usize| {
        branch(mount.point(), "try", "main");
        let shown = mount.attach("try", "shown");
        shell(
            &shown,
            "mkdir made; echo x > made/file; find . -type f -name '[1-5]*' -exec cat {} + > /dev/null; rm -rf many/d1*",
        );
        eventually("it can be unmounted", || sys::unmount(&shown).is_ok());
        fs::remove_dir(&shown).unwrap();
        delete_branch(mount.point(), "try");
        if round.is_multiple_of(10) {
            sound(mount.point(), true);
        }
    };
    (0..10).for_each(cycle);
    let (files, threads, memory) = held(mount.pid());
    (0..times).for_each(cycle);
    let mut told = None;
    eventually("no descriptors, no threads and no memory are left", || {
        let now = held(mount.pid());
        let more = now.0 > files + MORE || now.1 > threads + MORE || now.2 >= memory + GROWTH_KIB;
        if more && told.replace(now) != Some(now) {
            println!(
                "descriptors {files}, then {}; threads {threads}, then {}; KiB {memory}, then {}",
                now.0, now.1, now.2
            );
        }
        !more
    });
    mount.unmount(&[]);
    check_base(mount.scratch(), before);
}

/// A branch that was just shown may be held for a moment.
fn delete_branch(point: &Path, called: &str) {
    eventually("the branch can be deleted", || {
        let mut request: fs_control_delete = message();
        request.name = name(called);
        sys::control(point, request).unwrap().header.result == 0
    });
}

#[test]
fn branches_that_come_and_go_leave_no_descriptors_threads_or_memory() {
    On::BOTH.into_iter().for_each(|on| show_branches(on, 15));
}

#[test]
#[ignore = "minutes: make test-long"]
fn hundreds_of_branches_that_come_and_go_leave_no_descriptors_threads_or_memory() {
    On::BOTH.into_iter().for_each(|on| show_branches(on, 300));
}

fn die_at_random(on: On, times: u64) {
    let Some((scratch, usual, before)) = place(on) else { return };
    let (point, spill) = (scratch.folder("mnt"), scratch.folder("spill"));
    // Each has a name of its own, and so a socket: the next to come clears it away.
    let named = |round: u64| format!("{usual},volume=mortal-{round},memory=2M,spill_dir={}", spill.display());
    for round in 0..times {
        let output = start(&scratch, &named(round), &point);
        assert!(output.status.success(), "round {round}: {output:?}");
        let pid = info(&point).pid;
        let work = "i=0; while :; do i=$((i+1)); head -c 300000 /dev/zero > f$((i%9)); mv f$((i%9)) g; rm -f g; done";
        let mut worker = Command::new("sh");
        worker.args(["-c", work]).current_dir(&point).stderr(std::process::Stdio::null()).process_group(0);
        let worker = Ended(worker.spawn().unwrap());
        std::thread::sleep(Duration::from_millis(20 + round * 37 % 300));
        sys::kill(pid, libc::SIGKILL);
        eventually("the daemon is dead", || !is_alive(pid));
        // Of a name that was never asked for: the kernel may remember of the others that there is none.
        let dead = fs::metadata(point.join("never")).unwrap_err();
        assert!(matches!(dead.raw_os_error(), Some(libc::ENOTCONN | libc::ECONNABORTED)), "{dead}");
        drop(worker);
        eventually("what is left of the mount goes", || sys::unmount_lazily(&point).is_ok());
        assert_eq!(fs::read_dir(&spill).unwrap().count(), 0, "nothing is left of the spill file");
        let left: Vec<_> = fs::read_dir(scratch.path().join("state")).unwrap().collect();
        assert!(left.len() <= 1, "the living clear away after the dead: {left:?}");
    }
    let output = start(&scratch, &named(times), &point);
    assert!(output.status.success(), "{output:?}");
    let pid = info(&point).pid;
    sound(&point, true);
    eventually("it can be unmounted", || sys::unmount(&point).is_ok());
    eventually("the daemon ends", || !is_alive(pid));
    assert_eq!(fs::read_dir(scratch.path().join("state")).unwrap().count(), 0, "the living clear away after the dead");
    check_base(&scratch, before);
}

#[test]
fn a_daemon_killed_at_work_leaves_nothing_that_matters() {
    die_at_random(On::Nothing, 4);
    die_at_random(On::Base, 4);
}

#[test]
#[ignore = "minutes: make test-long"]
fn daemons_killed_at_a_hundred_moments_leave_nothing_that_matters() {
    On::BOTH.into_iter().for_each(|on| die_at_random(on, 100));
}

#[test]
fn a_socket_of_a_living_daemon_is_left_alone_and_so_is_what_is_no_socket() {
    let Some(mount) = Mount::with(&format!("{USUAL},volume=first")) else { return };
    let state = mount.scratch().path().join("state");
    fs::write(state.join("file.sock"), "no socket").unwrap();
    drop(std::os::unix::net::UnixListener::bind(state.join("dead.sock")).unwrap());
    let second = mount.scratch().folder("second");
    let output = start(mount.scratch(), &format!("{USUAL},volume=second"), &second);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(names(&state), ["file.sock", "first.sock", "second.sock"]);
    let pid = info(&second).pid;
    sound(&second, true);
    eventually("it can be unmounted", || sys::unmount(&second).is_ok());
    eventually("the daemon ends", || !is_alive(pid));
    fs::remove_file(state.join("file.sock")).unwrap();
    assert_eq!(mount.socket(), state.join("first.sock"));
    mount.end();
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
    On::BOTH.into_iter().for_each(|on| fill_the_disk(on, &disk));
}

fn fill_the_disk(on: On, disk: &SmallDisk) {
    let Some((scratch, options, before)) = place(on) else { return };
    let point = scratch.folder("mnt");
    let mount = Mount::begin(scratch, &format!("{options},memory=2M,spill_dir={}", disk.path().display()), point);
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
    mount.unmount(&[]);
    check_base(mount.scratch(), before);
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
        sound(&point, true);
        eventually("it can be unmounted", || sys::unmount(&point).is_ok());
        eventually("the daemon ends", || !is_alive(pid));
    }
}

/// Lives of a daemon with a sanitizer in it, whose reports go to files of their own: there must be none.
fn live_watched(program: &Path, options: (&str, &str), on: On, lives: usize) {
    let Some((scratch, usual, before)) = place(on) else { return };
    let short = format!("{usual},memory=4M,spill_dir={}", scratch.folder("spill").display());
    let frozen = if on == On::Base { format!("{usual},freeze") } else { format!("{usual},locks,no_writeback") };
    for (number, mount_options) in [short, usual, frozen].iter().take(lives).enumerate() {
        watch_over(program, options, &scratch, mount_options, &format!("{number}"));
    }
    check_base(&scratch, before);
}

fn live_long(program: &Path, options: (&str, &str)) {
    On::BOTH.into_iter().for_each(|on| live_watched(program, options, on, 3));
}

/// Makes the daemon with a sanitizer in it; `$BOUGH_FUSE_SANITIZED` takes its place.
fn make_daemon(sanitizer: &str, library: &Path, folder: &Path, more: &[String]) -> PathBuf {
    if let Some(chosen) = std::env::var_os("BOUGH_FUSE_SANITIZED") {
        return chosen.into();
    }
    let mut make = Command::new("make");
    make.arg("-C").arg(root().join("glue-linux")).arg(format!("SANITIZE={sanitizer}")).args(more);
    make.arg(format!("LIBBOUGH={}", library.join("libbough.a").display()));
    run(make.arg(format!("OUT={}", folder.display())));
    folder.join(format!("bough-fuse-{sanitizer}"))
}

/// Core is instrumented too where there is a compiler that can (a nightly one); elsewhere what core does with memory is seen as far as it
/// calls the allocator.
fn sanitized_daemon(sanitizer: &str) -> PathBuf {
    let folder = root().join("target/sanitized");
    let works = |program: &str, words: &[&str]| {
        Command::new(program).args(words).output().is_ok_and(|output| output.status.success())
    };
    let instrumented = sanitizer == "address"
        && works("rustup", &["run", &nightly(), "cargo", "-V"])
        && works("clang", &["--version"]);
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(if instrumented { "rustup" } else { env!("CARGO") });
    if instrumented {
        cargo.args(["run", &nightly(), "cargo"]).env("RUSTFLAGS", "-Zsanitizer=address");
    }
    cargo.args(["build", "--quiet", "--package", "bough", "--target-dir"]).arg(&folder).current_dir(root());
    let library = if instrumented { format!("{triple}/debug") } else { "debug".to_owned() };
    run(cargo.args(instrumented.then_some(["--target", &triple]).into_iter().flatten()));
    let compiler: Vec<String> = instrumented.then(|| "CC=clang".to_owned()).into_iter().collect();
    make_daemon(sanitizer, &folder.join(library), &folder, &compiler)
}

/// Core is the instrumented one of the C API's tests: what of its threads is not seen says nothing.
fn thread_sanitized_daemon(sanitizer: &ThreadSanitizer) -> PathBuf {
    let runtime = format!("RUNTIME={}", sanitizer.runtime().display());
    make_daemon("thread", sanitizer.library(), sanitizer.library(), &[runtime])
}

/// libfuse is as the system has it: what it does itself is not judged.
fn thread_options(sanitizer: &ThreadSanitizer) -> String {
    sanitizer.options("ignore_noninstrumented_modules=1")
}

/// One life of it, with a bit of everything.
fn watch_over(program: &Path, options: (&str, &str), scratch: &Scratch, mount_options: &str, number: &str) {
    let (point, log) = (scratch.folder(&format!("mnt-{number}")), scratch.folder(&format!("log-{number}")));
    let daemon = daemon_command(scratch, mount_options, &point);
    let mut command = Command::new(program);
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
         flock big true; rm -r a; (cat copy & cat copy & wait) > /dev/null; mkfifo fifo; ln -s big soft; cat soft > /dev/null
         if [ -e many ]; then cat many/[1-5]* > /dev/null; echo more >> many/7; mv many moved; ln moved/8 linked; chmod 600 moved/9
             rm -r moved/d*; mv moved/10 moved/11; truncate -s 9999 large; cat large > /dev/null; rm links/one; getfattr -d large; fi",
    );
    // Many at once, on names of their own and on some that all want.
    shell(
        &point,
        "for w in 1 2 3 4; do (mkdir w$w; for i in $(seq 40); do
             echo $w $i > w$w/$i; cat w$w/$i >> both; ln -f w$w/$i any || true; mv w$w/$i w$w/last
             ls -l . w$w > /dev/null || true; setfattr -n user.$w -v $i both; flock both true
         done) & done; wait; test $(wc -l < both) = 160; rm -r w?",
    );
    for round in 0..20 {
        snapshot(&point, &format!("s{round}"));
        branch(&point, &format!("b{round}"), &format!("s{round}"));
        fs::write(point.join("file"), noise(round, 100_000)).unwrap();
        if round % 5 == 4 {
            switch(&point, &format!("b{round}"));
        }
    }
    sound(&point, true);
    eventually("it can be unmounted", || sys::unmount(&point).is_ok());
    eventually("the daemon ends", || !is_alive(pid));
    let told = fs::read_dir(&log).unwrap().map(|report| fs::read_to_string(report.unwrap().path()).unwrap());
    assert_eq!(told.collect::<String>(), "");
}

#[test]
fn the_daemon_lives_under_sanitizers_and_they_have_nothing_to_say() {
    if !fuse_is_here() {
        return;
    }
    let address = make_daemon("address", library(), library(), &[]);
    live_watched(&address, ("ASAN_OPTIONS", "detect_leaks=1"), On::Base, 1);
    if let Some(sanitizer) = ThreadSanitizer::new() {
        let threads = thread_sanitized_daemon(&sanitizer);
        live_watched(&threads, ("TSAN_OPTIONS", &thread_options(&sanitizer)), On::Base, 1);
    }
}

#[test]
#[ignore = "builds the daemon anew: make test-long"]
fn the_daemon_leaks_nothing_and_touches_nothing_that_it_should_not() {
    if fuse_is_here() {
        live_long(&sanitized_daemon("address"), ("ASAN_OPTIONS", "detect_leaks=1"));
    }
}

#[test]
#[ignore = "builds the daemon anew: make test-long"]
fn the_daemon_does_nothing_undefined() {
    if fuse_is_here() {
        live_long(&sanitized_daemon("undefined"), ("UBSAN_OPTIONS", "print_stacktrace=1"));
    }
}

#[test]
#[ignore = "builds the daemon anew: make test-long"]
fn the_daemon_s_threads_do_not_race() {
    let Some(sanitizer) = fuse_is_here().then(ThreadSanitizer::new).flatten() else { return };
    live_long(&thread_sanitized_daemon(&sanitizer), ("TSAN_OPTIONS", &thread_options(&sanitizer)));
}
