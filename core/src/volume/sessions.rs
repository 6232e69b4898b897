//! Diffs that are read in parts through control messages.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::context::Clock;
use crate::control::encode_difference;
use crate::error::{Error, Result};
use crate::history::diff::Diff;
use crate::limits;
use crate::sync::Mutex;
use crate::tree::table::FrozenTable;

struct Session {
    diff: Diff,
    /// Encoded, not yet read.
    pending: Vec<u8>,
}

#[derive(Default)]
struct Table {
    open: HashMap<u64, (u64, Arc<Mutex<Session>>)>,
    last_id: u64,
    /// Counts uses, to know which was used longest ago.
    uses: u64,
}

#[derive(Default)]
pub(crate) struct DiffSessions {
    table: Mutex<Table>,
}

impl DiffSessions {
    /// Opens one; past [`limits::OPEN_DIFFS`] the one read longest ago ends, for its reader may be dead. Answers that besides.
    pub(crate) fn open(&self, diff: Diff) -> (u64, Option<Ended>) {
        let mut table = self.table.lock();
        let mut ended = None;
        if table.open.len() >= limits::OPEN_DIFFS {
            let oldest = table.open.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id);
            ended = oldest.and_then(|id| table.open.remove(&id)).map(|(_, session)| Ended(session));
        }
        table.last_id += 1;
        table.uses += 1;
        let (id, used) = (table.last_id, table.uses);
        let session = Arc::new(Mutex::new(Session { diff, pending: Vec::new() }));
        table.open.insert(id, (used, session));
        (id, ended)
    }

    /// Fills `into` with the next bytes; answers how many, 0 at the end. It takes no longer than one difference does, once
    /// [`limits::DIFF_FILL_NS`] have gone by: whether content differs may take long to find out, of each file.
    pub(crate) fn read(&self, id: u64, into: &mut [u8], clock: &dyn Clock) -> Result<usize> {
        let session = self.touch(id)?;
        let mut session = session.lock();
        let begun = clock.now();
        let is_late = || clock.now().0.saturating_sub(begun.0) >= limits::DIFF_FILL_NS;
        while session.pending.len() < into.len() && (session.pending.is_empty() || !is_late()) {
            let Some(entry) = session.diff.next_entry()? else { break };
            encode_difference(&entry, &mut session.pending);
        }
        let count = session.pending.len().min(into.len());
        into[..count].copy_from_slice(&session.pending[..count]);
        session.pending.drain(..count);
        Ok(count)
    }

    fn touch(&self, id: u64) -> Result<Arc<Mutex<Session>>> {
        let mut table = self.table.lock();
        table.uses += 1;
        let now = table.uses;
        let (used, session) = table.open.get_mut(&id).ok_or(Error::Invalid("no diff of that id is open"))?;
        *used = now;
        Ok(session.clone())
    }

    pub(crate) fn close(&self, id: u64) -> Option<Ended> {
        self.table.lock().open.remove(&id).map(|(_, session)| Ended(session))
    }
}

/// One that nobody can read any more. It may hold the last of what branches held that were deleted meanwhile: that is freed in the
/// background.
pub(crate) struct Ended(Arc<Mutex<Session>>);

impl Ended {
    /// The two trees; none while somebody reads in it, who frees them.
    pub(crate) fn into_tables(self) -> Option<[Arc<FrozenTable>; 2]> {
        Arc::into_inner(self.0).map(|session| session.lock().diff.tables())
    }
}
