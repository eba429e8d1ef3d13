//! Trunks and UM servers: where their names lead, what certificate they show, and whether they answer OPTIONS. Asked from a
//! port of the doctor's own, so that nobody's calls are touched.

use std::{net::IpAddr, rc::Rc, sync::Arc};

use futures_util::future::join_all;
use ringpost::{
    doctor::advice,
    settings::{Transport, Trunk, UmServer},
    sip::{
        certificate::Validity,
        locate::{Hop, Locate},
        uri::Uri,
    },
};

use super::{
    Ward,
    chain::{Chain, End, Sheet},
    names::{locate, places},
    peer,
    talk::{Talk, shakes},
};
use crate::port::{
    errand::Errand,
    tls::{Tls, verify},
};

/// Whom to ask, and what an admin is told about it.
pub struct Far {
    pub uri: String,
    /// Who we say that we are.
    pub host: String,
    /// The key of the site file that names it.
    pub key: String,
    /// The section of the guide.
    pub section: &'static str,
    /// Whether it is of use though it does not answer OPTIONS: something else shows that it lives.
    pub may_be_silent: bool,
}

/// Where it is: places, and the name that certificates have to be of.
pub type There = (Vec<Hop>, Option<String>);

pub fn chains(ward: &Rc<Ward>) -> Vec<Chain> {
    let mut chains: Vec<Chain> =
        ward.site.trunks.iter().flat_map(|trunk| trunk_chains(ward, trunk)).collect();
    let mut seen = vec![];
    for plan in &ward.site.plans {
        for server in &plan.servers {
            let UmServer::Sip(uri) = server else { continue };
            if seen.contains(&uri) {
                continue;
            }
            seen.push(uri);
            let host = ward.site.sip.domain.clone();
            let key = format!("[um.plan.{}] servers", plan.name);
            let far = Far { uri: uri.clone(), host, key, section: "UM servers", may_be_silent: false };
            chains.push(chain(ward, &format!("um.{}", bare(uri)), far));
        }
    }
    chains
}

/// Host and port of a URI, as a step is named by it.
fn bare(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.split(';').next().unwrap_or(rest);
    rest.rsplit_once('@').map_or(rest, |(_, host)| host)
}

fn trunk_chains(ward: &Rc<Ward>, trunk: &Trunk) -> Vec<Chain> {
    let step = format!("trunk.{}", trunk.name);
    let Some(far) = &trunk.far else {
        return vec![Chain::one(&format!("{step}.options"), |sheet| async move {
            sheet.skips("it has no target: it calls Ringpost, and is asked nothing");
            Some(())
        })];
    };
    let host = far.host.clone().unwrap_or_else(|| ward.site.sip.domain.clone());
    let key = format!("target of trunk {}", trunk.name);
    let asked = Far { uri: far.target.clone(), host, key, section: "Trunks", may_be_silent: false };
    let mut chains = vec![chain(ward, &step, asked)];
    if far.registration.is_some() {
        let (ward, trunk) = (Rc::clone(ward), trunk.name.clone());
        chains.push(Chain::one(&format!("{step}.registration"), |sheet| async move {
            registration(&sheet, &ward, &trunk)
        }));
    }
    chains
}

/// A second registration from here would take the calls away from the first: only the Ringpost that runs can tell.
fn registration(sheet: &Sheet, ward: &Ward, trunk: &str) -> End {
    match ward.program.part(&format!("trunk {trunk} registration")) {
        Some(Ok(())) => sheet.ok("the Ringpost that runs is registered"),
        Some(Err(why)) => {
            let remedy = format!(
                "Compare register, login, password_file and realm of trunk {trunk} with what the provider has given you ({}, \
                 \"Trunks\").",
                advice::GUIDE
            );
            return sheet.failed(&format!("the Ringpost that runs is not registered: {why}"), remedy);
        }
        None if ward.program.runs() => {
            sheet.skips("the Ringpost that runs says nothing of it; it needs [metrics] listen, and a moment after its start");
        }
        None => sheet.skips("only a Ringpost that runs can tell, and none does"),
    }
    Some(())
}

