//! What the C edition of pjdfstest asks and the Rust edition does not: who loses set-id bits and when, and who may give
//! files to whom. Done by real users, in processes of their own.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::fixture::{USUAL, shell};
use crate::ground::{Ground, On};
use crate::sys;

const USER: u32 = 65_534;
const OTHER: u32 = 65_533;
const GROUPS: [u32; 2] = [65_533, 65_532];

/// Runs a line of shell as a user with two groups more; whether it succeeded.
fn as_user(folder: &Path, uid: u32, line: &str) -> bool {
    let groups = format!("--groups={},{},{}", uid, GROUPS[0], GROUPS[1]);
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={uid}"), &format!("--regid={uid}"), &groups, "--inh-caps=-all", "sh", "-c", line]);
    command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
}

/// On an empty volume, where writes go through and where the kernel writes back, and over a base.
fn each_mount(test: impl Fn(&Path)) {
    if !sys::is_root() {
        eprintln!("SKIPPED: becoming other users takes root");
        return;
    }
    let grounds =
        [(On::Nothing, USUAL), (On::Nothing, "default_permissions,allow_other,no_writeback"), (On::Base, USUAL)];
    for (on, options) in grounds {
        let Some(ground) = Ground::new(on, options, |_| {}) else { return };
        test(&ground.folder());
        ground.end();
    }
}

/// A file of a user's with this mode, anew.
fn file(folder: &Path, mode: u32) -> std::path::PathBuf {
    let path = folder.join("file");
    let _ = fs::remove_file(&path);
    make_file(&path, mode);
    path
}

fn make_file(path: &Path, mode: u32) {
    fs::write(path, "content").unwrap();
    chown(path, Some(USER), Some(USER)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_write_by_others_than_root_clears_set_id_bits() {
    each_mount(|folder| {
        let writes = ["echo x >> file", "echo x > file", "truncate -s 3 file", "truncate -s 300 file"];
        for line in writes {
            for (before, after) in [(0o4777, 0o777), (0o2777, 0o777), (0o6777, 0o777), (0o2767, 0o2767), (0o755, 0o755)]
            {
                let path = file(folder, before);
                assert!(as_user(folder, USER, line));
                assert_eq!(mode_of(&path), after, "`{line}` by the owner of a file of mode {before:o}");
            }
            let path = file(folder, 0o6777);
            assert!(as_user(folder, OTHER, line));
            assert_eq!(mode_of(&path), 0o777, "`{line}` by another user");
        }
    });
}

#[test]
fn files_of_a_base_lose_set_id_bits_as_any_others() {
    if !sys::is_root() {
        eprintln!("SKIPPED: becoming other users takes root");
        return;
    }
    let changes: [(u32, &str, u32); 8] = [
        (USER, "echo x >> ", 0o777),
        (OTHER, "echo x > ", 0o777),
        (OTHER, "truncate -s 3 ", 0o777),
        (USER, "fallocate -l 3 ", 0o777),
        (USER, "chgrp 65533 ", 0o777),
        (USER, "chmod u-w ", 0o6577),
        (USER, "touch -d 2001-01-01 ", 0o6777),
        (USER, "cat ", 0o6777),
    ];
    let make = |folder: &Path| (0..changes.len()).for_each(|n| make_file(&folder.join(n.to_string()), 0o6777));
    for options in [USUAL, "default_permissions,allow_other,no_writeback"] {
        let Some(ground) = Ground::new(On::Base, options, make) else { return };
        for (number, (who, line, after)) in changes.iter().enumerate() {
            let path = ground.folder().join(number.to_string());
            assert!(as_user(&ground.folder(), *who, &format!("{line}{number}")), "{line}");
            assert_eq!(mode_of(&path), *after, "`{line}` by {who}, of a file of the base");
        }
        ground.end();
    }
}

#[test]
fn root_keeps_set_id_bits_where_it_writes() {
    each_mount(|folder| {
        let path = file(folder, 0o6777);
        fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, b"x"))
            .unwrap();
        assert_eq!(mode_of(&path), 0o6777);
    });
}

#[test]
fn a_change_of_owner_clears_set_id_bits_of_files_and_not_of_directories() {
    each_mount(|folder| {
        for (uid, gid) in [(Some(OTHER), None), (None, Some(GROUPS[0])), (Some(OTHER), Some(GROUPS[1]))] {
            let path = file(folder, 0o6555);
            chown(&path, uid, gid).unwrap();
            assert_eq!(mode_of(&path), 0o555, "root gives it to {uid:?} {gid:?}");
            // Without execution for the group the bit means mandatory locking, and stays.
            let path = file(folder, 0o2745);
            chown(&path, uid, gid).unwrap();
            assert_eq!(mode_of(&path), 0o2745);
        }
        let path = file(folder, 0o6777);
        assert!(as_user(folder, USER, &format!("chgrp {} file", GROUPS[0])));
        assert_eq!((mode_of(&path), fs::metadata(&path).unwrap().gid()), (0o777, GROUPS[0]));
        let below = folder.join("below");
        fs::create_dir(&below).unwrap();
        fs::set_permissions(&below, fs::Permissions::from_mode(0o6777)).unwrap();
        chown(&below, Some(USER), Some(GROUPS[0])).unwrap();
        assert_eq!(mode_of(&below), 0o6777);
        fs::remove_dir(below).unwrap();
    });
}

