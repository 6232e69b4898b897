//! A directory and what lies below it, reached by paths from it. No symbolic link is followed on the way, and nothing outside is
//! reached, whatever others do to it meanwhile.

use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, StatxAttributes, StatxFlags, Timespec,
    Timestamps, openat2, renameat_with, statat, statx, utimensat,
};
use rustix::io::Errno;

use super::plan::Origin;
use crate::errors::{Context, Failure, Result};
use crate::output::printable;

/// How directories on a path are opened.
const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);
/// What is mounted below is another's, and shows in no branch.
const WITHIN: ResolveFlags = ResolveFlags::NO_SYMLINKS
    .union(ResolveFlags::BENEATH)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// A directory that paths are counted from.
#[derive(Debug)]
pub(crate) struct Place {
    root: OwnedFd,
    /// What it is called in messages.
    name: PathBuf,
}

/// The directory that a path's last name stands in, and that name.
pub(super) struct Spot<'a> {
    pub(super) directory: OwnedFd,
    pub(super) name: &'a OsStr,
}

impl Place {
    pub(crate) fn at(path: &Path) -> Result<Place> {
        let root = rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty());
        let root = root.context(format_args!("cannot open {}", path.display()))?;
        Ok(Place { root, name: path.to_owned() })
    }

    /// The root of a mount that stands nowhere.
    pub(crate) fn below(mount: &OwnedFd, name: &str) -> Result<Place> {
        let root =
            rustix::fs::openat(mount, ".", DIRECTORY, Mode::empty()).context(format_args!("cannot open {name}"))?;
        Ok(Place { root, name: name.into() })
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The path as messages have it.
    pub(super) fn called(&self, path: &Path) -> String {
        printable(self.name.join(path).as_os_str().as_bytes())
    }

    pub(super) fn directory(&self, path: &Path) -> rustix::io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        openat2(&self.root, path, DIRECTORY, Mode::empty(), WITHIN)
    }

    pub(super) fn spot<'a>(&self, path: &'a Path) -> rustix::io::Result<Spot<'a>> {
        let directory = self.directory(path.parent().unwrap_or(Path::new("")))?;
        Ok(Spot { directory, name: path.file_name().unwrap_or(OsStr::new(".")) })
    }

    /// What is there; `None` when nothing is, or nothing can be.
    pub(crate) fn look(&self, path: &Path) -> Result<Option<Stat>> {
        let found = self.spot(path).and_then(|spot| statat(&spot.directory, spot.name, AtFlags::SYMLINK_NOFOLLOW));
        self.looked(path, found)
    }

    fn looked(&self, path: &Path, found: rustix::io::Result<Stat>) -> Result<Option<Stat>> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(Errno::XDEV) => Err(Failure::refused(format!(
                "{} lies on another file system, which is mounted there: `--theirs` leaves it out",
                self.called(path)
            ))),
            Err(errno) => Err(errno).context(format_args!("cannot look at {}", self.called(path))),
        }
    }

    /// Whether something is mounted there.
    pub(super) fn is_mount_point(&self, path: &Path) -> Result<bool> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        let found = self.spot(path).and_then(|spot| statx(&spot.directory, spot.name, flags, StatxFlags::TYPE));
        let found = found.context(format_args!("cannot look at {}", self.called(path)))?;
        Ok(found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    }

    /// The regular file that is there, to be read, if it is what `origin` says.
    pub(super) fn file(&self, path: &Path, origin: &Origin) -> rustix::io::Result<Option<OwnedFd>> {
        let spot = self.spot(path)?;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(&spot.directory, spot.name, flags, Mode::empty())?;
        let found = rustix::fs::fstat(&file)?;
        Ok(Some(file).filter(|_| FileType::from_raw_mode(found.st_mode).is_file() && origin.fits(&found)))
    }

    /// Sets the time of access that it has: writes to it, and changes nothing.
    pub(super) fn touch(&self, path: &Path, found: &Stat) -> Result<()> {
        let what = || format!("cannot set the times of {}", self.called(path));
        let accessed = Timespec { tv_sec: found.st_atime, tv_nsec: found.st_atime_nsec as _ };
        let times = Timestamps {
            last_access: accessed,
            last_modification: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
        };
        let spot = self.spot(path).context(what())?;
        utimensat(&spot.directory, spot.name, &times, AtFlags::SYMLINK_NOFOLLOW).context(what())
    }

    /// Renames; nothing may be in the way.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        let what = || format!("cannot rename {} to {}", self.called(from), self.called(to));
        let (source, target) = (self.spot(from).context(what())?, self.spot(to).context(what())?);
        let renamed =
            renameat_with(&source.directory, source.name, &target.directory, target.name, RenameFlags::NOREPLACE);
        match renamed {
            // A file system that cannot promise that nothing is replaced: look first.
            Err(Errno::INVAL | Errno::NOSYS) if self.look(to)?.is_none() => {
                rustix::fs::renameat(&source.directory, source.name, &target.directory, target.name).context(what())
            }
            other => other.context(what()),
        }
    }

    pub(crate) fn is_directory(&self, path: &Path) -> Result<bool> {
        Ok(self.look(path)?.is_some_and(|found| FileType::from_raw_mode(found.st_mode).is_dir()))
    }

    /// The names in a directory.
    pub(crate) fn names(&self, path: &Path) -> Result<Vec<(std::ffi::OsString, u64)>> {
        let what = || format!("cannot read {}", self.called(path));
        let directory = self.directory(path).context(what())?;
        names_in(directory.as_fd()).context(what())
    }

    /// What is there and all below it, with the paths of it; nothing when nothing is.
    pub(super) fn all_below(&self, path: &Path) -> Result<Vec<(PathBuf, Stat)>> {
        let mut walk = Walk::of(self);
        let (mut found, mut left) = (Vec::new(), vec![path.to_owned()]);
        while let Some(next) = left.pop() {
            let Some(stat) = walk.look(&next)? else { continue };
            if FileType::from_raw_mode(stat.st_mode).is_dir() {
                left.extend(self.names(&next)?.into_iter().map(|(name, _)| next.join(name)));
            }
            found.push((next, stat));
        }
        Ok(found)
    }

    /// Removes what is there and all below it; nothing is fine.
    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        let spot = match self.spot(path) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
            other => other.context(format_args!("cannot remove {}", self.called(path)))?,
        };
        remove_in(spot.directory.as_fd(), spot.name).context(format_args!("cannot remove {}", self.called(path)))
    }

    /// Has the disk hold everything that was written.
    pub(super) fn settle(&self) -> Result<()> {
        rustix::fs::syncfs(&self.root).context(format_args!("cannot write back {}", self.name.display()))
    }
}

