//! Answers that are taken late: much can happen between the daemon's answer and the moment at which whoever asked comes to run, and the
//! kernel works it in.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::fixture::{Mount, names, side_that_differs, switch};
use crate::sys;

const A_MOMENT: Duration = Duration::from_millis(50);

/// Keeps a processor busy for as long as `wanted`, and not for much longer than a moment.
fn keep_busy(wanted: &AtomicBool) {
    sys::stay_on_one_processor();
    let begun = Instant::now();
    while wanted.load(Ordering::Relaxed) && begun.elapsed() < 10 * A_MOMENT {}
}

/// Does something after `ask`, which asks the daemon once, was answered, and before its thread has come to run again. On a machine with much
/// else to do it may be that it has not asked yet, or that the daemon came to answer before it stood still.
fn before_the_answer_is_taken(mount: &Mount, ask: impl FnOnce() + Send, then: impl FnOnce()) {
    let wanted = AtomicBool::new(true);
    thread::scope(|scope| {
        let (thread, known) = mpsc::channel();
        let halted = mount.halt();
        scope.spawn(move || {
            sys::stay_on_one_processor();
            thread.send(sys::this_thread()).unwrap();
            ask();
        });
        let asking = known.recv().unwrap();
        thread::sleep(A_MOMENT);
        sys::run_last(asking);
        for _ in 0..3 {
            scope.spawn(|| keep_busy(&wanted));
        }
        thread::sleep(A_MOMENT);
        drop(halted);
        thread::sleep(A_MOMENT);
        then();
        wanted.store(false, Ordering::Relaxed);
    });
}

#[test]
fn a_listing_that_was_answered_before_a_switch_shows_nobody_the_old_branch_after_it() {
    let Some(mount) = Mount::new() else { return };
    let side = side_that_differs(&mount);
    for to in ["side", "main", "side", "main"] {
        // So that all it asks for is the listing.
        fs::metadata(mount.point()).unwrap();
        let list = || drop(names(mount.point()));
        before_the_answer_is_taken(&mount, list, || switch(mount.point(), to));
        assert_eq!(fs::read_to_string(mount.at("f")).unwrap(), to);
    }
    mount.end_with(&[&side]);
}

#[test]
fn a_change_by_another_mount_is_seen_by_who_took_an_answer_of_before_after_it() {
    for options in ["default_permissions,allow_other", "default_permissions,allow_other,no_writeback"] {
        let Some(mount) = Mount::with(options) else { return };
        let other = mount.attach("", "other");
        for round in 0..3 {
            let (name, length) = (format!("f{round}"), 1000 + round);
            fs::write(mount.at(&name), "short").unwrap();
            sys::syncfs(mount.point());
            // So that all it asks for is the file: what the other mount knows of the folder is true again.
            thread::sleep(A_MOMENT);
            fs::metadata(&other).unwrap();
            let look = || assert!(fs::metadata(other.join(&name)).is_ok());
            before_the_answer_is_taken(&mount, look, || {
                fs::write(mount.at(&name), vec![b'x'; length]).unwrap();
                sys::syncfs(mount.point());
                thread::sleep(A_MOMENT);
            });
            // In time something else may tell of the file again: it must be known before, however slow the machine.
            let (begun, size) = (Instant::now(), || fs::metadata(other.join(&name)).unwrap().len());
            while size() != length as u64 {
                assert!(begun.elapsed() < Duration::from_secs(20), "{options}: {} bytes are shown", size());
                thread::sleep(Duration::from_millis(1));
            }
            assert_eq!(fs::read(other.join(&name)).unwrap(), vec![b'x'; length]);
        }
        mount.end_with(&[&other]);
    }
}
