//! Persons of the directory become users of the site, and what the site file says of a user counts before it.

mod maker;

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    fmt,
};

use super::{ldap::Id, people::Roster};
use crate::{
    address::UserClass,
    call::wire::strip_visual,
    settings::{DirectoryUsers, Ldap, Site, UmPlan, User},
    sip::uri::Uri,
};
pub use maker::why_no_user;
use maker::{Candidate, Maker};

/// The users and dial plans of a site with its directory.
#[derive(Debug, Default)]
pub struct Joined {
    /// Those of the site file first, then the others by their ids, last those whom their user part does not name.
    pub users: Vec<User>,
    /// Those of the site file first.
    pub plans: Vec<UmPlan>,
    /// What could not be used.
    pub remarks: Vec<Remark>,
}

/// Something of the directory that could not be used. Its text holds no value of the directory.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    /// Whose entry it is; `None`: the site file says it.
    pub id: Option<Id>,
    /// What is wrong with it.
    pub what: &'static str,
    /// The value, for a log that may hold numbers and names.
    pub value: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.id {
            Some(id) => write!(f, "the entry {id} {}", self.what),
            None => write!(f, "a user of the site file {}", self.what),
        }
    }
}

/// Joins a site with its directory. `normal`: a number as people write it in the form in which numbers are compared.
pub fn joined(site: &Site, ldap: &Ldap, roster: &Roster, normal: &dyn Fn(&str) -> Option<String>) -> Joined {
    let mut plans = site.plans.clone();
    for plan in roster.plans.iter().map(|plan| plan.settings(&ldap.um)) {
        if !plans.iter().any(|known| known.name.eq_ignore_ascii_case(&plan.name)) {
            plans.push(plan);
        }
    }
    let Some(settings) = &ldap.users else {
        return Joined { users: site.users.clone(), plans, remarks: vec![] };
    };
    let (candidates, mut remarks) = Maker { ldap, settings, plans: &plans, roster, normal }.candidates();
    let (mut users, candidates) = paired((site, settings), candidates, &mut remarks);
    claim_logins(&mut users, &candidates, &mut remarks);
    claim_numbers((site, settings), &mut users, &candidates, &mut remarks);
    let ids: HashMap<usize, Id> = candidates.iter().map(|(place, one)| (*place, one.id)).collect();
    for (place, user) in users.iter_mut().enumerate() {
        let id = ids.get(&place).copied();
        // R13: who has a plan that is none has no UM, as somebody without a plan.
        if let Some(name) = user.um_plan.take_if(|name| !plans.iter().any(|plan| plan.name == *name)) {
            let what = "has a UM dial plan that neither the site file nor the directory knows with a server, and no UM";
            remarks.push(Remark { id, what, value: name });
        }
        if id.is_some() {
            derive(user, settings);
        }
        class(user, id.is_some());
    }
    Joined { users, plans, remarks }
}

/// The users of the site file over the candidates with their addresses, then the other candidates; and each candidate with
/// the place of its user.
fn paired(
    (site, settings): (&Site, &DirectoryUsers),
    candidates: Vec<Candidate>,
    remarks: &mut Vec<Remark>,
) -> (Vec<User>, Vec<(usize, Candidate)>) {
    let mut by_address: HashMap<_, _> = HashMap::with_capacity(candidates.len());
    let mut order = vec![];
    for candidate in candidates {
        match by_address.entry(candidate.user.address.to_ascii_lowercase()) {
            Entry::Vacant(place) => {
                order.push(place.key().clone());
                place.insert(candidate);
            }
            Entry::Occupied(_) => {
                let what = "has the SIP address of another entry and is no user";
                remarks.push(Remark { id: Some(candidate.id), what, value: candidate.user.address });
            }
        }
    }
    let (mut users, mut placed) = (vec![], vec![]);
    for own in &site.users {
        let Some(base) = by_address.remove(&own.address.to_ascii_lowercase()) else {
            users.push(own.clone());
            continue;
        };
        let user = over(own, &base.user);
        let lines = if own.said("numbers") { vec![] } else { base.lines };
        placed.push((users.len(), Candidate { lines, ..base }));
        users.push(user);
    }
    let rest: Vec<Candidate> = order.iter().filter_map(|address| by_address.remove(address)).collect();
    let names = names((site, settings), &rest);
    let is_called =
        |one: &Candidate| name(&one.user).is_some_and(|name| names.get(&name) == Some(&Some(one.id)));
    let (own, nameless): (Vec<Candidate>, Vec<Candidate>) = rest.into_iter().partition(is_called);
    let reserved: HashSet<&String> = reserved(site, settings).collect();
    // Who is found first under a name is called by it.
    let nameless = nameless.into_iter().filter(|one| {
        let is_reserved = name(&one.user).is_none_or(|name| reserved.contains(&name));
        let what = match is_reserved {
            true => "has a SIP address whose user part is a number of the site, and is no user",
            false => "has a SIP address whose user part somebody else is called by, and is reached by its numbers alone",
        };
        remarks.push(Remark { id: Some(one.id), what, value: one.user.address.clone() });
        !is_reserved
    });
    for mut base in own.into_iter().chain(nameless) {
        let user = std::mem::take(&mut base.user);
        placed.push((users.len(), base));
        users.push(user);
    }
    (users, placed)
}

