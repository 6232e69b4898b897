//! What calls are made with: small pools, so that calls meet each other, and beside them what no caller should pass.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Gives a type its `Arbitrary` by a strategy.
macro_rules! arbitrary {
    ($($kind:ty = $strategy:expr;)*) => {
        $(impl Arbitrary for $kind {
            type Parameters = ();
            type Strategy = BoxedStrategy<$kind>;
            fn arbitrary_with((): ()) -> BoxedStrategy<$kind> {
                $strategy.boxed()
            }
        })*
    };
}

/// One of a pool, by its place modulo how many there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pick(pub(crate) u16);

/// A node: one that some view gave out once, or a number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Node {
    Root,
    Known(u16),
    Directory(u16),
    File(u16),
    Raw(u64),
}

/// A node that is a directory, as a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parent(pub(crate) Node);
/// A node that is a file, as a rule.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Content(pub(crate) Node);

impl From<Parent> for Node {
    fn from(parent: Parent) -> Node {
        parent.0
    }
}

impl From<Content> for Node {
    fn from(content: Content) -> Node {
        content.0
    }
}

/// A view, the first as a rule: handles are a view's own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View(pub(crate) u16);
/// One of a few, counted from 1; more of them from 257 on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind(pub(crate) u32);
/// Flags of a path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathFlags(pub(crate) u32);
/// Flags and kinds of which there are two or three.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Few(pub(crate) u32);

/// Flags of a listing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListFlags(pub(crate) u32);
/// Names and paths of Windows in UTF-16, and what is neither.
#[derive(Debug, Clone)]
pub(crate) struct Units(pub(crate) Vec<u16>);

/// A handle: none, one that was opened once, or a number.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Handle {
    None,
    Known(u16),
    Raw(u64),
}

/// A branch or snapshot: one that there was once, or numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ref {
    None,
    Known(u16),
    Raw(u64, u32, u32),
}

/// Who asks: index into the callers that there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Who(pub(crate) u8, pub(crate) Twist);

/// What is wrong with a structure, if anything is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Twist {
    Right,
    Size(u32),
    Reserved,
}

/// Bytes, told shortly.
#[derive(Clone)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut pieces, mut piece) = (Vec::new(), &self.0[..0]);
        let mut rest = &self.0[..];
        while let Some(first) = rest.first() {
            let run = rest.iter().take_while(|byte| *byte == first).count();
            let before = self.0.len() - rest.len() - piece.len();
            rest = &rest[run..];
            if run < LONG_RUN {
                piece = &self.0[before..self.0.len() - rest.len()];
            } else {
                pieces.extend((!piece.is_empty()).then(|| format!("&b\"{}\"[..]", piece.escape_ascii())));
                pieces.push(format!("&[{first}; {run}][..]"));
                piece = &rest[..0];
            }
        }
        match &pieces[..] {
            [] => write!(f, "Bytes(b\"{}\".to_vec())", piece.escape_ascii()),
            _ => write!(f, "Bytes([{}, &b\"{}\"[..]].concat())", pieces.join(", "), piece.escape_ascii()),
        }
    }
}

/// As many equal bytes are told by their number.
const LONG_RUN: usize = 24;

#[derive(Debug, Clone)]
pub(crate) struct Name(pub(crate) Bytes);
#[derive(Debug, Clone)]
pub(crate) struct Path(pub(crate) Bytes);
#[derive(Debug, Clone)]
pub(crate) struct Target(pub(crate) Bytes);
#[derive(Debug, Clone)]
pub(crate) struct RefName(pub(crate) Bytes);
#[derive(Debug, Clone)]
pub(crate) struct XattrName(pub(crate) Bytes);
#[derive(Debug, Clone)]
pub(crate) struct XattrValue(pub(crate) Bytes);
/// Offsets, lengths, counts, owners, cookies, devices.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Big(pub(crate) u64);
/// Flags and kinds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flags(pub(crate) u32);
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mode(pub(crate) u32);
/// Size of a buffer that is filled or written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room(pub(crate) u32);

pub(crate) const MAX_ROOM: usize = 300_000;

