//! Renaming and linking the Windows way, by a handle: \[MS-FSA\] 2.1.5.15.12 (FileRenameInformation), 2.1.5.15.7 (FileLinkInformation) and the
//! reference, section 1 (rename preconditions). The steps are those of rename(2); what may be renamed and replaced is not.
//!
//! While a directory is renamed nobody opens anything ([`OpenTable::stop_opens`](super::open_table::OpenTable::stop_opens)), so that what is open
//! below it can be looked for.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::history::events::EventKind;
use crate::limits;
use crate::operations::attachment::{Attachment, Change, check_flags};
use crate::operations::granted;
use crate::operations::locked::{Locked, Owned};
use crate::operations::lookup::Found;
use crate::operations::open_table::Opening;
use crate::operations::remove::drop_name;
use crate::operations::rename::{Place, RenameMode, Sides, is_respelling, tell};
use crate::operations::windows::{attributes, rights};
use crate::operations::windows_open::{attributes_of, gone_on_the_way};
use crate::tree::inode::Inode;
use crate::types::{Caller, FileKind, InodeId};

/// How something gets a new name (FileRenameInformationEx and FileLinkInformationEx, \[MS-FSCC\] 2.4.43 and 2.4.28).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Renaming {
    /// What has the name is replaced.
    pub replace: bool,
    /// What is replaced, or lies below what is renamed, may be open if all who have it open share its deletion; a directory may
    /// replace an empty one.
    pub posix: bool,
    /// What is replaced may be read-only.
    pub ignore_readonly: bool,
    /// Some program has mapped what is replaced as an image.
    pub mapped_image: bool,
}

/// What was locked, to be dropped without locks, and the inode that ended.
type Done = (Owned, Option<Arc<Inode>>);

impl Attachment {
    /// Gives what the handle has open the name `to` in the place of the one it was opened by.
    pub(crate) fn windows_rename(
        &self,
        caller: &Caller<'_>,
        opening: &Opening,
        to: Place<'_>,
        how: Renaming,
    ) -> Result<()> {
        self.context.names.check(to.name)?;
        if opening.inode == InodeId::ROOT {
            return Err(Error::Invalid("the root is not renamed"));
        }
        let head = self.tree.head().ok_or(Error::ReadOnly)?.clone();
        let directory = self.inode(opening.inode)?.read().is_directory();
        let (_alone, _shared) = match directory {
            true => (Some(head.opens.stop_opens()), None),
            false => (None, Some(head.opens.hold_names())),
        };
        let change = self.change()?;
        let done = loop {
            if let Some(done) = self.unless_moved(to, self.try_windows_rename(caller, &change, opening, to, how))? {
                break done;
            }
        };
        // To free its content may take long, and a snapshot would wait at the gate for it.
        drop(change);
        drop(done);
        Ok(())
    }

    /// What a handle has open stays while it is open, so when something is gone between two steps, it is the new name's directory, or another change
    /// moved what was looked at: then the answer is nothing, to look again.
    fn unless_moved<T>(&self, to: Place<'_>, tried: Result<Option<T>>) -> Result<Option<T>> {
        match tried {
            Err(Error::Stale) => self.inode(to.parent).map(|_| None).map_err(gone_on_the_way),
            tried => tried,
        }
    }

    /// Answers nothing when another change came between looking and locking.
    fn try_windows_rename(
        &self,
        caller: &Caller<'_>,
        change: &Change<'_>,
        opening: &Opening,
        to: Place<'_>,
        how: Renaming,
    ) -> Result<Option<Option<Done>>> {
        if self.is_deleted(opening)? {
            return Err(Error::AccessDenied);
        }
        self.check_search(caller, to.parent)?;
        let (parent, name) = self.windows_name(change, opening)?;
        let from = Place { parent, name: &name };
        let names = [from.name, to.name].map(|name| self.context.names.hashed(name));
        let sides = match self.sides(from.parent, to.parent, names) {
            Ok(sides) if sides.source.id == opening.inode => sides,
            Ok(_) | Err(Error::NotFound) => return Ok(None),
            Err(error) => return Err(error),
        };
        // What is open below it is looked for upwards, directory by directory: meanwhile none may move.
        let directory = sides.source.kind == FileKind::Directory;
        let _ancestry = directory.then(|| change.head.hold_ancestry());
        self.check_open_below(change, sides.source, how.posix)?;
        if from.parent == to.parent && from.name == to.name {
            return Ok(Some(None));
        }
        if directory
            && from.parent != to.parent
            && let Err(refused) = self.check_ancestry(from, to, sides, RenameMode::Replace)
        {
            return self.refuse(from, to, sides, refused).map(|()| None);
        }
        let target_id = sides.target.map_or(sides.source.id, |target| target.id);
        let owned = Owned::of(change, &[from.parent, to.parent, sides.source.id, target_id])?;
        let mut locked = owned.lock();
        let source = self.entry_hashed(locked.get(from.parent), names[0])?;
        let now = (source, self.entry_hashed(locked.get(to.parent), names[1])?);
        if now != (Some(sides.source), sides.target) {
            return Ok(None);
        }
        let ended = self.commit_windows(caller, change, &mut locked, from, to, sides, how)?;
        drop(locked);
        let replaced = ended.and_then(|id| change.head.live.bury(change.head, id));
        Ok(Some(Some((owned, replaced))))
    }

