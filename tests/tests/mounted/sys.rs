//! The system calls that the standard library has no name for.

use std::ffi::{CStr, CString};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use bough::control::{Message, ioctl_number};
use libc::{c_int, c_uint, off_t};

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn checked(answer: c_int) -> io::Result<c_int> {
    if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn counted(answer: isize) -> io::Result<u64> {
    u64::try_from(answer).map_err(|_| io::Error::last_os_error())
}

// ---- mounts ----------------------------------------------------------------------------------------------------------

pub(crate) fn is_root() -> bool {
    // SAFETY: it only answers a number.
    unsafe { libc::geteuid() == 0 }
}

/// A process that another test starts holds, between fork and exec, what this one has open: busy for that long is no failure.
pub(crate) fn unmount(point: &Path) -> io::Result<c_int> {
    let point = c_path(point);
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        // SAFETY: the path ends with a NUL and lives through the call.
        let answer = checked(unsafe { libc::umount2(point.as_ptr(), libc::UMOUNT_NOFOLLOW) });
        match answer {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < patience => {
                std::thread::sleep(Duration::from_millis(10));
            }
            answer => return answer,
        }
    }
}

pub(crate) fn unmount_lazily(point: &Path) -> io::Result<c_int> {
    // SAFETY: the path ends with a NUL and lives through the call.
    checked(unsafe { libc::umount2(c_path(point).as_ptr(), libc::UMOUNT_NOFOLLOW | libc::MNT_DETACH) })
}

/// Ends all that waits for the daemon of a mount point, when this goes.
pub(crate) struct Abort(pub(crate) PathBuf);

impl Drop for Abort {
    fn drop(&mut self) {
        // SAFETY: the path ends with a NUL and lives through the call.
        unsafe { libc::umount2(c_path(&self.0).as_ptr(), libc::UMOUNT_NOFOLLOW | libc::MNT_FORCE) };
    }
}

/// Mount points below a folder.
pub(crate) fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(1).map(PathBuf::from));
    points.filter(|point| point.starts_with(folder)).collect()
}

/// Mounts FUSE as root; answers the descriptor to serve it by.
pub(crate) fn mount_fuse(point: &Path, options: &str) -> OwnedFd {
    let device = OpenOptions::new().read(true).write(true).open("/dev/fuse").unwrap();
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,{options}", device.as_raw_fd());
    let options = CString::new(options).unwrap();
    // SAFETY: all texts end with a NUL and live through the call.
    let answer = unsafe {
        libc::mount(c"bough".as_ptr(), c_path(point).as_ptr(), c"fuse.bough".as_ptr(), 0, options.as_ptr().cast())
    };
    checked(answer).unwrap();
    device.into()
}

/// Has the kernel forget all names of a mount that nobody uses: that is what it does first when one is mounted anew. For a mount of
/// [`mount_fuse`].
#[allow(dead_code, reason = "for the suites, which share this")]
pub(crate) fn forget_names(point: &Path) {
    let none = std::ptr::null();
    // SAFETY: the path ends with a NUL and lives through the call; the others may be missing.
    checked(unsafe { libc::mount(none, c_path(point).as_ptr(), none, libc::MS_REMOUNT, none.cast()) }).unwrap();
}

/// The processors that this thread may run on.
pub(crate) fn processors() -> Vec<usize> {
    // SAFETY: an empty set is all zero, and the call fills in as many bytes as it is told that there are.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        checked(libc::sched_getaffinity(0, size_of_val(&set), &mut set)).unwrap();
        set
    };
    // SAFETY: the numbers are within the set.
    (0..libc::CPU_SETSIZE as usize).filter(|number| unsafe { libc::CPU_ISSET(*number, &set) }).collect()
}

/// This thread runs on these only, from now on.
pub(crate) fn stay_on(processors: &[usize]) {
    // SAFETY: as above.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        processors.iter().for_each(|number| libc::CPU_SET(*number, &mut set));
        checked(libc::sched_setaffinity(0, size_of_val(&set), &set)).unwrap();
    }
}

