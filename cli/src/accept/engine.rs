//! Carries an accept out: makes what is new beside its place, switches names, removes what was. Whatever interrupts it, the journal
//! tells how to go on, or back.

use std::cell::Cell;
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::Path;

use super::journal::{Accepted, Journal, Mark, Move, Setting, Steps, Version, is_reserved};
use super::object::Metadata;
use super::place::Place;
use super::plan::{Planned, join};
use super::stage::stage;
use crate::errors::{Context, Failure, Result};

const UNFINISHED: &str = "an accept that was interrupted cannot be finished: move away what stands in its way, or give it up with \
                          `bough accept --undo`";

const IN_LEFTOVERS: &str = "an accept that was interrupted cannot be finished: move away what has come into what it put aside as \
                            `.bough-accept.N`";

/// What an interrupted accept came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovered {
    /// Nothing was interrupted.
    Nothing,
    Finished,
    Undone,
}

/// How many steps may be done before this pretends to crash, or that the disk is full. For tests.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    left: Cell<Option<usize>>,
    /// One step fails, and the next can be done: nothing has crashed.
    fails: bool,
}

impl Breaker {
    #[cfg(test)]
    pub(super) fn after(steps: usize) -> Breaker {
        Breaker { left: Cell::new(Some(steps)), fails: false }
    }

    #[cfg(test)]
    pub(super) fn full_at(steps: usize) -> Breaker {
        Breaker { left: Cell::new(Some(steps)), fails: true }
    }

    pub(super) fn step(&self) -> Result<()> {
        match self.left.get() {
            None => Ok(()),
            Some(0) if self.fails => {
                self.left.set(None);
                Err(Failure::system("no space left on device"))
            }
            Some(0) => Err(Failure::system("")),
            Some(left) => {
                self.left.set(Some(left - 1));
                Ok(())
            }
        }
    }

    /// Whether anything is to be broken at all.
    pub(super) fn is_set(&self) -> bool {
        self.left.get().is_some()
    }

    fn has_crashed(&self) -> bool {
        self.left.get() == Some(0) && !self.fails
    }
}

/// An accept that has been carried out, but for the end of its journal.
#[derive(Debug)]
pub(super) struct Applied {
    steps: Steps,
    journal: Journal,
}

impl Applied {
    /// Nothing is left to be done, whoever comes.
    pub(super) fn end(self, target: &Place, breaker: &Breaker) -> Result<()> {
        close(target, &self.steps, self.journal, breaker)
    }
}

/// Carries out a plan, if the source is `still` as it was once all that is new has been made of it. What fails before names are
/// switched is undone; the target is as it was.
pub(super) fn apply(
    source: &Place,
    target: &Place,
    planned: &Planned,
    still: &dyn Fn() -> Result<()>,
    breaker: &Breaker,
) -> Result<Applied> {
    let mut steps = planned.steps.clone();
    breaker.step()?;
    let mut journal = Journal::begin(target, &steps)?;
    let done = stage(source, target, planned, breaker).and_then(|inodes| {
        steps.know(&inodes);
        target.settle()?;
        // Making what is new may have taken long.
        planned.check_unchanged(target)?;
        still()?;
        breaker.step()?;
        journal.mark(&Mark::Staged { inodes })?;
        switch(target, &steps, breaker)?;
        mark_switched(target, &mut journal, breaker)
    });
    match done {
        Ok(()) => {
            clear(target, &steps, breaker)?;
            Ok(Applied { steps, journal })
        }
        // Nor is anything undone once the journal may say that it is done.
        Err(failure) if breaker.has_crashed() || journal.is_torn() => Err(failure),
        Err(failure) => {
            let undone = undo(target, &steps, journal, &Breaker::default());
            // Why it was given up is not to be hidden by why it could not be.
            undone
                .map_err(|undoing| undoing.context(format_args!("{}; and it could not be undone", failure.text())))?;
            Err(failure)
        }
    }
}

