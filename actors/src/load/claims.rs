//! What only one place of a site may have: a number, an address, a trunk's name.

use std::collections::HashMap;

use ringpost::numbers::lines::Extensions;

use super::raw::Raw;

/// Everything claimed so far, and where.
#[derive(Default)]
pub struct Claims {
    known: HashMap<String, String>,
    /// Main numbers and their extensions.
    extensions: Vec<(String, Extensions, String)>,
}

impl Claims {
    /// Claims `what` for the setting `raw`.
    ///
    /// # Errors
    /// Where it was claimed before.
    pub fn claim(&mut self, raw: &Raw<'_>, what: String) -> Result<(), String> {
        if let Some(first) = self.known.get(&what) {
            return Err(format!("duplicate of {first}"));
        }
        self.known.insert(what, raw.pointer());
        Ok(())
    }

    /// Claims the extensions behind a main number.
    ///
    /// # Errors
    /// Where some of them were claimed before.
    pub fn claim_extensions(&mut self, raw: &Raw<'_>, main: &str, range: Extensions) -> Result<(), String> {
        let taken =
            |(other, known, _): &&(String, Extensions, String)| other == main && known.overlaps(&range);
        if let Some((_, known, first)) = self.extensions.iter().find(taken) {
            return Err(format!("overlaps with {known} of {first}"));
        }
        self.extensions.push((main.to_owned(), range, raw.pointer()));
        Ok(())
    }
}
