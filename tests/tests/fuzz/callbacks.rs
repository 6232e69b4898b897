//! Callbacks that look at what they are given, and use the volume while they run, as they may.

use std::collections::HashSet;
use std::ffi::{c_char, c_void};
use std::ptr;
use std::slice;
use std::sync::Mutex;

use bough::ffi::events::fs_change;
use bough::ffi::names::*;
use bough::ffi::refs::{fs_branch_switch, fs_ref_record, fs_snapshot_create};
use bough::ffi::types::*;
use bough::ffi::view::{fs_view, fs_view_record};
use bough::ffi::volume::fs_volume;

use crate::arguments::Twist;
use crate::world::{World, blank, superuser};

/// What callbacks without a context of their own found wrong: they must not panic, and any thread may call them.
static COMPLAINT: Mutex<Option<&'static str>> = Mutex::new(None);

fn demand(holds: bool, what: &'static str) {
    if !holds {
        COMPLAINT.lock().unwrap().get_or_insert(what);
    }
}

pub(crate) fn complaint() -> Option<&'static str> {
    COMPLAINT.lock().unwrap().take()
}

/// One of the things done meanwhile: forgets a node once while it is given.
pub(crate) const FORGET: u32 = 4;

/// One listing of a directory.
pub(crate) struct Listing {
    view: *mut fs_view,
    volume: *const fs_volume,
    directory: u64,
    flags: u32,
    /// How many entries are taken.
    most: u32,
    /// What is done meanwhile.
    then: u32,
    last_cookie: u64,
    names: HashSet<Vec<u8>>,
    taken: Vec<u64>,
    complaint: Option<&'static str>,
}

impl Listing {
    pub(crate) fn new(world: &World, view: *mut fs_view, directory: u64, flags: u32, most: u32, then: u32) -> Listing {
        let most = if most > 20 { u32::MAX } else { most };
        Listing {
            view,
            volume: world.volume,
            directory,
            flags,
            most,
            then,
            last_cookie: 0,
            names: HashSet::new(),
            taken: Vec::new(),
            complaint: None,
        }
    }

    /// Hands on what was seen.
    pub(crate) fn tell(self, world: &mut World) {
        if let Some(complaint) = self.complaint {
            world.complain(complaint.to_owned());
        }
        for node in self.taken {
            world.know_node(self.view, node);
            if self.then == FORGET {
                world.let_go(self.view, node);
            }
        }
    }

    fn look(&mut self, entry: &fs_dirent, name: &[u8]) {
        if !(1..=765).contains(&name.len()) || name.contains(&0) || name.contains(&b'/') {
            self.complaint = Some("a listing holds a name that is none");
        }
        if entry.cookie <= self.last_cookie || entry.cookie >= 1 << 63 {
            self.complaint = Some("cookies do not grow");
        }
        if !self.names.insert(name.to_vec()) {
            self.complaint = Some("a listing repeats a name");
        }
        self.last_cookie = entry.cookie;
    }

    /// Uses the volume while the listing is under way.
    ///
    /// # Safety
    /// View and volume are alive.
    unsafe fn meddle(&mut self, entry: &fs_dirent) {
        let (who, name) = (superuser(), b"meddled");
        let mut made: fs_entry = blank(Twist::Right);
        let mut taken = fs_ref { id: 0, kind: 0, reserved: 0 };
        // SAFETY: the callback's promise is this function's own; the rest lives here.
        unsafe {
            match self.then {
                1 => {
                    fs_unlink(self.view, &who, self.directory, entry.name, entry.name_bytes);
                }
                2 => {
                    fs_rmdir(self.view, &who, self.directory, entry.name, entry.name_bytes);
                }
                3 => {
                    let made_it = fs_mkdir(self.view, &who, self.directory, name.as_ptr().cast(), 7, 0o700, &mut made);
                    if made_it == 0 {
                        self.taken.push(made.node);
                    }
                }
                FORGET => {
                    fs_forget(self.view, entry.node, 1);
                }
                5 => {
                    fs_branch_switch(self.view, fs_ref { id: 1, kind: 1, reserved: 0 });
                }
                6 => {
                    let branch = fs_ref { id: 1, kind: 1, reserved: 0 };
                    fs_snapshot_create(self.volume, branch, ptr::null(), 0, &mut taken);
                }
                7 => {
                    let to = name.as_ptr().cast();
                    fs_rename(self.view, &who, self.directory, entry.name, entry.name_bytes, self.directory, to, 7, 0);
                }
                _ => {}
            }
        }
    }
}