/// Finishes or undoes what an earlier accept has left. Of what is finished `rest` learns whose changes it wrote, before the journal that
/// tells it goes.
pub(super) fn recover(target: &Place, undoing: bool, breaker: &Breaker, rest: &dyn Fn(&Accepted)) -> Result<Recovered> {
    let Some((mut journal, steps, mark)) = Journal::left(target)? else { return Ok(Recovered::Nothing) };
    match mark {
        Mark::Switched if undoing => {
            return Err(Failure::refused("what was before is gone already: this accept can only be finished"));
        }
        Mark::Switched => {
            check_leftovers(target, &steps).map_err(|failure| failure.context(IN_LEFTOVERS))?;
            clear(target, &steps, breaker)?;
        }
        Mark::Staged { .. } if !undoing => {
            switch_again(target, &steps, breaker)?;
            mark_switched(target, &mut journal, breaker)?;
            clear(target, &steps, breaker)?;
        }
        Mark::Staged { .. } => return undo(target, &steps, journal, breaker).map(|()| Recovered::Undone),
        Mark::Begun => {
            // What is there was not touched yet.
            let steps = Steps { moves: Vec::new(), settings: Vec::new(), ..steps };
            return undo(target, &steps, journal, breaker).map(|()| Recovered::Undone);
        }
    }
    if let Some(accepted) = &steps.accepted {
        rest(accepted);
    }
    close(target, &steps, journal, breaker).map(|()| Recovered::Finished)
}

/// As [`switch`], after an interruption. What stands in its way stands where whoever put it there knows it.
fn switch_again(target: &Place, steps: &Steps, breaker: &Breaker) -> Result<()> {
    let switched = switch(target, steps, breaker);
    if switched.is_err() && !breaker.has_crashed() {
        // What cannot be put back is put back by `--undo`, or found in place by the next try.
        let _ = switch_back(target, steps, &Breaker::default());
    }
    switched.map_err(|failure| failure.context(UNFINISHED))
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
        if !is_at(target, &step.to, step)? {
            // An overlay gives a file with several names another number when it is first written to. Nobody would find it again.
            target.rename(&step.to, &step.from)?;
            return Err(changed(target, &step.from));
        }
    }
    check_placed(target, steps)?;
    check_leftovers(target, steps)?;
    for setting in &steps.settings {
        breaker.step()?;
        set(target, setting, false)?;
    }
    Ok(())
}

/// Whatever was to come to a place is there: what it replaces goes for ever.
fn check_placed(target: &Place, steps: &Steps) -> Result<()> {
    for step in steps.moves.iter().filter(|step| !is_aside(&step.to)) {
        if !is_at(target, &step.to, step)? {
            let place = target.called(&step.to);
            return Err(Failure::refused(format!("what was to be {place} has vanished, or was replaced")));
        }
    }
    Ok(())
}

/// Whether it is one of our own names, beside a place.
fn is_aside(path: &Path) -> bool {
    path.file_name().is_some_and(is_reserved)
}

/// What goes for ever is what was known of it.
fn check_leftovers(target: &Place, steps: &Steps) -> Result<()> {
    for leftover in &steps.leftovers {
        let known: HashMap<&Path, _> = leftover.holds.iter().map(|held| (&*held.path, held)).collect();
        for (path, found) in target.all_below(&leftover.path)? {
            let inner = path.strip_prefix(&*leftover.path).unwrap_or(&path);
            if !known.get(inner).is_some_and(|held| held.is(&found)) {
                return Err(changed(target, &join(&leftover.was, inner)));
            }
        }
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

fn mark_switched(target: &Place, journal: &mut Journal, breaker: &Breaker) -> Result<()> {
    target.settle()?;
    breaker.step()?;
    journal.mark(&Mark::Switched)
}

/// What was before goes.
fn clear(target: &Place, steps: &Steps, breaker: &Breaker) -> Result<()> {
    for leftover in &steps.leftovers {
        breaker.step()?;
        target.remove(&leftover.path)?;
    }
    Ok(())
}

fn close(target: &Place, steps: &Steps, journal: Journal, breaker: &Breaker) -> Result<()> {
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
    switch_back(target, steps, breaker)?;
    for path in &steps.staged {
        breaker.step()?;
        target.remove(path)?;
    }
    target.settle()?;
    breaker.step()?;
    journal.end(target)
}

/// Has every name lead to what it did.
fn switch_back(target: &Place, steps: &Steps, breaker: &Breaker) -> Result<()> {
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
    check_back(target, steps)
}

/// Whatever was put aside is where it was: else the journal stays, which tells where it lies.
fn check_back(target: &Place, steps: &Steps) -> Result<()> {
    for step in steps.moves.iter().filter(|step| !is_aside(&step.from)) {
        if target.look(&step.from)?.is_none() && target.look(&step.to)?.is_some() {
            let (aside, place) = (target.called(&step.to), target.called(&step.from));
            return Err(Failure::refused(format!(
                "{aside} is not what was put aside any more: move it back to {place}"
            )));
        }
    }
    Ok(())
}
