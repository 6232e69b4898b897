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
    "fstat",
    "getdent",
    "hdd",
    "iomix",
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
    ("chattr", "sets flags that only ext4 has, and counts a refusal as a failure"),
    ("file-ioctl", "FIONBIO and the like on files: the kernel's own, never seen by a file system"),
    ("handle", "open_by_handle_at: nodes of a FUSE mount that exports no handles"),
    ("inotify", "asks for events of the watched mount alone, which the kernel makes"),
    ("verity", "fs-verity, which FUSE has not"),
];

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
