//! Limits that belong to no other noun. The others are tested with theirs: names, paths, files, xattrs, events, diffs.

use bough::limits::*;
use bough::{Config, Error, Volume};

use crate::support::*;

#[test]
fn the_limits_are_those_that_are_promised() {
    assert_eq!((NAME_BYTES, PATH_BYTES, SYMLINK_BYTES, SYMLINKS, LINKS), (255, 32_767, 4095, 40, 65_000));
    assert_eq!(FILE_BYTES, (1 << 63) - 1);
    assert_eq!((XATTR_NAME_BYTES, XATTR_VALUE_BYTES, XATTR_TOTAL_BYTES), (255, 65_536, 1 << 20));
    assert_eq!((BRANCHES, SNAPSHOTS, REF_NAME_BYTES), (1_048_576, 1_048_576, 255));
    assert_eq!((HANDLES, OPEN_DIFFS, EVENT_QUEUE, INODE_ID), (16_777_216, 64, 1_048_576, (1 << 48) - 1));
}

#[test]
fn a_volume_is_named_by_the_rules_of_branches() {
    for name in ["", "a/b", "-x", " ", &"x".repeat(256)] {
        let opened = Volume::open(Config { name: name.into(), ..Config::default() });
        assert!(matches!(opened.err(), Some(Error::BadRefName(_))), "{name:?}");
    }
    let volume = Volume::open(Config { name: "x".repeat(255), root_uid: 7, ..Config::default() }).unwrap();
    assert_eq!((volume.name().len(), volume.owner_uid(), volume.endpoint()), (255, 7, ""));
}

#[test]
fn a_new_volume_is_an_empty_directory_of_its_owner() {
    let config = Config { root_uid: 7, root_gid: 8, root_mode: 0o1750, ..Config::default() };
    let fs = Fs::of(config);
    let root = fs.stat("/");
    assert_eq!((root.uid, root.gid, root.mode, root.links, root.size), (7, 8, 0o1750, 2, 0));
    assert_eq!(fs.volume.ref_info(fs.main()).unwrap().name.as_ref(), bough::FIRST_BRANCH);
}
