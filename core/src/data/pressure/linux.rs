//! Linux: pressure stall information, of the machine or of the innermost cgroup that has it; events of a cgroup's
//! limit (version 2), or its levels of pressure (version 1). What there is of these is waited for together.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use super::{Pressure, STEP, Signal, Stop};
use crate::machine::{Group, groups};

/// Somebody waited for memory for a tenth of two seconds. Whoever may not ask for shorter windows may ask for this.
const TRIGGER: &str = "some 200000 2000000\0";

/// So many microseconds at least must have been waited for memory, for events of a limit to count: a group that is full of files that were
/// read meets its limit all the time, and nobody is held up.
const LEAST_STALL: u64 = 50_000;

/// Something to wait for, and how it says that it has something to say.
#[derive(Debug)]
enum Source {
    /// A file that has become readable out of the ordinary.
    Exception(File),
    /// As that.
    Events(Events),
    /// A descriptor that counts events.
    Count(OwnedFd),
}

/// Events of a group's limit. What was told is remembered, as other things are told, too.
#[derive(Debug)]
struct Events {
    file: File,
    seen: u64,
    /// How long those in the group have waited for memory, and had when that was enough last; where the group tells.
    stalled: Option<(File, u64)>,
}

impl Events {
    fn of(group: &Path) -> Option<Events> {
        let mut file = File::open(group.join("memory.events")).ok()?;
        let seen = throttled(&mut file)?;
        let stalled = File::open(group.join("memory.pressure")).ok().and_then(|mut file| {
            let total = stalled(&mut file)?;
            Some((file, total))
        });
        Some(Events { file, seen, stalled })
    }

    /// Whether there were new ones, and somebody was held up.
    fn are_new(&mut self) -> Option<bool> {
        let now = throttled(&mut self.file)?;
        let grew = std::mem::replace(&mut self.seen, now) < now;
        Some(grew && self.hold_up())
    }

    fn hold_up(&mut self) -> bool {
        let Some((file, before)) = &mut self.stalled else { return true };
        match stalled(file) {
            Some(now) if now.saturating_sub(*before) < LEAST_STALL => false,
            Some(now) => {
                *before = now;
                true
            }
            None => true,
        }
    }
}

#[derive(Debug)]
pub(super) struct LinuxPressure {
    sources: Vec<Source>,
    /// When memory was said to be short last.
    said: Option<Instant>,
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
        Group::V2(folder) => Events::of(folder).map(Source::Events),
        Group::V1(folder) => level(folder),
    });
    let sources: Vec<Source> = stalls.into_iter().chain(limits).collect();
    if sources.is_empty() {
        return None;
    }
    let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).ok()?);
    Some((LinuxPressure { sources, said: None, stop: Arc::clone(&stop) }, LinuxStop(stop)))
}

fn stalls(file: &Path) -> Option<Source> {
    let mut file = OpenOptions::new().read(true).write(true).open(file).ok()?;
    file.write_all(TRIGGER.as_bytes()).ok()?;
    Some(Source::Exception(file))
}

fn text_of(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    Some(text)
}

/// How many microseconds some of a group have waited for memory.
fn stalled(file: &mut File) -> Option<u64> {
    let text = text_of(file)?;
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split(' ').find_map(|field| field.strip_prefix("total="))?.parse().ok()
}

