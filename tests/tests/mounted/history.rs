//! Snapshots, branches and switches through a mount.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use bough::control::messages::*;
use bough::control::{filled, ioctl_number, message};
use bough::ffi::results::{FS_BUSY, FS_OK};

use crate::fixture::{
    Mount, Scratch, USUAL, branch, daemon, eventually, fuse_is_here, info, installed, name, names, run, shell,
    side_that_differs, snapshot, sound, switch, try_snapshot, try_snapshot_as_it_is,
};
use crate::sys;

#[test]
fn a_snapshot_holds_what_was_and_refuses_changes() {
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("f"), "then").unwrap();
    snapshot(mount.point(), "s");
    fs::write(mount.at("f"), "now").unwrap();
    fs::write(mount.at("g"), "new").unwrap();
    let then = mount.attach("s", "then");
    assert_eq!(fs::read(then.join("f")).unwrap(), b"then");
    assert_eq!(names(&then), ["f"]);
    for refused in [
        fs::write(then.join("f"), "x").unwrap_err(),
        fs::write(then.join("h"), "x").unwrap_err(),
        fs::remove_file(then.join("f")).unwrap_err(),
        fs::rename(then.join("f"), then.join("k")).unwrap_err(),
        fs::create_dir(then.join("d")).unwrap_err(),
    ] {
        assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
    }
    assert_eq!(fs::read(mount.at("f")).unwrap(), b"now");
}

/// Content that only the kernel has yet must be in.
#[test]
fn a_snapshot_holds_every_byte_that_was_written_before_it() {
    const FILES: usize = 4;
    const BYTES: usize = 64 << 20;
    let Some(mount) = Mount::with("default_permissions,allow_other,memory=2G") else { return };
    let block = vec![0x5a_u8; 1 << 20];
    let files: Vec<File> = (0..FILES).map(|i| File::create(mount.at(&format!("f{i}"))).unwrap()).collect();
    for file in &files {
        for at in (0..BYTES).step_by(block.len()) {
            file.write_all_at(&block, at as u64).unwrap();
        }
    }
    snapshot(mount.point(), "s");
    for file in &files {
        file.write_all_at(b"later", 12_345).unwrap();
    }
    let then = mount.attach("s", "then");
    for i in 0..FILES {
        let bytes = fs::read(then.join(format!("f{i}"))).unwrap();
        assert_eq!(bytes.len(), BYTES);
        assert!(bytes.iter().all(|&byte| byte == 0x5a), "file {i}");
    }
}

/// Pages that are no neighbours go to the daemon one by one: more requests than the kernel hands over at a time.
#[test]
fn a_snapshot_holds_every_page_that_was_written_before_it() {
    const PAGES: u64 = 20_000;
    let Some(mount) = Mount::with("default_permissions,allow_other,memory=2G") else { return };
    let file = File::create(mount.at("f")).unwrap();
    file.set_len(PAGES * 8192).unwrap();
    for page in 0..PAGES {
        file.write_all_at(&page.to_ne_bytes(), page * 8192).unwrap();
    }
    snapshot(mount.point(), "s");
    let then = mount.attach("s", "then");
    let copy = File::open(then.join("f")).unwrap();
    for page in 0..PAGES {
        let mut bytes = [0; 8];
        copy.read_exact_at(&mut bytes, page * 8192).unwrap();
        assert_eq!(u64::from_ne_bytes(bytes), page);
    }
}

/// Root of a user namespace is an ordinary user to the kernel, which keeps more of what was written to itself; before Linux 6.16 also when it is
/// to synchronize everything.
#[test]
fn a_snapshot_in_a_user_namespace_holds_every_page_that_was_written_before_it() {
    const PAGES: u64 = 20_000;
    if !fuse_is_here() || !sys::is_root() || !installed("unshare") || !installed("perl") {
        return;
    }
    if !Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: there are no user namespaces here");
        return;
    }
    let scratch = Scratch::new();
    scratch.folder("mnt");
    let program = example(&scratch);
    let write = format!(
        "open(F, '+>', 'mnt/f'); truncate(F, {PAGES} * 8192);
         for (0 .. {PAGES} - 1) {{ sysseek(F, $_ * 8192, 0); syswrite(F, pack('Q', $_)) }}
         exit system('{}', 'mnt', 's')",
        program.display()
    );
    let mut there = Command::new("unshare");
    there.args([
        "-rm",
        "sh",
        "-c",
        r#""$0" -o default_permissions,volume=inner,memory=1G mnt && perl -e "$1" && read _; umount mnt"#,
    ]);
    there.arg(daemon()).arg(write).current_dir(scratch.path()).env("BOUGH_STATE_DIR", scratch.path().join("state"));
    there.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut there = there.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(there.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "s\n");
    let then = scratch.folder("then");
    let device = sys::mount_fuse(&then, "default_permissions");
    let mut request: fs_control_attach = message();
    (request.shows, request.label.bytes) = (name("s"), filled(then.as_os_str().as_encoded_bytes()));
    let answer = sys::send_control(&scratch.path().join("state/inner.sock"), request, Some(device));
    assert_eq!(answer.header.result, 0);
    let copy = File::open(then.join("f")).unwrap();
    let lost = (0..PAGES).filter(|page| {
        let mut bytes = [0; 8];
        copy.read_exact_at(&mut bytes, page * 8192).unwrap();
        u64::from_ne_bytes(bytes) != *page
    });
    let lost = lost.count();
    drop(copy);
    sys::unmount(&then).unwrap();
    drop(there.stdin.take());
    assert!(there.wait().unwrap().success());
    assert_eq!(lost, 0, "pages that were written and are not in the snapshot");
}

