//! Change events.

use std::ffi::c_void;
use std::sync::Arc;
use std::time::Duration;

use super::boundary::*;
use super::refs::bytes_of_name;
use super::results::fs_result;
use super::view::fs_view;
use crate::error::Error;
use crate::history::events::{Changes, Event, EventKind, Events, Next, Watch};
use crate::limits::{NAME_BYTES, NAME_UNITS, UNIT_BYTES};
use crate::tree::name::windows_path;
use crate::types::NodeId;
use crate::volume::Volume;

/// A subscription to the changes of a branch.
pub struct fs_events {
    events: Events,
    volume: Arc<Volume>,
    /// Names in UTF-16.
    windows: bool,
}

impl Handle for fs_events {
    fn latch(&self) {
        self.volume.latch_read_only();
    }
}

/// Event: nothing happened within the time.
pub const FS_EVENT_TIMEOUT: u32 = 0;
/// Event: a name appeared: a new inode, or a further link.
pub const FS_EVENT_CREATED: u32 = 1;
/// Event: a name went away.
pub const FS_EVENT_REMOVED: u32 = 2;
/// Event: a name changed; `new_parent` and `new_name` say what to.
pub const FS_EVENT_RENAMED: u32 = 3;
/// Event: content or size changed.
pub const FS_EVENT_CONTENT: u32 = 4;
/// Event: attributes, extended attributes or ACLs changed.
pub const FS_EVENT_ATTRIBUTES: u32 = 5;
/// Event: two names changed places.
pub const FS_EVENT_EXCHANGED: u32 = 6;
/// Event: a named stream appeared.
pub const FS_EVENT_STREAM_CREATED: u32 = 7;
/// Event: a named stream went away.
pub const FS_EVENT_STREAM_REMOVED: u32 = 8;
/// Event: content or size of a named stream changed.
pub const FS_EVENT_STREAM_CONTENT: u32 = 9;
/// Event: the volume has another label: `new_name`.
pub const FS_EVENT_LABEL: u32 = 10;
/// Event: more happened than the queue could hold; what followed the last event given is lost. Look anew.
pub const FS_EVENT_OVERFLOW: u32 = 100;
/// Event: the branch is not shown any more, or `fs_events_stop` was called. Nothing will follow.
pub const FS_EVENT_CLOSED: u32 = 101;

/// Events flag: leave out what is done through the view itself.
pub const FS_EVENTS_OTHERS_ONLY: u32 = 1;

/// Change: a name of anything but a directory. The first twelve bits are those of Windows' `FILE_NOTIFY_CHANGE_...`.
pub const FS_CHANGE_FILE_NAME: u32 = 0x1;
/// Change: a name of a directory.
pub const FS_CHANGE_DIRECTORY_NAME: u32 = 0x2;
/// Change: flags and Windows attributes.
pub const FS_CHANGE_ATTRIBUTES: u32 = 0x4;
/// Change: size of the content.
pub const FS_CHANGE_SIZE: u32 = 0x8;
/// Change: content, or the time of its last change.
pub const FS_CHANGE_LAST_WRITE: u32 = 0x10;
/// Change: the time of the last access, when it is set.
pub const FS_CHANGE_LAST_ACCESS: u32 = 0x20;
/// Change: the time of birth.
pub const FS_CHANGE_CREATION: u32 = 0x40;
/// Change: extended attributes of Windows.
pub const FS_CHANGE_EA: u32 = 0x80;
/// Change: mode, owner, ACLs, security descriptor.
pub const FS_CHANGE_SECURITY: u32 = 0x100;
/// Change: a name of a named stream.
pub const FS_CHANGE_STREAM_NAME: u32 = 0x200;
/// Change: size of a named stream.
pub const FS_CHANGE_STREAM_SIZE: u32 = 0x400;
/// Change: content of a named stream.
pub const FS_CHANGE_STREAM_WRITE: u32 = 0x800;
/// Change: owner or group; beside `FS_CHANGE_SECURITY`.
pub const FS_CHANGE_OWNER: u32 = 0x1000;
/// Change: extended attributes as Linux and macOS have them.
pub const FS_CHANGE_XATTRS: u32 = 0x2000;
/// Change: Finder info; beside `FS_CHANGE_XATTRS`.
pub const FS_CHANGE_FINDER_INFO: u32 = 0x4000;
/// Change: the volume's label.
pub const FS_CHANGE_LABEL: u32 = 0x8000;

