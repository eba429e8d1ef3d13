//! All that is published of one user: the inputs as they are, since the server sums them up itself.

use jiff::Timestamp;

use super::{
    calendar::{self, EMPTY, TOLD},
    ledger::{Category, Key, Piece},
    state::{
        CONTAINERS, IN_A_CONFERENCE, IN_A_MEETING, Kind, ON_THE_PHONE, OUT_OF_OFFICE, State, availability,
        element,
    },
};
use crate::{
    calendar::Schedule,
    presence::{Activity, Presence, Standard, summary::Summary},
};

/// The user's own data.
const OWN: u16 = 1;
/// Working hours have no endpoint.
const HOURS: u32 = 0;

/// What goes into a picture.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame {
    /// What waits in the mailbox.
    pub message_waiting: bool,
    /// Free and busy times, and working hours.
    pub calendar: bool,
    /// 28 bits that tell our endpoint of the user from the others.
    pub endpoint: u32,
}

/// The number of Ringpost's endpoint of a user at a server: the same in each run, so that it finds its own again.
pub fn endpoint(server: &str, user: &str) -> u32 {
    // FNV-1a, whose numbers will never be others.
    let octets = server.bytes().chain([0]).chain(user.bytes());
    octets.fold(0x811C_9DC5_u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193))
        & 0x0FFF_FFFF
}

/// The publications about a user, in the same order each time.
pub fn picture(
    frame: Frame,
    presence: &Presence,
    summary: &Summary,
    schedule: Option<&Schedule>,
) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(24);
    for kind in Kind::ALL {
        let content = state(kind, presence, schedule).map(|state| element(kind, &state));
        let key =
            |container| Key { category: Category::State, instance: kind.instance(frame.endpoint), container };
        pieces.extend(CONTAINERS.map(|container| Piece {
            key: key(container),
            content: content.clone(),
            is_shared: kind == Kind::User,
        }));
    }
    if frame.message_waiting {
        let key = Key { category: Category::MessageWaiting, instance: frame.endpoint, container: OWN };
        pieces.push(Piece { key, content: Some(waiting(summary)), is_shared: false });
    }
    if frame.calendar {
        let times = schedule.map(|known| calendar::write(&known.mailbox, known.start, &known.slots));
        pieces.extend(data(Kind::Calendar.instance(frame.endpoint), times, false));
        let hours = schedule.and_then(|known| Some((&known.mailbox, known.hours.as_ref()?)));
        pieces.extend(data(HOURS, hours.map(|(mailbox, hours)| calendar::hours(mailbox, hours)), true));
    }
    pieces
}

/// What one source says of the user; `None`: nothing.
fn state(kind: Kind, presence: &Presence, schedule: Option<&Schedule>) -> Option<State> {
    let does = |activity| presence.rich.activities.contains(&activity);
    let is = |state| State { availability: availability(state), ..State::default() };
    let with = |state, activity| State { activity: Some(activity), ..is(state) };
    let mailbox = || schedule.map(|known| known.mailbox.to_string());
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    match kind {
        Kind::User => {
            presence.apart.user.map(|chosen| State { custom: text(&presence.rich.custom), ..is(chosen) })
        }
        Kind::Machine => presence.apart.device.map(is),
        // Whoever is not there is not busy there.
        Kind::Calendar if does(Activity::OutOfOffice) => None,
        Kind::Calendar => {
            let busy = match (does(Activity::Meeting), does(Activity::Appointment)) {
                (true, _) => with(Standard::Busy, IN_A_MEETING),
                (false, true) => is(Standard::Busy),
                (false, false) => return None,
            };
            let since = presence
                .apart
                .since
                .and_then(|since| Timestamp::from_second(i64::try_from(since).ok()?).ok());
            let (subject, location) = (text(&presence.rich.subject), text(&presence.rich.location));
            Some(State { mailbox: mailbox(), since, subject, location, ..busy })
        }
        Kind::OutOfOffice => does(Activity::OutOfOffice)
            .then(|| State { mailbox: mailbox(), ..with(Standard::Away, OUT_OF_OFFICE) }),
        Kind::Phone if does(Activity::InConference) => {
            // The least that goes with the word.
            let availability = IN_A_CONFERENCE.from;
            Some(State { availability, ..with(Standard::Busy, IN_A_CONFERENCE) })
        }
        Kind::Phone => does(Activity::OnThePhone).then(|| with(Standard::Busy, ON_THE_PHONE)),
    }
}

/// `calendarData` for those who may know and those who may not.
fn data(instance: u32, content: Option<String>, is_shared: bool) -> impl Iterator<Item = Piece> {
    let nothing = content.as_ref().map(|_| calendar::nothing());
    let told = TOLD.map(|container| (container, content.clone()));
    let empty = EMPTY.map(|container| (container, nothing.clone()));
    told.into_iter().chain(empty).map(move |(container, content)| Piece {
        key: Key { category: Category::CalendarData, instance, container },
        content,
        is_shared,
    })
}

/// The `mwi` element.
fn waiting(summary: &Summary) -> String {
    let (new, old) = summary.voice.as_ref().map_or((0, 0), |counts| (counts.new, counts.old));
    format!(
        "<mwi xmlns=\"http://schemas.microsoft.com/2006/09/sip/mwi\"><messageWaiting>{}</messageWaiting>\
         <unreadVoiceMailCount>{new}</unreadVoiceMailCount><readVoiceMailCount>{old}</readVoiceMailCount></mwi>",
        summary.waiting
    )
}
