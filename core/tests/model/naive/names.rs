//! Names: made, linked, renamed, removed.

use std::rc::Rc;

use bough::{Caller, Error, FileKind, NamePolicy, RenameMode, Result, flags};

use super::{Id, Model, Node, Path, ROOT, SEARCH, WRITE, What, owner, permit};

impl Model {
    pub(super) fn may_add(&self, by: &Caller<'_>, dir: Id) -> Result<()> {
        permit(by, self.node(dir), WRITE | SEARCH)?;
        if self.node(dir).flags & flags::IMMUTABLE != 0 { Err(Error::NotPermitted) } else { Ok(()) }
    }

    pub(super) fn may_take(&self, by: &Caller<'_>, dir: Id, id: Id) -> Result<()> {
        let (directory, node) = (self.node(dir), self.node(id));
        permit(by, directory, WRITE | SEARCH)?;
        let sticky = directory.mode & 0o1000 != 0 && by.uid != directory.uid && owner(by, node).is_err();
        if directory.is_frozen() || node.is_frozen() || sticky { Err(Error::NotPermitted) } else { Ok(()) }
    }

    pub(super) fn add_entry(&mut self, dir: Id, name: &str, id: Id) {
        let (key, now) = (self.fold(name.as_bytes()), self.now);
        let directory = self.node_mut(dir);
        directory.touch_content(now);
        directory.entries.insert(key, (name.as_bytes().to_vec(), id));
    }

    pub(super) fn take_entry(&mut self, dir: Id, name: &str) {
        let (key, now) = (self.fold(name.as_bytes()), self.now);
        let directory = self.node_mut(dir);
        directory.touch_content(now);
        directory.entries.remove(&key);
    }

    pub(crate) fn make(&mut self, by: &Caller<'_>, path: &Path, mode: u32, what: What) -> Result<()> {
        let (dir, name) = self.parent(by, ROOT, &path.text)?;
        let is_dir = matches!(what, What::Directory);
        self.check_new_name(dir, name, if is_dir { "" } else { &path.text })?;
        self.make_in(by, dir, name, mode, what).map(drop)
    }

    pub(crate) fn make_in(&mut self, by: &Caller<'_>, dir: Id, name: &str, mode: u32, what: What) -> Result<Id> {
        self.changeable()?;
        if self.entry(dir, name).is_some() {
            return Err(Error::Exists);
        }
        self.may_add(by, dir)?;
        let kind = match what {
            What::File => FileKind::File,
            What::Directory => FileKind::Directory,
            What::Symlink(_) => FileKind::Symlink,
            What::Fifo => FileKind::Fifo,
            What::Device(_) if by.uid != 0 => return Err(Error::NotPermitted),
            What::Device(_) => FileKind::CharDevice,
        };
        let (gid, mode) = inherited(by, self.node(dir), kind, mode);
        let mut node = Node::new(kind, mode, by.uid, gid, self.now);
        match what {
            What::Symlink(target) => node.data = Rc::new(target.into()),
            What::Device(number) => node.device = number,
            _ => {}
        }
        self.last_id += 1;
        let id = self.last_id;
        let current = self.current;
        self.refs.get_mut(&current).unwrap().tree.nodes.insert(id, node);
        self.add_entry(dir, name, id);
        Ok(id)
    }

    /// `.`, `..` and `/` are taken, and a path that ends in `/` names no new file.
    pub(super) fn check_new_name(&self, dir: Id, name: &str, path: &str) -> Result<()> {
        match (name, path.ends_with('/')) {
            ("", _) => Err(Error::Exists),
            (_, false) => Ok(()),
            _ if self.entry(dir, name).is_some() => Err(Error::Exists),
            _ => Err(Error::NotFound),
        }
    }

    pub(crate) fn unlink(&mut self, by: &Caller<'_>, path: &Path) -> Result<()> {
        let (dir, name) = self.parent(by, ROOT, &path.text)?;
        if name.is_empty() {
            return Err(Error::IsADirectory);
        }
        if path.text.ends_with('/') {
            let id = self.entry(dir, name).ok_or(Error::NotFound)?;
            return Err(if self.node(id).is_dir() { Error::IsADirectory } else { Error::NotADirectory });
        }
        self.unlink_in(by, dir, name)
    }

