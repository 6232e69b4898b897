//! copy_file_range(2): whole chunks are shared, not copied.

use crate::data::{Gone, Stream};
use crate::error::{Error, Result};
use crate::operations::attachment::Attachment;
use crate::operations::attributes::lose_privileges;
use crate::operations::io::check_writable;
use crate::operations::streams::Target;
use crate::types::Caller;

impl Attachment {
    /// The content of a file as it is at this moment, whatever becomes of the file; costs nothing.
    pub(crate) fn content(&self, target: Target) -> Result<Stream> {
        let inode = self.inode(target.id)?;
        let mut content = inode.read().stream_of(target.stream)?.clone();
        if inode.is_untouched() {
            // The base's own file goes on as the base goes on; a copy of it does not.
            content.record_source();
        }
        Ok(content)
    }

    /// Copies `length` bytes of `source` (from [`Attachment::content`]) into a file. Answers how many, fewer where the source ends.
    pub(crate) fn copy_from(
        &self,
        caller: &Caller<'_>,
        source: &Stream,
        source_offset: u64,
        target: Target,
        offset: u64,
        length: u64,
    ) -> Result<u64> {
        // Outlives the locks and the gate: to free it may take long.
        let mut gone = Gone::default();
        let change = self.change()?;
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        let size_before = record.stream_of(target.stream)?.size();
        check_writable(&record, offset, size_before)?;
        let stream = record.stream_of_mut(target.stream)?;
        let copied = stream.copy_over(&self.context.store, source, source_offset, offset, length, &mut gone)?;
        if copied > 0 {
            lose_privileges(caller, &mut record);
            record.touch_content_but(change.now, target.held);
            change.tell_content(&record, target, size_before);
        }
        Ok(copied)
    }
}

/// Refuses ranges of one file that overlap.
pub(crate) fn check_overlap(source_offset: u64, offset: u64, length: u64) -> Result<()> {
    if source_offset < offset.saturating_add(length) && offset < source_offset.saturating_add(length) {
        return Err(Error::Invalid("copy_file_range: the ranges of one file overlap"));
    }
    Ok(())
}
