//! Through system calls, on tmpfs: names by the descriptor of their directory, content and attributes of open files by theirs.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{CONTENT, Names};
use crate::rows::{LARGE_BLOCK, LARGE_BLOCKS, PER_DIRECTORY, Side};

pub(crate) struct OnTmpfs {
    place: PathBuf,
    files: usize,
    directories: Vec<File>,
    names: Vec<CString>,
    new: Vec<CString>,
    /// Those with content: one in `step`.
    open: Vec<File>,
    step: usize,
    large: File,
}

fn in_c(names: Vec<String>) -> Vec<CString> {
    names.into_iter().map(|name| CString::new(name).unwrap()).collect()
}

fn raise_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a structure of its own to write to and to read from.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

impl OnTmpfs {
    pub(crate) fn filled(place: &Path, files: usize) -> OnTmpfs {
        raise_limit();
        let place = place.join(format!("bough-bench-{}", std::process::id()));
        fs::create_dir(&place).expect("a folder on tmpfs to work in");
        let Names { files: names, new, step } = Names::of(files);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true);
        let large = options.open(place.join("large")).unwrap();
        for block in 0..LARGE_BLOCKS {
            large.write_all_at(&vec![5; LARGE_BLOCK], (block * LARGE_BLOCK) as u64).unwrap();
        }
        let (mut directories, mut open) = (Vec::new(), Vec::new());
        for file in 0..files {
            let directory = place.join(format!("d{}", file / PER_DIRECTORY));
            if file.is_multiple_of(PER_DIRECTORY) {
                fs::create_dir(&directory).unwrap();
                directories.push(File::open(&directory).unwrap());
            }
            let made = options.open(directory.join(&names[file % PER_DIRECTORY])).unwrap();
            if file.is_multiple_of(step) {
                made.write_all_at(&CONTENT, 0).unwrap();
                open.push(made);
            }
        }
        OnTmpfs { place, files, directories, names: in_c(names), new: in_c(new), open, step, large }
    }

    fn parent(&self, file: usize) -> i32 {
        self.directories[file / PER_DIRECTORY].as_raw_fd()
    }
}

impl Drop for OnTmpfs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.place);
    }
}

impl Side for OnTmpfs {
    fn files(&self) -> usize {
        self.files
    }

    fn lookup(&self, file: usize) {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        let name = self.names[file % PER_DIRECTORY].as_ptr();
        // SAFETY: a name that ends in NUL, and room for the answer.
        assert_eq!(unsafe { libc::fstatat(self.parent(file), name, stat.as_mut_ptr(), libc::AT_SYMLINK_NOFOLLOW) }, 0);
    }

    fn lookup_new(&self, file: usize) {
        self.lookup(file);
    }

    fn stat(&self, file: usize) {
        self.lookup(file);
    }

    fn getattr(&self, file: usize) {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: room for the answer.
        assert_eq!(unsafe { libc::fstat(self.open[file / self.step].as_raw_fd(), stat.as_mut_ptr()) }, 0);
    }

    fn create(&self, file: usize, name: usize) {
        // SAFETY: a name that ends in NUL.
        let made = unsafe { libc::mknodat(self.parent(file), self.new[name].as_ptr(), libc::S_IFREG | 0o644, 0) };
        assert_eq!(made, 0);
    }

    fn remove(&self, file: usize, name: usize) {
        // SAFETY: a name that ends in NUL.
        assert_eq!(unsafe { libc::unlinkat(self.parent(file), self.new[name].as_ptr(), 0) }, 0);
    }

    fn read(&self, file: usize, into: &mut [u8]) {
        self.open[file / self.step].read_exact_at(into, 0).unwrap();
    }

    fn write(&self, file: usize, from: &[u8]) {
        self.open[file / self.step].write_all_at(from, 0).unwrap();
    }

    fn read_large(&self, block: usize, into: &mut [u8]) {
        self.large.read_exact_at(into, (block * LARGE_BLOCK) as u64).unwrap();
    }
}
