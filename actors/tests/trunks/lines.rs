//! R24–R26 R72: people without numbers of their own, behind the main number of a PBX: both ways, by everybody.

use std::time::Duration;

use crate::{
    offices::sample,
    phone::{PASSWORD, Phone},
    sites::talk,
    support::{Over, Peer, Ringpost, SDP, Sip, Site},
};

/// A phone calls a number, and whoever gets the call is busy.
pub fn calls(phone: &mut Phone, number: &str, callee: &mut Peer) -> Sip {
    std::thread::scope(|scope| {
        let callee = scope.spawn(|| {
            let out = callee.expect("INVITE");
            callee.answer(&out, 486);
            callee.expect("ACK");
            out
        });
        let (_, answer) = phone.calls(number);
        assert_eq!(answer.what(), "486", "{number}");
        callee.join().expect("it is called")
    })
}

/// Two PBXes whose extensions are the same, a provider, a user behind each PBX and one with a number of his own.
struct Town {
    north: Peer,
    south: Peer,
    provider: Peer,
    /// The phones of 200 in the north and of 200 in the south.
    phones: [Peer; 2],
    ringpost: Ringpost,
}

impl Town {
    fn new(over: Over) -> Self {
        let site = Site::new().maildir();
        let peers: Vec<Peer> =
            (51..54).map(|host| Peer::new(over, &format!("127.0.0.{host}"), site.sip)).collect();
        let [north, south, provider] = peers.try_into().unwrap_or_else(|_| panic!("three peers"));
        let trunk = |name: &str, peer: &Peer, lines: &str| {
            let (ip, target) = (peer.address.ip(), peer.uri().replace("peer@", ""));
            format!("[[trunk]]\nname = {name:?}\nsources = [\"{ip}\"]\ntarget = {target:?}\n{lines}")
        };
        let user = |name: &str, line: &str, peer: &Peer| {
            format!(
                "[[user]]\naddress = \"sip:{name}@corp.test\"\nname = \"User {name}\"\nline = \"tel:{line}\"\n\
                 devices = [{:?}]\nmail = \"{name}@corp.test\"\npassword = \"{PASSWORD}\"\n[user.notices]\nskip = [\"internal\"]",
                peer.uri()
            )
        };
        let phones = [site.peer(over), site.peer(over)];
        let site = site
            .table("[outbound]\nallowed_prefixes = [\"+49\"]\ncountry = \"45\"\nnational_prefix = \"\"")
            .table(&trunk(
                "north",
                &north,
                "main_number = \"+4544890101\"\nextensions = [\"2xx\", \"300-399\"]",
            ))
            .table(&trunk("south", &south, "main_number = \"+4533112233\"\nextensions = [\"200-299\"]"))
            .table(&trunk("provider", &provider, "prefixes = [\"+\"]\ne164 = \"plus\"\ntransit = true"))
            .table(&user("nora", "+45-44-89-01-01;ext=200", &phones[0]))
            .table(&user("sven", "+4533112233;ext=200", &phones[1]));
        Self { north, south, provider, phones, ringpost: site.start() }
    }
}

/// Who is rung by what a trunk sends, with From as it has it; the call is then turned down.
fn rings(caller: &mut Peer, uri: &str, from: &str, phone: &mut Peer) -> Sip {
    let text = caller.draft("INVITE", uri, "", SDP);
    let text = text.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", from);
    caller.send(text.as_bytes());
    let ring = phone.expect("INVITE");
    phone.answer(&ring, 486);
    phone.expect("ACK");
    caller.refused(&Sip::new(text.as_bytes()), 486);
    ring
}

#[test]
fn r26_a_line_is_reached_by_its_extension_from_its_pbx_and_by_the_whole_from_everywhere() {
    for over in Over::BOTH {
        let mut town = Town::new(over);
        let host = town.ringpost.sip;
        let stranger = "<sip:+4930123@pbx.test>";
        for (from_north, uri, who) in [
            (true, format!("sip:200@{host}"), 0),
            (false, format!("sip:200@{host}"), 1),
            (true, format!("sip:+4544890101;ext=200@{host};user=phone"), 0),
            (false, format!("sip:+4544890101;ext=200@{host};user=phone"), 0),
            (true, format!("sip:+45-4489.0101;isub=7;EXT=2-00;phone-context=x@{host};user=phone"), 0),
            (true, format!("sip:+4533112233;ext=200@{host}"), 1),
        ] {
            let caller = if from_north { &mut town.north } else { &mut town.south };
            let ring = rings(caller, &uri, stranger, &mut town.phones[who]);
            assert!(ring.one("From").starts_with(stranger), "{uri}: {ring}");
        }
        for (uri, code) in [
            (format!("sip:+4544890101;ext=999@{host}"), 404),
            (format!("sip:+4544890101@{host}"), 404),
            (format!("sip:201@{host}"), 404),
        ] {
            let invite = town.north.request("INVITE", &uri, "", SDP);
            town.north.refused(&invite, code);
        }
        town.phones[0].silent_for(Duration::from_millis(20));
    }
}

