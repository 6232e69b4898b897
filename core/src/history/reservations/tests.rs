use super::*;

const CHUNK: u64 = CHUNK_BYTES as u64;

#[test]
fn of_two_whose_many_steps_alternate_nothing_stays_when_both_fail() {
    let (reservations, steps) = (Reservations::default(), 4 * NOTED as u64);
    let mut both = [0, steps].map(|from| (from, reservations.begin(InodeId::ROOT, StreamId::DEFAULT)));
    for step in 0..steps {
        for (from, reservation) in &mut both {
            let range = (*from + step) * CHUNK..(*from + step + 1) * CHUNK;
            reservation.step(&range, vec![range.clone()]);
        }
    }
    // The second has reserved what the first had, too: so that much stays of the first.
    let shared = 0..5 * CHUNK;
    both[1].1.step(&shared, Vec::new());
    let stored = |parts: Vec<Range<u64>>| parts.iter().map(|part| part.end - part.start).sum::<u64>() / CHUNK;
    assert_eq!(both.map(|(_, mut reservation)| stored(reservation.fail())), [steps - 5, steps]);
}
