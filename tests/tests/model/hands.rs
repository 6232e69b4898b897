//! A program that does the operations of the list by calls of the C API alone.

use std::ffi::c_void;
use std::ptr;

use bough::control::messages::FS_REF_BRANCH;
use bough::ffi::attributes::*;
use bough::ffi::content::*;
use bough::ffi::diff::*;
use bough::ffi::names::*;
use bough::ffi::paths::*;
use bough::ffi::refs::*;
use bough::ffi::results::*;
use bough::ffi::streams::*;
use bough::ffi::types::*;
use bough::ffi::view::*;
use bough::ffi::volume::*;
use bough::ffi::xattrs::*;
use bough::{NamePolicy, RenameMode, XattrMode};

use crate::naive::{How, Path, What};
use crate::operations::{Io, Op, SLOTS};
use crate::oracle::{Answer, CALLERS, pattern};

pub(crate) type Outcome<T> = Result<T, fs_result>;

/// No handle has this number.
const NO_FILE: u64 = u64::MAX - 1;
const MEMORY_BYTES: u64 = 64 << 20;

/// A structure of zeros with its size filled in.
pub(crate) fn blank<S: Copy>() -> S {
    // SAFETY: the structures of the C API are made of numbers and raw pointers, of which zero is a value.
    let mut structure: S = unsafe { std::mem::zeroed() };
    // SAFETY: every structure begins with its size, a u32.
    unsafe { ptr::from_mut(&mut structure).cast::<u32>().write(size_of::<S>() as u32) };
    structure
}

pub(crate) fn ok(result: fs_result) -> Outcome<()> {
    if result == FS_OK { Ok(()) } else { Err(result) }
}

fn caller(by: usize) -> fs_caller {
    let who = &CALLERS[by];
    let mut caller: fs_caller = blank();
    (caller.uid, caller.gid, caller.umask) = (who.uid, who.gid, who.umask);
    caller.privileges = if who.uid == 0 { FS_PRIVILEGE_SUPERUSER } else { 0 };
    (caller.groups, caller.groups_count) = (who.groups.as_ptr(), who.groups.len() as u32);
    caller
}

pub(crate) fn superuser() -> fs_caller {
    caller(0)
}

/// A view that closes itself.
pub(crate) struct View(pub(crate) *mut fs_view);

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: it is open, and nobody else has it.
        unsafe { fs_view_close(self.0) };
    }
}

pub(crate) struct Hands {
    volume: *mut fs_volume,
    pub(crate) view: *mut fs_view,
    handles: [u64; SLOTS],
}

impl Drop for Hands {
    fn drop(&mut self) {
        // SAFETY: both are open; closing a view closes its handles.
        unsafe {
            fs_view_close(self.view);
            fs_volume_close(self.volume);
        }
    }
}

fn flags(path: &Path) -> u32 {
    if path.follow { 0 } else { FS_PATH_NO_FOLLOW }
}

fn options(how: How) -> fs_open_options {
    let mut options: fs_open_options = blank();
    let bits = [
        (how.read, FS_OPEN_READ),
        (how.write, FS_OPEN_WRITE),
        (how.append, FS_OPEN_APPEND),
        (how.truncate, FS_OPEN_TRUNCATE),
        (how.exclusive, FS_OPEN_EXCLUSIVE),
        (how.create.is_some(), FS_OPEN_CREATE),
    ];
    options.flags = bits.iter().filter(|(is_set, _)| *is_set).map(|(_, bit)| bit).sum();
    options.mode = how.create.unwrap_or(0);
    options
}

/// What `fs_setattr` is to set.
fn wanted(op: &Op) -> fs_set_attr {
    let mut set: fs_set_attr = blank();
    match op {
        Op::Chmod(_, mode) => (set.valid, set.mode) = (FS_SET_MODE, *mode),
        Op::Chown(_, uid, gid) => {
            set.valid = uid.map_or(0, |_| FS_SET_UID) | gid.map_or(0, |_| FS_SET_GID);
            (set.uid, set.gid) = (uid.unwrap_or(0), gid.unwrap_or(0));
        }
        Op::SetTimes(_, None) => set.valid = FS_SET_ACCESSED_NOW | FS_SET_MODIFIED_NOW,
        Op::SetTimes(_, Some(time)) => {
            set.valid = FS_SET_ACCESSED | FS_SET_MODIFIED;
            (set.accessed, set.modified) = (*time, *time);
        }
        Op::SetFlags(_, flags) => (set.valid, set.flags) = (FS_SET_FLAGS, *flags),
        Op::Truncate(_, size) => (set.valid, set.length) = (FS_SET_LENGTH, *size as u64),
        _ => unreachable!("the others set nothing"),
    }
    set
}

