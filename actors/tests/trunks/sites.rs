//! Each sample site for another maker's equipment, as it stands, and a call in the shape that this equipment sends.
//!
//! The addresses of the samples (192.0.2.x) are put onto loopback, one network for each test, and the ports 5060 to 5062
//! where nobody else is; nothing else is changed.

use std::{net::SocketAddr, process::Command, time::Duration};

use tempfile::TempDir;

use crate::{
    authority::{Authority, params},
    phone::Phone,
    relay,
    support::{Over, Peer, Ringpost, SDP, Sip, peer::Dialog, ports, rtp_ports, sample, until},
};

/// Teams' name.
const TEAMS: &str = "sip.pstnhub.microsoft.com";

/// A sample site.
pub struct Scene {
    authority: Authority,
    pub sip: SocketAddr,
    pub net: String,
    pub port: u16,
    folder: TempDir,
    pub site: String,
}

/// The sample with other addresses and ports.
fn mapped(sample: &str, net: &str, port: u16) -> String {
    let mut parts = sample.split("192.0.2.");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (host, rest) = part.split_at(part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len()));
        let in_uri = text.ends_with("sip:") || text.ends_with('@');
        text += &format!("{net}{host}");
        let written = rest
            .strip_prefix(":506")
            .and_then(|rest| Some((rest.get(..1)?.parse::<u16>().ok()?, &rest[1..])));
        match written {
            Some((number, rest)) => text += &format!(":{}{rest}", port + number),
            None if in_uri => text += &format!(":{port}{rest}"),
            None => text += rest,
        }
    }
    text
}

impl Scene {
    pub fn of(name: &str) -> Self {
        // A port that nobody else has makes a network that nobody else has.
        let number = ports(3);
        let net = format!("127.{}.{}.", 100 + number / 250 % 100, 1 + number % 250);
        let sample = sample(name);
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("provider.password"), "secret\n").expect("written");
        let authority = Authority::new("everybody's");
        // Of the samples, one speaks TLS.
        let own = authority.signs(&params(&["sbc1.example.com"]));
        for (file, text) in [
            ("sbc1.example.com.pem", own.certificate.pem()),
            ("sbc1.example.com.key", own.key.serialize_pem()),
            ("authority.pem", authority.pem()),
        ] {
            std::fs::write(folder.path().join(file), text).expect("written");
        }
        let site = folder.path().join("sample.toml");
        std::fs::write(&site, &sample).expect("written");
        let mut check = Command::new(env!("CARGO_BIN_EXE_ringpost"));
        if sample.contains("RINGPOST_MAIL__PASSWORD") {
            check.env("RINGPOST_MAIL__PASSWORD", "from the environment");
        }
        let check = check.args(["check", "--config"]).arg(&site).output().expect("ringpost runs");
        assert!(check.status.success(), "{name}: {}", String::from_utf8_lossy(&check.stderr));
        let probe = "[[trunk]]\nname = \"probe\"\nsources = [\"127.0.0.1\"]\n";
        let voicemail = format!("[voicemail]\n{}\n", rtp_ports());
        let text = mapped(&sample, &net, number).replace("[voicemail]\n", &voicemail);
        let teams = format!("{net}50:{}", number + 1);
        let text = text
            .replace("[tls]\n", "[tls]\nca = \".\"\n")
            .replace(&format!("sip:{TEAMS}:5061"), &format!("sip:{teams}"));
        let sip = format!("{net}5:{number}").parse().expect("an address");
        Self { authority, sip, net, port: number, folder, site: format!("{text}\n{probe}") }
    }

    /// Starts it; whom it asks at once has to be there.
    pub fn start(self) -> Ringpost {
        Ringpost::of(self.folder, self.sip, &self.site)
    }

    /// A peer over TLS at port 5061 of one of the sample's hosts, with a certificate of that name.
    fn behind_tls(&self, host: u8, name: &str) -> Peer {
        let host = format!("{}{host}", self.net);
        let pair = self.authority.signs(&params(&[name, &host]));
        let ends = (SocketAddr::new(host.parse().expect("an address"), self.port + 1), self.sip.ip());
        let ringpost = SocketAddr::new(ends.1, self.port + 1);
        let (relay, outward) = relay::start(&self.authority, &pair, (ends.0, ringpost));
        let peer = Peer::at(Over::Tcp, ("127.0.0.1", 0), outward);
        relay.leads_to(peer.address);
        peer
    }

    /// A peer at one of the sample's hosts; `port` as in the sample.
    pub fn at(&self, over: Over, host: u8, port: u16) -> Peer {
        Peer::at(over, (&format!("{}{host}", self.net), self.port + port - 5060), self.sip)
    }
}

