//! Several mounts of one branch: what is done through one is seen through the others.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use crate::fixture::{Mount, Scratch, daemon_command, eventually, fuse_is_here, info, names, run};
use crate::sys;

fn pair(options: &str) -> Option<(Mount, PathBuf)> {
    let mount = Mount::with(options)?;
    let other = mount.attach("", "other");
    Some((mount, other))
}

const BOTH: [&str; 2] = ["default_permissions,allow_other", "default_permissions,allow_other,no_writeback"];

#[test]
fn names_that_come_go_and_move_are_seen_through_the_other_mount() {
    for options in BOTH {
        let Some((mount, other)) = pair(options) else { return };
        fs::create_dir(mount.at("d")).unwrap();
        eventually("the folder is there", || other.join("d").exists());
        // Known to be absent, listed, and then there after all.
        assert!(!other.join("d/f").exists());
        assert!(names(&other.join("d")).is_empty());
        fs::write(mount.at("d/f"), "x").unwrap();
        eventually("the file is there", || other.join("d/f").exists());
        eventually("the file is listed", || names(&other.join("d")) == ["f"]);
        fs::rename(mount.at("d/f"), mount.at("g")).unwrap();
        eventually("the file has moved", || other.join("g").exists() && !other.join("d/f").exists());
        eventually("and is listed so", || names(&other) == ["d", "g"] && names(&other.join("d")).is_empty());
        fs::write(mount.at("h"), "h").unwrap();
        sys::rename(&mount.at("g"), &mount.at("h"), libc::RENAME_EXCHANGE).unwrap();
        eventually("they have changed places", || fs::read(other.join("g")).is_ok_and(|bytes| bytes == b"h"));
        fs::remove_file(mount.at("g")).unwrap();
        eventually("the file has gone", || !other.join("g").exists());
        mount.end_with(&[&other]);
    }
}

#[test]
fn content_and_size_are_seen_through_the_other_mount() {
    for options in BOTH {
        let Some((mount, other)) = pair(options) else { return };
        fs::write(mount.at("f"), "first").unwrap();
        eventually("first", || fs::read(other.join("f")).is_ok_and(|bytes| bytes == b"first"));
        fs::write(mount.at("f"), "and second, longer").unwrap();
        eventually("longer", || fs::read(other.join("f")).is_ok_and(|bytes| bytes == b"and second, longer"));
        fs::write(mount.at("f"), "less").unwrap();
        eventually("shorter", || fs::read(other.join("f")).is_ok_and(|bytes| bytes == b"less"));
        eventually("and says so", || fs::metadata(other.join("f")).unwrap().len() == 4);
        fs::write(other.join("f"), "back").unwrap();
        eventually("the other way", || fs::read(mount.at("f")).is_ok_and(|bytes| bytes == b"back"));
    }
}

#[test]
fn a_file_that_is_open_shows_what_the_other_mount_writes() {
    for options in BOTH {
        let Some((mount, other)) = pair(options) else { return };
        fs::write(mount.at("f"), vec![b'a'; 10_000]).unwrap();
        eventually("it is there", || fs::metadata(other.join("f")).is_ok_and(|found| found.len() == 10_000));
        let open = File::open(other.join("f")).unwrap();
        let mut bytes = [0; 4];
        open.read_exact_at(&mut bytes, 5000).unwrap();
        let writer = OpenOptions::new().write(true).open(mount.at("f")).unwrap();
        writer.write_all_at(b"bbbb", 5000).unwrap();
        writer.sync_all().unwrap();
        eventually("within", || open.read_exact_at(&mut bytes, 5000).is_ok() && bytes == *b"bbbb");
        let mut log = OpenOptions::new().append(true).open(mount.at("f")).unwrap();
        log.write_all(b"tail").unwrap();
        log.sync_all().unwrap();
        eventually("beyond the end", || open.metadata().unwrap().len() == 10_004);
        eventually("and what is there", || open.read_exact_at(&mut bytes, 10_000).is_ok() && bytes == *b"tail");
    }
}

