//! The volume in which runs over a directory have their branches: the one that is mounted there, or the one in the background over
//! a directory of the host. That is begun with the first run, by whoever gets a lock, and ends with its last branch.

mod known;
mod lines;
pub(crate) mod trials;

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bough::control::message;
use bough::control::messages::{
    FS_CONTROL_KEEP_BELOW, FS_CONTROL_RANGES_ENTRIES, FS_REF_BRANCH, fs_control_base, fs_control_branch,
    fs_control_delete, fs_control_info, fs_control_origin, fs_control_ranges, fs_control_revert,
};
use bough::error::tables::ResultCode;

use crate::accept::place::Place;
use crate::accept::{self, AcceptChange, ChangeKind, ChangeOrigin, Own};
use crate::chronicle::{Chronicle, Entry};
use crate::daemon::{self, StateDirectory};
use crate::diff::{self, Difference, Ends};
use crate::errors::{Context, Exit, Failure, Result, describe};
use crate::flush::flush;
use crate::options::Options;
use crate::refs::{self, Kind, Ref, Subject};
use crate::views;
use crate::volume::{Volume, path_in};
use crate::wire::{Channel, Socket};
pub(crate) use known::Known;
use lines::{Line, Lines};

/// How branches are called that nobody named; a number follows.
const RUN: &str = "run-";
/// A file of less is copied as a whole.
const WORTH_BYTES: u64 = 128 << 10;
/// How long a view may take to let go of its branch.
const PATIENCE: Duration = Duration::from_secs(10);
/// The number of a volume's root.
const ROOT: u64 = 1;

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
    /// The base is a directory of the host, not a mount of the volume.
    over_host: bool,
    lines: Lines,
}

impl Home {
    /// The volume that `directory` lies on, or the one over it. A new one is begun if `begin`, else there must be one.
    pub(crate) fn of(directory: &Path, begin: bool) -> Result<Home> {
        let directory = directory_of(directory)?;
        match mounted_at(&directory)? {
            Some(volume) => Home::mounted(volume),
            None => Home::over(&directory, begin),
        }
    }

    /// Where the branches of `directory` are shown, without beginning anything.
    pub(crate) fn base_of(directory: &Path) -> Result<PathBuf> {
        let directory = directory_of(directory)?;
        Ok(mounted_at(&directory)?.map_or(directory, |volume| volume.mount_point()))
    }

    fn mounted(mut volume: Volume) -> Result<Home> {
        let trunk = volume.shows();
        if volume.shows_id().1 == Kind::Snapshot {
            return Err(Failure::refused(format!("`{trunk}` is a snapshot: give a branch to grow from, mounted")));
        }
        flush(&mut volume, &[&trunk])?;
        Ok(Home::of_volume(&volume))
    }

    /// The volume of a mount, to read in.
    pub(crate) fn of_volume(volume: &Volume) -> Home {
        Home {
            volume: volume.name(),
            endpoint: volume.endpoint(),
            base: volume.mount_point(),
            trunk: volume.shows(),
            over_host: false,
            lines: Lines::default(),
        }
    }

    /// The background volume over a directory of the host.
    fn over(directory: &Path, begin: bool) -> Result<Home> {
        if directory.parent().is_none() {
            return Err(Failure::refused("the root directory cannot be a base: a branch cannot be shown in its place"));
        }
        let state = StateDirectory::find()?;
        let volume = volume_over(directory);
        let home = |mut socket: Socket| {
            let mut info: fs_control_info = message();
            socket.ask(&mut info)?;
            check_same(&mut socket, directory, &volume)?;
            let lines = Lines::default();
            lines.put_back(socket);
            Ok(Home {
                volume: volume.clone(),
                endpoint: path_in(&info.endpoint.bytes),
                base: directory.to_owned(),
                trunk: bough::FIRST_BRANCH.to_owned(),
                over_host: true,
                lines,
            })
        };
        if let Some(socket) = state.volume(&volume)? {
            return home(socket);
        }
        if !begin {
            return Err(Failure::no_volume(format!(
                "there is no branch of {}: `bough run` grows one",
                directory.display()
            )));
        }
        let _lock = state.lock()?;
        // Somebody may have been faster.
        if state.volume(&volume)?.is_none() {
            begin_over(directory, &volume)?;
        }
        match state.volume(&volume)? {
            Some(socket) => home(socket),
            None => Err(Failure::no_volume(format!("the daemon of {} has ended at once", directory.display()))),
        }
    }

