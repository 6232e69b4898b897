//! What only few inodes carry, behind one pointer, so that the others pay a word for it.

use std::sync::Arc;

use crate::base::BaseIdentity;
use crate::ledger::Footprint;
use crate::operations::acl::Acl;
use crate::operations::windows::extended_attributes::Attributes;
use crate::tree::streams::Streams;
use crate::types::Time;

/// The name and value of an extended attribute.
pub(crate) type Xattr = (Box<[u8]>, Arc<[u8]>);

/// Extended attributes, ACLs, named streams, and what hosts of Windows and macOS know besides. A clone shares the large parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extra {
    /// Sorted by name; ACLs are not among them.
    pub(crate) xattrs: Vec<Xattr>,
    pub(crate) acl: Option<Arc<Acl>>,
    pub(crate) default_acl: Option<Arc<Acl>>,
    /// Stays when the last one went: their ids are not given again.
    pub(crate) streams: Option<Arc<Streams>>,
    /// What the base said of it; see [`Record::origin`](super::Record::origin).
    pub(crate) origin: Option<BaseIdentity>,
    pub(crate) foreign: Option<Arc<Foreign>>,
}

/// What programs of Windows and macOS set, and POSIX has no word for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// Windows attributes that neither a flag nor the kind tells.
    pub(crate) attributes: u32,
    /// Bytes set aside for the content, written or not, as Windows programs ask for them; 0 when nobody did.
    pub(crate) reserved: u64,
    /// A security descriptor, self-relative. Without one owner and mode say it all.
    pub(crate) security: Option<Arc<[u8]>>,
    /// Extended attributes of Windows; never none.
    pub(crate) eas: Option<Arc<Attributes>>,
    /// A reparse point: the buffer that set it.
    pub(crate) reparse: Option<Arc<[u8]>>,
    /// The inode shows itself to POSIX as the link that its reparse point is, and is a directory to Windows.
    pub(crate) directory_link: bool,
    /// When it came to its directory, if that was not at its birth.
    pub(crate) added: Option<Time>,
    /// When it was last backed up.
    pub(crate) backed_up: Option<Time>,
}

impl Footprint for Extra {
    fn heap_bytes(&self) -> usize {
        let Extra { xattrs, acl, default_acl, streams, foreign, origin: _ } = self;
        let acls = acl.heap_bytes() + default_acl.heap_bytes();
        xattrs.heap_bytes() + acls + streams.heap_bytes() + foreign.heap_bytes()
    }
}

impl Footprint for Foreign {
    fn heap_bytes(&self) -> usize {
        let Foreign { attributes: _, reserved: _, security, eas, reparse, directory_link: _, added: _, backed_up: _ } =
            self;
        security.heap_bytes() + eas.heap_bytes() + reparse.heap_bytes()
    }
}

impl Extra {
    pub(crate) fn is_empty(&self) -> bool {
        self.xattrs.is_empty()
            && self.acl.is_none()
            && self.default_acl.is_none()
            && self.streams.is_none()
            && self.foreign.is_none()
            && self.origin.is_none()
    }

    /// The named streams, to be changed.
    pub(crate) fn streams_mut(&mut self) -> &mut Streams {
        Arc::make_mut(self.streams.get_or_insert_default())
    }

    fn change_foreign<R>(&mut self, change: impl FnOnce(&mut Foreign) -> R) -> R {
        let mut foreign = self.foreign.take().unwrap_or_default();
        let answer = change(Arc::make_mut(&mut foreign));
        self.foreign = (*foreign != Foreign::default()).then_some(foreign);
        answer
    }
}

impl super::Record {
    /// What POSIX has no word for, if it carries any of that.
    #[inline]
    pub(crate) fn foreign(&self) -> Option<&Foreign> {
        self.extra.as_ref().and_then(|extra| extra.foreign.as_deref())
    }

    /// Changes that; drops it when nothing is left.
    pub(crate) fn change_foreign<R>(&mut self, change: impl FnOnce(&mut Foreign) -> R) -> R {
        self.change_extra(|extra| extra.change_foreign(change))
    }
}
