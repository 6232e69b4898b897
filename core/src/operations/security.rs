//! Security descriptors of inodes: asked for and set part by part, inherited by what is new, and in step with owner and mode.
//!
//! An inode keeps a descriptor's bytes only when a program has set one, or its directory passed one on; until then its
//! owner, group and mode are told as one. From then on both are changed together: chmod, chown and a POSIX ACL write
//! owner, group and everyone anew and leave alone what the list says about others ([`posix::with_mode`]); a list that is
//! set gives the mode ([`posix::mode`]) and takes the place of a POSIX ACL. The mode that counts is the one without the
//! attribute READONLY.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::history::events::{Changes, EventKind};
use crate::operations::access;
use crate::operations::attachment::{Attachment, check_flags};
use crate::operations::attributes::lose_capabilities;
use crate::operations::uses::Use;
use crate::operations::windows::rights;
use crate::operations::windows::security::posix::{self, IdMap, NOBODY};
use crate::operations::windows::security::{Ace, Creator, Descriptor, Parts, Sid, for_new, kind, well_known};
use crate::tree::inode::Record;
use crate::types::{Caller, InodeId};

/// Which accounts have ids by their number only: none, as long as no host says which domain it is of.
pub(crate) const IDS: IdMap = IdMap { machine: None, domain: None };

/// Where the descriptor of a new file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NewSecurity<'a> {
    /// The mode that is asked for, and what the directory passes on about others.
    #[default]
    Mode,
    /// Windows' rules: this descriptor (self-relative; no bytes: none), joined by what the directory passes on, with the caller
    /// as owner where it names none. The mode follows.
    Inherit(&'a [u8]),
    /// This descriptor as it is: the host has done all that. The mode follows.
    Complete(&'a [u8]),
}

/// What a new file or directory carries from the start, as hosts of Windows say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NewExtras<'a> {
    /// FILE_ATTRIBUTE_ bits; 0 and 0xffffffff: none but what is usual.
    pub attributes: u32,
    /// Its security descriptor.
    pub security: NewSecurity<'a>,
    /// Extended attributes: a list of FILE_FULL_EA_INFORMATION, or no bytes.
    pub eas: &'a [u8],
    /// A REPARSE_DATA_BUFFER, or no bytes.
    pub reparse: &'a [u8],
    /// Bytes to set aside for its content.
    pub allocation: u64,
}

impl Attachment {
    /// The parts of the descriptor that the bits of SECURITY_INFORMATION name, self-relative.
    pub(crate) fn get_security(&self, caller: &Caller<'_>, id: InodeId, parts: u32) -> Result<Vec<u8>> {
        let parts = Parts::from_bits(parts)?;
        let inode = self.inode(id)?;
        let record = inode.read();
        self.permit_use(caller, &record, Use::ReadSecurity(parts))?;
        descriptor(&record).only(parts).to_bytes()
    }

    /// Sets those parts from `bytes`; the others stay.
    pub(crate) fn set_security(&self, caller: &Caller<'_>, id: InodeId, parts: u32, bytes: &[u8]) -> Result<()> {
        let parts = Parts::from_bits(parts)?;
        let new = Descriptor::parse(bytes)?;
        let change = self.change_to_add()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        let merged = descriptor(&record).merged(&new, parts)?;
        let (uid, gid) = changed_ids(&record, &merged, parts);
        self.permit_use(caller, &record, Use::WriteSecurity(parts, uid, gid))?;
        check_token_owner(caller, &merged, parts)?;
        check_flags(&record, false)?;
        if uid.is_some() || gid.is_some() {
            record.mode = access::chown_mode(record.mode.into(), record.kind) as u16;
            lose_capabilities(&mut record);
        }
        record.uid = uid.unwrap_or(record.uid);
        record.gid = gid.unwrap_or(record.gid);
        if parts.any(Parts::DACL.with(Parts::BACKUP)) {
            adopt_mode(&mut record, &merged);
        }
        keep(&mut record, &merged)?;
        record.touch(change.now);
        let owner = Changes::OWNER.when(uid.is_some() || gid.is_some());
        change.tell_record(EventKind::Attributes, id, &record, Changes::SECURITY.with(owner));
        Ok(())
    }
}

/// A token makes itself the owner, or one of its groups that may own; all else takes a privilege.
fn check_token_owner(caller: &Caller<'_>, merged: &Descriptor, parts: Parts) -> Result<()> {
    match (caller.token, merged.owner) {
        (Some(token), Some(owner)) if parts.any(Parts::OWNER.with(Parts::BACKUP)) => token.check_new_owner(owner),
        _ => Ok(()),
    }
}

/// What the record's descriptor is, stored or told from owner and mode.
pub(crate) fn descriptor(record: &Record) -> Descriptor {
    match record.foreign().and_then(|foreign| foreign.security.as_deref()) {
        Some(stored) => parse_stored(stored),
        None => {
            let mode = record.mode.into();
            posix::descriptor(record.uid, record.gid, mode, record.is_windows_directory(), &IDS)
        }
    }
}

fn parse_stored(bytes: &[u8]) -> Descriptor {
    Descriptor::parse(bytes).expect("invariant: what is stored was written by us")
}

