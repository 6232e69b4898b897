//! One of the two trees that are compared: its table, and the base beneath where the table holds nothing.

use std::sync::Arc;

use crate::context::Context;
use crate::error::Result;
use crate::tree::directory::Directory;
use crate::tree::inode::Inode;
use crate::tree::table::FrozenTable;
use crate::types::InodeId;

/// An entry: its directory, and its key there.
pub(in crate::history) type Name = (InodeId, u64);

#[derive(Clone, Copy)]
pub(in crate::history) struct Side<'a> {
    pub(in crate::history) table: &'a FrozenTable,
    pub(in crate::history) context: &'a Context,
}

impl Side<'_> {
    /// The inode as the tree shows it.
    pub(in crate::history) fn inode(&self, id: InodeId) -> Result<Option<Arc<Inode>>> {
        match (self.table.get(id), &self.context.base) {
            (Some(inode), _) => Ok(Some(inode).filter(|inode| !inode.is_gone())),
            (None, Some(base)) => Ok(base.inode(id)?.map(Arc::new)),
            (None, None) => Ok(None),
        }
    }

    /// Whether the tree shows the inode, for all that is known without asking the base.
    pub(in crate::history) fn has(&self, id: InodeId) -> bool {
        match (self.table.get(id), &self.context.base) {
            (Some(inode), _) => !inode.is_gone(),
            (None, base) => base.as_ref().is_some_and(|base| base.knows(id)),
        }
    }

    /// The first name of an inode; the only one of a directory.
    pub(in crate::history) fn name_of(&self, id: InodeId) -> Option<Name> {
        match (self.table.get(id), &self.context.base) {
            (Some(inode), _) => inode.read_shared().names.first(),
            (None, Some(base)) => base.places(id).first().map(|place| (place.parent, base.key(&place.name))),
            (None, None) => None,
        }
    }

    /// The bytes of an inode's name.
    pub(in crate::history) fn bytes_of(&self, id: InodeId, (parent, key): Name) -> Vec<u8> {
        let own = self.table.get(parent).and_then(|directory| {
            let record = directory.read_shared();
            record.directory().ok().and_then(|directory| directory.by_key(key)).map(|entry| entry.name.to_vec())
        });
        own.or_else(|| self.name_in_base(id, (parent, key))).unwrap_or_default()
    }

    fn name_in_base(&self, id: InodeId, (parent, key): Name) -> Option<Vec<u8>> {
        let base = self.context.base.as_ref()?;
        let places = base.places(id);
        let place = places.iter().find(|place| place.parent == parent && base.key(&place.name) == key)?;
        Some(place.name.to_vec())
    }

    /// The path of an inode's name, without a leading slash.
    pub(in crate::history) fn path_of(&self, id: InodeId, name: Name) -> Vec<u8> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        let mut next = Some((id, name));
        while let Some((id, name)) = next {
            parts.push(self.bytes_of(id, name));
            next = self.name_of(name.0).map(|above| (name.0, above));
        }
        parts.reverse();
        parts.join(&b'/')
    }

    /// Whether a name of a base inode is there, though its record need not say so.
    pub(in crate::history) fn shows(&self, id: InodeId, name: Name) -> bool {
        let Some(bytes) = self.name_in_base(id, name) else { return false };
        let Some(directory) = self.table.get(name.0) else { return true };
        let record = directory.read_shared();
        let Ok(directory) = record.directory() else { return false };
        match directory.get(&self.context.names, &bytes) {
            Some(entry) => entry.inode == id,
            None => directory.shows(&self.context.names, &bytes),
        }
    }

    /// Whether a name leads to the inode: an entry of the tree's own or, where it shows the base, the one that is there now.
    pub(in crate::history) fn leads_to(&self, id: InodeId, name: Name) -> Result<bool> {
        let (parent, key) = name;
        let own = self.table.get(parent).is_some_and(|directory| {
            let record = directory.read_shared();
            record.directory().is_ok_and(|directory| directory.by_key(key).is_some_and(|entry| entry.inode == id))
        });
        if own || !self.shows(id, name) {
            return Ok(own);
        }
        let (Some(base), Some(bytes)) = (&self.context.base, self.name_in_base(id, name)) else { return Ok(false) };
        Ok(base.look(parent, &bytes)?.is_some_and(|(there, _)| there == id))
    }

    /// The names of the base that a directory of the tree hides.
    pub(in crate::history) fn hidden(&self, directory: InodeId) -> Vec<Vec<u8>> {
        let Some(directory) = self.table.get(directory) else { return Vec::new() };
        let record = directory.read_shared();
        let beneath = record.directory().ok().and_then(Directory::beneath);
        beneath.map_or_else(Vec::new, |beneath| beneath.hidden().map(<[u8]>::to_vec).collect())
    }

    /// What a path without a leading slash leads to.
    pub(in crate::history) fn find(&self, path: &[u8]) -> Result<Option<Arc<Inode>>> {
        let mut inode = self.inode(InodeId::ROOT)?;
        for name in path.split(|&byte| byte == b'/') {
            let Some(next) = inode.as_deref().map(|above| self.entry(above, name)).transpose()?.flatten() else {
                return Ok(None);
            };
            inode = self.inode(next)?;
        }
        Ok(inode)
    }

    /// As [`Side::find`], with the root at the empty path.
    pub(in crate::history) fn find_directory(&self, path: &[u8]) -> Result<Option<Arc<Inode>>> {
        if path.is_empty() { self.inode(InodeId::ROOT) } else { self.find(path) }
    }

    /// The path as the tree spells it, as far as there are entries; what has none is as it was given.
    pub(in crate::history) fn spelled(&self, path: &[u8]) -> Result<Vec<u8>> {
        let mut inode = self.inode(InodeId::ROOT)?;
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for name in path.split(|&byte| byte == b'/') {
            let above = inode.take();
            let own = above.as_deref().and_then(|above| {
                let record = above.read_shared();
                let entry = record.directory().ok()?.get(&self.context.names, name)?;
                Some(entry.name.to_vec())
            });
            parts.push(own.unwrap_or_else(|| name.to_vec()));
            if let Some(next) = above.as_deref().map(|above| self.entry(above, name)).transpose()?.flatten() {
                inode = self.inode(next)?;
            }
        }
        Ok(parts.join(&b'/'))
    }

    /// What a directory of the tree has under a name.
    pub(in crate::history) fn entry(&self, above: &Inode, name: &[u8]) -> Result<Option<InodeId>> {
        let record = above.read_shared();
        let Ok(directory) = record.directory() else { return Ok(None) };
        match directory.get(&self.context.names, name) {
            Some(entry) => Ok(Some(entry.inode)),
            None => self.entry_of_base(directory, name),
        }
    }

    fn entry_of_base(&self, directory: &Directory, name: &[u8]) -> Result<Option<InodeId>> {
        let (Some(base), Some(beneath)) = (&self.context.base, directory.beneath()) else { return Ok(None) };
        if !directory.shows(&self.context.names, name) {
            return Ok(None);
        }
        Ok(base.look(beneath.id, name)?.map(|(id, _)| id))
    }
}
