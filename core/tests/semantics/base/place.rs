//! A directory to be a base, and what it holds, to the last detail.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::ops::Deref;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bough::{BaseConfig, Config};
use tempfile::TempDir;

use crate::support::*;

/// A directory of the host, and a volume over it.
pub(super) struct Place {
    pub(super) directory: TempDir,
    pub(super) fs: Fs,
    before: Vec<String>,
}

impl Deref for Place {
    type Target = Fs;

    fn deref(&self) -> &Fs {
        &self.fs
    }
}

impl Place {
    /// A small tree with something of each kind.
    pub(super) fn new() -> Place {
        Place::with(populate)
    }

    pub(super) fn with(make: impl FnOnce(&Path)) -> Place {
        Place::of(make, false)
    }

    /// As [`Place::new`], with a base that stands still.
    pub(super) fn frozen() -> Place {
        Place::of(populate, true)
    }

    fn of(make: impl FnOnce(&Path), freeze: bool) -> Place {
        let directory = tempfile::tempdir().unwrap();
        make(directory.path());
        let before = describe(directory.path());
        let path = directory.path().into();
        let base = Some(BaseConfig::HostDirectory { path, cross_mounts: false, freeze });
        let fs = Fs::of(Config { memory_bytes: Some(1 << 30), base, ..Config::default() });
        Place { directory, fs, before }
    }

    /// A path in the base.
    pub(super) fn host(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    /// The base is what it was, metadata included; access times aside.
    pub(super) fn assert_untouched(&self) {
        assert_eq!(describe(self.directory.path()), self.before);
    }

    /// The snapshot of nothing but the base.
    pub(super) fn base(&self) -> bough::RefId {
        self.volume.find("base").unwrap()
    }
}

pub(super) fn over(path: &Path) -> BaseConfig {
    BaseConfig::HostDirectory { path: path.into(), cross_mounts: false, freeze: false }
}

fn populate(root: &Path) {
    fs::create_dir_all(root.join("dir/sub")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    fs::write(root.join("file"), "content").unwrap();
    fs::write(root.join("dir/inner"), "inner").unwrap();
    fs::write(root.join("dir/sub/deep"), "deep").unwrap();
    fs::hard_link(root.join("dir/inner"), root.join("dir/twin")).unwrap();
    symlink("dir/inner", root.join("link")).unwrap();
    symlink("/etc/passwd", root.join("out")).unwrap();
    fs::set_permissions(root.join("file"), Permissions::from_mode(0o640)).unwrap();
    let large = fs::File::create(root.join("large")).unwrap();
    for chunk in 0..10 {
        large.write_at(&[b'a' + chunk as u8; CHUNK as usize], chunk * CHUNK).unwrap();
    }
    // So that whatever is changed later has a later time, however coarse the clock.
    for path in ["file", "dir/inner", "dir/sub/deep", "large"] {
        let old = SystemTime::now() - Duration::from_secs(100);
        fs::File::options().write(true).open(root.join(path)).unwrap().set_modified(old).unwrap();
    }
}

/// Everything about everything below `root`, a line for each thing.
pub(super) fn describe(root: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(path) = open.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        let content = match () {
            () if found.is_file() => fingerprint(&fs::read(&path).unwrap()),
            () if found.is_symlink() => fs::read_link(&path).unwrap().display().to_string(),
            () => String::new(),
        };
        let times = (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec());
        let owner = (found.mode(), found.uid(), found.gid(), found.nlink(), found.rdev());
        let xattrs = xattrs_of(&path);
        let (ino, size, blocks) = (found.ino(), found.size(), found.blocks());
        lines.push(format!("{path:?} {ino} {owner:?} {size} {blocks} {times:?} {xattrs:?} {content}"));
        if found.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    lines.sort();
    lines
}

fn fingerprint(bytes: &[u8]) -> String {
    use std::hash::{DefaultHasher, Hasher};
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    format!("{:x}", hasher.finish())
}

pub(super) fn xattrs_of(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 4096];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 4096];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap_or(0);
        value.truncate(length);
        (name.to_vec(), value)
    };
    names.map(value).collect()
}
