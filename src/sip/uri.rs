//! SIP, SIPS and tel URIs and the addresses around them, as views of the original octets (RFC 3261 §19.1, §20.10; RFC 3966).

use std::borrow::Cow;

use super::text::{find_bare, is_host, is_space, param, trim};

/// A URI split into its parts; nothing is unescaped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Uri<'a> {
    /// `sip`, `sips`, `tel` or anything else, as written.
    pub scheme: &'a [u8],
    /// Before the `@`, parameters of the user part included; for `tel:` the number with its parameters cut off.
    pub user: Option<&'a [u8]>,
    /// Name or address; an IPv6 address keeps its brackets. Empty for `tel:`.
    pub host: &'a [u8],
    /// The port, where one is written.
    pub port: Option<u16>,
    /// From the first `;` behind the host on, without headers.
    pub params: &'a [u8],
    /// Behind the `?`.
    pub headers: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Reads a whole URI; `None` where it is none.
    pub fn read(written: &'a [u8]) -> Option<Self> {
        let colon = memchr::memchr(b':', written)?;
        let (scheme, rest) = (&written[..colon], &written[colon + 1..]);
        if !is_scheme(scheme)
            || rest.is_empty()
            || rest.iter().any(|o| *o == b' ' || o.is_ascii_control() || matches!(o, b'<' | b'>' | b'"'))
        {
            return None;
        }
        if scheme.eq_ignore_ascii_case(b"sip") || scheme.eq_ignore_ascii_case(b"sips") {
            return Self::read_sip(scheme, rest);
        }
        let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
        (end > 0).then_some(Self {
            scheme,
            user: Some(&rest[..end]),
            host: b"",
            port: None,
            params: &rest[end..],
            headers: b"",
        })
    }

    fn read_sip(scheme: &'a [u8], rest: &'a [u8]) -> Option<Self> {
        // `@` cannot stand unescaped behind the host, so the first one ends the user part, whatever that holds.
        let (user, rest) = match memchr::memchr(b'@', rest) {
            Some(0) => return None,
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let end = rest.iter().position(|o| matches!(o, b';' | b'?')).unwrap_or(rest.len());
        let (hostport, tail) = rest.split_at(end);
        let (host, port) = host_port(hostport)?;
        let question = memchr::memchr(b'?', tail).unwrap_or(tail.len());
        let headers = tail.get(question + 1..).unwrap_or(b"");
        Some(Self { scheme, user, host, port, params: &tail[..question], headers })
    }

    /// Whether the scheme is `sip` or `sips`.
    pub fn is_sip(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"sip") || self.scheme.eq_ignore_ascii_case(b"sips")
    }

    /// The user part up to its own parameters: `+45448901` of `+45448901;npdi;rn=1` (RFC 3261 §19.1.6).
    pub fn bare_user(&self) -> Option<&'a [u8]> {
        let user = self.user?;
        let user = &user[..memchr::memchr(b';', user).unwrap_or(user.len())];
        Some(&user[..memchr::memchr(b':', user).unwrap_or(user.len())])
    }

    /// The number or name that is called or calls: the user part without its own parameters, but with the extension
    /// behind a number, `+4544890101;ext=200` (RFC 3966 §5.1.2, RFC 3261 §19.1.6).
    pub fn number(&self) -> Option<Cow<'a, str>> {
        let bare = self.bare_user()?;
        let user = self.user?;
        let params = if self.is_sip() { &user[bare.len()..] } else { self.params };
        let ext = if params.first() == Some(&b';') { param(params, "ext") } else { None };
        let ext = ext.map(|ext| ext.iter().copied().filter(|o| !b"-.()".contains(o)).collect::<Vec<_>>());
        let bare = String::from_utf8_lossy(bare);
        match ext.and_then(|ext| String::from_utf8(ext).ok()) {
            Some(ext) if !ext.is_empty() && ext.bytes().all(|o| o.is_ascii_digit()) => {
                Some(Cow::Owned(format!("{bare};ext={ext}")))
            }
            _ => Some(bare),
        }
    }

    /// The value of a parameter of the user part, or of a `tel:` URI.
    pub fn user_param(&self, name: &str) -> Option<&'a [u8]> {
        let user = self.user?;
        let params = if self.is_sip() { &user[memchr::memchr(b';', user)?..] } else { self.params };
        param(params, name)
    }

    /// The value of a URI parameter.
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        param(self.params, name)
    }
}

fn is_scheme(scheme: &[u8]) -> bool {
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|o| o.is_ascii_alphanumeric() || b"+-.".contains(o))
}

