//! Attributes and extended attributes.

use std::rc::Rc;

use bough::{Caller, Error, FileKind, Result, XattrMode, flags};

use super::{Id, Key, Model, Node, Path, WRITE, owner, permit};

impl Model {
    pub(crate) fn chmod(&mut self, by: &Caller<'_>, path: &Path, mode: u32) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        let node = self.node(id);
        if node.is_frozen() {
            return Err(Error::NotPermitted);
        }
        owner(by, node)?;
        let keeps = by.uid == 0 || by.in_group(node.gid);
        let now = self.now;
        let node = self.node_mut(id);
        node.mode = if keeps { mode } else { mode & !0o2000 };
        node.touch(now);
        Ok(())
    }

    pub(crate) fn chown(&mut self, by: &Caller<'_>, path: &Path, uid: Option<u32>, gid: Option<u32>) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        let node = self.node(id);
        let nothing = uid.is_none() && gid.is_none();
        let owns = by.uid == node.uid;
        let uid_fits = uid.is_none_or(|new| owns && new == node.uid);
        let gid_fits = gid.is_none_or(|new| owns && (new == node.gid || by.in_group(new)));
        let immutable = node.flags & flags::IMMUTABLE != 0 && !nothing;
        if immutable || !nothing && node.is_frozen() || by.uid != 0 && !(uid_fits && gid_fits) {
            return Err(Error::NotPermitted);
        }
        let now = self.now;
        let node = self.node_mut(id);
        if !nothing && !node.is_dir() {
            node.drop_setid();
        }
        node.uid = uid.unwrap_or(node.uid);
        node.gid = gid.unwrap_or(node.gid);
        node.touch(now);
        Ok(())
    }

    /// Access and modification times: to what is given, or to now.
    pub(crate) fn set_times(&mut self, by: &Caller<'_>, path: &Path, time: Option<i64>) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        let node = self.node(id);
        let immutable = node.flags & flags::IMMUTABLE != 0;
        if immutable || time.is_some() && node.flags & flags::APPEND != 0 {
            return Err(Error::NotPermitted);
        }
        match (owner(by, node), time) {
            (Ok(()), _) => {}
            (refused, Some(_)) => return refused,
            (_, None) => permit(by, node, WRITE)?,
        }
        let now = self.now;
        let node = self.node_mut(id);
        (node.accessed, node.modified) = (time.unwrap_or(now), time.unwrap_or(now));
        node.touch(now);
        Ok(())
    }

    pub(crate) fn set_flags(&mut self, by: &Caller<'_>, path: &Path, new: u32) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        owner(by, self.node(id))?;
        if by.uid != 0 && (new ^ self.node(id).flags) & flags::PRIVILEGED != 0 {
            return Err(Error::NotPermitted);
        }
        let now = self.now;
        let node = self.node_mut(id);
        node.flags = new;
        node.touch(now);
        Ok(())
    }

    pub(crate) fn truncate(&mut self, by: &Caller<'_>, path: &Path, size: usize) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        let node = self.node(id);
        node.file()?;
        if node.is_frozen() {
            return Err(Error::NotPermitted);
        }
        permit(by, node, WRITE)?;
        let (current, now) = (self.current, self.now);
        self.resize(by, current, id, size, now);
        Ok(())
    }

    pub(super) fn resize(&mut self, by: &Caller<'_>, at: Key, id: Id, size: usize, now: i64) {
        let node = self.node_of(at, id);
        Rc::make_mut(&mut node.data).resize(size, 0);
        node.lose_setid(by);
        node.touch_content(now);
    }

    pub(super) fn may_xattr(&self, by: &Caller<'_>, node: &Node, name: &str) -> Result<()> {
        if name.starts_with("trusted.") {
            return if by.uid == 0 { Ok(()) } else { Err(Error::NotPermitted) };
        }
        let sticky = node.is_dir() && node.mode & 0o1000 != 0 && owner(by, node).is_err();
        if sticky || !matches!(node.kind, FileKind::File | FileKind::Directory) {
            return Err(Error::NotPermitted);
        }
        permit(by, node, WRITE)
    }

    pub(crate) fn set_xattr(
        &mut self,
        by: &Caller<'_>,
        path: &Path,
        name: &str,
        value: &[u8],
        mode: XattrMode,
    ) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        self.may_xattr(by, self.node(id), name)?;
        let node = self.node(id);
        if node.is_frozen() {
            return Err(Error::NotPermitted);
        }
        match (mode, node.xattrs.contains_key(name.as_bytes())) {
            (XattrMode::Create, true) => return Err(Error::Exists),
            (XattrMode::Replace, false) => return Err(Error::NoAttribute),
            _ => {}
        }
        let now = self.now;
        let node = self.node_mut(id);
        node.xattrs.insert(name.into(), value.into());
        node.touch(now);
        Ok(())
    }

    pub(crate) fn remove_xattr(&mut self, by: &Caller<'_>, path: &Path, name: &str) -> Result<()> {
        let id = self.resolve(by, path)?;
        self.changeable()?;
        self.may_xattr(by, self.node(id), name)?;
        if self.node(id).is_frozen() {
            return Err(Error::NotPermitted);
        }
        let now = self.now;
        let node = self.node_mut(id);
        node.xattrs.remove(name.as_bytes()).ok_or(Error::NoAttribute)?;
        node.touch(now);
        Ok(())
    }

    pub(crate) fn access(&self, by: &Caller<'_>, path: &Path, want: u32) -> Result<()> {
        let node = self.node(self.resolve(by, path)?);
        let writes = want & WRITE != 0;
        if writes && matches!(node.kind, FileKind::File | FileKind::Directory | FileKind::Symlink) {
            self.changeable()?;
        }
        if writes && node.flags & flags::IMMUTABLE != 0 {
            return Err(Error::NotPermitted);
        }
        permit(by, node, want)
    }

    pub(crate) fn read_link(&self, by: &Caller<'_>, path: &Path) -> Result<Vec<u8>> {
        let node = self.node(self.resolve(by, &Path { follow: false, ..path.clone() })?);
        if node.kind == FileKind::Symlink { Ok(node.data.to_vec()) } else { Err(Error::Invalid("")) }
    }
}
