//! SIP URIs as a site names them (RFC 3261 §19.1.1), strictly.

use std::net::Ipv6Addr;

/// The parts of a SIP URI that a site is checked by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SipUri {
    /// The user part, unescaped nowhere.
    pub user: Option<String>,
    /// The host in lower case; an IPv6 address with its brackets.
    pub host: String,
}

/// Reads `sip:[user@]host[:port][;parameter…]`.
///
/// # Errors
/// What is wrong, without the URI itself.
pub fn sip(text: &str) -> Result<SipUri, String> {
    let wanted = || "wants a SIP URI such as \"sip:desk@192.0.2.7:5060\"".to_owned();
    let (scheme, rest) = text.split_once(':').ok_or_else(wanted)?;
    match scheme.to_ascii_lowercase().as_str() {
        "sip" => {}
        "sips" => return Err("wants sip: with ;transport=tls".to_owned()),
        _ => return Err(wanted()),
    }
    let (address, parameters) = rest.split_once(';').unwrap_or((rest, ""));
    let (user, place) = match address.rsplit_once('@') {
        Some((user, place)) => (Some(user_part(user)?), place),
        None => (None, address),
    };
    let (host, port) = split_port(place);
    if !is_host(host) {
        return Err(format!("{}: its host is no name and no address", wanted()));
    }
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return Err("its port is no number from 1 to 65535".to_owned());
    }
    check_parameters(parameters)?;
    Ok(SipUri { user, host: host.to_ascii_lowercase() })
}

/// Whether `text` is a host name, an IPv4 address or an IPv6 address in brackets.
pub fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    let label = |label: &str| {
        let edges = !label.starts_with('-') && !label.ends_with('-');
        let letters = label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet));
        (1..=63).contains(&label.len()) && edges && letters
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    let digits_last = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|o| o.is_ascii_digit()));
    match digits_last {
        // RFC 3261 §25.1: a top label begins with a letter, so this has to be an address.
        true => name.parse::<std::net::Ipv4Addr>().is_ok(),
        false => name.len() <= 253 && name.split('.').all(label),
    }
}

fn user_part(user: &str) -> Result<String, String> {
    // RFC 3261 §25.1: unreserved, user-unreserved, escaped.
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/%".contains(&octet);
    if user.contains(':') {
        return Err("a password does not belong into a SIP URI".to_owned());
    }
    if user.is_empty() || !user.bytes().all(legal) {
        return Err("its user part is empty or holds a character that a SIP URI may not hold".to_owned());
    }
    Ok(user.to_owned())
}

fn split_port(place: &str) -> (&str, Option<&str>) {
    match place.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (place, None),
    }
}

fn check_parameters(parameters: &str) -> Result<(), String> {
    let legal = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.!~*'()[]/:&+$%=;".contains(&octet);
    if !parameters.bytes().all(legal) {
        return Err("its parameters hold a character that they may not hold".to_owned());
    }
    for parameter in parameters.split(';') {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let carried = ["udp", "tcp", "tls"].iter().any(|known| value.eq_ignore_ascii_case(known));
        if name.eq_ignore_ascii_case("transport") && !carried {
            return Err("its transport is none of udp, tcp and tls".to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sip_uri_is_read_or_refused() {
        for (text, user, host) in [
            ("sip:desk@127.0.0.1:6071", Some("desk"), "127.0.0.1"),
            ("sip:um@127.0.0.1:6073", Some("um"), "127.0.0.1"),
            ("SIP:+15550101@Example.Test", Some("+15550101"), "example.test"),
            ("sip:pbx.example.test;transport=tcp;lr", None, "pbx.example.test"),
            ("sip:a@[2001:db8::1]:5060", Some("a"), "[2001:db8::1]"),
            ("sip:a@[::1]", Some("a"), "[::1]"),
            ("sip:a;x=1@host", None, ""),
        ] {
            let expected =
                (!host.is_empty()).then(|| SipUri { user: user.map(str::to_owned), host: host.to_owned() });
            assert_eq!(sip(text).ok(), expected, "{text}");
        }
        for text in [
            "",
            "sip:",
            "sip:@host",
            "desk@host",
            "sips:a@host",
            "tel:+1555",
            "sip:a@",
            "sip:a@host:0",
            "sip:a@host:65536",
            "sip:a@host:x",
            "sip:a:secret@host",
            "sip:a b@host",
            "<sip:a@host>",
            "sip:a@256.0.0.1",
            "sip:a@[::1",
            "sip:a@host;transport=sctp",
            "sip:a@host?Subject=x",
            "sip:a@ho\r\nst",
            "sip:a@-host",
            "sip:a@ho..st",
            "sip:é@host",
        ] {
            assert!(sip(text).is_err(), "{text:?}");
        }
    }
}