unsafe extern "C" fn keep_name(context: *mut c_void, record: *const fs_ref_record) -> bool {
    // SAFETY: the call hands over what it was given, and the record lives until this returns.
    let (names, record) = unsafe { (&mut *context.cast::<Vec<String>>(), &*record) };
    names.push(
        String::from_utf8(record.name[..record.name_bytes as usize].iter().map(|byte| *byte as u8).collect()).unwrap(),
    );
    true
}

impl Hands {
    pub(crate) fn new(names: NamePolicy) -> Hands {
        let mut config: fs_config = blank();
        (config.root_mode, config.memory_bytes) = (0o777, MEMORY_BYTES);
        config.names = if names == NamePolicy::Windows { FS_NAMES_WINDOWS } else { FS_NAMES_POSIX };
        let (mut volume, mut main) = (ptr::null_mut(), blank_ref());
        // SAFETY: all are alive, and as long as they say.
        unsafe {
            assert_eq!(fs_volume_open(&config, &mut volume), FS_OK);
            assert_eq!(fs_ref_find(volume, c"main".as_ptr(), 4, &mut main), FS_OK);
        }
        Hands { volume, view: open_view(volume, main), handles: [NO_FILE; SLOTS] }
    }

    /// Names of branches and snapshots, in order.
    pub(crate) fn refs(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        // SAFETY: the volume is alive, and so is the list.
        let result = unsafe { fs_ref_list(self.volume, Some(keep_name), ptr::from_mut(&mut names).cast()) };
        assert_eq!(result, FS_OK);
        names.sort_unstable();
        names
    }

    pub(crate) fn view_of(&self, name: &str) -> View {
        View(open_view(self.volume, self.find(name).unwrap()))
    }

    fn find(&self, name: &str) -> Outcome<fs_ref> {
        let mut found = blank_ref();
        // SAFETY: all are alive, and as long as they say.
        ok(unsafe { fs_ref_find(self.volume, name.as_ptr().cast(), name.len(), &mut found) }).map(|()| found)
    }

    pub(crate) fn perform(&mut self, by: usize, op: &Op) -> Outcome<Answer> {
        let who = caller(by);
        match op {
            Op::ReadLink(path) => return self.read_link(&who, path).map(Answer::Bytes),
            Op::With(path, how, io) => {
                let file = self.open(&who, path, *how)?;
                let answer = self.io(&who, file, *io);
                self.release(file)?;
                return answer;
            }
            Op::On(slot, io) => return self.io(&who, self.handles[*slot], *io),
            Op::Copy { from, from_offset, to, to_offset, length } => {
                return self.copy(&who, (from, *from_offset), (to, *to_offset), *length);
            }
            Op::WriteStream(path, name, offset, length, fill) => {
                let io = Io::Write { offset: *offset, length: *length, fill: *fill };
                return self.write_stream(&who, path, name, io);
            }
            Op::Open(slot, path, how) => {
                let file = self.open(&who, path, *how)?;
                match std::mem::replace(&mut self.handles[*slot], file) {
                    NO_FILE => Ok(()),
                    old => self.release(old),
                }
            }
            Op::Close(slot) => {
                let file = std::mem::replace(&mut self.handles[*slot], NO_FILE);
                self.release(file)
            }
            Op::RenameStream(..) | Op::RemoveStream(..) => self.streams(&who, op),
            Op::Snapshot { .. }
            | Op::Branch { .. }
            | Op::Switch(_)
            | Op::RenameRef(..)
            | Op::DeleteRef(_)
            | Op::Diff(..) => self.history(op),
            _ => self.by_path(&who, op),
        }
        .map(|()| Answer::Done)
    }