/// One of each kind that is no symbolic link, by a name that says which.
const KINDS: [&str; 6] = ["regular", "directory", "pipe", "socket", "character", "block"];

fn make_kinds(folder: &Path) {
    shell(
        folder,
        "echo x > regular; mkdir directory; mkfifo pipe; mknod character c 1 3; mknod block b 7 99
         for kind in regular directory pipe socket character block; do ln -s $kind to-$kind; done",
    );
    drop(std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap());
}

fn changed(path: &Path) -> (i64, i64) {
    let found = fs::symlink_metadata(path).unwrap();
    (found.ctime(), found.ctime_nsec())
}

#[test]
fn whatever_kind_it_is_it_changes_hands_loses_set_id_bits_and_tells_when() {
    each_mount(|folder| {
        make_kinds(folder);
        for kind in KINDS {
            let (path, link) = (folder.join(kind), format!("to-{kind}"));
            let kept = if kind == "directory" { 0o6555 } else { 0o555 };
            for at in [kind, &link] {
                chown(folder.join(at), Some(USER), Some(USER)).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o6555)).unwrap();
                let before = changed(&path);
                std::thread::sleep(std::time::Duration::from_millis(20));
                let line = format!("chgrp {} {at}", GROUPS[1]);
                assert!(as_user(folder, USER, &line), "`{line}` by the owner");
                assert_eq!((mode_of(&path), fs::metadata(&path).unwrap().gid()), (kept, GROUPS[1]), "`{line}`");
                assert!(changed(&path) > before, "`{line}` leaves the time");
                assert!(!as_user(folder, OTHER, &line), "`{line}` by another");
                assert!(!as_user(folder, USER, &format!("chown {OTHER} {at}")), "{at} is given away");
            }
            assert_eq!(fs::symlink_metadata(folder.join(link)).unwrap().uid(), 0, "the link is another thing");
        }
    });
}

#[test]
fn an_owner_gives_a_file_only_to_groups_of_its_own() {
    each_mount(|folder| {
        let path = file(folder, 0o644);
        let refused = ["chown 0 file", "chown 65533 file", "chgrp 0 file", "chgrp 12345 file", "chown 65534:0 file"];
        for line in refused {
            assert!(!as_user(folder, USER, line), "`{line}` by the owner");
        }
        for line in ["chgrp 65533 file", "chgrp 65532 file", "chown 65534:65533 file", "chown 65534 file"] {
            assert!(as_user(folder, USER, line), "`{line}` by the owner");
            assert!(!as_user(folder, OTHER, line), "`{line}` by another");
        }
        assert_eq!(fs::metadata(&path).unwrap().uid(), USER);
    });
}

#[test]
fn a_group_that_the_caller_is_not_in_costs_the_set_group_id_bit() {
    each_mount(|folder| {
        let path = file(folder, 0o755);
        chown(&path, None, Some(12_345)).unwrap();
        assert!(as_user(folder, USER, "chmod 2755 file"));
        assert_eq!(mode_of(&path), 0o755);
        chown(&path, None, Some(GROUPS[0])).unwrap();
        assert!(as_user(folder, USER, "chmod 2755 file"));
        assert_eq!(mode_of(&path), 0o2755);
        assert!(!as_user(folder, OTHER, "chmod 644 file"));
    });
}

#[test]
fn new_files_in_a_set_group_id_directory_get_its_group() {
    each_mount(|folder| {
        let folder = folder.join("shared");
        fs::create_dir(&folder).unwrap();
        chown(&folder, None, Some(12_345)).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o2777)).unwrap();
        assert!(as_user(&folder, USER, "umask 0; mkdir below; echo > made; ln -s made link; mkfifo pipe"));
        for name in ["below", "made", "link", "pipe"] {
            assert_eq!(fs::symlink_metadata(folder.join(name)).unwrap().gid(), 12_345, "{name}");
        }
        assert_eq!(mode_of(&folder.join("below")) & 0o2000, 0o2000);
        assert_eq!(mode_of(&folder.join("made")) & 0o2000, 0);
    });
}

#[test]
fn a_symbolic_link_is_given_away_by_itself() {
    each_mount(|folder| {
        let path = file(folder, 0o4755);
        let link = folder.join("link");
        std::os::unix::fs::symlink("file", &link).unwrap();
        lchown(&link, Some(OTHER), Some(GROUPS[1])).unwrap();
        let of = |path: &Path| fs::symlink_metadata(path).map(|found| (found.uid(), found.gid())).unwrap();
        assert_eq!((of(&link), of(&path), mode_of(&path)), ((OTHER, GROUPS[1]), (USER, USER), 0o4755));
        assert!(!as_user(folder, USER, "chown -h 65534 link"));
    });
}
