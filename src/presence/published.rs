//! What a PUBLISH, or a NOTIFY of another server, says of a user's inputs.

use super::{
    dialog_info,
    input::{Phone, Said},
    pidf,
    state::Standard,
    subscription::Package,
    summary::Summary,
};
use crate::xml::XmlError;

/// Reads a document of an event package. `custom` maps states of the user's own (R81); `(now, ends)` is how long it holds.
///
/// # Errors
/// It cannot be read, or is not of that package.
pub fn read(
    package: Package,
    body: &[u8],
    custom: impl Fn(&str) -> Option<Standard>,
    (now, ends): (u64, u64),
) -> Result<Said, XmlError> {
    match package {
        Package::Presence => Ok(pidf::read(body)?.inputs(custom, (now, ends))),
        Package::Dialog => {
            let calls = dialog_info::read(body)?.calls;
            Ok(Said { phone: Some(Phone { calls, ..Phone::default() }), ..Said::default() })
        }
        // Counts are no input of presence; they are read again where they are added up.
        Package::MessageSummary => Summary::read(body).map(|_| Said::default()).map_err(|_| XmlError::NotXml),
    }
}