#[test]
fn attributes_and_links_are_seen_through_the_other_mount() {
    let Some((mount, other)) = pair(BOTH[0]) else { return };
    fs::write(mount.at("f"), "x").unwrap();
    eventually("it is there", || other.join("f").exists());
    fs::set_permissions(mount.at("f"), fs::Permissions::from_mode(0o600)).unwrap();
    eventually("its mode", || fs::metadata(other.join("f")).unwrap().mode() & 0o777 == 0o600);
    sys::set_xattr(&mount.at("f"), c"user.a", b"1", 0).unwrap();
    eventually("its attribute", || sys::get_xattr(&other.join("f"), c"user.a").is_ok());
    fs::hard_link(mount.at("f"), mount.at("g")).unwrap();
    eventually("its links", || fs::metadata(other.join("f")).unwrap().nlink() == 2);
    fs::create_dir(mount.at("d")).unwrap();
    eventually("the root's links", || fs::metadata(&other).unwrap().nlink() == 3);
}

#[test]
fn many_changes_at_once_are_all_seen() {
    let Some((mount, other)) = pair(BOTH[0]) else { return };
    for i in 0..500 {
        assert!(!other.join(format!("f{i}")).exists());
    }
    for i in 0..500 {
        fs::write(mount.at(&format!("f{i}")), i.to_string()).unwrap();
    }
    for i in 0..500 {
        let path = other.join(format!("f{i}"));
        eventually("each", || fs::read(&path).is_ok_and(|bytes| bytes == i.to_string().as_bytes()));
    }
    eventually("all are listed", || names(&other).len() == 500);
    fs::remove_dir_all(mount.at("none")).unwrap_err();
    for i in 0..500 {
        fs::remove_file(mount.at(&format!("f{i}"))).unwrap();
    }
    eventually("none is listed", || names(&other).is_empty());
}

#[test]
fn both_mounts_can_change_one_folder_at_once() {
    let Some((mount, other)) = pair(BOTH[0]) else { return };
    let here = mount.point().to_owned();
    thread::scope(|scope| {
        for (side, folder) in [(0, &here), (1, &other)] {
            scope.spawn(move || {
                for i in 0..300 {
                    let path = folder.join(format!("{side}-{}", i % 10));
                    fs::write(&path, "x").unwrap();
                    fs::rename(&path, folder.join(format!("{side}-moved"))).unwrap();
                    let _ = fs::read_dir(folder).unwrap().count();
                }
            });
        }
    });
    eventually("both show the same", || names(&here) == ["0-moved", "1-moved"] && names(&other) == names(&here));
}

#[test]
fn a_name_known_to_be_absent_is_opened_once_the_other_mount_has_made_it() {
    for options in BOTH {
        let Some((mount, other)) = pair(options) else { return };
        for i in 0..100 {
            let (here, there) = (mount.at(&format!("f{i}")), other.join(format!("f{i}")));
            assert!(!there.exists());
            File::create_new(&here).unwrap();
            // At once: the kernel may not have been told yet.
            let opened = OpenOptions::new().write(true).create(true).truncate(false).open(&there);
            let opened = opened.unwrap_or_else(|error| panic!("{options}: name {i}: {error}"));
            assert_eq!(opened.metadata().unwrap().ino(), fs::metadata(&here).unwrap().ino(), "{options}: name {i}");
        }
        for i in 100..200 {
            let there = other.join(format!("f{i}"));
            assert!(!there.exists());
            File::create_new(mount.at(&format!("f{i}"))).unwrap();
            let refused = File::create_new(&there).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{options}: name {i}");
        }
        mount.end_with(&[&other]);
    }
}

