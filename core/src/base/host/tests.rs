//! What the host is asked, on directories made for it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::{BaseConfig, Caller, Config, ListOptions, NodeId, Privileges, RefId, View, ViewOptions, Volume};

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

const FILES: u64 = 50;

/// A volume over a folder with some files in `dir`; that directory's node.
fn over_files(root: &Path) -> (Arc<Volume>, Arc<View>, NodeId) {
    fs::create_dir(root.join("dir")).unwrap();
    (0..FILES).for_each(|number| fs::write(root.join(format!("dir/{number}")), "x").unwrap());
    let path = root.to_owned();
    let base = Some(BaseConfig::HostDirectory { path, cross_mounts: false, freeze: false });
    let volume = Volume::open(Config { base, ..Config::default() }).unwrap();
    let view = volume.view(RefId::Branch(volume.first_branch()), "", ViewOptions::default()).unwrap();
    let dir = view.lookup(&Caller::superuser(), NodeId::ROOT, b"dir").unwrap().node;
    calls::asked::take();
    (volume, view, dir)
}

fn look_up_all(view: &View, dir: NodeId) {
    for number in 0..FILES {
        view.lookup(&Caller::superuser(), dir, number.to_string().as_bytes()).unwrap();
    }
}

/// How many entries there are, and how many of them have attributes.
fn list_all(view: &View, dir: NodeId, only_news: bool) -> (u64, u64) {
    let options = ListOptions { attributes: true, only_news, ..ListOptions::default() };
    let mut listed = (0, 0);
    let mut take = |entry: &crate::DirEntry<'_>| {
        listed = (listed.0 + 1, listed.1 + u64::from(entry.attr.is_some()));
        true
    };
    view.list(&Caller::superuser(), dir, None, 0, options, &mut take).unwrap();
    listed
}

#[test]
fn a_name_that_is_looked_up_or_listed_with_attributes_is_asked_for_once() {
    let root = tempfile::tempdir().unwrap();
    let (_volume, view, dir) = over_files(root.path());
    assert_eq!(list_all(&view, dir, true), (FILES, FILES));
    let asked = calls::asked::take();
    // A few more for the directory.
    assert!(asked.status <= FILES + 5 && asked.xattrs <= 5, "{asked:?}");
    look_up_all(&view, dir);
    let asked = calls::asked::take();
    // Nobody hears of changes, so of the directory it is asked each time who may search it.
    assert!(asked.status <= 2 * FILES && asked.xattrs <= FILES, "{asked:?}");
    // Nor may the host keep what it was told.
    assert_eq!(list_all(&view, dir, true), (FILES, FILES));
}

#[test]
fn where_changes_are_told_a_directory_is_asked_for_once_and_what_the_host_knows_is_not_told_again() {
    let root = tempfile::tempdir().unwrap();
    let (_volume, view, dir) = over_files(root.path());
    let _events = view.events(100, false).unwrap();
    // From now on the directories are watched.
    view.lookup(&Caller::superuser(), NodeId::ROOT, b"dir").unwrap();
    view.lookup(&Caller::superuser(), dir, b"0").unwrap();
    calls::asked::take();
    look_up_all(&view, dir);
    let asked = calls::asked::take();
    assert!(asked.status <= FILES + 5 && asked.xattrs <= 5, "{asked:?}");
    assert_eq!(list_all(&view, dir, true), (FILES, 0));
    let asked = calls::asked::take();
    assert!(asked.status <= 5 && asked.xattrs <= 5, "{asked:?}");
    assert_eq!(list_all(&view, dir, false), (FILES, FILES), "who asks for all is told all");
}

#[test]
fn who_may_search_a_directory_shows_when_the_base_tells() {
    let root = tempfile::tempdir().unwrap();
    let (_volume, view, dir) = over_files(root.path());
    let _events = view.events(100, false).unwrap();
    let somebody = Caller { uid: 12_345, gid: 12_345, privileges: Privileges::default(), ..Caller::superuser() };
    view.lookup(&Caller::superuser(), NodeId::ROOT, b"dir").unwrap();
    view.lookup(&somebody, dir, b"0").unwrap();
    let path = root.path().join("dir");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let begun = Instant::now();
    while view.lookup(&somebody, dir, b"0").is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it never shows");
        std::thread::yield_now();
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    while view.lookup(&somebody, dir, b"0").is_err() {
        assert!(begun.elapsed() < Duration::from_secs(240), "it never shows again");
        std::thread::yield_now();
    }
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

#[test]
fn a_base_that_was_followed_is_let_go_with_its_volume_though_a_file_was_taken_for_a_directory() {
    let root = tempfile::tempdir().unwrap();
    let (volume, view, dir) = over_files(root.path());
    let events = view.events(100, false).unwrap();
    // From now on the directories are watched.
    look_up_all(&view, dir);
    let caller = Caller::superuser();
    assert!(matches!(view.path_lookup(&caller, crate::PathAt::root(b"dir/1/x")), Err(Error::NotADirectory)));
    let file = view.lookup(&caller, dir, b"2").unwrap().node;
    assert!(matches!(view.lookup(&caller, file, b"x"), Err(Error::NotADirectory)));
    assert!(holds(root.path()));
    drop((events, view, volume));
    let begun = Instant::now();
    // The thread that watches may still be at it.
    while holds(root.path()) {
        assert!(begun.elapsed() < Duration::from_secs(120), "the base is still held");
        std::thread::yield_now();
    }
}

/// Whether a descriptor of ours leads there.
fn holds(path: &Path) -> bool {
    let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    open.into_iter().any(|target| target.starts_with(path))
}

#[test]
fn a_kernel_that_does_not_tell_of_mount_points_has_them_told_by_the_device() {
    let mut base = open(Path::new("/"));
    let proc = |base: &HostDirectory| base.manner.status(of(&base.root), b"proc").unwrap().unwrap();
    let told = proc(&base);
    assert!(base.manner.tells_mounts && told.mount_root && told.covered);
    // The same device would be another layer's of an overlay, where the kernel tells of mount points.
    let file = Status { kind: FileKind::File, mount_root: false, ..told };
    assert!(base.manner.is_on(base.manner.device, &file));
    base.manner.tells_mounts = false;
    assert!(proc(&base).covered && !base.manner.is_on(base.manner.device, &file));
}

#[test]
fn what_others_may_change_below_a_local_base_does_not_count_as_watched() {
    let next = AtomicU64::new(limits::BASE_INODE_ID);
    let new_id = Box::new(move || Ok(InodeId(next.fetch_add(1, Ordering::Relaxed))));
    // `proc` stands for any file system that tells nobody.
    let base = Arc::new(HostDirectory::open(Path::new("/"), true, Ledger::of_tests(), new_id).unwrap());
    // Whatever the root is, it is taken for local.
    base.watcher.get_or_init(|| Watcher::start(Arc::downgrade(&base), Arc::new(|_| ())));
    let (proc, status) = base.look(InodeId::ROOT, b"proc").unwrap().unwrap();
    assert!(base.is_watched(InodeId::ROOT) && !status.watched && !base.is_told(proc));
    let (sys, status) = base.look(proc, b"sys").unwrap().unwrap();
    assert!(!base.is_watched(proc) && !status.watched && !base.is_told(sys));
    base.list(sys, &mut |_| ()).unwrap();
    assert!(!base.is_watched(sys) && !base.status(sys).unwrap().unwrap().watched);
    assert_eq!(base.remotes.lock().len(), 1);
}
