//! One person as a user.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo, tz::TimeZone};

use super::Remark;
use crate::{
    address::{Language, UserClass},
    directory::{
        dial_plan::{folded_dn, same_dn},
        ldap::{Id, Meaning},
        people::Roster,
        person::{Kind, Person, sip},
        reverse::split,
        template::Template,
    },
    numbers::{Tel, lines},
    presence::microsoft::stage::Enhanced,
    settings::{DirectoryUsers, Ldap, Seen, UmPlan, User, UserLogin},
    sip::uri::Uri,
};

/// The longest time-out that a directory may give a user.
const LONGEST_RING: Duration = Duration::from_secs(600);

/// A person who may be a user, and the numbers that would reach the user.
pub struct Candidate {
    pub id: Id,
    pub user: User,
    pub lines: Vec<Line>,
}

/// A number of a candidate.
pub struct Line {
    pub number: String,
    /// It is only written down, or the number before an extension: whoever shares it does not have it.
    pub weak: bool,
}

/// Makes users.
pub struct Maker<'m> {
    pub ldap: &'m Ldap,
    pub settings: &'m DirectoryUsers,
    pub plans: &'m [UmPlan],
    pub roster: &'m Roster,
    pub normal: &'m dyn Fn(&str) -> Option<String>,
}

impl Maker<'_> {
    /// All persons who may be users, and what could not be used of them.
    pub fn candidates(&self) -> (Vec<Candidate>, Vec<Remark>) {
        let mut remarks = vec![];
        let persons = self.roster.persons();
        let candidates = persons.filter_map(|person| self.candidate(&person, &mut remarks)).collect();
        (candidates, remarks)
    }

    fn candidate(&self, person: &Person, remarks: &mut Vec<Remark>) -> Option<Candidate> {
        if unfit(self.settings, person).is_some() {
            return None;
        }
        let made = || self.settings.address.as_ref().and_then(|template| sip(&template.fill(person)?));
        let address = person.sip.clone().or_else(made)?;
        let mut remark =
            |what, value: &str| remarks.push(Remark { id: Some(person.id), what, value: value.to_owned() });
        let login = person.password.clone().map(|password| {
            let own = address.strip_prefix("sip:").and_then(|bare| bare.split_once('@'));
            let named = self.said(person, Meaning::AuthName).or(own.map(|(user, _)| user));
            UserLogin { name: named.unwrap_or_default().to_owned(), password }
        });
        let mut user = User {
            address,
            name: Some(person.name.clone()).filter(|name| !name.is_empty()),
            mail: person.mails.first().cloned(),
            devices: self.devices(person),
            um_plan: self.um_plan(person, &mut remark),
            line: person.line.clone(),
            presence: Seen {
                enhanced: Enhanced::of_flags(person.control.flags),
                ..self.settings.like.presence.clone()
            },
            login: login.filter(|login| !login.name.contains(['"', '\\', ':'])),
            ..self.settings.like.clone()
        };
        self.wishes(person, &mut user, &mut remark);
        Some(Candidate { id: person.id, user, lines: self.lines(person) })
    }

    /// What the directory says for a setting.
    fn said<'p>(&self, person: &'p Person, meaning: Meaning) -> Option<&'p str> {
        self.ldap.attributes.names(meaning).iter().find_map(|name| person.further(name))
    }

    fn devices(&self, person: &Person) -> Vec<String> {
        let filled = self.settings.devices.iter().filter_map(|template: &Template| template.fill(person));
        let fits = |uri: &String| {
            Uri::read(uri.as_bytes()).is_some_and(|uri| {
                let sip = uri.scheme.eq_ignore_ascii_case(b"sip") || uri.scheme.eq_ignore_ascii_case(b"sips");
                sip && !uri.host.is_empty()
            })
        };
        filled.filter(fits).collect()
    }

    /// The dial plan by the EUM addresses, the primary one first (R13), else by its link, else that of all. One that nobody
    /// knows leaves the user without UM.
    fn um_plan(&self, person: &Person, remark: &mut impl FnMut(&'static str, &str)) -> Option<String> {
        let said = !person.eum.is_empty() || person.um_plan.is_some();
        match person.um_enabled {
            Some(false) => return None,
            None | Some(true) if !said => return self.settings.like.um_plan.clone(),
            None | Some(true) => {}
        }
        let by_address = person.eum.iter().find_map(|eum| {
            let named = self.plans.iter().filter_map(|plan| Some((eum.names(&plan.name)?, plan)));
            named.max_by_key(|(length, _)| *length).map(|(_, plan)| plan)
        });
        let by_link = || {
            let link = person.um_plan.as_deref()?;
            let plans = self.roster.plans.iter();
            let named = plans.filter(|plan| same_dn(&plan.dn, link)).map(|plan| plan.name.as_str()).next();
            let named = named.or_else(|| Some(link.split_once(',')?.0.split_once('=')?.1.trim()))?;
            self.plans.iter().find(|plan| plan.name.eq_ignore_ascii_case(named))
        };
        let plan = by_address.or_else(by_link);
        if plan.is_none() {
            let context = person.eum.first().map(|eum| eum.context.as_str()).or(person.um_plan.as_deref());
            remark(
                "names a UM dial plan that is unknown or has no server, and has no UM",
                context.unwrap_or_default(),
            );
        }
        plan.map(|plan| plan.name.clone())
    }

    /// Settings by attributes that the site names.
    fn wishes(&self, person: &Person, user: &mut User, remark: &mut impl FnMut(&'static str, &str)) {
        if let Some(text) = self.said(person, Meaning::RingFor) {
            match ring_for(text) {
                Some(time) => user.ring_for = time,
                None => remark("has a ring_for that is no time up to ten minutes", text),
            }
        }
        if let Some(text) = self.said(person, Meaning::TimeZone) {
            match TimeZone::get(text) {
                Ok(_) => user.time_zone = text.to_owned(),
                Err(_) => remark("has a time zone that is no IANA name", text),
            }
        }
        if let Some(text) = self.said(person, Meaning::Language) {
            // `de-DE, en;q=0.5`: the first one that there is.
            let codes = text.split(',').filter_map(|one| one.trim().get(..2).map(str::to_ascii_lowercase));
            let mut known = codes.filter_map(|code| Language::ALL.into_iter().find(|one| one.code() == code));
            match known.next() {
                Some(language) => user.language = language,
                None => remark("has a language that there is not", text),
            }
        }
        if let Some(text) = self.said(person, Meaning::MissedCalls) {
            let classes = [
                ("um", UserClass::Um),
                ("mail", UserClass::Mail),
                ("pbx", UserClass::Pbx),
                ("off", UserClass::Off),
            ];
            match classes.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
                Some((_, class)) => {
                    user.missed_calls = class;
                    user.said.push("missed_calls");
                }
                None => remark("has a missed_calls that is none of um, mail, pbx, off", text),
            }
        }
    }

    fn lines(&self, person: &Person) -> Vec<Line> {
        let mut lines: Vec<Line> = vec![];
        let mut add = |number: Option<String>, weak| {
            let fits = |number: &String| fits(number) && self.is_within(number);
            lines.extend(number.filter(fits).map(|number| Line { number, weak }));
        };
        for number in person.numbers.iter().filter(|number| self.settings.kinds.contains(&number.kind)) {
            let weak = !matches!(number.kind, Kind::Line | Kind::Proxy);
            match Tel::read(&number.text) {
                Ok(tel) => {
                    let written = if tel.is_global() { Some(tel.number) } else { (self.normal)(&tel.number) };
                    let line = written.as_deref().zip(tel.ext.as_deref());
                    let line = line.map(|(main, ext)| lines::with_extension(main, ext));
                    // Behind another main number somebody else may have the same extension.
                    let is_line = line.is_some();
                    add(line, weak);
                    add(written, weak || is_line);
                    add(tel.ext, weak || is_line);
                }
                Err(_) => {
                    let (bare, ext) = split(&number.text);
                    add((self.normal)(bare), weak);
                    add(ext.map(str::to_owned), weak);
                }
            }
        }
        lines
    }

    /// Whether a number with a country is one that users may have.
    fn is_within(&self, number: &str) -> bool {
        let within = &self.settings.numbers_within;
        within.is_empty()
            || !number.starts_with('+')
            || within.iter().any(|prefix| number.starts_with(prefix))
    }
}

