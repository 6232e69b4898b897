//! Reading and writing content.

use crate::data::Pin;
use crate::error::{Error, Result};
use crate::flags;
use crate::operations::access::Mask;
use crate::operations::attachment::Attachment;
use crate::operations::attributes::lose_privileges;
use crate::operations::streams::Target;
use crate::tree::inode::Record;
use crate::types::{Caller, HeldTimes, InodeId, Privileges};

/// Where a write begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteAt {
    /// At this byte.
    Offset(u64),
    /// At the end, wherever that is then: nobody else's write comes between (O_APPEND).
    End,
    /// At this byte, and never beyond the end, wherever that is then: what lies there is not written. So a cache or a mapping writes
    /// back its pages, whatever became of the file meanwhile (WinFsp: ConstrainedIo).
    Within(u64),
}

impl Attachment {
    /// Reads into `buffer`; answers how much, 0 at and past the end. All of one write is seen, or nothing of it.
    pub(crate) fn read(&self, target: Target, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        self.reading(target, |record| record.stream_of(target.stream)?.read(offset, buffer))
    }

    /// Lends the content instead of copying it.
    pub(crate) fn read_pin(&self, target: Target, offset: u64, length: usize) -> Result<Pin> {
        self.reading(target, |record| record.stream_of(target.stream)?.pin(offset, length))
    }

    /// Reads of an inode, and sets its access time where the relatime rule says so.
    pub(crate) fn reading<R>(&self, target: Target, read: impl FnOnce(&Record) -> Result<R>) -> Result<R> {
        let inode = self.inode(target.id)?;
        let record = inode.read();
        let answer = read(&record)?;
        let wants = !inode.is_untouched() && self.wants_access_time(&record);
        let touch = wants && !target.held.has(HeldTimes::ACCESSED);
        drop(record);
        if touch {
            self.touch_accessed(target.id);
        }
        Ok(answer)
    }

    /// Whether the caller may read or write the file's content without having opened it.
    pub(crate) fn may_access_content(&self, caller: &Caller<'_>, id: InodeId, want: Mask) -> Result<()> {
        let inode = self.inode(id)?;
        let record = inode.read();
        self.permit(caller, &record, want)
    }

    /// Writes `data`; answers how much, which is less than asked only when space runs out, or the file ends where it may not grow.
    pub(crate) fn write(&self, caller: &Caller<'_>, target: Target, at: WriteAt, data: &[u8]) -> Result<usize> {
        let change = self.change()?;
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        let end = record.stream_of(target.stream)?.size();
        let (offset, data) = match at {
            WriteAt::Offset(offset) => (offset, data),
            WriteAt::End => (end, data),
            WriteAt::Within(offset) => (offset, up_to(data, end.saturating_sub(offset))),
        };
        let known = if caller.may(Privileges::KEEP_TIMES) { known(&record, target, offset, data)? } else { 0 };
        check_writable(&record, offset + known as u64, end)?;
        let new = &data[known..];
        if new.is_empty() {
            return Ok(data.len());
        }
        let written =
            known + record.stream_of_mut(target.stream)?.write(&self.context.store, offset + known as u64, new)?;
        lose_privileges(caller, &mut record);
        if caller.may(Privileges::KEEP_TIMES) {
            record.version += 1;
        } else {
            record.touch_content_but(change.now, target.held);
        }
        change.tell_content(&record, target, end);
        Ok(written)
    }
}

/// So many bytes of it, or all.
fn up_to(data: &[u8], length: u64) -> &[u8] {
    &data[..length.min(data.len() as u64) as usize]
}

/// How much of what a kernel writes back an append-only file has already: pages come whole, with the old bytes before
/// the new ones.
fn known(record: &Record, target: Target, offset: u64, data: &[u8]) -> Result<usize> {
    if record.flags & flags::ANY_APPEND == 0 {
        return Ok(0);
    }
    let mut held = vec![0; data.len()];
    let length = record.stream_of(target.stream)?.read(offset, &mut held)?;
    Ok(if held[..length] == data[..length] { length } else { 0 })
}

/// What the immutable and append-only flags forbid to a writer.
pub(crate) fn check_writable(record: &Record, offset: u64, end: u64) -> Result<()> {
    if record.flags & flags::ANY_IMMUTABLE != 0 || (record.flags & flags::ANY_APPEND != 0 && offset < end) {
        return Err(Error::NotPermitted);
    }
    Ok(())
}