#[test]
fn snapshots_taken_while_a_writer_runs_hold_whole_writes_in_order() {
    // The kernel cuts a write at the end of a page that it does not know; whole pages go as they came.
    const RECORD: usize = 16_384;
    let Some(mount) = Mount::with("default_permissions,allow_other,no_writeback") else { return };
    let stop = AtomicBool::new(false);
    let path = mount.at("log");
    thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut log = File::create(&path).unwrap();
            let mut count = 0_usize;
            while !stop.load(Ordering::Relaxed) && count < 3000 {
                log.write_all(&[(count % 251) as u8; RECORD]).unwrap();
                count += 1;
            }
            count
        });
        for i in 0..20 {
            snapshot(mount.point(), &format!("s{i}"));
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
    });
    let mut before = 0;
    for i in 0..20 {
        let then = mount.attach(&format!("s{i}"), &format!("then{i}"));
        let log = fs::read(then.join("log")).unwrap_or_default();
        assert!(log.len() >= before && log.len() % RECORD == 0, "{} after {before}", log.len());
        for (number, record) in log.chunks(RECORD).enumerate() {
            assert!(record.iter().all(|&byte| byte == (number % 251) as u8));
        }
        before = log.len();
    }
}

#[test]
fn a_branch_and_what_it_grew_from_diverge() {
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("f"), "common").unwrap();
    snapshot(mount.point(), "s");
    branch(mount.point(), "side", "s");
    let side = mount.attach("side", "side");
    fs::write(mount.at("f"), "main").unwrap();
    fs::write(side.join("f"), "side").unwrap();
    fs::write(side.join("only"), "side").unwrap();
    assert_eq!(
        (fs::read(mount.at("f")).unwrap(), fs::read(side.join("f")).unwrap()),
        (b"main".to_vec(), b"side".to_vec())
    );
    assert_eq!((names(mount.point()), names(&side)), (vec!["f".into()], vec!["f".into(), "only".into()]));
    assert_ne!(info(&side).view, info(mount.point()).view);
    assert_eq!(info(&side).pid, mount.pid());
}

#[test]
fn after_a_switch_the_mount_shows_the_other_branch_at_once() {
    let Some(mount) = Mount::new() else { return };
    fs::create_dir_all(mount.at("d/e")).unwrap();
    fs::write(mount.at("d/e/f"), "one").unwrap();
    fs::write(mount.at("only-here"), "").unwrap();
    branch(mount.point(), "side", "");
    fs::write(mount.at("d/e/f"), "main, and longer").unwrap();
    fs::write(mount.at("new"), "").unwrap();
    fs::remove_file(mount.at("only-here")).unwrap();
    assert!(!mount.at("only-here").exists() && !mount.at("nowhere").exists());
    for _ in 0..3 {
        switch(mount.point(), "side");
        assert_eq!(names(mount.point()), ["d", "only-here"]);
        assert_eq!(fs::read(mount.at("d/e/f")).unwrap(), b"one");
        assert!(mount.at("only-here").exists() && !mount.at("new").exists());
        switch(mount.point(), "main");
        assert_eq!(names(mount.point()), ["d", "new"]);
        assert_eq!(fs::read(mount.at("d/e/f")).unwrap(), b"main, and longer");
        assert!(!mount.at("only-here").exists() && mount.at("new").exists());
    }
    mount.end();
}

