//! Messages of an LDAP server as octets (RFC 4511 §5.1): where one ends, and whether it is what a client can have asked for.
//! Whoever decodes them behind this check meets only what the grammar allows, in a size that was agreed upon.

/// Why a server's octets are not gone on with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Spoilt {
    /// The octets are no LDAP message.
    #[error("what came is no LDAP message ({0})")]
    Grammar(&'static str),
    /// A message of so many octets.
    #[error("a message of {0} octets is larger than max_message")]
    TooLarge(usize),
    /// RFC 4511 §4.4.1: the server goes, with its result code and its words.
    #[error("the server closes the connection (result {0}: {1})")]
    Disconnects(u32, String),
}

/// What a message is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The end of what was asked: a result.
    Result,
    /// An entry or a reference of a search; more follows.
    Part,
}

/// The result of an operation.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The result code, RFC 4511 appendix A.
    pub code: u32,
    /// The server's words.
    pub text: String,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const CONTROLS: u8 = 0xa0;
/// Where Active Directory puts the name of its notice of disconnection, outside of the response.
const MISPLACED_NAME: u8 = 0x8a;
const BIND: u8 = 0x61;
const ENTRY: u8 = 0x64;
const DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;
const EXTENDED: u8 = 0x78;
const REFERRAL: u8 = 0xa3;
const SASL: u8 = 0x87;
const NAME: u8 = 0x8a;
const VALUE: u8 = 0x8b;

/// The length of the first message in `octets`, header and all; `None`: it has not come as a whole yet.
///
/// # Errors
/// What came cannot become a message of at most `largest` octets.
pub fn length(octets: &[u8], largest: usize) -> Result<Option<usize>, Spoilt> {
    match octets.first() {
        None => return Ok(None),
        Some(&SEQUENCE) => {}
        Some(_) => return Err(Spoilt::Grammar("it does not begin as one")),
    }
    let Some((content, header)) = measured(&octets[1..])? else { return Ok(None) };
    let whole = content.saturating_add(header + 1);
    if whole > largest {
        return Err(Spoilt::TooLarge(whole));
    }
    Ok((octets.len() >= whole).then_some(whole))
}

/// Checks one whole message from end to end.
///
/// # Errors
/// What is wrong with it, or that the server takes leave.
pub fn check(message: &[u8]) -> Result<Kind, Spoilt> {
    let mut all = Reader(message);
    let mut inside = Reader(all.take(SEQUENCE, "its envelope")?);
    all.ended("more than one message")?;
    let id = number(inside.take(INTEGER, "its number")?)?;
    let (operation, content) = inside.any()?;
    match inside.0.first() {
        None => {}
        Some(&CONTROLS) => controls(inside.take(CONTROLS, "controls")?)?,
        Some(_) => {
            inside.take(MISPLACED_NAME, "what follows its operation")?;
        }
    }
    inside.ended("more than a message")?;
    let kind = match operation {
        BIND | DONE | EXTENDED => {
            let outcome = result(content)?;
            if id == 0 {
                return Err(Spoilt::Disconnects(outcome.code, outcome.text));
            }
            Kind::Result
        }
        ENTRY => {
            entry(content)?;
            Kind::Part
        }
        REFERENCE => {
            texts(content)?;
            Kind::Part
        }
        _ => return Err(Spoilt::Grammar("an operation that nobody has asked for")),
    };
    match id {
        0 => Err(Spoilt::Grammar("an answer to nothing")),
        _ => Ok(kind),
    }
}

/// The outcome of StartTLS (RFC 4511 §4.14.2), from the whole message that answers request `id`.
///
/// # Errors
/// It is no such answer.
pub fn start_tls(message: &[u8], id: u32) -> Result<Outcome, Spoilt> {
    check(message)?;
    let mut inside = Reader(Reader(message).take(SEQUENCE, "its envelope")?);
    if number(inside.take(INTEGER, "its number")?)? != id {
        return Err(Spoilt::Grammar("an answer to another request"));
    }
    result(inside.take(EXTENDED, "no answer to StartTLS")?)
}