/// How often a group was at its limit.
fn throttled(file: &mut File) -> Option<u64> {
    let text = text_of(file)?;
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
            Source::Exception(file) | Source::Events(Events { file, .. }) => PollFd::new(file, PollFlags::PRI),
            Source::Count(count) => PollFd::new(count, PollFlags::IN),
        }
    }

    /// Whether it says that memory is short, given what it was woken by. `None`: its group has gone, and it would wake us for ever.
    fn is_short(&mut self, woken_by: PollFlags) -> Option<bool> {
        match self {
            Source::Exception(_) | Source::Count(_) if woken_by.contains(PollFlags::ERR) => None,
            Source::Exception(_) => Some(true),
            Source::Count(count) => Some(rustix::io::read(count.as_fd(), &mut [0; 8]).is_ok()),
            Source::Events(events) => events.are_new(),
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

fn timespec(time: Duration) -> Timespec {
    Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() }
}

impl LinuxPressure {
    /// What was said takes effect before more is heard: a limit that is met a hundred times a second is one reason, not a hundred.
    /// Answers how long it waited for that; `None` when stopped.
    fn let_it_work(&self) -> Option<Duration> {
        let rest = self.said.and_then(|said| STEP.checked_sub(said.elapsed())).unwrap_or_default();
        if !rest.is_zero() {
            let mut stop = [PollFd::new(&*self.stop, PollFlags::IN)];
            // Interrupted, it goes on a little early.
            let _ = poll(&mut stop, Some(&timespec(rest)));
            if !stop[0].revents().is_empty() {
                return None;
            }
        }
        Some(rest)
    }
}

impl Pressure for LinuxPressure {
    fn wait(&mut self, most: Option<Duration>) -> Signal {
        let Some(waited) = self.let_it_work() else { return Signal::Stopped };
        let most = most.map(|most| timespec(most.saturating_sub(waited)));
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
                self.said = Some(Instant::now());
                return Signal::Short;
            }
            if self.sources.is_empty() {
                return Signal::Stopped;
            }
        }
    }
}

