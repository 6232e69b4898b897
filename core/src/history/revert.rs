//! Takes paths of a branch back to what another tree has there, as if they had never been changed since.
//!
//! Works on the inodes in which the two trees differ (`all`). Those that are to go back (`going`) are the ones that a path leads to or
//! lies above, in either tree, and what cannot stay as it is without them: other names of the same file, what is in a
//! directory that goes back, what stands where something comes back to, what something has displaced that goes. Each of them gets the version that the other tree has, or none;
//! over a base none means what the base has. Then every name that leads to one of them, in either tree, is set to what the other tree
//! says of it, in directories that stay.
//!
//! The branch is at rest meanwhile: a new table is made, and nobody sees it before it is whole.

mod merge;
mod scope;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::diff::compare;
use super::diff::side::{Name, Side};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::history::diff::{Aspects, names_of};
use crate::tree::inode::Inode;
use crate::tree::table::{FrozenTable, LiveTable, Position};
use crate::types::{FileKind, InodeId};
use scope::Scope;

/// An inode in which the trees differ, as each of them shows it.
struct Differing {
    to: Option<Arc<Inode>>,
    from: Option<Arc<Inode>>,
}

pub(crate) struct Revert<'a> {
    context: &'a Context,
    /// What is gone back to.
    to: &'a FrozenTable,
    /// The branch as it was.
    from: &'a FrozenTable,
    all: HashMap<InodeId, Differing>,
    /// By directory: what is or was in it, of those that differ.
    inside: HashMap<InodeId, Vec<InodeId>>,
    going: HashSet<InodeId>,
    /// The branch as it will be.
    table: LiveTable,
    epoch: u64,
}

/// The tree of a branch with `paths` as they are in `to`. See [`crate::Volume::revert`].
pub(crate) fn revert(
    context: &Context,
    from: &FrozenTable,
    to: &FrozenTable,
    paths: &[Vec<u8>],
) -> Result<FrozenTable> {
    let paths = scope::checked(paths)?;
    if paths.iter().any(Vec::is_empty) {
        return Ok(to.clone());
    }
    let mut revert = Revert::new(context, from, to)?;
    revert.choose(&paths)?;
    revert.close()?;
    revert.apply(&paths)?;
    Ok(revert.table.freeze())
}

/// The tree of a branch with new directories laid over those that `to` has in their places. See [`crate::Volume::merge`].
pub(crate) fn merge(context: &Context, from: &FrozenTable, to: &FrozenTable, paths: &[Vec<u8>]) -> Result<FrozenTable> {
    let table = LiveTable::thaw(from);
    let epoch = context.new_epoch();
    for path in scope::checked(paths)? {
        merge::Merge { context, to, table: &table, epoch }.directory(&path)?;
    }
    Ok(table.freeze())
}

impl<'a> Revert<'a> {
    fn new(context: &'a Context, from: &'a FrozenTable, to: &'a FrozenTable) -> Result<Revert<'a>> {
        let mut revert = Revert {
            context,
            to,
            from,
            all: HashMap::new(),
            inside: HashMap::new(),
            going: HashSet::new(),
            table: LiveTable::thaw(from),
            epoch: context.new_epoch(),
        };
        let mut position = Position::default();
        while let Some((difference, next)) = to.next_difference(from, position) {
            position = next;
            let id = difference.id;
            let differing = Differing { to: revert.target().inode(id)?, from: revert.source().inode(id)? };
            for (parent, _) in names_of(differing.to.as_deref()).into_iter().chain(names_of(differing.from.as_deref()))
            {
                revert.inside.entry(parent).or_default().push(id);
            }
            revert.all.insert(id, differing);
        }
        Ok(revert)
    }

    fn target(&self) -> Side<'a> {
        Side { table: self.to, context: self.context }
    }

