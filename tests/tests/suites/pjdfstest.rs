//! pjdfstest, as root on a mount that others may enter: every case that tmpfs passes.

use std::fs;
use std::process::Command;

use crate::fixture::USUAL;
use crate::ground::{Ground, On};
use crate::kit::cargo_program;
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
naptime = 0.02
allow_remount = false
"#;

fn run_on(on: On, options: &str) {
    if !sys::is_root() {
        eprintln!("SKIPPED: pjdfstest becomes other users, which takes root");
        return;
    }
    let Some(program) = cargo_program("pjdfstest", "0.2.2") else { return };
    let Some(ground) = Ground::new(on, options, |_| {}) else { return };
    let configuration = ground.scratch().path().join("pjdfstest.toml");
    // What others leave in a folder that all use would be in the way of names that the suite gives.
    let elsewhere = ground.scratch().folder("elsewhere");
    fs::write(&configuration, CONFIGURATION.replace("ELSEWHERE", elsewhere.to_str().unwrap())).unwrap();
    let output = Command::new(program).arg("-c").arg(configuration).arg("-p").arg(ground.folder()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let with = |word: &str| said.lines().filter(|line| line.ends_with(word)).collect::<Vec<_>>();
    let excluded = |line: &str| EXCLUDED.iter().any(|(case, _)| line.contains(case));
    let wrong: Vec<&str> = with("FAILED").into_iter().chain(with("skipped")).filter(|line| !excluded(line)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{said}");
    let passed = with(" ok").len();
    assert!(passed >= PASSING, "only {passed} passed\n{said}\n{}", String::from_utf8_lossy(&output.stderr));
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
