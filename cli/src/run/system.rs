//! System calls that have no safe form elsewhere: a fork into new namespaces, attributes of mounts, signals as a file, filters
//! of system calls, the loopback device. Each is one call; what they are for stands where they are used.

#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Signal};

/// What a process is after a fork.
pub(super) enum Side {
    Child,
    Parent(Pid),
}

/// The namespaces that a fork may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Namespaces(libc::c_int);

impl Namespaces {
    /// Mounts, processes, and what programs share by System V's means.
    pub(super) const ROOM: Namespaces = Namespaces(libc::CLONE_NEWNS | libc::CLONE_NEWPID | libc::CLONE_NEWIPC);
    /// Mounts alone.
    pub(super) const MOUNTS: Namespaces = Namespaces(libc::CLONE_NEWNS);

    /// With users of its own, in which an ordinary user may mount.
    pub(super) fn with_users(self, wanted: bool) -> Namespaces {
        Namespaces(if wanted { self.0 | libc::CLONE_NEWUSER } else { self.0 })
    }

    /// With a network of its own, which leads nowhere.
    pub(super) fn with_network(self, wanted: bool) -> Namespaces {
        Namespaces(if wanted { self.0 | libc::CLONE_NEWNET } else { self.0 })
    }
}

/// Forks; the child is the first process of new namespaces.
pub(super) fn fork_into(namespaces: Namespaces) -> io::Result<Side> {
    assert!(is_single_threaded(), "invariant: only a process of one thread forks");
    // SAFETY: without a stack of its own and without CLONE_VM this is fork(2): the child goes on here, in a copy of everything. There
    // is one thread, so no lock is held by one that the child lacks.
    let pid = unsafe { libc::syscall(libc::SYS_clone, namespaces.0 | libc::SIGCHLD, 0, 0, 0, 0) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(Pid::from_raw(pid as i32).expect("invariant: a child has a number"))),
    }
}

fn is_single_threaded() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1)
}

/// Sets and clears attributes (`MOUNT_ATTR_…`) of the mount behind `tree` and of all below it.
pub(super) fn set_mount_attributes(tree: BorrowedFd<'_>, set: u64, clear: u64) -> io::Result<()> {
    let attributes = [set, clear, 0u64, 0u64];
    let flags = (libc::AT_EMPTY_PATH | libc::AT_RECURSIVE) as libc::c_uint;
    // SAFETY: the structure is four words in this order (`mount_attr`), and its size is told.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            attributes.as_ptr(),
            size_of_val(&attributes),
        )
    };
    checked(done)
}

fn checked(result: libc::c_long) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// All signals of this process, as a file: blocked otherwise, from now on and in its children.
pub(super) struct Signals {
    file: std::fs::File,
    before: Mask,
}

/// Which signals were blocked before.
#[derive(Clone, Copy)]
pub(super) struct Mask(libc::sigset_t);

/// A signal that arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived {
    pub(super) signal: i32,
    /// The kernel sent it of itself: a key was pressed on the terminal, say. Its whole process group got it.
    pub(super) by_kernel: bool,
    /// This process has sent it, to its whole group.
    pub(super) by_self: bool,
    /// Who sent it is in no namespace of processes that this process knows: outside.
    pub(super) from_outside: bool,
}

/// `si_code` of what the kernel sends.
const SI_KERNEL: i32 = 0x80;

