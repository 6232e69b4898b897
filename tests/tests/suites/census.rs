//! All that there is to know of a directory tree, to see whether anybody changed any of it: names, kinds, numbers, modes, owners,
//! links, times to the nanosecond, extended attributes, holes, and a hash of the content. Taking it leaves no trace.
//!
//! Access times are those of files, and of directories where that is asked for: whoever else looks around on this machine (find, du)
//! sets those. Reading a symbolic link sets its own, whoever reads it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs::{self, File, Metadata, OpenOptions};
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::{calls, sys};

pub(crate) struct Census(BTreeMap<PathBuf, String>);

impl Census {
    pub(crate) fn of(root: &Path) -> Census {
        let mut census = Census(BTreeMap::new());
        census.visit(root, Path::new(""), false);
        census
    }

    /// Access times of directories too.
    pub(crate) fn with_directories(root: &Path) -> Census {
        let mut census = Census(BTreeMap::new());
        census.visit(root, Path::new(""), true);
        census
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What a volume over it shows: the root is the volume's own, and so is what directories and attributes take of a disk.
    pub(crate) fn shown(mut self) -> Census {
        self.0.remove(Path::new(""));
        for text in self.0.values_mut() {
            *text = text.split(' ').filter(|word| !word.starts_with("blocks=")).collect::<Vec<_>>().join(" ");
        }
        self
    }

    /// Everything that one has and the other has not, or otherwise.
    #[track_caller]
    pub(crate) fn assert_same(&self, later: &Census) {
        let gone = self.0.iter().filter(|(path, text)| later.0.get(*path) != Some(text));
        let come = later.0.iter().filter(|(path, text)| self.0.get(*path) != Some(text));
        let said = gone.map(|(path, text)| format!("- {} {text}", path.display()));
        let said: Vec<String> = said.chain(come.map(|(path, text)| format!("+ {} {text}", path.display()))).collect();
        assert!(said.is_empty(), "the base is not what it was:\n{}", said.join("\n"));
    }

    fn visit(&mut self, root: &Path, below: &Path, exact: bool) {
        let path = root.join(below);
        let found = fs::symlink_metadata(&path).unwrap();
        let mut text = described(&path, &found, exact);
        if found.is_file() {
            content(&path, found.len(), &mut text);
        }
        self.0.insert(below.to_owned(), text);
        if found.is_dir() {
            for name in calls::names_untouched(&path) {
                self.visit(root, &below.join(OsStr::from_bytes(&name)), exact);
            }
        }
    }
}

fn described(path: &Path, found: &Metadata, exact: bool) -> String {
    let kind = found.file_type();
    let mut text = format!(
        "{:o} inode={} links={} owner={}:{} device={} size={} blocks={} modified={}.{:09} changed={}.{:09}",
        found.mode(),
        found.ino(),
        found.nlink(),
        found.uid(),
        found.gid(),
        found.rdev(),
        found.size(),
        found.blocks(),
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec()
    );
    if kind.is_symlink() {
        write!(text, " to={}", fs::read_link(path).unwrap().display()).unwrap();
    } else if !kind.is_dir() || exact {
        write!(text, " accessed={}.{:09}", found.atime(), found.atime_nsec()).unwrap();
    }
    let mut names = sys::list_xattrs(path);
    names.sort();
    for name in names {
        let c_name = std::ffi::CString::new(name.clone()).unwrap();
        write!(text, " {name}={:?}", sys::get_xattr(path, &c_name).unwrap()).unwrap();
    }
    text
}

/// Where its data is, and a hash of it.
fn content(path: &Path, length: u64, text: &mut String) {
    let quiet = OpenOptions::new().read(true).custom_flags(libc::O_NOATIME).open(path);
    let mut file = quiet.or_else(|_| File::open(path)).unwrap();
    let mut hasher = DefaultHasher::new();
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece).unwrap() {
            0 => break,
            count => hasher.write(&piece[..count]),
        }
    }
    write!(text, " hash={:016x} data=", hasher.finish()).unwrap();
    let mut at = 0;
    while let Ok(begin) = sys::seek(&file, at, libc::SEEK_DATA) {
        at = sys::seek(&file, begin, libc::SEEK_HOLE).unwrap();
        write!(text, "{begin}..{at},").unwrap();
        if at >= length {
            break;
        }
    }
}