#[test]
fn a_root_that_was_open_before_a_switch_lists_what_is_shown_now() {
    for options in [USUAL, "default_permissions,allow_other,locks", "rw"] {
        let Some(mount) = Mount::with(options) else { return };
        fs::write(mount.at("f"), "main").unwrap();
        branch(mount.point(), "side", "");
        let side = mount.attach("side", "side");
        fs::write(side.join("f"), "side").unwrap();
        fs::write(side.join("only"), "").unwrap();
        sys::syncfs(&side);
        let open = fs::read_dir(mount.point()).unwrap();
        switch(mount.point(), "side");
        let mut listed: Vec<_> = open.map(|entry| entry.unwrap().file_name()).collect();
        listed.sort();
        assert_eq!(listed, ["f", "only"], "{options}");
        assert_eq!(fs::read(mount.at("f")).unwrap(), b"side", "{options}");
        fs::write(mount.at("f"), "changed").unwrap();
        sys::syncfs(mount.point());
        eventually("it is side's that was written", || fs::read(side.join("f")).is_ok_and(|bytes| bytes == b"changed"));
        fs::write(side.join("f"), "and back").unwrap();
        sys::syncfs(&side);
        eventually("the other way", || fs::read(mount.at("f")).is_ok_and(|bytes| bytes == b"and back"));
        let main = mount.attach("main", "main");
        assert_eq!(fs::read(main.join("f")).unwrap(), b"main", "{options}");
        mount.end_with(&[&side, &main]);
    }
}

#[test]
fn what_was_open_before_a_switch_stays_with_its_branch() {
    let Some(mount) = Mount::new() else { return };
    fs::create_dir(mount.at("d")).unwrap();
    fs::write(mount.at("d/f"), "main").unwrap();
    branch(mount.point(), "side", "");
    let open = File::options().read(true).write(true).open(mount.at("d/f")).unwrap();
    let mut there = Command::new("bash");
    there.current_dir(mount.at("d")).args(["-c", "read; echo moved > g; cat f g"]);
    there.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut there = there.spawn().unwrap();
    switch(mount.point(), "side");
    open.write_all_at(b"MAIN", 0).unwrap();
    fs::write(mount.at("d/f"), "side").unwrap();
    there.stdin.take().unwrap().write_all(b"\n").unwrap();
    let said = there.wait_with_output().unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&said), "MAINmoved\n");
    drop(open);
    assert_eq!(names(&mount.at("d")), ["f"]);
    switch(mount.point(), "main");
    assert_eq!(fs::read(mount.at("d/f")).unwrap(), b"MAIN");
    assert_eq!(fs::read(mount.at("d/g")).unwrap(), b"moved\n");
    mount.end();
}

#[test]
fn a_branch_whose_folders_programs_stood_in_during_a_switch_is_deleted_when_they_have_left() {
    for look_since in [true, false] {
        let Some(mount) = Mount::new() else { return };
        fs::create_dir_all(mount.at("d/deep")).unwrap();
        fs::write(mount.at("d/deep/f"), "main").unwrap();
        branch(mount.point(), "side", "");
        switch(mount.point(), "side");
        let mut there = Command::new("bash");
        there
            .current_dir(mount.at("d"))
            .args(["-c", "read; ls -l . deep >&2; echo new > deep/g; cat deep/f; echo; read"]);
        there.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut there = there.spawn().unwrap();
        let mut said = BufReader::new(there.stdout.take().unwrap()).lines();
        switch(mount.point(), "main");
        let delete = || {
            let mut gone: fs_control_delete = message();
            gone.name = name("side");
            sys::control(mount.point(), gone).unwrap().header.result
        };
        there.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        assert_eq!(said.next().unwrap().unwrap(), "main");
        if look_since {
            assert_eq!(names(&mount.at("d/deep")), ["f"]);
        }
        assert_eq!(delete(), FS_BUSY, "somebody is in there");
        drop(there.stdin.take());
        there.wait().unwrap();
        // Asked again where the kernel comes to give its names back later than is waited for.
        eventually("only the kernel's cache of names is in there", || delete() == FS_OK);
        mount.end();
    }
}

#[test]
fn switching_while_others_work_in_the_mount_harms_nobody() {
    let Some(mount) = Mount::new() else { return };
    let side = side_that_differs(&mount);
    let mut shown = Vec::new();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for worker in 0..3 {
            let (stop, mount) = (&stop, &mount);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let _ = fs::write(mount.at(&format!("w{worker}")), "y");
                    let _ = fs::read_dir(mount.point()).unwrap().count();
                    let _ = fs::remove_file(mount.at(&format!("w{worker}")));
                    assert!(["main", "side"].contains(&&*fs::read_to_string(mount.at("f")).unwrap()));
                }
            });
        }
        for _ in 0..50 {
            for to in ["side", "main"] {
                switch(mount.point(), to);
                shown.push((to, fs::read_to_string(mount.at("f")).unwrap()));
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(shown.iter().all(|(to, shown)| to == shown), "{shown:?}");
    mount.end_with(&[&side]);
}

#[test]
fn snapshots_are_taken_while_a_check_goes_on() {
    let Some(mount) = Mount::new() else { return };
    for number in 0..4_000 {
        File::create(mount.at(&number.to_string())).unwrap();
    }
    let (over, taken) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let number = taken.load(Ordering::Relaxed);
                assert_eq!(try_snapshot_as_it_is(mount.point(), &format!("s{number}")), 0);
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _ends = Ends(&over);
        // Where snapshots wait for checks, one of them ends before a check, one waits for it, and one comes after it. On a busy machine who takes
        // them may hardly run during one check, and then does during another.
        eventually("many snapshots are taken in the time of a check", || {
            let before = taken.load(Ordering::Relaxed);
            sound(mount.point(), false);
            taken.load(Ordering::Relaxed) > before + 6
        });
    });
}