/// The request for StartTLS as octets, with that number (1…127).
pub fn start_tls_request(id: u8) -> Vec<u8> {
    const OID: &[u8] = b"1.3.6.1.4.1.1466.20037";
    let name = [&[0x80, OID.len() as u8][..], OID].concat();
    let request = [&[0x77, name.len() as u8][..], &name].concat();
    let inside = [&[INTEGER, 1, id][..], &request].concat();
    [&[SEQUENCE, inside.len() as u8][..], &inside].concat()
}

/// The cookie of a paged result (RFC 2696 §2) from the value of its control.
///
/// # Errors
/// The value is no such thing.
pub fn cookie(value: &[u8]) -> Result<Vec<u8>, Spoilt> {
    let mut all = Reader(value);
    let mut inside = Reader(all.take(SEQUENCE, "a page's control")?);
    inside.take(INTEGER, "a page's size")?;
    let cookie = inside.take(OCTETS, "a page's cookie")?.to_vec();
    inside.ended("more than a page's control")?;
    Ok(cookie)
}

/// The parts of an LDAPResult, alone or before what a bind or an extended response adds.
fn result(content: &[u8]) -> Result<Outcome, Spoilt> {
    let mut parts = Reader(content);
    let code = number(parts.take(ENUMERATED, "a result's code")?)?;
    text(parts.take(OCTETS, "a result's name")?)?;
    let words = text(parts.take(OCTETS, "a result's words")?)?;
    while !parts.0.is_empty() {
        match parts.any()? {
            (REFERRAL, list) => texts(list)?,
            (NAME, name) => drop(text(name)?),
            (SASL | VALUE, _) => {}
            _ => return Err(Spoilt::Grammar("a part that no result has")),
        }
    }
    Ok(Outcome { code, text: words.to_owned() })
}

fn entry(content: &[u8]) -> Result<(), Spoilt> {
    let mut parts = Reader(content);
    parts.take(OCTETS, "an entry's name")?;
    let mut attributes = Reader(parts.take(SEQUENCE, "an entry's attributes")?);
    parts.ended("more than an entry")?;
    while !attributes.0.is_empty() {
        let mut one = Reader(attributes.take(SEQUENCE, "an attribute")?);
        one.take(OCTETS, "an attribute's name")?;
        let mut values = Reader(one.take(SET, "an attribute's values")?);
        one.ended("more than an attribute")?;
        while !values.0.is_empty() {
            values.take(OCTETS, "a value")?;
        }
    }
    Ok(())
}

fn texts(list: &[u8]) -> Result<(), Spoilt> {
    let mut list = Reader(list);
    while !list.0.is_empty() {
        text(list.take(OCTETS, "a reference")?)?;
    }
    Ok(())
}

fn controls(content: &[u8]) -> Result<(), Spoilt> {
    let mut all = Reader(content);
    while !all.0.is_empty() {
        let mut one = Reader(all.take(SEQUENCE, "a control")?);
        text(one.take(OCTETS, "a control's name")?)?;
        if one.0.first() == Some(&BOOLEAN) && one.take(BOOLEAN, "a control's weight")?.len() != 1 {
            return Err(Spoilt::Grammar("a control's weight"));
        }
        if !one.0.is_empty() {
            one.take(OCTETS, "a control's value")?;
        }
        one.ended("more than a control")?;
    }
    Ok(())
}

fn text(octets: &[u8]) -> Result<&str, Spoilt> {
    std::str::from_utf8(octets).map_err(|_| Spoilt::Grammar("text that is not UTF-8"))
}

/// An INTEGER or ENUMERATED that is not negative, of at most four octets.
fn number(octets: &[u8]) -> Result<u32, Spoilt> {
    match octets {
        [first, ..] if octets.len() <= 4 && first & 0x80 == 0 => {
            Ok(octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)))
        }
        _ => Err(Spoilt::Grammar("a number")),
    }
}