#[test]
fn r25_what_comes_from_the_pbx_is_rebuilt_for_phones_and_notices() {
    let mut town = Town::new(Over::Udp);
    let host = town.ringpost.sip;
    // 240 is still on the PBX, nobody's here: the notice names the line.
    let ring =
        rings(&mut town.north, &format!("sip:200@{host}"), "\"Bo\" <sip:240@pbx.test>", &mut town.phones[0]);
    assert!(
        ring.one("From").starts_with("\"Bo\" <sip:+4544890101;ext=240@corp.test;user=phone>;tag="),
        "{ring}"
    );
    assert_eq!(ring.one("To"), "<sip:+4544890101;ext=200@corp.test;user=phone>");
    assert_eq!(ring.one("P-Asserted-Identity"), "\"Bo\" <sip:+4544890101;ext=240@corp.test;user=phone>");
    let mail = &town.ringpost.has_mails("nora@corp.test", 1)[0].1;
    assert!(mail.contains("+4544890101 ext. 240"), "{mail}");
    assert!(mail.replace("=3D", "=").replace("=\r\n", "").contains("tel:+4544890101;ext=240"), "{mail}");
    // The same extension of the other PBX is another line.
    rings(&mut town.south, &format!("sip:200@{host}"), "<sip:240@pbx.test>", &mut town.phones[1]);
    let mail = &town.ringpost.has_mails("sven@corp.test", 1)[0].1;
    assert!(mail.contains("+4533112233 ext. 240"), "{mail}");
    // A user who calls from the PBX's side is known by name, and as one of us: that is not told.
    let uri = format!("sip:+4544890101;ext=200@{host}");
    let ring = rings(&mut town.south, &uri, "<sip:200@pbx.test>", &mut town.phones[0]);
    assert!(ring.one("From").starts_with("<sip:+4533112233;ext=200@corp.test;user=phone>"), "{ring}");
    town.ringpost.logs("the user is not told of internal callers");
    assert_eq!(town.ringpost.mails("nora@corp.test").len(), 1);
}

#[test]
fn r25_towards_the_pbx_only_the_extension_is_written() {
    let mut town = Town::new(Over::Udp);
    let mut phone = Phone::new(Over::Udp, "127.0.0.60", &town.ringpost, "nora");
    // 350 is on the PBX: by the extension alone, and by the whole, although +45 is not allowed outside.
    for number in ["350", "+4544890101;ext=350"] {
        let out = calls(&mut phone, number, &mut town.north);
        let target = town.north.address;
        assert!(out.uri().starts_with(&format!("sip:350@{target}")), "{}", out.uri());
        assert_eq!(out.one("To"), format!("<sip:350@{target}>"));
        assert!(out.one("From").starts_with("\"User nora\" <sip:200@corp.test>"), "{out}");
    }
    // To the other PBX it is the main number that calls, for the extension would be somebody else's there.
    let out = calls(&mut phone, "+4533112233;ext=250", &mut town.south);
    assert!(out.uri().starts_with(&format!("sip:250@{}", town.south.address)), "{}", out.uri());
    assert!(out.one("From").starts_with("\"User nora\" <sip:+4544890101@corp.test>"), "{out}");
    // To the world, too.
    let out = calls(&mut phone, "+4930123", &mut town.provider);
    assert!(out.one("From").starts_with("\"User nora\" <sip:+4544890101@corp.test>"), "{out}");
    // Her own extension's neighbour at home is a user of the same main number only.
    let (_, answer) = phone.calls("400");
    assert_eq!(answer.what(), "404");
    town.south.silent_for(Duration::from_millis(20));
}

