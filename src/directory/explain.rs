//! The dry run of a call to a number outside (R37): which way it would take, what would be sent, and why not another way.

mod sent;
mod text;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Behalf, Directory, Fit, Mailbox, Meaning, NoWay, Origin, Passage, Target};
use crate::settings::{Trunk, User};

/// What is to be explained.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Question {
    /// The number as it is dialled.
    pub dialled: String,
    /// Who dials: a number or address of a user, or the name of a trunk.
    pub by: String,
    /// The number of a caller whom the user forwards there; `None`: the user calls.
    pub diverting: Option<String>,
}

/// The explanation. Its `Display` is for people, its serialization for programs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Explained {
    /// The number as it was dialled.
    pub dialled: String,
    /// Its normal form; `None`: it is no number.
    pub number: Option<String>,
    /// Who dials: `user sip:…` or `trunk NAME`.
    pub by: String,
    /// Whether the gateways are as they are now; else nothing is known of them.
    pub live: bool,
    /// The voice policy that counts; `None`: none does.
    pub policy: Option<Policy>,
    /// What of `allowed_prefixes` allows the number.
    pub allowed_by: Option<String>,
    /// The PBXes that have the number as a line behind their main number: they come first, whatever else is allowed.
    pub home: Vec<Gateway>,
    /// What is tried, in this order.
    pub steps: Vec<Step>,
    /// What is not tried.
    pub others: Vec<Other>,
    /// What would happen.
    pub verdict: Verdict,
    /// The lines of the INVITE that depend on the way.
    pub sent: Vec<String>,
}

/// A voice policy.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Whose it is: `the user`, `the trunk` or `the site`.
    pub of: String,
    /// Its usages in order.
    pub usages: Vec<String>,
}

/// A route that is tried; or all trunks, where the site has no routes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Step {
    /// The usage it is tried for.
    pub usage: Option<String>,
    /// Its name.
    pub route: Option<String>,
    /// Its pattern.
    pub pattern: Option<String>,
    /// Its gateways, in the order of the site.
    pub gateways: Vec<Gateway>,
}

/// A gateway of a step.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Gateway {
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
    /// Since when it is down or has failed calls.
    pub since: Option<Timestamp>,
}

/// What becomes of a gateway.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The call would go there.
    Taken,
    /// It would be tried where those before it fail.
    Spare,
    /// It has failed calls, and would be tried last.
    Last,
    /// It is down.
    Down,
    /// A route before has it as well.
    Before,
    /// The call came by it.
    Origin,
    /// `allowed_prefixes` does not let the number leave there.
    Forbidden,
}

/// What is not tried.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Other {
    /// The route, or the trunk where the site has no routes.
    pub name: String,
    /// The pattern of the route.
    pub pattern: Option<String>,
    /// Why not.
    pub why: String,
}

/// What would happen.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It goes out.
    Leaves {
        /// By this route.
        route: Option<String>,
        /// By this trunk.
        gateway: String,
    },
    /// It stays here: who or what is reached.
    Inside(String),
    /// It is refused.
    Refused {
        /// The SIP status code.
        code: u16,
        /// Why.
        why: String,
    },
}

impl Explained {
    /// Whether there is a way.
    pub fn has_way(&self) -> bool {
        !matches!(self.verdict, Verdict::Refused { .. })
    }
}

impl Directory {
    /// Who is meant by a number or address of a user, or by the name of a trunk.
    fn who_dials(&self, by: &str) -> Option<Origin> {
        let user = by.split_once(':').map_or(by, |(_, rest)| rest).split('@').next().unwrap_or(by);
        let user = self.user(by).or_else(|| self.user(user)).cloned().map(Origin::User);
        user.or_else(|| {
            self.trunks.iter().find(|trunk| trunk.name == by).map(|trunk| Origin::Trunk(trunk.clone()))
        })
    }

