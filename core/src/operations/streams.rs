//! Named streams: made, opened, renamed, listed, removed. Reading and writing them is as for the content of a file; they
//! go with their inode, which may be a directory as well.
//!
//! A stream that is removed while handles are open on it keeps its content for them, and its name is free. A write to a
//! stream is a change of the file (\[MS-FSA\] 2.1.5.4): times and version are the file's.

use crate::data::Stream;
use crate::error::{Error, Result};
use crate::history::Tree;
use crate::history::events::{Changes, EventKind};
use crate::limits;
use crate::operations::OpenOptions;
use crate::operations::attachment::{Attachment, Change, check_flags};
use crate::operations::uses::Use;
use crate::tree::inode::Record;
use crate::tree::name::wtf8;
use crate::tree::streams::{NamedStream, Streams};
use crate::types::{Caller, FileKind, HeldTimes, InodeId, SetAttr, StreamId};

/// A sequence of bytes: the content of an inode, or a named stream of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) id: InodeId,
    pub(crate) stream: StreamId,
    /// Times that stay whatever is done.
    pub(crate) held: HeldTimes,
}

impl From<InodeId> for Target {
    #[inline]
    fn from(id: InodeId) -> Target {
        Target { id, stream: StreamId::DEFAULT, held: HeldTimes::default() }
    }
}

/// A named stream, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// Its id in the inode.
    pub id: StreamId,
    /// Its name, as it was spelled first.
    pub name: Box<[u8]>,
    /// Bytes of content.
    pub size: u64,
    /// Bytes of storage that it refers to.
    pub allocated: u64,
}

impl From<&NamedStream> for StreamInfo {
    fn from(stream: &NamedStream) -> StreamInfo {
        let (size, allocated) = (stream.content.size(), stream.content.allocated());
        StreamInfo { id: stream.id, name: stream.name.clone(), size, allocated }
    }
}

impl Attachment {
    /// Opens a stream, or makes it if it is not there and `create` says so. It is counted as open until
    /// [`Attachment::close_stream`].
    pub(crate) fn open_stream(
        &self,
        caller: &Caller<'_>,
        id: InodeId,
        name: &[u8],
        options: OpenOptions,
        create: bool,
    ) -> Result<Target> {
        check_stream_name(name)?;
        let found = self.open_found(caller, id, name, options);
        let exclusive = create && options.exclusive;
        let target = match found? {
            Some(target) if exclusive => {
                self.close_stream(target);
                return Err(Error::Exists);
            }
            Some(target) => target,
            None if !create => return Err(Error::NotFound),
            None => self.open_made(caller, id, name, exclusive)?,
        };
        if options.truncate {
            self.empty_opened(caller, target)?;
        }
        Ok(target)
    }

    fn open_found(
        &self,
        caller: &Caller<'_>,
        id: InodeId,
        name: &[u8],
        options: OpenOptions,
    ) -> Result<Option<Target>> {
        let inode = self.inode(id)?;
        let record = inode.read();
        let writes = options.write || options.append || options.truncate;
        if options.read {
            self.permit_use(caller, &record, Use::ReadStream)?;
        }
        let Some(stream) = self.find_stream(&record, name) else { return Ok(None) };
        if writes {
            self.permit_use(caller, &record, Use::WriteStream)?;
            if self.is_read_only() {
                return Err(Error::ReadOnly);
            }
            check_flags(&record, options.append && !options.truncate)?;
        }
        Ok(Some(self.count_open(id, stream)))
    }

    /// The stream that nobody has made yet, or somebody has just now.
    fn open_made(&self, caller: &Caller<'_>, id: InodeId, name: &[u8], exclusive: bool) -> Result<Target> {
        let change = self.change_to_add()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        match self.find_stream(&record, name) {
            Some(_) if exclusive => Err(Error::Exists),
            Some(stream) => Ok(self.count_open(id, stream)),
            None => {
                let stream = self.make_stream(caller, &change, &mut record, name)?;
                change.tell_stream(EventKind::StreamCreated, id, &record, name, Changes::STREAM_NAME);
                Ok(self.count_open(id, stream))
            }
        }
    }

