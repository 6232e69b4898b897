//! Setting attributes, and access times.

use crate::data::{CutOff, Stream};
use crate::error::{Error, Result};
use crate::flags;
use crate::history::events::{Changes, EventKind};
use crate::operations::access::{self, Mask};
use crate::operations::attachment::{Attachment, Change};
use crate::operations::streams::Target;
use crate::operations::windows::access::Token;
use crate::operations::windows::attributes as windows_attributes;
use crate::operations::windows::rights;
use crate::operations::xattrs;
use crate::operations::{file_info, granted, security};
use crate::sync::{Glance, glance};
use crate::tree::inode::{Inode, Record};
use crate::types::{
    Attr, BaseState, Caller, FileKind, HeldTimes, InodeId, Privileges, SetAttr, SetTime, StreamId, Time,
};

/// Set-user-ID and set-group-ID.
const SETID: u32 = 0o6000;
const DAY_NANOSECONDS: i64 = 24 * 3600 * 1_000_000_000;

impl Attachment {
    pub(crate) fn attr(&self, id: InodeId) -> Result<Attr> {
        match self.glimpse_attr(id) {
            Some(attr) => Ok(attr),
            None => Ok(self.attr_of(&*self.inode(id)?)),
        }
    }

    /// The attributes, if they can be had at a glance.
    pub(crate) fn glimpse_attr(&self, id: InodeId) -> Option<Attr> {
        glance(id.0, |glance| self.glimpse_attr_in(glance, id))
    }

    /// As [`Attachment::glimpse_attr`], within a glance at it.
    pub(crate) fn glimpse_attr_in(&self, glance: &Glance, id: InodeId) -> Option<Attr> {
        self.glimpse_in(glance, id, |inode, record| {
            let asks_base = self.context.base.is_some() && record.is_directory();
            (!asks_base).then(|| inode.attr_in(record))
        })
    }

    /// The attributes of an inode as they show.
    pub(crate) fn attr_of(&self, inode: &Inode) -> Attr {
        let attr = inode.attr();
        if self.context.base.is_some() && attr.kind == FileKind::Directory && attr.base == BaseState::CopiedUp {
            return self.with_changes_beneath(inode, attr);
        }
        attr
    }

    /// Sets what `set` names, all or nothing. `by_handle`: the caller has the file open for writing, which is all that a
    /// change of size needs (ftruncate).
    /// A size is that of the stream which `target` names.
    pub(crate) fn set_attr(&self, caller: &Caller<'_>, target: Target, set: &SetAttr, by_handle: bool) -> Result<Attr> {
        // Outlives the locks and the gate: to free it may take long.
        let _gone;
        let change = if set.size.is_some() { self.change_to_free()? } else { self.change()? };
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        check_domain(&record, target.stream, set)?;
        self.may_set(caller, &record, set, by_handle)?;
        let size_before = set.size.and_then(|_| record.stream_of(target.stream).ok()).map(Stream::size);
        if let Some(size) = set.size {
            _gone = set_size(self, &change, caller, &mut record, target, size)?;
        }
        set_owner(&mut record, set);
        if let Some(mode) = set.mode {
            set_mode(caller, &mut record, mode);
        }
        if set.uid.is_some() || set.gid.is_some() || set.mode.is_some() {
            security::follow_mode(&mut record);
        }
        set_times(&change, &mut record, set);
        if let Some(flags) = set.flags {
            record.flags = flags;
        }
        match set.changed {
            Some(changed) => record.touch(changed),
            None => record.touch_but(change.now, target.held),
        }
        match (set.size, size_before) {
            (Some(_), Some(before)) => {
                change.tell_content(&record, target, before);
                let others = changes_of(set);
                if others != Changes::NONE {
                    change.tell_record(EventKind::Attributes, target.id, &record, others);
                }
            }
            _ => change.tell_record(EventKind::Attributes, target.id, &record, changes_of(set)),
        }
        Ok(record.attr_of(target.id, target.stream))
    }

    /// chmod(2), chown(2), truncate(2), utimensat(2), and flags as chattr(1) has them.
    fn may_set(&self, caller: &Caller<'_>, record: &Record, set: &SetAttr, by_handle: bool) -> Result<()> {
        check_frozen(record, set)?;
        if let Some(token) = caller.token {
            return may_set_by_token(caller, token, record, set, by_handle);
        }
        if caller.may(Privileges::CHECKED) {
            return may_set_flags(caller, record, set);
        }
        let owns = caller.owns(record.uid);
        let needs_owner = set.mode.is_some() || set.flags.is_some() || set.born.is_some() || sets_times(set);
        if needs_owner && !owns {
            return Err(Error::NotPermitted);
        }
        if !owns && (set.accessed.is_some() || set.modified.is_some()) {
            self.permit(caller, record, Mask::WRITE)?;
        }
        if set.size.is_some() && !by_handle {
            self.permit(caller, record, Mask::WRITE)?;
        }
        if !access::may_chown(caller, record.uid, record.gid, set.uid, set.gid) {
            return Err(Error::NotPermitted);
        }
        may_set_flags(caller, record, set)
    }

