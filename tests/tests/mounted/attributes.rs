//! Attributes, extended attributes and ACLs, as programs see them through a mount.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::fixture::{Mount, installed, run, shell};
use crate::sys;

fn mode(mount: &Mount, name: &str) -> u32 {
    fs::metadata(mount.at(name)).unwrap().mode() & 0o7777
}

fn set_mode(mount: &Mount, name: &str, mode: u32) {
    fs::set_permissions(mount.at(name), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn modes_owners_and_times_are_kept() {
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("f"), "x").unwrap();
    set_mode(&mount, "f", 0o640);
    assert_eq!(mode(&mount, "f"), 0o640);
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 123_456_789);
    let file = fs::File::options().write(true).open(mount.at("f")).unwrap();
    file.set_times(fs::FileTimes::new().set_accessed(time).set_modified(time)).unwrap();
    drop(file);
    let found = fs::metadata(mount.at("f")).unwrap();
    assert_eq!((found.modified().unwrap(), found.accessed().unwrap()), (time, time));
    if sys::is_root() {
        chown(mount.at("f"), Some(1234), Some(5678)).unwrap();
        let found = fs::metadata(mount.at("f")).unwrap();
        assert_eq!((found.uid(), found.gid()), (1234, 5678));
    }
}

#[test]
fn writing_sets_times_and_they_stay_after_the_cache_is_dropped() {
    let Some(mount) = Mount::new() else { return };
    fs::write(mount.at("f"), "x").unwrap();
    let before = fs::metadata(mount.at("f")).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    fs::write(mount.at("f"), "longer").unwrap();
    let after = fs::metadata(mount.at("f")).unwrap();
    assert!(after.modified().unwrap() > before.modified().unwrap());
    let again = mount.attach("", "again");
    let there = fs::metadata(again.join("f")).unwrap();
    assert_eq!(there.modified().unwrap(), after.modified().unwrap());
    assert_eq!(there.len(), 6);
}

#[test]
fn the_umask_applies_unless_a_default_acl_takes_its_place() {
    let Some(mount) = Mount::new() else { return };
    shell(mount.point(), "umask 027; touch f; mkdir d");
    assert_eq!((mode(&mount, "f"), mode(&mount, "d")), (0o640, 0o750));
    if !installed("setfacl") {
        return;
    }
    shell(
        mount.point(),
        "mkdir shared; setfacl -d -m u::rwx,g::rwx,o::rx,u:1234:rw shared; umask 077; touch shared/f; mkdir shared/d",
    );
    assert_eq!(mode(&mount, "shared/f"), 0o664);
    let acl = shell(mount.point(), "getfacl -cp shared/f");
    assert!(acl.contains("user:1234:rw-"), "{acl}");
    let acl = shell(mount.point(), "getfacl -cp shared/d");
    assert!(acl.contains("default:user:1234:rw-") && acl.contains("\nuser:1234:rw-"), "{acl}");
}

#[test]
fn acls_are_kept_and_asked() {
    let Some(mount) = Mount::new() else { return };
    if !installed("setfacl") || !sys::is_root() {
        return;
    }
    fs::write(mount.at("f"), "secret").unwrap();
    set_mode(&mount, "f", 0o600);
    let read_as = |user: u32| {
        let mut command = Command::new("setpriv");
        command.args([&format!("--reuid={user}"), "--regid=1", "--clear-groups", "cat"]).arg(mount.at("f"));
        command.output().unwrap().status.success()
    };
    assert!(!read_as(1234));
    shell(mount.point(), "setfacl -m u:1234:r f");
    assert!(read_as(1234) && !read_as(1235));
    assert_eq!(mode(&mount, "f"), 0o640, "the mask shows as the group's bits");
    let acl = shell(mount.point(), "getfacl -cp f");
    assert!(acl.contains("user:1234:r--") && acl.contains("mask::r--"), "{acl}");
    shell(mount.point(), "setfacl -b f");
    assert!(!read_as(1234));
}

#[test]
fn extended_attributes_are_set_listed_and_removed() {
    let Some(mount) = Mount::new() else { return };
    let file = mount.at("f");
    fs::write(&file, "x").unwrap();
    let large = vec![7; 65_536];
    sys::set_xattr(&file, c"user.a", b"1", libc::XATTR_CREATE).unwrap();
    sys::set_xattr(&file, c"user.large", &large, 0).unwrap();
    let exists = sys::set_xattr(&file, c"user.a", b"2", libc::XATTR_CREATE).unwrap_err();
    assert_eq!(exists.raw_os_error(), Some(libc::EEXIST));
    let absent = sys::set_xattr(&file, c"user.b", b"2", libc::XATTR_REPLACE).unwrap_err();
    assert_eq!(absent.raw_os_error(), Some(libc::ENODATA));
    assert_eq!(sys::get_xattr(&file, c"user.a").unwrap(), b"1");
    assert_eq!(sys::get_xattr(&file, c"user.large").unwrap(), large);
    assert_eq!(sys::list_xattrs(&file), ["user.a", "user.large"]);
    sys::remove_xattr(&file, c"user.a").unwrap();
    assert_eq!(sys::get_xattr(&file, c"user.a").unwrap_err().raw_os_error(), Some(libc::ENODATA));
    let long = CString::new(format!("user.{}", "n".repeat(251))).unwrap();
    assert_eq!(sys::set_xattr(&file, &long, b"", 0).unwrap_err().raw_os_error(), Some(libc::ERANGE));
    if sys::is_root() {
        sys::set_xattr(&file, c"trusted.t", b"t", 0).unwrap();
        sys::set_xattr(&file, c"security.s", b"s", 0).unwrap();
        assert_eq!(sys::list_xattrs(&file), ["security.s", "trusted.t", "user.large"]);
    }
}

