//! Letting go by and by: of what is so large that dropping it at once would keep others waiting.

use std::sync::Arc;

/// What can be let go of in small pieces.
pub(crate) trait Shed: Send {
    /// Lets go of a small piece. Says whether there was one.
    fn shed(&mut self) -> bool;
}

/// What others may hold too: it goes when they have let go of it.
impl<T: Shed + Sync> Shed for Arc<T> {
    fn shed(&mut self) -> bool {
        Arc::get_mut(self).is_some_and(T::shed)
    }
}
