//! What macOS knows of a file besides: flags by their BSD numbers, when it came to its directory, and two extended attributes
//! that are more than that.
//!
//! On a volume with names of macOS `com.apple.ResourceFork` is the named stream of that name, and one bit of
//! `com.apple.FinderInfo` is the flag [`flags::HIDDEN`] (kIsInvisible, as HFS+ has it). A Finder info of zeros is none.

use std::sync::Arc;

use crate::data::Stream;
use crate::error::{Error, Result};
use crate::flags;
use crate::history::events::{Changes, EventKind};
use crate::limits;
use crate::operations::attachment::{Attachment, Change, check_flags};
use crate::operations::streams::{Target, unname_stream};
use crate::operations::uses::Use;
use crate::operations::xattrs::{self, XattrMode, check_mode};
use crate::tree::inode::Record;
use crate::tree::name::NamePolicy;
use crate::types::{Caller, FileKind, InodeId, Privileges, StreamId, Time};

const FINDER_INFO: &[u8] = b"com.apple.FinderInfo";
const RESOURCE_FORK: &[u8] = b"com.apple.ResourceFork";
const FINDER_INFO_BYTES: usize = 32;
/// Where the Finder's flags lie in it, and the bit kIsInvisible of their first byte.
const FINDER_FLAGS_AT: usize = 8;
const INVISIBLE: u8 = 0x40;

/// What macOS is told of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacInfo {
    /// `st_flags`, in the numbers of chflags(2).
    pub flags: u32,
    /// When it came to its directory.
    pub added: Time,
    /// When it was last backed up; 0: never.
    pub backed_up: Time,
}

/// What of that is set; `None` keeps what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SetMacInfo {
    /// As chflags(2).
    pub flags: Option<u32>,
    /// When it came to its directory.
    pub added: Option<Time>,
    /// When it was last backed up.
    pub backed_up: Option<Time>,
}

/// An extended attribute that is more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    FinderInfo,
    ResourceFork,
}

/// The file got a name in another directory. Only macOS asks when, so only its volumes remember.
pub(crate) fn note_added(change: &Change<'_>, record: &mut Record) {
    if is_macos(change.at) {
        let now = change.now;
        record.change_foreign(|foreign| foreign.added = Some(now));
    }
}

fn is_macos(at: &Attachment) -> bool {
    at.context.names.policy() == NamePolicy::MacOs
}

fn info(record: &Record) -> MacInfo {
    let foreign = record.foreign();
    MacInfo {
        flags: flags::to_bsd(record.flags),
        added: foreign.and_then(|foreign| foreign.added).unwrap_or(record.born),
        backed_up: foreign.and_then(|foreign| foreign.backed_up).unwrap_or_default(),
    }
}

impl Attachment {
    pub(crate) fn mac_info(&self, id: InodeId) -> Result<MacInfo> {
        Ok(info(&self.inode(id)?.read()))
    }

    /// Sets what `set` names, all or nothing. Flags can be changed while others of them freeze the file.
    pub(crate) fn set_mac_info(&self, caller: &Caller<'_>, id: InodeId, set: &SetMacInfo) -> Result<MacInfo> {
        let change = self.change()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        self.permit_use(caller, &record, Use::WriteAttributes)?;
        if set.added.is_some() || set.backed_up.is_some() {
            check_flags(&record, false)?;
        }
        if let Some(bsd) = set.flags {
            let flags = flags::with_bsd(record.flags, bsd).ok_or(Error::NotSupported)?;
            if (flags ^ record.flags) & flags::PRIVILEGED != 0 && !caller.may(Privileges::IMMUTABLE) {
                return Err(Error::NotPermitted);
            }
            record.flags = flags;
        }
        if set.added.is_some() || set.backed_up.is_some() {
            record.change_foreign(|foreign| {
                foreign.added = set.added.or(foreign.added);
                foreign.backed_up = set.backed_up.or(foreign.backed_up);
            });
        }
        record.touch(change.now);
        change.tell_record(EventKind::Attributes, id, &record, Changes::ATTRIBUTES);
        Ok(info(&record))
    }

    /// Whether the name means more than an extended attribute here.
    pub(crate) fn special(&self, name: &[u8]) -> Option<Special> {
        match name {
            FINDER_INFO if is_macos(self) => Some(Special::FinderInfo),
            RESOURCE_FORK if is_macos(self) => Some(Special::ResourceFork),
            _ => None,
        }
    }

    pub(crate) fn get_special(&self, record: &Record, special: Special) -> Result<Arc<[u8]>> {
        match special {
            Special::FinderInfo => Ok(Arc::new(finder_info(record)?)),
            Special::ResourceFork => read_all(&record.named_stream(self.fork(record)?)?.content),
        }
    }

    /// Those that are there, besides the attributes that are stored.
    pub(crate) fn list_special(&self, record: &Record) -> Vec<Box<[u8]>> {
        if !is_macos(self) {
            return Vec::new();
        }
        let stored = xattrs::find(record, FINDER_INFO).is_some();
        let finder = (!stored && finder_info(record).is_ok()).then(|| Box::from(FINDER_INFO));
        let fork = self.fork(record).ok().map(|_| Box::from(RESOURCE_FORK));
        finder.into_iter().chain(fork).collect()
    }

    /// Answers what was there, to be dropped without the lock.
    pub(crate) fn set_special(
        &self,
        record: &mut Record,
        special: Special,
        value: &[u8],
        mode: XattrMode,
    ) -> Result<Option<Stream>> {
        match special {
            Special::FinderInfo => set_finder_info(record, value, mode).map(|()| None),
            Special::ResourceFork => {
                check_mode(self.fork(record).is_ok(), mode)?;
                let mut content = Stream::empty();
                if content.write(&self.context.store, 0, value)? < value.len() {
                    return Err(Error::NoSpace);
                }
                let fork = self.make_fork(record)?;
                Ok(Some(std::mem::replace(record.stream_of_mut(fork)?, content)))
            }
        }
    }

