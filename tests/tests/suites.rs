//! Suites that others wrote, and whole programs, on real mounts; and what only a real kernel can race.
//!
//! `cargo test` runs each for seconds; those that are `#[ignore]`d take minutes and run in `make test-long`. Every suite ends
//! with a check of the volume's invariants ([`fixture::Mount::end`]). What a suite is not asked, and why, stands on the line
//! that leaves it out. `docs/testing.md` lists them all.

// The fixture is that of the mounted tests, the toolchain that of the C API: they use more of it.
#![allow(dead_code)]

#[path = "suites/calls.rs"]
mod calls;
#[path = "suites/census.rs"]
mod census;
#[path = "suites/exerciser.rs"]
mod exerciser;
#[path = "mounted/fixture.rs"]
mod fixture;
#[path = "suites/fsx.rs"]
mod fsx;
#[path = "suites/ground.rs"]
mod ground;
#[path = "suites/kit.rs"]
mod kit;
#[path = "suites/life.rs"]
mod life;
#[path = "suites/mappings.rs"]
mod mappings;
#[path = "suites/pjdfstest.rs"]
mod pjdfstest;
#[path = "suites/postgres.rs"]
mod postgres;
#[path = "suites/programs.rs"]
mod programs;
#[path = "suites/races.rs"]
mod races;
#[path = "suites/security.rs"]
mod security;
#[path = "suites/set_id.rs"]
mod set_id;
#[path = "suites/stress.rs"]
mod stress;
#[path = "mounted/sys.rs"]
mod sys;
#[path = "c_api/toolchain.rs"]
mod toolchain;
