//! What is sent, against the published schema, and what answers mean.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use mail_parser::{MessageParser, MimeHeaders};
use quick_xml::{Reader, events::Event};
use ringpost::{
    address::Caller,
    notify::{
        Kind, MissedCall, Notice, Style,
        ews::{
            answer::{found, read, trouble},
            codes::{DOWN, Fate, MOVED, NEVER, fate},
            contacts,
            request::find,
        },
        mail::MailError,
    },
    outbox::Key,
    settings::{Ews, EwsAccess},
    voicemail::sound::Sound,
};

use super::{notice, posted, settings, voice_mail};

fn create(
    settings: &Ews,
    notice: &Notice,
    recording: Option<Vec<u8>>,
    posted: jiff::Timestamp,
) -> Result<String, MailError> {
    let letter = Style::default().letter(notice, recording.map(Sound::recorded))?;
    ringpost::notify::ews::request::create(settings, &letter, posted)
}

/// Names that want to be markup, another header, another line, or no text at all (T15, T16).
const HOSTILE: [&str; 16] = [
    "</t:Subject><t:IsRead>true</t:IsRead>",
    "\"/><t:EmailAddress>mallory@x.test</t:EmailAddress>",
    "]]></t:Value>",
    "<![CDATA[x]]>",
    "<!--",
    "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>&b;",
    "&lt;&amp;&#0;&#x1;&nope;",
    "x\r\nBcc: mallory@x.test\r\n\r\n.\r\n",
    "a\u{0}b\u{1}c\u{8}d\u{b}e\u{1f}f\u{7f}g\u{85}h",
    "\u{202E}evil\u{2066}",
    "\u{FFFE}\u{FFFF}\u{FEFF}x",
    "{{ 7*7 }}{% raw %}",
    "' or 1=1 --",
    "👩‍🚀 山田 مرحبا",
    "%s%n\\x00\\u0000",
    "xmlns:t=\"urn:evil\"",
];

fn hostile(name: &str, kind: Kind) -> Notice {
    let caller = Caller {
        name: Some(name.into()),
        number: Some(name.into()),
        uri: Some(format!("sip:{name}")),
        ..Caller::default()
    };
    Notice { caller, user_name: Some(name.into()), call_id: format!("{name}@x"), ..notice(kind) }
}

/// (path of local names, text) of every element with text, and of every attribute.
fn leaves(document: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(document);
    reader.config_mut().expand_empty_elements = true;
    let (mut path, mut leaves) = (Vec::<String>::new(), Vec::new());
    let mut text = String::new();
    loop {
        match reader.read_event().expect("well-formed") {
            Event::Start(start) => {
                path.push(String::from_utf8_lossy(start.local_name().as_ref()).into_owned());
                text.clear();
            }
            Event::Text(piece) => text.push_str(&piece.xml10_content().expect("UTF-8")),
            Event::GeneralRef(name) => {
                let name = format!("&{};", String::from_utf8_lossy(&name));
                text.push_str(&quick_xml::escape::unescape(&name).expect("one of the five, or a number"));
            }
            Event::End(_) => {
                if !text.is_empty() {
                    leaves.push((path.join("/"), std::mem::take(&mut text)));
                }
                path.pop();
            }
            Event::Eof => return leaves,
            Event::Decl(_) => {}
            event => panic!("we write no {event:?}"),
        }
    }
}

