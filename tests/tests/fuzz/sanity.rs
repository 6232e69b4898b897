//! Whether a volume is whole: every branch and snapshot is walked, every name must resolve, attributes must agree with
//! what is there, and content must be readable.

use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::time::{Duration, Instant};

use bough::ffi::attributes::*;
use bough::ffi::content::{FS_SEEK_DATA, fs_lseek, fs_read};
use bough::ffi::names::*;
use bough::ffi::refs::*;
use bough::ffi::results::*;
use bough::ffi::streams::{fs_stream, fs_stream_list, fs_stream_remove};
use bough::ffi::types::*;
use bough::ffi::view::{fs_view, fs_view_close};
use bough::ffi::volume::{fs_counters, fs_volume, fs_volume_stats};
use bough::ffi::xattrs::fs_xattr_list;

use crate::arguments::Twist;
use crate::harness::{Verdict, failed};
use crate::world::{World, blank, open_view, superuser};

/// How many stretches of data are read of one file.
const MOST_READS: usize = 64;
/// How long what was deleted may take to be freed, by a machine that does other things.
const FREED_WITHIN: Duration = Duration::from_secs(120);

struct Found {
    name: Vec<u8>,
    kind: u32,
    inode: u64,
    node: u64,
    attr: fs_attr,
}

unsafe extern "C" fn keep_ref(context: *mut c_void, record: *const fs_ref_record) -> bool {
    // SAFETY: the call hands over what it was given, and the record lives until this returns.
    unsafe { (*context.cast::<Vec<fs_ref_record>>()).push(*record) };
    true
}

/// Every branch and snapshot.
pub(crate) fn refs_of(volume: *const fs_volume) -> Vec<fs_ref_record> {
    let mut refs: Vec<fs_ref_record> = Vec::new();
    // SAFETY: the volume is alive, and so is the list.
    let result = unsafe { fs_ref_list(volume, Some(keep_ref), ptr::from_mut(&mut refs).cast()) };
    assert_eq!(result, FS_OK);
    refs
}

unsafe extern "C" fn keep_entry(context: *mut c_void, entry: *const fs_dirent) -> bool {
    // SAFETY: the call hands over what it was given; entry and name live until this returns.
    unsafe {
        let entry = &*entry;
        let name = std::slice::from_raw_parts(entry.name.cast::<u8>(), entry.name_bytes).to_vec();
        let attr = if entry.attr.is_null() { blank(Twist::Right) } else { *entry.attr };
        let found = Found { name, kind: entry.kind, inode: entry.inode, node: entry.node, attr };
        (*context.cast::<Vec<Found>>()).push(found);
    }
    true
}

fn list(view: *const fs_view, node: u64) -> Result<Vec<Found>, String> {
    let mut found: Vec<Found> = Vec::new();
    let context = ptr::from_mut(&mut found).cast();
    // SAFETY: all are alive.
    match unsafe { fs_readdir(view, &superuser(), node, 0, 0, FS_READDIR_ATTRIBUTES, Some(keep_entry), context) } {
        FS_OK => Ok(found),
        result => Err(format!("a directory cannot be listed: {result}")),
    }
}

fn attr_of(view: *const fs_view, node: u64) -> Result<fs_attr, String> {
    let mut attr: fs_attr = blank(Twist::Right);
    // SAFETY: all are alive.
    match unsafe { fs_getattr(view, node, &mut attr) } {
        FS_OK => Ok(attr),
        result => Err(format!("a node has no attributes: {result}")),
    }
}

/// Takes immutable and append-only off.
pub(crate) fn clear_flags(view: *const fs_view, node: u64) {
    let (mut set, mut attr): (fs_set_attr, fs_attr) = (blank(Twist::Right), blank(Twist::Right));
    set.valid = FS_SET_FLAGS;
    // SAFETY: all are alive.
    unsafe { fs_setattr(view, &superuser(), node, 0, &set, &mut attr) };
}

/// A walk through one tree.
struct Walk<'w> {
    view: *const fs_view,
    buffer: &'w mut [u8],
    /// Links that each inode says it has, and names found of it.
    links: HashMap<u64, (u32, u32)>,
}

