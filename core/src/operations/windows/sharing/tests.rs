use proptest::prelude::*;

use super::super::rights::{READ_ATTRIBUTES, READ_CONTROL, SYNCHRONIZE, WRITE_ATTRIBUTES, WRITE_DAC, WRITE_EA};
use super::*;

type Stream = Option<u8>;

/// One open of the naive model: what it may do and shares, as Windows' own bits.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Open {
    stream: Stream,
    access: u32,
    share: u32,
}

impl Open {
    fn user(self) -> Use {
        Use::new(self.access, Share::from_bits(self.share).expect("three bits"))
    }

    fn reads(self) -> bool {
        self.access & (READ_DATA | EXECUTE) != 0
    }

    fn writes(self) -> bool {
        self.access & (WRITE_DATA | APPEND_DATA) != 0
    }

    fn deletes(self) -> bool {
        self.access & DELETE != 0
    }

    fn takes_part(self) -> bool {
        self.reads() || self.writes() || self.deletes()
    }

    /// Whether `other` is allowed all that this one does.
    fn is_shared_by(self, other: Open) -> bool {
        (!self.reads() || other.share & 1 != 0)
            && (!self.writes() || other.share & 2 != 0)
            && (!self.deletes() || other.share & 4 != 0)
    }
}

/// Two opens, spelled out.
fn agree(a: Open, b: Open) -> bool {
    if !a.takes_part() || !b.takes_part() {
        return true;
    }
    match (a.stream, b.stream) {
        (one, other) if one == other => a.is_shared_by(b) && b.is_shared_by(a),
        (None, Some(_)) => !a.deletes() || b.share & 4 != 0,
        (Some(_), None) => !b.deletes() || a.share & 4 != 0,
        _ => true,
    }
}

/// Every mask that matters, with rights that do not beside them.
fn accesses() -> impl Iterator<Item = u32> {
    let bits = [READ_DATA, WRITE_DATA, APPEND_DATA, EXECUTE, DELETE, READ_ATTRIBUTES];
    (0..1_u32 << bits.len()).map(move |set| bits.iter().enumerate().map(|(i, bit)| (set >> i & 1) * bit).sum())
}

#[test]
fn all_pairs_of_opens_agree_as_the_truth_table_says() {
    for pair in [(None, None), (None, Some(1)), (Some(1), None), (Some(1), Some(1)), (Some(1), Some(2))] {
        for (access_a, share_a) in accesses().flat_map(|access| (0..8).map(move |share| (access, share))) {
            let a = Open { stream: pair.0, access: access_a, share: share_a };
            let mut table = SharingTable::<u8>::default();
            table.add(a.stream, a.user(), 0).expect("nobody else is there");
            for (access, share) in accesses().flat_map(|access| (0..8).map(move |share| (access, share))) {
                let b = Open { stream: pair.1, access, share };
                let result = table.check(b.stream.as_ref(), b.user(), 0);
                let expected = if agree(a, b) { Ok(()) } else { Err(Error::SharingViolation) };
                assert_eq!(result, expected, "{a:?} {b:?}");
            }
        }
    }
}

#[test]
fn an_open_for_attributes_only_takes_no_part() {
    let only = READ_ATTRIBUTES | WRITE_ATTRIBUTES | WRITE_EA | READ_CONTROL | WRITE_DAC | SYNCHRONIZE;
    let mut table = SharingTable::<u8>::default();
    let exclusive = Use::new(READ_DATA | WRITE_DATA | DELETE, Share::default());
    table.add(None, exclusive, 0).expect("nobody else is there");
    table.add(None, Use::new(only, Share::default()), 0).expect("takes no part");
    table.remove(None, exclusive);
    assert!(table.is_empty());
}

#[test]
fn overwrite_is_checked_as_a_write_once_and_supersede_as_a_delete() {
    let share = |bits| Share::from_bits(bits).expect("three bits");
    let mut table = SharingTable::<u8>::default();
    table.add(None, Use::new(READ_DATA, share(1)), 0).expect("nobody else is there");
    let reader = Use::new(READ_DATA, share(7));
    for extra in [WRITE_DATA, DELETE] {
        assert_eq!(table.check(None, reader, extra), Err(Error::SharingViolation));
    }
    let mut table = SharingTable::<u8>::default();
    table.add(None, Use::new(READ_DATA, share(3)), 0).expect("nobody else is there");
    assert_eq!(table.add(None, reader, WRITE_DATA), Ok(()));
    assert_eq!(table.check(None, Use::new(READ_DATA, share(1)), 0), Ok(()), "nobody goes on writing");
}

#[test]
fn main_file_delete_and_a_stream_that_denies_delete_exclude_each_other() {
    let deleter = Use::new(DELETE, Share::from_bits(7).expect("three bits"));
    let holder = Use::new(READ_DATA, Share::from_bits(3).expect("three bits"));
    let lenient = Use::new(READ_DATA, Share::from_bits(4).expect("three bits"));
    let mut table = SharingTable::default();
    table.add(Some("a"), holder, 0).expect("nobody else is there");
    assert_eq!(table.check(None, deleter, 0), Err(Error::SharingViolation));
    assert!(!table.all_share_deletion());
    table.remove(Some(&"a"), holder);
    table.add(Some("a"), lenient, 0).expect("nobody else is there");
    assert!(table.all_share_deletion());
    table.add(None, deleter, 0).expect("the stream shares deletion");
    assert_eq!(table.check(Some(&"b"), holder, 0), Err(Error::SharingViolation));
    assert_eq!(table.check(Some(&"b"), lenient, 0), Ok(()));
}

#[test]
fn share_modes_have_three_bits() {
    assert!((0..8).all(|bits| Share::from_bits(bits).is_ok()));
    assert!([8, 256 + 1, u32::MAX].iter().all(|&bits| Share::from_bits(bits).is_err()));
}

fn any_open() -> impl Strategy<Value = Open> {
    let access = proptest::sample::subsequence(vec![READ_DATA, WRITE_DATA, EXECUTE, DELETE, READ_ATTRIBUTES], 0..3);
    let stream = prop_oneof![2 => Just(None), 1 => (0..3_u8).prop_map(Some)];
    (stream, access, prop_oneof![0..8_u32, Just(7)]).prop_map(|(stream, access, share)| Open {
        stream,
        access: access.iter().sum(),
        share,
    })
}

proptest! {
    #[test]
    fn opens_and_closes_in_any_order_agree_with_the_model(
        steps in proptest::collection::vec((any_open(), any::<prop::sample::Index>(), any::<bool>()), 1..60))
    {
        let mut table = SharingTable::default();
        let mut model: Vec<Open> = Vec::new();
        for (open, index, close) in steps {
            if close && !model.is_empty() {
                let closed = model.swap_remove(index.index(model.len()));
                table.remove(closed.stream.as_ref(), closed.user());
                continue;
            }
            let expected = model.iter().all(|&other| agree(open, other));
            prop_assert_eq!(table.add(open.stream, open.user(), 0).is_ok(), expected, "{:?}", open);
            if expected {
                model.push(open);
            }
            let lenient = model.iter().all(|open| !open.takes_part() || open.share & 4 != 0);
            prop_assert_eq!(table.all_share_deletion(), lenient);
        }
        for open in model {
            table.remove(open.stream.as_ref(), open.user());
        }
        prop_assert!(table.is_empty());
    }
}
