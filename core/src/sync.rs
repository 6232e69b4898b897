//! Every lock of the core comes from here, so that a test build can swap in model-checked ones.

pub(crate) use parking_lot::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
