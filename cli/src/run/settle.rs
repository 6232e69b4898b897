//! After the command: what it changed, and what becomes of that.

use std::io::{BufRead, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;

use super::outside::OutsideChange;
use super::{OURS, words_of};
use crate::accept::{self, Wishes};
use crate::args::RunArgs;
use crate::diff::{self, Difference};
use crate::errors::Result;
use crate::home::Home;
use crate::output::{self, printable};

/// Most lines of a summary; whoever wants them all asks for the diff.
const LINES: usize = 40;

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

fn is_watched() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Shows what changed and does with it what was asked for; answers how to exit.
pub(super) fn settle(
    args: &RunArgs,
    home: &Home,
    branch: &str,
    grown: bool,
    outside: &[OutsideChange],
    code: u8,
) -> Result<u8> {
    let differences = home.differences(branch, None)?;
    for change in outside {
        let path = printable(change.path.as_os_str().as_bytes());
        output::say(&format!("outside: {} {path}", change.change.letter()));
    }
    if differences.is_empty() && grown && !args.keep && args.branch.is_none() {
        output::say("nothing changed");
        home.reject(branch)?;
        return Ok(code);
    }
    summarize(&differences);
    match fate_of(args) {
        Fate::Reject => accept::reject_all(home, branch, &differences)?,
        Fate::Accept => return accept(home, branch, code),
        Fate::Keep => say_kept(home, branch),
        Fate::Ask => return ask(args, home, branch, &differences, code),
    }
    Ok(code)
}

/// Writes the changes, and has no more use for the branch. What cannot be written is kept, and an exit says so.
fn accept(home: &Home, branch: &str, code: u8) -> Result<u8> {
    match accept::accept(home, branch, &Wishes { ends: true, ..Wishes::default() }) {
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

fn summarize(differences: &[Difference]) {
    for difference in differences.iter().take(LINES) {
        output::say(&diff::line_of(difference));
    }
    if differences.len() > LINES {
        output::say(&format!("and {} more", differences.len() - LINES));
    }
    output::say(&diff::Counts::of(differences).words());
}

fn say_kept(home: &Home, branch: &str) {
    output::say(&format!("kept as the branch `{branch}` of the volume {}", home.volume));
}

fn ask(args: &RunArgs, home: &Home, branch: &str, differences: &[Difference], code: u8) -> Result<u8> {
    let mut answers = std::io::stdin().lock();
    loop {
        let mut talk = std::io::stderr();
        let _ = write!(talk, "{}: [a]ccept, [k]eep, [r]eject, [d]iff? ", words_of(&args.command));
        let _ = talk.flush();
        let mut line = String::new();
        // Whoever has gone has rejected nothing.
        let heard = answers.read_line(&mut line).unwrap_or(0);
        match line.trim() {
            "a" | "accept" => return accept(home, branch, code),
            "r" | "reject" => return accept::reject_all(home, branch, differences).map(|()| code),
            "d" | "diff" => differences.iter().for_each(|difference| output::say(&diff::line_of(difference))),
            answer if heard == 0 || matches!(answer, "k" | "keep") => {
                say_kept(home, branch);
                return Ok(code);
            }
            other => output::say(&format!("`{}` is none of them", printable(other.as_bytes()))),
        }
    }
}
