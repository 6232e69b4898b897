//! What is asked of the host's kernel, each call turned into our words.
//!
//! A name is one component, so that no call walks further than to an entry of the directory whose descriptor it is given; no
//! symbolic link is followed, no mount point crossed unless asked.

use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, SeekFrom, StatxAttributes, StatxFlags, StatxTimestamp,
};
use rustix::io::Errno;

use crate::base::{BaseIdentity, Sought, Status, Xattr};
use crate::error::{Error, Result};
use crate::limits;
use crate::types::{FileKind, Time};

const LISTING_BYTES: usize = 64 * 1024;
const BLOCK_BYTES: u64 = 512;

/// What the host answers when a thing is not there, or is another kind of thing by now.
fn is_gone(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE | Errno::NXIO)
}

/// `None` for what is gone; other errors as they are.
fn there<T>(answer: rustix::io::Result<T>, what: &str) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(errno) if is_gone(errno) => Ok(None),
        Err(errno) => Err(error(errno, what)),
    }
}

pub(super) fn error(errno: Errno, what: &str) -> Error {
    match errno {
        Errno::ACCESS | Errno::PERM => Error::AccessDenied,
        Errno::NAMETOOLONG => Error::NameTooLong,
        _ => Error::Io(format!("the base: {what}: {}", std::io::Error::from(errno))),
    }
}

/// How the host is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Other file systems below are shown.
    pub(super) cross_mounts: bool,
    /// The file system of the base's root.
    pub(super) device: u64,
    /// Whether the host says of an entry that something is mounted there (Linux 5.8).
    pub(super) tells_mounts: bool,
    /// The host's birth of a thing is another once somebody has written to it: on overlayfs that of the layer's.
    pub(super) births_change: bool,
    /// The host keeps attributes elsewhere and must be told to ask there.
    pub(super) remote: bool,
    /// Whether openat2(2) is there.
    pub(super) openat2: bool,
}

const NEVER: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const ASKED: StatxFlags = StatxFlags::BASIC_STATS.union(StatxFlags::BTIME);

impl Manner {
    /// Opens an entry of a directory.
    fn open(&self, directory: BorrowedFd<'_>, name: &CString, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if !self.openat2 {
            return rustix::fs::openat(directory, name, flags, Mode::empty());
        }
        let resolve = if self.cross_mounts { NEVER } else { NEVER | ResolveFlags::NO_XDEV };
        rustix::fs::openat2(directory, name, flags, Mode::empty(), resolve)
    }

    /// A directory, to find entries from.
    pub(super) fn open_directory(&self, above: BorrowedFd<'_>, name: &[u8]) -> Result<Option<OwnedFd>> {
        there(self.open(above, &c_name(name)?, OFlags::PATH | OFlags::DIRECTORY), "opening a directory")
    }

    /// A file, to read from. Never waits, whatever has taken its place.
    pub(super) fn open_file(&self, above: BorrowedFd<'_>, name: &[u8]) -> Result<Option<OwnedFd>> {
        let (name, flags) = (c_name(name)?, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY);
        let quiet = self.open(above, &name, flags | OFlags::NOATIME);
        // Only the owner may read without leaving a trace.
        let opened = if matches!(quiet, Err(Errno::PERM)) { self.open(above, &name, flags) } else { quiet };
        there(opened, "opening a file")
    }

    /// What an entry of a directory is. A file system mounted there is not asked, so it may be one that waits for us.
    pub(super) fn status(&self, directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Status>> {
        #[cfg(test)]
        asked::count(|asked| asked.status += 1);
        let name = c_name(name)?;
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let ask = |flags| there(rustix::fs::statx(directory, &name, flags, ASKED), "looking at an entry");
        let Some(found) = ask(flags | AtFlags::STATX_DONT_SYNC)? else { return Ok(None) };
        let mut status = self.settled(status_of(&found));
        status.covered = !self.cross_mounts && self.is_mount_point(&status);
        // Of another file system it is not known here whether it is remote.
        let elsewhere = self.cross_mounts && status.identity.device != self.device;
        if (self.remote || elsewhere) && !status.covered {
            return Ok(ask(flags)?.map(|found| self.settled(status_of(&found))));
        }
        Ok(Some(status))
    }

    /// What an open descriptor is.
    pub(super) fn status_of_open(&self, file: BorrowedFd<'_>) -> Result<Status> {
        status_of_open(file).map(|status| self.settled(status))
    }

    /// Without a birth that does not tell one thing from another.
    fn settled(&self, mut status: Status) -> Status {
        if self.births_change {
            status.identity.born = Time(0);
        }
        status
    }

    fn is_mount_point(&self, status: &Status) -> bool {
        status.mount_root || !self.is_on(self.device, status)
    }

    /// Whether an entry is on the file system of its directory, whose number is `device`, unless something is mounted there. Overlayfs gives files the numbers
    /// of the layers that they come from.
    pub(super) fn is_on(&self, device: u64, status: &Status) -> bool {
        status.identity.device == device || (self.tells_mounts && status.kind != FileKind::Directory)
    }
}

