//! rename(2) and renameat2(2): plain, no-replace, exchange. One step to every observer.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::history::events::{Changes, Event, EventKind};
use crate::operations::access::Mask;
use crate::operations::attachment::{Attachment, Change};
use crate::operations::copy_up::take_over;
use crate::operations::locked::{Locked, Owned};
use crate::operations::lookup::Found;
use crate::operations::macos::note_added;
use crate::operations::remove::drop_name;
use crate::sync::{Planted, planted};
use crate::tree::inode::Inode;
use crate::tree::name::Hashed;
use crate::types::{Caller, FileKind, InodeId};

/// What to do about an entry that has the new name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenameMode {
    /// It is replaced, as rename(2) does: an empty directory by a directory, anything else by anything else.
    Replace,
    /// It is an error (RENAME_NOREPLACE).
    NoReplace,
    /// The two change places (RENAME_EXCHANGE); both must exist.
    Exchange,
}

/// One side of a rename: a directory and a name in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) parent: InodeId,
    pub(crate) name: &'a [u8],
}

/// What a rename found, before it locked and when it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) source: Found,
    pub(super) target: Option<Found>,
}

impl Attachment {
    /// Moves the entry `from` to `to`.
    pub(crate) fn rename(&self, caller: &Caller<'_>, from: Place<'_>, to: Place<'_>, mode: RenameMode) -> Result<()> {
        self.context.names.check(from.name)?;
        self.context.names.check(to.name)?;
        let change = self.change_to_add()?;
        let replaced = loop {
            if let Some(replaced) = self.try_rename(caller, &change, from, to, mode)? {
                break replaced;
            }
        };
        // To free its content may take long, and a snapshot would wait at the gate for it.
        drop(change);
        drop(replaced);
        Ok(())
    }

    /// Answers what it held, to be dropped by the caller, and nothing when another change came between looking and locking.
    fn try_rename(
        &self,
        caller: &Caller<'_>,
        change: &Change<'_>,
        from: Place<'_>,
        to: Place<'_>,
        mode: RenameMode,
    ) -> Result<Option<(Owned, Option<Arc<Inode>>)>> {
        self.check_search(caller, from.parent)?;
        if to.parent != from.parent {
            self.check_search(caller, to.parent)?;
        }
        let names = [from.name, to.name].map(|name| self.context.names.hashed(name));
        let sides = self.sides(from.parent, to.parent, names)?;
        let moves = from.parent != to.parent && sides.moves_a_directory(mode);
        let _ancestry = (moves && !planted(Planted::MovesWithoutAncestry)).then(|| change.head.hold_ancestry());
        let allowed = check_mode(from, to, sides, mode).and_then(|()| match moves {
            true => self.check_ancestry(from, to, sides, mode),
            false => Ok(()),
        });
        if let Err(refused) = allowed {
            return self.refuse(from, to, sides, refused).map(|()| None);
        }
        let target_id = sides.target.map_or(sides.source.id, |target| target.id);
        let owned = match Owned::of(change, &[from.parent, to.parent, sides.source.id, target_id]) {
            Err(Error::Stale) => {
                self.inode(from.parent)?;
                self.inode(to.parent)?;
                self.check_leads_somewhere(from, to, sides)?;
                return Ok(None);
            }
            owned => owned?,
        };
        let mut locked = owned.lock();
        let source = self.entry_hashed(locked.get(from.parent), names[0])?;
        let (target, place) = self.entry_or_place(locked.get(to.parent), names[1])?;
        if (source, target) != (Some(sides.source), sides.target) {
            return Ok(None);
        }
        let ended = self.commit(caller, change, &mut locked, from, to, sides, mode, place)?;
        drop(locked);
        let replaced = ended.and_then(|id| change.head.live.bury(change.head, id));
        Ok(Some((owned, replaced)))
    }

    /// Refuses names that lead nowhere: the rename would be tried for ever.
    pub(super) fn check_leads_somewhere(&self, from: Place<'_>, to: Place<'_>, sides: Sides) -> Result<()> {
        let mut nowhere = self.leads_nowhere(from.parent, from.name, sides.source.id)?;
        if let Some(target) = sides.target {
            nowhere |= self.leads_nowhere(to.parent, to.name, target.id)?;
        }
        if nowhere { Err(Error::NotFound) } else { Ok(()) }
    }

