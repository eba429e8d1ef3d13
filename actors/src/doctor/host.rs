//! This machine: its clock and its limits.

use std::{fs, rc::Rc, time::SystemTime};

use jiff::Timestamp;
use ringpost::counted::counted;

use super::{
    Ward,
    chain::{Chain, Sheet, beside},
};
use crate::stage::uses_embedded_um;

/// 1 January 2026: this program was written later.
const EARLIEST: i64 = 1_767_225_600;
/// Descriptors beside sockets: the store, logs, connections to servers.
const OTHERS: u64 = 200;
/// A file may be that much ahead of the clock: file systems round.
const ROUNDED: i64 = 120;

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let (clock, files) = (Rc::clone(ward), Rc::clone(ward));
    vec![
        Chain::one("host.clock", |sheet| async move {
            let store = clock.site.store.path.clone();
            let written = beside(move || fs::metadata(store?).and_then(|data| data.modified()).ok()).await;
            judge_clock(&sheet, Timestamp::now(), written)
        }),
        Chain::one("host.files", |sheet| async move { judge_files(&sheet, &files) }),
    ]
}

fn judge_clock(sheet: &Sheet, now: Timestamp, store: Option<SystemTime>) -> Option<()> {
    let remedy = || {
        "Set the clock and let NTP keep it: certificates, tokens and the times in mails depend on it."
            .to_owned()
    };
    let written = store.and_then(|time| Timestamp::try_from(time).ok());
    if now.as_second() < EARLIEST {
        return sheet.failed(&format!("it is {now}, which cannot be"), remedy());
    }
    if let Some(written) = written.filter(|written| written.as_second() > now.as_second() + ROUNDED) {
        return sheet.failed(&format!("it is {now}, but the store was written at {written}"), remedy());
    }
    sheet.ok(&format!("it is {}", now.strftime("%Y-%m-%dT%H:%M:%SZ")));
    Some(())
}

fn judge_files(sheet: &Sheet, ward: &Ward) -> Option<()> {
    let site = &ward.site;
    let (first, last) = site.voicemail.rtp_ports;
    // A recording and its socket.
    let media = if uses_embedded_um(site) { u64::from(last - first).div_ceil(2) * 2 } else { 0 };
    let listeners = (site.sip.lanes * site.sip.listen.len()) as u64;
    let needed = site.sip.max_connections as u64 + listeners + media + OTHERS;
    let (whose, process) = match ward.program.pid {
        Some(pid) => ("the running Ringpost", pid.to_string()),
        None => ("this process", "self".to_owned()),
    };
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap_or_default();
    let allowed = limits.lines().find_map(|line| line.strip_prefix("Max open files")).and_then(|line| {
        let soft = line.split_whitespace().next()?;
        if soft == "unlimited" { Some(u64::MAX) } else { soft.parse().ok() }
    });
    let why = format!(
        "{needed} for {}, {media} for voice mail, {} and {OTHERS} others; calls by UDP need none",
        counted(site.sip.max_connections, "connection"),
        counted(listeners, "listener"),
    );
    match allowed {
        None => sheet.skips("the system does not say how many files may be open"),
        Some(allowed) if allowed < needed => sheet.warns(
            &format!("{whose} may open {allowed} files; this site may want {why}"),
            format!(
                "Set LimitNOFILE={} in the service, or ulimit -n; or lower sip.max_connections.",
                needed * 2
            ),
        ),
        Some(allowed) => sheet.ok(&format!("{whose} may open {allowed} files; this site wants up to {why}")),
    }
    Some(())
}
