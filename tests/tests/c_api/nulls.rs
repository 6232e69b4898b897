//! Writes a C program that calls every function of the header with NULL for each pointer in turn, all else being in order, so that
//! a new function is tested from its first day.

use std::fmt::Write as _;

use super::header::{Function, Parameter};

/// Those whose comment says that they may be NULL. `context` always may.
const OPTIONAL: [(&str, &str); 4] = [
    ("fs_volume_open", "config"),
    ("fs_view_open", "label"),
    ("fs_snapshot_create", "name"),
    ("fs_log_set", "callback"),
];

const BEGIN: &str = r#"
#include "check.h"

static bool a_fs_view_callback(void *context, const fs_view_record *record) { return context == record; }
static bool a_fs_node_callback(void *context, fs_node node) { return context == NULL && node == 0; }
static bool a_fs_ref_callback(void *context, const fs_ref_record *record) { return context == record; }
static bool a_fs_readdir_callback(void *context, const fs_dirent *entry) { return context == entry; }
static bool a_fs_stream_callback(void *context, const fs_stream *stream) { return context == stream; }
static bool a_fs_change_callback(void *context, const fs_change *change) { return context == change; }
static void a_fs_lock_callback(void *context, fs_result result) { CHECK(context == NULL && result != 0); }

int main(void) {
    fs_volume *volume = open_volume();
    fs_view *view = open_view(volume);
    fs_node file = make_file(view, "nullname", "content");
    fs_caller root = root_caller();
    fs_ref main_branch;
    fs_events *events = NULL;
    fs_diff *diff = NULL;
    fs_pin *pin = NULL;
    OK(fs_ref_find(volume, TEXT("main"), &main_branch));
    OK(fs_events_open(view, 8, 0, &events));
    OK(fs_diff_open(volume, main_branch, main_branch, &diff));
    OK(fs_read_pin(view, &root, file, FS_HANDLE_NONE, 0, 8, &pin));
    FS_STRUCT(fs_attr, before);
    FS_STRUCT(fs_attr, after);
    FS_STRUCT(fs_counters, counters);
    OK(fs_getattr(view, FS_NODE_ROOT, &before));
    void *a_pointer = NULL;
    uint64_t a_number = 0;
    size_t a_size = 0;
    bool a_bool = false;
    fs_ref a_ref = main_branch;
    char a_buffer[16] = "nullname";
"#;

const END: &str = r#"
    // And nothing was done.
    CHECK(a_pointer == NULL && a_number == 0 && a_size == 0 && !a_bool);
    OK(fs_getattr(view, FS_NODE_ROOT, &after));
    CHECK(before.version == after.version && before.length == after.length);
    OK(fs_volume_stats(volume, &counters));
    CHECK(counters.branches == 1 && counters.snapshots == 0 && counters.views == 1);
    FS_STRUCT(fs_event, event);
    OK(fs_events_next(events, 0, &event));
    CHECK(event.kind == FS_EVENT_TIMEOUT);
    fs_pin_release(pin);
    fs_diff_close(diff);
    fs_events_close(events);
    fs_view_close(view);
    fs_volume_close(volume);
    return 0;
}
"#;

/// A value that is in order for a parameter of this type.
fn value(parameter: &Parameter) -> String {
    let kind = parameter.kind.as_str();
    let value = match kind {
        "const fs_volume *" | "fs_volume *" => "volume",
        "const fs_view *" | "fs_view *" => "view",
        "const fs_events *" | "fs_events *" => "events",
        "const fs_diff *" | "fs_diff *" => "diff",
        "const fs_pin *" | "fs_pin *" => "pin",
        "fs_token *" => "NULL",
        "const char *" | "char *" | "const void *" | "void *" => "a_buffer",
        "const fs_forgotten *" => "(const void *)a_buffer",
        "const uint16_t *" | "uint16_t *" | "int32_t *" => "(void *)a_buffer",
        "uint64_t *" | "fs_handle *" => "&a_number",
        "size_t *" => "&a_size",
        "fs_ref *" => "&a_ref",
        "fs_ref" => "main_branch",
        "size_t" => "8",
        "uint32_t" | "uint64_t" | "fs_node" => "1",
        "fs_handle" => "FS_HANDLE_NONE",
        "fs_result" => "FS_OK",
        _ => "",
    };
    match kind {
        _ if !value.is_empty() => value.to_owned(),
        _ if kind.ends_with("_callback") => format!("a_{kind}"),
        _ if kind.ends_with("**") => "(void *)&a_pointer".to_owned(),
        _ if kind.ends_with('*') => format!("&a_{}", kind.trim_start_matches("const ").trim_end_matches(" *")),
        _ => panic!("a parameter of a type that this test does not know: {parameter:?}"),
    }
}

fn structures_of(functions: &[Function]) -> Vec<String> {
    let values = functions.iter().flat_map(|function| &function.parameters).map(value);
    let mut structures: Vec<String> =
        values.filter_map(|value| value.strip_prefix("&a_fs_").map(str::to_owned)).collect();
    structures.sort();
    structures.dedup();
    structures
}

fn may_be_null(function: &Function, parameter: &Parameter) -> bool {
    parameter.name == "context" || OPTIONAL.contains(&(function.name.as_str(), parameter.name.as_str()))
}

fn call(function: &Function, null: usize) -> String {
    let arguments = function.parameters.iter().enumerate();
    let arguments: Vec<String> =
        arguments.map(|(at, parameter)| if at == null { "NULL".into() } else { value(parameter) }).collect();
    format!("{}({})", function.name, arguments.join(", "))
}

pub(crate) fn program(functions: &[Function]) -> String {
    let mut text = String::from(BEGIN);
    for structure in structures_of(functions) {
        let name = format!("fs_{structure}");
        if structure != "ref" {
            writeln!(text, "    FS_STRUCT({name}, a_{name});").unwrap();
        }
    }
    for function in functions {
        let pointers = function.parameters.iter().enumerate().filter(|(_, parameter)| parameter.is_pointer());
        for (at, _) in pointers.filter(|(_, parameter)| !may_be_null(function, parameter)) {
            match function.returns.as_str() {
                "fs_result" => writeln!(text, "    ANSWERS(FS_NULL_POINTER, {});", call(function, at)).unwrap(),
                _ => writeln!(text, "    {};", call(function, at)).unwrap(),
            }
        }
    }
    text + END
}
