//! The journal of an accept: a file in the target, written before anything else is. It tells whoever comes after a crash what was
//! about to be done, so that it can be finished or undone.
//!
//! Lines of JSON. The first is the plan; then, once all that is new lies beside its place and on the disk, `Staged`; and once every
//! name leads to what it shall, `Switched`. Each is on the disk before what it allows begins.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::ops::Deref;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::object::Metadata;
use super::place::Place;
use super::plan::{Became, Change, Origin};
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
    /// That of the target's root: one that somebody moved here from another directory tells of that.
    pub(super) root: u64,
    /// What is made beside its place: removed when the accept is undone.
    pub(super) staged: Vec<Location>,
    /// By which of the moves each of them comes to its place.
    pub(super) placed: Vec<usize>,
    /// Renames, one after another.
    pub(super) moves: Vec<Move>,
    /// Metadata of what stays, in the places of afterwards.
    pub(super) settings: Vec<Setting>,
    /// What was before, and goes once all is done.
    pub(super) leftovers: Vec<Leftover>,
    /// Times of directories in which names changed.
    pub(super) times: Vec<(Location, Metadata)>,
    /// Whose changes these are.
    pub(super) accepted: Option<Accepted>,
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

/// Something that was before, put aside. Only what is known of it may go with it: whatever else is there is somebody's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Leftover {
    pub(super) path: Location,
    /// Where it was.
    pub(super) was: Location,
    pub(super) holds: Vec<Held>,
}

/// What a leftover is, or holds, by the path from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) path: Location,
    inode: u64,
    /// Of a file that has no other name: its content would be lost.
    content: Option<Version>,
}

impl Held {
    pub(super) fn of(path: &Path, found: &Stat) -> Held {
        let is_alone = FileType::from_raw_mode(found.st_mode).is_file() && found.st_nlink == 1;
        let content = is_alone.then(|| Version::of(found));
        Held { path: Location(path.to_owned()), inode: found.st_ino, content }
    }

    /// Whether that is what was found.
    pub(super) fn is(&self, found: &Stat) -> bool {
        self.inode == found.st_ino && self.content.is_none_or(|content| content == Version::of(found))
    }
}

/// The branch whose changes are accepted, as it was. When an accept that was interrupted has been finished, they are still to be
/// taken back there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accepted {
    pub(super) branch: String,
    /// When it grew, and when it had last begun to change: another of that name is not taken for it.
    pub(super) created: i64,
    pub(super) changes: u64,
    /// What was accepted, if not all.
    pub(super) done: Vec<Piece>,
    pub(super) left: Vec<Piece>,
}

/// A change of a branch, as far as taking it back depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Piece {
    became: Became,
    path: Location,
    old_path: Option<Location>,
}

impl Piece {
    pub(super) fn of(change: &Change) -> Piece {
        let old_path = change.old_path.clone().map(Location);
        Piece { became: change.became, path: Location(change.path.clone()), old_path }
    }

    pub(super) fn change(&self) -> Change {
        let old_path = self.old_path.as_ref().map(|old| old.to_path_buf());
        Change { became: self.became, path: self.path.to_path_buf(), old_path, origin: Origin::Unknown, own: None }
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

#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// Nobody knows whether the last line is on the disk.
    torn: bool,
}

impl Journal {
    /// Begins one. Refused when another accept is at work, or was interrupted, and where nobody could follow it later.
    pub(super) fn begin(target: &Place, steps: &Steps) -> Result<Journal> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(target.root(), NAME, flags, Mode::RUSR | Mode::WUSR).map_err(|errno| match errno {
            Errno::EXIST => Failure::refused(format!(
                "another accept is at work, or was interrupted: `bough accept` once it has ended ({})",
                target.called(Path::new(NAME))
            )),
            _ => Failure::system(format!("cannot begin a journal: {}", describe(&errno.into()))),
        })?;
        let mut journal = Journal { file: File::from(file), torn: false };
        let number = fstat(&journal.file).context("cannot begin a journal")?.st_ino;
        let root = fstat(target.root()).context("cannot begin a journal")?.st_ino;
        let written = check_kept(&journal.file)
            .and_then(|()| journal.write(&Steps { journal: number, root, ..steps.clone() }))
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

    /// Whether a line could be neither written nor taken back.
    pub(super) fn is_torn(&self) -> bool {
        self.torn
    }

    /// What cannot be written as a whole, on a full disk say, is not there at all.
    fn write(&mut self, line: &impl Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        let before = self.file.metadata().context("cannot look at the journal")?.len();
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        if written.is_err() {
            self.torn = self.file.set_len(before).and_then(|()| self.file.sync_data()).is_err();
        }
        written.context("cannot write the journal")
    }

    /// Whether an accept was interrupted here, or is at work.
    pub(super) fn is_there(target: &Place) -> Result<bool> {
        Ok(target.look(Path::new(NAME))?.is_some())
    }

