//! `[[user]]`.

mod values;

use std::{collections::HashSet, sync::Arc};

use ringpost::{
    address::UserClass,
    notify::Tell,
    numbers::{Tel, location::Profile},
    outbox::Entries,
    settings::{Notices, Policy, Quiet, Secret, To, UmPlan, UmServer, User, UserLogin},
};

use super::{
    Claims,
    channel::{self, Known, Telling},
    location,
    mail::password_file,
    notices, policy, presence,
    raw::Raw,
    route::Policies,
    section::Section,
    um, uri,
};
use values::{address, auth_name, line};

pub use values::{forward, language, mail, number, plan, time_zone, user_class};

/// A user's time-out where the site names none (R2).
pub const RING_FOR: std::time::Duration = std::time::Duration::from_secs(20);

/// The keys of a user that count before what a directory says.
const KEYS: [&str; 24] = [
    "name",
    "numbers",
    "devices",
    "auth_name",
    "password",
    "password_file",
    "ring_for",
    "um_plan",
    "missed_calls",
    "forward",
    "min_ring",
    "channels",
    "mail_if_um_refuses",
    "mail",
    "time_zone",
    "language",
    "pin",
    "pin_file",
    "greeting",
    "voicemail_numbers",
    "voice_policy",
    "policy",
    "notices",
    "line",
];

/// What a user is checked against.
pub struct Around<'s> {
    /// The site's dial plans.
    pub plans: &'s [UmPlan],
    /// Whether the site has users by a directory, which says more of them.
    pub directory: bool,
    /// Whether the site has `[mail]`.
    pub mail: bool,
    /// The site's channels.
    pub channels: &'s [Known],
    /// Those of `[notices]` for users with a mail address, and without.
    pub usual: [Entries; 2],
    /// What `[notices]` says of the notices of missed calls.
    pub telling: Telling,
    /// What else it says.
    pub notices: Arc<Notices>,
    /// The profiles of the site.
    pub locations: &'s [Arc<Profile>],
    /// The site's voice policies.
    pub policies: &'s Policies,
}

/// Reads one `[[user]]`; `None` after a problem.
pub fn user(mut section: Section<'_>, around: &Around<'_>, claims: &mut Claims) -> Option<User> {
    let address = section.required("address", |raw| address(raw, claims));
    let name = section.optional("name", |raw| raw.text().map(str::to_owned));
    let line = section.optional("line", |raw| line(raw, claims));
    let numbers = section.list("numbers", |raw| number(raw, claims));
    let tel = line.as_deref().and_then(|line| Tel::read(&format!("tel:{line}")).ok());
    let numbers = line.into_iter().chain(numbers).collect();
    let location = section.optional("location", |raw| location::named(raw, around.locations));
    let mut devices = HashSet::new();
    let devices = section.list("devices", |raw| {
        let text = raw.text()?;
        uri::sip(text)?;
        match devices.insert(text.to_owned()) {
            true => Ok(text.to_owned()),
            false => Err("this device is in the list twice".to_owned()),
        }
    });
    let login = login(&mut section, address.as_deref(), claims);
    let ring_for = section.optional("ring_for", Raw::duration);
    let um_plan = section.optional("um_plan", |raw| plan(raw, around));
    let missed_calls = section.optional("missed_calls", user_class);
    let forward = section.optional("forward", forward);
    let min_ring = section.optional("min_ring", Raw::duration_or_zero);
    let mail_if_um_refuses = section.optional("mail_if_um_refuses", Raw::flag);
    let own = channels(&mut section, around);
    let mail = section.optional("mail", mail);
    let time_zone = section.optional("time_zone", time_zone);
    let language = section.optional("language", language);
    let greeting = section.optional("greeting", um::greeting);
    let voicemail_numbers = section.list("voicemail_numbers", |raw| number(raw, claims));
    let voice_policy = section.optional("voice_policy", |raw| around.policies.name(raw));
    let pin = pin(&mut section);
    let policy = section.table("policy").map(policy::policy).unwrap_or_default();
    let presence = section.table("presence").map(presence::of_user).unwrap_or_default();
    if !around.directory {
        check_um(&section, missed_calls, forward);
        check_policy(&section, &policy, &voicemail_numbers);
    }
    if !around.directory && own.as_ref().is_some_and(|own| own.is_empty()) {
        check_mail(&section, around, missed_calls, um_plan.as_deref(), mail_if_um_refuses);
    }
    let channels = own.unwrap_or_default();
    let (notices, telling) = own_notices(&mut section, around);
    check_tell(&section, &notices, &channels);
    let tells = section.has("mail") || !channels.is_empty();
    let missed_calls = missed_calls.unwrap_or_else(|| match (section.has("um_plan"), tells) {
        (true, _) => UserClass::Um,
        (false, true) => UserClass::Mail,
        (false, false) => UserClass::Off,
    });
    let said = KEYS.into_iter().filter(|key| section.has(key)).collect();
    section.end();
    Some(User {
        address: address?,
        name,
        numbers,
        devices,
        login,
        ring_for: ring_for.unwrap_or(RING_FOR),
        um_plan,
        missed_calls,
        forward_to_voicemail: forward.unwrap_or_default(),
        min_ring: min_ring.unwrap_or(around.notices.min_ring),
        mail_if_um_refuses: mail_if_um_refuses.unwrap_or(!channels.is_empty()),
        channels,
        digest: telling.digest(),
        returned: telling.returned(),
        mail,
        time_zone: time_zone.unwrap_or_else(|| "UTC".to_owned()),
        language: language.unwrap_or_default(),
        pin,
        greeting,
        voicemail_numbers,
        location,
        voice_policy,
        policy,
        presence,
        notices,
        line: tel,
        said,
    })
}

