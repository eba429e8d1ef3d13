//! The embedded UM, where the site uses it.

use std::{io::ErrorKind, net::UdpSocket, path::PathBuf, rc::Rc};

use ringpost::settings::{Site, Voicemail};

use super::{
    Ward,
    chain::{Chain, End, Sheet, beside},
    sockets::{Table, Taken, owners, taken},
    store::writable,
};
use crate::{stage::uses_embedded_um, voicemail::Greetings};

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    if !uses_embedded_um(&ward.site) {
        return vec![];
    }
    let (media, settings) = (Rc::clone(ward), ward.site.voicemail.clone());
    let own: Vec<PathBuf> = ward.site.users.iter().filter_map(|user| user.greeting.clone()).collect();
    let folder = settings.recordings.clone();
    vec![
        Chain::new(["voicemail.address".to_owned(), "voicemail.ports".to_owned()], |sheet| async move {
            address(&sheet, &media.site)?;
            ports(&sheet, &media).await
        }),
        Chain::one("voicemail.recordings", |sheet| async move {
            writable(&sheet, &folder, "[voicemail] recordings").await
        }),
        Chain::one("voicemail.greetings", |sheet| async move { greetings(&sheet, settings, own).await }),
    ]
}

fn address(sheet: &Sheet, site: &Site) -> End {
    let address = site.voicemail.address;
    let mut sources = site.trunks.iter().flat_map(|trunk| &trunk.sources);
    let at_home = sources.all(|source| source.address.is_loopback());
    match UdpSocket::bind((address, 0)) {
        Ok(_) if address.is_loopback() && !at_home => {
            let remedy = "Unless every phone runs on this machine, name an address that they reach in [voicemail] address.";
            sheet.note(&format!("{address} is reached from this machine only"), Some(remedy.to_owned()));
            Some(())
        }
        Ok(_) => {
            sheet.ok(&format!("{address} is one of this machine"));
            Some(())
        }
        Err(error) => {
            let said = match error.kind() {
                ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
                _ => error.to_string(),
            };
            let remedy =
                "Name an address of this machine that phones and gateways reach in [voicemail] address.";
            sheet.failed(&format!("{address}: {said}"), remedy.to_owned())
        }
    }
}

/// The kernel is asked who has the ports; none is opened, for a call may want it in that moment.
async fn ports(sheet: &Sheet, ward: &Ward) -> End {
    let Voicemail { address, rtp_ports: (first, last), .. } = ward.site.voicemail;
    let own = ward.program.pid;
    let told = beside(move || {
        let all = taken(Table::Udp)?;
        let busy = |port: u16| all.iter().find(|one| one.is_in_the_way_of(address, port));
        let even: Vec<u16> = (first..=last).filter(|port| port % 2 == 0).collect();
        let held: Vec<&Taken> = even.iter().filter_map(|port| busy(*port)).collect();
        let by: Vec<_> = owners(&held).into_iter().filter(|(pid, _)| Some(*pid) != own).collect();
        Some((even.len(), held.len(), by))
    });
    let Some((all, held, by)) = told.await else {
        sheet.skips("the system does not say which ports are taken");
        return Some(());
    };
    let free = all - held;
    let remedy = || {
        "Choose ports that no other program uses in [voicemail] rtp_ports, outside ip_local_port_range."
            .to_owned()
    };
    let names = by.iter().map(|(pid, name)| format!("{name} (process {pid})")).collect::<Vec<_>>().join(", ");
    match (by.is_empty(), free) {
        (_, 0) if held > 0 && (!by.is_empty() || !ward.program.runs()) => {
            return sheet
                .failed(&format!("all {all} ports from {first} to {last} are taken: {names}"), remedy());
        }
        (false, _) => {
            sheet.warns(&format!("{free} of {all} ports are free; others are taken by {names}"), remedy())
        }
        (true, _) => {
            sheet.ok(&format!("{free} of {all} ports from {first} to {last} are free, one for each call"))
        }
    }
    Some(())
}

async fn greetings(sheet: &Sheet, settings: Voicemail, own: Vec<PathBuf>) -> End {
    let count = own.len();
    let read = beside(move || {
        Greetings::load(settings.greetings.as_deref())?;
        own.iter().try_for_each(|path| Greetings::read(path).map(drop))
    });
    match read.await {
        Ok(()) => {
            let own = match count {
                0 => "no user has one of its own".to_owned(),
                1 => "1 user has one of its own".to_owned(),
                _ => format!("{count} users have their own"),
            };
            sheet.ok(&format!("every language has one; {own}"));
            Some(())
        }
        Err(error) => {
            let remedy = "Save it as WAV with 8000 Hz, mono, 16-bit PCM, A-law or µ-law.".to_owned();
            sheet.failed(&error.to_string(), remedy)
        }
    }
}
