//! System calls that only the suites make.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bough::control::{Message, ioctl_number};

/// Sends a control message by a descriptor that somebody else has opened: this process's standard input.
pub(crate) fn control_stdin<M: Message>(mut message: M) -> io::Result<M> {
    // SAFETY: the kernel reads and writes as many bytes as the number says, those of the message.
    match unsafe { libc::ioctl(0, u64::from(ioctl_number::<M>()), &raw mut message) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(message),
    }
}

/// The kernel need not keep what it has of the content.
pub(crate) fn forget_pages(file: &File) {
    // SAFETY: the descriptor is open.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

/// The names in a directory, whose access time stays what it is where we may ask for that.
pub(crate) fn names_untouched(path: &Path) -> Vec<Vec<u8>> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: the path ends with a NUL and lives through the call, as it does below.
    let quiet = unsafe { libc::open(path.as_ptr(), flags | libc::O_NOATIME) };
    // SAFETY: as above.
    let file = if quiet == -1 { unsafe { libc::open(path.as_ptr(), flags) } } else { quiet };
    assert_ne!(file, -1, "{}", io::Error::last_os_error());
    // SAFETY: the descriptor is open, and the stream's from here on.
    let stream = unsafe { libc::fdopendir(file) };
    assert!(!stream.is_null(), "{}", io::Error::last_os_error());
    let mut names = Vec::new();
    loop {
        // SAFETY: the stream is open, and used by this thread alone.
        let entry = unsafe { libc::readdir64(stream) };
        if entry.is_null() {
            break;
        }
        // SAFETY: an entry's name ends with a NUL, and stays until the next is read.
        names.push(unsafe { CStr::from_ptr((&raw const (*entry).d_name).cast()) }.to_bytes().to_vec());
    }
    // SAFETY: it is open, and not used again.
    unsafe { libc::closedir(stream) };
    names.retain(|name| name != b"." && name != b"..");
    names
}