/// R3, R25: UM hears of the whole line that has called, and a PBX is told by the extension who diverts a call to it.
#[test]
fn r25_um_hears_of_the_line_and_the_pbx_of_the_extension_that_diverts() {
    let site = Site::new().maildir();
    let [mut pbx, mut provider] =
        [51, 52].map(|host| Peer::new(Over::Udp, &format!("127.0.0.{host}"), site.sip));
    let [mut nora, mut eva, mut um] = [(); 3].map(|()| site.peer(Over::Udp));
    let trunk = |name: &str, peer: &Peer, lines: &str| {
        let (ip, target) = (peer.address.ip(), peer.uri().replace("peer@", ""));
        format!("[[trunk]]\nname = {name:?}\nsources = [\"{ip}\"]\ntarget = {target:?}\n{lines}")
    };
    let user = |name: &str, ext: u16, peer: &Peer, lines: &str| {
        format!(
            "[[user]]\naddress = \"sip:{name}@corp.test\"\nline = \"tel:+4544890101;ext={ext}\"\n\
             devices = [{:?}]\n{lines}",
            peer.uri()
        )
    };
    let uri = um.uri();
    let ringpost = site
        .table("[outbound]\nallowed_prefixes = [\"+49\"]")
        .table(&trunk("house", &pbx, "main_number = \"+4544890101\"\nextensions = [\"2xx\", \"3xx\"]"))
        .table(&trunk("provider", &provider, "prefixes = [\"+\"]"))
        .plan("lab", &[&uri])
        .table(&user("nora", 200, &nora, "um_plan = \"lab\""))
        .table(&user("eva", 201, &eva, "missed_calls = \"off\"\n[user.policy]\nforward_busy = \"350\""))
        .table(&user("ida", 202, &eva, "missed_calls = \"off\"\n[user.policy]\nforward_busy = \"+4930123\""))
        .start();
    let host = ringpost.sip;
    let text = pbx.draft("INVITE", &format!("sip:200@{host}"), "", SDP);
    let text = text.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", "\"Bo\" <sip:240@pbx.test>");
    pbx.send(text.as_bytes());
    let invite = Sip::new(text.as_bytes());
    let ring = nora.expect("INVITE");
    nora.answer(&ring, 180);
    pbx.expect("180");
    pbx.gives_up(&invite, &mut nora, &ring);
    let info = um.expect("INFO");
    um.answer(&info, 200);
    for says in [
        "<From>sip:+4544890101;ext=240@corp.test;user=phone</From>",
        "<rp:FromNumber>+4544890101;ext=240</rp:FromNumber>",
        "<rp:FromName>Bo</rp:FromName>",
        "<EumProxyAddress>EUM:nora@corp.test;phone-context=lab</EumProxyAddress>",
    ] {
        assert!(info.body().contains(says), "{says}: {info}");
    }
    // Each is busy, and forwards: to an extension of the PBX, and to the world, which knows nobody by an extension.
    for (ext, called, diverts) in
        [(201, "350", "<sip:201@corp.test>"), (202, "+4930123", "<sip:ida@corp.test>")]
    {
        let callers = if ext == 201 { &mut provider } else { &mut pbx };
        let invite = callers.request("INVITE", &format!("sip:+4544890101;ext={ext}@{host}"), "", SDP);
        let ring = eva.expect("INVITE");
        eva.answer(&ring, 486);
        eva.expect("ACK");
        let called_side = if ext == 201 { &mut pbx } else { &mut provider };
        let out = called_side.expect("INVITE");
        assert!(out.uri().starts_with(&format!("sip:{called}@")), "{out}");
        let diversion = out.one("Diversion");
        assert!(diversion.starts_with(diverts) && diversion.contains("reason=user-busy"), "{out}");
        called_side.answer(&out, 486);
        called_side.expect("ACK");
        let callers = if ext == 201 { &mut provider } else { &mut pbx };
        callers.expect("181");
        callers.refused(&invite, 486);
    }
    drop((pbx, provider, nora, eva, um));
    ringpost.stops_well();
}

#[test]
fn the_sample_with_extensions_behind_a_main_number() {
    let scene = sample("extensions-behind-a-main-number.toml", "(nowhere)");
    let (mut pbx, mut provider) = (scene.at(Over::Udp, 10, 5060), scene.at(Over::Udp, 70, 5060));
    let (mut tor, mut ada) = (scene.at(Over::Udp, 21, 5060), scene.at(Over::Udp, 22, 5060));
    let ringpost = scene.start();
    let host = ringpost.sip;
    // From the PBX by the extension; answered.
    let uri = format!("sip:200@{host}");
    let text = pbx.draft("INVITE", &uri, "", SDP).replace("sip:+4544890101@pbx.test", "sip:240@pbx.test");
    pbx.send(text.as_bytes());
    let ring = tor.expect("INVITE");
    assert!(ring.one("From").contains("<sip:+4544890101;ext=240@example.com;user=phone>"), "{ring}");
    talk(&mut pbx, &mut tor, (&Sip::new(text.as_bytes()), &ring), SDP);
    // From the world by the whole number, missed.
    rings(&mut provider, &format!("sip:+4544890101;ext=201@{host}"), "<sip:+4933112233@p.test>", &mut ada);
    let mails = ringpost.has_mails("ada@example.com", 1);
    assert!(mails[0].1.contains("+4933112233"), "{}", mails[0].1);
    drop((pbx, provider, tor, ada));
    ringpost.stops_well();
}
