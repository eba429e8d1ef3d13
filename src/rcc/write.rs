//! Bodies of our own. Element order is that of ECMA-323's schemas as far as it is known.

use crate::xml::{element, escaped};

use super::{
    Connection, Edition, Event, Forwarding, Happened, Local, Refusal, Request, Response, read::NAMESPACE,
};

/// What the gateway offers, by the names of `callControlServList` and `logicalServList`.
const CALLS: [&str; 6] =
    ["answerCall", "clearConnection", "deflectCall", "holdCall", "makeCall", "retrieveCall"];
const LOGICAL: [&str; 4] = ["getDoNotDisturb", "getForwarding", "setDoNotDisturb", "setForwarding"];
const EVENTS: [&str; 9] = [
    "connectionCleared",
    "delivered",
    "diverted",
    "established",
    "failed",
    "held",
    "originated",
    "retrieved",
    "transfered",
];

fn document(edition: Edition, root: &str, inside: &str) -> String {
    let Edition(number) = edition;
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<{root} xmlns=\"{NAMESPACE}{number}\">{inside}</{root}>\r\n"
    )
}

fn one(name: &str, text: &str) -> String {
    let mut body = String::new();
    element(&mut body, name, text);
    body
}

fn ends(name: &str, Connection { call, device }: &Connection) -> String {
    format!("<{name}>{}{}</{name}>", one("callID", call), one("deviceID", device))
}

fn device(name: &str, device: Option<&str>) -> String {
    match device {
        Some(device) => format!("<{name}>{}</{name}>", one("deviceIdentifier", device)),
        None => format!("<{name}><notKnown/></{name}>"),
    }
}

fn empty(names: &[&str]) -> String {
    names.iter().map(|name| format!("<{name}/>")).collect()
}

fn when(of: Forwarding) -> &'static str {
    Forwarding::ALL.into_iter().find(|(when, _)| *when == of).map_or("", |(_, word)| word)
}

/// What a client asks.
pub fn request_body(edition: Edition, request: &Request) -> String {
    let (root, inside) = match request {
        Request::SystemStatus { line } => {
            ("RequestSystemStatus", line.as_deref().map(hint).unwrap_or_default())
        }
        Request::Features => ("GetCSTAFeatures", String::new()),
        Request::MonitorStart { device } => {
            ("MonitorStart", format!("<monitorObject>{}</monitorObject>", one("deviceObject", device)))
        }
        Request::SnapshotDevice { device } => ("SnapshotDevice", one("snapshotObject", device)),
        Request::MonitorStop { monitor } => ("MonitorStop", one("monitorCrossRefID", monitor)),
        Request::MakeCall { device, called } => {
            let called = one("calledDirectoryNumber", called) + &one("autoOriginate", "doNotPrompt");
            ("MakeCall", one("callingDevice", device) + &called)
        }
        Request::AnswerCall(call) => ("AnswerCall", ends("callToBeAnswered", call)),
        Request::ClearConnection(call) => ("ClearConnection", ends("connectionToBeCleared", call)),
        Request::DeflectCall { connection, to } => {
            ("DeflectCall", ends("callToBeDiverted", connection) + &one("newDestination", to))
        }
        Request::HoldCall(call) => ("HoldCall", ends("callToBeHeld", call)),
        Request::RetrieveCall(call) => ("RetrieveCall", ends("callToBeRetrieved", call)),
        Request::SetForwarding { device, when: kind, on, to } => {
            let how = one("activateForward", bool_word(*on)) + &one("forwardingType", when(*kind));
            let to = to.as_deref().map(|to| one("forwardDN", to)).unwrap_or_default();
            ("SetForwarding", one("device", device) + &how + &to)
        }
        Request::GetForwarding { device } => ("GetForwarding", one("device", device)),
        Request::SetDoNotDisturb { device, on } => {
            ("SetDoNotDisturb", one("device", device) + &one("doNotDisturbOn", bool_word(*on)))
        }
        Request::GetDoNotDisturb { device } => ("GetDoNotDisturb", one("device", device)),
        Request::Unknown(name) => (name.as_str(), String::new()),
    };
    document(edition, root, &inside)
}

/// Microsoft's hint at the line.
fn hint(line: &str) -> String {
    let namespace = "http://schemas.microsoft.com/Lcs/2005/04/RCCExtension";
    let line = format!("<lcs:line xmlns:lcs=\"{namespace}\">{}</lcs:line>", escaped(line));
    format!("<extensions><privateData><private>{line}</private></privateData></extensions>")
}

fn bool_word(on: bool) -> &'static str {
    if on { "true" } else { "false" }
}

/// What a gateway answers.
pub fn response_body(edition: Edition, response: &Response) -> String {
    let (root, inside) = match response {
        Response::SystemStatus { normal } => {
            let word = if *normal { "normal" } else { "disabled" };
            ("RequestSystemStatusResponse".to_owned(), one("systemStatus", word))
        }
        Response::Features => ("GetCSTAFeaturesResponse".to_owned(), features()),
        Response::MonitorStart { monitor } => {
            ("MonitorStartResponse".to_owned(), one("monitorCrossRefID", monitor))
        }
        Response::Snapshot(connections) => ("SnapshotDeviceResponse".to_owned(), snapshot(connections)),
        Response::MakeCall(call) => ("MakeCallResponse".to_owned(), ends("callingDevice", call)),
        Response::Forwarding(list) => {
            let item = |(kind, to): &(Forwarding, String)| {
                let how = one("forwardingType", when(*kind)) + &one("forwardStatus", "true");
                format!("<forwardListItem>{how}{}</forwardListItem>", one("forwardDN", to))
            };
            let items: String = list.iter().map(item).collect();
            ("GetForwardingResponse".to_owned(), format!("<forwardingList>{items}</forwardingList>"))
        }
        Response::DoNotDisturb { on } => {
            ("GetDoNotDisturbResponse".to_owned(), one("doNotDisturbOn", bool_word(*on)))
        }
        Response::Done(service) => (format!("{service}Response"), String::new()),
        Response::Refused(words) => ("CSTAErrorCode".to_owned(), one("unspecified", words)),
    };
    document(edition, &root, &inside)
}