/// Takes entries until there are enough.
pub(crate) unsafe extern "C" fn listed(context: *mut c_void, entry: *const fs_dirent) -> bool {
    // SAFETY: the call hands over what it was given, and the entry lives until this returns.
    let (listing, entry) = unsafe { (&mut *context.cast::<Listing>(), &*entry) };
    // SAFETY: as the entry.
    let name = unsafe { slice::from_raw_parts(entry.name.cast::<u8>(), entry.name_bytes) };
    listing.look(entry, name);
    // SAFETY: the world's view and volume are alive.
    unsafe { listing.meddle(entry) };
    if listing.most == 0 {
        return false;
    }
    listing.most -= 1;
    if listing.flags & FS_READDIR_ATTRIBUTES != 0 && name != b"." && name != b".." {
        listing.taken.push(entry.node);
    }
    true
}

/// Counts down how many are wanted.
pub(crate) unsafe extern "C" fn ref_listed(context: *mut c_void, record: *const fs_ref_record) -> bool {
    // SAFETY: the call hands over what it was given, and the record lives until this returns.
    let (left, record) = unsafe { (&mut *context.cast::<u32>(), &*record) };
    let named = (1..256).contains(&record.name_bytes) && record.name[record.name_bytes as usize] == 0;
    demand(record.id.id != 0 && named, "a branch or snapshot without a name");
    *left = left.saturating_sub(1);
    *left > 0
}

/// Counts down how many are wanted.
pub(crate) unsafe extern "C" fn view_listed(context: *mut c_void, record: *const fs_view_record) -> bool {
    // SAFETY: the call hands over what it was given, and the record lives until this returns.
    let (left, record) = unsafe { (&mut *context.cast::<u32>(), &*record) };
    demand(record.id != 0 && !record.label.is_null(), "a view without an id");
    *left = left.saturating_sub(1);
    *left > 0
}

/// Counts the nodes that a host knows.
pub(crate) unsafe extern "C" fn node_given(context: *mut c_void, node: fs_node) -> bool {
    // SAFETY: the call hands over what it was given.
    let left = unsafe { &mut *context.cast::<u32>() };
    demand(node != 0 && node != FS_NODE_ROOT, "a node that nobody can know");
    *left = left.saturating_sub(1);
    *left > 0
}

/// Looks at a message.
pub(crate) unsafe extern "C" fn logged(_: *mut c_void, level: u32, message: *const c_char, message_bytes: usize) {
    // SAFETY: the message lives until this returns.
    let message = unsafe { slice::from_raw_parts(message.cast::<u8>(), message_bytes) };
    demand(
        (1..=5).contains(&level) && std::str::from_utf8(message).is_ok(),
        "a message that is no text, or of no level",
    );
    demand(!message.contains(&0) && !message.contains(&b'\n'), "a message with a NUL or line feed");
}

/// Takes as many as are wanted.
pub(crate) unsafe extern "C" fn change_taken(context: *mut c_void, change: *const fs_change) -> bool {
    // SAFETY: the call hands over what it was given, and the change lives until this returns.
    let (left, change) = unsafe { (&mut *context.cast::<u32>(), &*change) };
    let texts = [
        (change.name, change.name_bytes),
        (change.new_name, change.new_name_bytes),
        (change.stream, change.stream_bytes),
        (change.path, change.path_bytes),
        (change.new_path, change.new_path_bytes),
    ];
    demand(texts.iter().all(|(text, length)| text.is_null() == (*length == 0)), "a text of a change without a place");
    demand(change.kind != 0 && change.file_kind <= 7, "a change of no kind");
    *left = left.saturating_sub(1);
    *left > 0
}
