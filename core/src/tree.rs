//! The versioned state of one branch or snapshot: inode records, directories, names. Persistent values: a clone costs
//! nothing, a change copies what is shared. Leaves locking across inodes, permissions and history to the layers above.

pub(crate) mod check;
pub(crate) mod directory;
pub(crate) mod inode;
pub(crate) mod name;
pub(crate) mod streams;
pub(crate) mod table;
