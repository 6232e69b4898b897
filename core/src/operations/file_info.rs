//! A file as Windows knows it: attributes, four times, allocation size; what is set one by one and what a handle holds.
//!
//! Nothing is kept twice. HIDDEN and ARCHIVE are the flags of an inode ([`windows::attributes`] says how), DIRECTORY and
//! REPARSE_POINT follow from what it is, the others are stored. READONLY shows itself to POSIX as a mode without write
//! bits, and an immutable file shows itself to Windows as READONLY; only chflags makes it writable again.
//!
//! An allocation beyond the size is set aside for real, so that a write there cannot run out of space, and is given back when
//! the file is cut or [`Attachment::give_back_allocation`] says so (the reference: Cleanup, SetAllocationSize).

use std::ops::Range;

use crate::data::{CHUNK_BYTES, Stream};
use crate::error::{Error, Result};
use crate::flags;
use crate::history::events::{Changes, EventKind};
use crate::history::reservations::Reservation;
use crate::limits::{self, ALLOCATION_BYTES};
use crate::operations::attachment::{Attachment, check_flags};
use crate::operations::attributes::lose_privileges;
use crate::operations::io::check_writable;
use crate::operations::reparse;
use crate::operations::space::SLICE_BYTES;
use crate::operations::streams::Target;
use crate::operations::uses::Use;
use crate::operations::windows::filetime::{self, TimeChange};
use crate::operations::windows::{self, attributes};
use crate::tree::inode::Record;
use crate::types::{Caller, FileKind, HeldTimes, InodeId, StreamId, Time};

/// What Windows programs are told of a file, or of one of its streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileInfo {
    /// FILE_ATTRIBUTE_ bits; never 0.
    pub attributes: u32,
    /// The tag of a reparse point, or 0.
    pub reparse_tag: u32,
    /// Bytes of the stream; 0 for a directory or link.
    pub size: u64,
    /// Bytes set aside for the stream: at least its size, in units of [`ALLOCATION_BYTES`].
    pub allocation: u64,
    /// Creation.
    pub created: Time,
    /// Last access.
    pub accessed: Time,
    /// Last write.
    pub written: Time,
    /// Last change of anything.
    pub changed: Time,
    /// Its id in the volume: never another file's.
    pub inode: InodeId,
    /// Number of names; 1 for a directory.
    pub links: u32,
    /// EaSize: what its extended attributes take as FileEaInformation counts them; 0 for none.
    pub ea_bytes: u32,
}

/// Attributes and times to set, in the numbers of FILE_BASIC_INFORMATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetFileInfo {
    /// FILE_ATTRIBUTE_ bits. 0 and 0xffffffff keep what is there, NORMAL alone clears all.
    pub attributes: u32,
    /// Creation, in 100 ns since 1601. 0 keeps it, here and below.
    pub created: i64,
    /// Last access. -1: it stays, and operations through this handle leave it alone; -2: they change it again; here and
    /// below. A time that is set is left alone as well.
    pub accessed: i64,
    /// Last write.
    pub written: i64,
    /// Last change of anything.
    pub changed: i64,
}

/// What is asked of the four times.
struct Times {
    created: TimeChange,
    accessed: TimeChange,
    written: TimeChange,
    changed: TimeChange,
}

impl Times {
    /// What watchers are told of those that are set.
    fn changes(&self) -> Changes {
        let set = |time: TimeChange| matches!(time, TimeChange::Set(_));
        Changes::CREATION
            .when(set(self.created))
            .with(Changes::LAST_ACCESS.when(set(self.accessed)))
            .with(Changes::LAST_WRITE.when(set(self.written)))
            .with(Changes::ATTRIBUTES.when(set(self.changed)))
    }

    fn of(set: &SetFileInfo) -> Result<Times> {
        Ok(Times {
            created: filetime::change(set.created)?,
            accessed: filetime::change(set.accessed)?,
            written: filetime::change(set.written)?,
            changed: filetime::change(set.changed)?,
        })
    }

    fn sets_any(&self) -> bool {
        [self.created, self.accessed, self.written, self.changed].iter().any(|time| matches!(time, TimeChange::Set(_)))
    }

