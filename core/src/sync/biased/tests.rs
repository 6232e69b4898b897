//! What a biased lock promises, with threads of the system. Every schedule of the protocol: `schedules/biased.rs`.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use super::*;
use crate::striped;
use crate::sync::{glance, own_glance};

/// Locks of one inode each.
#[derive(Debug)]
enum Ones {}

/// See [`Concerns::CALM`].
const CALM: u16 = 32;

impl Concerns for Ones {
    const CALM: u16 = CALM;

    fn concerns(number: u32, id: u64) -> bool {
        u64::from(number) == id
    }
}

/// A lock with a number of its own: the words of glances are those of all tests, and who writes would wait for the others' as well.
fn lock() -> Biased<[u64; 2], Ones> {
    static NEXT: AtomicU32 = AtomicU32::new(1 << 30);
    Biased::new(NEXT.fetch_add(1, SeqCst), [0, 0])
}

/// The inode that a lock is of.
fn id(lock: &Biased<[u64; 2], Ones>) -> u64 {
    lock.number.into()
}

/// One that no lock is of.
const OTHER: u64 = 1 << 40;

/// Runs a test on a thread that has a word for its glances: other tests may have taken all of them for a while.
fn with_a_word(test: impl Fn() + Sync) {
    let try_one = || own_glance().is_some().then(&test).is_some();
    while !thread::scope(|scope| scope.spawn(try_one).join()).unwrap_or_else(|panic| resume_unwind(panic)) {
        thread::yield_now();
    }
}

fn is_bare(lock: &Biased<[u64; 2], Ones>, glance: &Glance) -> bool {
    matches!(lock.look(glance), Some(Look::Bare(_)))
}

fn is_looked_at_bare(lock: &Biased<[u64; 2], Ones>) -> bool {
    glance(id(lock), |glance| is_bare(lock, glance))
}

#[test]
fn a_lock_takes_no_more_than_eight_bytes_besides_what_an_ordinary_one_takes() {
    assert!(size_of::<Biased<[u64; 2], Ones>>() <= size_of::<parking_lot::RwLock<[u64; 2]>>() + 8);
}

#[test]
fn a_bias_ends_with_a_change_and_comes_back_after_looks_without_one() {
    with_a_word(|| {
        let lock = lock();
        assert!(is_looked_at_bare(&lock));
        lock.write()[0] = 1;
        for _ in 0..=CALM {
            assert!(!is_looked_at_bare(&lock));
        }
        assert!(is_looked_at_bare(&lock));
        lock.write()[0] = 2;
        for _ in 0..CALM {
            assert!(!is_looked_at_bare(&lock));
        }
        // Counted from the last change.
        lock.write()[0] = 3;
        for _ in 0..=CALM {
            assert!(!is_looked_at_bare(&lock));
        }
        assert!(is_looked_at_bare(&lock));
    });
}

/// Writes while somebody looks, for so long. Answers how many looks the bias comes back after.
fn write_beside_a_glance(pause: Duration) -> u16 {
    let (lock, written, begun) = (lock(), AtomicBool::new(false), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            begun.wait();
            lock.write()[0] = 1;
            written.store(true, SeqCst);
        });
        glance(id(&lock), |glance| {
            let seen = lock.look(glance).expect("nobody writes yet");
            begun.wait();
            // The writer has come as far as it can.
            while lock.biased.load(SeqCst) {
                thread::yield_now();
            }
            thread::sleep(pause);
            assert!(!written.load(SeqCst) && seen[0] == 0);
            assert!(lock.look(glance).is_none(), "somebody has it to write");
        });
    });
    assert_eq!(lock.read()[0], 1);
    lock.calm.load(SeqCst)
}

#[test]
fn who_writes_waits_for_a_glance_and_nobody_looks_meanwhile() {
    with_a_word(|| {
        write_beside_a_glance(Duration::from_millis(5));
    });
}

#[test]
fn after_a_long_wait_for_a_glance_the_bias_comes_back_later() {
    with_a_word(|| {
        // A writer that hardly runs while the glance lasts has not waited long for it.
        assert!((0..14).any(|tried| write_beside_a_glance(Duration::from_millis(1 << tried)) > CALM));
    });
}

#[test]
fn a_glance_at_another_inode_and_one_within_another_take_the_lock() {
    with_a_word(|| {
        let lock = lock();
        glance(OTHER, |glance| assert!(matches!(lock.look(glance), Some(Look::Locked(_)))));
        glance(OTHER, |_| {
            glance(id(&lock), |within| assert!(matches!(lock.look(within), Some(Look::Locked(_)))));
        });
        glance(id(&lock), |outer| {
            glance(id(&lock), |within| assert!(!is_bare(&lock, within)));
            assert!(is_bare(&lock, outer), "the outer one goes on");
        });
        assert!(is_looked_at_bare(&lock));
    });
}

#[test]
fn who_has_it_to_write_and_only_looks_brings_the_bias_back() {
    with_a_word(|| {
        let lock = lock();
        for _ in 0..=CALM {
            let looks = lock.write();
            assert!(!is_looked_at_bare(&lock));
            assert_eq!(looks[0], 0);
            looks.end_as_look();
        }
        assert!(is_looked_at_bare(&lock));
        lock.write().end_as_look();
        assert!(!is_looked_at_bare(&lock), "the one that ended the bias");
    });
}

#[test]
fn a_glance_that_panics_has_ended() {
    with_a_word(|| {
        let lock = lock();
        let panics = catch_unwind(AssertUnwindSafe(|| glance(id(&lock), |glance| assert!(!is_bare(&lock, glance)))));
        assert!(panics.is_err());
        lock.write()[0] = 1;
        assert_eq!(lock.read()[0], 1);
    });
}

#[test]
fn threads_beyond_those_with_a_word_take_the_lock() {
    let (lock, all) = (lock(), Barrier::new(striped::STRIPES + 1));
    let bare = || {
        all.wait();
        let bare = is_looked_at_bare(&lock);
        all.wait();
        bare
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..=striped::STRIPES).map(|_| scope.spawn(bare)).collect();
        let bare = threads.into_iter().map(|thread| thread.join().expect("it looked"));
        assert!(bare.filter(|bare| !bare).count() >= 2);
    });
    lock.write()[0] = 1;
}

#[test]
#[should_panic(expected = "within a glance")]
fn who_glances_waits_for_no_lock() {
    with_a_word(|| {
        let lock = lock();
        glance(id(&lock), |_| drop(lock.write()));
    });
}

#[test]
fn nobody_sees_half_of_a_change() {
    let lock = lock();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    glance(id(&lock), |glance| {
                        if let Some(seen) = lock.look(glance) {
                            assert_eq!(seen[0], seen[1]);
                        }
                    });
                }
            });
        }
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..300 {
                    let mut value = lock.write();
                    value[0] += 1;
                    thread::yield_now();
                    value[1] += 1;
                    drop(value);
                    thread::yield_now();
                }
            });
        }
    });
    assert_eq!(*lock.read(), [600, 600]);
}