#[test]
fn changing_a_program_takes_its_special_rights() {
    let Some(mount) = Mount::with("default_permissions,allow_other,suid") else { return };
    if !sys::is_root() {
        return;
    }
    let by_user = |line: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=1234", "--regid=1234", "--clear-groups", "sh", "-c", line]).current_dir(mount.point());
        run(&mut command);
    };
    set_mode(&mount, "", 0o777);
    fs::write(mount.at("f"), "x").unwrap();
    for line in ["echo y >> f", "truncate -s 3 f", "echo z > f"] {
        set_mode(&mount, "f", 0o6777);
        by_user(line);
        assert_eq!(mode(&mount, "f"), 0o777, "{line}");
    }
    set_mode(&mount, "f", 0o6777);
    shell(mount.point(), "echo root >> f");
    assert_eq!(mode(&mount, "f"), 0o6777, "root may keep them");
    chown(mount.at("f"), Some(5), None).unwrap();
    assert_eq!(mode(&mount, "f"), 0o777, "a new owner takes them");
}

#[test]
fn flags_of_chattr_hold() {
    let Some(mount) = Mount::new() else { return };
    if !installed("chattr") || !sys::is_root() {
        return;
    }
    fs::write(mount.at("f"), "x").unwrap();
    shell(mount.point(), "chattr +i f");
    assert!(shell(mount.point(), "lsattr f").starts_with("----i"));
    assert_eq!(fs::remove_file(mount.at("f")).unwrap_err().raw_os_error(), Some(libc::EPERM));
    shell(mount.point(), "chattr -i f");
    fs::remove_file(mount.at("f")).unwrap();
}

#[test]
fn an_append_only_file_keeps_what_is_appended() {
    let Some(mount) = Mount::new() else { return };
    if !installed("chattr") || !sys::is_root() {
        return;
    }
    shell(mount.point(), "echo one > f && chattr +a f && echo two >> f && sync f && echo three >> f && sync f");
    assert_eq!(fs::read(mount.at("f")).unwrap(), b"one\ntwo\nthree\n");
    let over = fs::File::options().write(true).open(mount.at("f")).unwrap();
    let overwritten = std::io::Write::write_all(&mut &over, b"X").and_then(|()| over.sync_all());
    assert_eq!(overwritten.unwrap_err().raw_os_error(), Some(libc::EPERM));
    shell(mount.point(), "chattr -a f");
}

#[test]
fn an_access_list_gives_nobody_the_rights_of_a_group_that_he_is_not_in() {
    let Some(mount) = Mount::new() else { return };
    if !installed("setfacl") || !sys::is_root() {
        return;
    }
    fs::write(mount.at("f"), "x").unwrap();
    chown(mount.at("f"), Some(1234), Some(4321)).unwrap();
    for (groups, expected) in [("--clear-groups", 0o650), ("--groups=4321", 0o2650)] {
        set_mode(&mount, "f", 0o2640);
        let owner = format!("setpriv --reuid=1234 --regid=1234 {groups}");
        shell(mount.point(), &format!("{owner} setfacl -m u:1:r,g::rx,m::rx f"));
        assert_eq!(mode(&mount, "f"), expected, "{groups}");
    }
}

#[test]
fn without_default_permissions_core_checks_them() {
    let Some(mount) = Mount::with("rw") else { return };
    fs::write(mount.at("f"), "x").unwrap();
    set_mode(&mount, "f", 0o444);
    let opened = fs::File::options().write(true).open(mount.at("f"));
    assert_eq!(opened.is_ok(), sys::is_root());
    assert_eq!(fs::read(mount.at("f")).unwrap(), b"x");
    // Other users do not get in at all.
    if sys::is_root() {
        let mut other = Command::new("setpriv");
        other.args(["--reuid=1234", "--regid=1234", "--clear-groups", "ls"]).arg(mount.point());
        assert!(!other.output().unwrap().status.success());
    }
}

#[test]
fn statfs_tells_the_room_there_is() {
    let Some(mount) = Mount::with("default_permissions,memory=64M,no_spill") else { return };
    let said = run(Command::new("stat").args(["-f", "-c", "%S %b %f %l"]).arg(mount.point()));
    let numbers: Vec<u64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let [block, all, free, name] = numbers[..] else { panic!("{said}") };
    assert_eq!((block * all, name), (64 << 20, 255));
    assert!(free <= all && block * free > 60 << 20);
    fs::write(mount.at("f"), vec![1; 16 << 20]).unwrap();
    let said = run(Command::new("stat").args(["-f", "-c", "%f"]).arg(mount.point()));
    assert!(free - said.trim().parse::<u64>().unwrap() >= (16 << 20) / block);
}
