//! Two ordinary users on a mount that both may enter. Each is a process of its own; the kernel checks permissions, and core
//! where the kernel asks it to.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::fixture::{Mount, USUAL, name, run, snapshot};
use crate::sys;
use bough::control::message;
use bough::control::messages::*;

const ALICE: u32 = 65_534;
const BOB: u32 = 65_533;
const SECRET: &str = "nobody but alice reads this";

fn as_user(uid: u32, folder: &Path, program: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups", "--inh-caps=-all"]);
    command.args(program).current_dir(folder);
    command
}

/// What a line of shell printed, if it succeeded.
fn try_as(uid: u32, folder: &Path, line: &str) -> Option<String> {
    let output = as_user(uid, folder, &["sh", "-c", line]).stderr(Stdio::null()).output().unwrap();
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A mount with a secret of Alice's in a folder of her own.
fn with_a_secret(options: &str) -> Option<Mount> {
    if !sys::is_root() {
        eprintln!("SKIPPED: becoming other users takes root");
        return None;
    }
    let mount = Mount::with(options)?;
    fs::set_permissions(mount.point(), fs::Permissions::from_mode(0o1777)).unwrap();
    let line = format!(
        "umask 077; mkdir private; echo '{SECRET}' > private/file; echo '{SECRET}' > closed; ln -s private/file way"
    );
    try_as(ALICE, mount.point(), &line).unwrap();
    Some(mount)
}

#[test]
fn what_modes_forbid_cannot_be_read_listed_linked_renamed_or_removed() {
    let Some(mount) = with_a_secret(USUAL) else { return };
    let tries = [
        "cat closed",
        "cat private/file",
        "cat way",
        "ls private",
        "ls -l private/file",
        "stat private/file",
        "cd private",
        "echo x >> closed",
        "echo x > private/new",
        "truncate -s 0 closed",
        "rm -f closed && test ! -e closed",
        "mv closed mine",
        "mv private mine",
        "rmdir private",
        "ln private/file mine",
        "chmod 777 closed",
        "chown 65533 closed",
        "touch closed",
        "setfattr -n user.x -v 1 closed",
        "getfattr -n user.x closed",
        "setfacl -m u:65533:rw closed",
        "mv -T private/file mine",
        "echo x > mine; mv mine closed; test \"$(cat closed)\" = x",
        "ln closed mine && cat mine",
    ];
    for line in tries {
        assert_eq!(try_as(BOB, mount.point(), line), None, "`{line}` by another user");
    }
    assert_eq!(fs::read_to_string(mount.at("closed")).unwrap().trim_end(), SECRET);
    assert_eq!(try_as(ALICE, mount.point(), "cat private/file").unwrap().trim_end(), SECRET);
    mount.end();
}

#[test]
fn an_acl_gives_what_it_says_and_nothing_more() {
    let Some(mount) = with_a_secret(USUAL) else { return };
    try_as(ALICE, mount.point(), "setfacl -m u:65533:r closed").unwrap();
    assert_eq!(try_as(BOB, mount.point(), "cat closed").unwrap().trim_end(), SECRET);
    assert_eq!(try_as(BOB, mount.point(), "echo x >> closed"), None);
    try_as(ALICE, mount.point(), "setfacl -m m::- closed").unwrap();
    assert_eq!(try_as(BOB, mount.point(), "cat closed"), None, "the mask takes it away");
    try_as(
        ALICE,
        mount.point(),
        "setfacl -b closed; setfacl -d -m u:65533:- private; chmod 755 private; echo x > private/new",
    )
    .unwrap();
    assert_eq!(try_as(BOB, mount.point(), "cat private/new"), None, "the default ACL of the folder forbids it");
    mount.end();
}

#[test]
fn a_snapshot_gives_nobody_what_the_branch_forbids() {
    let Some(mount) = with_a_secret(USUAL) else { return };
    snapshot(mount.point(), "s");
    let shown = mount.attach("s", "shown");
    for line in ["cat closed", "cat private/file", "ls private", "cat way"] {
        assert_eq!(try_as(BOB, &shown, line), None, "`{line}` in a snapshot");
        assert!(try_as(ALICE, &shown, line).is_some());
    }
    mount.end_with(&[&shown]);
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // The whole group: what the shell has just started, too.
        let _ = Command::new("kill").args(["-9", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

fn again_and_again(uid: u32, folder: &Path, line: &str) -> Ended {
    let line = format!("while :; do {line}; done 2>/dev/null");
    let mut command = as_user(uid, folder, &["sh", "-c", &line]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    Ended(command.spawn().unwrap())
}

#[test]
fn races_of_links_and_renames_open_no_door() {
    let Some(mount) = with_a_secret(USUAL) else { return };
    let point = mount.point();
    // Alice's folder wanders; a folder of Bob's and a link take turns at a path that is looked at all the time.
    let wander = again_and_again(ALICE, point, "mv private wandering; mv wandering private");
    try_as(BOB, point, "mkdir bobs; echo harmless > bobs/file; ln -s ../private bobs-link").unwrap();
    let swap = again_and_again(BOB, point, "mv -T bobs x; ln -s private bobs; rm bobs; mv -T x bobs");
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        for path in ["bobs/file", "private/file", "wandering/file", "bobs-link/file"] {
            let read = try_as(BOB, point, &format!("cat {path}")).unwrap_or_default();
            assert!(!read.contains(SECRET), "Bob read Alice's file through {path}");
        }
        assert_eq!(try_as(BOB, point, "ls private wandering"), None);
    }
    drop((wander, swap));
    mount.end();
}

#[test]
fn a_link_in_a_sticky_folder_leads_nobody_astray() {
    let Some(mount) = with_a_secret(USUAL) else { return };
    try_as(BOB, mount.point(), "ln -s closed trap; ln -s private/file trap2").unwrap();
    // What Alice may do through Bob's link is hers to do; Bob must not have gained anything.
    let _ = try_as(ALICE, mount.point(), "cat trap trap2");
    assert_eq!(try_as(BOB, mount.point(), "cat trap trap2"), None);
    assert_eq!(try_as(BOB, mount.point(), "rm way"), None, "a link of Alice's in a sticky folder");
    mount.end();
}

#[test]
fn devices_and_set_id_programs_of_others_mean_nothing_here() {
    let Some(mount) = with_a_secret(USUAL) else { return };
    assert_eq!(try_as(BOB, mount.point(), "mknod memory c 1 1"), None);
    fs::copy("/bin/cat", mount.at("cat")).unwrap();
    chown(mount.at("cat"), Some(ALICE), None).unwrap();
    fs::set_permissions(mount.at("cat"), fs::Permissions::from_mode(0o4755)).unwrap();
    assert_eq!(fs::metadata(mount.at("cat")).unwrap().mode() & 0o7777, 0o4755);
    assert_eq!(
        try_as(BOB, mount.point(), "./cat closed"),
        None,
        "a mount of ours is nosuid unless root says otherwise"
    );
    mount.end();
}

/// The command speaks for whoever runs it; so Bob asks with a program of his own: this test, called again.
const ASKED: &str = "BOUGH_TEST_ASKS";

#[test]
fn control_is_for_the_owner_of_the_volume_and_root() {
    if let Some(path) = std::env::var_os(ASKED) {
        return ask_everything(Path::new(&path));
    }
    let Some(mount) = with_a_secret(USUAL) else { return };
    snapshot(mount.point(), "s");
    let test = mount.scratch().path().join("test");
    // By another process: what this one has open for writing, a test that forks may hold open, and then it cannot be run.
    run(Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&test));
    let words = [test.to_str().unwrap(), "--exact", "security::control_is_for_the_owner_of_the_volume_and_root"];
    for (path, uid) in [(mount.point().to_owned(), BOB), (mount.at("closed"), ALICE)] {
        run(as_user(uid, Path::new("/"), &words).env(ASKED, path));
    }
    assert_eq!(fs::read_to_string(mount.at("closed")).unwrap().trim_end(), SECRET);
    mount.end();
}

fn refused<M: bough::control::Message>(path: &Path, message: M) {
    let answer = sys::control(path, message).map(|_| ());
    assert_eq!(answer.unwrap_err().raw_os_error(), Some(libc::EPERM), "request {}", M::REQUEST);
}

fn ask_everything(path: &Path) {
    refused(path, message::<fs_control_info>());
    refused(path, message::<fs_control_snapshot>());
    refused(path, message::<fs_control_list>());
    refused(path, fs_control_branch { name: name("mine"), ..message() });
    refused(path, fs_control_switch { to: name("s"), ..message() });
    refused(path, fs_control_rename { from: name("s"), to: name("t"), ..message() });
    refused(path, fs_control_delete { name: name("s"), ..message() });
    refused(path, message::<fs_control_diff_open>());
    refused(path, message::<fs_control_diff_read>());
    refused(path, message::<fs_control_diff_close>());
    refused(path, message::<fs_control_stats>());
    refused(path, message::<fs_control_views>());
    refused(path, message::<fs_control_activity>());
    refused(path, message::<fs_control_check>());
}

#[test]
fn what_the_daemon_keeps_outside_is_its_owner_s_alone() {
    let Some(mount) = with_a_secret(USUAL) else { return };
    let state = mount.scratch().path().join("state");
    assert_eq!(fs::metadata(&state).unwrap().mode() & 0o7777, 0o700);
    for entry in fs::read_dir(&state).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o7777, 0o600, "{}", entry.path().display());
    }
    assert_eq!(try_as(BOB, Path::new("/"), &format!("ls {}", state.display())), None);
    let trap = mount.scratch().path().join("trap");
    symlink(mount.socket(), &trap).unwrap();
    assert_eq!(try_as(BOB, Path::new("/"), &format!("test -w {}", trap.display())), None);
    mount.end();
}
