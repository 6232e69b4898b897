//! Opening the Windows way: \[MS-FSA\] 2.1.5.1. Puts the pure rules of [`crate::operations::windows`] to work on inodes: what the disposition does,
//! who may, who else has the file open.
//!
//! An open of what is there is found, checked and added to the branch's [`OpenTable`](super::open_table::OpenTable), and then its name is
//! looked at again: whoever removes or replaces the name looks at the table after locking the directory, so one of the two sees the other.
//! Opening copies nothing up and takes no lock of a snapshot's.
//!
//! A snapshot has no table: nobody changes it, so handles on it exclude nobody.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::flags;
use crate::history::events::{Changes, EventKind};
use crate::operations::attachment::{Attachment, check_flags};
use crate::operations::attributes::lose_privileges;
use crate::operations::create::NewNode;
use crate::operations::file_info::SetAside;
use crate::operations::lookup::Found;
use crate::operations::open_table::{Opening, Place};
use crate::operations::streams::check_stream_name;
use crate::operations::windows::access::{check_readonly, limit_readonly};
use crate::operations::windows::attributes;
use crate::operations::windows::create_options as options;
use crate::operations::windows::disposition::{self, Disposition, Outcome};
use crate::operations::windows::extended_attributes::Attributes;
use crate::operations::windows::rights;
use crate::operations::windows::sharing::{Share, Use};
use crate::operations::{NewExtras, NewSecurity, extended_attributes, file_info, granted, security};
use crate::tree::inode::{Inode, Record};
use crate::types::{Caller, FileKind, InodeId, StreamId};

/// How a file or directory is opened the Windows way. Numbers are Windows' own.
#[derive(Debug, Clone, Copy)]
pub struct WindowsOpen<'a> {
    /// Access mask: [`crate::windows::rights`], generic ones and MAXIMUM_ALLOWED among them.
    pub access: u32,
    /// What others may do meanwhile: read 1, write 2, delete 4.
    pub share: u32,
    /// What to do when the file is there, and when it is not.
    pub disposition: Disposition,
    /// [`crate::windows::create_options`].
    pub options: u32,
    /// FILE_ATTRIBUTE_ bits of what is made or overwritten.
    pub attributes: u32,
    /// Permission bits of what is made, before umask or default ACL, where no descriptor says who may do what.
    pub mode: u32,
    /// Some program has mapped the file as an image: it runs.
    pub mapped_image: bool,
    /// Some program has mapped the file's content.
    pub mapped_data: bool,
    /// Where the descriptor of what is made comes from. By [`NewSecurity::Mode`] a caller with a token means
    /// [`NewSecurity::Inherit`].
    pub security: NewSecurity<'a>,
    /// The extended attributes of what is made or overwritten, as \[MS-FSCC\] packs them; may be empty.
    pub extended_attributes: &'a [u8],
    /// Bytes to reserve for what is made or overwritten.
    pub allocation: u64,
    /// The name of a stream, without its type; empty: what the path leads to itself.
    pub stream: &'a [u8],
}

impl Default for WindowsOpen<'_> {
    /// Opens what is there for reading, and shares everything.
    fn default() -> Self {
        WindowsOpen {
            access: rights::FILE_READ,
            share: 7,
            disposition: Disposition::Open,
            options: 0,
            attributes: 0,
            mode: 0o777,
            mapped_image: false,
            mapped_data: false,
            security: NewSecurity::Mode,
            extended_attributes: &[],
            allocation: 0,
            stream: &[],
        }
    }
}

impl WindowsOpen<'_> {
    fn extras(&self) -> NewExtras<'_> {
        let (attributes, eas, allocation) = (self.attributes, self.extended_attributes, self.allocation);
        NewExtras { attributes, eas, allocation, ..NewExtras::default() }
    }

    fn has(&self, option: u32) -> bool {
        self.options & option != 0
    }

    pub(super) fn request(&self) -> disposition::Request {
        disposition::Request {
            disposition: self.disposition,
            directory: self.has(options::DIRECTORY_FILE),
            non_directory: self.has(options::NON_DIRECTORY_FILE),
            delete_on_close: self.has(options::DELETE_ON_CLOSE),
            stream: !self.stream.is_empty(),
            access: rights::map_generic(self.access),
        }
    }
}

