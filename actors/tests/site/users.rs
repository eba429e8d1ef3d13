//! What users are told, by whom and how, follows from what they and the site say; and which of them calls.

use std::{path::Path, sync::Arc, time::Duration};

use ringpost::{
    address::{Caller, UserClass},
    directory::{Directory, Origin},
    notify::{Tell, hours::Days},
    settings::{Audio, Manner, Notices, Recordings},
};
use ringpost_actors::load;

use super::{loaded, told};

#[test]
fn who_tells_a_missed_call_follows_from_what_the_user_has() {
    for (settings, expected) in [
        ("", Ok(UserClass::Off)),
        ("mail = \"a@b.test\"", Ok(UserClass::Mail)),
        ("um_plan = \"p\"", Ok(UserClass::Um)),
        ("um_plan = \"p\"\nmail = \"a@b.test\"", Ok(UserClass::Um)),
        ("um_plan = \"p\"\nmail = \"a@b.test\"\nmissed_calls = \"mail\"", Ok(UserClass::Mail)),
        ("um_plan = \"p\"\nmissed_calls = \"pbx\"", Ok(UserClass::Pbx)),
        ("um_plan = \"own\"\nmail = \"a@b.test\"", Ok(UserClass::Um)),
        (
            "um_plan = \"own\"",
            Err("s:7: user[0].mail: is missing: the embedded UM sends its messages by mail"),
        ),
        ("missed_calls = \"mail\"", Err("s:7: user[0].mail: is missing: missed calls are told by mail")),
        ("mail_if_um_refuses = true", Err("s:7: user[0].mail: is missing: mail_if_um_refuses is set")),
        ("missed_calls = \"um\"", Err("s:9: user[0].missed_calls: \"um\" needs an um_plan")),
        ("forward = \"voicemail\"", Err("s:9: user[0].forward: \"voicemail\" needs an um_plan")),
    ] {
        let text = format!(
            "[um.plan]\np.servers = [\"sip:um@h\"]\nown.servers = [\"embedded\"]\n\
             [mail]\nurl = \"smtp://localhost\"\nfrom = \"r@b.test\"\n\
             [[user]]\naddress = \"sip:1@localhost\"\n{settings}\n"
        );
        let read = load::text(Path::new("s"), &text).map(|site| site.users[0].missed_calls);
        let expected = expected.map_err(|what| vec![what.to_owned()]);
        assert_eq!(read.map_err(told), expected, "{settings}");
    }
    let without_mail = "[[user]]\naddress = \"sip:1@localhost\"\nmail = \"a@b.test\"\n";
    let expected = ["s:3: user[0].mail: the site has no [mail] section: missed calls are told by mail"];
    assert_eq!(
        told(load::text(Path::new("s"), without_mail).expect_err("nobody carries its mail")),
        expected
    );
    // With a UM that tells, the address alone needs no [mail]: there is only nobody to step in for the UM.
    let told_by_um = format!("[um.plan]\np.servers = [\"sip:um@h\"]\n{without_mail}um_plan = \"p\"\n");
    assert!(!loaded(&told_by_um).users[0].mail_if_um_refuses);
}

#[test]
fn channels_are_the_users_own_or_the_sites_and_reach_the_user() {
    let site = loaded(
        r#"
        [mail]
        url = "maildir:mail"
        from = "a@x.test"
        [channel.hook]
        kind = "webhook"
        url = "https://hooks.x.test/in"
        at_once = 3
        patience = "90s"
        [channel.files]
        kind = "maildir"
        path = "files"
        from = "a@x.test"
        [notices]
        channels = [["files", "hook"], "mail"]
        [[user]]
        address = "sip:1@x.test"
        mail = "1@x.test"
        [[user]]
        address = "sip:2@x.test"
        [[user]]
        address = "sip:3@x.test"
        channels = ["hook"]
        missed_calls = "off"
        "#,
    );
    let own = |user: usize| {
        let chains = site.users[user].channels.iter();
        let names = chains.map(|chain| chain.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(">"));
        names.collect::<Vec<_>>().join(" ")
    };
    // Who has no mail address is left out by the channels that write mails.
    assert_eq!([own(0), own(1), own(2)], ["files>hook mail", "hook", "hook"]);
    let classes: Vec<_> = site.users.iter().map(|user| user.missed_calls).collect();
    assert_eq!(classes, [UserClass::Mail, UserClass::Mail, UserClass::Off]);
    let mut paces: Vec<_> =
        site.channels.iter().map(|one| (one.name.as_str(), one.at_once, one.schedule.patience)).collect();
    paces.sort();
    let ten = Duration::from_secs(600);
    assert_eq!(paces, [("files", 8, ten), ("hook", 3, Duration::from_secs(90)), ("mail", 8, ten)]);
}