/// What calls name a user by, whatever their domain.
fn name(user: &User) -> Option<String> {
    let own = Uri::read(user.address.as_bytes())?.bare_user()?;
    Some(String::from_utf8_lossy(own).into_owned())
}

/// Whose the user parts of addresses are, since calls tell users apart by these alone: of the site file (`None`), then of those
/// with the site's domain, then of the others, each in order.
fn names(
    (site, settings): (&Site, &DirectoryUsers),
    candidates: &[Candidate],
) -> HashMap<String, Option<Id>, ahash::RandomState> {
    let written = site.users.iter().flat_map(|user| user.numbers.iter().chain(&user.voicemail_numbers));
    let taken = site.users.iter().filter_map(name).chain(written.chain(reserved(site, settings)).cloned());
    let mut names: HashMap<_, _, ahash::RandomState> = taken.map(|name| (name, None)).collect();
    let domain = site.sip.domain.as_bytes();
    let home = |user: &User| {
        Uri::read(user.address.as_bytes()).is_some_and(|uri| uri.host.eq_ignore_ascii_case(domain))
    };
    for at_home in [true, false] {
        for one in candidates.iter().filter(|one| home(&one.user) == at_home) {
            names.entry(name(&one.user).unwrap_or_default()).or_insert(Some(one.id));
        }
    }
    names
}

/// Numbers that are no user's.
fn reserved<'s>(site: &'s Site, settings: &'s DirectoryUsers) -> impl Iterator<Item = &'s String> {
    let bypassed = site.bypass.iter().flat_map(|one| &one.numbers);
    let answered = site.attendants.iter().flat_map(|one| &one.numbers);
    bypassed.chain(answered).chain(&site.um.pilots).chain(&settings.numbers_not)
}

/// Gives each name of devices to one user, in order.
fn claim_logins(users: &mut [User], candidates: &[(usize, Candidate)], remarks: &mut Vec<Remark>) {
    let of_directory: HashMap<usize, Id> = candidates.iter().map(|(place, one)| (*place, one.id)).collect();
    let mut taken = HashSet::new();
    // A name that the site file gives is the file's, wherever its user stands.
    for last in [false, true] {
        for (place, user) in users.iter_mut().enumerate() {
            if (of_directory.contains_key(&place) && !user.said("password") && !user.said("password_file"))
                != last
            {
                continue;
            }
            let Some(login) = user.login.as_ref().filter(|login| !taken.insert(login.name.clone())) else {
                continue;
            };
            if let Some(id) = of_directory.get(&place) {
                let what = "has a name for devices that somebody before it has, and no device may register";
                remarks.push(Remark { id: Some(*id), what, value: login.name.clone() });
            }
            user.login = None;
        }
    }
}

/// Stands for the place of a user where a number is none's.
const NOBODYS: usize = usize::MAX;