    fn empty_opened(&self, caller: &Caller<'_>, target: Target) -> Result<()> {
        let empty = SetAttr { size: Some(0), ..SetAttr::default() };
        let emptied = self.set_attr(caller, target, &empty, true);
        if emptied.is_err() {
            self.close_stream(target);
        }
        emptied.map(drop)
    }

    /// Makes an empty stream of an inode that is locked for change. The name is not taken.
    pub(crate) fn make_stream(
        &self,
        caller: &Caller<'_>,
        change: &Change<'_>,
        record: &mut Record,
        name: &[u8],
    ) -> Result<StreamId> {
        check_stream_name(name)?;
        may_have_streams(record)?;
        self.permit_use(caller, record, Use::WriteStream)?;
        check_flags(record, false)?;
        let stream = record.change_extra(|extra| extra.streams_mut().add(name))?;
        record.touch(change.now);
        Ok(stream)
    }

    pub(crate) fn find_stream(&self, record: &Record, name: &[u8]) -> Option<StreamId> {
        record.streams()?.find(&self.context.names, name).map(|stream| stream.id)
    }

    /// The caller holds the inode's lock.
    fn count_open(&self, id: InodeId, stream: StreamId) -> Target {
        if let Tree::Head(head) = &self.tree {
            head.open_streams.open(id, stream);
        }
        Target { stream, ..Target::from(id) }
    }

    /// A handle on a named stream closes. A stream without a name goes with its last handle. The caller still holds the
    /// inode, and no lock.
    pub(crate) fn close_stream(&self, target: Target) {
        let Tree::Head(head) = &self.tree else { return };
        if target.stream == StreamId::DEFAULT || !head.open_streams.close(target.id, target.stream) {
            return;
        }
        let nameless = |record: &Record| record.named_stream(target.stream).is_ok_and(|stream| stream.name.is_empty());
        if self.inode(target.id).is_ok_and(|inode| nameless(&inode.read())) {
            // A volume that became read-only keeps it: nobody can see it.
            drop(self.remove_nameless(target));
        }
    }

    fn remove_nameless(&self, target: Target) -> Result<Option<Stream>> {
        let change = self.change_to_free()?;
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        if change.head.open_streams.is_open(target.id, target.stream) {
            return Ok(None);
        }
        let gone = record.change_extra(|extra| extra.streams_mut().remove(target.stream));
        Ok(gone.map(|gone| gone.content))
    }

    /// The named streams of an inode, in the order of their making.
    pub(crate) fn list_streams(&self, id: InodeId) -> Result<Vec<StreamInfo>> {
        let inode = self.inode(id)?;
        let record = inode.read();
        Ok(record.streams().into_iter().flat_map(Streams::named).map(StreamInfo::from).collect())
    }

    /// Gives a stream another name. One that has the name already is replaced if `replace` says so, and nobody has it open.
    pub(crate) fn rename_stream(
        &self,
        caller: &Caller<'_>,
        id: InodeId,
        name: &[u8],
        new_name: &[u8],
        replace: bool,
    ) -> Result<()> {
        check_stream_name(name)?;
        check_stream_name(new_name)?;
        // Outlives the locks and the gate: to free it may take long.
        let mut _replaced = None;
        let change = self.change_to_add()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        let stream = self.find_stream(&record, name).ok_or(Error::NotFound)?;
        self.permit_use(caller, &record, Use::WriteStream)?;
        check_flags(&record, false)?;
        if let Some(other) = self.find_stream(&record, new_name).filter(|other| *other != stream) {
            if !replace {
                return Err(Error::Exists);
            }
            if change.head.open_streams.is_open(id, other) {
                return Err(Error::AccessDenied);
            }
            _replaced = record.change_extra(|extra| extra.streams_mut().remove(other));
        }
        let old_name = record.named_stream(stream)?.name.clone();
        record.change_extra(|extra| extra.streams_mut().rename(stream, new_name));
        record.touch(change.now);
        // Windows has no word for a rename of a stream.
        change.tell_stream(EventKind::StreamRemoved, id, &record, &old_name, Changes::STREAM_NAME);
        change.tell_stream(EventKind::StreamCreated, id, &record, new_name, Changes::STREAM_NAME);
        Ok(())
    }

