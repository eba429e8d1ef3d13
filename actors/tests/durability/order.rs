//! A caller hears the end of a call only when its notice is on the disk, and a notice is only written off when it is told.

use std::{net::UdpSocket, path::Path, time::Duration};

use ringpost::voicemail::{g711::Codec, rtp};

use crate::{
    support::{Over, Peer, Ringpost, Sip, Site, peer::Dialog, within},
    trace::{self, Syscall},
};

const SENDS: [&str; 5] = ["sendto", "sendmsg", "sendmmsg", "write", "writev"];
const TRACED: &str =
    "trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg,sendmmsg,rename,renameat,renameat2,openat";

fn traced(site: Site, lines: &str, devices: &[&Peer]) -> Ringpost {
    let file = site.folder.path().join("trace");
    let words = trace::words(&file, &["-e", TRACED]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    site.under(&words).user("1001", devices, lines).start()
}

/// The first call after that line of the trace that is so.
fn first<'c>(calls: &'c [Syscall], after: usize, what: &str, so: impl Fn(&Syscall) -> bool) -> &'c Syscall {
    calls
        .iter()
        .find(|call| call.began >= after && so(call))
        .unwrap_or_else(|| panic!("not in the trace: {what}"))
}

/// The sync that makes the first writing of these words durable.
fn synced<'c>(calls: &'c [Syscall], words: &[&str]) -> &'c Syscall {
    let written = first(calls, 0, "the notice is written", |call| {
        call.is(&["pwrite64"])
            && call.is_of("store.db-wal")
            && words.iter().all(|word| call.text.contains(word))
    });
    first(calls, written.ended, "the journal is synced", |call| call.is_sync() && call.is_of("store.db-wal"))
}

fn answered<'c>(calls: &'c [Syscall], code: &str, method: &str, invite: &Sip) -> &'c Syscall {
    let (code, method) = (format!("SIP/2.0 {code} "), format!(" {method}\\r\\n"));
    first(calls, 0, "the answer", |call| {
        call.is(&SENDS)
            && [code.as_str(), &method, invite.one("Call-ID")].iter().all(|word| call.text.contains(word))
    })
}

fn calls(folder: &Path) -> Vec<Syscall> {
    trace::read(&folder.join("trace"))
}

#[test]
fn the_notice_is_synced_before_the_caller_hears_the_end() {
    if !trace::possible() {
        return;
    }
    let site = Site::new().maildir();
    let folder = site.folder.path().to_owned();
    let (mut pbx, mut desk) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let mut ringpost = traced(site, "missed_calls = \"mail\"\nmail = \"ada@corp.test\"", &[&desk]);
    // The caller gives up; and the phone refuses.
    let given_up = pbx.invite("1001");
    let ring = desk.expect("INVITE");
    desk.answer(&ring, 180);
    pbx.expect("180");
    pbx.cancel(&given_up, "");
    pbx.expect("200");
    desk.expect("CANCEL");
    pbx.refused(&given_up, 487);
    let cancelled = desk.answer(&ring, 487);
    drop(cancelled);
    // The two lie on one page of the store: the first is written off before there is a second.
    ringpost.logs("A notice is delivered");
    let refused = pbx.invite("1001");
    let ring =
        std::iter::repeat_with(|| desk.expect_any()).find(|one| one.what() == "INVITE").expect("it rings");
    desk.answer(&ring, 486);
    pbx.refused(&refused, 486);
    ringpost.has_mails("ada@corp.test", 2);
    ringpost.terminate();
    let calls = calls(&folder);
    for (invite, code) in [(&given_up, "487"), (&refused, "486")] {
        let call_id = invite.one("Call-ID");
        let synced = synced(&calls, &[call_id]);
        let answered = answered(&calls, code, "INVITE", invite);
        assert!(synced.ended < answered.began, "{code}: {synced:?}\n{answered:?}");
    }
    // The mail, its name in the folder, and only then the end of the notice.
    let call_id = given_up.one("Call-ID");
    let told = first(&calls, 0, "it is written off", |call| {
        call.is(&["pwrite64"])
            && call.is_of("-wal")
            && call.text.contains("delivered")
            && call.text.contains(call_id)
    });
    let mail = first(&calls, 0, "the mail is written", |call| {
        call.is(&["write"]) && call.text.contains(&format!("X-CallID: {call_id}"))
    });
    let moved = first(&calls, mail.ended, "it gets its name", |call| call.name.starts_with("rename"));
    let mail_synced = calls.iter().any(|call| {
        call.is_sync() && call.is_of(".ringpost") && (mail.ended..moved.began).contains(&call.ended)
    });
    let folder_synced = calls
        .iter()
        .any(|call| call.is_sync() && call.is_of("new") && (moved.ended..told.began).contains(&call.ended));
    assert!(mail_synced && folder_synced, "{mail_synced} {folder_synced}");
    // The names of the store's files are as durable as what is in them.
    let made = first(&calls, 0, "the journal is made", |call| {
        call.is(&["openat"]) && call.text.contains("store.db-wal\"") && call.text.contains("O_CREAT")
    });
    let folder = folder.file_name().expect("a name").to_string_lossy().into_owned();
    let named =
        first(&calls, made.ended, "the folder is synced", |call| call.is_sync() && call.is_of(&folder));
    let answered = answered(&calls, "487", "INVITE", &given_up);
    assert!(named.ended < answered.began, "{named:?}");
}

