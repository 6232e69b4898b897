//! Control messages, as hosts pass them on.

use std::ffi::c_void;

use super::boundary::*;
use super::results::fs_result;
use super::types::fs_caller;
use super::view::fs_view;

/// Answers a control message in place: one of the `fs_control_...` structures that came over an ioctl, a device control code or a
/// socket. The caller must own the volume or have `FS_PRIVILEGE_ADMIN`.
///
/// `request`: `FS_CONTROL_...`. `FS_CONTROL_ATTACH` is the host's own to answer.
/// `message`, `message_bytes`: the message; may have any alignment. What went wrong in carrying a good request out stands in its header.
///
/// Results: `FS_OK`: the message is answered; `FS_BAD_STRUCTURE` for an unknown request, size or version, `FS_NOT_PERMITTED`: it is
/// unchanged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fs_control(
    view: *const fs_view,
    caller: *const fs_caller,
    request: u32,
    message: *mut c_void,
    message_bytes: usize,
) -> fs_result {
    // SAFETY: what the header asks of pointers.
    unsafe {
        call(view, |view| {
            let (who, message) = (caller_in(caller)?, buffer_in(message.cast(), message_bytes)?);
            Ok(view.0.control(&who, request, message)?)
        })
    }
}
