//! Finding entries by name, and the attributes of what they show.

use std::sync::Arc;

use crate::base::Shown;
use crate::error::{Error, Result};
use crate::operations::access::Mask;
use crate::operations::attachment::Attachment;
use crate::tree::directory::{Entry, Look};
use crate::tree::inode::{Inode, Record};
use crate::tree::name::Hashed;
use crate::types::{Attr, Caller, FileKind, InodeId};

/// An entry found: enough to find it again and to know whether it is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) id: InodeId,
    pub(crate) key: u64,
    pub(crate) kind: FileKind,
}

impl From<Entry<'_>> for Found {
    fn from(entry: Entry<'_>) -> Found {
        Found { id: entry.inode, key: entry.key, kind: entry.kind }
    }
}

/// What a name leads to.
pub(crate) struct Looked {
    pub(crate) id: InodeId,
    /// What the base has there, if it was asked: the tree may have one of its own by now.
    pub(crate) of_base: Option<Shown>,
}

impl Looked {
    pub(crate) fn own(id: InodeId) -> Looked {
        Looked { id, of_base: None }
    }
}

impl Attachment {
    /// The entry `name` of a directory's record.
    pub(crate) fn entry(&self, directory: &Record, name: &[u8]) -> Result<Option<Found>> {
        self.entry_hashed(directory, self.context.names.hashed(name))
    }

    /// The same.
    pub(crate) fn entry_hashed(&self, directory: &Record, name: Hashed<'_>) -> Result<Option<Found>> {
        let directory = directory.directory()?;
        match directory.get_hashed(&self.context.names, name) {
            Some(entry) => Ok(Some(Found::from(entry))),
            None => self.entry_of_base(directory, name.name),
        }
    }

    /// The entry; or, where there is none, what [`crate::tree::directory::Directory::add`] needs to make it.
    pub(crate) fn entry_or_place(&self, directory: &Record, name: Hashed<'_>) -> Result<(Option<Found>, Option<u64>)> {
        let directory = directory.directory()?;
        match directory.look(&self.context.names, name) {
            Look::Taken(entry) => Ok((Some(Found::from(entry)), None)),
            Look::Free(place) => Ok((self.entry_of_base(directory, name.name)?, place)),
        }
    }

    /// How the name of an entry is stored, which was found as `given`.
    pub(crate) fn stored_name(&self, directory: &Record, key: u64, given: &[u8]) -> Box<[u8]> {
        let entry = if self.context.names.policy().folds() { directory.directory().ok() } else { None };
        entry.and_then(|entries| entries.by_key(key)).map_or(given, |entry| entry.name).into()
    }

    /// The entry `name` of directory `parent`, which the caller must be allowed to search.
    pub(crate) fn search(&self, caller: &Caller<'_>, parent: InodeId, name: Hashed<'_>) -> Result<Option<Found>> {
        let directory = self.inode(parent)?;
        let record = directory.read();
        record.directory()?;
        self.permit(caller, &record, Mask::EXECUTE)?;
        self.entry_hashed(&record, name)
    }

    /// The entry `name` of directory `parent`, without permission checks; for operations that check under the locks
    /// they take.
    pub(crate) fn peek(&self, parent: InodeId, name: &[u8]) -> Result<Option<Found>> {
        self.peek_hashed(parent, self.context.names.hashed(name))
    }

    /// The same.
    pub(crate) fn peek_hashed(&self, parent: InodeId, name: Hashed<'_>) -> Result<Option<Found>> {
        let directory = self.inode(parent)?;
        let record = directory.read();
        self.entry_hashed(&record, name)
    }

    /// Looks up one name: `.`, `..` or an entry. Needs search permission on the directory.
    ///
    /// The entry and the inode are two steps; when the inode has gone between them (replaced by a rename, say) the
    /// name is looked up anew, so a name that always exists is always found.
    pub(crate) fn lookup(&self, caller: &Caller<'_>, parent: InodeId, name: &[u8]) -> Result<Arc<Inode>> {
        loop {
            let looked = self.look_up(caller, parent, name)?;
            let id = looked.id;
            if let Some(inode) = self.find_looked(&looked)? {
                return Ok(inode);
            }
            if self.is_lost(id) || self.leads_nowhere(parent, name, id)? {
                return Err(Error::NotFound);
            }
        }
    }

    /// As [`Attachment::lookup`], for the attributes, and counts a reference to what it finds.
    pub(crate) fn lookup_known(&self, caller: &Caller<'_>, parent: InodeId, name: &[u8]) -> Result<(InodeId, Attr)> {
        loop {
            let looked = self.look_up(caller, parent, name)?;
            let id = looked.id;
            if let Some(attr) = self.reference_looked(&looked)? {
                return Ok((id, attr));
            }
            if self.is_lost(id) || self.leads_nowhere(parent, name, id)? {
                return Err(Error::NotFound);
            }
        }
    }

    fn look_up(&self, caller: &Caller<'_>, parent: InodeId, name: &[u8]) -> Result<Looked> {
        if let Some(entry) = self.glimpse_entry(caller, parent, name) {
            return entry.map(Looked::own).ok_or(Error::NotFound);
        }
        let directory = self.searched(parent)?;
        let record = directory.read();
        let entries = record.directory()?;
        self.permit(caller, &record, Mask::EXECUTE)?;
        match name {
            b"." => return Ok(Looked::own(parent)),
            b".." => return Ok(Looked::own(record.names.first().map_or(InodeId::ROOT, |(above, _)| above))),
            _ => self.context.names.check(name)?,
        }
        if let Some(entry) = entries.get(&self.context.names, name) {
            return Ok(Looked::own(entry.inode));
        }
        self.look_in_base(entries, name)?.ok_or(Error::NotFound)
    }

    /// What an entry of the tree leads to, or that there is none, if that can be had at a glance. What is refused, or may be in the base, is
    /// left to another look.
    fn glimpse_entry(&self, caller: &Caller<'_>, parent: InodeId, name: &[u8]) -> Option<Option<InodeId>> {
        // Rights of Windows are worked out at length.
        if caller.token.is_some() {
            return None;
        }
        self.glimpse(parent, |_, record| {
            let entries = record.directory().ok()?;
            self.permit(caller, record, Mask::EXECUTE).ok()?;
            self.context.names.check(name).ok()?;
            let entry = entries.get(&self.context.names, name);
            (entry.is_some() || entries.beneath().is_none()).then(|| entry.map(|entry| entry.inode))
        })
    }

    /// Checks access(2)-like rights.
    pub(crate) fn access(&self, caller: &Caller<'_>, id: InodeId, want: Mask) -> Result<()> {
        let inode = self.inode(id)?;
        let record = inode.read();
        let writable_kind = matches!(record.kind, FileKind::File | FileKind::Directory | FileKind::Symlink);
        if want.has(Mask::WRITE) && writable_kind && self.is_read_only() {
            return Err(Error::ReadOnly);
        }
        if want.has(Mask::WRITE) && record.flags & crate::flags::ANY_IMMUTABLE != 0 {
            return Err(Error::NotPermitted);
        }
        self.permit(caller, &record, want)
    }
}