    /// Speaks with the daemon.
    pub(crate) fn connect(&self) -> Result<Line<'_>> {
        let socket = match self.lines.take() {
            Some(socket) => socket,
            None => Socket::connect(&self.endpoint)
                .context(format_args!("cannot reach the daemon at {}", self.endpoint.display()))?,
        };
        Ok(Line { lines: &self.lines, socket: Some(socket) })
    }

    /// Ends connections that are kept for later.
    pub(crate) fn hang_up(&self) {
        self.lines.end();
    }

    /// The branch of this name, grown if there is none; answers whether it was. Without a name a new one with the next number.
    pub(crate) fn branch(&self, name: Option<&str>) -> Result<(String, bool)> {
        let branch = {
            let mut socket = self.connect()?;
            match name {
                Some(name) => self.named(&mut socket, name)?,
                None => (self.numbered(&mut socket)?, true),
            }
        };
        // Only now: with its last branch a volume over a directory ends.
        let _ = self.refs_of_people();
        Ok(branch)
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

    pub(crate) fn grow_again(&self, name: &str) -> Result<()> {
        let mut socket = self.connect()?;
        self.grow(&mut socket, name)
    }

    fn grow(&self, socket: &mut Socket, name: &str) -> Result<()> {
        grow_from(socket, name, &self.trunk)
    }

    /// A branch that is as another is now, for this process to try something in.
    pub(crate) fn copy(&self, branch: &Known) -> Result<Known> {
        let name = trials::name();
        let mut socket = self.connect()?;
        grow_from(&mut socket, &name, &branch.name)?;
        Ok(Known::alone(name))
    }

    /// All that people know of. What somebody was trying in when he was killed goes.
    fn refs_of_people(&self) -> Result<Vec<Ref>> {
        let mut all = refs::all(&mut self.connect()?)?;
        for found in all.iter().filter(|found| trials::is_abandoned(&found.name)) {
            // Whoever comes next tries again.
            let _ = self.reject(&Known::alone(found.name.clone()));
        }
        all.retain(|found| !trials::is_one(&found.name));
        Ok(all)
    }

    /// The branch that is meant when none is named: the only one.
    pub(crate) fn chosen(&self, name: Option<&str>) -> Result<String> {
        let all = self.refs_of_people()?;
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

    /// What differs in a branch from what it grew from, or from another branch, by path.
    pub(crate) fn differences(&self, branch: &str, from: Option<&str>) -> Result<Vec<Difference>> {
        let before = from.unwrap_or(&self.trunk).to_owned();
        let mut differences = diff::between(&mut self.connect()?, &Ends { before, after: branch.to_owned() })?;
        differences.sort();
        Ok(differences)
    }

    /// What a branch itself has changed: over a mounted volume not what has changed since in the branch that it grew from.
    pub(crate) fn own_differences(&self, branch: &str) -> Result<Vec<Difference>> {
        let mut differences = self.differences(branch, None)?;
        differences.retain(|difference| self.over_host || difference.is_of_later());
        Ok(differences)
    }

    /// How the differences of a branch are asked for.
    pub(crate) fn diff_of(&self, branch: &str) -> String {
        if self.over_host { format!("bough diff {branch}") } else { format!("bough diff {} {branch}", self.trunk) }
    }

    /// Whether branches show the directory as it is, and have nothing of it for themselves until they change it.
    pub(crate) fn is_over_host(&self) -> bool {
        self.over_host
    }

    /// Writes down what was decided over a directory of the host.
    pub(crate) fn note(&self, entry: &Entry) {
        if self.over_host {
            match Chronicle::of(&self.volume) {
                Ok(chronicle) => chronicle.note(entry),
                Err(failure) => drop(failure.context("not in the log").report()),
            }
        }
    }

    /// What was decided over a directory of the host, whether its volume is alive or not.
    pub(crate) fn decided(directory: &Path) -> Vec<Entry> {
        let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        Chronicle::of(&volume_over(&directory)).map_or_else(|_| Vec::new(), |chronicle| chronicle.read())
    }

    /// The differences as changes that can be written to `target`. What `target` has changed itself, and the branch has not, is left out.
    pub(crate) fn changes(
        &self,
        branch: &str,
        differences: &[Difference],
        target: &Place,
        into: Option<&str>,
    ) -> Result<Vec<AcceptChange>> {
        let all = refs::all(&mut self.connect()?)?;
        let grown = parted(&all, branch, into.unwrap_or(&self.trunk));
        let into_base = self.over_host && into.is_none();
        let mut changes = Vec::new();
        let mut socket = self.connect()?;
        for difference in differences.iter().filter(|difference| into_base || difference.is_of_later()) {
            let origin = match into_base {
                // What is new has none, and there may be very many.
                true if !difference.is_new() => origin_of(&mut socket, branch, difference, grown)?,
                false if difference.was_changed_before() => ChangeOrigin::Changed,
                _ => ChangeOrigin::UnchangedSince(grown),
            };
            let mut change = accept::change_of(difference, origin);
            if let (true, ChangeKind::Replaced, ChangeOrigin::UnchangedSince(_)) = (into_base, change.became, origin) {
                change.origin = replaced_origin(&mut socket, branch, target, &change.path)?.unwrap_or(origin);
            }
            change.own = own_parts(&mut socket, branch, difference, &change)?;
            if let (ChangeKind::Replaced, ChangeOrigin::Recorded { inode, .. }) = (change.became, origin) {
                // The name leads to another inode than before: not what that was is of interest, but what the name led to.
                if change.old_path.is_none() && target.look(&change.path)?.is_some_and(|found| found.st_ino != inode) {
                    change.origin = ChangeOrigin::UnchangedSince(grown);
                    change.own = None;
                }
            }
            changes.push(change);
        }
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }

    /// What branches over a directory grow from shows the directory and nothing else: changes in it would reach that never.
    pub(crate) fn check_into(&self, into: Option<&str>) -> Result<()> {
        match into {
            Some(into) if self.over_host && into == self.trunk => Err(Failure::refused(format!(
                "`{into}` is what the branches grow from: without --into the changes are written to {}",
                self.base.display()
            ))),
            _ => Ok(()),
        }
    }

    /// Has paths of a branch as they are where it grew from. `keep_below`: of directories that are there by now only themselves.
    pub(crate) fn revert(&self, branch: &Known, paths: &[Vec<u8>], keep_below: bool) -> Result<()> {
        let mut left = paths;
        while !left.is_empty() {
            let mut revert: fs_control_revert = message();
            revert.branch = refs::field(&branch.name)?;
            revert.to = refs::field(&self.trunk)?;
            revert.flags = if keep_below { FS_CONTROL_KEEP_BELOW } else { 0 };
            let count = fit(&mut revert, left);
            if count == 0 {
                return Err(Failure::refused(format!("{} is too long a path", String::from_utf8_lossy(&left[0]))));
            }
            // What is refused for what lies in the branch's way is refused as busy, too: not to be waited for long.
            self.once_free(branch, PATIENCE / 10, |changes| {
                let mut sent = revert;
                sent.changes = changes;
                self.connect()?.ask(&mut sent).map(|()| branch.now_has(sent.changes))
            })?;
            left = &left[count..];
        }
        Ok(())
    }

    /// A branch as it is, nobody working in it. Once somebody has, nothing can be done to it through the answer any more.
    ///
    /// A view that has ended is in no list any more shortly before it lets go of its branch.
    pub(crate) fn quiet(&self, name: &str) -> Result<Known> {
        let begun = Instant::now();
        loop {
            let mut socket = self.connect()?;
            let found = refs::all(&mut socket)?.into_iter().find(|found| found.name == name);
            let found = found.ok_or_else(|| Failure::refused(format!("there is no branch `{name}` any more")))?;
            if found.views == 0 {
                return Ok(Known::of(found));
            }
            let shown = views::all(&mut socket)?;
            let place = shown.iter().find(|view| view.shows == name).map(|view| view.mount_point_text());
            if place.is_some() || begun.elapsed() > PATIENCE {
                let place =
                    place.map_or_else(|| "by files that are still open".to_owned(), |place| format!("at {place}"));
                return Err(Failure::refused(format!("`{name}` is in use {place}: end what works in it first")));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// A branch that was known before, if it still is as it was, nobody working in it.
    pub(crate) fn known(&self, name: &str, created: i64, changes: u64) -> Result<Option<Known>> {
        let all = refs::all(&mut self.connect()?)?;
        if !all.iter().any(|found| (found.name.as_str(), found.created, found.changes) == (name, created, changes)) {
            return Ok(None);
        }
        let now = self.quiet(name)?;
        Ok(Some(now).filter(|now| (now.created, now.changes()) == (created, changes)))
    }

    /// Refuses when somebody has begun to work in a branch.
    pub(crate) fn check_still(&self, branch: &Known) -> Result<()> {
        let all = refs::all(&mut self.connect()?)?;
        match all.iter().any(|found| branch.is(found)) {
            true => Ok(()),
            false => Err(branch.changed("nothing was written")),
        }
    }

    /// Forgets a branch and all that was changed in it.
    pub(crate) fn reject(&self, branch: &Known) -> Result<()> {
        self.once_free(branch, PATIENCE, |changes| {
            let mut delete: fs_control_delete = message();
            delete.name = refs::field(&branch.name)?;
            delete.kind = FS_REF_BRANCH;
            delete.changes = changes;
            self.connect()?.ask(&mut delete)
        })
    }

    /// Forgets a branch in which nothing was changed.
    pub(crate) fn let_go(&self, branch: &str) -> Result<()> {
        let known = self.quiet(branch)?;
        match self.own_differences(branch)?.is_empty() {
            true => self.reject(&known),
            false => Ok(()),
        }
    }

    /// Does something to a branch while it has the number of changes that is known. Tries again while it is said to be in use and no view
    /// is listed that shows it.
    fn once_free(&self, branch: &Known, patience: Duration, with: impl Fn(u64) -> Result<()>) -> Result<()> {
        let begun = Instant::now();
        loop {
            match with(branch.changes()) {
                Err(failure) if failure.code() == Some(ResultCode::Busy) => {
                    views::bear_with(failure, &mut self.connect()?, &branch.name, begun, patience)?;
                }
                Err(failure) if failure.code() == Some(ResultCode::Stale) => {
                    return Err(branch.changed("it is kept, with all that was changed in it"));
                }
                other => return other,
            }
        }
    }
}

/// The path of a base without symbolic links.
pub(crate) fn directory_of(path: &Path) -> Result<PathBuf> {
    let found = path.canonicalize();
    let directory =
        found.map_err(|error| Failure::refused(format!("the base {}: {}", path.display(), describe(&error))))?;
    match directory.is_dir() {
        true => Ok(directory),
        false => Err(Failure::refused(format!("the base {} is not a directory", directory.display()))),
    }
}

/// The volume that is mounted there, if its daemon can be asked.
fn mounted_at(directory: &Path) -> Result<Option<Volume>> {
    match Volume::at(directory) {
        Ok(volume) => Ok(Some(volume).filter(|volume| !volume.endpoint().as_os_str().is_empty())),
        Err(failure) if failure.exit() == Exit::NoVolume => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Puts as many paths into the message as there is room for; answers how many.
fn fit(revert: &mut fs_control_revert, paths: &[Vec<u8>]) -> usize {
    let mut at = 0;
    for (count, path) in paths.iter().enumerate() {
        let end = at + path.len() + 1;
        if end > revert.paths.len() {
            return count;
        }
        revert.paths[at..end - 1].copy_from_slice(path);
        at = end;
        revert.path_bytes = at as u32;
    }
    paths.len()
}

/// Since when two branches have gone ways of their own: since the one grew from the other, or since both were there.
fn parted(all: &[Ref], branch: &str, target: &str) -> i64 {
    let find = |name: &str| all.iter().find(|found| found.name == name);
    match (find(branch), find(target)) {
        (Some(branch), Some(target)) if branch.parent == Some(target.key()) => branch.created,
        (Some(branch), Some(target)) => branch.created.min(target.created),
        _ => i64::MAX,
    }
}

/// What of the base a difference stands on. What was removed leaves no record: it must not have changed since the branch grew.
fn origin_of(socket: &mut Socket, branch: &str, difference: &Difference, grown: i64) -> Result<ChangeOrigin> {
    let recorded = recorded(socket, branch, difference.inode())?;
    Ok(recorded.unwrap_or(ChangeOrigin::UnchangedSince(grown)))
}

/// A file that another took the place of, as editors save, left a record when it went: of what its name leads to in the base, if it is that.
fn replaced_origin(socket: &mut Socket, branch: &str, target: &Place, path: &Path) -> Result<Option<ChangeOrigin>> {
    let Some(there) = target.look(path)? else { return Ok(None) };
    match recorded(socket, branch, there.st_ino) {
        // Nobody knows of that inode.
        Err(failure) if failure.code().is_some() => Ok(None),
        found => found,
    }
}

/// What an inode was in the base when it was copied up; `None` when it was not.
fn recorded(socket: &mut Socket, branch: &str, inode: u64) -> Result<Option<ChangeOrigin>> {
    let mut origin: fs_control_origin = message();
    origin.of = refs::field(branch)?;
    origin.inode = inode;
    socket.ask(&mut origin)?;
    let recorded = origin.recorded;
    Ok((recorded.inode != 0).then_some(ChangeOrigin::Recorded {
        device: recorded.device,
        inode: recorded.inode,
        size: recorded.size,
        modified: recorded.modified,
        changed: recorded.changed,
    }))
}

/// What of a file that was copied up is not the base's, if that is worth knowing.
fn own_parts(socket: &mut Socket, branch: &str, difference: &Difference, change: &AcceptChange) -> Result<Option<Own>> {
    let replaced = matches!(change.became, ChangeKind::Replaced | ChangeKind::MovedAndReplaced);
    let is_large = matches!(change.origin, ChangeOrigin::Recorded { size, .. } if size >= WORTH_BYTES);
    if !replaced || !is_large {
        return Ok(None);
    }
    let mut own = Vec::new();
    let mut from = 0;
    loop {
        let mut ranges: fs_control_ranges = message();
        ranges.of = refs::field(branch)?;
        ranges.inode = difference.inode();
        ranges.from = from;
        match socket.ask(&mut ranges) {
            Ok(()) => {}
            // It is no file any more.
            Err(failure) if failure.code().is_some() => return Ok(None),
            Err(failure) => return Err(failure),
        }
        let count = (ranges.count as usize).min(FS_CONTROL_RANGES_ENTRIES);
        own.extend(ranges.entries[..count].iter().map(|part| (part.offset, part.offset.saturating_add(part.length))));
        from = own.last().map_or(0, |(_, end)| *end);
        if count < FS_CONTROL_RANGES_ENTRIES {
            let length: u64 = own.iter().map(|(begin, end)| end - begin).sum();
            return Ok((length < ranges.size).then_some(Own(own)));
        }
    }
}

fn grow_from(socket: &mut Socket, name: &str, from: &str) -> Result<()> {
    let mut branch: fs_control_branch = message();
    branch.name = refs::field(name)?;
    branch.from = refs::field(from)?;
    socket.ask(&mut branch)
}

/// How the volume over a directory is called: by the directory's name, for people, and by its whole path.
fn volume_over(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let name: String =
        name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).take(24).collect();
    // FNV-1a: nobody gains anything by a collision, which is noticed (`check_same`).
    let hash = directory
        .as_os_str()
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{name}-{:08x}", hash >> 32 ^ hash & 0xffff_ffff)
}

fn begin_over(directory: &Path, volume: &str) -> Result<()> {
    let mut options =
        Options { volume: Some(volume.to_owned()), base: Some(directory.to_owned()), ..Options::default() };
    options.unmounted = true;
    options.spill_dir = Some(PathBuf::from("/var/tmp")).filter(|directory| directory.is_dir());
    daemon::start_unmounted(&options)
}

/// The volume of that name may be over another directory, which stood at this path before.
fn check_same(socket: &mut Socket, directory: &Path, volume: &str) -> Result<()> {
    let mut base: fs_control_base = message();
    socket.ask(&mut base)?;
    let mut origin: fs_control_origin = message();
    origin.of = refs::field(bough::FIRST_BRANCH)?;
    origin.inode = ROOT;
    socket.ask(&mut origin)?;
    let found = directory.metadata().context(format_args!("cannot look at {}", directory.display()))?;
    let present = (origin.present.device, origin.present.inode);
    let is_it = path_in(&base.path.bytes) == directory && present == (found.dev(), found.ino());
    match is_it {
        true => Ok(()),
        false => Err(Failure::refused(format!(
            "the volume {volume} is over another directory, which was at {} before: `bough unmount --volume {volume}` ends it",
            directory.display()
        ))),
    }
}