fn chain(ward: &Rc<Ward>, step: &str, far: Far) -> Chain {
    let mut steps = way_there(step, &far.uri);
    steps.push(format!("{step}.options"));
    let ward = Rc::clone(ward);
    Chain::new(steps, move |sheet| async move {
        let there = goes_there(&sheet, &ward, &far).await?;
        options(&sheet, &ward, &there, &far).await
    })
}

/// The steps of [`goes_there`].
pub fn way_there(step: &str, uri: &str) -> Vec<String> {
    let mut steps = vec![format!("{step}.dns")];
    steps.extend(may_show_certificate(uri).then(|| format!("{step}.certificate")));
    steps
}

/// Where a server is, and whether its certificates are good.
pub async fn goes_there(sheet: &Sheet, ward: &Ward, far: &Far) -> Option<There> {
    let (hops, host) = leads(sheet, ward, far).await?;
    if may_show_certificate(&far.uri) {
        certificate(sheet, ward, (&hops, host.as_deref()), far).await?;
    }
    Some((hops, host))
}

/// TLS is asked for, or the DNS may lead to it.
fn may_show_certificate(uri: &str) -> bool {
    let Some(uri) = Uri::read(uri.as_bytes()) else { return false };
    let open =
        uri.port.is_none() && std::str::from_utf8(uri.host).is_ok_and(|host| host.parse::<IpAddr>().is_err());
    Transport::of_uri(&uri).map_or(open, Transport::is_secure)
}

async fn leads(sheet: &Sheet, ward: &Ward, far: &Far) -> Option<There> {
    let mut locate = locate(ward, &far.uri)?;
    let hops = ward.names.search(&mut locate).await;
    let host = locate.host().map(str::to_owned);
    told(sheet, ward, (&locate, &hops), far)?;
    Some((hops, host))
}

fn told(sheet: &Sheet, ward: &Ward, (locate, hops): (&Locate, &[Hop]), far: &Far) -> End {
    let found = places(locate, hops);
    match (hops.is_empty(), found.unanswered.is_empty()) {
        (false, true) => sheet.ok(&found.said),
        (false, false) => {
            let said = format!("{}; no answer for {}", found.said, found.unanswered.join(", "));
            sheet.warns(&said, advice::no_dns(&ward.dns_servers()));
        }
        (true, false) => {
            let said = format!("no DNS server answers for {}", found.unanswered.join(", "));
            return sheet.failed(&said, advice::no_dns(&ward.dns_servers()));
        }
        (true, true) => {
            let wanted = Uri::read(far.uri.as_bytes()).and_then(|uri| Transport::of_uri(&uri));
            let missing = wanted.filter(|wanted| !super::names::able(&ward.site).has(*wanted));
            return match missing {
                Some(transport) => sheet.failed(
                    &format!("Ringpost itself has no listener of {}", transport.name()),
                    format!("Add one in [sip] listen: requests go out by it, or ask for another transport in the {}.", far.key),
                ),
                None => sheet.failed(&format!("it leads nowhere: {}", found.said), advice::no_records(&far.key)),
            };
        }
    }
    Some(())
}

async fn certificate(sheet: &Sheet, ward: &Ward, (hops, host): (&[Hop], Option<&str>), far: &Far) -> End {
    let secure: Vec<Hop> = hops.iter().copied().filter(|hop| hop.transport.is_secure()).collect();
    if secure.is_empty() {
        sheet.skips("the DNS leads to no TLS");
        return Some(());
    }
    let Some(tls) = &ward.tls else {
        sheet.skips("[tls] ca cannot be read");
        return Some(());
    };
    let shown = join_all(secure.iter().map(|hop| async move {
        let stream = shakes(tls, *hop, host).await.map_err(|why| format!("{}: {why}", hop.address))?;
        let chain = stream.get_ref().1.peer_certificates();
        let first = chain.and_then(<[_]>::first).map(verify::validity);
        match first {
            Some(Ok(validity)) => Ok(validity),
            Some(Err(_)) | None => Err(format!("{}: it shows none that can be read", hop.address)),
        }
    }));
    let ca = "[tls] ca";
    let mut refused = vec![];
    let mut good: Vec<Validity> = vec![];
    for one in shown.await {
        match one {
            Ok(validity) => good.push(validity),
            Err(why) => refused.push(why),
        }
    }
    match (good.iter().min_by_key(|one| one.end), refused.is_empty()) {
        (Some(first), true) => peer::lasts(sheet, &ward.site.tls, *first, host.unwrap_or("its address")),
        (Some(_), false) => sheet.warns(
            &format!("some servers are refused: {}", refused.join("; ")),
            remedy(&refused, ca, &far.key),
        ),
        (None, _) => return sheet.failed(&refused.join("; "), remedy(&refused, ca, &far.key)),
    }
    Some(())
}

