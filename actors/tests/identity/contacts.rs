//! Names that servers know.

use std::{fs, sync::Arc, time::Duration};

use ringpost::settings::{Ews, EwsAccess, EwsLogin, EwsServer, EwsVersion, Secret};
use ringpost_actors::{
    channel::{Contacts, token::Tokens},
    store::{Sqlite, Store},
};
use serde_json::{Value, json};

use crate::{
    Scene,
    authority::{Authority, params, server_config},
    emulator::Emulator,
    exchange::Exchange,
    keeps_quiet, listed, missed,
    program::{Over, Peer, Ringpost, peer::Dialog, ports, sample},
    runtime, subject,
    support::http::{Reply, Server},
};

/// Many contacts, and last of all the one with the PBX's number, typed as people type.
fn crowd(name: &str) -> Vec<Value> {
    let other =
        |at: usize| json!({"name": format!("Nr. {at}"), "numbers": {"HomePhone": format!("+45 33 {at:06}")}});
    let one = json!({"name": name, "numbers": {"AssistantPhone": "+45 1", "OtherTelephone": "+45 (0) 44 89-01 01"}});
    (0..450).map(other).chain([one]).collect()
}

#[test]
fn r7_r205_a_call_from_a_number_among_the_callees_contacts_is_a_mail_with_the_name() {
    let scene = Scene::new();
    let Some(exchange) = Emulator::start(scene.site.folder.path()) else { return };
    runtime().block_on(exchange.knows(&json!({"1001@corp.test": crowd("Ida Private")})));
    let Scene { site, mut pbx, mut desk } = scene.exchange(&exchange.url(), "").user("1001").user("1002");
    let mut ringpost = site.start();
    for count in 1..=2 {
        missed(&mut pbx, &mut desk, "1001", || {});
        let mails = ringpost.has_mails("1001@corp.test", count);
        assert!(mails.iter().all(|(_, mail)| subject(mail).contains("Ida Private")), "{mails:?}");
    }
    // A private contact is for its owner alone.
    missed(&mut pbx, &mut desk, "1002", || {});
    let mails = ringpost.has_mails("1002@corp.test", 1);
    assert!(subject(&mails[0].1).contains("Ada Caller"), "what the PBX says: {}", mails[0].1);
    let count = |name| runtime().block_on(exchange.count(name));
    assert_eq!(count("contacts"), 3 + 1, "three parts and an empty one: the second call finds the list");
    assert_eq!((count("bad_requests"), count("bad_responses")), (0, 0));
    let sources: Vec<_> =
        listed(&ringpost).iter().map(|one| one["item"]["notice"]["caller"]["source"].clone()).collect();
    assert_eq!(sources, [json!(null), json!("own"), json!("own")]);
    ringpost.logs("A caller has a name source=\"own\"");
    keeps_quiet(&ringpost, &["Ida", "4489", "@corp.test"]);
    assert_eq!(ringpost.terminate().code(), Some(0));
    // The second call ended when the name was there already, so its line in the call log says whose it is.
    let mut store = Sqlite::view(&ringpost.folder.path().join("store.db")).expect("a store");
    let calls = store.calls(10).expect("readable");
    let second = &calls[1].caller;
    assert_eq!(second.source.as_ref().map(|source| source.as_str()), Some("own"), "{calls:?}");
    assert_eq!((second.name.as_deref(), second.sought), (Some("Ida Private"), false));
}

#[test]
fn the_order_decides_between_the_directory_and_private_contacts() {
    for (order, wins, asked) in
        [("[\"users\", \"own\"]", "Directory Name", 0), ("[\"own\", \"users\"]", "Ida Private", 3)]
    {
        let scene = Scene::new();
        let Some(exchange) = Emulator::start(scene.site.folder.path()) else { return };
        runtime().block_on(exchange.knows(&json!({"1001@corp.test": crowd("Ida Private")})));
        let colleague = "[[user]]\naddress = \"sip:ada@corp.test\"\nname = \"Directory Name\"\nnumbers = [\"+4544890101\"]";
        let scene = scene.with(&format!("[identity]\norder = {order}")).exchange(&exchange.url(), "");
        let Scene { site, mut pbx, mut desk } = scene.with(colleague).user("1001");
        let ringpost = site.start();
        missed(&mut pbx, &mut desk, "1001", || {});
        let mails = ringpost.has_mails("1001@corp.test", 1);
        assert!(subject(&mails[0].1).contains(wins), "{order}: {}", mails[0].1);
        assert_eq!(runtime().block_on(exchange.count("contacts")), asked, "{order}: nobody is asked in vain");
    }
}

