//! Answers in XML, of which only the texts of some elements are needed.

use quick_xml::Reader;
use quick_xml::events::Event;

/// The texts of all elements of this name, in order; those before a mistake where it is no whole XML.
pub(super) fn texts(xml: &str, name: &str) -> Vec<String> {
    let mut reader = Reader::from_str(xml);
    let mut found = Vec::new();
    let mut inside: Option<String> = None;
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) if element.local_name().as_ref() == name.as_bytes() => {
                inside = Some(String::new());
            }
            Ok(Event::Empty(element)) if element.local_name().as_ref() == name.as_bytes() => {
                found.push(String::new());
            }
            Ok(Event::End(element)) if element.local_name().as_ref() == name.as_bytes() => {
                found.extend(inside.take());
            }
            Ok(Event::Text(text)) => {
                if let (Some(inside), Ok(text)) = (&mut inside, text.decode()) {
                    inside.push_str(&text);
                }
            }
            Ok(Event::GeneralRef(of)) => {
                let name = of.decode().unwrap_or_default();
                let text =
                    quick_xml::escape::unescape(&format!("&{name};")).map(|it| it.into_owned());
                if let (Some(inside), Ok(text)) = (&mut inside, text) {
                    inside.push_str(&text);
                }
            }
            Ok(Event::Eof) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_an_element_are_found_in_order() {
        let xml = "<?xml version=\"1.0\"?><T xmlns=\"x\"><Tag><Key>a</Key><Value>1 &amp; 2</Value></Tag>\
                   <Tag><Key>b</Key><Value/></Tag></T>";
        assert_eq!(texts(xml, "Key"), ["a", "b"]);
        assert_eq!(texts(xml, "Value"), ["1 & 2", ""]);
        assert_eq!(texts("<a><Key>x</Key><Key>y", "Key"), ["x"]);
        assert_eq!(texts("no xml", "Key"), Vec::<String>::new());
    }
}
