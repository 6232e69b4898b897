//! The spill: a device divided into slots of one chunk each, and what of its disk may be taken.
//!
//! Slots are handed out in runs, as long and as far forward as they can be had, so that what is spilled in order lies
//! in order. What is freed is kept for the next run, up to a little, and then given back to the disk in batches.
//! Invariant: a slot that was handed out is nobody else's until it is freed. One thread at a time has the device grow.

mod slots;

use std::collections::HashSet;
use std::io;
use std::ops::Range;

use self::slots::Slots;
use super::CHUNK_BYTES;
use super::device::SpillDevice;
use crate::check::CheckReport;
use crate::error::{Error, Result};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering::Relaxed};

const CHUNK: u64 = CHUNK_BYTES as u64;
/// By so many slots the device grows at a time.
const GROW_SLOTS: u64 = 1024;
/// The most runs that are punched in one go.
const PUNCH_RUNS: usize = 64;

/// What a store may take of its device.
#[derive(Debug, Clone)]
pub(crate) struct SpillConfig {
    /// The most bytes in use.
    pub(crate) limit_bytes: u64,
    /// Free space of the disk that is left to others.
    pub(crate) disk_reserve_bytes: u64,
    /// Freed space that is kept for what is spilled next.
    pub(crate) spare_bytes: u64,
}

impl Default for SpillConfig {
    fn default() -> Self {
        Self { limit_bytes: u64::MAX, disk_reserve_bytes: 256 << 20, spare_bytes: 256 << 20 }
    }
}

#[derive(Debug)]
pub(super) struct Spill {
    device: Box<dyn SpillDevice>,
    slots: Mutex<Slots>,
    config: SpillConfig,
    growing: Mutex<()>,
    /// The last attempt to punch failed.
    stuck: AtomicBool,
}

impl Spill {
    pub(super) fn new(device: Box<dyn SpillDevice>, config: SpillConfig) -> Self {
        let slots = Slots::new(config.limit_bytes / CHUNK);
        Self { device, slots: Mutex::new(slots), config, growing: Mutex::new(()), stuck: AtomicBool::new(false) }
    }

    /// Fills chunks from the slots that begin with `first`.
    pub(super) fn read(&self, first: u32, into: &mut [&mut [u8]]) -> Result<()> {
        self.device.read_at(offset(first), into).map_err(failure)
    }

    /// Writes chunks to the slots that begin with `first`.
    pub(super) fn write(&self, first: u32, from: &[&[u8]]) -> Result<()> {
        self.device.write_at(offset(first), from).map_err(failure)
    }

    /// Up to `most` neighbouring slots that are free. [`Error::NoSpace`] if there is none to be had.
    pub(super) fn take_run(&self, most: u32) -> Result<Range<u32>> {
        let room = self.slots_of_room();
        if let Some(run) = self.slots.lock().take_run(most, room >= u64::from(most)) {
            return Ok(run);
        }
        let _growing = self.growing.lock();
        // Somebody else may have seen to it.
        if let Some(run) = self.slots.lock().take_run(most, room >= u64::from(most)) {
            return Ok(run);
        }
        let grown = self.grow(room);
        // Even if the device cannot grow there may be something free in front.
        match (self.slots.lock().take_any(most, room >= u64::from(most)), grown) {
            (Some(run), _) => Ok(run),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(Error::NoSpace),
        }
    }

    /// As [`Spill::take_run`], with space on the disk set aside for all of it.
    pub(super) fn reserve_run(&self, most: u32) -> Result<Range<u32>> {
        let run = self.take_run(most)?;
        if self.slots.lock().are_backed(run.clone()) {
            return Ok(run);
        }
        let _growing = self.growing.lock();
        let set_aside = self.device.allocate(bytes_of(&run)).map_err(failure);
        if let Err(error) = set_aside {
            let punched = self.device.punch(bytes_of(&run)).is_ok();
            self.slots.lock().free_punched(run, punched);
            return Err(error);
        }
        Ok(run)
    }