impl Walk<'_> {
    fn directory(&mut self, node: u64, inode: u64) -> Verdict {
        let attr = attr_of(self.view, node)?;
        let entries = list(self.view, node)?;
        let below = entries.iter().filter(|entry| entry.kind == FS_KIND_DIRECTORY).count();
        if attr.length != entries.len() as u64 || attr.links as usize != below + 2 {
            let (length, links) = (attr.length, attr.links);
            return Err(format!("a directory of {} says {length}, with {below} below says {links}", entries.len()));
        }
        for entry in entries {
            self.entry(node, inode, &entry).map_err(|what| format!("{}: {what}", entry.name.escape_ascii()))?;
        }
        Ok(())
    }

    fn entry(&mut self, parent: u64, parent_inode: u64, entry: &Found) -> Verdict {
        let (name, mut again): (_, fs_entry) = (&entry.name, blank(Twist::Right));
        // SAFETY: all are alive.
        let result =
            unsafe { fs_lookup(self.view, &superuser(), parent, name.as_ptr().cast(), name.len(), &mut again) };
        if result != FS_OK || again.node != entry.node || again.attr.inode != entry.inode {
            return Err(format!("a name that is listed is not found, or is another: {result}"));
        }
        if entry.kind != entry.attr.kind || entry.inode != entry.attr.inode {
            return Err("an entry says another kind or inode than its attributes".into());
        }
        let links = self.links.entry(entry.inode).or_insert((entry.attr.links, 0));
        links.1 += 1;
        let names = links.1;
        if names > 1 && entry.kind != FS_KIND_DIRECTORY {
            return Ok(());
        }
        self.xattrs(entry.node)?;
        match entry.kind {
            FS_KIND_DIRECTORY if names > 1 => Err("a directory has two names".into()),
            FS_KIND_DIRECTORY if entry.attr.parent != parent_inode => Err("a directory says another parent".into()),
            FS_KIND_DIRECTORY => self.directory(entry.node, entry.inode),
            FS_KIND_FILE => self.file(entry.node, &entry.attr),
            FS_KIND_SYMLINK => self.symlink(entry.node, &entry.attr),
            _ => Ok(()),
        }
    }

    fn xattrs(&mut self, node: u64) -> Verdict {
        let mut size = 0;
        // SAFETY: all are alive; no room is fine for the size only.
        match unsafe { fs_xattr_list(self.view, &superuser(), node, ptr::null_mut(), 0, &mut size) } {
            FS_OK => Ok(()),
            result => Err(format!("extended attributes cannot be listed: {result}")),
        }
    }

    fn symlink(&mut self, node: u64, attr: &fs_attr) -> Verdict {
        let (into, mut size) = (self.buffer.as_mut_ptr().cast(), 0);
        // SAFETY: all are alive.
        let result = unsafe { fs_readlink(self.view, node, into, self.buffer.len(), &mut size) };
        if result == FS_OK && size as u64 == attr.length {
            Ok(())
        } else {
            Err(format!("a link cannot be read: {result}"))
        }
    }

    fn file(&mut self, node: u64, attr: &fs_attr) -> Verdict {
        let mut at = 0;
        for _ in 0..MOST_READS {
            let mut data = 0;
            // SAFETY: all are alive.
            match unsafe { fs_lseek(self.view, node, at, FS_SEEK_DATA, &mut data) } {
                FS_OK => at = self.read(node, data, attr.length)?,
                FS_NO_SUCH_OFFSET => break,
                result => return Err(format!("data cannot be sought: {result}")),
            }
        }
        self.read(node, attr.length.saturating_sub(1), attr.length).map(drop)
    }

    fn read(&mut self, node: u64, at: u64, length: u64) -> Result<u64, String> {
        let (into, mut size) = (self.buffer.as_mut_ptr().cast(), 0);
        let expected = (length - at).min(self.buffer.len() as u64);
        // SAFETY: all are alive.
        match unsafe { fs_read(self.view, &superuser(), node, 0, at, into, self.buffer.len(), &mut size) } {
            FS_OK if size as u64 == expected => Ok(at + expected),
            result => Err(format!("content cannot be read: {result}, {size} bytes at {at} of {length}")),
        }
    }
}

fn walk(view: *const fs_view, buffer: &mut [u8]) -> Verdict {
    let mut walk = Walk { view, buffer, links: HashMap::new() };
    let root = attr_of(view, FS_NODE_ROOT)?;
    walk.directory(FS_NODE_ROOT, root.inode)?;
    for (inode, (links, names)) in walk.links {
        let directory = links >= 2 && names == 1;
        if links != names && !directory {
            return Err(format!("inode {inode} says {links} links and has {names} names"));
        }
    }
    Ok(())
}