    pub(super) fn sides(&self, from: InodeId, to: InodeId, names: [Hashed<'_>; 2]) -> Result<Sides> {
        let source = self.peek_hashed(from, names[0])?.ok_or(Error::NotFound)?;
        Ok(Sides { source, target: self.peek_hashed(to, names[1])? })
    }

    /// Refuses what was found, if both names are that still, looked at at one moment: what is refused is so then, and not the one name before
    /// another change and the other after it. The caller still holds the ancestry if that is what refuses.
    pub(super) fn refuse(&self, from: Place<'_>, to: Place<'_>, sides: Sides, refused: Error) -> Result<()> {
        let is_so = planted(Planted::RefusesWhatWas) || self.are_as_found(from, to, sides)?;
        if is_so { Err(refused) } else { Ok(()) }
    }

    /// Whether both names are what was found, looked at at one moment.
    fn are_as_found(&self, from: Place<'_>, to: Place<'_>, sides: Sides) -> Result<bool> {
        let (low, high) = (from.parent.min(to.parent), from.parent.max(to.parent));
        let (first, second) = (self.inode(low)?, self.inode(high)?);
        let (one, other) = (first.read(), (low != high).then(|| second.read()));
        let of = |id: InodeId| if id == low { &*one } else { other.as_deref().unwrap_or(&*one) };
        let (source, target) = (self.entry(of(from.parent), from.name)?, self.entry(of(to.parent), to.name)?);
        // A version that was copied up meanwhile may have been changed since, whoever holds the lock of this one.
        let is_current = |inode: &Arc<Inode>| -> Result<bool> {
            Ok(inode.is_untouched() || Arc::ptr_eq(inode, &self.inode(inode.id)?))
        };
        Ok(source == Some(sides.source) && target == sides.target && is_current(&first)? && is_current(&second)?)
    }

    /// Refuses to move a directory into itself or below itself. The caller holds the ancestry.
    pub(super) fn check_ancestry(&self, from: Place<'_>, to: Place<'_>, sides: Sides, mode: RenameMode) -> Result<()> {
        if sides.source.kind == FileKind::Directory && self.is_below(to.parent, sides.source.id)? {
            return Err(Error::IntoItself);
        }
        match sides.target {
            Some(target) if target.kind == FileKind::Directory && self.is_below(from.parent, target.id)? => {
                Err(if mode == RenameMode::Exchange { Error::IntoItself } else { Error::NotEmpty })
            }
            _ => Ok(()),
        }
    }

    /// Whether `id` is `ancestor` or lies below it.
    pub(super) fn is_below(&self, mut id: InodeId, ancestor: InodeId) -> Result<bool> {
        loop {
            if id == ancestor {
                return Ok(true);
            }
            match self.inode(id)?.read().names.first() {
                Some((above, _)) => id = above,
                None => return Ok(false),
            }
        }
    }

    /// Checks and does it, everything locked. `place`: where the new name goes, see [`Attachment::entry_or_place`]. Answers the inode that
    /// lost its last name.
    #[allow(clippy::too_many_arguments)]
    fn commit(
        &self,
        caller: &Caller<'_>,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        from: Place<'_>,
        to: Place<'_>,
        sides: Sides,
        mode: RenameMode,
        place: Option<u64>,
    ) -> Result<Option<InodeId>> {
        if let Some(target) = sides.target
            && target.id == sides.source.id
        {
            return self.rename_to_itself(caller, change, locked, from, to, sides.source, target);
        }
        self.may_rename(caller, locked, from, to, sides, mode)?;
        take_over(locked, from.parent, sides.source, from.name)?;
        if let Some(target) = sides.target {
            take_over(locked, to.parent, target, to.name)?;
        }
        match (mode, sides.target) {
            (RenameMode::Exchange, Some(target)) => self.exchange(change, locked, from, to, sides.source, target)?,
            (_, Some(target)) => {
                let respells = self.context.names.policy().respells_what_it_replaces();
                return self.replace(change, locked, from, to, sides.source, target, respells);
            }
            (_, None) => self.move_entry(change, locked, from, to, sides.source, place)?,
        }
        Ok(None)
    }

    /// Two names of one inode: nothing happens (POSIX rename), unless they are one entry spelled anew on a volume that ignores case.
    #[allow(clippy::too_many_arguments)]
    fn rename_to_itself(
        &self,
        caller: &Caller<'_>,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        from: Place<'_>,
        to: Place<'_>,
        source: Found,
        target: Found,
    ) -> Result<Option<InodeId>> {
        if is_respelling(from, to, source, target) {
            self.may_unlink(caller, locked, from.parent, source.id)?;
            let spelled = self.spelled(change, locked, from, to, Sides { source, target: None });
            let directory = locked.get(from.parent);
            directory.directory_mut()?.rename_in_place(source.key, to.name);
            directory.touch_content(change.now);
            locked.get(source.id).touch(change.now);
            if let Some(spelled) = spelled {
                tell(change, EventKind::Renamed, from.parent, to.parent, spelled, source);
            }
        }
        Ok(None)
    }

    fn may_rename(
        &self,
        caller: &Caller<'_>,
        locked: &mut Locked<'_>,
        from: Place<'_>,
        to: Place<'_>,
        sides: Sides,
        mode: RenameMode,
    ) -> Result<()> {
        let Sides { source, target } = sides;
        self.may_unlink(caller, locked, from.parent, source.id)?;
        self.may_add_entry(caller, locked.get(to.parent))?;
        self.may_reparent(caller, locked, from, to, source)?;
        let Some(target) = target else { return Ok(()) };
        self.may_unlink(caller, locked, to.parent, target.id)?;
        if mode == RenameMode::Exchange {
            return self.may_reparent(caller, locked, to, from, target);
        }
        match (source.kind == FileKind::Directory, target.kind == FileKind::Directory) {
            (true, false) => Err(Error::NotADirectory),
            (false, true) => Err(Error::IsADirectory),
            _ => self.check_empty(locked.get(target.id)),
        }
    }

    /// A directory that changes its parent is itself changed (its `..`), which needs write permission on it.
    fn may_reparent(
        &self,
        caller: &Caller<'_>,
        locked: &mut Locked<'_>,
        from: Place<'_>,
        to: Place<'_>,
        what: Found,
    ) -> Result<()> {
        if what.kind != FileKind::Directory || from.parent == to.parent {
            return Ok(());
        }
        self.permit(caller, locked.get(what.id), Mask::WRITE)
    }

    /// `place`: where the new name goes, if that is known.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn move_entry(
        &self,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        from: Place<'_>,
        to: Place<'_>,
        source: Found,
        place: Option<u64>,
    ) -> Result<()> {
        let spelled = self.spelled(change, locked, from, to, Sides { source, target: None });
        let directory = locked.get(to.parent).directory_mut()?;
        let key = directory.add(&self.context.names, to.name, source.id, source.kind, place)?;
        locked.get(from.parent).directory_mut()?.take_out(&self.context.names, source.key)?;
        give_place(change, locked, source.id, (from.parent, source.key), (to.parent, key));
        touch_parents(change, locked, from, to);
        if let Some(spelled) = spelled {
            tell(change, EventKind::Renamed, from.parent, to.parent, spelled, source);
        }
        Ok(())
    }
}

