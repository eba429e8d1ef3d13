//! Where a referral leads: an LDAP URL (RFC 4516 §2).

/// A server and, where the URL says it, where to search there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Referral {
    /// `ldaps://`.
    pub implicit_tls: bool,
    /// The host's name or address, in lower case.
    pub host: String,
    /// The port; 389 or 636 by default.
    pub port: u16,
    /// The entry to search below; `None`: where the search was.
    pub base: Option<String>,
    /// The scope to search; `None`: as the search was.
    pub scope: Option<Scope>,
}

/// How far below the base.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// The base alone.
    Base,
    /// Its children.
    OneLevel,
    /// It and all below.
    Subtree,
}

/// Reads a referral; `None`: nothing that could be followed.
pub fn referral(url: &str) -> Option<Referral> {
    let (scheme, rest) = url.split_once("://")?;
    let implicit_tls = match scheme.to_ascii_lowercase().as_str() {
        "ldap" => false,
        "ldaps" => true,
        _ => return None,
    };
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = placed(place)?;
    let mut parts = path.split('?');
    let base = decoded(parts.next().unwrap_or_default())?;
    let scope = match parts.nth(1).unwrap_or_default().to_ascii_lowercase().as_str() {
        "" => None,
        "base" => Some(Scope::Base),
        "one" => Some(Scope::OneLevel),
        "sub" => Some(Scope::Subtree),
        _ => return None,
    };
    // A filter or an extension would change what is asked for: nobody has a use for that here.
    Some(Referral {
        implicit_tls,
        host: host.to_ascii_lowercase(),
        port: port.unwrap_or(if implicit_tls { 636 } else { 389 }),
        base: (!base.is_empty()).then_some(base),
        scope,
    })
}

/// Host and port; an IPv6 address stands in brackets.
fn placed(place: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match place.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => place.find(':').map_or((place, ""), |at| place.split_at(at)),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(port.parse().ok().filter(|port| *port != 0)?),
        None if rest.is_empty() => None,
        None => return None,
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!host.is_empty() && host.len() <= 255 && host.chars().all(plain)).then_some((host, port))
}

/// `%41` as `A`; `None`: not UTF-8, or a `%` without two digits.
fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        let digit = |octet: Option<u8>| char::from(octet?).to_digit(16);
        match octet {
            b'%' => octets.push((digit(rest.next())? * 16 + digit(rest.next())?) as u8),
            other => octets.push(other),
        }
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_somewhere_or_nowhere() {
        let to = |implicit_tls, host: &str, port, base: Option<&str>, scope| {
            Some(Referral { implicit_tls, host: host.into(), port, base: base.map(str::to_owned), scope })
        };
        let rows = [
            ("ldap://DC2.corp.test", to(false, "dc2.corp.test", 389, None, None)),
            ("ldaps://dc2.corp.test:1636/", to(true, "dc2.corp.test", 1636, None, None)),
            (
                "ldap://corp.test/CN=Configuration,DC=corp,DC=test??sub",
                to(false, "corp.test", 389, Some("CN=Configuration,DC=corp,DC=test"), Some(Scope::Subtree)),
            ),
            (
                "ldap://h/ou=J%C3%B6rg%20%3f??BASE?(objectClass=*)",
                to(false, "h", 389, Some("ou=Jörg ?"), Some(Scope::Base)),
            ),
            ("ldap://[2001:db8::1]:390/dc=x", to(false, "2001:db8::1", 390, Some("dc=x"), None)),
            ("ldapi://%2fvar%2frun", None),
            ("http://x.test/", None),
            ("ldap:///dc=x", None),
            ("ldap://user@x.test/", None),
            ("ldap://x.test:0/", None),
            ("ldap://x.test:99999/", None),
            ("ldap://x.test/%zz", None),
            ("ldap://x.test/%ff", None),
            ("ldap://x.test/dc=x??up", None),
            ("", None),
        ];
        for (url, expected) in rows {
            assert_eq!(referral(url), expected, "{url}");
        }
    }
}
