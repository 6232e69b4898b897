//! Security descriptors: told from owner and mode, set part by part, inherited, in step with chmod and chown.

use bough::{
    Aspects, Caller, Error, Group, NewExtras, NewNode, NewSecurity, NodeId, Privileges, RenameMode, SetAttr, Sid,
    Token, TokenPrivileges, View,
};

use crate::support::*;
use crate::windows_files::windows;

const OWNER: u32 = 1;
const GROUP: u32 = 2;
const DACL: u32 = 4;
const SACL: u32 = 8;
const ALLOWED: u8 = 0;
const DENIED: u8 = 1;
const AUDIT: u8 = 2;
const INHERITED: u8 = 0x10;
const BOTH_INHERIT: u8 = 3;
const READ: u32 = 0x12_0089;
const ALL: u32 = 0x1F_01FF;

/// An identifier with the authority NT.
fn sid(parts: &[u32]) -> Vec<u8> {
    let head = [1, parts.len() as u8, 0, 0, 0, 0, 0, 5];
    head.into_iter().chain(parts.iter().flat_map(|part| part.to_le_bytes())).collect()
}

fn everyone() -> Vec<u8> {
    [&[1, 1, 0, 0, 0, 0, 0, 1][..], &[0; 4]].concat()
}

/// Samba's identifiers of a user and a group of POSIX.
fn unix(class: u32, id: u32) -> Vec<u8> {
    let mut sid = sid(&[class, id]);
    sid[7] = 22;
    sid
}

type Ace = (u8, u8, u32, Vec<u8>);

fn acl(aces: &[Ace]) -> Vec<u8> {
    let body: Vec<u8> = aces
        .iter()
        .flat_map(|(kind, flags, mask, sid)| {
            let mut ace = vec![*kind, *flags];
            ace.extend((8 + sid.len() as u16).to_le_bytes());
            ace.extend(mask.to_le_bytes());
            ace.extend(sid);
            ace
        })
        .collect();
    let mut list = vec![2, 0];
    list.extend((8 + body.len() as u16).to_le_bytes());
    list.extend((aces.len() as u16).to_le_bytes());
    list.extend([0, 0]);
    list.extend(body);
    list
}

