//! NTLMv2 as HTTP carries it ([MS-NLMP], [MS-NTHT]): three messages on one connection. The response is bound to the
//! server's certificate (RFC 5929 §4), as Exchange with Extended Protection demands. Older versions than NTLMv2, which
//! give the password away, are not spoken.

use hmac::{Hmac, KeyInit, Mac};
use md4::Md4;
use md5::{Digest, Md5};

use crate::settings::Secret;

const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Unicode, target name, NTLM, always sign, extended session security, target information, version, 128 and 56 bit.
const FLAGS: u32 = 0xA288_8205;
/// A version to show ([MS-NLMP] 2.2.2.10); revision 15 of NTLM.
const VERSION: [u8; 8] = [10, 0, 0, 0, 0, 0, 0, 15];
/// The largest challenge that is read, in octets.
const LARGEST: usize = 16 * 1024;

/// Identifiers of AV pairs ([MS-NLMP] 2.2.2.1).
const END: u16 = 0;
const AV_FLAGS: u16 = 6;
const TIMESTAMP: u16 = 7;
const TARGET_NAME: u16 = 9;
const CHANNEL_BINDINGS: u16 = 10;

/// Who wants in.
#[derive(Clone, Debug)]
pub struct Credentials<'a> {
    /// The domain; empty for `name@domain`.
    pub domain: &'a str,
    /// The name.
    pub user: &'a str,
    /// The password.
    pub password: &'a Secret,
}

/// What must never repeat, and whom the response is for.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Eight random octets.
    pub nonce: [u8; 8],
    /// 100 ns since 1601, where the server does not say its own.
    pub time: u64,
    /// The host of the URL.
    pub host: &'a str,
    /// The hash of the server's certificate ([`channel_bindings`]).
    pub bindings: Option<[u8; 16]>,
}

/// Why there is no response.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the server's NTLM challenge cannot be read")]
pub struct ChallengeError;

impl<'a> Credentials<'a> {
    /// `DOMAIN\name`, or `name@domain` and `name` as they are.
    pub fn of(user: &'a str, password: &'a Secret) -> Self {
        let (domain, user) = user.split_once('\\').unwrap_or(("", user));
        Self { domain, user, password }
    }
}

/// The first message, NEGOTIATE ([MS-NLMP] 2.2.1.1).
pub fn negotiate() -> Vec<u8> {
    let mut message = [SIGNATURE.as_slice(), &1u32.to_le_bytes(), &FLAGS.to_le_bytes(), &[0; 16]].concat();
    message.extend(VERSION);
    message
}

/// The third message, AUTHENTICATE (2.2.1.3), from the second, CHALLENGE (2.2.1.2).
pub fn authenticate(
    who: &Credentials<'_>,
    challenge: &[u8],
    how: &Circumstances<'_>,
) -> Result<Vec<u8>, ChallengeError> {
    let told = Challenge::read(challenge).ok_or(ChallengeError)?;
    let key = response_key(who);
    let (info, time) = told.answered_info(how);
    let (response, session) = nt_response(&key, told.nonce, how.nonce, time, &info);
    // With the server's own time there is no LMv2 response (3.1.5.1.2).
    let lm = match told.timestamp() {
        Some(_) => vec![0; 24],
        None => lm_response(&key, told.nonce, how.nonce),
    };
    let mut message = [SIGNATURE.as_slice(), &3u32.to_le_bytes()].concat();
    let mut payload = Vec::new();
    for field in [lm, response, utf16(who.domain), utf16(who.user), Vec::new(), Vec::new()] {
        let length = u16::try_from(field.len()).map_err(|_| ChallengeError)?.to_le_bytes();
        // The payload begins behind the fixed part of 88 octets.
        let offset = u32::try_from(88 + payload.len()).map_err(|_| ChallengeError)?;
        message.extend([length, length].concat());
        message.extend(offset.to_le_bytes());
        payload.extend(field);
    }
    message.extend((told.flags & FLAGS).to_le_bytes());
    message.extend(VERSION);
    let before_mic = message.len();
    message.extend([0; 16]);
    message.extend(payload);
    if told.timestamp().is_some() {
        let mic = hmac_md5(&session, &[&negotiate(), challenge, &message]);
        message[before_mic..before_mic + 16].copy_from_slice(&mic);
    }
    Ok(message)
}