    /// Removes a stream. Handles that are open on it keep it.
    pub(crate) fn remove_stream(&self, caller: &Caller<'_>, id: InodeId, name: &[u8]) -> Result<()> {
        check_stream_name(name)?;
        let _gone;
        let change = self.change_to_free()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        let stream = self.find_stream(&record, name).ok_or(Error::NotFound)?;
        self.permit_use(caller, &record, Use::WriteStream)?;
        check_flags(&record, false)?;
        let stored = record.named_stream(stream)?.name.clone();
        _gone = unname_stream(&change, &mut record, Target { stream, ..Target::from(id) })?;
        record.touch(change.now);
        change.tell_stream(EventKind::StreamRemoved, id, &record, &stored, Changes::STREAM_NAME);
        Ok(())
    }

    /// Removes all streams of an inode but those that handles are open on, which stay (the reference: Overwrite). Answers what they
    /// held, to be dropped without the lock.
    pub(crate) fn remove_closed_streams(&self, change: &Change<'_>, id: InodeId, record: &mut Record) -> Vec<Stream> {
        let named = record.streams().into_iter().flat_map(Streams::named).map(|stream| stream.id);
        let closed: Vec<StreamId> = named.filter(|stream| !change.head.open_streams.is_open(id, *stream)).collect();
        let take = |stream| record.change_extra(|extra| extra.streams_mut().remove(stream));
        let removed: Vec<NamedStream> = closed.into_iter().filter_map(take).collect();
        for stream in &removed {
            change.tell_stream(EventKind::StreamRemoved, id, record, &stream.name, Changes::STREAM_NAME);
        }
        removed.into_iter().map(|stream| stream.content).collect()
    }
}

/// Takes the name of a stream away, and the stream as well unless handles are open on it. Answers what it held, to be dropped
/// without the lock.
pub(crate) fn unname_stream(change: &Change<'_>, record: &mut Record, target: Target) -> Result<Option<Stream>> {
    if change.head.open_streams.is_open(target.id, target.stream) {
        record.change_extra(|extra| extra.streams_mut().rename(target.stream, b""));
        return Ok(None);
    }
    let gone = record.change_extra(|extra| extra.streams_mut().remove(target.stream));
    Ok(gone.map(|gone| gone.content))
}

fn may_have_streams(record: &Record) -> Result<()> {
    match record.kind {
        FileKind::File | FileKind::Directory => Ok(()),
        _ => Err(Error::NotSupported),
    }
}

/// \[MS-FSCC\] 2.1.5.3, "Streamname": up to 255 UTF-16 units, none of `/ \ :` nor NUL. Control characters and wildcards may be
/// in it.
pub(crate) fn check_stream_name(name: &[u8]) -> Result<()> {
    if name.is_empty() {
        return Err(Error::BadName("a named stream has a name"));
    }
    if name.len() > limits::STREAM_NAME_UNITS * limits::UNIT_BYTES || wtf8::units(name)? > limits::STREAM_NAME_UNITS {
        return Err(Error::NameTooLong);
    }
    match name.iter().find(|byte| matches!(byte, 0 | b'/' | b'\\' | b':')) {
        None => Ok(()),
        Some(0) => Err(Error::BadName("the name of a stream holds no NUL")),
        Some(b':') => Err(Error::BadName("the name of a stream holds no colon: it separates the type")),
        Some(_) => Err(Error::BadName("the name of a stream holds neither / nor \\: they separate names")),
    }
}
