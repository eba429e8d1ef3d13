//! Whether a certificate speaks for a name (RFC 5922 §7, RFC 9525 §6.3).

use std::net::IpAddr;

use super::uri::Uri;

/// The name that a `sip:` URI in a certificate stands for, in lower case; `None` where it is none of a domain
/// (RFC 5922 §7.1).
pub fn domain_of(uri: &str) -> Option<String> {
    let uri = Uri::read(uri.as_bytes()).filter(|uri| uri.is_sip() && uri.user.is_none())?;
    std::str::from_utf8(uri.host).ok().and_then(plain)
}

/// A DNS name of a certificate in lower case; `None` where an octet in it belongs into no name, such as NUL.
pub fn plain(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-._*:[]".contains(&octet);
    (!name.is_empty() && name.bytes().all(fits)).then(|| name.to_ascii_lowercase())
}

/// Whether one of a certificate's names is `wanted`. A wildcard is a whole first label, stands for one label, and has
/// two more behind it; an address has to be there to the letter.
pub fn speaks_for(names: &[String], wanted: &str) -> bool {
    let wanted = wanted.strip_suffix('.').unwrap_or(wanted);
    let address = wanted.parse::<IpAddr>().is_ok();
    names.iter().any(|name| {
        name.eq_ignore_ascii_case(wanted)
            || (!address
                && name.strip_prefix("*.").is_some_and(|rest| {
                    let parent = wanted.split_once('.').filter(|(label, _)| !label.is_empty());
                    rest.contains('.')
                        && !rest.contains('*')
                        && parent.is_some_and(|(_, parent)| parent.eq_ignore_ascii_case(rest))
                }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R87, the rules behind T21.
    #[test]
    fn a_name_is_spoken_for_or_not() {
        for (name, wanted, expected) in [
            ("pbx.example.com", "PBX.example.com", true),
            ("pbx.example.com", "pbx.example.com.", true),
            ("pbx.example.com", "example.com", false),
            ("*.example.com", "pbx.example.com", true),
            ("*.example.com", "a.pbx.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.com", "example.com", false),
            ("p*.example.com", "pbx.example.com", false),
            ("*.*.com", "a.*.com", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("*.0.2.1", "192.0.2.1", false),
            ("2001:db8::1", "2001:db8::1", true),
        ] {
            assert_eq!(speaks_for(&[name.to_owned()], wanted), expected, "{name} for {wanted}");
        }
        assert!(!speaks_for(&[], "pbx.example.com"));
    }

    #[test]
    fn what_is_no_name_of_a_domain() {
        assert_eq!(plain("Pbx.Example.com."), Some("pbx.example.com".to_owned()));
        for bad in ["", ".", "pbx.example.com\0.evil.test", "a b", "ü"] {
            assert_eq!(plain(bad), None, "{bad:?}");
        }
        assert_eq!(domain_of("sip:Example.com"), Some("example.com".to_owned()));
        for bad in ["sip:me@example.com", "http://example.com", "example.com", "sip:\0"] {
            assert_eq!(domain_of(bad), None, "{bad:?}");
        }
    }
}
