//! pjdfstest, as root on a mount that others may enter: every case that tmpfs passes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::{Scratch, USUAL};
use crate::ground::{Ground, On};
use crate::kit::{SmallDisk, cargo_program};
use crate::sys;

/// Cases that are left out, each with its reason.
const EXCLUDED: &[(&str, &str)] = &[
    (
        "::enametoolong_path",
        "the suite itself panics (`capacity overflow`) where the path has some lengths, on tmpfs too; elsewhere they pass",
    ),
    ("::erofs_", "they remount by mount(8), which mounts a FUSE file system anew; `mounted` tests read-only mounts"),
    (
        "link::link_count_max",
        "the C library knows no LINK_MAX of FUSE; the limit is tested in core (`semantics`, links)",
    ),
];

/// Cases that must pass, so that a suite which runs nothing is no success.
const PASSING: usize = 370;

const CONFIGURATION: &str = r#"
[features]
posix_fallocate = {}
rename_ctime = {}
utimensat = {}
utime_now = {}
secondary_fs = "ELSEWHERE"
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"], ["bin", "bin"]]
[settings]
naptime = 0.06
allow_remount = false
"#;

/// What the suite says of a folder.
struct Told {
    lines: Vec<String>,
    complained: String,
}

impl Told {
    fn of(program: &Path, folder: &Path, scratch: &Scratch) -> Told {
        let configuration = scratch.path().join("pjdfstest.toml");
        // What others leave in a folder that all use would be in the way of names that the suite gives.
        let elsewhere = scratch.path().join("elsewhere");
        if !elsewhere.exists() {
            fs::create_dir(&elsewhere).unwrap();
        }
        fs::write(&configuration, CONFIGURATION.replace("ELSEWHERE", elsewhere.to_str().unwrap())).unwrap();
        let output = Command::new(program).arg("-c").arg(configuration).arg("-p").arg(folder).output().unwrap();
        Told {
            lines: String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect(),
            complained: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The cases of which a word is said, in the suite's order.
    fn with(&self, word: &str) -> Vec<&str> {
        let lines = self.lines.iter().filter_map(|line| line.strip_suffix(word));
        lines.map(str::trim_end).collect()
    }

    fn passed(&self) -> Vec<&str> {
        self.with(" ok")
    }

    #[track_caller]
    fn assert_passed(&self) {
        let failed = self.with("FAILED").into_iter().chain(self.with("skipped"));
        let wrong: Vec<&str> = failed.filter(|case| !is_excluded(case)).collect();
        assert!(wrong.is_empty(), "{wrong:#?}\n{}", self.lines.join("\n"));
        self.assert_enough();
    }

    #[track_caller]
    fn assert_enough(&self) {
        let passed = self.passed().len();
        assert!(passed >= PASSING, "only {passed} passed\n{}\n{}", self.lines.join("\n"), self.complained);
    }
}

fn is_excluded(case: &str) -> bool {
    EXCLUDED.iter().any(|(excluded, _)| case.contains(excluded))
}

fn program() -> Option<PathBuf> {
    if !sys::is_root() {
        eprintln!("SKIPPED: pjdfstest becomes other users, which takes root");
        return None;
    }
    cargo_program("pjdfstest", "0.2.2")
}

fn run_on(on: On, options: &str) {
    let Some(program) = program() else { return };
    let Some(ground) = Ground::new(on, options, |_| {}) else { return };
    Told::of(&program, &ground.folder(), ground.scratch()).assert_passed();
    ground.end();
}

#[test]
fn pjdfstest_passes_where_the_kernel_writes_back() {
    run_on(On::Nothing, USUAL);
}

#[test]
fn pjdfstest_passes_where_writes_go_through() {
    run_on(On::Nothing, "default_permissions,allow_other,no_writeback,locks");
}

#[test]
fn pjdfstest_passes_in_a_folder_of_a_base() {
    run_on(On::Base, USUAL);
}

#[test]
#[ignore = "minutes: make test-long"]
fn pjdfstest_passes_in_a_folder_of_a_base_in_other_ways() {
    run_on(On::Base, "default_permissions,allow_other,no_writeback,locks");
    run_on(On::Base, "default_permissions,allow_other,freeze");
}

#[test]
#[ignore = "minutes: make test-long"]
fn what_passes_on_a_tmpfs_passes_here() {
    let Some(program) = program() else { return };
    let Some(ground) = Ground::new(On::Nothing, USUAL, |_| {}) else { return };
    let Some(tmpfs) = SmallDisk::new(ground.scratch().folder("tmpfs"), "64M") else {
        eprintln!("SKIPPED: here root mounts no tmpfs");
        return;
    };
    fs::set_permissions(tmpfs.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let there = Told::of(&program, tmpfs.path(), ground.scratch());
    there.assert_enough();
    let here = Told::of(&program, &ground.folder(), ground.scratch());
    let passed: BTreeSet<&str> = here.passed().into_iter().collect();
    let missed: Vec<&str> =
        there.passed().into_iter().filter(|case| !passed.contains(case) && !is_excluded(case)).collect();
    assert!(missed.is_empty(), "these pass on a tmpfs and not here: {missed:#?}");
    drop(tmpfs);
    ground.end();
}
