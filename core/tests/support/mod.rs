//! What the integration tests share: volumes with a view, callers, a clock set by hand, and operations by path that must
//! succeed. What must fail is asked of [`View`] itself.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bough::{
    Attr, BranchId, Caller, Clock, Config, FileKind, HandleId, ListOptions, NewNode, NodeId, OpenOptions, PathAt,
    Privileges, RefId, RenameMode, SetAttr, SnapshotId, Time, View, ViewOptions, Volume, WriteAt,
};

/// The superuser.
pub const ROOT: Caller<'static> = Caller::superuser();
/// Bytes of a chunk, the unit of sharing.
pub const CHUNK: u64 = 64 * 1024;

pub const READ: OpenOptions =
    OpenOptions { read: true, write: false, append: false, truncate: false, directory: false, exclusive: false };
pub const WRITE: OpenOptions = OpenOptions { read: false, write: true, ..READ };
pub const BOTH: OpenOptions = OpenOptions { write: true, ..READ };
pub const APPEND: OpenOptions = OpenOptions { append: true, ..WRITE };

/// An ordinary user without further groups.
pub const fn user(uid: u32, gid: u32) -> Caller<'static> {
    member(uid, gid, &[])
}

/// An ordinary user with supplementary groups.
pub const fn member(uid: u32, gid: u32, groups: &[u32]) -> Caller<'_> {
    Caller { uid, gid, groups, pid: 1, umask: 0o022, privileges: Privileges::NONE, token: None }
}

/// An ordinary user with some privileges.
pub const fn privileged(uid: u32, gid: u32, privileges: Privileges) -> Caller<'static> {
    Caller { privileges, ..user(uid, gid) }
}

/// A path from the root.
pub fn at(path: &str) -> PathAt<'_> {
    PathAt::root(path.as_bytes())
}

/// A clock that stands still until it is set.
#[derive(Clone, Default)]
pub struct Hand(Arc<AtomicI64>);

impl Hand {
    pub fn set(&self, seconds: i64) {
        self.0.store(seconds * 1_000_000_000, Ordering::Relaxed);
    }

    pub fn forward(&self, seconds: i64) -> Time {
        Time(self.0.fetch_add(seconds * 1_000_000_000, Ordering::Relaxed) + seconds * 1_000_000_000)
    }
}

impl Clock for Hand {
    fn now(&self) -> Time {
        Time(self.0.load(Ordering::Relaxed))
    }
}

/// A volume and one view of its first branch.
pub struct Fs {
    sound: Sound,
    pub volume: Arc<Volume>,
    pub view: Arc<View>,
}

/// Whatever a test did, it leaves a sound volume behind. It drops its pins, diffs and other views before.
pub struct Sound(Arc<Volume>);

impl Drop for Sound {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let report = self.0.check_invariants(true);
            assert!(report.is_sound(), "{:#?}", report.problems);
        }
    }
}

impl Deref for Fs {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Fs {
    /// A volume where everybody may write to the root directory.
    pub fn new() -> Fs {
        Fs::of(Config { root_mode: 0o777, ..config() })
    }

    pub fn of(config: Config) -> Fs {
        let volume = Volume::open(config).unwrap();
        let view = volume.view(RefId::Branch(volume.first_branch()), "test", ViewOptions::default()).unwrap();
        Fs { sound: Sound(volume.clone()), volume, view }
    }

    /// With a clock set by hand, which says 1000 s.
    pub fn with_clock() -> (Fs, Hand) {
        let hand = Hand::default();
        hand.set(1000);
        let clock = Box::new(hand.clone());
        (Fs::of(Config { root_mode: 0o777, clock, ..config() }), hand)
    }

    pub fn main(&self) -> RefId {
        RefId::Branch(self.volume.first_branch())
    }

    pub fn snapshot(&self, name: &str) -> SnapshotId {
        self.volume.create_snapshot(self.volume.first_branch(), Some(name)).unwrap()
    }

    pub fn branch(&self, name: &str, from: RefId) -> BranchId {
        self.volume.create_branch(name, from).unwrap()
    }

