//! Carries an accept out: makes what is new beside its place, switches names, removes what was. Whatever interrupts it, the journal
//! tells how to go on, or back.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::path::Path;

use super::journal::{Journal, Mark, Move, Setting, Steps, Version};
use super::object::Metadata;
use super::place::Place;
use super::plan::Planned;
use super::stage::stage;
use crate::errors::{Context, Failure, Result};

const UNFINISHED: &str = "an accept that was interrupted cannot be finished: move away what stands in its way, or give it up with \
                          `bough accept --undo`";

/// What an interrupted accept came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// Nothing was interrupted.
    Nothing,
    Finished,
    Undone,
}

/// How many steps may be done before this pretends to crash. For tests.
#[derive(Debug, Default)]
pub(super) struct Breaker(Cell<Option<usize>>);

impl Breaker {
    #[cfg(test)]
    pub(super) fn after(steps: usize) -> Breaker {
        Breaker(Cell::new(Some(steps)))
    }

    pub(super) fn step(&self) -> Result<()> {
        match self.0.get() {
            None => Ok(()),
            Some(0) => Err(Failure::system("")),
            Some(left) => {
                self.0.set(Some(left - 1));
                Ok(())
            }
        }
    }

    /// Whether anything is to be broken at all.
    pub(super) fn is_set(&self) -> bool {
        self.0.get().is_some()
    }

    fn has_crashed(&self) -> bool {
        self.0.get() == Some(0)
    }
}

/// Carries out a plan. What fails before names are switched is undone; the target is as it was.
pub(super) fn apply(source: &Place, target: &Place, planned: &Planned, breaker: &Breaker) -> Result<()> {
    let mut steps = planned.steps.clone();
    breaker.step()?;
    let mut journal = Journal::begin(target, &steps)?;
    let done = stage(source, target, planned, breaker).and_then(|inodes| {
        steps.know(&inodes);
        target.settle()?;
        // Making what is new may have taken long.
        planned.check_unchanged(target)?;
        breaker.step()?;
        journal.mark(&Mark::Staged { inodes })?;
        switch(target, &steps, breaker)
    });
    match done {
        Ok(()) => finish(target, &steps, journal, breaker),
        Err(failure) if breaker.has_crashed() => Err(failure),
        Err(failure) => {
            let undone = undo(target, &steps, journal, &Breaker::default());
            // Why it was given up is not to be hidden by why it could not be.
            undone
                .map_err(|undoing| undoing.context(format_args!("{}; and it could not be undone", failure.text())))?;
            Err(failure)
        }
    }
}

/// Finishes or undoes what an earlier accept has left.
pub(super) fn recover(target: &Place, undoing: bool, breaker: &Breaker) -> Result<Recovered> {
    let Some((journal, steps, mark)) = Journal::left(target)? else { return Ok(Recovered::Nothing) };
    match mark {
        Mark::Switched if undoing => {
            Err(Failure::refused("what was before is gone already: this accept can only be finished"))
        }
        Mark::Switched => finish_marked(target, &steps, journal, breaker).map(|()| Recovered::Finished),
        Mark::Staged { .. } if !undoing => {
            switch(target, &steps, breaker).map_err(|failure| failure.context(UNFINISHED))?;
            finish(target, &steps, journal, breaker).map(|()| Recovered::Finished)
        }
        Mark::Staged { .. } => undo(target, &steps, journal, breaker).map(|()| Recovered::Undone),
        Mark::Begun => {
            // What is there was not touched yet.
            let steps = Steps { moves: Vec::new(), settings: Vec::new(), ..steps };
            undo(target, &steps, journal, breaker).map(|()| Recovered::Undone)
        }
    }
}

/// Has every name lead to what it shall. What is done already is left.
fn switch(target: &Place, steps: &Steps, breaker: &Breaker) -> Result<()> {
    for step in &steps.moves {
        let Some(found) = target.look(&step.from)?.filter(|found| found.st_ino == step.inode) else { continue };
        if step.content.is_some_and(|content| content != Version::of(&found)) {
            return Err(changed(target, &step.from));
        }
        breaker.step()?;
        target.rename(&step.from, &step.to)?;
    }
    for setting in &steps.settings {
        breaker.step()?;
        set(target, setting, false)?;
    }
    Ok(())
}

/// Somebody works on it right now.
pub(super) fn changed(target: &Place, path: &Path) -> Failure {
    Failure::refused(format!("{} has changed meanwhile", target.called(path)))
}

fn is_at(target: &Place, path: &Path, step: &Move) -> Result<bool> {
    Ok(target.look(path)?.is_some_and(|found| found.st_ino == step.inode))
}

fn set(target: &Place, setting: &Setting, back: bool) -> Result<()> {
    let what = || format!("cannot set the attributes of {}", target.called(&setting.path));
    let spot = target.spot(&setting.path).context(what())?;
    let metadata = if back { &setting.before } else { &setting.after };
    let now = Metadata::of(spot.directory.as_fd(), spot.name).context(what())?;
    let is_ours = [setting.before.modified, setting.after.modified].contains(&now.modified);
    // Who has changed the content since an accept was interrupted has set its time.
    let metadata = if is_ours { metadata.clone() } else { metadata.with_times_of(&now) };
    metadata.set(spot.directory.as_fd(), spot.name).context(what())
}

fn finish(target: &Place, steps: &Steps, mut journal: Journal, breaker: &Breaker) -> Result<()> {
    target.settle()?;
    breaker.step()?;
    journal.mark(&Mark::Switched)?;
    finish_marked(target, steps, journal, breaker)
}

fn finish_marked(target: &Place, steps: &Steps, journal: Journal, breaker: &Breaker) -> Result<()> {
    for path in &steps.leftovers {
        breaker.step()?;
        target.remove(path)?;
    }
    breaker.step()?;
    // Root's times are set after the journal has gone from it: no more than its times depend on that.
    set_times(target, steps, |path| !path.as_os_str().is_empty());
    journal.end(target)?;
    set_times(target, steps, |path| path.as_os_str().is_empty());
    target.settle()
}

/// Times of directories are what they can be: another name may have changed there meanwhile.
fn set_times(target: &Place, steps: &Steps, which: impl Fn(&Path) -> bool) {
    for (path, metadata) in steps.times.iter().filter(|(path, _)| which(path)) {
        if let Ok(spot) = target.spot(path) {
            let _ = metadata.set_times(spot.directory.as_fd(), spot.name);
        }
    }
}

fn undo(target: &Place, steps: &Steps, journal: Journal, breaker: &Breaker) -> Result<()> {
    let switched = steps.moves.iter().all(|step| step.inode != 0);
    // Attributes are set once all names are switched.
    let moved = match steps.moves.last() {
        Some(last) => switched && is_at(target, &last.to, last)?,
        None => true,
    };
    if moved {
        for setting in steps.settings.iter().rev() {
            breaker.step()?;
            set(target, setting, true)?;
        }
    }
    if switched {
        for step in steps.moves.iter().rev() {
            if is_at(target, &step.to, step)? {
                breaker.step()?;
                target.rename(&step.to, &step.from)?;
            }
        }
    }
    for path in &steps.staged {
        breaker.step()?;
        target.remove(path)?;
    }
    target.settle()?;
    breaker.step()?;
    journal.end(target)
}
