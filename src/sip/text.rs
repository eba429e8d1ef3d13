//! Small scanners over header values. White space is LWS throughout: SP, TAB and folded lines (RFC 3261 §25.1).

/// Whether an octet is white space inside a header value.
pub fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether an octet may stand in a token (RFC 3261 §25.1).
pub fn is_token(octet: u8) -> bool {
    TOKEN[octet as usize]
}

/// Whether an octet may stand in a host name: `_` is no host character, but PBXs use it.
pub fn is_host(octet: u8) -> bool {
    HOST[octet as usize]
}

const TOKEN: [bool; 256] = alphanumeric_and(b"-.!%*_+`'~");
const HOST: [bool; 256] = alphanumeric_and(b"-._");

const fn alphanumeric_and(marks: &[u8]) -> [bool; 256] {
    let mut octets = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        octets[octet] = (octet as u8).is_ascii_alphanumeric();
        octet += 1;
    }
    let mut mark = 0;
    while mark < marks.len() {
        octets[marks[mark] as usize] = true;
        mark += 1;
    }
    octets
}

/// The value without white space at either end.
pub fn trim(value: &[u8]) -> &[u8] {
    let start = value.iter().position(|o| !is_space(*o)).unwrap_or(value.len());
    let end = value.iter().rposition(|o| !is_space(*o)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// A decimal number of digits only; `None` where it is empty, something else, or above `u32::MAX`.
pub fn number(value: &[u8]) -> Option<u32> {
    if value.is_empty() || value.len() > 10 || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let wide = value.iter().fold(0u64, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    u32::try_from(wide).ok()
}

/// Where `wanted` stands outside quoted strings and angle brackets; `None` where it does not.
pub fn find_bare(value: &[u8], wanted: u8) -> Option<usize> {
    // Up to the first quote or bracket nothing can hide what is wanted.
    let mut at = memchr::memchr3(wanted, b'"', b'<', value)?;
    let (mut quoted, mut angled) = (false, false);
    while at < value.len() {
        match value[at] {
            b'\\' if quoted => at += 1,
            b'"' if !angled => quoted = !quoted,
            b'<' if !quoted && wanted != b'<' => angled = true,
            b'>' if !quoted => angled = false,
            octet if octet == wanted && !quoted && !angled => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Splits a header value at its bare commas; each part is trimmed, empty parts are left out.
pub fn split_commas(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let whole = rest?;
        let (part, after) = match find_bare(whole, b',') {
            Some(at) => (&whole[..at], Some(&whole[at + 1..])),
            None => (whole, None),
        };
        rest = after;
        Some(trim(part))
    })
    .filter(|part| !part.is_empty())
}

/// The parameters of `;a=b;c` in order: name, and value where there is one (quotes kept).
pub fn params(tail: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
    let mut rest = tail;
    std::iter::from_fn(move || {
        loop {
            let start = find_bare(rest, b';')?;
            let after = &rest[start + 1..];
            let end = find_bare(after, b';').unwrap_or(after.len());
            let one = trim(&after[..end]);
            rest = &after[end..];
            if one.is_empty() {
                continue;
            }
            return Some(match memchr::memchr(b'=', one) {
                Some(at) => (trim(&one[..at]), Some(trim(&one[at + 1..]))),
                None => (one, None),
            });
        }
    })
}

/// The value of one parameter, its name in any case; a parameter without value is `Some(b"")`.
pub fn param<'a>(tail: &'a [u8], name: &str) -> Option<&'a [u8]> {
    params(tail).find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, v)| v.unwrap_or(b""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_split_outside_quotes_and_brackets_only() {
        let value = br#""a, b" <sip:x@y;p=1,2>;q=0.5 , <sip:z@y>,, c"#;
        let parts: Vec<_> = split_commas(value).map(String::from_utf8_lossy).collect();
        assert_eq!(parts, [r#""a, b" <sip:x@y;p=1,2>;q=0.5"#, "<sip:z@y>", "c"]);
    }

    #[test]
    fn parameters_may_have_space_around_everything() {
        let tail = b" ; tag = x ;lr; q=\"a;b\"";
        let all: Vec<_> = params(tail).collect();
        assert_eq!(all, [(&b"tag"[..], Some(&b"x"[..])), (b"lr", None), (b"q", Some(b"\"a;b\""))]);
        assert_eq!(param(tail, "TAG"), Some(&b"x"[..]));
        assert_eq!(param(tail, "lr"), Some(&b""[..]));
        assert_eq!(param(tail, "none"), None);
    }

    #[test]
    fn numbers_are_digits_and_fit() {
        let rows: [(&[u8], Option<u32>); 6] = [
            (b"0009", Some(9)),
            (b"4294967295", Some(u32::MAX)),
            (b"4294967296", None),
            (b"-1", None),
            (b"", None),
            (b"1 2", None),
        ];
        for (written, value) in rows {
            assert_eq!(number(written), value);
        }
    }
}