/// What the user's table says over the site's.
fn own_notices(section: &mut Section<'_>, around: &Around<'_>) -> (Arc<Notices>, Telling) {
    let Some(mut own) = section.table("notices") else {
        return (Arc::clone(&around.notices), around.telling);
    };
    let notices = notices::notices(&mut own, &around.notices);
    let telling = Telling::read(&mut own).or(around.telling);
    own.end();
    (Arc::new(notices), telling)
}

/// A group's address is reached by the channels of the user who stands for the group.
fn check_tell(section: &Section<'_>, notices: &Notices, channels: &Entries) {
    if matches!(notices.tell, Tell::Address(_)) && channels.is_empty() && section.has("notices") {
        section.refuse(
            "notices",
            "tell names an address: that needs channels, and the user's mail where they write mails",
        );
    }
}

/// What the devices prove themselves with. The name has to be the user's alone, also where it is the address's.
fn login(section: &mut Section<'_>, address: Option<&str>, claims: &mut Claims) -> Option<UserLogin> {
    let key = match (section.has("password"), section.has("password_file")) {
        (true, true) => {
            section.refuse("password", "and password_file are both set");
            "password"
        }
        (true, false) => "password",
        (false, _) => "password_file",
    };
    if !section.has(key) && section.has("auth_name") {
        section.refuse("auth_name", "needs a password or a password_file");
    }
    let mut name = section.optional("auth_name", auth_name);
    if !section.has("auth_name") {
        name = address.and_then(|address| Some(uri::sip(address).ok()?.user?.to_owned()));
    }
    let mut password = |raw: &Raw<'_>, read: fn(&Raw<'_>) -> Result<Secret, String>| {
        let password = read(raw)?;
        name.iter().try_for_each(|name| claims.claim(raw, format!("auth_name {name}")))?;
        Ok(password)
    };
    let plain = section.optional("password", |raw| password(raw, |raw| Ok(Secret(raw.text()?.to_owned()))));
    let filed = section.optional("password_file", |raw| password(raw, password_file));
    Some(UserLogin { password: plain.or(filed)?, name: name? })
}

/// The PIN of the mailbox over the phone.
fn pin(section: &mut Section<'_>) -> Option<Secret> {
    let digits =
        |secret: Secret| match secret.0.len() >= 4 && secret.0.bytes().all(|octet| octet.is_ascii_digit()) {
            true => Ok(secret),
            false => Err("wants at least four digits".to_owned()),
        };
    if section.has("pin") && section.has("pin_file") {
        section.refuse("pin", "and pin_file are both set");
    }
    let plain = section.optional("pin", |raw| digits(Secret(raw.text()?.to_owned())));
    let filed = section.optional("pin_file", |raw| password_file(raw).and_then(digits));
    plain.or(filed)
}

fn check_um(section: &Section<'_>, missed_calls: Option<UserClass>, forward: Option<bool>) {
    if section.has("um_plan") {
        return;
    }
    if missed_calls == Some(UserClass::Um) {
        section.refuse("missed_calls", "\"um\" needs an um_plan");
    }
    if forward == Some(true) {
        section.refuse("forward", "\"voicemail\" needs an um_plan");
    }
}

/// What goes to voice mail needs a UM.
fn check_policy(section: &Section<'_>, policy: &Policy, voicemail_numbers: &[String]) {
    if section.has("um_plan") {
        return;
    }
    let forwards = [&policy.always, &policy.busy, &policy.no_answer];
    if forwards.contains(&&Some(To::Um)) || policy.do_not_disturb == Some(Quiet::Um) {
        section.refuse("policy", "\"voicemail\" needs an um_plan");
    }
    if !voicemail_numbers.is_empty() {
        section.refuse("voicemail_numbers", "need an um_plan");
    }
}

/// The user's own channels, by the user's own list or the site's; `None` after a problem.
fn channels(section: &mut Section<'_>, around: &Around<'_>) -> Option<Entries> {
    let has_address = section.has("mail");
    if !section.has("channels") {
        section.knows("channels");
        let [with, without] = &around.usual;
        return Some(if has_address { with.clone() } else { without.clone() });
    }
    let (entries, seen) = channel::entries(section, around.channels, |one| {
        let reached = has_address || !one.wants_mail_address;
        if reached { Ok(()) } else { Err(format!("{:?} needs the user's mail", one.name.as_str())) }
    });
    (entries.len() == seen).then_some(entries)
}

/// Whoever is told by mail needs an address and a `[mail]` that carries it.
fn check_mail(
    section: &Section<'_>,
    around: &Around<'_>,
    missed_calls: Option<UserClass>,
    um_plan: Option<&str>,
    mail_if_um_refuses: Option<bool>,
) {
    let by_mail = match missed_calls {
        Some(class) => class == UserClass::Mail,
        None => section.has("mail") && !section.has("um_plan"),
    };
    let plan = around.plans.iter().find(|plan| Some(plan.name.as_str()) == um_plan);
    let embedded = plan.is_some_and(|plan| plan.servers.contains(&UmServer::Embedded));
    let why = match (by_mail, embedded, mail_if_um_refuses) {
        (true, _, _) => "missed calls are told by mail",
        (false, true, _) => "the embedded UM sends its messages by mail",
        (false, false, Some(true)) => "mail_if_um_refuses is set",
        (false, false, Some(false) | None) => return,
    };
    if !section.has("mail") {
        section.refuse("mail", format!("is missing: {why}"));
    }
    if !around.mail {
        section.refuse("mail", format!("the site has no [mail] section: {why}"));
    }
    if section.has("mail") && around.mail {
        section.refuse("channels", format!("are none: {why}"));
    }
}
