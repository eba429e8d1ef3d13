//! The message ladder, drawn while it happens from what the peers really send and receive.

use std::{
    cell::RefCell,
    collections::HashSet,
    rc::Rc,
    time::{Duration, Instant},
};

use ringpost::sip::{Message, Method, Name};

use super::page::{Ink, Page, WIDTH};

/// Who stands above a column.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Party {
    /// The PBX, with the caller behind it.
    Pbx,
    /// Ringpost, with the embedded UM in it.
    Ringpost,
    /// The desk phone.
    Desk,
    /// The softphone.
    Soft,
    /// A UM of somebody else.
    Um,
}

impl Party {
    /// The name above the column.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pbx => "PBX trunk",
            Self::Ringpost => "Ringpost",
            Self::Desk => "Desk phone",
            Self::Soft => "Softphone",
            Self::Um => "Outside UM",
        }
    }
}

/// Which parties there are, and where their columns stand.
pub type Columns = &'static [(Party, usize)];

/// The columns of a call that the embedded UM takes.
pub const INSIDE: Columns = &[(Party::Pbx, 10), (Party::Ringpost, 43), (Party::Desk, 71), (Party::Soft, 94)];
/// The columns of a call that goes to another UM.
pub const OUTSIDE: Columns =
    &[(Party::Pbx, 10), (Party::Ringpost, 43), (Party::Desk, 65), (Party::Soft, 80), (Party::Um, 94)];

/// The ladder of the call that is being played. A clone draws on the same ladder.
#[derive(Clone)]
pub struct Ladder {
    page: Page,
    story: Rc<RefCell<Story>>,
}

struct Story {
    columns: Columns,
    began: Instant,
    state: u8,
    seen: HashSet<(Party, Party, bytes::Bytes)>,
}

impl Ladder {
    /// A ladder on that page; nothing is drawn before [`Ladder::begin`].
    pub fn new(page: Page) -> Self {
        let story = Story { columns: &[], began: Instant::now(), state: 0, seen: HashSet::new() };
        Self { page, story: Rc::new(RefCell::new(story)) }
    }

    /// Begins a call.
    pub fn begin(&self, columns: Columns) {
        *self.story.borrow_mut() = Story { columns, began: Instant::now(), state: 0, seen: HashSet::new() };
        self.page.line(&heads(columns));
    }

    /// Ends the call: what comes later (a retransmission, an OPTIONS) is not drawn.
    pub fn end(&self) {
        self.story.borrow_mut().columns = &[];
    }

    /// A message has gone from one party to another.
    pub fn passed(&self, from: Party, to: Party, message: &Message) {
        let mut story = self.story.borrow_mut();
        let again = !story.seen.insert((from, to, message.raw().clone()));
        if let Some((state, what)) = state_after(story.state, from, to, message) {
            story.state = state;
            self.state_line(&story, state, what);
        }
        let label = label(message) + if again { " (again)" } else { "" };
        self.draw(&story, &arrow(story.columns, (from, to), &label, '─'));
    }

    /// Sound has gone from one party to another.
    pub fn sounded(&self, from: Party, to: Party, what: &str) {
        let story = self.story.borrow();
        self.draw(&story, &arrow(story.columns, (from, to), &format!("RTP {what}"), '═'));
    }

    /// The call has come into that state, as one of the peers can tell.
    pub fn state(&self, state: u8, what: &str) {
        let mut story = self.story.borrow_mut();
        story.state = state;
        self.state_line(&story, state, what);
    }

    /// Something that a person should know while waiting.
    pub fn note(&self, what: &str) {
        let story = self.story.borrow();
        let lines = arrow(story.columns, (Party::Pbx, Party::Pbx), "", ' ');
        let note = over(&lines, 16, &format!(" {what} "));
        self.draw(&story, &note);
    }

    fn draw(&self, story: &Story, row: &str) {
        if story.columns.is_empty() {
            return;
        }
        let time = millis(story.began.elapsed());
        let rest: String = row.chars().skip(time.chars().count()).collect();
        self.page.line(&(self.page.ink(Ink::Faint, &time) + &rest));
    }

