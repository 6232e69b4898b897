//! Named streams: made by writing, renamed, removed.

use std::rc::Rc;

use bough::{Caller, Error, FileKind, Result};

use super::{Id, Model, Node, Path, WRITE, permit};

impl Model {
    fn stream(&self, id: Id, name: &str) -> Option<usize> {
        let wanted = self.fold(name.as_bytes());
        self.node(id).streams.iter().position(|(found, _)| self.fold(found) == wanted)
    }

    /// Opens the stream to write, makes it if need be, and writes.
    pub(crate) fn write_stream(
        &mut self,
        by: &Caller<'_>,
        path: &Path,
        name: &str,
        offset: usize,
        bytes: &[u8],
    ) -> Result<()> {
        let id = self.resolve(by, path)?;
        let now = self.now;
        let at = match self.stream(id, name) {
            Some(at) => {
                permit(by, self.node(id), WRITE)?;
                self.changeable()?;
                check_frozen(self.node(id))?;
                at
            }
            None => {
                self.changeable()?;
                if !matches!(self.node(id).kind, FileKind::File | FileKind::Directory) {
                    return Err(Error::NotSupported);
                }
                permit(by, self.node(id), WRITE)?;
                check_frozen(self.node(id))?;
                let node = self.node_mut(id);
                node.streams.push((name.into(), Rc::default()));
                node.streams.len() - 1
            }
        };
        let node = self.node_mut(id);
        let content = Rc::make_mut(&mut node.streams[at].1);
        if content.len() < offset + bytes.len() {
            content.resize(offset + bytes.len(), 0);
        }
        content[offset..offset + bytes.len()].copy_from_slice(bytes);
        if bytes.is_empty() {
            // One that is only made is no write yet.
            node.changed = now;
            return Ok(());
        }
        node.lose_setid(by);
        node.touch_content(now);
        Ok(())
    }

    pub(crate) fn rename_stream(
        &mut self,
        by: &Caller<'_>,
        path: &Path,
        name: &str,
        new: &str,
        replace: bool,
    ) -> Result<()> {
        let (id, mut at) = self.changeable_stream(by, path, name)?;
        let other = self.stream(id, new).filter(|other| *other != at);
        if other.is_some() && !replace {
            return Err(Error::Exists);
        }
        let now = self.now;
        let node = self.node_mut(id);
        if let Some(other) = other {
            node.streams.remove(other);
            at -= usize::from(other < at);
        }
        node.streams[at].0 = new.into();
        node.touch(now);
        Ok(())
    }

    pub(crate) fn remove_stream(&mut self, by: &Caller<'_>, path: &Path, name: &str) -> Result<()> {
        let (id, at) = self.changeable_stream(by, path, name)?;
        let now = self.now;
        let node = self.node_mut(id);
        node.streams.remove(at);
        node.touch(now);
        Ok(())
    }

    fn changeable_stream(&self, by: &Caller<'_>, path: &Path, name: &str) -> Result<(Id, usize)> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        let at = self.stream(id, name).ok_or(Error::NotFound)?;
        permit(by, self.node(id), WRITE)?;
        check_frozen(self.node(id))?;
        Ok((id, at))
    }
}

fn check_frozen(node: &Node) -> Result<()> {
    if node.is_frozen() { Err(Error::NotPermitted) } else { Ok(()) }
}