/// What is left of a constructed value.
struct Reader<'o>(&'o [u8]);

impl<'o> Reader<'o> {
    /// The next element: its tag and content.
    fn any(&mut self) -> Result<(u8, &'o [u8]), Spoilt> {
        let (&tag, rest) = self.0.split_first().ok_or(Spoilt::Grammar("a part is missing"))?;
        let short = Spoilt::Grammar("a length that leads outside");
        let (content, header) = measured(rest)?.ok_or_else(|| short.clone())?;
        let inside = rest.get(header..).and_then(|rest| rest.split_at_checked(content)).ok_or(short)?;
        self.0 = inside.1;
        Ok((tag, inside.0))
    }

    fn take(&mut self, wanted: u8, what: &'static str) -> Result<&'o [u8], Spoilt> {
        match self.any()? {
            (tag, content) if tag == wanted => Ok(content),
            _ => Err(Spoilt::Grammar(what)),
        }
    }

    fn ended(&self, what: &'static str) -> Result<(), Spoilt> {
        if self.0.is_empty() { Ok(()) } else { Err(Spoilt::Grammar(what)) }
    }
}

/// A definite length (RFC 4511 §5.1) at the beginning of `octets`: its value, and how many octets it takes itself.
fn measured(octets: &[u8]) -> Result<Option<(usize, usize)>, Spoilt> {
    match octets.first() {
        None => Ok(None),
        Some(&short) if short < 0x80 => Ok(Some((usize::from(short), 1))),
        Some(&long @ 0x81..=0x84) => {
            let count = usize::from(long & 0x7f);
            let Some(digits) = octets.get(1..=count) else { return Ok(None) };
            Ok(Some((digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)), count + 1)))
        }
        Some(_) => Err(Spoilt::Grammar("a length")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let head = match length {
            0..0x80 => vec![tag, length as u8],
            _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
        };
        [head, content.to_vec()].concat()
    }

    fn message(id: u8, operation: &[u8]) -> Vec<u8> {
        tlv(SEQUENCE, &[&[INTEGER, 1, id], operation].concat())
    }

    fn result_of(code: u8, words: &str) -> Vec<u8> {
        [vec![ENUMERATED, 1, code], tlv(OCTETS, b""), tlv(OCTETS, words.as_bytes())].concat()
    }

    fn entry_of(name: &[u8], value: &[u8]) -> Vec<u8> {
        let attribute = [tlv(OCTETS, b"cn"), tlv(SET, &tlv(OCTETS, value))].concat();
        tlv(ENTRY, &[tlv(OCTETS, name), tlv(SEQUENCE, &tlv(SEQUENCE, &attribute))].concat())
    }