pub(crate) fn kill(pid: u32, signal: c_int) {
    // SAFETY: it passes numbers only.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}

// ---- scheduling ------------------------------------------------------------------------------------------------------

/// The calling thread.
pub(crate) fn this_thread() -> c_int {
    // SAFETY: it only answers a number.
    unsafe { libc::gettid() }
}

/// Keeps the calling thread on one processor, for all who ask the same one.
pub(crate) fn stay_on_one_processor() {
    // SAFETY: all zero is the empty set; it lives through the calls, which are told its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        checked(libc::sched_getaffinity(0, size_of_val(&set), &raw mut set)).unwrap();
        let last = (0..libc::CPU_SETSIZE as usize).rev().find(|&cpu| libc::CPU_ISSET(cpu, &set)).unwrap();
        libc::CPU_ZERO(&mut set);
        libc::CPU_SET(last, &mut set);
        checked(libc::sched_setaffinity(0, size_of_val(&set), &raw const set)).unwrap();
    }
}

/// Lets a thread, if it has not ended, run only when nobody else wants its processor.
pub(crate) fn run_last(thread: c_int) {
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: the parameters live through the call.
    let answer = checked(unsafe { libc::sched_setscheduler(thread, libc::SCHED_IDLE, &raw const parameters) });
    assert!(answer.map_or_else(|error| error.raw_os_error() == Some(libc::ESRCH), |_| true));
}

// ---- control ---------------------------------------------------------------------------------------------------------

/// Sends a control message by ioctl.
/// Runs the calling thread before all that have no such priority, if it may; else it answers false.
pub(crate) fn run_first() -> bool {
    let first = libc::sched_param { sched_priority: 1 };
    // SAFETY: it lives through the call.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &first) == 0 }
}

/// Has the kernel hand over what was written to a file, and does not wait for the answers.
pub(crate) fn begin_writing_back(file: &File) {
    // SAFETY: it passes numbers only.
    checked(unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) }).unwrap();
}

pub(crate) fn control<M: Message>(path: &Path, message: M) -> io::Result<M> {
    control_by_number(path, ioctl_number::<M>(), message)
}

pub(crate) fn control_by_number<M: Message>(path: &Path, number: u32, mut message: M) -> io::Result<M> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    // SAFETY: the kernel reads and writes as many bytes as the number says, at most those of the message.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), u64::from(number), &raw mut message) })?;
    Ok(message)
}

/// Sends a control message over a socket, with a descriptor beside it.
pub(crate) fn send_control<M: Message>(socket: &Path, mut message: M, descriptor: Option<OwnedFd>) -> M {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    let mut bytes = M::REQUEST.to_ne_bytes().to_vec();
    bytes.extend((size_of::<M>() as u32).to_ne_bytes());
    match descriptor {
        Some(descriptor) => send_with(&stream, &bytes, descriptor.as_raw_fd()),
        None => stream.write_all(&bytes).unwrap(),
    }
    // SAFETY: a message is plain bytes, says its trait.
    let raw = unsafe { std::slice::from_raw_parts_mut((&raw mut message).cast::<u8>(), size_of::<M>()) };
    stream.write_all(raw).unwrap();
    let mut header = [0_u8; 8];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(u32::from_ne_bytes(header[..4].try_into().unwrap()), 0, "the daemon refused the message");
    assert_eq!(u32::from_ne_bytes(header[4..].try_into().unwrap()) as usize, raw.len());
    stream.read_exact(raw).unwrap();
    message
}

