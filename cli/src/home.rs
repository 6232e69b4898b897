//! The volume in which runs over a directory have their branches: the one that is mounted there.

use std::path::{Path, PathBuf};

use bough::control::message;
use bough::control::messages::{FS_REF_BRANCH, fs_control_branch, fs_control_delete, fs_control_rename};
use bough::error::tables::ResultCode;

use crate::accept::place::Place;
use crate::accept::{self, AcceptChange, ChangeKind, ChangeOrigin};
use crate::diff::Difference;
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

    pub(crate) fn grow(&self, socket: &mut Socket, name: &str) -> Result<()> {
        let mut branch: fs_control_branch = message();
        branch.name = refs::field(name)?;
        branch.from = refs::field(&self.trunk)?;
        socket.ask(&mut branch)
    }

    /// The branch that is meant when none is named: the only one.
    pub(crate) fn chosen(&self, name: Option<&str>) -> Result<String> {
        let all = refs::all(&mut self.connect()?)?;
        let branches = || all.iter().filter(|found| found.kind == Kind::Branch && found.name != self.trunk);
        if let Some(name) = name {
            let found = branches().any(|found| found.name == name);
            return found.then(|| name.to_owned()).ok_or_else(|| {
                Failure::refused(format!(
                    "there is no branch `{name}` of {}: `bough list` shows them",
                    self.base.display()
                ))
            });
        }
        let names: Vec<&str> = branches().map(|found| found.name.as_str()).collect();
        match names.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err(Failure::refused(format!("there is no branch of {}", self.base.display()))),
            many => Err(Failure::refused(format!("which branch? --branch NAME, one of {}", many.join(", ")))),
        }
    }

    /// The differences as changes that can be written to `target`. What `target` has changed itself, and the branch has not, is left out.
    pub(crate) fn changes(
        &self,
        branch: &str,
        differences: Vec<Difference>,
        source: &Place,
        target: &Place,
    ) -> Result<Vec<AcceptChange>> {
        let all = refs::all(&mut self.connect()?)?;
        let grown = all.iter().find(|found| found.name == branch).map_or(i64::MAX, |found| found.created);
        let mut changes = Vec::new();
        for difference in differences {
            let change = accept::change_of(&difference, ChangeOrigin::UnchangedSince(grown));
            if is_of_branch(&change, source, target, grown)? {
                changes.push(change);
            }
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    /// A name that no branch has, for a while.
    pub(crate) fn free_name(&self, like: &str) -> Result<String> {
        let all = refs::all(&mut self.connect()?)?;
        let names = (1..).map(|number| format!("{like}~{number}"));
        let mut free = names.filter(|name| all.iter().all(|found| found.name != *name));
        Ok(free.next().expect("invariant: numbers do not end"))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        let mut rename: fs_control_rename = message();
        rename.from = refs::field(from)?;
        rename.to = refs::field(to)?;
        rename.kind = FS_REF_BRANCH;
        self.connect()?.ask(&mut rename)
    }

    /// Forgets a branch and all that was changed in it.
    pub(crate) fn reject(&self, name: &str) -> Result<()> {
        let mut delete: fs_control_delete = message();
        delete.name = refs::field(name)?;
        delete.kind = FS_REF_BRANCH;
        self.connect()?.ask(&mut delete)
    }
}

/// Whether a difference is the branch's doing: not if the branch has left alone since it grew what the target has changed.
fn is_of_branch(change: &AcceptChange, source: &Place, target: &Place, grown: i64) -> Result<bool> {
    let before = change.old_path.as_deref().unwrap_or(&change.path);
    Ok(match change.became {
        ChangeKind::Added => source.changed_after(&change.path, grown)?,
        ChangeKind::Removed => !target.changed_after(&change.path, grown)?,
        _ => source.changed_after(&change.path, grown)? || !target.changed_after(before, grown)?,
    })
}