    /// Explains it; `live`: what is known of the gateways is of now. `None` where nobody is meant by `by`.
    pub fn explain(&self, question: &Question, live: bool, now: u64) -> Option<Explained> {
        let origin = self.who_dials(&question.by)?;
        let by = match &origin {
            Origin::User(user) => Behalf::of(user),
            Origin::Trunk(trunk) => Behalf { user: None, from: Some(trunk) },
        };
        let uri = format!("sip:{}@{}", question.dialled.replace('#', "%23"), self.site.sip.domain);
        let called = self.called_number(uri.as_bytes(), &origin);
        let number = match &origin {
            Origin::User(_) => self.normal(&question.dialled, by),
            Origin::Trunk(_) => called
                .as_ref()
                .and_then(|(written, meaning)| meaning.number(written))
                .and_then(|meant| self.site.outbound.numbering.normal(meant)),
        };
        let shown = number.as_deref().unwrap_or_default();
        let mut ways = match &origin {
            Origin::Trunk(trunk) if !trunk.transit => Err(NoWay::Unserved),
            Origin::Trunk(_) | Origin::User(_) => {
                number.as_deref().ok_or(NoWay::Unserved).and_then(|number| self.ways_to(number, by, now))
            }
        };
        let taken = ways.as_mut().ok().and_then(|ways| {
            let at = self.choose(ways, None, now, false)?;
            ways.get(at).cloned()
        });
        let inside = self.reached_inside(uri.as_bytes(), called, &origin);
        let verdict = match (inside, &taken, &ways) {
            (Some(inside), ..) => Verdict::Inside(inside),
            (None, Some(way), _) => Verdict::Leaves {
                route: way.route.as_ref().map(|passage| passage.route.name.clone()),
                gateway: way.trunk.name.clone(),
            },
            (None, None, ways) => refused(ways.as_ref().err().copied().unwrap_or(NoWay::Down), &origin),
        };
        let taken = taken.filter(|_| matches!(verdict, Verdict::Leaves { .. }));
        let home = self.at_home(shown, by);
        let whose = |way: &Target| self.fate(&way.trunk, (by, None, &[]), taken.as_ref(), now);
        let home: Vec<Gateway> = home.iter().map(whose).collect();
        let names: Vec<String> = home.iter().map(|gateway| gateway.name.clone()).collect();
        let mut steps = self.steps(shown, (by, &names), taken.as_ref(), now);
        if !home.is_empty() && !self.is_allowed(shown) {
            let further = steps.iter_mut().flat_map(|step| &mut step.gateways);
            further.for_each(|gateway| gateway.fate = Fate::Forbidden);
        }
        let allowed = self.site.outbound.allowed_prefixes.iter();
        Some(Explained {
            dialled: question.dialled.clone(),
            by: match &origin {
                Origin::User(user) => format!("user {}", user.address),
                Origin::Trunk(trunk) => format!("trunk {}", trunk.name),
            },
            live,
            policy: self.policy_of(by),
            allowed_by: allowed.into_iter().find(|prefix| shown.starts_with(*prefix)).cloned(),
            others: self.others(shown, (by, &names), &steps),
            home,
            sent: taken.map(|way| self.sent(&way, question, &origin)).unwrap_or_default(),
            steps,
            verdict,
            number,
        })
    }

    /// Who or what a number reaches without leaving.
    fn reached_inside(
        &self,
        uri: &[u8],
        called: Option<(String, Meaning)>,
        origin: &Origin,
    ) -> Option<String> {
        if let Some(user) = self.callee(uri, origin) {
            return Some(format!("user {}", user.address));
        }
        let (written, meaning) = called?;
        let stated = || self.mailbox(meaning.stated()?);
        match self.mailbox_by(&written, origin).or_else(stated) {
            Some(Mailbox::Reception(reception)) => {
                return Some(format!("attendant {}", reception.settings.name));
            }
            Some(Mailbox::Of(owner)) => return Some(format!("voice mail of {}", owner.address)),
            Some(Mailbox::Pilot) => return Some("voice mail".to_owned()),
            None => {}
        }
        self.site.feature_codes.read(&written).map(|_| "a feature code".to_owned())
    }

    fn policy_of(&self, by: Behalf<'_>) -> Option<Policy> {
        let name = self.voice_policy(by)?;
        let own = |named: &Option<String>| named.as_deref() == Some(name);
        let of = match by {
            Behalf { user: Some(User { voice_policy, .. }), .. } if own(voice_policy) => "the user",
            Behalf { user: None, from: Some(Trunk { voice_policy, .. }) } if own(voice_policy) => "the trunk",
            Behalf { .. } => "the site",
        };
        let policy = self.site.routing.policies.iter().find(|policy| policy.name == name)?;
        Some(Policy { name: name.to_owned(), of: of.to_owned(), usages: policy.usages.clone() })
    }

