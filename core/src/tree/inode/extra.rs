//! What only few inodes carry, behind one pointer, so that the others pay a word for it.

use std::sync::Arc;

use crate::ledger::Footprint;
use crate::operations::acl::Acl;
use crate::tree::streams::Streams;

/// The name and value of an extended attribute.
pub(crate) type Xattr = (Box<[u8]>, Arc<[u8]>);

/// Extended attributes, ACLs, named streams. A clone shares the large parts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Extra {
    /// Sorted by name; ACLs are not among them.
    pub(crate) xattrs: Vec<Xattr>,
    pub(crate) acl: Option<Arc<Acl>>,
    pub(crate) default_acl: Option<Arc<Acl>>,
    /// Stays when the last one went: their ids are not given again.
    pub(crate) streams: Option<Arc<Streams>>,
}

impl Footprint for Extra {
    fn heap_bytes(&self) -> usize {
        let Extra { xattrs, acl, default_acl, streams } = self;
        xattrs.heap_bytes() + acl.heap_bytes() + default_acl.heap_bytes() + streams.heap_bytes()
    }
}

impl Extra {
    pub(in crate::tree) fn is_empty(&self) -> bool {
        self.xattrs.is_empty() && self.acl.is_none() && self.default_acl.is_none() && self.streams.is_none()
    }

    /// The named streams, to be changed.
    pub(crate) fn streams_mut(&mut self) -> &mut Streams {
        Arc::make_mut(self.streams.get_or_insert_default())
    }
}
