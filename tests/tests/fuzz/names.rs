//! Names and paths of any bytes, given to every export that takes one.

use proptest::prelude::*;

use bough::ffi::names::{fs_lookup, fs_mkdir, fs_rmdir};
use bough::ffi::paths::{fs_path_getattr, fs_path_symlink};
use bough::ffi::results::*;
use bough::ffi::types::{FS_NODE_ROOT, fs_attr, fs_entry};
use bough::ffi::volume::{FS_NAMES_MACOS, FS_NAMES_WINDOWS};

use crate::arguments::*;
use crate::calls::Call;
use crate::content::{ContentCall, Options};
use crate::harness::{Verdict, check};
use crate::nodes::{NodeCall, Set};
use crate::paths::PathCall;
use crate::sanity;
use crate::volumes::VolumeCall;
use crate::world::{World, blank, superuser, text};

const CASES: u32 = 250;
const SUPERUSER: Who = Who(0, Twist::Right);
const FIRST: View = View(0);
const RIGHT: Twist = Twist::Right;
const MODE: Mode = Mode(0o755);
const ROOM: Room = Room(512);

/// Whether an entry may have this name.
pub(crate) fn is_name(name: &[u8]) -> bool {
    (1..=255).contains(&name.len()) && !name.contains(&0) && !name.contains(&b'/') && name != b"." && name != b".."
}

/// Every call by node that takes a name of an entry or an extended attribute, or a text.
fn by_node(bytes: &Bytes, set: &Bytes) -> Vec<Call> {
    let (view, who, parent, name, out) = (FIRST, SUPERUSER, Parent(Node::Root), Name(bytes.clone()), RIGHT);
    let (other, target, value) = (Name(Bytes(b"a".to_vec())), Target(bytes.clone()), XattrValue(set.clone()));
    let (xattr, node, how, room) = (XattrName(bytes.clone()), Node::Root, Few(0), ROOM);
    let options = Options(Flags(3), MODE, RIGHT);
    vec![
        NodeCall::fs_lookup { view, who, parent, name: name.clone(), out }.into(),
        NodeCall::fs_mkdir { view, who, parent, name: name.clone(), mode: MODE, out }.into(),
        NodeCall::fs_mknod { view, who, parent, name: name.clone(), mode: MODE, kind: Kind(1), device: Big(0), out }
            .into(),
        NodeCall::fs_symlink { view, who, parent, name: name.clone(), target: target.clone(), out }.into(),
        NodeCall::fs_symlink { view, who, parent, name: other.clone(), target, out }.into(),
        ContentCall::fs_create { view, who, parent, name: name.clone(), options, out }.into(),
        NodeCall::fs_link { view, who, node: Node::Known(1), parent, name: name.clone(), out }.into(),
        NodeCall::fs_rename { view, who, parent, name: name.clone(), new_parent: parent, new_name: other.clone(), how }
            .into(),
        NodeCall::fs_rename { view, who, parent, name: other, new_parent: parent, new_name: name.clone(), how }.into(),
        NodeCall::fs_xattr_set { view, who, node, name: xattr.clone(), value, how }.into(),
        NodeCall::fs_xattr_get { view, who, node, name: xattr.clone(), room }.into(),
        NodeCall::fs_xattr_remove { view, who, node, name: xattr }.into(),
        NodeCall::fs_unlink { view, who, parent, name: name.clone() }.into(),
        NodeCall::fs_rmdir { view, who, parent, name }.into(),
    ]
}