impl Attachment {
    /// The source takes the target's place; the target loses its name, whose spelling stays unless it `respells`.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn replace(
        &self,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        from: Place<'_>,
        to: Place<'_>,
        source: Found,
        target: Found,
        respells: bool,
    ) -> Result<Option<InodeId>> {
        let spelled = self.spelled(change, locked, from, to, Sides { source, target: Some(target) });
        let directory = locked.get(to.parent).directory_mut()?;
        directory.replace(target.key, source.id, source.kind);
        if respells {
            directory.rename_in_place(target.key, to.name);
        }
        locked.get(from.parent).directory_mut()?.take_out(&self.context.names, source.key)?;
        drop_name(change, locked.get(target.id), to.parent, target.key);
        change.head.opens.replaced(target.id, Some((to.parent, target.key)));
        give_place(change, locked, source.id, (from.parent, source.key), (to.parent, target.key));
        touch_parents(change, locked, from, to);
        if let Some(mut spelled) = spelled {
            change.tell_name(EventKind::Removed, target.id, target.kind, to.parent, &spelled.to);
            if respells {
                spelled.to = to.name.into();
            }
            tell(change, EventKind::Renamed, from.parent, to.parent, spelled, source);
        }
        Ok((locked.get(target.id).links == 0).then_some(target.id))
    }
}

