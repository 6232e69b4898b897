//! What would go if one holder of shared things let go: counted without letting go, and without a look at what stays.
//!
//! Everything that trees share is counted by its holders. What has one holder goes with it, and what that holds is looked
//! at in turn; what has more stays, and is not looked at, unless all of them are going: inodes of one tree may share chunks
//! with each other. So a reckoning costs what would be freed, and what that borders on.
//!
//! The same walk tells what some holders hold together, whoever else does: then everything counts where it is met first.
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

/// What a reckoning is about.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum About {
    /// What goes with the holders that are looked at.
    #[default]
    Going,
    /// What they hold, and others may hold too.
    Held,
}

#[derive(Debug, Default)]
pub(crate) struct Reckoning {
    pub(crate) counted: Counted,
    about: About,
    /// How many holders of things that have several are going, by where the thing lies.
    going: HashMap<usize, usize>,
    /// How many things were asked about.
    pub(crate) asked: usize,
    /// How many may be, if not any number.
    most: Option<usize>,
    /// Whether there was more than could be remembered or asked about, so that what was counted is not all.
    overrun: bool,
}

impl Counted {
    /// What is left of it without `other`, which is a part of it. What others do meanwhile may be counted in one only.
    pub(crate) fn without(self, other: Counted) -> Counted {
        Counted {
            inodes: self.inodes.saturating_sub(other.inodes),
            content_bytes: self.content_bytes.saturating_sub(other.content_bytes),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
            metadata_bytes: self.metadata_bytes.saturating_sub(other.metadata_bytes),
            spilled_bytes: self.spilled_bytes.saturating_sub(other.spilled_bytes),
        }
    }
}

impl Reckoning {
    /// One of what the holders that are looked at hold, each thing once, and of so many things at most.
    pub(crate) fn of_what_is_held(most: usize) -> Reckoning {
        Reckoning { about: About::Held, most: Some(most), ..Reckoning::default() }
    }

    /// Whether what was counted is all.
    pub(crate) fn is_complete(&self) -> bool {
        !self.overrun
    }

    /// A holder of the thing at `place`, which has so many, is going: whether the thing goes with it.
    pub(crate) fn lets_go<T>(&mut self, place: *const T, holders: usize) -> bool {
        self.asked += 1;
        if self.most.is_some_and(|most| self.asked > most) {
            self.overrun = true;
            return false;
        }
        if holders <= 1 {
            return true;
        }
        let place = place.cast::<u8>() as usize;
        if self.going.len() >= REMEMBERED && !self.going.contains_key(&place) {
            self.overrun = true;
            return false;
        }
        let going = self.going.entry(place).or_insert(0);
        *going += 1;
        match self.about {
            About::Going => *going >= holders,
            About::Held => *going == 1,
        }
    }

    /// As [`Reckoning::lets_go`], of what no tree holds twice.
    pub(crate) fn lets_single_go<T>(&mut self, place: *const T, holders: usize) -> bool {
        match self.about {
            About::Going => holders <= 1,
            About::Held => self.lets_go(place, holders),
        }
    }

    /// As [`Reckoning::lets_go`], of metadata that takes so many bytes; they are counted.
    pub(crate) fn lets_metadata_go<T>(&mut self, place: *const T, holders: usize, bytes: usize) -> bool {
        let goes = self.lets_go(place, holders);
        self.counted.metadata_bytes += if goes { bytes as u64 } else { 0 };
        goes
    }

    /// Whether the thing was found to go before, by who asks: a walk that is in the middle of it.
    pub(crate) fn has_let_go<T>(&self, place: *const T, holders: usize) -> bool {
        let going = || self.going.get(&(place.cast::<u8>() as usize));
        match self.about {
            _ if holders <= 1 => true,
            About::Going => going().is_some_and(|&going| going >= holders),
            // Who meets it a second time has counted himself by then.
            About::Held => going() == Some(&1),
        }
    }
}
