//! Two ordinary users on a mount that both may enter. Each is a process of its own; the kernel checks permissions, and core
//! where the kernel asks it to.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::fixture::{Mount, USUAL, eventually, name, names, run, snapshot};
use crate::ground::{Ground, On};
use crate::kit::Ended;
use crate::{calls, sys};
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

/// Makes a secret of Alice's in a folder of her own.
fn hide(folder: &Path) {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o1777)).unwrap();
    let line = format!(
        "umask 077; mkdir private; echo '{SECRET}' > private/file; echo '{SECRET}' > closed; ln -s private/file way"
    );
    try_as(ALICE, folder, &line).unwrap();
}

fn may_become_others() -> bool {
    if !sys::is_root() {
        eprintln!("SKIPPED: becoming other users takes root");
    }
    sys::is_root()
}

/// A mount with a secret of Alice's.
fn with_a_secret(options: &str) -> Option<Mount> {
    let mount = may_become_others().then(|| Mount::with(options)).flatten()?;
    hide(mount.point());
    Some(mount)
}

/// A secret of Alice's in a volume, and one in a base that a volume lies over.
fn on_both(test: impl Fn(&Ground, &Path)) {
    for on in On::BOTH.into_iter().filter(|_| may_become_others()) {
        let Some(ground) = Ground::new(on, USUAL, hide) else { return };
        test(&ground, &ground.folder());
        ground.end();
    }
}

#[test]
fn what_modes_forbid_cannot_be_read_listed_linked_renamed_or_removed() {
    on_both(|_, folder| try_everything(folder));
}

fn try_everything(folder: &Path) {
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
        "ln -P closed . && cat mine",
        "chattr +i closed",
        "setfattr -x user.x closed",
        "mv -T --exchange closed mine 2>/dev/null && cat mine",
        "cp --reflink=always closed mine && cat mine",
        "fallocate -p -l 5 closed",
        "flock closed true",
    ];
    for line in tries {
        assert_eq!(try_as(BOB, folder, line), None, "`{line}` by another user");
    }
    assert_eq!(fs::read_to_string(folder.join("closed")).unwrap().trim_end(), SECRET);
    assert_eq!(try_as(ALICE, folder, "cat private/file").unwrap().trim_end(), SECRET);
    // What Alice opens up is open, and nothing beside it.
    assert!(try_as(ALICE, folder, "chmod 644 closed; chmod 711 private").is_some());
    assert_eq!(try_as(BOB, folder, "cat closed").unwrap().trim_end(), SECRET);
    for line in ["echo x >> closed", "cat private/file", "ls private", "chmod 666 closed", "chattr +i closed"] {
        assert_eq!(try_as(BOB, folder, line), None, "`{line}` by another user");
    }
}

#[test]
fn an_acl_gives_what_it_says_and_nothing_more() {
    on_both(|_, folder| {
        try_as(ALICE, folder, "setfacl -m u:65533:r closed").unwrap();
        assert_eq!(try_as(BOB, folder, "cat closed").unwrap().trim_end(), SECRET);
        for line in ["echo x >> closed", "setfacl -m u:65533:rw closed", "chmod 666 closed", "setfacl -b closed"] {
            assert_eq!(try_as(BOB, folder, line), None, "`{line}`");
        }
        try_as(ALICE, folder, "setfacl -m m::- closed").unwrap();
        assert_eq!(try_as(BOB, folder, "cat closed"), None, "the mask takes it away");
        let line = "setfacl -b closed; setfacl -d -m u:65533:- private; chmod 755 private; echo x > private/new";
        try_as(ALICE, folder, line).unwrap();
        assert_eq!(try_as(BOB, folder, "cat private/new"), None, "the default ACL of the folder forbids it");
        assert_eq!(try_as(BOB, folder, "setfacl -b private"), None);
        // Who is named and given nothing gets nothing, though all others may.
        try_as(ALICE, folder, "chmod 755 private; setfacl -b private; setfacl -m u:65533:- private").unwrap();
        assert_eq!(try_as(BOB, folder, "ls private"), None);
    });
}

