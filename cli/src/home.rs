//! The volume in which runs over a directory have their branches: the one that is mounted there.

use std::path::{Path, PathBuf};

use bough::control::message;
use bough::control::messages::{fs_control_branch, fs_control_delete};
use bough::error::tables::ResultCode;

use crate::errors::{Context, Failure, Result, describe};
use crate::flush::flush;
use crate::refs::{self, Kind, Subject};
use crate::volume::Volume;
use crate::wire::{Channel, Socket};

/// How branches are called that nobody named; a number follows.
const RUN: &str = "run-";

/// Where runs over a directory have their branches.
#[derive(Debug)]
pub(crate) struct Home {
    /// The volume's name.
    pub(crate) volume: String,
    /// The socket of its daemon.
    endpoint: PathBuf,
    /// Where branches are shown: the path of the base.
    pub(crate) base: PathBuf,
    /// What branches grow from, and are compared with.
    pub(crate) trunk: String,
}

impl Home {
    /// The volume that `directory` lies on.
    pub(crate) fn of(directory: &Path) -> Result<Home> {
        let found = directory.canonicalize();
        let directory = found
            .map_err(|error| Failure::refused(format!("the base {}: {}", directory.display(), describe(&error))))?;
        if !directory.is_dir() {
            return Err(Failure::refused(format!("the base {} is not a directory", directory.display())));
        }
        Home::mounted(&directory)
    }

    fn mounted(directory: &Path) -> Result<Home> {
        let mut volume = Volume::at(directory)?;
        if volume.shows_id().1 == Kind::Snapshot {
            let shows = volume.shows();
            return Err(Failure::refused(format!("`{shows}` is a snapshot: give a branch to grow from, mounted")));
        }
        let trunk = volume.shows();
        flush(&mut volume, &[&trunk])?;
        Ok(Home { volume: volume.name(), endpoint: volume.endpoint(), base: volume.mount_point(), trunk })
    }

    /// Speaks with the daemon.
    pub(crate) fn connect(&self) -> Result<Socket> {
        let connected = Socket::connect(&self.endpoint);
        connected.context(format_args!("cannot reach the daemon at {}", self.endpoint.display()))
    }

    /// The branch of this name, grown if there is none; answers whether it was. Without a name a new one with the next number.
    pub(crate) fn branch(&self, name: Option<&str>) -> Result<(String, bool)> {
        let mut socket = self.connect()?;
        match name {
            Some(name) => self.named(&mut socket, name),
            None => self.numbered(&mut socket).map(|name| (name, true)),
        }
    }

    fn named(&self, socket: &mut Socket, name: &str) -> Result<(String, bool)> {
        match self.grow(socket, name) {
            Ok(()) => Ok((name.to_owned(), true)),
            Err(failure) if failure.code() == Some(ResultCode::RefExists) => {
                let all = refs::all(socket)?;
                match all.iter().find(|found| found.name == name).map(|found| found.kind) {
                    Some(Kind::Branch) if name != self.trunk => Ok((name.to_owned(), false)),
                    Some(Kind::Branch) => Err(Failure::refused(format!("`{name}` is what the branches grow from"))),
                    _ => Err(Failure::refused(format!("`{name}` is a snapshot: a command works in a branch"))),
                }
            }
            Err(failure) => Err(refs::explain(socket, &Subject { existing: &[], new: Some(name) }, failure)),
        }
    }

    fn numbered(&self, socket: &mut Socket) -> Result<String> {
        let taken = refs::all(socket)?;
        let numbers = taken.iter().filter_map(|found| found.name.strip_prefix(RUN)?.parse::<u64>().ok());
        let mut number = numbers.max().unwrap_or(0);
        loop {
            number += 1;
            let name = format!("{RUN}{number}");
            match self.grow(socket, &name) {
                Ok(()) => return Ok(name),
                // Another run was faster.
                Err(failure) if failure.code() == Some(ResultCode::RefExists) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    fn grow(&self, socket: &mut Socket, name: &str) -> Result<()> {
        let mut branch: fs_control_branch = message();
        branch.name = refs::field(name)?;
        branch.from = refs::field(&self.trunk)?;
        socket.ask(&mut branch)
    }

    /// Forgets a branch and all that was changed in it.
    pub(crate) fn reject(&self, name: &str) -> Result<()> {
        let mut delete: fs_control_delete = message();
        delete.name = refs::field(name)?;
        delete.kind = bough::control::messages::FS_REF_BRANCH;
        self.connect()?.ask(&mut delete)
    }
}