/// What an open leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    /// A name in a directory.
    Name(InodeId, &'a [u8]),
    /// The inode itself: the root, or what a handle has open.
    Inode(InodeId, Option<Opening>),
}

/// An inode opened, and held.
#[derive(Debug)]
pub(crate) struct WindowsOpened {
    pub(crate) inode: InodeId,
    pub(crate) stream: StreamId,
    pub(crate) kind: FileKind,
    pub(crate) granted: u32,
    pub(crate) outcome: Outcome,
    /// None on a snapshot.
    pub(crate) opening: Option<Opening>,
}

/// A request looked through.
pub(super) struct Asked<'a> {
    pub(super) open: &'a WindowsOpen<'a>,
    pub(super) share: Share,
    /// There was memory for what it makes: it has made a part of it.
    pub(super) admitted: bool,
}

/// What an open found at its target.
#[derive(Clone, Copy)]
pub(super) struct There {
    pub(super) id: InodeId,
    pub(super) kind: FileKind,
    /// It is a directory to Windows, be it a link to POSIX.
    pub(super) directory: bool,
    /// The directory it was found in, and the entry.
    pub(super) entry: Option<(InodeId, Found)>,
}

/// The directory that a path led to went between two steps.
pub(crate) fn gone_on_the_way(error: Error) -> Error {
    if error == Error::Stale { Error::PathNotFound } else { error }
}

impl Attachment {
    /// Opens what the target leads to, or makes it. The caller holds the branch's names (if it is a branch), and the inode is held for
    /// the handle to come.
    pub(crate) fn windows_open(
        &self,
        caller: &Caller<'_>,
        target: Target<'_>,
        open: &WindowsOpen<'_>,
    ) -> Result<WindowsOpened> {
        options::check(open.options)?;
        self.open_asked(caller, target, &Asked { open, share: Share::from_bits(open.share)?, admitted: false })
    }

    pub(super) fn open_asked(
        &self,
        caller: &Caller<'_>,
        target: Target<'_>,
        asked: &Asked<'_>,
    ) -> Result<WindowsOpened> {
        loop {
            match self.try_open(caller, target, asked) {
                // The name changed hands between two steps.
                Err(Error::Stale) => self.check_still_there(target)?,
                answer => return answer,
            }
        }
    }

    /// The directory that a name is looked for in may go meanwhile, when nobody has it open.
    fn check_still_there(&self, target: Target<'_>) -> Result<()> {
        match target {
            Target::Name(parent, _) => self.inode(parent).map(drop).map_err(gone_on_the_way),
            Target::Inode(..) => Err(Error::Stale),
        }
    }

    fn try_open(&self, caller: &Caller<'_>, target: Target<'_>, asked: &Asked<'_>) -> Result<WindowsOpened> {
        let there = self.look_at(caller, target)?;
        self.check_pending(there)?;
        if !asked.open.stream.is_empty() {
            check_stream_name(asked.open.stream)?;
            return self.open_stream_of(caller, there, target, asked);
        }
        let outcome =
            disposition::decide(asked.open.request(), there.map_or(disposition::Found::Nothing, There::found))?;
        match (there, target) {
            (Some(there), _) => self.open_there(caller, there, target, asked, outcome),
            (None, Target::Name(parent, name)) => self.open_new(caller, parent, name, asked),
            (None, Target::Inode(..)) => Err(Error::Stale),
        }
    }

    fn look_at(&self, caller: &Caller<'_>, target: Target<'_>) -> Result<Option<There>> {
        let (parent, name) = match target {
            Target::Name(parent, name) => (parent, name),
            Target::Inode(id, _) => {
                let (kind, directory) = self.kind_of(id)?;
                return Ok(Some(There { id, kind, directory, entry: None }));
            }
        };
        self.context.names.check(name)?;
        self.check_search(caller, parent)?;
        let Some(found) = self.peek(parent, name)? else { return Ok(None) };
        let (kind, directory) = self.kind_of(found.id)?;
        Ok(Some(There { id: found.id, kind, directory, entry: Some((parent, found)) }))
    }

