//! Keys pressed by the caller, sent as telephone events (RFC 4733).

/// A key of the telephone: a digit, `*`, `#`, or `A` to `D`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Key(pub char);

impl Key {
    /// `#`, which ends the greeting or the message.
    pub const HASH: Self = Self('#');

    /// RFC 4733 table 7; events above 15 (flash, tones) are no key.
    fn of(event: u8) -> Option<Self> {
        b"0123456789*#ABCD".get(usize::from(event)).map(|key| Self(char::from(*key)))
    }
}

/// The key in the body of an INFO: `Signal=1` in `application/dtmf-relay`, or just `1` in `application/dtmf`.
pub fn of_info(content_type: &[u8], body: &[u8]) -> Option<char> {
    let kind = content_type.split(|octet| *octet == b';').next().unwrap_or(b"").trim_ascii();
    let text = std::str::from_utf8(body).ok()?;
    let key = if kind.eq_ignore_ascii_case(b"application/dtmf-relay") {
        let signal = |line: &'_ str| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then(|| value.trim().to_owned())
        };
        text.lines().find_map(signal)?
    } else if kind.eq_ignore_ascii_case(b"application/dtmf") {
        text.trim().to_owned()
    } else {
        return None;
    };
    let mut letters = key.chars();
    letters.next().filter(|_| letters.next().is_none()).map(|key| key.to_ascii_uppercase())
}

/// Turns event packets into one key per press, however often they are repeated, doubled or lost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keypad {
    last: Option<Press>,
}

/// RFC 4733 §2.5.1.2: all packets of one press share the timestamp of its beginning.
#[derive(Clone, Copy, Debug)]
struct Press {
    ssrc: u32,
    timestamp: u32,
    event: u8,
    /// The timestamp at which the press ends, as far as is known.
    until: u32,
}

impl Keypad {
    /// Reads the payload of an event packet; the key comes out with the first packet of its press.
    pub fn heard(&mut self, ssrc: u32, timestamp: u32, payload: &[u8]) -> Option<Key> {
        let (&[event, _, high, low], _) = payload.split_first_chunk::<4>()?;
        let key = Key::of(event)?;
        let until = timestamp.wrapping_add(u32::from(u16::from_be_bytes([high, low])));
        let press = Press { ssrc, timestamp, event, until };
        let old = self.last.is_some_and(|last| press.repeats(&last));
        let more = self.last.is_some_and(|last| press.continues(&last));
        if !old || press.lengthens(self.last.as_ref()) {
            self.last = Some(press);
        }
        (!old && !more).then_some(key)
    }
}

impl Press {
    /// A further packet of the last press, or one of an earlier press that was overtaken.
    fn repeats(&self, last: &Self) -> bool {
        let age = last.timestamp.wrapping_sub(self.timestamp) as i32;
        self.ssrc == last.ssrc && (age > 0 || age == 0 && self.event == last.event)
    }

    /// RFC 4733 §2.5.1.3: a press too long for the duration field goes on in a new segment.
    fn continues(&self, last: &Self) -> bool {
        self.ssrc == last.ssrc && self.event == last.event && self.timestamp == last.until
    }

    fn lengthens(&self, last: Option<&Self>) -> bool {
        last.is_some_and(|last| {
            self.timestamp == last.timestamp && (self.until.wrapping_sub(last.until) as i32) > 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SSRC, timestamp, event, duration, and the key that comes out.
    type Row = (u32, u32, u8, u16, Option<char>);

    #[test]
    fn a_press_is_one_key() {
        play(&[
            (1, 800, 11, 160, Some('#')),
            (1, 800, 11, 320, None),
            (1, 800, 11, 480, None),
            (1, 800, 11, 480, None),
            (1, 800, 11, 480, None),
        ]);
    }

    #[test]
    fn two_presses_of_a_key_are_two() {
        play(&[(1, 800, 5, 480, Some('5')), (1, 2400, 5, 160, Some('5')), (1, 800, 5, 480, None)]);
    }

    #[test]
    fn another_source_or_event_is_another_press() {
        play(&[(1, 800, 1, 160, Some('1')), (2, 800, 1, 160, Some('1')), (2, 800, 2, 160, Some('2'))]);
    }

    #[test]
    fn a_press_of_more_than_eight_seconds_is_one_key() {
        play(&[
            (1, 0, 11, 0xFFF0, Some('#')),
            (1, 0, 11, 0xFFFF, None),
            (1, 0xFFFF, 11, 160, None),
            (1, 0xFFFF, 11, 320, None),
        ]);
    }

    #[test]
    fn timestamps_wrap() {
        play(&[(1, u32::MAX - 80, 3, 160, Some('3')), (1, 1000, 3, 160, Some('3'))]);
    }

    #[test]
    fn every_key_has_its_event_and_the_rest_is_none() {
        for (event, key) in (0..).zip("0123456789*#ABCD".chars()) {
            play(&[(1, 0, event, 160, Some(key))]);
        }
        play(&[(1, 0, 16, 160, None), (1, 0, 255, 160, None)]);
        assert_eq!(Keypad::default().heard(1, 0, &[11, 0, 0]), None, "cut");
    }

    #[test]
    fn a_key_in_an_info_is_read() {
        let relay = &b"application/dtmf-relay"[..];
        for (kind, body, key) in [
            (relay, "Signal=1\r\nDuration=160\r\n", Some('1')),
            (relay, "duration= 250\nsignal = 5\n", Some('5')),
            (b"Application/DTMF;x=y", "1", Some('1')),
            (b"application/dtmf", " d\r\n", Some('D')),
            (b"application/dtmf", "12", None),
            (b"application/dtmf", "", None),
            (relay, "Duration=160", None),
            (relay, "Signal=", None),
            (b"text/plain", "1", None),
        ] {
            assert_eq!(of_info(kind, body.as_bytes()), key, "{body}");
        }
        assert_eq!(of_info(relay, b"Signal=\xFF"), None);
    }

    fn play(rows: &[Row]) {
        let mut keypad = Keypad::default();
        for (row, &(ssrc, timestamp, event, duration, key)) in rows.iter().enumerate() {
            let [high, low] = duration.to_be_bytes();
            let heard = keypad.heard(ssrc, timestamp, &[event, 0x8A, high, low]);
            assert_eq!(heard, key.map(Key), "row {row}");
        }
    }
}
