//! POSIX ACLs as Linux keeps them, through their extended attributes.

use bough::{Error, Mask, NewNode, Privileges, XattrMode};

use crate::support::*;

const ACCESS: &[u8] = b"system.posix_acl_access";
const DEFAULT: &[u8] = b"system.posix_acl_default";
const OWNER: u16 = 1;
const USER: u16 = 2;
const OWNING_GROUP: u16 = 4;
const GROUP: u16 = 8;
const MASK: u16 = 16;
const OTHER: u16 = 32;

/// The stored form: version 2, then tag, permissions and id of each entry.
fn stored(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let mut bytes = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(permissions.to_le_bytes());
        bytes.extend(if matches!(*tag, USER | GROUP) { *id } else { u32::MAX }.to_le_bytes());
    }
    bytes
}

/// Owner rwx, user 7 rw-, group r-x, group 70 rwx, mask `mask`, others nothing.
fn rich(mask: u16) -> Vec<u8> {
    stored(&[(OWNER, 7, 0), (USER, 6, 7), (OWNING_GROUP, 5, 0), (GROUP, 7, 70), (MASK, mask, 0), (OTHER, 0, 0)])
}

fn set(fs: &Fs, path: &str, name: &[u8], value: &[u8]) -> bough::Result<()> {
    fs.path_set_xattr(&ROOT, at(path).no_follow(), name, value, XattrMode::Set)
}

fn get(fs: &Fs, path: &str, name: &[u8]) -> bough::Result<Vec<u8>> {
    fs.path_get_xattr(&ROOT, at(path), name).map(|value| value.to_vec())
}

fn with_file() -> Fs {
    let fs = Fs::new();
    fs.write_file("file", "x");
    fs.chown("file", 1, 10);
    fs
}

#[test]
fn an_access_list_is_read_back_as_it_was_set_and_shows_its_mask_in_the_mode() {
    let fs = with_file();
    set(&fs, "file", ACCESS, &rich(5)).unwrap();
    assert_eq!(get(&fs, "file", ACCESS), Ok(rich(5)));
    assert_eq!(fs.stat("file").mode, 0o750);
    let names = fs.path_list_xattrs(&ROOT, at("file")).unwrap();
    assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), [ACCESS]);
}

#[test]
fn an_access_list_decides_who_may() {
    let fs = with_file();
    set(&fs, "file", ACCESS, &rich(6)).unwrap();
    let may = |caller: &bough::Caller<'_>, want| fs.path_access(caller, at("file"), want).is_ok();
    let groups = [70];
    assert!(may(&user(7, 99), Mask::READ.with(Mask::WRITE)), "a named user");
    assert!(may(&user(2, 10), Mask::READ) && !may(&user(2, 10), Mask::WRITE), "the owning group");
    assert!(may(&member(2, 99, &groups), Mask::WRITE), "a named group");
    assert!(!may(&member(2, 99, &groups), Mask::EXECUTE), "the mask takes execution away");
    assert!(!may(&user(2, 99), Mask::READ), "others");
    assert!(may(&user(1, 99), Mask::EXECUTE), "the mask does not bind the owner");
}

#[test]
fn chmod_changes_the_mask_and_not_the_entries() {
    let fs = with_file();
    set(&fs, "file", ACCESS, &rich(7)).unwrap();
    fs.chmod("file", 0o704);
    let expected =
        stored(&[(OWNER, 7, 0), (USER, 6, 7), (OWNING_GROUP, 5, 0), (GROUP, 7, 70), (MASK, 0, 0), (OTHER, 4, 0)]);
    assert_eq!(get(&fs, "file", ACCESS), Ok(expected));
    assert_eq!(fs.path_access(&user(7, 99), at("file"), Mask::WRITE), Err(Error::AccessDenied));
    fs.chmod("file", 0o770);
    assert_eq!(fs.path_access(&user(7, 99), at("file"), Mask::WRITE), Ok(()));
}

#[test]
fn a_list_that_says_no_more_than_a_mode_becomes_the_mode() {
    let fs = with_file();
    set(&fs, "file", ACCESS, &rich(7)).unwrap();
    set(&fs, "file", ACCESS, &stored(&[(OWNER, 6, 0), (OWNING_GROUP, 4, 0), (OTHER, 1, 0)])).unwrap();
    assert_eq!((fs.stat("file").mode, get(&fs, "file", ACCESS)), (0o641, Err(Error::NoAttribute)));
}

#[test]
fn an_access_list_is_removed_with_the_attribute_or_by_an_empty_list() {
    let fs = with_file();
    set(&fs, "file", ACCESS, &rich(7)).unwrap();
    fs.path_remove_xattr(&ROOT, at("file"), ACCESS).unwrap();
    assert_eq!(get(&fs, "file", ACCESS), Err(Error::NoAttribute));
    set(&fs, "file", ACCESS, &rich(7)).unwrap();
    set(&fs, "file", ACCESS, &stored(&[])).unwrap();
    assert_eq!(get(&fs, "file", ACCESS), Err(Error::NoAttribute));
}