#[test]
fn what_goes_along_is_as_the_user_says_or_the_site() {
    let site = loaded(
        "[notices]\nvoicemail = \"link\"\nlink = \"https://v.test/{id}.wav\"\naudio = \"opus\"\n\
         [[user]]\naddress = \"sip:1@localhost\"\n\
         [[user]]\naddress = \"sip:2@localhost\"\n[user.notices]\nvoicemail = \"none\"\nvcard = false\n",
    );
    let manner = |voicemail, vcard| Manner { voicemail, audio: Audio::Opus, vcard };
    assert_eq!(site.style.manner("sip:1@localhost"), manner(Recordings::Link, true));
    assert_eq!(site.style.manner("sip:2@localhost"), manner(Recordings::None, false));
    let plain = loaded("[[user]]\naddress = \"sip:1@localhost\"\n");
    assert_eq!(plain.style.manner("sip:1@localhost"), Manner::default());
}

#[test]
fn r209_a_users_word_on_notices_stands_in_place_of_the_sites_key_by_key() {
    let site = loaded(
        "[notices]\nskip = [\"internal\"]\nskip_numbers = [\"+49900*\"]\nquiet = [\"22:00-07:00\"]\nmin_ring = \"2s\"\n\
         work_days = [\"mon\"]\ntell = \"all\"\nskip_voice_mail = true\n\
         [[user]]\naddress = \"sip:1@localhost\"\n\
         [[user]]\naddress = \"sip:2@localhost\"\nmin_ring = \"1s\"\n[user.notices]\nskip = [\"spam\"]\nquiet = []\n\
         work_days = [\"mon\", \"tue\"]\ntell = \"last\"",
    );
    let [usual, own] = [0, 1].map(|at: usize| &site.users[at]);
    assert_eq!((usual.min_ring, own.min_ring), (Duration::from_secs(2), Duration::from_secs(1)));
    let (usual, own) = (&usual.notices, &own.notices);
    assert!(usual.filters.internal && !usual.filters.spam && own.filters.spam && !own.filters.internal);
    assert!(usual.filters.voice_mail && own.filters.voice_mail, "the site's alone");
    assert_eq!(usual.filters.numbers, own.filters.numbers);
    assert_eq!((usual.hours.quiet.len(), own.hours.quiet.len()), (1, 0));
    assert_eq!(own.hours.work_days, Days::named(["tue", "mon"]));
    assert_eq!((&usual.tell, &own.tell), (&Tell::All, &Tell::Last));
    let nothing = loaded("[[user]]\naddress = \"sip:1@localhost\"\n");
    assert_eq!(
        *nothing.users[0].notices,
        Notices::default(),
        "every call is told of, at once, to who was called"
    );
    // A group's address needs a way there.
    let group = "[[user]]\naddress = \"sip:1@localhost\"\n[user.notices]\ntell = \"sales@b.test\"\n";
    let expected = [
        "s:3: user[0].notices: tell names an address: that needs channels, and the user's mail where they write mails",
    ];
    assert_eq!(told(load::text(Path::new("s"), group).expect_err("nothing carries its mail")), expected);
}

#[test]
fn r209_which_user_calls_is_known_from_devices_and_from_trunks_that_are_believed() {
    let directory = Directory::of(loaded(
        "[[trunk]]\nname = \"pbx\"\nsources = [\"127.0.0.1\"]\n\
         [[trunk]]\nname = \"world\"\nsources = [\"127.0.0.2\"]\ntrust_identity = false\n\
         [[user]]\naddress = \"sip:ada@localhost\"\nnumbers = [\"1001\", \"+4930123\"]\n",
    ));
    let trunk = |ip: &str| {
        Origin::Trunk(Arc::clone(directory.trunk(ip.parse().expect("an address")).expect("a trunk")))
    };
    let device = Origin::User(Arc::clone(directory.user("1001").expect("a user")));
    for (origin, number, known) in [
        (&device, None, true),
        (&trunk("127.0.0.1"), Some("1001"), true),
        (&trunk("127.0.0.1"), Some("+49-30-123"), true),
        (&trunk("127.0.0.1"), Some("1002"), false),
        (&trunk("127.0.0.1"), None, false),
        // Anybody could say that of himself.
        (&trunk("127.0.0.2"), Some("1001"), false),
    ] {
        let caller = Caller { number: number.map(str::to_owned), ..Caller::default() };
        let calling = directory.user_calling(&caller, origin).map(|user| user.address.as_str());
        assert_eq!(calling, known.then_some("sip:ada@localhost"), "{number:?} by {}", origin.name());
    }
}