/// A file of 8192 bytes, to whose beginning the other mount writes so many times, while one writes to it here again and again.
fn write_beside(rounds: u32, mut write: impl FnMut(&File, u64)) {
    let Some((mount, other)) = pair(BOTH[0]) else { return };
    fs::write(mount.at("f"), [b'-'; 8192]).unwrap();
    eventually("it is there", || fs::metadata(other.join("f")).is_ok_and(|found| found.len() == 8192));
    let both = |path: PathBuf| OpenOptions::new().read(true).write(true).open(path).unwrap();
    let (here, there) = (both(mount.at("f")), both(other.join("f")));
    thread::scope(|scope| {
        let beside = scope.spawn(|| {
            for round in 0..rounds {
                there.write_all_at(&round.to_le_bytes(), 0).unwrap();
                there.sync_all().unwrap();
            }
        });
        (0..).take_while(|_| !beside.is_finished()).for_each(|round| write(&here, round));
    });
    drop((here, there));
    mount.end_with(&[&other]);
}

#[test]
fn what_is_written_to_the_last_page_stays_while_the_other_mount_writes_elsewhere() {
    write_beside(300, |here, round| {
        here.write_all_at(&round.to_le_bytes(), 5000).unwrap();
        let mut bytes = [0; 8];
        for _ in 0..20 {
            here.read_exact_at(&mut bytes, 5000).unwrap();
            assert_eq!(u64::from_le_bytes(bytes), round, "what was just written is what was there before");
        }
    });
}

#[test]
fn what_is_written_to_the_last_byte_stays_while_the_other_mount_writes_elsewhere() {
    write_beside(1000, |here, round| {
        let written = [round as u8];
        here.write_all_at(&written, 8191).unwrap();
        here.sync_all().unwrap();
        let mut byte = [0; 1];
        here.read_exact_at(&mut byte, 8191).unwrap();
        assert_eq!(byte, written, "what was just written is what was there before");
    });
}

/// What makes a daemon pause before it tells the kernel how far a file reaches.
const SLOW_TO_TELL: &str = "
#define _GNU_SOURCE
#include <linux/fuse.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
ssize_t writev(int file, const struct iovec *parts, int count)
{
    const struct fuse_out_header *header = parts[0].iov_base;
    if (parts[0].iov_len >= sizeof *header && header->unique == 0 && header->error == FUSE_NOTIFY_STORE)
        usleep(3000);
    return syscall(SYS_writev, file, parts, count);
}
";

/// A mount whose daemon is slow to tell, and another of the same branch.
fn slow_pair() -> Option<(Mount, PathBuf)> {
    if !fuse_is_here() {
        return None;
    }
    let scratch = Scratch::new();
    let (source, shim) = (scratch.path().join("slow.c"), scratch.path().join("slow.so"));
    fs::write(&source, SLOW_TO_TELL).unwrap();
    run(Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&shim, &source]));
    let point = scratch.folder("mnt");
    let started = daemon_command(&scratch, BOTH[0], &point).env("LD_PRELOAD", &shim).output().unwrap();
    assert!(started.status.success(), "{started:?}");
    let pid = info(&point).pid;
    let mount = Mount::of(scratch, point, pid);
    let other = mount.attach("main", "other");
    Some((mount, other))
}

#[test]
fn what_is_written_anew_and_shorter_is_no_longer_than_that_while_the_kernel_is_told_what_the_other_mount_wrote() {
    let Some((mount, other)) = slow_pair() else { return };
    let (here, there) = (mount.at("f"), other.join("f"));
    for round in 0..50 {
        let (long, short) = (format!("{round:100}"), round.to_string());
        fs::write(&here, [b'-'; 100]).unwrap();
        sys::syncfs(&here);
        eventually("as long there", || fs::metadata(&there).is_ok_and(|found| found.len() == 100));
        // What somebody has open the kernel does not forget.
        let open = File::open(&here).unwrap();
        let writer = OpenOptions::new().write(true).open(&there).unwrap();
        writer.write_all_at(long.as_bytes(), 0).unwrap();
        writer.sync_all().unwrap();
        drop(writer);
        eventually("what the other wrote", || fs::read(&here).is_ok_and(|bytes| bytes == long.as_bytes()));
        fs::write(&here, &short).unwrap();
        sys::syncfs(&here);
        // Later than the kernel was told anything.
        eventually("what is shorter", || fs::read(&there).is_ok_and(|bytes| bytes == short.as_bytes()));
        assert_eq!(fs::read_to_string(&here).unwrap(), short);
        drop(open);
    }
    mount.end_with(&[&other]);
}

