//! Names in SIP URIs, looked up as calls do it (`[dns]`, RFC 3263); and those of fixed devices.

use std::{collections::BTreeSet, net::IpAddr, rc::Rc};

use futures_util::future::join_all;
use ringpost::{
    doctor::advice,
    settings::Site,
    sip::{
        locate::{Abilities, Answer, Hop, Kind, Locate, Question, Wanted},
        uri::Uri,
    },
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
};
use crate::entropy;

/// Different names of devices that are looked up.
const MOST: usize = 200;
/// Of these, names that do not lead anywhere which are told.
const TOLD: usize = 8;

/// What a name is made of.
pub struct Places {
    /// The records that there are, and the places.
    pub said: String,
    /// Questions that nobody answered.
    pub unanswered: Vec<String>,
}

/// The ways out of this site.
pub fn able(site: &Site) -> Abilities {
    Abilities::of(site.sip.listen.iter().copied())
}

/// The way of a URI that the loader has read already.
pub fn locate(ward: &Ward, uri: &str) -> Option<Locate> {
    let wanted = Wanted::of(&Uri::read(uri.as_bytes())?)?;
    let mut random = entropy::source();
    Some(Locate::new(wanted, able(&ward.site), u64::from(random())))
}

impl Ward {
    /// Whom names are asked of.
    pub fn dns_servers(&self) -> String {
        let servers: Vec<String> = self.site.dns.servers.iter().map(ToString::to_string).collect();
        if servers.is_empty() {
            "/etc/resolv.conf".to_owned()
        } else {
            format!("[dns] ({})", servers.join(", "))
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Naptr => "NAPTR",
        Kind::Srv => "SRV",
        Kind::A => "A",
        Kind::Aaaa => "AAAA",
    }
}

/// What was heard on the way, in words.
pub fn places(locate: &Locate, hops: &[Hop]) -> Places {
    let of = |wanted: fn(&Answer) -> bool| {
        let heard = locate.heard().iter().filter(move |(_, answer)| wanted(answer));
        let told = heard.map(|(Question { name, kind: asked }, _)| format!("{} {name}", kind(*asked)));
        told.collect::<Vec<_>>()
    };
    let unanswered = of(|answer| *answer == Answer::Failed);
    let there = of(|answer| !matches!(answer, Answer::Failed | Answer::Nothing));
    let shown: Vec<String> =
        hops.iter().map(|hop| format!("{} {}", hop.address, hop.transport.name())).collect();
    let said = match (locate.heard().is_empty(), there.is_empty()) {
        (true, _) => format!("an address, nobody is asked: {}", shown.join(", ")),
        (false, true) => {
            let asked: Vec<String> = of(|answer| *answer == Answer::Nothing);
            format!("there is no {}", asked.join(", no "))
        }
        (false, false) if hops.is_empty() => {
            format!("there is {}, and no address behind it", there.join(", "))
        }
        (false, false) => format!("by {}: {}", there.join(", "), shown.join(", ")),
    };
    Places { said, unanswered }
}

/// The fixed devices and bypass numbers, where they are named and not given by address.
pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let site = &ward.site;
    let devices = site.users.iter().flat_map(|user| user.devices.iter());
    let all: BTreeSet<&str> =
        devices.chain(site.bypass.iter().map(|one| &one.target)).filter_map(|uri| host(uri)).collect();
    if all.is_empty() {
        return vec![];
    }
    let (count, names): (usize, Vec<String>) =
        (all.len(), all.into_iter().take(MOST).map(|host| format!("sip:{host}")).collect());
    let ward = Rc::clone(ward);
    vec![Chain::one(
        "names.devices",
        move |sheet| async move { devices_named(&sheet, &ward, names, count).await },
    )]
}

fn host(uri: &str) -> Option<&str> {
    let read = Uri::read(uri.as_bytes())?;
    std::str::from_utf8(read.host)
        .ok()
        .filter(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().is_err())
}

async fn devices_named(sheet: &Sheet, ward: &Ward, names: Vec<String>, count: usize) -> End {
    let looked = join_all(names.iter().map(|uri| async move {
        let mut locate = locate(ward, uri)?;
        let hops = ward.names.search(&mut locate).await;
        let failed = !places(&locate, &hops).unanswered.is_empty();
        hops.is_empty().then_some((uri.trim_start_matches("sip:"), failed))
    }));
    let lost: Vec<(&str, bool)> = looked.await.into_iter().flatten().collect();
    let told: Vec<&str> = lost.iter().take(TOLD).map(|(name, _)| *name).collect();
    if lost.is_empty() {
        sheet.ok(&format!("{} of {count} names of devices lead somewhere", names.len()));
        return Some(());
    }
    let remedy = match lost.iter().any(|(_, unanswered)| *unanswered) {
        true => advice::no_dns(&ward.dns_servers()),
        false => advice::no_records("devices of [[user]] and target of [[bypass]]"),
    };
    sheet.warns(&format!("{} of {count} names lead nowhere: {}", lost.len(), told.join(", ")), remedy);
    Some(())
}
