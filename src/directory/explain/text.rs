//! A dry run as a person reads it.

use std::fmt::{self, Display, Formatter};

use super::{Explained, Fate, Gateway, Verdict};

impl Display for Explained {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.number {
            Some(number) if *number == self.dialled => writeln!(f, "{number}, dialled by {}", self.by)?,
            Some(number) => writeln!(f, "{number}, dialled by {} as {}", self.by, clean(&self.dialled))?,
            None => writeln!(f, "{} is no number, dialled by {}", clean(&self.dialled), self.by)?,
        }
        if let Verdict::Inside(what) = &self.verdict {
            return writeln!(f, "stays inside: reaches {what}");
        }
        if !self.live {
            writeln!(f, "no live state: no running Ringpost was reached, so every gateway counts as up")?;
        }
        match &self.allowed_by {
            _ if !self.home.is_empty() => {
                writeln!(f, "a line behind a main number: its PBX takes it, whatever allowed_prefixes says")?;
            }
            Some(prefix) => writeln!(f, "allowed_prefixes: allowed by {prefix:?}")?,
            None => writeln!(f, "allowed_prefixes: not allowed")?,
        }
        let routed = !self.steps.iter().any(|step| step.route.is_none());
        match &self.policy {
            _ if !routed => writeln!(f, "no routes: the trunks' own numbers and prefixes decide")?,
            Some(policy) if policy.usages.is_empty() => {
                writeln!(f, "voice policy {} of {}: no usages", policy.name, policy.of)?;
            }
            Some(policy) => {
                writeln!(f, "voice policy {} of {}: {}", policy.name, policy.of, policy.usages.join(", "))?;
            }
            None => writeln!(f, "voice policy: none")?,
        }
        self.tried(f)?;
        if !self.others.is_empty() {
            writeln!(f, "\nnot tried")?;
            let what = if routed { "route" } else { "trunk" };
            for other in &self.others {
                let pattern = other.pattern.as_ref().map(|pattern| format!(" {pattern}")).unwrap_or_default();
                writeln!(f, "  {what} {}{pattern}: {}", other.name, other.why)?;
            }
        }
        self.ends(f)
    }
}

impl Explained {
    fn tried(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.home.is_empty() {
            writeln!(f, "\nwhere the line is")?;
            self.home.iter().try_for_each(|gateway| gateway.show(f, "  trunk", self.has_way()))?;
        }
        let usages = self.policy.iter().flat_map(|policy| &policy.usages);
        for usage in usages.filter(|_| self.number.is_some() && self.steps.iter().all(|s| s.route.is_some()))
        {
            writeln!(f, "\nusage {usage}")?;
            let mut steps = self.steps.iter().filter(|step| step.usage.as_ref() == Some(usage)).peekable();
            if steps.peek().is_none() {
                writeln!(f, "  no further route for the number")?;
            }
            for step in steps {
                let (route, pattern) = (step.route.as_deref(), step.pattern.as_deref());
                writeln!(f, "  route {} {}", route.unwrap_or_default(), pattern.unwrap_or_default())?;
                step.gateways
                    .iter()
                    .try_for_each(|gateway| gateway.show(f, "    gateway", self.has_way()))?;
            }
        }
        for step in self.steps.iter().filter(|step| step.route.is_none()) {
            writeln!(f, "\nin the order of the site")?;
            step.gateways.iter().try_for_each(|gateway| gateway.show(f, "  trunk", self.has_way()))?;
            if step.gateways.is_empty() {
                writeln!(f, "  no trunk serves the number")?;
            }
        }
        Ok(())
    }

    fn ends(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Leaves { route: Some(route), gateway } => {
                writeln!(f, "\ntakes route {route}, gateway {gateway}")?;
            }
            Verdict::Leaves { route: None, gateway } => writeln!(f, "\ntakes trunk {gateway}")?,
            Verdict::Inside(_) => {}
            Verdict::Refused { code, why } => writeln!(f, "\nrefused with {code}: {why}")?,
        }
        if !self.sent.is_empty() {
            writeln!(f, "\nwould be sent")?;
        }
        self.sent.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl Gateway {
    fn show(&self, f: &mut Formatter<'_>, what: &str, leaves: bool) -> fmt::Result {
        let fate = match self.fate {
            Fate::Taken => "would be taken",
            Fate::Spare if leaves => "would be tried next",
            Fate::Spare => "is up",
            Fate::Last if leaves => "would be tried last, has failed calls",
            Fate::Last => "has failed calls",
            Fate::Down => "is down",
            Fate::Before => "is tried before",
            Fate::Origin => "is where the call comes from",
            Fate::Forbidden => "is not tried: allowed_prefixes",
        };
        write!(f, "{what} {} {fate}", self.name)?;
        match &self.since {
            Some(since) => writeln!(f, " since {since:.0}"),
            None => writeln!(f),
        }
    }
}

/// What somebody dials must not command the terminal.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
