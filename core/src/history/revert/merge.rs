//! Lays a directory that is new in a branch over the one that the other tree has there by now: what is in it stays, and stands in
//! the place of what the other has under the same names.

use std::sync::Arc;

use super::scope;
use crate::context::Context;
use crate::error::Result;
use crate::history::diff::side::Side;
use crate::tree::inode::Inode;
use crate::tree::table::{FrozenTable, LiveTable};
use crate::types::{FileKind, InodeId};

pub(super) struct Merge<'a> {
    pub(super) context: &'a Context,
    pub(super) to: &'a FrozenTable,
    pub(super) table: &'a LiveTable,
    pub(super) epoch: u64,
}

/// An entry of a directory, kept beyond its lock.
struct Kept {
    name: Vec<u8>,
    key: u64,
    id: InodeId,
    kind: FileKind,
}

impl Merge<'_> {
    /// Where the branch has no new directory, or the other tree none, nothing happens.
    pub(super) fn directory(&self, path: &[u8]) -> Result<()> {
        let now = self.table.freeze();
        let source = Side { table: &now, context: self.context };
        let target = Side { table: self.to, context: self.context };
        let (above, name) = scope::split(path);
        let (Some(new), Some(there), Some(parent)) =
            (source.find(path)?, target.find(path)?, source.find_directory(above)?)
        else {
            return Ok(());
        };
        let both = new.read_shared().is_directory() && there.read_shared().is_directory();
        let is_free = now.get(there.id).is_none_or(|held| held.is_gone());
        if !both || new.is_of_base() || parent.id == new.id || new.id == there.id || !is_free {
            return Ok(());
        }
        self.lay(parent.id, name, &new, &there)?;
        self.descend(path, there.id)
    }

    /// Puts the other tree's directory in the place of the new one, with the entries of that.
    fn lay(&self, parent: InodeId, name: &[u8], new: &Inode, there: &Inode) -> Result<()> {
        let entries = entries_of(new)?;
        let version = match self.to.get(there.id) {
            Some(version) => version.copy_for(self.epoch),
            None => there.take_up(self.epoch),
        };
        self.table.insert(Arc::new(version));
        self.put_in_place(parent, name, there.id)?;
        for entry in entries {
            self.carry(entry, new.id, there.id)?;
        }
        self.table.forget(new.id);
        Ok(())
    }

    fn put_in_place(&self, parent: InodeId, name: &[u8], id: InodeId) -> Result<()> {
        let rules = &self.context.names;
        let in_base = self.in_base(parent, name)?;
        let Some(above) = self.table.own(parent, self.epoch) else { return Ok(()) };
        let mut record = above.write();
        let directory = record.directory_mut()?;
        directory.give_back(rules, name, in_base.map(|(_, kind)| kind));
        let key = match in_base {
            Some((there, _)) if there == id && directory.beneath().is_some() => {
                let key = rules.base_key(name);
                directory.take_over(key, name, id, FileKind::Directory)?;
                key
            }
            _ => directory.insert(rules, name, id, FileKind::Directory)?,
        };
        drop(record);
        let Some(own) = self.table.own(id, self.epoch) else { return Ok(()) };
        let mut record = own.write();
        for (parent, key) in record.names.all() {
            record.remove_name(parent, key);
        }
        record.add_name(parent, key);
        Ok(())
    }

    /// Moves an entry of the new directory to the other, in the place of what that has under the name.
    fn carry(&self, entry: Kept, from: InodeId, to: InodeId) -> Result<()> {
        self.context.store.admit()?;
        let rules = &self.context.names;
        let in_base = self.in_base(to, &entry.name)?;
        let Some(own) = self.table.own(to, self.epoch) else { return Ok(()) };
        let mut record = own.write();
        let directory = record.directory_mut()?;
        let other = directory.get(rules, &entry.name).map(|other| (other.key, other.inode));
        if let Some((key, _)) = other {
            directory.take_out(rules, key)?;
        }
        if let Some((_, kind)) = in_base {
            directory.hide(rules, &entry.name, Some(kind))?;
        }
        let key = directory.insert(rules, &entry.name, entry.id, entry.kind)?;
        drop(record);
        if let Some((_, id)) = other {
            self.table.forget(id);
        }
        if let Some(inode) = self.table.own(entry.id, self.epoch) {
            let mut record = inode.write();
            record.remove_name(from, entry.key);
            record.add_name(to, key);
        }
        Ok(())
    }

    /// Directories in it may be new in both, too.
    fn descend(&self, path: &[u8], id: InodeId) -> Result<()> {
        let Some(laid) = self.table.get(id) else { return Ok(()) };
        let inner = entries_of(&laid)?;
        for entry in inner.into_iter().filter(|entry| entry.kind == FileKind::Directory) {
            self.directory(&[path, b"/", &entry.name].concat())?;
        }
        Ok(())
    }

    fn in_base(&self, parent: InodeId, name: &[u8]) -> Result<Option<(InodeId, FileKind)>> {
        match &self.context.base {
            Some(base) if base.knows(parent) => base.look(parent, name),
            _ => Ok(None),
        }
    }
}

fn entries_of(inode: &Inode) -> Result<Vec<Kept>> {
    let record = inode.read_shared();
    let entries = record.directory()?.iter_after(0);
    Ok(entries
        .map(|entry| Kept { name: entry.name.to_vec(), key: entry.key, id: entry.inode, kind: entry.kind })
        .collect())
}
