//! `[voicemail]`: the embedded UM.

use std::{net::IpAddr, path::PathBuf, time::Duration};

use crate::address::Language;

/// `[voicemail]`.
#[derive(Clone, Debug)]
pub struct Voicemail {
    /// `address`: where its SIP and RTP live. Default 127.0.0.1.
    pub address: IpAddr,
    /// `rtp_ports`: first and last port, inclusive. Default 16384-17383; even ports are used.
    pub rtp_ports: (u16, u16),
    /// `recordings`: the folder of recordings. Default `recordings` beside the store.
    pub recordings: PathBuf,
    /// `greetings`: a folder whose `<language>.wav` files replace the shipped greetings.
    pub greetings: Option<PathBuf>,
    /// `prompts`: a folder whose `<language>/<name>.wav` files replace the shipped words of the menus.
    pub prompts: Option<PathBuf>,
    /// `min_message`: voiced audio below it is no message. Default 2 s.
    pub min_message: Duration,
    /// `max_message`: when a recording is cut. Default 20 min.
    pub max_message: Duration,
    /// `silence`: how much silence ends a recording. Default 5 s.
    pub silence: Duration,
    /// `language`: of the mailboxes' menu until it is known whose mailbox it is. Default `en`.
    pub language: Language,
    /// `menu_silence`: how long a menu waits for a key before it repeats itself. Default 6 s.
    pub menu_silence: Duration,
    /// `max_visit`: how long a caller may stay at the mailboxes. Default 30 min.
    pub max_visit: Duration,
    /// `max_greeting`: the longest greeting that a user records by phone. Default 2 min.
    pub max_greeting: Duration,
    /// `pin_at_own_phone`: a registered device of the owner's needs the PIN as well. Default no.
    pub pin_at_own_phone: bool,
    /// `pin_tries`: wrong PINs that lock a mailbox, and whoever has tried them. Default 5.
    pub pin_tries: u32,
    /// `pin_lock`: for how long. Default 30 min.
    pub pin_lock: Duration,
}
