//! The first process of the room: gives up what it may, starts the command, reaps whoever is left to it, passes signals on, and
//! ends as the command did. With it ends everything in the room.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, kill_current_process_group, set_dumpable_behavior,
    set_parent_process_death_signal, waitpid,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::channel::{Channel, Word};
use super::filter;
use super::plan::Plan;
use super::system::{self, Mask, Signals};
use super::watch::OF_JOBS;
use super::{CANNOT_RUN, NOT_FOUND, OURS, room};
use crate::errors::{Context, Failure, Result, describe};
use crate::output;

/// What root may still do in a room: what building and installing take, and nothing that reaches beyond files and users.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT);

/// What the command is, and what it is told.
pub(super) struct Task {
    pub(super) words: Vec<OsString>,
    pub(super) environment: Vec<(&'static str, OsString)>,
}

/// Runs the room from its beginning to its end; answers how to exit.
pub(super) fn run(plan: &Plan, task: &Task, channel: Channel, signals: &mut Signals) -> u8 {
    match begin(plan, task, &channel, signals.before()) {
        Ok(command) => live(command, &channel, signals),
        Err(NotBegun::Command(code)) => code,
        Err(NotBegun::Room(failure)) => {
            let _ = channel.say_failed(failure.text());
            OURS
        }
    }
}

enum NotBegun {
    /// There is no room; the other half says why.
    Room(Failure),
    /// There is no such command; that was said.
    Command(u8),
}

impl From<Failure> for NotBegun {
    fn from(failure: Failure) -> NotBegun {
        NotBegun::Room(failure)
    }
}

fn begin(plan: &Plan, task: &Task, channel: &Channel, mask: Mask) -> std::result::Result<Pid, NotBegun> {
    // What the command sends to its whole process group is not to reach anybody outside.
    match plan.terminal {
        true => rustix::process::setpgid(None, None).context("cannot begin a process group")?,
        false => drop(rustix::process::setsid().context("cannot begin a session")?),
    }
    room::build(plan, channel)?;
    if !plan.network {
        filter::begin_loopback()?;
    }
    give_up_privileges(plan)?;
    // Whoever holds the other end is our parent: if he is gone already, nobody would tell us.
    set_parent_process_death_signal(Some(Signal::KILL)).context("cannot tie this run to its parent")?;
    if gone(channel) {
        return Err(NotBegun::Command(OURS));
    }
    start(task, mask)
}

fn gone(channel: &Channel) -> bool {
    let mut files = [PollFd::from_borrowed_fd(channel.file(), PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut files, Some(&now)).is_ok() && files[0].revents().contains(PollFlags::HUP)
}

/// From here on neither this process nor the command can change the room. Nobody may look into this process either.
fn give_up_privileges(plan: &Plan) -> Result<()> {
    let what = "cannot give up privileges";
    set_no_new_privs(true).context(what)?;
    let kept = if plan.identity.user == 0 { KEPT } else { CapabilitySet::empty() };
    for capability in CapabilitySet::all().iter().take_while(|capability| capability.bits() < 1 << 41) {
        if !kept.contains(capability) {
            match remove_capability_from_bounding_set(capability) {
                // One that this kernel does not know.
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(errno) => return Err(errno).context(what),
            }
        }
    }
    let now = rustix::thread::capabilities(None).context(what)?;
    let kept = now.permitted & kept;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    rustix::thread::clear_ambient_capability_set().context(what)?;
    set_capabilities(None, sets).context(what)?;
    filter::apply(plan.network)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).context(what)
}

fn start(task: &Task, mask: Mask) -> std::result::Result<Pid, NotBegun> {
    let (program, arguments) = task.words.split_first().expect("invariant: a command has a name");
    let mut command = Command::new(program);
    command.args(arguments).envs(task.environment.iter().map(|(name, value)| (name, value)));
    command.env_remove("BOUGH_STATE_DIR");
    // Whatever was open before, by whom ever: the command gets its standard files and nothing else.
    system::before_exec(&mut command, move || {
        system::close_on_exec_from(3)?;
        mask.restore()
    });
    match command.spawn() {
        Ok(child) => Ok(Pid::from_raw(child.id() as i32).expect("invariant: a child has a number")),
        Err(error) => {
            let missing = error.kind() == std::io::ErrorKind::NotFound;
            let hint = if missing { hint_for(program) } else { "" };
            output::say(&format!("cannot run {}: {}{hint}", program.display(), describe(&error)));
            Err(NotBegun::Command(if missing { NOT_FOUND } else { CANNOT_RUN }))
        }
    }
}

/// What lies in a place of the run's own is not seen in the room.
fn hint_for(program: &OsString) -> &'static str {
    let path = std::path::Path::new(program);
    match room::is_own_place(path) {
        true => " (/tmp, /var/tmp and /run are the run's own: give --read-only PATH to show what is there outside)",
        false => "",
    }
}

/// Until the command has ended.
fn live(command: Pid, channel: &Channel, signals: &mut Signals) -> u8 {
    let mut speaks = true;
    loop {
        let mut files = vec![PollFd::new(signals.file(), PollFlags::IN)];
        if speaks {
            files.push(PollFd::from_borrowed_fd(channel.file(), PollFlags::IN));
        }
        let _ = poll(&mut files, None);
        if files.get(1).is_some_and(|file| !file.revents().is_empty()) {
            speaks = hear(channel);
        }
        if let Some(code) = take_signals(command, channel, signals) {
            return code;
        }
    }
}

/// What keys have sent to those outside is meant for this group, too. False when nobody is there any more.
fn hear(channel: &Channel) -> bool {
    match channel.hear() {
        Ok(Some(Word::Keys(signal))) => {
            let _ = kill_current_process_group(signal);
            true
        }
        Ok(Some(_)) => true,
        Ok(None) | Err(_) => false,
    }
}

fn take_signals(command: Pid, channel: &Channel, signals: &mut Signals) -> Option<u8> {
    while let Some(arrived) = signals.next() {
        let of_job = OF_JOBS.into_iter().find(|signal| signal.as_raw() == arrived.signal);
        match (arrived.by_kernel, of_job) {
            _ if arrived.signal == Signal::CHILD.as_raw() => {
                if let Some(code) = reap(command, channel) {
                    return Some(code);
                }
            }
            (true, Some(signal)) => drop(channel.say_keys(signal)),
            // Whoever is in the room and means the command has told it himself.
            (false, _) if arrived.from_outside => system::send(command, arrived.signal),
            _ => {}
        }
    }
    None
}

/// Takes in everybody who has ended; the answer is how the command did.
fn reap(command: Pid, channel: &Channel) -> Option<u8> {
    let mut code = None;
    while let Ok(Some((pid, status))) = waitpid(None, WaitOptions::NOHANG | WaitOptions::UNTRACED) {
        let by = status.stopping_signal().and_then(Signal::from_named_raw);
        if let (true, Some(by)) = (pid == command, by) {
            let _ = channel.say_stopped(by);
        } else if pid == command && !status.stopped() {
            code = Some(code_of(ExitStatus::from_raw(status.as_raw())));
        }
    }
    code
}

/// As shells have it: the code, or 128 and the number of the signal.
pub(super) fn code_of(status: ExitStatus) -> u8 {
    let signal = status.signal().map(|signal| 128 + signal);
    status.code().or(signal).map_or(OURS, |code| code as u8)
}
