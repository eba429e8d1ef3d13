//! Header names and methods: the ones Ringpost acts on, and `Other` for all the rest.

/// A header field name that somebody in Ringpost asks for; compact forms are folded in (RFC 3261 §7.3.3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(missing_docs, reason = "each is the header of that name")]
pub enum Name {
    Via,
    From,
    To,
    CallId,
    CSeq,
    Contact,
    MaxForwards,
    ContentLength,
    ContentType,
    Route,
    RecordRoute,
    Require,
    ProxyRequire,
    Supported,
    Allow,
    Reason,
    Diversion,
    HistoryInfo,
    PAssertedIdentity,
    RemotePartyId,
    Privacy,
    UserAgent,
    Server,
    Date,
    RetryAfter,
    Subject,
    ContentEncoding,
    /// Ringpost's own: which instance has already carried this call, and for whom.
    Loop,
    Authorization,
    ProxyAuthorization,
    WwwAuthenticate,
    ProxyAuthenticate,
    Expires,
    Path,
    SessionExpires,
    MinSe,
    Replaces,
    ReferTo,
    RSeq,
    RAck,
    Other,
}

/// `(name in lower case, compact form, value)`, shorter names first: [`LENGTHS`] needs it.
const NAMES: [(&str, u8, Name); 40] = [
    ("to", b't', Name::To),
    ("via", b'v', Name::Via),
    ("from", b'f', Name::From),
    ("cseq", 0, Name::CSeq),
    ("date", 0, Name::Date),
    ("path", 0, Name::Path),
    ("rseq", 0, Name::RSeq),
    ("rack", 0, Name::RAck),
    ("route", 0, Name::Route),
    ("allow", 0, Name::Allow),
    ("reason", 0, Name::Reason),
    ("server", 0, Name::Server),
    ("min-se", 0, Name::MinSe),
    ("call-id", b'i', Name::CallId),
    ("contact", b'm', Name::Contact),
    ("require", 0, Name::Require),
    ("privacy", 0, Name::Privacy),
    ("subject", b's', Name::Subject),
    ("expires", 0, Name::Expires),
    ("replaces", 0, Name::Replaces),
    ("refer-to", b'r', Name::ReferTo),
    ("supported", b'k', Name::Supported),
    ("diversion", 0, Name::Diversion),
    ("user-agent", 0, Name::UserAgent),
    ("retry-after", 0, Name::RetryAfter),
    ("max-forwards", 0, Name::MaxForwards),
    ("content-type", b'c', Name::ContentType),
    ("record-route", 0, Name::RecordRoute),
    ("history-info", 0, Name::HistoryInfo),
    ("proxy-require", 0, Name::ProxyRequire),
    ("authorization", 0, Name::Authorization),
    ("content-length", b'l', Name::ContentLength),
    ("remote-party-id", 0, Name::RemotePartyId),
    ("x-ringpost-loop", 0, Name::Loop),
    ("session-expires", b'x', Name::SessionExpires),
    ("content-encoding", b'e', Name::ContentEncoding),
    ("www-authenticate", 0, Name::WwwAuthenticate),
    ("proxy-authenticate", 0, Name::ProxyAuthenticate),
    ("p-asserted-identity", 0, Name::PAssertedIdentity),
    ("proxy-authorization", 0, Name::ProxyAuthorization),
];

/// Where the names of each length start in [`NAMES`].
const LENGTHS: [usize; LONGEST + 2] = {
    let mut starts = [0; LONGEST + 2];
    let (mut length, mut at) = (0, 0);
    while length < starts.len() {
        while at < NAMES.len() && NAMES[at].0.len() < length {
            at += 1;
        }
        starts[length] = at;
        length += 1;
    }
    starts
};

const LONGEST: usize = NAMES[NAMES.len() - 1].0.len();