fn by_path(bytes: &Bytes, set: &Bytes, attributes: Set, flags: PathFlags) -> Vec<Call> {
    let (at, path, out) = (At(FIRST, SUPERUSER, Node::Root), Path(bytes.clone()), RIGHT);
    let (other, target, value) = (Path(Bytes(b"a".to_vec())), Target(bytes.clone()), XattrValue(set.clone()));
    let (name, how, room, new_start) = (XattrName(Bytes(b"user.a".to_vec())), Few(0), ROOM, Parent(Node::Root));
    let options = Options(Flags(64 | 3), MODE, RIGHT);
    vec![
        PathCall::fs_path_mkdir { at, path: path.clone(), mode: MODE, out }.into(),
        PathCall::fs_path_getattr { at, path: path.clone(), flags, out }.into(),
        PathCall::fs_path_setattr { at, path: path.clone(), flags, set: attributes, out }.into(),
        PathCall::fs_path_lookup { at, path: path.clone(), flags, out }.into(),
        PathCall::fs_path_write { at, path: path.clone(), flags, room }.into(),
        PathCall::fs_path_read { at, path: path.clone(), flags, offset: Big(0), room }.into(),
        PathCall::fs_path_mknod { at, path: path.clone(), mode: MODE, kind: Kind(1), device: Big(0), out }.into(),
        PathCall::fs_path_symlink { at, path: path.clone(), target, out }.into(),
        PathCall::fs_path_open { at, path: path.clone(), flags, options }.into(),
        PathCall::fs_path_link { at, path: path.clone(), flags, new_start, new_path: other.clone(), out }.into(),
        PathCall::fs_path_link { at, path: other.clone(), flags, new_start, new_path: path.clone(), out }.into(),
        PathCall::fs_path_rename { at, path: path.clone(), new_start, new_path: other.clone(), how }.into(),
        PathCall::fs_path_rename { at, path: other, new_start, new_path: path.clone(), how }.into(),
        PathCall::fs_path_readlink { at, path: path.clone(), room }.into(),
        PathCall::fs_path_access { at, path: path.clone(), flags, want: Few(4) }.into(),
        PathCall::fs_path_xattr_set { at, path: path.clone(), flags, name: name.clone(), value, how }.into(),
        PathCall::fs_path_xattr_get { at, path: path.clone(), flags, name: name.clone(), room }.into(),
        PathCall::fs_path_xattr_list { at, path: path.clone(), flags, room }.into(),
        PathCall::fs_path_xattr_remove { at, path: path.clone(), flags, name }.into(),
        PathCall::fs_path_unlink { at, path: path.clone() }.into(),
        PathCall::fs_path_rmdir { at, path: path.clone() }.into(),
        VolumeCall::fs_log_write { level: Flags(5), message: path }.into(),
    ]
}

fn of_refs(bytes: &Bytes) -> Vec<Call> {
    let (name, main) = (RefName(bytes.clone()), Ref::Known(0));
    vec![
        VolumeCall::fs_snapshot_create { branch: main, named: true, name: name.clone() }.into(),
        VolumeCall::fs_branch_create { name: name.clone(), from: main }.into(),
        VolumeCall::fs_ref_find { name: name.clone() }.into(),
        VolumeCall::fs_ref_rename { id: main, name: name.clone() }.into(),
        VolumeCall::fs_view_open { shows: main, label: name, flags: Few(0) }.into(),
    ]
}

/// A name makes an entry that is found and listed under it; what is no name is refused, and nothing changes.
fn one_entry(world: &World, names: u32, name: &Bytes) -> Verdict {
    let (view, who, mut entry): (_, _, fs_entry) = (world.view(FIRST), superuser(), blank(RIGHT));
    let (place, length) = (text(name), name.0.len());
    let version = || {
        let mut attr: fs_attr = blank(RIGHT);
        // SAFETY: all are alive.
        unsafe { bough::ffi::attributes::fs_getattr(view, FS_NODE_ROOT, &mut attr) };
        (attr.version, attr.length)
    };
    let before = version();
    // SAFETY: all are alive, and as long as they say.
    let made = unsafe { fs_mkdir(view, &who, FS_NODE_ROOT, place, length, 0o755, &mut entry) };
    let by_policy = matches!(made, FS_BAD_NAME | FS_BAD_UTF8) && names >= FS_NAMES_WINDOWS;
    let is_long = names == FS_NAMES_WINDOWS && name.0.len() > 255 && made == FS_OK;
    if by_policy || !(is_name(&name.0) || is_long) {
        let refused = by_policy || matches!(made, FS_INVALID | FS_NAME_TOO_LONG | FS_EXISTS);
        return if refused && before == version() { Ok(()) } else { Err(format!("no name, but answered {made}")) };
    }
    let mut again: fs_entry = blank(RIGHT);
    // SAFETY: as above.
    let found = unsafe { fs_lookup(view, &who, FS_NODE_ROOT, place, length, &mut again) };
    // SAFETY: as above.
    let removed = unsafe { fs_rmdir(view, &who, FS_NODE_ROOT, place, length) };
    match (made, found, removed) {
        (FS_OK, FS_OK, FS_OK) if entry.node == again.node => Ok(()),
        results => Err(format!("a name answered {results:?}")),
    }
}