fn structure(document: &str) -> Vec<String> {
    leaves(document).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn t15_t16_no_hostile_name_becomes_markup_or_a_header() {
    for kind in [Kind::Missed, voice_mail()] {
        let wav = || matches!(kind, Kind::VoiceMail { .. }).then(|| b"RIFF".to_vec());
        let settings = settings(EwsAccess::Impersonation);
        let plain = create(&settings, &notice(kind.clone()), wav(), posted()).expect("a request");
        for name in HOSTILE {
            let request =
                create(&settings, &hostile(name, kind.clone()), wav(), posted()).expect("a request");
            assert_eq!(structure(&request), structure(&plain), "{name:?}");
            let banned = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{FFFE}' | '\u{FFFF}');
            assert!(!request.contains(banned), "{name:?}");
            for (path, text) in leaves(&request) {
                if path.ends_with("Subject") || path.ends_with("Value") {
                    assert!(!text.contains(['\r', '\n']), "{name:?}: {text:?}");
                }
                if path.ends_with("PrimarySmtpAddress") {
                    assert_eq!(text, "tu@contoso.com", "{name:?}");
                }
                if path.ends_with("MimeContent") {
                    mail_is_ours(&text, name);
                }
            }
        }
    }
}

/// The mail inside has one recipient and the headers that we give.
fn mail_is_ours(encoded: &str, name: &str) {
    use base64::Engine;
    let mail = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
    let mail = MessageParser::default().parse(&mail).expect("a mail");
    let to: Vec<_> = mail.to().expect("To").iter().filter_map(|one| one.address.clone()).collect();
    assert_eq!(to, ["tu@contoso.com"], "{name:?}");
    assert!(mail.bcc().is_none() && mail.cc().is_none(), "{name:?}");
    assert_eq!(
        mail.from().and_then(|from| from.first()).and_then(|one| one.address()),
        Some("um@contoso.com")
    );
}

#[test]
fn a_voice_mail_is_one_item_with_its_class_properties_and_audio() {
    let settings = settings(EwsAccess::Impersonation);
    let wav = b"RIFF----WAVE".to_vec();
    let request = create(&settings, &notice(voice_mail()), Some(wav.clone()), posted()).expect("a request");
    assert_eq!(
        request,
        create(&settings, &notice(voice_mail()), Some(wav.clone()), posted()).expect("a request"),
        "a retry is the same request"
    );
    for part in [
        "<t:ItemClass>IPM.Note.Microsoft.Voicemail.UM.CA</t:ItemClass>",
        r#"PropertyTag="0x0E07" PropertyType="Integer"/><t:Value>0<"#,
        r#"PropertyTag="0x6801" PropertyType="Integer"/><t:Value>65<"#,
        r#"PropertyTag="0x6802" PropertyType="String"/><t:Value>+4544890101<"#,
        r#"PropertyTag="0x6803" PropertyType="String"/><t:Value>Luka A<"#,
        r#"PropertyTag="0x6806" PropertyType="String"/><t:Value>7f3c@pbx<"#,
        r#"PropertyName="X-CallingTelephoneNumber" PropertyType="String"/><t:Value>+4544890101<"#,
        r#"<t:DistinguishedFolderId Id="inbox"/>"#,
        "<t:PrimarySmtpAddress>tu@contoso.com</t:PrimarySmtpAddress>",
        "<t:IsRead>false</t:IsRead>",
    ] {
        assert!(request.contains(part), "{part} is missing");
    }
    use base64::Engine;
    let leaves = leaves(&request);
    let (_, mime) = leaves.iter().find(|(path, _)| path.ends_with("MimeContent")).expect("MIME");
    let mime = base64::engine::general_purpose::STANDARD.decode(mime).expect("base64");
    let mail = MessageParser::default().parse(&mime).expect("a mail");
    let audio = mail.attachment(0).expect("an attachment");
    assert_eq!(audio.contents(), wav);
    let name = audio.attachment_name().expect("a name");
    let (_, order) = leaves
        .iter()
        .find(|(_, text)| text.ends_with(".wav"))
        .expect("0x6805 and its twin name the attachment");
    assert_eq!(order, name);
    let mut nobody = notice(Kind::Missed);
    nobody.mail = None;
    assert!(matches!(create(&settings, &nobody, None, posted()), Err(MailError::NoAddress)));
    let lost = create(&settings, &notice(voice_mail()), None, posted());
    assert!(matches!(lost, Err(MailError::NoRecording)));
}

fn schemas() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    let corpora = env::var_os("RINGPOST_CORPORA").map_or(beside, PathBuf::from);
    let schemas = corpora.join("ews/xsd");
    let there = schemas.join("messages.xsd").exists();
    if !there {
        println!("skipped: no published schemas of EWS");
    }
    there.then_some(schemas)
}

