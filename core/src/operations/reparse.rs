//! Reparse points: set, asked for, deleted; and what of them POSIX sees, and they of POSIX.
//!
//! An inode that becomes a symbolic link with a target on the volume, or one of the links, pipes and sockets that Windows
//! keeps for Linux, is that to POSIX programs as well, and its former kind comes back when the reparse point goes. A link of
//! POSIX', a pipe, a socket or a device is a reparse point to Windows without anybody having set one. All other
//! tags, junctions to elsewhere among them, leave a file a file and a directory a directory.
//! What has content, or several names, stays what it is.

use std::sync::Arc;

use crate::data::Stream;
use crate::error::{Error, Result};
use crate::history::events::{Changes, EventKind};
use crate::ledger::{Blob, Kind, Ledger};
use crate::limits;
use crate::operations::attachment::{Attachment, check_flags};
use crate::operations::locked::Owned;
use crate::operations::uses::Use;
use crate::operations::windows::reparse::{
    Reparse, Symlink, TAG_AF_UNIX, TAG_LX_BLOCK, TAG_LX_CHAR, TAG_LX_FIFO, TAG_LX_SYMLINK, TAG_SYMLINK, check_target,
    parse_deletion,
};
use crate::tree::directory::Directory;
use crate::tree::inode::{Content, Names, Record};
use crate::types::{Caller, FileKind, InodeId};

/// The version of what a link of Linux' holds.
const LX_SYMLINK_VERSION: [u8; 4] = [2, 0, 0, 0];

impl Attachment {
    /// The REPARSE_DATA_BUFFER of a reparse point.
    pub(crate) fn get_reparse(&self, id: InodeId) -> Result<Vec<u8>> {
        let inode = self.inode(id)?;
        let record = inode.read();
        buffer(&record)
    }

    /// Makes a file or directory a reparse point, or changes the one it is (FSCTL_SET_REPARSE_POINT).
    pub(crate) fn set_reparse(&self, caller: &Caller<'_>, id: InodeId, new: &[u8]) -> Result<()> {
        let reparse = Reparse::parse(new)?;
        self.reshape(caller, id, |record| {
            let empty = match self.check_empty(record) {
                Err(Error::NotEmpty) => false,
                answer => answer.map(|()| true)?,
            };
            may_become(record, &reparse, empty)?;
            become_reparse(record, new, empty);
            Ok(())
        })
    }

    /// Makes it a plain file or directory again (FSCTL_DELETE_REPARSE_POINT). `request` holds tag and GUID, and no data.
    pub(crate) fn delete_reparse(&self, caller: &Caller<'_>, id: InodeId, request: &[u8]) -> Result<()> {
        let deleted = parse_deletion(request)?;
        self.reshape(caller, id, |record| {
            deleted.may_replace(&Reparse::parse(&buffer(record)?)?)?;
            become_plain(record);
            record.change_foreign(|foreign| foreign.reparse = None);
            Ok(())
        })
    }

    /// Changes an inode in a way that may change its kind, and with it what its directory says of it. The root stays what it is.
    fn reshape(&self, caller: &Caller<'_>, id: InodeId, reshape: impl Fn(&mut Record) -> Result<()>) -> Result<()> {
        if id == InodeId::ROOT {
            return Err(Error::AccessDenied);
        }
        let change = self.change_to_add()?;
        loop {
            let name = only_name(&self.inode(id)?.read());
            let owned = match Owned::of(&change, &[name.map_or(id, |(parent, _)| parent), id]) {
                // The directory went meanwhile, and so did the name.
                Err(Error::Stale) if self.inode(id).is_ok() => continue,
                owned => owned?,
            };
            let mut locked = owned.lock();
            let record = locked.get(id);
            if only_name(record) != name {
                continue;
            }
            self.permit_use(caller, record, Use::WriteReparse)?;
            check_flags(record, false)?;
            reshape(record)?;
            record.touch(change.now);
            let kind = record.kind;
            if let Some((parent, key)) = name {
                locked.get(parent).directory_mut()?.replace(key, id, kind);
            }
            let record = locked.get(id);
            change.tell_record(EventKind::Attributes, id, record, Changes::ATTRIBUTES);
            return Ok(());
        }
    }
}

/// Where the one name of an inode is.
fn only_name(record: &Record) -> Option<(InodeId, u64)> {
    match record.names {
        Names::One(parent, key) => Some((parent, key)),
        Names::None | Names::Many(_) => None,
    }
}

fn stored(record: &Record) -> Option<&Arc<[u8]>> {
    record.foreign().and_then(|foreign| foreign.reparse.as_ref())
}