arbitrary! {
    Pick = any::<u16>().prop_map(Pick);
    Node = prop_oneof![
        4 => Just(Node::Root),
        12 => any::<u16>().prop_map(Node::Known),
        1 => any::<Big>().prop_map(|Big(raw)| Node::Raw(raw)),
    ];
    Parent = prop_oneof![
        8 => Just(Node::Root),
        10 => any::<u16>().prop_map(Node::Directory),
        1 => any::<Node>(),
    ].prop_map(Parent);
    Content = prop_oneof![12 => any::<u16>().prop_map(Node::File), 1 => any::<Node>()].prop_map(Content);
    View = prop_oneof![5 => Just(0), 1 => any::<u16>()].prop_map(View);
    Kind = prop_oneof![
        20 => 1..4u32,
        5 => 4..8u32,
        8 => 257..260u32,
        1 => any::<Flags>().prop_map(|flags| flags.0),
    ].prop_map(Kind);
    PathFlags = prop_oneof![30 => 0..2u32, 1 => any::<Flags>().prop_map(|flags| flags.0)].prop_map(PathFlags);
    Few = prop_oneof![9 => Just(0), 20 => 0..3u32, 1 => any::<Flags>().prop_map(|flags| flags.0)].prop_map(Few);
    ListFlags = prop_oneof![20 => 0..16u32, 1 => any::<Flags>().prop_map(|flags| flags.0)].prop_map(ListFlags);
    Units = vec(
        prop_oneof![
            4 => select("ab\\:$DAT/".encode_utf16().collect::<Vec<u16>>()),
            1 => 0xD800_u16..0xE000,
            1 => any::<u16>(),
        ],
        0..40,
    )
    .prop_map(Units);
    Handle = prop_oneof![
        6 => Just(Handle::None),
        6 => any::<u16>().prop_map(Handle::Known),
        1 => any::<Big>().prop_map(|Big(raw)| Handle::Raw(raw)),
    ];
    Ref = prop_oneof![
        1 => Just(Ref::None),
        12 => any::<u16>().prop_map(Ref::Known),
        1 => (any::<Big>(), 0..4u32, prop_oneof![Just(0), any::<u32>()]).prop_map(|(Big(id), kind, odd)| Ref::Raw(id, kind, odd)),
    ];
    Who = (prop_oneof![6 => Just(0u8), 4 => 1..6u8], any::<Twist>()).prop_map(|(who, twist)| Who(who, twist));
    Twist = prop_oneof![
        120 => Just(Twist::Right),
        1 => prop_oneof![0..200u32, any::<u32>()].prop_map(Twist::Size),
        1 => Just(Twist::Reserved),
    ];
    Name = name().prop_map(|bytes| Name(Bytes(bytes)));
    Path = path().prop_map(|bytes| Path(Bytes(bytes)));
    Target = prop_oneof![
        8 => path(),
        1 => odd_bytes(),
        1 => prop_oneof![Just(0usize), Just(4_095), Just(4_096)].prop_map(|length| vec![b't'; length]),
    ].prop_map(|bytes| Target(Bytes(bytes)));
    RefName = ref_name().prop_map(|bytes| RefName(Bytes(bytes)));
    XattrName = xattr_name().prop_map(|bytes| XattrName(Bytes(bytes)));
    XattrValue = xattr_value().prop_map(|bytes| XattrValue(Bytes(bytes)));
    Big = big().prop_map(Big);
    Flags = prop_oneof![
        8 => 0..4u32,
        4 => 0..64u32,
        2 => (0..12u32).prop_map(|bit| 1 << bit),
        2 => (0..4u32).prop_map(|how| how | 256),
        1 => any::<u32>(),
    ].prop_map(Flags);
    Mode = prop_oneof![
        8 => select(&[0o644u32, 0o755, 0o777, 0o600, 0o4755, 0o2775, 0o1777][..]),
        3 => 0..0o10000u32,
        1 => any::<u32>(),
    ].prop_map(Mode);
    Room = prop_oneof![
        6 => 0..64u32,
        4 => select(&[255u32, 4_096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 131_072][..]),
        1 => 0..=MAX_ROOM as u32,
    ].prop_map(Room);
}

const NAMES: &[&[u8]] = &[b"a", b"b", b"c", b"d", b"e", b"A", b"B", b"\xc3\x9f", b"\xff\xfe", b"link"];

fn good_name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![2 => select(&NAMES[..3]), 1 => select(NAMES)].prop_map(<[u8]>::to_vec)
}

/// Names that are none, as long as they can be or longer, and any bytes.
pub(crate) fn odd_name() -> impl Strategy<Value = Vec<u8>> {
    let odd: &[&[u8]] =
        &[b"", b".", b"..", b"/", b"a/b", b"a/", b"/a", b"a\0b", b"\0", b"...", b" ", b"-", b"\\", b"a\n"];
    prop_oneof![
        4 => select(odd).prop_map(<[u8]>::to_vec),
        2 => (select(&[254usize, 255, 256, 257, 32_767, 32_768][..]), any::<u8>()).prop_map(|(length, byte)| vec![byte; length]),
        3 => odd_bytes(),
    ]
}

fn odd_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..300), "\\PC{0,60}".prop_map(String::into_bytes)]
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![14 => good_name(), 1 => odd_name()]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let component =
        prop_oneof![12 => good_name(), 1 => Just(b"..".to_vec()), 1 => Just(b".".to_vec()), 1 => Just(Vec::new())];
    let joined = (
        any::<bool>(),
        prop_oneof![3 => vec(component.clone(), 1), 2 => vec(component, 2..4)],
        prop_oneof![6 => Just(false), 1 => Just(true)],
    );
    let joined = joined.prop_map(|(absolute, components, slash)| {
        let path = components.join(&b'/');
        [if absolute { &b"/"[..] } else { b"" }, &path, if slash { b"/" } else { b"" }].concat()
    });
    prop_oneof![14 => joined, 1 => odd_path()]
}

