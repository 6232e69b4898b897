//! The descriptor of a new file: \[MS-DTYP\] 2.5.3.4 (CreateSecurityDescriptor, ComputeACL), as CreatePrivateObjectSecurity
//! does it, with the reference's word that hosts expect it (section 2, "Security of a new file").

use super::acl::{Ace, Acl, Body, flag};
use super::descriptor::{Descriptor, List};
use super::merge::{joined, map_generic};
use super::sid::{Sid, well_known};

/// Who makes the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creator<'a> {
    pub(crate) owner: Sid,
    pub(crate) group: Sid,
    /// The DACL of what neither says itself who may do what, nor inherits it.
    pub(crate) default_dacl: &'a [Ace],
}

/// The descriptor of a new file or directory: from the directory it is made in, what the caller says, if anything, and
/// who that is.
pub(crate) fn for_new(
    parent: Option<&Descriptor>,
    explicit: Option<&Descriptor>,
    directory: bool,
    creator: Creator<'_>,
) -> Descriptor {
    let none = Descriptor::default();
    let (parent, explicit) = (parent.unwrap_or(&none), explicit.unwrap_or(&none));
    let owner = explicit.owner.unwrap_or(creator.owner);
    let group = explicit.group.unwrap_or(creator.group);
    let heir = Heir { directory, owner, group };
    let mut new = Descriptor { owner: Some(owner), group: Some(group), manager: explicit.manager, ..none.clone() };
    heir.give(List::Dacl, parent, explicit, Some(creator.default_dacl), &mut new);
    heir.give(List::Sacl, parent, explicit, None, &mut new);
    new
}

/// What inherits.
#[derive(Clone, Copy)]
struct Heir {
    directory: bool,
    owner: Sid,
    group: Sid,
}

impl Heir {
    /// A list that the caller gives stands, joined by what is inherited unless it is protected; a defaulted one only if
    /// nothing is inherited. Without any the default stands.
    fn give(
        self,
        list: List,
        parent: &Descriptor,
        explicit: &Descriptor,
        default: Option<&[Ace]>,
        new: &mut Descriptor,
    ) {
        let inherited = self.inherited(list, parent);
        let auto = parent.control & list.auto_inherited();
        let protected = explicit.control & list.protected();
        let given = explicit.has(list.present());
        let heeds = !given || explicit.has(list.defaulted());
        if heeds && protected == 0 && !inherited.aces.is_empty() {
            new.set_list(list, Some(inherited), list.present() | auto);
        } else if given {
            let joins = auto != 0 && protected == 0 && !heeds;
            let own = explicit.list(list).map(|acl| self.own(acl, joins));
            let acl = own.map(|own| if joins { joined(own, inherited) } else { own });
            let auto = if joins { auto } else { 0 };
            new.set_list(list, acl, list.present() | protected | auto);
        } else if let Some(default) = default {
            let acl = self.own(&Acl::new(default.to_vec()), false);
            new.set_list(list, Some(acl), list.present() | list.defaulted() | protected);
        }
    }

    /// Entries that the caller gives, made fit for the file itself. Those that say they were inherited go where what
    /// is inherited is added anew.
    fn own(self, acl: &Acl, without_inherited: bool) -> Acl {
        let entries = acl.aces.iter().filter(|ace| !(without_inherited && ace.has(flag::INHERITED)));
        let fit = entries.flat_map(|ace| {
            let passing = if self.directory { ace.flags & flag::PASSING } else { 0 };
            if ace.has(flag::INHERIT_ONLY) {
                return [None, self.directory.then(|| ace.clone())];
            }
            self.split(ace, passing)
        });
        Acl { revision: acl.revision, aces: fit.flatten().collect() }
    }

    /// What the file inherits of its parent's list.
    fn inherited(self, list: List, parent: &Descriptor) -> Acl {
        let Some(acl) = parent.list(list) else {
            return Acl::new(Vec::new());
        };
        let mark = if parent.has(list.auto_inherited()) { flag::INHERITED } else { 0 };
        let aces = acl.aces.iter().flat_map(|ace| self.inherit(ace)).flatten();
        let marked = aces.map(|ace| Ace { flags: ace.flags & !flag::INHERITED | mark, ..ace });
        Acl { revision: acl.revision, aces: marked.collect() }
    }

    /// What becomes of one of the parent's entries: nothing, one that is effective, one that is only passed on, or both.
    fn inherit(self, ace: &Ace) -> [Option<Ace>; 2] {
        let passed_on = !ace.has(flag::NO_PROPAGATE);
        match (self.directory, ace.has(flag::CONTAINER_INHERIT), ace.has(flag::OBJECT_INHERIT)) {
            (true, true, _) => {
                let passing = if passed_on { ace.flags & (flag::OBJECT_INHERIT | flag::CONTAINER_INHERIT) } else { 0 };
                self.split(ace, passing)
            }
            // The directory itself is not meant, but the files in it are.
            (true, false, true) if passed_on => {
                let kept = ace.flags & !flag::PASSING;
                [None, Some(with_flags(ace, kept | flag::OBJECT_INHERIT | flag::INHERIT_ONLY))]
            }
            (false, _, true) => self.split(ace, 0),
            _ => [None, None],
        }
    }

    /// The entry made effective. If that changes it, and it is passed on, it is there twice: for the file as it is meant
    /// here, and to be inherited as it was.
    fn split(self, ace: &Ace, passing: u8) -> [Option<Ace>; 2] {
        let effective = self.effective(ace);
        let kept = ace.flags & !flag::PASSING;
        if passing == 0 || effective.body == ace.body {
            return [Some(Ace { flags: kept | passing, ..effective }), None];
        }
        [Some(with_flags(&effective, kept)), Some(with_flags(ace, kept | passing | flag::INHERIT_ONLY))]
    }

    /// Who creates stands for the owner and the group that the file has; generic rights mean a file's.
    fn effective(self, ace: &Ace) -> Ace {
        let mut effective = with_flags(ace, ace.flags & !flag::INHERIT_ONLY);
        map_generic(&mut effective);
        if let Body::Entry(entry) = &mut effective.body {
            match entry.sid {
                well_known::CREATOR_OWNER => entry.sid = self.owner,
                well_known::CREATOR_GROUP => entry.sid = self.group,
                _ => {}
            }
        }
        effective
    }
}

fn with_flags(ace: &Ace, flags: u8) -> Ace {
    Ace { flags, ..ace.clone() }
}

#[cfg(test)]
mod tests;
