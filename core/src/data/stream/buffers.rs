//! Buffers that content of a base is read into on its way to a host: a few are kept, so that the next read finds memory that is there
//! already. What the allocator would have to find, and the kernel to clear, took longer than the reading.

use std::ops::Deref;

use crate::error::{Error, Result};
use crate::ledger::{Charge, Kind, Ledger, heap_bytes};
use crate::sync::CountsMutex as Mutex;

/// How many are kept.
const KEPT: usize = 4;
/// How large they are: as what a kernel asks for at a time.
const KEPT_BYTES: usize = 1 << 20;
/// For less the allocator is asked.
const WORTH_BYTES: usize = 64 << 10;

static FREE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Bytes that were read; the buffer goes back with them.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    length: usize,
    /// For what is worth counting: short ones are gone soon, and their number is that of requests.
    _charge: Option<Charge>,
}

impl Buffer {
    /// One of `length` bytes, filled by `fill`, which is to write all of it: other bytes were in it before.
    pub(super) fn filled(ledger: Ledger, length: usize, fill: impl FnOnce(&mut [u8]) -> Result<()>) -> Result<Buffer> {
        let bytes = free(length)?;
        let charge = || Charge::new(ledger, Kind::References, heap_bytes(bytes.len()));
        let _charge = (length >= WORTH_BYTES).then(charge);
        let mut buffer = Buffer { bytes, length, _charge };
        fill(&mut buffer.bytes[..length])?;
        Ok(buffer)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.bytes.len() != KEPT_BYTES {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let mut free = FREE.lock();
        if free.len() < KEPT {
            free.push(bytes);
        }
    }
}

fn free(length: usize) -> Result<Vec<u8>> {
    if !(WORTH_BYTES..=KEPT_BYTES).contains(&length) {
        return zeros(length);
    }
    let kept = FREE.lock().pop();
    kept.map_or_else(|| zeros(KEPT_BYTES), Ok)
}

fn zeros(length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| Error::NoSpace)?;
    bytes.resize(length, 0);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(length: usize, with: u8) -> Buffer {
        let fill = |into: &mut [u8]| {
            into.fill(with);
            Ok(())
        };
        Buffer::filled(Ledger::of_tests(), length, fill).unwrap()
    }

    #[test]
    fn buffers_are_as_long_as_was_asked_and_hold_what_was_read() {
        for round in 0..3 * KEPT {
            let lengths = [1, WORTH_BYTES, 100_000, KEPT_BYTES, KEPT_BYTES + 1];
            let all: Vec<Buffer> = lengths.iter().map(|&length| filled(length, round as u8)).collect();
            for (buffer, length) in all.iter().zip(lengths) {
                assert!(buffer.len() == length && buffer.iter().all(|&byte| byte == round as u8));
            }
        }
        assert!(FREE.lock().len() <= KEPT);
        assert!(Buffer::filled(Ledger::of_tests(), WORTH_BYTES, |_| Err(Error::NoSpace)).is_err());
    }
}