fn send_with(stream: &UnixStream, bytes: &[u8], descriptor: c_int) {
    let mut room = [0_u64; 8];
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all zero is a message header without anything.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = room.as_mut_ptr().cast();
    // SAFETY: the room is large enough and aligned for one control message with one descriptor, and lives through the call.
    let sent = unsafe {
        header.msg_controllen = libc::CMSG_SPACE(size_of::<c_int>() as c_uint) as usize;
        let first = libc::CMSG_FIRSTHDR(&raw const header);
        (*first).cmsg_level = libc::SOL_SOCKET;
        (*first).cmsg_type = libc::SCM_RIGHTS;
        (*first).cmsg_len = libc::CMSG_LEN(size_of::<c_int>() as c_uint) as usize;
        libc::CMSG_DATA(first).cast::<c_int>().write_unaligned(descriptor);
        libc::sendmsg(stream.as_raw_fd(), &raw const header, 0)
    };
    assert_eq!(counted(sent).unwrap() as usize, bytes.len());
}

// ---- files -----------------------------------------------------------------------------------------------------------

pub(crate) fn syncfs(path: &Path) {
    let file = File::open(path).unwrap();
    // SAFETY: it passes a number only.
    checked(unsafe { libc::syncfs(file.as_raw_fd()) }).unwrap();
}

pub(crate) fn rename(from: &Path, to: &Path, flags: c_uint) -> io::Result<c_int> {
    let (from, to) = (c_path(from), c_path(to));
    // SAFETY: both paths end with a NUL and live through the call.
    checked(unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags) })
}

pub(crate) fn make_node(path: &Path, mode: u32, device: u64) -> io::Result<c_int> {
    // SAFETY: the path ends with a NUL and lives through the call.
    checked(unsafe { libc::mknod(c_path(path).as_ptr(), mode, device) })
}

pub(crate) fn allocate(file: &File, mode: c_int, offset: u64, length: u64) -> io::Result<c_int> {
    // SAFETY: it passes numbers only.
    checked(unsafe { libc::fallocate(file.as_raw_fd(), mode, offset as off_t, length as off_t) })
}

pub(crate) fn seek(file: &File, offset: u64, whence: c_int) -> io::Result<u64> {
    // SAFETY: it passes numbers only.
    counted(unsafe { libc::lseek(file.as_raw_fd(), offset as off_t, whence) } as isize)
}

pub(crate) fn copy_range(from: &File, mut at: i64, to: &File, mut into: i64, length: usize) -> io::Result<u64> {
    // SAFETY: the offsets live through the call.
    counted(unsafe { libc::copy_file_range(from.as_raw_fd(), &raw mut at, to.as_raw_fd(), &raw mut into, length, 0) })
}

pub(crate) fn link_open(file: &File, to: &Path) -> io::Result<c_int> {
    let from = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    // SAFETY: both paths end with a NUL and live through the call.
    checked(unsafe {
        let to = c_path(to);
        libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::AT_SYMLINK_FOLLOW)
    })
}

pub(crate) fn flock(file: &File, operation: c_int) -> io::Result<c_int> {
    // SAFETY: it passes numbers only.
    checked(unsafe { libc::flock(file.as_raw_fd(), operation) })
}

/// Locks or unlocks a range by open file description; `kind`: F_RDLCK, F_WRLCK, F_UNLCK.
pub(crate) fn lock_range(file: &File, kind: c_int, start: i64, length: i64, wait: bool) -> io::Result<c_int> {
    lock(file, if wait { libc::F_OFD_SETLKW } else { libc::F_OFD_SETLK }, kind, start, length)
}

/// The same by process, as fcntl(2) first had it.
pub(crate) fn lock_by_process(file: &File, kind: c_int, start: i64, length: i64) -> io::Result<c_int> {
    lock(file, libc::F_SETLK, kind, start, length)
}

fn lock(file: &File, command: c_int, kind: c_int, start: i64, length: i64) -> io::Result<c_int> {
    // SAFETY: all zero is a lock description.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as i16;
    lock.l_whence = libc::SEEK_SET as i16;
    (lock.l_start, lock.l_len) = (start, length);
    // SAFETY: the description lives through the call.
    checked(unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) })
}

