//! What would go if one holder of shared things let go: counted without letting go, and without a look at what stays.
//!
//! Everything that trees share is counted by its holders. What has one holder goes with it, and what that holds is looked
//! at in turn; what has more stays, and is not looked at, unless all of them are going: inodes of one tree may share chunks
//! with each other. So a reckoning costs what would be freed, and what that borders on.
//!
//! Others may change things meanwhile. Then the answer is about some moment of that time, or a little beside it.

use hashbrown::HashMap;

/// Things with several holders that are remembered. Beyond that they are taken to stay.
const REMEMBERED: usize = 1 << 20;

/// What goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counted {
    pub(crate) inodes: u64,
    /// Bytes of content, in memory or not.
    pub(crate) content_bytes: u64,
    /// Bytes of memory that content takes.
    pub(crate) memory_bytes: u64,
    /// Bytes of memory that all else takes.
    pub(crate) metadata_bytes: u64,
    /// Bytes in the spill file only.
    pub(crate) spilled_bytes: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Reckoning {
    pub(crate) counted: Counted,
    /// How many holders of things that have several are going, by where the thing lies.
    going: HashMap<usize, usize>,
    /// How many things were asked about.
    #[cfg(test)]
    pub(crate) asked: usize,
}

impl Reckoning {
    /// A holder of the thing at `place`, which has so many, is going: whether the thing goes with it.
    pub(crate) fn lets_go<T>(&mut self, place: *const T, holders: usize) -> bool {
        #[cfg(test)]
        {
            self.asked += 1;
        }
        if holders <= 1 {
            return true;
        }
        let place = place.cast::<u8>() as usize;
        if self.going.len() >= REMEMBERED && !self.going.contains_key(&place) {
            return false;
        }
        let going = self.going.entry(place).or_insert(0);
        *going += 1;
        *going >= holders
    }

    /// As [`Reckoning::lets_go`], of metadata that takes so many bytes; they are counted.
    pub(crate) fn lets_metadata_go<T>(&mut self, place: *const T, holders: usize, bytes: usize) -> bool {
        let goes = self.lets_go(place, holders);
        self.counted.metadata_bytes += if goes { bytes as u64 } else { 0 };
        goes
    }

    /// Whether the thing was found to go before.
    pub(crate) fn has_let_go<T>(&self, place: *const T, holders: usize) -> bool {
        holders <= 1 || self.going.get(&(place.cast::<u8>() as usize)).is_some_and(|&going| going >= holders)
    }
}
