//! Exchange Web Services without a server: requests, answers, and the search for the server (issue 4; R28, T15, T24).

mod autodiscover;
mod requests;

use std::time::Duration;

use jiff::Timestamp;
use ringpost::{
    address::{Caller, Language},
    call::Outcome,
    notify::{Kind, Notice},
    settings::{Ews, EwsAccess, EwsLogin, EwsServer, EwsVersion, PASSWORD_REST, Secret},
};

fn notice(kind: Kind) -> Notice {
    Notice {
        kind,
        user: "sip:tu@contoso.com".into(),
        user_name: Some("Søren Ø".into()),
        mail: Some("tu@contoso.com".into()),
        language: Language::En,
        time_zone: "Europe/Copenhagen".into(),
        call_id: "7f3c@pbx".into(),
        caller: Caller {
            name: Some("Luka A".into()),
            number: Some("+4544890101".into()),
            uri: Some("tel:+4544890101".into()),
            ..Caller::default()
        },
        came_in: "2008-04-11T09:12:33Z".parse().expect("a timestamp"),
        rang_for: Duration::from_secs(23),
        outcome: Outcome::GaveUpRinging,
        talked: None,
        called: None,
    }
}

fn voice_mail() -> Kind {
    Kind::VoiceMail { recording: "x.wav".into(), duration: Duration::from_millis(64_200), urgent: false }
}

fn settings(access: EwsAccess) -> Ews {
    Ews {
        server: EwsServer::Url("https://mail.contoso.com/EWS/Exchange.asmx".into()),
        login: EwsLogin::Basic { user: "svc".into(), password: Secret("pw".into()) },
        from: "um@contoso.com".into(),
        access,
        version: EwsVersion::Exchange2013,
        ca: None,
        request_timeout: Duration::from_secs(30),
        password_rest: PASSWORD_REST,
    }
}

fn posted() -> Timestamp {
    "2008-04-11T09:13:00Z".parse().expect("a timestamp")
}
