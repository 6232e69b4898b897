//! A branch to work with that nobody else sees: a mount that stands nowhere, reached by its descriptor.
//!
//! Root makes it in this process. Everybody else has a child make it in namespaces of users and mounts, which ends at once; the mount
//! lives as long as its descriptor.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use bough::control::messages::{FS_CONTROL_CHECKED, FS_CONTROL_CONFINED, FS_CONTROL_READ_ONLY, fs_control_attach};
use bough::control::{filled, message};

use crate::accept::place::Place;
use crate::errors::{Failure, Result};
use crate::home::Home;
use crate::run::private_mount;
use crate::{refs, views};

/// How long a daemon is waited for that has yet to learn that a mount has ended.
const PATIENCE: Duration = Duration::from_secs(10);

/// Mostly it is about to end.
const FIRST_PAUSE: Duration = Duration::from_micros(30);
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// What the view is called in listings.
const LABEL: &str = "(bough)";

/// A branch, reached.
#[derive(Debug)]
pub(crate) struct Attached<'a> {
    home: &'a Home,
    view: u64,
    place: Place,
    /// Keeps it.
    mount: OwnedFd,
}

impl<'a> Attached<'a> {
    pub(crate) fn to(home: &'a Home, branch: &str, read_only: bool) -> Result<Attached<'a>> {
        let (mount, device) = private_mount()?;
        let mut request: fs_control_attach = message();
        request.shows = refs::field(branch)?;
        request.label.bytes = filled(LABEL.as_bytes());
        request.flags = FS_CONTROL_CONFINED | FS_CONTROL_CHECKED | if read_only { FS_CONTROL_READ_ONLY } else { 0 };
        home.connect()?.hand_over(&mut request, device.as_fd())?;
        drop(device);
        Ok(Attached { home, view: request.view, place: Place::below(&mount, branch)?, mount })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Ends it, and waits until the volume has all that was written.
    pub(crate) fn end(self) -> Result<()> {
        let Attached { home, view, place, mount } = self;
        drop((place, mount));
        wait_for_end(home, view)
    }
}

/// Until a view has ended: what the kernel held back is in the volume then.
pub(crate) fn wait_for_end(home: &Home, view: u64) -> Result<()> {
    let begun = Instant::now();
    let mut socket = home.connect()?;
    let mut pause = FIRST_PAUSE;
    while views::all(&mut socket)?.iter().any(|found| found.view == view) {
        if begun.elapsed() > PATIENCE {
            return Err(Failure::system("the branch's mount does not end: its changes may be incomplete"));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    Ok(())
}