#[test]
fn a_voice_mail_is_synced_before_the_um_answers_the_bye() {
    if !trace::possible() {
        return;
    }
    let site = Site::new().maildir().plan("own", &["embedded"]);
    let folder = site.folder.path().to_owned();
    let mut pbx = site.peer(Over::Udp);
    let lines = "um_plan = \"own\"\nmail = \"ada@corp.test\"\nmissed_calls = \"mail\"";
    let mut ringpost = traced(site, lines, &[]);
    let voice = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let offer = format!(
        "v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 8 101\r\n\
         a=rtpmap:101 telephone-event/8000\r\n",
        voice.local_addr().expect("bound").port()
    );
    let invite = pbx.request("INVITE", &format!("sip:1001@{}", ringpost.sip), "", &offer);
    pbx.expect("181");
    let ok = pbx.expect("200");
    let port = ok.body().lines().find_map(|line| line.strip_prefix("m=audio ")).expect("audio");
    let port: u16 = port.split(' ').next().unwrap_or_default().parse().expect("a port");
    let mut dialog = Dialog::caller(&invite, &ok);
    pbx.inside(&mut dialog, "ACK", "", "");
    let mut sequence = 0;
    let mut says = |payload_type, payload: &[u8]| {
        sequence += 1;
        let timestamp = u32::from(sequence) * 160;
        let header = rtp::Header { marker: false, payload_type, sequence, timestamp, ssrc: 77 };
        voice.send_to(&header.write(payload), ("127.0.0.1", port)).expect("loopback takes it");
        std::thread::sleep(Duration::from_millis(20));
    };
    // `#` skips the greeting.
    says(101, &[11, 0x8A, 1, 0x40]);
    within(Duration::from_secs(20), "the recording begins", || {
        says(8, &[Codec::Pcma.silence(); 160]);
        ringpost.log().contains("Reported(Recording)")
    });
    let tone = Codec::Pcma.tone(440.0, 0.5, Duration::from_secs(3));
    tone.chunks(160).for_each(|frame| says(8, frame));
    let bye = pbx.inside(&mut dialog, "BYE", "", "");
    pbx.expect("200");
    ringpost.has_mails("ada@corp.test", 1);
    ringpost.terminate();
    let calls = calls(&folder);
    let notice = synced(&calls, &[invite.one("Call-ID"), "voice-mail"]);
    let recording = first(&calls, 0, "the recording is synced", |call| call.is_sync() && call.is_of(".part"));
    let moved = first(&calls, recording.ended, "it gets its name", |call| call.name.starts_with("rename"));
    let named =
        first(&calls, moved.ended, "its folder is synced", |call| call.is_sync() && call.is_of("recordings"));
    // Where the program dies before, the next start repairs the recording and tells of it.
    let answered = first(&calls, 0, "the UM answers", |call| {
        let words = ["SIP/2.0 200 ", " BYE\\r\\n"];
        call.is(&SENDS)
            && words.iter().all(|word| call.text.contains(word))
            && !call.text.contains(bye.one("Call-ID"))
    });
    for (what, sync) in [("notice", notice), ("recording", recording), ("folder", named)] {
        assert!(sync.ended < answered.began, "{what}: {sync:?}\n{answered:?}");
    }
}