    /// Answers what was there, to be dropped without the lock.
    pub(crate) fn remove_special(
        &self,
        change: &Change<'_>,
        id: InodeId,
        record: &mut Record,
        special: Special,
    ) -> Result<Option<Stream>> {
        match special {
            Special::FinderInfo => {
                finder_info(record)?;
                set_finder_info(record, &[0; FINDER_INFO_BYTES], XattrMode::Set).map(|()| None)
            }
            Special::ResourceFork => {
                let stream = self.fork(record)?;
                unname_stream(change, record, Target { stream, ..Target::from(id) })
            }
        }
    }

    /// Reads an extended attribute from `position` on; answers how many bytes, 0 at and past the end. Only the resource fork can be
    /// read from elsewhere than its beginning (getxattr(2) of macOS).
    pub(crate) fn read_xattr(
        &self,
        caller: &Caller<'_>,
        id: InodeId,
        name: &[u8],
        position: u64,
        into: &mut [u8],
    ) -> Result<usize> {
        if self.special(name) == Some(Special::ResourceFork) {
            let inode = self.inode(id)?;
            let record = inode.read();
            self.permit_use(caller, &record, Use::ReadStream)?;
            return record.named_stream(self.fork(&record)?)?.content.read(position, into);
        }
        check_position(position)?;
        let value = self.get_xattr(caller, id, name)?;
        into.get_mut(..value.len()).ok_or(Error::BufferTooSmall)?.copy_from_slice(&value);
        Ok(value.len())
    }

    /// Writes to the resource fork from `position` on, and makes it if need be; any other attribute is set whole.
    pub(crate) fn write_xattr(
        &self,
        caller: &Caller<'_>,
        id: InodeId,
        name: &[u8],
        position: u64,
        data: &[u8],
        mode: XattrMode,
    ) -> Result<()> {
        if self.special(name) != Some(Special::ResourceFork) {
            check_position(position)?;
            return self.set_xattr(caller, id, name, data, mode);
        }
        let change = self.change()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        self.permit_use(caller, &record, Use::WriteStream)?;
        check_flags(&record, false)?;
        check_mode(self.fork(&record).is_ok(), mode)?;
        let old = self.fork(&record).and_then(|fork| record.stream_of(fork)).cloned();
        let mut content = old.unwrap_or_default();
        if content.write(&self.context.store, position, data)? < data.len() {
            return Err(Error::NoSpace);
        }
        let fork = self.make_fork(&mut record)?;
        *record.stream_of_mut(fork)? = content;
        record.touch(change.now);
        change.tell_record(EventKind::Attributes, id, &record, Changes::XATTRS);
        Ok(())
    }

    fn fork(&self, record: &Record) -> Result<StreamId> {
        self.find_stream(record, RESOURCE_FORK).ok_or(Error::NoAttribute)
    }

    fn make_fork(&self, record: &mut Record) -> Result<StreamId> {
        if record.kind != FileKind::File {
            return Err(Error::NotPermitted);
        }
        match self.fork(record) {
            Ok(fork) => Ok(fork),
            Err(_) => record.change_extra(|extra| extra.streams_mut().add(RESOURCE_FORK)),
        }
    }
}

fn check_position(position: u64) -> Result<()> {
    if position == 0 { Ok(()) } else { Err(Error::Invalid("only the resource fork has positions")) }
}

/// A fork may be as large as a file: whole, it is had up to the size of any extended attribute, beyond that from position to position
/// ([`Attachment::read_xattr`]).
fn read_all(stream: &Stream) -> Result<Arc<[u8]>> {
    let size = usize::try_from(stream.size()).ok().filter(|&size| size <= limits::XATTR_VALUE_BYTES);
    let mut all = vec![0; size.ok_or(Error::ValueTooLarge)?];
    stream.read(0, &mut all)?;
    Ok(all.into())
}

fn finder_info(record: &Record) -> Result<[u8; FINDER_INFO_BYTES]> {
    let stored = xattrs::find(record, FINDER_INFO);
    let mut info: [u8; FINDER_INFO_BYTES] =
        stored.and_then(|stored| (*stored).try_into().ok()).unwrap_or([0; FINDER_INFO_BYTES]);
    let invisible = if record.flags & flags::HIDDEN != 0 { INVISIBLE } else { 0 };
    info[FINDER_FLAGS_AT] = info[FINDER_FLAGS_AT] & !INVISIBLE | invisible;
    if info == [0; FINDER_INFO_BYTES] { Err(Error::NoAttribute) } else { Ok(info) }
}

fn set_finder_info(record: &mut Record, value: &[u8], mode: XattrMode) -> Result<()> {
    if value.len() != FINDER_INFO_BYTES {
        return Err(Error::Invalid("com.apple.FinderInfo has 32 bytes"));
    }
    check_mode(finder_info(record).is_ok(), mode)?;
    let mut stored = value.to_vec();
    stored[FINDER_FLAGS_AT] &= !INVISIBLE;
    if stored == [0; FINDER_INFO_BYTES] {
        record.change_extra(|extra| xattrs::take(extra, FINDER_INFO));
    } else {
        xattrs::store(record, FINDER_INFO, &stored, XattrMode::Set)?;
    }
    record.flags &= !flags::HIDDEN;
    record.flags |= if value[FINDER_FLAGS_AT] & INVISIBLE != 0 { flags::HIDDEN } else { 0 };
    Ok(())
}