    fn kind_of(&self, id: InodeId) -> Result<(FileKind, bool)> {
        let inode = self.inode(id)?;
        let record = inode.read();
        Ok((record.kind, record.is_windows_directory()))
    }

    /// A name that is to be deleted is neither opened nor taken.
    fn check_pending(&self, there: Option<There>) -> Result<()> {
        let (Some(head), Some(there)) = (self.tree.head(), there) else { return Ok(()) };
        match there.entry {
            Some((parent, found)) if head.opens.is_place_pending(there.id, Some((parent, found.key))) => {
                Err(Error::DeletePending)
            }
            _ => Ok(()),
        }
    }

    fn open_there(
        &self,
        caller: &Caller<'_>,
        there: There,
        target: Target<'_>,
        asked: &Asked<'_>,
        outcome: Outcome,
    ) -> Result<WindowsOpened> {
        let extra = asked.open.disposition.extra_access();
        let granted = self.grant(caller, there, asked, extra)?;
        self.hold(there.id)?;
        let opening = self
            .enter(there, target, asked, granted, extra, StreamId::DEFAULT)
            .inspect_err(|_| self.unhold(there.id))?;
        if outcome != Outcome::Opened {
            let overwritten = self.overwrite(caller, there.id, asked.open, outcome == Outcome::Superseded);
            overwritten.inspect_err(|_| self.abandon(there.id, opening))?;
        }
        Ok(WindowsOpened { inode: there.id, stream: StreamId::DEFAULT, kind: there.kind, granted, outcome, opening })
    }

    /// What of the request is granted, `extra` besides being allowed.
    pub(super) fn grant(&self, caller: &Caller<'_>, there: There, asked: &Asked<'_>, extra: u32) -> Result<u32> {
        let open = asked.open;
        let parent = there.entry.map(|(parent, _)| self.inode(parent)).transpose()?;
        let inode = self.inode(there.id)?;
        with_both(parent.as_ref(), &inode, |parent, record| {
            if let (Some(parent), Some((_, found))) = (parent, there.entry)
                && parent.directory()?.by_key(found.key).is_none_or(|entry| entry.inode != found.id)
            {
                return Err(Error::Stale);
            }
            let backup = open.has(options::OPEN_FOR_BACKUP_INTENT);
            let granted = granted::granted(caller, parent, record, open.access | extra, backup)?;
            let wanted = rights::map_generic(open.access | extra);
            let (stored, directory) = (attributes_of(record), record.is_windows_directory());
            check_readonly(stored, directory, wanted, open.has(options::DELETE_ON_CLOSE))?;
            self.check_changes(record, open, wanted)?;
            check_mapped(open, wanted)?;
            let granted = if wanted & rights::MAXIMUM_ALLOWED != 0 {
                self.limit(record, limit_readonly(stored, directory, granted))
            } else {
                rights::map_generic(open.access)
            };
            match open.disposition.replaces() {
                true => attributes::check_overwrite(stored, open.attributes).map(|()| granted),
                false => Ok(granted),
            }
        })
    }

    /// What a read-only view and the immutable and append-only flags forbid.
    fn check_changes(&self, record: &Record, open: &WindowsOpen<'_>, wanted: u32) -> Result<()> {
        let deletes = open.has(options::DELETE_ON_CLOSE);
        if self.is_read_only() && (wanted & CHANGES != 0 || deletes || open.disposition.replaces()) {
            return Err(Error::ReadOnly);
        }
        if deletes || open.disposition.replaces() {
            check_flags(record, false)?;
        }
        if wanted & (rights::WRITE_DATA | rights::APPEND_DATA) == 0 || record.is_directory() {
            return Ok(());
        }
        check_flags(record, wanted & rights::WRITE_DATA == 0)
    }

    /// What of all that could be had a read-only view and flags leave.
    fn limit(&self, record: &Record, granted: u32) -> u32 {
        if self.is_read_only() || record.flags & flags::ANY_IMMUTABLE != 0 {
            return granted & !CHANGES;
        }
        if record.flags & flags::ANY_APPEND != 0 { granted & !rights::WRITE_DATA } else { granted }
    }

