//! Names, as programs see them through a mount.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

use bough::control::message;
use bough::control::messages::fs_control_stats;

use crate::fixture::{Mount, eventually, names, shell};
use crate::sys;

#[test]
fn files_and_folders_are_made_found_moved_and_removed() {
    let Some(mount) = Mount::new() else { return };
    fs::create_dir(mount.at("a")).unwrap();
    fs::write(mount.at("a/one"), "1").unwrap();
    assert_eq!(fs::create_dir(mount.at("a")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(mount.at("a/none")).unwrap_err().kind(), ErrorKind::NotFound);
    fs::rename(mount.at("a/one"), mount.at("two")).unwrap();
    assert_eq!(fs::read(mount.at("two")).unwrap(), b"1");
    assert_eq!(names(mount.point()), ["a", "two"]);
    assert_eq!(fs::remove_file(mount.at("a")).unwrap_err().raw_os_error(), Some(libc::EISDIR));
    assert_eq!(fs::remove_dir(mount.at("two")).unwrap_err().raw_os_error(), Some(libc::ENOTDIR));
    fs::remove_file(mount.at("two")).unwrap();
    fs::remove_dir(mount.at("a")).unwrap();
    assert!(names(mount.point()).is_empty());
    mount.end();
}

#[test]
fn a_name_that_was_not_there_is_seen_once_it_is() {
    let Some(mount) = Mount::new() else { return };
    for _ in 0..3 {
        assert!(!mount.at("late").exists());
        fs::write(mount.at("late"), "x").unwrap();
        assert!(mount.at("late").exists());
        fs::remove_file(mount.at("late")).unwrap();
    }
}

#[test]
fn what_the_kernel_forgets_at_a_time_is_known_no_more_and_there_still() {
    let Some(mount) = Mount::new() else { return };
    let list: Vec<String> = (0..2_000).map(|n| format!("f{n}")).collect();
    list.iter().for_each(|name| drop(File::create(mount.at(name)).unwrap()));
    let side = mount.attach("main", "side");
    let known = || sys::control(&side, message::<fs_control_stats>()).unwrap().nodes;
    let open = File::open(side.join("f7")).unwrap();
    let links = |name: &String| fs::metadata(side.join(name)).unwrap().nlink();
    // Where memory is short it forgets by itself.
    eventually("many are known", || list.iter().all(|name| links(name) == 1) && known() > 1_000);
    sys::forget_names(&side);
    eventually("only what is open is known", || known() == 1);
    assert_eq!(open.metadata().unwrap().nlink(), 1);
    assert!(list.iter().all(|name| links(name) == 1));
    drop(open);
    mount.end_with(&[&side]);
}

#[test]
fn rename_replaces_exchanges_and_refuses() {
    let Some(mount) = Mount::new() else { return };
    let (a, b) = (mount.at("a"), mount.at("b"));
    fs::write(&a, "a").unwrap();
    fs::write(&b, "b").unwrap();
    let refused = sys::rename(&a, &b, libc::RENAME_NOREPLACE).unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EEXIST));
    sys::rename(&a, &b, libc::RENAME_EXCHANGE).unwrap();
    assert_eq!((fs::read(&a).unwrap(), fs::read(&b).unwrap()), (b"b".to_vec(), b"a".to_vec()));
    let whiteout = sys::rename(&a, &b, libc::RENAME_WHITEOUT).unwrap_err();
    assert_eq!(whiteout.raw_os_error(), Some(libc::EINVAL));
    fs::rename(&a, &b).unwrap();
    assert_eq!(fs::read(&b).unwrap(), b"b");
    fs::create_dir_all(mount.at("d/e")).unwrap();
    assert_eq!(fs::rename(mount.at("d"), mount.at("d/e/f")).unwrap_err().raw_os_error(), Some(libc::EINVAL));
}

#[test]
fn a_file_keeps_its_content_while_another_is_renamed_over_it() {
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("old"), "old").unwrap();
    fs::write(mount.at("new"), "new").unwrap();
    let open = File::open(mount.at("old")).unwrap();
    fs::rename(mount.at("new"), mount.at("old")).unwrap();
    assert_eq!(std::io::read_to_string(open).unwrap(), "old");
    assert_eq!(fs::read(mount.at("old")).unwrap(), b"new");
}

#[test]
fn hard_links_are_one_file() {
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("a"), "same").unwrap();
    fs::hard_link(mount.at("a"), mount.at("b")).unwrap();
    let (a, b) = (fs::metadata(mount.at("a")).unwrap(), fs::metadata(mount.at("b")).unwrap());
    assert_eq!((a.ino(), a.nlink()), (b.ino(), 2));
    fs::remove_file(mount.at("a")).unwrap();
    assert_eq!(fs::metadata(mount.at("b")).unwrap().nlink(), 1);
    assert_eq!(fs::read(mount.at("b")).unwrap(), b"same");
}

#[test]
fn symbolic_links_are_kept_as_they_are_and_followed() {
    let Some(mount) = Mount::new() else { return };
    let long = format!("{}x", "y/".repeat(2000));
    symlink("target", mount.at("link")).unwrap();
    symlink(&long, mount.at("long")).unwrap();
    symlink("loop", mount.at("loop")).unwrap();
    assert_eq!(fs::read_link(mount.at("link")).unwrap().to_str(), Some("target"));
    assert_eq!(fs::read_link(mount.at("long")).unwrap().to_str(), Some(long.as_str()));
    fs::write(mount.at("target"), "there").unwrap();
    assert_eq!(fs::read(mount.at("link")).unwrap(), b"there");
    assert_eq!(fs::read(mount.at("loop")).unwrap_err().raw_os_error(), Some(libc::ELOOP));
}

