//! Listing directories: after a cookie, after a name, or one entry by its name.
//!
//! Entries come in the order of their keys, which stays while others come and go, so both a cookie and a name say where to
//! go on, even when the entry itself has gone meanwhile. A verifier tells whether a directory has changed between two calls.

use crate::error::{Error, Result};
use crate::limits;
use crate::operations::access::Mask;
use crate::operations::attachment::Attachment;
use crate::operations::lookup::Looked;
use crate::tree::directory::{Directory, Entry};
use crate::tree::inode::Record;
use crate::types::{Attr, Caller, FileKind, InodeId, NodeId};

/// The cookie after which the entries begin, and those of `.` and `..`. Entries' own cookies are larger and below 2^63.
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;

/// Of so many entries at a time the inodes are brought near.
const NEAR: usize = 128;
/// So many of them at most before they are asked for: what an answer of a quarter of a MiB holds.
const AHEAD: usize = 1 << 10;
/// In directories that have so many entries: what smaller ones hold is near already, or soon.
const MANY: u64 = 1 << 10;

/// One entry of a listing.
#[derive(Debug, Clone, Copy)]
pub struct DirEntry<'a> {
    /// The node it shows. Counted as a lookup only when attributes were asked for.
    pub node: NodeId,
    /// Its inode id.
    pub inode: InodeId,
    /// Its kind.
    pub kind: FileKind,
    /// Its name as stored.
    pub name: &'a [u8],
    /// Where to go on after this entry.
    pub cookie: u64,
    /// Its attributes, if asked for.
    pub attr: Option<Attr>,
}

/// What a listing is to contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListOptions {
    /// Attributes with every entry; each entry taken counts as one lookup of its node (but for `.` and `..`).
    pub attributes: bool,
    /// With `attributes`: none of what the host has been told of already, where it hears of changes. Its lookup is counted all the same.
    pub only_news: bool,
    /// `.` and `..` first.
    pub dots: bool,
    /// `.` and `..` first, but not in the root, as Windows lists.
    pub dots_below_root: bool,
}

/// Where a listing begins.
#[derive(Debug, Clone, Copy)]
pub enum ListFrom<'a> {
    /// After the entry of this cookie; 0: at the start.
    Cookie(u64),
    /// The same, refused with [`Error::BadCookie`] unless the two came from this directory as it is shown since the last switch.
    Verified {
        /// Where to go on; 0: at the start, whatever the verifier.
        cookie: u64,
        /// The directory's verifier when the cookie was given.
        verifier: u64,
    },
    /// After the entry of this name, or where it was if it has gone; empty: at the start.
    Name(&'a [u8]),
}

/// Bits of a verifier that count changes; those above tell switches of the view apart.
const VERIFIER_BITS: u32 = limits::INODE_ID.trailing_ones();