fn descriptor(
    control: u16,
    owner: Option<Vec<u8>>,
    group: Option<Vec<u8>>,
    sacl: Option<&[Ace]>,
    dacl: Option<&[Ace]>,
) -> Vec<u8> {
    let parts = [owner, group, sacl.map(acl), dacl.map(acl)];
    let present = if sacl.is_some() { 0x10 } else { 0 } | if dacl.is_some() { 4 } else { 0 };
    let mut bytes = vec![1, 0];
    bytes.extend((control | present | 0x8000_u16).to_le_bytes());
    bytes.resize(20, 0);
    for (index, part) in parts.iter().enumerate() {
        if let Some(part) = part {
            let at = bytes.len() as u32;
            bytes[4 + index * 4..8 + index * 4].copy_from_slice(&at.to_le_bytes());
            bytes.extend(part);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    bytes
}

fn only_dacl(aces: &[Ace]) -> Vec<u8> {
    descriptor(0, None, None, None, Some(aces))
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize
}

/// The entries of the DACL of a descriptor.
fn dacl_of(bytes: &[u8]) -> Vec<Ace> {
    let list = &bytes[word(bytes, 16)..];
    let count = u16::from_le_bytes([list[4], list[5]]);
    let mut rest = &list[8..];
    let mut aces = Vec::new();
    for _ in 0..count {
        let length = usize::from(u16::from_le_bytes([rest[2], rest[3]]));
        aces.push((rest[0], rest[1], word(rest, 4) as u32, rest[8..length].to_vec()));
        rest = &rest[length..];
    }
    aces
}

fn owner_of(bytes: &[u8]) -> Vec<u8> {
    let owner = &bytes[word(bytes, 4)..];
    owner[..8 + usize::from(owner[1]) * 4].to_vec()
}

fn get(fs: &View, node: NodeId, parts: u32) -> Vec<u8> {
    fs.get_security(&ROOT, node, None, parts).unwrap()
}

fn set(fs: &View, node: NodeId, parts: u32, bytes: &[u8]) {
    fs.set_security(&ROOT, node, None, parts, bytes).unwrap();
}

fn mask_of(aces: &[Ace], sid: &[u8]) -> u32 {
    aces.iter().filter(|ace| ace.0 == ALLOWED && ace.3 == sid).fold(0, |all, ace| all | ace.2)
}

fn with_file() -> (Fs, NodeId) {
    let fs = windows();
    fs.write_file("file", "");
    fs.chown("file", 2000, 3000);
    fs.chmod("file", 0o640);
    let node = fs.node("file");
    (fs, node)
}

#[test]
fn without_a_descriptor_owner_group_and_mode_are_told_as_one() {
    let (fs, node) = with_file();
    let told = get(&fs, node, OWNER | GROUP | DACL);
    assert_eq!(owner_of(&told), unix(1, 2000));
    let aces = dacl_of(&told);
    assert_eq!(mask_of(&aces, &unix(1, 2000)) & 0x27, 0x7, "the owner reads and writes");
    assert_eq!(mask_of(&aces, &unix(2, 3000)) & 0x27, 1, "the group reads");
    assert_eq!(mask_of(&aces, &everyone()) & 0x27, 0);
    assert_eq!(word(&get(&fs, node, OWNER), 16), 0, "only the parts that were asked for");
}

#[test]
fn set_security_merges_part_by_part() {
    let (fs, node) = with_file();
    let audits: &[Ace] = &[(AUDIT, 0x40, READ, everyone())];
    set(&fs, node, SACL, &descriptor(0, None, None, Some(audits), None));
    let aces: &[Ace] = &[(ALLOWED, 0, READ, everyone())];
    set(&fs, node, DACL, &only_dacl(aces));
    set(&fs, node, GROUP, &descriptor(0, None, Some(sid(&[32, 545])), None, None));
    let all = get(&fs, node, OWNER | GROUP | DACL | SACL);
    assert_eq!((owner_of(&all), dacl_of(&all)), (unix(1, 2000), aces.to_vec()));
    assert!(word(&all, 12) != 0, "the audits stayed");
    assert_eq!((fs.stat("file").uid, fs.stat("file").gid), (2000, 545));
}

#[test]
fn setting_a_dacl_changes_the_mode_and_chmod_changes_the_dacl() {
    let (fs, node) = with_file();
    let stranger = sid(&[21, 1, 2, 3, 1001]);
    let aces: &[Ace] =
        &[(ALLOWED, 0, READ, stranger.clone()), (ALLOWED, 0, ALL, unix(1, 2000)), (ALLOWED, 0, READ, everyone())];
    set(&fs, node, DACL, &only_dacl(aces));
    assert_eq!(fs.stat("file").mode, 0o744);
    fs.chmod("file", 0o600);
    let after = dacl_of(&get(&fs, node, DACL));
    assert_eq!(mask_of(&after, &everyone()) & 1, 0, "everyone no longer reads");
    assert_eq!(mask_of(&after, &stranger), READ, "what it says about others stays");
    assert_eq!(fs.stat("file").mode, 0o600);
}

#[test]
fn chown_changes_the_owner_of_the_descriptor_and_setting_the_owner_the_uid() {
    let (fs, node) = with_file();
    set(&fs, node, DACL, &only_dacl(&[(ALLOWED, 0, ALL, everyone())]));
    fs.chown("file", 2001, 3001);
    assert_eq!(owner_of(&get(&fs, node, OWNER)), unix(1, 2001));
    set(&fs, node, OWNER, &descriptor(0, Some(unix(1, 4000)), None, None, None));
    assert_eq!(fs.stat("file").uid, 4000);
    set(&fs, node, OWNER, &descriptor(0, Some(sid(&[21, 1, 2, 3, 1001])), None, None, None));
    assert_eq!(fs.stat("file").uid, 65_534, "who has no id here");
    assert_eq!(owner_of(&get(&fs, node, OWNER)), sid(&[21, 1, 2, 3, 1001]));
}

#[test]
fn a_dacl_takes_the_place_of_a_posix_acl() {
    let (fs, node) = with_file();
    let entry =
        |tag: u16, bits: u16, id: u32| [&tag.to_le_bytes()[..], &bits.to_le_bytes(), &id.to_le_bytes()].concat();
    let entries = [entry(1, 6, 0), entry(2, 4, 7), entry(4, 4, 0), entry(0x10, 6, 0), entry(0x20, 0, 0)].concat();
    let acl = [&2_u32.to_le_bytes()[..], &entries].concat();
    fs.set_xattr(&ROOT, node, b"system.posix_acl_access", &acl, bough::XattrMode::Set).unwrap();
    set(&fs, node, DACL, &only_dacl(&[(ALLOWED, 0, READ, everyone())]));
    assert_eq!(fs.get_xattr(&ROOT, node, b"system.posix_acl_access"), Err(Error::NoAttribute));
    assert_eq!(fs.stat("file").mode, 0o444);
}

#[test]
fn who_may_set_which_part() {
    let (fs, node) = with_file();
    let (owner, other) = (user(2000, 3000), user(5, 5));
    let dacl = only_dacl(&[(ALLOWED, 0, ALL, everyone())]);
    let give = descriptor(0, Some(unix(1, 5)), None, None, None);
    let audits = descriptor(0, None, None, Some(&[]), None);
    let set = |caller: &bough::Caller<'_>, parts, bytes: &[u8]| fs.set_security(caller, node, None, parts, bytes);
    assert_eq!(set(&other, DACL, &dacl), Err(Error::NotPermitted));
    assert_eq!(set(&owner, DACL, &dacl), Ok(()));
    assert_eq!(set(&owner, OWNER, &give), Err(Error::NotPermitted));
    assert_eq!(set(&owner, SACL, &audits), Err(Error::PrivilegeNotHeld));
    assert_eq!(fs.get_security(&owner, node, None, SACL), Err(Error::PrivilegeNotHeld));
    let administrator = privileged(5, 5, Privileges::ADMIN);
    assert_eq!(set(&administrator, SACL, &audits), Ok(()));
    assert!(fs.get_security(&other, node, None, OWNER | DACL).is_ok());
    fs.set_flags("file", bough::flags::IMMUTABLE);
    assert_eq!(set(&ROOT, DACL, &dacl), Err(Error::NotPermitted));
    let frozen = fs.frozen("before");
    assert_eq!(frozen.set_security(&ROOT, frozen.node("file"), None, DACL, &dacl), Err(Error::ReadOnly));
}

#[test]
fn malformed_descriptors_are_refused_by_a_text_that_says_why_and_change_nothing() {
    let (fs, node) = with_file();
    let good = only_dacl(&[(ALLOWED, 0, ALL, everyone())]);
    let before = get(&fs, node, OWNER | GROUP | DACL);
    let set = |parts, bytes: &[u8]| fs.set_security(&ROOT, node, None, parts, bytes);
    assert!(matches!(set(DACL, &good[..10]), Err(Error::BadSecurity(text)) if text.contains("header")));
    assert!(
        matches!(set(DACL, &[&[9], &good[1..]].concat()), Err(Error::BadSecurity(text)) if text.contains("revision"))
    );
    assert!(matches!(set(DACL, &good[..good.len() - 4]), Err(Error::BadSecurity(_))));
    assert_eq!(set(OWNER, &good), Err(Error::BadOwner));
    assert!(matches!(set(GROUP, &good), Err(Error::BadSecurity(text)) if text.contains("group")));
    assert!(matches!(set(0x80, &good), Err(Error::Invalid(_))));
    assert!(matches!(set(0xA000_0000, &good), Err(Error::Invalid(text)) if text.contains("at once")));
    assert_eq!(get(&fs, node, OWNER | GROUP | DACL), before);
}

/// A directory whose list lets administrators do everything, below it too.
fn heirs() -> (Fs, NodeId, Vec<u8>) {
    let fs = windows();
    fs.mkdir_p("dir");
    fs.chmod("dir", 0o777);
    let node = fs.node("dir");
    let administrators = sid(&[32, 544]);
    let aces: &[Ace] = &[(ALLOWED, BOTH_INHERIT, ALL, administrators.clone()), (ALLOWED, 0, ALL, everyone())];
    let inherits = 0x400;
    set(&fs, node, DACL, &descriptor(inherits | 0x100, None, None, None, Some(aces)));
    (fs, node, administrators)
}

#[test]
fn what_posix_makes_inherits_what_is_said_about_others_and_keeps_its_mode() {
    let (fs, _, administrators) = heirs();
    let caller = user(2000, 3000);
    fs.path_make(&caller, at("dir/file"), 0o666, NewNode::File).unwrap();
    fs.path_make(&caller, at("dir/sub"), 0o777, NewNode::Directory).unwrap();
    fs.path_make(&caller, at("dir/sub/deep"), 0o600, NewNode::File).unwrap();
    for (path, mode) in [("dir/file", 0o644), ("dir/sub", 0o755), ("dir/sub/deep", 0o600)] {
        let aces = dacl_of(&get(&fs, fs.node(path), DACL));
        assert_eq!(mask_of(&aces, &administrators), ALL, "{path}");
        assert_eq!((fs.stat(path).mode, fs.stat(path).uid), (mode, 2000), "{path}");
    }
}

#[test]
fn what_a_directory_without_a_descriptor_holds_has_none_either() {
    let (fs, node) = with_file();
    let before = get(&fs, node, DACL);
    fs.chmod("file", 0o600);
    assert_ne!(get(&fs, node, DACL), before, "it is told anew");
}

fn make(fs: &Fs, parent: NodeId, name: &str, new: NewNode<'_>, security: NewSecurity<'_>) -> bough::Result<NodeId> {
    let extras = NewExtras { security, ..NewExtras::default() };
    let caller = privileged(2000, 3000, Privileges::NONE);
    fs.make_carrying(&caller, parent, name.as_bytes(), 0o600, new, &extras).map(|entry| entry.node)
}

#[test]
fn security_of_a_new_file_is_inherited_by_windows_rules() {
    let (fs, dir, administrators) = heirs();
    let file = make(&fs, dir, "file", NewNode::File, NewSecurity::Inherit(&[])).unwrap();
    let all = get(&fs, file, OWNER | DACL);
    assert_eq!(owner_of(&all), unix(1, 2000));
    assert_eq!(dacl_of(&all), [(ALLOWED, INHERITED, ALL, administrators.clone())]);
    assert_eq!(fs.stat("dir/file").mode, 0, "the mode follows: nobody else may do anything");
    let explicit = only_dacl(&[(ALLOWED, 0, ALL, unix(1, 2000))]);
    let sub = make(&fs, dir, "sub", NewNode::Directory, NewSecurity::Inherit(&explicit)).unwrap();
    let aces = dacl_of(&get(&fs, sub, DACL));
    assert_eq!(aces[0], (ALLOWED, 0, ALL, unix(1, 2000)));
    assert_eq!(aces[1], (ALLOWED, BOTH_INHERIT | INHERITED, ALL, administrators));
    assert_eq!(fs.stat("dir/sub").mode, 0o700);
}

#[test]
fn a_complete_descriptor_is_taken_as_it_is() {
    let (fs, dir, _) = heirs();
    let aces: &[Ace] = &[(DENIED, 0, 0x2, everyone()), (ALLOWED, 0, READ, everyone())];
    let given = descriptor(0, Some(unix(1, 2000)), Some(unix(2, 3000)), None, Some(aces));
    let file = make(&fs, dir, "file", NewNode::File, NewSecurity::Complete(&given)).unwrap();
    assert_eq!(get(&fs, file, OWNER | GROUP | DACL), given);
    assert_eq!((fs.stat("dir/file").mode, fs.stat("dir/file").gid), (0o444, 3000));
    let foreign = descriptor(0, Some(unix(1, 9)), None, None, Some(aces));
    let refused = make(&fs, dir, "other", NewNode::File, NewSecurity::Complete(&foreign));
    assert_eq!(refused, Err(Error::BadOwner));
    let bad = make(&fs, dir, "other", NewNode::File, NewSecurity::Complete(&[1, 2, 3]));
    assert!(matches!(bad, Err(Error::BadSecurity(_))) && !fs.exists("dir/other"));
}

#[test]
fn without_anything_to_inherit_the_default_list_stands() {
    let fs = windows();
    let file = make(&fs, NodeId::ROOT, "file", NewNode::File, NewSecurity::Inherit(&[])).unwrap();
    let aces = dacl_of(&get(&fs, file, DACL));
    assert_eq!(aces, [(ALLOWED, 0, ALL, unix(1, 2000)), (ALLOWED, 0, ALL, sid(&[18]))]);
    assert_eq!(fs.stat("file").mode, 0o700);
}

#[test]
fn a_diff_and_a_snapshot_see_descriptors() {
    let (fs, node) = with_file();
    let frozen = fs.frozen("before");
    let told = get(&fs, node, DACL);
    // A list that says no more than the mode did.
    set(&fs, node, DACL, &told);
    let mut diff = fs.volume.diff(frozen.info().shows, fs.main()).unwrap();
    assert_eq!(diff.next_entry().unwrap().unwrap().aspects, Aspects::SECURITY);
    set(&fs, node, DACL, &only_dacl(&[]));
    assert_eq!(fs.stat("file").mode, 0);
    assert_eq!(get(&frozen, frozen.node("file"), DACL), told);
    let keep = SetAttr { mode: Some(0o640), ..SetAttr::default() };
    fs.set("file", keep);
    assert_eq!(fs.stat("file").mode, 0o640);
}

#[test]
fn a_new_owner_or_group_takes_setuid_and_setgid_away() {
    for (part, id) in [(OWNER, unix(1, 7)), (GROUP, unix(2, 7))] {
        let fs = Fs::new();
        fs.write_file("file", "");
        fs.chmod("file", 0o6755);
        let (owner, group) = if part == OWNER { (Some(id), None) } else { (None, Some(id)) };
        let bytes = descriptor(0, owner, group, None, None);
        fs.set_security(&ROOT, fs.node("file"), None, part, &bytes).unwrap();
        assert_eq!(fs.stat("file").mode & 0o7777, 0o755);
    }
}

#[test]
fn a_token_removes_and_renames_only_what_lets_itself_be_deleted() {
    const ADD_AND_SEARCH: u32 = 0x27;
    let fs = Fs::new();
    fs.mkdir_p("shared");
    fs.write_file("shared/file", "content");
    let shared = fs.node("shared");
    let everyone_adds = only_dacl(&[(ALLOWED, 0, ADD_AND_SEARCH, everyone())]);
    fs.set_security(&ROOT, shared, None, DACL, &everyone_adds).unwrap();
    let world = Group { sid: Sid::new(1, &[0]), enabled: true, deny_only: false, may_own: false };
    let token = Token { groups: [world].into(), ..Token::of(Sid::new(5, &[21, 1, 2, 3, 9]), TokenPrivileges::NONE) };
    let caller = Caller { token: Some(&token), ..user(9, 9) };
    assert_eq!(fs.unlink(&caller, shared, b"file"), Err(Error::AccessDenied));
    let rename = fs.rename(&caller, shared, b"file", shared, b"other", RenameMode::Replace);
    assert_eq!(rename, Err(Error::AccessDenied));
    let lets_delete = only_dacl(&[(ALLOWED, 0, 0x1_0000, everyone())]);
    fs.set_security(&ROOT, fs.node("shared/file"), None, DACL, &lets_delete).unwrap();
    assert_eq!(fs.unlink(&caller, shared, b"file"), Ok(()));
}

#[test]
fn a_token_sets_what_the_descriptor_lets_it_whatever_its_uid() {
    const WRITE_DAC: u32 = 0x4_0000;
    let fs = Fs::new();
    fs.write_file("file", "");
    let file = fs.node("file");
    let world = Group { sid: Sid::new(1, &[0]), enabled: true, deny_only: false, may_own: false };
    let token = Token { groups: [world].into(), ..Token::of(Sid::new(5, &[21, 1, 2, 3, 9]), TokenPrivileges::NONE) };
    let caller = Caller { token: Some(&token), privileges: Privileges::NONE, ..ROOT };
    let mode = |mode| SetAttr { mode: Some(mode), ..SetAttr::default() };
    assert_eq!(fs.set_attr(&caller, file, None, &mode(0o777)).unwrap_err(), Error::AccessDenied);
    let lets = only_dacl(&[(ALLOWED, 0, WRITE_DAC, everyone())]);
    fs.set_security(&ROOT, file, None, DACL, &lets).unwrap();
    assert_eq!(fs.set_attr(&caller, file, None, &mode(0o4777)).unwrap_err(), Error::NotPermitted);
    let owner = SetAttr { uid: Some(9), ..SetAttr::default() };
    assert_eq!(fs.set_attr(&caller, file, None, &owner).unwrap_err(), Error::AccessDenied);
    assert!(fs.set_attr(&caller, file, None, &mode(0o777)).is_ok());
}
