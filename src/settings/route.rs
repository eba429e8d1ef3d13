//! `[[route]]`, `[voice_policy.NAME]` and `[routing]`: by which trunks a number outside is called, and who may call it.

use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

use crate::um::health::Rules;

/// The routes of a site. Without one, the numbers and prefixes of the trunks decide.
#[derive(Clone, Debug)]
pub struct Routing {
    /// `[[route]]`, in the order of the site.
    pub routes: Vec<Route>,
    /// `[voice_policy.NAME]`.
    pub policies: Vec<VoicePolicy>,
    /// `voice_policy`: of users and trunks that name none; `None`: they call nobody outside.
    pub usual: Option<String>,
    /// `failures`, `probe`, `probe_after`, `probe_longest`: when a gateway counts as down, and how it comes back.
    pub health: Rules,
}

/// `[[route]]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Route {
    /// `name`: for logs.
    pub name: String,
    /// `pattern`: a regular expression that fits the beginning of a number in its normal form.
    pub pattern: String,
    /// `usages`: who may take it, as policies say it.
    pub usages: Vec<String>,
    /// `gateways`: trunks with a target, which take turns.
    pub gateways: Vec<String>,
    /// `caller_number`: the number that is shown in place of the caller's own, in its normal form.
    pub caller_number: Option<String>,
}

/// `[voice_policy.NAME]`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct VoicePolicy {
    /// The NAME.
    pub name: String,
    /// `usages`: in the order in which they are tried; none: nobody outside is called.
    pub usages: Vec<String>,
}

/// The largest compiled pattern, and the largest of all routes together, in octets.
const LARGEST: usize = 256 * 1024;
const LARGEST_OF_ALL: usize = 64 * 1024 * 1024;

impl Route {
    /// The patterns of all routes, to be tried in one pass.
    ///
    /// # Errors
    /// Why they cannot be, on one line.
    pub fn patterns(routes: &[Self]) -> Result<RegexSet, String> {
        let patterns = routes.iter().map(|route| Self::anchored(&route.pattern));
        let built = RegexSetBuilder::new(patterns).unicode(false).size_limit(LARGEST_OF_ALL).build();
        built.map_err(|error| last_line(&error))
    }

    /// The pattern as it is compiled: a route that fits in the middle of a number would lead elsewhere than it seems (T19).
    fn anchored(pattern: &str) -> String {
        format!("^(?:{pattern})")
    }

    /// Whether a pattern is one that takes time linear in the number's length.
    ///
    /// # Errors
    /// Why not, on one line.
    pub fn checks(pattern: &str) -> Result<(), String> {
        // By itself first, so that no bracket of the pattern closes one of ours.
        for whole in [pattern.to_owned(), Self::anchored(pattern)] {
            let built = RegexBuilder::new(&whole).unicode(false).size_limit(LARGEST).build();
            built.map_err(|error| last_line(&error))?;
        }
        Ok(())
    }
}

/// What is wrong; the lines before it show where.
fn last_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
