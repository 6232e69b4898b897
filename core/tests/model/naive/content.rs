//! Opening, reading, writing.

use std::rc::Rc;

use bough::{Caller, Error, FileKind, Result, flags};

use super::{Held, How, Id, Model, Path, READ, ROOT, WRITE, What, permit};

impl Model {
    pub(crate) fn open(&mut self, by: &Caller<'_>, path: &Path, how: How) -> Result<Held> {
        let node = match (how.create, how.exclusive) {
            (None, _) => self.open_existing(by, path, how)?,
            (Some(mode), true) => self.create(by, ROOT, &path.text, how, mode)?,
            (Some(mode), false) => match self.open_existing(by, path, how) {
                Err(Error::NotFound) => self.create_through_links(by, path, how, mode)?,
                answer => answer?,
            },
        };
        Ok(Held { at: self.current, node, read: how.read, write: how.write, append: how.append })
    }

    pub(super) fn open_existing(&mut self, by: &Caller<'_>, path: &Path, how: How) -> Result<Id> {
        let id = self.resolve(by, path)?;
        self.open_node(by, id, how)
    }

    pub(super) fn open_node(&mut self, by: &Caller<'_>, id: Id, how: How) -> Result<Id> {
        let node = self.node(id);
        let writes = how.write || how.append || how.truncate || how.create.is_some() && node.is_dir();
        match node.kind {
            FileKind::Symlink => return Err(Error::TooManySymlinks),
            FileKind::Directory if writes => return Err(Error::IsADirectory),
            _ => {}
        }
        permit(by, node, if how.read { READ } else { 0 } | if writes { WRITE } else { 0 })?;
        if !writes {
            return Ok(id);
        }
        self.changeable()?;
        let appends_only = how.append && !how.truncate;
        if node.flags & flags::IMMUTABLE != 0 || node.flags & flags::APPEND != 0 && !appends_only {
            return Err(Error::NotPermitted);
        }
        if how.truncate {
            node.file()?;
            let (current, now) = (self.current, self.now);
            self.resize(by, current, id, 0, now);
        }
        Ok(id)
    }

    pub(super) fn create(&mut self, by: &Caller<'_>, start: Id, path: &str, how: How, mode: u32) -> Result<Id> {
        let (dir, name) = self.parent(by, start, path)?;
        if name.is_empty() || path.ends_with('/') {
            return Err(Error::IsADirectory);
        }
        match (self.make_in(by, dir, name, mode, What::File), self.entry(dir, name)) {
            (Err(Error::Exists), Some(id)) if !how.exclusive => self.open_node(by, id, how),
            (made, _) => made,
        }
    }

    pub(super) fn create_through_links(&mut self, by: &Caller<'_>, path: &Path, how: How, mode: u32) -> Result<Id> {
        let (mut start, mut text) = (ROOT, path.text.clone());
        loop {
            let (dir, name) = self.parent(by, start, &text)?;
            let link = self.entry(dir, name).map(|id| self.node(id)).filter(|node| node.kind == FileKind::Symlink);
            match link {
                Some(link) if path.follow && !text.ends_with('/') => {
                    text = String::from_utf8(link.data.to_vec()).unwrap();
                    start = dir;
                }
                _ => return self.create(by, start, &text, how, mode),
            }
        }
    }

    pub(crate) fn read(&self, held: Held) -> Result<Vec<u8>> {
        if !held.read {
            return Err(Error::BadHandle);
        }
        let node = &self.refs[&held.at].tree.nodes[&held.node];
        node.file()?;
        Ok(node.data.to_vec())
    }

    /// Runs `change` on the content of an open file, if that may be written at `offset`.
    pub(super) fn changing(
        &mut self,
        by: &Caller<'_>,
        held: Held,
        offset: Option<usize>,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Result<()> {
        if !held.write {
            return Err(Error::BadHandle);
        }
        let now = self.now;
        let node = self.node_of(held.at, held.node);
        node.file()?;
        node.writable(offset.unwrap_or(node.data.len()))?;
        change(Rc::make_mut(&mut node.data));
        node.lose_setid(by);
        node.touch_content(now);
        Ok(())
    }

    /// Whether something may be written there.
    pub(crate) fn check_write(&self, held: Held, offset: Option<usize>) -> Result<()> {
        if !held.write {
            return Err(Error::BadHandle);
        }
        let node = &self.refs[&held.at].tree.nodes[&held.node];
        node.file()?;
        let offset = if held.append { None } else { offset };
        node.writable(offset.unwrap_or(node.data.len()))
    }

    pub(crate) fn write(&mut self, by: &Caller<'_>, held: Held, offset: Option<usize>, bytes: &[u8]) -> Result<()> {
        let offset = if held.append { None } else { offset };
        self.changing(by, held, offset, |data| put(data, offset.unwrap_or(data.len()), bytes))
    }

    pub(crate) fn punch(&mut self, by: &Caller<'_>, held: Held, offset: usize, length: usize) -> Result<()> {
        self.changing(by, held, Some(0), |data| {
            let end = data.len().min(offset + length);
            data[offset.min(end)..end].fill(0);
        })
    }

    pub(crate) fn zero(&mut self, by: &Caller<'_>, held: Held, offset: usize, length: usize, keep: bool) -> Result<()> {
        self.changing(by, held, Some(0), |data| {
            grow(data, offset + length, keep);
            let end = data.len().min(offset + length);
            data[offset.min(end)..end].fill(0);
        })
    }

    pub(crate) fn reserve(
        &mut self,
        by: &Caller<'_>,
        held: Held,
        offset: usize,
        length: usize,
        keep: bool,
    ) -> Result<()> {
        self.changing(by, held, None, |data| grow(data, offset + length, keep))
    }

    pub(crate) fn copy(
        &mut self,
        by: &Caller<'_>,
        from: (Held, usize),
        to: (Held, usize),
        length: usize,
    ) -> Result<usize> {
        let source = self.read(from.0)?;
        let begin = from.1.min(source.len());
        let piece = &source[begin..source.len().min(begin + length)];
        let overlaps = from.1 < to.1 + piece.len() && to.1 < from.1 + piece.len();
        if from.0.node == to.0.node && overlaps {
            return Err(Error::Invalid(""));
        }
        if piece.is_empty() {
            let node = self.node(to.0.node);
            node.file()?;
            return node.writable(to.1).map(|()| 0);
        }
        self.changing(by, to.0, Some(to.1), |data| put(data, to.1, piece))?;
        Ok(piece.len())
    }
}

fn put(data: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    grow(data, offset + bytes.len(), false);
    data[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn grow(data: &mut Vec<u8>, size: usize, keep: bool) {
    if !keep && data.len() < size {
        data.resize(size, 0);
    }
}
