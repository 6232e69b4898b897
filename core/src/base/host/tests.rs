//! What the host is asked, on directories made for it.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

fn open(path: &Path) -> HostDirectory {
    let next = AtomicU64::new(limits::BASE_INODE_ID);
    let new_id = Box::new(move || Ok(InodeId(next.fetch_add(1, Ordering::Relaxed))));
    HostDirectory::open(path, false, Ledger::of_tests(), new_id).unwrap()
}

fn look(base: &HostDirectory, directory: InodeId, name: &str) -> Option<InodeId> {
    base.look(directory, name.as_bytes()).unwrap().map(|(id, _)| id)
}

#[test]
fn directories_are_found_again_when_no_descriptor_of_them_is_left() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("a/b/c")).unwrap();
    fs::write(root.path().join("a/b/c/file"), "deep").unwrap();
    let mut base = open(root.path());
    base.directories = Descriptors::new(1);
    let file = ["a", "b", "c", "file"].iter().fold(InodeId::ROOT, |above, name| look(&base, above, name).unwrap());
    let other = look(&base, InodeId::ROOT, "a").unwrap();
    look(&base, other, "b");
    let mut buffer = [0; 8];
    assert_eq!(base.read(file, 0, &mut buffer, false).unwrap().unwrap().0, 4);
}

#[test]
fn without_openat2_the_same_is_found() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("dir")).unwrap();
    fs::write(root.path().join("dir/file"), "x").unwrap();
    symlink("dir", root.path().join("link")).unwrap();
    let mut base = open(root.path());
    base.manner.openat2 = false;
    let dir = look(&base, InodeId::ROOT, "dir").unwrap();
    assert!(look(&base, dir, "file").is_some());
    let link = look(&base, InodeId::ROOT, "link").unwrap();
    assert_eq!(look(&base, link, "file"), None, "a link is no directory");
}

#[test]
fn names_of_more_than_one_component_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let base = open(root.path());
    for name in ["..", ".", "a/b", "/etc", ""] {
        assert!(matches!(base.look(InodeId::ROOT, name.as_bytes()), Err(Error::Invalid(_))), "{name}");
    }
}
