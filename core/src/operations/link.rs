//! Hard links and reading symbolic ones.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::history::events::EventKind;
use crate::limits;
use crate::operations::attachment::{Attachment, check_flags};
use crate::operations::locked::Owned;
use crate::operations::macos::note_added;
use crate::tree::inode::{Content, Record};
use crate::types::{Attr, Caller, InodeId};

impl Attachment {
    /// Gives an inode a further name (link(2)). A file without a name (O_TMPFILE) gets its first.
    pub(crate) fn link(&self, caller: &Caller<'_>, id: InodeId, parent: InodeId, name: &[u8]) -> Result<Attr> {
        self.context.names.check(name)?;
        let change = self.change_to_add()?;
        self.check_search(caller, parent)?;
        let owned = Owned::of(&change, &[parent, id])?;
        let mut locked = owned.lock();
        if self.entry(locked.get(parent), name)?.is_some() {
            return Err(Error::Exists);
        }
        self.may_add_entry(caller, locked.get(parent))?;
        may_link(locked.get(id))?;
        let kind = locked.get(id).kind;
        let directory = locked.get(parent);
        let key = directory.directory_mut()?.insert(&self.context.names, name, id, kind)?;
        directory.touch_content(change.now);
        let record = locked.get(id);
        let was_unnamed = record.links == 0;
        record.add_name(parent, key);
        note_added(&change, record);
        record.links += 1;
        record.linkable = false;
        record.touch(change.now);
        let attr = record.attr(id);
        if was_unnamed {
            change.head.live.unbury(change.head, id);
        }
        change.tell_name(EventKind::Created, id, kind, parent, name);
        Ok(attr)
    }

    /// The target of a symbolic link.
    pub(crate) fn read_link(&self, id: InodeId) -> Result<Arc<[u8]>> {
        self.reading(id.into(), |record| match &record.content {
            Content::Symlink(target) => Ok(Arc::from(&target[..])),
            _ => Err(Error::Invalid("not a symbolic link")),
        })
    }
}

fn may_link(record: &Record) -> Result<()> {
    if record.is_directory() {
        return Err(Error::NotPermitted);
    }
    if record.links == 0 && !record.linkable {
        return Err(Error::NotFound);
    }
    if record.links >= limits::LINKS {
        return Err(Error::TooManyLinks);
    }
    check_flags(record, false)
}