    /// What a handle holds afterwards, and holds no more (\[MS-FSA\] 2.1.5.15.2: UserSetAccessTime and its like).
    fn held(&self) -> (HeldTimes, HeldTimes) {
        let all = [
            (self.accessed, HeldTimes::ACCESSED),
            (self.written, HeldTimes::WRITTEN),
            (self.changed, HeldTimes::CHANGED),
        ];
        let bits = |wanted: fn(TimeChange) -> bool| {
            HeldTimes(all.iter().filter(|(change, _)| wanted(*change)).fold(0, |bits, (_, time)| bits | time.0))
        };
        let hold = bits(|change| matches!(change, TimeChange::Hold | TimeChange::Set(_)));
        (hold, bits(|change| change == TimeChange::Release))
    }
}

impl Attachment {
    pub(crate) fn file_info(&self, target: Target) -> Result<FileInfo> {
        let inode = self.inode(target.id)?;
        let record = inode.read();
        info(&record, target)
    }

    /// Sets attributes and times. Answers what the handle, if it is by one, holds from now on, and holds no more.
    pub(crate) fn set_file_info(
        &self,
        caller: &Caller<'_>,
        target: Target,
        set: &SetFileInfo,
    ) -> Result<(FileInfo, HeldTimes, HeldTimes)> {
        let times = Times::of(set)?;
        let change = self.change()?;
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        self.permit_use(caller, &record, Use::WriteAttributes)?;
        check_flags(&record, false)?;
        let stored = stored_attributes(&record);
        let attributes = attributes::set(stored, set.attributes, record.is_windows_directory())?;
        if attributes != stored || times.sets_any() {
            store_attributes(&mut record, attributes);
            let held = target.held;
            record.touch_but(change.now, held);
            set_times(&mut record, &times);
            let changes = Changes::ATTRIBUTES.when(attributes != stored).with(times.changes());
            change.tell_record(EventKind::Attributes, target.id, &record, changes);
        }
        let (hold, release) = times.held();
        Ok((info(&record, target)?, hold, release))
    }

    /// Sets the allocation size of a stream, rounded up to a whole number of units. One below the size cuts the stream
    /// (\[MS-FSA\] 2.1.5.15.1; the reference: SetFileSize), which takes privileges away as truncate(2) does.
    pub(crate) fn set_allocation(&self, caller: &Caller<'_>, target: Target, bytes: u64) -> Result<FileInfo> {
        let wanted = whole_units(bytes)?;
        let mut ahead = self.begin_reservation(target, wanted)?;
        let answer = self.set_aside_ahead(target, wanted, &mut ahead);
        let answer = answer.and_then(|()| self.set_whole_allocation(caller, target, wanted));
        if answer.is_err() {
            self.take_back(target, ahead);
        }
        answer
    }

    fn set_whole_allocation(&self, caller: &Caller<'_>, target: Target, wanted: u64) -> Result<FileInfo> {
        // Outlives the locks and the gate: to free it may take long.
        let _before;
        let change = self.change()?;
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        let stream = record.stream_of(target.stream)?;
        let (old, size) = (stream.size(), stream.size().min(wanted));
        check_writable(&record, size, old)?;
        let mut resized = record.stream_of(target.stream)?.clone();
        if size < old {
            resized.truncate(&self.context.store, size)?;
        } else {
            let beyond = wanted.next_multiple_of(CHUNK_BYTES as u64);
            resized.punch_out(&self.context.store, beyond, limits::FILE_BYTES + 1 - beyond)?;
        }
        if wanted > size {
            resized.allocate(&self.context.store, size, wanted - size, true)?;
        }
        _before = std::mem::replace(record.stream_of_mut(target.stream)?, resized);
        set_reserved(&mut record, target.stream, wanted)?;
        if size < old {
            lose_privileges(caller, &mut record);
            record.touch_content_but(change.now, target.held);
        } else {
            record.version += 1;
        }
        change.tell_content(&record, target, old);
        info(&record, target)
    }

