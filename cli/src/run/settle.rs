//! After the command: what it changed, and what becomes of that.

use std::io::{BufRead, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;

use rustix::termios::{QueueSelector, tcflush};

use super::guard::Guard;
use super::outside::OutsideChange;
use super::{OURS, summary, words_of};
use crate::accept::{self, Wishes};
use crate::args::RunArgs;
use crate::diff::{self, Difference};
use crate::errors::{Exit, Result};
use crate::home::{Home, Known};
use crate::output::{self, printable};

/// What shall become of the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Keep,
    Accept,
    Reject,
    Ask,
}

/// What was asked for; else people are asked and programs keep.
fn fate_of(args: &RunArgs) -> Fate {
    match () {
        _ if args.reject => Fate::Reject,
        _ if args.accept => Fate::Accept,
        _ if args.keep => Fate::Keep,
        _ if args.ask || is_watched() => Fate::Ask,
        _ => Fate::Keep,
    }
}

/// Whether nobody is asked before the branch is accepted.
pub(super) fn accepts(args: &RunArgs) -> bool {
    fate_of(args) == Fate::Accept
}

/// Whether nobody has a use for the branch of a run once it has no changes.
pub(super) fn goes_if_empty(args: &RunArgs, grown: bool) -> bool {
    grown && !args.keep && args.branch.is_none()
}

fn is_watched() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// What the command has left in its branch.
pub(super) struct Found {
    branch: String,
    /// As it was when it was looked at: what others do in it from then on is not decided on unseen.
    known: Result<Known>,
    differences: Vec<Difference>,
    /// Nobody has a use for it, for it had no name and has no changes. It is gone, unless somebody has begun to work in it.
    useless: bool,
}

impl Found {
    /// Looks, and lets go of a branch that is of no use: whoever ends this process from then on leaves none behind.
    pub(super) fn of(home: &Home, branch: &str, goes_if_empty: bool) -> Result<Found> {
        let known = home.quiet(branch);
        let differences = home.own_differences(branch)?;
        let useless = differences.is_empty() && goes_if_empty;
        let known = match useless {
            true => known.and_then(|known| home.reject(&known).map(|()| known)),
            false => known,
        };
        Ok(Found { branch: branch.to_owned(), known, differences, useless })
    }
}

/// Shows what changed and does with it what was asked for; answers how to exit.
pub(super) fn settle(
    args: &RunArgs,
    home: &Home,
    found: Found,
    guard: &Guard,
    outside: &[OutsideChange],
    code: u8,
) -> Result<u8> {
    let Found { branch, known, differences, useless } = found;
    let branch = branch.as_str();
    for change in outside {
        let path = printable(change.path.as_os_str().as_bytes());
        output::say(&format!("outside: {} {path}", change.change.letter()));
    }
    if useless {
        output::say(if outside.is_empty() { "nothing changed" } else { "nothing changed in the branch" });
        return let_go(home, branch, known).map(|()| code);
    }
    let fate = fate_of(args);
    summarize(home, branch, &differences, matches!(fate, Fate::Keep | Fate::Ask));
    let written = guard.changed(&differences);
    if !written.is_empty() && fate != Fate::Reject {
        return Ok(keep_with(home, branch, &written, code));
    }
    match fate {
        Fate::Reject => accept::reject_all(home, &known?, &differences)?,
        Fate::Accept => return accept(home, branch, known, code),
        Fate::Keep => say_kept(home, branch),
        Fate::Ask => return ask(args, home, branch, known, &differences, code),
    }
    Ok(code)
}

/// What was to be read-only is another: that is for people to look at.
fn keep_with(home: &Home, branch: &str, written: &[&Difference], code: u8) -> u8 {
    for difference in written {
        output::say(&format!("read-only, and changed all the same: {}", diff::line_of(difference)));
    }
    say_kept(home, branch);
    if code == 0 { OURS } else { code }
}

/// It has gone, unless somebody has begun to work in it.
fn let_go(home: &Home, branch: &str, known: Result<Known>) -> Result<()> {
    match known {
        Err(failure) if failure.exit() == Exit::Refused => {
            say_kept(home, branch);
            Ok(())
        }
        other => other.map(drop),
    }
}

/// Writes the changes that were shown, and has no more use for the branch. What cannot be written is kept, and an exit says so.
fn accept(home: &Home, branch: &str, known: Result<Known>, code: u8) -> Result<u8> {
    let accepted = known.and_then(|known| {
        let wishes = Wishes { ends: true, ..Wishes::default() };
        accept::accept(home, &known, &wishes)
    });
    match accepted {
        Ok(_) => {
            output::say("accepted");
            Ok(code)
        }
        Err(failure) => {
            failure.report();
            say_kept(home, branch);
            Ok(if code == 0 { OURS } else { code })
        }
    }
}

fn summarize(home: &Home, branch: &str, differences: &[Difference], stays: bool) {
    let (lines, left_out) = summary::lines(differences, stays);
    lines.iter().for_each(|line| output::say(line));
    match (left_out, stays) {
        (0, _) => {}
        (_, true) => output::say(&format!("and {left_out} more: `{}` shows all", home.diff_of(branch))),
        (_, false) => output::say(&format!("and {left_out} more")),
    }
    output::say(&diff::Counts::of(differences).words());
}

fn say_kept(home: &Home, branch: &str) {
    output::say(&format!("kept as the branch `{branch}` of the volume {}", home.volume));
}

/// What was typed before there was a question is no answer to it.
fn forget_keys() {
    // Where it is no terminal, nothing was typed.
    let _ = tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
}

fn ask(
    args: &RunArgs,
    home: &Home,
    branch: &str,
    known: Result<Known>,
    differences: &[Difference],
    code: u8,
) -> Result<u8> {
    forget_keys();
    let mut answers = std::io::stdin().lock();
    loop {
        let mut talk = std::io::stderr();
        let _ = write!(talk, "{}: [a]ccept, [k]eep, [r]eject, [d]iff? ", words_of(&args.command));
        let _ = talk.flush();
        let mut line = String::new();
        // Whoever has gone has rejected nothing.
        let heard = answers.read_line(&mut line).unwrap_or(0);
        match line.trim() {
            "a" | "accept" => return accept(home, branch, known, code),
            "r" | "reject" => return accept::reject_all(home, &known?, differences).map(|()| code),
            "d" | "diff" => differences.iter().for_each(|difference| output::say(&diff::line_of(difference))),
            answer if heard == 0 || matches!(answer, "k" | "keep") => {
                say_kept(home, branch);
                return Ok(code);
            }
            other => output::say(&format!("`{}` is none of them", printable(other.as_bytes()))),
        }
    }
}
