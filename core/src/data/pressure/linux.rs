//! Linux: pressure stall information, of the machine or of the innermost cgroup that has it; events of a cgroup's
//! limit (version 2), or its levels of pressure (version 1). What there is of these is waited for together.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::{Pressure, Signal, Stop};
use crate::machine::{Group, groups};

/// Somebody waited for memory for a tenth of two seconds. Whoever may not ask for shorter windows may ask for this.
const TRIGGER: &str = "some 200000 2000000\0";

/// Something to wait for, and how it says that it has something to say.
#[derive(Debug)]
enum Source {
    /// A file that has become readable out of the ordinary.
    Exception(File),
    /// As that; what it tells is remembered, as it also tells of other things.
    Events(File, u64),
    /// A descriptor that counts events.
    Count(OwnedFd),
}

#[derive(Debug)]
pub(super) struct LinuxPressure {
    sources: Vec<Source>,
    stop: Arc<OwnedFd>,
}

#[derive(Debug)]
pub(super) struct LinuxStop(Arc<OwnedFd>);

impl Stop for LinuxStop {
    fn stop(&self) {
        // Fails only when it was stopped 2^64 times.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }
}

/// Everything that this machine lets us wait for, if there is anything.
pub(super) fn source() -> Option<(LinuxPressure, LinuxStop)> {
    source_of(&groups(), Path::new("/proc/pressure/memory"))
}

/// Everything that these groups let us wait for, and the machine where they do not tell.
fn source_of(groups: &[Group], machine: &Path) -> Option<(LinuxPressure, LinuxStop)> {
    let stalls = groups.iter().find_map(|group| match group {
        Group::V2(folder) => stalls(&folder.join("memory.pressure")),
        Group::V1(_) => None,
    });
    let stalls = stalls.or_else(|| self::stalls(machine));
    let limits = groups.iter().filter_map(|group| match group {
        Group::V2(folder) => events(&folder.join("memory.events")),
        Group::V1(folder) => level(folder),
    });
    let sources: Vec<Source> = stalls.into_iter().chain(limits).collect();
    if sources.is_empty() {
        return None;
    }
    let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).ok()?);
    Some((LinuxPressure { sources, stop: Arc::clone(&stop) }, LinuxStop(stop)))
}

fn stalls(file: &Path) -> Option<Source> {
    let mut file = OpenOptions::new().read(true).write(true).open(file).ok()?;
    file.write_all(TRIGGER.as_bytes()).ok()?;
    Some(Source::Exception(file))
}

fn events(file: &Path) -> Option<Source> {
    let mut file = File::open(file).ok()?;
    let seen = throttled(&mut file)?;
    Some(Source::Events(file, seen))
}

/// How often a group was held up at its limit.
fn throttled(file: &mut File) -> Option<u64> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    let count = |line: &str| match line.split_once(' ')? {
        ("high" | "max", count) => count.parse::<u64>().ok(),
        _ => None,
    };
    Some(text.lines().filter_map(count).sum())
}

fn level(folder: &Path) -> Option<Source> {
    let count = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).ok()?;
    let level = File::open(folder.join("memory.pressure_level")).ok()?;
    let mut control = OpenOptions::new().write(true).open(folder.join("cgroup.event_control")).ok()?;
    write!(control, "{} {} medium", count.as_raw_fd(), level.as_raw_fd()).ok()?;
    Some(Source::Count(count))
}

impl Source {
    fn poll_fd(&self) -> PollFd<'_> {
        match self {
            Source::Exception(file) | Source::Events(file, _) => PollFd::new(file, PollFlags::PRI),
            Source::Count(count) => PollFd::new(count, PollFlags::IN),
        }
    }

    /// Whether it says that memory is short, given what it was woken by. `None`: its group has gone, and it would wake us for ever.
    fn is_short(&mut self, woken_by: PollFlags) -> Option<bool> {
        match self {
            Source::Exception(_) | Source::Count(_) if woken_by.contains(PollFlags::ERR) => None,
            Source::Exception(_) => Some(true),
            Source::Count(count) => Some(rustix::io::read(count.as_fd(), &mut [0; 8]).is_ok()),
            Source::Events(file, seen) => {
                let now = throttled(file)?;
                Some(std::mem::replace(seen, now) < now)
            }
        }
    }
}

impl LinuxPressure {
    /// Which sources have something to say; `None` when stopped.
    fn ready(&self, most: Option<&Timespec>) -> Option<Vec<PollFlags>> {
        let mut fds: Vec<PollFd<'_>> = self.sources.iter().map(Source::poll_fd).collect();
        fds.push(PollFd::new(&*self.stop, PollFlags::IN));
        match poll(&mut fds, most) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
        let stopped = fds.pop().is_none_or(|stop| !stop.revents().is_empty());
        (!stopped).then(|| fds.iter().map(PollFd::revents).collect())
    }
}