    /// Whether reading should set the access time: the relatime rule of mount(8).
    pub(crate) fn wants_access_time(&self, record: &Record) -> bool {
        if self.options.no_access_time || record.flags & flags::NO_ACCESS_TIME != 0 || self.is_read_only() {
            return false;
        }
        let accessed = record.accessed;
        accessed <= record.modified
            || accessed <= record.changed
            || self.context.clock.now().0.saturating_sub(accessed.0) >= DAY_NANOSECONDS
    }

    /// Sets the access time to now. An inode that has gone, or a volume that became read-only, is no error to a reader.
    pub(crate) fn touch_accessed(&self, id: InodeId) {
        let Ok(change) = self.change() else { return };
        let Ok(inode) = change.own(id) else { return };
        let mut record = inode.write();
        record.accessed = later_than(change.now, &record);
    }
}

/// The rights of Windows that say the same. Who may change a list of access has not become the owner by that: set-user-ID and
/// set-group-ID are not his to give.
fn may_set_by_token(caller: &Caller<'_>, token: &Token, record: &Record, set: &SetAttr, by_handle: bool) -> Result<()> {
    if set.mode.is_some_and(|mode| mode & !u32::from(record.mode) & SETID != 0) {
        return Err(Error::NotPermitted);
    }
    let wanted = set.rights() & if by_handle { !rights::WRITE_DATA } else { u32::MAX };
    if wanted != 0 {
        granted::granted(caller, None, record, wanted, false)?;
    }
    if let Some(uid) = set.uid.filter(|_| !caller.may(Privileges::CHECKED)) {
        token.check_new_owner(security::IDS.user(uid))?;
    }
    may_set_flags(caller, record, set)
}

impl SetAttr {
    /// What a handle, or a caller with a token, must be granted to set it.
    pub(crate) fn rights(&self) -> u32 {
        let needs = |asked: bool, right: u32| if asked { right } else { 0 };
        let times = self.accessed.is_some() || self.modified.is_some() || self.changed.is_some() || self.born.is_some();
        needs(self.size.is_some(), rights::WRITE_DATA)
            | needs(times || self.flags.is_some(), rights::WRITE_ATTRIBUTES)
            | needs(self.mode.is_some(), rights::WRITE_DAC)
            | needs(self.uid.is_some() || self.gid.is_some(), rights::WRITE_OWNER)
    }
}

fn changes_of(set: &SetAttr) -> Changes {
    let owner = set.uid.is_some() || set.gid.is_some();
    Changes::SECURITY
        .when(owner || set.mode.is_some())
        .with(Changes::OWNER.when(owner))
        .with(Changes::LAST_ACCESS.when(set.accessed.is_some()))
        .with(Changes::LAST_WRITE.when(set.modified.is_some()))
        .with(Changes::CREATION.when(set.born.is_some()))
        .with(Changes::ATTRIBUTES.when(set.flags.is_some() || set.changed.is_some()))
}

/// The relatime rule compares with `<=`: a coarse clock must not make every read of a fresh file set the time anew.
fn later_than(now: Time, record: &Record) -> Time {
    let newest = record.modified.max(record.changed);
    if now <= newest && newest.0.saturating_sub(now.0) < 1_000_000_000 { Time(newest.0.saturating_add(1)) } else { now }
}

/// Whether times are set as only the owner may: all but both to now (utimensat(2)).
fn sets_times(set: &SetAttr) -> bool {
    let explicit = |time: Option<SetTime>| matches!(time, Some(SetTime::At(_)));
    let only_one = set.accessed.is_some() != set.modified.is_some();
    only_one || explicit(set.accessed) || explicit(set.modified) || set.changed.is_some()
}

fn check_domain(record: &Record, stream: StreamId, set: &SetAttr) -> Result<()> {
    if set.mode.is_some_and(|mode| mode > 0o7777) {
        return Err(Error::Invalid("mode: permission bits 0 to 07777 only"));
    }
    if set.flags.is_some_and(|flags| flags & !flags::ALL != 0) {
        return Err(Error::Invalid("flags: an unknown bit is set"));
    }
    if stream != StreamId::DEFAULT {
        return Ok(());
    }
    match (set.size, record.kind) {
        (None, _) | (Some(_), FileKind::File) => Ok(()),
        (Some(_), FileKind::Directory) => Err(Error::IsADirectory),
        _ => Err(Error::Invalid("only a regular file can change its size")),
    }
}