    fn state_line(&self, story: &Story, state: u8, what: &str) {
        if story.columns.is_empty() {
            return;
        }
        let mark = if (1..=4).contains(&state) { format!("({state}) ") } else { String::new() };
        let text = format!("── {mark}{what} ");
        let rule = "─".repeat(WIDTH.saturating_sub(text.chars().count()));
        self.page.line(&self.page.ink(Ink::State, &format!("{text}{rule}")));
    }
}

fn millis(time: Duration) -> String {
    format!("{:>6} ms", time.as_millis())
}

/// The state that a message brings the call into, as REQUIREMENTS number them; 5 is a talk, 6 the caller's end.
fn state_after(state: u8, from: Party, to: Party, message: &Message) -> Option<(u8, &'static str)> {
    use Party::{Desk, Pbx, Ringpost, Soft, Um};
    const FORWARDED: (u8, &str) = (2, "nobody answered in time: on the way to UM");
    let answer = message.code() == Some(200) && message.cseq_method() == Some(Method::Invite);
    match (state, from, to, message.method(), message.code()) {
        (0, Ringpost, Desk | Soft, Some(Method::Invite), _) => Some((1, "every device of the user rings")),
        (1, Desk | Soft, Ringpost, ..) if answer => Some((5, "a device has answered")),
        (1, Ringpost, Desk | Soft, Some(Method::Cancel), _) => Some(FORWARDED),
        (1, Ringpost, Um, Some(Method::Invite), _) => Some(FORWARDED),
        (1, Ringpost, Pbx, _, Some(181)) => Some(FORWARDED),
        (2, Ringpost, Pbx, ..) if answer => Some((3, "UM has answered and greets")),
        (1 | 2, Pbx, Ringpost, Some(Method::Cancel), _) => Some((6, "the caller gives up")),
        (3..=5, Pbx, Ringpost, Some(Method::Bye), _) => Some((6, "the caller hangs up")),
        _ => None,
    }
}

/// `INVITE`, `487 Request Terminated`, `CANCEL (Call completed elsewhere)`.
fn label(message: &Message) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    let Some(code) = message.code() else {
        let reason = message.fields().find(|f| message.written_name(f).eq_ignore_ascii_case(b"Reason"));
        let reason = reason.map(|field| text(message.value(field)));
        let why = reason.as_deref().and_then(|reason| reason.split_once("text=\""));
        let why = why.map(|(_, why)| format!(" ({})", why.trim_end_matches('"')));
        return text(message.method_name()) + &why.unwrap_or_default();
    };
    let method = message.first(Name::CSeq).and_then(|cseq| cseq.rsplit(|o| *o == b' ').next()).unwrap_or(b"");
    match method {
        b"INVITE" => format!("{code} {}", text(message.reason_phrase())),
        method => format!("{code} {} ({})", text(message.reason_phrase()), text(method)),
    }
}

fn heads(columns: Columns) -> String {
    columns.iter().fold(String::new(), |row, (party, at)| {
        let name = party.name();
        over(&row, at - name.len() / 2, name)
    })
}

/// One row: every party's line, and an arrow of `stroke` with a label on it; no arrow from a party to itself.
fn arrow(columns: Columns, (from, to): (Party, Party), label: &str, stroke: char) -> String {
    let lines = columns.iter().fold(String::new(), |row, (_, at)| over(&row, *at, "│"));
    let place = |party| columns.iter().find(|(one, _)| *one == party).map(|(_, at)| *at);
    let (Some(start), Some(end)) = (place(from), place(to)) else { return lines };
    if start == end {
        return lines;
    }
    let (left, right) = (start.min(end) + 1, start.max(end));
    let room = right - left;
    let (head, tail) = if start < end { ("", "▶") } else { ("◀", "") };
    let shown = fitted(label, room.saturating_sub(5));
    let text = format!("{head}{stroke} {shown} ");
    let rest = room.saturating_sub(text.chars().count() + tail.chars().count());
    over(&lines, left, &format!("{text}{}{tail}", String::from(stroke).repeat(rest)))
}

/// `text`, at most `room` characters of it.
fn fitted(text: &str, room: usize) -> String {
    let text = crate::log::one_line(text);
    if text.chars().count() <= room {
        return text;
    }
    text.chars().take(room.saturating_sub(1)).chain(['…']).collect()
}

