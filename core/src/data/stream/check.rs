//! What must hold of a [`Stream`], and what all streams together hold.

use super::{Body, CHUNK, SMALL_BYTES, Stream};
use crate::check::{CheckReport, Visited};
use crate::data::chunk::{Census, ChunkStore};
use crate::limits::FILE_BYTES;

/// What was found in streams so far.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    chunks: Census,
    small_bytes: u64,
    visited: Visited,
}

impl Holdings {
    /// Compares it with what the store knows. `still`: nobody uses the store, and every stream was looked at.
    pub(crate) fn check(&self, store: &ChunkStore, still: bool, report: &mut CheckReport) {
        report.chunks = self.chunks.len() - self.chunks.slabs();
        store.check(&self.chunks, self.small_bytes, still, report);
    }
}

impl Stream {
    /// Counts what the stream holds, parts that others hold too only once, and looks whether it is sound.
    pub(crate) fn check(&self, what: &str, still: bool, holdings: &mut Holdings, report: &mut CheckReport) {
        report.ensure(self.size <= FILE_BYTES, || format!("{what}: {} bytes are more than a file holds", self.size));
        match &self.body {
            Body::Hole => {}
            Body::Small(small) => {
                let len = small.len();
                report.ensure(len <= SMALL_BYTES, || format!("{what}: a small buffer of {len}"));
                let end = len.min(usize::try_from(self.size).unwrap_or(usize::MAX));
                let clean = small.with_bytes(|bytes| bytes[end..].iter().all(|&byte| byte == 0)).unwrap_or(true);
                report.ensure(clean, || format!("{what}: bytes past the end of a small buffer's stream"));
                holdings.chunks.count_slot(small.slot());
                if holdings.visited.is_new(small.slot().place()) {
                    holdings.small_bytes += len as u64;
                    report.small_buffers += 1;
                }
            }
            Body::Chunks(chunks) => {
                let Holdings { chunks: census, visited, .. } = holdings;
                chunks.check(what, visited, report, |_, chunk| census.count(chunk));
                self.check_end(what, still, report);
            }
            Body::Over(over) => {
                let Holdings { chunks: census, visited, .. } = holdings;
                over.check(what, self.size, report);
                over.chunks.check(what, visited, report, |_, chunk| census.count(chunk));
                self.check_end(what, still, report);
            }
        }
    }

    /// What lies past the size is zero. On a volume in use only the chunk at the end is looked at, and if it is in memory.
    fn check_end(&self, what: &str, still: bool, report: &mut CheckReport) {
        let chunks = match &self.body {
            Body::Chunks(chunks) => chunks,
            Body::Over(over) => &over.chunks,
            Body::Hole | Body::Small(_) => return,
        };
        let past = chunks.iter_from(self.size / CHUNK).take(if still { usize::MAX } else { 1 });
        for (index, chunk) in past.filter(|(_, chunk)| still || chunk.is_resident()) {
            let start = self.size.saturating_sub(index * CHUNK).min(CHUNK) as usize;
            report.ensure(chunk.is_zero_from(start), || format!("{what}: bytes past the end, in chunk {index}"));
        }
    }
}
