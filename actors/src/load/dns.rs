//! `[dns]`.

use std::net::{IpAddr, SocketAddr};

use ringpost::{settings::Dns, sip::locate::cache::Bounds};

use super::{raw::Raw, section::Section};

/// Reads `[dns]`; `None` after a problem.
pub fn dns(mut section: Section<'_>) -> Option<Dns> {
    let servers = section.list("servers", server);
    let timeout = section.required("timeout", Raw::duration);
    let queries = section.required("max_queries", |raw| raw.count(1..=100_000));
    let most = section.required("cache", |raw| raw.count(100..=10_000_000));
    let least = section.required("min_ttl", Raw::duration_or_zero);
    let longest = section.required("max_ttl", Raw::duration);
    let negative = section.required("negative_ttl", Raw::duration);
    let retry = section.required("retry", Raw::duration);
    let stale = section.required("stale", Raw::duration_or_zero);
    let patience = section.required("target_timeout", Raw::duration);
    let avoid = section.required("avoid", Raw::duration_or_zero);
    if longest.is_some() && least > longest {
        section.refuse("min_ttl", "must not be longer than max_ttl");
    }
    section.end();
    let (least, longest) = (least?, longest?);
    Some(Dns {
        servers,
        timeout: timeout?,
        queries: usize::try_from(queries?).ok()?,
        bounds: Bounds {
            ttl: (least, longest.max(least)),
            negative: negative?,
            retry: retry?,
            stale: stale?,
            most: usize::try_from(most?).ok()?,
        },
        patience: patience?,
        avoid: avoid?,
    })
}

/// An address, with a port where that is not 53.
fn server(raw: &Raw<'_>) -> Result<SocketAddr, String> {
    let text = raw.text()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let server = text.parse().ok().or_else(|| Some(SocketAddr::new(bare.parse::<IpAddr>().ok()?, 53)));
    let usable = |at: &SocketAddr| at.port() != 0 && !at.ip().is_unspecified() && !at.ip().is_multicast();
    server.filter(usable).ok_or_else(|| {
        format!(
            "wants the address of a DNS server such as \"192.0.2.53\" or \"192.0.2.53:5353\", not {text:?}"
        )
    })
}
