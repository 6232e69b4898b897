//! The command `bough`: mounts volumes and talks to the daemons that serve them.
//!
//! Owns the command line, what is printed, and mounting. What a volume does is left to its daemon and to core; the
//! messages between them are core's (`bough::control`). One file per noun; `wire` is the only place with `unsafe`.

#![deny(unsafe_code)]

mod args;
mod branch;
mod check;
mod daemon;
mod diff;
mod docs;
mod errors;
mod flush;
mod fuse;
mod helper;
mod holdings;
mod list;
mod log;
mod mount;
mod mount_point;
mod mounts;
mod options;
mod output;
mod refs;
mod size;
mod snapshot;
mod stats;
mod status;
mod tree;
mod unmount;
mod views;
mod volume;
mod wire;

use std::process::ExitCode;

use args::{Cli, Debug, Verb};
use clap::Parser as _;
use errors::{Exit, Result};

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    if helper::is_called_as(words.next().as_deref()) {
        return helper::run(words);
    }
    let exit = run(Cli::parse()).unwrap_or_else(|failure| failure.report());
    ExitCode::from(exit as u8)
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
