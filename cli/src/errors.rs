//! What goes wrong, as one line for people and an exit code. Nothing else decides exit codes.

use std::fmt::Display;
use std::io;

use bough::error::tables::ResultCode;

use crate::output;

/// How the command ends. The numbers are documented (`args.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    /// Differences, or a refusal.
    Refused = 1,
    Usage = 2,
    NoVolume = 3,
    System = 4,
}

/// A failure: one clear line that says what was wrong and what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    /// Empty when there is nothing to say: the reader of our output left.
    text: String,
    /// What the volume answered, when it was the volume that refused.
    code: Option<ResultCode>,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    fn new(exit: Exit, text: impl Into<String>) -> Failure {
        Failure { exit, text: text.into(), code: None }
    }

    pub(crate) fn refused(text: impl Into<String>) -> Failure {
        Failure::new(Exit::Refused, text)
    }

    pub(crate) fn usage(text: impl Into<String>) -> Failure {
        Failure::new(Exit::Usage, text)
    }

    pub(crate) fn no_volume(text: impl Into<String>) -> Failure {
        Failure::new(Exit::NoVolume, text)
    }

    pub(crate) fn system(text: impl Into<String>) -> Failure {
        Failure::new(Exit::System, text)
    }

    /// What the volume answered to a control message.
    pub(crate) fn answered(code: u32, text: String) -> Failure {
        let code = ResultCode::from_number(code);
        let exit = match code {
            Some(ResultCode::NotPermitted | ResultCode::Io | ResultCode::Internal) | None => Exit::System,
            Some(_) => Exit::Refused,
        };
        Failure { exit, text, code }
    }

    /// What the volume answered; `None` when it was not the volume that refused.
    pub(crate) fn code(&self) -> Option<ResultCode> {
        self.code
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// The same, with what was tried in front.
    pub(crate) fn context(self, what: impl Display) -> Failure {
        Failure { text: format!("{what}: {}", self.text), ..self }
    }

    /// The same, in other words.
    pub(crate) fn reworded(self, text: String) -> Failure {
        Failure { text, ..self }
    }

    /// What was wrong.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Says it, and answers how to end.
    pub(crate) fn report(&self) -> Exit {
        if !self.text.is_empty() {
            output::say(&self.text);
        }
        self.exit
    }
}

/// Adds what was tried to an error of the system.
pub(crate) trait Context<T> {
    fn context(self, what: impl Display) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl Display) -> Result<T> {
        self.map_err(|error| Failure::system(format!("{what}: {}", describe(&error.into()))))
    }
}

/// Printing failed. That the reader left is no failure worth a line.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::system(""),
            _ => Failure::system(format!("cannot write the output: {}", describe(&error))),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        Failure::from(io::Error::from(error))
    }
}

/// An error of the system in its own words, without the number that Rust adds.
pub(crate) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_lowercase(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_system_reads_as_a_clause() {
        let error = io::Error::from_raw_os_error(2);
        assert_eq!(describe(&error), "no such file or directory");
        let failure = Err::<(), _>(error).context("cannot open /nowhere").unwrap_err();
        assert_eq!(failure.text, "cannot open /nowhere: no such file or directory");
        assert_eq!(failure.exit(), Exit::System);
    }

    #[test]
    fn a_reader_that_left_gets_no_message() {
        assert!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).text.is_empty());
    }

    #[test]
    fn what_a_volume_refuses_is_a_refusal_and_what_the_system_forbids_is_not() {
        let exit = |code: ResultCode| Failure::answered(code.number(), String::new()).exit();
        assert_eq!(exit(ResultCode::NoSuchRef), Exit::Refused);
        assert_eq!(exit(ResultCode::Busy), Exit::Refused);
        assert_eq!(exit(ResultCode::NotPermitted), Exit::System);
        assert_eq!(Failure::answered(9999, String::new()).exit(), Exit::System);
    }
}