/// A part of a directory's entries, as the kernel gives them.
pub(crate) fn list(folder: &File, into: &mut [u8]) -> io::Result<u64> {
    // SAFETY: the kernel writes at most as many bytes as there is room for.
    let answer = unsafe { libc::syscall(libc::SYS_getdents64, folder.as_raw_fd(), into.as_mut_ptr(), into.len()) };
    counted(answer as isize)
}

/// The names among such entries.
pub(crate) fn names_of(mut entries: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    while !entries.is_empty() {
        let length =
            u16::from_ne_bytes(*entries[std::mem::offset_of!(libc::dirent64, d_reclen)..].first_chunk().unwrap());
        let (entry, others) = entries.split_at(usize::from(length));
        let name =
            std::ffi::CStr::from_bytes_until_nul(&entry[std::mem::offset_of!(libc::dirent64, d_name)..]).unwrap();
        names.push(name.to_str().unwrap().to_owned());
        entries = others;
    }
    names
}

pub(crate) fn page_bytes() -> usize {
    // SAFETY: asks for a number.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// A shared mapping of a file.
pub(crate) struct Mapping {
    bytes: *mut u8,
    length: usize,
}

// SAFETY: it is memory of the process, and of no thread.
unsafe impl Send for Mapping {}

impl Mapping {
    pub(crate) fn of(file: &File, length: usize) -> Mapping {
        Mapping::for_access(file, length, libc::PROT_READ | libc::PROT_WRITE)
    }

    /// Of a file that is open for reading only; so are its bytes.
    pub(crate) fn to_read(file: &File, length: usize) -> Mapping {
        Mapping::for_access(file, length, libc::PROT_READ)
    }

    fn for_access(file: &File, length: usize, access: c_int) -> Mapping {
        // SAFETY: a new mapping, of a file that is open.
        let bytes = unsafe { libc::mmap(std::ptr::null_mut(), length, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        assert_ne!(bytes, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        Mapping { bytes: bytes.cast(), length }
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: mapped for as long as self lives; nobody else in this process has it.
        unsafe { std::slice::from_raw_parts_mut(self.bytes, self.length) }
    }

    /// The same as numbers, which others change meanwhile.
    #[allow(dead_code, reason = "for the suites, which share this")]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: mapped for as long as self lives, from the beginning of a page; atomics may be changed by others.
        unsafe { std::slice::from_raw_parts(self.bytes.cast::<AtomicU64>(), self.length / size_of::<AtomicU64>()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `of` and is not used again.
        unsafe { libc::munmap(self.bytes.cast(), self.length) };
    }
}

// ---- extended attributes ---------------------------------------------------------------------------------------------

pub(crate) fn set_xattr(path: &Path, name: &CStr, value: &[u8], flags: c_int) -> io::Result<c_int> {
    let path = c_path(path);
    // SAFETY: path and name end with a NUL, the value is as long as said, all live through the call.
    checked(unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags) })
}

pub(crate) fn get_xattr(path: &Path, name: &CStr) -> io::Result<Vec<u8>> {
    let path = c_path(path);
    let mut value = vec![0_u8; 1 << 16];
    // SAFETY: as in `set_xattr`; the value has the room that is said.
    let length =
        counted(unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) })?;
    value.truncate(length as usize);
    Ok(value)
}

pub(crate) fn list_xattrs(path: &Path) -> Vec<String> {
    let path = c_path(path);
    let mut names = vec![0_u8; 1 << 16];
    // SAFETY: the names have the room that is said.
    let length = counted(unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) }).unwrap();
    names.truncate(length as usize);
    names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into())
        .collect()
}

pub(crate) fn remove_xattr(path: &Path, name: &CStr) -> io::Result<c_int> {
    // SAFETY: path and name end with a NUL and live through the call.
    checked(unsafe { libc::lremovexattr(c_path(path).as_ptr(), name.as_ptr()) })
}
