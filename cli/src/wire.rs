//! How control messages travel: by ioctl on an open file of a mount, or over the socket of the daemon. The messages
//! themselves are core's.

mod ioctl;
mod socket;

pub(crate) use socket::Socket;

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use bough::control::messages::{fs_control_header, fs_control_info};
use bough::control::{Message, message, text_of};
use rustix::io::Errno;

use crate::errors::{Failure, Result, describe};

/// Where control messages go.
pub(crate) trait Channel {
    /// Sends a message and takes the answer in its place. What the volume refuses is a failure.
    fn ask<M: Message>(&mut self, message: &mut M) -> Result<()>;
}

/// An open directory of a mount.
#[derive(Debug)]
pub(crate) struct Directory(pub(crate) OwnedFd);

impl Directory {
    /// Sends a message; the error is that of the ioctl.
    pub(crate) fn send<M: Message>(&self, message: &mut M) -> rustix::io::Result<()> {
        ioctl::control(self.0.as_fd(), message)
    }

    /// Whether the daemon behind it has died. What the kernel keeps of a mount can still be looked at then, so only a message
    /// tells.
    pub(crate) fn is_dead(&self) -> bool {
        self.send(&mut message::<fs_control_info>()).is_err_and(is_death)
    }
}

impl Channel for Directory {
    fn ask<M: Message>(&mut self, message: &mut M) -> Result<()> {
        self.send(message).map_err(failure_of)?;
        answer(message.header())
    }
}

/// Whether an error says that the daemon has died.
pub(crate) fn is_death(error: Errno) -> bool {
    matches!(error, Errno::NOTCONN | Errno::CONNABORTED)
}

/// What stands in the header of an answer.
fn answer(header: &fs_control_header) -> Result<()> {
    match header.result {
        0 => Ok(()),
        code => Err(Failure::answered(code, text_of(&header.text))),
    }
}

/// What an error of the ioctl means.
pub(crate) fn failure_of(error: Errno) -> Failure {
    match error {
        Errno::NOTTY | Errno::NOSYS | Errno::OPNOTSUPP => {
            Failure::no_volume("not on a bough volume: `bough list` shows where volumes are mounted")
        }
        _ if is_death(error) => {
            Failure::no_volume("the daemon of this mount has died: `bough unmount` it, or `bough mount` over it")
        }
        Errno::PERM | Errno::ACCESS => Failure::system("only the owner of the volume or root may do that"),
        Errno::INVAL => {
            Failure::no_volume("its daemon is of another version of bough: use the command of that version")
        }
        _ => Failure::system(format!("the volume does not answer: {}", describe(&io::Error::from(error)))),
    }
}