    pub(crate) fn unlink_in(&mut self, by: &Caller<'_>, dir: Id, name: &str) -> Result<()> {
        self.changeable()?;
        let id = self.entry(dir, name).ok_or(Error::NotFound)?;
        self.may_take(by, dir, id)?;
        if self.node(id).is_dir() {
            return Err(Error::IsADirectory);
        }
        self.remove(dir, name, id)
    }

    pub(crate) fn rmdir(&mut self, by: &Caller<'_>, path: &Path) -> Result<()> {
        let (dir, name) = self.parent(by, ROOT, &path.text)?;
        if name.is_empty() {
            let trimmed = path.text.trim_end_matches('/');
            return Err(match trimmed.rsplit('/').next() {
                Some("..") => Error::NotEmpty,
                Some(".") => Error::Invalid(""),
                _ => Error::Busy(""),
            });
        }
        self.rmdir_in(by, dir, name)
    }

    pub(crate) fn rmdir_in(&mut self, by: &Caller<'_>, dir: Id, name: &str) -> Result<()> {
        self.changeable()?;
        let id = self.entry(dir, name).ok_or(Error::NotFound)?;
        self.may_take(by, dir, id)?;
        if !self.node(id).is_dir() {
            return Err(Error::NotADirectory);
        }
        self.remove(dir, name, id)
    }

    fn remove(&mut self, dir: Id, name: &str, id: Id) -> Result<()> {
        if !self.node(id).entries.is_empty() {
            return Err(Error::NotEmpty);
        }
        self.take_entry(dir, name);
        let now = self.now;
        self.node_mut(id).touch(now);
        Ok(())
    }

    pub(crate) fn link(&mut self, by: &Caller<'_>, path: &Path, new: &Path) -> Result<()> {
        let id = self.resolve(by, path)?;
        let (dir, name) = self.parent(by, ROOT, &new.text)?;
        self.check_new_name(dir, name, &new.text)?;
        self.changeable()?;
        if self.entry(dir, name).is_some() {
            return Err(Error::Exists);
        }
        self.may_add(by, dir)?;
        if self.node(id).is_dir() || self.node(id).is_frozen() {
            return Err(Error::NotPermitted);
        }
        self.add_entry(dir, name, id);
        let now = self.now;
        self.node_mut(id).touch(now);
        Ok(())
    }

    pub(crate) fn rename(&mut self, by: &Caller<'_>, from: &Path, to: &Path, mode: RenameMode) -> Result<()> {
        let (from_dir, old) = self.parent(by, ROOT, &from.text)?;
        let (to_dir, new) = self.parent(by, ROOT, &to.text)?;
        if old.is_empty() || new.is_empty() {
            return Err(Error::Busy(""));
        }
        let source = self.entry(from_dir, old).ok_or(Error::NotFound)?;
        if (from.text.ends_with('/') || to.text.ends_with('/')) && !self.node(source).is_dir() {
            return Err(Error::NotADirectory);
        }
        self.rename_in(by, (from_dir, old), (to_dir, new), mode)
    }

    pub(crate) fn rename_in(
        &mut self,
        by: &Caller<'_>,
        (from_dir, old): (Id, &str),
        (to_dir, new): (Id, &str),
        mode: RenameMode,
    ) -> Result<()> {
        self.changeable()?;
        let source = self.entry(from_dir, old).ok_or(Error::NotFound)?;
        let target = self.entry(to_dir, new);
        let respells = from_dir == to_dir && old != new && self.fold(old.as_bytes()) == self.fold(new.as_bytes());
        match (mode, target) {
            (RenameMode::NoReplace, Some(_)) if !respells => return Err(Error::Exists),
            (RenameMode::Exchange, None) => return Err(Error::NotFound),
            _ => {}
        }
        self.check_loops(from_dir, to_dir, source, target, mode)?;
        if target == Some(source) {
            return if respells { self.respell(by, from_dir, new, source) } else { Ok(()) };
        }
        self.may_rename(by, (from_dir, to_dir), source, target, mode)?;
        self.move_entry((from_dir, old), (to_dir, new), source, target, mode);
        Ok(())
    }