    pub fn view_of(&self, shows: RefId) -> Arc<View> {
        self.volume.view(shows, "another", ViewOptions::default()).unwrap()
    }

    /// A view of a snapshot taken now.
    pub fn frozen(&self, name: &str) -> Arc<View> {
        self.view_of(RefId::Snapshot(self.snapshot(name)))
    }
}

fn config() -> Config {
    // Enough for every test, whatever the machine has.
    Config { memory_bytes: Some(1 << 30), ..Config::default() }
}

/// Operations of the superuser that must succeed, by path from the root.
pub trait Paths {
    fn make_at(&self, path: &str, new: NewNode<'_>) -> Attr;
    fn mkdir_p(&self, path: &str);
    fn write_file(&self, path: &str, data: impl AsRef<[u8]>);
    fn read_file(&self, path: &str) -> Vec<u8>;
    fn read_text(&self, path: &str) -> String;
    fn symlink(&self, target: &str, path: &str);
    fn hard_link(&self, path: &str, new: &str);
    fn remove_file(&self, path: &str);
    fn remove_dir(&self, path: &str);
    fn move_to(&self, from: &str, to: &str);
    fn move_as(&self, from: &str, to: &str, mode: RenameMode) -> bough::Result<()>;
    /// Attributes; a symbolic link itself.
    fn stat(&self, path: &str) -> Attr;
    fn exists(&self, path: &str) -> bool;
    /// The node, counted as one reference.
    fn node(&self, path: &str) -> NodeId;
    fn names(&self, path: &str) -> Vec<String>;
    fn open(&self, path: &str, options: OpenOptions) -> HandleId;
    fn set(&self, path: &str, set: SetAttr) -> Attr;
    fn chmod(&self, path: &str, mode: u32);
    fn chown(&self, path: &str, uid: u32, gid: u32);
    fn truncate(&self, path: &str, size: u64);
    fn set_flags(&self, path: &str, flags: u32);
    fn put(&self, handle: HandleId, offset: u64, data: impl AsRef<[u8]>);
    fn get(&self, handle: HandleId, offset: u64, length: usize) -> Vec<u8>;
    /// Every path in the tree with its kind and its content, in order.
    fn tree(&self) -> Vec<(String, FileKind, Vec<u8>)>;
}

impl Paths for View {
    fn make_at(&self, path: &str, new: NewNode<'_>) -> Attr {
        self.path_make(&ROOT, at(path), 0o755, new).unwrap_or_else(|error| panic!("make {path}: {error}"))
    }

    fn mkdir_p(&self, path: &str) {
        let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
        for end in ends.filter(|&end| end > 0) {
            if !self.exists(&path[..end]) {
                self.make_at(&path[..end], NewNode::Directory);
            }
        }
    }

    fn write_file(&self, path: &str, data: impl AsRef<[u8]>) {
        self.path_write(&ROOT, at(path), data.as_ref()).unwrap_or_else(|error| panic!("write {path}: {error}"));
    }

    fn read_file(&self, path: &str) -> Vec<u8> {
        self.path_read(&ROOT, at(path)).unwrap_or_else(|error| panic!("read {path}: {error}"))
    }

    fn read_text(&self, path: &str) -> String {
        String::from_utf8(self.read_file(path)).unwrap()
    }

    fn symlink(&self, target: &str, path: &str) {
        self.make_at(path, NewNode::Symlink(target.as_bytes()));
    }

    fn hard_link(&self, path: &str, new: &str) {
        self.path_link(&ROOT, at(path).no_follow(), at(new)).unwrap_or_else(|error| panic!("link {new}: {error}"));
    }

    fn remove_file(&self, path: &str) {
        self.path_unlink(&ROOT, at(path)).unwrap_or_else(|error| panic!("unlink {path}: {error}"));
    }

    fn remove_dir(&self, path: &str) {
        self.path_rmdir(&ROOT, at(path)).unwrap_or_else(|error| panic!("rmdir {path}: {error}"));
    }

    fn move_to(&self, from: &str, to: &str) {
        self.move_as(from, to, RenameMode::Replace).unwrap_or_else(|error| panic!("rename {from} {to}: {error}"));
    }

