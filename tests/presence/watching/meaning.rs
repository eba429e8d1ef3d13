//! What documents mean for a telephone (R110, R113), and which numbers are the same (R115).

use ringpost::presence::{
    Forward, Telephony,
    subscription::Package,
    watching::meaning::{Reading, number, telephony},
};

use crate::NOW;

/// R110, R113: what documents mean, one line each.
#[test]
fn what_documents_mean_for_a_telephone() {
    let open = |inside: &str, note: &str| {
        format!(
            "<presence entity=\"sip:1001@pbx.test\"><tuple id=\"t\"><status><basic>open</basic></status></tuple>\
             <person><activities>{inside}</activities>{note}</person></presence>"
        )
    };
    let whole = |inside: &str| format!("<presence entity=\"sip:1001@pbx.test\">{inside}</presence>");
    let ours = |state: &str| {
        whole(&format!(
            "<tuple id=\"phone\"><status><basic>open</basic><telephony{state}</telephony></status></tuple>"
        ))
    };
    let note = |text: &str| open("", &format!("<note>{text}</note>"));
    let contact = |uri: &str| {
        whole(&format!(
            "<tuple id=\"t\"><status><basic>open</basic></status><contact>{uri}</contact></tuple>"
        ))
    };
    let dialogs = |states: &[&str]| {
        let one = |state: &&str| format!("<dialog id=\"{state}\"><state>{state}</state></dialog>");
        format!(
            "<dialog-info version=\"1\" state=\"full\">{}</dialog-info>",
            states.iter().map(one).collect::<String>()
        )
    };
    let presence = [
        ("open", open("", "")),
        ("closed", whole("<tuple id=\"t\"><status><basic>closed</basic></status></tuple>")),
        ("nothing", whole("")),
        ("RPID on-the-phone", open("<on-the-phone/>", "")),
        ("RPID busy", open("<busy/>", "")),
        ("RPID away", open("<away/>", "")),
        ("busy on a telephone that is closed", "<presence><tuple id=\"t\"><status><basic>closed</basic></status></tuple><person><activities><busy/></activities></person></presence>".to_owned()),
        ("activity dnd", open("<dnd/>", "")),
        ("other do-not-disturb", open("<other>Do Not Disturb</other>", "")),
        ("note DND, while it talks", open("<on-the-phone/>", "<note>DND</note>")),
        ("note: forwarded to a number", note("Forwarded to 2002")),
        ("note: forwarded, while it talks", open("<on-the-phone/>", "<note>Call forward: all calls to +45 4489 0101</note>")),
        ("note: forwarded to voice mail", note("Forwarded to voicemail")),
        ("note: DND before forwarded", open("<dnd/>", "<note>Forwarded to 2002</note>")),
        ("a note that only begins so", note("forwarded")),
        ("contact: a telephone elsewhere", contact("tel:+4544890101")),
        ("contact: its own number", contact("tel:1001")),
        ("contact: a device", contact("sip:1001@192.0.2.7:5062")),
        ("ours: available", ours(">available")),
        ("ours: busy", ours(">busy")),
        ("ours: offline", ours(">offline")),
        ("ours: not configured", ours(">not-configured")),
        ("ours: do not disturb", ours(">do-not-disturb")),
        ("ours: forwarded to a number", ours(" to=\"+4544890101\">forwarded-to-number")),
        ("ours: forwarded to voice mail", ours(">forwarded-to-voice-mail")),
    ];
    let calls = [
        ("no dialog", dialogs(&[])),
        ("trying", dialogs(&["trying"])),
        ("early", dialogs(&["early"])),
        ("confirmed", dialogs(&["confirmed"])),
        ("early and confirmed", dialogs(&["early", "confirmed"])),
        ("terminated", dialogs(&["terminated"])),
    ];
    let mut table =
        String::from("What a server writes, and what its telephone is taken for (R110, R113).\n\n");
    let presence = presence.into_iter().map(|(name, body)| (Package::Presence, name, body));
    for (package, name, body) in presence.chain(calls.map(|(name, body)| (Package::Dialog, name, body))) {
        let mut reading = Reading::default();
        reading.take(package, body.as_bytes(), |_| None, (NOW, NOW + 600)).expect("it is read");
        let meant = telephony(&reading.meant.phone.clone().unwrap_or_default());
        let to = match &meant {
            Telephony::ForwardedToNumber(number) => format!(" {number}"),
            _ => String::new(),
        };
        table += &format!("{:<9} {name:<40} {}{to}\n", package.name(), meant.name());
    }
    crate::golden("connector.txt", &table);
}

/// R115: the same number, however it is written.
#[test]
fn numbers_are_compared_without_what_only_makes_them_easier_to_read() {
    for (written, plain) in [
        ("2002", "2002"),
        ("sip:2002@pbx.test;user=phone", "2002"),
        ("tel:+45-44-89(01)01", "+4544890101"),
        ("+45 4489 0101", "+4544890101"),
        ("<sip:x", "x"),
        ("voice", "voice"),
    ] {
        assert_eq!(&*number(written), plain, "{written}");
    }
    assert_eq!(Forward::Number(number("5000")), Forward::Number("5000".into()));
}
