//! The half of a run that stays outside: hands the branch's mount to the daemon, passes signals on, stops when the command is
//! stopped, and knows how it ended.

use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, waitpid};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};

use super::channel::{Channel, Word};
use super::init::code_of;
use super::system::{self, Signals};
use crate::errors::{Failure, Result};

/// The terminal as it was before the command had it.
pub(super) struct Terminal {
    modes: Termios,
    group: Pid,
}

impl Terminal {
    /// `None` when standard input is none, or somebody else works at it now.
    pub(super) fn find() -> Option<Terminal> {
        let input = rustix::stdio::stdin();
        let group = tcgetpgrp(input).ok().filter(|group| *group == rustix::process::getpgrp())?;
        Some(Terminal { modes: tcgetattr(input).ok()?, group })
    }

    /// Takes it back from whatever the command left of it.
    pub(super) fn take_back(&self) {
        let input = rustix::stdio::stdin();
        if isatty(input) {
            let _ = tcsetpgrp(input, self.group);
            let _ = tcsetattr(input, OptionalActions::Drain, &self.modes);
        }
    }
}

/// Until the room has ended; answers how.
pub(super) fn watch(room: Pid, mut channel: Option<Channel>, signals: &mut Signals) -> Result<u8> {
    let mut said = None;
    loop {
        let mut files = vec![PollFd::from_borrowed_fd(signals.file().as_fd(), PollFlags::IN)];
        files.extend(channel.as_ref().map(|channel| PollFd::from_borrowed_fd(channel.file(), PollFlags::IN)));
        let _ = poll(&mut files, None);
        let speaks = files.get(1).is_some_and(|file| !file.revents().is_empty());
        if let Some(open) = channel.take_if(|_| speaks) {
            match open.hear() {
                Ok(Some(Word::Failed(text))) => said = Some(Failure::system(text)),
                Ok(Some(word)) => {
                    if matches!(word, Word::Stopped) {
                        pause(room);
                    }
                    channel = Some(open);
                }
                // It has ended, or is about to.
                Ok(None) | Err(_) => {}
            }
        }
        if let Some(code) = take_signals(room, signals) {
            return said.map_or(Ok(code), Err);
        }
    }
}

/// The command was stopped: so is this process, and whoever waits for it learns of it. Going on, both do.
fn pause(room: Pid) {
    if std::fs::File::open("/dev/tty").is_ok() {
        system::stop_self();
        system::send(room, Signal::CONT.as_raw());
    }
}

fn take_signals(room: Pid, signals: &mut Signals) -> Option<u8> {
    while let Some(arrived) = signals.next() {
        if arrived.signal == Signal::CHILD.as_raw() {
            if let Ok(Some((_, status))) = waitpid(Some(room), WaitOptions::NOHANG) {
                return Some(code_of(ExitStatus::from_raw(status.as_raw())));
            }
        } else if !arrived.by_kernel {
            // What the kernel sends goes to the whole process group, and so to the command.
            system::send(room, arrived.signal);
        }
    }
    None
}
