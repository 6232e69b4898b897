//! The journal of an accept: a file in the target, written before anything else is. It tells whoever comes after a crash what was
//! about to be done, so that it can be finished or undone.
//!
//! Lines of JSON. The first is the plan; then, once all that is new lies beside its place and on the disk, `Staged`; and once every
//! name leads to what it shall, `Switched`. Each is on the disk before what it allows begins.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::ops::Deref;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, Stat, openat};
use rustix::io::Errno;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::object::Metadata;
use super::place::Place;
use crate::errors::{Context, Failure, Result, describe};

/// Its name, in the root of the target.
pub(crate) const NAME: &str = ".bough-accept";

/// How what is new, or was before, is called beside its place; a number follows.
pub(super) fn temporary(number: usize) -> String {
    format!("{NAME}.{number}")
}

/// A path as the journal has it: text where it is text, else its bytes in digits after a character that no path holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Location(pub(super) PathBuf);

impl Deref for Location {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, into: S) -> std::result::Result<S::Ok, S::Error> {
        match self.0.to_str() {
            Some(text) => into.serialize_str(text),
            None => {
                let digits: String = self.0.as_os_str().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                into.serialize_str(&format!("\0{digits}"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Location {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Location, D::Error> {
        let text = String::deserialize(from)?;
        let Some(digits) = text.strip_prefix('\0') else { return Ok(Location(text.into())) };
        let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2).unwrap_or("?"), 16);
        let bytes: std::result::Result<Vec<u8>, _> = (0..digits.len()).step_by(2).map(byte).collect();
        let bytes = bytes.map_err(|_| serde::de::Error::custom("digits of a path"))?;
        Ok(Location(std::ffi::OsString::from_vec(bytes).into()))
    }
}

/// What an accept does, in paths that hold at the moment when each step is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Steps {
    /// The number of the journal's own inode: one that came from elsewhere, with a project say, has another.
    pub(super) journal: u64,
    /// What is made beside its place: removed when the accept is undone.
    pub(super) staged: Vec<Location>,
    /// By which of the moves each of them comes to its place.
    pub(super) placed: Vec<usize>,
    /// Renames, one after another.
    pub(super) moves: Vec<Move>,
    /// Metadata of what stays, in the places of afterwards.
    pub(super) settings: Vec<Setting>,
    /// What was before, and goes once all is done.
    pub(super) leftovers: Vec<Location>,
    /// Times of directories in which names changed.
    pub(super) times: Vec<(Location, Metadata)>,
}

impl Steps {
    /// The numbers of what was staged, now that it is there.
    pub(super) fn know(&mut self, inodes: &[u64]) {
        for (at, inode) in self.placed.iter().zip(inodes) {
            self.moves[*at].inode = *inode;
        }
    }
}

/// A rename of the inode of this number; 0 until it is known, which is when it has been made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Move {
    pub(super) from: Location,
    pub(super) to: Location,
    pub(super) inode: u64,
    /// The content that it has, where that matters.
    pub(super) content: Option<Version>,
}

/// What tells one content of a file from another: its size and the time of its last change, which a rename leaves alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    size: i64,
    modified: (i64, i64),
}

impl Version {
    pub(super) fn of(found: &Stat) -> Version {
        Version { size: found.st_size, modified: (found.st_mtime, found.st_mtime_nsec as i64) }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Setting {
    pub(super) path: Location,
    pub(super) before: Metadata,
    pub(super) after: Metadata,
}

/// How far an accept came.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Mark {
    /// Something new may lie about; nothing that was there has changed.
    Begun,
    /// Everything new is there: it can be finished without the branch.
    Staged { inodes: Vec<u64> },
    /// Names and metadata are as they shall be.
    Switched,
}

pub(super) struct Journal {
    file: File,
}

impl Journal {
    /// Begins one. Refused when another accept is at work, or was interrupted.
    pub(super) fn begin(target: &Place, steps: &Steps) -> Result<Journal> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(target.root(), NAME, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| match errno {
            Errno::EXIST => Failure::refused(format!(
                "another accept is at work, or was interrupted: `bough accept` once it has ended ({})",
                target.called(Path::new(NAME))
            )),
            _ => Failure::system(format!("cannot begin a journal: {}", describe(&errno.into()))),
        })?;
        let mut journal = Journal { file: File::from(file) };
        let number = rustix::fs::fstat(&journal.file).context("cannot begin a journal")?.st_ino;
        let written = journal
            .write(&Steps { journal: number, ..steps.clone() })
            .and_then(|()| rustix::fs::fsync(target.root()).context("cannot write the journal"));
        match written {
            Ok(()) => Ok(journal),
            Err(failure) => {
                journal.end(target)?;
                Err(failure)
            }
        }
    }

    pub(super) fn mark(&mut self, mark: &Mark) -> Result<()> {
        self.write(mark)
    }

    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        self.file.write_all(&bytes).and_then(|()| self.file.sync_data()).context("cannot write the journal")
    }

    /// The one that an interrupted accept has left; `None` when there is none. A first line that was not finished means that nothing
    /// was begun.
    pub(super) fn left(target: &Place) -> Result<Option<(Journal, Steps, Mark)>> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(target.root(), NAME, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            other => File::from(other.context("cannot open the journal of an accept")?),
        };
        let mut reader = BufReader::new(file.try_clone().context("cannot read the journal")?);
        let mut first = Vec::new();
        reader.read_until(b'\n', &mut first).context("cannot read the journal")?;
        let mut steps = first_line(&first, &file).ok_or_else(|| {
            let path = target.called(Path::new(NAME));
            Failure::refused(format!("{path} is not the journal of an accept of this directory: move it away"))
        })?;
        let marks = reader.split(b'\n').map_while(std::result::Result::ok);
        let marks = marks.filter_map(|line| serde_json::from_slice(&line).ok());
        let mut mark = Mark::Begun;
        for next in marks {
            if let Mark::Staged { inodes } = &next {
                steps.know(inodes);
            }
            mark = next;
        }
        Ok(Some((Journal { file }, steps, mark)))
    }

    pub(super) fn end(self, target: &Place) -> Result<()> {
        rustix::fs::unlinkat(target.root(), NAME, AtFlags::empty()).context("cannot remove the journal")
    }
}

/// The plan; one without steps when its writing was interrupted. `None` when an accept has not written this file.
fn first_line(line: &[u8], file: &File) -> Option<Steps> {
    const BEGIN: &[u8] = b"{\"journal\":";
    match serde_json::from_slice::<Steps>(line) {
        Ok(steps) => (rustix::fs::fstat(file).ok()?.st_ino == steps.journal).then_some(steps),
        Err(_) if line.ends_with(b"\n") => None,
        Err(_) => (line.starts_with(BEGIN) || BEGIN.starts_with(line)).then(Steps::default),
    }
}

/// Whether a name is kept for accepts.
pub(super) fn is_reserved(name: &OsStr) -> bool {
    let rest = name.as_bytes().strip_prefix(NAME.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

/// Keeps two accepts from one target: held as long as the value lives.
pub(super) fn lock(target: &Place) -> Result<File> {
    let file = target.directory(Path::new("")).context("cannot open the target")?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(File::from(file)),
        Err(Errno::WOULDBLOCK) => Err(Failure::refused("another accept of this base is at work: wait for it")),
        Err(errno) => Err(errno).context("cannot lock the target"),
    }
}