/// Watch flag: leave out what is done through the view itself.
pub const FS_WATCH_OTHERS_ONLY: u32 = 1;
/// Watch flag: all that is below the directory, not its entries alone.
pub const FS_WATCH_SUBTREE: u32 = 2;
/// Watch flag: directory, name and path with every change, those of content and attributes too.
pub const FS_WATCH_PATHS: u32 = 4;
/// Watch flag: names and paths are UTF-16, and paths are separated by backslashes.
pub const FS_WATCH_WINDOWS: u32 = 8;

/// What `fs_events_watch` is to tell. All zero but for `size` and `capacity` tells everything.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_watch {
    /// `sizeof(fs_watch)`.
    pub size: u32,
    /// `FS_WATCH_...` bits.
    pub flags: u32,
    /// How many changes may wait, 1 to 1,048,576. Those outside the directory count too until they are looked at.
    pub capacity: u64,
    /// The directory watched; 0: the whole branch that the view shows now.
    pub node: u64,
    /// `FS_CHANGE_...` bits: only changes that touch one of them; 0: all.
    pub filter: u32,
    /// 0.
    pub reserved0: u32,
    /// 0.
    pub reserved: [u64; 4],
}

/// One change, as `fs_events_take` hands it out. Names and paths have their length in bytes, also of UTF-16; they are NULL where there is
/// none, where they are not asked for, or where no UTF-16 stands for them.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_change {
    /// `sizeof(fs_change)`.
    pub size: u32,
    /// `FS_EVENT_...`.
    pub kind: u32,
    /// `FILE_ACTION_...` of Windows. A rename is told there as two records: `FILE_ACTION_RENAMED_OLD_NAME`, which stands here, with
    /// `path`, then `FILE_ACTION_RENAMED_NEW_NAME` with `new_path`. 0: Windows has none.
    pub action: u32,
    /// `FS_CHANGE_...` bits: what it touched.
    pub changes: u32,
    /// `kFSEventStreamEventFlag...` of macOS.
    pub fsevents_flags: u32,
    /// `FS_KIND_...` of the inode; 0: not known.
    pub file_kind: u32,
    /// The inode; 0 where none is concerned.
    pub inode: u64,
    /// In which directory: an inode; 0 where none is concerned.
    pub parent: u64,
    /// For renames the directory it is in now, else 0.
    pub new_parent: u64,
    /// Id of the view through which it was done.
    pub origin: u64,
    /// The name concerned, as it is stored.
    pub name: *const std::ffi::c_char,
    /// Length of `name`.
    pub name_bytes: usize,
    /// For renames the name now.
    pub new_name: *const std::ffi::c_char,
    /// Length of `new_name`.
    pub new_name_bytes: usize,
    /// The named stream concerned.
    pub stream: *const std::ffi::c_char,
    /// Length of `stream`.
    pub stream_bytes: usize,
    /// The path of what changed, from the root; for renames the path before.
    pub path: *const std::ffi::c_char,
    /// Length of `path`.
    pub path_bytes: usize,
    /// For renames the path now.
    pub new_path: *const std::ffi::c_char,
    /// Length of `new_path`.
    pub new_path_bytes: usize,
    /// 0.
    pub reserved: [u64; 4],
}

/// Is given one change at a time; `change` and what it points to live until it returns. True: taken, go on; false: not taken, it comes
/// first the next time.
pub type fs_change_callback = Option<unsafe extern "C" fn(context: *mut c_void, change: *const fs_change) -> bool>;

/// Room for a name and a NUL: the longest has 255 bytes, with `FS_NAMES_WINDOWS` 255 UTF-16 units of up to 3 bytes each.
pub const FS_NAME_BYTES: usize = 768;

