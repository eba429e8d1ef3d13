//! `[store]`, `[retention]`, `[outbox]` and `[metrics]`.

use ringpost::settings::{Listen, Metrics, Outbox, Retention, Store, Transport};

use super::{raw::Raw, section::Section, sip};

/// Reads `[store]`; `None` after a problem.
pub fn store(mut section: Section<'_>) -> Option<Store> {
    let path = section.required("path", |raw| match raw.text()? {
        ":memory:" => Ok(None),
        path => Ok(Some(raw.rooted(path))),
    });
    section.end();
    Some(Store { path: path? })
}

/// Reads `[retention]`; `None` after a problem.
pub fn retention(mut section: Section<'_>) -> Option<Retention> {
    let mut kept = |key| {
        section.required(key, |raw| match raw.text() {
            Ok("forever") => Ok(None),
            _ => raw.duration().map(Some),
        })
    };
    let (delivered, dead) = (kept("delivered"), kept("dead"));
    let (calls, recordings) = (kept("calls"), kept("recordings"));
    section.end();
    Some(Retention { delivered: delivered?, dead: dead?, calls: calls?, recordings: recordings? })
}

/// Reads `[outbox]`; `None` after a problem.
pub fn outbox(mut section: Section<'_>) -> Option<Outbox> {
    let first_retry = section.required("first_retry", Raw::duration);
    let longest_retry = section.required("longest_retry", Raw::duration);
    let give_up_after = section.required("give_up_after", Raw::duration);
    let patience = section.required("patience", Raw::duration);
    if longest_retry.is_some() && first_retry > longest_retry {
        section.refuse("first_retry", "must not be longer than longest_retry");
    }
    section.end();
    Some(Outbox {
        first_retry: first_retry?,
        longest_retry: longest_retry?,
        give_up_after: give_up_after?,
        patience: patience?,
    })
}

/// Reads `[metrics]`; `None` after a problem. `taken`: who listens where.
pub fn metrics(mut section: Section<'_>, taken: &mut Vec<(Listen, String)>) -> Option<Metrics> {
    let listen = section.optional("listen", |raw| {
        let address = raw.text()?.parse();
        let address =
            address.map_err(|_| "wants an address and a port such as \"127.0.0.1:9460\"".to_owned())?;
        sip::claim(raw, Listen { transport: Transport::Tcp, address }, taken)?;
        Ok(address)
    });
    section.end();
    Some(Metrics { listen })
}
