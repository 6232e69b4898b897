//! Branches and snapshots.

use bough::{Error, Result};

use super::{Held, Key, Model, Ref, Tree};

impl Model {
    pub(crate) fn find(&self, name: &str) -> Result<Key> {
        self.refs.iter().find(|(_, found)| found.name == name).map(|(key, _)| *key).ok_or(Error::NoSuchRef)
    }

    pub(super) fn free(&self, name: &str) -> Result<()> {
        if self.find(name).is_ok() { Err(Error::RefExists) } else { Ok(()) }
    }

    pub(super) fn grow_ref(&mut self, name: String, is_branch: bool, parent: Option<Key>, tree: Tree) -> Key {
        self.last_key += 1;
        self.refs.insert(self.last_key, Ref { name, is_branch, parent, tree });
        self.last_key
    }

    pub(crate) fn snapshot(&mut self, branch: Key, name: Option<&str>) -> Result<Key> {
        let name = match name {
            Some(name) => name.to_string(),
            None => self.numbered_name(branch),
        };
        self.free(&name)?;
        let (tree, parent) = (self.refs[&branch].tree.clone(), self.refs[&branch].parent);
        let key = self.grow_ref(name, false, parent, tree);
        self.refs.get_mut(&branch).unwrap().parent = Some(key);
        Ok(key)
    }

    pub(super) fn numbered_name(&mut self, branch: Key) -> String {
        loop {
            let number = self.numbered.entry(branch).or_default();
            *number += 1;
            let name = format!("{}@{number}", self.refs[&branch].name);
            if self.free(&name).is_ok() {
                return name;
            }
        }
    }

    pub(crate) fn branch(&mut self, name: &str, from: Key) -> Result<Key> {
        self.free(name)?;
        let tree = self.refs[&from].tree.clone();
        Ok(self.grow_ref(name.into(), true, Some(from), tree))
    }

    pub(crate) fn rename_ref(&mut self, key: Key, name: &str) -> Result<()> {
        if self.refs[&key].name != name {
            self.free(name)?;
        }
        self.refs.get_mut(&key).unwrap().name = name.into();
        Ok(())
    }

    pub(crate) fn delete_ref(&mut self, key: Key, handles: &[Option<Held>]) -> Result<()> {
        let branches = self.refs.values().filter(|found| found.is_branch).count();
        let viewed = key == self.current || handles.iter().flatten().any(|held| held.at == key);
        if viewed || self.refs[&key].is_branch && branches == 1 {
            return Err(Error::Busy(""));
        }
        let gone = self.refs.remove(&key).unwrap();
        for child in self.refs.values_mut().filter(|found| found.parent == Some(key)) {
            child.parent = gone.parent;
        }
        Ok(())
    }
}
