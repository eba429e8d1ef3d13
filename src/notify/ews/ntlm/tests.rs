//! The vectors of [MS-NLMP] 4.2.

use super::*;

const SERVER: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
const CLIENT: [u8; 8] = [0xaa; 8];

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn password() -> Secret {
    Secret("Password".to_owned())
}

/// A challenge as a server sends it, with the target information of 4.2.4.
fn challenge(more: &[(u16, &[u8])]) -> Vec<u8> {
    let mut info = Vec::new();
    pair(&mut info, 2, &utf16("Domain"));
    pair(&mut info, 1, &utf16("Server"));
    for (id, value) in more {
        pair(&mut info, *id, value);
    }
    pair(&mut info, END, &[]);
    let length = u16::try_from(info.len()).expect("short").to_le_bytes();
    let mut message =
        [SIGNATURE.as_slice(), &2u32.to_le_bytes(), &[0; 8], &FLAGS.to_le_bytes(), &SERVER].concat();
    message.extend([0; 8]);
    message.extend([length, length].concat());
    message.extend(56u32.to_le_bytes());
    message.extend(VERSION);
    message.extend(info);
    message
}

fn how(bindings: Option<[u8; 16]>) -> Circumstances<'static> {
    Circumstances { nonce: CLIENT, time: 0, host: "mail.x.test", bindings }
}

#[test]
fn the_published_vectors_come_out() {
    let password = password();
    let who = Credentials::of("Domain\\User", &password);
    let key = response_key(&who);
    assert_eq!(hex(&key), "0c868a403bfd7a93a3001ef22ef02e3f", "4.2.4.1.1 NTOWFv2");
    let message = challenge(&[]);
    let (info, time) = Challenge::read(&message).expect("a challenge").answered_info(&how(None));
    let (response, session) = nt_response(&key, SERVER, CLIENT, time, &info);
    assert_eq!(hex(&response[..16]), "68cd0ab851e51c96aabc927bebef6a1c", "4.2.4.2.2 NTProofStr");
    assert_eq!(hex(&session), "8de40ccadbc14a82f15cb0ad0de95ca3", "4.2.4.1.2 session base key");
    let lm = lm_response(&key, SERVER, CLIENT);
    assert_eq!(hex(&lm), "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa", "4.2.4.2.1 LMv2");
}

#[test]
fn the_fields_of_the_answer_lie_where_they_are_said_to() {
    let password = password();
    let who = Credentials::of("Domain\\User", &password);
    let message = authenticate(&who, &challenge(&[]), &how(None)).expect("an answer");
    let field = |at: usize| {
        let length = usize::from(u16::from_le_bytes([message[at], message[at + 1]]));
        let offset = u32::from_le_bytes(message[at + 4..at + 8].try_into().expect("four")) as usize;
        &message[offset..offset + length]
    };
    assert_eq!(hex(field(12)), "86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa");
    assert_eq!(hex(&field(20)[..16]), "68cd0ab851e51c96aabc927bebef6a1c");
    assert_eq!((field(28), field(36)), (utf16("Domain").as_slice(), utf16("User").as_slice()));
    assert_eq!(&message[72..88], &[0; 16], "no MIC without the server's time");
}

#[test]
fn with_the_servers_time_there_are_bindings_and_a_mic() {
    let password = password();
    let who = Credentials::of("user@x.test", &password);
    assert_eq!((who.domain, who.user), ("", "user@x.test"));
    let time = 0x01d9_0000_0000_0000u64.to_le_bytes();
    let challenge = challenge(&[(TIMESTAMP, &time)]);
    let bindings = channel_bindings(&[7; 32]);
    let message = authenticate(&who, &challenge, &how(Some(bindings))).expect("an answer");
    assert_eq!(&message[88..112], &[0; 24], "no LMv2 response");
    let has = |wanted: &[u8]| message.windows(wanted.len()).any(|window| window == wanted);
    assert!(has(&bindings) && has(&time) && has(&utf16("HTTP/mail.x.test")));
    let mut without = message.clone();
    without[72..88].fill(0);
    assert_ne!(without, message, "a MIC");
    let other = authenticate(&who, &challenge, &how(None)).expect("an answer");
    assert_ne!(other[72..88], message[72..88], "the MIC covers the bindings");
}

#[test]
fn what_is_no_challenge_is_refused() {
    let password = password();
    let who = Credentials::of("User", &password);
    let good = challenge(&[]);
    for cut in 0..good.len() {
        // Cut in the target information or before it: never a panic, and never an answer.
        assert_eq!(authenticate(&who, &good[..cut], &how(None)), Err(ChallengeError), "{cut}");
    }
    let mut far = good.clone();
    far[44..48].fill(0xff);
    assert_eq!(authenticate(&who, &far, &how(None)), Err(ChallengeError));
    assert_eq!(authenticate(&who, &[0; LARGEST + 1], &how(None)), Err(ChallengeError));
}