    /// Sets aside what lies beyond the size and what is reserved, but for the last slice, so that a snapshot waits for no more than a slice
    /// at a time. Nobody sees anything of it. `ahead` is told what was not stored before, for [`Attachment::take_back`].
    fn set_aside_ahead(&self, target: Target, wanted: u64, ahead: &mut Option<Reservation<'_>>) -> Result<()> {
        let (begin, stored) = {
            let inode = self.inode(target.id)?;
            let record = inode.read();
            let stream = record.stream_of(target.stream)?;
            let known = stream.size().max(reserved(&record, target.stream));
            (known.next_multiple_of(CHUNK_BYTES as u64), stream.stored())
        };
        if wanted.saturating_sub(begin) <= SLICE_BYTES {
            return Ok(());
        }
        // Holes before the size stay holes; what is stored behind it is there already.
        self.check_room(wanted.saturating_sub(stored).min(wanted - begin))?;
        let mut at = begin;
        while wanted - at > SLICE_BYTES {
            self.set_aside_slice(target, at..at + SLICE_BYTES, ahead.as_mut())?;
            at += SLICE_BYTES;
        }
        Ok(())
    }

    /// `ahead`: the reservation that this is a step of.
    fn set_aside_slice(&self, target: Target, slice: Range<u64>, ahead: Option<&mut Reservation<'_>>) -> Result<()> {
        let change = self.change()?;
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        let size = record.stream_of(target.stream)?.size();
        check_writable(&record, size, size)?;
        let stream = record.stream_of_mut(target.stream)?;
        let gaps = stream.gaps(slice.clone());
        stream.allocate(&self.context.store, slice.start, slice.end - slice.start, true)?;
        match ahead {
            Some(ahead) => ahead.step(&slice, gaps),
            None => change.head.reservations.step(target.id, target.stream, &slice),
        }
        Ok(())
    }

    /// Gives back what was set aside for something that failed, which is what the caller is told. Where that cannot be, it stays until the
    /// file is cut.
    pub(crate) fn take_back(&self, target: Target, ahead: Option<Reservation<'_>>) {
        let Some(mut ahead) = ahead else { return };
        if let Err(error) = self.try_to_take_back(target, &mut ahead) {
            tracing::debug!(?error, id = ?target.id, "what was set aside cannot be given back");
        }
    }

    /// As far as the file does not go there, and nobody has asked for it as an allocation or reserved it meanwhile. What was reserved before is
    /// none of it.
    fn try_to_take_back(&self, target: Target, ahead: &mut Reservation<'_>) -> Result<()> {
        // Outlives the locks and the gate: to free it may take long.
        let mut gone = Vec::new();
        let change = self.change_to_free()?;
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        let asked_for = reserved(&record, target.stream);
        let stream = record.stream_of_mut(target.stream)?;
        let kept = stream.size().max(asked_for).next_multiple_of(CHUNK_BYTES as u64);
        for range in ahead.fail().into_iter().filter(|range| range.end > kept) {
            let begin = range.start.max(kept);
            gone.push(stream.punch_out(&self.context.store, begin, range.end - begin)?);
        }
        Ok(())
    }

    /// What is set aside beyond the size is given back: the last handle that asked for it has closed. A volume that became
    /// read-only keeps it.
    pub(crate) fn give_back_allocation(&self, target: Target) -> Result<()> {
        let beyond = |record: &Record| reserved(record, target.stream) != 0;
        if !beyond(&self.inode(target.id)?.read()) {
            return Ok(());
        }
        // Outlives the locks and the gate: to free it may take long.
        let _gone;
        let change = self.change_to_free()?;
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        let stream = record.stream_of_mut(target.stream)?;
        let size = stream.size();
        _gone = stream.cut_off(&self.context.store, size)?;
        set_reserved(&mut record, target.stream, 0)
    }
}

fn whole_units(bytes: u64) -> Result<u64> {
    let units = bytes.checked_next_multiple_of(ALLOCATION_BYTES).filter(|units| *units <= limits::FILE_BYTES);
    units.ok_or(Error::FileTooLarge)
}

/// Storage for the content of a file that is made or emptied, set aside before anybody has to wait for it; or why there is none.
pub(crate) struct SetAside(Result<(Stream, u64)>);

