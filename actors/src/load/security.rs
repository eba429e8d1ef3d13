//! `[security]`.

use ringpost::settings::Security;

use super::{raw::Raw, section::Section, sip};

/// Reads `[security]`; `None` after a problem.
pub fn security(mut section: Section<'_>) -> Option<Security> {
    let number = |raw: &Raw<'_>| raw.count(1..=1_000_000).map(|count| count as u32);
    let rate = section.required("requests_per_second", number);
    let burst = section.required("burst", number);
    let trunk_rate = section.optional("trunk_requests_per_second", number);
    let open = section.required("open_requests", number);
    let refusals = section.required("refusals_per_second", number);
    let sources = section.required("sources", |raw| raw.count(100..=10_000_000));
    let scanners = section.list("scanners", |raw| Ok(raw.text()?.to_ascii_lowercase()));
    let ban_after = section.required("ban_after", |raw| raw.count(0..=1_000_000).map(|count| count as u32));
    let ban_window = section.required("ban_window", Raw::duration);
    let ban_time = section.required("ban_time", Raw::duration);
    let never_ban = section.list("never_ban", sip::network);
    let connections = section.required("connections_per_source", |raw| raw.count(1..=1_000_000));
    let half_sent = section.required("message_timeout", Raw::duration);
    let product = section.optional("product", |raw| raw.text().map(str::to_owned));
    let headers = section.required("max_headers", |raw| raw.count(20..=256));
    let vias = section.required("max_vias", |raw| raw.count(1..=256));
    let body = section.required("max_body", |raw| raw.size(1 << 10..=16 << 20));
    section.end();
    Some(Security {
        rate: rate?,
        burst: burst?,
        trunk_rate,
        open: open?,
        refusals: refusals?,
        sources: sources? as usize,
        scanners,
        ban_after: ban_after?,
        ban_window: ban_window?,
        ban_time: ban_time?,
        never_ban,
        connections: connections? as usize,
        half_sent: half_sent?,
        product,
        headers: headers? as usize,
        vias: vias? as usize,
        body: body?,
    })
}
