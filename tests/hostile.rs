//! T15, T16, and the last sentence of issue 4: what a caller calls himself gets out of no header, MIME part, page, XML, JSON, form,
//! card or template of a site. Each output has the same skeleton as with a harmless name, and shows the name as one clean line.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use mail_parser::{MessageParser, MimeHeaders};
use quick_xml::{Reader, events::Event};
use ringpost::{
    address::{Caller, Language},
    call::Outcome,
    identity::{Book, breaker::Rules, memory::Bounds},
    notify::{
        Kind, Letter, MissedCall, Notice, Style, Templates,
        clean::{one_line, shown},
        ews::request::create,
        graph::{Enclosed, message, sent},
        mail::compose,
        webhook::{Body, Template, event},
    },
    settings::{
        Ews, EwsAccess, EwsLogin, EwsServer, EwsVersion, GraphDelivery, Identity, Manner, Notices,
        Recordings, Secret, Source, SourceKind,
    },
    um::notification::{Notification, read},
    voicemail::sound::Sound,
};
use serde_json::Value;

/// Names with something to show, so that only their text may differ.
fn hostile() -> Vec<String> {
    let short = [
        "x\r\nBcc: mallory@x.test\r\n\r\n.\r\n",
        "x\nX-CallID: 1\n",
        "a\u{0}b\u{1}c\u{8}d\u{1b}[31me\u{7f}f\u{85}g\u{2028}h",
        "\u{202E}moc.live\u{2066}\u{200F} x",
        "\u{2069}\u{2069}\u{2068}x",
        "Bcc: mallory@x.test",
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</title></style></bdi></td></table><h1>x</h1>",
        "{{ 6*7*1013 }}{% for i in range(9) %}x{% endfor %}{# x #}",
        "{{ words.footer }}${6*7*1013}#{6*7*1013}<%= 6*7*1013 %>",
        "]]></t:Value><t:IsRead>true</t:IsRead>",
        "<![CDATA[x]]><!-- x --><?x x?>",
        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>&b;&#0;&nope;",
        "\"'`\\\"; x",
        "\\\",\"isRead\":true,\"x\":{\"y\":[",
        "x\", \"bccRecipients\": [{\"emailAddress\": {\"address\": \"mallory@x.test\"}}], \"y\": \"",
        "&to=%2B1900&x=%0d%0a%26to%3D1",
        "=?utf-8?q?=0D=0ABcc:_mallory=40x.test?=",
        "\"Mallory\" <mallory@x.test>, mallory@y.test; (comment)",
        "--=_words_\r\nContent-Type: text/html\r\n\r\nx",
        "x\r\nTEL:+1900\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:y; z, \\n",
        "javascript:alert(1)",
        "'; DROP TABLE x; --",
        "👩‍🚀 مريم דנה 山田 Ørsted",
        "%s%n\\x00\\u0000 \u{FFFE}\u{FFFF}\u{FEFF}",
    ];
    let long = ["Å".repeat(5_000), "A ".repeat(5_000), "<&\"'".repeat(2_500), "\u{301}".repeat(10_000)];
    short.into_iter().map(str::to_owned).chain(long).collect()
}

/// A notice whose every text of strangers is this; `dialled`: the number is one.
fn notice(text: &str, kind: Kind, dialled: bool) -> Notice {
    let number = if dialled { "+4544890101" } else { text };
    let caller = Caller {
        name: Some(text.into()),
        number: Some(number.into()),
        // Whether it may be a link is for `clean::link`; a number that can be dialled is one in any case.
        uri: dialled.then(|| format!("sip:{text}")),
        source: Some("files".into()),
        ..Caller::default()
    };
    Notice {
        kind,
        user: "sip:tu@contoso.com".into(),
        user_name: Some(text.into()),
        mail: Some("tu@contoso.com".into()),
        language: Language::Da,
        time_zone: "Europe/Copenhagen".into(),
        call_id: format!("{}@pbx", text.chars().take(2_000).collect::<String>()),
        caller,
        came_in: "2008-04-11T09:12:33Z".parse().expect("a timestamp"),
        rang_for: Duration::from_secs(23),
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: Some(text.into()),
    }
}