/// A peer's INVITE with further lines, From and Contact of its own.
fn calls(peer: &mut Peer, uri: &str, (from, contact): (&str, &str), headers: &str, body: &str) -> Sip {
    let own = format!("<{}>", peer.uri());
    let text = peer.draft("INVITE", uri, headers, body);
    let text = text.replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", from).replace(&own, contact);
    peer.send(text.as_bytes());
    Sip::new(text.as_bytes())
}

/// The callee answers with that SDP and the caller hangs up.
pub fn talk(caller: &mut Peer, callee: &mut Peer, (invite, ring): (&Sip, &Sip), sdp: &str) {
    callee.answer_with(ring, 200, "", sdp);
    let ok = caller.expect("200");
    assert_eq!(ok.body(), sdp);
    let mut dialog = Dialog::caller(invite, &ok);
    let answer = if invite.body().is_empty() { SDP } else { "" };
    caller.inside(&mut dialog, "ACK", "", answer);
    assert_eq!(callee.expect("ACK").body(), answer);
    caller.inside(&mut dialog, "BYE", "", "");
    let bye = callee.expect("BYE");
    callee.answer(&bye, 200);
    caller.expect("200");
}

#[test]
fn asterisk_in_front() {
    let scene = Scene::of("asterisk-trunk.toml");
    let mut asterisk = scene.at(Over::Udp, 10, 5060);
    let (mut desk, mut soft) = (scene.at(Over::Udp, 21, 5060), scene.at(Over::Udp, 121, 5062));
    let sip = scene.sip;
    let ringpost = scene.start();
    let headers = "User-Agent: Asterisk PBX 20.5.0\r\nAllow: OPTIONS, REGISTER, SUBSCRIBE, NOTIFY, PUBLISH, INVITE, ACK, BYE, CANCEL, \
                   UPDATE, PRACK, INFO, MESSAGE, REFER\r\nSupported: 100rel, timer, replaces, norefersub, histinfo\r\n\
                   P-Asserted-Identity: \"Bea\" <sip:+15550177@pbx.example.com>\r\n";
    let from = "\"Bea\" <sip:+15550177@pbx.example.com>";
    let contact = format!("<sip:asterisk@{}>", asterisk.address);
    let uri = format!("sip:201@{sip}");
    let invite = calls(&mut asterisk, &uri, (from, &contact), headers, SDP);
    let (ring, lost) = (desk.expect("INVITE"), soft.expect("INVITE"));
    assert!(ring.one("P-Asserted-Identity").contains("+15550177") && ring.body() == SDP);
    desk.answer(&ring, 180);
    soft.answer(&lost, 180);
    asterisk.expect("180");
    desk.answer_with(&ring, 200, "", SDP);
    let cancel = soft.expect("CANCEL");
    assert!(cancel.one("Reason").contains("Call completed elsewhere"), "{cancel}");
    soft.answer(&cancel, 200);
    soft.answer(&lost, 487);
    soft.expect("ACK");
    let mut dialog = Dialog::caller(&invite, &asterisk.expect("200"));
    asterisk.inside(&mut dialog, "ACK", "", "");
    desk.expect("ACK");
    asterisk.ends(&mut dialog, &mut desk);
    ringpost.stops_well();
}