    /// What is open below a directory, or beside a file's own content, stands against its new name. The caller holds the branch's names.
    fn check_open_below(&self, change: &Change<'_>, source: Found, posix: bool) -> Result<()> {
        let opens = &change.head.opens;
        opens.stream_openness(source.id).check(posix)?;
        if source.kind != FileKind::Directory {
            return Ok(());
        }
        for (inode, directories) in opens.open_inodes() {
            let below = |directory: &InodeId| self.is_below(*directory, source.id).unwrap_or(false);
            if inode != source.id && directories.iter().any(below) {
                opens.openness(inode).check(posix)?;
            }
        }
        Ok(())
    }

    /// Checks and does it, everything locked. Answers the inode that lost its last name.
    #[allow(clippy::too_many_arguments)]
    fn commit_windows(
        &self,
        caller: &Caller<'_>,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        from: Place<'_>,
        to: Place<'_>,
        sides: Sides,
        how: Renaming,
    ) -> Result<Option<InodeId>> {
        let Sides { source, target } = sides;
        check_flags(locked.get(source.id), false)?;
        check_flags(locked.get(from.parent), false)?;
        self.may_take_name(caller, change, locked, to, source.kind)?;
        let opens = &change.head.opens;
        let old = Some((from.parent, source.key));
        let Some(target) = target else {
            self.move_entry(change, locked, from, to, source, None)?;
            let key = self.entry(locked.get(to.parent), to.name)?.map(|found| (to.parent, found.key));
            opens.moved(source.id, old, key);
            return Ok(None);
        };
        let new = Some((to.parent, target.key));
        if is_respelling(from, to, source, target) {
            let spelled = self.spelled(change, locked, from, to, Sides { source, target: None });
            respell(change, locked, to, source)?;
            if let Some(spelled) = spelled {
                tell(change, EventKind::Renamed, from.parent, to.parent, spelled, source);
            }
            return Ok(None);
        }
        if !how.replace {
            return Err(Error::Exists);
        }
        if target.id == source.id {
            self.unite(change, locked, from, to, source, target)?;
            opens.moved(source.id, old, new);
            return Ok(None);
        }
        self.may_replace(caller, change, locked, to, target, source.kind, how)?;
        let ended = self.replace(change, locked, from, to, source, target, true)?;
        opens.moved(source.id, old, new);
        Ok(ended)
    }

    /// Whether something of this kind may get a name in the directory.
    fn may_take_name(
        &self,
        caller: &Caller<'_>,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        to: Place<'_>,
        kind: FileKind,
    ) -> Result<()> {
        if change.head.opens.is_directory_pending(to.parent) {
            return Err(Error::DeletePending);
        }
        self.may_make_entry(caller, locked.get(to.parent), kind == FileKind::Directory)
    }

    /// Whether what has the name may lose it to something of this kind.
    #[allow(clippy::too_many_arguments)]
    fn may_replace(
        &self,
        caller: &Caller<'_>,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        to: Place<'_>,
        target: Found,
        by: FileKind,
        how: Renaming,
    ) -> Result<()> {
        let both_directories = by == FileKind::Directory && target.kind == FileKind::Directory;
        if target.kind == FileKind::Directory && !(how.posix && both_directories) {
            return Err(Error::AccessDenied);
        }
        self.check_empty(locked.get(target.id))?;
        let stored = attributes_of(locked.get(target.id));
        if stored & attributes::READONLY != 0 && !how.ignore_readonly || how.mapped_image {
            return Err(Error::AccessDenied);
        }
        check_flags(locked.get(target.id), false)?;
        check_flags(locked.get(to.parent), false)?;
        let (parent, record) = (locked.look(to.parent), locked.look(target.id));
        granted::granted(caller, Some(parent), record, rights::DELETE, false)?;
        let opens = &change.head.opens;
        if opens.is_place_pending(target.id, Some((to.parent, target.key))) {
            return Err(Error::AccessDenied);
        }
        opens.openness(target.id).check(how.posix)
    }