/// The tag of a reparse point; 0 for what is none.
pub(crate) fn tag(record: &Record) -> u32 {
    match (stored(record), record.kind) {
        (Some(buffer), _) => Reparse::parse(buffer).map_or(0, |reparse| reparse.tag),
        (None, FileKind::Symlink) => TAG_SYMLINK,
        (None, FileKind::Fifo) => TAG_LX_FIFO,
        (None, FileKind::Socket) => TAG_AF_UNIX,
        (None, FileKind::CharDevice) => TAG_LX_CHAR,
        (None, FileKind::BlockDevice) => TAG_LX_BLOCK,
        (None, FileKind::File | FileKind::Directory) => 0,
    }
}

/// What set the reparse point, or would have set what POSIX made.
fn buffer(record: &Record) -> Result<Vec<u8>> {
    match (stored(record), &record.content) {
        (Some(buffer), _) => Ok(buffer.to_vec()),
        (None, Content::Symlink(target)) => posix_link(target),
        (None, _) => match tag(record) {
            0 => Err(Error::NotAReparsePoint),
            tag => Ok(Reparse { tag, guid: None, data: &[] }.to_buffer()),
        },
    }
}

/// A long target leaves no room for its print name.
fn posix_link(target: &[u8]) -> Result<Vec<u8>> {
    let link = Symlink::from_posix(target);
    match link.to_buffer() {
        Err(Error::NameTooLong) => Symlink { print: Vec::new(), ..link }.to_buffer(),
        buffer => buffer,
    }
}

/// \[MS-FSA\] 2.1.5.10.37: the same tag as the one that is there, a directory that is empty, a mount point that is a directory.
fn may_become(record: &Record, new: &Reparse<'_>, empty: bool) -> Result<()> {
    match buffer(record) {
        Ok(current) => new.may_replace(&Reparse::parse(&current)?)?,
        Err(Error::NotAReparsePoint) => {}
        Err(error) => return Err(error),
    }
    check_target(new.tag, record.is_windows_directory(), empty)
}

/// Makes a new inode, that nobody has seen yet, a reparse point.
pub(crate) fn make(made: &mut Record, buffer: &[u8]) -> Result<()> {
    may_become(made, &Reparse::parse(buffer)?, true)?;
    become_reparse(made, buffer, true);
    Ok(())
}

/// The buffer was parsed. `empty`: no directory, or one that shows no entry.
fn become_reparse(record: &mut Record, buffer: &[u8], empty: bool) {
    become_plain(record);
    let shown = Reparse::parse(buffer).ok().and_then(|reparse| posix_shape(record.ledger(), &reparse));
    // Of those that a base has not all names may be known.
    let several = matches!(record.names, Names::Many(_)) || record.links > 1;
    let directory = record.is_directory();
    let is_empty = match &record.content {
        Content::File(stream) => stream.size() == 0,
        Content::Directory(_) => empty,
        _ => false,
    };
    let has_place = record.links > 0;
    if let Some((kind, content)) = shown.filter(|_| is_empty && !several && has_place) {
        (record.kind, record.content) = (kind, content);
        record.change_foreign(|foreign| foreign.directory_link = directory);
    }
    record.change_foreign(|foreign| foreign.reparse = Some(buffer.into()));
}

/// Kind and content are those of a file or directory again.
fn become_plain(record: &mut Record) {
    if matches!(record.kind, FileKind::File | FileKind::Directory) {
        return;
    }
    (record.kind, record.content) = if record.is_windows_directory() {
        (FileKind::Directory, Content::Directory(Directory::new(record.ledger())))
    } else {
        (FileKind::File, Content::File(Stream::empty()))
    };
    if record.foreign().is_some() {
        record.change_foreign(|foreign| foreign.directory_link = false);
    }
}

/// What POSIX programs see of it, if it means anything to them.
fn posix_shape(ledger: Ledger, reparse: &Reparse<'_>) -> Option<(FileKind, Content)> {
    let target = match reparse.tag {
        TAG_SYMLINK => Symlink::parse(reparse.data).ok()?.posix_target()?,
        TAG_LX_SYMLINK => reparse.data.strip_prefix(&LX_SYMLINK_VERSION)?.to_vec(),
        TAG_LX_FIFO => return Some((FileKind::Fifo, Content::None)),
        TAG_AF_UNIX => return Some((FileKind::Socket, Content::None)),
        _ => return None,
    };
    let fits = !target.is_empty() && target.len() <= limits::SYMLINK_BYTES && !target.contains(&0);
    fits.then(|| (FileKind::Symlink, Content::Symlink(Blob::new(ledger, Kind::Extras, &target))))
}
