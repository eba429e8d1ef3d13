//! REFER inside a dialog: who asks that the other party calls somebody else (RFC 3515), in place of whom (RFC 3891), and
//! what it hears of that.

use super::{
    build::phrase,
    message::Message,
    name::Name,
    replaces::Replaces,
    text::{param, trim},
    uri::{NameAddr, Uri},
};

/// What a REFER asks for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refer {
    /// The URI to be called, without its headers and its method parameter.
    pub uri: Vec<u8>,
    /// The dialog that the new call takes the place of: an attended transfer.
    pub replaces: Option<Replaces>,
    /// The number that tells this REFER's NOTIFYs from another's: its CSeq (RFC 3515 §2.4.6).
    pub id: u32,
    /// Whether the referrer wants NOTIFYs; `Refer-Sub: false` says not (RFC 4488).
    pub notified: bool,
    /// Who refers, as the referrer says (RFC 3892); nothing to be believed of anybody outside.
    pub by: Option<Vec<u8>>,
}

impl Refer {
    /// Reads a REFER.
    ///
    /// # Errors
    /// The code to refuse it with: 400 where there is not exactly one Refer-To or it cannot be read, 501 where it asks for
    /// another method than INVITE or another scheme than SIP's.
    pub fn read(request: &Message) -> Result<Self, u16> {
        let mut targets = request.values(Name::ReferTo);
        let (Some(target), None) = (targets.next(), targets.next()) else { return Err(400) };
        let uri = NameAddr::read(target).ok_or(400u16)?.uri;
        let (uri, headers) = match uri.iter().position(|o| *o == b'?') {
            Some(at) => (&uri[..at], &uri[at + 1..]),
            None => (uri, &b""[..]),
        };
        // It becomes a Request-URI: a blank or a fold in it would say something else there.
        if Uri::read(uri).is_none() || !uri.iter().all(u8::is_ascii_graphic) {
            return Err(400);
        }
        let scheme = uri.iter().position(|o| *o == b':').map_or(&b""[..], |at| &uri[..at]);
        if ![&b"sip"[..], b"sips", b"tel"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(501);
        }
        let params = uri.iter().position(|o| *o == b';').map_or(&b""[..], |at| &uri[at..]);
        if param(params, "method").is_some_and(|method| !method.eq_ignore_ascii_case(b"INVITE")) {
            return Err(501);
        }
        let replaces =
            header(headers, "replaces").map(|value| Replaces::read(&value).ok_or(400u16)).transpose()?;
        let id = request.cseq().ok_or(400u16)?.0;
        let mut subscriptions = request
            .fields()
            .filter(|field| request.written_name(field).eq_ignore_ascii_case(b"Refer-Sub"))
            .map(|field| trim(request.value(field)));
        let notified =
            !subscriptions.any(|value| value.get(..5).is_some_and(|v| v.eq_ignore_ascii_case(b"false")));
        let mut fields = request.fields();
        let by = fields.find(|field| request.written_name(field).eq_ignore_ascii_case(b"Referred-By"));
        let by = by.and_then(|field| Some(NameAddr::read(request.value(field))?.uri.to_vec()));
        Ok(Self { uri: without_method(uri), replaces, id, notified, by })
    }
}

/// How a NOTIFY tells the referrer that the new call has come to `code`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Progress {
    /// The value of Event.
    pub event: String,
    /// The value of Subscription-State: over with the first final code.
    pub state: &'static str,
    /// The body, of type [`SIPFRAG`].
    pub body: String,
}

/// The media type of a NOTIFY's body (RFC 3420).
pub const SIPFRAG: &[u8] = b"message/sipfrag;version=2.0";

impl Progress {
    /// The NOTIFY of the REFER with that number.
    pub fn of(id: u32, code: u16) -> Self {
        let state = if code < 200 { "active;expires=180" } else { "terminated;reason=noresource" };
        Self { event: format!("refer;id={id}"), state, body: format!("SIP/2.0 {code} {}\r\n", phrase(code)) }
    }
}

