//! A daemon of one's own, for one test.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use bough::control::messages::*;
use bough::control::{filled, message, text_of};

use crate::sys;

/// Options with which a daemon serves most people.
pub(crate) const USUAL: &str = "default_permissions,allow_other";

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Runs to success; answers what it printed on stdout.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{complained}", output.status);
    said.into_owned()
}

/// Runs a line of shell in a folder, to success.
#[track_caller]
pub(crate) fn shell(folder: &Path, line: &str) -> String {
    run(Command::new("bash").args(["-euo", "pipefail", "-c", line]).current_dir(folder))
}

pub(crate) fn installed(program: &str) -> bool {
    let found = Command::new("sh").args(["-c", &format!("command -v {program}")]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: {program} is not installed");
    }
    found
}

/// Whether this machine can mount FUSE at all. Without it there is nothing to test here.
pub(crate) fn fuse_is_here() -> bool {
    let here = Path::new("/dev/fuse").exists();
    if !here {
        eprintln!("SKIPPED, AND THAT IS NO SUCCESS: this machine has no /dev/fuse");
    }
    here
}

/// The daemon: `$BOUGH_FUSE` (one built with a sanitizer, say), else built as this test is.
pub(crate) fn daemon() -> &'static Path {
    static DAEMON: OnceLock<PathBuf> = OnceLock::new();
    DAEMON.get_or_init(|| {
        if let Some(chosen) = std::env::var_os("BOUGH_FUSE") {
            return chosen.into();
        }
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).expect("target/PROFILE/deps/test").to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "bough"]).current_dir(root());
        cargo.arg("--target-dir").arg(folder.parent().expect("target/PROFILE"));
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        run(&mut cargo);
        let mut make = Command::new("make");
        make.arg("-C").arg(root().join("glue-linux")).arg(format!("LIBBOUGH={}/libbough.a", folder.display()));
        run(make.arg(format!("OUT={}", folder.display())));
        folder.join("bough-fuse")
    })
}

/// A folder of one's own, gone afterwards.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("bough-mounted-{}-{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        // Ordinary users must get through to mount points below.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        Scratch(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.0.join(name);
        fs::create_dir(&folder).unwrap();
        folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a thread of a process is alive: the last one closes its files. A process that nobody has waited for is not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut stats = threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    stats.any(|stat| stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X'])))
}

/// Longer than anything takes that ends at all: a machine may be slow, and busy with much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something holds: a daemon with nobody to run it ends late.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until a process is in a system call that keeps it.
#[track_caller]
pub(crate) fn waits_in(pid: u32, call: i64) {
    let call = format!("{call} ");
    eventually("it waits", || {
        fs::read_to_string(format!("/proc/{pid}/syscall")).is_ok_and(|told| told.starts_with(&call))
    });
}

/// A daemon that does nothing until this is dropped.
pub(crate) struct Halted(u32);

impl Halted {
    /// Waits until all of its threads have been told: the signal is one thread's, who stops the others when he comes to run. One that
    /// waits in the kernel for good, as who looks at a process that is in execve(2) may do for another daemon's sake, stops before he
    /// runs again.
    #[track_caller]
    fn new(pid: u32) -> Halted {
        let halted = Halted(pid);
        sys::kill(pid, libc::SIGSTOP);
        eventually("the daemon stands still", || {
            let states = thread_states(pid);
            states.contains(&'T') && !states.iter().any(|state| matches!(state, 'R' | 'S'))
        });
        halted
    }
}

/// How the threads of a process are: proc_pid_stat(5).
fn thread_states(pid: u32) -> Vec<char> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("a process that is there");
    let stats = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
    stats.filter_map(|stat| stat.rsplit_once(") ")?.1.chars().next()).collect()
}

impl Drop for Halted {
    fn drop(&mut self) {
        sys::kill(self.0, libc::SIGCONT);
    }
}

/// A volume mounted by a daemon of its own.
pub(crate) struct Mount {
    scratch: Scratch,
    point: PathBuf,
    pid: u32,
}

/// What a command to start a daemon needs.
pub(crate) fn daemon_command(scratch: &Scratch, options: &str, point: &Path) -> Command {
    let mut command = Command::new(daemon());
    command.env("BOUGH_STATE_DIR", scratch.path().join("state")).arg("-o").arg(options).arg(point);
    command
}

pub(crate) fn start(scratch: &Scratch, options: &str, point: &Path) -> Output {
    daemon_command(scratch, options, point).output().unwrap()
}

impl Mount {
    /// `None`: this machine has no FUSE.
    pub(crate) fn new() -> Option<Mount> {
        Mount::with(USUAL)
    }

    #[track_caller]
    pub(crate) fn with(options: &str) -> Option<Mount> {
        if !fuse_is_here() {
            return None;
        }
        let scratch = Scratch::new();
        let point = scratch.folder("mnt");
        Some(Mount::begin(scratch, options, point))
    }

    /// Mounted over a directory that `make` fills: `base` in the scratch folder.
    #[track_caller]
    pub(crate) fn over(options: &str, make: impl FnOnce(&Path)) -> Option<Mount> {
        if !fuse_is_here() {
            return None;
        }
        let scratch = Scratch::new();
        let (base, point) = (scratch.folder("base"), scratch.folder("mnt"));
        make(&base);
        Some(Mount::begin(scratch, &format!("{options},base={}", base.display()), point))
    }

    #[track_caller]
    pub(crate) fn begin(scratch: Scratch, options: &str, point: PathBuf) -> Mount {
        let output = start(&scratch, options, &point);
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        let pid = info(&point).pid;
        Mount { scratch, point, pid }
    }