/// One change.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_event {
    /// `sizeof(fs_event)`.
    pub size: u32,
    /// `FS_EVENT_...`.
    pub kind: u32,
    /// The inode.
    pub inode: u64,
    /// In which directory: an inode; 0 where none is concerned.
    pub parent: u64,
    /// For renames the directory it is in now, else 0.
    pub new_parent: u64,
    /// Id of the view through which it was done.
    pub origin: u64,
    /// Length of `name`; 0 where none is concerned.
    pub name_bytes: u32,
    /// Length of `new_name`.
    pub new_name_bytes: u32,
    /// The name concerned, ended by a NUL.
    pub name: [std::ffi::c_char; FS_NAME_BYTES],
    /// For renames the name now, ended by a NUL.
    pub new_name: [std::ffi::c_char; FS_NAME_BYTES],
    /// 0.
    pub reserved0: u64,
    /// 0.
    pub reserved: [u64; 4],
}

const _: () = assert!(FS_NAME_BYTES > NAME_BYTES && FS_NAME_BYTES > NAME_UNITS * UNIT_BYTES);

const _: () = {
    assert!(FS_CHANGE_FILE_NAME == Changes::FILE_NAME.0 && FS_CHANGE_DIRECTORY_NAME == Changes::DIRECTORY_NAME.0);
    assert!(FS_CHANGE_ATTRIBUTES == Changes::ATTRIBUTES.0 && FS_CHANGE_SIZE == Changes::SIZE.0);
    assert!(FS_CHANGE_LAST_WRITE == Changes::LAST_WRITE.0 && FS_CHANGE_LAST_ACCESS == Changes::LAST_ACCESS.0);
    assert!(FS_CHANGE_CREATION == Changes::CREATION.0 && FS_CHANGE_EA == Changes::EXTENDED_ATTRIBUTES.0);
    assert!(FS_CHANGE_SECURITY == Changes::SECURITY.0 && FS_CHANGE_STREAM_NAME == Changes::STREAM_NAME.0);
    assert!(FS_CHANGE_STREAM_SIZE == Changes::STREAM_SIZE.0 && FS_CHANGE_STREAM_WRITE == Changes::STREAM_WRITE.0);
    assert!(FS_CHANGE_OWNER == Changes::OWNER.0 && FS_CHANGE_XATTRS == Changes::XATTRS.0);
    assert!(FS_CHANGE_FINDER_INFO == Changes::FINDER_INFO.0 && FS_CHANGE_LABEL == Changes::LABEL.0);
    assert!(FS_EVENT_STREAM_CREATED == EventKind::StreamCreated as u32);
    assert!(FS_EVENT_STREAM_REMOVED == EventKind::StreamRemoved as u32);
    assert!(FS_EVENT_STREAM_CONTENT == EventKind::StreamContent as u32 && FS_EVENT_LABEL == EventKind::Label as u32);
};

impl fs_event {
    fn without_names(kind: u32) -> fs_event {
        fs_event {
            size: size_of::<fs_event>() as u32,
            kind,
            inode: 0,
            parent: 0,
            new_parent: 0,
            origin: 0,
            name_bytes: 0,
            new_name_bytes: 0,
            name: [0; FS_NAME_BYTES],
            new_name: [0; FS_NAME_BYTES],
            reserved0: 0,
            reserved: [0; 4],
        }
    }

    fn of(event: &Event) -> fs_event {
        fs_event {
            inode: event.inode.0,
            parent: event.parent.0,
            new_parent: event.new_parent.0,
            origin: event.origin.0,
            name_bytes: event.name.len() as u32,
            new_name_bytes: event.new_name.len() as u32,
            name: bytes_of_name(&event.name),
            new_name: bytes_of_name(&event.new_name),
            ..fs_event::without_names(event.kind as u32)
        }
    }
}