    /// Adds the handle to the branch's table and looks whether the name still leads to the inode.
    pub(super) fn enter(
        &self,
        there: There,
        target: Target<'_>,
        asked: &Asked<'_>,
        granted: u32,
        extra: u32,
        stream: StreamId,
    ) -> Result<Option<Opening>> {
        let Some(head) = self.tree.head() else { return Ok(None) };
        let user = Use::new(granted, asked.share);
        let stream = (stream != StreamId::DEFAULT).then_some(stream);
        let added = match (there.entry, target) {
            (Some((parent, found)), _) => head.opens.open(there.id, Some((parent, found.key)), stream, user, extra),
            (None, Target::Inode(_, Some(of))) => head.opens.open_again(&of, stream, user, extra),
            (None, _) => head.opens.open(there.id, self.place_of(there.id)?, stream, user, extra),
        };
        let Target::Name(parent, name) = target else { return added.map(Some) };
        // A directory that is gone meanwhile has no such name either.
        let same = self.peek(parent, name).is_ok_and(|now| now == there.entry.map(|(_, found)| found));
        match added {
            Ok(opening) if same => Ok(Some(opening)),
            Ok(opening) => {
                self.withdraw(Some(opening));
                Err(Error::Stale)
            }
            Err(error) if same => Err(error),
            Err(_) => Err(Error::Stale),
        }
    }

    /// One name of an inode that is opened by its number.
    fn place_of(&self, id: InodeId) -> Result<Place> {
        let inode = self.inode(id)?;
        let record = inode.read();
        match record.names.first() {
            None if id != InodeId::ROOT => Err(Error::Deleted),
            place => Ok(place),
        }
    }

    /// Takes back an open that could not be finished.
    pub(super) fn abandon(&self, id: InodeId, opening: Option<Opening>) {
        self.withdraw(opening);
        self.unhold(id);
    }

    /// Makes what was not there. Whoever else made it meanwhile makes the whole open begin anew.
    pub(super) fn open_new(
        &self,
        caller: &Caller<'_>,
        parent: InodeId,
        name: &[u8],
        asked: &Asked<'_>,
    ) -> Result<WindowsOpened> {
        let open = asked.open;
        let directory_wanted = open.has(options::DIRECTORY_FILE);
        let stored = attributes::new(open.attributes, directory_wanted)?;
        check_readonly(stored, directory_wanted, 0, open.has(options::DELETE_ON_CLOSE))?;
        let allocation = if directory_wanted { 0 } else { open.allocation };
        let allowed = || self.may_make_entry(caller, &self.inode(parent)?.read(), directory_wanted);
        let content = SetAside::of(self, allocation, allowed);
        let change = self.change_to_add()?;
        let directory = change.own(parent)?;
        let mut record = directory.write();
        if self.entry(&record, name)?.is_some() {
            return Err(Error::Stale);
        }
        if change.head.opens.is_directory_pending(parent) {
            return Err(Error::DeletePending);
        }
        self.may_make_entry(caller, &record, directory_wanted)?;
        let id = change.head.new_id(&self.context)?;
        let new = if directory_wanted { NewNode::Directory } else { NewNode::File };
        let mode = if directory_wanted { open.mode } else { open.mode & !0o111 };
        let mut made = self.new_record(&change, caller, &record, mode, new);
        security::give(caller, &record, &mut made, open.security)?;
        self.add_extras(&mut made, &open.extras(), content)?;
        let granted = granted_of_new(open.access);
        let key = record.directory_mut()?.insert(&self.context.names, name, id, made.kind)?;
        made.add_name(parent, key);
        record.touch_content(change.now);
        let kind = made.kind;
        change.head.table.insert(change.new_inode(id, made));
        self.hold(id)?;
        let user = Use::new(granted, asked.share);
        let opening = change.head.opens.open(id, Some((parent, key)), None, user, 0);
        let opening = opening.expect("invariant: nobody else has a new inode open");
        change.tell_name(EventKind::Created, id, kind, parent, name);
        Ok(WindowsOpened {
            inode: id,
            stream: StreamId::DEFAULT,
            kind,
            granted,
            outcome: Outcome::Created,
            opening: Some(opening),
        })
    }