    fn by_path(&self, who: &fs_caller, op: &Op) -> Outcome<()> {
        let (view, start, mut attr): (_, _, fs_attr) = (self.view, FS_NODE_ROOT, blank());
        let place = |path: &Path| (path.text.as_ptr().cast(), path.text.len());
        // SAFETY: all are alive, and as long as they say.
        let result = unsafe {
            match op {
                Op::Make(path, mode, what) => return self.make(who, path, *mode, *what),
                Op::Unlink(path) => fs_path_unlink(view, who, start, place(path).0, place(path).1),
                Op::Rmdir(path) => fs_path_rmdir(view, who, start, place(path).0, place(path).1),
                Op::Link(path, new) => {
                    let ((from, from_bytes), (to, to_bytes)) = (place(path), place(new));
                    fs_path_link(view, who, start, from, from_bytes, flags(path), start, to, to_bytes, &mut attr)
                }
                Op::Rename(path, new, mode) => {
                    let how = match mode {
                        RenameMode::Replace => FS_RENAME_REPLACE,
                        RenameMode::NoReplace => FS_RENAME_NO_REPLACE,
                        RenameMode::Exchange => FS_RENAME_EXCHANGE,
                    };
                    let ((from, from_bytes), (to, to_bytes)) = (place(path), place(new));
                    fs_path_rename(view, who, start, from, from_bytes, start, to, to_bytes, how)
                }
                Op::SetXattr(path, name, value, mode) => {
                    let how = match mode {
                        XattrMode::Set => FS_XATTR_SET,
                        XattrMode::Create => FS_XATTR_CREATE,
                        XattrMode::Replace => FS_XATTR_REPLACE,
                    };
                    let ((path_at, bytes), (name_at, name_bytes)) = (place(path), (name.as_ptr().cast(), name.len()));
                    let (value, follow) = ([*value; 9], flags(path));
                    let value_at = value.as_ptr().cast();
                    fs_path_xattr_set(view, who, start, path_at, bytes, follow, name_at, name_bytes, value_at, 9, how)
                }
                Op::RemoveXattr(path, name) => {
                    let (at, bytes) = place(path);
                    fs_path_xattr_remove(view, who, start, at, bytes, flags(path), name.as_ptr().cast(), name.len())
                }
                Op::Access(path, want) => {
                    fs_path_access(view, who, start, place(path).0, place(path).1, flags(path), *want)
                }
                Op::Chmod(path, _)
                | Op::Chown(path, ..)
                | Op::SetTimes(path, _)
                | Op::SetFlags(path, _)
                | Op::Truncate(path, _) => {
                    let (at, bytes) = place(path);
                    fs_path_setattr(view, who, start, at, bytes, flags(path), &wanted(op), &mut attr)
                }
                _ => unreachable!("every other operation is done"),
            }
        };
        ok(result)
    }

    fn make(&self, who: &fs_caller, path: &Path, mode: u32, what: What) -> Outcome<()> {
        let (view, start, mut attr): (_, _, fs_attr) = (self.view, FS_NODE_ROOT, blank());
        let (at, bytes) = (path.text.as_ptr().cast(), path.text.len());
        let (kind, device) = match what {
            What::Fifo => (FS_KIND_FIFO, 0),
            What::Device(number) => (FS_KIND_CHAR_DEVICE, number),
            _ => (FS_KIND_FILE, 0),
        };
        // SAFETY: all are alive, and as long as they say.
        ok(unsafe {
            match what {
                What::Directory => fs_path_mkdir(view, who, start, at, bytes, mode, &mut attr),
                What::Symlink(target) => {
                    fs_path_symlink(view, who, start, at, bytes, target.as_ptr().cast(), target.len(), &mut attr)
                }
                _ => fs_path_mknod(view, who, start, at, bytes, mode, kind, device, &mut attr),
            }
        })
    }

    fn read_link(&self, who: &fs_caller, path: &Path) -> Outcome<Vec<u8>> {
        let (mut into, mut length) = (vec![0_u8; 4096], 0);
        let (at, bytes) = (path.text.as_ptr().cast(), path.text.len());
        let place = into.as_mut_ptr().cast();
        // SAFETY: all are alive, and as long as they say.
        ok(unsafe { fs_path_readlink(self.view, who, FS_NODE_ROOT, at, bytes, place, 4096, &mut length) })?;
        into.truncate(length);
        Ok(into)
    }