#[test]
fn pipes_sockets_and_devices_are_kept() {
    let Some(mount) = Mount::new() else { return };
    sys::make_node(&mount.at("pipe"), libc::S_IFIFO | 0o644, 0).unwrap();
    assert!(fs::metadata(mount.at("pipe")).unwrap().file_type().is_fifo());
    let said = shell(mount.point(), "(echo through > pipe) & cat pipe; wait");
    assert_eq!(said, "through\n");
    let _listener = std::os::unix::net::UnixListener::bind(mount.at("socket")).unwrap();
    std::os::unix::net::UnixStream::connect(mount.at("socket")).unwrap();
    if sys::is_root() {
        let number = libc::makedev(1, 3);
        sys::make_node(&mount.at("null"), libc::S_IFCHR | 0o666, number).unwrap();
        let made = fs::metadata(mount.at("null")).unwrap();
        assert!(made.file_type().is_char_device());
        assert_eq!(made.rdev(), number);
    }
}

#[test]
fn names_too_long_and_names_of_any_bytes() {
    use std::os::unix::ffi::OsStrExt;
    let Some(mount) = Mount::new() else { return };
    assert_eq!(fs::write(mount.at(&"x".repeat(256)), "").unwrap_err().raw_os_error(), Some(libc::ENAMETOOLONG));
    fs::write(mount.at(&"x".repeat(255)), "").unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"\xff\x01 \n");
    fs::write(mount.point().join(odd), "odd").unwrap();
    assert_eq!(fs::read(mount.point().join(odd)).unwrap(), b"odd");
}

#[test]
fn a_listing_of_20_000_entries_is_whole_while_entries_come_and_go() {
    let Some(mount) = Mount::new() else { return };
    let folder = mount.at("many");
    fs::create_dir(&folder).unwrap();
    for i in 0..20_000 {
        File::create(folder.join(format!("f{i}"))).unwrap();
    }
    assert_eq!(names(&folder).len(), 20_000);
    assert_eq!(shell(&folder, "ls -l | wc -l").trim(), "20001");
    let mut seen = Vec::new();
    for (i, entry) in fs::read_dir(&folder).unwrap().enumerate() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if i % 4 == 0 {
            fs::write(folder.join(format!("new{i}")), "").unwrap();
        }
        seen.push(name);
    }
    seen.retain(|name| name.starts_with('f'));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 20_000, "entries that were there throughout");
    fs::remove_dir_all(&folder).unwrap();
    mount.end();
}

#[test]
fn where_case_is_ignored_every_spelling_finds_the_file() {
    let Some(mount) = Mount::with("default_permissions,allow_other,names=posix-ignore-case") else { return };
    assert!(!mount.at("README").exists());
    fs::write(mount.at("ReadMe"), "text").unwrap();
    assert_eq!(fs::read(mount.at("README")).unwrap(), b"text");
    assert_eq!(fs::read(mount.at("readme")).unwrap(), b"text");
    assert_eq!(names(mount.point()), ["ReadMe"]);
    fs::remove_file(mount.at("readme")).unwrap();
    assert!(!mount.at("README").exists() && !mount.at("ReadMe").exists());
}

/// The kernel takes two spellings of one file for two links of it, and a rename from one to the other for done.
fn respell(mount: &Mount, from: &str, to: &str) {
    fs::rename(mount.at(from), mount.at(to)).unwrap();
    assert_eq!(fs::read(mount.at(to)).unwrap(), fs::read(mount.at(from)).unwrap());
    fs::rename(mount.at(from), mount.at("between")).unwrap();
    assert!(!mount.at(from).exists() && !mount.at(to).exists());
    fs::rename(mount.at("between"), mount.at(to)).unwrap();
}

#[test]
fn the_rules_of_names_are_those_that_the_mount_was_given() {
    // Two spellings of one name, and one that is refused.
    let rules = [
        ("posix-ignore-case", "Gr\u{f6}\u{df}e", "GR\u{d6}\u{1e9e}E", None),
        ("windows", "Gr\u{f6}\u{df}e", "GR\u{d6}\u{1e9e}E", Some("con")),
        ("macos", "Gr\u{f6}\u{df}e", "GRo\u{308}\u{df}E", None),
    ];
    for (rules, name, other, refused) in rules {
        let Some(mount) = Mount::with(&format!("default_permissions,allow_other,names={rules}")) else { return };
        fs::write(mount.at(name), name).unwrap();
        assert_eq!(fs::read(mount.at(other)).unwrap(), name.as_bytes(), "{rules}");
        let again = OpenOptions::new().write(true).create_new(true).open(mount.at(other));
        assert_eq!(again.unwrap_err().raw_os_error(), Some(libc::EEXIST), "{rules}");
        assert_eq!(fs::create_dir(mount.at(other)).unwrap_err().raw_os_error(), Some(libc::EEXIST), "{rules}");
        assert_eq!(names(mount.point()), [name], "{rules}");
        respell(&mount, name, other);
        assert_eq!(names(mount.point()), [other], "{rules}");
        assert_eq!(fs::read(mount.at(name)).unwrap(), name.as_bytes(), "{rules}");
        if let Some(refused) = refused {
            assert_eq!(fs::write(mount.at(refused), "").unwrap_err().raw_os_error(), Some(libc::EINVAL), "{rules}");
        }
        mount.end();
    }
    let Some(mount) = Mount::with("default_permissions,allow_other,names=posix") else { return };
    for name in ["name", "NAME", "con"] {
        fs::write(mount.at(name), name).unwrap();
    }
    assert_eq!(fs::read(mount.at("name")).unwrap(), b"name");
    mount.end();
}
