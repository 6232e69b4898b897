//! Owners and modes in step with descriptors, by the scheme that Cygwin, Services for UNIX and WinFsp share: which ids
//! stand for which identifiers, which rights a permission bit is, and back.
//!
//! The scheme has no identifier for many ids, and gives two to some. Those stand as Samba has them, `S-1-22-1-uid` and
//! `S-1-22-2-gid`, so that every id comes back from its identifier; so does a group whose identifier would be the
//! owner's own, because a descriptor could not tell the two classes apart, and one whose identifier means everybody. An owner stands by the
//! scheme only where its identifier is an account's ([`may_be_owner`]): a file of uid 4 would be everybody's own who has logged on at the
//! machine, one of uid 545 all users'.
//!
//! The mode stays the inode's own: a descriptor has no set-id bits. What Windows programs change in the descriptor is
//! read back into the permission bits ([`mode`]); chmod and chown write theirs into it ([`with_mode`]) and leave alone what
//! it says about anyone else.

use super::super::rights::{
    APPEND_DATA, DELETE, DELETE_CHILD, EXECUTE, READ_ATTRIBUTES, READ_CONTROL, READ_DATA, READ_EA, SYNCHRONIZE,
    WRITE_ATTRIBUTES, WRITE_DAC, WRITE_DATA, WRITE_EA, WRITE_OWNER, map_generic,
};
use super::acl::{Ace, Acl, flag, kind};
use super::descriptor::{Descriptor, List};
use super::sid::{Sid, well_known};

/// The id of who has none here, and its identifier.
pub(crate) const NOBODY: u32 = 65_534;
const NOBODY_SID: Sid = Sid::new(0, &[NOBODY]);

/// Identifiers that every class is, or that mean whoever owns: nobody is an owner or group by them.
const EVERYBODYS: [Sid; 3] = [well_known::WORLD, well_known::AUTHENTICATED_USERS, well_known::OWNER_RIGHTS];

const STICKY: u32 = 0o1000;
const SETID: u32 = 0o6000;

/// What everyone may do whom an entry allows anything.
const ALWAYS: u32 = SYNCHRONIZE | READ_CONTROL | READ_ATTRIBUTES | READ_EA;
/// What the owner may do besides.
const OWNER_ALWAYS: u32 = ALWAYS | DELETE | WRITE_DAC | WRITE_OWNER | WRITE_ATTRIBUTES | WRITE_EA;

/// Where accounts come from that have ids by their number only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct IdMap {
    /// The machine's own accounts: `S-1-5-21-a-b-c-number` has the id 0x30000 + number.
    pub(crate) machine: Option<[u32; 3]>,
    /// Those of its domain: 0x100000 + number.
    pub(crate) domain: Option<[u32; 3]>,
}

impl IdMap {
    /// The identifier of a user.
    pub(crate) fn user(&self, uid: u32) -> Sid {
        self.sid(uid, 1, may_be_owner)
    }

    /// The identifier of a group of files whose owner is `owner`.
    pub(crate) fn group(&self, gid: u32, owner: Sid) -> Sid {
        let sid = self.sid(gid, 2, |_| true);
        if sid == owner { samba(2, gid) } else { sid }
    }

    fn sid(&self, id: u32, class: u32, fits: impl Fn(&Sid) -> bool) -> Sid {
        let scheme = self.scheme(id).filter(|sid| self.id(*sid) == Some(id) && !EVERYBODYS.contains(sid));
        scheme.filter(fits).unwrap_or(samba(class, id))
    }

    /// The identifier that the scheme has for an id. Not every one of them means that id again.
    fn scheme(&self, id: u32) -> Option<Sid> {
        let account = |base: u32, [a, b, c]: [u32; 3]| Sid::new(5, &[21, a, b, c, id - base]);
        match id {
            NOBODY => Some(NOBODY_SID),
            0..0x200 | 1000 => Some(Sid::new(5, &[id])),
            0x200..1000 => Some(Sid::new(5, &[32, id])),
            0x1_0000..0x1_1000 => Some(Sid::new((id >> 8 & 0xF).into(), &[id & 0xFF])),
            0x3_0000..0x4_0000 => self.machine.map(|machine| account(0x3_0000, machine)),
            0x6_0000..0x7_0000 => Some(Sid::new(16, &[id - 0x6_0000])),
            0x1000..0x10_0000 => Some(Sid::new(5, &[id >> 12, id & 0xFFF])),
            0x10_0000..0xFF00_0000 => self.domain.map(|domain| account(0x10_0000, domain)),
            _ => None,
        }
    }

