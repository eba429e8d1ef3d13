//! A caller as a vCard, version 3.0 (RFC 2426): Outlook takes no 4.0 until today, and what a card says here is the same in both.

use super::clean::shown;

/// The media type (RFC 6350 §10.1).
pub const MEDIA_TYPE: &str = "text/vcard; charset=utf-8";
/// The longest line, in octets (RFC 2426 §2.6).
const LONGEST: usize = 75;

/// The card; `None` where name or number have nothing to show. The name stays in one piece: which part of it is the family's differs from
/// people to people.
pub fn write(name: &str, number: &str) -> Option<String> {
    let (name, number) = (escaped(&shown(Some(name))?), escaped(&shown(Some(number))?));
    let lines = [
        "BEGIN:VCARD".to_owned(),
        "VERSION:3.0".to_owned(),
        "PRODID:-//Ringpost//EN".to_owned(),
        format!("N:;{name};;;"),
        format!("FN:{name}"),
        format!("TEL;TYPE=VOICE:{number}"),
        "END:VCARD".to_owned(),
    ];
    Some(lines.iter().map(|line| folded(line)).collect())
}

/// RFC 2426 §4: no text ends its value.
pub(crate) fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, c| {
        if matches!(c, '\\' | ';' | ',') {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

/// A line with its end, folded where it is too long and never inside a character.
pub(crate) fn folded(line: &str) -> String {
    let (mut folded, mut length) = (String::with_capacity(line.len() + 2), 0);
    for c in line.chars() {
        if length + c.len_utf8() > LONGEST {
            folded.push_str("\r\n ");
            length = 1;
        }
        folded.push(c);
        length += c.len_utf8();
    }
    folded.push_str("\r\n");
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Book;

    #[test]
    fn a_card_reads_back_as_the_caller_it_was_written_of() {
        for (name, number) in [
            ("Luka A", "+4544890101"),
            ("Müller, Søren; \\ \"x\"", "+4544890101"),
            ("مريم الخطيب 山田 👩‍🚀", "+4544890101"),
            (&"Wolfeschlegelsteinhausenbergerdorff ".repeat(3), "+4544890101"),
            ("x\r\nTEL:+1900\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:y", "+4544890101"),
        ] {
            let card = write(name, number).expect("a card");
            assert!(
                card.split_terminator("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])),
                "{card}"
            );
            assert_eq!(card.matches("\r\nTEL;").count(), 1, "{card}");
            let book = Book::vcard(&card).expect("a card that we read ourselves");
            assert_eq!(book.name(number), shown(Some(name)).as_deref());
            assert_eq!(book.len(), 1);
        }
        assert_eq!((write("\u{202E}\0", "1"), write("x", "\r\n")), (None, None));
    }
}
