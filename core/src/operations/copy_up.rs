//! What a tree over a base does with what it has not changed: it finds it in the base, and copies it up before the first change.
//!
//! Copying up an inode makes its entry one of its directory's own, and so the directory's, up to the root: from then on no change of
//! the base moves it or takes it away. It copies the record, never content nor entries; so it costs the depth of the path,
//! once. All of it happens behind the gate, with one directory locked at a time.

use std::sync::Arc;

use crate::base::{Layer, Listing, Place};
use crate::error::{Error, Result};
use crate::operations::attachment::{Attachment, Change};
use crate::operations::locked::Locked;
use crate::operations::lookup::{Found, Looked};
use crate::tree::directory::{Directory, Entry};
use crate::tree::inode::{Inode, Record};
use crate::tree::name::is_base_key;
use crate::types::{Attr, FileKind, InodeId};

impl Attachment {
    /// The entry that shows through from the base.
    pub(super) fn entry_of_base(&self, directory: &Directory, name: &[u8]) -> Result<Option<Found>> {
        let (Some(base), Some(beneath)) = (&self.context.base, directory.beneath()) else { return Ok(None) };
        if !directory.shows(&self.context.names, name) {
            return Ok(None);
        }
        let found = base.look(beneath.id, name)?.filter(|(id, _)| !self.tree.has_gone(*id));
        Ok(found.map(|(id, kind)| Found { id, key: base.key(name), kind }))
    }

    /// What the entry leads to that shows through from the base.
    pub(super) fn look_in_base(&self, directory: &Directory, name: &[u8]) -> Result<Option<Looked>> {
        let (Some(base), Some(beneath)) = (&self.context.base, directory.beneath()) else { return Ok(None) };
        if !directory.shows(&self.context.names, name) {
            return Ok(None);
        }
        let found = base.show(beneath.id, name)?.filter(|(id, _)| !self.tree.has_gone(*id));
        Ok(found.map(|(id, shown)| Looked { id, of_base: Some(shown) }))
    }

    /// Whether an inode of the base is not there any more, though its entry is: it has just gone, or cannot be read.
    pub(super) fn is_lost(&self, id: InodeId) -> bool {
        self.context.base.is_some() && !self.tree.decides(id)
    }

    /// Whether a name leads to an inode that the tree says is gone, and so nowhere: to look again would find the same for ever. The
    /// entry of what goes is taken out before it is marked.
    pub(super) fn leads_nowhere(&self, parent: InodeId, name: &[u8], id: InodeId) -> Result<bool> {
        Ok(self.tree.has_gone(id) && self.peek(parent, name)?.is_some_and(|found| found.id == id))
    }

    /// The entries of a directory of the base.
    pub(super) fn list_base(&self, id: InodeId, goes_on: bool) -> Result<Option<Arc<Listing>>> {
        match &self.context.base {
            Some(base) => base.list(id, goes_on, self.context.clock.now()),
            None => Ok(None),
        }
    }

