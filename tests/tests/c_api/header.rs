//! Reads the header: its functions with their parameters, its structures.

use super::toolchain::root;

/// One parameter: its type as C writes it, and its name.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) kind: String,
    pub(crate) name: String,
}

impl Parameter {
    fn parse(text: &str) -> Parameter {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let split = text.rfind([' ', '*']).expect("a type and a name") + 1;
        Parameter { kind: text[..split].trim().to_owned(), name: text[split..].to_owned() }
    }

    pub(crate) fn is_pointer(&self) -> bool {
        self.kind.ends_with('*') || self.kind.ends_with("_callback")
    }
}

/// One function.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) returns: String,
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
}

/// The header without comments and preprocessor lines.
fn declarations() -> String {
    let text = std::fs::read_to_string(root().join("include/bough.h")).unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

pub(crate) fn structures() -> Vec<String> {
    let text = declarations();
    let opened = text.split("typedef struct ").skip(1).filter_map(|rest| rest.split_once(" {"));
    opened.map(|(name, _)| name.to_owned()).filter(|name| !name.contains(';')).collect()
}

pub(crate) fn functions() -> Vec<Function> {
    let text = declarations();
    let (_, text) = text.split_once("extern \"C\" {").expect("the functions");
    let found: Vec<Function> = text.split(';').filter_map(function).collect();
    assert!(found.len() > 80, "the header was not understood");
    found
}

fn function(text: &str) -> Option<Function> {
    let (head, parameters) = text.trim().trim_end_matches(')').split_once('(')?;
    if !head.contains(" fs_") && !head.contains("*fs_") {
        return None;
    }
    let head = Parameter::parse(head);
    let parameters = parameters.split(',').filter(|text| text.trim() != "void").map(Parameter::parse).collect();
    Some(Function { returns: head.kind, name: head.name, parameters })
}
