//! Control messages: proper ones, ones with a proper header and anything behind it, and anything.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use bough::control::messages::*;

use crate::arguments::{Bytes, ref_name};

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) request: u32,
    pub(crate) bytes: Bytes,
}

/// Number and size of every message, and where its names lie.
const MESSAGES: &[(u32, usize, &[usize])] = &[
    (1, size_of::<fs_control_info>(), &[]),
    (2, size_of::<fs_control_snapshot>(), &[144, 400]),
    (3, size_of::<fs_control_list>(), &[]),
    (4, size_of::<fs_control_branch>(), &[144, 400]),
    (5, size_of::<fs_control_switch>(), &[144]),
    (6, size_of::<fs_control_rename>(), &[144, 400]),
    (7, size_of::<fs_control_delete>(), &[144]),
    (8, size_of::<fs_control_diff_open>(), &[144, 400]),
    (9, size_of::<fs_control_diff_read>(), &[]),
    (10, size_of::<fs_control_diff_close>(), &[]),
    (11, size_of::<fs_control_stats>(), &[]),
    (64, size_of::<fs_control_check>(), &[]),
    (80, size_of::<fs_control_base>(), &[]),
    (81, size_of::<fs_control_origin>(), &[144]),
    (82, size_of::<fs_control_revert>(), &[144, 400]),
    (83, size_of::<fs_control_ranges>(), &[144]),
    (12, size_of::<fs_control_views>(), &[]),
    (13, size_of::<fs_control_attach>(), &[144]),
    (14, size_of::<fs_control_activity>(), &[]),
    (15, size_of::<fs_control_holdings>(), &[]),
];

pub(crate) const HEADER_BYTES: usize = size_of::<fs_control_header>();

fn header(bytes: &mut [u8], size: u32, version: u32) {
    bytes[..4].copy_from_slice(&size.to_le_bytes());
    bytes[4..8].copy_from_slice(&version.to_le_bytes());
}

/// A name as it stands in its field: most fit, some have no end.
fn field() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![4 => Just(Vec::new()), 12 => ref_name(), 1 => any::<u8>().prop_map(|byte| vec![byte; 256])]
}

/// A number as it stands behind the header: ids small enough to be open, or huge.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..6u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

/// A message with names and numbers where they belong.
fn proper() -> impl Strategy<Value = Message> {
    (select(MESSAGES), field(), field(), number(), 0..4u32).prop_map(
        |((request, size, names), one, other, id, kind)| {
            let mut bytes = vec![0; size];
            if names.is_empty() && size >= HEADER_BYTES + 8 {
                bytes[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&id.to_le_bytes());
            }
            if names.is_empty() && size >= HEADER_BYTES + 12 {
                bytes[HEADER_BYTES + 8..HEADER_BYTES + 12].copy_from_slice(&kind.to_le_bytes());
            }
            for (&at, name) in names.iter().zip([one, other]) {
                let length = name.len().min(256);
                bytes[at..at + length].copy_from_slice(&name[..length]);
            }
            if matches!(request, 6 | 7) {
                bytes[size - 8..size - 4].copy_from_slice(&kind.to_le_bytes());
            }
            header(&mut bytes, size as u32, FS_CONTROL_VERSION);
            Message { request, bytes: Bytes(bytes) }
        },
    )
}

/// A proper header, and random bytes behind it.
fn headed() -> impl Strategy<Value = Message> {
    (select(MESSAGES), vec(any::<u8>(), 64)).prop_map(|((request, size, _), noise)| {
        let mut bytes: Vec<u8> = noise.iter().copied().cycle().take(size).collect();
        header(&mut bytes, size as u32, FS_CONTROL_VERSION);
        Message { request, bytes: Bytes(bytes) }
    })
}

/// A proper message whose size, version or number is another.
fn mistaken() -> impl Strategy<Value = Message> {
    let delta = prop_oneof![Just(-1i64), Just(1), Just(-8), Just(8), any::<i16>().prop_map(i64::from)];
    (proper(), 0..5u8, delta, any::<u32>()).prop_map(|(mut message, how, delta, odd)| {
        let bytes = &mut message.bytes.0;
        let size = (bytes.len() as i64 + delta).max(0) as usize;
        match how {
            0 => bytes.resize(size, 0),
            1 => header(bytes, size as u32, FS_CONTROL_VERSION),
            2 => header(&mut bytes[..], odd, FS_CONTROL_VERSION),
            3 => {
                let size = bytes.len() as u32;
                header(bytes, size, odd);
            }
            _ => message.request = odd % 24,
        }
        message
    })
}

fn noise() -> impl Strategy<Value = Message> {
    let request = prop_oneof![8 => 0..=20u32, 1 => any::<u32>()];
    let length = prop_oneof![0..600usize, select(&[0usize, 1, 143, 144, 145, 16_383, 16_384, 20_000][..])];
    (request, length, vec(any::<u8>(), 32)).prop_map(|(request, length, noise)| Message {
        request,
        bytes: Bytes(noise.iter().copied().cycle().take(length).collect()),
    })
}

impl Arbitrary for Message {
    type Parameters = ();
    type Strategy = BoxedStrategy<Message>;
    fn arbitrary_with((): ()) -> BoxedStrategy<Message> {
        prop_oneof![8 => proper(), 2 => headed(), 2 => mistaken(), 2 => noise()].boxed()
    }
}
