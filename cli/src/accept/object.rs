//! One file, directory or special file, copied with everything that belongs to it: owner, permissions, times, extended
//! attributes; what it holds is `content`'s.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown,
    fgetxattr, flistxattr, fstat, futimens, lgetxattr, llistxattr, lremovexattr, lsetxattr, mkdirat, mknodat, openat,
    readlinkat, statat, symlinkat, utimensat,
};
use rustix::io::{Errno, Result};
use serde::{Deserialize, Serialize};

use super::content::Buffer;
use super::place::{Spot, path_through};
use super::plan::Own;

const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
const CAPABILITIES: &[u8] = b"security.capability";

/// Everything that is set of a file besides its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Metadata {
    /// With the kind of file.
    pub(super) mode: u32,
    uid: u32,
    gid: u32,
    accessed: (i64, i64),
    pub(super) modified: (i64, i64),
    /// Names and values; an ACL is one too.
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Metadata {
    pub(super) fn of(directory: BorrowedFd<'_>, name: &OsStr) -> Result<Metadata> {
        let found = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        Metadata::with(&found, directory, name)
    }

    fn with(found: &Stat, directory: BorrowedFd<'_>, name: &OsStr) -> Result<Metadata> {
        Ok(Metadata::new(found, attributes(&Attributed::Named(&path_through(directory, name)))?))
    }

    fn of_open(found: &Stat, file: BorrowedFd<'_>) -> Result<Metadata> {
        Ok(Metadata::new(found, attributes(&Attributed::Open(file))?))
    }

    fn new(found: &Stat, attributes: Vec<(Vec<u8>, Vec<u8>)>) -> Metadata {
        Metadata {
            mode: found.st_mode,
            uid: found.st_uid,
            gid: found.st_gid,
            accessed: (found.st_atime, found.st_atime_nsec as i64),
            modified: (found.st_mtime, found.st_mtime_nsec as i64),
            attributes,
        }
    }

    fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.mode)
    }

    fn times(&self) -> Timestamps {
        let time = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
        Timestamps { last_access: time(self.accessed), last_modification: time(self.modified) }
    }

    fn owner(&self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw(self.uid)), Some(Gid::from_raw(self.gid)))
    }

    /// Makes what is there have it, whatever it had.
    pub(super) fn set(&self, directory: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
        let now = Metadata::of(directory, name)?;
        let path = path_through(directory, name);
        if (now.uid, now.gid) != (self.uid, self.gid) {
            let (user, group) = self.owner();
            chownat(directory, name, user, group, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        let is_kept = |name: &[u8]| self.attributes.iter().any(|(kept, _)| kept == name) || is_label(name);
        for (gone, _) in now.attributes.iter().filter(|(name, _)| !is_kept(name)) {
            lremovexattr(&path, gone.as_slice())?;
        }
        self.set_attributes(&path, &now.attributes)?;
        if self.kind() != FileType::Symlink {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = openat(directory, name, flags, Mode::empty())?;
            // By its descriptor: a name might be a symbolic link by now.
            rustix::fs::chmod(Path::new("/proc/self/fd").join(file.as_raw_fd().to_string()), self.permissions())?;
        }
        self.set_times(directory, name)
    }

    pub(super) fn set_times(&self, directory: BorrowedFd<'_>, name: &OsStr) -> Result<()> {
        utimensat(directory, name, &self.times(), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The same with the times of another.
    pub(super) fn with_times_of(&self, other: &Metadata) -> Metadata {
        Metadata { accessed: other.accessed, modified: other.modified, ..self.clone() }
    }

    /// Whether both say the same but for times.
    pub(super) fn is_same_but_times(&self, other: &Metadata) -> bool {
        self.with_times_of(other) == *other
    }

    fn permissions(&self) -> Mode {
        Mode::from_raw_mode(self.mode & 0o7777)
    }

    fn set_attributes(&self, path: &Path, now: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        for attribute in self.attributes.iter().filter(|attribute| !now.contains(attribute)) {
            lsetxattr(path, attribute.0.as_slice(), &attribute.1, XattrFlags::empty())?;
        }
        Ok(())
    }
}

/// What security modules of the kernel keep with a file. A branch has none of its own, and nobody may remove them.
fn is_label(name: &[u8]) -> bool {
    name.starts_with(b"security.") && name != CAPABILITIES
}

/// What has attributes: a file that is open, or a path for what cannot be opened.
enum Attributed<'a> {
    Open(BorrowedFd<'a>),
    Named(&'a Path),
}

impl Attributed<'_> {
    fn list(&self, into: &mut [u8]) -> Result<usize> {
        match self {
            Attributed::Open(file) => flistxattr(file, into),
            Attributed::Named(path) => llistxattr(*path, into),
        }
    }

    fn get(&self, name: &[u8], into: &mut [u8]) -> Result<usize> {
        match self {
            Attributed::Open(file) => fgetxattr(file, name, into),
            Attributed::Named(path) => lgetxattr(*path, name, into),
        }
    }
}

fn attributes(of: &Attributed<'_>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = [0u8; 4096];
    let count = match of.list(&mut names) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Ok(count) => count,
        Err(Errno::RANGE) => return attributes_of_many(of),
        Err(errno) => return Err(errno),
    };
    values(of, &names[..count])
}

fn attributes_of_many(of: &Attributed<'_>) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    // The most that there can be.
    let mut names = vec![0u8; 65_536];
    let count = of.list(&mut names)?;
    values(of, &names[..count])
}

fn values(of: &Attributed<'_>, names: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut all = Vec::new();
    let mut value = vec![0u8; 65_536];
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        match of.get(name, &mut value) {
            Ok(count) => all.push((name.to_vec(), value[..count].to_vec())),
            // Gone meanwhile, or for the kernel alone to see.
            Err(Errno::NODATA | Errno::OPNOTSUPP) => {}
            Err(errno) => return Err(errno),
        }
    }
    all.sort();
    Ok(all)
}

/// A directory, and a name in it.
pub(super) type Named<'a> = (BorrowedFd<'a>, &'a OsStr);
/// A file of which most is wanted, and the parts that are not.
pub(super) type Patched<'a> = (BorrowedFd<'a>, &'a Own);

/// Makes a directory, with the rights of its owner alone until it is finished.
pub(super) fn make_directory(spot: &Spot<'_>) -> Result<()> {
    mkdirat(&spot.directory, spot.name, Mode::RWXU)
}

/// Copies one thing after another.
#[derive(Default)]
pub(super) struct Copier {
    buffer: Buffer,
}

impl Copier {
    /// Copies a file of any kind but a directory to a name that is free. Of a regular one everything but some parts may come from
    /// another file, which has it as well.
    pub(super) fn copy(&mut self, from: Named<'_>, to: Named<'_>, patched: Option<Patched<'_>>) -> Result<()> {
        let found = statat(from.0, from.1, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => self.copy_file(from, to, patched),
            FileType::Symlink => {
                let target = readlinkat(from.0, from.1, Vec::new())?;
                symlinkat(OsStr::from_bytes(target.as_bytes()), to.0, to.1)?;
                Metadata::with(&found, from.0, from.1)?.set(to.0, to.1)
            }
            kind => {
                mknodat(to.0, to.1, kind, Mode::RUSR | Mode::WUSR, found.st_rdev)?;
                Metadata::with(&found, from.0, from.1)?.set(to.0, to.1)
            }
        }
    }

    fn copy_file(&mut self, from: Named<'_>, to: Named<'_>, patched: Option<Patched<'_>>) -> Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let source = openat(from.0, from.1, flags | OFlags::NOATIME, Mode::empty())
            .or_else(|_| openat(from.0, from.1, flags, Mode::empty()))?;
        let found = fstat(&source)?;
        let metadata = Metadata::of_open(&found, source.as_fd())?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let target = openat(to.0, to.1, flags, Mode::RUSR | Mode::WUSR)?;
        let size = found.st_size as u64;
        match patched {
            Some((there, own)) => self.buffer.patch(source.as_fd(), size, there, own, target.as_fd())?,
            None => self.buffer.copy(source.as_fd(), size, target.as_fd())?,
        }
        let made = fstat(&target)?;
        if (made.st_uid, made.st_gid) != (metadata.uid, metadata.gid) {
            let (user, group) = metadata.owner();
            fchown(&target, user, group)?;
        }
        if inherits_acl(target.as_fd()) {
            return metadata.set(to.0, to.1);
        }
        if !metadata.attributes.is_empty() {
            metadata.set_attributes(&path_through(to.0, to.1), &[])?;
        }
        fchmod(&target, metadata.permissions())?;
        futimens(&target, &metadata.times())
    }
}

/// Whether the directory gave an ACL to what was made in it, which the file that is copied need not have.
fn inherits_acl(made: BorrowedFd<'_>) -> bool {
    let mut names = [0u8; 512];
    match flistxattr(made, &mut names[..]) {
        Ok(count) => names[..count].split(|&byte| byte == 0).any(|name| name == ACCESS_ACL),
        Err(errno) => errno == Errno::RANGE,
    }
}

/// Sets the owner, permissions and times of a finished directory.
pub(super) fn finish_directory(from: Named<'_>, to: Named<'_>) -> Result<()> {
    Metadata::of(from.0, from.1)?.set(to.0, to.1)
}
