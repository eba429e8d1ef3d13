//! Whose phones hang at a PBX, and what they are called there.

use super::{Behalf, Directory};
use crate::{
    settings::{Trunk, User},
    sip::uri::Uri,
};

impl Directory {
    /// The URI of a user's phone at the PBX of that trunk; `None`: there is none, as far as is known.
    ///
    /// It is one of `devices` at the trunk's host; else the user's line there; else, where the user has neither devices nor
    /// a login to register any, the first number as the trunk writes it.
    pub fn phone_at(&self, user: &User, trunk: &Trunk) -> Option<String> {
        let far = trunk.far.as_ref()?;
        let target = Uri::read(far.target.as_bytes())?;
        let there = |device: &&String| {
            Uri::read(device.as_bytes()).is_some_and(|uri| uri.host.eq_ignore_ascii_case(target.host))
        };
        if let Some(device) = user.devices.iter().find(there) {
            return Some(device.clone());
        }
        let written = |number: &str| far.uri(&trunk.rules.write(number, &self.site.outbound.numbering));
        if let Some(lines) = &trunk.rules.lines
            && let Some(line) = user.numbers.iter().find(|number| lines.has(number))
        {
            return Some(written(line));
        }
        if !user.devices.is_empty() || user.login.is_some() {
            return None;
        }
        let number = user.numbers.first()?;
        Some(written(&self.normal(number, Behalf::of(user)).unwrap_or_else(|| number.clone())))
    }
}
