//! NOTIFY of message counts that nobody has subscribed to (PROTOCOLS §5), as far as it can be decided without a socket.

use super::{Package, Refused, package};
use crate::{
    presence::summary::Summary,
    sip::{Message, Name, text::trim},
};

/// The counts that an unasked NOTIFY brings, whatever it says of a subscription; `None`: it brings none.
///
/// # Errors
/// 489, 415 or 400.
pub fn counts(request: &Message) -> Result<Option<Summary>, Refused> {
    let (package, _) = package(request)?;
    if package != Package::MessageSummary {
        return Err(Refused::BadEvent);
    }
    if !request.has_body() {
        return Ok(None);
    }
    let kind = request.first(Name::ContentType).unwrap_or(b"");
    let kind = trim(kind.split(|octet| *octet == b';').next().unwrap_or(b""));
    if !kind.is_empty() && !kind.eq_ignore_ascii_case(package.media_type().as_bytes()) {
        return Err(Refused::MediaType(package));
    }
    Summary::read(&request.body()).map(Some).map_err(Refused::Bad)
}
