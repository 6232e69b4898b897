//! Printing: data on stdout, talk on stderr; colours only for people; tables, times and paths in one form everywhere.

use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};

use serde::Serialize;

use crate::errors::Result;

/// Stdout, buffered; what is printed reaches it with [`Out::end`].
pub(crate) struct Out {
    writer: BufWriter<StdoutLock<'static>>,
    colours: bool,
}

/// Colours by what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    Plain,
    Added,
    Removed,
    Changed,
    Renamed,
    Faint,
    Strong,
}

impl Colour {
    const fn code(self) -> &'static str {
        match self {
            Colour::Plain => "0",
            Colour::Added => "32",
            Colour::Removed => "31",
            Colour::Changed => "33",
            Colour::Renamed => "36",
            Colour::Faint => "2",
            Colour::Strong => "1",
        }
    }
}

impl Out {
    pub(crate) fn new() -> Out {
        let stdout = io::stdout();
        let colours = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Out { writer: BufWriter::new(stdout.lock()), colours }
    }

    /// For what is no text.
    pub(crate) fn writer(&mut self) -> &mut impl Write {
        &mut self.writer
    }

    pub(crate) fn line(&mut self, text: &str) -> Result<()> {
        Ok(writeln!(self.writer, "{text}")?)
    }

    /// `text` as it should look: in colour on a terminal, as it is elsewhere.
    pub(crate) fn paint(&self, colour: Colour, text: &str) -> String {
        match colour {
            Colour::Plain => text.to_owned(),
            _ if !self.colours => text.to_owned(),
            _ => format!("\x1b[{}m{text}\x1b[0m", colour.code()),
        }
    }

    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer_pretty(&mut self.writer, value)?;
        self.line("")
    }

    /// On one line.
    pub(crate) fn json_line(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.writer, value)?;
        self.line("")
    }

    pub(crate) fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) -> Result<()> {
        let lines = aligned(headings, rows);
        for (number, line) in lines.iter().enumerate() {
            let colour = if number == 0 { Colour::Faint } else { Colour::Plain };
            let line = self.paint(colour, line);
            self.line(&line)?;
        }
        Ok(())
    }

    /// Lines of a name and a value.
    pub(crate) fn fields(&mut self, fields: &[(&str, String)]) -> Result<()> {
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in fields {
            let name = self.paint(Colour::Faint, &format!("{name:width$}"));
            self.line(&format!("{name}  {value}"))?;
        }
        Ok(())
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.writer.write_all(bytes)?)
    }

    /// Wipes a terminal, to print again from its top.
    pub(crate) fn wipe(&mut self) -> Result<()> {
        Ok(write!(self.writer, "\x1b[H\x1b[2J")?)
    }

    pub(crate) fn end(mut self) -> Result<()> {
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.writer.flush()?)
    }
}

/// Talks to people. That nobody listens is no error.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr(), "bough: {text}");
}

/// A table's lines, the headings first. The last column is not filled up.
fn aligned(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let heading: Vec<String> = headings.iter().map(|&text| text.to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    all.iter().map(|row| aligned_line(row, &widths)).collect()
}

fn aligned_line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).map(|(cell, &width)| format!("{cell:width$}"));
    cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// `1 snapshot`, `2 snapshots`.
pub(crate) fn count_of(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// A time for people, in their time zone.
pub(crate) fn local_time(nanoseconds: i64) -> String {
    let time = timestamp(nanoseconds).to_zoned(jiff::tz::TimeZone::system());
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time for programs: RFC 3339, in UTC.
pub(crate) fn exact_time(nanoseconds: i64) -> String {
    timestamp(nanoseconds).to_string()
}

fn timestamp(nanoseconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(nanoseconds)).expect("invariant: 64 bits reach from 1677 to 2262")
}

/// A path as it can be printed on a line: itself, or a C string when it holds what would break the line.
pub(crate) fn printable(path: &[u8]) -> String {
    match std::str::from_utf8(path) {
        Ok(text) if !text.chars().any(|c| c.is_control() || c == '"' || c == '\\') => text.to_owned(),
        _ => quoted(path),
    }
}

fn quoted(path: &[u8]) -> String {
    let mut text = String::from("\"");
    for &byte in path {
        match byte {
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\{byte:03o}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".into(), "bc".into()], vec!["ünï".into(), "d".into()]];
        assert_eq!(aligned(&["N", "V"], &rows), ["N    V", "a    bc", "ünï  d"]);
    }

    #[test]
    fn a_path_that_would_break_a_line_becomes_a_c_string() {
        assert_eq!(printable(b"src/main.rs"), "src/main.rs");
        assert_eq!(printable("süß und weiß".as_bytes()), "süß und weiß");
        assert_eq!(printable(b"a\nb"), r#""a\nb""#);
        assert_eq!(printable(b"a\"b\\"), r#""a\"b\\""#);
        assert_eq!(printable(b"\xff\x07"), r#""\377\007""#);
    }

    #[test]
    fn times_reach_as_far_as_a_volume_stores_them() {
        assert_eq!(exact_time(0), "1970-01-01T00:00:00Z");
        assert_eq!(exact_time(1), "1970-01-01T00:00:00.000000001Z");
        assert!(exact_time(i64::MIN).starts_with("1677"));
        assert!(exact_time(i64::MAX).starts_with("2262"));
        assert_eq!(local_time(0).len(), "1970-01-01 00:00:00".len());
    }

    #[test]
    fn nouns_are_counted() {
        assert_eq!(count_of(1, "branch"), "1 branch");
        assert_eq!(count_of(2, "snapshot"), "2 snapshots");
    }
}
