//! Runs cases, each with a seed that replays it, in a thread with room for large ones. Panics that were stopped at the
//! boundary are counted, and a case that does not end is told before the process is.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread;
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

const STACK_BYTES: usize = 64 << 20;
/// Longer than any case takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(240);
const THREAD: &str = "fuzz";
const MAX_SHRINK_ITERS: u32 = 20_000;
const MAX_SHRINK_MS: u32 = 40_000;

pub(crate) type Verdict = Result<(), String>;

/// Panics in the library's own threads.
static PANICS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Panics in this thread, which fuzzes; and the last.
    static OWN_PANICS: Cell<u64> = const { Cell::new(0) };
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Which step of a case is under way.
static STEP: AtomicU64 = AtomicU64::new(0);

pub(crate) fn step(at: usize) {
    STEP.store(at as u64, Ordering::Relaxed);
}

/// Whether a case has failed: the others only make it smaller, and need no patience.
static FAILED: AtomicBool = AtomicBool::new(false);

pub(crate) fn failed() -> bool {
    FAILED.load(Ordering::Relaxed)
}

pub(crate) fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed) + OWN_PANICS.get()
}

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// What fails while a case is shrunk need not be told each time.
fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let name = thread::current().name().unwrap_or_default().to_owned();
            if name == THREAD {
                OWN_PANICS.set(OWN_PANICS.get() + 1);
                LAST_PANIC.replace(info.to_string());
            } else {
                PANICS.fetch_add(u64::from(name.starts_with("bough")), Ordering::Relaxed);
                loud(info);
            }
        }));
    });
}

pub(crate) fn last_panic() -> String {
    LAST_PANIC.with_borrow(String::clone)
}

/// The case under way, told if it does not end.
struct Watch {
    under_way: Mutex<Option<(Instant, String)>>,
}

impl Watch {
    fn start(seed: u64) -> Arc<Watch> {
        let watch = Arc::new(Watch { under_way: Mutex::default() });
        let watched = Arc::downgrade(&watch);
        thread::spawn(move || {
            while let Some(watch) = watched.upgrade() {
                watch.look(seed);
                drop(watch);
                thread::sleep(Duration::from_millis(500));
            }
        });
        watch
    }

    fn begin(&self, case: String) {
        *self.under_way.lock().unwrap() = Some((Instant::now(), case));
    }

    fn look(&self, seed: u64) {
        let under_way = self.under_way.lock().unwrap();
        if let Some((since, case)) = under_way.as_ref().filter(|(since, _)| since.elapsed() > PATIENCE) {
            let (at, took) = (STEP.load(Ordering::Relaxed), since.elapsed());
            // Past what captures the output of tests, for nobody prints that after an abort.
            let text = format!("a case does not end after {took:?}, in step {at} (seed {seed}):\n{case}\n");
            let _ = std::io::stderr().write_all(text.as_bytes());
            std::process::abort();
        }
    }
}

fn try_cases<S>(test: &str, cases: u32, strategy: &S, run: fn(S::Value) -> Verdict) -> Result<(), String>
where
    S: Strategy,
    S::Value: Clone + Debug,
{
    let seed = number_from("BOUGH_FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let times = number_from("BOUGH_FUZZ_CASES").unwrap_or(1);
    let cases = cases.saturating_mul(times as u32);
    let config = Config {
        cases,
        failure_persistence: None,
        max_shrink_iters: MAX_SHRINK_ITERS,
        max_shrink_time: MAX_SHRINK_MS,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let watch = Watch::start(seed);
    let answer = runner.run(strategy, |case| {
        watch.begin(format!("{case:?}"));
        run(case).map_err(|why| {
            FAILED.store(true, Ordering::Relaxed);
            TestCaseError::fail(why)
        })
    });
    let replay =
        format!("BOUGH_FUZZ_SEED={seed} BOUGH_FUZZ_CASES={times} cargo test -p bough-tests --test fuzz {test}");
    match answer {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, case)) => Err(format!("{why}\nafter:\n{case:?}\nreplay with: {replay}")),
        Err(TestError::Abort(why)) => Err(format!("{why}\nreplay with: {replay}")),
    }
}

/// Runs `cases` cases, times `BOUGH_FUZZ_CASES`.
pub(crate) fn check<S>(test: &'static str, cases: u32, strategy: fn() -> S, run: fn(S::Value) -> Verdict)
where
    S: Strategy + 'static,
    S::Value: Clone + Debug,
{
    quiet();
    let thread = thread::Builder::new().name(THREAD.into()).stack_size(STACK_BYTES);
    let done = thread.spawn(move || try_cases(test, cases, &strategy(), run)).unwrap().join();
    if let Err(failure) = done.expect("the runner itself does not panic") {
        panic!("{failure}");
    }
}

/// Runs one case that is known.
pub(crate) fn once(run: impl FnOnce() -> Verdict + Send + 'static) {
    quiet();
    let thread = thread::Builder::new().name(THREAD.into()).stack_size(STACK_BYTES);
    if let Err(failure) = thread.spawn(run).unwrap().join().unwrap_or_else(|_| Err(last_panic())) {
        panic!("{failure}");
    }
}