#[test]
fn an_acl_of_the_base_forbids_what_it_says() {
    let make = |folder: &Path| {
        hide(folder);
        try_as(ALICE, folder, "chmod 644 closed; setfacl -m u:65533:- closed; setfacl -m u:65533:x private").unwrap();
        try_as(ALICE, folder, "chmod 644 private/file; setfacl -d -m u:65533:- private").unwrap();
    };
    if !may_become_others() {
        return;
    }
    let Some(ground) = Ground::new(On::Base, USUAL, make) else { return };
    let folder = ground.folder();
    assert_eq!(try_as(BOB, &folder, "cat closed"), None);
    assert_eq!(try_as(BOB, &folder, "ls private"), None, "to go through is not to list");
    assert_eq!(try_as(BOB, &folder, "cat private/file").unwrap().trim_end(), SECRET);
    // Copied up, it says the same.
    try_as(ALICE, &folder, "echo more >> closed; echo x > private/new").unwrap();
    assert_eq!(try_as(BOB, &folder, "cat closed"), None);
    assert_eq!(try_as(BOB, &folder, "cat private/new"), None, "the default ACL of the base's folder");
    ground.end();
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

fn again_and_again(uid: u32, folder: &Path, line: &str) -> Ended {
    let line = format!("while :; do {line}; done 2>/dev/null");
    let mut command = as_user(uid, folder, &["sh", "-c", &line]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    Ended(command.spawn().unwrap())
}

/// All that Bob can think of, with whatever a path means at that moment; what he gets hold of goes to his loot.
const ATTACK: &str = "for p in bobs/file private/file wandering/file bobs-link/file; do
    cat $p >> loot; echo evil >> $p; truncate -s 1 $p; ln $p got && cat got >> loot; rm -f got; ls ${p%/*} >> names
    mv $p got && cat got >> loot; rm -f got $p; echo evil > ${p%/*}/new; chmod 777 $p ${p%/*}; done; echo harmless > bobs/file";

#[test]
fn races_of_links_and_renames_open_no_door() {
    on_both(|_, folder| {
        // Alice's folder wanders; a folder of Bob's and a link take turns at a path that is looked at all the time.
        let wander = again_and_again(ALICE, folder, "mv private wandering; mv wandering private");
        try_as(BOB, folder, "mkdir bobs; echo harmless > bobs/file; ln -s ../private bobs-link").unwrap();
        let swap = again_and_again(BOB, folder, "mv -T bobs x; ln -s private bobs; rm bobs; mv -T x bobs");
        let attacks = [again_and_again(BOB, folder, ATTACK), again_and_again(BOB, folder, ATTACK)];
        std::thread::sleep(Duration::from_secs(2));
        let loot = || String::from_utf8_lossy(&fs::read(folder.join("loot")).unwrap_or_default()).into_owned();
        // On a busy machine the attacks begin late.
        eventually("Bob gets hold of what is his own", || loot().contains("harmless"));
        drop((attacks, swap, wander));
        assert!(!loot().contains(SECRET), "Bob has got: {}", loot());
        let hers =
            ["private", "wandering"].map(|name| folder.join(name)).into_iter().find(|path| path.exists()).unwrap();
        assert_eq!(fs::read_to_string(hers.join("file")).unwrap().trim_end(), SECRET);
        assert_eq!((names(&hers), fs::metadata(&hers).unwrap().mode() & 0o777), (vec!["file".to_owned()], 0o700));
    });
}

#[test]
fn rights_that_are_taken_away_are_gone_though_they_were_used_a_moment_ago() {
    on_both(|ground, folder| {
        // Through another mount, which the kernel caches by itself.
        let other = ground.attach("main", "other");
        let there = Ground::folder_at(&other);
        for round in 0..10 {
            try_as(ALICE, folder, "chmod 644 closed; chmod 755 private; chmod 644 private/file").unwrap();
            for at in [folder, &there] {
                eventually("open", || try_as(BOB, at, "cat closed private/file").is_some());
            }
            try_as(ALICE, folder, "chmod 600 closed; chmod 700 private").unwrap();
            assert_eq!(try_as(BOB, folder, "cat closed || cat private/file || ls private"), None, "round {round}");
            eventually("closed there too", || try_as(BOB, &there, "cat closed || cat private/file").is_none());
        }
        eventually("it can be unmounted", || sys::unmount(&other).is_ok());
    });
}

#[test]
fn signals_reach_nobody_else_and_interrupted_calls_give_nothing_away() {
    on_both(|ground, folder| {
        let alice = again_and_again(ALICE, folder, "cat private/file > /dev/null; echo x >> hers");
        let kill =
            |pid: u32| try_as(BOB, Path::new("/"), &format!("kill -9 {pid} || kill -USR1 {pid} || kill -0 {pid}"));
        assert_eq!((kill(alice.0.id()), kill(ground.pid())), (None, None), "Bob signals others");
        // Bob interrupts himself in the middle of calls: what was refused stays refused, and nothing of it is done.
        let line = "for t in 0.001 0.002 0.004 0.008; do timeout -s INT $t cat closed private/file >> loot
            timeout -s USR1 $t sh -c 'echo evil >> closed; mv closed mine; ln private/file mine'
            timeout -s KILL $t sh -c 'chmod 777 closed private; rm -rf private closed; cat closed >> loot'; done";
        let mut attacks: Vec<Ended> = (0..3).map(|_| again_and_again(BOB, folder, line)).collect();
        std::thread::sleep(Duration::from_secs(2));
        attacks.clear();
        drop(alice);
        assert!(!fs::read_to_string(folder.join("loot")).unwrap_or_default().contains(SECRET));
        assert_eq!(fs::read_to_string(folder.join("closed")).unwrap().trim_end(), SECRET);
        assert_eq!(fs::read_to_string(folder.join("private/file")).unwrap().trim_end(), SECRET);
        assert_eq!(fs::metadata(folder.join("private")).unwrap().mode() & 0o777, 0o700);
    });
}

#[test]
fn a_lock_of_one_user_is_not_another_s_to_break() {
    let Some(mount) = with_a_secret(&format!("{USUAL},locks")) else { return };
    let folder = mount.point();
    try_as(ALICE, folder, "echo x > shared; chmod 666 shared").unwrap();
    let mut hold = as_user(ALICE, folder, &["flock", "shared", "sh", "-c", "echo > held; sleep 60"]);
    let held = Ended(hold.process_group(0).spawn().unwrap());
    eventually("Alice holds the lock", || folder.join("held").exists());
    assert_eq!(try_as(BOB, folder, "flock -n shared true"), None);
    assert_eq!(try_as(BOB, folder, "flock -u shared true; flock -n shared true"), None);
    assert_eq!(try_as(BOB, folder, "timeout -s INT 0.2 flock shared true"), None, "an interrupted wait is no lock");
    drop(held);
    eventually("it is free when she has gone", || try_as(BOB, folder, "flock -n shared true").is_some());
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
    // A descriptor that root has opened gives nobody root's voice.
    let opened = fs::File::open(mount.point()).unwrap();
    run(as_user(BOB, Path::new("/"), &words)
        .env(ASKED, "/proc/self/fd/0")
        .stdin(Stdio::from(opened.try_clone().unwrap())));
    drop(opened);
    assert_eq!(fs::read_to_string(mount.at("closed")).unwrap().trim_end(), SECRET);
    mount.end();
}

/// Answers the number of what was asked.
fn refused<M: bough::control::Message>(path: &Path, message: M) -> u32 {
    let inherited = path.starts_with("/proc/self/fd");
    let answer = if inherited { calls::control_stdin(message) } else { sys::control(path, message) }.map(|_| ());
    assert_eq!(answer.unwrap_err().raw_os_error(), Some(libc::EPERM), "request {}", M::REQUEST);
    M::REQUEST
}

/// Every request that there is, by the list of them in the source.
fn requests() -> BTreeSet<u32> {
    let list = include_str!("../../../core/src/control/messages.rs");
    let (_, list) = list.split_once("pub mod request {").unwrap();
    let (list, _) = list.split_once("\n}\n").unwrap();
    let numbers = list.lines().filter_map(|line| line.trim().strip_prefix("pub const FS_CONTROL_"));
    numbers.map(|line| line.trim_end_matches(';').rsplit(' ').next().unwrap().parse().unwrap()).collect()
}

fn ask_everything(path: &Path) {
    let asked = [
        refused(path, message::<fs_control_info>()),
        refused(path, message::<fs_control_snapshot>()),
        refused(path, message::<fs_control_list>()),
        refused(path, fs_control_branch { name: name("mine"), ..message() }),
        refused(path, fs_control_switch { to: name("s"), ..message() }),
        refused(path, fs_control_rename { from: name("s"), to: name("t"), ..message() }),
        refused(path, fs_control_delete { name: name("s"), ..message() }),
        refused(path, message::<fs_control_diff_open>()),
        refused(path, message::<fs_control_diff_read>()),
        refused(path, message::<fs_control_diff_close>()),
        refused(path, message::<fs_control_stats>()),
        refused(path, message::<fs_control_views>()),
        refused(path, message::<fs_control_activity>()),
        refused(path, message::<fs_control_check>()),
        refused(path, message::<fs_control_holdings>()),
        refused(path, message::<fs_control_base>()),
        refused(path, message::<fs_control_origin>()),
        refused(path, message::<fs_control_attach>()),
        refused(path, fs_control_revert { branch: name("main"), to: name("s"), ..message() }),
        refused(path, message::<fs_control_ranges>()),
    ];
    assert_eq!(BTreeSet::from(asked), requests(), "every request is asked for");
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