/// Most directories that a walk keeps open.
const WALK_DEPTH: usize = 32;

/// Looks at many paths in their order, for which each directory is opened once. Nothing may move meanwhile.
pub(super) struct Walk<'a> {
    place: &'a Place,
    /// The directories above the last path, the inner last.
    open: Vec<(PathBuf, OwnedFd)>,
    /// One whose entries come next.
    lists: Option<PathBuf>,
}

impl Walk<'_> {
    pub(super) fn of(place: &Place) -> Walk<'_> {
        Walk { place, open: Vec::new(), lists: None }
    }

    /// As [`Place::look`].
    pub(super) fn look(&mut self, path: &Path) -> Result<Option<Stat>> {
        let name = path.file_name().unwrap_or(OsStr::new("."));
        let above = self.directory(path.parent().unwrap_or(Path::new("")));
        let found = above.and_then(|above| statat(above, name, AtFlags::SYMLINK_NOFOLLOW));
        self.place.looked(path, found)
    }

    /// All that is in this directory will be looked at: a mount learns of that by one listing, and not name by name.
    pub(super) fn list_next(&mut self, directory: &Path) {
        self.lists = Some(directory.to_owned());
    }

    fn directory(&mut self, path: &Path) -> rustix::io::Result<BorrowedFd<'_>> {
        while self.open.last().is_some_and(|(last, _)| !path.starts_with(last)) {
            self.open.pop();
        }
        if self.open.last().is_none_or(|(last, _)| last != path) {
            let opened = self.place.directory(path)?;
            if self.lists.take().is_some_and(|listed| listed == path) {
                names_in(opened.as_fd())?;
            }
            if self.open.len() == WALK_DEPTH {
                self.open.remove(0);
            }
            self.open.push((path.to_owned(), opened));
        }
        Ok(self.open.last().expect("invariant: it was opened").1.as_fd())
    }
}

/// What a file or a symbolic link holds.
pub(crate) enum Bytes {
    Link(Vec<u8>),
    /// Without content when it is too large.
    File {
        executable: bool,
        content: Option<Vec<u8>>,
    },
}

impl Place {
    /// What is there; `None` for what is neither file nor link.
    pub(crate) fn content(&self, path: &[u8], at_most: u64) -> Result<Option<Bytes>> {
        let path = Path::new(OsStr::from_bytes(path));
        let what = || format!("cannot read {}", self.called(path));
        let Some(found) = self.look(path)? else { return Ok(None) };
        let spot = self.spot(path).context(what())?;
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&spot.directory, spot.name, Vec::new()).context(what())?;
                Ok(Some(Bytes::Link(target.into_bytes())))
            }
            FileType::RegularFile => {
                let executable = found.st_mode & 0o111 != 0;
                if found.st_size as u64 > at_most {
                    return Ok(Some(Bytes::File { executable, content: None }));
                }
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&spot.directory, spot.name, flags, Mode::empty()).context(what())?;
                let mut content = Vec::new();
                std::io::Read::read_to_end(&mut std::fs::File::from(file), &mut content).context(what())?;
                Ok(Some(Bytes::File { executable, content: Some(content) }))
            }
            _ => Ok(None),
        }
    }
}

/// The names in a directory, with the number of what they lead to.
pub(super) fn names_in(directory: BorrowedFd<'_>) -> rustix::io::Result<Vec<(std::ffi::OsString, u64)>> {
    let mut names = Vec::new();
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push((OsStr::from_bytes(name).to_owned(), entry.ino()));
        }
    }
    Ok(names)
}

fn remove_in(directory: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    let inside = open_to_empty(directory, name)?;
    for (inner, _) in names_in(inside.as_fd())? {
        remove_in(inside.as_fd(), &inner)?;
    }
    rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR)
}

/// Opens a directory that goes; its owner may empty it whatever its permissions say.
fn open_to_empty(directory: BorrowedFd<'_>, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let place = openat2(directory, name, OFlags::PATH | DIRECTORY, Mode::empty(), WITHIN)?;
    if rustix::fs::fstat(&place)?.st_mode & 0o700 != 0o700 {
        let path = Path::new("/proc/self/fd").join(place.as_raw_fd().to_string());
        // Where this is not allowed, what comes next says so.
        let _ = rustix::fs::chmod(path, Mode::RWXU);
    }
    openat2(directory, name, DIRECTORY, Mode::empty(), WITHIN)
}

/// A path to an entry of an open directory, for calls that take nothing else.
pub(super) fn path_through(directory: BorrowedFd<'_>, name: &OsStr) -> PathBuf {
    Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name)
}
