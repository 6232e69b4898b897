//! The half of a run that stays outside: hands the branch's mount to the daemon, passes signals on, stops when the command is
//! stopped, and knows how it ended.
//!
//! At a terminal the room is a process group of its own, so that what the command sends to its group stays in the room. To whoever
//! sits at the terminal it looks like one group with ours: what keys send to the one is passed on to the other, and the room has the
//! terminal as its foreground when we have it and it needs it.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_current_process_group, kill_process_group, waitpid};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetpgrp, tcsetattr, tcsetpgrp};

use super::channel::{Channel, Word};
use super::init::code_of;
use super::system::{self, Signals};
use crate::errors::{Failure, Result};

/// What a terminal sends to the group that works at it.
const OF_TERMINALS: [Signal; 5] = [Signal::INT, Signal::QUIT, Signal::TSTP, Signal::HUP, Signal::WINCH];
/// Those of them that are meant for the whole job. (Being stopped is told otherwise, once the command is.)
pub(super) const OF_JOBS: [Signal; 2] = [Signal::INT, Signal::QUIT];
/// What stops a group that works at a terminal which another one has.
const OF_OTHERS: [Signal; 2] = [Signal::TTIN, Signal::TTOU];

/// The terminal that this process belongs to.
pub(super) struct Terminal {
    file: File,
    group: Pid,
    /// As it was before, if it was ours.
    modes: Option<Termios>,
    /// The group of the room, while it has the terminal.
    given: Option<Pid>,
}

impl Terminal {
    pub(super) fn find() -> Option<Terminal> {
        let file = File::options().read(true).write(true).open("/dev/tty").ok()?;
        let mut terminal = Terminal { file, group: rustix::process::getpgrp(), modes: None, given: None };
        terminal.modes = terminal.is_ours().then(|| tcgetattr(&terminal.file).ok()).flatten();
        Some(terminal)
    }

    /// Whether keys go to our group.
    fn is_ours(&self) -> bool {
        tcgetpgrp(&self.file).is_ok_and(|group| group == self.group)
    }

    /// Lets the room work at it. One that reads or shows by a pipe is not alone at it: it gets it when it asks.
    pub(super) fn give_at_first(&mut self, room: Pid) {
        if isatty(rustix::stdio::stdin()) && isatty(rustix::stdio::stdout()) {
            self.give(room);
        }
    }

    /// False when it is not ours to give.
    fn give(&mut self, room: Pid) -> bool {
        let given = self.is_ours() && tcsetpgrp(&self.file, room).is_ok();
        self.given = if given { Some(room) } else { self.given };
        given
    }

    /// Takes it from the room; answers whether that had it.
    pub(super) fn take(&mut self) -> bool {
        let had = self.given.take().is_some();
        if had {
            let _ = tcsetpgrp(&self.file, self.group);
        }
        had
    }

    /// Has it as it was before, whatever the command left of it.
    pub(super) fn take_back(&self) {
        if let (true, Some(modes)) = (self.is_ours(), &self.modes) {
            let _ = tcsetattr(&self.file, OptionalActions::Drain, modes);
        }
    }
}

/// Until the room has ended; answers how.
pub(super) fn watch(
    room: Pid,
    mut channel: Option<Channel>,
    signals: &mut Signals,
    terminal: &mut Option<Terminal>,
) -> Result<u8> {
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
                    react(&word, room, terminal);
                    channel = Some(open);
                }
                // It has ended, or is about to.
                Ok(None) | Err(_) => {}
            }
        }
        if let Some(code) = take_signals(room, signals, channel.as_ref(), terminal) {
            return said.map_or(Ok(code), Err);
        }
    }
}

fn react(word: &Word, room: Pid, terminal: &mut Option<Terminal>) {
    let Some(terminal) = terminal else { return };
    match word {
        Word::Stopped(signal) if OF_OTHERS.contains(signal) && terminal.give(room) => go_on(room),
        Word::Stopped(signal) => pause(room, terminal, *signal),
        Word::Keys(signal) => {
            let _ = kill_current_process_group(*signal);
        }
        _ => {}
    }
}

/// The command was stopped: so is this process with all of its job, and whoever waits for it learns of it. Going on, all do.
fn pause(room: Pid, terminal: &mut Terminal, by: Signal) {
    let had_terminal = terminal.take();
    let _ = kill_current_process_group(Signal::TSTP);
    // For us that one is blocked. By the key nobody is stopped whom nobody would have go on: the kernel sees to that.
    if by == Signal::TSTP {
        system::let_stop()
    } else {
        system::stop_self()
    }
    if had_terminal {
        terminal.give(room);
    }
    go_on(room);
}

fn go_on(room: Pid) {
    let _ = kill_process_group(room, Signal::CONT);
}

/// The terminal has told our group something.
fn hear_terminal(signal: i32, channel: Option<&Channel>, terminal: Option<&mut Terminal>) {
    let is_it = |known: &Signal| known.as_raw() == signal;
    match terminal {
        Some(terminal) if OF_OTHERS.iter().any(is_it) => take_for_others(terminal),
        // A key was pressed, or the terminal has changed or gone: the room's group has to hear of it, too.
        _ => {
            if let (Some(signal), Some(channel)) = (OF_TERMINALS.into_iter().find(is_it), channel) {
                let _ = channel.say_keys(signal);
            }
        }
    }
}

/// Somebody else of our job has asked for the terminal while the room had it, and the kernel has stopped all of the job for that but us.
fn take_for_others(terminal: &mut Terminal) {
    if terminal.take() || terminal.is_ours() {
        let _ = kill_current_process_group(Signal::CONT);
    }
}

fn take_signals(
    room: Pid,
    signals: &mut Signals,
    channel: Option<&Channel>,
    terminal: &mut Option<Terminal>,
) -> Option<u8> {
    while let Some(arrived) = signals.next() {
        if arrived.signal == Signal::CHILD.as_raw() {
            if let Ok(Some((_, status))) = waitpid(Some(room), WaitOptions::NOHANG) {
                return Some(code_of(ExitStatus::from_raw(status.as_raw())));
            }
        } else if arrived.by_kernel {
            hear_terminal(arrived.signal, channel, terminal.as_mut());
        } else if !arrived.by_self {
            system::send(room, arrived.signal);
        }
    }
    None
}
