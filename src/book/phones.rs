//! The XML phone books of desk phones, in the shapes that their makers document. Phones' own parsers take little: no element
//! beyond those of the shape, no attributes, no white space that means anything.

use super::{Entry, Kind};
use crate::{
    notify::clean::one_line,
    xml::{element, escaped},
};

/// The media type; phones ask for `text/xml` by that name.
pub const MEDIA_TYPE: &str = "text/xml; charset=utf-8";
/// The entries of one Cisco page; the phones take no more.
pub const CISCO_PAGE: usize = 32;
/// The entries of one Snom page; the phones number that many lines.
pub const SNOM_PAGE: usize = 100;
/// Longer names are cut off by every display.
const NAME: usize = 64;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// One number of an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// Whose it is.
    pub name: String,
    /// Where it rings.
    pub kind: Kind,
    /// What is dialled.
    pub dialled: String,
}

/// A part of the book.
#[derive(Clone, Copy, Debug)]
pub struct Page<'p> {
    /// What the phone shows above it.
    pub title: &'p str,
    /// Its numbers.
    pub lines: &'p [Line],
    /// How many come before it.
    pub start: usize,
    /// Where the next page is; `None`: there is none.
    pub next: Option<&'p str>,
}

/// What a Yealink book begins with.
pub fn yealink_head() -> String {
    format!("{HEAD}<YealinkIPPhoneDirectory>\n")
}

/// An entry of a Yealink book; nothing for who has no number.
pub fn yealink(entry: &Entry) -> String {
    if entry.numbers.is_empty() {
        return String::new();
    }
    let mut text = String::from("<DirectoryEntry>");
    element(&mut text, "Name", &one_line(&entry.name, NAME));
    entry.numbers.iter().for_each(|number| element(&mut text, "Telephone", number.dialled()));
    text.push_str("</DirectoryEntry>\n");
    text
}

/// A Yealink book of what a search has found.
pub fn yealink_found(found: &[Line]) -> String {
    let mut text = yealink_head();
    lines(&mut text, found);
    text + YEALINK_END
}

/// What a Yealink book ends with.
pub const YEALINK_END: &str = "</YealinkIPPhoneDirectory>\n";

/// A page for Snom's minibrowser.
pub fn snom(page: &Page<'_>) -> String {
    let mut text = format!("{HEAD}<SnomIPPhoneDirectory>\n");
    element(&mut text, "Title", page.title);
    element(&mut text, "Prompt", &prompt(page));
    text.push('\n');
    lines(&mut text, page.lines);
    if let Some(next) = page.next {
        // Of the function keys the fourth is the one on the right.
        text.push_str(&format!(
            "<SoftKeyItem><Name>F4</Name><Label>&gt;&gt;</Label><URL>{}</URL></SoftKeyItem>\n",
            escaped(next)
        ));
    }
    text.push_str("</SnomIPPhoneDirectory>\n");
    text
}

/// A page for Cisco's phones.
pub fn cisco(page: &Page<'_>) -> String {
    let mut text = format!("{HEAD}<CiscoIPPhoneDirectory>\n");
    element(&mut text, "Title", page.title);
    element(&mut text, "Prompt", &prompt(page));
    text.push('\n');
    lines(&mut text, page.lines);
    if let Some(next) = page.next {
        // A key of one's own takes the place of all that the phone would show by itself.
        let keys = [
            ("Dial", "SoftKey:Dial"),
            ("EditDial", "SoftKey:EditDial"),
            ("Exit", "SoftKey:Exit"),
            ("Next", next),
        ];
        for (position, (name, url)) in keys.into_iter().enumerate() {
            text.push_str("<SoftKeyItem>");
            element(&mut text, "Name", name);
            element(&mut text, "URL", url);
            element(&mut text, "Position", &(position + 1).to_string());
            text.push_str("</SoftKeyItem>\n");
        }
    }
    text.push_str("</CiscoIPPhoneDirectory>\n");
    text
}

fn prompt(page: &Page<'_>) -> String {
    match page.lines.len() {
        0 => "0".to_owned(),
        count => format!("{}-{}", page.start + 1, page.start + count),
    }
}

fn lines(text: &mut String, lines: &[Line]) {
    for line in lines {
        let name = one_line(&line.name, NAME);
        let name = match line.kind {
            Kind::Work => name,
            kind => format!("{name} ({})", kind.name()),
        };
        text.push_str("<DirectoryEntry>");
        element(text, "Name", &name);
        element(text, "Telephone", &line.dialled);
        text.push_str("</DirectoryEntry>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{book::Number, xml::elements};

    fn line(name: &str, kind: Kind) -> Line {
        Line { name: name.into(), kind, dialled: "+4930123456".into() }
    }

    const HOSTILE: &str = "</Name><evil/> & ]]> \u{1}\u{202E}\u{FFFE} مريم \"'";

    #[test]
    fn t15_each_shape_is_well_formed_whatever_names_hold() {
        let lines = [line(HOSTILE, Kind::Work), line("Ada", Kind::Mobile)];
        let next = "https://book.test/book/cisco.xml?search=a&start=32";
        let page = Page { title: "A & B", lines: &lines, start: 0, next: Some(next) };
        let entry = Entry {
            name: HOSTILE.into(),
            numbers: vec![Number { kind: Kind::Work, number: "1".into(), ext: Some("2".into()) }],
            ..Entry::default()
        };
        let yealink = yealink_head() + &yealink(&entry) + YEALINK_END;
        for (text, root) in [
            (yealink, "YealinkIPPhoneDirectory"),
            (yealink_found(&lines), "YealinkIPPhoneDirectory"),
            (snom(&page), "SnomIPPhoneDirectory"),
            (cisco(&page), "CiscoIPPhoneDirectory"),
        ] {
            let read = elements(text.as_bytes()).expect("well-formed");
            assert_eq!(read[0].name, root);
            assert!(root.starts_with('Y') || read[1].text == "A & B");
            let names: Vec<_> =
                read.iter().filter(|one| one.name == "Name").map(|one| one.text.as_str()).collect();
            assert_eq!(names[0], "</Name><evil/> & ]]> مريم \"'", "{root}");
            assert!(read.iter().all(|one| one.name != "evil" && one.attributes.is_empty()));
        }
    }

    #[test]
    fn a_cisco_page_has_its_own_keys_only_where_another_follows() {
        let lines = [line("Ada", Kind::Work), line("Ada", Kind::Fax)];
        let last = cisco(&Page { title: "Book", lines: &lines, start: 32, next: None });
        assert_eq!(
            last,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CiscoIPPhoneDirectory>\n<Title>Book</Title><Prompt>33-34</Prompt>\n\
             <DirectoryEntry><Name>Ada</Name><Telephone>+4930123456</Telephone></DirectoryEntry>\n\
             <DirectoryEntry><Name>Ada (fax)</Name><Telephone>+4930123456</Telephone></DirectoryEntry>\n\
             </CiscoIPPhoneDirectory>\n"
        );
        let more =
            cisco(&Page { title: "Book", lines: &lines, start: 0, next: Some("https://a/?start=2&x") });
        assert!(more.contains("<Name>Next</Name><URL>https://a/?start=2&amp;x</URL><Position>4</Position>"));
        assert!(
            cisco(&Page { title: "Book", lines: &[], start: 0, next: None }).contains("<Prompt>0</Prompt>")
        );
    }
}