impl Name {
    /// The name of a header field as written on the wire, in any case and either form.
    pub fn of(written: &[u8]) -> Self {
        if let [letter] = written {
            let letter = letter.to_ascii_lowercase();
            if !letter.is_ascii_lowercase() {
                return Self::Other;
            }
            return NAMES.iter().find(|(_, compact, _)| *compact == letter).map_or(Self::Other, |n| n.2);
        }
        let Some(first) = written.first().filter(|_| written.len() <= LONGEST) else { return Self::Other };
        NAMES[LENGTHS[written.len()]..LENGTHS[written.len() + 1]]
            .iter()
            .map(|row| (row.0.as_bytes(), row.2))
            .find(|(name, _)| name[0] == first.to_ascii_lowercase() && written.eq_ignore_ascii_case(name))
            .map_or(Self::Other, |n| n.1)
    }

    /// The name written out, in lower case; `Other` has none.
    pub fn long(self) -> Option<&'static str> {
        NAMES.iter().find(|(.., name)| *name == self).map(|n| n.0)
    }
}

/// A SIP method; names are case-sensitive (RFC 3261 §7.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[allow(missing_docs, reason = "each is the method of that name")]
pub enum Method {
    Invite,
    Ack,
    Bye,
    Cancel,
    Options,
    Info,
    Update,
    Message,
    Register,
    Subscribe,
    Notify,
    Publish,
    Refer,
    Prack,
    Other,
}

impl Method {
    /// Every method with its name on the wire.
    const ALL: [(&'static str, Self); 14] = [
        ("INVITE", Self::Invite),
        ("ACK", Self::Ack),
        ("BYE", Self::Bye),
        ("CANCEL", Self::Cancel),
        ("OPTIONS", Self::Options),
        ("INFO", Self::Info),
        ("UPDATE", Self::Update),
        ("MESSAGE", Self::Message),
        ("REGISTER", Self::Register),
        ("SUBSCRIBE", Self::Subscribe),
        ("NOTIFY", Self::Notify),
        ("PUBLISH", Self::Publish),
        ("REFER", Self::Refer),
        ("PRACK", Self::Prack),
    ];

    /// The method of that name; `Other` where it is none of RFC 3261's or its extensions'.
    pub fn of(written: &[u8]) -> Self {
        Self::ALL.iter().find(|(name, _)| name.as_bytes() == written).map_or(Self::Other, |m| m.1)
    }

    /// The name on the wire; `Other` has none.
    pub fn name(self) -> Option<&'static str> {
        Self::ALL.iter().find(|(_, method)| *method == self).map(|m| m.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_in_compact_form() {
        let rows: [(&[u8], Name); 9] = [
            (b"Via", Name::Via),
            (b"v", Name::Via),
            (b"I", Name::CallId),
            (b"CALL-ID", Name::CallId),
            (b"cSeQ", Name::CSeq),
            (b"l", Name::ContentLength),
            (b"P-Asserted-Identity", Name::PAssertedIdentity),
            (b"X-Vendor", Name::Other),
            (b"q", Name::Other),
        ];
        for (written, name) in rows {
            assert_eq!(Name::of(written), name, "{}", String::from_utf8_lossy(written));
        }
    }

    #[test]
    fn every_name_finds_itself() {
        for (name, compact, value) in NAMES {
            assert_eq!(Name::of(name.to_ascii_uppercase().as_bytes()), value);
            assert!(compact == 0 || Name::of(&[compact]) == value, "{name}");
            assert_eq!(Name::of(format!("{name}x").as_bytes()), Name::Other, "{name}");
        }
        assert_eq!(Name::of(b""), Name::Other);
        assert_eq!(Name::of(&[0]), Name::Other);
    }

    #[test]
    fn methods_are_case_sensitive() {
        assert_eq!(Method::of(b"INVITE"), Method::Invite);
        assert_eq!(Method::of(b"invite"), Method::Other);
        assert_eq!(Method::Bye.name(), Some("BYE"));
        assert_eq!(Method::Other.name(), None);
    }
}
