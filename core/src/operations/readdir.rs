//! Listing directories.

use crate::error::Result;
use crate::operations::attachment::Attachment;
use crate::tree::directory::{Directory, Entry};
use crate::types::{Attr, FileKind, InodeId, NodeId};

/// The cookie after which the entries begin, and those of `.` and `..`. Entries' own cookies are larger and below 2^63.
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;

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
    /// `.` and `..` first.
    pub dots: bool,
}

impl Attachment {
    /// Gives the entries after `cookie` (0: from the start) to `take`, until it answers false (that entry was not taken) or there are no more.
    ///
    /// The listing walks the directory as it was when the call began; an entry that is there throughout several calls is given
    /// exactly once, whatever comes and goes beside it.
    pub(crate) fn list(
        &self,
        id: InodeId,
        cookie: u64,
        options: ListOptions,
        take: &mut dyn FnMut(&DirEntry<'_>) -> bool,
    ) -> Result<()> {
        let inode = self.inode(id)?;
        let record = inode.read();
        let directory: Directory = record.directory()?.clone();
        let above = record.names.first().map_or(id, |(above, _)| above);
        let touch = cookie == 0 && self.wants_access_time(&record);
        drop(record);
        if touch {
            self.touch_accessed(id);
        }
        for (dot, name, at) in [(DOT, &b"."[..], id), (DOT_DOT, &b".."[..], above)] {
            if options.dots && cookie < dot && !take(&self.dot(at, name, dot, options)) {
                return Ok(());
            }
        }
        for entry in directory.iter_after(cookie.max(DOT_DOT)) {
            if !self.give(&entry, options, take) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn dot<'a>(&self, id: InodeId, name: &'a [u8], cookie: u64, options: ListOptions) -> DirEntry<'a> {
        let attr = if options.attributes { self.attr(id).ok() } else { None };
        DirEntry { node: self.node(id), inode: id, kind: FileKind::Directory, name, cookie, attr }
    }

    fn give(&self, entry: &Entry<'_>, options: ListOptions, take: &mut dyn FnMut(&DirEntry<'_>) -> bool) -> bool {
        let attr = if options.attributes {
            if !self.reference(entry.inode) {
                // Removed since the call began: as if it had not been there.
                return true;
            }
            self.attr(entry.inode).ok()
        } else {
            None
        };
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
        taken
    }
}
