//! `bough run`: a command in a branch of its own, shown at the base's own path to it and its children only.
//!
//! The process forks. Its child becomes the first process of a room (`room`, `init`): namespaces in which the branch is mounted, all
//! else is read-only, and nothing outside can be named. The parent stays outside (`watch`), hands the mount to the daemon, and
//! settles with the user what becomes of the changes (`settle`).

mod channel;
mod filter;
mod guard;
mod init;
mod outside;
mod plan;
mod room;
mod root;
mod settle;
mod standard;
mod summary;
mod system;
mod tree;
mod watch;

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use bough::control::messages::{FS_CONTROL_CHECKED, FS_CONTROL_CONFINED, fs_control_attach, fs_control_label};
use bough::control::{filled, message};

use crate::args::RunArgs;
use crate::daemon::StateDirectory;
use crate::errors::{Context, Failure, Result};
use crate::home::{Home, trials};
use crate::{accept, attach, refs};

use channel::Channel;
use guard::Guard;
use init::Task;
use outside::Outside;
use plan::{Identity, Plan};
use settle::Found;
use system::{Namespaces, Side, Signals};
use watch::Terminal;

/// A failure of our own; the numbers of env(1) and timeout(1).
pub(crate) const OURS: u8 = 125;
/// The command is there and cannot be run.
const CANNOT_RUN: u8 = 126;
/// There is no such command.
const NOT_FOUND: u8 = 127;

/// Runs a command; answers how to exit.
pub(crate) fn run(args: &RunArgs) -> u8 {
    attempt(args).unwrap_or_else(|failure| {
        failure.report();
        OURS
    })
}

fn attempt(args: &RunArgs) -> Result<u8> {
    standard::check()?;
    trials::check_free(args.branch.as_deref().unwrap_or_default())?;
    let state = StateDirectory::find()?;
    // That may take long. Whoever ends it leaves nothing behind: there is no branch yet, and no volume.
    let before = look_outside(args)?;
    let home = Home::of(&args.base, true)?;
    let plan = Plan::of(args, home.base.clone(), state.path())?;
    accept::warn_of_interrupted(&home.base);
    let mut guard = Guard::of(&plan)?;
    // From when there is a branch, this process answers for what becomes of it.
    let mut signals = Signals::take().context("cannot take signals")?;
    let (branch, grown) = home.branch(args.branch.as_deref())?;
    if !grown && !settle::accepts(args) {
        // That may take long, too, and the branch was there before: whoever ends it leaves nothing behind.
        let _ = signals.before().restore();
        guard.look(&home, &branch)?;
        signals = Signals::take().context("cannot take signals")?;
    }
    let mut terminal = Terminal::find();
    let ended = in_room(args, &home, &branch, &plan, &mut signals, &mut terminal);
    if let Some(terminal) = terminal {
        terminal.take_back();
    }
    let (code, view) = match ended {
        Ok(ended) => ended,
        Err(failure) => {
            // Nothing has happened in it.
            let _ = if grown { home.let_go(&branch) } else { Ok(()) };
            return Err(failure);
        }
    };
    let ended = attach::wait_for_end(&home, view);
    let goes_if_empty = settle::goes_if_empty(args, grown);
    if !goes_if_empty {
        // What differs may be long in telling. A mask that the kernel gave: it takes it back.
        let _ = signals.before().restore();
    }
    let found = ended.and_then(|()| Found::of(&home, &branch, goes_if_empty));
    let _ = signals.before().restore();
    let settled = found.and_then(|found| {
        let outside = before.changes(&Outside::look(&plan.allowed, &plan.base));
        settle::settle(args, &home, found, &guard, &outside, code)
    });
    // What the command has done is not thrown away because it cannot be told now.
    let ended = || format!("the command has ended ({code}); what it changed is in `{branch}`, if the volume lives");
    settled.map_err(|failure| failure.context(ended()))
}

/// How what is outside of the branch is, as far as the command may change that.
fn look_outside(args: &RunArgs) -> Result<Outside> {
    if args.allow.is_empty() {
        return Ok(Outside::default());
    }
    let base = Home::base_of(&args.base)?;
    Ok(Outside::look(&Plan::allowed(args, &base)?, &base))
}

