//! A PBX's CSTA gateway that does what a test says, written from the protocol and not from our own code (TR/87, ECMA-323).

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use crate::{
    client::{KIND, NAMESPACE, root, value},
    support::{Over, PATIENCE, Peer, Sip, Site, peer::Dialog},
};

pub struct Pbx {
    pub peer: Peer,
    pub dialog: Option<Dialog>,
    /// The monitors by their devices.
    pub monitors: BTreeMap<String, String>,
    /// Devices that are in a call: what a snapshot tells of them.
    pub calls: BTreeMap<String, (String, &'static str)>,
    /// Devices that nobody may disturb, and where those that are forwarded lead.
    pub quiet: BTreeSet<String>,
    pub forwarded: BTreeMap<String, String>,
    /// What the INVITE is answered with.
    pub session: String,
    pub edition: u8,
    /// Services that were asked for, in their order.
    pub asked: Vec<String>,
    count: u32,
}

impl Pbx {
    pub fn new(site: &Site, over: Over) -> Self {
        Self {
            peer: site.peer(over),
            dialog: None,
            monitors: BTreeMap::new(),
            calls: BTreeMap::new(),
            quiet: BTreeSet::new(),
            forwarded: BTreeMap::new(),
            session: "Session-Expires: 1800;refresher=uac\r\n".to_owned(),
            edition: 3,
            asked: vec![],
            count: 0,
        }
    }

    /// The table of the site that names it.
    pub fn table(&self, lines: &str) -> String {
        format!("[rcc.gateway.pbx]\nserver = {:?}\nretry = \"300ms\"\n{lines}", self.peer.uri())
    }

    pub fn body(&self, name: &str, inside: &str) -> String {
        format!("<?xml version=\"1.0\"?><{name} xmlns=\"{NAMESPACE}{}\">{inside}</{name}>", self.edition)
    }

    /// The next INVITE that opens a dialog, which is taken.
    pub fn opens(&mut self) -> Sip {
        let invite = self.peer.expect("INVITE");
        self.takes(&invite);
        invite
    }

    pub fn takes(&mut self, invite: &Sip) {
        assert_eq!(root(invite), "RequestSystemStatus", "{invite}");
        assert!(invite.one("Supported").contains("timer") && !invite.body().contains("m=audio"), "{invite}");
        let status = self.body("RequestSystemStatusResponse", "<systemStatus>normal</systemStatus>");
        let headers = format!("{KIND}{}", self.session);
        let ok = self.peer.answer_with(invite, 200, &headers, &status);
        self.peer.expect("ACK");
        self.dialog = Some(Dialog::callee(invite, &ok));
        self.monitors.clear();
    }

    /// Answers one service.
    pub fn serves(&mut self, info: &Sip) {
        assert_eq!((info.what(), info.one("Content-Type")), ("INFO", "application/csta+xml"), "{info}");
        let service = root(info);
        self.asked.push(service.clone());
        let inside = match service.as_str() {
            "RequestSystemStatus" => "<systemStatus>normal</systemStatus>".to_owned(),
            "MonitorStart" => {
                self.count += 1;
                let monitor = format!("m{}", self.count);
                self.monitors.insert(value(info.body(), "deviceObject").to_owned(), monitor.clone());
                format!("<monitorCrossRefID>{monitor}</monitorCrossRefID>")
            }
            "MonitorStop" => {
                let monitor = value(info.body(), "monitorCrossRefID");
                self.monitors.retain(|_, known| *known != monitor);
                String::new()
            }
            "SnapshotDevice" => self.snapshot(value(info.body(), "snapshotObject")),
            "GetDoNotDisturb" => {
                let on = self.quiet.contains(value(info.body(), "device"));
                format!("<doNotDisturbOn>{on}</doNotDisturbOn>")
            }
            "GetForwarding" => self.forwarding(value(info.body(), "device")),
            _ => String::new(),
        };
        let body = self.body(&format!("{service}Response"), &inside);
        self.peer.answer_with(info, 200, KIND, &body);
    }

    fn snapshot(&self, device: &str) -> String {
        let calls = self.calls.get(device).map(|(call, state)| {
            format!(
                "<snapshotDeviceResponseInfo><connectionIdentifier><callID>{call}</callID><deviceID>{device}</deviceID>\
                 </connectionIdentifier><localCallState><compoundCallState><localConnectionState>{state}\
                 </localConnectionState></compoundCallState></localCallState></snapshotDeviceResponseInfo>"
            )
        });
        let data = calls.unwrap_or_default();
        format!("<crossRefIDorSnapshotData><snapshotData>{data}</snapshotData></crossRefIDorSnapshotData>")
    }