/// Subscribes to the changes of the branch that a view shows now, and to those of the volume's base, as far as it can be watched:
/// names that come and go (`FS_EVENT_CREATED`, `FS_EVENT_REMOVED`, with inode 0), content and attributes of what a branch may have
/// copied up meanwhile. A switch of the view does not change what is subscribed to.
///
/// `capacity`: how many events may wait, 1 to 1,048,576.
/// `flags`: `FS_EVENTS_OTHERS_ONLY` or 0.
/// `events`: the subscription, to be closed with `fs_events_close`.
///
/// Results: `FS_OK`, `FS_INVALID`, `FS_NOT_SUPPORTED` on a snapshot of a volume without a base.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_events_open(
    view: *const fs_view,
    capacity: usize,
    flags: u32,
    events: *mut *mut fs_events,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let events = output(events)?;
            if flags & !FS_EVENTS_OTHERS_ONLY != 0 {
                return Err(Error::Invalid("an events flag that this version does not know").into());
            }
            let subscription = view.0.events(capacity, flags != 0)?;
            events.put(give(fs_events { events: subscription, volume: view.0.volume().clone(), windows: false }));
            Ok(())
        })
    }
}

impl fs_watch {
    fn to_core(self) -> Outcome<Watch> {
        let has = |flag: u32| self.flags & flag != 0;
        if self.flags & !(FS_WATCH_OTHERS_ONLY | FS_WATCH_SUBTREE | FS_WATCH_PATHS | FS_WATCH_WINDOWS) != 0 {
            return Err(Error::Invalid("a watch flag that this version does not know").into());
        }
        if self.filter & !Changes::ALL.0 != 0 {
            return Err(Error::Invalid("a change to watch for that this version does not know").into());
        }
        if has(FS_WATCH_SUBTREE) && self.node == 0 {
            return Err(Error::Invalid("FS_WATCH_SUBTREE without a directory").into());
        }
        Ok(Watch {
            capacity: usize::try_from(self.capacity).unwrap_or(usize::MAX),
            others_only: has(FS_WATCH_OTHERS_ONLY),
            filter: if self.filter == 0 { Changes::ALL } else { Changes(self.filter) },
            directory: (self.node != 0).then_some(NodeId(self.node)),
            subtree: has(FS_WATCH_SUBTREE),
            paths: has(FS_WATCH_PATHS),
        })
    }
}

/// As `fs_events_open`, for watchers of Windows and macOS: filtered, of one directory or all below it, with paths. A move across the border
/// of what is watched is told as a name that appears or goes.
///
/// `watch`: what to tell. Paths are those at the time of the change, whatever moved since. When more happens than may wait, a
/// watch with paths or of a directory loses what waits too.
/// `events`: the subscription, to be closed with `fs_events_close`.
///
/// Results: `FS_OK`, `FS_INVALID`, `FS_NOT_A_DIRECTORY`, `FS_STALE`, `FS_NOT_SUPPORTED` on a snapshot.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_events_watch(
    view: *const fs_view,
    watch: *const fs_watch,
    events: *mut *mut fs_events,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (watch, events) = (input(watch)?, output(events)?);
            let windows = watch.flags & FS_WATCH_WINDOWS != 0;
            let subscription = view.0.watch(watch.to_core()?)?;
            events.put(give(fs_events { events: subscription, volume: view.0.volume().clone(), windows }));
            Ok(())
        })
    }
}

/// A text of a change, as the subscription has it.
struct Told(Vec<u8>);

impl Told {
    fn of(bytes: &[u8], windows: bool) -> Told {
        let units = || windows_path::to_utf16(bytes).unwrap_or_default();
        Told(if windows { bytemuck::cast_slice(&units()).to_vec() } else { bytes.to_vec() })
    }

    fn pointer(&self) -> *const std::ffi::c_char {
        if self.0.is_empty() { std::ptr::null() } else { self.0.as_ptr().cast() }
    }
}

impl fs_change {
    fn without_names(kind: u32) -> fs_change {
        let (size, none) = (size_of::<fs_change>() as u32, std::ptr::null());
        fs_change {
            size,
            kind,
            action: 0,
            changes: 0,
            fsevents_flags: 0,
            file_kind: 0,
            inode: 0,
            parent: 0,
            new_parent: 0,
            origin: 0,
            name: none,
            name_bytes: 0,
            new_name: none,
            new_name_bytes: 0,
            stream: none,
            stream_bytes: 0,
            path: none,
            path_bytes: 0,
            new_path: none,
            new_path_bytes: 0,
            reserved: [0; 4],
        }
    }

