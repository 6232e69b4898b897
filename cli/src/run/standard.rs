//! The standard files of the command. They are opened outside, and by `/proc/self/fd` a program opens again what it has open, with
//! other rights and from the mount that it came from: so none may lead to more than it was given for.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags, Stat, fcntl_getfl, fstat, open};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout, stderr, stdin, stdout};
use rustix::termios::isatty;

use super::tree::{READ_ONLY, Tree};
use crate::errors::{Context, Failure, Result};

/// The standard files by number.
fn files() -> [(BorrowedFd<'static>, &'static str); 3] {
    [(stdin(), "standard input"), (stdout(), "standard output"), (stderr(), "standard error")]
}

/// Refuses what would lead out of the room.
pub(super) fn check() -> Result<()> {
    for (file, name) in files() {
        let Ok(found) = fstat(file) else { continue };
        let kind = FileType::from_raw_mode(found.st_mode);
        if kind.is_dir() || kind.is_block_device() {
            let what = if kind.is_dir() { "a directory" } else { "a block device" };
            return Err(Failure::usage(format!("{name} is {what}, through which the command could leave its branch")));
        }
    }
    Ok(())
}

/// Files that were opened for reading are opened anew from a mount that nobody writes through; so are devices, whose owner and
/// permissions are the machine's.
pub(super) fn make_safe() -> Result<()> {
    for (file, name) in files() {
        let Ok(found) = fstat(file) else { continue };
        let kind = FileType::from_raw_mode(found.st_mode);
        let access = fcntl_getfl(file).context(name)? & OFlags::RWMODE;
        // What has no name any more is nobody else's.
        if kind.is_file() && access == OFlags::RDONLY && found.st_nlink > 0 {
            let mut opened = File::from(opened_again(file, &found, name, access)?);
            let position = rustix::fs::tell(file).context(name)?;
            opened.seek(SeekFrom::Start(position)).context(name)?;
            replace(file, &opened.into()).context(name)?;
        } else if kind.is_char_device() && !isatty(file) {
            // One that has no name here stays as it is.
            opened_again(file, &found, name, access).map_or(Ok(()), |opened| replace(file, &opened)).context(name)?;
        }
    }
    Ok(())
}

fn opened_again(file: BorrowedFd<'_>, found: &Stat, name: &str, access: OFlags) -> Result<OwnedFd> {
    let path = |file: BorrowedFd<'_>| PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    let unsafe_file = || {
        Failure::system(format!(
            "{name} is a file that cannot be shown read-only: pipe it in, `cat FILE | bough run …`"
        ))
    };
    let origin = std::fs::read_link(path(file)).context(name)?;
    let tree = Tree::copy(&origin).map_err(|_| unsafe_file())?.set(READ_ONLY)?.into_root();
    let same = fstat(&tree).is_ok_and(|other| (other.st_dev, other.st_ino) == (found.st_dev, found.st_ino));
    if !same {
        return Err(unsafe_file());
    }
    open(path(tree.as_fd()), access | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty()).context(name)
}

fn replace(file: BorrowedFd<'_>, by: &OwnedFd) -> rustix::io::Result<()> {
    match file.as_raw_fd() {
        0 => dup2_stdin(by),
        1 => dup2_stdout(by),
        _ => dup2_stderr(by),
    }
}