/// One notice of each kind.
fn notices(text: &str, dialled: bool) -> [Notice; 3] {
    let voice =
        Kind::VoiceMail { recording: "x.wav".into(), duration: Duration::from_secs(3), urgent: false };
    let missed = notice(text, Kind::Missed, dialled);
    let other = Notice { call_id: "other".into(), ..notice("Ada Other", Kind::Missed, true) };
    let calls = vec![MissedCall::of(&missed), MissedCall::of(&other), MissedCall::of(&missed)];
    [missed, notice(text, voice, dialled), notice(text, Kind::Digest { calls }, dialled)]
}

/// Ringpost's own words and a site's, with links in place of recordings.
fn styles() -> [Style; 2] {
    let second = Duration::from_secs(1);
    let files = Source { name: "files".into(), kind: SourceKind::File(Book::default()) };
    let identity = Identity {
        sources: vec![files],
        bounds: Bounds { keep: second, keep_unknown: second, most: 1 },
        rules: Rules { failures: 1, rest: second },
    };
    let page = "<html><head><title>{{ subject }}</title></head><body title=\"{{ who }}\" data-x='{{ name }}'>\
                <p>{{ who }} {{ name }} {{ number }} {{ user_name }} {{ call_id }} {{ initials }}</p>\
                {% for one in lines %}<li>{{ one.who }} {{ one.number }}</li>{% endfor %}</body></html>";
    let files = ["missed", "voice-mail", "missed-calls"].iter().flat_map(|kind| {
        [
            (format!("{kind}.subject"), "Call: {{ who }} / {{ number }}".to_owned()),
            (format!("{kind}.txt"), "{{ subject }}|{{ who }}|{{ user_name }}|{{ call_id }}".to_owned()),
            (format!("{kind}.html"), page.to_owned()),
        ]
    });
    let templates = Templates::read(files.collect()).expect("good templates");
    let manner = Manner { voicemail: Recordings::Link, ..Manner::default() };
    let linked = Notices { manner, link: Some("https://pbx.test/{id}".into()), ..Notices::default() };
    [
        Style::new(Templates::default(), &Notices::default(), &[], &identity),
        Style::new(templates, &linked, &[], &identity),
    ]
}

fn letter<'n>(style: &Style, notice: &'n Notice) -> Letter<'n> {
    let letter = style.letter(notice, Some(Sound::recorded(b"RIFF".to_vec()))).expect("a letter");
    assert!(letter.faults.is_empty(), "{:?}", letter.faults);
    letter
}

fn posted() -> Timestamp {
    "2008-04-11T09:13:00Z".parse().expect("a timestamp")
}

/// The tags of a page without the values of their attributes, and a page that keeps its markup to itself.
fn page(html: &str) -> Vec<String> {
    let mut tags = vec![];
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').expect("a tag that ends") + at;
        let mut inside = false;
        let mut tag = String::new();
        let mut quote = ' ';
        for c in rest[at..=end].chars() {
            match (inside, c) {
                (false, '"' | '\'') => (inside, quote) = (true, c),
                (true, c) if c == quote => inside = false,
                (true, _) => continue,
                (false, _) => {}
            }
            tag.push(c);
        }
        tags.push(tag);
        rest = &rest[end + 1..];
    }
    tags
}

/// Header names, media types and names of the parts, recipients, and the skeletons of the parts.
fn mail(octets: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(octets).expect("ASCII");
    assert!(octets.iter().all(|octet| octet.is_ascii_graphic() || b" \t\r\n".contains(octet)));
    assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "a bare CR or LF");
    assert!(text.split("\r\n").all(|line| line.len() <= 998), "RFC 5322 §2.1.1");
    let (head, _) = text.split_once("\r\n\r\n").expect("a head and a body");
    let names = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    let mut bones: Vec<String> =
        names.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect();
    let mail = MessageParser::default().parse(octets).expect("a mail");
    for address in [mail.from(), mail.to(), mail.cc(), mail.bcc()] {
        let all = address.map(|all| all.iter().filter_map(|one| one.address()).collect::<Vec<_>>().join(","));
        bones.push(format!("{all:?}"));
    }
    for part in &mail.parts {
        let kind = part.content_type().map(|kind| format!("{}/{:?}", kind.ctype(), kind.subtype()));
        // A file's name holds the key, which is made of the Call-ID.
        let name = part.attachment_name().map(|name| name.len());
        bones.push(format!("{kind:?} {name:?}"));
    }
    assert_eq!((mail.html_body_count(), mail.text_body_count()), (1, 1));
    bones.extend(page(&mail.body_html(0).expect("a page")));
    for card in mail.attachments().filter(|part| part.attachment_name() == Some("contact.vcf")) {
        bones.extend(card_of(std::str::from_utf8(card.contents()).expect("UTF-8")));
    }
    bones
}

