//! One file, directory or special file, copied with everything that belongs to it: owner, permissions, times, extended
//! attributes; what it holds is `content`'s.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown,
    flistxattr, futimens, lgetxattr, llistxattr, lremovexattr, lsetxattr, mkdirat, mknodat, openat, readlinkat, statat,
    symlinkat, utimensat,
};
use rustix::io::{Errno, Result};
use serde::{Deserialize, Serialize};

use super::content;
use super::place::path_through;
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
        Ok(Metadata {
            mode: found.st_mode,
            uid: found.st_uid,
            gid: found.st_gid,
            accessed: (found.st_atime, found.st_atime_nsec as i64),
            modified: (found.st_mtime, found.st_mtime_nsec as i64),
            attributes: attributes(&path_through(directory, name))?,
        })
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

fn attributes(path: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = [0u8; 4096];
    let count = match llistxattr(path, &mut names) {
        Ok(0) | Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Ok(count) => count,
        Err(Errno::RANGE) => return attributes_of_many(path),
        Err(errno) => return Err(errno),
    };
    values(path, &names[..count])
}

fn attributes_of_many(path: &Path) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    // The most that there can be.
    let mut names = vec![0u8; 65_536];
    let count = llistxattr(path, &mut names)?;
    values(path, &names[..count])
}

fn values(path: &Path, names: &[u8]) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut all = Vec::new();
    let mut value = vec![0u8; 65_536];
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        match lgetxattr(path, name, &mut value) {
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

/// Copies a file of any kind but a directory to a name that is free. Of a regular one everything but some parts may come from another
/// file, which has it as well.
pub(super) fn copy(from: Named<'_>, to: Named<'_>, patched: Option<Patched<'_>>) -> Result<()> {
    let found = statat(from.0, from.1, AtFlags::SYMLINK_NOFOLLOW)?;
    let metadata = Metadata::with(&found, from.0, from.1)?;
    match metadata.kind() {
        FileType::RegularFile => copy_file(from, to, &metadata, patched),
        FileType::Symlink => {
            let target = readlinkat(from.0, from.1, Vec::new())?;
            symlinkat(OsStr::from_bytes(target.as_bytes()), to.0, to.1)?;
            metadata.set(to.0, to.1)
        }
        kind => {
            mknodat(to.0, to.1, kind, Mode::RUSR | Mode::WUSR, found.st_rdev)?;
            metadata.set(to.0, to.1)
        }
    }
}

/// Makes a directory, with the rights of its owner alone until it is finished.
pub(super) fn make_directory(to: BorrowedFd<'_>, new: &OsStr) -> Result<OwnedFd> {
    mkdirat(to, new, Mode::RWXU)?;
    openat(to, new, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
}

fn copy_file(from: Named<'_>, to: Named<'_>, metadata: &Metadata, patched: Option<Patched<'_>>) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let source = openat(from.0, from.1, flags | OFlags::NOATIME, Mode::empty())
        .or_else(|_| openat(from.0, from.1, flags, Mode::empty()))?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = openat(to.0, to.1, flags, Mode::RUSR | Mode::WUSR)?;
    match patched {
        Some((there, own)) => content::patch(source.as_fd(), there, own, target.as_fd())?,
        None => content::copy(source.as_fd(), target.as_fd())?,
    }
    let made = rustix::fs::fstat(&target)?;
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

/// Whether the directory gave an ACL to what was made in it, which the file that is copied need not have.
fn inherits_acl(made: BorrowedFd<'_>) -> bool {
    let mut names = [0u8; 512];
    match flistxattr(made, &mut names[..]) {
        Ok(count) => names[..count].split(|&byte| byte == 0).any(|name| name == ACCESS_ACL),
        Err(errno) => errno == Errno::RANGE,
    }
}

/// Sets the owner, permissions and times of a finished directory.
pub(super) fn finish_directory(from: BorrowedFd<'_>, name: &OsStr, to: BorrowedFd<'_>, new: &OsStr) -> Result<()> {
    Metadata::of(from, name)?.set(to.as_fd(), new)
}
