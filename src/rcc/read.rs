//! Bodies of peers. Elements are found by their local names in whatever order, since vendors differ in it; unknown ones are
//! passed over.

use crate::xml::{Element, XmlError, elements};

use super::{Connection, Edition, Event, Forwarding, Happened, Local, Request, Response, SHAPES};

/// What every edition's namespace begins with.
pub(super) const NAMESPACE: &str = "http://www.ecma-international.org/standards/ecma-323/csta/ed";
/// The longest identifier that is taken: device, call, monitor.
const LONGEST: usize = 256;

/// Why a body is not read; quotes nothing of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unread {
    /// It is no XML that is read.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Its namespace is none of ECMA-323.
    #[error("the namespace is none of ECMA-323")]
    Foreign,
    /// An element is missing, empty, too long or no such value.
    #[error("{0} is missing or wrong")]
    Missing(&'static str),
}

/// An element with everything in it.
#[derive(Clone, Copy)]
struct Node<'d>(&'d [Element]);

impl<'d> Node<'d> {
    fn root(document: &'d [Element]) -> Result<(Self, Edition), Unread> {
        let root = document.first().ok_or(Unread::Foreign)?;
        // By prefix or by default: whichever attribute names the namespace.
        let edition =
            root.attributes.iter().find_map(|(_, value)| value.strip_prefix(NAMESPACE)?.parse().ok());
        Ok((Self(document), Edition(edition.ok_or(Unread::Foreign)?)))
    }

    fn name(self) -> &'d str {
        &self.0[0].name
    }

    fn text(self) -> &'d str {
        &self.0[0].text
    }

    fn children(self) -> impl Iterator<Item = Self> {
        let depth = self.0[0].depth + 1;
        let mut rest = &self.0[1..];
        std::iter::from_fn(move || {
            let first = rest.first()?;
            debug_assert_eq!(first.depth, depth);
            let end = rest
                .iter()
                .skip(1)
                .position(|element| element.depth <= depth)
                .map_or(rest.len(), |at| at + 1);
            let (child, others) = rest.split_at(end);
            rest = others;
            Some(Self(child))
        })
    }

    fn child(self, name: &str) -> Option<Self> {
        self.children().find(|child| child.name() == name)
    }

    /// Some element in it, at any depth.
    fn within(self, name: &str) -> Option<&'d str> {
        self.0.iter().find(|element| element.name == name).map(|element| element.text.as_str())
    }

    fn word(self, name: &'static str) -> Result<String, Unread> {
        self.child(name).and_then(|child| identifier(child.text())).ok_or(Unread::Missing(name))
    }

    fn flag(self, name: &'static str) -> Result<bool, Unread> {
        match self.child(name).map(|child| child.text().to_ascii_lowercase()).as_deref() {
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) | None => Err(Unread::Missing(name)),
        }
    }

    /// All elements of that name in it, at any depth.
    fn all(self, name: &'d str) -> impl Iterator<Item = Self> {
        (1..self.0.len()).filter(move |at| self.0[*at].name == name).map(move |at| {
            let (whole, depth) = (&self.0[at..], self.0[at].depth);
            let inside = whole[1..].iter().position(|element| element.depth <= depth);
            Self(&whole[..inside.map_or(whole.len(), |inside| inside + 1)])
        })
    }

    /// A connection under that name; its device may be missing where the call says enough.
    fn connection(self, name: &'static str) -> Result<Connection, Unread> {
        self.child(name).and_then(Self::whole).ok_or(Unread::Missing(name))
    }

    /// The connection that this is.
    fn whole(self) -> Option<Connection> {
        let of = |part| self.child(part).and_then(|child| identifier(child.text())).unwrap_or_default();
        let (call, device) = (of("callID"), of("deviceID"));
        (!call.is_empty() || !device.is_empty()).then_some(Connection { call, device })
    }

    /// A device of an event: its `deviceIdentifier`, or the text itself; none where it is `notKnown` or `notRequired`.
    fn device(self, name: &str) -> Option<String> {
        let child = self.child(name)?;
        identifier(child.within("deviceIdentifier").unwrap_or_else(|| child.text()))
    }
}

