//! What a sequence of calls works on: one volume, views of it, and all that it ever gave out, alive or not. Only pointers
//! that are alive are passed on: they are the caller's promise. Numbers may be of any age.

use std::collections::HashSet;
use std::ffi::{c_char, c_void};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use bough::control::messages::{fs_control_diff_close, request::FS_CONTROL_DIFF_CLOSE};
use bough::error::tables::ResultCode;
use bough::ffi::control::fs_control;
use bough::ffi::diff::fs_diff;
use bough::ffi::events::fs_events;
use bough::ffi::locks::{fs_lock_cancel, fs_wait};
use bough::ffi::names::{fs_forget, fs_mkdir, fs_rmdir};
use bough::ffi::pins::{fs_iovec, fs_pin, fs_pin_ranges, fs_pin_release};
use bough::ffi::results::*;
use bough::ffi::types::*;
use bough::ffi::view::*;
use bough::ffi::volume::*;

use crate::arguments::*;
use crate::harness::{Verdict, last_panic, panics};

/// The limit of what a volume holds.
const MEMORY_BYTES: u64 = 16 << 20;
/// More than any case opens.
const MOST_CONTROL_DIFFS: u64 = 200;
const MOST_VIEWS: usize = 4;
const MOST_NUMBERS: usize = 96;
pub(crate) const MOST_HELD: usize = 8;
static GROUPS: [u32; 3] = [1000, 4, 27];

/// A wait, and whether it was told its end.
pub(crate) struct Waiting {
    pub(crate) wait: fs_wait,
    view: *mut fs_view,
    pub(crate) told: Box<Told>,
}

/// What a wait's callback is given.
pub(crate) struct Told {
    pub(crate) times: AtomicU32,
    pub(crate) volume: *const fs_volume,
}

/// A pin, and what its bytes summed up to when it was lent.
pub(crate) struct Lent {
    pub(crate) pin: *mut fs_pin,
    sum: u64,
}

pub(crate) struct World {
    pub(crate) volume: *mut fs_volume,
    pub(crate) views: Vec<*mut fs_view>,
    nodes: Vec<u64>,
    directories: Vec<u64>,
    files: Vec<u64>,
    handles: Vec<u64>,
    refs: Vec<fs_ref>,
    gave: HashSet<(*mut fs_view, u64)>,
    /// Those of them that were not forgotten since.
    held: HashSet<(*mut fs_view, u64)>,
    pub(crate) pins: Vec<Lent>,
    pub(crate) diffs: Vec<*mut fs_diff>,
    pub(crate) events: Vec<*mut fs_events>,
    pub(crate) waits: Vec<Waiting>,
    /// Of waits that end with their handles, whenever that is: as long as the volume.
    #[allow(clippy::vec_box, reason = "somebody has their addresses")]
    pub(crate) told_late: Vec<Box<Told>>,
    pub(crate) buffer: Vec<u8>,
    panics: u64,
    complaint: Option<String>,
}

/// A structure of zeros with its size filled in, or with something wrong.
pub(crate) fn blank<S: Copy>(twist: Twist) -> S {
    // SAFETY: the structures of the C API are made of numbers and raw pointers, of which zero is a value.
    let mut structure: S = unsafe { std::mem::zeroed() };
    twist_it(&mut structure, Twist::Size(size_of::<S>() as u32));
    twist_it(&mut structure, twist);
    structure
}

pub(crate) fn twist_it<S: Copy>(structure: &mut S, twist: Twist) {
    let bytes: *mut S = structure;
    match twist {
        Twist::Right => {}
        // SAFETY: every structure begins with its size, a u32.
        Twist::Size(size) => unsafe { bytes.cast::<u32>().write(size) },
        // SAFETY: every structure ends in reserved numbers.
        Twist::Reserved => unsafe { bytes.cast::<u8>().add(size_of::<S>() - 1).write(1) },
    }
}

pub(crate) fn text(bytes: &Bytes) -> *const c_char {
    bytes.0.as_ptr().cast()
}