#[test]
fn freepbx_in_front_and_its_extensions_behind() {
    let scene = Scene::of("freepbx.toml");
    let mut freepbx = scene.at(Over::Udp, 10, 5060);
    let sip = scene.sip;
    let ringpost = scene.start();
    let headers = "User-Agent: FPBX-17.0.19(21.8.0)\r\nSupported: 100rel, timer, replaces, norefersub\r\n\
                   P-Asserted-Identity: \"WIRELESS CALLER\" <sip:15550177123@pbx.example.com>\r\n\
                   Remote-Party-ID: \"WIRELESS CALLER\" <sip:15550177123@pbx.example.com>;party=calling;privacy=off;screen=no\r\n";
    let uri = format!("sip:15550201@{sip}");
    let contact = format!("<sip:asterisk@{}>", freepbx.address);
    let from = "\"WIRELESS CALLER\" <sip:15550177123@pbx.example.com>";
    let invite = calls(&mut freepbx, &uri, (from, &contact), headers, SDP);
    let rings = [freepbx.expect("INVITE"), freepbx.expect("INVITE")];
    let mut users: Vec<&str> = rings.iter().map(|ring| ring.uri().split('@').next().unwrap_or("")).collect();
    users.sort_unstable();
    assert_eq!(users, ["sip:201", "sip:99201"], "each device by its extension");
    for ring in &rings {
        freepbx.answer(ring, 180);
    }
    freepbx.expect("180");
    freepbx.cancel(&invite, "");
    // What the phones and the caller hear comes to one and the same peer, in any order.
    let (mut cancels, mut ended) = (0, false);
    while cancels < 2 || !ended {
        let one = freepbx.expect_any();
        match one.what() {
            "CANCEL" => {
                cancels += 1;
                freepbx.answer(&one, 200);
                let ring = rings.iter().find(|ring| ring.one("Call-ID") == one.one("Call-ID"));
                freepbx.answer(ring.expect("of a call"), 487);
            }
            "487" => {
                freepbx.acknowledges(&invite, &one);
                ended = true;
            }
            "200" | "ACK" => {}
            other => panic!("{other}"),
        }
    }
    ringpost.logs("Call ended");
    ringpost.stops_well();
}

#[test]
fn cucm_with_a_delayed_offer_and_with_a_diversion_to_um() {
    let scene = Scene::of("cisco-cucm.toml");
    let mut cucm = scene.at(Over::Tcp, 11, 5060);
    let mut ums = [scene.at(Over::Tcp, 31, 5060), scene.at(Over::Tcp, 32, 5060)];
    let (sip, own) = (scene.sip, scene.net.clone() + "11");
    let ringpost = scene.start();
    let ping = cucm.expect("OPTIONS");
    cucm.answer(&ping, 200);
    let headers = |host: &str| {
        format!(
            "Cisco-Guid: 1803905408-0000065536-0000000011-0184527882\r\nUser-Agent: Cisco-CUCM14.0\r\n\
             Allow-Events: presence, kpml\r\nSupported: timer,resource-priority,replaces\r\nX-cisco-srtp-fallback\r\n\
             X-Cisco-Presentation-Token: 7\r\n\
             Call-Info: <sip:{host}:5060>;method=\"NOTIFY;Event=telephone-event;Duration=500\"\r\n\
             P-Asserted-Identity: \"Tor\" <tel:+4530112009>\r\nExpires: 180\r\n\
             Remote-Party-ID: \"Tor\" <sip:+4530112009@{host};x-cisco-callback-number=+4530112009>;party=calling;screen=yes;privacy=off\r\n"
        )
        .replace("X-cisco-srtp-fallback\r\n", "Supported: X-cisco-srtp-fallback\r\n")
    };
    let from = format!("\"Tor\" <sip:+4530112009@{own}>");
    let contact = format!("<sip:+4530112009@{};transport=tcp>", cucm.address);
    let uri = format!("sip:2001@{sip};user=phone");
    // Delayed offer: no SDP in the INVITE, the phone offers in its 200, the answer is in the ACK.
    let invite = calls(&mut cucm, &uri, (&from, &contact), &headers(&own), "");
    let rings = [cucm.expect("INVITE"), cucm.expect("INVITE")];
    assert!(rings.iter().all(|ring| ring.body().is_empty() && ring.one("Cisco-Guid").starts_with("18039")));
    cucm.answer(&rings[0], 486);
    cucm.expect("ACK");
    let offer = cucm.answer_with(&rings[1], 200, "", SDP);
    let ok = cucm.expect("200");
    assert_eq!(ok.body(), offer.body());
    let mut dialog = Dialog::caller(&invite, &ok);
    cucm.inside(&mut dialog, "ACK", "", "v=0\r\nanswer\r\n");
    assert_eq!(cucm.expect("ACK").body(), "v=0\r\nanswer\r\n");
    cucm.inside(&mut dialog, "BYE", "", "");
    let bye = [cucm.expect_any(), cucm.expect_any()];
    let bye = bye.iter().find(|one| one.what() == "BYE").expect("the other end hears it");
    cucm.answer(bye, 200);
    // A call that was diverted in the cluster already: the devices learn of it, UM gets exactly one Diversion, ours.
    let diverted = format!(
        "{}Diversion: \"Ann\" <sip:+4530112008@{own}>;privacy=off;reason=no-answer;screen=yes\r\n",
        headers(&own)
    );
    let invite = calls(&mut cucm, &uri, (&from, &contact), &diverted, SDP);
    for ring in [cucm.expect("INVITE"), cucm.expect("INVITE")] {
        assert!(ring.one("Diversion").contains("+4530112008"));
        cucm.answer(&ring, 486);
        cucm.expect("ACK");
    }
    let mut found = None;
    while found.is_none() {
        found = ums.iter_mut().find_map(|um| Some((um.next(Duration::from_millis(100))?, um)));
    }
    let (to_um, um) = found.expect("found");
    let reason = "<sip:2001@corp.example.com>;reason=user-busy;counter=1;privacy=off";
    assert_eq!((to_um.what(), to_um.one("Diversion")), ("INVITE", reason));
    cucm.expect("181");
    talk(&mut cucm, um, (&invite, &to_um), SDP);
    ringpost.stops_well();
}