    /// Those of a listing that show through.
    pub(super) fn entries_of_base<'a>(
        &'a self,
        directory: &'a Directory,
        listing: Option<&'a Listing>,
        after: u64,
    ) -> impl Iterator<Item = Entry<'a>> {
        let rules = &self.context.names;
        let shows =
            move |entry: &Entry<'_>| directory.get(rules, entry.name).is_none() && directory.shows(rules, entry.name);
        let listed = listing.into_iter().flat_map(move |listing| listing.iter_after(after));
        listed.filter(shows).filter_map(move |entry| self.unless_gone(directory, entry))
    }

    /// Of an entry that a listing says leads to what the tree shows no more, what it does lead to: the host gives the numbers of
    /// files that went to new ones, and a listing knows no more than numbers. What cannot be asked is there.
    fn unless_gone<'a>(&self, directory: &Directory, entry: Entry<'a>) -> Option<Entry<'a>> {
        if !self.tree.has_gone(entry.inode) {
            return Some(entry);
        }
        match self.entry_of_base(directory, entry.name) {
            Ok(found) => found.map(|found| Entry { inode: found.id, kind: found.kind, ..entry }),
            Err(_) => Some(entry),
        }
    }

    /// The entry as it is now, and what it leads to: what a listing says of the base is a guess. `None`: it has gone.
    pub(super) fn look_again<'a>(
        &self,
        directory: &Directory,
        entry: Entry<'a>,
    ) -> Result<Option<(Entry<'a>, Looked)>> {
        if !is_base_key(entry.key) || directory.by_key(entry.key).is_some() {
            return Ok(Some((entry, Looked::own(entry.inode))));
        }
        let found = self.look_in_base(directory, entry.name)?;
        Ok(found.map(|looked| {
            let kind = looked.of_base.as_ref().map_or(entry.kind, |shown| shown.status.kind);
            (Entry { inode: looked.id, kind, ..entry }, looked)
        }))
    }

    /// Whether the host knows what an entry of the base leads to, and hears of what changes about it.
    pub(super) fn host_knows(&self, directory: &Directory, entry: &Entry<'_>) -> bool {
        is_base_key(entry.key)
            && directory.by_key(entry.key).is_none()
            && self.context.base.as_ref().is_some_and(|base| base.is_told(entry.inode))
            && self.references_to(entry.inode) > 0
    }

    /// The entry of this name, the directory's own or the base's.
    pub(super) fn entry_named<'a>(&self, directory: &'a Directory, name: &'a [u8]) -> Result<Option<Entry<'a>>> {
        if let Some(entry) = directory.get(&self.context.names, name) {
            return Ok(Some(entry));
        }
        let found = self.entry_of_base(directory, name)?;
        Ok(found.map(|found| Entry { key: found.key, inode: found.id, kind: found.kind, name }))
    }

    /// The name that an inode of the base has in a directory of the base, by its key.
    pub(super) fn name_in_base(&self, id: InodeId, parent: InodeId, key: u64) -> Option<Box<[u8]>> {
        let base = self.context.base.as_ref()?;
        let places = base.places(id);
        let place = places.iter().find(|place| place.parent == parent && base.key(&place.name) == key)?;
        Some(Box::from(&place.name[..]))
    }

    /// Where in a listing the name is, or would be.
    pub(super) fn cookie_of(&self, directory: &Directory, name: &[u8]) -> Result<u64> {
        let rules = &self.context.names;
        let own = directory.get(rules, name).is_some();
        match (own, self.entry_of_base(directory, name)?) {
            (false, Some(found)) => Ok(found.key),
            _ => Ok(directory.place_of(rules, name)),
        }
    }

    /// A copied up directory goes on to show what comes and goes in the base: of that its links and times tell too, for as long as
    /// nothing was done to the directory itself since.
    pub(super) fn with_changes_beneath(&self, inode: &Inode, attr: Attr) -> Attr {
        // A copy: the host is not asked under a lock.
        let (directory, origin) = {
            let record = inode.read();
            match (record.directory(), record.origin()) {
                (Ok(directory), Some(origin)) if attr.links > 0 => (directory.clone(), origin),
                _ => return attr,
            }
        };
        let (Some(base), Some(beneath)) = (&self.context.base, directory.beneath()) else { return attr };
        let Ok(Some(now)) = base.shown(beneath.id) else { return attr };
        if now.modified == origin.modified {
            return attr;
        }
        let Ok(listing) = self.list_base(beneath.id, false) else { return attr };
        let shown = self.entries_of_base(&directory, listing.as_deref(), 0);
        let shown = shown.filter(|entry| entry.kind == FileKind::Directory).count();
        let links = 2 + directory.subdirectories() + shown as u64;
        Attr {
            // 1: nobody counts them.
            links: if attr.links == 1 { 1 } else { u32::try_from(links).unwrap_or(u32::MAX) },
            modified: if now.modified > attr.changed { now.modified } else { attr.modified },
            changed: attr.changed.max(now.modified),
            ..attr
        }
    }

    /// Refuses a directory that shows an entry.
    pub(super) fn check_empty(&self, record: &Record) -> Result<()> {
        let Ok(directory) = record.directory() else { return Ok(()) };
        if !directory.is_empty() {
            return Err(Error::NotEmpty);
        }
        let Some(beneath) = directory.beneath() else { return Ok(()) };
        let listing = self.list_base(beneath.id, false)?;
        match self.entries_of_base(directory, listing.as_deref(), 0).next() {
            Some(_) => Err(Error::NotEmpty),
            None => Ok(()),
        }
    }
}

