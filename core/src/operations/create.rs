//! New inodes: mknod, mkdir, symlink, create, and files without a name.

use std::sync::Arc;

use crate::data::Stream;
use crate::error::{Error, Result};
use crate::history::events::EventKind;
use crate::ledger::{Blob, Kind, Ledger};
use crate::limits;
use crate::operations::access::{self, Mask};
use crate::operations::acl::Acl;
use crate::operations::attachment::{Attachment, Change, check_flags};
use crate::operations::file_info::SetAside;
use crate::operations::windows::attributes;
use crate::operations::{NewExtras, NewSecurity, extended_attributes, file_info, reparse, security};
use crate::tree::directory::Directory;
use crate::tree::inode::{Content, Inode, Record};
use crate::types::{Attr, Caller, FileKind, InodeId, Privileges};

/// What to make.
#[derive(Debug, Clone, Copy)]
pub enum NewNode<'a> {
    /// A regular file, empty.
    File,
    /// A directory, empty.
    Directory,
    /// A symbolic link to these bytes, which are not interpreted.
    Symlink(&'a [u8]),
    /// A named pipe.
    Fifo,
    /// A socket's name.
    Socket,
    /// A character device of this number.
    CharDevice(u64),
    /// A block device of this number.
    BlockDevice(u64),
}

impl NewNode<'_> {
    fn kind(&self) -> FileKind {
        match self {
            NewNode::File => FileKind::File,
            NewNode::Directory => FileKind::Directory,
            NewNode::Symlink(_) => FileKind::Symlink,
            NewNode::Fifo => FileKind::Fifo,
            NewNode::Socket => FileKind::Socket,
            NewNode::CharDevice(_) => FileKind::CharDevice,
            NewNode::BlockDevice(_) => FileKind::BlockDevice,
        }
    }

    fn content(&self, ledger: Ledger) -> Content {
        match *self {
            NewNode::File => Content::File(Stream::empty()),
            NewNode::Directory => Content::Directory(Directory::new(ledger)),
            NewNode::Symlink(target) => Content::Symlink(Blob::new(ledger, Kind::Extras, target)),
            NewNode::Fifo | NewNode::Socket => Content::None,
            NewNode::CharDevice(number) | NewNode::BlockDevice(number) => Content::Device(number),
        }
    }

    fn check(&self, caller: &Caller<'_>) -> Result<()> {
        match self {
            NewNode::Symlink([]) => Err(Error::NotFound),
            NewNode::Symlink(target) if target.len() > limits::SYMLINK_BYTES => Err(Error::NameTooLong),
            NewNode::Symlink(target) if target.contains(&0) => {
                Err(Error::Invalid("a symbolic link's target contains NUL"))
            }
            NewNode::CharDevice(_) | NewNode::BlockDevice(_) if !caller.may(Privileges::MAKE_NODES) => {
                Err(Error::NotPermitted)
            }
            _ => Ok(()),
        }
    }
}

impl Attachment {
    /// Makes an inode under `name`. `mode`: permission bits before umask or default ACL; ignored for symlinks.
    pub(crate) fn make(
        &self,
        caller: &Caller<'_>,
        parent: InodeId,
        name: &[u8],
        mode: u32,
        new: NewNode<'_>,
    ) -> Result<Attr> {
        self.make_held(caller, parent, name, mode, new, |_| Ok(()))
    }

    /// As [`Attachment::make`]; `hold` runs before anybody else can see the inode, so that what it counts is counted from the
    /// first moment.
    pub(crate) fn make_held(
        &self,
        caller: &Caller<'_>,
        parent: InodeId,
        name: &[u8],
        mode: u32,
        new: NewNode<'_>,
        hold: impl FnOnce(InodeId) -> Result<()>,
    ) -> Result<Attr> {
        self.make_carrying(caller, parent, name, mode, new, &NewExtras::default(), hold)
    }

