//! `bough unmount`.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use bough::control::message;
use bough::control::messages::fs_control_info;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::args::UnmountArgs;
use crate::daemon::StateDirectory;
use crate::errors::{Context, Exit, Failure, Result, describe};
use crate::volume::{Volume, open_directory};
use crate::wire::{Channel, Directory, Socket, is_death};
use crate::{fuse, mounts, output, views};

/// Between two looks at what a daemon still shows.
const A_MOMENT: Duration = Duration::from_millis(1);
/// How long a daemon without a mount point is waited for that may have been told to stay (the mount option `keep`).
const A_WHILE: Duration = Duration::from_millis(300);
/// How long one is waited for that ends, so that its name is free and its memory given back when the command returns.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) fn run(args: &UnmountArgs) -> Result<Exit> {
    match (&args.volume, &args.mount_point) {
        (Some(name), _) => end_volume(name),
        (None, Some(path)) => run_at(path),
        (None, None) => Err(Failure::usage("where? A mount point is missing")),
    }
}

/// Ends a volume with everything in it, and waits until it has ended.
fn end_volume(name: &str) -> Result<Exit> {
    let gone = || Failure::no_volume(format!("there is no volume {name}: `bough list` shows them"));
    let mut socket = StateDirectory::find()?.volume(name)?.ok_or_else(gone)?;
    let mut info: fs_control_info = message();
    socket.ask(&mut info)?;
    let pid = Pid::from_raw(info.pid as i32).ok_or_else(gone)?;
    let daemon = pidfd_open(pid, PidfdFlags::empty()).context("cannot reach the daemon")?;
    pidfd_send_signal(&daemon, Signal::TERM).context("cannot end the daemon")?;
    wait_for_end(&daemon, PATIENCE);
    Ok(Exit::Done)
}

fn run_at(path: &Path) -> Result<Exit> {
    let point = mounts::resolve(path).map_err(|error| not_there(path, &error))?;
    if mounts::type_at(&point)?.as_deref() != Some(mounts::TYPE.as_bytes()) {
        let text = format!("{} is not where a bough volume is mounted: `bough list` shows where", path.display());
        return Err(Failure::no_volume(text));
    }
    match open_directory(&point) {
        Ok(directory) if !directory.is_dead() => unmount(directory, &point)?,
        Err(errno) if !is_death(errno) => fuse::unmount(&point)?,
        _ => {
            fuse::detach(&point)?;
            output::say(&format!("the daemon that served {} had died, and its volume with it", path.display()));
        }
    }
    Ok(Exit::Done)
}

fn not_there(path: &Path, error: &std::io::Error) -> Failure {
    Failure::no_volume(format!("cannot find {}: {}", path.display(), describe(error)))
}

/// Unmounts, and waits until the daemon knows.
fn unmount(directory: Directory, point: &Path) -> Result<()> {
    // Somebody else's volume tells us nothing, but its mount may be ours to end.
    let farewell = Volume::behind(directory).ok().and_then(|volume| Farewell::to(&volume));
    // No directory of the mount is open any more: that would keep it busy.
    fuse::unmount(point)?;
    if let Some(farewell) = farewell {
        farewell.wait();
    }
    Ok(())
}

/// A daemon that loses a view.
struct Farewell {
    socket: Socket,
    daemon: OwnedFd,
    view: u64,
}

impl Farewell {
    fn to(volume: &Volume) -> Option<Farewell> {
        let daemon = pidfd_open(Pid::from_raw(volume.pid() as i32)?, PidfdFlags::empty()).ok()?;
        Some(Farewell { socket: Socket::connect(&volume.endpoint()).ok()?, daemon, view: volume.view() })
    }

    /// Until the view is gone; and if it was the last, until the daemon has ended.
    fn wait(mut self) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match views::all(&mut self.socket) {
                Ok(views) if views.is_empty() => return wait_for_end(&self.daemon, A_WHILE),
                Ok(views) if views.iter().all(|view| view.view != self.view) => return,
                Ok(_) => wait_for_end(&self.daemon, A_MOMENT),
                Err(_) => return wait_for_end(&self.daemon, PATIENCE),
            }
        }
    }
}

/// Until the daemon has ended, but no longer than that.
fn wait_for_end(daemon: &OwnedFd, at_most: Duration) {
    let timeout = Timespec::try_from(at_most).expect("invariant: seconds fit");
    // An interrupted wait is a short one; the caller asks again or goes on.
    let _ = poll(&mut [PollFd::new(daemon, PollFlags::IN)], Some(&timeout));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_mount_of_ours_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().to_owned(), directory.path().join("missing"), "/".into(), "/proc".into()] {
            let failure = run_at(&path).unwrap_err();
            assert_eq!(failure.exit(), Exit::NoVolume);
        }
    }
}
