//! The operations that are tried, and how they are drawn: few names, so that they meet.

use bough::{NamePolicy, RenameMode, XattrMode, flags};
use proptest::prelude::*;
use proptest::sample::select;

use super::naive::{How, Path, What};

/// One operation. Which caller does it is drawn beside it.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    Make(Path, u32, What),
    Unlink(Path),
    Rmdir(Path),
    Link(Path, Path),
    Rename(Path, Path, RenameMode),
    Chmod(Path, u32),
    Chown(Path, Option<u32>, Option<u32>),
    SetTimes(Path, Option<i64>),
    SetFlags(Path, u32),
    Truncate(Path, usize),
    SetXattr(Path, &'static str, u8, XattrMode),
    RemoveXattr(Path, &'static str),
    /// Makes the stream if it is not there.
    WriteStream(Path, &'static str, usize, usize, u8),
    RenameStream(Path, &'static str, &'static str, bool),
    RemoveStream(Path, &'static str),
    Access(Path, u32),
    ReadLink(Path),
    /// Opens, does it, closes.
    With(Path, How, Io),
    Copy {
        from: Path,
        from_offset: usize,
        to: Path,
        to_offset: usize,
        length: usize,
    },
    /// Opens and keeps open in a slot.
    Open(usize, Path, How),
    On(usize, Io),
    Close(usize),
    Snapshot {
        branch: &'static str,
        name: Option<&'static str>,
    },
    Branch {
        name: &'static str,
        from: &'static str,
    },
    Switch(&'static str),
    RenameRef(&'static str, &'static str),
    DeleteRef(&'static str),
    Diff(&'static str, &'static str),
    /// By directories that are held since the beginning, as a kernel holds them: they are meant, whatever becomes of their names.
    /// Drawn for histories only.
    #[allow(dead_code, reason = "those who draw sequences have no directories that are held")]
    Within(Within),
}

#[derive(Debug, Clone, Copy)]
#[allow(dead_code, reason = "as above")]
pub(crate) enum Within {
    Make(Entry, What),
    Unlink(Entry),
    Rmdir(Entry),
    Rename(Entry, Entry, RenameMode),
    List(usize),
}

/// The number of a directory that is held, and a name in it.
pub(crate) type Entry = (usize, &'static str);

/// What is done with an open file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Io {
    Read,
    Write { offset: usize, length: usize, fill: u8 },
    Append { length: usize, fill: u8 },
    Punch { offset: usize, length: usize },
    Zero { offset: usize, length: usize, keep: bool },
    Reserve { offset: usize, length: usize, keep: bool },
}

pub(crate) const SLOTS: usize = 3;
const NAMES: &[&str] = &["a", "b", "c", "d"];
const CASED_NAMES: &[&str] = &["a", "A", "b", "B", "c"];
const WINDOWS_NAMES: &[&str] = &["a", "A", "b.c", "B.C", "\u{416}", "\u{436}", "c"];
const MACOS_NAMES: &[&str] = &["a", "A", "\u{e9}", "\u{c9}", "e\u{301}", "E\u{301}", "c"];
const STREAMS: &[&str] = &["s", "S", "t"];
const REFS: &[&str] = &["main", "one", "two", "three", "main@1"];
const TARGETS: &[&str] = &["a", "b", "/c", "a/b", "../a", "d/", "/", "."];

fn path(names: &'static [&'static str]) -> impl Strategy<Value = Path> {
    let part = prop_oneof![30 => select(names), 1 => Just(".."), 1 => Just(".")];
    let end = prop_oneof![15 => Just(""), 1 => Just("/")];
    let begin = prop_oneof![4 => Just(""), 1 => Just("/")];
    let depth = prop_oneof![4 => 1..2usize, 4 => 2..3usize, 1 => 3..5usize];
    (begin, depth.prop_flat_map(move |depth| prop::collection::vec(part.clone(), depth)), end, any::<bool>())
        .prop_map(|(begin, parts, end, follow)| Path { text: format!("{begin}{}{end}", parts.join("/")), follow })
}

fn mode() -> impl Strategy<Value = u32> {
    prop_oneof![4 => Just(0o777), 2 => Just(0o644), 2 => Just(0o755), 1 => 0..=0o7777u32]
}

/// Near the edges that matter: 0, a small buffer's end (16 KiB), chunks' ends (64 KiB).
fn offset() -> impl Strategy<Value = usize> {
    let near = |edge: usize| edge - 30..edge + 30;
    prop_oneof![5 => 0..100usize, 1 => near(16 << 10), 1 => near(64 << 10), 1 => near(128 << 10)]
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![5 => 0..60usize, 1 => Just(16 << 10), 1 => Just(64 << 10), 1 => 60_000..140_000usize]
}

fn io() -> impl Strategy<Value = Io> {
    prop_oneof![
        2 => Just(Io::Read),
        6 => (offset(), length(), any::<u8>()).prop_map(|(offset, length, fill)| Io::Write { offset, length, fill }),
        2 => (length(), any::<u8>()).prop_map(|(length, fill)| Io::Append { length, fill }),
        2 => (offset(), length()).prop_map(|(offset, length)| Io::Punch { offset, length }),
        1 => (offset(), length(), any::<bool>()).prop_map(|(offset, length, keep)| Io::Zero { offset, length, keep }),
        1 => (offset(), length(), any::<bool>()).prop_map(|(offset, length, keep)| Io::Reserve { offset, length, keep }),
    ]
}

fn how() -> impl Strategy<Value = How> {
    let create = prop_oneof![1 => Just(None), 2 => mode().prop_map(Some)];
    let rarely = || prop::bool::weighted(0.15);
    (prop::bool::weighted(0.6), prop::bool::weighted(0.8), rarely(), rarely(), rarely(), create).prop_map(
        |(read, write, append, truncate, exclusive, create)| How { read, write, append, truncate, exclusive, create },
    )
}

fn names_and_attributes(names: &'static [&'static str]) -> impl Strategy<Value = Op> {
    let p = move || path(names);
    let what = prop_oneof![
        3 => Just(What::File),
        5 => Just(What::Directory),
        3 => select(TARGETS).prop_map(What::Symlink),
        1 => Just(What::Fifo),
        1 => (1..9u64).prop_map(What::Device),
    ];
    let rename = prop_oneof![
        6 => Just(RenameMode::Replace), 2 => Just(RenameMode::NoReplace), 3 => Just(RenameMode::Exchange)
    ];
    let xattr = prop_oneof![2 => Just(XattrMode::Set), 1 => Just(XattrMode::Create), 1 => Just(XattrMode::Replace)];
    let flag = prop_oneof![
        4 => Just(0), 1 => Just(flags::IMMUTABLE), 1 => Just(flags::APPEND), 2 => Just(flags::NO_DUMP)
    ];
    let key = || select(&["user.a", "user.b", "trusted.t"][..]);
    let id = || prop::option::of(0..4u32);
    prop_oneof![
        12 => (p(), mode(), what).prop_map(|(path, mode, what)| Op::Make(path, mode, what)),
        6 => p().prop_map(Op::Unlink),
        3 => p().prop_map(Op::Rmdir),
        5 => (p(), p()).prop_map(|(path, new)| Op::Link(path, new)),
        12 => (p(), p(), rename).prop_map(|(from, to, mode)| Op::Rename(from, to, mode)),
        3 => (p(), mode()).prop_map(|(path, mode)| Op::Chmod(path, mode)),
        3 => (p(), id(), id()).prop_map(|(path, uid, gid)| Op::Chown(path, uid, gid)),
        2 => (p(), prop::option::of(-5..500i64)).prop_map(|(path, time)| Op::SetTimes(path, time)),
        2 => (p(), flag).prop_map(|(path, flags)| Op::SetFlags(path, flags)),
        3 => (p(), offset()).prop_map(|(path, size)| Op::Truncate(path, size)),
        3 => (p(), key(), any::<u8>(), xattr).prop_map(|(path, key, value, mode)| Op::SetXattr(path, key, value, mode)),
        1 => (p(), key()).prop_map(|(path, key)| Op::RemoveXattr(path, key)),
        1 => (p(), 0..8u32).prop_map(|(path, want)| Op::Access(path, want)),
        1 => p().prop_map(Op::ReadLink),
    ]
}

fn content(names: &'static [&'static str]) -> impl Strategy<Value = Op> {
    let p = move || path(names);
    let slot = || 0..SLOTS;
    let copy = (p(), offset(), p(), offset(), length())
        .prop_map(|(from, from_offset, to, to_offset, length)| Op::Copy { from, from_offset, to, to_offset, length });
    prop_oneof![
        12 => (p(), how(), io()).prop_map(|(path, how, io)| Op::With(path, how, io)),
        4 => copy,
        4 => streams(names),
        3 => (slot(), p(), how()).prop_map(|(slot, path, how)| Op::Open(slot, path, how)),
        5 => (slot(), io()).prop_map(|(slot, io)| Op::On(slot, io)),
        2 => slot().prop_map(Op::Close),
    ]
}

fn streams(names: &'static [&'static str]) -> impl Strategy<Value = Op> {
    let p = move || path(names);
    let name = || select(STREAMS);
    let write = (p(), name(), offset(), length(), any::<u8>())
        .prop_map(|(path, name, offset, length, fill)| Op::WriteStream(path, name, offset, length + 1, fill));
    let rename = (p(), name(), name(), any::<bool>());
    prop_oneof![
        4 => write,
        1 => rename.prop_map(|(path, name, new, replace)| Op::RenameStream(path, name, new, replace)),
        1 => (p(), name()).prop_map(|(path, name)| Op::RemoveStream(path, name)),
    ]
}

fn history() -> impl Strategy<Value = Op> {
    let r = || select(REFS);
    prop_oneof![
        4 => (r(), prop::option::of(r())).prop_map(|(branch, name)| Op::Snapshot { branch, name }),
        4 => (r(), r()).prop_map(|(name, from)| Op::Branch { name, from }),
        3 => r().prop_map(Op::Switch),
        1 => (r(), r()).prop_map(|(from, to)| Op::RenameRef(from, to)),
        2 => r().prop_map(Op::DeleteRef),
        4 => (r(), r()).prop_map(|(a, b)| Op::Diff(a, b)),
    ]
}

/// An operation with the number of its caller: 0 is the superuser.
pub(crate) fn step(policy: NamePolicy) -> impl Strategy<Value = (usize, Op)> {
    let names = match policy {
        NamePolicy::PosixCaseInsensitive => CASED_NAMES,
        NamePolicy::Windows => WINDOWS_NAMES,
        NamePolicy::MacOs => MACOS_NAMES,
        _ => NAMES,
    };
    let op = prop_oneof![6 => names_and_attributes(names), 3 => content(names), 2 => history()];
    let by = prop_oneof![4 => Just(0usize), 1 => Just(1), 1 => Just(2)];
    (by, op)
}

pub(crate) fn sequence(policy: NamePolicy) -> impl Strategy<Value = Vec<(usize, Op)>> {
    prop::collection::vec(step(policy), 1..120)
}