/// Seconds, or a time with its unit.
fn ring_for(text: &str) -> Option<Duration> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let span = || {
        let time = text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Duration::try_from(time).ok()
    };
    seconds.or_else(span).filter(|time| !time.is_zero() && *time <= LONGEST_RING)
}

/// A number that somebody can be reached by.
fn fits(number: &str) -> bool {
    let number = lines::split(number).map_or(number, |(main, _)| main);
    let digits = number.strip_prefix('+').unwrap_or(number);
    (1..=20).contains(&digits.len()) && digits.bytes().all(|o| o.is_ascii_digit() || matches!(o, b'*' | b'#'))
}

/// Why a person is no user; `None`: is one, where nobody else has the address.
pub fn why_no_user(settings: &DirectoryUsers, person: &Person) -> Option<&'static str> {
    let made = || settings.address.as_ref().and_then(|template| sip(&template.fill(person)?));
    let nowhere = || person.sip.clone().or_else(made).is_none().then_some("there is no SIP address");
    unfit(settings, person).or_else(nowhere)
}

fn unfit(settings: &DirectoryUsers, person: &Person) -> Option<&'static str> {
    let below = |base: &String| {
        let (dn, base) = (folded_dn(&person.dn), folded_dn(base));
        dn.strip_suffix(&base).is_some_and(|head| head.is_empty() || head.ends_with(','))
    };
    let holds = |(name, value): &(String, String)| {
        person.further.iter().any(|(known, said)| {
            known.eq_ignore_ascii_case(name) && (value == "*" || said.to_lowercase() == value.to_lowercase())
        })
    };
    match person.sip_enabled {
        _ if person.disabled => Some("the account is disabled"),
        Some(false) => Some("the SIP address is not enabled"),
        None if settings.must_be_enabled => Some("the SIP address is not called enabled (must_be_enabled)"),
        _ if !settings.below.is_empty() && !settings.below.iter().any(below) => {
            Some("the entry is not below one of directory.users.below")
        }
        _ if !settings.only.iter().all(holds) => Some("a condition of directory.users.only does not hold"),
        _ => None,
    }
}
