//! What Windows means by its words: the rules of opens, sharing, attributes, access and of the structures that programs
//! hand to a file system, each a function of what it is given.
//!
//! Nothing here knows an inode, takes a lock or keeps state of a volume: [`sharing::SharingTable`] is a value that whoever
//! opens files keeps. Where a rule comes from is said at each, by the name of Microsoft's document
//! and section, or as "the reference" for what hosts were seen to expect. Structures are little-endian, lengths in bytes.

pub(crate) mod access;
pub(crate) mod attributes;
mod bytes;
pub mod create_options;
pub(crate) mod disposition;
pub(crate) mod extended_attributes;
pub(crate) mod filetime;
pub(crate) mod ranges;
pub(crate) mod reparse;
pub mod rights;
pub(crate) mod security;
pub(crate) mod sharing;