#[test]
fn a_provider_that_is_registered_at() {
    let scene = Scene::of("itsp-register.toml");
    let mut itsp = scene.at(Over::Udp, 70, 5060);
    let mut phone = scene.at(Over::Udp, 41, 5060);
    let (sip, net) = (scene.sip, scene.net.clone());
    let ringpost = scene.start();
    // REGISTER and OPTIONS come in any order.
    let mut contact = None;
    let (mut registered, mut asked) = (false, false);
    while !(registered && asked) {
        let request = itsp.expect_any();
        match request.what() {
            "OPTIONS" => {
                itsp.answer(&request, 200);
                asked = true;
            }
            "REGISTER" if request.first("Authorization").is_empty() => {
                let challenge = "WWW-Authenticate: Digest realm=\"itsp.example\", nonce=\"a\", qop=\"auth\", algorithm=MD5\r\n";
                itsp.answer_with(&request, 401, challenge, "");
            }
            "REGISTER" => {
                assert!(request.one("Authorization").contains("username=\"4930555000\""));
                itsp.answer_with(
                    &request,
                    200,
                    &format!("Contact: <{}>;expires=600\r\n", request.contact()),
                    "",
                );
                contact = Some(request.contact().to_owned());
                registered = true;
            }
            other => panic!("{other}"),
        }
    }
    let contact = contact.expect("registered");
    // Its 200 has to arrive before it counts as the trunk that it is.
    until("the provider is known", || {
        itsp.request("OPTIONS", &format!("sip:{sip}"), "", "");
        itsp.expect_any().what() == "200"
    });
    // As providers call: the Contact in the Request-URI, the number that was dialled in To.
    let from = "<sip:+49891234567@itsp.example;user=phone>";
    let draft = itsp.draft("INVITE", &contact, "P-Asserted-Identity: <sip:+49891234567@itsp.example;user=phone>\r\nP-Called-Party-ID: <sip:+4930555011@itsp.example>\r\n", SDP);
    let draft = draft
        .replace("\"Ada Caller\" <sip:+4544890101@pbx.test>", from)
        .replace(&format!("To: <{contact}>"), "To: <sip:+4930555011@itsp.example;user=phone>");
    itsp.send(draft.as_bytes());
    let invite = Sip::new(draft.as_bytes());
    let ring = phone.expect("INVITE");
    talk(&mut itsp, &mut phone, (&invite, &ring), SDP);
    // Anna's phone calls out with her password: the account in From, her number in P-Asserted-Identity.
    let mut anna = Phone::new(Over::Udp, &format!("{net}42"), &ringpost, "anna");
    anna.domain = "office.example.com".into();
    anna.password = "change this long password".into();
    let refused = std::thread::scope(|scope| {
        let provider = scope.spawn(|| {
            let out = itsp.expect("INVITE");
            itsp.answer(&out, 486);
            itsp.expect("ACK");
            out
        });
        let uri = "sip:089 7654321@office.example.com".replace(' ', "");
        let contact = format!("Contact: {}\r\n", anna.contact);
        let (_, answer) = anna.asks("INVITE", &uri, &contact, SDP, 0);
        assert_eq!(answer.what(), "486");
        provider.join().expect("it is called")
    });
    assert!(refused.uri().starts_with("sip:+49897654321@"), "{}", refused.uri());
    assert!(refused.one("From").starts_with("<sip:+4930555000@itsp.example>;tag="), "{refused}");
    assert_eq!(refused.one("P-Asserted-Identity"), "\"Anna Example\" <sip:+4930555011@itsp.example>");
}