impl SetAside {
    /// `allowed`: what can be told of it before; nothing is taken for what will be refused.
    pub(crate) fn of(at: &Attachment, bytes: u64, allowed: impl FnOnce() -> Result<()>) -> SetAside {
        SetAside(if bytes == 0 { Ok((Stream::empty(), 0)) } else { allowed().and_then(|()| storage(at, bytes)) })
    }

    /// The content of the file from now on; answers what it was. If there is no storage, the file keeps what it has.
    pub(crate) fn give(self, record: &mut Record) -> Result<Stream> {
        let (stream, wanted) = self.0?;
        let before = std::mem::replace(record.stream_mut()?, stream);
        set_reserved(record, StreamId::DEFAULT, wanted)?;
        Ok(before)
    }
}

fn storage(at: &Attachment, bytes: u64) -> Result<(Stream, u64)> {
    if at.is_read_only() {
        return Err(Error::ReadOnly);
    }
    let wanted = whole_units(bytes)?;
    let mut stream = Stream::empty();
    stream.allocate(&at.context.store, 0, wanted, true)?;
    Ok((stream, wanted))
}

/// What Windows is told.
fn info(record: &Record, target: Target) -> Result<FileInfo> {
    let size = match target.stream {
        StreamId::DEFAULT if record.kind == FileKind::File => record.size(),
        StreamId::DEFAULT => 0,
        named => record.named_stream(named)?.content.size(),
    };
    let set_aside = size.max(reserved(record, target.stream));
    let eas = record.foreign().and_then(|foreign| foreign.eas.as_deref());
    Ok(FileInfo {
        attributes: shown_attributes(record),
        reparse_tag: reparse::tag(record),
        size,
        allocation: set_aside.checked_next_multiple_of(ALLOCATION_BYTES).unwrap_or(set_aside),
        created: record.born,
        accessed: record.accessed,
        written: record.modified,
        changed: record.changed,
        inode: target.id,
        links: record.links,
        ea_bytes: eas.map_or(0, windows::extended_attributes::Attributes::reported_bytes),
    })
}

/// The attributes that can be set, wherever they are kept.
pub(crate) fn stored_attributes(record: &Record) -> u32 {
    let others = record.foreign().map_or(0, |foreign| foreign.attributes);
    attributes::in_step_with_flags(others, record.flags, record.is_windows_directory())
}

fn shown_attributes(record: &Record) -> u32 {
    let directory = record.is_windows_directory();
    let frozen = record.flags & flags::ANY_IMMUTABLE != 0 && !directory;
    let stored = stored_attributes(record) | if frozen { attributes::READONLY } else { 0 };
    attributes::reported(stored, directory, reparse::tag(record) != 0)
}

pub(crate) fn store_attributes(record: &mut Record, stored: u32) {
    let directory = record.is_windows_directory();
    record.flags = attributes::flags_in_step(stored, record.flags, directory);
    let told_by_flags = attributes::HIDDEN | if directory { 0 } else { attributes::ARCHIVE };
    let others = stored & !told_by_flags;
    if record.foreign().map_or(0, |foreign| foreign.attributes) != others {
        record.change_foreign(|foreign| foreign.attributes = others);
    }
}

fn set_times(record: &mut Record, times: &Times) {
    let fields = [
        (times.created, &mut record.born),
        (times.accessed, &mut record.accessed),
        (times.written, &mut record.modified),
        (times.changed, &mut record.changed),
    ];
    for (change, field) in fields {
        if let TimeChange::Set(time) = change {
            *field = time;
        }
    }
}

fn reserved(record: &Record, stream: StreamId) -> u64 {
    match stream {
        StreamId::DEFAULT => record.foreign().map_or(0, |foreign| foreign.reserved),
        named => record.named_stream(named).map_or(0, |stream| stream.reserved),
    }
}

/// Notes what is set aside for a stream. 0: no more than its size.
pub(crate) fn set_reserved(record: &mut Record, stream: StreamId, bytes: u64) -> Result<()> {
    if reserved(record, stream) == bytes {
        return Ok(());
    }
    match stream {
        StreamId::DEFAULT => record.change_foreign(|foreign| foreign.reserved = bytes),
        named => record.named_stream_mut(named)?.reserved = bytes,
    }
    Ok(())
}
