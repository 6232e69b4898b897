#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;

const STEP_BYTES: i64 = 1 << STEP_SHIFT;

#[test]
fn what_is_counted_on_one_thread_and_taken_back_on_another_is_gone() {
    let lease = LedgerLease::new();
    let ledger = *lease;
    std::thread::scope(|scope| {
        for _ in 0..STRIPES + 1 {
            scope.spawn(move || (0..1000).for_each(|_| ledger.add(Kind::Inodes, 100)));
        }
    });
    assert_eq!(ledger.by_kind()[Kind::Inodes as usize], (STRIPES as u64 + 1) * 100_000);
    ledger.sub(Kind::Inodes, (STRIPES + 1) * 100_000);
    assert_eq!(ledger.by_kind(), [0; KINDS]);
    assert!(ledger.is_empty());
}

#[test]
fn the_coarse_sum_is_at_most_a_step_off_for_each_kind_and_stripe() {
    let lease = LedgerLease::new();
    for round in 0..10_000_usize {
        lease.add(Kind::Extras, round % 300);
        lease.add(Kind::Tables, 560);
        if round % 3 == 0 {
            lease.sub(Kind::Tables, 560);
        }
        let exact = lease.by_kind().iter().sum::<u64>();
        assert!(exact.abs_diff(lease.coarse()) < (2 * STEP_BYTES) as u64, "{exact} {}", lease.coarse());
    }
}

#[derive(Debug, Default)]
struct Told([AtomicUsize; 2]);

impl Listener for Told {
    fn grew(&self) {
        self.0[0].fetch_add(1, Relaxed);
    }

    fn shrank(&self) {
        self.0[1].fetch_add(1, Relaxed);
    }
}

#[test]
fn the_listener_hears_of_steps_and_of_nothing_smaller() {
    let (lease, told) = (LedgerLease::new(), Arc::new(Told::default()));
    let listener: Weak<Told> = Arc::downgrade(&told);
    lease.tell(listener);
    let heard = || told.0.each_ref().map(|count| count.load(Relaxed));
    lease.add(Kind::Inodes, STEP_BYTES as usize - 1);
    assert_eq!(heard(), [0, 0]);
    lease.add(Kind::Inodes, 1);
    assert_eq!(heard(), [1, 0]);
    lease.sub(Kind::Inodes, STEP_BYTES as usize);
    assert_eq!(heard(), [1, 1]);
}

#[test]
fn blobs_are_counted_once_however_many_hold_them() {
    let lease = LedgerLease::new();
    let blob = Blob::new(*lease, Kind::Directories, &[1; 100]);
    let counted = lease.by_kind()[Kind::Directories as usize];
    assert!((124..=160).contains(&counted), "{counted}");
    let other = blob.clone();
    assert_eq!(lease.by_kind()[Kind::Directories as usize], counted);
    drop(blob);
    assert_eq!(*other, [1; 100]);
    drop(other);
    assert_eq!(lease.by_kind(), [0; KINDS]);
}

#[test]
fn a_ledger_goes_on_to_the_next_volume_when_it_counts_nothing_any_more() {
    let lease = LedgerLease::new();
    let first = *lease;
    let kept = Blob::new(first, Kind::Extras, b"outlives its volume");
    drop(lease);
    let others: Vec<_> = (0..50).map(|_| LedgerLease::new()).collect();
    assert!(others.iter().all(|other| !std::ptr::eq(other.0.0, first.0)), "still in use");
    drop(kept);
    assert_eq!(first.by_kind(), [0; KINDS]);
}

#[test]
fn sizes_are_rounded_as_the_allocator_rounds_them() {
    assert_eq!([0, 1, 24, 25, 40, 41, 100].map(heap_bytes), [0, 32, 32, 48, 48, 64, 112]);
}

#[test]
fn a_changed_value_is_counted_as_it_is_now() {
    let lease = LedgerLease::new();
    let counted = || lease.by_kind()[Kind::Extras as usize];
    let value = Entered::new(*lease, vec![0_u64; 10]);
    let before = counted();
    let shared = Arc::clone(&value);
    let (value, ()) = Entered::changed(value, |list| list.resize(100, 0));
    assert!(counted() >= before + 800, "both are there");
    drop(shared);
    let (value, ()) = Entered::changed(value, |list| *list = Vec::new());
    assert!(counted() < before);
    drop(value);
    assert_eq!(counted(), 0);
}

#[test]
fn a_map_is_counted_as_its_table_grows_and_goes() {
    let lease = LedgerLease::new();
    let counted = || lease.by_kind()[Kind::References as usize];
    let mut map = CountedMap::new(*lease, Kind::References);
    assert_eq!(counted(), 0);
    for key in 0..100_u64 {
        map.insert(key, [0_u64; 7]);
        *map.get_or_insert_with(key + 1_000, || [1; 7]) = [2; 7];
        assert_eq!(counted(), heap_bytes(map.allocation_size()) as u64);
    }
    assert!(map.len() == 200 && counted() > 200 * 64);
    map.clear();
    assert_eq!(counted(), 0);
    map.insert(1, [0; 7]);
    assert!(counted() > 0);
    drop(map);
    assert_eq!(counted(), 0);
}