    /// Whether the caller may make a file or directory in the directory.
    pub(crate) fn may_make_entry(&self, caller: &Caller<'_>, directory: &Record, makes_directory: bool) -> Result<()> {
        directory.directory()?;
        if directory.links == 0 {
            return Err(Error::NotFound);
        }
        granted::may_create(caller, directory, makes_directory)?;
        check_flags(directory, true)
    }

    /// Empties a file: size 0, attributes added or, when it is superseded, replaced (the reference, section 3, Overwrite).
    pub(crate) fn overwrite(
        &self,
        caller: &Caller<'_>,
        id: InodeId,
        open: &WindowsOpen<'_>,
        supersede: bool,
    ) -> Result<()> {
        // Outlives the locks and the gate: to free it may take long.
        let (_emptied, _streams);
        let content = SetAside::of(self, open.allocation, || check_flags(&self.inode(id)?.read(), false));
        let change = self.change_to_free()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        check_flags(&record, false)?;
        let stored = attributes_of(&record);
        attributes::check_overwrite(stored, open.attributes)?;
        let eas = Attributes::parse(open.extended_attributes)?;
        _emptied = content.give(&mut record)?;
        lose_privileges(caller, &mut record);
        extended_attributes::replace(&mut record, eas);
        _streams = self.remove_closed_streams(&change, id, &mut record);
        set_attributes(&mut record, attributes::overwritten(stored, open.attributes, supersede));
        record.touch_content(change.now);
        let changes = Changes::SIZE.with(Changes::LAST_WRITE).with(Changes::ATTRIBUTES);
        change.tell_record(EventKind::Content, id, &record, changes);
        Ok(())
    }
}

/// Rights that change something.
const CHANGES: u32 = rights::WRITE_DATA
    | rights::APPEND_DATA
    | rights::WRITE_EA
    | rights::WRITE_ATTRIBUTES
    | rights::DELETE_CHILD
    | rights::DELETE
    | rights::WRITE_DAC
    | rights::WRITE_OWNER;

impl There {
    fn found(self) -> disposition::Found {
        match self.directory {
            _ if self.id == InodeId::ROOT => disposition::Found::Root,
            true => disposition::Found::Directory,
            false => disposition::Found::File,
        }
    }
}

/// What is granted of something new: all that was asked (the reference, section 2).
fn granted_of_new(access: u32) -> u32 {
    let access = rights::map_generic(access);
    if access & rights::MAXIMUM_ALLOWED == 0 {
        return access;
    }
    access & !rights::MAXIMUM_ALLOWED | rights::FILE_ALL
}

/// What the mapping of a file forbids to whoever opens it (the reference, section 1, "mapped files").
fn check_mapped(open: &WindowsOpen<'_>, wanted: u32) -> Result<()> {
    if open.mapped_image && open.has(options::DELETE_ON_CLOSE) {
        return Err(Error::CannotDelete);
    }
    if open.mapped_image && (wanted & rights::WRITE_DATA != 0 || open.disposition.replaces()) {
        return Err(Error::SharingViolation);
    }
    if open.mapped_data && open.disposition.replaces() { Err(Error::UserMapped) } else { Ok(()) }
}

/// Reads a directory and what is in it at one time, locked in ascending order of id.
fn with_both<R>(
    parent: Option<&Arc<Inode>>,
    inode: &Arc<Inode>,
    with: impl FnOnce(Option<&Record>, &Record) -> Result<R>,
) -> Result<R> {
    let Some(parent) = parent else { return with(None, &inode.read()) };
    if parent.id < inode.id {
        let parent = parent.read();
        return with(Some(&parent), &inode.read());
    }
    let record = inode.read();
    with(Some(&parent.read()), &record)
}

/// The attributes that are stored with an inode.
pub(crate) fn attributes_of(record: &Record) -> u32 {
    file_info::stored_attributes(record)
}

pub(crate) fn set_attributes(record: &mut Record, stored: u32) {
    file_info::store_attributes(record, stored);
}