impl Attachment {
    fn exchange(
        &self,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        from: Place<'_>,
        to: Place<'_>,
        source: Found,
        target: Found,
    ) -> Result<()> {
        let spelled = self.spelled(change, locked, from, to, Sides { source, target: Some(target) });
        locked.get(from.parent).directory_mut()?.replace(source.key, target.id, target.kind);
        locked.get(to.parent).directory_mut()?.replace(target.key, source.id, source.kind);
        give_place(change, locked, source.id, (from.parent, source.key), (to.parent, target.key));
        give_place(change, locked, target.id, (to.parent, target.key), (from.parent, source.key));
        touch_parents(change, locked, from, to);
        let Some(names) = spelled else { return Ok(()) };
        let changes = Changes::of_name(source.kind).with(Changes::of_name(target.kind));
        change.tell(|| Event {
            changes,
            other: target.id,
            parent: from.parent,
            name: names.from,
            new_parent: to.parent,
            new_name: names.to,
            ..Event::of_name(EventKind::Exchanged, source.id, source.kind)
        });
        Ok(())
    }
}

impl Sides {
    fn moves_a_directory(self, mode: RenameMode) -> bool {
        self.source.kind == FileKind::Directory
            || self.target.is_some_and(|target| target.kind == FileKind::Directory && mode != RenameMode::NoReplace)
    }
}

/// Whether the new name must be taken, or must not be.
fn check_mode(from: Place<'_>, to: Place<'_>, sides: Sides, mode: RenameMode) -> Result<()> {
    match (mode, sides.target) {
        (RenameMode::Exchange, None) => Err(Error::NotFound),
        (RenameMode::NoReplace, Some(target)) if !is_respelling(from, to, sides.source, target) => Err(Error::Exists),
        _ => Ok(()),
    }
}

/// Whether the new name differs from the old in case only, on a volume that ignores case.
pub(super) fn is_respelling(from: Place<'_>, to: Place<'_>, source: Found, target: Found) -> bool {
    from.parent == to.parent && source.key == target.key && from.name != to.name
}

fn give_place(change: &Change<'_>, locked: &mut Locked<'_>, id: InodeId, old: (InodeId, u64), new: (InodeId, u64)) {
    let record = locked.get(id);
    record.remove_name(old.0, old.1);
    record.add_name(new.0, new.1);
    if old.0 != new.0 {
        note_added(change, record);
    }
    record.touch(change.now);
}

fn touch_parents(change: &Change<'_>, locked: &mut Locked<'_>, from: Place<'_>, to: Place<'_>) {
    locked.get(from.parent).touch_content(change.now);
    if to.parent != from.parent {
        locked.get(to.parent).touch_content(change.now);
    }
}

/// The two names of a rename as they are stored, for those who are told of it.
pub(super) struct Spelled {
    pub(super) from: Box<[u8]>,
    pub(super) to: Box<[u8]>,
}

impl Attachment {
    /// Nothing when nobody would be told.
    pub(super) fn spelled(
        &self,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        from: Place<'_>,
        to: Place<'_>,
        sides: Sides,
    ) -> Option<Spelled> {
        change.is_heard().then(|| Spelled {
            from: self.stored_name(locked.get(from.parent), sides.source.key, from.name),
            to: match sides.target {
                Some(target) => self.stored_name(locked.get(to.parent), target.key, to.name),
                None => to.name.into(),
            },
        })
    }
}

pub(super) fn tell(change: &Change<'_>, kind: EventKind, from: InodeId, to: InodeId, names: Spelled, what: Found) {
    change.tell(|| Event {
        parent: from,
        name: names.from,
        new_parent: to,
        new_name: names.to,
        ..Event::of_name(kind, what.id, what.kind)
    });
}
