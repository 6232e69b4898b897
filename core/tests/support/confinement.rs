//! Processes whose memory is limited by the system: a command under `ulimit -v`, or in a cgroup of its own.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// `command`, with the words that follow as its first: they run it.
fn prefixed(command: &Command, script: &str, argument: &OsStr) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(argument).arg(command.get_program()).args(command.get_args());
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell
}

/// The command with so many bytes of addresses (RLIMIT_AS).
pub fn with_addresses(command: &Command, bytes: u64) -> Command {
    let kib = (bytes >> 10).to_string();
    prefixed(command, r#"ulimit -v "$1" && shift && exec "$@""#, OsStr::new(&kib))
}

/// A cgroup of its own, with a limit on memory. Gone with this.
pub struct Group {
    folder: PathBuf,
    second: bool,
}

impl Group {
    /// `None`, and a line that says so, where no group can be made: without rights, or without the controller.
    pub fn with_memory(bytes: u64) -> Option<Group> {
        let made = Group::first().or_else(Group::second);
        let Some(group) = made else {
            eprintln!("SKIPPED, AND THAT IS NO SUCCESS: no cgroup with a limit on memory can be made here");
            return None;
        };
        let limit = if group.second { "memory.max" } else { "memory.limit_in_bytes" };
        fs::write(group.folder.join(limit), bytes.to_string()).unwrap();
        // Swap would take what should not have been taken.
        let _ = fs::write(group.folder.join("memory.swap.max"), "0");
        Some(group)
    }

    /// Version 1: anywhere below the hierarchy of the controller.
    fn first() -> Option<Group> {
        let root = Path::new("/sys/fs/cgroup/memory");
        let own = own_path(|controllers| controllers.split(',').any(|controller| controller == "memory"))?;
        // In a container its own group may be mounted as the root.
        [root.join(&own), root.to_owned()]
            .iter()
            .find_map(|parent| Group::below(parent, "memory.limit_in_bytes", false))
    }

    /// Version 2: below the innermost group that may have groups with this controller.
    fn second() -> Option<Group> {
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let root = roots.into_iter().find(|root| root.join("cgroup.controllers").exists())?;
        let own = root.join(own_path(str::is_empty)?);
        own.ancestors().take_while(|parent| parent.starts_with(root)).find_map(|parent| {
            // Refused where processes live in the group itself: then the next one out.
            let _ = fs::write(parent.join("cgroup.subtree_control"), "+memory");
            Group::below(parent, "memory.max", true)
        })
    }

    fn below(parent: &Path, must_have: &str, second: bool) -> Option<Group> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bough-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = parent.join(name);
        fs::create_dir(&folder).ok()?;
        // Removed by its drop if it is not what was wanted.
        let group = Group { folder, second };
        let writable = fs::OpenOptions::new().write(true).open(group.folder.join(must_have)).is_ok();
        writable.then_some(group)
    }

    /// Where it is controlled.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it is one of version 2.
    pub fn is_second(&self) -> bool {
        self.second
    }

    /// The command in this group.
    pub fn run(&self, command: &Command) -> Command {
        prefixed(command, r#"echo $$ > "$1" && shift && exec "$@""#, self.folder.join("cgroup.procs").as_os_str())
    }

    /// How many processes were killed because of the limit.
    pub fn killed(&self) -> u64 {
        let file = if self.second { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.folder.join(file)).unwrap();
        let killed = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.expect("a count of the killed").trim().parse().unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever was in it may be on his way out.
        for _ in 0..200 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// The path of this process' own group in the hierarchy whose controllers are wanted.
fn own_path(wanted: impl Fn(&str) -> bool) -> Option<String> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        wanted(controllers).then(|| path.trim_start_matches('/').to_owned())
    })
}