/// One header of a URI, its value unescaped (RFC 3261 §19.1.1).
fn header(headers: &[u8], wanted: &str) -> Option<Vec<u8>> {
    headers.split(|o| *o == b'&').find_map(|header| {
        let at = header.iter().position(|o| *o == b'=')?;
        let (name, value) = (unescaped(&header[..at]), &header[at + 1..]);
        name.eq_ignore_ascii_case(wanted.as_bytes()).then(|| unescaped(value))
    })
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let digit = |octet: Option<&u8>| octet.and_then(|octet| char::from(*octet).to_digit(16));
    let mut plain = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match (text[at], digit(text.get(at + 1)), digit(text.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                plain.push((high << 4 | low) as u8);
                at += 3;
            }
            (octet, ..) => {
                plain.push(octet);
                at += 1;
            }
        }
    }
    plain
}

fn without_method(uri: &[u8]) -> Vec<u8> {
    let mut parts = uri.split(|o| *o == b';');
    let mut plain = parts.next().unwrap_or(b"").to_vec();
    for part in parts.filter(|part| !part.get(..7).is_some_and(|name| name.eq_ignore_ascii_case(b"method=")))
    {
        plain.push(b';');
        plain.extend_from_slice(part);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refer(headers: &str) -> Result<Refer, u16> {
        let text = format!("REFER sip:a@h SIP/2.0\r\nCSeq: 7 REFER\r\n{headers}\r\n\r\n");
        Refer::read(&Message::read(text.into()).expect("a request"))
    }

    #[test]
    fn a_refer_names_one_target() {
        /// The target and whether the referrer is notified.
        type Read = Result<(&'static str, bool), u16>;
        let rows: [(&str, Read); 12] = [
            ("Refer-To: <sip:1002@corp.test>", Ok(("sip:1002@corp.test", true))),
            ("r: sip:1002@corp.test", Ok(("sip:1002@corp.test", true))),
            ("Refer-To: <tel:+4533112233>\r\nRefer-Sub: false", Ok(("tel:+4533112233", false))),
            ("Refer-To: Bob <sip:b@h;method=INVITE;user=phone>", Ok(("sip:b@h;user=phone", true))),
            ("Refer-To: <sip:b@h;method=BYE>", Err(501)),
            ("Refer-To: <http://h/>", Err(501)),
            ("Refer-To: <sip:b@h SIP/2.0>", Err(400)),
            ("Refer-To: <sip:b@h\r\n Subject: x>", Err(400)),
            ("Refer-To: <sip:>", Err(400)),
            ("Refer-To: <sip:b@h>\r\nRefer-To: <sip:c@h>", Err(400)),
            ("Subject: x", Err(400)),
            ("Refer-To: <sip:b@h?Replaces=no-tags>", Err(400)),
        ];
        for (headers, expected) in rows {
            let seen = refer(headers);
            let seen = seen.as_ref().map(|r| (std::str::from_utf8(&r.uri).expect("text"), r.notified));
            assert_eq!(seen.map_err(|code| *code), expected, "{headers}");
        }
    }

    #[test]
    fn an_attended_transfer_names_the_dialog_to_replace() {
        let seen = refer("Refer-To: <sip:b@h?Subject=x&REPLACES=a%40h%3Bto-tag%3Dt1%3Bfrom-tag%3Df%2B2>");
        let (call_id, to_tag, from_tag) = (b"a@h".to_vec(), b"t1".to_vec(), b"f+2".to_vec());
        let named = Replaces { call_id, to_tag, from_tag, early_only: false };
        assert_eq!(seen.expect("a REFER").replaces, Some(named));
    }

    #[test]
    fn the_referrer_hears_how_it_goes() {
        let ringing = Progress::of(7, 180);
        assert_eq!(
            (ringing.event.as_str(), ringing.body.as_str()),
            ("refer;id=7", "SIP/2.0 180 Ringing\r\n")
        );
        assert_eq!(ringing.state, "active;expires=180");
        assert_eq!(Progress::of(7, 486).state, "terminated;reason=noresource");
    }
}
