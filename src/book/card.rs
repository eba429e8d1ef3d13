//! An entry as a vCard 3.0 (RFC 2426), which every phone and mail program reads.

use super::{Entry, Kind, Number};
use crate::notify::card::{escaped, folded};

/// The media type (RFC 6350 §10.1).
pub use crate::notify::card::MEDIA_TYPE;

/// The card, with the end of its last line.
pub fn write(entry: &Entry) -> String {
    let text = |text: &Option<String>| escaped(text.as_deref().unwrap_or_default());
    let own =
        |name: &str, text: &Option<String>| text.as_deref().map(|text| format!("{name}:{}", escaped(text)));
    let name = match (&entry.surname, &entry.given) {
        // Which part of the name is the family's is not known.
        (None, None) => format!("N:;{};;;", escaped(&entry.name)),
        (surname, given) => format!("N:{};{};;;", text(surname), text(given)),
    };
    let mut lines = vec![
        "BEGIN:VCARD".to_owned(),
        "VERSION:3.0".to_owned(),
        "PRODID:-//Ringpost//EN".to_owned(),
        format!("UID:{}", entry.id),
        name,
        format!("FN:{}", escaped(&entry.name)),
    ];
    if entry.company.is_some() || entry.department.is_some() {
        lines.push(format!("ORG:{};{}", text(&entry.company), text(&entry.department)));
    }
    lines.extend(own("TITLE", &entry.title));
    lines.extend(own("EMAIL;TYPE=INTERNET", &entry.mail));
    lines.extend(entry.numbers.iter().map(number));
    // RFC 4770.
    lines.extend(own("IMPP;TYPE=WORK", &entry.address));
    lines.push("END:VCARD".to_owned());
    lines.iter().map(|line| folded(line)).collect()
}

fn number(number: &Number) -> String {
    let kind = match number.kind {
        Kind::Work => "WORK,VOICE",
        Kind::Mobile => "CELL,VOICE",
        Kind::Home => "HOME,VOICE",
        Kind::Pager => "PAGER",
        Kind::Fax => "WORK,FAX",
    };
    let ext = number.ext.as_deref().map(|ext| format!(" x{ext}")).unwrap_or_default();
    format!("TEL;TYPE={kind}:{}{ext}", escaped(&number.number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::EntryId;

    #[test]
    fn a_card_holds_all_of_an_entry_and_no_text_breaks_out_of_its_line() {
        let entry = Entry {
            id: EntryId([0xab; 16]),
            name: "Søren; \"Ø\", x".into(),
            surname: Some("Ø".into()),
            company: Some("A;B".into()),
            mail: Some("s@corp.test".into()),
            address: Some("sip:s@corp.test".into()),
            numbers: vec![
                Number { kind: Kind::Work, number: "+4533112233".into(), ext: Some("4711".into()) },
                Number { kind: Kind::Mobile, number: "+4520".into(), ext: None },
            ],
            ..Entry::default()
        };
        assert_eq!(
            write(&entry),
            "BEGIN:VCARD\r\nVERSION:3.0\r\nPRODID:-//Ringpost//EN\r\nUID:abababababababababababababababab\r\n\
             N:Ø;;;;\r\nFN:Søren\\; \"Ø\"\\, x\r\nORG:A\\;B;\r\nEMAIL;TYPE=INTERNET:s@corp.test\r\n\
             TEL;TYPE=WORK,VOICE:+4533112233 x4711\r\nTEL;TYPE=CELL,VOICE:+4520\r\n\
             IMPP;TYPE=WORK:sip:s@corp.test\r\nEND:VCARD\r\n"
        );
        assert!(
            write(&Entry { name: "Ada".into(), ..Entry::default() }).contains("\r\nN:;Ada;;;\r\nFN:Ada\r\n")
        );
    }
}