    /// As [`Attachment::make_held`], with what it carries from the start.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn make_carrying(
        &self,
        caller: &Caller<'_>,
        parent: InodeId,
        name: &[u8],
        mode: u32,
        new: NewNode<'_>,
        extras: &NewExtras<'_>,
        hold: impl FnOnce(InodeId) -> Result<()>,
    ) -> Result<Attr> {
        self.context.names.check(name)?;
        let allocation = if matches!(new, NewNode::File) { extras.allocation } else { 0 };
        let content = SetAside::of(self, allocation, || self.may_add_entry(caller, &self.inode(parent)?.read()));
        let change = self.change_to_add()?;
        let directory = change.own(parent)?;
        let mut record = directory.write();
        record.directory()?;
        self.permit(caller, &record, Mask::EXECUTE)?;
        let (found, place) = self.entry_or_place(&record, self.context.names.hashed(name))?;
        if found.is_some() {
            return Err(Error::Exists);
        }
        self.may_add_entry(caller, &record)?;
        new.check(caller)?;
        let id = change.head.new_id(&self.context)?;
        let mut made = self.new_record(&change, caller, &record, mode, new);
        security::give(caller, &record, &mut made, extras.security)?;
        if *extras != NewExtras::default() {
            self.add_extras(&mut made, extras, content)?;
        }
        let key = record.directory_mut()?.add(&self.context.names, name, id, made.kind, place)?;
        made.add_name(parent, key);
        record.touch_content(change.now);
        let attr = made.attr(id);
        change.head.table.insert(change.new_inode(id, made));
        hold(id)?;
        change.tell_name(EventKind::Created, id, new.kind(), parent, name);
        Ok(attr)
    }

    pub(crate) fn add_extras(&self, made: &mut Record, extras: &NewExtras<'_>, content: SetAside) -> Result<()> {
        if !matches!(made.kind, FileKind::File | FileKind::Directory) {
            return Err(Error::NotSupported);
        }
        let attributes = attributes::new(extras.attributes, made.is_directory())?;
        file_info::store_attributes(made, attributes);
        if !extras.eas.is_empty() {
            extended_attributes::apply(made, extras.eas)?;
        }
        if extras.allocation > 0 && !made.is_directory() {
            content.give(made)?;
        }
        if !extras.reparse.is_empty() {
            reparse::make(made, extras.reparse)?;
        }
        Ok(())
    }

    /// Makes a file without a name in the file system of `parent` (O_TMPFILE), which may get one if it is `linkable`; it is
    /// held once by a handle.
    pub(crate) fn make_unnamed(&self, caller: &Caller<'_>, parent: InodeId, mode: u32, linkable: bool) -> Result<Attr> {
        let change = self.change_to_add()?;
        let directory = self.inode(parent)?;
        let record = directory.read();
        record.directory()?;
        self.permit(caller, &record, Mask::WRITE.with(Mask::EXECUTE))?;
        check_flags(&record, true)?;
        let id = change.head.new_id(&self.context)?;
        let mut made = self.new_record(&change, caller, &record, mode, NewNode::File);
        security::give(caller, &record, &mut made, NewSecurity::Mode)?;
        made.links = 0;
        made.linkable = linkable;
        let attr = made.attr(id);
        change.head.live.adopt(change.new_inode(id, made));
        Ok(attr)
    }

    /// Whether the caller may add a name to the directory.
    pub(crate) fn may_add_entry(&self, caller: &Caller<'_>, directory: &Record) -> Result<()> {
        directory.directory()?;
        if directory.links == 0 {
            return Err(Error::NotFound);
        }
        self.permit(caller, directory, Mask::WRITE.with(Mask::EXECUTE))?;
        check_flags(directory, true)
    }

    /// The record of a new inode: owner, group and mode as inode(7) and acl(5) have them inherited.
    pub(crate) fn new_record(
        &self,
        change: &Change<'_>,
        caller: &Caller<'_>,
        directory: &Record,
        mode: u32,
        new: NewNode<'_>,
    ) -> Record {
        let (kind, ledger) = (new.kind(), self.context.store.ledger());
        let mut made = Record::new(ledger, kind, new.content(ledger), change.now);
        let (gid, mode) = access::new_owner(caller, directory.mode.into(), directory.gid, kind, mode & 0o7777);
        made.uid = caller.uid;
        made.gid = gid;
        made.mode = self.inherit_mode(caller, directory.default_acl(), &mut made, mode) as u16;
        made
    }

    fn inherit_mode(&self, caller: &Caller<'_>, default: Option<&Acl>, made: &mut Record, mode: u32) -> u32 {
        if made.kind == FileKind::Symlink {
            return 0o777;
        }
        let Some(default) = default else { return mode & !caller.umask };
        let (acl, mode) = Acl::inherit(default, mode);
        let for_children = made.is_directory().then(|| Arc::new(default.clone()));
        made.change_extra(|extra| {
            extra.acl = acl.map(Arc::new);
            extra.default_acl = for_children;
        });
        mode
    }
}

/// The root directory of a new volume.
pub(crate) fn new_root(ledger: Ledger, now: crate::types::Time, uid: u32, gid: u32, mode: u32) -> Inode {
    let content = Content::Directory(Directory::new(ledger));
    let mut record = Record::new(ledger, FileKind::Directory, content, now);
    record.uid = uid;
    record.gid = gid;
    record.mode = (mode & 0o7777) as u16;
    Inode::new(InodeId::ROOT, 0, record)
}