/// The properties of a card, unfolded.
fn card_of(card: &str) -> Vec<String> {
    let unfolded = card.replace("\r\n ", "");
    let lines = unfolded.split_terminator("\r\n");
    lines.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
}

/// Elements, attributes and their order; what MIME lies inside is looked into.
fn xml(document: &str) -> Vec<String> {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    assert!(document.chars().all(allowed), "XML 1.0 §2.2");
    let (mut reader, mut bones, mut mime) = (Reader::from_str(document), vec![], false);
    reader.config_mut().expand_empty_elements = true;
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(start) => {
                let names = start.attributes().map(|one| one.expect("an attribute").key.0.to_vec());
                let names: Vec<_> = names.map(|name| String::from_utf8_lossy(&name).into_owned()).collect();
                let name = String::from_utf8_lossy(start.name().0).into_owned();
                mime = name == "t:MimeContent";
                bones.push(format!("{name} {names:?}"));
            }
            Event::Text(text) if mime => {
                bones.extend(mail(&STANDARD.decode(&*text).expect("base64")));
                mime = false;
            }
            Event::Text(_) | Event::GeneralRef(_) | Event::Decl(_) => {}
            Event::End(end) => bones.push(String::from_utf8_lossy(end.name().0).into_owned()),
            Event::Eof => return bones,
            other => panic!("we write no {other:?}"),
        }
    }
}

/// The keys of a document, and which values are text.
fn json(value: &Value, path: &str, bones: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| json(value, &format!("{path}.{key}"), bones));
        }
        Value::Array(all) => all.iter().for_each(|one| json(one, &format!("{path}[]"), bones)),
        Value::String(_) => bones.push(format!("{path}: text")),
        other => bones.push(format!("{path}: {other}")),
    }
}

fn json_of(octets: &[u8]) -> Vec<String> {
    let mut bones = vec![];
    json(&serde_json::from_slice(octets).expect("JSON"), "", &mut bones);
    bones
}

fn ews() -> Ews {
    Ews {
        server: EwsServer::Url("https://mail.contoso.com/EWS/Exchange.asmx".into()),
        login: EwsLogin::Basic { user: "svc".into(), password: Secret("pw".into()) },
        from: "um@contoso.com".into(),
        access: EwsAccess::Impersonation,
        version: EwsVersion::Exchange2013,
        ca: None,
        request_timeout: Duration::from_secs(30),
        password_rest: Duration::from_secs(60),
    }
}

