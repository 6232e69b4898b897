//! Which slots are taken, and which of the free ones still have their space on the disk.

use std::collections::HashSet;
use std::ops::Range;

use crate::check::CheckReport;

/// The most slots: a slot's number has 32 bits, and the last of them means none.
const MOST_SLOTS: u64 = u32::MAX as u64 - 1;

#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn get(&self, at: u32) -> bool {
        self.0[at as usize / 64] & (1 << (at % 64)) != 0
    }

    fn set(&mut self, run: Range<u32>, to: bool) {
        for at in run {
            let word = &mut self.0[at as usize / 64];
            *word = *word & !(1 << (at % 64)) | u64::from(to) << (at % 64);
        }
    }

    /// The first set bit of `within`, with each word passed through `select` first.
    fn find(&self, within: Range<u32>, select: impl Fn(usize) -> u64) -> Option<u32> {
        let mut at = within.start;
        while at < within.end {
            let word = select(at as usize / 64) >> (at % 64);
            if word != 0 {
                let found = at + word.trailing_zeros();
                return (found < within.end).then_some(found);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }
}

/// Invariants: `spare` counts the slots that are backed and not taken, `taken_count` those that are taken.
#[derive(Debug)]
pub(super) struct Slots {
    taken: Bits,
    backed: Bits,
    /// Slots that there are, and that there may be.
    end: u32,
    most: u32,
    /// Where the next run begins.
    next: u32,
    taken_count: u64,
    spare: u64,
}

impl Slots {
    pub(super) fn new(most: u64) -> Self {
        let most = most.min(MOST_SLOTS) as u32;
        let (taken, backed) = (Bits::default(), Bits::default());
        Self { taken, backed, end: 0, most, next: 0, taken_count: 0, spare: 0 }
    }

    /// Whether all of these slots, just taken, have their space on the disk.
    pub(super) fn are_backed(&self, mut run: Range<u32>) -> bool {
        run.all(|slot| self.backed.get(slot))
    }

    /// Slots in use.
    pub(super) fn taken(&self) -> u64 {
        self.taken_count
    }

    /// Free slots that have their space on the disk.
    pub(super) fn spare(&self) -> u64 {
        self.spare
    }

    /// Up to `most` neighbouring slots, from where the last run ended. `None` at the end, if growing is better than
    /// going back to the front.
    pub(super) fn take_run(&mut self, most: u32, unbacked: bool) -> Option<Range<u32>> {
        if let Some(run) = self.take_within(self.next..self.end, most, unbacked) {
            return Some(run);
        }
        let free = u64::from(self.end) - self.taken_count;
        if free * 4 < u64::from(self.end) && self.end < self.most {
            return None;
        }
        self.take_any(most, unbacked)
    }

    /// Up to `most` neighbouring slots, wherever.
    pub(super) fn take_any(&mut self, most: u32, unbacked: bool) -> Option<Range<u32>> {
        self.take_within(self.next..self.end, most, unbacked).or_else(|| self.take_within(0..self.next, most, unbacked))
    }

    /// How long the slots are, and by how many they may grow.
    pub(super) fn growth(&self) -> (u64, u64) {
        (u64::from(self.end), u64::from(self.most - self.end))
    }

    /// Adds slots whose space is set aside.
    pub(super) fn grow(&mut self, by: u64) {
        let end = self.end + by as u32;
        let words = (end as usize).div_ceil(64);
        self.taken.0.resize(words, 0);
        self.backed.0.resize(words, 0);
        self.backed.set(self.end..end, true);
        self.end = end;
        self.spare += by;
    }

    /// Takes slots back, whose space stays on the disk.
    pub(super) fn free(&mut self, run: Range<u32>) {
        debug_assert!(run.clone().all(|slot| self.taken.get(slot)), "only taken slots are freed");
        let count = u64::from(run.end - run.start);
        self.taken.set(run.clone(), false);
        self.backed.set(run, true);
        self.taken_count -= count;
        self.spare += count;
    }

    /// Takes slots back that were taken and not written: those that had no space on the disk have none.
    pub(super) fn free_unwritten(&mut self, run: Range<u32>) {
        let backed = run.clone().filter(|&slot| self.backed.get(slot)).count() as u64;
        self.taken_count -= u64::from(run.end - run.start);
        self.taken.set(run, false);
        self.spare += backed;
    }

    /// Which of these slots, just taken, have no space on the disk.
    pub(super) fn unbacked(&self, run: Range<u32>) -> Vec<u32> {
        run.filter(|&slot| !self.backed.get(slot)).collect()
    }

    /// Takes runs of spare slots, to be punched and then freed, until only `keep` are left or there are `runs`.
    pub(super) fn take_spare(&mut self, runs: usize, keep: u64) -> Vec<Range<u32>> {
        let mut found = Vec::new();
        let mut from = 0;
        while found.len() < runs && self.spare > keep {
            let most = u32::try_from(self.spare - keep).unwrap_or(u32::MAX);
            let Some(run) = self.take_within(from..self.end, most, false) else { break };
            from = run.end;
            found.push(run);
        }
        found
    }

    /// Takes slots back that were taken as spare.
    pub(super) fn free_punched(&mut self, run: Range<u32>, punched: bool) {
        self.free(run.clone());
        if punched {
            self.spare -= u64::from(run.end - run.start);
            self.backed.set(run, false);
        }
    }

    /// Whether just these slots are taken, and the counts are right.
    pub(super) fn check(&self, taken: &HashSet<u32>, report: &mut CheckReport) {
        let mut spare = 0;
        for slot in 0..self.end {
            let (is_taken, wanted) = (self.taken.get(slot), taken.contains(&slot));
            report.ensure(is_taken == wanted, || format!("slot {slot}: taken {is_taken}, of a chunk {wanted}"));
            spare += u64::from(!is_taken && self.backed.get(slot));
        }
        let (count, end) = (taken.len() as u64, self.end);
        report.ensure(taken.iter().all(|&slot| slot < end), || format!("a chunk in a slot past the last, {end}"));
        report.ensure(self.taken_count == count, || format!("{} slots are counted, {count} taken", self.taken_count));
        report.ensure(self.spare == spare, || format!("{} spare slots are counted, {spare} found", self.spare));
    }

    fn take_within(&mut self, within: Range<u32>, most: u32, unbacked: bool) -> Option<Range<u32>> {
        let (taken, backed) = (&self.taken, &self.backed);
        let free = |word: usize| !taken.0[word] & if unbacked { u64::MAX } else { backed.0[word] };
        let start = taken.find(within.clone(), free)?;
        let stop = within.end.min(start.saturating_add(most));
        let end = taken.find(start..stop, |word| !free(word)).unwrap_or(stop);
        self.take(start..end);
        Some(start..end)
    }

    fn take(&mut self, run: Range<u32>) {
        let backed = run.clone().filter(|&slot| self.backed.get(slot)).count() as u64;
        self.spare -= backed;
        self.taken_count += u64::from(run.end - run.start);
        self.taken.set(run.clone(), true);
        self.next = run.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grown(by: u64) -> Slots {
        let mut slots = Slots::new(1000);
        slots.grow(by);
        slots
    }

    #[test]
    fn runs_follow_each_other_to_the_end_and_then_fill_what_was_freed() {
        let mut slots = grown(100);
        assert_eq!(slots.take_run(70, false), Some(0..70));
        assert_eq!(slots.take_run(70, false), Some(70..100));
        slots.free(10..20);
        assert_eq!(slots.take_run(70, false), None);
        assert_eq!(slots.take_any(7, false), Some(10..17));
        slots.free(50..90);
        assert_eq!(slots.take_run(70, false), Some(17..20));
        assert_eq!(slots.take_run(70, false), Some(50..90));
        assert_eq!((slots.taken(), slots.spare()), (100, 0));
    }

    #[test]
    fn punched_slots_are_used_only_where_the_disk_has_room() {
        let mut slots = grown(64);
        assert_eq!(slots.take_run(64, false), Some(0..64));
        slots.free(0..8);
        slots.free(32..40);
        assert_eq!(slots.take_spare(9, 4), [0..8, 32..36]);
        slots.free_punched(0..8, true);
        slots.free_punched(32..36, false);
        assert_eq!(slots.spare(), 8);
        assert_eq!(slots.take_any(64, false), Some(36..40));
        assert_eq!(slots.take_any(64, false), Some(32..36));
        assert_eq!(slots.take_any(64, false), None);
        assert_eq!(slots.take_any(64, true), Some(0..8));
        assert_eq!((slots.taken(), slots.spare()), (64, 0));
    }

    #[test]
    fn slots_that_were_not_written_have_the_space_they_had() {
        let mut slots = grown(16);
        assert_eq!(slots.take_run(16, false), Some(0..16));
        slots.free(0..8);
        assert_eq!(slots.take_spare(1, 0).first(), Some(&(0..8)));
        slots.free_punched(0..4, true);
        slots.free_punched(4..8, false);
        assert_eq!(slots.take_any(8, true), Some(0..8));
        assert_eq!(slots.unbacked(0..8), [0, 1, 2, 3]);
        slots.free_unwritten(0..8);
        assert_eq!((slots.taken(), slots.spare()), (8, 4));
        assert_eq!(slots.take_any(8, false), Some(4..8));
        assert_eq!(slots.take_any(8, false), None);
    }

    #[test]
    fn the_limit_is_the_last_slot() {
        let mut slots = Slots::new(70);
        assert_eq!(slots.growth(), (0, 70));
        slots.grow(70);
        assert_eq!(slots.take_run(100, true), Some(0..70));
        assert_eq!((slots.take_run(1, true), slots.growth()), (None, (70, 0)));
    }
}