#[test]
fn what_is_no_list_is_refused_and_changes_nothing() {
    let fs = with_file();
    set(&fs, "file", ACCESS, &rich(7)).unwrap();
    let before = fs.stat("file");
    let no_mask = stored(&[(OWNER, 7, 0), (USER, 7, 7), (OWNING_GROUP, 7, 0), (OTHER, 7, 0)]);
    let no_other = stored(&[(OWNER, 7, 0), (OWNING_GROUP, 7, 0)]);
    for bad in [&b""[..], b"\x02", &rich(7)[..9], &rich(8), &no_mask, &no_other] {
        assert!(matches!(set(&fs, "file", ACCESS, bad), Err(Error::Invalid(_))), "{bad:?}");
    }
    let mut version = rich(7);
    version[0] = 3;
    assert_eq!(set(&fs, "file", ACCESS, &version), Err(Error::NotSupported));
    assert_eq!((fs.stat("file"), get(&fs, "file", ACCESS)), (before, Ok(rich(7))));
}

#[test]
fn only_the_owner_sets_lists_and_links_have_none() {
    let fs = with_file();
    fs.symlink("file", "link");
    let set_as = |caller| fs.path_set_xattr(&caller, at("file"), ACCESS, &rich(7), XattrMode::Set);
    assert_eq!(set_as(user(2, 10)), Err(Error::NotPermitted));
    assert_eq!(set_as(user(1, 99)), Ok(()));
    assert_eq!(set(&fs, "link", ACCESS, &rich(7)), Err(Error::NotSupported));
    assert_eq!(fs.path_get_xattr(&ROOT, at("link").no_follow(), ACCESS), Err(Error::NotSupported));
}

#[test]
fn default_lists_are_for_directories() {
    let fs = with_file();
    fs.mkdir_p("dir");
    assert_eq!(set(&fs, "file", DEFAULT, &rich(7)), Err(Error::AccessDenied));
    set(&fs, "dir", DEFAULT, &rich(7)).unwrap();
    assert_eq!((get(&fs, "dir", DEFAULT), get(&fs, "dir", ACCESS)), (Ok(rich(7)), Err(Error::NoAttribute)));
    assert_eq!(fs.stat("dir").mode, 0o755, "it says nothing of the directory itself");
    set(&fs, "dir", DEFAULT, &stored(&[])).unwrap();
    assert_eq!(get(&fs, "dir", DEFAULT), Err(Error::NoAttribute));
}

#[test]
fn new_entries_inherit_the_default_list_and_the_umask_plays_no_part() {
    let fs = Fs::new();
    fs.mkdir_p("dir");
    fs.chmod("dir", 0o777);
    set(&fs, "dir", DEFAULT, &rich(7)).unwrap();
    let caller = bough::Caller { umask: 0o077, ..user(1, 10) };
    let made = fs.path_make(&caller, at("dir/file"), 0o664, NewNode::File).unwrap();
    assert_eq!(made.mode, 0o660, "mask and others limited by the mode asked for");
    let limited =
        stored(&[(OWNER, 6, 0), (USER, 6, 7), (OWNING_GROUP, 5, 0), (GROUP, 7, 70), (MASK, 6, 0), (OTHER, 0, 0)]);
    assert_eq!((get(&fs, "dir/file", ACCESS), get(&fs, "dir/file", DEFAULT)), (Ok(limited), Err(Error::NoAttribute)));
    let sub = fs.path_make(&caller, at("dir/sub"), 0o777, NewNode::Directory).unwrap();
    assert_eq!((sub.mode, get(&fs, "dir/sub", DEFAULT)), (0o770, Ok(rich(7))));
    let link = fs.path_make(&caller, at("dir/link"), 0o777, NewNode::Symlink(b"x")).unwrap();
    assert_eq!(link.mode, 0o777);
}

#[test]
fn a_snapshot_keeps_the_list_it_was_taken_with() {
    let fs = with_file();
    set(&fs, "file", ACCESS, &rich(7)).unwrap();
    let frozen = fs.frozen("s");
    fs.chmod("file", 0o700);
    fs.path_remove_xattr(&ROOT, at("file"), ACCESS).unwrap();
    assert_eq!(frozen.path_get_xattr(&ROOT, at("file"), ACCESS).unwrap().to_vec(), rich(7));
}

#[test]
fn an_access_list_takes_setgid_from_a_file_of_a_group_that_the_caller_is_not_in() {
    let fs = with_file();
    let list = stored(&[(OWNER, 6, 0), (OWNING_GROUP, 5, 0), (OTHER, 0, 0)]);
    let table = [
        (user(1, 1), 0o650),
        (user(1, 10), 0o2650),
        (privileged(1, 1, Privileges::CHECKED), 0o650),
        (privileged(1, 10, Privileges::CHECKED), 0o2650),
        (ROOT, 0o2650),
    ];
    for (caller, mode) in table {
        fs.chmod("file", 0o2640);
        assert_eq!(fs.path_set_xattr(&caller, at("file"), ACCESS, &list, XattrMode::Set), Ok(()));
        assert_eq!(fs.stat("file").mode, mode, "{caller:?}");
    }
}