    #[test]
    fn a_message_ends_where_it_says() {
        let one = message(1, &tlv(DONE, &result_of(0, "")));
        let two = [one.clone(), one.clone()].concat();
        assert_eq!(length(&two, 1000), Ok(Some(one.len())));
        for cut in 0..one.len() {
            assert_eq!(length(&one[..cut], 1000), Ok(None), "{cut}");
        }
        assert_eq!(length(&one, one.len() - 1), Err(Spoilt::TooLarge(one.len())));
        // 4 GiB are refused before the first of them has come.
        assert!(matches!(length(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], 1000), Err(Spoilt::TooLarge(_))));
        for odd in [&[0x30, 0x80][..], &[0x30, 0x85], &[0x16, 3], b"HTTP/1.1"] {
            assert!(matches!(length(odd, 1000), Err(Spoilt::Grammar(_))), "{odd:?}");
        }
    }

    #[test]
    fn what_can_be_asked_for_passes_and_nothing_else() {
        let page = tlv(SEQUENCE, &[&[INTEGER, 1, 0][..], &tlv(OCTETS, b"more")].concat());
        let control = [tlv(OCTETS, b"1.2.840.113556.1.4.319"), tlv(OCTETS, &page)].concat();
        let paged = [tlv(DONE, &result_of(0, "")), tlv(CONTROLS, &tlv(SEQUENCE, &control))].concat();
        let referral = [result_of(10, ""), tlv(REFERRAL, &tlv(OCTETS, b"ldap://b.test/"))].concat();
        let rows: [(&str, Vec<u8>, Option<Kind>); 13] = [
            ("a bind", message(1, &tlv(BIND, &result_of(49, "no"))), Some(Kind::Result)),
            ("an entry", message(2, &entry_of("cn=Jörg".as_bytes(), &[0, 255])), Some(Kind::Part)),
            ("a name that is no text", message(2, &entry_of(&[0xff], b"x")), Some(Kind::Part)),
            ("a reference", message(2, &tlv(REFERENCE, &tlv(OCTETS, b"ldap://b.test/"))), Some(Kind::Part)),
            ("a page's end", message(2, &paged), Some(Kind::Result)),
            ("a referral", message(2, &tlv(DONE, &referral)), Some(Kind::Result)),
            ("intermediate", message(2, &tlv(0x79, b"")), None),
            ("a request", message(2, &tlv(0x63, b"")), None),
            ("no code", message(2, &tlv(DONE, &tlv(OCTETS, b""))), None),
            (
                "words that are no text",
                message(
                    2,
                    &tlv(
                        DONE,
                        &result_of(0, "")
                            .iter()
                            .copied()
                            .chain(tlv(REFERRAL, &tlv(OCTETS, &[0xff])))
                            .collect::<Vec<_>>(),
                    ),
                ),
                None,
            ),
            (
                "a code of five octets",
                message(
                    2,
                    &tlv(DONE, &[tlv(ENUMERATED, &[1; 5]), tlv(OCTETS, b""), tlv(OCTETS, b"")].concat()),
                ),
                None,
            ),
            (
                "an attribute without values",
                message(
                    2,
                    &tlv(
                        ENTRY,
                        &[tlv(OCTETS, b"x"), tlv(SEQUENCE, &tlv(SEQUENCE, &tlv(OCTETS, b"cn")))].concat(),
                    ),
                ),
                None,
            ),
            ("nothing", message(2, b""), None),
        ];
        for (name, octets, kind) in rows {
            assert_eq!(check(&octets).ok(), kind, "{name}");
        }
        assert_eq!(cookie(&page), Ok(b"more".to_vec()));
        assert!(cookie(b"\x30\x03\x02\x01").is_err());
    }

    #[test]
    fn a_server_that_takes_leave_is_heard() {
        let goodbye = [result_of(52, "going down"), tlv(NAME, b"1.3.6.1.4.1.1466.20036")].concat();
        let active_directory =
            [tlv(EXTENDED, &result_of(52, "going down")), tlv(NAME, b"1.3.6.1.4.1.1466.20036")].concat();
        for octets in [message(0, &tlv(EXTENDED, &goodbye)), message(0, &active_directory)] {
            assert_eq!(check(&octets), Err(Spoilt::Disconnects(52, "going down".into())));
        }
        let tls = message(1, &tlv(EXTENDED, &result_of(2, "unsupported")));
        assert_eq!(start_tls(&tls, 1), Ok(Outcome { code: 2, text: "unsupported".into() }));
        assert!(start_tls(&tls, 2).is_err());
        assert!(start_tls(&message(1, &tlv(BIND, &result_of(0, ""))), 1).is_err());
        assert_eq!(length(&start_tls_request(1), 100), Ok(Some(31)));
    }

    #[test]
    fn noise_is_refused_and_never_more() {
        let whole = message(2, &entry_of(b"cn=a", b"value"));
        for at in 0..whole.len() {
            for octet in 0..=255 {
                let mut spoilt = whole.clone();
                spoilt[at] = octet;
                if let Ok(Some(end)) = length(&spoilt, 1000) {
                    let _ = check(&spoilt[..end]);
                }
            }
            let _ = check(&whole[..at]);
        }
    }
}
