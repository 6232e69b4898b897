//! Deleting the Windows way: a handle marks its name, or its stream, and the last handle takes it away (\[MS-FSA\] 2.1.5.15.3, 2.1.5.5).
//!
//! The mark is set with the inode locked for change, so that nothing appears in a directory between the look whether it is
//! empty and the mark. What the end of a handle removes is looked at once more under the locks of unlink(2): a directory that is not empty
//! any more stays.

use crate::error::{Error, Result};
use crate::history::events::EventKind;
use crate::operations::attachment::{Attachment, Change, check_flags};
use crate::operations::locked::Owned;
use crate::operations::lookup::Found;
use crate::operations::open_table::{Opening, Place};
use crate::operations::remove::unlink_entry;
use crate::operations::streams::Target;
use crate::operations::windows::access::check_deletion;
use crate::operations::windows_open::attributes_of;
use crate::sync::{Planted, planted};
use crate::tree::inode::Record;
use crate::types::{InodeId, StreamId};

/// What is to become of a file (FileDispositionInformationEx, \[MS-FSCC\] 2.4.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Disposal {
    /// Delete it when its last handle ends; `false`: keep it.
    pub delete: bool,
    /// Take its name away when this handle ends, whoever else has it open.
    pub posix: bool,
    /// Do not mark the file now, but set or clear that this handle deletes it when it ends.
    pub on_close: bool,
    /// Delete it though it is read-only.
    pub ignore_readonly: bool,
    /// Some program has mapped it as an image: it runs, and is not deleted. (NTFS asks so whether or not
    /// FILE_DISPOSITION_FORCE_IMAGE_SECTION_CHECK is set.)
    pub mapped_image: bool,
}

impl Attachment {
    /// Checks that what the handle has open may be deleted, and marks it; or clears the mark.
    pub(crate) fn windows_dispose(&self, opening: &Opening, how: Disposal) -> Result<()> {
        if opening.inode == InodeId::ROOT {
            return Err(Error::CannotDelete);
        }
        let change = self.change_to_free()?;
        let opens = &change.head.opens;
        if how.on_close && !how.delete {
            return Ok(());
        }
        if opens.is_gone(opening) || self.inode(opening.inode)?.read().links == 0 {
            return Err(Error::Deleted);
        }
        if !how.delete {
            return opens.set_pending(opening, false);
        }
        if how.mapped_image {
            return Err(Error::CannotDelete);
        }
        let inode = change.own(opening.inode)?;
        let record = inode.write();
        // A POSIX program may have taken its last name since.
        if record.links == 0 {
            return Err(Error::Deleted);
        }
        self.check_deletable(&record, opening, how.ignore_readonly)?;
        if how.on_close { Ok(()) } else { opens.set_pending(opening, true) }
    }

    /// A handle ends: takes it out of the branch's table, and removes what it was the last to hold. Cannot fail: what cannot be
    /// removed stays.
    pub(crate) fn windows_close(&self, opening: &Opening, delete: bool, posix: bool) {
        let Some(head) = self.tree.head() else { return };
        let ending = head.opens.close(opening, delete, posix);
        if ending.last {
            // What cannot be given back stays.
            let target = Target { stream: opening.stream.unwrap_or(StreamId::DEFAULT), ..opening.inode.into() };
            drop(self.give_back_allocation(target));
        }
        if let Some(stream) = ending.stream {
            // What cannot be removed stays.
            drop(self.remove_stream_of(opening.inode, stream));
        }
        if let Some(place) = ending.name {
            let done = self.remove_name(opening.inode, place).is_ok();
            head.opens.removed(opening, done);
        }
    }

    /// An open that could not be finished leaves the table again. Others may have marked the name meanwhile and closed it: then it was the
    /// last to hold it, and ends as a handle does.
    pub(super) fn withdraw(&self, opening: Option<Opening>) {
        let Some(opening) = opening else { return };
        if planted(Planted::OverlooksWhatEnds) {
            self.tree.head().map(|head| head.opens.close(&opening, false, false));
            return;
        }
        self.windows_close(&opening, false, false);
    }

    /// Takes one name of an inode away, whatever it is called now.
    fn remove_name(&self, id: InodeId, place: Place) -> Result<()> {
        let change = self.change_to_free()?;
        let (owned, ended) = loop {
            let (parent, key) = self.present_place(id, place)?;
            let owned = match Owned::of(&change, &[parent, id]) {
                Err(Error::Stale) => continue,
                owned => owned?,
            };
            let mut locked = owned.lock();
            let Some((name, found)) = named(locked.get(parent), key, id) else { continue };
            check_flags(locked.get(parent), false)?;
            check_flags(locked.get(id), false)?;
            self.check_empty(locked.get(id))?;
            unlink_entry(&change, &mut locked, parent, found)?;
            change.tell_name(EventKind::Removed, id, found.kind, parent, &name);
            let ended = locked.get(id).links == 0;
            drop(locked);
            break (owned, ended);
        };
        let gone = ended.then(|| change.head.live.bury(change.head, id));
        // To free its content may take long, and a snapshot would wait at the gate for it.
        drop(change);
        drop((owned, gone));
        Ok(())
    }

    /// Where the name is. A POSIX program may have renamed the file meanwhile: then it is the name that the file has now.
    pub(crate) fn present_place(&self, id: InodeId, place: Place) -> Result<(InodeId, u64)> {
        let inode = self.inode(id)?;
        let names = inode.read().names.all();
        match place {
            Some(place) if names.contains(&place) => Ok(place),
            _ if names.len() == 1 => Ok(names[0]),
            _ => Err(Error::Deleted),
        }
    }

    /// Whether what a handle has open is to be deleted, or is: by another handle, or by a POSIX program.
    pub(crate) fn is_deleted(&self, opening: &Opening) -> Result<bool> {
        let nameless = self.inode(opening.inode)?.read().links == 0;
        Ok(nameless || self.tree.head().is_some_and(|head| head.opens.is_pending(opening)))
    }

    /// A directory that the inode is in.
    pub(crate) fn parent_of(&self, id: InodeId) -> Result<InodeId> {
        let above = self.inode(id)?.read().names.first().map(|(parent, _)| parent);
        above.or((id == InodeId::ROOT).then_some(id)).ok_or(Error::Deleted)
    }

    /// The name that a handle was opened by, as it is spelled now, and its directory.
    pub(crate) fn windows_name(&self, change: &Change<'_>, opening: &Opening) -> Result<(InodeId, Box<[u8]>)> {
        loop {
            let (parent, key) = self.present_place(opening.inode, change.head.opens.place(opening))?;
            // Another change may have moved the file and removed its directory.
            let directory = match self.inode(parent) {
                Err(Error::Stale) => continue,
                directory => directory?,
            };
            let found = named(&directory.read(), key, opening.inode);
            if let Some((name, _)) = found {
                return Ok((parent, name));
            }
        }
    }

    /// What stands against deleting a file, but for who asks (the reference, sections 1 and 3).
    fn check_deletable(&self, record: &Record, opening: &Opening, ignore_readonly: bool) -> Result<()> {
        check_deletion(attributes_of(record), ignore_readonly)?;
        check_flags(record, false)?;
        match opening.stream {
            None => self.check_empty(record),
            Some(_) => Ok(()),
        }
    }
}

/// The entry of this key, if it shows the inode.
fn named(directory: &Record, key: u64, id: InodeId) -> Option<(Box<[u8]>, Found)> {
    let entry = directory.directory().ok()?.by_key(key)?;
    let found = Found { id, key: entry.key, kind: entry.kind };
    (entry.key == key && entry.inode == id).then(|| (entry.name.into(), found))
}
