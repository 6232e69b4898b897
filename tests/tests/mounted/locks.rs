//! flock and fcntl locks, kept by the kernel for each mount or by the volume for all of them.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::fixture::{Mount, PATIENCE, eventually, waits_in};
use crate::sys;

const KEPT_BY_THE_VOLUME: &str = "default_permissions,allow_other,locks";

fn open(folder: &Path) -> File {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(folder.join("f")).unwrap()
}

fn refused(answer: std::io::Result<i32>) -> bool {
    matches!(answer.unwrap_err().raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}

/// The kernel tells the daemon of a close after it has returned.
fn soon(what: &str, lock: impl Fn() -> std::io::Result<i32>) {
    eventually(what, || lock().is_ok());
}

fn flock_excludes(here: &Path, there: &Path) {
    let (one, other) = (open(here), open(there));
    sys::flock(&one, libc::LOCK_EX).unwrap();
    assert!(refused(sys::flock(&other, libc::LOCK_EX | libc::LOCK_NB)));
    sys::flock(&one, libc::LOCK_SH).unwrap();
    sys::flock(&other, libc::LOCK_SH | libc::LOCK_NB).unwrap();
    assert!(refused(sys::flock(&one, libc::LOCK_EX | libc::LOCK_NB)));
    drop(other);
    soon("the other is closed", || sys::flock(&one, libc::LOCK_EX | libc::LOCK_NB));
    drop(one);
    let third = open(there);
    soon("this one is closed", || sys::flock(&third, libc::LOCK_EX | libc::LOCK_NB));
}

fn ranges_exclude(here: &Path, there: &Path) {
    let (one, other) = (open(here), open(there));
    sys::lock_range(&one, libc::F_WRLCK, 0, 10, false).unwrap();
    sys::lock_range(&other, libc::F_WRLCK, 10, 10, false).unwrap();
    assert!(refused(sys::lock_range(&other, libc::F_RDLCK, 5, 10, false)));
    sys::lock_range(&one, libc::F_UNLCK, 0, 10, false).unwrap();
    sys::lock_range(&other, libc::F_RDLCK, 5, 5, false).unwrap();
}

fn waiting_ends_when_the_holder_closes(here: &Path, there: &Path) {
    let holder = open(here);
    sys::flock(&holder, libc::LOCK_EX).unwrap();
    let waiter = open(there);
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            sys::flock(&waiter, libc::LOCK_EX).unwrap();
            tell.send(()).unwrap();
        });
        assert!(told.recv_timeout(Duration::from_millis(100)).is_err(), "the lock was held");
        drop(holder);
        told.recv_timeout(PATIENCE).expect("the waiter gets the lock");
    });
}

#[test]
fn in_one_mount_the_kernel_keeps_locks() {
    let Some(mount) = Mount::new() else { return };
    flock_excludes(mount.point(), mount.point());
    ranges_exclude(mount.point(), mount.point());
    waiting_ends_when_the_holder_closes(mount.point(), mount.point());
    mount.end();
}

#[test]
fn with_the_option_the_volume_keeps_locks() {
    let Some(mount) = Mount::with(KEPT_BY_THE_VOLUME) else { return };
    flock_excludes(mount.point(), mount.point());
    ranges_exclude(mount.point(), mount.point());
    waiting_ends_when_the_holder_closes(mount.point(), mount.point());
    mount.end();
}

#[test]
fn with_the_option_locks_hold_across_mounts() {
    let Some(mount) = Mount::with(KEPT_BY_THE_VOLUME) else { return };
    open(mount.point());
    let other = mount.attach("", "other");
    flock_excludes(mount.point(), &other);
    ranges_exclude(mount.point(), &other);
    waiting_ends_when_the_holder_closes(mount.point(), &other);
    waiting_ends_when_the_holder_closes(&other, mount.point());
}

#[test]
fn closing_any_descriptor_gives_up_a_process_locks() {
    let Some(mount) = Mount::with(KEPT_BY_THE_VOLUME) else { return };
    let (one, another, stranger) = (open(mount.point()), open(mount.point()), open(mount.point()));
    sys::lock_by_process(&one, libc::F_WRLCK, 0, 0).unwrap();
    assert!(refused(sys::lock_range(&stranger, libc::F_RDLCK, 3, 1, false)));
    drop(another);
    sys::lock_range(&stranger, libc::F_RDLCK, 3, 1, false).unwrap();
}

#[test]
fn whoever_waits_for_a_lock_can_be_interrupted() {
    let Some(mount) = Mount::with(KEPT_BY_THE_VOLUME) else { return };
    let holder = open(mount.point());
    sys::flock(&holder, libc::LOCK_EX).unwrap();
    let mut waiter = Command::new("flock").arg(mount.at("f")).arg("true").spawn().unwrap();
    waits_in(waiter.id(), libc::SYS_flock);
    // The daemon takes it meanwhile: a request that it has not taken, the kernel takes back by itself.
    thread::sleep(Duration::from_millis(100));
    sys::kill(waiter.id(), libc::SIGTERM);
    let ended = waiter.wait().unwrap();
    assert!(!ended.success());
    drop(holder);
    let third = open(mount.point());
    soon("the holder is closed", || sys::flock(&third, libc::LOCK_EX | libc::LOCK_NB));
    drop(third);
    mount.end();
}

#[test]
fn a_mount_that_ends_while_somebody_waits_for_a_lock_ends_all_the_same() {
    let Some(mount) = Mount::with(KEPT_BY_THE_VOLUME) else { return };
    open(mount.point());
    let other = mount.attach("", "other");
    let holder = open(mount.point());
    sys::flock(&holder, libc::LOCK_EX).unwrap();
    let mut waiter = Command::new("flock").arg(other.join("f")).arg("true").spawn().unwrap();
    waits_in(waiter.id(), libc::SYS_flock);
    // The daemon takes it meanwhile: a request that it has not taken, the kernel takes back by itself.
    thread::sleep(Duration::from_millis(100));
    sys::kill(mount.pid(), libc::SIGTERM);
    mount.is_gone();
    assert!(!waiter.wait().unwrap().success());
    drop(holder);
}
