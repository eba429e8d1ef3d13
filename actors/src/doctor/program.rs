//! The Ringpost of this site, if it runs: asked over its control socket and its `[metrics]` listener.

use std::{rc::Rc, time::Duration};

use ringpost::settings::Site;

use super::{
    Ward,
    chain::{Chain, beside},
};
use crate::{control, status};

/// What is known of it.
#[derive(Debug, Default)]
pub struct Program {
    /// Its process.
    pub pid: Option<i32>,
    /// It runs, or somebody listens on its socket whom this user may not ask; what was said.
    blocked: Option<String>,
    /// What `GET /status` says.
    status: Option<Result<String, String>>,
}

impl Program {
    /// Asks; whoever does not answer in time is not there.
    pub async fn find(site: &Site, patience: Duration) -> Self {
        let mut found = Self::default();
        if let Some(store) = &site.store.path {
            match tokio::time::timeout(patience, control::who_runs(store)).await {
                Ok(Ok(pid)) => found.pid = pid,
                Ok(Err(error)) => found.blocked = Some(error.to_string()),
                Err(_) => found.blocked = Some("no answer in time".to_owned()),
            }
        }
        if let Some(address) = site.metrics.listen.filter(|_| found.runs()) {
            let asked = beside(move || status::ask(address).map(|(_, text)| text));
            let said = match tokio::time::timeout(patience, asked).await {
                Ok(said) => said.map_err(|error| error.to_string()),
                Err(_) => Err("no answer in time".to_owned()),
            };
            found.status = Some(said);
        }
        found
    }

    /// Whether one runs, as far as that can be known.
    pub fn runs(&self) -> bool {
        self.pid.is_some() || self.blocked.is_some()
    }

    /// How a part of it is: `Err` with the reason where it is not green, `None` where it says nothing.
    pub fn part(&self, part: &str) -> Option<Result<(), String>> {
        self.parts().find_map(|(name, state)| (name == part).then(|| state.map_err(str::to_owned)))
    }

    /// Why the running Ringpost lets the password of a channel rest.
    pub fn rests(&self, channel: &str) -> Option<String> {
        let login = format!("login of {channel} at ");
        let resting = |(name, state): (&str, Result<(), &str>)| {
            name.starts_with(&login).then(|| state.err().map(str::to_owned)).flatten()
        };
        self.parts().find_map(resting)
    }

    fn parts(&self) -> impl Iterator<Item = (&str, Result<(), &str>)> {
        let text = self.status.as_ref().and_then(|said| said.as_deref().ok()).unwrap_or_default();
        text.lines().filter_map(|line| {
            let (colour, rest) = line.split_once(' ')?;
            match colour {
                "green" => Some((rest, Ok(()))),
                // A part's name may hold a colon, as an address does, but no space behind it.
                "yellow" | "red" => rest.split_once(": ").map(|(name, why)| (name, Err(why))),
                _ => None,
            }
        })
    }
}

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let ward = Rc::clone(ward);
    vec![Chain::one("program.running", |sheet| async move {
        let program = &ward.program;
        let remedy = "Run the doctor as the user that Ringpost runs as.".to_owned();
        match (&program.pid, &program.blocked, &program.status) {
            (None, Some(why), _) => {
                sheet.warns(&format!("its control socket cannot be asked: {why}"), remedy)
            }
            (None, None, _) => sheet.ok("none of this site runs"),
            (Some(pid), _, Some(Err(why))) => {
                let remedy = "See that [metrics] listen is what it was when Ringpost started.".to_owned();
                sheet.warns(&format!("it runs as process {pid}; [metrics] does not answer: {why}"), remedy);
            }
            (Some(pid), _, Some(Ok(_))) => {
                let unwell: Vec<&str> =
                    program.parts().filter(|(_, state)| state.is_err()).map(|(name, _)| name).collect();
                match unwell.is_empty() {
                    true => sheet.ok(&format!("it runs as process {pid}, and every part is green")),
                    false => sheet.warns(
                        &format!("it runs as process {pid}; not green: {}", unwell.join(", ")),
                        "ringpost status tells why.".to_owned(),
                    ),
                }
            }
            (Some(pid), _, None) => {
                sheet.ok(&format!("it runs as process {pid}; without [metrics] it cannot be asked more"));
            }
        }
        Some(())
    })]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_running_one_says_of_its_parts_is_read() {
        let status = "ringpost 0.1.0\ncalls_open 1\ngreen trunk pbx registration\nyellow trunk sbc registration: 403: no\n\
                      yellow login of mail at mail.corp.test:587: mail.corp.test refuses\ngreen login of ex at a.test\n\
                      red lane 0 udp 127.0.0.1:5060: gone\n";
        let program = Program { pid: Some(1), blocked: None, status: Some(Ok(status.to_owned())) };
        assert_eq!(program.part("trunk pbx registration"), Some(Ok(())));
        assert_eq!(program.part("trunk sbc registration"), Some(Err("403: no".to_owned())));
        assert_eq!(program.part("trunk x registration"), None);
        assert_eq!(program.rests("mail").as_deref(), Some("mail.corp.test refuses"));
        assert_eq!((program.rests("ex"), program.rests("other")), (None, None));
        assert_eq!(program.part("lane 0 udp 127.0.0.1:5060"), Some(Err("gone".to_owned())));
    }
}
