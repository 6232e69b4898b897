//! Through the exports that `include/bough.h` declares, with the structures that a program in C would pass.

use std::ffi::c_char;
use std::ptr::null_mut;

use bough::ffi::attributes::fs_getattr;
use bough::ffi::content::{FS_OPEN_READ, FS_OPEN_WRITE, fs_open, fs_open_options, fs_read, fs_write};
use bough::ffi::names::{fs_forget, fs_lookup, fs_mkdir, fs_mknod, fs_unlink};
use bough::ffi::paths::{FS_PATH_NO_FOLLOW, fs_path_getattr};
use bough::ffi::results::{FS_OK, fs_result};
use bough::ffi::types::*;
use bough::ffi::view::{fs_view, fs_view_close, fs_view_open};
use bough::ffi::volume::{fs_config, fs_volume, fs_volume_close, fs_volume_open};

use super::{CONTENT, Names, known, unknown};
use crate::rows::{LARGE_BLOCK, LARGE_BLOCKS, PER_DIRECTORY, Side};

pub(crate) struct InC {
    view: *mut fs_view,
    names: Names,
    directories: Vec<fs_node>,
    files: Vec<fs_node>,
    open: Vec<fs_handle>,
    large: fs_handle,
}

// SAFETY: any thread may use a view, says the header.
unsafe impl Sync for InC {}

/// A structure of which every bit is 0 but its size, as C's `{ .size = sizeof it }`.
fn zeroed<S>() -> S {
    let mut structure = std::mem::MaybeUninit::<S>::zeroed();
    // SAFETY: structures of the C API begin with their size, and are valid with all else 0.
    unsafe {
        structure.as_mut_ptr().cast::<u32>().write(size_of::<S>() as u32);
        structure.assume_init()
    }
}

fn superuser() -> fs_caller {
    fs_caller { privileges: FS_PRIVILEGE_SUPERUSER, ..zeroed() }
}

#[inline]
fn ok(result: fs_result) {
    assert_eq!(result, FS_OK);
}

fn new_view() -> *mut fs_view {
    let config = fs_config { memory_bytes: 8 << 30, ..zeroed() };
    let (mut volume, mut view): (*mut fs_volume, *mut fs_view) = (null_mut(), null_mut());
    // SAFETY: structures that outlive the calls; the volume is not used after it was closed.
    unsafe {
        ok(fs_volume_open(&raw const config, &raw mut volume));
        ok(fs_view_open(volume, zeroed_ref(), c"bench".as_ptr(), 5, 0, &raw mut view));
        fs_volume_close(volume);
    }
    view
}

fn zeroed_ref() -> fs_ref {
    // SAFETY: a plain value; all zero is none, says the header.
    unsafe { std::mem::zeroed() }
}

fn text(name: &str) -> (*const c_char, usize) {
    (name.as_ptr().cast(), name.len())
}

impl InC {
    pub(crate) fn filled(files: usize) -> InC {
        let names = Names::of(files);
        let mut side = InC { view: new_view(), names, directories: vec![], files: vec![], open: vec![], large: 0 };
        let large = side.make(FS_NODE_ROOT, "large");
        side.large = side.open(large);
        let block = vec![5; LARGE_BLOCK];
        (0..LARGE_BLOCKS).for_each(|at| side.write_at(side.large, (at * LARGE_BLOCK) as u64, &block));
        (0..files / PER_DIRECTORY).for_each(|directory| side.fill(directory));
        side
    }

    fn fill(&mut self, directory: usize) {
        let parent = self.make_directory(&format!("d{directory}"));
        self.directories.push(parent);
        for file in 0..PER_DIRECTORY {
            let node = self.make(parent, &self.names.files[file]);
            if self.files.len().is_multiple_of(self.names.step) {
                let handle = self.open(node);
                self.write_at(handle, 0, &CONTENT);
                self.open.push(handle);
            }
            if unknown(file) == file {
                self.forget(node);
            }
            self.files.push(node);
        }
    }

    fn make(&self, parent: fs_node, name: &str) -> fs_node {
        let (caller, mut entry, (name, length)) = (superuser(), zeroed::<fs_entry>(), text(name));
        // SAFETY: the view is open, and the structures outlive the call.
        ok(unsafe {
            fs_mknod(self.view, &raw const caller, parent, name, length, 0o644, FS_KIND_FILE, 0, &raw mut entry)
        });
        entry.node
    }

