//! Snapshots over a base whose files the kernel reads by itself (`-o passthrough`), and how many messages content costs.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use bough::Operation;
use bough::control::message;
use bough::control::messages::fs_control_activity;

use crate::fixture::{Mount, USUAL, eventually, shell, snapshot, start, switch};
use crate::sys;

const PASSTHROUGH: &str = "default_permissions,allow_other,passthrough";
const LARGE: usize = 1 << 20;

fn populate(base: &Path) {
    fs::write(base.join("same"), vec![1; LARGE]).unwrap();
    fs::write(base.join("changed"), vec![2; LARGE]).unwrap();
    shell(base, "touch -a -d 2001-01-01 same");
}

/// How often the volume was asked to.
fn asked(point: &Path, operation: Operation) -> u64 {
    let answer: fs_control_activity = sys::control(point, message()).unwrap();
    answer.activity.operations[operation as usize].count
}

fn has_passthrough() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    let new_enough = (numbers.next(), numbers.next()) >= (Some(6), Some(9));
    // An older libfuse cannot ask for it.
    let linked = crate::fixture::root().join("build/libfuse/lib/pkgconfig/fuse3.pc").exists();
    let here = sys::is_root() && new_enough && linked;
    if !here {
        eprintln!("SKIPPED in part: no passthrough here; what is read is the same");
    }
    here
}

fn snapshot_of_a_base() -> Option<(Mount, std::path::PathBuf)> {
    let mount = Mount::over(PASSTHROUGH, populate)?;
    OpenOptions::new().write(true).open(mount.at("changed")).unwrap().write_all_at(b"new", 0).unwrap();
    fs::write(mount.at("own"), "own").unwrap();
    snapshot(mount.point(), "s");
    let point = mount.attach("s", "snapshot");
    Some((mount, point))
}

#[test]
fn what_a_snapshot_shows_of_the_base_is_read_by_the_kernel_itself() {
    let Some((mount, point)) = snapshot_of_a_base() else { return };
    let before = asked(&point, Operation::Read);
    let file = File::open(point.join("same")).unwrap();
    let mut bytes = vec![0; LARGE];
    for _ in 0..3 {
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(bytes, vec![1; LARGE]);
    }
    assert_eq!(sys::Mapping::to_read(&file, LARGE).bytes()[LARGE - 1], 1);
    // Others may have it open at the same time, and read it in the same way.
    assert_eq!(fs::read(point.join("same")).unwrap(), bytes);
    if has_passthrough() {
        assert_eq!(asked(&point, Operation::Read), before);
    }
    drop(file);
    mount.end_with(&[&point]);
}

#[test]
fn what_the_branch_has_changed_is_read_as_it_was_at_the_snapshot() {
    let Some((mount, point)) = snapshot_of_a_base() else { return };
    let changed = fs::read(point.join("changed")).unwrap();
    assert_eq!((&changed[..4], changed.len()), (&b"new\x02"[..], LARGE));
    assert_eq!(fs::read(point.join("own")).unwrap(), b"own");
    mount.end_with(&[&point]);
}

#[test]
fn writes_to_a_branch_do_not_reach_what_is_read_by_passthrough_nor_the_base() {
    let Some((mount, point)) = snapshot_of_a_base() else { return };
    let base = mount.scratch().path().join("base");
    let open = File::open(point.join("same")).unwrap();
    let mut mapping = sys::Mapping::to_read(&open, LARGE);
    assert_eq!(mapping.bytes()[0], 1);
    // Of the branch it is a file like any other: written, cut, mapped, removed.
    let written = OpenOptions::new().read(true).write(true).open(mount.at("same")).unwrap();
    written.write_all_at(b"written", 0).unwrap();
    sys::Mapping::of(&written, LARGE).bytes()[100] = 9;
    written.set_len(4096).unwrap();
    written.sync_all().unwrap();
    fs::remove_file(mount.at("same")).unwrap();
    let mut bytes = vec![0; LARGE];
    open.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, vec![1; LARGE]);
    assert_eq!(mapping.bytes(), bytes);
    assert_eq!(fs::read(point.join("same")).unwrap(), bytes);
    assert_eq!(fs::read(base.join("same")).unwrap(), bytes);
    drop((open, mapping, written));
    mount.end_with(&[&point]);
}