/// A view of what the volume was opened with.
pub(crate) fn open_view(volume: *const fs_volume, shows: fs_ref) -> Result<*mut fs_view, fs_result> {
    let mut view = ptr::null_mut();
    // SAFETY: the volume is alive, and no label is fine.
    match unsafe { fs_view_open(volume, shows, ptr::null(), 0, 0, &mut view) } {
        FS_OK => Ok(view),
        result => Err(result),
    }
}

pub(crate) const NO_REF: fs_ref = fs_ref { id: 0, kind: 0, reserved: 0 };

pub(crate) fn superuser() -> fs_caller {
    let mut caller: fs_caller = blank(Twist::Right);
    caller.privileges = FS_PRIVILEGE_SUPERUSER;
    caller
}

impl World {
    pub(crate) fn new(names: u32) -> World {
        let mut config: fs_config = blank(Twist::Right);
        config.names = names;
        config.memory_bytes = MEMORY_BYTES;
        config.root_mode = 0o777;
        let mut volume = ptr::null_mut();
        // SAFETY: both are alive.
        assert_eq!(unsafe { fs_volume_open(&config, &mut volume) }, FS_OK);
        let view = open_view(volume, NO_REF).unwrap();
        World {
            volume,
            views: vec![view],
            nodes: vec![FS_NODE_ROOT],
            directories: vec![FS_NODE_ROOT],
            files: vec![FS_NODE_ROOT],
            handles: vec![FS_HANDLE_NONE],
            refs: vec![fs_ref { id: 1, kind: 1, reserved: 0 }],
            gave: HashSet::new(),
            held: HashSet::new(),
            pins: Vec::new(),
            diffs: Vec::new(),
            events: Vec::new(),
            waits: Vec::new(),
            told_late: Vec::new(),
            buffer: vec![0; MAX_ROOM],
            panics: panics(),
            complaint: None,
        }
    }

    pub(crate) fn view(&self, pick: View) -> *mut fs_view {
        self.views[pick.0 as usize % self.views.len()]
    }

    pub(crate) fn node(&self, node: impl Into<Node>) -> u64 {
        match node.into() {
            Node::Root => FS_NODE_ROOT,
            Node::Directory(pick) => self.directories[pick as usize % self.directories.len()],
            Node::File(pick) => self.files[pick as usize % self.files.len()],
            Node::Known(pick) => self.nodes[pick as usize % self.nodes.len()],
            Node::Raw(node) => node,
        }
    }

    /// A node to wait for a lock on: none that may be forgotten, for waits are cancelled by it. Nor the root: its node is that
    /// of what the view shows, and so cannot name a wait from before a switch.
    pub(crate) fn node_to_wait_on(&self, view: *mut fs_view, node: Node) -> u64 {
        let node = self.node(node);
        let may = |node: &u64| *node != FS_NODE_ROOT && self.held.contains(&(view, *node));
        self.nodes.iter().copied().skip_while(|known| *known != node).find(may).unwrap_or(0)
    }

    /// From here on a node may be unknown to a view.
    pub(crate) fn let_go(&mut self, view: *mut fs_view, node: u64) {
        self.end_waits(view, |wait| wait.node == node);
        self.held.remove(&(view, node));
    }

    pub(crate) fn handle(&self, handle: Handle) -> u64 {
        match handle {
            Handle::None => FS_HANDLE_NONE,
            Handle::Known(pick) => self.handles[pick as usize % self.handles.len()],
            Handle::Raw(handle) => handle,
        }
    }

    pub(crate) fn shown(&self, id: Ref) -> fs_ref {
        match id {
            Ref::None => NO_REF,
            Ref::Known(pick) => self.refs[pick as usize % self.refs.len()],
            Ref::Raw(id, kind, reserved) => fs_ref { id, kind, reserved },
        }
    }

    pub(crate) fn caller(&self, Who(who, twist): Who) -> fs_caller {
        let mut caller = superuser();
        (caller.uid, caller.privileges, caller.umask) = match who {
            0 => (0, FS_PRIVILEGE_SUPERUSER, 0o022),
            1 => (0, 0, 0),
            2 => (1000, 0, 0o027),
            3 => (1000, FS_PRIVILEGE_CHECKED, 0),
            4 => (7, FS_PRIVILEGE_SUPERUSER | FS_PRIVILEGE_CHECKED, 0o777),
            _ => (u32::MAX, u32::MAX, u32::MAX),
        };
        if matches!(who, 2 | 3) {
            (caller.gid, caller.groups, caller.groups_count) = (1000, GROUPS.as_ptr(), GROUPS.len() as u32);
        }
        twist_it(&mut caller, twist);
        caller
    }

