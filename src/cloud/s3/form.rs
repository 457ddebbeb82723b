//! Forms by which browsers upload.

use std::ops::Range;

use hyper::Method;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;

use crate::cloud::protocol::header;

/// What stands for the name of the file in the fields before it.
const FILE_NAME: &[u8] = b"${filename}";

/// Puts the name of the file where a form leaves that to S3, as in the key `uploads/${filename}`.
pub(super) fn fill(parts: &mut Parts, body: &Bytes) -> Bytes {
    let kind = header(parts, CONTENT_TYPE.as_str()).unwrap_or_default();
    if parts.method != Method::POST || !kind.starts_with("multipart/form-data") {
        return body.clone();
    }
    let filled = filled(body);
    if filled.len() != body.len() {
        let headers = &mut parts.headers;
        headers.insert(CONTENT_LENGTH, HeaderValue::from(filled.len()));
    }
    filled.into()
}

fn filled(body: &[u8]) -> Vec<u8> {
    let Some((fields, name)) = file_name(body) else {
        return body.to_vec();
    };
    let mut filled = Vec::with_capacity(body.len());
    let mut rest = &body[..fields];
    while let Some(at) = find(rest, FILE_NAME) {
        filled.extend_from_slice(&rest[..at]);
        filled.extend_from_slice(&body[name.clone()]);
        rest = &rest[at + FILE_NAME.len()..];
    }
    filled.extend_from_slice(rest);
    filled.extend_from_slice(&body[fields..]);
    filled
}

/// Where the field of the file begins, and its name without folders.
fn file_name(body: &[u8]) -> Option<(usize, Range<usize>)> {
    let field = find(body, b"name=\"file\"")?;
    let head = field + find(&body[field..], b"\r\n\r\n")?;
    let begin = field + find(&body[field..head], b"filename=\"")? + b"filename=\"".len();
    let end = begin + find(&body[begin..head], b"\"")?;
    let folders = body[begin..end]
        .iter()
        .rposition(|byte| matches!(byte, b'/' | b'\\'));
    Some((field, begin + folders.map_or(0, |at| at + 1)..end))
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_file_is_put_into_the_fields_before_it() {
        let form = |key: &str, file: &str| {
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n{key}\r\n--b\r\n\
                 Content-Disposition: form-data; name=\"file\"; {file}\r\n\r\n${{filename}}\r\n--b--\r\n"
            )
        };
        let fill = |key, file| String::from_utf8(filled(form(key, file).as_bytes())).unwrap();
        let named = "filename=\"C:\\pictures\\a b.png\"";
        assert_eq!(fill("up/${filename}", named), form("up/a b.png", named));
        assert_eq!(
            fill("${filename}-${filename}", "filename=\"x/y\""),
            form("y-y", "filename=\"x/y\"")
        );
        assert_eq!(fill("plain", named), form("plain", named));
        assert_eq!(
            fill("${filename}", "nothing"),
            form("${filename}", "nothing")
        );
    }
}
