//! stress-ng's file-system stressors, each looking at what it did (`--verify`).

use std::process::Command;

use crate::fixture::{USUAL, installed, run};
use crate::ground::{Ground, On};

/// Stressors that work on files of the folder they are given.
const STRESSORS: &[&str] = &[
    "access",
    "chdir",
    "chmod",
    "chown",
    "copy-file",
    "dentry",
    "dir",
    "dirdeep",
    "dirmany",
    "dup",
    "fallocate",
    "fcntl",
    "fiemap",
    "filename",
    "flock",
    "fpunch",
    "fsize",
    "fstat",
    "getdent",
    "hdd",
    "inode-flags",
    "iomix",
    "lease",
    "link",
    "locka",
    "lockf",
    "lockofd",
    "mknod",
    "open",
    "readahead",
    "rename",
    "revio",
    "seek",
    "sendfile",
    "symlink",
    "sync-file",
    "touch",
    "utime",
    "xattr",
];

/// Of those there are, what is left out and why.
const EXCLUDED: &[(&str, &str)] = &[
    ("acl", "not in the release that Debian 12 has"),
    (
        "bind-mount",
        "mounts / in itself until memory is short (its own manual warns of it), and nothing of the folder it is given",
    ),
    ("binderfs", "mounts a file system of its own"),
    ("chattr", "sets flags that only ext4 has, and counts a refusal as a failure"),
    ("dnotify", "asks for events of the watched folder, which the kernel makes, as `inotify` does"),
    ("eventfd", "descriptors without a file"),
    ("fanotify", "marks every mount of the machine, and asks for events that the kernel makes"),
    ("file-ioctl", "FIONBIO and the like on files: the kernel's own, never seen by a file system"),
    ("handle", "open_by_handle_at: nodes of a FUSE mount that exports no handles"),
    ("inotify", "asks for events of the watched mount alone, which the kernel makes"),
    ("io", "sync(2) of all the machine's file systems, with nothing of its own to write: `sync-file` and `hdd` have"),
    ("ioprio", "priorities of processes"),
    ("procfs", "reads /proc"),
    ("verity", "fs-verity, which FUSE has not"),
];

/// The release that both lists were made for.
const RELEASE: &str = "stress-ng, version 0.15.06";

#[test]
fn every_stressor_of_file_systems_is_run_or_left_out_with_a_reason() {
    if !installed("stress-ng") {
        return;
    }
    let ask = |words: &[&str]| {
        let output = Command::new("stress-ng").args(words).output().unwrap();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
    };
    let said = ask(&["--class", "filesystem?"]);
    let (_, names) = said.split_once("stressors:").unwrap_or_else(|| panic!("no list of stressors: {said}"));
    let unknown = |name: &&str| !STRESSORS.contains(name) && EXCLUDED.iter().all(|(other, _)| other != name);
    let unknown: Vec<&str> = names.split_whitespace().filter(unknown).collect();
    if ask(&["--version"]).starts_with(RELEASE) {
        assert!(unknown.is_empty(), "neither run nor left out: {unknown:?}");
    } else {
        eprintln!("another release than the lists are for; not run: {unknown:?}");
    }
}

fn run_each(on: On, options: &str, names: &[&str], seconds: u32) {
    if !installed("stress-ng") {
        return;
    }
    assert!(names.iter().all(|name| EXCLUDED.iter().all(|(other, _)| name != other)));
    let Some(ground) = Ground::new(on, options, |_| {}) else { return };
    let limit = format!("{seconds}s");
    for name in names {
        let mut command = Command::new("stress-ng");
        command.args([&format!("--{name}"), "2", "--verify", "--timeout", &limit, "--temp-path"]).arg(ground.folder());
        // Quotas of what one stressor writes, so that a short run stays short.
        command.args([
            "--hdd-bytes",
            "16m",
            "--fallocate-bytes",
            "16m",
            "--iomix-bytes",
            "16m",
            "--copy-file-bytes",
            "128m",
        ]);
        command.args([
            "--seek-size",
            "16m",
            "--sync-file-bytes",
            "16m",
            "--revio-bytes",
            "16m",
            "--readahead-bytes",
            "16m",
        ]);
        run(&mut command);
    }
    ground.end();
}

#[test]
fn stressors_of_names_and_contents_find_nothing_in_a_second_each() {
    let names = ["dentry", "rename", "link", "symlink", "lockofd", "flock", "xattr", "getdent", "seek"];
    run_each(On::Nothing, USUAL, &names, 1);
}

#[test]
fn stressors_find_nothing_over_a_base_in_a_second_each() {
    run_each(On::Base, USUAL, &["dirmany", "rename", "fpunch", "copy-file"], 1);
}

#[test]
#[ignore = "minutes: make test-long"]
fn all_stressors_find_nothing() {
    run_each(On::Nothing, USUAL, STRESSORS, 5);
}

#[test]
#[ignore = "minutes: make test-long"]
fn all_stressors_find_nothing_while_memory_is_short() {
    run_each(On::Nothing, &short_of_memory(), STRESSORS, 2);
}

#[test]
#[ignore = "minutes: make test-long"]
fn all_stressors_find_nothing_over_a_base() {
    run_each(On::Base, USUAL, STRESSORS, 2);
    run_each(On::Base, &short_of_memory(), STRESSORS, 1);
}

fn short_of_memory() -> String {
    format!("{USUAL},memory=8M,spill_dir={}", std::env::temp_dir().display())
}