    /// Something is not as it must be.
    pub(crate) fn complain(&mut self, what: String) {
        self.complaint.get_or_insert(what);
    }

    pub(crate) fn demand(&mut self, holds: bool, what: &str) {
        if !holds {
            self.complain(what.to_owned());
        }
    }

    /// Whether all has been well up to here.
    pub(crate) fn verdict(&mut self) -> Verdict {
        if panics() != self.panics && self.complaint.is_none() {
            self.complaint = Some(format!("a panic: {}", last_panic()));
        }
        if let Some(complaint) = crate::callbacks::complaint() {
            self.complain(complaint.to_owned());
        }
        self.complaint.clone().map_or(Ok(()), Err)
    }

    /// What every result must be.
    pub(crate) fn answered(&mut self, call: &dyn std::fmt::Debug, result: fs_result) {
        if result == FS_INTERNAL || ResultCode::from_number(result).is_none() || result == FS_NULL_POINTER {
            let panic = if result == FS_INTERNAL { last_panic() } else { String::new() };
            self.complain(format!("{call:?} answered {result} {panic}"));
        }
    }

    fn keep<T>(numbers: &mut Vec<T>, number: T) {
        if numbers.len() >= MOST_NUMBERS {
            numbers.remove(1);
        }
        numbers.push(number);
    }

    pub(crate) fn know_node(&mut self, view: *mut fs_view, node: u64) {
        self.gave.insert((view, node));
        self.held.insert((view, node));
        World::keep(&mut self.nodes, node);
    }

    pub(crate) fn know_entry(&mut self, view: *mut fs_view, result: fs_result, entry: &fs_entry) -> fs_result {
        if result == FS_OK {
            self.demand(entry.size as usize == size_of::<fs_entry>(), "an entry has lost its size");
            self.demand(entry.node & ((1 << 48) - 1) == entry.attr.inode, "a node is not of its inode");
            self.know_attr(result, &entry.attr);
            self.know_node(view, entry.node);
            match entry.attr.kind {
                FS_KIND_DIRECTORY => World::keep(&mut self.directories, entry.node),
                FS_KIND_FILE => World::keep(&mut self.files, entry.node),
                _ => {}
            }
        }
        result
    }

    pub(crate) fn know_attr(&mut self, result: fs_result, attr: &fs_attr) -> fs_result {
        if result == FS_OK {
            let sane = (1..=7).contains(&attr.kind) && attr.mode <= 0o7777 && attr.length <= i64::MAX as u64;
            self.demand(sane && attr.inode != 0, "attributes are out of their domain");
        }
        result
    }

    pub(crate) fn know_handle(&mut self, result: fs_result, handle: u64) -> fs_result {
        if result == FS_OK {
            self.demand(handle != FS_HANDLE_NONE, "a handle is none");
            World::keep(&mut self.handles, handle);
        }
        result
    }

    pub(crate) fn know_ref(&mut self, result: fs_result, id: fs_ref) -> fs_result {
        if result == FS_OK {
            self.demand(id.id != 0 && matches!(id.kind, 1 | 2), "a ref is none");
            World::keep(&mut self.refs, id);
        }
        result
    }

    /// Sizes by the size protocol: what was answered for a buffer of `room` bytes.
    pub(crate) fn know_size(&mut self, result: fs_result, room: Room, size: usize) -> fs_result {
        if result == FS_OK && room.0 > 0 {
            self.demand(size <= room.0 as usize, "more was answered than there was room for");
        }
        result
    }

    pub(crate) fn know_view(&mut self, result: fs_result, view: *mut fs_view) -> fs_result {
        if result == FS_OK {
            self.views.push(view);
            if self.views.len() > MOST_VIEWS {
                self.close_view(Pick(1));
            }
        }
        result
    }