    fn move_as(&self, from: &str, to: &str, mode: RenameMode) -> bough::Result<()> {
        self.path_rename(&ROOT, at(from), at(to), mode)
    }

    fn stat(&self, path: &str) -> Attr {
        self.path_attr(&ROOT, at(path).no_follow()).unwrap_or_else(|error| panic!("stat {path}: {error}"))
    }

    fn exists(&self, path: &str) -> bool {
        self.path_attr(&ROOT, at(path).no_follow()).is_ok()
    }

    fn node(&self, path: &str) -> NodeId {
        self.path_lookup(&ROOT, at(path).no_follow()).unwrap_or_else(|error| panic!("look up {path}: {error}")).node
    }

    fn names(&self, path: &str) -> Vec<String> {
        let node = self.node(path);
        let mut names = Vec::new();
        self.list(&ROOT, node, None, 0, ListOptions::default(), &mut |entry| {
            names.push(String::from_utf8_lossy(entry.name).into_owned());
            true
        })
        .unwrap_or_else(|error| panic!("list {path}: {error}"));
        self.forget(node, 1);
        names.sort();
        names
    }

    fn open(&self, path: &str, options: OpenOptions) -> HandleId {
        self.path_open(&ROOT, at(path), options, None).unwrap_or_else(|error| panic!("open {path}: {error}"))
    }

    fn set(&self, path: &str, set: SetAttr) -> Attr {
        let path_at = at(path).no_follow();
        self.path_set_attr(&ROOT, path_at, &set).unwrap_or_else(|error| panic!("set {path} {set:?}: {error}"))
    }

    fn chmod(&self, path: &str, mode: u32) {
        self.set(path, SetAttr { mode: Some(mode), ..SetAttr::default() });
    }

    fn chown(&self, path: &str, uid: u32, gid: u32) {
        // With the mode, so that the set-id bits stay.
        let mode = Some(self.stat(path).mode);
        self.set(path, SetAttr { uid: Some(uid), gid: Some(gid), mode, ..SetAttr::default() });
    }

    fn truncate(&self, path: &str, size: u64) {
        self.set(path, SetAttr { size: Some(size), ..SetAttr::default() });
    }

    fn set_flags(&self, path: &str, flags: u32) {
        self.set(path, SetAttr { flags: Some(flags), ..SetAttr::default() });
    }

    fn put(&self, handle: HandleId, offset: u64, data: impl AsRef<[u8]>) {
        let data = data.as_ref();
        let written = self.write(&ROOT, NodeId::ROOT, Some(handle), WriteAt::Offset(offset), data);
        assert_eq!(written, Ok(data.len()));
    }

    fn get(&self, handle: HandleId, offset: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0xaa; length];
        let read = self.read(&ROOT, NodeId::ROOT, Some(handle), offset, &mut buffer).unwrap();
        buffer.truncate(read);
        buffer
    }

