//! PUBLISH (RFC 3903), as far as it can be decided without a socket.

use super::{Package, Refused, expires, others, package};
use crate::sip::{Message, Name, text::trim};

/// What a PUBLISH asks for (RFC 3903 §6).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Publish {
    /// The package.
    pub package: Package,
    /// The entity tag of the publication that it means; `None`: a new one.
    pub tag: Option<String>,
    /// Seconds, where it says.
    pub expires: Option<u32>,
    /// Whether it brings a document; without one it prolongs or removes.
    pub has_body: bool,
}

impl Publish {
    /// Entity tags of others are no longer than ours (T31).
    const LONGEST: usize = 64;

    /// Reads a PUBLISH.
    ///
    /// # Errors
    /// 489, 415, 412 or 400.
    pub fn read(request: &Message) -> Result<Self, Refused> {
        let (package, _) = package(request)?;
        let mut tags = others(request, b"sip-if-match", b"");
        let tag = tags.next().map(trim);
        if tags.next().is_some() {
            return Err(Refused::Bad("More Than One SIP-If-Match"));
        }
        let tag = match tag {
            Some(tag) if tag.is_empty() || tag.len() > Self::LONGEST => return Err(Refused::NoPublication),
            Some(tag) => Some(String::from_utf8_lossy(tag).into_owned()),
            None => None,
        };
        let (has_body, expires) = (request.has_body(), expires(request)?);
        if has_body {
            let kind = request.first(Name::ContentType).unwrap_or(b"");
            let kind = trim(kind.split(|octet| *octet == b';').next().unwrap_or(b""));
            let packed = request
                .first(Name::ContentEncoding)
                .is_some_and(|one| !one.eq_ignore_ascii_case(b"identity"));
            if packed || !kind.eq_ignore_ascii_case(package.media_type().as_bytes()) {
                return Err(Refused::MediaType(package));
            }
        } else if tag.is_none() {
            return Err(Refused::Bad("No Publication And No Body"));
        }
        Ok(Self { package, tag, expires, has_body })
    }
}
