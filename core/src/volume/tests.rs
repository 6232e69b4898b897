//! Volumes over devices that fail and memory that is not given: what is stored stays, and what was asked is done whole or
//! not at all.

#![allow(clippy::unwrap_used)]

mod faults;
mod model_faults;
mod world;