    fn make_directory(&self, name: &str) -> fs_node {
        let (caller, mut entry, (name, length)) = (superuser(), zeroed::<fs_entry>(), text(name));
        // SAFETY: as in `make`.
        ok(unsafe { fs_mkdir(self.view, &raw const caller, FS_NODE_ROOT, name, length, 0o755, &raw mut entry) });
        entry.node
    }

    fn find(&self, file: usize) -> fs_node {
        let (caller, mut entry) = (superuser(), zeroed::<fs_entry>());
        let (name, length) = text(self.names.file(file));
        // SAFETY: as in `make`.
        ok(unsafe { fs_lookup(self.view, &raw const caller, self.parent(file), name, length, &raw mut entry) });
        entry.node
    }

    fn open(&self, node: fs_node) -> fs_handle {
        let options = fs_open_options { flags: FS_OPEN_READ | FS_OPEN_WRITE, ..zeroed() };
        let (caller, mut handle) = (superuser(), 0);
        // SAFETY: as in `make`.
        ok(unsafe { fs_open(self.view, &raw const caller, node, &raw const options, &raw mut handle) });
        handle
    }

    fn forget(&self, node: fs_node) {
        // SAFETY: the view is open.
        ok(unsafe { fs_forget(self.view, node, 1) });
    }

    fn write_at(&self, handle: fs_handle, at: u64, from: &[u8]) {
        let (caller, mut written) = (superuser(), 0);
        let data = from.as_ptr().cast();
        // SAFETY: as in `make`, and the bytes are there during the call.
        let result =
            unsafe { fs_write(self.view, &raw const caller, 0, handle, at, data, from.len(), &raw mut written) };
        assert_eq!((result, written), (FS_OK, from.len()));
    }

    fn read_at(&self, handle: fs_handle, at: u64, into: &mut [u8]) {
        let (caller, mut read) = (superuser(), 0);
        let room = into.as_mut_ptr().cast();
        // SAFETY: as in `make`, and the room is there during the call.
        let result = unsafe { fs_read(self.view, &raw const caller, 0, handle, at, room, into.len(), &raw mut read) };
        assert_eq!((result, read), (FS_OK, into.len()));
    }

    fn parent(&self, file: usize) -> fs_node {
        self.directories[file / PER_DIRECTORY]
    }
}

impl Drop for InC {
    fn drop(&mut self) {
        // SAFETY: opened by `new_view`, and not used again.
        unsafe { fs_view_close(self.view) }
    }
}

impl Side for InC {
    fn files(&self) -> usize {
        self.files.len()
    }

    fn lookup(&self, file: usize) {
        let file = known(file);
        assert_eq!(self.find(file), self.files[file]);
    }

    fn lookup_new(&self, file: usize) {
        self.forget(self.find(unknown(file)));
    }

    fn stat(&self, file: usize) {
        let (caller, mut attr) = (superuser(), zeroed::<fs_attr>());
        let ((path, length), start, flags) = (text(self.names.file(file)), self.parent(file), FS_PATH_NO_FOLLOW);
        // SAFETY: as in `make`.
        ok(unsafe { fs_path_getattr(self.view, &raw const caller, start, path, length, flags, &raw mut attr) });
        assert_eq!(attr.links, 1);
    }

    fn getattr(&self, file: usize) {
        let mut attr = zeroed::<fs_attr>();
        // SAFETY: as in `make`.
        ok(unsafe { fs_getattr(self.view, self.files[file], &raw mut attr) });
        assert_eq!(attr.links, 1);
    }

    fn create(&self, file: usize, name: usize) {
        self.forget(self.make(self.parent(file), &self.names.new[name]));
    }

    fn remove(&self, file: usize, name: usize) {
        let (caller, (name, length)) = (superuser(), text(&self.names.new[name]));
        // SAFETY: as in `make`.
        ok(unsafe { fs_unlink(self.view, &raw const caller, self.parent(file), name, length) });
    }

    fn read(&self, file: usize, into: &mut [u8]) {
        self.read_at(self.open[file / self.names.step], 0, into);
    }

    fn write(&self, file: usize, from: &[u8]) {
        self.write_at(self.open[file / self.names.step], 0, from);
    }

    fn read_large(&self, block: usize, into: &mut [u8]) {
        self.read_at(self.large, (block * LARGE_BLOCK) as u64, into);
    }
}