    /// The id of an identifier; `None` for who has none here: [`NOBODY`].
    pub(crate) fn id(&self, sid: Sid) -> Option<u32> {
        match (sid.authority(), sid.parts()) {
            (5, &[id] | &[32, id]) => Some(id),
            (5, &[21, a, b, c, number]) if self.domain == Some([a, b, c]) => number.checked_add(0x10_0000),
            (5, &[21, a, b, c, number]) if self.machine == Some([a, b, c]) && number < 0x1_0000 => {
                Some(0x3_0000 + number)
            }
            (5, &[first @ (1..=4 | 6..=0xFF), second @ 0..=0xFFF]) => Some(first << 12 | second),
            (16, &[level @ 0..=0xFFFF]) => Some(0x6_0000 + level),
            (22, &[1 | 2, id]) => Some(id),
            (0, &[NOBODY]) => Some(NOBODY),
            (authority @ 0..=15, &[part @ 0..=0xFF]) => Some(0x1_0000 | (authority as u32) << 8 | part),
            _ => None,
        }
    }
}

/// Whether the scheme's identifier is somebody's own, or that of administrators, who own files as one: all other identifiers without a
/// domain are groups that tokens carry, or nobody's.
fn may_be_owner(sid: &Sid) -> bool {
    let known = [NOBODY_SID, well_known::SYSTEM, well_known::LOCAL_SERVICE, well_known::NETWORK_SERVICE];
    known.contains(sid)
        || *sid == well_known::ADMINISTRATORS
        || matches!((sid.authority(), sid.parts()), (5, [21, _, ..]))
}

fn samba(class: u32, id: u32) -> Sid {
    Sid::new(22, &[class, id])
}

/// The descriptor that says what owner, group and mode say.
pub(crate) fn descriptor(uid: u32, gid: u32, mode: u32, directory: bool, ids: &IdMap) -> Descriptor {
    with_mode(&Descriptor::default(), uid, gid, mode, directory, ids)
}

/// The descriptor after chmod or chown: what it says about owner, group and everyone is new, what it says about others
/// and to heirs stays.
pub(crate) fn with_mode(old: &Descriptor, uid: u32, gid: u32, mode: u32, directory: bool, ids: &IdMap) -> Descriptor {
    let same =
        |sid: Option<Sid>, id: u32| sid.filter(|sid| ids.id(*sid).unwrap_or(NOBODY) == id && !EVERYBODYS.contains(sid));
    let owner = same(old.owner, uid).unwrap_or_else(|| ids.user(uid));
    let group = same(old.group, gid).filter(|&group| group != owner).unwrap_or_else(|| ids.group(gid, owner));
    let classes = [Some(owner), Some(group), old.owner, old.group];
    let (denying, others) = kept(old, directory, &classes);
    let aces = [denying, entries(owner, group, mode, directory), others].concat();
    let mut new = Descriptor { owner: Some(owner), group: Some(group), ..old.clone() };
    let acl = Acl { aces, ..old.dacl.clone().unwrap_or(Acl::new(Vec::new())) };
    new.set_list(List::Dacl, Some(acl), List::Dacl.present() | List::Dacl.protected());
    new
}

/// The entries of the three classes. Windows adds up what all classes are allowed that someone is in, POSIX asks only the
/// first: so an entry before denies each class what only later ones have.
fn entries(owner: Sid, group: Sid, mode: u32, directory: bool) -> Vec<Ace> {
    let [user, team, world] = [mode >> 6 & 7, mode >> 3 & 7, mode & 7];
    let sticky = mode & STICKY != 0;
    let owner_rights = |bits| rights(bits, directory);
    let rights = |bits| rights(bits, directory && !sticky);
    let mut aces = Vec::with_capacity(5);
    let mut add = |kind, mask, sid| {
        if mask != 0 {
            aces.push(Ace::plain(kind, 0, mask, sid));
        }
    };
    add(kind::DENIED, owner_rights((team | world) & !user) & !WRITE_ATTRIBUTES, owner);
    add(kind::ALLOWED, OWNER_ALWAYS | owner_rights(user), owner);
    add(kind::DENIED, rights(world & !team), group);
    add(kind::ALLOWED, ALWAYS | rights(team), group);
    add(kind::ALLOWED, ALWAYS | rights(world), well_known::WORLD);
    aces
}

