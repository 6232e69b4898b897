//! Pins: content lent out where it lies.

use std::ffi::c_void;
use std::sync::Arc;

use super::boundary::*;
use super::results::fs_result;
use super::types::*;
use super::view::fs_view;
use crate::data::Pin;
use crate::types::NodeId;
use crate::volume::Volume;

/// Content lent out by `fs_read_pin`. It stays where and as it is until the pin is released.
pub struct fs_pin {
    /// Into what `pin` keeps in place.
    ranges: Vec<fs_iovec>,
    volume: Arc<Volume>,
    /// Dropped last, as fields are: its bytes are what `ranges` points to.
    _pin: Pin,
}

/// A range of memory. Laid out as POSIX' `struct iovec`.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct fs_iovec {
    /// Where it begins.
    pub base: *const c_void,
    /// Its length in bytes.
    pub length: usize,
}

impl Handle for fs_pin {
    fn latch(&self) {
        self.volume.latch_read_only();
    }
}

impl fs_pin {
    fn new(pin: Pin, volume: &Arc<Volume>) -> fs_pin {
        let iovec = |range: &[u8]| fs_iovec { base: range.as_ptr().cast(), length: range.len() };
        fs_pin { ranges: pin.ranges().map(iovec).collect(), volume: volume.clone(), _pin: pin }
    }
}

/// Reads without copying: lends the bytes where they lie. Who writes to the file meanwhile writes elsewhere.
///
/// `handle`, `offset`: as for `fs_read`.
/// `length`: how many bytes at most; never more than 1 GiB are lent at once, and 4 MiB of what a base has.
/// `pin`: the bytes, by `fs_pin_ranges`; to be given back with `fs_pin_release`. It outlives handle and view.
///
/// Results: as `fs_read`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_read_pin(
    view: *const fs_view,
    caller: *const fs_caller,
    node: fs_node,
    handle: fs_handle,
    offset: u64,
    length: usize,
    pin: *mut *mut fs_pin,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, pin) = (caller_in(caller)?, output(pin)?);
            let lent = view.0.read_pin(&who, NodeId(node), handle_in(handle), offset, length)?;
            pin.put(give(fs_pin::new(lent, view.0.volume())));
            Ok(())
        })
    }
}

/// Where the bytes of a pin lie, in order.
///
/// `ranges`: the first of `count` ranges; they live until the pin is released, and must not be written to.
/// `count`: how many; 0 at and past the end of the file.
///
/// Results: `FS_OK`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_pin_ranges(
    pin: *const fs_pin,
    ranges: *mut *const fs_iovec,
    count: *mut usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(pin, |pin| {
            let (ranges, count) = (output(ranges)?, output(count)?);
            ranges.put(pin.ranges.as_ptr());
            count.put(pin.ranges.len());
            Ok(())
        })
    }
}

/// Gives a pin back. Its ranges are gone then. NULL is fine.
///
/// No other thread may use this pin during the call or after.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_pin_release(pin: *mut fs_pin) {
    // SAFETY: what the header asks of pointers.
    unsafe { close(pin) }
}
