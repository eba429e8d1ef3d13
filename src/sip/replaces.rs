//! Replaces (RFC 3891): the dialog that a new call takes the place of.

use super::{
    message::Message,
    name::Name,
    text::{param, trim},
};

/// The dialog that is replaced, as whoever refers or calls sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Replaces {
    /// Its Call-ID.
    pub call_id: Vec<u8>,
    /// The tag of the far end: where Ringpost is that, its own.
    pub to_tag: Vec<u8>,
    /// The tag of the other end.
    pub from_tag: Vec<u8>,
    /// Only while the dialog is early.
    pub early_only: bool,
}

impl Replaces {
    /// Reads a value of Replaces, `call-id;to-tag=…;from-tag=…`; `None` where a tag is missing.
    pub fn read(value: &[u8]) -> Option<Self> {
        let value = trim(value);
        let end = value.iter().position(|o| *o == b';')?;
        let params = &value[end..];
        Some(Self {
            call_id: trim(&value[..end]).to_vec(),
            to_tag: param(params, "to-tag")?.to_vec(),
            from_tag: param(params, "from-tag")?.to_vec(),
            early_only: param(params, "early-only").is_some(),
        })
    }

    /// What an INVITE says; `None`: it is a call of its own.
    ///
    /// # Errors
    /// The reason phrase of a 400 (§3): more than one, one that cannot be read, or Join besides, which says something else.
    pub fn of(invite: &Message) -> Result<Option<Self>, &'static str> {
        let mut values = invite.values(Name::Replaces);
        let Some(value) = values.next() else { return Ok(None) };
        let joins = invite.fields().any(|field| invite.written_name(field).eq_ignore_ascii_case(b"join"));
        match (values.next(), joins) {
            (Some(_), _) => Err("More Than One Replaces"),
            (None, true) => Err("Replaces And Join"),
            (None, false) => Self::read(value).map(Some).ok_or("Bad Replaces"),
        }
    }

    /// Whether these are its tags, ours and the peer's; a peer that knows no tags has 0 (§3).
    pub fn has_tags(&self, local: &[u8], remote: Option<&[u8]>) -> bool {
        self.to_tag == local && self.from_tag == remote.unwrap_or(b"0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &str) -> Result<Option<(String, bool)>, &'static str> {
        let text = format!("INVITE sip:a@h SIP/2.0\r\n{headers}\r\n\r\n");
        let read = Replaces::of(&Message::read(text.into()).expect("a request"))?;
        Ok(read.map(|r| {
            let words = [r.call_id, r.to_tag, r.from_tag].join(&b' ');
            (String::from_utf8_lossy(&words).into_owned(), r.early_only)
        }))
    }

    #[test]
    fn an_invite_names_one_dialog() {
        let named = |words: &str, early_only| Ok(Some((words.to_owned(), early_only)));
        let rows = [
            ("Subject: x", Ok(None)),
            ("Replaces: a@h;to-tag=t;from-tag=f", named("a@h t f", false)),
            ("replaces: a@h ; from-tag=f; early-only ;to-tag=t", named("a@h t f", true)),
            ("Replaces: a@h;to-tag=t", Err("Bad Replaces")),
            ("Replaces: a@h", Err("Bad Replaces")),
            (
                "Replaces: a;to-tag=t;from-tag=f\r\nReplaces: b;to-tag=t;from-tag=f",
                Err("More Than One Replaces"),
            ),
            ("Replaces: a;to-tag=t;from-tag=f\r\nJoin: b;to-tag=t;from-tag=f", Err("Replaces And Join")),
        ];
        for (headers, expected) in rows {
            assert_eq!(of(headers), expected, "{headers}");
        }
    }

    #[test]
    fn a_peer_without_a_tag_has_0() {
        let replaces =
            |from: &str| Replaces::read(format!("c;to-tag=t;from-tag={from}").as_bytes()).expect("a value");
        assert!(replaces("f").has_tags(b"t", Some(b"f")) && replaces("0").has_tags(b"t", None));
        assert!(!replaces("f").has_tags(b"t", None) && !replaces("f").has_tags(b"T", Some(b"f")));
    }
}