/// Two missed calls of hostile callers.
fn digest() -> Kind {
    let calls = HOSTILE.into_iter().take(2).map(|name| MissedCall::of(&hostile(name, Kind::Missed)));
    Kind::Digest { calls: calls.collect() }
}

/// The operation inside an envelope as a document of its own.
fn operation(request: &str) -> String {
    let (_, body) = request.split_once("<s:Body>").expect("a body");
    let (body, _) = body.split_once("</s:Body>").expect("its end");
    let names = r#" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types""#;
    let (name, rest) = body.split_once(' ').expect("an attribute");
    format!("{name}{names} {rest}")
}

#[test]
fn every_request_is_valid_by_the_published_schema() {
    let Some(schemas) = schemas() else { return };
    if Command::new("xmllint").arg("--version").stderr(Stdio::null()).status().is_err() {
        println!("skipped: no xmllint");
        return;
    }
    let mut requests = Vec::new();
    for access in [EwsAccess::Impersonation, EwsAccess::Delegate] {
        let settings = settings(access);
        for kind in [Kind::Missed, voice_mail(), digest()] {
            let wav = matches!(kind, Kind::VoiceMail { .. }).then(|| b"RIFF".to_vec());
            let names = HOSTILE.into_iter().map(|name| hostile(name, kind.clone()));
            let nobody = Notice {
                caller: Caller { private: true, ..Caller::default() },
                user_name: None,
                ..notice(kind.clone())
            };
            for notice in names.chain([notice(kind.clone()), nobody]) {
                requests.push(create(&settings, &notice, wav.clone(), posted()).expect("a request"));
            }
        }
        requests.push(find(&settings, "tu@contoso.com", &Key::of(&notice(Kind::Missed))));
        requests
            .extend([None, Some("200"), Some("<x>")].map(|next| contacts::request(&settings, "t<u@x", next)));
    }
    let folder = env::temp_dir().join(format!("ringpost-ews-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let mut lint = Command::new("xmllint");
    lint.args(["--nonet", "--noout", "--schema"]).arg(schemas.join("messages.xsd"));
    for (at, request) in requests.iter().enumerate() {
        let path = folder.join(format!("{at}.xml"));
        let mut file = fs::File::create(&path).expect("a file");
        file.write_all(operation(request).as_bytes()).expect("written");
        lint.arg(path);
    }
    let judged = lint.output().expect("xmllint runs");
    fs::remove_dir_all(&folder).expect("removed");
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    assert_eq!(requests.len(), 2 * (3 * (HOSTILE.len() + 2) + 4));
}

#[test]
fn every_response_code_of_the_schema_has_a_fate() {
    for (codes, wanted) in [(&NEVER[..], Fate::Never), (&DOWN[..], Fate::Down), (&MOVED[..], Fate::Moved)] {
        for code in codes {
            assert_eq!(fate(code), wanted, "{code} stands in two lists");
        }
    }
    assert_eq!(fate("NoError"), Fate::Done);
    for code in
        ["ErrorQuotaExceeded", "ErrorMailboxStoreUnavailable", "ErrorImpersonateUserDenied", "Later", ""]
    {
        assert_eq!(fate(code), Fate::Later, "{code}");
    }
    let Some(schemas) = schemas() else { return };
    let schema = fs::read_to_string(schemas.join("messages.xsd")).expect("readable");
    let (_, codes) = schema.split_once("name=\"ResponseCodeType\"").expect("the codes");
    let (codes, _) = codes.split_once("</xs:simpleType>").expect("their end");
    let known: Vec<&str> =
        codes.split("enumeration value=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(known.len() > 500, "{}", known.len());
    let done = known.iter().filter(|code| fate(code) == Fate::Done).count();
    assert_eq!(done, 1, "NoError alone is success");
    for code in NEVER.iter().chain(&DOWN).chain(&MOVED) {
        assert!(known.contains(code), "{code} is no code of the schema");
    }
}

const BUSY: &str = r#"<s:Envelope xmlns:s="urn:s"><s:Body><m:CreateItemResponse xmlns:m="urn:m"><m:ResponseMessages>
<m:CreateItemResponseMessage ResponseClass="Error"><m:MessageText>busy</m:MessageText>
<m:ResponseCode>ErrorServerBusy</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>
<m:MessageXml><t:Value xmlns:t="urn:t" Name="BackOffMilliseconds">297749</t:Value></m:MessageXml>
</m:CreateItemResponseMessage></m:ResponseMessages></m:CreateItemResponse></s:Body></s:Envelope>"#;

const FAULT: &str = r#"<s:Envelope xmlns:s="urn:s"><s:Body><s:Fault><faultcode xmlns:a="urn:t">a:ErrorServerBusy</faultcode>
<faultstring>x</faultstring><detail><e:ResponseCode xmlns:e="urn:e">ErrorServerBusy</e:ResponseCode>
<t:MessageXml xmlns:t="urn:t"><t:Value Name="BackOffMilliseconds">99999999999</t:Value></t:MessageXml></detail></s:Fault></s:Body></s:Envelope>"#;

#[test]
fn t30_answers_say_what_becomes_of_the_notice_and_how_long_to_wait() {
    for (answer, back_off) in [(BUSY, Duration::from_millis(297_749)), (FAULT, Duration::from_secs(3600))] {
        let told = read(answer.as_bytes()).expect("an answer");
        let trouble = trouble(&told).expect("trouble");
        assert_eq!(
            (told.len(), trouble.code.as_str(), trouble.fate(), trouble.back_off),
            (1, "ErrorServerBusy", Fate::Down, Some(back_off))
        );
    }
    let bare =
        "<Envelope><Body><Fault><faultcode>a:ErrorSchemaValidation</faultcode></Fault></Body></Envelope>";
    assert_eq!(read(bare.as_bytes()).expect("an answer")[0].fate(), Fate::Never);
}

#[test]
fn a_delegate_searches_where_it_has_rights() {
    let key = Key::of(&notice(Kind::Missed));
    for (access, deleted) in [(EwsAccess::Impersonation, true), (EwsAccess::Delegate, false)] {
        let request = find(&settings(access), "tu@contoso.com", &key);
        assert!(request.contains("Id=\"inbox\"") && request.contains(key.as_str()), "{access:?}");
        assert_eq!(request.contains("Id=\"deleteditems\""), deleted, "{access:?}");
    }
}

#[test]
fn a_notice_is_found_by_its_key_only() {
    let (own, other) = (Key::of(&notice(Kind::Missed)), Key::of(&notice(voice_mail())));
    let item = |key: &Key| {
        format!(
            r#"<Envelope><Body><R><ResponseMessages><FindItemResponseMessage ResponseClass="Success"><ResponseCode>NoError</ResponseCode>
<RootFolder><Items><Message><ItemId Id="A"/><ExtendedProperty><ExtendedFieldURI PropertyName="RingpostNotice"/><Value>{key}</Value></ExtendedProperty></Message></Items></RootFolder>
</FindItemResponseMessage></ResponseMessages></R></Body></Envelope>"#
        )
    };
    let told = read(item(&own).as_bytes()).expect("an answer");
    assert!(found(&told, &own) && !found(&told, &other));
    assert_eq!((told[0].items, trouble(&told)), (1, None));
}

#[test]
fn t24_what_is_no_answer_is_refused() {
    let cut = &BUSY[..BUSY.len() / 2];
    for answer in [
        "<html><body>proxy error</body></html>",
        "<html>proxy error",
        "",
        cut,
        "<Envelope/>",
        "<Envelope><Body/></Envelope>",
        "<Envelope><Body><XResponseMessage/></Body></Envelope>",
        "<Other><CreateItemResponseMessage><ResponseCode>NoError</ResponseCode></CreateItemResponseMessage></Other>",
    ] {
        assert!(read(answer.as_bytes()).is_err(), "{answer:?}");
    }
}