/// Splits `host[:port]`; `None` where the host is empty or holds what no host may, or the port is no port.
pub fn host_port(written: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let (host, port) = if written.first() == Some(&b'[') {
        let end = memchr::memchr(b']', written)? + 1;
        let inside = &written[1..end - 1];
        if inside.is_empty()
            || !inside.iter().all(|o| o.is_ascii_hexdigit() || matches!(o, b':' | b'.' | b'%'))
        {
            return None;
        }
        (&written[..end], &written[end..])
    } else {
        let (host, port) = written.split_at(memchr::memchr(b':', written).unwrap_or(written.len()));
        if host.is_empty() || !host.iter().all(|o| is_host(*o)) {
            return None;
        }
        (host, port)
    };
    let port = match trim(port) {
        [] => None,
        [b':', digits @ ..] => Some(u16::try_from(super::text::number(trim(digits))?).ok()?),
        _ => return None,
    };
    Some((trim(host), port))
}

/// A `name-addr` or `addr-spec` with its header parameters, `"Name" <uri>;tag=x`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NameAddr<'a> {
    /// The display name as written, quotes included; empty where there is none.
    pub display: &'a [u8],
    /// The URI without brackets.
    pub uri: &'a [u8],
    /// From the first `;` behind the address on.
    pub params: &'a [u8],
}

impl<'a> NameAddr<'a> {
    /// Reads one address; `None` where quotes or brackets do not balance or it is empty.
    pub fn read(value: &'a [u8]) -> Option<Self> {
        let value = trim(value);
        match find_bare(value, b'<') {
            Some(open) => {
                let close = open + memchr::memchr(b'>', &value[open..])?;
                let (display, params) = (trim(&value[..open]), trim(&value[close + 1..]));
                if !quotes_balance(display) || !matches!(params.first(), None | Some(b';')) {
                    return None;
                }
                Some(Self { display, uri: trim(&value[open + 1..close]), params })
            }
            None => {
                // Without brackets every parameter is the header's, not the URI's (RFC 3261 §20.10).
                let (uri, params) = value.split_at(memchr::memchr(b';', value).unwrap_or(value.len()));
                let uri = trim(uri);
                let legal = !uri.is_empty() && !uri.iter().any(|o| matches!(o, b'"' | b'>'));
                legal.then_some(Self { display: b"", uri, params })
            }
        }
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&'a [u8]> {
        param(self.params, "tag").filter(|tag| !tag.is_empty())
    }

    /// The display name as text: quotes and escapes undone, bytes that are not UTF-8 read as Latin-1. Empty: `None`.
    pub fn display_text(&self) -> Option<String> {
        let inner = match self.display {
            [b'"', inner @ .., b'"'] => unescape(inner),
            bare => bare.to_vec(),
        };
        let text = String::from_utf8(inner)
            .unwrap_or_else(|e| e.as_bytes().iter().map(|o| char::from(*o)).collect());
        // A fold counts as one space (RFC 3261 §25.1).
        let lines: Vec<_> = text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()).collect();
        (!lines.is_empty()).then(|| lines.join(" "))
    }

    /// Whether an unquoted display name can be told from what surrounds it. The grammar asks for tokens; PBXs send
    /// `John & Co` and `Doe (Sales)`, and RFC 4475 §3.1.2.15 lets an element accept what it can understand.
    pub fn display_is_legal(&self) -> bool {
        let separates = |o: &u8| b",;<>\"\\".contains(o) || o.is_ascii_control() && !is_space(*o);
        self.display.first() == Some(&b'"') || !self.display.iter().any(separates)
    }
}

fn unescape(quoted: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let mut text = quoted.to_vec();
    text.retain(|o| {
        escaped = *o == b'\\' && !escaped;
        !escaped
    });
    text
}

