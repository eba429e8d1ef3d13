//! What only one place of a site may have: a number, an address, a trunk's name.

use std::collections::HashMap;

use super::raw::Raw;

/// Everything claimed so far, and where.
#[derive(Default)]
pub struct Claims(HashMap<String, String>);

impl Claims {
    /// Claims `what` for the setting `raw`.
    ///
    /// # Errors
    /// Where it was claimed before.
    pub fn claim(&mut self, raw: &Raw<'_>, what: String) -> Result<(), String> {
        if let Some(first) = self.0.get(&what) {
            return Err(format!("duplicate of {first}"));
        }
        self.0.insert(what, raw.pointer());
        Ok(())
    }
}