    fn tree(&self) -> Vec<(String, FileKind, Vec<u8>)> {
        let mut found = Vec::new();
        let mut open = vec![String::new()];
        while let Some(directory) = open.pop() {
            for name in self.names(if directory.is_empty() { "/" } else { &directory }) {
                let path = format!("{directory}/{name}");
                let kind = self.stat(&path).kind;
                let content = match kind {
                    FileKind::File => self.read_file(&path),
                    FileKind::Symlink => self.path_read_link(&ROOT, at(&path)).unwrap().to_vec(),
                    _ => Vec::new(),
                };
                if kind == FileKind::Directory {
                    open.push(path.clone());
                }
                found.push((path, kind, content));
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }
}

/// Handles opened the Windows way, by the superuser, from the root.
pub mod windows {
    use bough::windows::{create_options as options, rights};
    use bough::{
        Caller, Disposal, Disposition, HandleId, NodeId, OpenFrom, RenameTo, Renaming, View, WindowsOpen, WindowsOpened,
    };

    /// Reads, and shares everything.
    pub const READING: WindowsOpen<'static> = WindowsOpen {
        access: rights::FILE_READ,
        share: 7,
        disposition: Disposition::Open,
        options: 0,
        attributes: 0,
        mode: 0o777,
        mapped_image: false,
        mapped_data: false,
        security: bough::NewSecurity::Mode,
        extended_attributes: &[],
        allocation: 0,
        stream: &[],
    };
    pub const WRITING: WindowsOpen<'static> = WindowsOpen { access: rights::FILE_WRITE, ..READING };
    /// May delete and rename.
    pub const DELETING: WindowsOpen<'static> = WindowsOpen { access: rights::DELETE, ..READING };
    /// Reads, writes and deletes; makes what is not there.
    pub const ALL: WindowsOpen<'static> =
        WindowsOpen { access: rights::FILE_ALL, disposition: Disposition::OpenIf, ..READING };
    pub const DIRECTORY: WindowsOpen<'static> = WindowsOpen { options: options::DIRECTORY_FILE, ..ALL };

    pub const DELETE: Disposal =
        Disposal { delete: true, posix: false, on_close: false, ignore_readonly: false, mapped_image: false };
    pub const POSIX_DELETE: Disposal = Disposal { posix: true, ..DELETE };
    pub const KEEP: Disposal = Disposal { delete: false, ..DELETE };
    pub const MOVE: Renaming = Renaming { replace: false, posix: false, ignore_readonly: false, mapped_image: false };
    pub const REPLACE: Renaming = Renaming { replace: true, ..MOVE };
    pub const POSIX_REPLACE: Renaming = Renaming { posix: true, ..REPLACE };

    /// An open with these attributes.
    pub fn with(open: WindowsOpen<'static>, disposition: Disposition, attributes: u32) -> WindowsOpen<'static> {
        WindowsOpen { disposition, attributes, ..open }
    }

    pub trait Windows {
        fn ask_as(&self, caller: &Caller<'_>, path: &str, open: WindowsOpen<'_>) -> bough::Result<WindowsOpened>;
        fn ask(&self, path: &str, open: WindowsOpen<'_>) -> bough::Result<WindowsOpened>;
        fn wopen(&self, path: &str, open: WindowsOpen<'_>) -> HandleId;
        fn close(&self, handle: HandleId);
        fn rename_handle(&self, handle: HandleId, to: &str, how: Renaming) -> bough::Result<()>;
        fn link_handle(&self, handle: HandleId, to: &str, how: Renaming) -> bough::Result<()>;
        /// Opens, deletes and closes, as DeleteFileW does.
        fn delete_path(&self, path: &str, how: Disposal) -> bough::Result<()>;
    }

    fn to(path: &str) -> RenameTo<'_> {
        RenameTo { from: Some(OpenFrom::Node(NodeId::ROOT)), path: path.as_bytes() }
    }

    impl Windows for View {
        fn ask_as(&self, caller: &Caller<'_>, path: &str, open: WindowsOpen<'_>) -> bough::Result<WindowsOpened> {
            self.windows_open(caller, OpenFrom::Node(NodeId::ROOT), path.as_bytes(), &open)
        }

        fn ask(&self, path: &str, open: WindowsOpen<'_>) -> bough::Result<WindowsOpened> {
            self.ask_as(&super::ROOT, path, open)
        }

        fn wopen(&self, path: &str, open: WindowsOpen<'_>) -> HandleId {
            self.ask(path, open).unwrap_or_else(|error| panic!("open {path}: {error}")).handle
        }

        fn close(&self, handle: HandleId) {
            self.release(handle).unwrap();
        }

        fn rename_handle(&self, handle: HandleId, path: &str, how: Renaming) -> bough::Result<()> {
            self.windows_rename(&super::ROOT, handle, to(path), how)
        }

        fn link_handle(&self, handle: HandleId, path: &str, how: Renaming) -> bough::Result<()> {
            self.windows_link(&super::ROOT, handle, to(path), how)
        }

        fn delete_path(&self, path: &str, how: Disposal) -> bough::Result<()> {
            let handle = self.ask(path, WindowsOpen { options: options::OPEN_REPARSE_POINT, ..DELETING })?.handle;
            let answer = self.windows_dispose(handle, how);
            self.close(handle);
            answer
        }
    }
}
