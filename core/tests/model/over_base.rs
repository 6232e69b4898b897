//! The same operations on a volume over a directory and on one that was filled with the same: both answer alike and show the
//! same after every step, and the directory is what it was.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use bough::{BaseConfig, Caller, Follow, NamePolicy, NodeId, PathAt, SetAttr, View};

use super::actor::{EVERYTHING, read_all};
use super::operations::Op;
use super::oracle::agree;
use super::runner::Runner;

const ALL: Caller<'static> = Caller::superuser();
const LARGE: usize = 150_000;

/// What both begin with, in names that the operations use.
pub(super) fn fill(root: &Path) {
    fs::create_dir_all(root.join("a/c")).unwrap();
    fs::write(root.join("a/b"), "short").unwrap();
    fs::write(root.join("a/c/d"), vec![5; 5000]).unwrap();
    fs::write(root.join("b"), (0..LARGE).map(|at| at as u8).collect::<Vec<_>>()).unwrap();
    fs::hard_link(root.join("b"), root.join("a/a")).unwrap();
    symlink("a/b", root.join("c")).unwrap();
    for path in ["", "a", "a/c", "b", "a/b"] {
        fs::set_permissions(root.join(path), Permissions::from_mode(0o777)).unwrap();
    }
    fs::set_permissions(root.join("a/c/d"), Permissions::from_mode(0o640)).unwrap();
    // Who may not give files away has his own.
    let _ = chown(root.join("a/b"), Some(1), Some(1));
}

/// Copies a directory of the host into a volume, hard links as such.
fn copy(view: &View, from: &Path) {
    let mut seen: Vec<(u64, String)> = Vec::new();
    let mut open = vec![String::new()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(from.join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{directory}{}", entry.file_name().into_string().unwrap());
            let found = entry.metadata().unwrap();
            if let Some((_, first)) = seen.iter().find(|(inode, _)| *inode == found.ino()) {
                view.path_link(&ALL, at(first), at(&path)).unwrap();
                continue;
            }
            make(view, from, &path, &found);
            seen.push((found.ino(), path.clone()));
            if found.is_dir() {
                open.push(format!("{path}/"));
            }
        }
    }
    set(view, ".", &fs::metadata(from).unwrap());
}

fn make(view: &View, from: &Path, path: &str, found: &fs::Metadata) {
    use bough::NewNode::{Directory, Symlink};
    if found.is_dir() {
        view.path_make(&ALL, at(path), 0o777, Directory).unwrap();
    } else if found.is_symlink() {
        let target = fs::read_link(from.join(path)).unwrap();
        view.path_make(&ALL, at(path), 0o777, Symlink(target.as_os_str().as_encoded_bytes())).unwrap();
    } else {
        view.path_write(&ALL, at(path), &fs::read(from.join(path)).unwrap()).unwrap();
    }
    set(view, path, found);
}

fn set(view: &View, path: &str, found: &fs::Metadata) {
    let mode = (!found.is_symlink()).then_some(found.mode() & 0o7777);
    let set = SetAttr { mode, uid: Some(found.uid()), gid: Some(found.gid()), ..SetAttr::default() };
    view.path_set_attr(&ALL, at(path), &set).unwrap();
}

fn at(path: &str) -> PathAt<'_> {
    PathAt { start: NodeId::ROOT, path: path.as_bytes(), follow: Follow::No }
}

/// Everything that does not tell where a file came from: no times, no numbers, no size of directories.
pub(super) fn shown(view: &View) -> Vec<String> {
    let mut lines = vec![line(view, "", NodeId::ROOT)];
    let mut open = vec![(String::new(), NodeId::ROOT)];
    while let Some((above, node)) = open.pop() {
        let mut entries = Vec::new();
        view.list(&ALL, node, None, 0, EVERYTHING, &mut |entry| {
            entries.push((String::from_utf8(entry.name.to_vec()).unwrap(), entry.node));
            true
        })
        .unwrap();
        for (name, node) in entries.into_iter().skip(2) {
            let path = format!("{above}/{name}");
            lines.push(line(view, &path, node));
            if view.attr(node).unwrap().kind == bough::FileKind::Directory {
                open.push((path, node));
            } else {
                view.forget(node, 1);
            }
        }
        view.forget(node, 1);
    }
    lines.sort();
    lines
}

fn line(view: &View, path: &str, node: NodeId) -> String {
    let attr = view.attr(node).unwrap();
    let content = match attr.kind {
        bough::FileKind::File => read_all(view, &ALL, node, None).unwrap(),
        bough::FileKind::Symlink => view.read_link(node).unwrap().to_vec(),
        _ => Vec::new(),
    };
    let is_directory = attr.kind == bough::FileKind::Directory;
    // Some hosts do not count the subdirectories of a directory.
    let counts = if is_directory { (0, 0) } else { (attr.size, attr.links) };
    let xattrs: Vec<_> = view.list_xattrs(&ALL, node).unwrap();
    let owner = (attr.mode, attr.uid, attr.gid, attr.flags, attr.device);
    format!("{path} {:?} {owner:?} {counts:?} {xattrs:?} {:x?}", attr.kind, hash(&content))
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

/// The directory to the last detail, access times aside.
fn described(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        let content = if found.is_file() { hash(&fs::read(&path).unwrap()) } else { 0 };
        let times = (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec());
        lines.push(format!("{path:?} {:o} {} {} {times:?} {content:x}", found.mode(), found.nlink(), found.size()));
        if found.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    lines.sort();
    lines
}

pub(super) fn run(steps: &[(usize, Op)]) {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path());
    let before = described(directory.path());
    let path = directory.path().to_owned();
    let base = BaseConfig::HostDirectory { path, cross_mounts: false, freeze: false };
    let mut over = Runner::over(NamePolicy::Posix, 1 << 30, Some(base));
    let mut alone = Runner::over(NamePolicy::Posix, 1 << 30, None);
    copy(alone.view(), directory.path());
    assert_eq!(shown(over.view()), shown(alone.view()), "to begin with");
    // What was told of the base is that of another volume: a diff is asked for beside this.
    for (by, op) in steps.iter().filter(|(_, op)| !matches!(op, Op::Diff(..))) {
        let (expected, answer) = (alone.perform(*by, op), over.perform(*by, op));
        let agree = agree(&expected, &answer);
        assert!(agree, "{op:?}: alone {expected:?}, over a base {answer:?}");
        assert_eq!(shown(over.view()), shown(alone.view()), "after {op:?}");
        over.check();
    }
    assert_eq!(described(directory.path()), before, "the base was changed");
}