    /// What a daemon serves that was started some other way.
    pub(crate) fn of(scratch: Scratch, point: PathBuf, pid: u32) -> Mount {
        Mount { scratch, point, pid }
    }

    pub(crate) fn point(&self) -> &Path {
        &self.point
    }

    pub(crate) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    #[track_caller]
    pub(crate) fn halt(&self) -> Halted {
        Halted::new(self.pid)
    }

    /// A path in the mount.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.point.join(name)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        PathBuf::from(text_of(&info(&self.point).endpoint.bytes))
    }

    /// Mounts a branch or snapshot at a further point, as `bough mount --attach` does.
    pub(crate) fn attach(&self, shows: &str, point: &str) -> PathBuf {
        let point = self.scratch.folder(point);
        let device = sys::mount_fuse(&point, "default_permissions,allow_other");
        let mut request: fs_control_attach = message();
        request.shows = name(shows);
        request.label = fs_control_label { bytes: filled(point.as_os_str().as_encoded_bytes()) };
        let answer = sys::send_control(&self.socket(), request, Some(device));
        assert_eq!(answer.header.result, 0, "{}", text_of(&answer.header.text));
        assert_ne!(answer.view, 0);
        point
    }

    /// Unmounts, and sees that nothing is left.
    #[track_caller]
    pub(crate) fn end(self) {
        self.end_with(&[]);
    }

    /// The same with further mount points.
    #[track_caller]
    pub(crate) fn end_with(self, others: &[&Path]) {
        self.unmount(others);
    }

    /// The same, but what the scratch folder holds can still be looked at.
    #[track_caller]
    pub(crate) fn unmount(&self, others: &[&Path]) {
        sound(&self.point, true);
        for point in others.iter().copied().chain([self.point.as_path()]) {
            // Whoever looks at every mount there is (udisks, say) keeps it busy for a moment.
            eventually("it can be unmounted", || sys::unmount(point).is_ok());
        }
        self.is_gone();
    }

    #[track_caller]
    pub(crate) fn is_gone(&self) {
        eventually("the daemon has ended", || !is_alive(self.pid));
        let left: Vec<_> = fs::read_dir(self.scratch.path().join("state")).unwrap().collect();
        assert!(left.is_empty(), "left in the state directory: {left:?}");
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        for mounted in sys::mounts_below(self.scratch.path()) {
            let _ = sys::unmount_lazily(&mounted);
        }
        if is_alive(self.pid) {
            sys::kill(self.pid, libc::SIGTERM);
            let begun = Instant::now();
            while is_alive(self.pid) && begun.elapsed() < Duration::from_secs(5) {
                thread::sleep(Duration::from_millis(2));
            }
            sys::kill(self.pid, libc::SIGKILL);
        }
    }
}

// ---- control ---------------------------------------------------------------------------------------------------------

pub(crate) fn name(text: &str) -> fs_control_name {
    fs_control_name { bytes: filled(text.as_bytes()) }
}

pub(crate) fn info(path: &Path) -> fs_control_info {
    sys::control(path, message::<fs_control_info>()).unwrap()
}

/// The volume holds what it must. `still`: nobody uses it; but a kernel closes and forgets when it comes to it, so what does not
/// fit at first may fit soon.
#[track_caller]
pub(crate) fn sound(path: &Path, still: bool) {
    let ask = || {
        let flags = if still { FS_CONTROL_STILL } else { 0 };
        let check = sys::control(path, fs_control_check { flags, ..message() }).unwrap();
        assert_eq!(check.header.result, 0, "{}", text_of(&check.header.text));
        text_of(&check.problems)
    };
    let (begun, mut problems) = (Instant::now(), ask());
    while still && !problems.is_empty() && begun.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(20));
        problems = ask();
    }
    assert!(problems.is_empty(), "the volume is not sound:\n{problems}");
}

/// Takes a snapshot as `bough snapshot create` does; answers the result.
pub(crate) fn try_snapshot(path: &Path, called: &str) -> u32 {
    sys::syncfs(path);
    try_snapshot_as_it_is(path, called)
}

/// The same, of what the daemon has by now.
pub(crate) fn try_snapshot_as_it_is(path: &Path, called: &str) -> u32 {
    let mut request: fs_control_snapshot = message();
    request.name = name(called);
    sys::control(path, request).unwrap().header.result
}

#[track_caller]
pub(crate) fn snapshot(path: &Path, called: &str) {
    assert_eq!(try_snapshot(path, called), 0);
}

#[track_caller]
pub(crate) fn branch(path: &Path, called: &str, from: &str) {
    sys::syncfs(path);
    let mut request: fs_control_branch = message();
    (request.name, request.from) = (name(called), name(from));
    let answer = sys::control(path, request).unwrap();
    assert_eq!(answer.header.result, 0, "{}", text_of(&answer.header.text));
}

/// A mount point of the branch `side`, in which the file `f` says so; in that of `mount` it says "main".
pub(crate) fn side_that_differs(mount: &Mount) -> PathBuf {
    std::fs::write(mount.at("f"), "main").unwrap();
    branch(mount.point(), "side", "");
    let side = mount.attach("side", "side");
    std::fs::write(side.join("f"), "side").unwrap();
    sys::syncfs(&side);
    side
}

#[track_caller]
pub(crate) fn switch(path: &Path, to: &str) {
    let mut request: fs_control_switch = message();
    request.to = name(to);
    let answer = sys::control(path, request).unwrap();
    assert_eq!(answer.header.result, 0, "{}", text_of(&answer.header.text));
}

/// The names in a directory, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
