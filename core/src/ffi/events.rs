//! Change events.

use std::sync::Arc;
use std::time::Duration;

use super::boundary::*;
use super::refs::bytes_of_name;
use super::results::fs_result;
use super::view::fs_view;
use crate::error::Error;
use crate::history::events::{Event, Events, Next};
use crate::limits::{NAME_BYTES, NAME_UNITS, UNIT_BYTES};
use crate::volume::Volume;

/// A subscription to the changes of a branch.
pub struct fs_events {
    events: Events,
    volume: Arc<Volume>,
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
/// Event: more happened than the queue could hold; what followed the last event given is lost. Look anew.
pub const FS_EVENT_OVERFLOW: u32 = 100;
/// Event: the branch is not shown any more, or `fs_events_stop` was called. Nothing will follow.
pub const FS_EVENT_CLOSED: u32 = 101;

/// Events flag: leave out what is done through the view itself.
pub const FS_EVENTS_OTHERS_ONLY: u32 = 1;

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

/// Subscribes to the changes of the branch that a view shows now. A switch of the view does not change what is subscribed to.
///
/// `capacity`: how many events may wait, 1 to 1,048,576.
/// `flags`: `FS_EVENTS_OTHERS_ONLY` or 0.
/// `events`: the subscription, to be closed with `fs_events_close`.
///
/// Results: `FS_OK`, `FS_INVALID`, `FS_NOT_SUPPORTED` on a snapshot.
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
            events.put(give(fs_events { events: subscription, volume: view.0.volume().clone() }));
            Ok(())
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
