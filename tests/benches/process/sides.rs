//! The three that are measured: a volume through Rust, a volume through the C API, a tree on tmpfs through the kernel.

mod c;
mod rust;
mod tmpfs;

pub(crate) use c::InC;
pub(crate) use rust::InRust;
pub(crate) use tmpfs::OnTmpfs;

use crate::rows::{BLOCK, MOST_WITH_CONTENT, NEW_NAMES, PER_DIRECTORY};

/// Which files have content, and the names of all, made before the clock runs.
struct Names {
    files: Vec<String>,
    new: Vec<String>,
    /// Of so many files one has content.
    step: usize,
}

impl Names {
    fn of(files: usize) -> Names {
        assert!(files.is_multiple_of(PER_DIRECTORY), "whole directories of {PER_DIRECTORY}");
        Names {
            files: (0..PER_DIRECTORY).map(|file| format!("f{file}")).collect(),
            new: (0..NEW_NAMES).map(|name| format!("new-{name}")).collect(),
            step: files.div_ceil(MOST_WITH_CONTENT),
        }
    }

    fn file(&self, file: usize) -> &str {
        &self.files[file % PER_DIRECTORY]
    }
}

/// Of two neighbours one is known to the host, as if it were in a kernel's cache, and one is not.
fn known(file: usize) -> usize {
    file | 1
}

fn unknown(file: usize) -> usize {
    file & !1
}

const CONTENT: [u8; BLOCK] = [5; BLOCK];