/// Whether this kernel tells of mount points.
pub(super) fn tells_mounts(root: BorrowedFd<'_>) -> bool {
    let found = rustix::fs::statx(root, c"", AtFlags::EMPTY_PATH, StatxFlags::empty());
    found.is_ok_and(|found| found.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT))
}

/// What an open descriptor is.
pub(super) fn status_of_open(file: BorrowedFd<'_>) -> Result<Status> {
    let found = rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, ASKED);
    found.map(|found| status_of(&found)).map_err(|errno| error(errno, "looking at an open file"))
}

fn status_of(found: &rustix::fs::Statx) -> Status {
    let has = |flag: StatxFlags| found.stx_mask & flag.bits() != 0;
    Status {
        identity: BaseIdentity {
            device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            born: if has(StatxFlags::BTIME) { time(found.stx_btime) } else { Time(0) },
            size: found.stx_size,
            modified: time(found.stx_mtime),
            changed: time(found.stx_ctime),
        },
        kind: kind_of(FileType::from_raw_mode(found.stx_mode.into())).unwrap_or(FileKind::File),
        mode: found.stx_mode & 0o7777,
        uid: found.stx_uid,
        gid: found.stx_gid,
        links: found.stx_nlink,
        device: rustix::fs::makedev(found.stx_rdev_major, found.stx_rdev_minor),
        allocated: found.stx_blocks.saturating_mul(BLOCK_BYTES),
        accessed: time(found.stx_atime),
        mount_root: found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT),
        covered: false,
        watched: false,
    }
}

fn time(stamp: StatxTimestamp) -> Time {
    Time::new(stamp.tv_sec, stamp.tv_nsec)
}

fn kind_of(kind: FileType) -> Option<FileKind> {
    match kind {
        FileType::RegularFile => Some(FileKind::File),
        FileType::Directory => Some(FileKind::Directory),
        FileType::Symlink => Some(FileKind::Symlink),
        FileType::Fifo => Some(FileKind::Fifo),
        FileType::Socket => Some(FileKind::Socket),
        FileType::CharacterDevice => Some(FileKind::CharDevice),
        FileType::BlockDevice => Some(FileKind::BlockDevice),
        FileType::Unknown => None,
    }
}

fn c_name(name: &[u8]) -> Result<CString> {
    if matches!(name, b"" | b"." | b"..") || name.contains(&b'/') {
        return Err(Error::Invalid("a name of the base is one component"));
    }
    CString::new(name).map_err(|_| Error::Invalid("a name contains NUL"))
}

/// Takes an entry of a directory: its name, the host's number, and its kind where the host says it.
pub(super) type TakeEntry<'a> = dyn FnMut(&[u8], u64, Option<FileKind>) -> Result<()> + 'a;

/// Gives the entries of a directory.
pub(super) fn list(directory: &OwnedFd, each: &mut TakeEntry<'_>) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let quiet = rustix::fs::openat(directory, c".", flags | OFlags::NOATIME, Mode::empty());
    let opened = match quiet {
        Err(Errno::PERM) => rustix::fs::openat(directory, c".", flags, Mode::empty()),
        answer => answer,
    };
    let Some(opened) = there(opened, "opening a directory to list it")? else { return Ok(()) };
    let mut buffer = vec![MaybeUninit::uninit(); LISTING_BYTES];
    let mut entries = RawDir::new(opened, &mut buffer);
    while let Some(entry) = entries.next() {
        let Some(entry) = there(entry, "listing a directory")? else { return Ok(()) };
        let name = entry.file_name().to_bytes();
        if !matches!(name, b"." | b"..") {
            each(name, entry.ino(), kind_of(entry.file_type()))?;
        }
    }
    Ok(())
}

pub(super) fn read_link(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Arc<[u8]>>> {
    let buffer = Vec::with_capacity(limits::SYMLINK_BYTES + 1);
    let target = match rustix::fs::readlinkat(directory, &c_name(name)?, buffer) {
        // No link any more.
        Err(Errno::INVAL) => return Ok(None),
        answer => there(answer, "reading a symbolic link")?,
    };
    Ok(target.map(|target| Arc::from(target.to_bytes())))
}

/// The path of an entry by way of the directory's descriptor: there are no calls for extended attributes that take one and
/// a name.
fn path_by(directory: BorrowedFd<'_>, name: &[u8]) -> Result<CString> {
    let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
    path.extend_from_slice(c_name(name)?.as_bytes());
    CString::new(path).map_err(|_| Error::Invalid("a name contains NUL"))
}

/// The extended attributes of an entry, or of the directory itself without a name; sorted by name.
pub(super) fn xattrs(directory: BorrowedFd<'_>, name: Option<&[u8]>) -> Result<Vec<Xattr>> {
    #[cfg(test)]
    asked::count(|asked| asked.xattrs += u64::from(name.is_some()));
    let path = match name {
        Some(name) => path_by(directory, name)?,
        None => {
            CString::new(format!("/proc/self/fd/{}/.", directory.as_raw_fd())).expect("invariant: no NUL in a number")
        }
    };
    let Some(names) = sized(|buffer| rustix::fs::llistxattr(&path, buffer))? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let value = sized(|buffer| rustix::fs::lgetxattr(&path, name, buffer))?;
        found.extend(value.map(|value| (Box::from(name), Arc::from(value))));
    }
    found.sort_unstable_by(|a: &Xattr, b| a.0.cmp(&b.0));
    Ok(found)
}

