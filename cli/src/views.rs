//! The views of a volume: where it is mounted, and what each mount point shows.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bough::control::messages::{FS_CONTROL_READ_ONLY, FS_CONTROL_VIEWS_ENTRIES, fs_control_view, fs_control_views};
use bough::control::{message, text_of};

use crate::errors::{Failure, Result};
use crate::output::printable;
use crate::refs::Kind;
use crate::volume::path_in;
use crate::wire::Channel;

/// A view, as its host knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Id of the view.
    pub(crate) view: u64,
    /// Name of what it shows.
    pub(crate) shows: String,
    pub(crate) shows_id: (u64, Kind),
    pub(crate) read_only: bool,
    pub(crate) mount_point: PathBuf,
}

impl Mount {
    fn of(entry: &fs_control_view) -> Mount {
        Mount {
            view: entry.id,
            shows: text_of(&entry.shows.bytes),
            shows_id: (entry.shows_id, Kind::of(entry.shows_kind)),
            read_only: entry.flags & FS_CONTROL_READ_ONLY != 0,
            mount_point: path_in(&entry.label.bytes),
        }
    }

    pub(crate) fn mount_point_text(&self) -> String {
        printable(self.mount_point.as_os_str().as_bytes())
    }
}

/// All views of a volume.
pub(crate) fn all(channel: &mut impl Channel) -> Result<Vec<Mount>> {
    let mut mounts: Vec<Mount> = Vec::new();
    loop {
        let mut page: fs_control_views = message();
        page.after = mounts.last().map_or(0, |last| last.view);
        channel.ask(&mut page)?;
        let count = (page.count as usize).min(FS_CONTROL_VIEWS_ENTRIES);
        mounts.extend(page.entries[..count].iter().map(Mount::of));
        if count < FS_CONTROL_VIEWS_ENTRIES {
            // One without a name is that of a question over the socket: our own.
            mounts.retain(|mount| !mount.mount_point.as_os_str().is_empty());
            return Ok(mounts);
        }
    }
}

/// A branch was said to be in use. Waits a moment if no view is listed that shows it: it is just being let go of. Answers `busy` if one is,
/// or when `patience` has passed since `begun`.
pub(crate) fn bear_with(
    busy: Failure,
    channel: &mut impl Channel,
    branch: &str,
    begun: Instant,
    patience: Duration,
) -> Result<()> {
    if begun.elapsed() >= patience || all(channel)?.iter().any(|view| view.shows == branch) {
        return Err(busy);
    }
    std::thread::sleep(Duration::from_millis(1));
    Ok(())
}

/// Where a branch or snapshot is mounted.
pub(crate) fn mount_points_of(mounts: &[Mount], shown: (u64, Kind)) -> Vec<String> {
    mounts.iter().filter(|mount| mount.shows_id == shown).map(Mount::mount_point_text).collect()
}
