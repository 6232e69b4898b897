use super::*;
use crate::operations::windows::rights::{DELETE, READ_ATTRIBUTES, READ_DATA, WRITE_DATA};
use crate::operations::windows::sharing::Share;

const FILE: InodeId = InodeId(7);
const HERE: Place = Some((InodeId(1), 70));
const THERE: Place = Some((InodeId(2), 80));

fn using(access: u32, share: u32) -> Use {
    Use::new(access, Share::from_bits(share).unwrap())
}

fn opened(table: &OpenTable, place: Place, access: u32) -> Opening {
    table.open(FILE, place, None, using(access, 7), 0).unwrap()
}

#[test]
fn a_table_holds_what_is_open_and_nothing_else() {
    let table = OpenTable::default();
    assert_eq!(table.openness(FILE), Openness::Closed);
    assert!(table.shards.get().is_none(), "to look makes nothing");
    let (one, two) = (opened(&table, HERE, READ_DATA), opened(&table, HERE, WRITE_DATA));
    assert_eq!((table.len(), table.openness(FILE)), (1, Openness::SharesDeletion));
    assert_eq!(table.close(&one, false, false), Ending::default());
    assert_eq!(table.close(&two, false, false), Ending { last: true, ..Ending::default() });
    assert_eq!((table.len(), table.openness(FILE)), (0, Openness::Closed));
}

#[test]
fn an_open_that_is_refused_leaves_nothing() {
    let table = OpenTable::default();
    let alone = table.open(FILE, HERE, None, using(READ_DATA, 0), 0).unwrap();
    assert_eq!(table.open(FILE, HERE, None, using(READ_DATA, 7), 0), Err(Error::SharingViolation));
    assert_eq!(table.openness(FILE), Openness::DeniesDeletion);
    // One that only looks at attributes does not count for sharing, but has the file open.
    let looking = table.open(FILE, HERE, None, using(READ_ATTRIBUTES, 0), 0).unwrap();
    table.close(&alone, false, false);
    assert_eq!(table.openness(FILE), Openness::SharesDeletion);
    table.close(&looking, false, false);
    assert_eq!(table.len(), 0);
}

#[test]
fn a_pending_name_takes_no_handle_and_goes_with_its_last() {
    let table = OpenTable::default();
    let (one, two) = (opened(&table, HERE, DELETE), opened(&table, HERE, READ_DATA));
    table.set_pending(&one, true).unwrap();
    assert!(table.is_pending(&two) && table.is_place_pending(FILE, HERE));
    assert_eq!(table.open(FILE, HERE, None, using(READ_DATA, 7), 0), Err(Error::DeletePending));
    // Another name of the same inode is another matter.
    let other = opened(&table, THERE, READ_DATA);
    assert!(!table.is_pending(&other));
    assert_eq!(table.close(&one, false, false), Ending::default());
    assert_eq!(table.close(&two, false, false).name, Some(HERE));
    assert_eq!(table.open(FILE, HERE, None, using(READ_DATA, 7), 0), Err(Error::DeletePending), "while it is removed");
    table.removed(&two, true);
    assert_eq!(table.len(), 1);
    table.close(&other, false, false);
    assert_eq!(table.len(), 0);
}

#[test]
fn a_mark_is_cleared_and_a_name_that_could_not_go_is_there_again() {
    let table = OpenTable::default();
    let one = opened(&table, HERE, DELETE);
    table.set_pending(&one, true).unwrap();
    table.set_pending(&one, false).unwrap();
    assert_eq!(table.close(&one, false, false).name, None);
    let one = opened(&table, HERE, DELETE);
    assert_eq!(table.close(&one, true, false).name, Some(HERE));
    table.removed(&one, false);
    assert_eq!(table.len(), 0);
    opened(&table, HERE, READ_DATA);
}

#[test]
fn a_posix_deletion_takes_the_name_while_others_hold_the_file() {
    let table = OpenTable::default();
    let (one, two) = (opened(&table, HERE, DELETE), opened(&table, HERE, READ_DATA));
    table.set_pending(&one, true).unwrap();
    assert_eq!(table.close(&one, false, true).name, Some(HERE));
    table.removed(&one, true);
    assert!(table.is_gone(&two) && table.is_pending(&two));
    assert_eq!(table.set_pending(&two, false), Err(Error::Deleted));
    assert_eq!(table.close(&two, true, true).name, None, "it is gone already");
    assert_eq!(table.len(), 0);
}

#[test]
fn streams_are_marked_apart_from_their_file() {
    let table = OpenTable::default();
    let stream = table.open(FILE, HERE, Some(StreamId(3)), using(DELETE, 7), 0).unwrap();
    let main = opened(&table, HERE, READ_DATA);
    table.set_pending(&stream, true).unwrap();
    assert!(table.is_pending(&stream) && !table.is_pending(&main));
    assert_eq!(table.open(FILE, HERE, Some(StreamId(3)), using(READ_DATA, 7), 0), Err(Error::DeletePending));
    assert_eq!(table.stream_openness(FILE), Openness::SharesDeletion);
    let ending = table.close(&stream, false, false);
    assert_eq!(ending, Ending { name: None, stream: Some(StreamId(3)), last: true });
    assert_eq!(table.stream_openness(FILE), Openness::Closed);
    assert_eq!(table.close(&main, false, false), Ending { last: true, ..Ending::default() });
}

#[test]
fn handles_follow_a_name_that_moves() {
    let table = OpenTable::default();
    let one = opened(&table, HERE, DELETE);
    table.moved(FILE, HERE, THERE);
    assert_eq!(table.place(&one), THERE);
    assert_eq!(table.close(&one, true, false).name, Some(THERE));
    table.removed(&one, true);
}

#[test]
fn a_handle_that_ended_meanwhile_is_told_so() {
    let table = OpenTable::default();
    let (ended, other) = (opened(&table, HERE, READ_DATA), opened(&table, THERE, READ_DATA));
    for others in [true, false] {
        if others {
            table.close(&ended, false, false);
        } else {
            table.close(&other, false, false);
        }
        assert_eq!(table.set_pending(&ended, true), Err(Error::BadHandle));
        assert_eq!(table.open_again(&ended, None, using(READ_DATA, 7), 0), Err(Error::BadHandle));
        assert_eq!((table.is_pending(&ended), table.is_gone(&ended), table.place(&ended)), (false, true, None));
    }
}
