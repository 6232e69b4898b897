//! How long operations take beside what the machine itself takes: a busy one holds up a thread that does nothing, too.

#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long the threads of this process have waited for a processor, where the system tells: who waits for a lock waits for
/// whoever holds it to have one.
fn waited_for_processor() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let waited = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        stat.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    Duration::from_nanos(tasks.filter_map(waited).sum())
}

/// When the machine held up a thread that does nothing but read the clock. What was held up then as well is not ours.
pub struct Control {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<(Instant, Instant)>>,
}

impl Control {
    /// How often the clock is read, and how late that may come.
    const TICK: Duration = Duration::from_micros(200);
    const LATE: Duration = Duration::from_micros(300);

    pub fn start() -> Control {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut pauses = Vec::new();
            let mut last = Instant::now();
            while !stopped.load(Relaxed) {
                std::thread::sleep(Control::TICK);
                let now = Instant::now();
                if now - last > Control::TICK + Control::LATE {
                    pauses.push((last + Control::TICK, now));
                }
                last = now;
            }
            pauses
        });
        Control { stop, thread }
    }

    /// The longest of what was done, each less what was waited for a processor, without what the control
    /// was held up by too.
    pub fn longest(self, done: &[Done]) -> Duration {
        self.stop.store(true, Relaxed);
        let pauses = self.thread.join().unwrap();
        let common = |done: &Done| {
            let overlap =
                |&(from, to): &(Instant, Instant)| to.min(done.end).saturating_duration_since(from.max(done.begin));
            pauses.iter().map(overlap).sum::<Duration>()
        };
        let alone = |done: &Done| (done.end - done.begin).saturating_sub(done.waited.max(common(done)));
        done.iter().map(alone).max().unwrap_or_default()
    }
}

/// An operation that took long.
pub struct Done {
    begin: Instant,
    end: Instant,
    /// For a processor, by all threads together.
    waited: Duration,
}

/// Only what takes longer is looked at.
const LONG: Duration = Duration::from_millis(1);

/// Notes what is done, if it takes long.
pub fn timed_alone(done: &mut Vec<Done>, run: impl FnOnce()) {
    let (waited, begin) = (waited_for_processor(), Instant::now());
    run();
    let end = Instant::now();
    if end - begin > LONG {
        done.push(Done { begin, end, waited: waited_for_processor().saturating_sub(waited) });
    }
}