    /// Cancels a view's waits, as its host must, and closes it. There is always one.
    pub(crate) fn close_view(&mut self, pick: Pick) {
        let at = pick.0 as usize % self.views.len();
        let view = self.views[at];
        self.end_waits(view, |_| true);
        self.views.remove(at);
        self.gave.retain(|(of, _)| *of != view);
        self.held.retain(|(of, _)| *of != view);
        // SAFETY: it is alive, and forgotten from here on.
        unsafe { fs_view_close(view) };
        if self.views.is_empty() {
            match open_view(self.volume, NO_REF).or_else(|_| open_view(self.volume, self.refs[0])) {
                Ok(view) => self.views.push(view),
                Err(_) => self.reopen(),
            }
        }
    }

    /// The branch that the volume was opened with is gone: shows any other.
    fn reopen(&mut self) {
        let branch = crate::sanity::refs_of(self.volume).into_iter().find(|found| found.id.kind == 1);
        match branch.map(|branch| open_view(self.volume, branch.id)) {
            Some(Ok(view)) => self.views.push(view),
            _ => self.complain("no branch can be shown".into()),
        }
    }

    /// Cancels waits as a host must, which forgets no node that it waits on.
    pub(crate) fn end_waits(&mut self, view: *mut fs_view, which: impl Fn(&fs_wait) -> bool) {
        let mut untold = false;
        let meant = |waiting: &Waiting| waiting.view == view && which(&waiting.wait);
        for waiting in self.waits.iter().filter(|waiting| meant(waiting) && waiting.wait.number != 0) {
            // SAFETY: view and wait are alive.
            unsafe { fs_lock_cancel(view, &waiting.wait) };
            untold |= waiting.told.times.load(Ordering::Acquire) != 1;
        }
        let (ended, others) = std::mem::take(&mut self.waits).into_iter().partition(meant);
        self.waits = others;
        if untold {
            // Somebody may tell them yet.
            std::mem::forget::<Vec<Waiting>>(ended);
            self.complain("a wait that was cancelled was not told so once".into());
        }
    }

    pub(crate) fn know_wait(
        &mut self,
        result: fs_result,
        view: *mut fs_view,
        wait: fs_wait,
        told: Box<Told>,
    ) -> fs_result {
        let times = told.times.load(Ordering::Acquire);
        self.demand(times == 0 || wait.number != 0, "a wait that is none was told its end");
        if result == FS_OK {
            self.waits.push(Waiting { wait, view, told });
        } else {
            self.demand(times == 0, "a wait that was refused was told its end");
        }
        result
    }

    pub(crate) fn know_pin(&mut self, result: fs_result, pin: *mut fs_pin) -> fs_result {
        if result == FS_OK {
            self.pins.push(Lent { pin, sum: sum_of(pin) });
            if self.pins.len() > MOST_HELD {
                self.release_pin(Pick(0));
            }
        }
        result
    }

    pub(crate) fn release_pin(&mut self, pick: Pick) {
        if self.pins.is_empty() {
            // SAFETY: NULL is fine.
            return unsafe { fs_pin_release(ptr::null_mut()) };
        }
        let lent = self.pins.remove(pick.0 as usize % self.pins.len());
        self.demand(sum_of(lent.pin) == lent.sum, "what was pinned has changed");
        // SAFETY: it is alive, and forgotten from here on.
        unsafe { fs_pin_release(lent.pin) };
    }

    /// Forgets every node that was given out; what each view knows is nothing then.
    pub(crate) fn forget_all(&mut self) {
        for (view, node) in std::mem::take(&mut self.gave) {
            self.end_waits(view, |wait| wait.node == node);
            // SAFETY: views that are in the list are alive.
            let result = unsafe { fs_forget(view, node, u64::MAX) };
            self.demand(result == FS_OK, "a node could not be forgotten");
        }
        for view in self.views.clone() {
            let mut count = 1;
            // SAFETY: the view is alive.
            let result = unsafe { fs_view_nodes(view, &mut count) };
            self.demand(result == FS_OK && count == 0, &format!("{count} nodes are known after all were forgotten"));
        }
    }