/// What the immutable and append-only flags forbid (ioctl_iflags(2)).
fn check_frozen(record: &Record, set: &SetAttr) -> Result<()> {
    let only_flags = SetAttr { flags: set.flags, ..SetAttr::default() } == *set;
    if only_flags {
        return Ok(());
    }
    if record.flags & flags::ANY_IMMUTABLE != 0 {
        return Err(Error::NotPermitted);
    }
    // The time of an append, as a kernel that keeps times itself tells it afterwards.
    let of_an_append = set.changed.is_some() && set.accessed.is_none();
    let touches = sets_times(set) && !of_an_append
        || set.mode.is_some()
        || set.uid.is_some()
        || set.gid.is_some()
        || set.size.is_some();
    if record.flags & flags::ANY_APPEND != 0 && touches {
        return Err(Error::NotPermitted);
    }
    Ok(())
}

/// Of a caller with a token the rights have been asked for.
fn may_set_flags(caller: &Caller<'_>, record: &Record, set: &SetAttr) -> Result<()> {
    let Some(flags) = set.flags else { return Ok(()) };
    let changed = flags ^ record.flags;
    let owns = caller.token.is_some() || caller.owns(record.uid);
    if !owns || (changed & flags::PRIVILEGED != 0 && !caller.may(Privileges::IMMUTABLE)) {
        return Err(Error::NotPermitted);
    }
    Ok(())
}

/// Answers what of the content goes: all of it, or what was cut off.
fn set_size(
    at: &Attachment,
    change: &Change<'_>,
    caller: &Caller<'_>,
    record: &mut Record,
    target: Target,
    size: u64,
) -> Result<(Option<Stream>, CutOff)> {
    let stream = record.stream_of_mut(target.stream)?;
    let shrinks = size < stream.size();
    let emptied = (size == 0).then(|| std::mem::take(stream));
    let cut = stream.cut_off(&at.context.store, size)?;
    if shrinks {
        file_info::set_reserved(record, target.stream, 0)?;
    }
    lose_privileges(caller, record);
    if !target.held.has(HeldTimes::WRITTEN) {
        record.modified = change.now;
    }
    Ok((emptied, cut))
}

/// A change of content takes setuid, setgid and file capabilities away from a file (see chown(2), capabilities(7)).
pub(crate) fn lose_privileges(caller: &Caller<'_>, record: &mut Record) {
    if record.mode & 0o6000 != 0 {
        record.mode = access::strip_setid_on_write(record.mode.into(), record.kind, caller) as u16;
    }
    lose_capabilities(record);
}

/// Looks first: extras that are shared with a snapshot are not to be copied for nothing.
pub(crate) fn lose_capabilities(record: &mut Record) {
    if xattrs::find(record, xattrs::CAPABILITY).is_some() {
        record.change_extra(|extra| xattrs::take(extra, xattrs::CAPABILITY));
    }
}

fn set_owner(record: &mut Record, set: &SetAttr) {
    if set.uid.is_none() && set.gid.is_none() {
        return;
    }
    if set.mode.is_none() {
        record.mode = access::chown_mode(record.mode.into(), record.kind) as u16;
    }
    record.uid = set.uid.unwrap_or(record.uid);
    record.gid = set.gid.unwrap_or(record.gid);
    if record.kind == FileKind::File {
        lose_capabilities(record);
    }
}

fn set_mode(caller: &Caller<'_>, record: &mut Record, mode: u32) {
    let mode = access::chmod_mode(caller, record.gid, mode);
    record.mode = mode as u16;
    if let Some(foreign) = record.foreign() {
        let stored = windows_attributes::after_chmod(foreign.attributes, mode, record.is_windows_directory());
        if stored != foreign.attributes {
            record.change_foreign(|foreign| foreign.attributes = stored);
        }
    }
    if record.acl().is_some() {
        record.change_extra(|extra| {
            if let Some(acl) = &mut extra.acl {
                std::sync::Arc::make_mut(acl).chmod(mode);
            }
        });
    }
}

fn set_times(change: &Change<'_>, record: &mut Record, set: &SetAttr) {
    let time = |set: SetTime| match set {
        SetTime::Now => change.now,
        SetTime::At(time) => time,
    };
    if let Some(accessed) = set.accessed {
        record.accessed = time(accessed);
    }
    if let Some(modified) = set.modified {
        record.modified = time(modified);
    }
    if let Some(born) = set.born {
        record.born = born;
    }
}
