//! `bough unmount`.

use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::args::UnmountArgs;
use crate::errors::{Exit, Failure, Result, describe};
use crate::volume::Volume;
use crate::{fuse, mounts, output, views};

/// How long a daemon that has lost its last mount point is waited for, so that its name is free when the command returns.
const PATIENCE: Duration = Duration::from_secs(2);

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
    // An open directory would keep the mount busy.
    drop(volume);
    fuse::unmount(point)?;
    if let Some(daemon) = daemon {
        let timeout = Timespec::try_from(PATIENCE).expect("invariant: two seconds fit");
        let _ = poll(&mut [PollFd::new(&daemon, PollFlags::IN)], Some(&timeout));
    }
    Ok(())
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
