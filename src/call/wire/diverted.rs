//! Why a call goes to UM, as UM is told (RFC 5806, RFC 4458).

/// Why a call goes to UM, as Diversion's reason (RFC 5806).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Diverted {
    /// Nobody answered in time.
    NoAnswer,
    /// A device was busy.
    Busy,
    /// The user declined.
    Declined,
    /// No device is there.
    Unavailable,
    /// The user forwards every call.
    Unconditional,
    /// The user does not want to be disturbed.
    DoNotDisturb,
}

impl Diverted {
    /// From what the devices said, of which there are `devices`: a 6xx speaks for the user; busy counts where no device
    /// was left to ring on until the user's time-out.
    pub fn by(refusals: &[u16], devices: usize) -> Self {
        let any = |codes: &[u16]| refusals.iter().any(|code| codes.contains(code));
        if any(&[603, 607]) {
            Self::Declined
        } else if any(&[600]) || (refusals.len() >= devices && any(&[486])) {
            Self::Busy
        } else {
            Self::NoAnswer
        }
    }

    /// The cause parameter of RFC 4458 §5.
    pub fn cause(self) -> u16 {
        match self {
            Self::NoAnswer => 408,
            Self::Busy => 486,
            Self::Declined => 480,
            Self::Unavailable => 503,
            Self::Unconditional | Self::DoNotDisturb => 302,
        }
    }

    /// The value of Diversion towards UM: exactly one, the user, without URI parameters (PROTOCOLS §2).
    pub fn header(self, user: &str) -> Vec<u8> {
        let reason = match self {
            Self::NoAnswer => "no-answer",
            Self::Busy => "user-busy",
            Self::Declined => "deflection",
            Self::Unavailable => "unavailable",
            Self::Unconditional => "unconditional",
            Self::DoNotDisturb => "do-not-disturb",
        };
        format!("<{user}>;reason={reason};counter=1;privacy=off").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_devices_say_why_a_call_is_diverted() {
        let rows: [(&[u16], usize, Diverted); 8] = [
            (&[], 2, Diverted::NoAnswer),
            (&[486], 2, Diverted::NoAnswer),
            (&[486, 486], 2, Diverted::Busy),
            (&[486, 503], 2, Diverted::Busy),
            (&[480, 408], 2, Diverted::NoAnswer),
            (&[600], 2, Diverted::Busy),
            (&[486, 603], 2, Diverted::Declined),
            (&[603], 3, Diverted::Declined),
        ];
        for (refusals, devices, reason) in rows {
            assert_eq!(Diverted::by(refusals, devices), reason, "{refusals:?} of {devices}");
        }
        assert_eq!(Diverted::Busy.header("sip:1@h"), b"<sip:1@h>;reason=user-busy;counter=1;privacy=off");
    }
}
