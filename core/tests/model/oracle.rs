//! The naive model doing the operations of the list: what each answers, and what there is after it. Whoever tries them on
//! something else (a volume, the C API, a volume whose disk fails, many threads) asks this what was to be expected.

use std::mem::discriminant;

use bough::{Caller, Error, Privileges, Result};

use super::naive::{Held, How, Id, Model};
use super::operations::{Entry, Io, Op, SLOTS, Within};

/// Who does it: the superuser, and two others, one of whom is in the group of the other.
pub(crate) const CALLERS: [Caller<'static>; 3] = [
    Caller::superuser(),
    Caller { uid: 1, gid: 1, groups: &[3], pid: 1, umask: 0o022, privileges: Privileges::NONE, token: None },
    Caller { uid: 2, gid: 2, groups: &[1], pid: 2, umask: 0o002, privileges: Privileges::NONE, token: None },
];

/// What an operation answers, on either side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Bytes(Vec<u8>),
    Count(usize),
}

/// The model, and the files that are held open.
#[derive(Clone)]
pub(crate) struct Oracle {
    pub(crate) model: Model,
    pub(crate) held: [Option<Held>; SLOTS],
    /// Directories that are held, for [`Op::Within`].
    pub(crate) directories: Vec<Id>,
}

impl Oracle {
    pub(crate) fn new(model: Model) -> Oracle {
        Oracle { model, held: [None; SLOTS], directories: Vec::new() }
    }

    pub(crate) fn perform(&mut self, by: usize, op: &Op) -> Result<Answer> {
        let (model, by) = (&mut self.model, &CALLERS[by]);
        match op {
            Op::Make(path, mode, what) => model.make(by, path, *mode, *what),
            Op::Unlink(path) => model.unlink(by, path),
            Op::Rmdir(path) => model.rmdir(by, path),
            Op::Link(path, new) => model.link(by, path, new),
            Op::Rename(from, to, mode) => model.rename(by, from, to, *mode),
            Op::Chmod(path, mode) => model.chmod(by, path, *mode),
            Op::Chown(path, uid, gid) => model.chown(by, path, *uid, *gid),
            Op::SetTimes(path, time) => model.set_times(by, path, *time),
            Op::SetFlags(path, flags) => model.set_flags(by, path, *flags),
            Op::Truncate(path, size) => model.truncate(by, path, *size),
            Op::SetXattr(path, name, value, mode) => model.set_xattr(by, path, name, &[*value; 9], *mode),
            Op::RemoveXattr(path, name) => model.remove_xattr(by, path, name),
            Op::WriteStream(path, name, offset, length, fill) => {
                let written = model.write_stream(by, path, name, *offset, &pattern(*length, *fill));
                return written.map(|()| Answer::Count(*length));
            }
            Op::RenameStream(path, name, new, replace) => model.rename_stream(by, path, name, new, *replace),
            Op::RemoveStream(path, name) => model.remove_stream(by, path, name),
            Op::Access(path, want) => model.access(by, path, *want),
            Op::ReadLink(path) => return model.read_link(by, path).map(Answer::Bytes),
            Op::With(path, how, io) => {
                let held = model.open(by, path, *how)?;
                return model_io(model, by, held, *io);
            }
            Op::Copy { from, from_offset, to, to_offset, length } => {
                let source = model.open(by, from, How { read: true, ..How::default() })?;
                let target = model.open(by, to, How { write: true, ..How::default() })?;
                return model.copy(by, (source, *from_offset), (target, *to_offset), *length).map(Answer::Count);
            }
            Op::Open(slot, path, how) => {
                let held = model.open(by, path, *how)?;
                self.held[*slot] = Some(held);
                Ok(())
            }
            Op::On(slot, io) => {
                let held = self.held[*slot].ok_or(Error::BadHandle)?;
                return model_io(model, by, held, *io);
            }
            Op::Close(slot) => self.held[*slot].take().map(drop).ok_or(Error::BadHandle),
            Op::Within(within) => return self.within(by, *within),
            _ => self.history(op),
        }
        .map(|()| Answer::Done)
    }

