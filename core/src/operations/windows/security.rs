//! Security descriptors as Windows has them (\[MS-DTYP\] 2.4.2 to 2.4.6): read and checked from self-relative bytes, written,
//! merged part by part, inherited by new files, and kept in step with a POSIX mode.
//!
//! A [`Descriptor`] is a value; inodes keep the bytes. Who may do what under one is [`super::access`]'s to say.
//! Everything that is read is checked, and all that was read can be written.

mod acl;
mod descriptor;
mod inherit;
mod merge;
pub(crate) mod posix;
mod sid;

pub(crate) use acl::{Ace, Entry, flag, kind};
#[cfg(test)]
pub(crate) use acl::{Acl, Body, ObjectTypes};
pub(crate) use descriptor::Descriptor;
#[cfg(test)]
pub(crate) use descriptor::{List, control};
pub(crate) use inherit::{Creator, for_new};
pub(crate) use merge::Parts;
pub use sid::Sid;
pub(crate) use sid::well_known;