#[test]
fn of_several_who_are_told_each_reads_names_of_the_own_contacts_alone() {
    let scene = Scene::new();
    let Some(exchange) = Emulator::start(scene.site.folder.path()) else { return };
    runtime().block_on(exchange.knows(&json!({"1001@corp.test": crowd("Ida Private")})));
    let Scene { site, mut pbx, mut desk } = scene.exchange(&exchange.url(), "").user("1002");
    let mut own = site.peer(Over::Udp);
    let hunt = "mail = \"1001@corp.test\"\nring_for = \"400ms\"\n[user.policy]\nhunt = [\"1002\"]\nhunt_step = \"400ms\"\n\
                [user.notices]\ntell = \"all\"";
    let ringpost = site.user("1001", &[&own], hunt).start();
    let invite = pbx.invite("1001");
    for phone in [&mut own, &mut desk] {
        let ring = phone.expect("INVITE");
        phone.answer(&ring, 180);
        let cancel = phone.expect("CANCEL");
        phone.answer(&cancel, 200);
        phone.answer(&ring, 487);
        phone.expect("ACK");
    }
    for (user, name) in [("1001@corp.test", "Ida Private"), ("1002@corp.test", "Ada Caller")] {
        let mails = ringpost.has_mails(user, 1);
        assert!(subject(&mails[0].1).contains(name), "{user}: {}", mails[0].1);
    }
    drop((invite, pbx));
    ringpost.is_well();
}

#[test]
fn the_embedded_um_names_callers_too() {
    let scene = Scene::new();
    let Some(exchange) = Emulator::start(scene.site.folder.path()) else { return };
    runtime().block_on(exchange.knows(&json!({"1001@corp.test": crowd("Ida Private")})));
    let Scene { site, mut pbx, .. } = scene.exchange(&exchange.url(), "");
    let site = site.plan("own", &["embedded"]);
    let ringpost = site.user("1001", &[], "um_plan = \"own\"\nmail = \"1001@corp.test\"").start();
    let invite = pbx.invite("1001");
    pbx.expect("181");
    let ok = pbx.expect("200");
    let mut dialog = Dialog::caller(&invite, &ok);
    pbx.inside(&mut dialog, "ACK", "", "");
    pbx.inside(&mut dialog, "BYE", "", "");
    pbx.expect("200");
    let mails = ringpost.has_mails("1001@corp.test", 1);
    assert!(subject(&mails[0].1).contains("Ida Private"), "{}", mails[0].1);
    ringpost.is_well();
}

#[test]
fn r205_contacts_of_exchange_online_name_callers_too() {
    let scene = Scene::new();
    let ours = Authority::new("ours");
    ours.site(scene.site.folder.path(), &["127.0.0.1"]);
    let exchange = Exchange::start(Some(server_config(&ours.signs(&params(&["127.0.0.1"])))));
    let other = |at: usize| json!({"displayName": format!("Nr. {at}"), "homePhones": [format!("+4533{at}")]});
    let one = json!({"displayName": "Ida\u{202e} Online\r\nBcc: x@y", "businessPhones": ["+45 1", "0045 4489 0101"]});
    exchange.knows("1001@corp.test", (0..9).map(other).chain([one]).collect());
    fs::write(scene.site.folder.path().join("online.secret"), "s3cret\n").expect("a file");
    let scene =
        scene.with("[outbound]\ncountry = \"45\"\nnational_prefix = \"\"\ninternational_prefix = \"00\"");
    let scene = scene.with(&format!(
        "[channel.online]\nkind = \"graph\"\nurl = {:?}\ntoken_url = {:?}\nclient_id = \"app\"\n\
         client_secret_file = \"online.secret\"\nfrom = \"um@corp.test\"\nca = \"ca/own.pem\"\n\
         [identity.source.online]\nkind = \"graph\"\nchannel = \"online\"\n",
        exchange.url("/v1.0"),
        exchange.url("/t/token")
    ));
    let Scene { site, mut pbx, mut desk } = scene.user("1001");
    let ringpost = site.start();
    missed(&mut pbx, &mut desk, "1001", || {});
    let mails = ringpost.has_mails("1001@corp.test", 1);
    assert!(subject(&mails[0].1).contains("Ida Online Bcc: x@y"), "one clean line: {}", mails[0].1);
    assert!(!mails[0].1.lines().any(|line| line.starts_with("Bcc:")));
    let requests = exchange.requests();
    assert_eq!(requests, ["GET contacts", "GET contacts", "GET contacts"], "three parts");
}

