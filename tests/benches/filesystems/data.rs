//! Content: large and small, hot and cold, past the page cache and through a mapping.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Instant;

use crate::rows::{Row, Unit, forget_caches};

const MEBIBYTE: usize = 1 << 20;
const FILE_MEBIBYTES: usize = 128;
const PAGE: usize = 4096;
const SMALL_OPERATIONS: usize = 10_000;
/// What reads and writes past the page cache must be aligned to.
const ALIGNMENT: usize = 4096;

/// Memory aligned as direct reads and writes ask.
struct Buffer {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    fn new(length: usize) -> Buffer {
        let memory = vec![7; length + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT);
        Buffer { memory, start, length }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.length]
    }
}

fn fill(path: &Path) {
    let block = vec![7; MEBIBYTE];
    let file = File::create(path).expect("an empty directory");
    for number in 0..FILE_MEBIBYTES {
        file.write_all_at(&block, (number * MEBIBYTE) as u64).expect("there is room");
    }
    file.sync_all().expect("fsync works");
}

/// Offsets that look random and are the same in every run.
fn scattered() -> impl Iterator<Item = u64> {
    let pages = (FILE_MEBIBYTES * MEBIBYTE / PAGE) as u64;
    let mut state = 88_172_645_463_325_252_u64;
    (0..SMALL_OPERATIONS).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % pages * PAGE as u64
    })
}

fn in_order() -> impl Iterator<Item = u64> {
    (0..FILE_MEBIBYTES).map(|number| (number * MEBIBYTE) as u64)
}

/// How a row opens and touches its file.
#[derive(Clone, Copy)]
struct Access {
    name: &'static str,
    writes: bool,
    small: bool,
    fresh: bool,
    cold: bool,
    flags: i32,
    sync: bool,
}

const PLAIN: Access =
    Access { name: "", writes: false, small: false, fresh: false, cold: false, flags: 0, sync: false };

const ACCESSES: &[Access] = &[
    Access { name: "write 1 MiB, new", writes: true, fresh: true, ..PLAIN },
    Access { name: "write 1 MiB, new, fsync", writes: true, fresh: true, sync: true, ..PLAIN },
    Access { name: "write 1 MiB, over", writes: true, ..PLAIN },
    Access { name: "write 1 MiB, direct", writes: true, flags: libc::O_DIRECT, ..PLAIN },
    Access { name: "read 1 MiB, hot", ..PLAIN },
    Access { name: "read 1 MiB, cold", cold: true, ..PLAIN },
    Access { name: "read 1 MiB, direct", flags: libc::O_DIRECT, ..PLAIN },
    Access { name: "write 4 KiB, random", writes: true, small: true, ..PLAIN },
    Access { name: "write 4 KiB, random, fsync", writes: true, small: true, sync: true, ..PLAIN },
    Access { name: "read 4 KiB, random, hot", small: true, ..PLAIN },
    Access { name: "read 4 KiB, random, cold", small: true, cold: true, ..PLAIN },
    Access { name: "read 4 KiB, random, direct", small: true, flags: libc::O_DIRECT, ..PLAIN },
];

fn touch(file: &File, access: Access, buffer: &mut [u8], offsets: impl Iterator<Item = u64>) -> Option<usize> {
    let mut count = 0;
    for offset in offsets {
        if access.writes { file.write_all_at(buffer, offset) } else { file.read_exact_at(buffer, offset) }.ok()?;
        count += 1;
    }
    Some(count)
}

/// Per MiB, or per 4 KiB. `None`: the file system does not do that (tmpfs of some kernels knows no direct access).
fn measure(place: &Path, access: Access) -> Option<f64> {
    let path = place.join("file");
    if !access.fresh {
        fill(&path);
    }
    if access.cold {
        forget_caches();
    } else if !access.writes && access.flags == 0 {
        fs::read(&path).ok()?;
    }
    let mut buffer = Buffer::new(if access.small { PAGE } else { MEBIBYTE });
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(access.fresh).custom_flags(access.flags).open(&path).ok()?;
    let start = Instant::now();
    let count = if access.small {
        touch(&file, access, buffer.bytes(), scattered())?
    } else {
        touch(&file, access, buffer.bytes(), in_order())?
    };
    if access.sync {
        file.sync_all().ok()?;
    }
    Some(start.elapsed().as_nanos() as f64 / count as f64)
}

/// Reads a file through a mapping, a byte of every page: per MiB.
fn map(place: &Path) -> Option<f64> {
    let path = place.join("file");
    fill(&path);
    forget_caches();
    let file = File::open(&path).ok()?;
    let start = Instant::now();
    let sum = mapped::sum_of_pages(&file, FILE_MEBIBYTES * MEBIBYTE)?;
    assert_eq!(sum, 7 * (FILE_MEBIBYTES * MEBIBYTE / PAGE) as u64);
    Some(start.elapsed().as_nanos() as f64 / FILE_MEBIBYTES as f64)
}

mod mapped {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    pub(super) fn sum_of_pages(file: &File, length: usize) -> Option<u64> {
        // SAFETY: a new mapping of a file that is open; nobody is told of it but this function.
        let map =
            unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if map == libc::MAP_FAILED {
            return None;
        }
        // SAFETY: mapped above, `length` bytes, and nobody makes the file shorter.
        let bytes = unsafe { std::slice::from_raw_parts(map.cast::<u8>(), length) };
        let sum = bytes.iter().step_by(super::PAGE).map(|byte| u64::from(*byte)).sum();
        // SAFETY: the mapping made above; the slice is not used any more.
        unsafe { libc::munmap(map, length) };
        Some(sum)
    }
}

pub(crate) fn rows() -> Vec<Row> {
    let row = |access: &'static Access| {
        let unit = if access.small { Unit::Operation } else { Unit::Mebibyte };
        Row::new("data", access.name, unit, |place: &Path| measure(place, *access))
    };
    let mut rows: Vec<Row> = ACCESSES.iter().map(row).collect();
    rows.push(Row::new("data", "read through a mapping, cold", Unit::Mebibyte, map));
    rows
}
