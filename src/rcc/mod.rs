//! Remote call control (RCC): CSTA phase III in XML (ECMA-323) as SIP carries it (uaCSTA, ECMA TR/87).
//!
//! `read` and `write` hold every format, `client` asks a PBX's gateway to tell of lines, `line` follows one of them by its
//! events, `same` finds calls that both have seen, and `view` tells events of our own calls. A gateway's edition of the standard is that of its peer ([`Edition`]).

pub mod client;
pub mod line;
mod read;
pub mod same;
pub mod view;
mod write;

pub use read::{Unread, event, request, response};
pub use write::{error_body, event_body, request_body, response_body};

/// Content-Type of all bodies.
pub const MEDIA_TYPE: &str = "application/csta+xml";
/// What INVITE and INFO say of them (TR/87 §6).
pub const DISPOSITION: &str = "signal;handling=required";

/// The edition of ECMA-323 that a peer speaks: the number at the end of its namespace. Editions differ in what they have, not
/// in what is used here, so the peer's own is spoken back.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Edition(pub u8);

impl Default for Edition {
    /// What Office Communications Server and most gateways speak.
    fn default() -> Self {
        Self(3)
    }
}

/// One end of a call.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Connection {
    /// `callID`.
    pub call: String,
    /// `deviceID`: `tel:200`, `sip:tu@x`.
    pub device: String,
}

/// What a client asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Request {
    /// Whether the gateway works; `line` is Microsoft's hint at what will be monitored.
    SystemStatus {
        /// `lcs:line`: a tel URI.
        line: Option<String>,
    },
    /// What the gateway can do.
    Features,
    /// Tell what happens at a device.
    MonitorStart {
        /// `deviceObject`.
        device: String,
    },
    /// Which calls a device has.
    SnapshotDevice {
        /// `snapshotObject`.
        device: String,
    },
    /// No more.
    MonitorStop {
        /// `monitorCrossRefID`.
        monitor: String,
    },
    /// The device calls.
    MakeCall {
        /// `callingDevice`.
        device: String,
        /// `calledDirectoryNumber`.
        called: String,
    },
    /// The device answers.
    AnswerCall(Connection),
    /// The device leaves the call.
    ClearConnection(Connection),
    /// The call goes elsewhere before it is answered.
    DeflectCall {
        /// `callToBeDiverted`.
        connection: Connection,
        /// `newDestination`.
        to: String,
    },
    /// The device puts the call on hold.
    HoldCall(Connection),
    /// The device takes it back.
    RetrieveCall(Connection),
    /// Calls are forwarded from now on, or not any more.
    SetForwarding {
        /// `device`.
        device: String,
        /// `forwardingType`.
        when: Forwarding,
        /// `activateForward`.
        on: bool,
        /// `forwardDN`.
        to: Option<String>,
    },
    /// How they are forwarded.
    GetForwarding {
        /// `device`.
        device: String,
    },
    /// Nobody disturbs from now on, or everybody may.
    SetDoNotDisturb {
        /// `device`.
        device: String,
        /// `doNotDisturbOn`.
        on: bool,
    },
    /// Whether anybody may.
    GetDoNotDisturb {
        /// `device`.
        device: String,
    },
    /// A service that is not offered, by its name.
    Unknown(String),
}

/// When calls are forwarded.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Forwarding {
    /// `forwardImmediate`.
    #[default]
    Immediate,
    /// `forwardBusy`.
    Busy,
    /// `forwardNoAns`.
    NoAnswer,
}

/// What a gateway answers where it does what it is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Response {
    /// It works, or not.
    SystemStatus {
        /// `normal`; any other word means no.
        normal: bool,
    },
    /// What it can do: [`Request`] but for `Unknown`, and every [`Happened`] that `view` tells.
    Features,
    /// It tells.
    MonitorStart {
        /// `monitorCrossRefID`.
        monitor: String,
    },
    /// The connections of a device, and how far each is.
    Snapshot(Vec<(Connection, Local)>),
    /// It calls.
    MakeCall(Connection),
    /// How calls are forwarded, one entry for each kind that is on.
    Forwarding(Vec<(Forwarding, String)>),
    /// Whether somebody may disturb.
    DoNotDisturb {
        /// `doNotDisturbOn`.
        on: bool,
    },
    /// It is done: the name of the service, `AnswerCall`.
    Done(String),
    /// It is not: the words of `CSTAErrorCode`.
    Refused(String),
}

/// Why a gateway does not do what it is asked (ECMA-269 §12.1).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refusal {
    /// There is no such device, or it is not the client's.
    InvalidDevice,
    /// There is no such call.
    InvalidCall,
    /// There is no such monitor.
    InvalidMonitor,
    /// The number cannot be called.
    InvalidDestination,
    /// The service is not offered.
    NotSupported,
    /// The request lacks something.
    Incomplete,
    /// The call is not in a state for that.
    State,
    /// There is no room for more.
    Resources,
    /// The client may not.
    Security,
}