    fn source(&self) -> Side<'a> {
        Side { table: self.from, context: self.context }
    }

    /// Every name of an inode in either tree, with its bytes.
    fn names(&self, id: InodeId) -> Vec<(InodeId, Vec<u8>)> {
        let Some(differing) = self.all.get(&id) else { return Vec::new() };
        let of = |side: Side<'_>, inode: &Option<Arc<Inode>>| -> Vec<(InodeId, Vec<u8>)> {
            let names: Vec<Name> = names_of(inode.as_deref());
            names.into_iter().map(|name| (name.0, side.bytes_of(id, name))).collect()
        };
        let mut names = of(self.target(), &differing.to);
        names.extend(of(self.source(), &differing.from));
        names
    }

    // ---- choosing ----------------------------------------------------------------------------------------------

    /// What the paths lead to or lie above.
    fn choose(&mut self, paths: &[Vec<u8>]) -> Result<()> {
        let mut scope = Scope::default();
        for path in paths {
            for side in [self.target(), self.source()] {
                scope.add(side.spelled(path)?);
                let found = side.find(path)?.map(|inode| inode.id);
                self.going.extend(found.filter(|id| self.all.contains_key(id)));
            }
        }
        for (&id, differing) in &self.all {
            let covers = |side: Side<'_>, inode: &Option<Arc<Inode>>| {
                names_of(inode.as_deref()).into_iter().any(|name| scope.covers(&side.path_of(id, name)))
            };
            if covers(self.target(), &differing.to) || covers(self.source(), &differing.from) {
                self.going.insert(id);
            }
        }
        Ok(())
    }

    /// Adds what cannot stay as it is.
    fn close(&mut self) -> Result<()> {
        let mut open: VecDeque<InodeId> = self.going.iter().copied().collect();
        while let Some(id) = open.pop_front() {
            let mut found = self.inside.get(&id).cloned().unwrap_or_default();
            let Some(Differing { to, from }) = self.all.get(&id) else { continue };
            for name in names_of(to.as_deref()) {
                found.extend(self.in_the_way(id, name)?);
            }
            for name in names_of(from.as_deref()) {
                found.extend(self.was_there(id, name)?);
            }
            open.extend(found.into_iter().filter(|id| self.all.contains_key(id) && self.going.insert(*id)));
        }
        Ok(())
    }

    /// What has a name now that `id` is to get back. The directory must be there, or come back too.
    fn in_the_way(&self, id: InodeId, name: Name) -> Result<Option<InodeId>> {
        let (parent, _) = name;
        if self.going.contains(&parent) {
            return Ok(None);
        }
        let directory = self.from.get(parent);
        let is_gone = directory.as_ref().is_some_and(|directory| directory.is_gone());
        if is_gone || (self.all.contains_key(&parent) && self.source().inode(parent)?.is_none()) {
            return Err(Error::Busy("it lies in a directory that the branch has removed or moved: name that"));
        }
        let Some(directory) = directory else { return Ok(None) };
        let record = directory.read_shared();
        let bytes = self.target().bytes_of(id, name);
        let there = record.directory()?.get(&self.context.names, &bytes).map(|entry| entry.inode);
        Ok(there.filter(|other| *other != id))
    }

    /// What the other tree has under a name that `id` is to lose.
    fn was_there(&self, id: InodeId, name: Name) -> Result<Option<InodeId>> {
        let Some(directory) = self.target().inode(name.0)? else { return Ok(None) };
        self.target().entry(&directory, &self.source().bytes_of(id, name))
    }

    // ---- applying ----------------------------------------------------------------------------------------------

    fn apply(&mut self, paths: &[Vec<u8>]) -> Result<()> {
        let mut names: BTreeSet<(InodeId, Vec<u8>)> = self.going.iter().flat_map(|id| self.names(*id)).collect();
        for path in paths {
            let (above, last) = scope::split(path);
            let parent = self.source().find_directory(above)?.filter(|parent| parent.read_shared().is_directory());
            names.extend(parent.map(|parent| (parent.id, last.to_vec())));
        }
        names.retain(|(parent, _)| !self.going.contains(parent));
        for &id in &self.going {
            match self.to.get(id) {
                Some(version) => self.table.insert(version),
                None => self.table.forget(id),
            }
        }
        for (parent, name) in &names {
            self.set_name(*parent, name)?;
        }
        self.forget_lost();
        let parents: BTreeSet<InodeId> = names.into_iter().map(|(parent, _)| parent).collect();
        parents.into_iter().try_for_each(|parent| self.shrink(parent))
    }

    /// Has a directory that stays say of a name what it says in the other tree.
    fn set_name(&self, parent: InodeId, name: &[u8]) -> Result<()> {
        let rules = &self.context.names;
        if self.table.get(parent).is_none_or(|inode| inode.is_gone()) {
            return Ok(());
        }
        let in_base = self.in_base(parent, name)?;
        let Some(own) = self.table.own(parent, self.epoch) else { return Ok(()) };
        let mut record = own.write();
        let directory = record.directory_mut()?;
        directory.give_back(rules, name, in_base.map(|(_, kind)| kind));
        let Some(other) = self.to.get(parent).filter(|inode| !inode.is_gone()) else { return Ok(()) };
        let other = other.read_shared();
        let other = other.directory()?;
        if other.beneath().is_some() && !other.shows(rules, name) {
            directory.hide(rules, name, in_base.map(|(_, kind)| kind))?;
        }
        let Some(entry) = other.get(rules, name) else { return Ok(()) };
        let key = directory.put_back(rules, entry)?;
        drop(record);
        if key != entry.key {
            self.rename(entry.inode, (parent, entry.key), (parent, key));
        }
        Ok(())
    }

    fn rename(&self, id: InodeId, from: Name, to: Name) {
        if let Some(inode) = self.table.own(id, self.epoch) {
            let mut record = inode.write();
            record.remove_name(from.0, from.1);
            record.add_name(to.0, to.1);
        }
    }

    /// What a directory of the base has at a name.
    fn in_base(&self, parent: InodeId, name: &[u8]) -> Result<Option<(InodeId, FileKind)>> {
        match &self.context.base {
            Some(base) if base.knows(parent) => base.look(parent, name),
            _ => Ok(None),
        }
    }

    /// What is said to be gone, and is gone from the base too, needs no mark.
    fn forget_lost(&self) {
        let lost = self.all.iter().filter(|(id, differing)| {
            differing.to.is_none()
                && self.to.get(**id).is_none()
                && self.from.get(**id).is_some_and(|one| one.is_gone())
        });
        lost.for_each(|(id, _)| self.table.forget(*id));
    }

    /// A directory that says no more than the base does any more is the base's again, and so those above it.
    fn shrink(&self, directory: InodeId) -> Result<()> {
        let mut next = Some(directory);
        while let Some(id) = next {
            next = self.let_go(id)?;
        }
        Ok(())
    }

    /// Answers the directory above, if this one is the base's now.
    fn let_go(&self, id: InodeId) -> Result<Option<InodeId>> {
        let (Some(base), Some(inode)) = (&self.context.base, self.table.get(id)) else { return Ok(None) };
        if inode.is_gone() || self.to.get(id).is_some() {
            return Ok(None);
        }
        let Some(present) = base.inode(id)? else { return Ok(None) };
        let (record, present) = (inode.read_shared(), present.read_shared());
        let as_in_base = record.directory().is_ok_and(|directory| directory.is_as_in_base())
            && record.names.all() == present.names.all()
            && compare(&present, &record)? == Aspects::default();
        if !as_in_base {
            return Ok(None);
        }
        let above = record.names.first();
        let Some((parent, key)) = above else {
            self.table.forget(id);
            return Ok(None);
        };
        self.give_back_directory(parent, key)?;
        self.table.forget(id);
        Ok(Some(parent))
    }

    fn give_back_directory(&self, parent: InodeId, key: u64) -> Result<()> {
        let Some(own) = self.table.own(parent, self.epoch) else { return Ok(()) };
        let mut record = own.write();
        let directory = record.directory_mut()?;
        let name = directory.by_key(key).map(|entry| entry.name.to_vec());
        if let Some(name) = name {
            directory.give_back(&self.context.names, &name, Some(FileKind::Directory));
        }
        Ok(())
    }
}
