//! The stages on the way to enhanced presence (R46–R50): every stage × every event, and the report.

use ringpost::{
    presence::{
        Sight,
        microsoft::stage::{Client, Enhanced, Event, Refused, Report, Stage, is_told},
    },
    settings::{PublishServer, PublishTo, PublishWhat, Seen, SipServer, User},
};

#[test]
fn r46_to_r50_the_way_goes_on_and_never_back() {
    use Client::{Legacy, Rich, Web};
    use Event::{FlagCleared, FlagSet, SignsIn};
    use Stage::{FlagOff, FlagOn};
    let (no_client, no_way) = (Err(Refused::Client), Err(Refused::NoWayBack));
    for (stage, event, after) in [
        (FlagOff, FlagSet, Ok(FlagOn)),
        (FlagOff, FlagCleared, Ok(FlagOff)),
        (FlagOff, SignsIn(Legacy), Ok(FlagOff)),
        (FlagOff, SignsIn(Rich), no_client),
        (FlagOff, SignsIn(Web), no_client),
        (FlagOn, FlagSet, Ok(FlagOn)),
        (FlagOn, FlagCleared, no_way),
        (FlagOn, SignsIn(Legacy), Ok(FlagOn)),
        (FlagOn, SignsIn(Rich), Ok(Stage::Rich)),
        (FlagOn, SignsIn(Web), no_client),
        (Stage::Rich, FlagSet, Ok(Stage::Rich)),
        (Stage::Rich, FlagCleared, no_way),
        (Stage::Rich, SignsIn(Legacy), no_client),
        (Stage::Rich, SignsIn(Rich), Ok(Stage::Rich)),
        (Stage::Rich, SignsIn(Web), Ok(Stage::Rich)),
    ] {
        assert_eq!(stage.after(event), after, "{stage:?} {event:?}");
        assert!(stage.after(event).unwrap_or(stage) >= stage);
    }
}

#[test]
fn the_flag_and_rich_mode_make_the_stage() {
    let said = |flag, rich_mode| Enhanced { flag, rich_mode }.stage();
    assert_eq!(said(None, Some(true)), None, "nobody says");
    assert_eq!(said(Some(false), Some(true)), Some(Stage::FlagOff));
    assert_eq!(said(Some(true), None), Some(Stage::FlagOn));
    assert_eq!(said(Some(true), Some(true)), Some(Stage::Rich));
    // A directory: bit 256, and no bits at all say nothing.
    assert_eq!(Enhanced::of_flags(0).stage(), None);
    assert_eq!(Enhanced::of_flags(128).stage(), Some(Stage::FlagOff));
    assert_eq!(Enhanced::of_flags(384).stage(), Some(Stage::FlagOn));
    let own = Enhanced { flag: None, rich_mode: Some(true) };
    assert_eq!(
        own.or(Enhanced::of_flags(256)).stage(),
        Some(Stage::Rich),
        "the site file over the directory"
    );
}

fn server(name: &str, what: PublishWhat) -> PublishServer {
    let sip = SipServer {
        target: "sip:192.0.2.1".into(),
        login: None,
        sight: Sight::Reduced,
        keep_alive: Default::default(),
        what,
    };
    let (users, gap) = (None, Default::default());
    PublishServer { name: name.into(), to: PublishTo::Sip(sip), users, gap, at_once: 1 }
}

#[test]
fn a_report_has_each_user_and_the_counts() {
    let categories =
        PublishWhat::Categories { refresh: Default::default(), message_waiting: true, calendar: true };
    let packages = PublishWhat::Packages { packages: vec![], expires: Default::default() };
    let servers = [server("ocs", categories), server("front", packages)];
    assert!(!is_told(&servers[0], Some(Stage::FlagOff)) && is_told(&servers[0], None));
    let user = |name: &str, flag, rich_mode| {
        let presence = Seen { enhanced: Enhanced { flag, rich_mode }, ..Seen::default() };
        User { address: format!("sip:{name}@x"), presence, ..User::default() }
    };
    let users = [
        user("a", Some(false), None),
        user("b", Some(true), None),
        user("c", Some(true), Some(true)),
        user("d", None, None),
    ];
    let report =
        Report::of(users.iter(), &servers, |server, user| server.name == "ocs" || user.address != "sip:d@x");
    assert_eq!((report.stages, report.unknown), ([1, 1, 1], 1));
    let text = report.text();
    for line in [
        "1  sip:a@x  told at front; not at ocs\n",
        "2  sip:b@x  told at ocs, front\n",
        "3  sip:c@x  told at ocs, front\n",
        "-  sip:d@x  told at ocs\n",
        "stage 1: 1 (flag off",
        "no stage known: 1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    let json = serde_json::json!(report);
    assert_eq!(
        (&json["users"][2]["stage"], &json["stages"][2], &json["unknown"]),
        (&3.into(), &1.into(), &1.into())
    );
    assert_eq!(json["users"][0]["left_out_at"], serde_json::json!(["ocs"]));
}
