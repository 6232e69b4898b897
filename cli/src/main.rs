//! The command `bough`: mounts volumes and talks to the daemons that serve them.
//!
//! Owns the command line, what is printed, and mounting. What a volume does is left to its daemon and to core; the
//! messages between them are core's (`bough::control`). One file per noun; `unsafe` is in `wire/ioctl.rs` and `run/system.rs` only.

#![deny(unsafe_code)]

mod accept;
mod args;
mod attach;
mod branch;
mod check;
mod chronicle;
mod daemon;
mod diff;
mod docs;
mod errors;
mod flush;
mod fuse;
mod helper;
mod holdings;
mod home;
mod list;
mod log;
mod mount;
mod mount_point;
mod mounts;
mod options;
mod output;
mod refs;
mod run;
mod size;
mod snapshot;
mod stats;
mod status;
mod tree;
mod unmount;
mod views;
mod volume;
mod wire;

use std::path::Path;
use std::process::ExitCode;

use args::{Cli, Debug, RunArgs, Verb};
use clap::Parser as _;
use errors::{Exit, Result};

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if helper::is_called_as(words.next().as_deref()) {
        return helper::run(words);
    }
    match Cli::try_parse() {
        Ok(Cli { verb: Verb::Run(args), directory }) => ExitCode::from(run_command(&args, directory.as_deref())),
        Ok(cli) => ExitCode::from(run(cli).unwrap_or_else(|failure| failure.report()) as u8),
        Err(error) => wrong_usage(&error),
    }
}

fn run_command(args: &RunArgs, directory: Option<&Path>) -> u8 {
    match directory.map_or(Ok(()), volume::enter) {
        Ok(()) => run::run(args),
        Err(failure) => {
            failure.report();
            run::OURS
        }
    }
}

/// Of `run` it is told apart from what its command answers.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    let of_run = std::env::args_os().skip(1).find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    let _ = error.print();
    match error.use_stderr() && of_run.is_some_and(|word| word == "run") {
        true => ExitCode::from(run::OURS),
        false => ExitCode::from(error.exit_code() as u8),
    }
}

fn run(cli: Cli) -> Result<Exit> {
    if let Some(directory) = &cli.directory {
        volume::enter(directory)?;
    }
    match cli.verb {
        Verb::Mount(args) => mount::run(args),
        Verb::Unmount(args) => unmount::run(&args),
        Verb::Snapshot(verb) => snapshot::run(verb),
        Verb::Branch(verb) => branch::run(verb),
        Verb::Accept(args) => accept::run(&args),
        Verb::Reject(args) => accept::reject(&args),
        Verb::Run(_) => unreachable!("invariant: `main` has taken it"),
        Verb::Diff(args) => diff::run(&args),
        Verb::Log(format) => log::run(&format),
        Verb::Status(format) => status::run(&format),
        Verb::List(format) => list::run(&format),
        Verb::Stats(args) => stats::run(&args),
        Verb::Completions { shell } => docs::completions(shell),
        Verb::Debug(Debug::Check(args)) => check::run(&args),
        Verb::Debug(Debug::Docs { form, into }) => docs::write(form, &into),
        Verb::MountHelper { words } => helper::mount(words),
    }
}