impl Pressure for LinuxPressure {
    fn wait(&mut self, most: Option<Duration>) -> Signal {
        let most = most.map(|most| Timespec { tv_sec: most.as_secs() as i64, tv_nsec: most.subsec_nanos().into() });
        loop {
            let Some(ready) = self.ready(most.as_ref()) else { return Signal::Stopped };
            if ready.iter().all(|flags| flags.is_empty()) {
                return Signal::Quiet;
            }
            let mut short = false;
            for at in (0..ready.len()).rev() {
                if ready[at].is_empty() {
                    continue;
                }
                match self.sources[at].is_short(ready[at]) {
                    Some(says) => short |= says,
                    None => drop(self.sources.swap_remove(at)),
                }
            }
            if short {
                return Signal::Short;
            }
            if self.sources.is_empty() {
                return Signal::Stopped;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_it_is_stopped() {
        let Some((mut source, stop)) = source() else { return };
        let waiting = std::thread::spawn(move || while source.wait(None) != Signal::Stopped {});
        stop.stop();
        assert!(waiting.join().is_ok());
    }

    #[test]
    fn a_group_that_has_gone_is_waited_for_no_more() {
        // What is there no more cannot be read; a directory stands for it.
        let gone = Source::Events(File::open("/").expect("a directory"), 0);
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd"));
        let mut woken = Source::Events(File::open("/").expect("a directory"), 7);
        assert_eq!(woken.is_short(PollFlags::PRI), None);
        let count = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
        assert_eq!(Source::Count(count).is_short(PollFlags::ERR), None);
        let mut source = LinuxPressure { sources: vec![gone], stop };
        // A directory is never ready: only what was woken is looked at.
        assert_eq!(source.wait(Some(Duration::from_millis(1))), Signal::Quiet);
    }

    /// A group of version 2 as the kernel shows it, made of plain files.
    fn made_up(folder: &Path, events: &str) -> Group {
        std::fs::create_dir_all(folder).expect("a folder");
        std::fs::write(folder.join("memory.events"), events).expect("a file");
        Group::V2(folder.to_owned())
    }

    #[test]
    fn groups_of_version_2_are_listened_to_all_of_them_and_the_innermost_for_its_stalls() {
        let folder = tempfile::tempdir().expect("a folder");
        let (inner, outer) = (folder.path().join("a/b"), folder.path().join("a"));
        let groups = [made_up(&inner, "high 1\nmax 2\n"), made_up(&outer, "high 0\nmax 5\n")];
        // Who has no stalls to tell leaves it to the next, and all of them to the machine.
        for folder in [outer.join("memory.pressure"), folder.path().join("machine")] {
            std::fs::write(folder, "").expect("a file");
        }
        let (mut source, stop) = source_of(&groups, &folder.path().join("machine")).expect("something to wait for");
        assert_eq!(source.sources.len(), 3);
        assert_eq!(std::fs::read(outer.join("memory.pressure")).expect("a file"), TRIGGER.as_bytes());
        assert_eq!(std::fs::read(folder.path().join("machine")).expect("a file"), b"", "the machine is not asked");
        // Plain files are never out of the ordinary.
        assert_eq!(source.wait(Some(Duration::from_millis(1))), Signal::Quiet);
        let told = |source: &mut LinuxPressure| -> Vec<Option<bool>> {
            source.sources[1..].iter_mut().map(|events| events.is_short(PollFlags::PRI)).collect()
        };
        assert_eq!(told(&mut source), [Some(false), Some(false)], "what was before is no news");
        made_up(&outer, "low 9\nhigh 0\nmax 6\noom 0\n");
        assert_eq!(told(&mut source), [Some(false), Some(true)]);
        made_up(&inner, "high 2\nmax 2\n");
        assert_eq!(told(&mut source), [Some(true), Some(false)]);
        made_up(&inner, "high 2\nmax 2\noom_kill 1\n");
        assert_eq!(told(&mut source), [Some(false), Some(false)]);
        stop.stop();
        assert_eq!(source.wait(None), Signal::Stopped);
    }

    #[test]
    fn where_no_group_tells_of_stalls_the_machine_is_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let groups = [made_up(folder.path(), "max 0\n")];
        let machine = folder.path().join("machine");
        std::fs::write(&machine, "").expect("a file");
        assert!(source_of(&groups, &machine).is_some());
        assert_eq!(std::fs::read(machine).expect("a file"), TRIGGER.as_bytes());
        assert!(source_of(&[], Path::new("/nowhere")).is_none(), "nothing to wait for");
    }

    /// The kernel's own files: of a group below where version 2 is mounted, if one may be made.
    #[test]
    fn stalls_of_a_real_group_can_be_waited_for() {
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let Some(root) = roots.into_iter().find(|root| root.join("cgroup.controllers").exists()) else { return };
        let group = root.join(format!("bough-test-pressure-{}", std::process::id()));
        if std::fs::create_dir(&group).is_err() {
            return;
        }
        let has_stalls = group.join("memory.pressure").exists();
        let made = source_of(&[Group::V2(group.clone())], Path::new("/nowhere"));
        let waited = made.map(|(mut source, _stop)| source.wait(Some(Duration::from_millis(10))));
        std::fs::remove_dir(&group).expect("nobody is in it");
        // Who is in no such group stalls nobody.
        assert_eq!(waited, has_stalls.then_some(Signal::Quiet));
    }

    #[test]
    fn only_what_happens_at_the_limit_is_pressure() {
        let mut file = tempfile::tempfile().expect("a file");
        write!(file, "low 7\nhigh 3\nmax 40\noom 1\noom_kill 0\n").expect("room");
        assert_eq!(throttled(&mut file), Some(43));
    }
}
