//! Parts of the Linux daemon that decide something by themselves, each compiled with a test in C that stands in `tests/glue/`.

// What helps a test is part of it.
#![allow(clippy::unwrap_used)]
#![cfg(target_os = "linux")]

#[allow(dead_code)]
#[path = "c_api/toolchain.rs"]
mod toolchain;

use std::process::Command;

use toolchain::{compiler, root, run, scratch};

#[test]
fn a_leader_waits_in_the_way_that_takes_less() {
    let program = scratch().join("spin");
    let glue = root().join("glue-linux");
    let mut build = compiler("cc");
    build.args(["-std=c11", "-D_GNU_SOURCE", "-I"]).arg(&glue).arg("-o").arg(&program);
    run(build.arg(root().join("tests/glue/spin.c")).arg(glue.join("spin.c")));
    run(&mut Command::new(&program));
}