    /// Gives what the handle has open a further name.
    pub(crate) fn windows_link(
        &self,
        caller: &Caller<'_>,
        opening: &Opening,
        to: Place<'_>,
        how: Renaming,
    ) -> Result<()> {
        self.context.names.check(to.name)?;
        let change = self.change()?;
        let done = loop {
            if let Some(done) = self.unless_moved(to, self.try_windows_link(caller, &change, opening, to, how))? {
                break done;
            }
        };
        drop(change);
        drop(done);
        Ok(())
    }

    fn try_windows_link(
        &self,
        caller: &Caller<'_>,
        change: &Change<'_>,
        opening: &Opening,
        to: Place<'_>,
        how: Renaming,
    ) -> Result<Option<Done>> {
        if self.is_deleted(opening)? {
            return Err(Error::AccessDenied);
        }
        self.check_search(caller, to.parent)?;
        let id = opening.inode;
        let target = self.peek(to.parent, to.name)?;
        let owned = Owned::of(change, &[to.parent, id, target.map_or(id, |target| target.id)])?;
        let mut locked = owned.lock();
        if self.entry(locked.get(to.parent), to.name)? != target {
            return Ok(None);
        }
        let ended = self.commit_link(caller, change, &mut locked, id, to, target, how)?;
        drop(locked);
        let replaced = ended.and_then(|id| change.head.live.bury(change.head, id));
        Ok(Some((owned, replaced)))
    }

    #[allow(clippy::too_many_arguments)]
    fn commit_link(
        &self,
        caller: &Caller<'_>,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        id: InodeId,
        to: Place<'_>,
        target: Option<Found>,
        how: Renaming,
    ) -> Result<Option<InodeId>> {
        let (kind, links) = (locked.get(id).kind, locked.get(id).links);
        if kind == FileKind::Directory {
            return Err(Error::IsADirectory);
        }
        // Its last name went since the handle was looked at: what is deleted gets no name again.
        if links == 0 {
            return Err(Error::AccessDenied);
        }
        check_flags(locked.get(id), false)?;
        self.may_take_name(caller, change, locked, to, kind)?;
        let key = match target {
            Some(_) if !how.replace => return Err(Error::Exists),
            Some(target) if target.id == id => {
                respell(change, locked, to, target)?;
                return Ok(None);
            }
            _ if links >= limits::LINKS => return Err(Error::TooManyLinks),
            Some(target) => {
                self.may_replace(caller, change, locked, to, target, kind, how)?;
                let stored = self.stored_name(locked.get(to.parent), target.key, to.name);
                let directory = locked.get(to.parent).directory_mut()?;
                directory.replace(target.key, id, kind);
                directory.rename_in_place(target.key, to.name);
                drop_name(change, locked.get(target.id), to.parent, target.key);
                change.tell_name(EventKind::Removed, target.id, target.kind, to.parent, &stored);
                change.head.opens.replaced(target.id, Some((to.parent, target.key)));
                target.key
            }
            None => locked.get(to.parent).directory_mut()?.insert(&self.context.names, to.name, id, kind)?,
        };
        locked.get(to.parent).touch_content(change.now);
        let record = locked.get(id);
        record.add_name(to.parent, key);
        record.links += 1;
        record.touch(change.now);
        change.tell_name(EventKind::Created, id, kind, to.parent, to.name);
        let replaced = target.map(|target| target.id);
        Ok(replaced.filter(|&replaced| locked.get(replaced).links == 0))
    }
}

/// The same name spelled anew.
fn respell(change: &Change<'_>, locked: &mut Locked<'_>, to: Place<'_>, entry: Found) -> Result<()> {
    let directory = locked.get(to.parent);
    directory.directory_mut()?.rename_in_place(entry.key, to.name);
    directory.touch_content(change.now);
    locked.get(entry.id).touch(change.now);
    Ok(())
}

impl Attachment {
    /// A name takes the place of another name of the same inode, which has one name less then.
    fn unite(
        &self,
        change: &Change<'_>,
        locked: &mut Locked<'_>,
        from: Place<'_>,
        to: Place<'_>,
        source: Found,
        target: Found,
    ) -> Result<()> {
        let spelled = self.spelled(change, locked, from, to, Sides { source, target: Some(target) });
        let directory = locked.get(from.parent);
        directory.directory_mut()?.take_out(&change.at.context.names, source.key)?;
        directory.touch_content(change.now);
        drop_name(change, locked.get(source.id), from.parent, source.key);
        respell(change, locked, to, target)?;
        if let Some(mut spelled) = spelled {
            change.tell_name(EventKind::Removed, target.id, target.kind, to.parent, &spelled.to);
            spelled.to = to.name.into();
            tell(change, EventKind::Renamed, from.parent, to.parent, spelled, source);
        }
        Ok(())
    }
}