/// What the bits of one class allow. Who may write a directory may delete in it, unless it is sticky.
fn rights(bits: u32, deletes: bool) -> u32 {
    let write = WRITE_ATTRIBUTES | WRITE_DATA | APPEND_DATA | if deletes { DELETE_CHILD } else { 0 };
    [(4, READ_DATA), (2, write), (1, EXECUTE)].iter().filter(|(bit, _)| bits & bit != 0).map(|(_, rights)| rights).sum()
}

/// Entries of a list that chmod leaves alone: first those that deny, which must stand before all that allows.
fn kept(old: &Descriptor, directory: bool, classes: &[Option<Sid>]) -> (Vec<Ace>, Vec<Ace>) {
    let of_class = |ace: &Ace| {
        ace.entry().is_some_and(|entry| EVERYBODYS.contains(&entry.sid) || classes.contains(&Some(entry.sid)))
    };
    let all = old.dacl.iter().flat_map(|acl| &acl.aces);
    let kept = all.filter_map(|ace| {
        let inherited = directory && ace.has(flag::OBJECT_INHERIT | flag::CONTAINER_INHERIT);
        match of_class(ace) && !ace.has(flag::INHERIT_ONLY) {
            true if inherited => Some(Ace { flags: ace.flags | flag::INHERIT_ONLY, ..ace.clone() }),
            true => None,
            false => Some(ace.clone()),
        }
    });
    kept.partition(|ace| ace.kind == kind::DENIED && !ace.has(flag::INHERIT_ONLY))
}

/// What a descriptor allows one class, and denies it: the first entry that speaks of a right decides.
#[derive(Default)]
struct Class {
    allowed: u32,
    denied: u32,
}

impl Class {
    fn hear(&mut self, kind: u8, mask: u32) {
        if kind == kind::ALLOWED {
            self.allowed |= mask & !self.denied;
        } else {
            self.denied |= mask & !self.allowed;
        }
    }

    fn bits(&self) -> u32 {
        let write = WRITE_DATA | APPEND_DATA;
        let bit = |there: bool, bit: u32| if there { bit } else { 0 };
        bit(self.allowed & READ_DATA != 0, 4)
            | bit(self.allowed & write == write, 2)
            | bit(self.allowed & EXECUTE != 0, 1)
    }
}

/// The mode after the descriptor changed: its permission bits, and the set-id bits that were there. A directory is
/// sticky when someone may write it and yet not delete in it, while its owner may; where nothing tells, as it was.
pub(crate) fn mode(descriptor: &Descriptor, old_mode: u32, directory: bool) -> u32 {
    let Some(acl) = &descriptor.dacl else {
        return old_mode & (STICKY | SETID) | 0o777;
    };
    let [user, team, world] = classes(descriptor, acl);
    let bits = user.bits() << 6 | team.bits() << 3 | world.bits();
    let mut writers = [&team, &world].into_iter().filter(|class| class.bits() & 2 != 0).peekable();
    let told = directory && user.allowed & DELETE_CHILD != 0 && writers.peek().is_some();
    let sticky = match told {
        true if writers.any(|class| class.allowed & DELETE_CHILD == 0) => STICKY,
        true => 0,
        false => old_mode & STICKY,
    };
    old_mode & SETID | sticky | bits
}

fn classes(descriptor: &Descriptor, acl: &Acl) -> [Class; 3] {
    let [mut user, mut team, mut world] = [Class::default(), Class::default(), Class::default()];
    let effective = acl.aces.iter().filter(|ace| !ace.has(flag::INHERIT_ONLY));
    for ace in effective.filter(|ace| matches!(ace.kind, kind::ALLOWED | kind::DENIED)) {
        let Some(entry) = ace.entry() else { continue };
        let mask = map_generic(entry.mask);
        let everyone = [well_known::WORLD, well_known::AUTHENTICATED_USERS].contains(&entry.sid);
        if everyone {
            world.hear(ace.kind, mask);
        }
        if everyone || descriptor.group == Some(entry.sid) {
            team.hear(ace.kind, mask);
        }
        if everyone || descriptor.owner == Some(entry.sid) {
            user.hear(ace.kind, mask);
        }
    }
    [user, team, world]
}

#[cfg(test)]
mod tests;
