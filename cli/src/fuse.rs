//! Mounting and unmounting FUSE: by the system calls for root, through fusermount3 for everybody else.

use std::ffi::{CString, OsStr};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Command, Output};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::mount::UnmountFlags;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SocketFlags, SocketType, recvmsg, socketpair,
};

use crate::errors::{Context, Failure, Result, describe};
use crate::mounts;
use crate::options::Options;

const DEVICE: &str = "/dev/fuse";
const HELPER: &str = "fusermount3";
/// Tells the helper where to send the descriptor.
const HELPER_SOCKET: &str = "_FUSE_COMMFD";
/// The root of a mount is a directory: `S_IFDIR` in octal.
const ROOT_MODE: &str = "40000";

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Finds out, before anything is begun, whether this process can mount at all.
pub(crate) fn check() -> Result<()> {
    open_device()?;
    if !is_root() && !is_on_path(HELPER) {
        return Err(Failure::system(format!("{HELPER} is missing, which users mount with: install the package fuse3")));
    }
    Ok(())
}

/// Opens the device that mounts are served through.
pub(crate) fn open_device() -> Result<OwnedFd> {
    openat(CWD, DEVICE, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT => Failure::system(format!(
            "there is no {DEVICE}: load the module with `modprobe fuse`, or give the container the device"
        )),
        Errno::NODEV | Errno::NXIO => Failure::system("the kernel has no FUSE: load the module with `modprobe fuse`"),
        Errno::ACCESS | Errno::PERM => Failure::system(format!(
            "no permission to open {DEVICE}: as root, `chmod 666 {DEVICE}`, or install the udev rule of the package fuse3"
        )),
        _ => Failure::system(format!("cannot open {DEVICE}: {}", describe(&errno.into()))),
    })
}

/// Whether a program is found as a shell would find it.
pub(crate) fn is_on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// Mounts at `point`; whoever holds the descriptor serves it.
pub(crate) fn mount(point: &Path, source: &str, options: &Options) -> Result<OwnedFd> {
    if is_root() { mount_as_root(point, source, options) } else { mount_as_user(point, source, options) }
}

fn mount_as_root(point: &Path, source: &str, options: &Options) -> Result<OwnedFd> {
    let (flags, words) = options.for_kernel()?;
    let device = open_device()?;
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let own = format!("fd={},rootmode={ROOT_MODE},user_id={user},group_id={group}", device.as_raw_fd());
    let data = std::iter::once(own.as_str()).chain(words).collect::<Vec<_>>().join(",");
    let data = CString::new(data).expect("invariant: made of numbers and known words");
    rustix::mount::mount(source, point, mounts::TYPE, flags, data.as_c_str()).map_err(|errno| refused(point, errno))?;
    Ok(device)
}

fn refused(point: &Path, errno: Errno) -> Failure {
    let point = point.display();
    match errno {
        Errno::PERM | Errno::ACCESS => Failure::system(format!(
            "no permission to mount at {point}: it takes CAP_SYS_ADMIN, which containers have only when privileged"
        )),
        Errno::NODEV => Failure::system("the kernel has no FUSE: load the module with `modprobe fuse`"),
        _ => Failure::system(format!("cannot mount at {point}: {}", describe(&errno.into()))),
    }
}

fn mount_as_user(point: &Path, source: &str, options: &Options) -> Result<OwnedFd> {
    let list = options.for_helper(source)?;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .context("cannot make a socket pair")?;
    fcntl_setfd(&theirs, FdFlags::empty()).context("cannot hand on a socket")?;
    let mut command = Command::new(HELPER);
    command.arg("-o").arg(list).arg("--").arg(point).env(HELPER_SOCKET, theirs.as_raw_fd().to_string());
    run_helper(command, point, "mount at")?;
    drop(theirs);
    receive(ours.as_fd()).context(format_args!("{HELPER} mounted {} and sent no descriptor", point.display()))
}

/// Runs fusermount3; what it says becomes the failure.
fn run_helper(mut command: Command, point: &Path, what: &str) -> Result<Output> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::system(format!("{HELPER} is missing: install the package fuse3")),
        _ => Failure::system(format!("cannot run {HELPER}: {}", describe(&error))),
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim().lines().next().unwrap_or("it gives no reason");
    if said.contains("busy") {
        return Err(busy(point));
    }
    Err(Failure::system(format!("cannot {what} {}: {said}", point.display())))
}

/// Takes the descriptor that the helper sends with one byte.
fn receive(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0u8; 1];
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let descriptor = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptor.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Unmounts; refused while it is in use.
pub(crate) fn unmount(point: &Path) -> Result<()> {
    if !is_root() {
        return unmount_as_user(point, &["-u"]);
    }
    rustix::mount::unmount(point, UnmountFlags::NOFOLLOW).map_err(|errno| match errno {
        Errno::BUSY => busy(point),
        Errno::PERM => Failure::system(format!("no permission to unmount {}: it takes CAP_SYS_ADMIN", point.display())),
        _ => Failure::system(format!("cannot unmount {}: {}", point.display(), describe(&errno.into()))),
    })
}

/// Takes a mount out of the tree whether it is in use or not: for mounts whose daemon is gone.
pub(crate) fn detach(point: &Path) -> Result<()> {
    if !is_root() {
        return unmount_as_user(point, &["-u", "-z"]);
    }
    let detached = rustix::mount::unmount(point, UnmountFlags::NOFOLLOW | UnmountFlags::DETACH);
    detached.context(format_args!("cannot unmount {}", point.display()))
}

fn unmount_as_user(point: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(HELPER);
    command.args(arguments).arg(OsStr::new("--")).arg(point);
    run_helper(command, point, "unmount").map(drop)
}

fn busy(point: &Path) -> Failure {
    let point = point.display();
    Failure::refused(format!("{point} is in use: end what works in it (`fuser -vm {point}` lists it), then try again"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::*;

    #[test]
    fn a_descriptor_is_taken_from_the_helper() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let null = std::fs::File::open("/dev/null").unwrap();
        let descriptors = [null.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        assert!(beside.push(SendAncillaryMessage::ScmRights(&descriptors)));
        sendmsg(&theirs, &[io::IoSlice::new(b"x")], &mut beside, SendFlags::empty()).unwrap();
        receive(ours.as_fd()).unwrap();
        drop(theirs);
        assert!(receive(ours.as_fd()).is_err(), "a helper that sends none is noticed");
    }

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(is_on_path("sh"));
        assert!(!is_on_path("no-such-program-anywhere"));
    }
}