    /// The one that an interrupted accept has left; `None` when there is none. A first line that was not finished means that nothing
    /// was begun.
    pub(super) fn left(target: &Place) -> Result<Option<(Journal, Steps, Mark)>> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match openat(target.root(), NAME, flags, Mode::empty()) {
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::ISDIR) => return Err(foreign(target)),
            other => File::from(other.context("cannot open the journal of an accept")?),
        };
        if !is_own(&file) {
            return Err(not_private(&file, target).unwrap_or_else(|| foreign(target)));
        }
        let mut bytes = Vec::new();
        (&file).read_to_end(&mut bytes).context("cannot read the journal")?;
        let end = |newline: Option<usize>| newline.map(|at| at + 1);
        let first = end(bytes.iter().position(|&byte| byte == b'\n')).unwrap_or(bytes.len());
        let whole = end(bytes.iter().rposition(|&byte| byte == b'\n')).unwrap_or(bytes.len());
        let (first, rest) = bytes[..whole].split_at(first);
        let mut steps = first_line(first, &file, target).ok_or_else(|| foreign(target))?;
        if whole < bytes.len() {
            // Of a line that was not finished nothing is to stand before the next.
            file.set_len(whole as u64).context("cannot write the journal")?;
        }
        let marks = rest.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        let mut mark = Mark::Begun;
        for next in marks {
            if let Mark::Staged { inodes } = &next {
                steps.know(inodes);
            }
            mark = next;
        }
        Ok(Some((Journal { file, torn: false }, steps, mark)))
    }

    /// Removes it, and no other that has come to its name.
    pub(super) fn end(self, target: &Place) -> Result<()> {
        let what = "cannot remove the journal";
        let ours = fstat(&self.file).context(what)?.st_ino;
        match statat(target.root(), NAME, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) if found.st_ino == ours => {
                rustix::fs::unlinkat(target.root(), NAME, AtFlags::empty()).context(what)
            }
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno).context(what),
        }
    }
}

/// Whether this user has written it, and nobody else could: what stands in it is done with his rights.
fn is_own(file: &File) -> bool {
    fstat(file).is_ok_and(|found| {
        let is_private = found.st_uid == rustix::process::geteuid().as_raw() && found.st_mode & 0o077 == 0;
        is_private && FileType::from_raw_mode(found.st_mode).is_file() && found.st_nlink == 1
    })
}

/// Refuses where the file system does not keep whose a file is, and who else may write it.
fn check_kept(file: &File) -> Result<()> {
    match is_own(file) {
        true => Ok(()),
        false => Err(Failure::refused(
            "nothing was written: this file system does not keep owners and modes of files, so that an accept which is interrupted could \
             not be told from one that others made up",
        )),
    }
}

/// Of a journal of this user and of this directory, what is to be done before it is followed; `None` for any other.
fn not_private(file: &File, target: &Place) -> Option<Failure> {
    let (found, root) = (fstat(file).ok()?, fstat(target.root()).ok()?);
    let begins = format!("{{\"journal\":{},\"root\":{},", found.st_ino, root.st_ino);
    let mut bytes = vec![0; begins.len()];
    let is_ours = found.st_uid == rustix::process::geteuid().as_raw()
        && FileType::from_raw_mode(found.st_mode).is_file()
        && file.read_exact_at(&mut bytes, 0).is_ok()
        && bytes == begins.as_bytes();
    let path = target.called(Path::new(NAME));
    let what = match found.st_nlink {
        1 => format!("others may read or write it: if nobody has written it, `chmod 600 {path}`"),
        _ => "it has another name: remove that, and look that nobody has written it".to_owned(),
    };
    is_ours.then(|| Failure::refused(format!("{path} is the journal of an accept that was interrupted, and {what}")))
}

fn foreign(target: &Place) -> Failure {
    let path = target.called(Path::new(NAME));
    Failure::refused(format!("{path} is not the journal of an accept of yours of this directory: move it away"))
}

/// The plan; one without steps when its writing was interrupted. `None` when an accept has not written this file.
fn first_line(line: &[u8], file: &File, target: &Place) -> Option<Steps> {
    const BEGIN: &[u8] = b"{\"journal\":";
    match serde_json::from_slice::<Steps>(line) {
        Ok(steps) => {
            let numbers = (fstat(file).ok()?.st_ino, fstat(target.root()).ok()?.st_ino);
            (numbers == (steps.journal, steps.root)).then_some(steps)
        }
        Err(_) if line.ends_with(b"\n") => None,
        Err(_) => (line.starts_with(BEGIN) || BEGIN.starts_with(line)).then(Steps::default),
    }
}

/// Whether a name is kept for accepts.
pub(super) fn is_reserved(name: &OsStr) -> bool {
    let rest = name.as_bytes().strip_prefix(NAME.as_bytes());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
}

/// As many as this process may have: what goes is removed with one for each directory on the way down.
fn allow_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Keeps two accepts from one target: held as long as the value lives.
pub(super) fn lock(target: &Place) -> Result<File> {
    let locked = probe(target)?;
    allow_descriptors();
    Ok(locked)
}

/// As [`lock`], for whoever removes nothing: the process stays as it is, and with it what it runs.
pub(super) fn probe(target: &Place) -> Result<File> {
    let file = target.directory(Path::new("")).context("cannot open the target")?;
    match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(File::from(file)),
        Err(Errno::WOULDBLOCK) => Err(Failure::refused("another accept of this base is at work: wait for it")),
        Err(errno) => Err(errno).context("cannot lock the target"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn where_modes_are_not_kept_no_accept_begins() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let file = File::create(&path).unwrap();
        for (mode, is_kept) in [(0o600, true), (0o644, false), (0o620, false), (0o777, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            match check_kept(&file) {
                Ok(()) => assert!(is_kept, "{mode:o}"),
                Err(failure) => assert!(!is_kept && failure.text().contains("does not keep"), "{}", failure.text()),
            }
        }
    }
}
