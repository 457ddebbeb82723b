//! What a push and its answer say, in git's lines behind their lengths (`gitprotocol-pack`).

use std::collections::BTreeMap;

/// A wish of a push: to move a ref from one object to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Command {
    pub(super) new: String,
    pub(super) name: String,
}

impl Command {
    /// Whether the ref is to be there no more.
    pub(super) fn deletes(&self) -> bool {
        self.new.bytes().all(|digit| digit == b'0')
    }
}

/// The wishes of a push: lines of `<old> <new> <ref>`, the first with capabilities after a NUL.
pub(super) fn commands(body: &[u8]) -> Vec<Command> {
    lines(body)
        .filter_map(|line| {
            let command = line.split(|byte| *byte == 0).next()?;
            let command = String::from_utf8_lossy(command);
            let mut words = command.split_whitespace();
            let (_old, new, name) = (words.next()?, words.next()?, words.next()?);
            Some(Command {
                new: new.into(),
                name: name.into(),
            })
        })
        .collect()
}

/// What the server reports of each ref: whether it was changed (`ok <ref>`, `ng <ref> <why>`). The
/// report may come in band 1 of three (`side-band-64k`), or bare.
pub(super) fn report(answer: &[u8]) -> BTreeMap<String, bool> {
    const DATA: u8 = 1;
    let banded: Vec<u8> = lines(answer)
        .filter(|line| line.first() == Some(&DATA))
        .flat_map(|line| line[1..].to_vec())
        .collect();
    let bare = if banded.is_empty() { answer } else { &banded };
    lines(bare)
        .filter_map(|line| {
            let line = String::from_utf8_lossy(line);
            let mut words = line.split_whitespace();
            let is_done = match words.next()? {
                "ok" => true,
                "ng" => false,
                _ => return None,
            };
            Some((words.next()?.to_owned(), is_done))
        })
        .collect()
}

/// The lines up to the first flush, each behind its length in four hexadecimal digits.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let digits = std::str::from_utf8(rest.get(..4)?).ok()?;
        let length = usize::from_str_radix(digits, 16).ok().filter(|n| *n > 4)?;
        let line = rest.get(4..length)?;
        rest = &rest[length..];
        Some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    #[test]
    fn commands_end_at_the_flush_and_the_pack_is_left_alone() {
        let (old, new) = ("0".repeat(40), "a".repeat(40));
        let body = format!(
            "{}{}0000PACK0010not a line",
            line(&format!(
                "{old} {new} refs/heads/one\0report-status side-band-64k"
            )),
            line(&format!("{new} {old} refs/heads/two")),
        );
        let names: Vec<String> = commands(body.as_bytes())
            .into_iter()
            .map(|c| c.name)
            .collect();
        assert_eq!(names, ["refs/heads/one", "refs/heads/two"]);
        assert_eq!(commands(body.as_bytes())[0].new, new);
        assert_eq!(commands(b"0000"), [], "what git asks first of a large push");
        assert_eq!(commands(b"00ff"), [], "cut off");
        assert_eq!(commands(b""), []);
    }

    #[test]
    fn a_report_is_read_bare_and_in_its_band() {
        let bare = format!(
            "{}{}{}0000",
            line("unpack ok\n"),
            line("ok refs/heads/one\n"),
            line("ng refs/heads/two fetch first\n"),
        );
        let expected = BTreeMap::from([
            ("refs/heads/one".to_owned(), true),
            ("refs/heads/two".to_owned(), false),
        ]);
        assert_eq!(report(bare.as_bytes()), expected);
        // The report may be cut anywhere between the lines of the band.
        let (first, second) = bare.split_at(17);
        let banded = format!(
            "{}{}{}0000",
            line("\u{2}remote: ok refs/heads/three\n"),
            line(&format!("\u{1}{first}")),
            line(&format!("\u{1}{second}")),
        );
        assert_eq!(report(banded.as_bytes()), expected);
        assert!(report(b"").is_empty());
    }
}
