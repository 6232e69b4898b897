//! The C API, from C: the header compiles by itself, the exports are those of the committed list, every function does what its
//! comment says, refuses NULL, and stands two threads on one handle.
//!
//! The programs are in `tests/c_api/` and `examples/c/`; the C compiler is `$CC`, else `cc`.

// What helps a test is part of it.
#![allow(clippy::unwrap_used)]

#[path = "c_api/header.rs"]
mod header;
#[path = "c_api/nulls.rs"]
mod nulls;
#[path = "c_api/toolchain.rs"]
mod toolchain;

use std::fs;

use header::{functions, structures};
use toolchain::{Program, ThreadSanitizer, installed, library, root, run};

const FUNCTIONAL: [&str; 10] = [
    "functional.c",
    "volumes.c",
    "names.c",
    "utf16.c",
    "content.c",
    "waiting.c",
    "paths.c",
    "streams.c",
    "foreign.c",
    "opens.c",
];

fn functional_sources() -> Vec<std::path::PathBuf> {
    FUNCTIONAL.iter().map(|file| root().join("tests/c_api").join(file)).collect()
}

#[test]
fn the_header_compiles_alone_and_twice_as_c11_and_as_cpp17() {
    let text = "#include \"bough.h\"\n#include \"bough.h\"\n";
    for (suffix, standard, compiler) in [("c", "-std=c11", "cc"), ("cc", "-std=c++17", "c++")] {
        let source = toolchain::scratch().join(format!("header.{suffix}"));
        fs::write(&source, text).unwrap();
        run(toolchain::compiler(compiler).arg(standard).arg("-fsyntax-only").arg(&source));
    }
}

#[test]
fn every_structure_of_the_header_has_its_layout_asserted() {
    let asserted: Vec<&str> = bough::ffi::layout::LAYOUTS.iter().map(|layout| layout.name).collect();
    let found = structures();
    assert!(found.len() > 30, "the header was not understood");
    for structure in found {
        assert!(asserted.contains(&structure.as_str()), "{structure} is not in core/src/ffi/layout.rs");
    }
}

#[test]
fn exported_symbols_are_those_of_the_list_and_of_the_header() {
    let symbols =
        run(std::process::Command::new("nm").args(["-D", "--defined-only"]).arg(library().join("libbough.so")));
    let mut exported: Vec<&str> = symbols.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    exported.sort_unstable();
    let list = root().join("core/exports.txt");
    if std::env::var_os("BOUGH_BLESS").is_some() {
        fs::write(&list, exported.join("\n") + "\n").unwrap();
    }
    let listed = fs::read_to_string(list).unwrap();
    assert_eq!(exported, listed.lines().collect::<Vec<_>>(), "left: exported, right: core/exports.txt");
    let mut declared: Vec<String> = functions().into_iter().map(|function| function.name).collect();
    declared.sort_unstable();
    assert_eq!(declared, listed.lines().collect::<Vec<_>>(), "left: declared in the header, right: core/exports.txt");
}

#[test]
fn every_function_is_called_by_the_functional_tests() {
    let texts: String = functional_sources().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    for function in functions() {
        assert!(texts.contains(&format!("{}(", function.name)), "no test in tests/c_api/ calls {}", function.name);
    }
}

#[test]
fn every_function_does_what_its_comment_says() {
    let program = Program::new("functional").sources(functional_sources()).sanitizers("address,undefined").build();
    run(&mut program.command());
}

#[test]
fn every_pointer_that_must_not_be_null_is_refused_when_it_is() {
    let source = toolchain::scratch().join("nulls.c");
    fs::write(&source, nulls::program(&functions())).unwrap();
    let program = Program::new("nulls").sources([source]).sanitizers("address,undefined").build();
    run(&mut program.command());
}

#[test]
fn two_threads_on_every_handle_agree() {
    let threads = Program::new("threads").sources([root().join("tests/c_api/threads.c")]);
    run(&mut threads.sanitizers("address,undefined").build().command());
}

#[test]
fn two_threads_on_every_handle_are_free_of_races() {
    let Some(sanitizer) = ThreadSanitizer::new() else { return };
    let threads = Program::new("threads-tsan").sources([root().join("tests/c_api/threads.c")]);
    run(&mut threads.thread_sanitizer(sanitizer).build().command());
}

#[test]
fn the_program_in_the_guide_prints_what_it_says() {
    let guide = fs::read_to_string(root().join("docs/c-api.md")).unwrap();
    let (_, program) = guide.split_once("```c\n").expect("a program");
    let (program, _) = program.split_once("```").expect("its end");
    let source = toolchain::scratch().join("guide.c");
    fs::write(&source, program).unwrap();
    let said = run(&mut Program::new("guide").sources([source]).build().command());
    assert_eq!(said, "white\n");
}

fn example(name: &'static str) -> Program {
    Program::new(name).sources([root().join("examples/c/in_process.c")])
}

#[test]
fn the_example_tells_both_branches_apart_under_address_sanitizer() {
    let said = run(&mut example("in_process").sanitizers("address,undefined").build().command());
    assert!(said.contains("main:/plan.txt holds: paint the house blue"), "{said}");
    assert!(said.contains("side:/plan.txt holds: plant roses instead"), "{said}");
    assert!(said.contains("agreed:/plan.txt holds: paint the house white"), "{said}");
}

#[test]
fn the_example_is_clean_under_valgrind() {
    if !installed("valgrind") {
        println!("skipped: valgrind is not installed");
        return;
    }
    let program = example("in_process_static").statically().build();
    let mut valgrind = std::process::Command::new("valgrind");
    valgrind.args(["-q", "--leak-check=full", "--errors-for-leak-kinds=definite", "--error-exitcode=9"]);
    run(valgrind.arg(program.path()));
}
