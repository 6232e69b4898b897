//! What the machine itself takes, whoever asks it: a wait for memory, and a copy of 4 KiB from where no cache has it. What an
//! operation takes is told in these too, so that a row says what it waits for.

use std::hint::black_box;
use std::time::Instant;

use crate::rows::{BLOCK, MOST_WITH_CONTENT, Order};

/// Metadata of a file: what an empty one takes (256 bytes, measured by the benchmark `memory` of core), and the references to every other.
const BYTES_OF_A_FILE: usize = 288;
const LOADS: usize = 100_000;
const COPIES: usize = 20_000;
/// Places that reading 4 KiB through a handle looks at one after the other before it comes to the content: of the table of handles two,
/// the handle, a node of the inode table, three of the inode, who has the slot, its slab, and its chunk.
pub(crate) const PLACES: usize = 10;

/// What comes from memory at a time. Says which is next.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(usize);

/// What a mapping consists of.
#[derive(Clone, Copy)]
#[repr(align(4096))]
struct Page([u8; BLOCK]);

/// As much memory as a volume takes for so many files, with and without their content.
pub(crate) struct Memory {
    lines: Vec<Line>,
    at: usize,
    pages: Vec<Page>,
}

impl Memory {
    pub(crate) fn of(files: usize) -> Memory {
        let mut lines: Vec<Line> = (0..files * BYTES_OF_A_FILE / size_of::<Line>()).map(Line).collect();
        let mut order = Order::of(0, 0);
        // Each has been exchanged with one before it: so it is one ring through all of them (Sattolo).
        for last in (1..lines.len()).rev() {
            lines.swap(last, order.below(last));
        }
        Memory { lines, at: 0, pages: pages() }
    }

    /// Nanoseconds of a load that the one before had to say where.
    pub(crate) fn wait(&mut self) -> f64 {
        let begun = Instant::now();
        self.go_round(LOADS);
        begun.elapsed().as_nanos() as f64 / LOADS as f64
    }

    fn go_round(&mut self, loads: usize) {
        for _ in 0..loads {
            self.at = self.lines[self.at].0;
        }
        black_box(self.at);
    }

    /// Nanoseconds of a copy of 4 KiB from one of so many places as there are files with content to always the same, behind so many such
    /// loads: they say where, and the last byte copied says where the next begin, so that nothing overlaps.
    pub(crate) fn copy_behind(&mut self, loads: usize, round: usize) -> f64 {
        let (mut order, mut into) = (Order::of(0, round), vec![7; BLOCK]);
        let places: Vec<usize> = (0..COPIES).map(|_| order.below(self.pages.len())).collect();
        let begun = Instant::now();
        for place in places {
            self.go_round(loads);
            let page = &self.pages[(place + self.at) % self.pages.len()];
            black_box(&mut into).copy_from_slice(&page.0);
            self.at = (self.at + usize::from(into[BLOCK - 1])) % self.lines.len();
        }
        begun.elapsed().as_nanos() as f64 / COPIES as f64
    }
}

/// Pages for content, as a volume has them: it refuses huge ones.
fn pages() -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::with_capacity(MOST_WITH_CONTENT);
    // SAFETY: whole pages of its own, of which this changes nothing that can be read.
    unsafe { libc::madvise(pages.as_mut_ptr().cast(), MOST_WITH_CONTENT * size_of::<Page>(), libc::MADV_NOHUGEPAGE) };
    pages.resize(MOST_WITH_CONTENT, Page([5; BLOCK]));
    pages
}