/// Sets it whatever way the scope ends.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_deleted_branch_frees_its_space() {
    let Some(mount) = Mount::with("default_permissions,memory=64M") else { return };
    let used = || -> u64 {
        let answer = sys::control(mount.point(), message::<fs_control_stats>()).unwrap();
        answer.used_bytes
    };
    branch(mount.point(), "side", "");
    let side = mount.attach("side", "side");
    fs::write(side.join("large"), vec![1; 16 << 20]).unwrap();
    assert!(used() >= 16 << 20);
    sys::unmount(&side).unwrap();
    let mut request: fs_control_delete = message();
    request.name = name("side");
    eventually("the view has gone", || sys::control(mount.point(), request).unwrap().header.result == 0);
    eventually("the space is back", || used() < 1 << 20);
}

/// The program that takes a snapshot of a mount: `snapshot_mount POINT NAME`.
fn example(scratch: &Scratch) -> PathBuf {
    let (root, program) = (crate::fixture::root(), scratch.path().join("snapshot_mount"));
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"]).arg(root.join("include"));
    run(cc.arg(root.join("examples/c/snapshot_mount.c")).arg("-o").arg(&program));
    program
}

#[test]
fn the_c_example_snapshots_a_mount() {
    let Some(mount) = Mount::new() else { return };
    let program = example(mount.scratch());
    fs::write(mount.at("f"), "x").unwrap();
    let said = run(Command::new(&program).arg(mount.point()).arg("by-example"));
    assert_eq!(said, "by-example\n");
    let again = Command::new(&program).arg(mount.at("f")).arg("by-example").output().unwrap();
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists already"));
    assert_eq!(fs::read(mount.attach("by-example", "then").join("f")).unwrap(), b"x");
}

#[test]
fn messages_that_make_no_sense_are_refused_and_change_nothing() {
    let Some(mount) = Mount::new() else { return };
    let mut wrong: fs_control_snapshot = message();
    wrong.header.version = 99;
    assert_eq!(sys::control(mount.point(), wrong).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    wrong.header.version = FS_CONTROL_VERSION;
    wrong.header.size = 3;
    assert_eq!(sys::control(mount.point(), wrong).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    let good: fs_control_snapshot = message();
    let other_size = ioctl_number::<fs_control_snapshot>() & !(0x3fff << 16) | 16 << 16;
    assert!(sys::control_by_number(mount.point(), other_size, good).is_err());
    let unknown = ioctl_number::<fs_control_snapshot>() & !0xff | 200;
    assert!(sys::control_by_number(mount.point(), unknown, good).is_err());
    let stranger = 3 << 30 | 16 << 16 | u32::from(b'Z') << 8 | 1;
    let refused = sys::control_by_number(mount.point(), stranger, good).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::ENOTTY));
    assert_ne!(try_snapshot(mount.point(), "a/b"), 0);
    let list = sys::control(mount.point(), message::<fs_control_list>()).unwrap();
    assert_eq!(list.count, 1);
    if sys::is_root() {
        let mut other = Command::new("setpriv");
        other.args(["--reuid=1234", "--regid=1234", "--clear-groups", "lsattr", "-d"]).arg(mount.point());
        other.output().unwrap();
        fs::set_permissions(mount.point(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        assert_eq!(fs::metadata(mount.point()).unwrap().mode() & 0o777, 0o777);
    }
    shell(mount.point(), "true");
}

#[test]
fn what_cannot_be_written_to_a_snapshot_is_refused_at_once_and_never_shown() {
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("f"), "first").unwrap();
    snapshot(mount.point(), "s");
    let then = mount.attach("s", "then");
    let opened = fs::OpenOptions::new().write(true).open(then.join("f"));
    let refused = opened.and_then(|mut file| file.write_all(b"other")).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EROFS));
    assert_eq!(fs::read(then.join("f")).unwrap(), b"first");
    mount.end_with(&[&then]);
}
