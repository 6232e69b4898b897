//! A control message as an ioctl. The only unsafe code of the command.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::os::fd::BorrowedFd;

use bough::control::{Message, ioctl_number};
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode};

struct Control<'a, M>(&'a mut M);

// SAFETY: the opcode is `_IOWR('B', request, M)`, so the kernel copies `size_of::<M>()` bytes from and to the pointer, which
// is that of a whole `M`; any bytes are a valid `M`, for it is `Pod`.
unsafe impl<M: Message> Ioctl for Control<'_, M> {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        Opcode::from(ioctl_number::<M>())
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.0).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

/// Sends a message to the volume that an open file lies on, and takes the answer in its place.
pub(super) fn control<M: Message>(file: BorrowedFd<'_>, message: &mut M) -> rustix::io::Result<()> {
    // SAFETY: see `Control`. A file system that is not bough's answers ENOTTY: no other uses these numbers and sizes.
    unsafe { rustix::ioctl::ioctl(file, Control(message)) }
}