#[test]
fn a_snapshot_refuses_to_be_written_whichever_way_it_is_read() {
    let Some((mount, point)) = snapshot_of_a_base() else { return };
    let open = File::open(point.join("same")).unwrap();
    // With passthrough the daemon is asked to open, and else the kernel opens by itself.
    let opened = OpenOptions::new().write(true).open(point.join("same"));
    let refused = opened.and_then(|file| file.write_at(b"x", 0)).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EROFS));
    assert_eq!(open.set_len(1).unwrap_err().raw_os_error(), Some(libc::EINVAL));
    drop(open);
    mount.end_with(&[&point]);
}

#[test]
fn passthrough_leaves_no_access_time_in_the_base() {
    let Some((mount, point)) = snapshot_of_a_base() else { return };
    let base = mount.scratch().path().join("base/same");
    let before = fs::metadata(&base).unwrap().atime();
    assert_eq!(fs::read(point.join("same")).unwrap().len(), LARGE);
    assert_eq!(fs::metadata(&base).unwrap().atime(), before);
    mount.end_with(&[&point]);
}

#[test]
fn changes_in_the_base_show_in_what_is_read_by_passthrough() {
    let Some((mount, point)) = snapshot_of_a_base() else { return };
    let base = mount.scratch().path().join("base/same");
    let open = File::open(point.join("same")).unwrap();
    OpenOptions::new().write(true).open(&base).unwrap().write_all_at(b"changed", 0).unwrap();
    let mut bytes = [0; 7];
    eventually("what others wrote to the base", || open.read_at(&mut bytes, 0).is_ok() && bytes == *b"changed");
    drop(open);
    mount.end_with(&[&point]);
}

#[test]
fn a_mount_that_is_switched_from_a_snapshot_to_a_branch_and_back_can_be_written_and_read() {
    let Some((mount, point)) = snapshot_of_a_base() else { return };
    let base = mount.scratch().path().join("base");
    let before = File::open(point.join("same")).unwrap();
    switch(&point, "main");
    let file = OpenOptions::new().read(true).write(true).open(point.join("same")).unwrap();
    let beside = File::open(point.join("same")).unwrap();
    file.write_all_at(b"branch", 0).unwrap();
    fs::write(point.join("made"), "made").unwrap();
    let mut bytes = [0; 6];
    beside.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, *b"branch");
    before.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(bytes, [1; 6]);
    drop((file, beside, before));
    switch(&point, "s");
    assert_eq!(fs::read(point.join("same")).unwrap(), vec![1; LARGE]);
    assert!(!point.join("made").exists());
    assert_eq!(fs::read(base.join("same")).unwrap(), vec![1; LARGE]);
    mount.end_with(&[&point]);
}

#[test]
fn passthrough_without_a_base_or_of_a_frozen_one_is_refused() {
    let scratch = crate::fixture::Scratch::new();
    let (point, base) = (scratch.folder("mnt"), scratch.folder("base"));
    let frozen = format!("{PASSTHROUGH},freeze,base={}", base.display());
    for options in [PASSTHROUGH, &frozen] {
        assert_eq!(start(&scratch, options, &point).status.code(), Some(2));
    }
}

#[test]
fn small_writes_cost_no_message_each() {
    let Some(mount) = Mount::with(USUAL) else { return };
    let file = File::create(mount.at("file")).unwrap();
    sys::set_xattr(&mount.at("file"), c"user.one", b"1", 0).unwrap();
    let told = || [Operation::Write, Operation::GetXattr].map(|operation| asked(mount.point(), operation));
    let mut rounds: Vec<[u64; 2]> = Vec::new();
    // 4,000 KiB in requests of up to 1 MiB; `security.capability` is asked for once. Write-back may begin early, a little at a time: on a busy
    // machine now and then with page after page.
    while !rounds.iter().any(|&[writes, xattrs]| writes <= 100 && xattrs <= 2) {
        assert!(rounds.len() < 20, "writes and attributes that were told, each time: {rounds:?}");
        let before = told();
        for page in 0..1_000 {
            file.write_all_at(&[5; 4096], page * 4096).unwrap();
        }
        file.sync_all().unwrap();
        let after = told();
        rounds.push([after[0] - before[0], after[1] - before[1]]);
    }
    drop(file);
    mount.end();
}