    /// Ends the diffs that control messages began: they hold what they compare.
    fn end_control_diffs(&mut self) {
        let Some(&view) = self.views.first() else { return };
        for id in 0..MOST_CONTROL_DIFFS {
            let mut message: fs_control_diff_close = bough::control::message();
            message.id = id;
            let (place, length) = (ptr::from_mut(&mut message).cast(), size_of_val(&message));
            // SAFETY: all are alive.
            let result = unsafe { fs_control(view, &superuser(), FS_CONTROL_DIFF_CLOSE, place, length) };
            self.demand(result == FS_OK, "a diff cannot be closed");
        }
    }

    /// Closes everything but the volume.
    pub(crate) fn close_all(&mut self) {
        self.end_control_diffs();
        while !self.pins.is_empty() {
            self.release_pin(Pick(0));
        }
        for diff in std::mem::take(&mut self.diffs) {
            // SAFETY: it is alive, and forgotten from here on.
            unsafe { bough::ffi::diff::fs_diff_close(diff) };
        }
        for events in std::mem::take(&mut self.events) {
            // SAFETY: it is alive, and forgotten from here on.
            unsafe { bough::ffi::events::fs_events_close(events) };
        }
        for view in std::mem::take(&mut self.views) {
            self.end_waits(view, |_| true);
            // SAFETY: it is alive, and forgotten from here on.
            unsafe { fs_view_close(view) };
        }
        self.gave.clear();
    }

    /// Whether a change is still possible: the volume is not latched. Through a new view of any branch.
    pub(crate) fn demand_unlatched(&mut self) {
        let Some(branch) = crate::sanity::refs_of(self.volume).into_iter().find(|found| found.id.kind == 1) else {
            return self.complain("there is no branch".into());
        };
        let Ok(view) = open_view(self.volume, branch.id) else {
            return self.complain("a branch cannot be shown".into());
        };
        crate::sanity::clear_flags(view, FS_NODE_ROOT);
        let (who, name, mut entry) = (superuser(), b"is it latched", blank(Twist::Right));
        // SAFETY: all are alive.
        let made = unsafe { fs_mkdir(view, &who, FS_NODE_ROOT, name.as_ptr().cast(), name.len(), 0o755, &mut entry) };
        // SAFETY: all are alive.
        let removed = unsafe { fs_rmdir(view, &who, FS_NODE_ROOT, name.as_ptr().cast(), name.len()) };
        self.demand(
            made == FS_OK && removed == FS_OK,
            &format!("a directory cannot be made ({made}) or removed ({removed})"),
        );
        // SAFETY: it is alive, and forgotten from here on.
        unsafe { fs_view_close(view) };
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.close_all();
        // SAFETY: it is alive, and forgotten from here on.
        unsafe { fs_volume_close(self.volume) };
    }
}

pub(crate) fn ranges_of<'p>(pin: *const fs_pin) -> &'p [fs_iovec] {
    let (mut ranges, mut count) = (ptr::null(), 0);
    // SAFETY: the pin is alive.
    let result = unsafe { fs_pin_ranges(pin, &mut ranges, &mut count) };
    assert_eq!(result, FS_OK);
    // SAFETY: so many ranges live until the pin is released.
    if count == 0 { &[] } else { unsafe { std::slice::from_raw_parts(ranges, count) } }
}

fn sum_of(pin: *const fs_pin) -> u64 {
    let bytes = |range: &fs_iovec| {
        // SAFETY: the pin is alive, and so its ranges.
        unsafe { std::slice::from_raw_parts(range.base.cast::<u8>(), range.length) }
    };
    let mut most = 4 << 20;
    let mut sum = 0_u64;
    for range in ranges_of(pin) {
        sum = bytes(range)
            .chunks(64)
            .fold(sum, |sum, bytes| sum.wrapping_mul(31).wrapping_add(bytes.iter().map(|&byte| u64::from(byte)).sum()));
        most -= range.length.min(most);
        if most == 0 {
            break;
        }
    }
    sum
}

/// A wait has ended: counts, and uses the volume, as a callback may.
pub(crate) unsafe extern "C" fn wait_ended(context: *mut c_void, _: fs_result) {
    // SAFETY: the box outlives the wait, and the volume the box.
    let told = unsafe { &*context.cast::<Told>() };
    let mut counters: fs_counters = blank(Twist::Right);
    // SAFETY: the volume is alive.
    unsafe { fs_volume_stats(told.volume, &mut counters) };
    told.times.fetch_add(1, Ordering::AcqRel);
}
