//! Mounts as values: taken from where they are, made, changed, put somewhere. By the calls that take descriptors, so that
//! nothing depends on what a path leads to by then.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use super::system;
use crate::errors::{Context, Failure, Result, describe};

pub(super) const READ_ONLY: u64 = 1;
pub(super) const NO_SETUID: u64 = 2;
pub(super) const NO_DEVICES: u64 = 4;

/// A mount with all below it, that nobody sees yet.
#[derive(Debug)]
pub(super) struct Tree(OwnedFd);

impl Tree {
    /// A copy of what is mounted at `path`, seen from there.
    pub(super) fn copy(path: &Path) -> Result<Tree> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        let tree = open_tree(CWD, path, flags);
        Ok(Tree(tree.map_err(|errno| refused(errno, format_args!("cannot show {}", path.display())))?))
    }

    /// A copy of what is mounted at an open file.
    pub(super) fn copy_of(file: BorrowedFd<'_>) -> rustix::io::Result<Tree> {
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::AT_EMPTY_PATH;
        open_tree(file, "", flags).map(Tree)
    }

    /// A new file system of a kind, with options; an option without a value is a flag.
    pub(super) fn new(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<Tree> {
        let made = make(kind, options, attributes);
        made.map(Tree).map_err(|errno| refused(errno, format_args!("cannot mount a {kind}")))
    }

    /// Sets attributes of it and of all below it.
    pub(super) fn set(self, attributes: u64) -> Result<Tree> {
        system::set_mount_attributes(self.0.as_fd(), attributes, 0).context("cannot change how a mount behaves")?;
        Ok(self)
    }

    /// Puts it at `path`, over what is there.
    pub(super) fn put(self, path: &Path) -> Result<()> {
        let put = move_mount(&self.0, "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH);
        put.map_err(|errno| refused(errno, format_args!("cannot mount at {}", path.display())))
    }

    /// Puts it over an open file.
    pub(super) fn put_on(&self, place: BorrowedFd<'_>) -> rustix::io::Result<()> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
        move_mount(&self.0, "", place, "", flags)
    }

    pub(super) fn is_directory(&self) -> bool {
        let found = rustix::fs::statat(&self.0, "", AtFlags::EMPTY_PATH);
        found.is_ok_and(|found| rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir())
    }

    /// Its root, to be looked into without being put anywhere.
    pub(super) fn into_root(self) -> OwnedFd {
        self.0
    }
}

fn make(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> rustix::io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        match value.is_empty() {
            true => fsconfig_set_flag(context.as_fd(), *name)?,
            false => fsconfig_set_string(context.as_fd(), *name, *value)?,
        }
    }
    fsconfig_create(context.as_fd())?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// Sets attributes of everything there is.
pub(super) fn set_everywhere(attributes: u64) -> Result<()> {
    let root = openat(CWD, "/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).context("cannot open /")?;
    system::set_mount_attributes(root.as_fd(), attributes, 0).context("cannot make what is outside read-only")
}

/// Makes `path`, and what is below it, read-only where it is. No symbolic link is followed.
pub(super) fn protect(path: &Path) -> Result<()> {
    let what = format!("cannot make {} read-only", path.display());
    let found = openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS);
    let place = found.context(&what)?;
    let tree = Tree::copy_of(place.as_fd()).context(&what)?.set(READ_ONLY)?;
    tree.put_on(place.as_fd()).context(&what)
}

/// Whether something is at `path`, itself no symbolic link.
pub(super) fn is_there(path: &Path) -> bool {
    rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|found| rustix::fs::FileType::from_raw_mode(found.st_mode) != rustix::fs::FileType::Symlink)
}

/// What a refusal to mount means: mostly that the system lets nobody do so but root.
fn refused(errno: Errno, what: std::fmt::Arguments<'_>) -> Failure {
    match errno {
        Errno::PERM | Errno::ACCESS => super::forbidden(&what.to_string()),
        _ => Failure::system(format!("{what}: {}", describe(&errno.into()))),
    }
}
