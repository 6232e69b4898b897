//! Extended attributes as Windows has them: names without case, flags, lists. They are not those of POSIX
//! ([`super::xattrs`]): the two differ in what a name may be and in whether a value may be empty.

use std::sync::Arc;

use crate::error::Result;
use crate::history::events::{Changes, EventKind};
use crate::operations::attachment::{Attachment, check_flags};
use crate::operations::uses::Use;
use crate::operations::windows::extended_attributes::{Attributes, parse_names};
use crate::tree::inode::Record;
use crate::types::{Caller, InodeId};

impl Attachment {
    /// All of them, or those that `names` asks for (a list of FILE_GET_EA_INFORMATION), as a list of FILE_FULL_EA_INFORMATION.
    pub(crate) fn get_eas(&self, caller: &Caller<'_>, id: InodeId, names: &[u8]) -> Result<Vec<u8>> {
        let asked = parse_names(names)?;
        let inode = self.inode(id)?;
        let record = inode.read();
        self.permit_use(caller, &record, Use::ReadEas)?;
        let none = Attributes::default();
        let all = eas(&record).unwrap_or(&none);
        Ok(if asked.is_empty() { all.to_list() } else { all.to_list_of(&asked) })
    }

    /// Sets those that a list names, and deletes those without a value. Answers EaSize afterwards.
    pub(crate) fn set_eas(&self, caller: &Caller<'_>, id: InodeId, list: &[u8]) -> Result<u32> {
        let change = self.change_to_add()?;
        let inode = change.own(id)?;
        let mut record = inode.write();
        self.permit_use(caller, &record, Use::WriteEas)?;
        check_flags(&record, false)?;
        apply(&mut record, list)?;
        record.touch(change.now);
        change.tell_record(EventKind::Attributes, id, &record, Changes::EXTENDED_ATTRIBUTES);
        Ok(eas(&record).map_or(0, Attributes::reported_bytes))
    }
}

fn eas(record: &Record) -> Option<&Attributes> {
    record.foreign().and_then(|foreign| foreign.eas.as_deref())
}

/// Does what a list says.
pub(crate) fn apply(record: &mut Record, list: &[u8]) -> Result<()> {
    let mut all = eas(record).cloned().unwrap_or_default();
    all.apply(list)?;
    replace(record, all);
    Ok(())
}

/// These instead of what is there.
pub(crate) fn replace(record: &mut Record, all: Attributes) {
    let all = (!all.is_empty()).then(|| Arc::new(all));
    if all.is_some() || eas(record).is_some() {
        record.change_foreign(|foreign| foreign.eas = all);
    }
}
