//! What is to go and is not gone: counted from before nobody can find it any more until it is freed, whoever frees it.

use std::sync::{Arc, OnceLock};

use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// How much is to go.
#[derive(Debug, Clone, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

impl Count {
    pub(crate) fn one(&self) -> Pending {
        self.0.fetch_add(1, SeqCst);
        Pending(self.clone())
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.load(SeqCst) == 0
    }
}

/// Counts something for as long as it is there.
#[derive(Debug)]
pub(crate) struct Pending(Count);

impl Clone for Pending {
    fn clone(&self) -> Pending {
        self.0.one()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, SeqCst);
    }
}

/// The mark of what was given up while others may hold it still: it counts as pending until the last of them lets go. To be the last
/// field of what it marks, as fields go in their order. A clone of that was not given up.
#[derive(Debug, Default)]
pub(crate) struct GivenUp(OnceLock<Pending>);

impl GivenUp {
    pub(crate) fn set(&self, pending: &Pending) {
        self.0.get_or_init(|| pending.clone());
    }
}

impl Clone for GivenUp {
    fn clone(&self) -> GivenUp {
        GivenUp::default()
    }
}
