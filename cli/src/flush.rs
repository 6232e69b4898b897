//! Written back before it is looked at: what the kernel holds of a branch, at every mount point of it, so that a snapshot or
//! diff sees every write that had returned before.

use std::path::Path;

use crate::errors::{Context, Result};
use crate::refs::Kind;
use crate::views;
use crate::volume::{Volume, open_directory};

/// Has the kernel write back what it holds of these branches. Mount points that cannot be opened from here are left out.
pub(crate) fn flush(volume: &mut Volume, names: &[&str]) -> Result<()> {
    let (_, kind) = volume.shows_id();
    if kind == Kind::Branch && names.contains(&volume.shows().as_str()) {
        rustix::fs::syncfs(&volume.directory().0).context("cannot write back what the kernel holds")?;
    }
    let own = volume.view();
    for mount in views::all(volume)? {
        if mount.view != own && mount.shows_id.1 == Kind::Branch && names.contains(&mount.shows.as_str()) {
            flush_other(&mount.mount_point);
        }
    }
    Ok(())
}

/// In another mount namespace, or under a directory that we may not search, it is out of our reach.
fn flush_other(mount_point: &Path) {
    if let Ok(directory) = open_directory(mount_point) {
        let _ = rustix::fs::syncfs(&directory.0);
    }
}
