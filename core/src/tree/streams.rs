//! The named streams of one inode: a small list, found by id or by name.
//!
//! Ids are given in order and never again, so a handle that names one never meets another. A stream whose name was
//! removed while handles are open on it has an empty name: it is found by its id alone, and is not listed. What a name
//! may be, who may use a stream, and when one without a name goes is left to the operations.

use crate::data::Stream;
use crate::error::{Error, Result};
use crate::ledger::Footprint;
use crate::limits;
use crate::tree::name::NameRules;
use crate::types::StreamId;

/// One named stream. A clone shares its content.
#[derive(Debug, Clone)]
pub(crate) struct NamedStream {
    pub(crate) id: StreamId,
    /// As it was spelled first; empty when it was removed.
    pub(crate) name: Box<[u8]>,
    pub(crate) content: Stream,
    /// Bytes set aside for it, written or not, as Windows programs ask for them; 0 when nobody did.
    pub(crate) reserved: u64,
}

/// All of an inode's, in the order they were made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams {
    all: Vec<NamedStream>,
    /// The id given last.
    last: u32,
}

impl Footprint for Streams {
    fn heap_bytes(&self) -> usize {
        let Streams { all, last: _ } = self;
        all.heap_bytes()
    }
}

impl Footprint for NamedStream {
    fn heap_bytes(&self) -> usize {
        // Content is counted by itself.
        let NamedStream { id: _, name, content: _, reserved: _ } = self;
        name.heap_bytes()
    }
}

impl Streams {
    /// Those that have names.
    pub(crate) fn named(&self) -> impl Iterator<Item = &NamedStream> {
        self.all.iter().filter(|stream| !stream.name.is_empty())
    }

    /// What all of them hold, names or not.
    pub(crate) fn contents(&self) -> impl Iterator<Item = &Stream> {
        self.all.iter().map(|stream| &stream.content)
    }

    /// Those, and the ones that are only open.
    pub(crate) fn all(&self) -> impl Iterator<Item = &NamedStream> {
        self.all.iter()
    }

    pub(crate) fn get(&self, id: StreamId) -> Option<&NamedStream> {
        self.all.iter().find(|stream| stream.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: StreamId) -> Option<&mut NamedStream> {
        self.all.iter_mut().find(|stream| stream.id == id)
    }

    pub(crate) fn find(&self, names: &NameRules, name: &[u8]) -> Option<&NamedStream> {
        self.named().find(|stream| names.same(&stream.name, name))
    }

    /// Makes an empty one. The name is checked and not taken.
    pub(crate) fn add(&mut self, name: &[u8]) -> Result<StreamId> {
        if self.all.len() >= limits::STREAMS {
            return Err(Error::Limit("named streams of one inode: 4,096"));
        }
        self.last = self.last.checked_add(1).ok_or(Error::Limit("ids of named streams of one inode"))?;
        let id = StreamId(self.last);
        self.all.push(NamedStream { id, name: name.into(), content: Stream::empty(), reserved: 0 });
        Ok(id)
    }

    /// Gives one another name; an empty one takes it away.
    pub(crate) fn rename(&mut self, id: StreamId, name: &[u8]) {
        if let Some(stream) = self.get_mut(id) {
            stream.name = name.into();
        }
    }

    /// Takes one out.
    pub(crate) fn remove(&mut self, id: StreamId) -> Option<NamedStream> {
        let index = self.all.iter().position(|stream| stream.id == id)?;
        Some(self.all.remove(index))
    }

    /// Bytes of storage of all of them.
    pub(crate) fn allocated(&self) -> u64 {
        self.all.iter().map(|stream| stream.content.allocated()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::name::NamePolicy;

    #[test]
    fn ids_are_never_given_again() {
        let mut streams = Streams::default();
        let first = streams.add(b"a").unwrap();
        streams.remove(first).unwrap();
        let second = streams.add(b"a").unwrap();
        assert_ne!(first, second);
        assert!(streams.get(first).is_none() && streams.get(second).is_some());
    }

    #[test]
    fn names_are_found_as_the_volume_compares_names() {
        let mut streams = Streams::default();
        let id = streams.add("Größe".as_bytes()).unwrap();
        let find =
            |policy, name: &str| streams.find(&NameRules::new(policy, (1, 2)), name.as_bytes()).map(|stream| stream.id);
        assert_eq!(find(NamePolicy::Windows, "GRÖSSE"), None);
        assert_eq!(find(NamePolicy::Windows, "GRÖßE"), Some(id));
        assert_eq!(find(NamePolicy::Posix, "GRÖßE"), None);
        assert_eq!(find(NamePolicy::Posix, "Größe"), Some(id));
    }

    #[test]
    fn an_inode_has_as_many_as_the_limit_says_and_not_one_more() {
        let mut streams = Streams::default();
        for index in 0..limits::STREAMS {
            streams.add(format!("s{index}").as_bytes()).unwrap();
        }
        assert!(matches!(streams.add(b"one more"), Err(Error::Limit(_))));
    }
}