    /// Hands an event on.
    fn with<R>(event: &Event, windows: bool, run: impl FnOnce(&fs_change) -> R) -> R {
        let [name, new_name, stream, path, new_path] =
            [&event.name, &event.new_name, &event.stream, &event.path, &event.new_path]
                .map(|text| Told::of(text, windows));
        run(&fs_change {
            action: event.windows_action(),
            changes: event.changes.0,
            fsevents_flags: event.fsevents_flags(),
            file_kind: event.file_kind.map_or(0, |kind| kind as u32),
            inode: event.inode.0,
            parent: event.parent.0,
            new_parent: event.new_parent.0,
            origin: event.origin.0,
            name: name.pointer(),
            name_bytes: name.0.len(),
            new_name: new_name.pointer(),
            new_name_bytes: new_name.0.len(),
            stream: stream.pointer(),
            stream_bytes: stream.0.len(),
            path: path.pointer(),
            path_bytes: path.0.len(),
            new_path: new_path.pointer(),
            new_path_bytes: new_path.0.len(),
            ..fs_change::without_names(event.kind as u32)
        })
    }
}

/// Gives the changes that wait to `callback`, one after another, until it takes one no more or none waits. Several threads may; each change
/// is taken once. Changes that are not taken by one while others take some come out of their order.
///
/// `timeout_ms`: how long to wait for the first, in milliseconds; 0: not at all. When it passes nothing is given.
/// `callback`: called by this thread before the function returns. The kind may be `FS_EVENT_OVERFLOW` (on macOS: must scan subdirectories)
/// or, as the last, `FS_EVENT_CLOSED`.
/// `context`: handed to it; may be NULL.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_events_take(
    events: *const fs_events,
    timeout_ms: u32,
    callback: fs_change_callback,
    context: *mut c_void,
) -> fs_result {
    // SAFETY: what the header asks of pointers and callbacks.
    unsafe {
        call(events, |events| {
            let callback = callback.ok_or(Fault::NullPointer)?;
            let mut timeout = Duration::from_millis(timeout_ms.into());
            loop {
                match events.events.next(std::mem::take(&mut timeout)) {
                    Next::Event(event) => {
                        if !fs_change::with(&event, events.windows, |change| callback(context, change)) {
                            events.events.put_back(event);
                            return Ok(());
                        }
                    }
                    Next::Overflow => {
                        if !callback(context, &fs_change::without_names(FS_EVENT_OVERFLOW)) {
                            events.events.put_back_overflow();
                            return Ok(());
                        }
                    }
                    Next::Timeout => return Ok(()),
                    Next::Closed => {
                        callback(context, &fs_change::without_names(FS_EVENT_CLOSED));
                        return Ok(());
                    }
                }
            }
        })
    }
}

/// Waits for the next change. Several threads may wait; each event goes to one of them.
///
/// `timeout_ms`: how long at most, in milliseconds; 0: not at all.
/// `event`: the answer; its `size` must be set. Its kind may be `FS_EVENT_TIMEOUT`, `FS_EVENT_OVERFLOW` or `FS_EVENT_CLOSED`.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_events_next(events: *const fs_events, timeout_ms: u32, event: *mut fs_event) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(events, |events| {
            let event = output_structure(event)?;
            event.put(match events.events.next(Duration::from_millis(timeout_ms.into())) {
                Next::Event(next) => fs_event::of(&next),
                Next::Overflow => fs_event::without_names(FS_EVENT_OVERFLOW),
                Next::Timeout => fs_event::without_names(FS_EVENT_TIMEOUT),
                Next::Closed => fs_event::without_names(FS_EVENT_CLOSED),
            });
            Ok(())
        })
    }
}

/// Wakes whoever waits in `fs_events_next`, now and for ever: what still waits is given, then `FS_EVENT_CLOSED`. So a thread that waits can be
/// ended before `fs_events_close`.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_events_stop(events: *const fs_events) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(events, |events| {
            events.events.close();
            Ok(())
        })
    }
}

/// Closes a subscription. NULL is fine.
///
/// No other thread may use it during the call or after.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_events_close(events: *mut fs_events) {
    // SAFETY: what the header asks of pointers.
    unsafe { close(events) }
}