/// Keeps a folder locked meanwhile: somebody lists it into memory which another daemon has, that is halted.
fn with_locked<R>(folder: &Path, meanwhile: impl FnOnce() -> R) -> R {
    let slow = Mount::new().expect("there was one mount already");
    let room = OpenOptions::new().read(true).write(true).create_new(true).open(slow.at("room")).unwrap();
    room.set_len(4096).unwrap();
    let mut memory = sys::Mapping::of(&room, 4096);
    let (bytes, folder) = (memory.bytes(), File::open(folder).unwrap());
    let answer = thread::scope(|scope| {
        let halted = slow.halt();
        let (tell, told) = std::sync::mpsc::channel();
        let lister = scope.spawn(move || {
            tell.send(fs::read_link("/proc/thread-self").unwrap()).unwrap();
            sys::list(&folder, bytes)
        });
        let call = Path::new("/proc").join(told.recv().unwrap()).join("syscall");
        let listing = format!("{} ", libc::SYS_getdents64);
        eventually("the listing waits", || fs::read_to_string(&call).unwrap().starts_with(&listing));
        let answer = meanwhile();
        assert!(!lister.is_finished());
        drop(halted);
        assert_ne!(lister.join().unwrap().unwrap(), 0);
        answer
    });
    drop((memory, room));
    slow.end();
    answer
}

#[test]
fn what_is_open_and_what_is_cached_is_looked_at_anew_after_more_changes_than_can_be_followed() {
    for options in BOTH {
        // What waits for a mount may take a sixteenth of it: fewer than 2,000 changes.
        let Some((mount, other)) = pair(&format!("{options},memory=4M")) else { return };
        ["locked", "listed"].iter().for_each(|folder| fs::create_dir(other.join(folder)).unwrap());
        ["open", "shut", "busy"].iter().for_each(|file| fs::write(other.join(file), "before").unwrap());
        let open = File::open(other.join("open")).unwrap();
        let seen = || {
            let mut bytes = [0; 16];
            let length = open.read_at(&mut bytes, 0).unwrap();
            bytes[..length].to_vec()
        };
        assert_eq!((seen(), fs::read(other.join("shut")).unwrap()), (b"before".to_vec(), b"before".to_vec()));
        assert!(names(&other.join("listed")).is_empty());
        with_locked(&other.join("locked"), || {
            // Who tells the kernel of it waits for the folder from now on.
            fs::write(mount.at("locked/first"), "").unwrap();
            for mode in 0..6000 {
                fs::set_permissions(mount.at("busy"), fs::Permissions::from_mode(0o600 | (mode % 8))).unwrap();
            }
            ["open", "shut"].iter().for_each(|file| fs::write(mount.at(file), "and after").unwrap());
            fs::write(mount.at("listed/new"), "").unwrap();
            // What the kernel keeps of the content may be gone. How far the file reaches it knows for as long as it is open.
            assert_eq!(seen().len(), "before".len(), "nobody was told");
        });
        eventually("what is open", || seen() == b"and after" && open.metadata().unwrap().len() == 9);
        eventually("what was shut", || fs::read(other.join("shut")).unwrap() == b"and after");
        eventually("what was listed", || names(&other.join("listed")) == ["new"]);
        eventually("modes", || fs::metadata(other.join("busy")).unwrap().mode() & 0o777 == 0o607);
        drop(open);
        mount.end_with(&[&other]);
    }
}