    fn steps(
        &self,
        number: &str,
        (by, home): (Behalf<'_>, &[String]),
        taken: Option<&Target>,
        now: u64,
    ) -> Vec<Step> {
        let Some(routes) = &self.routes else {
            let trunks = self.trunks.iter();
            let serving = trunks.filter(|trunk| trunk.far.as_ref().is_some_and(|far| far.serves(number)));
            let gateways = serving.map(|trunk| self.fate(trunk, (by, None, home), taken, now)).collect();
            return vec![Step { usage: None, route: None, pattern: None, gateways }];
        };
        let policy = self.policy_of(by);
        let mut known: Vec<String> = home.to_vec();
        let fitting = routes.fitting(number, self.voice_policy(by));
        let step = |(passage, usage): (&std::sync::Arc<Passage>, usize)| {
            let whose = |trunk| self.fate(trunk, (by, Some(passage), &known), taken, now);
            let gateways: Vec<_> = passage.gateways.iter().map(|trunk| whose(trunk)).collect();
            known.extend(gateways.iter().map(|gateway| gateway.name.clone()));
            Step {
                usage: policy.as_ref().and_then(|policy| policy.usages.get(usage).cloned()),
                route: Some(passage.route.name.clone()),
                pattern: Some(passage.route.pattern.clone()),
                gateways,
            }
        };
        fitting.into_iter().map(step).collect()
    }

    fn fate(
        &self,
        trunk: &Trunk,
        (by, passage, known): (Behalf<'_>, Option<&std::sync::Arc<Passage>>, &[String]),
        taken: Option<&Target>,
        now: u64,
    ) -> Gateway {
        let is_taken = taken.is_some_and(|way| {
            way.trunk.name == trunk.name && passage.is_none_or(|passage| way.is_by(passage))
        });
        let fit = match (passage, self.trunk_is_up(&trunk.name)) {
            (Some(_), _) => self.gateway(&trunk.name, now),
            (None, true) => Fit::Up,
            (None, false) => Fit::Down,
        };
        let fate = match fit {
            _ if by.came_by(trunk) => Fate::Origin,
            _ if known.contains(&trunk.name) => Fate::Before,
            _ if is_taken => Fate::Taken,
            Fit::Up => Fate::Spare,
            Fit::Last => Fate::Last,
            Fit::Down => Fate::Down,
        };
        let out = matches!(fit, Fit::Last | Fit::Down);
        let since = self.gateway_since(&trunk.name).filter(|_| out);
        Gateway { name: trunk.name.clone(), fate, since }
    }

    /// Routes, or trunks of a site without routes, that have no step.
    fn others(&self, number: &str, (by, home): (Behalf<'_>, &[String]), steps: &[Step]) -> Vec<Other> {
        let Some(routes) = &self.routes else {
            let named = |trunk: &&std::sync::Arc<Trunk>| {
                !home.contains(&trunk.name)
                    && !steps.iter().flat_map(|step| &step.gateways).any(|known| known.name == trunk.name)
            };
            let why = |trunk: &Trunk| match trunk.far {
                Some(_) => "does not serve the number",
                None => "has no target",
            };
            let other = |trunk: &std::sync::Arc<Trunk>| Other {
                name: trunk.name.clone(),
                pattern: None,
                why: why(trunk).to_owned(),
            };
            return self.trunks.iter().filter(named).map(other).collect();
        };
        let policy = self.policy_of(by);
        let other = |(passage, fits): (&std::sync::Arc<Passage>, bool)| {
            let route = &passage.route;
            if steps.iter().any(|step| step.route.as_ref() == Some(&route.name)) {
                return None;
            }
            let why = match (fits, &policy) {
                (false, _) => "is for other numbers".to_owned(),
                (true, Some(policy)) => {
                    format!("none of its usages ({}) is in {}", route.usages.join(", "), policy.name)
                }
                (true, None) => "no voice policy counts".to_owned(),
            };
            Some(Other { name: route.name.clone(), pattern: Some(route.pattern.clone()), why })
        };
        routes.all(number).filter_map(other).collect()
    }
}

fn refused(why: NoWay, origin: &Origin) -> Verdict {
    let (code, why) = match why {
        NoWay::Unserved if matches!(origin, Origin::Trunk(trunk) if !trunk.transit) => {
            (404, "the trunk has no transit")
        }
        NoWay::Unserved => (404, "no number, or nobody serves it"),
        NoWay::Forbidden => (403, "allowed_prefixes does not allow the number"),
        NoWay::NotInPolicy => (403, "no usage of the voice policy has a route for the number"),
        NoWay::Down => (503, "every gateway for the number is down"),
    };
    Verdict::Refused { code, why: why.to_owned() }
}
