//! How far a WebSocket's message has come (RFC 6455 §5.2), for who looks at the octets as they pass by.

/// Follows the frames of one direction; keeps nothing of what they hold.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    /// The frame's header as far as it has come; its longest form has 14 octets.
    header: [u8; 14],
    have: usize,
    /// Octets of the payload that are still to come.
    left: u64,
    /// A fragment has come that is not the last of its message.
    fragments: bool,
}

impl Progress {
    /// The next octets; true where a data message has ended in them.
    pub fn take(&mut self, mut octets: &[u8]) -> bool {
        let mut ended = false;
        while !octets.is_empty() {
            if self.left > 0 {
                let some = usize::try_from(self.left).unwrap_or(usize::MAX).min(octets.len());
                octets = &octets[some..];
                self.left -= some as u64;
            } else {
                self.header[self.have] = octets[0];
                self.have += 1;
                octets = &octets[1..];
                if self.have < self.header_length() {
                    continue;
                }
                self.left = self.payload_length();
            }
            if self.left == 0 {
                ended |= self.end_frame();
            }
        }
        ended
    }

    /// Whether something has begun that is not complete.
    pub fn is_half(&self) -> bool {
        self.have > 0 || self.fragments
    }

    /// As the octets so far tell; at least two.
    fn header_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let mask = if self.header[1] & 0x80 != 0 { 4 } else { 0 };
        let length = match self.header[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + mask
    }

    fn payload_length(&self) -> u64 {
        let long = |octets: &[u8]| octets.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet));
        match self.header[1] & 0x7F {
            126 => long(&self.header[2..4]),
            127 => long(&self.header[2..10]),
            short => u64::from(short),
        }
    }

    /// True where a data message ends with it. Ping, Pong and Close may stand between fragments.
    fn end_frame(&mut self) -> bool {
        self.have = 0;
        let (last, control) = (self.header[0] & 0x80 != 0, self.header[0] & 0x08 != 0);
        if !control {
            self.fragments = !last;
        }
        last && !control
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend(vec![0x81; length]);
        frame
    }

    const TEXT: u8 = 0x81;
    const FIRST: u8 = 0x01;
    const MIDDLE: u8 = 0x00;
    const LAST: u8 = 0x80;
    const PONG: u8 = 0x8A;

    #[test]
    fn a_frame_ends_with_its_last_octet_however_it_is_cut() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536] {
            let octets = frame(TEXT, length);
            let mut whole = Progress::default();
            assert!(whole.take(&octets) && !whole.is_half(), "{length} at once");
            let mut slow = Progress::default();
            for octet in &octets[..octets.len() - 1] {
                assert!(!slow.take(&[*octet]) && slow.is_half(), "{length} octet by octet");
            }
            assert!(slow.take(&octets[octets.len() - 1..]) && !slow.is_half(), "{length} to the end");
            let mut two = Progress::default();
            assert!(two.take(&[octets.clone(), octets[..1].to_vec()].concat()) && two.is_half());
        }
    }

    #[test]
    fn a_message_ends_with_its_last_fragment_whatever_stands_between() {
        let mut progress = Progress::default();
        for (first, ended, half) in [
            (PONG, false, false),
            (FIRST, false, true),
            (PONG, false, true),
            (MIDDLE, false, true),
            (LAST, true, false),
            (TEXT, true, false),
        ] {
            assert_eq!((progress.take(&frame(first, 9)), progress.is_half()), (ended, half), "{first:#x}");
        }
    }

    /// T7: what never ends is half for ever, and nothing overflows.
    #[test]
    fn a_length_without_end_is_waited_for() {
        let mut progress = Progress::default();
        assert!(!progress.take(&[0x82, 0xFF, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]));
        assert!(!progress.take(&[0; 4_096]) && progress.is_half());
    }
}