type Case = (u32, Bytes, Bytes, Set, PathFlags);

fn run((names, bytes, other, attributes, flags): Case) -> Verdict {
    let mut world = World::new(names);
    one_entry(&world, names, &bytes)?;
    let calls = [by_path(&bytes, &other, attributes, flags), by_node(&bytes, &other), of_refs(&bytes)].concat();
    for call in calls {
        call.run(&mut world);
        world.verdict().map_err(|what| format!("{what}\nin {call:?}"))?;
    }
    world.demand_unlatched();
    sanity::check(&mut world)?;
    world.close_all();
    world.verdict()?;
    sanity::demand_empty(world.volume)
}

/// A case of bytes: two texts, and the rest as `data` has it.
pub(crate) fn run_bytes(names: u32, one: Bytes, other: Bytes, data: &[u8]) -> Verdict {
    let (attributes, flags) = crate::decode::one(data, &(any::<Set>(), any::<PathFlags>()));
    run((names, one, other, attributes, flags))
}

#[test]
fn names_and_paths_of_any_bytes_break_nothing() {
    check("names_and_paths_of_any_bytes_break_nothing", CASES, cases, run);
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![odd_name(), odd_path()].prop_map(Bytes)
}

fn cases() -> impl Strategy<Value = Case> {
    (0..=FS_NAMES_MACOS, bytes(), bytes(), any::<Set>(), any::<PathFlags>())
}

/// A chain of so many links, the last of which leads to the root; and whether its first leads there.
fn chain(links: u32, absolute: bool, names: u32) -> Verdict {
    let world = World::new(names);
    let (view, who, mut attr): (_, _, fs_attr) = (world.view(FIRST), superuser(), blank(RIGHT));
    for link in 0..links {
        let target = if link == 0 { "/".into() } else { format!("{}{}", if absolute { "/" } else { "./" }, link - 1) };
        let name = link.to_string();
        let (name, target) = (Bytes(name.into()), Bytes(target.into()));
        // SAFETY: all are alive, and as long as they say.
        let made = unsafe {
            fs_path_symlink(
                view,
                &who,
                FS_NODE_ROOT,
                text(&name),
                name.0.len(),
                text(&target),
                target.0.len(),
                &mut attr,
            )
        };
        assert_eq!(made, FS_OK);
    }
    let first = Bytes((links - 1).to_string().into());
    // SAFETY: as above.
    let result = unsafe { fs_path_getattr(view, &who, FS_NODE_ROOT, text(&first), first.0.len(), 0, &mut attr) };
    let expected = if links <= 40 { FS_OK } else { FS_TOO_MANY_SYMLINKS };
    if result == expected { Ok(()) } else { Err(format!("{links} links answered {result}")) }
}

#[test]
fn chains_of_links_end_at_40() {
    let chains = || (prop_oneof![1..60u32, 39..43u32], any::<bool>(), 0..=FS_NAMES_MACOS);
    check("chains_of_links_end_at_40", 30, chains, |(links, absolute, names)| chain(links, absolute, names));
}
