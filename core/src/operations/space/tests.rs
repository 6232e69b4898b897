#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use super::{Allocation, SLICE_BYTES};
use crate::data::CHUNK_BYTES;
use crate::operations::ViewOptions;
use crate::operations::attachment::Attachment;
use crate::operations::streams::Target;
use crate::types::{Caller, RefId};
use crate::volume::view_paths::PathAt;
use crate::volume::{Config, Volume};

const ROOT: Caller<'static> = Caller::superuser();
const CHUNK: u64 = CHUNK_BYTES as u64;
const KEEP: Allocation = Allocation::Reserve { keep_size: true };

/// Has a reservation that takes several steps fail at the last one, and `meanwhile` happen before it gives back. Answers how much is
/// stored in the end.
fn stored_after(meanwhile: impl FnOnce(&Attachment, Target)) -> u64 {
    let volume = Volume::open(Config { memory_bytes: Some(1 << 30), ..Config::default() }).unwrap();
    let view = volume.view(RefId::Branch(volume.first_branch()), "main", ViewOptions::default()).unwrap();
    let file = PathAt::root(b"file");
    view.path_write(&ROOT, file, b"content").unwrap();
    let node = view.path_lookup(&ROOT, file).unwrap().node;
    let stored = view.with(node, |at| {
        let target = Target::from(node.inode());
        let (before, bytes) = (at.inode(target.id)?.read().stream_of(target.stream)?.stored(), 2 * SLICE_BYTES);
        let mut ahead = at.begin_reservation(target, bytes)?;
        assert_eq!(at.reserve_ahead(&ROOT, target, 0..bytes, &mut ahead), Ok(SLICE_BYTES));
        meanwhile(at, target);
        at.take_back(target, ahead);
        Ok(at.inode(target.id)?.read().stream_of(target.stream)?.stored() - before)
    });
    drop(view);
    assert!(volume.check_invariants(true).is_sound());
    stored.unwrap()
}

#[test]
fn a_reservation_that_fails_gives_back_what_it_has_reserved() {
    // The chunk that the file ends in is its own.
    assert!(stored_after(|_, _| ()) <= CHUNK);
    // Another that has reserved nothing takes nothing away.
    assert!(stored_after(|at, target| drop(at.begin_reservation(target, 2 * SLICE_BYTES))) <= CHUNK);
}

#[test]
fn of_two_reservations_that_fail_nothing_stays() {
    let other = |range: std::ops::Range<u64>| {
        move |at: &Attachment, target: Target| {
            let mut ahead = at.begin_reservation(target, 2 * SLICE_BYTES).unwrap();
            at.reserve_ahead(&ROOT, target, range, &mut ahead).unwrap();
            at.take_back(target, ahead);
        }
    };
    assert!(stored_after(other(3 * SLICE_BYTES..5 * SLICE_BYTES)) <= CHUNK);
    assert!(stored_after(other(SLICE_BYTES / 2..5 * SLICE_BYTES)) <= CHUNK);
}

#[test]
fn what_another_has_reserved_meanwhile_stays_and_no_more_though_the_reservation_before_it_fails() {
    let small = |at: &Attachment, target: Target| at.allocate(&ROOT, target, 8 * CHUNK, 8 * CHUNK, KEEP).unwrap();
    assert_eq!(stored_after(small) / CHUNK, 8);
    let large = |at: &Attachment, target: Target| at.allocate(&ROOT, target, 0, SLICE_BYTES + CHUNK, KEEP).unwrap();
    // The chunk that the file ends in was there.
    assert_eq!(stored_after(large) / CHUNK, SLICE_BYTES / CHUNK);
    // More of them than are noted.
    let many = |at: &Attachment, target: Target| {
        for chunk in (0..1_000).step_by(2) {
            at.allocate(&ROOT, target, chunk * CHUNK + 5, 7, KEEP).unwrap();
        }
    };
    assert!(stored_after(many) >= SLICE_BYTES - CHUNK);
}
