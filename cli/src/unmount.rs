//! `bough unmount`.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::args::UnmountArgs;
use crate::errors::{Exit, Failure, Result, describe};
use crate::volume::Volume;
use crate::wire::Socket;
use crate::{fuse, mounts, output, views};

/// After this a daemon without a mount point is asked whether it stays (the mount option `keep`).
const A_WHILE: Duration = Duration::from_millis(300);
/// How long one that does not is waited for, so that its name is free and its memory given back when the command returns.
const PATIENCE: Duration = Duration::from_secs(3);

pub(crate) fn run(args: &UnmountArgs) -> Result<Exit> {
    let path = &args.mount_point;
    let point = mounts::resolve(path).map_err(|error| not_there(path, &error))?;
    if mounts::type_at(&point)?.as_deref() != Some(mounts::TYPE.as_bytes()) {
        let text = format!("{} is not where a bough volume is mounted: `bough list` shows where", path.display());
        return Err(Failure::no_volume(text));
    }
    match Volume::at(&point) {
        Ok(volume) => unmount(volume, &point)?,
        Err(_) if is_dead(&point) => {
            fuse::detach(&point)?;
            output::say(&format!("the daemon that served {} had died, and its volume with it", path.display()));
        }
        // Somebody else's, whom the kernel will ask.
        Err(_) => fuse::unmount(&point)?,
    }
    Ok(Exit::Done)
}

fn not_there(path: &Path, error: &std::io::Error) -> Failure {
    Failure::no_volume(format!("cannot find {}: {}", path.display(), describe(error)))
}

fn is_dead(point: &Path) -> bool {
    std::fs::symlink_metadata(point).is_err_and(|error| mounts::is_dead(&error))
}

fn unmount(mut volume: Volume, point: &Path) -> Result<()> {
    let is_last = views::all(&mut volume).is_ok_and(|views| views.len() == 1);
    let daemon = Pid::from_raw(volume.pid() as i32).filter(|_| is_last);
    let daemon = daemon.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let endpoint = volume.endpoint();
    // An open directory would keep the mount busy.
    drop(volume);
    fuse::unmount(point)?;
    if let Some(daemon) = daemon {
        wait_for_end(&daemon, &endpoint);
    }
    Ok(())
}

/// Waits for a daemon that has nothing left to serve. One that still listens after a while was told to stay.
fn wait_for_end(daemon: &OwnedFd, endpoint: &Path) {
    if !has_ended(daemon, A_WHILE) && Socket::connect(endpoint).is_err() {
        has_ended(daemon, PATIENCE);
    }
}

fn has_ended(daemon: &OwnedFd, within: Duration) -> bool {
    let timeout = Timespec::try_from(within).expect("invariant: seconds fit");
    poll(&mut [PollFd::new(daemon, PollFlags::IN)], Some(&timeout)).is_ok_and(|ended| ended > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_mount_of_ours_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path().to_owned(), directory.path().join("missing"), "/".into(), "/proc".into()] {
            let failure = run(&UnmountArgs { mount_point: path }).unwrap_err();
            assert_eq!(failure.exit(), Exit::NoVolume);
        }
    }
}
