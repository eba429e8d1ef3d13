//! Makes untrusted text safe to show: one line, no controls, no characters that turn the reading order, no end without limit.

/// The longest name, number or Call-ID that a notice shows, in characters.
pub const LONGEST: usize = 120;

/// One line of at most `longest` characters: controls, line and paragraph separators become a space, bidirectional
/// overrides, byte-order marks and non-characters vanish, runs of white space become one space (ROBUSTNESS T15, T16).
pub fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::with_capacity(text.len().min(longest * 4));
    let (mut length, mut space) = (0, false);
    for c in text.chars().filter(|c| !turns_or_hides(*c)) {
        if c.is_control() || c.is_whitespace() {
            space = length > 0;
            continue;
        }
        if length + usize::from(space) >= longest {
            line.pop();
            line.push('…');
            break;
        }
        if space {
            line.push(' ');
            length += 1;
            space = false;
        }
        line.push(c);
        length += 1;
    }
    line
}

/// Text within a line that is read from left to right: isolated (UAX #9, U+2068 and U+2069) where it holds characters that are
/// read from right to left, so that it turns nothing around it. For text without bidirectional controls, as [`one_line`] gives it.
pub fn isolated(text: &str) -> String {
    if text.chars().any(is_right_to_left) { format!("\u{2068}{text}\u{2069}") } else { text.to_owned() }
}

/// The blocks of scripts that are written from right to left.
pub fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8FF}' | '\u{FB1D}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFE}' | '\u{10800}'..='\u{10FFF}' | '\u{1E800}'..='\u{1EFFF}')
}

/// [`one_line`] of something optional; nothing is left of a text without any visible character.
pub fn shown(text: Option<&str>) -> Option<String> {
    text.map(|text| one_line(text, LONGEST)).filter(|line| !line.is_empty())
}

/// A `tel:`, `sip:` or `sips:` URI that may stand in a link (RFC 3966, RFC 3261 §19.1), else nothing.
pub fn link(uri: &str) -> Option<&str> {
    let scheme = uri.split_once(':')?.0.to_ascii_lowercase();
    let dialled = uri.len() > scheme.len() + 1 && uri.len() <= 256;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:?@!$&()*+,;=%[]/".contains(c);
    (matches!(scheme.as_str(), "tel" | "sip" | "sips") && dialled && uri.chars().all(plain)).then_some(uri)
}

/// The reason another side gave, fit for the store and the log: one line, with mail addresses and numbers masked
/// (DESIGN decision 10).
pub fn reason(text: &str) -> String {
    let masked = |word: &str| {
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        if word.contains('@') || digits > 6 { "…".to_owned() } else { word.to_owned() }
    };
    one_line(text, 300).split(' ').map(masked).collect::<Vec<_>>().join(" ")
}

fn turns_or_hides(c: char) -> bool {
    let bidi =
        matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let hidden = matches!(c, '\u{200B}' | '\u{2060}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}');
    bidi || hidden || (c as u32 & 0xFFFE) == 0xFFFE || matches!(c, '\u{FDD0}'..='\u{FDEF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_becomes_one_harmless_line() {
        for (raw, line) in [
            ("Luka A", "Luka A"),
            ("  Søren\tÅ  ", "Søren Å"),
            ("x\r\nBcc: a@b\r\n\r\n.\r\n", "x Bcc: a@b ."),
            ("a\nb\u{85}c\u{2028}d\0e\u{1}f", "a b c d e f"),
            ("\u{202E}evil\u{2066}\u{200F}", "evil"),
            ("👩‍🚀 Ada", "👩‍🚀 Ada"),
            ("\u{FEFF}\u{FFFE}\u{FFFF}", ""),
            ("123456789012", "123456789…"),
            ("12345678 01", "12345678 …"),
            ("1234567890", "1234567890"),
        ] {
            assert_eq!(one_line(raw, if raw.len() < 13 { 10 } else { 40 }), line, "{raw:?}");
        }
    }

    #[test]
    fn a_name_of_another_direction_is_isolated_and_no_other() {
        for (text, isolated_text) in [
            ("Luka A", "Luka A"),
            ("مريم الخطيب", "\u{2068}مريم الخطيب\u{2069}"),
            ("דנה (Sales)", "\u{2068}דנה (Sales)\u{2069}"),
            ("👩‍🚀 山田", "👩‍🚀 山田"),
        ] {
            assert_eq!(isolated(text), isolated_text);
        }
    }

    #[test]
    fn reasons_keep_the_code_and_lose_the_person() {
        for (raw, kept) in [
            ("550 5.1.1 <tu@contoso.com>: no such user", "550 5.1.1 … no such user"),
            ("450 4.2.0 busy\r\n+4544890101", "450 4.2.0 busy …"),
        ] {
            assert_eq!(reason(raw), kept);
        }
    }

    #[test]
    fn only_dialable_uris_become_links() {
        for (uri, good) in [
            ("tel:+4544890101", true),
            ("sip:+4544890101@contoso.com;user=phone", true),
            ("SIPS:a@b", true),
            ("javascript:alert(1)", false),
            ("tel:", false),
            ("tel:+45\"><script>", false),
            ("sip:a@b c", false),
            ("no uri", false),
        ] {
            assert_eq!(link(uri).is_some(), good, "{uri}");
        }
    }
}
