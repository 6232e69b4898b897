//! Looking ahead: which chunks a reader is likely to want next, and when to have them read back.
//!
//! A stream does not know its readers. But who reads in order leaves chunks in memory behind him: the more of them
//! lie before the one he is at, the further ahead it pays to look. Nothing here can fail; a wrong guess costs a read.

use crate::data::chunk::Chunk;
use crate::radix::Radix;

/// The most chunks that are read back in one go: 1 MiB.
const WINDOW: u64 = 16;
/// Windows that are read before they are asked for.
const WINDOWS_AHEAD: u64 = 3;
/// Chunks looked back at: each doubles the window.
const BEHIND: u64 = 4;
/// What looking back counts at the front of a stream, where most who read in order begin.
const AT_THE_FRONT: u32 = 2;

/// Called by who is about to read `chunk`, at `index`, and others up to `end`. Has spilled ones read back together, and
/// those behind them before they are asked for.
#[cold]
pub(super) fn look(chunks: &Radix<Chunk>, chunk: &Chunk, index: u64, end: u64) {
    if !chunk.is_resident() {
        let window = (1 << behind(chunks, index)).max(end - index).min(WINDOW);
        chunk.fetch(following(chunks, index + 1, index + window));
    } else if chunk.is_ahead() {
        later(chunks, index);
    }
}

/// Whoever comes to bytes that were read ahead reads in order: time to read more. So far ahead that while he waits for
/// one window the next is under way.
fn later(chunks: &Radix<Chunk>, index: u64) {
    if !index.is_multiple_of(WINDOW / 2) {
        return;
    }
    for step in 1..=WINDOWS_AHEAD {
        let from = (index / WINDOW + step) * WINDOW;
        if chunks.get(from + WINDOW - 1).or_else(|| chunks.get(from)).is_some_and(|chunk| !chunk.is_resident()) {
            Chunk::fetch_later(following(chunks, from, from + WINDOW));
        }
    }
}

/// The chunks from `from` to before `to`, up to the first hole.
fn following(chunks: &Radix<Chunk>, from: u64, to: u64) -> impl Iterator<Item = &Chunk> {
    let stored = chunks.iter_from(from).zip(from..to);
    stored.take_while(|((found, _), wanted)| found == wanted).map(|((_, chunk), _)| chunk)
}

/// How many chunks before `index` are in memory.
fn behind(chunks: &Radix<Chunk>, index: u64) -> u32 {
    if index == 0 {
        return AT_THE_FRONT;
    }
    let before = (1..=BEHIND.min(index)).map(|step| chunks.get(index - step));
    before.take_while(|chunk| chunk.is_some_and(Chunk::is_resident)).count() as u32
}