/// Every output of a notice by its name: its skeleton, and all its text.
fn outputs(style: &Style, notice: &Notice) -> Vec<(&'static str, Vec<String>, String)> {
    let letter = letter(style, notice);
    let mut all = vec![];
    let mut add =
        |name, bones, text: &[u8]| all.push((name, bones, String::from_utf8_lossy(text).into_owned()));
    let octets = compose(&letter, "um@contoso.com", posted()).expect("a mail").formatted();
    add("mail", mail(&octets), &octets);
    add("page", page(&letter.words.html), letter.words.html.as_bytes());
    let item = create(&ews(), &letter, posted()).expect("a request");
    add("EWS", xml(&item), item.as_bytes());
    for deliver in [GraphDelivery::Json, GraphDelivery::Inbox] {
        let made =
            message(&letter, "um@contoso.com", Enclosed::Inline, posted(), deliver).expect("a message");
        let octets = sent(&made).to_string();
        add("Graph", json_of(octets.as_bytes()), octets.as_bytes());
    }
    let octets = event(&letter, posted());
    add("webhook", json_of(&octets), &octets);
    let values = "{{ caller }}{{ caller_name }}{{ caller_number }}{{ user_name }}{{ call_id }}{{ summary }}";
    let in_json = format!("[{}]", values.replace("}}{{", "}},{{"));
    for (name, source, body) in [
        ("webhook's JSON", in_json, Body::Json),
        ("webhook's form", format!("x={}&to=1", values.replace("}}{{", "}}&x={{")), Body::Form),
        ("webhook's XML", format!("<m a=\"{values}\">{values}</m>"), Body::Xml),
        ("webhook's text", values.replace("}}{{", "}}\n{{"), Body::Plain),
    ] {
        let octets = Template::new(source, body).expect("a template").write(&letter).expect("written");
        let text = String::from_utf8(octets.clone()).expect("UTF-8");
        let bones = match body {
            Body::Json => json_of(&octets),
            Body::Xml => xml(&text),
            Body::Form => text.split('&').map(|pair| pair.split('=').count().to_string()).collect(),
            Body::Plain => text.split('\n').map(|_| "line".to_owned()).collect(),
        };
        add(name, bones, &octets);
    }
    let told = Notification::of(notice, "EUM:tu@contoso.com;phone-context=p").write();
    let back = read(told.as_bytes()).expect("a notification");
    assert_eq!(
        (back.caller.name, back.user.as_str()),
        (shown(notice.caller.name.as_deref()), "sip:tu@contoso.com")
    );
    add("SIP INFO", xml(&told), told.as_bytes());
    all
}

#[test]
fn t15_t16_no_hostile_name_gets_out_of_any_output() {
    let mut compared = 0;
    for style in styles() {
        for dialled in [true, false] {
            let harmless = notices("Ada Example", dialled).map(|notice| outputs(&style, &notice));
            for name in hostile() {
                for (notice, harmless) in notices(&name, dialled).iter().zip(&harmless) {
                    let told = outputs(&style, notice);
                    for ((output, bones, text), (_, wanted, _)) in told.iter().zip(harmless) {
                        assert_eq!(bones, wanted, "{output} {:?}: {:.60?}", notice.kind, name);
                        assert!(!text.contains("42546"), "{output}: a name was computed");
                        compared += 1;
                    }
                    let words = &letter(&style, notice).words;
                    assert!(!words.subject.contains(char::is_control), "{:?}", words.subject);
                    let turned = words.text.chars().chain(words.html.chars()).chain(words.subject.chars());
                    assert!(!turned.into_iter().any(|c| matches!(
                        c,
                        '\u{202A}'..='\u{202E}' | '\u{2066}' | '\u{2067}' | '\u{200E}' | '\u{200F}'
                    )));
                    balanced(&words.subject);
                    words.text.lines().for_each(balanced);
                    if !matches!(notice.kind, Kind::Digest { .. }) {
                        assert!(words.subject.contains(&one_line(&name, 120)), "{:?}", words.subject);
                    }
                }
            }
        }
    }
    assert_eq!(compared, 2 * 2 * 3 * hostile().len() * 11);
}

/// What is isolated ends in its own line, so that it turns nothing behind it.
fn balanced(line: &str) {
    let mut depth = 0;
    for c in line.chars() {
        match c {
            '\u{2068}' => depth += 1,
            '\u{2069}' => depth -= 1,
            _ => {}
        }
        assert!((0..=1).contains(&depth), "{line:?}");
    }
    assert_eq!(depth, 0, "{line:?}");
}

#[test]
fn the_comparison_can_fail() {
    assert_ne!(page("<p>x</p>"), page("<p>x<b></p>"));
    assert_ne!(page("<p title=\"x\">"), page("<p title=\"x\" onload=\"y\">"));
    assert_ne!(xml("<a>x</a>"), xml("<a><b/></a>"));
    assert_ne!(json_of(b"{\"a\":\"x\"}"), json_of(b"{\"a\":\"x\",\"b\":1}"));
    let plain = letter(&styles()[0], &notice("Ada", Kind::Missed, true)).words.html;
    assert_ne!(page(&plain), page(&plain.replace("Ada", "<i>Ada</i>")));
}
