//! Named streams opened and deleted the Windows way (\[MS-FSA\] 2.1.5.1, the reference, section 3): they share the file's descriptor, attributes and
//! names, and are shared, marked and locked by themselves.

use crate::data::Stream;
use crate::error::{Error, Result};
use crate::history::Tree;
use crate::history::events::{Changes, EventKind};
use crate::operations::attachment::{Attachment, check_flags};
use crate::operations::attributes::lose_privileges;
use crate::operations::streams::{Target as StreamTarget, unname_stream};
use crate::operations::windows::create_options as options;
use crate::operations::windows::disposition::{self, Disposition, Outcome};
use crate::operations::windows::rights;
use crate::operations::windows_open::{Asked, Target, There, WindowsOpen, WindowsOpened};
use crate::types::{Caller, InodeId, StreamId};

impl Attachment {
    /// Opens or makes a stream of what was found, or of a file made for it.
    pub(super) fn open_stream_of(
        &self,
        caller: &Caller<'_>,
        there: Option<There>,
        target: Target<'_>,
        asked: &Asked<'_>,
    ) -> Result<WindowsOpened> {
        let Some(there) = there else {
            return self.make_file_for_stream(caller, target, asked);
        };
        let found = self.stream_there(there.id, asked.open.stream)?;
        let what = found.map_or(disposition::Found::Nothing, |_| disposition::Found::Stream);
        let outcome = disposition::decide(asked.open.request(), what)?;
        // To make a stream is to write the file.
        let extra = match outcome {
            Outcome::Created => rights::WRITE_DATA,
            _ => asked.open.disposition.extra_access(),
        };
        let granted = self.grant(caller, there, asked, extra)?;
        self.hold(there.id)?;
        let opened = self.open_stream_held(caller, there, target, asked, granted, outcome);
        opened.inspect_err(|_| self.unhold(there.id))
    }

    /// The file is made first, and the stream of what is there then.
    fn make_file_for_stream(
        &self,
        caller: &Caller<'_>,
        target: Target<'_>,
        asked: &Asked<'_>,
    ) -> Result<WindowsOpened> {
        disposition::decide(asked.open.request(), disposition::Found::Nothing)?;
        let Target::Name(parent, name) = target else { return Err(Error::Stale) };
        let file = WindowsOpen {
            access: rights::READ_ATTRIBUTES,
            disposition: Disposition::OpenIf,
            options: asked.open.options & !options::DELETE_ON_CLOSE,
            extended_attributes: &[],
            allocation: 0,
            stream: &[],
            ..*asked.open
        };
        let made = self.open_new(caller, parent, name, &Asked { open: &file, ..*asked })?;
        let stream = self.open_asked(caller, target, &Asked { admitted: true, ..*asked });
        self.abandon(made.inode, made.opening);
        stream
    }

    fn stream_there(&self, id: InodeId, name: &[u8]) -> Result<Option<StreamId>> {
        let inode = self.inode(id)?;
        let record = inode.read();
        Ok(self.find_stream(&record, name))
    }

    /// The caller holds the inode for the handle to come.
    fn open_stream_held(
        &self,
        caller: &Caller<'_>,
        there: There,
        target: Target<'_>,
        asked: &Asked<'_>,
        granted: u32,
        outcome: Outcome,
    ) -> Result<WindowsOpened> {
        let on = match outcome {
            Outcome::Created => self.make_stream_held(caller, there.id, asked)?,
            _ => self.count_stream(there.id, asked.open.stream)?,
        };
        let extra = if outcome == Outcome::Created { 0 } else { asked.open.disposition.extra_access() };
        let opening = self.enter(there, target, asked, granted, extra, on.stream);
        let opening = opening.inspect_err(|_| self.give_up(on, outcome))?;
        if matches!(outcome, Outcome::Overwritten | Outcome::Superseded)
            && let Err(error) = self.empty_stream(caller, on)
        {
            self.withdraw(opening);
            self.give_up(on, outcome);
            return Err(error);
        }
        Ok(WindowsOpened { inode: there.id, stream: on.stream, kind: there.kind, granted, outcome, opening })
    }

    /// An open could not be finished: what it made goes again.
    fn give_up(&self, on: StreamTarget, outcome: Outcome) {
        if outcome == Outcome::Created {
            drop(self.remove_stream_of(on.id, on.stream));
        }
        self.close_stream(on);
    }

    /// Counts a stream that is there as open; [`Error::Stale`] when it has gone meanwhile.
    fn count_stream(&self, id: InodeId, name: &[u8]) -> Result<StreamTarget> {
        let inode = self.inode(id)?;
        let record = inode.read();
        let stream = self.find_stream(&record, name).ok_or(Error::Stale)?;
        if let Tree::Head(head) = &self.tree {
            head.open_streams.open(id, stream);
        }
        Ok(target(id, stream))
    }

    fn make_stream_held(&self, caller: &Caller<'_>, id: InodeId, asked: &Asked<'_>) -> Result<StreamTarget> {
        let name = asked.open.stream;
        // With its file it was let in: the file is there already, and must not stay without it.
        let change = if asked.admitted { self.change_to_free()? } else { self.change_to_add()? };
        let inode = change.own(id)?;
        let mut record = inode.write();
        if self.find_stream(&record, name).is_some() {
            return Err(Error::Stale);
        }
        let stream = self.make_stream(caller, &change, &mut record, name)?;
        change.head.open_streams.open(id, stream);
        change.tell_stream(EventKind::StreamCreated, id, &record, name, Changes::STREAM_NAME);
        Ok(target(id, stream))
    }

    pub(crate) fn empty_stream(&self, caller: &Caller<'_>, on: StreamTarget) -> Result<()> {
        // Outlives the locks and the gate: to free it may take long.
        let _emptied: Stream;
        let change = self.change_to_free()?;
        let inode = change.own(on.id)?;
        let mut record = inode.write();
        check_flags(&record, false)?;
        let before = record.named_stream(on.stream)?.content.size();
        _emptied = std::mem::take(&mut record.named_stream_mut(on.stream)?.content);
        lose_privileges(caller, &mut record);
        record.touch_content(change.now);
        change.tell_content(&record, on, before);
        Ok(())
    }

    /// A stream that was to be deleted loses its last handle: its name goes now, and its content with the handle.
    pub(super) fn remove_stream_of(&self, id: InodeId, stream: StreamId) -> Result<()> {
        let _gone;
        let change = self.change_to_free()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        check_flags(&record, false)?;
        let name = record.named_stream(stream)?.name.clone();
        _gone = unname_stream(&change, &mut record, target(id, stream))?;
        record.touch(change.now);
        change.tell_stream(EventKind::StreamRemoved, id, &record, &name, Changes::STREAM_NAME);
        Ok(())
    }

    /// The name of a stream that a handle has open.
    pub(crate) fn stream_name(&self, id: InodeId, stream: StreamId) -> Result<Box<[u8]>> {
        let inode = self.inode(id)?;
        let record = inode.read();
        let name = record.named_stream(stream)?.name.clone();
        if name.is_empty() { Err(Error::AccessDenied) } else { Ok(name) }
    }
}

fn target(id: InodeId, stream: StreamId) -> StreamTarget {
    StreamTarget { stream, ..id.into() }
}
