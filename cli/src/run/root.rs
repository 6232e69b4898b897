//! The root directory that the command has must be the root of its namespace of mounts. In a chroot it is not: around it lies what the room
//! has not made read-only, and root, who may call chroot himself, finds the way there.
//!
//! Whoever is no root and in a chroot gets no users of his own, and so no room.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, StatxFlags, openat, statx};
use rustix::io::Errno;
use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::process::{fchdir, pivot_root};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::tree::Tree;
use crate::errors::{Context, Result};

/// Has this process's root directory be all that its namespace of mounts, which must be its own, has. Its current directory is then the root.
pub(super) fn become_all() -> Result<()> {
    let what = "cannot leave what lies around this root directory";
    let root = open("/").context(what)?;
    match go_outermost() {
        // Who may not do so can call no chroot either.
        Err(Errno::PERM) => return Ok(()),
        other => other.context(what)?,
    }
    let outermost = open("/").context(what)?;
    if mount_of(root.as_fd()).context(what)? == mount_of(outermost.as_fd()).context(what)? {
        return Ok(());
    }
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).context(what)?;
    let tree = Tree::copy_of(root.as_fd()).context(what)?;
    tree.put_on(outermost.as_fd()).context(what)?;
    fchdir(tree.into_root()).context(what)?;
    // The old root is put upon the new one, and taken away from there (pivot_root(2)).
    pivot_root(".", ".").and_then(|()| unmount(".", UnmountFlags::DETACH)).context(what)?;
    rustix::process::chdir(Path::new("/")).context(what)
}

fn open(path: &str) -> rustix::io::Result<OwnedFd> {
    openat(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// Who joins a namespace of mounts has its root as his, be it the one that he is in.
fn go_outermost() -> rustix::io::Result<()> {
    let own = openat(CWD, "/proc/self/ns/mnt", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::Mount))
}

/// The number of a mount, and the inode that is looked at in it.
fn mount_of(root: BorrowedFd<'_>) -> rustix::io::Result<(u64, u64)> {
    let found = statx(root, "", AtFlags::EMPTY_PATH, StatxFlags::INO | StatxFlags::MNT_ID)?;
    Ok((found.stx_mnt_id, found.stx_ino))
}