/// MsvAvChannelBindings: the MD5 of a gss_channel_bindings_struct (RFC 2744 §3.11) over `tls-server-end-point`.
/// `certificate_hash` is the certificate's hash by RFC 5929 §4.1.
pub fn channel_bindings(certificate_hash: &[u8]) -> [u8; 16] {
    let data = [b"tls-server-end-point:".as_slice(), certificate_hash].concat();
    let mut hash = Md5::new();
    hash.update([0; 16]);
    hash.update(u32::try_from(data.len()).unwrap_or_default().to_le_bytes());
    hash.update(data);
    hash.finalize().into()
}

struct Challenge<'a> {
    flags: u32,
    nonce: [u8; 8],
    /// AV pairs, the end aside.
    info: Vec<(u16, &'a [u8])>,
}

impl<'a> Challenge<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        if message.len() > LARGEST
            || message.get(..8)? != SIGNATURE
            || message.get(8..12)? != 2u32.to_le_bytes()
        {
            return None;
        }
        let flags = u32::from_le_bytes(message.get(20..24)?.try_into().ok()?);
        let nonce = message.get(24..32)?.try_into().ok()?;
        let length = u16::from_le_bytes(message.get(40..42)?.try_into().ok()?);
        let offset = u32::from_le_bytes(message.get(44..48)?.try_into().ok()?) as usize;
        let mut rest = message.get(offset..offset.checked_add(length.into())?)?;
        let mut info = Vec::new();
        while rest.len() >= 4 {
            let id = u16::from_le_bytes([rest[0], rest[1]]);
            let length = usize::from(u16::from_le_bytes([rest[2], rest[3]]));
            let value = rest.get(4..4 + length)?;
            if id == END {
                break;
            }
            info.push((id, value));
            rest = &rest[4 + length..];
        }
        Some(Self { flags, nonce, info })
    }

    fn timestamp(&self) -> Option<u64> {
        let (_, value) = self.info.iter().find(|(id, _)| *id == TIMESTAMP)?;
        Some(u64::from_le_bytes((*value).try_into().ok()?))
    }

    /// The target information that goes back, and the time of the response.
    fn answered_info(&self, how: &Circumstances<'_>) -> (Vec<u8>, u64) {
        let own = [AV_FLAGS, TARGET_NAME, CHANNEL_BINDINGS];
        let mut info = Vec::new();
        for (id, value) in self.info.iter().filter(|(id, _)| !own.contains(id)) {
            pair(&mut info, *id, value);
        }
        if self.timestamp().is_some() {
            // 2: there is a MIC.
            pair(&mut info, AV_FLAGS, &2u32.to_le_bytes());
            pair(&mut info, CHANNEL_BINDINGS, &how.bindings.unwrap_or_default());
            pair(&mut info, TARGET_NAME, &utf16(&format!("HTTP/{}", how.host)));
        }
        pair(&mut info, END, &[]);
        (info, self.timestamp().unwrap_or(how.time))
    }
}

fn pair(info: &mut Vec<u8>, id: u16, value: &[u8]) {
    info.extend(id.to_le_bytes());
    // Only short values of our own and values that had a u16 for a length come here.
    info.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    info.extend(value);
}

/// NTOWFv2 (3.3.2).
fn response_key(who: &Credentials<'_>) -> [u8; 16] {
    let name = [utf16(&upper(who.user)), utf16(who.domain)].concat();
    hmac_md5(&Md4::digest(utf16(&who.password.0)), &[&name])
}

/// NTLMv2_RESPONSE and the session base key (3.3.2).
fn nt_response(
    key: &[u8; 16],
    server: [u8; 8],
    client: [u8; 8],
    time: u64,
    info: &[u8],
) -> (Vec<u8>, [u8; 16]) {
    let blob =
        [&[1, 1, 0, 0, 0, 0, 0, 0], time.to_le_bytes().as_slice(), &client, &[0; 4], info, &[0; 4]].concat();
    let proof = hmac_md5(key, &[&server, &blob]);
    ([proof.as_slice(), &blob].concat(), hmac_md5(key, &[&proof]))
}

/// LMv2_RESPONSE (3.3.2).
fn lm_response(key: &[u8; 16], server: [u8; 8], client: [u8; 8]) -> Vec<u8> {
    [hmac_md5(key, &[&server, &client]).as_slice(), &client].concat()
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Windows maps character by character: `ß` stays.
fn upper(name: &str) -> String {
    let one = |c: char| {
        let mut upper = c.to_uppercase();
        match (upper.next(), upper.next()) {
            (Some(upper), None) => upper,
            _ => c,
        }
    };
    name.chars().map(one).collect()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[cfg(test)]
mod tests;