impl Change<'_> {
    /// The version of an inode of the base that may be changed. What the tree shows no more is stale.
    pub(super) fn copy_up(&self, id: InodeId) -> Result<Arc<Inode>> {
        let Some(base) = self.at.context.base.as_ref().filter(|base| base.knows(id)) else { return Err(Error::Stale) };
        let mut missing = Vec::new();
        let mut next = id;
        while !self.at.tree.decides(next) {
            missing.push(next);
            match base.places(next).first() {
                Some(place) if next != InodeId::ROOT => next = place.parent,
                _ => break,
            }
        }
        while let Some(id) = missing.pop() {
            match self.take_up(base, id) {
                // Another thread has copied it up meanwhile, and may have moved or removed it since.
                Err(Error::Stale) if self.at.tree.decides(id) => {}
                taken => taken?,
            }
        }
        self.head.own(id)
    }

    /// Copies up one inode whose directory is copied up.
    fn take_up(&self, base: &Layer, id: InodeId) -> Result<()> {
        base.keep_place(id);
        let found = base.inode(id)?.ok_or(Error::Stale)?;
        let inode = Arc::new(found.take_up(self.head.epoch()));
        if id == InodeId::ROOT {
            self.head.table.insert_new(inode);
            return Ok(());
        }
        for place in base.places(id) {
            if self.take_up_at(base, &place, &inode)? {
                return Ok(());
            }
        }
        Err(Error::Stale)
    }

    /// False when the inode is not there any more, in the base or in this tree.
    fn take_up_at(&self, base: &Layer, place: &Place, inode: &Arc<Inode>) -> Result<bool> {
        let Some((id, kind)) = base.look(place.parent, &place.name)?.filter(|(id, _)| *id == inode.id) else {
            return Ok(false);
        };
        let parent = match self.own(place.parent) {
            Err(Error::Stale) => return Ok(false),
            parent => parent?,
        };
        let mut record = parent.write();
        if record.links == 0 {
            return Ok(false);
        }
        let found = Found { id, key: base.key(&place.name), kind };
        let there = record.directory()?.get(&self.at.context.names, &place.name).map(|entry| entry.inode);
        match there {
            Some(other) if other != id => return Ok(false),
            None if !record.directory()?.shows(&self.at.context.names, &place.name) => return Ok(false),
            _ => enter(&mut record, found, &place.name)?,
        };
        // With the directory locked: whoever takes the entry out afterwards finds the inode.
        self.head.table.insert_new(inode.clone());
        Ok(true)
    }
}

/// Makes an entry that shows through from the base one of its directory's own. Of one that is that already nothing changes.
pub(super) fn take_over(locked: &mut Locked<'_>, parent: InodeId, found: Found, name: &[u8]) -> Result<()> {
    if enter(locked.get(parent), found, name)? {
        let record = locked.get(found.id);
        // Of several names those are known that were looked at.
        if !record.names.has(parent, found.key) {
            record.add_name(parent, found.key);
            // The host may have made this one after the file was copied up: its going must not take the file away.
            record.links = record.links.max(record.names.count());
        }
    }
    Ok(())
}

/// Answers whether the entry is the directory's own only now.
fn enter(directory: &mut Record, found: Found, name: &[u8]) -> Result<bool> {
    let Found { id, key, kind } = found;
    let directory = directory.directory_mut()?;
    let is_own = directory.beneath().is_none() || !is_base_key(key) || directory.by_key(key).is_some();
    if !is_own {
        directory.take_over(key, name, id, kind)?;
    }
    Ok(!is_own)
}
