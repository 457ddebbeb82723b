//! Standard output and standard error. What cannot be written is remembered, so that the program does not end as if
//! it had been, and nothing that was read from a file gives orders to the terminal.

mod style;

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use terminal_size::{Width, terminal_size_of};

pub use style::Style;

/// Why standard output could not be written first.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints text for people to standard output.
pub fn print(text: &str) {
    write(io::stdout().lock(), &shown(text, true));
}

/// Prints what a program reads to standard output, as it is.
pub fn print_data(text: &str) {
    write(io::stdout().lock(), text);
}

/// Prints text for people to standard error. Nobody could be told that this failed.
pub fn print_aside(text: &str) {
    let _ = io::stderr().lock().write_all(shown(text, true).as_bytes());
}

/// Prints a line to standard error; the program's own `eprintln!`, which neither panics nor passes on control
/// characters. On a terminal it is broken at spaces.
pub fn say(line: fmt::Arguments<'_>) {
    let line = format!("{line}\n");
    let line = shown(&line, false);
    let columns = Some(io::stderr())
        .filter(io::Stderr::is_terminal)
        .and_then(terminal_size_of);
    let text = match columns {
        Some((Width(columns), _)) if columns > 0 => broken(&line, columns.into()),
        _ => line.into_owned(),
    };
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// The text with lines that keep to the width; what follows in a line that is broken is indented. Commands, in
/// backquotes, stay whole, so that they can be copied.
fn broken(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        if line.trim_end().chars().count() <= width {
            out.push_str(line);
            continue;
        }
        let (mut column, mut is_command) = (0, false);
        for word in line.split_inclusive(' ') {
            let length = word.trim_end().chars().count();
            if column > 0 && column + length > width && !is_command {
                out.truncate(out.trim_end_matches(' ').len());
                out.push_str("\n  ");
                column = 2;
            }
            is_command ^= word.matches('`').count() % 2 == 1;
            out.push_str(word);
            column += word.chars().count();
        }
    }
    out
}

/// Why something that was printed to standard output did not get there, where that is so.
pub fn failure() -> Option<String> {
    let flushed = io::stdout().lock().flush();
    let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
    let why = failed.take().or(flushed.err())?;
    Some(match why.kind() {
        io::ErrorKind::BrokenPipe => "its reader closed it before everything was printed".into(),
        _ => why.to_string(),
    })
}

fn write(mut to: impl Write, text: &str) {
    if let Err(why) = to.write_all(text.as_bytes()) {
        let mut failed = FAILED.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert(why);
    }
}

/// The text with every character visible that a terminal would obey; colours stay where they are wanted.
fn shown(text: &str, coloured: bool) -> Cow<'_, str> {
    if !text.contains(is_order) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_order) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let colour = colour_at(rest).filter(|_| coloured);
        let order = rest.chars().next().unwrap_or_default();
        match colour {
            Some(length) => out.push_str(&rest[..length]),
            None => out.extend(order.escape_unicode()),
        }
        rest = &rest[colour.unwrap_or(order.len_utf8())..];
    }
    out.push_str(rest);
    out.into()
}

/// Control characters, and those that let text run in the other direction.
pub fn is_order(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The length of the sequence that sets a colour with which a text begins, such as `ESC [1;31m`.
fn colour_at(text: &str) -> Option<usize> {
    let code = text.strip_prefix("\x1b[")?;
    let digits = code.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    code[digits..].starts_with('m').then_some(2 + digits + 1)
}

/// A word of a file as an error quotes it: not all of one that is long.
pub fn quoted(word: &str) -> Cow<'_, str> {
    const MOST: usize = 60;
    match word.char_indices().nth(MOST) {
        None => word.into(),
        Some((end, _)) => format!("{}… ({} bytes)", &word[..end], word.len()).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_colours_and_no_other_orders() {
        for (text, coloured, expected) in [
            ("plain\n\ttext", true, "plain\n\ttext"),
            ("\x1b[1;31mbad\x1b[0m", true, "\x1b[1;31mbad\x1b[0m"),
            ("\x1b[1;31mbad", false, "\\u{1b}[1;31mbad"),
            ("\x1b]0;title\x07", true, "\\u{1b}]0;title\\u{7}"),
            ("\x1b[2Jä\r\u{9b}", true, "\\u{1b}[2Jä\\u{d}\\u{9b}"),
            ("a\u{202e}b", false, "a\\u{202e}b"),
            ("\x1b[", true, "\\u{1b}["),
        ] {
            assert_eq!(shown(text, coloured), expected);
        }
    }

    #[test]
    fn a_long_line_is_broken_at_spaces_and_a_command_is_not() {
        for (line, expected) in [
            ("short\n", "short\n"),
            (
                "one two three four\nfive\n",
                "one two\n  three\n  four\nfive\n",
            ),
            ("run `a b c d e` now\n", "run `a b c d e`\n  now\n"),
            ("äääää ööööö\n", "äääää\n  ööööö\n"),
        ] {
            assert_eq!(broken(line, 8), expected);
        }
    }

    #[test]
    fn a_long_word_is_not_echoed_whole() {
        assert_eq!(quoted("crsh"), "crsh");
        let long = quoted(&"ä".repeat(100)).into_owned();
        assert!(
            long.ends_with("… (200 bytes)") && long.len() < 150,
            "{long}"
        );
    }
}
