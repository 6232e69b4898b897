//! Names of one file: which are made as links, and of what. A file whose content is another now has that under all its names.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use super::{Origin, Planner, is_directory};
use crate::errors::Result;

#[derive(Debug, Clone)]
pub(super) enum LinkTo {
    /// A name that stays, by where it is now.
    Kept(PathBuf),
    /// One that is staged, by where it shall be.
    Staged(PathBuf),
}

impl Planner<'_> {
    /// New files that are names of one: by path, what they are another name of. Such as lie where they lay are named by where that is.
    pub(super) fn links(&mut self) -> Result<BTreeMap<PathBuf, LinkTo>> {
        self.look_at_new()?;
        let mut groups: BTreeMap<u64, (u64, Vec<PathBuf>)> = BTreeMap::new();
        for (path, new) in &self.sorted.added {
            if let Some(new) = new.filter(|new| new.names > 1 && !new.is_directory) {
                groups.entry(new.inode).or_insert((new.names, Vec::new())).1.push(path.clone());
            }
        }
        let wanted: HashSet<u64> =
            groups.iter().filter(|(_, (names, known))| *names > known.len() as u64).map(|(inode, _)| *inode).collect();
        let mut others = if wanted.is_empty() { HashMap::new() } else { self.other_names(&wanted)? };
        let mut links = BTreeMap::new();
        for (inode, (_, known)) in groups {
            self.link_group(&known, others.remove(&inode).unwrap_or_default(), &mut links)?;
        }
        self.look_at_new()?;
        self.sorted.vacate();
        Ok(links)
    }

    /// `known` are new names or names of new content; `others` are names that the diff does not tell of.
    fn link_group(
        &mut self,
        known: &[PathBuf],
        others: Vec<PathBuf>,
        links: &mut BTreeMap<PathBuf, LinkTo>,
    ) -> Result<()> {
        let rewritten = self.rewritten(known)?;
        let mut known = known.to_vec();
        let mut kept = None;
        for other in others {
            let was = self.sorted.was(&other);
            match (rewritten, self.target.look(&was)?) {
                // Its content is another now, under every name.
                (Some(origin), Some(found)) => {
                    if !origin.fits(&found) {
                        self.conflict(&was, "has changed in the base", true);
                    }
                    self.see_file(&was, &found);
                    self.sorted.removed.insert(was.clone(), origin);
                    // Made anew where it is, it need not move there.
                    self.sorted.moved.remove(&other);
                    self.sorted.vacated.insert(was);
                    self.sorted.added.insert(other.clone(), None);
                    known.push(other);
                }
                (None, Some(found)) => {
                    self.see_file(&was, &found);
                    kept = Some(was);
                }
                (_, None) => {}
            }
        }
        let first = known[0].clone();
        let mut rest = known.iter();
        let to = match kept {
            Some(kept) => LinkTo::Kept(kept),
            None => {
                rest.next();
                LinkTo::Staged(first)
            }
        };
        links.extend(rest.map(|path| (path.clone(), to.clone())));
        Ok(())
    }

    /// Whether an inode of these names was written to, and since when it must not have changed; else they lead to what it was.
    fn rewritten(&self, names: &[PathBuf]) -> Result<Option<Origin>> {
        for path in names {
            let Some((origin, moved)) = self.sorted.rewritten.get(path) else { continue };
            // A name may lead to another inode than before, which itself is as it was.
            let is_itself = match origin {
                Origin::UnchangedSince(_) | Origin::Changed if !moved => {
                    let (now, was) = (self.source.look(path)?, self.target.look(&self.sorted.was(path))?);
                    now.map(|found| found.st_ino) == was.map(|found| found.st_ino)
                }
                _ => true,
            };
            if is_itself {
                return Ok(Some(*origin));
            }
        }
        Ok(None)
    }

    /// Every name in the branch of some inodes, but those that are new.
    fn other_names(&self, wanted: &HashSet<u64>) -> Result<HashMap<u64, Vec<PathBuf>>> {
        let mut found: HashMap<u64, Vec<PathBuf>> = HashMap::new();
        let mut left = vec![PathBuf::new()];
        while let Some(directory) = left.pop() {
            for (name, inode) in self.source.names(&directory)? {
                let path = directory.join(name);
                if wanted.contains(&inode) && !self.sorted.added.contains_key(&path) {
                    found.entry(inode).or_default().push(path);
                } else if self.source.look(&path)?.is_some_and(|found| is_directory(&found)) {
                    left.push(path);
                }
            }
        }
        Ok(found)
    }
}
