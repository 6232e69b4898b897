//! Makes what is new beside its place. First all directories, then what lies in them, in pieces of which several are worked on at
//! once; links, when there is what they lead to; and last what directories are, the inner before the outer.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::fs::AtFlags;

use super::engine::Breaker;
use super::object::{self, Copier, Named};
use super::place::{Place, Walk};
use super::plan::{Planned, Stage, parent_of};
use crate::errors::{Context, Failure, Result};

/// Most files of one piece.
const PIECE: usize = 64;
/// Most threads.
const THREADS: usize = 4;

/// Files that lie in one directory and go to one.
struct Piece<'a> {
    from: PathBuf,
    to: PathBuf,
    /// Names there, and here.
    names: Vec<(&'a OsStr, &'a OsStr)>,
}

/// A new directory.
struct Folder {
    from: PathBuf,
    to: PathBuf,
}

struct Work<'a> {
    source: &'a Place,
    target: &'a Place,
    planned: &'a Planned,
}

/// Makes everything that is new; answers the numbers of what it made.
pub(super) fn stage(source: &Place, target: &Place, planned: &Planned, breaker: &Breaker) -> Result<Vec<u64>> {
    let work = Work { source, target, planned };
    let mut folders = Vec::new();
    for stage in &planned.stages {
        if let Stage::Tree { from, temporary } = stage {
            breaker.step()?;
            work.make_folders(from.clone(), temporary.clone(), &mut folders)?;
        }
    }
    work.copy_all(&work.pieces(&folders), breaker)?;
    for stage in &planned.stages {
        if let Stage::Link { shown, to, temporary } = stage {
            breaker.step()?;
            work.link(shown, to, temporary)?;
        }
    }
    folders.iter().rev().try_for_each(|folder| work.finish(folder))?;
    let mut walk = Walk::of(target);
    planned.steps.staged.iter().map(|path| number_of(&mut walk, target, path)).collect()
}

fn number_of(walk: &mut Walk<'_>, target: &Place, path: &Path) -> Result<u64> {
    let found = walk.look(path)?;
    Ok(found.ok_or_else(|| Failure::system(format!("{} has vanished", target.called(path))))?.st_ino)
}

impl<'a> Work<'a> {
    fn writing(&self, path: &Path) -> String {
        format!("cannot write {}", self.target.called(path))
    }

    /// Makes a directory, and all new ones in it, the outer before the inner.
    fn make_folders(&self, from: PathBuf, to: PathBuf, made: &mut Vec<Folder>) -> Result<()> {
        let mut left = vec![Folder { from, to }];
        while let Some(folder) = left.pop() {
            let made_it = self.target.spot(&folder.to).and_then(|spot| object::make_directory(&spot));
            made_it.context(self.writing(&folder.from))?;
            let inside = &self.planned.inside(&folder.from).directories;
            left.extend(inside.iter().map(|name| Folder { from: folder.from.join(name), to: folder.to.join(name) }));
            made.push(folder);
        }
        Ok(())
    }

    /// Everything but directories and links.
    fn pieces(&self, folders: &[Folder]) -> Vec<Piece<'a>> {
        let mut pieces: Vec<Piece<'a>> = Vec::new();
        for stage in &self.planned.stages {
            let Stage::Copy { from, temporary } = stage else { continue };
            let (Some(name), Some(new)) = (from.file_name(), temporary.file_name()) else { continue };
            let (from, to) = (parent_of(from), parent_of(temporary));
            match pieces.last_mut() {
                Some(last) if last.from == from && last.to == to && last.names.len() < PIECE => {
                    last.names.push((name, new));
                }
                _ => pieces.push(Piece { from: from.to_owned(), to: to.to_owned(), names: vec![(name, new)] }),
            }
        }
        for folder in folders {
            let same = |name: &'a OsString| (name.as_os_str(), name.as_os_str());
            let names = self.planned.inside(&folder.from).others.chunks(PIECE);
            pieces.extend(names.map(|names| Piece {
                from: folder.from.clone(),
                to: folder.to.clone(),
                names: names.iter().map(same).collect(),
            }));
        }
        pieces
    }

    fn copy_all(&self, pieces: &[Piece<'_>], breaker: &Breaker) -> Result<()> {
        let most = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(THREADS);
        let threads = if breaker.is_set() { 1 } else { most.min(pieces.len()) };
        if threads <= 1 {
            let mut copier = Copier::default();
            return pieces.iter().try_for_each(|piece| {
                breaker.step()?;
                self.copy_piece(piece, &mut copier)
            });
        }
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
        let work = || {
            let mut copier = Copier::default();
            while let Some(piece) = pieces.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(failure) = self.copy_piece(piece, &mut copier) {
                    // The others end with what they are at.
                    next.store(pieces.len(), Ordering::Relaxed);
                    failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(failure);
                }
            }
        };
        std::thread::scope(|scope| {
            // Where there are no more threads to be had, those that there are do all of it.
            let helpers = (1..threads).map(|_| std::thread::Builder::new().spawn_scoped(scope, work));
            helpers.take_while(std::io::Result::is_ok).for_each(drop);
            work();
        });
        failed.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner()).map_or(Ok(()), Err)
    }

    fn copy_piece(&self, piece: &Piece<'_>, copier: &mut Copier) -> Result<()> {
        let first = || self.writing(&piece.from.join(piece.names[0].0));
        let from = self.source.directory(&piece.from).context(first())?;
        let to = self.target.directory(&piece.to).context(first())?;
        for (name, new) in &piece.names {
            self.copy(copier, &piece.from, (from.as_fd(), name), (to.as_fd(), new))?;
        }
        Ok(())
    }

    /// Copies what is new in a directory; what of it the target has already is taken from there.
    fn copy(&self, copier: &mut Copier, above: &Path, from: Named<'_>, to: Named<'_>) -> Result<()> {
        let what = || self.writing(&above.join(from.1));
        let Some(patch) = self.planned.patch(above, from.1) else { return copier.copy(from, to, None).context(what()) };
        // Of what has changed since nothing is taken: it is not what the branch saw.
        let Some(there) = self.target.file(&patch.was, &patch.origin).context(what())? else {
            return copier.copy(from, to, None).context(what());
        };
        copier.copy(from, to, Some((there.as_fd(), &patch.own))).context(what())?;
        match patch.origin.fits(&rustix::fs::fstat(&there).context(what())?) {
            true => Ok(()),
            false => Err(Failure::refused(format!("{} has changed while it was read", self.target.called(&patch.was)))),
        }
    }

    fn link(&self, shown: &Path, existing: &Path, temporary: &Path) -> Result<()> {
        let linked = self.target.spot(existing).and_then(|existing| {
            let to = self.target.spot(temporary)?;
            rustix::fs::linkat(&existing.directory, existing.name, &to.directory, to.name, AtFlags::empty())
        });
        linked.context(self.writing(shown))
    }

    fn finish(&self, folder: &Folder) -> Result<()> {
        let finished = self.source.spot(&folder.from).and_then(|old| {
            let new = self.target.spot(&folder.to)?;
            object::finish_directory((old.directory.as_fd(), old.name), (new.directory.as_fd(), new.name))
        });
        finished.context(self.writing(&folder.from))
    }
}