fn identifier(text: &str) -> Option<String> {
    let fits = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// What a client asks.
///
/// # Errors
/// Why it cannot be read.
pub fn request(body: &[u8]) -> Result<(Edition, Request), Unread> {
    let document = elements(body)?;
    let (root, edition) = Node::root(&document)?;
    let device = |name| root.word(name);
    let request = match root.name() {
        "RequestSystemStatus" => Request::SystemStatus { line: root.within("line").and_then(identifier) },
        "GetCSTAFeatures" => Request::Features,
        "MonitorStart" => {
            let object = root.child("monitorObject").ok_or(Unread::Missing("monitorObject"))?;
            Request::MonitorStart { device: object.word("deviceObject")? }
        }
        "SnapshotDevice" => Request::SnapshotDevice { device: root.word("snapshotObject")? },
        "MonitorStop" => Request::MonitorStop { monitor: root.word("monitorCrossRefID")? },
        "MakeCall" => {
            Request::MakeCall { device: device("callingDevice")?, called: device("calledDirectoryNumber")? }
        }
        "AnswerCall" => Request::AnswerCall(root.connection("callToBeAnswered")?),
        "ClearConnection" => Request::ClearConnection(root.connection("connectionToBeCleared")?),
        "DeflectCall" => Request::DeflectCall {
            connection: root.connection("callToBeDiverted")?,
            to: device("newDestination")?,
        },
        "HoldCall" => Request::HoldCall(root.connection("callToBeHeld")?),
        "RetrieveCall" => Request::RetrieveCall(root.connection("callToBeRetrieved")?),
        "SetForwarding" => Request::SetForwarding {
            device: device("device")?,
            when: forwarding(root)?,
            on: root.flag("activateForward")?,
            to: device("forwardDN").ok(),
        },
        "GetForwarding" => Request::GetForwarding { device: device("device")? },
        "SetDoNotDisturb" => {
            Request::SetDoNotDisturb { device: device("device")?, on: root.flag("doNotDisturbOn")? }
        }
        "GetDoNotDisturb" => Request::GetDoNotDisturb { device: device("device")? },
        other => Request::Unknown(other.chars().take(LONGEST).collect()),
    };
    Ok((edition, request))
}

/// `forwardingType`; without one everything is forwarded.
fn forwarding(of: Node<'_>) -> Result<Forwarding, Unread> {
    let Some(word) = of.child("forwardingType") else { return Ok(Forwarding::Immediate) };
    // Vendors append Int and Ext for calls from inside and from outside.
    let bare = word.text().trim_end_matches("Int").trim_end_matches("Ext");
    let known = Forwarding::ALL.into_iter().find(|(_, name)| *name == bare);
    known.map(|(when, _)| when).ok_or(Unread::Missing("forwardingType"))
}

/// What a gateway answers.
///
/// # Errors
/// Why it cannot be read.
pub fn response(body: &[u8]) -> Result<Response, Unread> {
    let document = elements(body)?;
    let (root, _) = Node::root(&document)?;
    Ok(match root.name() {
        "RequestSystemStatusResponse" => {
            let normal = root.child("systemStatus").is_some_and(|status| status.text() == "normal");
            Response::SystemStatus { normal }
        }
        "GetCSTAFeaturesResponse" => Response::Features,
        "MonitorStartResponse" => Response::MonitorStart { monitor: root.word("monitorCrossRefID")? },
        // One that says nothing of calls does not say that there are none.
        "SnapshotDeviceResponse" if root.within("snapshotData").is_none() => {
            Response::Done("SnapshotDevice".into())
        }
        "SnapshotDeviceResponse" => Response::Snapshot(snapshot(root)),
        "MakeCallResponse" => Response::MakeCall(root.connection("callingDevice")?),
        "GetForwardingResponse" => Response::Forwarding(forwardings(root)),
        "GetDoNotDisturbResponse" => Response::DoNotDisturb { on: root.flag("doNotDisturbOn")? },
        "CSTAErrorCode" => {
            let words = root.children().map(|child| format!("{} {}", child.name(), child.text()));
            Response::Refused(words.take(4).collect::<Vec<_>>().join(", ").chars().take(LONGEST).collect())
        }
        other => match other.strip_suffix("Response") {
            Some(name) => Response::Done(name.chars().take(LONGEST).collect()),
            None => return Err(Unread::Missing("a response")),
        },
    })
}

fn forwardings(root: Node<'_>) -> Vec<(Forwarding, String)> {
    let Some(list) = root.child("forwardingList") else { return vec![] };
    let is_on = |item: &Node<'_>| item.flag("forwardStatus").unwrap_or(false);
    let read = |item: Node<'_>| Some((forwarding(item).ok()?, item.word("forwardDN").ok()?));
    list.children().filter(is_on).filter_map(read).collect()
}

/// The connections of a `SnapshotDeviceResponse`; those in a state that has no name here are left out.
fn snapshot(root: Node<'_>) -> Vec<(Connection, Local)> {
    root.all("snapshotDeviceResponseInfo")
        .filter_map(|info| {
            let state = info.child("localCallState")?;
            let local = state.0.iter().find_map(|element| local(element.text.trim()))?;
            Some((info.connection("connectionIdentifier").ok()?, local))
        })
        .collect()
}

/// A connection's state, in the words of `localConnectionInfo` or of a whole call's state (ECMA-269 §6.1.6).
fn local(word: &str) -> Option<Local> {
    let whole = || {
        let rest = word.strip_prefix("call")?;
        Some(match rest {
            "Null" => Local::Null,
            "Pending" | "Originated" => Local::Initiated,
            "Delivered" => Local::Queued,
            "Received" | "ReceivedOnHold" => Local::Alerting,
            "Established" | "EstablishedOnHold" => Local::Connected,
            "DeliveredHeld" | "EstablishedHeld" | "QueuedHeld" | "FailedHeld" => Local::Hold,
            "Queued" => Local::Queued,
            "Failed" | "Blocked" => Local::Fail,
            _ => return None,
        })
    };
    Local::ALL.into_iter().find(|(_, name)| *name == word).map(|(local, _)| local).or_else(whole)
}

/// What has happened at a monitored device; `None`: something that is not followed.
///
/// # Errors
/// Why it cannot be read.
pub fn event(body: &[u8]) -> Result<Option<Event>, Unread> {
    let document = elements(body)?;
    let (root, _) = Node::root(&document)?;
    let monitor = root.word("monitorCrossRefID")?;
    let cause = root.word("cause").unwrap_or_default();
    let lone = |happened, device, on, to| Event {
        monitor: monitor.clone(),
        happened,
        connection: Connection::default(),
        device,
        calling: None,
        called: None,
        redirection: None,
        second: None,
        joined: vec![],
        when: None,
        to,
        on,
        local: None,
        cause: cause.clone(),
    };
    let feature = |happened, flag| {
        let to = root.device("forwardTo").or_else(|| root.device("forwardDN"));
        Ok(Some(lone(happened, root.device("device"), Some(root.flag(flag)?), to)))
    };
    match root.name() {
        // Calls still ring where only those to a busy telephone, or not answered ones, go elsewhere.
        "ForwardingEvent" if !matches!(forwarding(root), Ok(Forwarding::Immediate)) => return Ok(None),
        "ForwardingEvent" => return feature(Happened::Forwarding, "forwardStatus"),
        "DoNotDisturbEvent" => return feature(Happened::DoNotDisturb, "doNotDisturbOn"),
        _ => {}
    }
    // The standard's own spelling is read as well as the usual one.
    let name = if root.name() == "TransferredEvent" { "TransferedEvent" } else { root.name() };
    let Some(shape) = SHAPES.iter().find(|shape| shape.element == name) else { return Ok(None) };
    let joined = matches!(shape.happened, Happened::Transferred | Happened::Conferenced);
    let word = root.child("localConnectionInfo").map(Node::text);
    let to = ["newDestination", "transferredToDevice", "addedParty"]
        .into_iter()
        .find_map(|name| root.device(name));
    Ok(Some(Event {
        connection: root.connection(shape.connection)?,
        calling: root.device("callingDevice"),
        called: root.device("calledDevice"),
        redirection: root.device("lastRedirectionDevice"),
        second: root.connection("secondaryOldCall").ok(),
        joined: if joined { root.all("newConnection").filter_map(Node::whole).collect() } else { vec![] },
        local: Local::ALL.into_iter().find(|(_, name)| Some(*name) == word).map(|(local, _)| local),
        ..lone(shape.happened, root.device(shape.device), None, to)
    }))
}