    /// Takes slots back. Says whether there is enough to be punched.
    pub(super) fn free(&self, run: Range<u32>) -> bool {
        let mut slots = self.slots.lock();
        slots.free(run);
        self.is_spare(&slots)
    }

    /// Takes slots back that could not be written. What of the disk that has taken goes back, where it had none before.
    pub(super) fn free_unwritten(&self, run: Range<u32>) {
        let bare = self.slots.lock().unbacked(run.clone());
        for slot in bare {
            // A device that cannot punch keeps it until it is written over.
            let _ = self.device.punch(bytes_of(&(slot..slot + 1)));
        }
        self.slots.lock().free_unwritten(run);
    }

    /// Whether there is more freed space than is kept, and the device has not just refused to take it.
    pub(super) fn wants_punch(&self) -> bool {
        !self.stuck.load(Relaxed) && self.is_spare(&self.slots.lock())
    }

    /// Gives freed space back to the disk, if there is more than is kept.
    pub(super) fn punch_spare(&self) {
        loop {
            let mut slots = self.slots.lock();
            if !self.is_spare(&slots) {
                return;
            }
            let runs = slots.take_spare(PUNCH_RUNS, self.config.spare_bytes / CHUNK / 2);
            drop(slots);
            let punched: Vec<bool> = runs.iter().map(|run| self.device.punch(bytes_of(run)).is_ok()).collect();
            let mut slots = self.slots.lock();
            for (run, &punched) in runs.into_iter().zip(&punched) {
                slots.free_punched(run, punched);
            }
            // A device that cannot punch keeps the space until it is written over, which harms nobody.
            self.stuck.store(!punched.contains(&true), Relaxed);
            if self.stuck.load(Relaxed) {
                return;
            }
        }
    }

    /// Whether just these slots are taken.
    pub(super) fn check(&self, taken: &HashSet<u32>, report: &mut CheckReport) {
        self.slots.lock().check(taken, report);
    }

    /// Bytes in slots that are taken, and bytes that can still be spilled; none where that cannot be asked.
    pub(super) fn taken_and_room_bytes(&self) -> (u64, u64) {
        let room = self.device.room().unwrap_or(0).saturating_sub(self.config.disk_reserve_bytes);
        let slots = self.slots.lock();
        let taken = slots.taken() * CHUNK;
        let room = room.saturating_add(slots.spare() * CHUNK).min(self.config.limit_bytes.saturating_sub(taken));
        (taken, room)
    }

    /// How many more slots the disk has room for. A device that does not know finds out by trying.
    fn slots_of_room(&self) -> u64 {
        let room = self.device.room().unwrap_or(u64::MAX);
        room.saturating_sub(self.config.disk_reserve_bytes) / CHUNK
    }

    fn is_spare(&self, slots: &Slots) -> bool {
        slots.spare() * CHUNK > self.config.spare_bytes
    }

    /// Makes the device longer: by as much as its disk has room for.
    fn grow(&self, room: u64) -> Result<()> {
        let (end, most) = self.slots.lock().growth();
        let mut step = GROW_SLOTS.min(most).min(room);
        while step > 0 {
            let range = end * CHUNK..(end + step) * CHUNK;
            match self.device.allocate(range.clone()).map_err(failure) {
                Ok(()) => {
                    self.slots.lock().grow(step);
                    return Ok(());
                }
                Err(Error::NoSpace) => {
                    // Some file systems keep what they could set aside.
                    let _ = self.device.punch(range);
                    step /= 2;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::NoSpace)
    }
}

fn offset(slot: u32) -> u64 {
    u64::from(slot) * CHUNK
}

fn bytes_of(run: &Range<u32>) -> Range<u64> {
    offset(run.start)..offset(run.end)
}

fn failure(error: io::Error) -> Error {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    match error.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => Error::NoSpace,
        _ => Error::Io(error.to_string()),
    }
}
