//! Finding every conflict. With `force` the changes are turned into such as can be written.

use std::path::{Path, PathBuf};

use rustix::fs::Stat;

use super::sorted::Shown;
use super::split::Apart;
use super::{Directories, Origin, Planner, is_directory, join, parent_of};
use crate::accept::place::Walk;
use crate::errors::Result;

impl Planner<'_> {
    /// All of them.
    pub(super) fn check(&mut self) -> Result<()> {
        self.check_names();
        self.check_apart()?;
        self.check_removed()?;
        self.check_moved()?;
        self.check_added()?;
        self.check_set()?;
        self.sorted.vacate();
        Ok(())
    }

    fn check_removed(&mut self) -> Result<()> {
        for (path, origin) in self.sorted.removed.clone() {
            let Some(found) = self.target.look(&path)? else {
                self.sorted.removed.remove(&path);
                // Who wanted it gone has it; who replaced it did not know.
                if self.sorted.added.keys().any(|added| self.sorted.was(added) == path) {
                    self.conflict(&path, "is gone in the base", true);
                }
                continue;
            };
            if is_directory(&found) && self.target.is_mount_point(&path)? {
                // In the branch it was empty: whoever removed it there has not seen what it holds.
                self.conflict(&path, "has another file system mounted on it", false);
            } else if !origin.fits(&found) {
                self.conflict(&path, "has changed in the base", true);
            } else if is_directory(&found) && self.directories == Directories::Stay && self.sorted.comes(&path) {
                let why = "is a directory on an overlay, where not each can make way for something else: remove it there first";
                self.conflict(&path, why, false);
            } else if is_directory(&found) {
                self.check_emptied(&path)?;
            } else {
                self.see_file(&path, &found);
            }
        }
        Ok(())
    }

    /// A directory that moved and is made anew has no attributes that others have set since.
    fn check_apart(&mut self) -> Result<()> {
        for Apart { old, new, origin } in std::mem::take(&mut self.apart) {
            let found = self.target.look(&old)?;
            if let Some(found) = found.filter(is_directory)
                && !self.directory_fits(&new, &old, origin, &found)?
            {
                self.conflict(&old, "has changed in the base", true);
            }
        }
        Ok(())
    }

    /// A directory that goes may hold nothing that the branch has not seen.
    fn check_emptied(&mut self, directory: &Path) -> Result<()> {
        for (name, _) in self.target.names(directory)? {
            let path = directory.join(name);
            if !self.sorted.vacated.contains(&path) {
                self.conflict(&path, "is new in the base, in a directory that the branch has removed", true);
            }
        }
        Ok(())
    }

    fn check_moved(&mut self) -> Result<()> {
        for (path, (old, origin)) in self.sorted.moved.clone() {
            match self.target.look(&old)? {
                Some(found) if origin.fits(&found) && self.directory_fits(&path, &old, origin, &found)? => {
                    self.see_file(&old, &found);
                }
                Some(_) => self.conflict(&old, "has changed in the base", true),
                None => {
                    let is_file = self.source.look(&path)?.is_some_and(|found| !is_directory(&found));
                    self.conflict(&old, "is gone in the base", is_file);
                    self.sorted.moved.remove(&path);
                    self.sorted.set.remove(&path);
                    self.sorted.added.insert(path.clone(), None);
                    // Looked at with what is new.
                    continue;
                }
            }
            self.check_free(&path)?;
        }
        Ok(())
    }

    fn check_added(&mut self) -> Result<()> {
        self.look_at_new()?;
        // What lies in a new directory has nothing in its way. A directory comes before what is in it.
        let mut last = (PathBuf::new(), false);
        for (path, new) in self.sorted.added.clone() {
            let parent = parent_of(&path);
            if last.0 != parent {
                last = (parent.to_owned(), self.sorted.added.contains_key(parent));
            }
            if !last.1 {
                self.check_new(&path, new.is_some_and(|new| new.is_directory))?;
            }
        }
        Ok(())
    }

    fn check_new(&mut self, path: &Path, is_new_directory: bool) -> Result<()> {
        let was = self.was_beside(path);
        let there = match &was {
            Some(was) => self.target.look(was)?,
            None => None,
        };
        match there {
            // Both made the same directory.
            Some(there) if is_directory(&there) && is_new_directory && !self.is_vacated(was.as_deref()) => {
                self.sorted.added.remove(path);
                Ok(())
            }
            _ => self.check_free(path),
        }
    }

    /// Looks at everything new that was not looked at yet; what has gone from the branch since is not new any more.
    pub(super) fn look_at_new(&mut self) -> Result<()> {
        let mut walk = Walk::of(self.source);
        let mut gone = Vec::new();
        for (path, shown) in self.sorted.added.iter_mut().filter(|(_, shown)| shown.is_none()) {
            *shown = walk.look(path)?.map(|found| Shown::of(&found));
            match shown {
                None => gone.push(path.clone()),
                // All that is in it comes next.
                Some(shown) if shown.is_directory => walk.list_next(path),
                Some(_) => {}
            }
        }
        for path in &gone {
            self.sorted.added.remove(path);
        }
        Ok(())
    }

    /// Where something would stand in the way of `path`, now; `None` when its directory is new.
    fn was_beside(&self, path: &Path) -> Option<PathBuf> {
        let parent = parent_of(path);
        if self.sorted.added.contains_key(parent) {
            return None;
        }
        Some(join(&self.sorted.was(parent), Path::new(path.file_name()?)))
    }

    fn is_vacated(&self, path: Option<&Path>) -> bool {
        path.is_some_and(|path| self.sorted.vacated.contains(path))
    }

    fn check_free(&mut self, path: &Path) -> Result<()> {
        let Some(was) = self.was_beside(path) else { return Ok(()) };
        let parent = self.target.look(parent_of(&was))?;
        if !parent.is_some_and(|parent| is_directory(&parent)) {
            self.conflict(path, "has no directory in the base to be in any more", false);
        } else if !self.is_vacated(Some(&was)) && self.target.look(&was)?.is_some() {
            self.conflict(path, "is new in the base, too", true);
            if self.force {
                self.sorted.removed.insert(was, Origin::Unknown);
            }
        }
        Ok(())
    }

    fn check_set(&mut self) -> Result<()> {
        for (path, origin) in self.sorted.set.clone() {
            let was = self.sorted.was(&path);
            let found = self.target.look(&was)?;
            match found {
                Some(found) if is_directory(&found) && self.is_mounted_on(&was)? => {
                    self.conflict(&path, "has another file system mounted on it", false);
                }
                Some(found) if origin.fits(&found) && self.directory_fits(&path, &was, origin, &found)? => {
                    self.see_file(&was, &found);
                }
                Some(_) => self.conflict(&path, "has changed in the base", true),
                None => {
                    let is_file = self.source.look(&path)?.is_some_and(|found| !is_directory(&found));
                    self.conflict(&path, "is gone in the base", is_file);
                    self.sorted.set.remove(&path);
                    self.sorted.added.insert(path, None);
                }
            }
        }
        Ok(())
    }

    fn is_mounted_on(&self, path: &Path) -> Result<bool> {
        Ok(!path.as_os_str().is_empty() && self.target.is_mount_point(path)?)
    }

    /// Of directories making what is new beside its place changes the times.
    pub(super) fn see_file(&mut self, path: &Path, found: &Stat) {
        if is_directory(found) {
            return;
        }
        self.seen.add(path, found);
        if found.st_nlink > 1 {
            self.linked.insert(path.to_owned());
        }
    }

    /// An overlay gives a file with several names another number when it is first written to: now, not when it is renamed. Not before
    /// it is known that nothing stands in the way: what is refused writes nothing.
    pub(super) fn settle_numbers(&mut self) -> Result<()> {
        if self.directories == Directories::Move || self.looks_only {
            return Ok(());
        }
        for path in std::mem::take(&mut self.linked) {
            if let Some(found) = self.target.look(&path)? {
                self.target.touch(&path, &found)?;
            }
            if let Some(found) = self.target.look(&path)? {
                self.seen.add(&path, &found);
            }
        }
        Ok(())
    }
}