impl Signals {
    pub(super) fn take() -> io::Result<Signals> {
        // SAFETY: the sets are initialised before they are read (zero is a value of theirs), and outlive the calls.
        unsafe {
            let mut all = std::mem::zeroed::<libc::sigset_t>();
            let mut before = std::mem::zeroed::<libc::sigset_t>();
            libc::sigfillset(&mut all);
            checked(libc::sigprocmask(libc::SIG_BLOCK, &all, &mut before).into())?;
            let file = libc::signalfd(-1, &all, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            checked(file.into())?;
            Ok(Signals { file: std::fs::File::from(OwnedFd::from_raw_fd(file)), before: Mask(before) })
        }
    }

    pub(super) fn file(&self) -> &std::fs::File {
        &self.file
    }

    pub(super) fn before(&self) -> Mask {
        self.before
    }

    /// The next that has arrived; `None` when none waits.
    pub(super) fn next(&mut self) -> Option<Arrived> {
        let mut bytes = [0u8; size_of::<libc::signalfd_siginfo>()];
        self.file.read_exact(&mut bytes).ok()?;
        let word = |at: usize| i32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        // `ssi_signo`, `ssi_code` and `ssi_pid` are the first, the third and the fourth word.
        let by_kernel = word(8) == SI_KERNEL;
        let by_self = word(12) == rustix::process::getpid().as_raw_nonzero().get();
        Some(Arrived { signal: word(0), by_kernel, by_self, from_outside: !by_kernel && word(12) == 0 })
    }
}

impl Mask {
    /// Makes it the process's again: what waits takes effect.
    pub(super) fn restore(&self) -> io::Result<()> {
        // SAFETY: a set that was given by the kernel.
        checked(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) }.into())
    }
}

/// Sends any signal, real-time ones too.
pub(super) fn send(pid: Pid, signal: i32) {
    // SAFETY: takes numbers only. Whoever has gone misses nothing.
    let _ = unsafe { libc::kill(pid.as_raw_nonzero().get(), signal) };
}

/// Stops this process until somebody has it go on.
pub(super) fn stop_self() {
    send(rustix::process::getpid(), Signal::STOP.as_raw());
}

/// Lets a TSTP that waits, being blocked, take effect: stops this process until somebody has it go on, unless its group is an
/// orphaned one (POSIX 2.4.3), where nobody would.
pub(super) fn let_stop() {
    // SAFETY: the set is made by sigemptyset before it is read, and outlives the calls.
    unsafe {
        let mut one = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&mut one);
        libc::sigaddset(&mut one, libc::SIGTSTP);
        libc::sigprocmask(libc::SIG_UNBLOCK, &one, std::ptr::null_mut());
        libc::sigprocmask(libc::SIG_BLOCK, &one, std::ptr::null_mut());
    }
}

/// Marks all descriptors from `first` on to be closed when a program begins.
pub(super) fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: closes nothing now.
    checked(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })
}

/// Has `last` called in the new process just before its program begins, when nothing can be said any more.
pub(super) fn before_exec(command: &mut Command, last: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: there is one thread when the process forks (`fork_into` made sure), so what runs after it may allocate and lock.
    unsafe { command.pre_exec(last) };
}

/// A line of a filter program: `BPF_STMT` and `BPF_JUMP` of the kernel's headers.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct Step {
    pub(super) code: u16,
    pub(super) when_true: u8,
    pub(super) when_false: u8,
    pub(super) value: u32,
}

#[repr(C)]
struct Program {
    length: libc::c_ushort,
    steps: *const Step,
}

/// Has the kernel pass every later system call of this process and its children through a filter.
pub(super) fn filter_system_calls(steps: &[Step]) -> io::Result<()> {
    let program = Program { length: steps.len() as libc::c_ushort, steps: steps.as_ptr() };
    // SAFETY: `Program` and `Step` are laid out as `sock_fprog` and `sock_filter`; the kernel copies and checks them.
    checked(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) })
}

/// Brings a network device up.
pub(super) fn bring_up(socket: BorrowedFd<'_>, device: &CStr) -> io::Result<()> {
    // SAFETY: the structure is plain, and zero is a value of each of its fields.
    let mut request = unsafe { std::mem::zeroed::<libc::ifreq>() };
    for (to, from) in request.ifr_name.iter_mut().zip(device.to_bytes()) {
        *to = *from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads a name and flags out of an `ifreq`.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) }.into())
}

/// Sets the process's file creation mask for as long as the returned value lives.
pub(super) struct Umask(libc::mode_t);

impl Umask {
    pub(super) fn set(mask: libc::mode_t) -> Umask {
        // SAFETY: takes and returns a number.
        Umask(unsafe { libc::umask(mask) })
    }
}

impl Drop for Umask {
    fn drop(&mut self) {
        // SAFETY: as above.
        unsafe { libc::umask(self.0) };
    }
}