/// Walks every branch and snapshot.
pub(crate) fn check(world: &mut World) -> Verdict {
    for record in refs_of(world.volume) {
        let view = open_view(world.volume, record.id).map_err(|result| format!("a ref cannot be shown: {result}"))?;
        let verdict = walk(view, &mut world.buffer);
        // SAFETY: it is alive, and forgotten from here on.
        unsafe { fs_view_close(view) };
        verdict?;
    }
    Ok(())
}

unsafe extern "C" fn keep_stream(context: *mut c_void, stream: *const fs_stream) -> bool {
    // SAFETY: the call hands over what it was given; stream and name live until this returns.
    unsafe {
        let name = std::slice::from_raw_parts((*stream).name.cast::<u8>(), (*stream).name_bytes).to_vec();
        (*context.cast::<Vec<Vec<u8>>>()).push(name);
    }
    true
}

/// Removes the named streams of a directory that stays.
fn remove_streams(view: *const fs_view, node: u64) -> Verdict {
    let mut names: Vec<Vec<u8>> = Vec::new();
    // SAFETY: all are alive.
    let mut result = unsafe { fs_stream_list(view, node, Some(keep_stream), ptr::from_mut(&mut names).cast()) };
    for name in names {
        // SAFETY: all are alive, and as long as they say.
        let removed = unsafe { fs_stream_remove(view, &superuser(), node, name.as_ptr().cast(), name.len()) };
        result = result.max(removed);
    }
    if result == FS_OK { Ok(()) } else { Err(format!("streams cannot be listed and removed: {result}")) }
}

/// Removes all that is in a directory.
fn empty(view: *const fs_view, node: u64) -> Verdict {
    clear_flags(view, node);
    remove_streams(view, node)?;
    for entry in list(view, node)? {
        clear_flags(view, entry.node);
        let (name, length, who) = (entry.name.as_ptr().cast(), entry.name.len(), superuser());
        let result = match entry.kind {
            FS_KIND_DIRECTORY => {
                empty(view, entry.node)?;
                // SAFETY: all are alive, and as long as they say.
                unsafe { fs_rmdir(view, &who, node, name, length) }
            }
            // SAFETY: all are alive, and as long as they say.
            _ => unsafe { fs_unlink(view, &who, node, name, length) },
        };
        if result != FS_OK {
            return Err(format!("{} cannot be removed: {result}", entry.name.escape_ascii()));
        }
    }
    Ok(())
}

pub(crate) fn counters(volume: *const fs_volume) -> fs_counters {
    let mut counters: fs_counters = blank(Twist::Right);
    // SAFETY: both are alive.
    assert_eq!(unsafe { fs_volume_stats(volume, &mut counters) }, FS_OK);
    counters
}

/// Removes all there is, and waits until nothing is stored. Everything but the volume is closed before.
pub(crate) fn demand_empty(volume: *const fs_volume) -> Verdict {
    let refs = refs_of(volume);
    let kept = refs.iter().find(|record| record.id.kind == 1).ok_or("there is no branch")?.id;
    for record in refs.iter().filter(|record| record.id != kept) {
        // SAFETY: the volume is alive.
        let result = unsafe { fs_ref_delete(volume, record.id) };
        if result != FS_OK {
            return Err(format!("ref {:?} cannot be deleted when nothing is open: {result}", record.id));
        }
    }
    let view = open_view(volume, kept).map_err(|result| format!("the last branch cannot be shown: {result}"))?;
    let emptied = empty(view, FS_NODE_ROOT);
    // SAFETY: it is alive, and forgotten from here on.
    unsafe { fs_view_close(view) };
    emptied?;
    let begin = Instant::now();
    loop {
        let counters = counters(volume);
        if counters.chunks == 0 && counters.small_bytes == 0 && counters.views == 0 {
            return Ok(());
        }
        if begin.elapsed() > if failed() { FREED_WITHIN / 1000 } else { FREED_WITHIN } {
            let (chunks, bytes, views) = (counters.chunks, counters.small_bytes, counters.views);
            return Err(format!("of an empty volume {chunks} chunks, {bytes} small bytes, {views} views are left"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
