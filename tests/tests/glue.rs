//! Parts of the Linux daemon that decide something by themselves, each compiled with a test in C that stands in `tests/glue/`.

// What helps a test is part of it.
#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

#[allow(dead_code)]
#[path = "c_api/toolchain.rs"]
mod toolchain;

use std::process::Command;

use toolchain::{compiler, root, run, scratch};

/// Runs the test of a part, which is compiled with nothing else.
fn test(part: &str) {
    let program = scratch().join(part);
    let glue = root().join("glue-linux");
    let mut build = compiler("cc");
    build.args(["-std=c11", "-D_GNU_SOURCE", "-pthread", "-I"]).arg(&glue).arg("-I").arg(root().join("include"));
    build.arg("-o").arg(&program).arg(root().join(format!("tests/glue/{part}.c")));
    run(build.arg(glue.join(format!("{part}.c"))));
    run(&mut Command::new(&program));
}

#[test]
fn a_leader_waits_in_the_way_that_takes_less() {
    test("spin");
}

#[test]
fn the_kernel_keeps_listings_of_one_version_that_do_not_end_with_a_page() {
    test("told");
}