impl Attachment {
    /// Gives the entries from a place on to `take`, until it answers false (that entry was not taken) or there are no more.
    /// Answers the directory's verifier.
    ///
    /// The listing walks the directory as it was when the call began; an entry that is there throughout several calls is given
    /// exactly once, whatever comes and goes beside it. An error that is met after an entry was taken ends the call as if `take` had
    /// had enough, and is that of the next: else what was taken would be lost, and its references with it.
    pub(crate) fn list(
        &self,
        id: InodeId,
        from: ListFrom<'_>,
        options: ListOptions,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<u64> {
        let inode = self.inode(id)?;
        let record = inode.read();
        let directory: Directory = record.directory()?.clone();
        let above = above(id, &record);
        let verifier = self.verifier(&record);
        let cookie = self.cookie(from, &directory, verifier)?;
        let touch = cookie == 0 && !inode.is_untouched() && self.wants_access_time(&record);
        drop(record);
        if touch {
            self.touch_accessed(id);
        }
        let dots = options.dots || options.dots_below_root && id != InodeId::ROOT;
        let mut given = false;
        for (dot, name, at) in [(DOT, &b"."[..], id), (DOT_DOT, &b".."[..], above)] {
            if dots && cookie < dot {
                if !take(&self.dot(at, name, dot, options)) {
                    return Ok(verifier);
                }
                given = true;
            }
        }
        match self.give_entries(&directory, cookie.max(DOT_DOT), options, &mut given, take) {
            Err(error) if !given => Err(error),
            _ => Ok(verifier),
        }
    }

    /// Says by `given` whether one was taken, where it fails.
    fn give_entries(
        &self,
        directory: &Directory,
        after: u64,
        options: ListOptions,
        given: &mut bool,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let Some(beneath) = directory.beneath() else {
            let mut ahead = directory.iter_after(after);
            for (number, entry) in directory.iter_after(after).enumerate() {
                if options.attributes && number % NEAR == 0 && directory.len() >= MANY {
                    self.bring_near_of(&mut ahead);
                }
                if self.give(&entry, options, take) == Some(false) {
                    break;
                }
            }
            return Ok(());
        };
        let listing = self.list_base(beneath.id, after > DOT_DOT)?;
        let below = self.entries_of_base(directory, listing.as_deref(), after);
        for entry in merge(directory.iter_after(after), below) {
            let found = match options.attributes {
                true if options.only_news && self.host_knows(directory, &entry) => Some((entry, None)),
                true => self.look_again(directory, entry)?.map(|(entry, looked)| (entry, Some(looked))),
                false => Some((entry, None)),
            };
            match found.and_then(|(entry, looked)| self.give_looked(&entry, looked, options, take)) {
                Some(false) => break,
                Some(true) => *given = true,
                None => {}
            }
        }
        Ok(())
    }

    /// Entries come in the order of their hashes, so in a large directory their inodes are all over the memory.
    fn bring_near_of(&self, entries: &mut dyn Iterator<Item = Entry<'_>>) {
        let mut ids = [InodeId::ROOT; NEAR];
        let mut count = 0;
        for (into, entry) in ids.iter_mut().zip(entries) {
            *into = entry.inode;
            count += 1;
        }
        self.bring_near(&mut ids[..count]);
    }

    /// Reads what a listing with attributes that goes on after a cookie will read of so many entries. Answers nothing, and changes nothing.
    pub(crate) fn list_ahead(&self, id: InodeId, cookie: u64, entries: usize) {
        // What only the base has is not read ahead, so that is not asked either.
        let Some(inode) = self.tree.get(id) else { return };
        let record = inode.read();
        let Ok(directory) = record.directory().cloned() else { return };
        drop(record);
        if directory.len() < MANY || directory.beneath().is_some() {
            return;
        }
        let mut ahead = directory.iter_after(cookie);
        for _ in 0..entries.min(AHEAD).div_ceil(NEAR) {
            self.bring_near_of(&mut ahead);
        }
    }

    /// Gives the one entry of this name, `.` and `..` among them, as [`Attachment::list`] would, its name as it is stored.
    pub(crate) fn list_one(
        &self,
        caller: &Caller<'_>,
        id: InodeId,
        name: &[u8],
        options: ListOptions,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<()> {
        loop {
            let inode = self.inode(id)?;
            let record = inode.read();
            let directory: Directory = record.directory()?.clone();
            self.permit(caller, &record, Mask::EXECUTE)?;
            let above = above(id, &record);
            drop(record);
            let dot = match name {
                b"." => Some((DOT, id)),
                b".." => Some((DOT_DOT, above)),
                _ => None,
            };
            if let Some((cookie, at)) = dot {
                take(&self.dot(at, name, cookie, options));
                return Ok(());
            }
            self.context.names.check(name)?;
            let entry = self.entry_named(&directory, name)?.ok_or(Error::NotFound)?;
            // Replaced since: the name is looked up anew.
            if self.give(&entry, options, take).is_some() {
                return Ok(());
            }
        }
    }

    /// Changes with every change of the directory's entries; never 0.
    fn verifier(&self, record: &Record) -> u64 {
        u64::from(self.generation) << VERIFIER_BITS | record.version & limits::INODE_ID
    }

    fn cookie(&self, from: ListFrom<'_>, directory: &Directory, now: u64) -> Result<u64> {
        match from {
            ListFrom::Cookie(cookie) | ListFrom::Verified { cookie: cookie @ 0, .. } => Ok(cookie),
            // Changes since leave the cookie's place where it is. A verifier from the future is not of this directory.
            ListFrom::Verified { cookie, verifier } => {
                let known = verifier >> VERIFIER_BITS == now >> VERIFIER_BITS && verifier <= now && verifier != 0;
                if known && cookie >> 63 == 0 { Ok(cookie) } else { Err(Error::BadCookie) }
            }
            ListFrom::Name(b"") => Ok(0),
            ListFrom::Name(b".") => Ok(DOT),
            ListFrom::Name(b"..") => Ok(DOT_DOT),
            ListFrom::Name(name) => self.cookie_of(directory, name),
        }
    }

    fn dot<'a>(&self, id: InodeId, name: &'a [u8], cookie: u64, options: ListOptions) -> DirEntry<'a> {
        let attr = if options.attributes { self.attr(id).ok() } else { None };
        DirEntry { node: self.node(id), inode: id, kind: FileKind::Directory, name, cookie, attr }
    }

    /// Answers whether the entry was taken; nothing when it was removed since the call began: as if it had not been there.
    fn give(
        &self,
        entry: &Entry<'_>,
        options: ListOptions,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Option<bool> {
        self.give_looked(entry, Some(Looked::own(entry.inode)), options, take)
    }

    /// Counts a reference, and answers the attributes; `None`: it is gone. What cannot be said of what is there is left out.
    fn reference_listed(&self, id: InodeId, looked: Option<Looked>) -> Option<Option<Attr>> {
        let Some(looked) = looked else { return self.reference(id).then_some(None) };
        match self.reference_looked(&looked) {
            Ok(attr) => attr.map(Some),
            Err(_) => self.reference(id).then_some(None),
        }
    }

    /// Of what it leads to, if the host is to be told of that.
    fn give_looked(
        &self,
        entry: &Entry<'_>,
        looked: Option<Looked>,
        options: ListOptions,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Option<bool> {
        let attr = if options.attributes { self.reference_listed(entry.inode, looked)? } else { None };
        let taken = take(&DirEntry {
            node: self.node(entry.inode),
            inode: entry.inode,
            kind: entry.kind,
            name: entry.name,
            cookie: entry.key,
            attr,
        });
        if !taken && options.attributes {
            self.forget(entry.inode, 1);
        }
        Some(taken)
    }
}

fn above(id: InodeId, record: &Record) -> InodeId {
    record.names.first().map_or(id, |(above, _)| above)
}

/// Both in one order of keys.
fn merge<'a>(
    own: impl Iterator<Item = Entry<'a>>,
    below: impl Iterator<Item = Entry<'a>>,
) -> impl Iterator<Item = Entry<'a>> {
    let (mut own, mut below) = (own.peekable(), below.peekable());
    std::iter::from_fn(move || match (own.peek(), below.peek()) {
        (Some(a), Some(b)) if b.key < a.key => below.next(),
        (None, Some(_)) => below.next(),
        _ => own.next(),
    })
}