#[test]
fn a_link_to_elsewhere_gets_no_token() {
    let scene = Scene::new();
    let ours = Authority::new("ours");
    ours.site(scene.site.folder.path(), &["127.0.0.1"]);
    let tls = || Some(server_config(&ours.signs(&params(&["127.0.0.1"]))));
    let evil = Server::start(tls(), |_| Reply::json(200, &json!({"value": []})));
    let next = format!("https://127.0.0.1:{}/v1.0/users/x/contacts", evil.port);
    let graph = Server::start(tls(), move |asked| match asked.path.as_str() {
        "/t/token" => Reply::json(200, &json!({"access_token": "good", "expires_in": 3599})),
        _ => Reply::json(200, &json!({"value": [], "@odata.nextLink": next})),
    });
    fs::write(scene.site.folder.path().join("online.secret"), "s3cret\n").expect("a file");
    let at = |path: &str| format!("https://127.0.0.1:{}{path}", graph.port);
    let scene = scene.with(&format!(
        "[channel.online]\nkind = \"graph\"\nurl = {:?}\ntoken_url = {:?}\nclient_id = \"app\"\n\
         client_secret_file = \"online.secret\"\nfrom = \"um@corp.test\"\nca = \"ca/own.pem\"\n\
         [identity.source.online]\nkind = \"graph\"\nchannel = \"online\"\n",
        at("/v1.0"),
        at("/t/token")
    ));
    let Scene { site, mut pbx, mut desk } = scene.user("1001");
    let ringpost = site.start();
    missed(&mut pbx, &mut desk, "1001", || {});
    assert!(subject(&ringpost.has_mails("1001@corp.test", 1)[0].1).contains("Ada Caller"));
    assert_eq!((graph.asked().len(), evil.asked().len()), (2, 0));
}

#[test]
fn the_sample_site_takes_names_from_exchange_and_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::start(folder.path()) else { return };
    runtime().block_on(exchange.knows(&json!({"bo@corp.example": crowd("Ida Private")})));
    fs::write(folder.path().join("exchange.password"), "pw\n").expect("a file");
    fs::write(folder.path().join("suppliers.csv"), "name,number\nSupplier,+4544890101\n").expect("a file");
    let sip = format!("127.0.0.1:{}", ports(1)).parse().expect("an address");
    let (mut pbx, mut desk) =
        (Peer::new(Over::Udp, "127.0.0.1", sip), Peer::new(Over::Udp, "127.0.0.1", sip));
    let site = sample("callers-by-exchange.toml")
        .replace("192.0.2.5:5060", &sip.to_string())
        .replace("sip:desk@192.0.2.22", &desk.uri())
        .replace("192.0.2.10", "127.0.0.1")
        .replace("https://mail.corp.example/EWS/Exchange.asmx", &exchange.url())
        .replace("#ca = \"/etc/ringpost/corp-ca.pem\"", "ca = \"ca/own.pem\"")
        .replace("smtp://192.0.2.6:25", "maildir:mail");
    let ringpost = Ringpost::of(folder, sip, &site);
    missed(&mut pbx, &mut desk, "1002", || {});
    let mails = ringpost.has_mails("bo@corp.example", 1);
    assert!(subject(&mails[0].1).contains("Ida Private"), "before the file: {}", mails[0].1);
    assert_eq!(runtime().block_on(exchange.count("ntlm")), 3, "a proof for each part");
    ringpost.is_well();
}

#[test]
fn the_emulator_beside_the_project_takes_the_request() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::foreign(folder.path()) else { return };
    let channel = |access| Ews {
        server: EwsServer::Url(exchange.url()),
        login: EwsLogin::Basic { user: "svc@corp.test".into(), password: Secret("pw".into()) },
        from: "um@corp.test".into(),
        access,
        version: EwsVersion::Exchange2010Sp2,
        ca: Some(exchange.ca.clone()),
        request_timeout: Duration::from_secs(10),
        password_rest: Duration::from_secs(60),
    };
    runtime().block_on(async {
        for access in [EwsAccess::Impersonation, EwsAccess::Delegate] {
            let ews = ringpost_actors::channel::Ews::new(channel(access), &Tokens::default());
            let ews = Arc::new(ews.expect("a channel"));
            let page = ews.page("tu@corp.test", None).await.expect("a list");
            assert_eq!((page.contacts.len(), page.next), (0, None));
        }
        assert_eq!((exchange.count("requests").await, exchange.count("bad_requests").await), (2, 0));
    });
}