fn remedy(refused: &[String], ca: &str, key: &str) -> String {
    let first = refused.first().map_or("", String::as_str);
    if peer::is_no_connection(first) {
        advice::no_connection(key)
    } else {
        advice::certificate(first, ca, key)
    }
}

/// The status of the final answer of one place.
async fn ask(tls: Option<&Arc<Tls>>, hop: Hop, host: Option<&str>, far: &Far) -> Result<u16, String> {
    let mut talk = Talk::open(tls, hop, host).await?;
    let errand = Errand {
        method: "OPTIONS",
        uri: far.uri.clone(),
        from: format!("sip:ringpost@{}", far.host),
        to: far.uri.split(';').next().unwrap_or(&far.uri).to_owned(),
        headers: vec![("Accept", b"application/sdp".to_vec())],
        ..Errand::default()
    };
    Ok(talk.ask(&errand, None).await?.code())
}

/// Whether it answers OPTIONS, at each of its places.
pub async fn options(sheet: &Sheet, ward: &Ward, (hops, host): &There, far: &Far) -> End {
    let host = host.as_deref();
    // A step may not take longer than this, and what was heard by then is told.
    let patience = ward.timeout * 4 / 5;
    let asked = join_all(hops.iter().map(|hop| async move {
        let answer = match tokio::time::timeout(patience, ask(ward.tls.as_ref(), *hop, host, far)).await {
            Ok(answer) => answer,
            Err(_) => Err("no answer".to_owned()),
        };
        (format!("{} {}", hop.address, hop.transport.name()), answer)
    }));
    let answers = asked.await;
    let said: Vec<String> = answers
        .iter()
        .map(|(place, answer)| match answer {
            Ok(code) => format!("{place} answers {code}"),
            Err(why) => format!("{place}: {why}"),
        })
        .collect();
    let said = said.join("; ");
    let codes: Vec<u16> = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok().copied()).collect();
    let lives: Vec<u16> = codes.iter().copied().filter(|code| !matches!(code, 408 | 500..=599)).collect();
    match (lives.len(), codes.len(), answers.len()) {
        (0, 0, _) if far.may_be_silent => {
            sheet.note(&said, Some(advice::no_options()));
            Some(())
        }
        (0, 0, _) => sheet.failed(&said, advice::no_sip(&format!("the {}", far.key), far.section)),
        (0, _, _) => sheet.failed(&said, advice::sip_unwell(far.section)),
        (some, _, all) if some < all => {
            sheet.warns(&said, advice::no_sip(&format!("the {}", far.key), far.section));
            Some(())
        }
        _ if lives.iter().all(|code| (200..300).contains(code)) => {
            sheet.ok(&said);
            Some(())
        }
        _ => {
            sheet.note(&said, Some(advice::sip_refuses(far.section)));
            Some(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_named_by_host_and_port() {
        for (uri, expected) in [
            ("sip:um.example.com", "um.example.com"),
            ("sip:um@192.0.2.9:5070;transport=tcp", "192.0.2.9:5070"),
            ("sips:[2001:db8::1]:5061", "[2001:db8::1]:5061"),
        ] {
            assert_eq!(bare(uri), expected);
        }
    }

    #[test]
    fn a_certificate_is_looked_at_where_tls_is_spoken_or_may_be() {
        for (uri, expected) in [
            ("sip:a.test", true),
            ("sips:a.test", true),
            ("sip:a.test;transport=tls", true),
            ("sip:a.test:5060", false),
            ("sip:a.test;transport=udp", false),
            ("sip:192.0.2.1", false),
            ("sip:192.0.2.1:5061;transport=tls", true),
        ] {
            assert_eq!(may_show_certificate(uri), expected, "{uri}");
        }
    }
}