/// Gives each number to one user: what the site file says first, and the user parts of addresses, then lines in order, then
/// what only one has.
fn claim_numbers(
    (site, settings): (&Site, &DirectoryUsers),
    users: &mut [User],
    candidates: &[(usize, Candidate)],
    remarks: &mut Vec<Remark>,
) {
    let mut taken: HashMap<String, usize, ahash::RandomState> = HashMap::default();
    for (place, user) in users.iter().enumerate() {
        taken.extend(user.numbers.iter().map(|number| (strip_visual(number), place)));
        taken.extend(user.voicemail_numbers.iter().map(|number| (strip_visual(number), NOBODYS)));
    }
    taken.extend(reserved(site, settings).map(|number| (strip_visual(number), NOBODYS)));
    for (place, name) in users.iter().map(name).enumerate() {
        taken.entry(name.unwrap_or_default()).or_insert(place);
    }
    let mut weak: HashMap<&str, (usize, usize)> = HashMap::new();
    for (place, candidate) in candidates {
        for line in candidate.lines.iter().filter(|line| line.weak) {
            let (first, owners) = weak.entry(&line.number).or_insert((*place, 0));
            *owners += usize::from(*owners == 0 || first != place);
        }
    }
    let mut has = |place: usize, number: &String| *taken.entry(number.clone()).or_insert(place) == place;
    for (is_weak, (place, candidate)) in
        [false, true].into_iter().flat_map(|is_weak| candidates.iter().map(move |one| (is_weak, one)))
    {
        for line in candidate.lines.iter().filter(|line| line.weak == is_weak) {
            let numbers = &mut users[*place].numbers;
            if numbers.contains(&line.number) {
                continue;
            }
            let is_shared = is_weak && weak.get(line.number.as_str()).is_none_or(|(_, owners)| *owners > 1);
            let what = if settings.numbers_not.contains(&line.number)
                || site.feature_codes.read(&line.number).is_some()
            {
                "has a number of numbers_not or a feature code, and is not reached by it"
            } else if is_shared {
                continue;
            } else if has(*place, &line.number) {
                numbers.push(line.number.clone());
                continue;
            } else if is_weak {
                continue;
            } else {
                "has a number that somebody before it has, and is not reached by it"
            };
            remarks.push(Remark { id: Some(candidate.id), what, value: line.number.clone() });
        }
    }
}

/// A user of the site file over what the directory says of the same: what the file leaves out of the keys that a directory
/// knows is the directory's.
fn over(own: &User, base: &User) -> User {
    let mut user = own.clone();
    macro_rules! unless_said {
        ($($key:literal => $field:ident),+ $(,)?) => {
            $(if !own.said($key) { user.$field.clone_from(&base.$field); })+
        };
    }
    unless_said! {
        "name" => name,
        "devices" => devices,
        "ring_for" => ring_for,
        "um_plan" => um_plan,
        "missed_calls" => missed_calls,
        "forward" => forward_to_voicemail,
        "channels" => channels,
        "mail_if_um_refuses" => mail_if_um_refuses,
        "mail" => mail,
        "time_zone" => time_zone,
        "language" => language,
        "voice_policy" => voice_policy,
        "line" => line,
    }
    if !own.said("min_ring") && !own.said("notices") {
        user.min_ring = base.min_ring;
    }
    if !["auth_name", "password", "password_file"].iter().any(|key| own.said(key)) {
        user.login.clone_from(&base.login);
    }
    user.presence.enhanced = own.presence.enhanced.or(base.presence.enhanced);
    user.said.extend(base.said.iter().copied());
    user
}

/// What follows from the rest, as for a user of the site file.
fn derive(user: &mut User, settings: &DirectoryUsers) {
    if !user.said("channels") {
        let [with, without] = &settings.channels;
        user.channels = if user.mail.is_some() { with.clone() } else { without.clone() };
    }
    if !user.said("mail_if_um_refuses") {
        user.mail_if_um_refuses = !user.channels.is_empty();
    }
}

/// Who tells of missed calls: whom the user has, where nobody is named or the named one is not there.
fn class(user: &mut User, by_directory: bool) {
    let by_ringpost = if !user.channels.is_empty() { UserClass::Mail } else { UserClass::Off };
    user.forward_to_voicemail &= user.um_plan.is_some();
    let open = by_directory && !user.said("missed_calls");
    user.missed_calls = match (user.missed_calls, &user.um_plan) {
        (_, Some(_)) if open => UserClass::Um,
        (_, None) if open => by_ringpost,
        (UserClass::Um, None) => by_ringpost,
        (UserClass::Mail, _) => by_ringpost,
        (class, _) => class,
    };
}
