//! unlink and rmdir.

use crate::error::{Error, Result};
use crate::history::events::EventKind;
use crate::operations::access::{self, Mask};
use crate::operations::attachment::{Attachment, Change, check_flags};
use crate::operations::copy_up::take_over;
use crate::operations::granted;
use crate::operations::locked::{Locked, Owned};
use crate::operations::lookup::Found;
use crate::operations::windows::rights;
use crate::tree::inode::Record;
use crate::types::{Caller, FileKind, InodeId};

/// Which kind of entry is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// unlink(2): anything but a directory.
    File,
    /// rmdir(2): an empty directory.
    Directory,
}

impl Attachment {
    /// Removes the entry `name`. The inode ends with its last name, or with its last holder after that.
    pub(crate) fn remove(&self, caller: &Caller<'_>, parent: InodeId, name: &[u8], what: Removal) -> Result<()> {
        self.context.names.check(name)?;
        let change = self.change_to_free()?;
        let hashed = self.context.names.hashed(name);
        loop {
            let found = self.search(caller, parent, hashed)?.ok_or(Error::NotFound)?;
            let owned = match Owned::of(&change, &[parent, found.id]) {
                Err(Error::Stale) => {
                    self.inode(parent)?;
                    if self.leads_nowhere(parent, name, found.id)? {
                        return Err(Error::NotFound);
                    }
                    continue;
                }
                owned => owned?,
            };
            let mut locked = owned.lock();
            if self.entry_hashed(locked.get(parent), hashed)? != Some(found) {
                continue;
            }
            self.may_remove(caller, &mut locked, parent, found, what)?;
            take_over(&mut locked, parent, found, name)?;
            let told = change.is_heard().then(|| self.stored_name(locked.get(parent), found.key, name));
            unlink_entry(&change, &mut locked, parent, found)?;
            if let Some(name) = told {
                change.tell_name(EventKind::Removed, found.id, found.kind, parent, &name);
            }
            let ended = locked.get(found.id).links == 0;
            drop(locked);
            let gone = ended.then(|| change.head.live.bury(change.head, found.id));
            // To free its content may take long, and a snapshot would wait at the gate for it.
            drop(change);
            drop((owned, gone));
            return Ok(());
        }
    }

    /// Search permission on a directory, as every path component asks it.
    pub(crate) fn check_search(&self, caller: &Caller<'_>, directory: InodeId) -> Result<()> {
        let inode = self.inode(directory)?;
        let record = inode.read();
        record.directory()?;
        self.permit(caller, &record, Mask::EXECUTE)
    }

    fn may_remove(
        &self,
        caller: &Caller<'_>,
        locked: &mut Locked<'_>,
        parent: InodeId,
        found: Found,
        what: Removal,
    ) -> Result<()> {
        self.may_unlink(caller, locked, parent, found.id)?;
        match (what, found.kind) {
            (Removal::File, FileKind::Directory) => Err(Error::IsADirectory),
            (Removal::Directory, kind) if kind != FileKind::Directory => Err(Error::NotADirectory),
            _ => self.check_empty(locked.get(found.id)),
        }
    }

    /// Whether the caller may take the name of `id` out of `parent`: write and search permission, the sticky bit, flags. A token needs
    /// DELETE, or DELETE_CHILD of the directory.
    pub(crate) fn may_unlink(
        &self,
        caller: &Caller<'_>,
        locked: &mut Locked<'_>,
        parent: InodeId,
        id: InodeId,
    ) -> Result<()> {
        if caller.token.is_some() {
            let (directory, record) = (locked.look(parent), locked.look(id));
            granted::granted(caller, Some(directory), record, rights::DELETE, false)?;
            check_flags(directory, false)?;
            return check_flags(record, false);
        }
        let owner = locked.get(id).uid;
        let directory = locked.get(parent);
        self.permit(caller, directory, Mask::WRITE.with(Mask::EXECUTE))?;
        check_flags(directory, false)?;
        if access::sticky_forbids(caller, directory.mode.into(), directory.uid, owner) {
            return Err(Error::NotPermitted);
        }
        check_flags(locked.get(id), false)
    }
}

/// Takes the entry out of its directory and counts the name off.
pub(crate) fn unlink_entry(change: &Change<'_>, locked: &mut Locked<'_>, parent: InodeId, found: Found) -> Result<()> {
    let directory = locked.get(parent);
    directory.directory_mut()?.take_out(&change.at.context.names, found.key)?;
    directory.touch_content(change.now);
    drop_name(change, locked.get(found.id), parent, found.key);
    // A handle that was to delete this name must not take another name of the file for it.
    change.head.opens.replaced(found.id, Some((parent, found.key)));
    Ok(())
}

/// Counts one name of an inode off; a directory has only one.
pub(crate) fn drop_name(change: &Change<'_>, record: &mut Record, parent: InodeId, key: u64) {
    record.remove_name(parent, key);
    record.links -= 1;
    record.touch(change.now);
}