#[cfg(test)]
#[path = "../../../tests/support/confinement.rs"]
mod confinement;

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
        let events = |seen| {
            let file = File::open("/").expect("a directory");
            Source::Events(Events { file, seen, stalled: None })
        };
        let gone = events(0);
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd"));
        let mut woken = events(7);
        assert_eq!(woken.is_short(PollFlags::PRI), None);
        let count = eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd");
        assert_eq!(Source::Count(count).is_short(PollFlags::ERR), None);
        let mut source = LinuxPressure { sources: vec![gone], said: None, stop };
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
    fn a_limit_that_is_met_without_holding_anybody_up_is_no_pressure() {
        let folder = tempfile::tempdir().expect("a folder");
        let tells = |max: u32, total: u64| {
            made_up(folder.path(), &format!("high 0\nmax {max}\n"));
            let stalls = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\nfull avg10=0.00 total=7\n");
            std::fs::write(folder.path().join("memory.pressure"), stalls).expect("a file");
        };
        tells(3, 1_000_000);
        let mut events = Events::of(folder.path()).expect("a group");
        for (max, total, short) in [
            (900, 1_000_100, false),
            (2_000, 1_049_999, false),
            (2_001, 1_050_000, true),
            (2_001, 9_050_000, false),
            (2_002, 9_050_000, true),
            (2_003, 9_050_001, false),
        ] {
            tells(max, total);
            assert_eq!(events.are_new(), Some(short), "{max} {total}");
        }
    }

    #[test]
    fn what_is_said_takes_effect_before_more_is_heard() {
        let count = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("an eventfd");
        let say = count.try_clone().expect("another descriptor");
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).expect("an eventfd"));
        let stopper = LinuxStop(Arc::clone(&stop));
        let mut source = LinuxPressure { sources: vec![Source::Count(count)], said: None, stop };
        let say = || rustix::io::write(&say, &1_u64.to_ne_bytes()).expect("it counts");
        let begun = Instant::now();
        say();
        assert_eq!(source.wait(None), Signal::Short);
        (0..100).for_each(|_| _ = say());
        assert_eq!(source.wait(Some(STEP)), Signal::Short);
        assert!(begun.elapsed() >= STEP / 2, "{:?}", begun.elapsed());
        assert_eq!(source.wait(Some(STEP)), Signal::Quiet, "all hundred were one");
        say();
        assert_eq!(source.wait(None), Signal::Short);
        stopper.stop();
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
    fn a_real_group_that_is_full_says_so() {
        let Some(limited) = super::confinement::Group::with_memory(32 << 20) else { return };
        if limited.is_second() {
            return eprintln!("SKIPPED: what is in a group of version 2 is killed before it was held up for long");
        }
        let group = Group::V1(limited.folder().to_owned());
        let Some((mut source, _stop)) = source_of(&[group], Path::new("/nowhere")) else {
            return eprintln!("SKIPPED: this system tells nothing of a group's pressure");
        };
        assert_eq!(source.wait(Some(Duration::from_millis(1))), Signal::Quiet);
        // Holds more than there may be, and is killed for it.
        let mut hog = std::process::Command::new("sh");
        hog.args(["-c", "head -c 200000000 /dev/zero | tail -c 190000000 | wc -c"]).stdout(std::process::Stdio::null());
        let mut hog = limited.run(&hog).spawn().expect("a shell");
        let signal = source.wait(Some(Duration::from_secs(120)));
        hog.wait().expect("it ends");
        assert_eq!(signal, Signal::Short);
    }

    /// A group of version 2, in that hierarchy mounted for the test alone. It needs no controller: stalls are told of every group.
    struct Second(tempfile::TempDir);

    impl Second {
        fn mounted() -> Option<Second> {
            let point = tempfile::tempdir().expect("a folder");
            let mut mount = std::process::Command::new("mount");
            let mount = mount.args(["-t", "cgroup2", "none"]).arg(point.path()).stderr(std::process::Stdio::null());
            mount.status().ok().filter(std::process::ExitStatus::success)?;
            let second = Second(point);
            std::fs::create_dir(second.group()).ok().map(|()| second)
        }

        fn group(&self) -> std::path::PathBuf {
            self.0.path().join(format!("bough-test-stalls-{}", std::process::id()))
        }
    }

    impl Drop for Second {
        fn drop(&mut self) {
            let gone = |_: &u32| {
                std::thread::sleep(Duration::from_millis(10));
                std::fs::remove_dir(self.group()).is_ok()
            };
            let _ = (0..200).find(gone);
            let _ = std::process::Command::new("umount").arg(self.0.path()).status();
        }
    }

    #[test]
    fn stalls_of_a_real_group_of_version_2_are_heard() {
        let Some(limited) = super::confinement::Group::with_memory(24 << 20) else { return };
        let Some(second) = Second::mounted().filter(|_| !limited.is_second()) else {
            return eprintln!("SKIPPED: no group of version 2 can be had beside the one that has the limit");
        };
        let Some(stalls) = stalls(&second.group().join("memory.pressure")) else {
            return eprintln!("SKIPPED: this system tells nothing of a group's stalls");
        };
        drop(stalls);
        let groups = [Group::V2(second.group())];
        let (mut source, _stop) = source_of(&groups, Path::new("/nowhere")).expect("what was there just now");
        assert_eq!(source.wait(Some(Duration::from_millis(1))), Signal::Quiet);
        // Reads more than fits, over and over, beside one that takes all there is.
        let folder = tempfile::tempdir().expect("a folder");
        let big = folder.path().join("big");
        std::fs::write(&big, vec![1; 60_000_000]).expect("room");
        let script = r#"echo $$ > "$1/cgroup.procs"; while [ -e "$2" ]; do
            (head -c 60000000 /dev/zero | tail -c 50000000 | wc -c) 2> "$2.log" &
            cat "$2" "$2" "$2" | wc -c & cat "$2" "$2" "$2" "$2" | wc -c; wait; done"#;
        let mut hogs = std::process::Command::new("sh");
        hogs.args(["-c", script, "sh"]).arg(second.group()).arg(&big);
        let mut hogs = limited.run(&hogs);
        let quiet = std::process::Stdio::null;
        let mut hogs = hogs.stdout(quiet()).stderr(quiet()).spawn().expect("a shell");
        let signal = source.wait(Some(Duration::from_secs(240)));
        std::fs::remove_file(&big).expect("it is there");
        hogs.wait().expect("it ends");
        assert_eq!(signal, Signal::Short);
    }

    #[test]
    fn only_what_happens_at_the_limit_is_pressure() {
        let mut file = tempfile::tempfile().expect("a file");
        write!(file, "low 7\nhigh 3\nmax 40\noom 1\noom_kill 0\n").expect("room");
        assert_eq!(throttled(&mut file), Some(43));
    }
}