    fn open(&self, who: &fs_caller, path: &Path, how: How) -> Outcome<u64> {
        let (mut file, at, bytes) = (0, path.text.as_ptr().cast(), path.text.len());
        let options = options(how);
        // SAFETY: all are alive, and as long as they say.
        ok(unsafe { fs_path_open(self.view, who, FS_NODE_ROOT, at, bytes, flags(path), &options, &mut file) })?;
        Ok(file)
    }

    fn release(&self, file: u64) -> Outcome<()> {
        // SAFETY: the view is alive.
        ok(unsafe { fs_release(self.view, file) })
    }

    fn io(&self, who: &fs_caller, file: u64, io: Io) -> Outcome<Answer> {
        let keeping = |how: u32, keep: bool| if keep { how | FS_ALLOCATE_KEEP_SIZE } else { how };
        let allocate = |offset: usize, length: usize, how: u32| {
            // SAFETY: all are alive.
            let result = unsafe { fs_fallocate(self.view, who, 0, file, offset as u64, length as u64, how) };
            ok(result).map(|()| Answer::Done)
        };
        match io {
            Io::Read => read_all(self.view, who, 0, file).map(Answer::Bytes),
            Io::Write { offset, length, fill } => self.write(who, file, offset as u64, &pattern(length, fill)),
            Io::Append { length, fill } => self.write(who, file, FS_OFFSET_END, &pattern(length, fill)),
            Io::Punch { offset, length } => allocate(offset, length, FS_ALLOCATE_PUNCH),
            Io::Zero { offset, length, keep } => allocate(offset, length, keeping(FS_ALLOCATE_ZERO, keep)),
            Io::Reserve { offset, length, keep } => allocate(offset, length, keeping(FS_ALLOCATE_RESERVE, keep)),
        }
    }

    fn write(&self, who: &fs_caller, file: u64, offset: u64, data: &[u8]) -> Outcome<Answer> {
        let mut count = 0;
        // SAFETY: all are alive, and as long as they say.
        let result = unsafe { fs_write(self.view, who, 0, file, offset, data.as_ptr().cast(), data.len(), &mut count) };
        ok(result).map(|()| Answer::Count(count))
    }

    fn copy(&self, who: &fs_caller, from: (&Path, usize), to: (&Path, usize), length: usize) -> Outcome<Answer> {
        let source = self.open(who, from.0, How { read: true, ..How::default() })?;
        let target = self.open(who, to.0, How { write: true, ..How::default() });
        let answer = target.and_then(|target| {
            let (mut copied, offsets) = (0, (from.1 as u64, to.1 as u64));
            let length = length as u64;
            // SAFETY: all are alive.
            let result = unsafe {
                fs_copy_range(self.view, who, 0, source, offsets.0, 0, target, offsets.1, length, &mut copied)
            };
            self.release(target)?;
            ok(result).map(|()| Answer::Count(copied as usize))
        });
        self.release(source)?;
        answer
    }

    /// Does it to the node that a path leads to.
    fn at_node<T>(&self, who: &fs_caller, path: &Path, run: impl FnOnce(u64) -> Outcome<T>) -> Outcome<T> {
        let (mut entry, at, bytes): (fs_entry, _, _) = (blank(), path.text.as_ptr().cast(), path.text.len());
        // SAFETY: all are alive, and as long as they say.
        ok(unsafe { fs_path_lookup(self.view, who, FS_NODE_ROOT, at, bytes, flags(path), &mut entry) })?;
        let answer = run(entry.node);
        // SAFETY: the view is alive.
        ok(unsafe { fs_forget(self.view, entry.node, 1) })?;
        answer
    }

    fn write_stream(&self, who: &fs_caller, path: &Path, name: &str, io: Io) -> Outcome<Answer> {
        self.at_node(who, path, |node| {
            let (options, mut file) = (options(How { write: true, create: Some(0), ..How::default() }), 0);
            let (name, name_bytes) = (name.as_ptr().cast(), name.len());
            // SAFETY: all are alive, and as long as they say.
            ok(unsafe { fs_stream_open(self.view, who, node, name, name_bytes, &options, &mut file) })?;
            let answer = self.io(who, file, io);
            self.release(file)?;
            answer
        })
    }