/// `row` with `text` written over it from column `at` on.
fn over(row: &str, at: usize, text: &str) -> String {
    let mut letters: Vec<char> = row.chars().collect();
    letters.resize(letters.len().max(at + text.chars().count()), ' ');
    letters.splice(at..at + text.chars().count(), text.chars());
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn an_arrow_leads_from_one_line_to_the_other() {
        const THREE: Columns = &[(Party::Pbx, 2), (Party::Ringpost, 17), (Party::Desk, 32)];
        #[rustfmt::skip]
        let table = [
            (Party::Pbx, Party::Ringpost, "INVITE",          "  │─ INVITE ────▶│              │"),
            (Party::Ringpost, Party::Pbx, "180 Ringing",     "  │◀─ 180 Ring… ─│              │"),
            (Party::Ringpost, Party::Desk, "INVITE",         "  │              │─ INVITE ────▶│"),
            (Party::Desk, Party::Pbx, "to the far end",      "  │◀─ to the far end ───────────│"),
            (Party::Um, Party::Pbx, "whose line is missing", "  │              │              │"),
            (Party::Pbx, Party::Pbx, "nothing",              "  │              │              │"),
        ];
        for (from, to, label, row) in table {
            assert_eq!(arrow(THREE, (from, to), label, '─'), row);
        }
    }

    #[test]
    fn every_ladder_fits_the_page() {
        for columns in [INSIDE, OUTSIDE] {
            assert!(heads(columns).chars().count() <= WIDTH);
            let all = arrow(columns, (Party::Pbx, Party::Soft), &"x".repeat(200), '─');
            assert!(all.chars().count() <= WIDTH);
        }
    }

    #[test]
    fn a_message_is_named_by_what_a_person_looks_for() {
        for (start, cseq, reason, name) in [
            ("INVITE sip:a@b SIP/2.0", "1 INVITE", "", "INVITE"),
            ("SIP/2.0 487 Request Terminated", "1 INVITE", "", "487 Request Terminated"),
            ("SIP/2.0 200 OK", "2 BYE", "", "200 OK (BYE)"),
            (
                "CANCEL sip:a@b SIP/2.0",
                "1 CANCEL",
                "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n",
                "CANCEL (Call completed elsewhere)",
            ),
        ] {
            assert_eq!(label(&message(start, cseq, reason)), name);
        }
    }

    #[test]
    fn the_four_states_follow_from_the_messages() {
        use Party::{Desk, Pbx, Ringpost, Soft, Um};
        let invite = ("INVITE sip:a@b SIP/2.0", "1 INVITE");
        let answer = ("SIP/2.0 200 OK", "1 INVITE");
        let (cancel, bye) = (("CANCEL sip:a@b SIP/2.0", "1 CANCEL"), ("BYE sip:a@b SIP/2.0", "2 BYE"));
        for (state, from, to, (start, cseq), next) in [
            (0, Pbx, Ringpost, invite, None),
            (0, Ringpost, Desk, invite, Some(1)),
            (1, Ringpost, Desk, invite, None),
            (1, Ringpost, Pbx, ("SIP/2.0 180 Ringing", "1 INVITE"), None),
            (1, Ringpost, Pbx, ("SIP/2.0 181 x", "1 INVITE"), Some(2)),
            (1, Ringpost, Um, invite, Some(2)),
            (1, Ringpost, Soft, cancel, Some(2)),
            (5, Ringpost, Soft, cancel, None),
            (6, Ringpost, Soft, cancel, None),
            (1, Desk, Ringpost, answer, Some(5)),
            (5, Ringpost, Pbx, answer, None),
            (2, Ringpost, Pbx, answer, Some(3)),
            (2, Ringpost, Pbx, ("SIP/2.0 200 OK", "1 CANCEL"), None),
            (2, Pbx, Ringpost, cancel, Some(6)),
            (4, Pbx, Ringpost, bye, Some(6)),
            (6, Ringpost, Desk, bye, None),
        ] {
            let found = state_after(state, from, to, &message(start, cseq, ""));
            assert_eq!(found.map(|(state, _)| state), next, "{state} {from:?} {start} {cseq}");
        }
    }

    fn message(start: &str, cseq: &str, more: &str) -> Message {
        let raw = format!("{start}\r\nCSeq: {cseq}\r\n{more}\r\n");
        Message::read(Bytes::from(raw)).expect("a message")
    }
}
