//! The rows: a message each, and what must be read in it.

use Asked::*;

/// What a row asks the message for.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    Method,
    RequestUri,
    User,
    BareUser,
    Host,
    Port,
    Param(&'static str),
    FromUri,
    FromUser,
    FromDisplay,
    FromTag,
    ToTag,
    ToUri,
    CallId,
    CSeq,
    Transport,
    ViaHost,
    ViaPort,
    Branch,
    ViaParam(&'static str),
    Vias,
    Contact,
    Subject,
    ReasonPhrase,
    Code,
    Body,
    BodyLength,
}

/// What is tried; the start line; the header lines that replace those of the same name, or come on top; the body;
/// and what must be read. An absent value reads `-`.
pub type Row =
    (&'static str, &'static str, &'static [&'static [u8]], &'static [u8], &'static [(Asked, &'static str)]);

pub const INVITE: &str = "INVITE sip:bob@example.test SIP/2.0";

pub const USERS: [Row; 12] = [
    (
        "a dot in the user",
        "INVITE sip:first.last@example.test SIP/2.0",
        &[b"From: <sip:john.doe@example.test>;tag=a"],
        b"",
        &[(User, "first.last"), (Host, "example.test"), (FromUser, "john.doe"), (FromTag, "a")],
    ),
    (
        "a local number with its context",
        "INVITE sip:+4511;phone-context=x.y@gw.test:5062;user=phone SIP/2.0",
        &[],
        b"",
        &[
            (User, "+4511;phone-context=x.y"),
            (BareUser, "+4511"),
            (Host, "gw.test"),
            (Port, "5062"),
            (Param("user"), "phone"),
        ],
    ),
    (
        "a ported number",
        "INVITE sip:+4545;npdi;rn=+4599@gw.test SIP/2.0",
        &[],
        b"",
        &[(User, "+4545;npdi;rn=+4599"), (BareUser, "+4545"), (Host, "gw.test")],
    ),
    (
        "an escaped hash",
        "INVITE sip:%2321%2a@gw.test SIP/2.0",
        &[],
        b"",
        &[(RequestUri, "sip:%2321%2a@gw.test"), (User, "%2321%2a")],
    ),
    ("a plain hash and star", "INVITE sip:*21#@gw.test SIP/2.0", &[], b"", &[(User, "*21#")]),
    (
        "an escaped @",
        "INVITE sip:a%40b.test@example.test SIP/2.0",
        &[],
        b"",
        &[(User, "a%40b.test"), (Host, "example.test")],
    ),
    (
        "tel as Request-URI",
        "INVITE tel:+45-44-89;phone-context=x SIP/2.0",
        &[],
        b"",
        &[
            (RequestUri, "tel:+45-44-89;phone-context=x"),
            (User, "+45-44-89"),
            (Host, ""),
            (Param("phone-context"), "x"),
        ],
    ),
    ("tel as From", INVITE, &[b"From: <tel:+4544;ext=2>;tag=b"], b"", &[(FromUser, "+4544"), (FromTag, "b")]),
    (
        "tel as From without brackets",
        INVITE,
        &[b"From: tel:+4544;tag=b"],
        b"",
        &[(FromUser, "+4544"), (FromTag, "b")],
    ),
    (
        "an IPv6 Request-URI",
        "INVITE sip:bob@[2001:db8::1]:5070;transport=tcp SIP/2.0",
        &[],
        b"",
        &[(User, "bob"), (Host, "[2001:db8::1]"), (Port, "5070"), (Param("transport"), "tcp")],
    ),
    (
        "no user",
        "INVITE sip:10.0.0.1:5061 SIP/2.0",
        &[],
        b"",
        &[(User, "-"), (Host, "10.0.0.1"), (Port, "5061")],
    ),
    (
        "an underscore in the host",
        "INVITE sip:bob@my_pbx SIP/2.0",
        &[b"Via: SIP/2.0/UDP pbx_1:5060;branch=z9hG4bKu"],
        b"",
        &[(Host, "my_pbx"), (ViaHost, "pbx_1"), (ViaPort, "5060"), (Branch, "z9hG4bKu")],
    ),
];

pub const ADDRESSES: [Row; 13] = [
    (
        "From without brackets",
        INVITE,
        &[b"From: sip:alice@example.test;tag=c"],
        b"",
        &[(FromUri, "sip:alice@example.test"), (FromTag, "c"), (FromDisplay, "-")],
    ),
    (
        "escaped quotes",
        INVITE,
        &[br#"From: "Al \"the\\ax\" S" <sip:a@h>;tag=d"#],
        b"",
        &[(FromDisplay, r#"Al "the\ax" S"#), (FromUri, "sip:a@h"), (FromTag, "d")],
    ),
    (
        "comma, semicolon and bracket in quotes",
        INVITE,
        &[br#"From: "Doe, J; <x@y>;tag=no" <sip:a@h>;tag=e"#],
        b"",
        &[(FromDisplay, "Doe, J; <x@y>;tag=no"), (FromUri, "sip:a@h"), (FromTag, "e")],
    ),
    (
        "UTF-8 in quotes",
        INVITE,
        &["From: \"Jürgen Žižek 李\" <sip:a@h>;tag=f".as_bytes()],
        b"",
        &[(FromDisplay, "Jürgen Žižek 李")],
    ),
    (
        "UTF-8 without quotes",
        INVITE,
        &["From: Søren Ærø <sip:a@h>;tag=f".as_bytes()],
        b"",
        &[(FromDisplay, "Søren Ærø")],
    ),
    (
        "Latin-1",
        INVITE,
        &[b"From: \"J\xfcrgen\" <sip:a@h>;tag=g"],
        b"",
        &[(FromDisplay, "Jürgen"), (FromTag, "g")],
    ),
    (
        "white space around the tag",
        INVITE,
        &[b"From: Al <sip:a@h> ; tag = x", b"To: sip:b@h ;\ttag\t=\ty"],
        b"",
        &[(FromTag, "x"), (ToTag, "y"), (ToUri, "sip:b@h")],
    ),
    (
        "nothing between name and bracket",
        INVITE,
        &[b"From: Al<sip:a@h>;tag=h"],
        b"",
        &[(FromDisplay, "Al"), (FromUri, "sip:a@h")],
    ),
    (
        "an empty display name",
        INVITE,
        &[b"From: \"\" <sip:a@h>;tag=h"],
        b"",
        &[(FromDisplay, "-"), (FromUri, "sip:a@h")],
    ),
    (
        "anonymous",
        INVITE,
        &[b"From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=i", b"Privacy: id"],
        b"",
        &[(FromDisplay, "Anonymous"), (FromUser, "anonymous"), (Host, "example.test"), (FromTag, "i")],
    ),
    (
        "a URI parameter is not the header's",
        INVITE,
        &[b"From: <sip:a@h;tag=no>;tag=yes;x"],
        b"",
        &[(FromTag, "yes"), (FromUri, "sip:a@h;tag=no")],
    ),
    (
        "a Contact with maddr",
        INVITE,
        &[b"Contact: <sip:a@h;maddr=10.0.0.9;ob>;+sip.instance=\"<urn:uuid:1>\""],
        b"",
        &[(Contact, "sip:a@h;maddr=10.0.0.9;ob")],
    ),
    (
        "forget all Contacts",
        "REGISTER sip:example.test SIP/2.0",
        &[b"CSeq: 1 REGISTER", b"Contact: *", b"Expires: 0"],
        b"",
        &[(Contact, "*")],
    ),
];

pub const SHAPES: [Row; 11] = [
    (
        "compact names",
        INVITE,
        &[
            b"v: SIP/2.0/UDP c;branch=z9hG4bKc",
            b"f: <sip:a@h>;tag=j",
            b"t: <sip:b@h>;tag=k",
            b"i: id@h",
            b"m: <sip:c@h>",
            b"s: hello",
            b"l: 0",
        ],
        b"",
        &[
            (ViaHost, "c"),
            (FromTag, "j"),
            (ToTag, "k"),
            (CallId, "id@h"),
            (Contact, "sip:c@h"),
            (Subject, "hello"),
            (Body, ""),
        ],
    ),
    (
        "upper-case names",
        INVITE,
        &[b"VIA: SIP/2.0/UDP c", b"FROM: <sip:a@h>;TAG=j", b"CALL-ID: Id@H", b"CSEQ: 7 INVITE"],
        b"",
        &[(ViaHost, "c"), (FromTag, "j"), (CallId, "Id@H"), (CSeq, "7 INVITE")],
    ),
    (
        "folded fields",
        INVITE,
        &[b"From:\r\n \"Al\"\r\n\t<sip:a@h>\r\n ;tag=l", b"CSeq: 8\r\n INVITE", b"Subject: one\r\n two"],
        b"",
        &[(FromUri, "sip:a@h"), (FromTag, "l"), (CSeq, "8 INVITE"), (Subject, "one\r\n two")],
    ),
    (
        "Vias joined by commas",
        INVITE,
        &[b"Via: SIP/2.0/TCP a;branch=z9hG4bK1,SIP/2.0/UDP b;branch=z9hG4bK2", b"X-Y: z"],
        b"",
        &[(Vias, "2"), (ViaHost, "a"), (Transport, "TCP"), (Branch, "z9hG4bK1")],
    ),
    (
        "a lower-case transport",
        INVITE,
        &[b"Via: SIP/2.0/tls a:5061;branch=z9hG4bK1"],
        b"",
        &[(Transport, "tls"), (ViaPort, "5061")],
    ),
    (
        "an unknown transport",
        INVITE,
        &[b"Via: SIP/2.0/TLS-SCTP a;branch=z9hG4bK1"],
        b"",
        &[(Transport, "TLS-SCTP"), (ViaPort, "-")],
    ),
    (
        "white space in Via",
        INVITE,
        &[b"Via: SIP / 2.0 / UDP a : 5062 ; branch = z9hG4bK1"],
        b"",
        &[(ViaHost, "a"), (ViaPort, "5062"), (Branch, "z9hG4bK1")],
    ),
    (
        "an IPv6 Via",
        INVITE,
        &[b"Via: SIP/2.0/UDP [2001:db8::9:1]:6050;rport;branch=z9hG4bK1"],
        b"",
        &[(ViaHost, "[2001:db8::9:1]"), (ViaPort, "6050"), (ViaParam("rport"), ""), (Branch, "z9hG4bK1")],
    ),
    (
        "flags and maddr in Via",
        INVITE,
        &[b"Via: SIP/2.0/UDP a;alias;rport=5;maddr=224.2.0.1;branch=z9hG4bK1;keep;ttl=1;received=10.0.0.1"],
        b"",
        &[
            (ViaParam("alias"), ""),
            (ViaParam("rport"), "5"),
            (ViaParam("maddr"), "224.2.0.1"),
            (ViaParam("keep"), ""),
            (ViaParam("lr"), "-"),
            (ViaParam("RECEIVED"), "10.0.0.1"),
            (Branch, "z9hG4bK1"),
        ],
    ),
    (
        "an unknown method",
        "X-WAKE!up sip:bob@example.test SIP/2.0",
        &[b"CSeq: 2147483647 X-WAKE!up"],
        b"",
        &[(Method, "X-WAKE!up"), (CSeq, "2147483647 X-WAKE!up")],
    ),
    (
        "an empty field and a lone colon in a value",
        INVITE,
        &[b"Subject:", b"Accept: :", b"Organization:\t"],
        b"",
        &[(Subject, "")],
    ),
];

pub const BODIES: [Row; 5] = [
    ("white space before the colon", INVITE, &[b"Content-Length \t: 3"], b"abc", &[(Body, "abc")]),
    ("no Content-Length", INVITE, &[b"Content-Type: text/plain"], b"to the end", &[(Body, "to the end")]),
    (
        "junk behind the body",
        INVITE,
        &[b"Content-Length: 3"],
        b"abc\r\n\r\nINVITE sip:x SIP/2.0\r\n",
        &[(Body, "abc")],
    ),
    ("a binary body", INVITE, &[b"Content-Length: 8"], b"\0\r\n\r\n\xff\x80:", &[(BodyLength, "8")]),
    ("the same Content-Length twice", INVITE, &[b"Content-Length: 3\r\nl: 3"], b"abc", &[(Body, "abc")]),
];

pub const RESPONSES: [Row; 5] = [
    (
        "an own reason phrase",
        "SIP/2.0 486 Besetzt: später!",
        &[],
        b"",
        &[(Code, "486"), (ReasonPhrase, "Besetzt: später!"), (Method, "")],
    ),
    ("no reason phrase", "SIP/2.0 200 ", &[], b"", &[(Code, "200"), (ReasonPhrase, "")]),
    ("not even its space", "SIP/2.0 200", &[], b"", &[(Code, "200"), (ReasonPhrase, "")]),
    (
        "an extension code",
        "SIP/2.0 183 Session Progress",
        &[b"To: <sip:b@h>;tag=1"],
        b"",
        &[(Code, "183"), (ToTag, "1")],
    ),
    ("a code nobody has defined", "SIP/2.0 699 x", &[], b"", &[(Code, "699"), (ReasonPhrase, "x")]),
];