    pub(super) fn is_below(&self, mut id: Id, ancestor: Id) -> bool {
        while id != ancestor && id != ROOT {
            id = self.above(id);
        }
        id == ancestor
    }

    pub(super) fn check_loops(&self, from: Id, to: Id, source: Id, target: Option<Id>, mode: RenameMode) -> Result<()> {
        if from == to {
            return Ok(());
        }
        if self.node(source).is_dir() && self.is_below(to, source) {
            return Err(Error::IntoItself);
        }
        match target {
            Some(target) if self.node(target).is_dir() && self.is_below(from, target) => {
                Err(if mode == RenameMode::Exchange { Error::IntoItself } else { Error::NotEmpty })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn respell(&mut self, by: &Caller<'_>, dir: Id, name: &str, id: Id) -> Result<()> {
        self.may_take(by, dir, id)?;
        self.add_entry(dir, name, id);
        let now = self.now;
        self.node_mut(id).touch(now);
        Ok(())
    }

    pub(super) fn may_rename(
        &self,
        by: &Caller<'_>,
        dirs: (Id, Id),
        source: Id,
        target: Option<Id>,
        mode: RenameMode,
    ) -> Result<()> {
        self.may_take(by, dirs.0, source)?;
        self.may_add(by, dirs.1)?;
        let moves =
            |id: Id| if dirs.0 != dirs.1 && self.node(id).is_dir() { permit(by, self.node(id), WRITE) } else { Ok(()) };
        moves(source)?;
        let Some(target) = target else { return Ok(()) };
        self.may_take(by, dirs.1, target)?;
        if mode == RenameMode::Exchange {
            return moves(target);
        }
        match (self.node(source).is_dir(), self.node(target).is_dir()) {
            (true, false) => Err(Error::NotADirectory),
            (false, true) => Err(Error::IsADirectory),
            _ if !self.node(target).entries.is_empty() => Err(Error::NotEmpty),
            _ => Ok(()),
        }
    }

    pub(super) fn move_entry(
        &mut self,
        from: (Id, &str),
        to: (Id, &str),
        source: Id,
        target: Option<Id>,
        mode: RenameMode,
    ) {
        let now = self.now;
        let spelled = |model: &Model, dir: Id, name: &str| {
            let held = model.node(dir).entries.get(&model.fold(name.as_bytes()));
            held.map_or(name.to_string(), |(name, _)| String::from_utf8(name.clone()).unwrap())
        };
        let (old, mut new) = (spelled(self, from.0, from.1), spelled(self, to.0, to.1));
        if mode != RenameMode::Exchange && matches!(self.names, NamePolicy::Windows | NamePolicy::MacOs) {
            new = to.1.to_owned();
        }
        self.take_entry(from.0, from.1);
        self.add_entry(to.0, &new, source);
        self.node_mut(source).touch(now);
        if let Some(target) = target {
            self.node_mut(target).touch(now);
            if mode == RenameMode::Exchange {
                self.add_entry(from.0, &old, target);
            }
        }
    }
}

/// Group and mode of a new node.
fn inherited(by: &Caller<'_>, dir: &Node, kind: FileKind, mode: u32) -> (u32, u32) {
    let (gid, mut mode) = if dir.mode & 0o2000 == 0 { (by.gid, mode) } else { (dir.gid, mode) };
    if dir.mode & 0o2000 != 0 {
        if kind == FileKind::Directory {
            mode |= 0o2000;
        } else if mode & 0o010 != 0 && by.uid != 0 && !by.in_group(gid) {
            mode &= !0o2000;
        }
    }
    (gid, if kind == FileKind::Symlink { 0o777 } else { mode & !by.umask })
}