/// Builds the room, has the command work in it until it ends; answers how it did, and which view was its. A failure: it never began.
fn in_room(
    args: &RunArgs,
    home: &Home,
    branch: &str,
    plan: &Plan,
    signals: &mut Signals,
    terminal: &mut Option<Terminal>,
) -> Result<(u8, u64)> {
    let environment = vec![("BOUGH_BRANCH", branch.into()), ("BOUGH_VOLUME", home.volume.clone().into())];
    let task = Task { words: args.command.clone(), environment };
    let (ours, theirs) = Channel::pair()?;
    let namespaces = Namespaces::ROOM.with_users(plan.identity.needs_users).with_network(!plan.network);
    let room = match system::fork_into(namespaces) {
        Err(error) => return Err(no_namespaces(&error, plan.identity.needs_users)),
        Ok(Side::Child) => {
            drop(ours);
            home.hang_up();
            std::process::exit(init::run(plan, &task, theirs, signals).into())
        }
        Ok(Side::Parent(room)) => room,
    };
    drop(theirs);
    if let Some(terminal) = terminal {
        // The room does so, too: whoever is first.
        let _ = rustix::process::setpgid(Some(room), Some(room));
        terminal.give_at_first(room);
    }
    let attached = attach(home, branch, &ours);
    // The room ends when nobody speaks to it.
    let channel = if attached.is_ok() { Some(ours) } else { None };
    let ended = watch::watch(room, channel, signals, terminal);
    if let Some(terminal) = terminal {
        // As long as signals are blocked: who works in the background is stopped for it otherwise.
        terminal.take();
    }
    let view = attached?;
    match ended {
        Ok(code) => Ok((code, view)),
        Err(failure) => {
            let _ = attach::wait_for_end(home, view);
            Err(failure)
        }
    }
}

/// Hands the mount in the room to the daemon; answers the view's id.
fn attach(home: &Home, branch: &str, channel: &Channel) -> Result<u64> {
    let device = channel.hear_descriptor()?;
    let mut request: fs_control_attach = message();
    request.shows = refs::field(branch)?;
    request.label = fs_control_label { bytes: filled(home.base.as_os_str().as_bytes()) };
    request.flags = FS_CONTROL_CONFINED | FS_CONTROL_CHECKED;
    home.connect()?.hand_over(&mut request, device.as_fd())?;
    channel.say_go()?;
    // It may be long until the next question.
    home.hang_up();
    Ok(request.view)
}

/// A mount that stands nowhere: its root, and the descriptor that it is served through.
pub(crate) fn private_mount() -> Result<(OwnedFd, OwnedFd)> {
    let identity = Identity::here();
    if !identity.needs_users {
        let (tree, device) = room::mount_fuse(&identity)?;
        return Ok((tree.into_root(), device));
    }
    let (ours, theirs) = Channel::pair()?;
    let namespaces = Namespaces::MOUNTS.with_users(true);
    let child = match system::fork_into(namespaces).map_err(|error| no_namespaces(&error, true))? {
        Side::Child => {
            let told = mount_privately(&identity, &theirs).or_else(|failure| theirs.say_failed(failure.text()));
            std::process::exit(i32::from(told.is_err()))
        }
        Side::Parent(child) => child,
    };
    drop(theirs);
    let mounted = ours.hear_descriptor().and_then(|root| Ok((root, ours.hear_descriptor()?)));
    let _ = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty());
    mounted
}

fn mount_privately(identity: &Identity, channel: &Channel) -> Result<()> {
    room::become_somebody(identity)?;
    let (tree, device) = room::mount_fuse(identity)?;
    channel.say_descriptor(tree.into_root().as_fd())?;
    channel.say_descriptor(device.as_fd())
}

fn no_namespaces(error: &std::io::Error, needs_users: bool) -> Failure {
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::NOSPC | rustix::io::Errno::USERS) => Failure::system(
            "no more namespaces: raise user.max_user_namespaces and its like (sysctl), or end some runs",
        ),
        Some(rustix::io::Errno::PERM | rustix::io::Errno::INVAL) if needs_users => forbidden("cannot make namespaces"),
        _ => Failure::system(format!("cannot make namespaces: {}", crate::errors::describe(error))),
    }
}

/// The system keeps rooms from whoever is not root; says by which setting, where it can be told.
fn forbidden(what: &str) -> Failure {
    let settings = [
        ("kernel.apparmor_restrict_unprivileged_userns", "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
        ("kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone", "0"),
        ("user.max_user_namespaces", "/proc/sys/user/max_user_namespaces", "0"),
    ];
    let forbids = |path: &str, value: &str| std::fs::read_to_string(path).is_ok_and(|found| found.trim() == value);
    let by = match settings.iter().find(|(_, path, value)| forbids(path, value)) {
        Some((name, _, value)) => format!("{name} is {value}"),
        None => "a container or a security module may be why".to_owned(),
    };
    Failure::system(format!("{what}: this system keeps namespaces from ordinary users ({by}); root may run it"))
}

/// The words of a command as people read them.
fn words_of(command: &[OsString]) -> String {
    command.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
