//! A disk in memory that fails when it is told to.

use std::collections::HashMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::{CHUNK, CHUNK_BYTES};
use crate::data::chunk::SpillDevice;
use crate::sync::Mutex;

/// What a device is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Punch,
    Allocate,
}

pub(crate) const CALLS: [Call; 4] = [Call::Read, Call::Write, Call::Punch, Call::Allocate];

#[derive(Debug, Default)]
struct State {
    chunks: HashMap<u64, Box<[u8]>>,
    /// The most chunks.
    capacity: Option<u64>,
    /// Calls so far.
    calls: [u64; 4],
    /// The call that fails, and with what.
    plan: Option<(Call, u64, io::ErrorKind)>,
    dead: bool,
}

/// Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// Has the `nth` call from now on fail, counted from 0.
    pub(crate) fn fail(&self, call: Call, nth: u64, with: io::ErrorKind) {
        let mut state = self.0.lock();
        let at = state.calls[call as usize] + nth;
        state.plan = Some((call, at, with));
    }

    /// Has no call fail any more that has not failed yet.
    pub(crate) fn fail_no_more(&self) {
        self.0.lock().plan = None;
    }

    /// How often it was asked.
    pub(crate) fn calls(&self, call: Call) -> u64 {
        self.0.lock().calls[call as usize]
    }

    /// Lets nothing in beyond so many chunks.
    pub(crate) fn set_capacity(&self, chunks: Option<u64>) {
        self.0.lock().capacity = chunks;
    }

    /// Fails every write from now on, or no more.
    pub(crate) fn set_dead(&self, dead: bool) {
        self.0.lock().dead = dead;
    }

    /// Whether no store has it any more.
    pub(crate) fn is_the_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// How many chunks it holds.
    pub(crate) fn chunks(&self) -> u64 {
        self.0.lock().chunks.len() as u64
    }
}

impl State {
    fn call(&mut self, call: Call) -> io::Result<()> {
        let at = self.calls[call as usize];
        self.calls[call as usize] += 1;
        match self.plan {
            Some((planned, nth, kind)) if planned == call && nth == at => Err(kind.into()),
            _ if self.dead && call != Call::Read => Err(io::Error::other("dead")),
            _ => Ok(()),
        }
    }

    fn put(&mut self, chunk: u64, bytes: Box<[u8]>) -> io::Result<()> {
        let full = self.capacity.is_some_and(|capacity| self.chunks.len() as u64 >= capacity);
        if full && !self.chunks.contains_key(&chunk) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.chunks.insert(chunk, bytes);
        Ok(())
    }
}

fn numbers(range: &Range<u64>) -> Range<u64> {
    assert!(range.start.is_multiple_of(CHUNK) && range.end.is_multiple_of(CHUNK));
    range.start / CHUNK..range.end / CHUNK
}

fn is_aligned(part: &[u8]) -> bool {
    part.as_ptr().addr().is_multiple_of(4096)
}

impl SpillDevice for Disk {
    fn read_at(&self, offset: u64, into: &mut [&mut [u8]]) -> io::Result<()> {
        assert!(into.iter().all(|part| is_aligned(part)), "a real one would give up direct transfers");
        let mut state = self.0.lock();
        let called = state.call(Call::Read);
        for (chunk, part) in (offset / CHUNK..).zip(into) {
            assert_eq!(part.len(), CHUNK_BYTES);
            match (&called, state.chunks.get(&chunk)) {
                (Ok(()), Some(bytes)) => part.copy_from_slice(bytes),
                _ => part.fill(0xEE),
            }
        }
        called
    }

    fn write_at(&self, offset: u64, from: &[&[u8]]) -> io::Result<()> {
        assert!(from.iter().all(|part| is_aligned(part)), "a real one would give up direct transfers");
        let mut state = self.0.lock();
        let called = state.call(Call::Write);
        for (chunk, part) in (offset / CHUNK..).zip(from) {
            let spoiled = called.is_err().then(|| vec![0xDD; CHUNK_BYTES].into());
            state.put(chunk, spoiled.unwrap_or_else(|| (*part).into()))?;
        }
        called
    }

    fn punch(&self, range: Range<u64>) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call(Call::Punch)?;
        for chunk in numbers(&range) {
            state.chunks.remove(&chunk);
        }
        Ok(())
    }

    fn allocate(&self, range: Range<u64>) -> io::Result<()> {
        let mut state = self.0.lock();
        state.call(Call::Allocate)?;
        for chunk in numbers(&range) {
            state.put(chunk, vec![0xCC; CHUNK_BYTES].into())?;
        }
        Ok(())
    }

    fn room(&self) -> io::Result<u64> {
        let state = self.0.lock();
        let capacity = state.capacity.unwrap_or(1 << 20);
        Ok(capacity.saturating_sub(state.chunks.len() as u64) * CHUNK)
    }
}