/// Asks until the answer fits. `None`: it is gone, or the file system has no such thing.
fn sized(ask: impl Fn(&mut [u8]) -> rustix::io::Result<usize>) -> Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; 256];
    loop {
        match ask(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(Some(buffer));
            }
            Err(Errno::RANGE) if buffer.len() < limits::XATTR_VALUE_BYTES => {
                buffer.resize(limits::XATTR_VALUE_BYTES, 0);
            }
            Err(errno) if is_gone(errno) => return Ok(None),
            // Not there any more; not for these files; ours to see only with rights that we lack.
            Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM | Errno::ACCESS | Errno::RANGE) => return Ok(None),
            Err(errno) => return Err(error(errno, "reading extended attributes")),
        }
    }
}

/// Reads as much as there is and `into` takes.
pub(super) fn read(file: BorrowedFd<'_>, mut offset: u64, into: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match rustix::io::pread(file, &mut into[done..], offset) {
            Ok(0) => break,
            Ok(count) => {
                done += count;
                offset += count as u64;
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(error(errno, "reading a file")),
        }
    }
    Ok(done)
}

pub(super) fn seek(file: BorrowedFd<'_>, offset: u64, what: Sought) -> Result<Option<u64>> {
    let place = match what {
        Sought::Data => SeekFrom::Data(offset),
        Sought::Hole => SeekFrom::Hole(offset),
    };
    match (rustix::fs::seek(file, place), what) {
        (Ok(found), _) => Ok(Some(found)),
        (Err(Errno::NXIO), _) => Ok(None),
        // A file system that knows no holes: all is data.
        (Err(Errno::INVAL | Errno::OPNOTSUPP), Sought::Data) => Ok(Some(offset)),
        (Err(Errno::INVAL | Errno::OPNOTSUPP), Sought::Hole) => {
            Ok(Some(status_of_open(file)?.identity.size).filter(|&size| offset < size))
        }
        (Err(errno), _) => Err(error(errno, "looking for a hole")),
    }
}

/// Whether this is overlayfs, where what is written to gets the birth of its new layer, and keeps its number.
pub(super) fn births_change(root: BorrowedFd<'_>) -> bool {
    rustix::fs::fstatfs(root).is_ok_and(|found| found.f_type == OVERLAYFS)
}

/// Whether openat2(2) works here.
pub(super) fn has_openat2(root: BorrowedFd<'_>) -> bool {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat2(root, c".", flags, Mode::empty(), NEVER).is_ok()
}

const OVERLAYFS: rustix::fs::FsWord = 0x794C_7630;

/// Whether the file system of the base may know of changes before this machine's kernel does.
pub(super) fn is_remote(root: BorrowedFd<'_>) -> bool {
    const LOCAL: [rustix::fs::FsWord; 8] = [
        0xEF53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683E, // btrfs
        0x0102_1994, // tmpfs
        OVERLAYFS,
        0x2FC1_2FC1, // zfs
        0xF2F5_2010, // f2fs
        0x8584_58F6, // ramfs
    ];
    rustix::fs::fstatfs(root).map_or(true, |found| !LOCAL.contains(&found.f_type))
}

/// Opens the root of a base.
pub(super) fn open_root(path: &std::path::Path) -> Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(path, flags, Mode::empty());
    let root = opened.map_err(|errno| unusable(path, errno))?;
    // Of a path alone it is not known whether it can be read.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(&root, c".", flags, Mode::empty()).map_err(|errno| unusable(path, errno))?;
    Ok(root)
}

fn unusable(path: &std::path::Path, errno: Errno) -> Error {
    let why = match errno {
        Errno::NOENT => "there is no such directory".to_owned(),
        Errno::NOTDIR => "it is not a directory".to_owned(),
        Errno::ACCESS => "it cannot be read: permission denied".to_owned(),
        _ => std::io::Error::from(errno).to_string(),
    };
    Error::BadBase(format!("{}: {why}", path.display()))
}

/// A descriptor as a call wants it.
pub(super) fn of(file: &Arc<OwnedFd>) -> BorrowedFd<'_> {
    file.as_fd()
}

/// What this thread has asked of the host about entries of directories.
#[cfg(test)]
pub(super) mod asked {
    use std::cell::Cell;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub(crate) struct Asked {
        pub(crate) status: u64,
        pub(crate) xattrs: u64,
    }

    thread_local!(static ASKED: Cell<Asked> = const { Cell::new(Asked { status: 0, xattrs: 0 }) });

    pub(super) fn count(add: impl FnOnce(&mut Asked)) {
        let mut asked = ASKED.get();
        add(&mut asked);
        ASKED.set(asked);
    }

    /// Since it was last asked for.
    pub(crate) fn take() -> Asked {
        ASKED.take()
    }
}