    fn within(&mut self, by: &Caller<'_>, within: Within) -> Result<Answer> {
        let (model, directories) = (&mut self.model, &self.directories);
        let at = |(directory, name): Entry| (directories[directory], name);
        // Nothing is in a directory that was removed, and nothing can be put there.
        let there = |model: &Model, entry: Entry| match model.reachable().contains(&at(entry).0) {
            true => Ok(at(entry)),
            false => Err(Error::NotFound),
        };
        match within {
            Within::Make(entry, what) => {
                let (directory, name) = there(model, entry)?;
                model.make_in(by, directory, name, 0o777, what).map(drop)
            }
            Within::Unlink(entry) => model.unlink_in(by, at(entry).0, entry.1),
            Within::Rmdir(entry) => model.rmdir_in(by, at(entry).0, entry.1),
            Within::Rename(from, to, mode) => {
                let (from, to) = (there(model, from)?, there(model, to)?);
                model.rename_in(by, from, to, mode)
            }
            Within::List(directory) => {
                let entries = &model.tree().nodes[&directories[directory]].entries;
                return Ok(Answer::Bytes(listed(entries.values().map(|(name, _)| name.clone()).collect())));
            }
        }
        .map(|()| Answer::Done)
    }

    fn history(&mut self, op: &Op) -> Result<()> {
        let model = &mut self.model;
        match op {
            Op::Snapshot { branch, name } => {
                let branch = model.find(branch)?;
                if !model.refs[&branch].is_branch {
                    return Err(Error::NotSupported);
                }
                model.snapshot(branch, *name).map(drop)
            }
            Op::Branch { name, from } => model.branch(name, model.find(from)?).map(drop),
            Op::Switch(name) => {
                model.current = model.find(name)?;
                Ok(())
            }
            Op::RenameRef(name, new) => model.rename_ref(model.find(name)?, new),
            Op::DeleteRef(name) => model.delete_ref(model.find(name)?, &self.held),
            Op::Diff(a, b) => model.find(a).and(model.find(b)).map(drop),
            _ => unreachable!("every other operation is done"),
        }
    }
}

fn model_io(model: &mut Model, by: &Caller<'_>, held: Held, io: Io) -> Result<Answer> {
    match io {
        Io::Read => return model.read(held).map(Answer::Bytes),
        Io::Punch { length: 0, .. } | Io::Zero { length: 0, .. } | Io::Reserve { length: 0, .. } if held.write => {
            Err(Error::Invalid(""))
        }
        Io::Write { length: 0, .. } | Io::Append { length: 0, .. } => return model_write_nothing(model, held, io),
        Io::Write { offset, length, fill } => {
            let written = model.write(by, held, Some(offset), &pattern(length, fill));
            return written.map(|()| Answer::Count(length));
        }
        Io::Append { length, fill } => {
            let written = model.write(by, held, None, &pattern(length, fill));
            return written.map(|()| Answer::Count(length));
        }
        Io::Punch { offset, length } => model.punch(by, held, offset, length),
        Io::Zero { offset, length, keep } => model.zero(by, held, offset, length, keep),
        Io::Reserve { offset, length, keep } => model.reserve(by, held, offset, length, keep),
    }
    .map(|()| Answer::Done)
}

/// A write of nothing changes nothing, but is refused where one of something would be.
fn model_write_nothing(model: &mut Model, held: Held, io: Io) -> Result<Answer> {
    let offset = match io {
        Io::Write { offset, .. } => Some(offset),
        _ => None,
    };
    model.check_write(held, offset).map(|()| Answer::Count(0))
}

/// Whether two answers are the same: errors to the variant.
pub(crate) fn agree(expected: &Result<Answer>, answer: &Result<Answer>) -> bool {
    match (expected, answer) {
        (Ok(a), Ok(b)) => a == b,
        (Err(a), Err(b)) => discriminant(a) == discriminant(b),
        _ => false,
    }
}

/// What a listing answers: names in no order that anybody promises.
pub(crate) fn listed(mut names: Vec<Vec<u8>>) -> Vec<u8> {
    names.sort();
    names.join(&b'/')
}

/// Bytes that tell where they are: a shift by one is seen.
pub(crate) fn pattern(length: usize, fill: u8) -> Vec<u8> {
    (0..length).map(|at| fill.wrapping_add((at % 251) as u8)).collect()
}
