//! A whole run: as text for a person, as JSON for a program, as an exit code for both.

use std::{fmt::Write, time::Duration};

use serde_json::{Value, json};

use super::{GROUPS, Step, Verdict};

/// The widest name that a column is made for.
const WIDEST: usize = 44;
/// What the doctor does not do; an admin reads it before anything else.
const PROMISE: &str = "No mail is sent and no call is made or disturbed. A password is shown once, to one server at a time, and \
                       not again where it was refused, nor where the running Ringpost lets it rest.";

/// Everything that was looked at.
#[derive(Clone, Debug)]
pub struct Report {
    /// Ringpost's version.
    pub version: String,
    /// The site file, as it was named.
    pub site: String,
    /// The steps in the order in which they were planned.
    pub steps: Vec<Step>,
    /// How long all of it took.
    pub took: Duration,
    /// The site file has errors, so that nothing else could be looked at.
    pub is_bad_site: bool,
}

impl Report {
    /// 0: nothing has failed, whatever the notes and warnings say. 1: something has. 64: the site file has errors.
    pub fn exit_code(&self) -> u8 {
        match (self.is_bad_site, self.count(Verdict::Failed)) {
            (true, _) => 64,
            (false, 0) => 0,
            (false, _) => 1,
        }
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.steps.iter().filter(|step| step.found.verdict == verdict).count()
    }

    /// The steps of each group, in the order of [`GROUPS`].
    fn grouped(&self) -> impl Iterator<Item = (&'static str, Vec<&Step>)> {
        GROUPS.into_iter().filter_map(|(group, title)| {
            let steps: Vec<&Step> = self.steps.iter().filter(|step| step.group() == group).collect();
            (!steps.is_empty()).then_some((title, steps))
        })
    }

    /// For a person; `colour`: by the escape sequences of a terminal.
    pub fn text(&self, colour: bool) -> String {
        let mut text = format!("ringpost {} doctor: {}\n{PROMISE}\n", self.version, self.site);
        let wide = self.steps.iter().map(|step| step.name.chars().count()).max().unwrap_or(0).min(WIDEST);
        for (title, steps) in self.grouped() {
            let _ = writeln!(text, "\n{title}");
            for step in steps {
                let verdict = painted(step.found.verdict, colour);
                let _ = writeln!(text, "  {verdict}  {:wide$}  {}", step.name, step.found.said);
                if let Some(remedy) = &step.found.remedy {
                    let _ = writeln!(text, "           > {remedy}");
                }
            }
        }
        let counts: Vec<String> = Verdict::ALL
            .iter()
            .map(|verdict| format!("{} {}", self.count(*verdict), verdict.name()))
            .collect();
        let seconds = self.took.as_secs_f64();
        let _ = writeln!(text, "\n{} in {seconds:.1} s: {}", counts.join(", "), self.conclusion());
        text
    }

    fn conclusion(&self) -> &'static str {
        match (self.exit_code(), self.count(Verdict::Warning)) {
            (64, _) => "the site file has errors; put these right first",
            (1, _) => "something does not work",
            (_, 0) => "all is well",
            _ => "it works, and something wants to be looked at",
        }
    }

    /// For a program. The keys stay; `schema` is raised where the meaning of one changes, and further ones may come.
    ///
    /// `{schema: 1, ringpost, site, exit_code, took_ms, counts: {ok, note, warning, failed, skipped}, steps: [{step, group,
    /// verdict, found, remedy, took_ms}]}`; `remedy` is null where nothing is to be done.
    pub fn json(&self) -> String {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|step| {
                json!({
                    "step": step.name,
                    "group": step.group(),
                    "verdict": step.found.verdict.name(),
                    "found": step.found.said,
                    "remedy": step.found.remedy,
                    "took_ms": milliseconds(step.took),
                })
            })
            .collect();
        let counts: serde_json::Map<_, _> = Verdict::ALL
            .iter()
            .map(|verdict| (verdict.name().to_owned(), self.count(*verdict).into()))
            .collect();
        let whole = json!({
            "schema": 1,
            "ringpost": self.version,
            "site": self.site,
            "exit_code": self.exit_code(),
            "took_ms": milliseconds(self.took),
            "counts": counts,
            "steps": steps,
        });
        format!("{whole:#}\n")
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The verdict, as wide as the widest.
fn painted(verdict: Verdict, colour: bool) -> String {
    let word = format!("{:7}", verdict.name());
    let code = match verdict {
        Verdict::Ok => "32",
        Verdict::Note => "36",
        Verdict::Skipped => "90",
        Verdict::Warning => "33",
        Verdict::Failed => "1;31",
    };
    if colour { format!("\u{1b}[{code}m{word}\u{1b}[0m") } else { word }
}
