//! How text for people is laid out: its colours, its width, and its marks.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use terminal_size::{Width, terminal_size_of};

/// The width where it is not that of a terminal, in columns.
const WIDTH: usize = 80;
/// No text is made narrower than this, in columns.
const NARROWEST: usize = 40;

/// What the reader's terminal can show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Style {
    /// Whether text is coloured.
    pub coloured: bool,
    /// The width that text keeps to, in columns; commands and plans are never broken.
    pub width: usize,
    /// Whether the program's own marks are limited to ASCII.
    pub ascii: bool,
}

impl Style {
    /// For text that is kept or passed on: without colours, 80 columns wide.
    pub const PLAIN: Self = Self {
        coloured: false,
        width: WIDTH,
        ascii: false,
    };

    /// What standard output can show: colours where it is a terminal, unless `NO_COLOR` is set or
    /// `TERM` is `dumb`, and other marks than ASCII where the locale is one of UTF-8.
    pub fn of_stdout() -> Self {
        Self::of(&std::io::stdout())
    }

    /// The same for standard error.
    pub fn of_stderr() -> Self {
        Self::of(&std::io::stderr())
    }

    fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let terminal_width = match stream.is_terminal() {
            true => terminal_size_of(stream).map(|(Width(columns), _)| columns.into()),
            false => None,
        };
        Self::for_terminal(terminal_width, stream.is_terminal(), &set)
    }

    fn for_terminal(
        width: Option<usize>,
        is_terminal: bool,
        set: &dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let is_dumb = set("TERM").is_some_and(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
        let is_utf8 = locale.is_some_and(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.ends_with("utf-8") || locale.ends_with("utf8")
        });
        Self {
            coloured: is_terminal && !is_dumb && set("NO_COLOR").is_none(),
            // A terminal that does not know its width says 0.
            width: width
                .filter(|columns| *columns > 0)
                .unwrap_or(WIDTH)
                .max(NARROWEST),
            ascii: !is_utf8,
        }
    }

    /// Whether a line can be drawn again in its place, as a progress bar is.
    pub(crate) fn can_redraw() -> bool {
        std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Something is wrong.
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Something is as it should be.
    pub fn good(self, text: &str) -> String {
        self.paint("1;32", text)
    }

    /// Something is worth a look.
    pub fn odd(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// A heading.
    pub fn strong(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// The mark for what was left out of a text.
    pub(crate) fn ellipsis(self) -> &'static str {
        if self.ascii { "..." } else { "…" }
    }

    /// Cells of one width below their heading, two to a line where they have room; without a heading where it is empty.
    pub(crate) fn columns(self, out: &mut String, head: &str, cells: &[String]) {
        let Some(first) = cells.first() else {
            return;
        };
        let in_a_line = match self.width < 2 * (first.chars().count() + 3) {
            true => 1,
            false => 2,
        };
        let heads = vec![head.to_owned(); in_a_line.min(cells.len())];
        let heads = (!head.is_empty()).then_some(heads.as_slice());
        for line in heads.into_iter().chain(cells.chunks(in_a_line)) {
            let line = format!("  {}", line.join("   "));
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }

    /// A line cut off at the width, `indent` columns of which are taken.
    pub(crate) fn cut(self, line: &str, indent: usize) -> String {
        let width = self.width.saturating_sub(indent);
        if line.chars().count() <= width {
            return line.to_owned();
        }
        let left = width.saturating_sub(self.ellipsis().chars().count());
        line.chars().take(left).collect::<String>() + self.ellipsis()
    }

    /// Breaks text at spaces so that it keeps to the width; every line begins with `indent`.
    pub(crate) fn paragraph(self, out: &mut String, indent: &str, text: &str) {
        self.wrap(out, indent, indent, text);
    }

    /// The same, but the first line begins at the margin.
    pub(crate) fn hanging(self, out: &mut String, indent: &str, text: &str) {
        self.wrap(out, "", indent, text);
    }

    fn wrap(self, out: &mut String, first: &str, indent: &str, text: &str) {
        let mut begin = first;
        for line in text.lines() {
            let mut column = 0;
            for (at, word) in line.split(' ').enumerate() {
                let width = columns(word);
                let mut before = if at == 0 { begin } else { " " };
                if at > 0 && column + 1 + width > self.width {
                    out.push('\n');
                    (column, before) = (0, indent);
                }
                out.push_str(before);
                out.push_str(word);
                column += before.len() + width;
            }
            out.push('\n');
            begin = indent;
        }
    }

    /// Names and sentences below each other, the sentences in a column of their own where they have
    /// room for it, else below the names.
    pub(crate) fn list<'a>(
        self,
        out: &mut String,
        indent: &str,
        rows: impl IntoIterator<Item = (&'a str, &'a str), IntoIter: Clone>,
    ) {
        let rows = rows.into_iter();
        let widest = rows.clone().map(|(name, _)| columns(name)).max();
        let column = indent.len() + widest.unwrap_or(0) + 2;
        for (name, sentence) in rows {
            if column > self.width / 2 {
                out.push_str(&format!("{indent}{name}\n"));
                self.paragraph(out, &format!("{indent}    "), sentence);
                continue;
            }
            let mut text = String::new();
            self.paragraph(&mut text, &" ".repeat(column), sentence);
            let head = format!("{indent}{name}");
            let pad = " ".repeat(column - columns(&head));
            out.push_str(&format!("{head}{pad}{}", text.trim_start()));
        }
    }
}

/// How many columns a text takes, the codes of colours aside.
fn columns(text: &str) -> usize {
    let mut parts = text.split('\x1b');
    let first = parts.next().unwrap_or_default().chars().count();
    let rest = parts.map(|part| part.split_once('m').map_or(part, |(_, rest)| rest));
    first + rest.map(|part| part.chars().count()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_gets_what_it_can_show() {
        let style = |width, is_terminal, set: &[(&str, &str)]| {
            let of = |name: &str| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            Style::for_terminal(width, is_terminal, &of)
        };
        let utf8 = ("LANG", "de_DE.UTF-8");
        let shown = style(Some(120), true, &[utf8, ("TERM", "xterm")]);
        assert_eq!(
            (shown.coloured, shown.width, shown.ascii),
            (true, 120, false)
        );
        assert!(!style(Some(120), true, &[utf8, ("TERM", "dumb")]).coloured);
        assert!(!style(Some(120), true, &[utf8, ("NO_COLOR", "1")]).coloured);
        assert_eq!(style(None, false, &[utf8]), Style::PLAIN);
        assert_eq!(style(Some(0), true, &[]).width, WIDTH);
        assert_eq!(style(Some(3), true, &[]).width, NARROWEST);
        for plain in ["C", "POSIX", "de_DE.ISO-8859-1"] {
            assert!(style(None, false, &[("LANG", plain)]).ascii, "{plain}");
        }
        assert!(style(None, false, &[("LC_ALL", "C"), utf8]).ascii);
        assert!(!style(None, false, &[("LC_CTYPE", "C.utf8"), ("LANG", "C")]).ascii);
    }

    #[test]
    fn colours_take_no_room_and_a_word_is_never_broken() {
        let narrow = Style {
            coloured: true,
            width: 40,
            ..Style::PLAIN
        };
        let text = format!("{} {}", narrow.odd("a word of it"), "b".repeat(50));
        let mut out = String::new();
        narrow.paragraph(&mut out, "  ", &text);
        assert_eq!(
            out,
            format!("  \x1b[33ma word of it\x1b[0m\n  {}\n", "b".repeat(50))
        );
        assert_eq!(
            narrow.cut(&"c".repeat(50), 10),
            format!("{}…", "c".repeat(29))
        );
    }

    #[test]
    fn sentences_are_below_names_that_leave_them_no_room() {
        let rows = [
            ("name", "one two three four five six seven eight nine"),
            ("n", "x."),
        ];
        let list = |width| {
            let mut out = String::new();
            Style {
                width,
                ..Style::PLAIN
            }
            .list(&mut out, "  ", rows);
            out
        };
        assert_eq!(
            list(40),
            "  name  one two three four five six\n        seven eight nine\n  n     x.\n"
        );
        assert!(
            list(14).starts_with("  name\n      one two\n"),
            "{}",
            list(14)
        );
    }
}