/// Paths that are none, long ones, and any bytes.
pub(crate) fn odd_path() -> impl Strategy<Value = Vec<u8>> {
    let length = select(&[1usize, 2, 254, 255, 256, 4_095, 32_766, 32_767, 32_768, 65_536][..]);
    let units: &[&[u8]] = &[b"/", b"a", b"a/", b"./", b"../", b"/a/../", b"link/", b"\xff"];
    let unit = select(units);
    prop_oneof![
        3 => (unit, length).prop_map(|(unit, length)| unit.iter().copied().cycle().take(length).collect()),
        2 => odd_name(),
        1 => vec(odd_name(), 1..5).prop_map(|names| names.join(&b'/')),
    ]
}

pub(crate) fn ref_name() -> impl Strategy<Value = Vec<u8>> {
    let known: &[&[u8]] = &[b"main", b"r1", b"r2", b"r3", b"r4", b"r5", b"main@1", b"\xc3\xa9t\xc3\xa9"];
    prop_oneof![12 => select(known).prop_map(<[u8]>::to_vec), 1 => odd_name()]
}

fn xattr_name() -> impl Strategy<Value = Vec<u8>> {
    let known: &[&[u8]] = &[
        b"user.a",
        b"user.b",
        b"user.",
        b"trusted.t",
        b"security.s",
        b"security.capability",
        b"system.posix_acl_access",
        b"system.posix_acl_default",
        b"system.other",
        b"com.example",
    ];
    let long = select(&[254usize, 255, 256][..]).prop_map(|length| [&b"user."[..], &vec![b'x'; length - 5]].concat());
    let usual = prop_oneof![1 => Just(known[0]), 1 => select(known)].prop_map(<[u8]>::to_vec);
    prop_oneof![12 => usual, 1 => odd_name(), 1 => long]
}

fn xattr_value() -> impl Strategy<Value = Vec<u8>> {
    let length = select(&[0usize, 1, 4, 28, 60_000, 65_536, 65_537][..]);
    prop_oneof![
        6 => vec(any::<u8>(), 0..40),
        2 => length.prop_map(|length| vec![b'v'; length]),
        6 => acl(),
    ]
}

/// An ACL as Linux hands it over, rarely a proper one.
fn acl() -> impl Strategy<Value = Vec<u8>> {
    let tag = select(&[1u16, 2, 4, 8, 16, 32, 0, 64][..]);
    let id = prop_oneof![3 => Just(u32::MAX), 2 => 0..4u32, 1 => any::<u32>()];
    let entry = (tag, 0..10u16, id);
    let minimal = std::iter::once(vec![(1u16, 7u16, u32::MAX), (4, 5, u32::MAX), (32, 5, u32::MAX)]).next().unwrap();
    let entries = prop_oneof![1 => Just(minimal), 3 => vec(entry, 0..6)];
    (prop_oneof![6 => Just(2u32), 1 => any::<u32>()], entries, prop_oneof![8 => Just(0usize), 1 => 1..8usize]).prop_map(
        |(version, entries, cut)| {
            let mut bytes = version.to_le_bytes().to_vec();
            for (tag, permissions, id) in entries {
                bytes.extend([tag.to_le_bytes(), permissions.to_le_bytes()].concat());
                bytes.extend(id.to_le_bytes());
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            bytes
        },
    )
}

fn big() -> impl Strategy<Value = u64> {
    let edges: &[u64] = &[
        4_096,
        16_383,
        16_384,
        16_385,
        65_535,
        65_536,
        65_537,
        131_072,
        1 << 20,
        1 << 24,
        (1 << 24) + 1,
        1 << 31,
        1 << 32,
        1 << 47,
        1 << 48,
        (1 << 62) + 5,
    ];
    prop_oneof![
        8 => 0..10u64,
        8 => select(edges),
        2 => (0..100_000u64).prop_map(|below| i64::MAX as u64 - below),
        2 => (0..4u64).prop_map(|above| i64::MAX as u64 + above),
        2 => (0..3u64).prop_map(|below| u64::MAX - below),
        2 => 0..(1u64 << 22),
        1 => any::<u64>(),
    ]
}

/// Where a path begins, and who asks: view, caller, start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At(pub(crate) View, pub(crate) Who, pub(crate) Node);

arbitrary! {
    At = (any::<View>(), any::<Who>(), prop_oneof![3 => Just(Node::Root), 1 => any::<Parent>().prop_map(Node::from)])
        .prop_map(|(view, who, start)| At(view, who, start));
}