    fn forwarding(&self, device: &str) -> String {
        let item = |to: &String| {
            format!(
                "<forwardListItem><forwardingType>forwardImmediate</forwardingType><forwardStatus>true</forwardStatus>\
                 <forwardDN>{to}</forwardDN></forwardListItem>"
            )
        };
        let items = self.forwarded.get(device).map(item).unwrap_or_default();
        format!("<forwardingList>{items}</forwardingList>")
    }

    /// Serves until so many lines are monitored and looked at, and asked for what is set there.
    pub fn monitors(&mut self, lines: usize) {
        self.serves_until(|pbx| {
            let asked = |name: &str| pbx.asked.iter().filter(|asked| *asked == name).count();
            pbx.monitors.len() >= lines
                && asked("SnapshotDevice") >= lines
                && asked("GetDoNotDisturb") >= lines
        });
    }

    pub fn serves_until(&mut self, mut so: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !so(self) {
            let left = end.saturating_duration_since(Instant::now());
            let info = self.peer.next(left).unwrap_or_else(|| panic!("asked only for {:?}", self.asked));
            self.serves(&info);
        }
    }

    /// Opens the dialog, and has it monitor those lines.
    pub fn begins(&mut self, lines: usize) -> Sip {
        self.asked.clear();
        let invite = self.opens();
        self.monitors(lines);
        invite
    }

    /// Sends an INFO; its answer. Services that come before it are answered.
    pub fn informs(&mut self, body: &str) -> Sip {
        let dialog = self.dialog.as_mut().expect("open");
        let sent = self.peer.inside(dialog, "INFO", KIND, body);
        let end = Instant::now() + PATIENCE;
        loop {
            let message = self.peer.next(end.saturating_duration_since(Instant::now())).expect("an answer");
            match message.what() {
                "INFO" => self.serves(&message),
                _ if message.one("CSeq") == sent.one("CSeq") => return message,
                other => panic!("{other} instead of an answer:\n{message}"),
            }
        }
    }

    /// Tells of a call of a device: the event, the element of its connection and what else stands in it.
    pub fn tells(&mut self, device: &str, call: &str, (event, connection): (&str, &str), rest: &str) {
        let monitor = self.monitors.get(device).unwrap_or_else(|| panic!("{device} is not monitored"));
        let inside = format!(
            "<monitorCrossRefID>{monitor}</monitorCrossRefID><{connection}><callID>{call}</callID>\
             <deviceID>{device}</deviceID></{connection}>{rest}"
        );
        let answer = self.informs(&self.body(event, &inside));
        assert_eq!(answer.what(), "200", "{answer}");
    }

    /// The handset is lifted.
    pub fn off_hook(&mut self, device: &str, call: &str) {
        self.tells(device, call, ("ServiceInitiatedEvent", "initiatedConnection"), "");
    }

    /// A call of somebody rings.
    pub fn rings(&mut self, device: &str, call: &str, caller: &str) {
        let rest = format!(
            "<alertingDevice><deviceIdentifier>{device}</deviceIdentifier></alertingDevice><callingDevice><deviceIdentifier>{caller}\
             </deviceIdentifier></callingDevice><calledDevice><deviceIdentifier>{device}</deviceIdentifier></calledDevice>\
             <lastRedirectionDevice><notRequired/></lastRedirectionDevice><localConnectionInfo>alerting</localConnectionInfo>\
             <cause>newCall</cause>"
        );
        self.tells(device, call, ("DeliveredEvent", "connection"), &rest);
    }

    /// It is answered there.
    pub fn talks(&mut self, device: &str, call: &str) {
        let rest = format!(
            "<answeringDevice><deviceIdentifier>{device}</deviceIdentifier></answeringDevice>\
             <localConnectionInfo>connected</localConnectionInfo><cause>newCall</cause>"
        );
        self.tells(device, call, ("EstablishedEvent", "establishedConnection"), &rest);
    }

    /// The device has left the call.
    pub fn clears(&mut self, device: &str, call: &str, cause: &str) {
        let rest = format!("<localConnectionInfo>null</localConnectionInfo><cause>{cause}</cause>");
        self.tells(device, call, ("ConnectionClearedEvent", "droppedConnection"), &rest);
    }

    /// Serves whatever comes for that long.
    pub fn serves_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while let Some(info) = self.peer.next(end.saturating_duration_since(Instant::now())) {
            self.serves(&info);
        }
    }
}
