//! Which objects of its own site a page or a style sheet needs: scripts, styles, images, fonts.
//!
//! Links that a reader follows are left out, and so is all that another host serves.

use std::sync::{Arc, LazyLock};

use cssparser::{ParseError, Parser, Token as CssToken};
use html5gum::{DefaultEmitter, StartTag, Token, Tokenizer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use url::Url;

/// The assets that an object names, by their keys, each once, in order. Only HTML documents and
/// style sheets name any; what an object is, its key says, or how it begins.
pub fn assets(key: &str, bytes: &[u8]) -> Vec<Arc<str>> {
    let text = || String::from_utf8_lossy(bytes);
    let mut found = Found::of(key);
    if is_html(key) || begins_as_html(bytes) {
        found.read_html(&text());
    } else if key.ends_with(".css") {
        found.read_css(&text());
    }
    found.keys
}

/// Whether a key is that of an HTML document, or of a folder.
fn is_html(key: &str) -> bool {
    let has = |extension: &str| key.ends_with(extension);
    [".html", ".htm", ".xhtml", "/"].into_iter().any(has)
}

/// Whether an object begins as an HTML document does, whatever its key.
fn begins_as_html(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    [&b"<!doctype html"[..], b"<html"].into_iter().any(|begin| {
        let first = bytes.get(..begin.len());
        first.is_some_and(|first| first.eq_ignore_ascii_case(begin))
    })
}

/// A placeholder for the host of the site, whatever its name.
static ROOT: LazyLock<Option<Url>> = LazyLock::new(|| Url::parse("http://site.invalid/").ok());

/// What a key is written with in a URL.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

struct Found {
    /// What relative references begin at.
    base: Option<Url>,
    keys: Vec<Arc<str>>,
}

impl Found {
    fn of(key: &str) -> Self {
        let path = utf8_percent_encode(key, PLAIN).to_string();
        Self {
            base: ROOT
                .as_ref()
                .and_then(|root| root.join(&format!("/{path}")).ok()),
            keys: Vec::new(),
        }
    }

    fn add(&mut self, reference: &str) {
        let reference = reference.trim();
        // This names the document itself.
        if reference.is_empty() || reference.starts_with('#') {
            return;
        }
        let url = self
            .base
            .as_ref()
            .and_then(|base| base.join(reference).ok());
        let (Some(url), Some(root)) = (url, ROOT.as_ref()) else {
            return;
        };
        if url.host() != root.host() || !matches!(url.scheme(), "http" | "https") {
            return;
        }
        let key = percent_decode_str(url.path().trim_start_matches('/')).decode_utf8_lossy();
        let is_known = self.keys.iter().any(|known| **known == *key);
        if !key.is_empty() && !is_html(&key) && !is_known {
            self.keys.push(key.as_ref().into());
        }
    }

    fn read_html(&mut self, text: &str) {
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true);
        let (mut has_base, mut in_style) = (false, false);
        for Ok(token) in Tokenizer::new_with_emitter(text, emitter) {
            match token {
                Token::StartTag(tag) => {
                    in_style = **tag.name == *b"style";
                    if **tag.name == *b"base" && !has_base {
                        self.rebase(&tag);
                        has_base = attribute(&tag, "href").is_some();
                    }
                    self.read_tag(&tag);
                }
                Token::String(css) if in_style => self.read_css(&String::from_utf8_lossy(&css)),
                Token::EndTag(_) => in_style = false,
                _ => {}
            }
        }
    }

    fn rebase(&mut self, tag: &StartTag<()>) {
        if let (Some(href), Some(base)) = (attribute(tag, "href"), &self.base)
            && let Ok(base) = base.join(&href)
        {
            self.base = Some(base);
        }
    }

    fn read_tag(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        let (single, sets): (&[&str], &[&str]) = match &*name {
            "link" if loads(tag) => (&["href"], &["imagesrcset"]),
            "script" | "audio" | "track" | "embed" => (&["src"], &[]),
            "img" | "source" => (&["src"], &["srcset"]),
            "video" => (&["src", "poster"], &[]),
            "object" => (&["data"], &[]),
            "input"
                if attribute(tag, "type").is_some_and(|it| it.eq_ignore_ascii_case("image")) =>
            {
                (&["src"], &[])
            }
            "image" | "use" => (&["href", "xlink:href"], &[]),
            _ => (&[], &[]),
        };
        for reference in single.iter().filter_map(|name| attribute(tag, name)) {
            self.add(&reference);
        }
        for set in sets.iter().filter_map(|name| attribute(tag, name)) {
            candidates(&set).for_each(|reference| self.add(reference));
        }
        if let Some(style) = attribute(tag, "style") {
            self.read_css(&style);
        }
    }

    fn read_css(&mut self, text: &str) {
        self.read_block(&mut Parser::new(text), false);
    }

    /// Reads a block of a style sheet; `strings` says that plain strings in it are references.
    fn read_block(&mut self, css: &mut Parser<'_>, strings: bool) {
        let (mut in_import, mut in_namespace) = (false, false);
        while let Ok(token) = css.next() {
            let mut block = None;
            match token {
                CssToken::AtKeyword(name) => {
                    in_import = name.eq_ignore_ascii_case("import");
                    in_namespace = name.eq_ignore_ascii_case("namespace");
                }
                CssToken::Semicolon => (in_import, in_namespace) = (false, false),
                _ if in_namespace => {}
                CssToken::UnquotedUrl(reference) => self.add(reference),
                CssToken::QuotedString(reference) if strings || in_import => self.add(reference),
                CssToken::Function(name) => {
                    let is = |other: &str| name.eq_ignore_ascii_case(other);
                    block = Some(
                        ["url", "src", "image-set", "-webkit-image-set"]
                            .into_iter()
                            .any(is),
                    );
                }
                CssToken::CurlyBracketBlock
                | CssToken::ParenthesisBlock
                | CssToken::SquareBracketBlock => block = Some(false),
                _ => {}
            }
            if let Some(strings) = block {
                // What is wrong in a style sheet, or too deep, is left out.
                let _ = css.parse_nested_block(|inner| -> Result<(), ParseError<()>> {
                    self.read_block(inner, strings);
                    Ok(())
                });
            }
        }
    }
}

fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
    let value = tag.attributes.get(name.as_bytes())?;
    Some(String::from_utf8_lossy(value).into_owned())
}

/// Whether a browser that shows the document loads what the link names.
fn loads(tag: &StartTag<()>) -> bool {
    let rel = attribute(tag, "rel").unwrap_or_default().to_lowercase();
    rel.split_ascii_whitespace().any(|word| {
        word.ends_with("icon")
            || matches!(
                word,
                "stylesheet" | "preload" | "modulepreload" | "manifest"
            )
            || word == "apple-touch-icon-precomposed"
    })
}

/// The URLs of a `srcset`, which may hold commas themselves.
fn candidates(set: &str) -> impl Iterator<Item = &str> {
    let mut rest = set;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        let end = rest
            .find(|c: char| c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (url, after) = rest.split_at(end);
        rest = match url.ends_with(',') {
            true => after,
            // Its size or density follows.
            false => after.split_once(',').map_or("", |(_, next)| next),
        };
        Some(url.trim_end_matches(',')).filter(|url| !url.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, text: &str, expected: &[&str]) {
        let found = assets(key, text.as_bytes());
        let found: Vec<&str> = found.iter().map(|name| &**name).collect();
        assert_eq!(found, expected, "{key}: {text}");
    }

    #[test]
    fn a_page_names_what_a_browser_loads_with_it() {
        for (text, expected) in [
            ("<link rel=stylesheet href=/a.css>", &["a.css"][..]),
            (
                "<LINK HREF='/a.css' REL='Alternate Stylesheet'>",
                &["a.css"],
            ),
            (
                "<link rel='shortcut icon' href=/favicon.ico>",
                &["favicon.ico"],
            ),
            (
                "<link rel=modulepreload href=/m.js><link rel=manifest href=/m.json>",
                &["m.js", "m.json"],
            ),
            (
                "<script type=module src=\"/_astro/a.b.js\"></script>",
                &["_astro/a.b.js"],
            ),
            (
                "<img src=/a.png srcset='/b.png 1x, /c.png 2x'>",
                &["a.png", "b.png", "c.png"],
            ),
            (
                "<img srcset='/b.png,/c.png 2x,/d.png'>",
                &["b.png,/c.png", "d.png"],
            ),
            (
                "<picture><source srcset='/b.webp 480w,\n /c.webp'></picture>",
                &["b.webp", "c.webp"],
            ),
            (
                "<video poster=/p.jpg src=/v.mp4><track src=/t.vtt></video>",
                &["v.mp4", "p.jpg", "t.vtt"],
            ),
            (
                "<object data=/o.pdf></object><embed src=/e.swf>",
                &["o.pdf", "e.swf"],
            ),
            (
                "<input type=IMAGE src=/i.png><input src=/no.png>",
                &["i.png"],
            ),
            (
                "<svg><use xlink:href='/sprite.svg#a'/><image href=/i.svg /></svg>",
                &["sprite.svg", "i.svg"],
            ),
            ("<p style=\"background: url('/b.png')\">", &["b.png"]),
            (
                "<style>@import '/i.css'; p { background: url(/b.png) }</style>",
                &["i.css", "b.png"],
            ),
            ("<img src=/a.png><img src=/a.png>", &["a.png"]),
        ] {
            check("index.html", text, expected);
        }
    }

    #[test]
    fn links_that_a_reader_follows_and_other_hosts_are_left_out() {
        for text in [
            "<a href=/missing.pdf><a href=/about/><area href=/x.png>",
            "<link rel=canonical href=/a><link rel=alternate href=/feed.xml>",
            "<iframe src=/page></iframe><object data=/page.html></object>",
            "<script src=https://cdn.example/a.js></script><script src=//cdn.example/a.js></script>",
            "<img src='data:image/png;base64,AAAA'><img src=blob:x><img src=''><img src='#a'>",
            "<a href=mailto:a@b.c><img src=about:blank>",
            "<!-- <img src=/a.png> --><script>\"<img src=/a.png>\"</script>",
            "<title><img src=/a.png></title><textarea><img src=/a.png></textarea>",
            "<p>url(/a.png) href=\"/a.css\" src=\"/a.js\"</p>",
        ] {
            check("index.html", text, &[]);
        }
        check("a.js", "\"<img src=/a.png>\"", &[]);
    }

    #[test]
    fn references_are_resolved_as_a_browser_does() {
        for (key, reference, expected) in [
            ("blog/a/index.html", "x.png", "blog/a/x.png"),
            ("blog/a/index.html", "../x.png", "blog/x.png"),
            ("blog/a.html", "./../../x.png", "x.png"),
            ("blog/", "x.png", "blog/x.png"),
            ("a b%.html", "c d.png", "c d.png"),
            ("a%2F/b.html", "c.png", "a%2F/c.png"),
            ("index.html", "/x.css?v=1#top", "x.css"),
            ("index.html", "/caf%C3%A9%20a+b.png", "café a+b.png"),
            ("index.html", "/caf&eacute;.png", "café.png"),
            ("index.html", " /x.png\n", "x.png"),
        ] {
            check(key, &format!("<img src='{reference}'>"), &[expected]);
        }
        let base = "<base href='/sub/dir/'><base href=/other/><img src=a.png><img src=/b.png>";
        check("index.html", base, &["sub/dir/a.png", "b.png"]);
        check(
            "index.html",
            "<base href=https://cdn.example/><img src=a.png>",
            &[],
        );
    }

    #[test]
    fn a_style_sheet_names_its_imports_images_and_fonts() {
        for (text, expected) in [
            (
                "@import url(b.css) screen; @import \"c.css\";",
                &["css/b.css", "css/c.css"][..],
            ),
            (
                "@font-face { src: url(\"../f.woff2\") format(\"woff2\"), url(/f.woff) }",
                &["f.woff2", "f.woff"],
            ),
            (
                "@media print { p { background: URL( 'a b.png' ) } }",
                &["css/a b.png"],
            ),
            (
                "p { background: image-set(\"a.png\" 1x, url(b.png) 2x type(\"image/png\")) }",
                &["css/a.png", "css/b.png"],
            ),
            ("p { background: url(\\61.png) }", &["css/a.png"]),
            (
                "/* url(a.png) */ p::before { content: \"url(b.png)\" }",
                &[],
            ),
            (
                "@namespace url(x); @namespace svg \"y\"; p { filter: url(#f) }",
                &[],
            ),
            (
                "p { background: url(data:image/png;base64,AA) } q { src: url(https://x/y) }",
                &[],
            ),
            ("p { broken: ) } q { background: url(a.png)", &["css/a.png"]),
        ] {
            check("css/a.css", text, expected);
        }
        check("a.css", &"{".repeat(100_000), &[]);
    }
}