#[test]
fn teams_calls_the_world_and_is_called() {
    const CRYPTO: &str = "v=0\r\no=- 0 0 IN IP4 52.112.0.1\r\ns=session\r\nc=IN IP4 52.112.0.1\r\nt=0 0\r\n\
        m=audio 49152 RTP/SAVP 104 8 0 101\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^31\r\n\
        a=rtpmap:104 SILK/16000\r\na=rtpmap:101 telephone-event/8000\r\na=x-candidate-info:foo\r\n";
    let scene = Scene::of("teams-direct-routing.toml");
    let mut gateway = scene.at(Over::Udp, 60, 5060);
    let mut teams = scene.behind_tls(50, TEAMS);
    let (sip, net) = (scene.sip, scene.net.clone());
    let ringpost = scene.start();
    // Teams accepts OPTIONS by the name in Contact.
    let options = teams.expect("OPTIONS");
    assert!(options.contact().starts_with("sip:ringpost@sbc1.example.com:"), "{options}");
    assert!(options.one("From").contains("sip:ringpost@sbc1.example.com"));
    teams.answer(&options, 200);
    let probe = teams.request("OPTIONS", "sip:sbc1.example.com:5061;transport=tls", "", "");
    assert_eq!(teams.expect("200").one("CSeq"), probe.one("CSeq"));
    // A Teams user calls the world.
    let headers = format!(
        "Record-Route: <sip:{net}50:{};transport=tls;lr>\r\nUser-Agent: Microsoft.PSTNHub.SIPProxy v.2024.1.0.1 i.EUWE.1\r\n\
         X-MS-SBC: none\r\nMin-SE: 300\r\nSupported: histinfo,timer\r\nSession-Expires: 3600\r\n\
         P-Asserted-Identity: <tel:+4930777100>,<sip:adele@example.com>\r\nPrivacy: none\r\n",
        sip.port() + 1
    );
    let from = "\"Adele\" <sip:+4930777100@sip.pstnhub.microsoft.com:5061;user=phone>";
    let contact = "<sip:api-du-a-euwe.pstnhub.microsoft.com:443;transport=tls;x-i=1;x-c=abc/d/8/xyz>";
    let uri = "sip:+4940123456@sbc1.example.com:5061;user=phone;transport=tls";
    let invite = calls(&mut teams, uri, (from, contact), &headers, CRYPTO);
    let out = gateway.expect("INVITE");
    assert!(out.uri().starts_with("sip:+4940123456@"), "{}", out.uri());
    assert_eq!(out.body(), CRYPTO, "SRTP keys pass as they are");
    assert!(out.one("From").starts_with("\"Adele\" <sip:+4930777100@sbc1.example.com>"), "{out}");
    gateway.answer_with(&out, 183, "", CRYPTO);
    let early = teams.expect("183");
    assert!(early.contact().contains("@sbc1.example.com:"), "{early}");
    talk(&mut teams, &mut gateway, (&invite, &out), CRYPTO);
    // The world calls a Teams user.
    let uri = format!("sip:+4930777100@{sip}");
    let invite = gateway.request("INVITE", &uri, "", CRYPTO);
    let ring = teams.expect("INVITE");
    assert!(ring.contact().contains("@sbc1.example.com:"), "{ring}");
    assert!(ring.one("From").contains("@sbc1.example.com>") && ring.body() == CRYPTO, "{ring}");
    talk(&mut gateway, &mut teams, (&invite, &ring), CRYPTO);
    // T19: Teams users call where the site allows, nobody else does.
    let invite =
        calls(&mut teams, "sip:+1900555@sbc1.example.com:5061;user=phone", (from, contact), "", CRYPTO);
    teams.refused(&invite, 404);
    let mut stranger = Peer::at(Over::Udp, (&format!("{net}99"), 0), sip);
    stranger.invite("+4940123456");
    let answer = stranger.next(Duration::from_secs(5)).expect("an answer");
    assert_eq!(answer.what(), "403");
    ringpost.stops_well();
}