    fn streams(&self, who: &fs_caller, op: &Op) -> Outcome<()> {
        let place = |name: &'static str| (name.as_ptr().cast(), name.len());
        let view = self.view;
        match op {
            Op::RenameStream(path, name, new, replace) => self.at_node(who, path, |node| {
                let ((name, bytes), (new, new_bytes)) = (place(name), place(new));
                let how = if *replace { FS_STREAM_REPLACE } else { 0 };
                // SAFETY: all are alive, and as long as they say.
                ok(unsafe { fs_stream_rename(view, who, node, name, bytes, new, new_bytes, how) })
            }),
            Op::RemoveStream(path, name) => self.at_node(who, path, |node| {
                // SAFETY: all are alive, and as long as they say.
                ok(unsafe { fs_stream_remove(view, who, node, place(name).0, place(name).1) })
            }),
            _ => unreachable!("only streams are asked for"),
        }
    }

    fn history(&self, op: &Op) -> Outcome<()> {
        let (volume, mut made) = (self.volume, blank_ref());
        // SAFETY: all are alive, and as long as they say.
        ok(unsafe {
            match op {
                Op::Snapshot { branch, name } => {
                    let branch = self.find(branch)?;
                    if branch.kind != FS_REF_BRANCH {
                        // A program is told that what it passed is no branch; the model has one word for it.
                        assert_eq!(fs_snapshot_create(volume, branch, ptr::null(), 0, &mut made), FS_INVALID);
                        return Err(FS_NOT_SUPPORTED);
                    }
                    let (name, bytes) = name.map_or((ptr::null(), 0), |name| (name.as_ptr().cast(), name.len()));
                    fs_snapshot_create(volume, branch, name, bytes, &mut made)
                }
                Op::Branch { name, from } => {
                    fs_branch_create(volume, name.as_ptr().cast(), name.len(), self.find(from)?, &mut made)
                }
                Op::Switch(name) => fs_branch_switch(self.view, self.find(name)?),
                Op::RenameRef(name, new) => fs_ref_rename(volume, self.find(name)?, new.as_ptr().cast(), new.len()),
                Op::DeleteRef(name) => fs_ref_delete(volume, self.find(name)?),
                Op::Diff(a, b) => return self.diff(self.find(a)?, self.find(b)?),
                _ => unreachable!("only history is asked for"),
            }
        })
    }

    /// Reads a diff to its end.
    fn diff(&self, before: fs_ref, after: fs_ref) -> Outcome<()> {
        let (mut diff, mut entry): (_, fs_diff_entry) = (ptr::null_mut(), blank());
        // SAFETY: all are alive until the diff is closed, once.
        unsafe {
            ok(fs_diff_open(self.volume, before, after, &mut diff))?;
            let mut read = fs_diff_next(diff, &mut entry);
            while read == FS_OK && entry.kind != FS_DIFF_END {
                read = fs_diff_next(diff, &mut entry);
            }
            fs_diff_close(diff);
            ok(read)
        }
    }
}

fn blank_ref() -> fs_ref {
    fs_ref { id: 0, kind: 0, reserved: 0 }
}

fn open_view(volume: *const fs_volume, shows: fs_ref) -> *mut fs_view {
    let mut view = ptr::null_mut();
    // SAFETY: the volume is alive, and no label is fine.
    assert_eq!(unsafe { fs_view_open(volume, shows, ptr::null(), 0, FS_VIEW_NO_ACCESS_TIME, &mut view) }, FS_OK);
    view
}

/// All bytes of a file, by handle or by node.
pub(crate) fn read_all(view: *const fs_view, who: &fs_caller, node: u64, file: u64) -> Outcome<Vec<u8>> {
    let (mut data, mut piece) = (Vec::new(), vec![0_u8; 100_000]);
    loop {
        let (mut count, place, offset) = (0, piece.as_mut_ptr().cast(), data.len() as u64);
        // SAFETY: all are alive, and as long as they say.
        ok(unsafe { fs_read(view, who, node, file, offset, place, piece.len(), &mut count) })?;
        data.extend_from_slice(&piece[..count]);
        if count < piece.len() {
            return Ok(data);
        }
    }
}
