//! Files that people and other programs wrote: read up to a size that is meant, as text with the place of what is none,
//! and with numbers that can be added.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

/// The largest plan or profile, in bytes.
pub const LARGEST_TEXT: u64 = 32 << 20;
/// The largest history or state, in bytes.
pub const LARGEST_RECORD: u64 = 1 << 30;

/// No run lasts so long, in seconds (a hundred years).
const LONGEST: u64 = 100 * 365 * 24 * 3600;
/// Nothing is counted so far; the sum of many such counts still fits.
const LARGEST_COUNT: u64 = 1 << 53;

/// Where bytes are no text, and why. Lines and columns count from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotText {
    pub line: usize,
    pub column: usize,
    pub why: String,
}

/// Reads a whole file, where it has no more bytes than `most`.
///
/// # Errors
/// Where it cannot be read, or is larger.
pub fn bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it is larger than {} MiB", most >> 20),
        )),
        false => Ok(bytes),
    }
}

/// The text that some bytes are.
///
/// # Errors
/// Where they are of another encoding than UTF-8 without a mark.
pub fn text(bytes: &[u8]) -> Result<&str, NotText> {
    let at_start = |why: &str| NotText {
        line: 1,
        column: 1,
        why: why.into(),
    };
    let is_wide = |pair: &[u8]| pair.contains(&0) && pair.iter().any(|byte| *byte != 0);
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => Err(at_start(
            "the file begins with a byte order mark (BOM); save it as UTF-8 without one",
        )),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            Err(at_start("the file is UTF-16; save it as UTF-8"))
        }
        _ if bytes.len() >= 8 && bytes[..8].chunks(2).all(is_wide) => {
            Err(at_start("the file looks like UTF-16; save it as UTF-8"))
        }
        _ => str::from_utf8(bytes).map_err(|error| {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let byte = bytes[error.valid_up_to()];
            let last = before.rsplit('\n').next().unwrap_or_default();
            NotText {
                line: before.matches('\n').count() + 1,
                column: last.chars().count() + 1,
                why: format!("the byte {byte:#04x} is not UTF-8; save the file as UTF-8"),
            }
        }),
    }
}

/// A number in a record that no run comes to, where there is one: a time of more than a hundred years, or a count of more
/// than 2^53, which is more than can be added up.
pub fn too_large(value: &Value) -> Option<String> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .find_map(|(name, value)| match value.as_u64() {
                // Hashes are counts of nothing.
                Some(_) if name == "content" || name == "digest" => None,
                Some(seconds) if name == "secs" && seconds > LONGEST => {
                    Some(format!("{seconds} s is no time of a run"))
                }
                _ => too_large(value).map(|why| format!("`{name}`: {why}")),
            }),
        Value::Array(items) => items.iter().find_map(too_large),
        Value::Number(number) if number.as_u64().is_some_and(|it| it > LARGEST_COUNT) => {
            Some(format!("{number} is more than anything is counted"))
        }
        _ => None,
    }
}

/// Whether a text of JSON can have a number that [`too_large`] finds: one of that many digits.
pub fn has_long_number(json: &[u8]) -> bool {
    json.split(|byte| !byte.is_ascii_digit())
        .any(|digits| digits.len() >= LONGEST.ilog10() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_named_with_its_place() {
        for (bytes, line, column, part) in [
            (&b"\xef\xbb\xbf# x"[..], 1, 1, "byte order mark"),
            (b"\xff\xfe#\0", 1, 1, "is UTF-16"),
            (b"#\0 \0s\0h\0", 1, 1, "looks like UTF-16"),
            (b"\0#\0 \0s\0h", 1, 1, "looks like UTF-16"),
            (b"ab\n\xc3\xa4c\xffd", 2, 3, "0xff is not UTF-8"),
            (b"ab\xc3", 1, 3, "0xc3 is not UTF-8"),
        ] {
            let error = text(bytes).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{error:?}");
            assert!(error.why.contains(part), "{error:?}");
        }
        assert_eq!(text("ä\n".as_bytes()), Ok("ä\n"));
        assert_eq!(text(b""), Ok(""));
    }

    #[test]
    fn numbers_that_cannot_be_added_are_found_at_any_depth() {
        let found = |json: &str| {
            let found = too_large(&serde_json::from_str(json).unwrap());
            assert!(
                found.is_none() || has_long_number(json.as_bytes()),
                "{json}"
            );
            found
        };
        assert_eq!(found(r#"{"at":{"secs":30,"nanos":999999999}}"#), None);
        assert!(found(r#"{"at":{"secs":18446744073709551615}}"#).is_some());
        assert!(found(r#"{"a":[{"b":{"secs":3153600001}}]}"#).is_some());
        assert!(found(r#"{"count":9007199254740993}"#).is_some());
        assert_eq!(found(r#"{"count":9007199254740992}"#), None);
    }

    #[test]
    fn a_file_without_end_is_not_read_to_it() {
        let error = bytes(Path::new("/dev/zero"), 1 << 20).unwrap_err();
        assert!(error.to_string().contains("larger than 1 MiB"), "{error}");
    }
}