/// The ids that owner and group have afterwards, where parts name them and they change.
fn changed_ids(record: &Record, merged: &Descriptor, parts: Parts) -> (Option<u32>, Option<u32>) {
    let id = |sid: Option<Sid>| sid.map(|sid| IDS.id(sid).unwrap_or(NOBODY));
    let named = |part: Parts, sid, old| id(sid).filter(|id| parts.any(part.with(Parts::BACKUP)) && *id != old);
    (named(Parts::OWNER, merged.owner, record.uid), named(Parts::GROUP, merged.group, record.gid))
}

fn keep(record: &mut Record, descriptor: &Descriptor) -> Result<()> {
    let bytes: Arc<[u8]> = descriptor.to_bytes()?.into();
    record.change_foreign(|foreign| foreign.security = Some(bytes));
    Ok(())
}

/// The descriptor's list takes the place of mode and ACL.
fn adopt_mode(record: &mut Record, descriptor: &Descriptor) {
    record.mode = posix::mode(descriptor, record.mode.into(), record.is_windows_directory()) as u16;
    if record.acl().is_some() {
        record.change_extra(|extra| extra.acl = None);
    }
}

/// Owner or mode changed: a stored descriptor follows. One that would grow too long is kept as it is, but for what it says of
/// the three classes: it becomes what owner and mode say.
pub(crate) fn follow_mode(record: &mut Record) {
    let Some(stored) = record.foreign().and_then(|foreign| foreign.security.clone()) else { return };
    let old = parse_stored(&stored);
    let (mode, directory) = (record.mode.into(), record.is_windows_directory());
    let new = posix::with_mode(&old, record.uid, record.gid, mode, directory, &IDS);
    if keep(record, &new).is_err() {
        record.change_foreign(|foreign| foreign.security = None);
    }
}

/// Gives a new inode its descriptor; owner, group and mode are set as POSIX has them.
pub(crate) fn give(
    caller: &Caller<'_>,
    directory: &Record,
    made: &mut Record,
    security: NewSecurity<'_>,
) -> Result<()> {
    let parent = directory.foreign().and_then(|foreign| foreign.security.as_deref());
    // Whoever has a token has no mode to ask for.
    let security = match security {
        NewSecurity::Mode if caller.token.is_some() => NewSecurity::Inherit(&[]),
        security => security,
    };
    let complete = match (security, parent) {
        (NewSecurity::Mode, None) => return Ok(()),
        (NewSecurity::Mode, Some(parent)) => return pass_on(parent, made),
        (NewSecurity::Complete(bytes), _) => Descriptor::parse(bytes)?,
        (NewSecurity::Inherit(bytes), _) => {
            let explicit = if bytes.is_empty() { None } else { Some(Descriptor::parse(bytes)?) };
            let (owner, group) = maker(caller, made);
            let creator = Creator { owner, group, default_dacl: &default_dacl(owner) };
            for_new(Some(&descriptor(directory)), explicit.as_ref(), made.is_directory(), creator)
        }
    };
    own_by(caller, made, &complete)?;
    adopt_mode(made, &complete);
    keep(made, &complete)
}

/// What a directory passes on joins what the mode of a new inode says. One that passes on nothing leaves the mode alone.
fn pass_on(parent: &[u8], made: &mut Record) -> Result<()> {
    let owner = IDS.user(made.uid);
    let creator = Creator { owner, group: IDS.group(made.gid, owner), default_dacl: &[] };
    let inherited = for_new(Some(&parse_stored(parent)), None, made.is_directory(), creator);
    if inherited.dacl.as_ref().is_none_or(|dacl| dacl.aces.is_empty()) && inherited.sacl.is_none() {
        return Ok(());
    }
    let (mode, directory) = (made.mode.into(), made.is_directory());
    keep(made, &posix::with_mode(&inherited, made.uid, made.gid, mode, directory, &IDS))
}

/// Owner and group that a given descriptor names become the inode's, if the caller may give it to them.
fn own_by(caller: &Caller<'_>, made: &mut Record, descriptor: &Descriptor) -> Result<()> {
    let (uid, gid) = changed_ids(made, descriptor, Parts::OWNER.with(Parts::GROUP));
    match (caller.token, descriptor.owner) {
        (Some(token), Some(owner)) => token.check_new_owner(owner)?,
        (Some(_), None) => {}
        (None, _) if access::may_chown(caller, made.uid, made.gid, uid, gid) => {}
        (None, _) => return Err(Error::BadOwner),
    }
    made.uid = uid.unwrap_or(made.uid);
    made.gid = gid.unwrap_or(made.gid);
    Ok(())
}

/// Who owns what the caller makes, and its group.
fn maker(caller: &Caller<'_>, made: &Record) -> (Sid, Sid) {
    match caller.token {
        Some(token) => (token.owner, token.group),
        None => {
            let owner = IDS.user(made.uid);
            (owner, IDS.group(made.gid, owner))
        }
    }
}

/// What a token's default list says: its user and the system may do everything.
fn default_dacl(owner: Sid) -> [Ace; 2] {
    [owner, well_known::SYSTEM].map(|sid| Ace::plain(kind::ALLOWED, 0, rights::FILE_ALL, sid))
}