/// Something has happened at a monitored device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// `monitorCrossRefID`.
    pub monitor: String,
    /// What.
    pub happened: Happened,
    /// The connection that it is about; empty for those without one.
    pub connection: Connection,
    /// Whose doing it is: `alertingDevice`, `answeringDevice`, `divertingDevice`, … as the event has it.
    pub device: Option<String>,
    /// `callingDevice`.
    pub calling: Option<String>,
    /// `calledDevice`.
    pub called: Option<String>,
    /// `lastRedirectionDevice`: who has sent the call on.
    pub redirection: Option<String>,
    /// `secondaryOldCall` of a transfer or conference.
    pub second: Option<Connection>,
    /// The connections that there are after one (`transferredConnections`, `conferenceConnections`).
    pub joined: Vec<Connection>,
    /// `newDestination` of a call that was diverted, `forwardTo` where calls are forwarded from now on.
    pub to: Option<String>,
    /// `forwardingType`: which calls.
    pub when: Option<Forwarding>,
    /// `forwardStatus`, `doNotDisturbOn`.
    pub on: Option<bool>,
    /// `localConnectionInfo`.
    pub local: Option<Local>,
    /// `cause`: `newCall`, `normalClearing`, `busy`, …
    pub cause: String,
}

/// What has happened.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Happened {
    /// The device is off the hook.
    ServiceInitiated,
    /// A number is dialled.
    Originated,
    /// It rings.
    Delivered,
    /// It is answered.
    Established,
    /// It is on hold.
    Held,
    /// It is no more.
    Retrieved,
    /// It has gone elsewhere.
    Diverted,
    /// It cannot be.
    Failed,
    /// Somebody has left it.
    ConnectionCleared,
    /// It was given to somebody else.
    Transferred,
    /// More have joined.
    Conferenced,
    /// What is forwarded has changed.
    Forwarding,
    /// Whether anybody may disturb has changed.
    DoNotDisturb,
}

/// The state of the monitored device's own connection (ECMA-269 §6.1.5).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Local {
    /// None any more.
    Null,
    /// Off the hook.
    Initiated,
    /// It rings here.
    Alerting,
    /// It talks.
    Connected,
    /// On hold.
    Hold,
    /// In a queue.
    Queued,
    /// It has failed.
    Fail,
}

impl Forwarding {
    /// Each with its word.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Immediate, "forwardImmediate"),
        (Self::Busy, "forwardBusy"),
        (Self::NoAnswer, "forwardNoAns"),
    ];
}

impl Local {
    /// Each with its word.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Null, "null"),
        (Self::Initiated, "initiated"),
        (Self::Alerting, "alerting"),
        (Self::Connected, "connected"),
        (Self::Hold, "hold"),
        (Self::Queued, "queued"),
        (Self::Fail, "fail"),
    ];
}

/// How an event is written: its element, that of its connection, and that of the device whose doing it is.
struct Shape {
    happened: Happened,
    element: &'static str,
    connection: &'static str,
    device: &'static str,
    /// Whether it tells who calls whom.
    parties: bool,
}

/// Every event that has a connection.
const SHAPES: [Shape; 11] = [
    shape(
        Happened::ServiceInitiated,
        "ServiceInitiatedEvent",
        "initiatedConnection",
        "initiatingDevice",
        false,
    ),
    shape(Happened::Originated, "OriginatedEvent", "originatedConnection", "callingDevice", true),
    shape(Happened::Delivered, "DeliveredEvent", "connection", "alertingDevice", true),
    shape(Happened::Established, "EstablishedEvent", "establishedConnection", "answeringDevice", true),
    shape(Happened::Held, "HeldEvent", "heldConnection", "holdingDevice", false),
    shape(Happened::Retrieved, "RetrievedEvent", "retrievedConnection", "retrievingDevice", false),
    shape(Happened::Diverted, "DivertedEvent", "connection", "divertingDevice", true),
    shape(Happened::Failed, "FailedEvent", "failedConnection", "failingDevice", true),
    shape(
        Happened::ConnectionCleared,
        "ConnectionClearedEvent",
        "droppedConnection",
        "releasingDevice",
        false,
    ),
    shape(Happened::Transferred, "TransferedEvent", "primaryOldCall", "transferringDevice", false),
    shape(Happened::Conferenced, "ConferencedEvent", "primaryOldCall", "conferencingDevice", false),
];

const fn shape(
    happened: Happened,
    element: &'static str,
    connection: &'static str,
    device: &'static str,
    parties: bool,
) -> Shape {
    Shape { happened, element, connection, device, parties }
}

impl Happened {
    fn shape(self) -> Option<&'static Shape> {
        SHAPES.iter().find(|shape| shape.happened == self)
    }
}
