//! Draws cases, shrinks what fails, and prints it with its seed and the command that replays it. `BOUGH_MODEL_CASES` sets how
//! many are drawn, `BOUGH_MODEL_SEED` with what; the file `BOUGH_MODEL_COUNTED` gets a line for each test that passed, with how many
//! operations it did.

use std::cell::Cell;
use std::fmt::Debug;
use std::fs::OpenOptions;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::Once;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};

/// Drawing a sequence takes more stack than a test's thread has.
const STACK_BYTES: usize = 64 << 20;
const THREAD: &str = "model";
const MAX_SHRINK_ITERS: u32 = 20_000;

fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// In one write, for several tests tell at once.
fn tell(operations: usize, test: &str) {
    if let Some(path) = std::env::var_os("BOUGH_MODEL_COUNTED") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{operations} {test}\n").as_bytes()).unwrap();
    }
}

fn try_sequences<T: Clone + Debug, S: Strategy<Value = Vec<T>>>(
    replay: &str,
    cases: u32,
    strategy: &S,
    run: impl Fn(&[T]),
) -> Result<(), String> {
    let seed = number_from("BOUGH_MODEL_SEED").unwrap_or_else(|| RandomState::new().hash_one(0));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let cases = number_from("BOUGH_MODEL_CASES").map_or(cases, |cases| cases as u32);
    let config = Config { cases, failure_persistence: None, max_shrink_iters: MAX_SHRINK_ITERS, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let operations = Cell::new(0);
    let answer = runner.run(strategy, |steps| {
        run(&steps);
        operations.set(operations.get() + steps.len());
        Ok(())
    });
    let Err(TestError::Fail(why, steps)) = answer else {
        tell(operations.get(), replay);
        return Ok(());
    };
    let steps: Vec<String> = steps.iter().map(|step| format!("    {step:?},")).collect();
    let replay = format!("BOUGH_MODEL_SEED={seed} BOUGH_MODEL_CASES={cases} {replay}");
    Err(format!("{why}\nafter:\n{}\nreplay with: {replay}", steps.join("\n")))
}

/// What fails while it is shrunk need not be told each time.
fn quiet() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() != Some(THREAD) {
                loud(info);
            }
        }));
    });
}

/// Runs so many cases of one test, in a thread with room for them. `command` runs its tests.
pub(crate) fn check<T: Clone + Debug, S: Strategy<Value = Vec<T>>>(
    command: &'static str,
    test: &'static str,
    cases: u32,
    strategy: impl FnOnce() -> S + Send + 'static,
    run: impl Fn(&[T]) + Send + 'static,
) {
    quiet();
    let thread = std::thread::Builder::new().name(THREAD.into()).stack_size(STACK_BYTES);
    let run = move || try_sequences(&format!("{command} {test}"), cases, &strategy(), run);
    if let Err(failure) = thread.spawn(run).unwrap().join().expect("the runner itself does not panic") {
        panic!("{failure}");
    }
}