fn snapshot(connections: &[(Connection, Local)]) -> String {
    let info = |(connection, local): &(Connection, Local)| {
        let state = one("localConnectionState", word(*local));
        let state =
            format!("<localCallState><compoundCallState>{state}</compoundCallState></localCallState>");
        let ends = ends("connectionIdentifier", connection);
        format!("<snapshotDeviceResponseInfo>{ends}{state}</snapshotDeviceResponseInfo>")
    };
    let data: String = connections.iter().map(info).collect();
    format!("<crossRefIDorSnapshotData><snapshotData>{data}</snapshotData></crossRefIDorSnapshotData>")
}

fn word(local: Local) -> &'static str {
    Local::ALL.into_iter().find(|(known, _)| *known == local).map_or("", |(_, word)| word)
}

fn features() -> String {
    let list = |name: &str, of: &[&str]| format!("<{name}>{}</{name}>", empty(of));
    let services = list("callControlServList", &CALLS)
        + &list("capExchangeServList", &["getCSTAFeatures"])
        + &list("logicalServList", &LOGICAL)
        + &list("monitoringServList", &["monitorStart", "monitorStop"])
        + &list("snapshotServList", &["snapshotDevice"])
        + &list("systemStatServList", &["requestSystemStatus"]);
    let events = list("callControlEvtsList", &EVENTS);
    format!("<supportedServices>{services}</supportedServices><supportedEvents>{events}</supportedEvents>")
}

/// Why a gateway does not do what it is asked.
pub fn error_body(edition: Edition, refusal: Refusal) -> String {
    let (category, word) = match refusal {
        Refusal::InvalidDevice => ("operation", "invalidDeviceID"),
        Refusal::InvalidCall => ("operation", "invalidConnectionID"),
        Refusal::InvalidMonitor => ("operation", "invalidMonitorCrossRefID"),
        Refusal::InvalidDestination => ("operation", "invalidDestination"),
        Refusal::NotSupported => ("operation", "invalidFeature"),
        Refusal::Incomplete => ("operation", "generic"),
        Refusal::State => ("stateIncompatibility", "invalidConnectionState"),
        Refusal::Resources => ("systemResourceAvailability", "resourceBusy"),
        Refusal::Security => ("operation", "securityViolation"),
    };
    document(edition, "CSTAErrorCode", &one(category, word))
}

/// What has happened at a monitored device.
pub fn event_body(edition: Edition, event: &Event) -> String {
    let monitor = one("monitorCrossRefID", &event.monitor);
    let Some(shape) = event.happened.shape() else {
        let on = bool_word(event.on.unwrap_or_default());
        let of = monitor + &device("device", event.device.as_deref());
        return match event.happened {
            Happened::Forwarding => {
                let to = event.to.as_deref().map(|to| one("forwardTo", to)).unwrap_or_default();
                let how = one("forwardingType", when(event.when.unwrap_or(Forwarding::Immediate)))
                    + &one("forwardStatus", on);
                document(edition, "ForwardingEvent", &(of + &how + &to))
            }
            _ => document(edition, "DoNotDisturbEvent", &(of + &one("doNotDisturbOn", on))),
        };
    };
    let mut inside = monitor + &ends(shape.connection, &event.connection);
    if let Some(second) = &event.second {
        inside += &ends("secondaryOldCall", second);
    }
    if shape.device != "callingDevice" {
        inside += &device(shape.device, event.device.as_deref());
    }
    if event.happened == Happened::Diverted {
        inside += &device("newDestination", event.to.as_deref());
    }
    if let Happened::Transferred | Happened::Conferenced = event.happened {
        let (party, list) = match event.happened {
            Happened::Transferred => ("transferredToDevice", "transferredConnections"),
            _ => ("addedParty", "conferenceConnections"),
        };
        let item = |one| format!("<connectionListItem>{}</connectionListItem>", ends("newConnection", one));
        let items: String = event.joined.iter().map(item).collect();
        inside += &device(party, event.to.as_deref());
        inside += &format!("<{list}>{items}</{list}>");
    }
    if shape.parties {
        inside += &device("callingDevice", event.calling.as_deref());
        inside += &device("calledDevice", event.called.as_deref());
    }
    if matches!(
        event.happened,
        Happened::Delivered | Happened::Established | Happened::Diverted | Happened::Failed
    ) {
        inside += &match &event.redirection {
            Some(by) => device("lastRedirectionDevice", Some(by)),
            None => "<lastRedirectionDevice><notRequired/></lastRedirectionDevice>".to_owned(),
        };
    }
    if let Some(local) = event.local {
        inside += &one("localConnectionInfo", word(local));
    }
    inside += &one("cause", &event.cause);
    document(edition, shape.element, &inside)
}