fn quotes_balance(display: &[u8]) -> bool {
    let (mut quoted, mut at) = (false, 0);
    while at < display.len() {
        match display[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            _ => {}
        }
        at += 1;
    }
    !quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_parts_are_taken_whole() {
        type Row = (&'static str, Option<&'static str>, Option<&'static str>, &'static str, Option<u16>);
        let rows: [Row; 8] = [
            ("sip:first.last@example.test", Some("first.last"), Some("first.last"), "example.test", None),
            (
                "sip:+4511;phone-context=x.y@h:5062",
                Some("+4511;phone-context=x.y"),
                Some("+4511"),
                "h",
                Some(5062),
            ),
            ("sip:+1;npdi;rn=+2@h_1;user=phone", Some("+1;npdi;rn=+2"), Some("+1"), "h_1", None),
            ("sip:%23%2a@h", Some("%23%2a"), Some("%23%2a"), "h", None),
            ("sip:a:pw@[2001:db8::1]:5060", Some("a:pw"), Some("a"), "[2001:db8::1]", Some(5060)),
            ("tel:+45-44;ext=2", Some("+45-44"), Some("+45-44"), "", None),
            ("sip:host.only", None, None, "host.only", None),
            ("SIPS:u@h;transport=tcp?Subject=x", Some("u"), Some("u"), "h", None),
        ];
        for (written, user, bare, host, port) in rows {
            let uri = Uri::read(written.as_bytes()).expect(written);
            assert_eq!(uri.user, user.map(str::as_bytes), "{written}");
            assert_eq!(uri.bare_user(), bare.map(str::as_bytes), "{written}");
            assert_eq!((uri.host, uri.port), (host.as_bytes(), port), "{written}");
        }
    }

    #[test]
    fn r26_an_extension_belongs_to_the_number() {
        for (written, number) in [
            ("sip:+4544890101;ext=200@h;user=phone", "+4544890101;ext=200"),
            ("sip:+4544890101;EXT=2-0.0;isub=1@h", "+4544890101;ext=200"),
            ("sip:+4544890101;isub=1;ext=200;phone-context=x@h", "+4544890101;ext=200"),
            ("tel:+4544890101;ext=200", "+4544890101;ext=200"),
            ("tel:+45-44-89;isub=1;ext=7", "+45-44-89;ext=7"),
            ("sip:+4544890101;phone-context=x@h", "+4544890101"),
            // The parameters of a SIP URI are not those of its number.
            ("sip:+4544890101@h;ext=200", "+4544890101"),
            ("sip:+4544890101;ext=@h", "+4544890101"),
            ("sip:+4544890101;ext=2a@h", "+4544890101"),
            ("sip:alice:pw@h", "alice"),
        ] {
            let uri = Uri::read(written.as_bytes()).expect(written);
            assert_eq!(uri.number().as_deref(), Some(number), "{written}");
        }
        let context =
            |uri: &'static str| Uri::read(uri.as_bytes()).and_then(|uri| uri.user_param("phone-context"));
        assert_eq!(context("sip:2160;phone-context=dialstring@h;user=phone"), Some(&b"dialstring"[..]));
        assert_eq!(context("tel:2160;phone-context=dialstring"), Some(&b"dialstring"[..]));
        assert_eq!(context("sip:2160@h;phone-context=dialstring"), None);
        assert_eq!(context("sip:h"), None);
    }

    #[test]
    fn what_is_no_uri_is_refused() {
        for bad in [
            "",
            "sip:",
            "nocolon",
            "sip:@h",
            "sip:u@",
            "sip:u@h:99999",
            "sip:u @h",
            "<sip:u@h>",
            "sip:u@[::1",
            "1:x",
            "sip:a\0b@h",
            "sip:a@h;x=\u{7f}",
            "tel:",
            "tel:;ext=2",
        ] {
            assert_eq!(Uri::read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn addresses_in_every_shape() {
        let rows: [(&str, &str, &str, Option<&str>); 8] = [
            (r#""A \"B\", ; <C>" <sip:a@h;x=1>;tag=t"#, r#"A "B", ; <C>"#, "sip:a@h;x=1", Some("t")),
            ("Bob <sip:b@h> ; tag = x", "Bob", "sip:b@h", Some("x")),
            ("sip:c@h;tag=y", "", "sip:c@h", Some("y")),
            ("<tel:+45;ext=2>", "", "tel:+45;ext=2", None),
            ("J\u{f6}rg <sip:j@h>", "J\u{f6}rg", "sip:j@h", None),
            ("sip:e@h;+sip.instance=\"<urn:x>\";tag=z", "", "sip:e@h", Some("z")),
            ("\"A\r\n B\"\r\n <sip:f@h>", "A B", "sip:f@h", None),
            (r#""\\" <sip:d@h>"#, r"\", "sip:d@h", None),
        ];
        for (written, display, uri, tag) in rows {
            let address = NameAddr::read(written.as_bytes()).expect(written);
            assert_eq!(address.display_text().unwrap_or_default(), display, "{written}");
            assert_eq!(address.uri, uri.as_bytes(), "{written}");
            assert_eq!(address.tag(), tag.map(str::as_bytes), "{written}");
        }
        assert_eq!(
            NameAddr::read(b"J\xf6rg <sip:j@h>").and_then(|a| a.display_text()).as_deref(),
            Some("Jörg")
        );
        for bad in [r#""open <sip:a@h>"#, "<sip:a@h", "", r#""x""#, "<sip:a@h>x", r#""x" sip:a@h"#, ";tag=x"]
        {
            assert_eq!(NameAddr::read(bad.as_bytes()), None, "{bad}");
        }
    }
}
