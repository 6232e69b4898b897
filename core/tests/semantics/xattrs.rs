//! Extended attributes: set, get, list, remove; who may; their limits.

use bough::XattrMode::{Create, Replace, Set};
use bough::limits::{XATTR_NAME_BYTES, XATTR_TOTAL_BYTES, XATTR_VALUE_BYTES};
use bough::{Caller, Error, NewNode, Privileges, XattrMode};

use crate::support::*;

fn set(fs: &Fs, caller: &Caller<'_>, name: &[u8], value: &[u8], mode: XattrMode) -> bough::Result<()> {
    fs.path_set_xattr(caller, at("file").no_follow(), name, value, mode)
}

fn get(fs: &Fs, caller: &Caller<'_>, name: &[u8]) -> bough::Result<Vec<u8>> {
    fs.path_get_xattr(caller, at("file").no_follow(), name).map(|value| value.to_vec())
}

fn list(fs: &Fs, caller: &Caller<'_>) -> Vec<String> {
    let names = fs.path_list_xattrs(caller, at("file").no_follow()).unwrap();
    names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

fn with_file() -> Fs {
    let fs = Fs::new();
    fs.write_file("file", "x");
    fs
}

#[test]
fn an_attribute_is_set_read_listed_and_removed() {
    let fs = with_file();
    assert_eq!(list(&fs, &ROOT), [""; 0]);
    set(&fs, &ROOT, b"user.b", b"\0\xff", Set).unwrap();
    set(&fs, &ROOT, b"user.a", b"", Set).unwrap();
    assert_eq!(list(&fs, &ROOT), ["user.a", "user.b"]);
    assert_eq!((get(&fs, &ROOT, b"user.b"), get(&fs, &ROOT, b"user.a")), (Ok(b"\0\xff".to_vec()), Ok(vec![])));
    set(&fs, &ROOT, b"user.b", b"new", Set).unwrap();
    assert_eq!(get(&fs, &ROOT, b"user.b"), Ok(b"new".to_vec()));
    fs.path_remove_xattr(&ROOT, at("file"), b"user.b").unwrap();
    assert_eq!(get(&fs, &ROOT, b"user.b"), Err(Error::NoAttribute));
    assert_eq!(fs.path_remove_xattr(&ROOT, at("file"), b"user.b"), Err(Error::NoAttribute));
    assert_eq!(list(&fs, &ROOT), ["user.a"]);
}

#[test]
fn create_and_replace_say_what_they_expect() {
    let fs = with_file();
    assert_eq!(set(&fs, &ROOT, b"user.x", b"1", Replace), Err(Error::NoAttribute));
    assert_eq!(set(&fs, &ROOT, b"user.x", b"1", Create), Ok(()));
    assert_eq!(set(&fs, &ROOT, b"user.x", b"2", Create), Err(Error::Exists));
    assert_eq!(set(&fs, &ROOT, b"user.x", b"3", Replace), Ok(()));
    assert_eq!(get(&fs, &ROOT, b"user.x"), Ok(b"3".to_vec()));
}

#[test]
fn names_have_1_to_255_bytes() {
    let fs = with_file();
    let name = |length| [b"user.".to_vec(), vec![b'n'; length - 5]].concat();
    assert_eq!(set(&fs, &ROOT, &name(XATTR_NAME_BYTES), b"x", Set), Ok(()));
    assert_eq!(get(&fs, &ROOT, &name(XATTR_NAME_BYTES)), Ok(b"x".to_vec()));
    let long = name(XATTR_NAME_BYTES + 1);
    assert_eq!(set(&fs, &ROOT, &long, b"x", Set), Err(Error::BufferTooSmall));
    assert_eq!(get(&fs, &ROOT, &long), Err(Error::BufferTooSmall));
    for bad in [&b""[..], b"user.\0"] {
        assert!(matches!(set(&fs, &ROOT, bad, b"x", Set), Err(Error::Invalid(_))));
        assert!(matches!(get(&fs, &ROOT, bad), Err(Error::Invalid(_))));
        assert!(matches!(fs.path_remove_xattr(&ROOT, at("file"), bad), Err(Error::Invalid(_))));
    }
}

#[test]
fn values_have_at_most_65_536_bytes() {
    let fs = with_file();
    assert_eq!(set(&fs, &ROOT, b"user.x", &[1; XATTR_VALUE_BYTES], Set), Ok(()));
    assert_eq!(get(&fs, &ROOT, b"user.x"), Ok(vec![1; XATTR_VALUE_BYTES]));
    assert_eq!(set(&fs, &ROOT, b"user.x", &[2; XATTR_VALUE_BYTES + 1], Set), Err(Error::ValueTooLarge));
    assert_eq!(get(&fs, &ROOT, b"user.x"), Ok(vec![1; XATTR_VALUE_BYTES]));
}

#[test]
fn all_attributes_of_one_inode_have_at_most_a_mebibyte_together() {
    let fs = with_file();
    for number in 0..15_u8 {
        set(&fs, &ROOT, &[b"user.".as_slice(), &[b'a' + number]].concat(), &[0; XATTR_VALUE_BYTES], Set).unwrap();
    }
    let left = XATTR_TOTAL_BYTES - 15 * (XATTR_VALUE_BYTES + 6) - 6;
    assert_eq!(set(&fs, &ROOT, b"user.z", &vec![1; left + 1], Set), Err(Error::TooManyAttributes));
    assert_eq!(set(&fs, &ROOT, b"user.z", &vec![1; left], Set), Ok(()));
    assert_eq!(set(&fs, &ROOT, b"user.y", b"", Set), Err(Error::TooManyAttributes));
    assert_eq!(set(&fs, &ROOT, b"user.z", &vec![2; left], Set), Ok(()), "replacing takes the place of the old");
    assert_eq!(list(&fs, &ROOT).len(), 16);
    fs.path_remove_xattr(&ROOT, at("file"), b"user.a").unwrap();
    assert_eq!(set(&fs, &ROOT, b"user.y", b"", Set), Ok(()));
}

#[test]
fn user_attributes_follow_the_permissions_of_the_file() {
    let fs = with_file();
    let (owner, other) = (user(5, 5), user(6, 6));
    fs.chown("file", 5, 5);
    fs.chmod("file", 0o640);
    assert_eq!(set(&fs, &owner, b"user.x", b"1", Set), Ok(()));
    assert_eq!(get(&fs, &other, b"user.x"), Err(Error::AccessDenied));
    assert_eq!(set(&fs, &other, b"user.x", b"2", Set), Err(Error::AccessDenied));
    assert_eq!(fs.path_remove_xattr(&other, at("file"), b"user.x"), Err(Error::AccessDenied));
    fs.chmod("file", 0o644);
    assert_eq!(get(&fs, &other, b"user.x"), Ok(b"1".to_vec()));
    assert_eq!(list(&fs, &other), ["user.x"]);
}

#[test]
fn only_files_and_directories_have_user_attributes() {
    for new in [NewNode::Symlink(b"x"), NewNode::Fifo, NewNode::Socket, NewNode::CharDevice(1)] {
        let fs = Fs::new();
        fs.make_at("file", new);
        assert_eq!(set(&fs, &ROOT, b"user.x", b"1", Set), Err(Error::NotPermitted), "{new:?}");
        assert_eq!(get(&fs, &ROOT, b"user.x"), Err(Error::NoAttribute), "{new:?}");
        assert_eq!(set(&fs, &ROOT, b"trusted.x", b"1", Set), Ok(()), "{new:?}");
        assert_eq!(set(&fs, &ROOT, b"security.x", b"1", Set), Ok(()), "{new:?}");
    }
}

#[test]
fn in_a_sticky_directory_only_its_owner_sets_user_attributes() {
    let fs = Fs::new();
    fs.mkdir_p("file");
    fs.chmod("file", 0o1777);
    assert_eq!(set(&fs, &user(5, 5), b"user.x", b"1", Set), Err(Error::NotPermitted));
    fs.chmod("file", 0o777);
    assert_eq!(set(&fs, &user(5, 5), b"user.x", b"1", Set), Ok(()));
}

#[test]
fn trusted_attributes_are_seen_and_set_by_the_administrator_only() {
    let fs = with_file();
    fs.chown("file", 5, 5);
    let owner = user(5, 5);
    assert_eq!(set(&fs, &owner, b"trusted.x", b"1", Set), Err(Error::NotPermitted));
    assert_eq!(set(&fs, &ROOT, b"trusted.x", b"1", Set), Ok(()));
    assert_eq!(get(&fs, &owner, b"trusted.x"), Err(Error::NoAttribute));
    assert_eq!(fs.path_remove_xattr(&owner, at("file"), b"trusted.x"), Err(Error::NotPermitted));
    assert_eq!((list(&fs, &owner), list(&fs, &ROOT)), (vec![], vec!["trusted.x".into()]));
    let checked = privileged(5, 5, Privileges::CHECKED);
    assert_eq!(get(&fs, &checked, b"trusted.x"), Err(Error::NoAttribute), "not even when a host has checked");
    assert_eq!(get(&fs, &privileged(9, 9, Privileges::ADMIN), b"trusted.x"), Ok(b"1".to_vec()));
}

#[test]
fn security_attributes_are_read_by_all_and_set_by_the_administrator() {
    let fs = with_file();
    assert_eq!(set(&fs, &user(5, 5), b"security.x", b"1", Set), Err(Error::NotPermitted));
    assert_eq!(set(&fs, &ROOT, b"security.x", b"1", Set), Ok(()));
    fs.chmod("file", 0);
    assert_eq!(get(&fs, &user(5, 5), b"security.x"), Ok(b"1".to_vec()));
}

#[test]
fn file_capabilities_are_lost_with_a_change_of_content_or_owner() {
    let name = b"security.capability";
    let changes: [&dyn Fn(&Fs); 3] =
        [&|fs| fs.write_file("file", "new"), &|fs| fs.truncate("file", 0), &|fs| fs.chown("file", 5, 5)];
    for change in changes {
        let fs = with_file();
        set(&fs, &ROOT, name, b"cap", Set).unwrap();
        set(&fs, &ROOT, b"user.kept", b"", Set).unwrap();
        fs.chmod("file", 0o755);
        assert!(get(&fs, &ROOT, name).is_ok());
        change(&fs);
        assert_eq!(get(&fs, &ROOT, name), Err(Error::NoAttribute));
        assert_eq!(list(&fs, &ROOT), ["user.kept"]);
    }
}

#[test]
fn attributes_move_with_the_file_and_are_not_shared_with_snapshots() {
    let fs = with_file();
    set(&fs, &ROOT, b"user.x", b"old", Set).unwrap();
    let frozen = fs.frozen("s");
    set(&fs, &ROOT, b"user.x", b"new", Set).unwrap();
    fs.move_to("file", "moved");
    let value = |view: &bough::View, path| view.path_get_xattr(&ROOT, at(path), b"user.x").unwrap().to_vec();
    assert_eq!((value(&fs, "moved"), value(&frozen, "file")), (b"new".to_vec(), b"old".to_vec()));
    assert_eq!(frozen.path_set_xattr(&ROOT, at("file"), b"user.y", b"", Set), Err(Error::ReadOnly));
    assert_eq!(frozen.path_remove_xattr(&ROOT, at("file"), b"user.x"), Err(Error::ReadOnly));
}
