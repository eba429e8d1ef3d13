//! Reads a site: defaults, site file and environment become a checked [`Site`], or every problem at once.

mod attendant;
mod book;
mod calendar;
mod channel;
mod claims;
mod connector;
mod directory;
mod dns;
mod http;
mod identity;
mod key;
mod layers;
mod location;
mod mail;
mod notices;
mod policy;
mod presence;
mod problem;
mod publish;
mod raw;
mod rcc;
mod registrar;
mod route;
mod section;
mod security;
mod sip;
mod storage;
mod style;
mod tls;
mod trunk;
mod um;
mod uri;
mod user;

use std::{ffi::OsString, fs, path::Path, sync::Arc};

use ringpost::{notify::Style, outbox::ChannelName, settings::Site};

use self::{claims::Claims, layers::Layers, route::Policies, user::Around};
pub use self::{
    key::{KeyPath, Step},
    layers::DEFAULTS,
    problem::{Place, Problem},
};

/// The sections of a site.
const SECTIONS: [&str; 30] = [
    "sip",
    "trunk",
    "outbound",
    "location",
    "routing",
    "route",
    "voice_policy",
    "registrar",
    "um",
    "voicemail",
    "user",
    "attendant",
    "bypass",
    "policy",
    "presence",
    "rcc",
    "feature_codes",
    "mail",
    "channel",
    "notices",
    "outbox",
    "store",
    "metrics",
    "http",
    "book",
    "security",
    "tls",
    "dns",
    "identity",
    "directory",
];

/// Reads the site in `file` with what the environment adds. Can be called again at any time (SIGHUP).
///
/// # Errors
/// Every problem of the file and of the environment, in the order of the file.
pub fn site(file: &Path) -> Result<Site, Vec<Problem>> {
    let name = file.display().to_string();
    let octets = fs::read(file)
        .map_err(|e| vec![layers::whole_file(&name, format!("the site file cannot be read: {e}"))])?;
    let text = String::from_utf8(octets).map_err(|e| {
        let line = layers::line_at(e.as_bytes(), e.utf8_error().valid_up_to());
        let place = Place::File { name, line: Some(line) };
        vec![Problem { place, key: KeyPath::default(), what: "not UTF-8".to_owned() }]
    })?;
    merged(file, text, std::env::vars_os())
}

/// Reads a site from `text`, as if it stood in `file`, without the environment.
///
/// # Errors
/// Every problem, as [`site`].
pub fn text(file: &Path, text: &str) -> Result<Site, Vec<Problem>> {
    merged(file, text.to_owned(), std::iter::empty())
}

/// [`text`] below the given environment.
///
/// # Errors
/// Every problem, as [`site`].
pub fn merged(
    file: &Path,
    text: String,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Site, Vec<Problem>> {
    let layers = Layers::merge(file, text, variables).map_err(|problem| vec![problem])?;
    let site = whole(&layers);
    match (site, layers.problems()) {
        (Some(site), problems) if problems.is_empty() => Ok(site),
        (_, problems) => Err(problems),
    }
}

fn whole(layers: &Layers) -> Option<Site> {
    let mut claims = Claims::default();
    let mut root = layers.root();
    let mut taken = Vec::new();
    let sip = root.table("sip").and_then(|table| sip::sip(table, &mut taken));
    let (locations, rules_files) = location::locations(root.table("location"));
    let outbound = root.table("outbound").and_then(|table| trunk::outbound(table, &locations));
    let (policies, tables) = Policies::of(root.table("voice_policy"));
    let trunks = root.tables("trunk").into_iter();
    let around = trunk::Around { outbound: outbound.as_ref(), locations: &locations, policies: &policies };
    let trunks: Vec<_> = trunks.filter_map(|trunk| trunk::trunk(trunk, &around, &mut claims)).collect();
    let domain = sip.as_ref().map_or("", |sip| &sip.domain);
    let registrar = root.table("registrar").and_then(|table| registrar::registrar(table, domain));
    let um = root.table("um").and_then(|table| um::um(table, &mut claims));
    let has_mail = root.has("mail");
    let outbox = root.table("outbox").and_then(storage::outbox);
    let (mut channels, mut known) = channel::channels(root.table("channel"), outbox.as_ref());
    let mail = root.table("mail").and_then(|table| channel::mail(table, outbox.as_ref()));
    let mail = mail.map(|(mail, as_channel)| {
        channels.push(as_channel);
        mail
    });
    if has_mail {
        known.push(channel::Known { name: ChannelName::mail().clone(), wants_mail_address: true });
    }
    let notices = root.table("notices").map(|mut table| {
        let (entries, telling) = channel::of_site(&mut table, &known);
        let (notices, templates) = (notices::of_site(&mut table), style::templates(&mut table));
        table.end();
        (entries, telling, Arc::new(notices), templates)
    });
    let (entries, telling, notices, templates) = notices.unwrap_or_default();
    let usual = channel::for_users(&entries, &known);
    let plans = um.as_ref().map_or(&[][..], |(_, plans)| plans);
    let directory = root.table("directory");
    let has_users = directory.as_ref().is_some_and(directory::has_users);
    let around = Around {
        plans,
        directory: has_users,
        mail: has_mail,
        channels: &known,
        usual,
        telling,
        notices: Arc::clone(&notices),
        locations: &locations,
        policies: &policies,
    };
    let users = root.tables("user").into_iter();
    let users: Vec<_> = users.filter_map(|user| user::user(user, &around, &mut claims)).collect();
    let bypass = root.tables("bypass").into_iter();
    let bypass = bypass.filter_map(|one| policy::bypass(one, &mut claims)).collect();
    let attendants = attendant::attendants(root.table("attendant"), &mut claims);
    let here = outbound.as_ref().map(|outbound| outbound.numbering.clone()).unwrap_or_default();
    let routes = root.tables("route");
    let routing = root
        .table("routing")
        .and_then(|table| route::routing(table, routes, (&policies, tables), (&trunks, &here), &mut claims));
    let limits = root.table("policy").and_then(policy::limits);
    let feature_codes = root.table("feature_codes").map(policy::feature_codes).unwrap_or_default();
    let store = root.table("store").and_then(storage::store);
    let ldap = directory.and_then(|table| directory::directory(table, &around, store.as_ref())).map(Arc::new);
    let retention = root.table("retention").and_then(storage::retention);
    let voicemail = root.table("voicemail").and_then(|table| um::voicemail(table, store.as_ref()));
    let metrics = root.table("metrics").and_then(|table| storage::metrics(table, &mut taken));
    let http = root.table("http").and_then(|table| http::http(table, &mut taken, &mut claims));
    let book = root.table("book").and_then(|table| book::book(table, store.as_ref()));
    let security = root.table("security").and_then(security::security);
    let secure = |sip: &ringpost::settings::Sip| sip.listen.iter().any(|listen| listen.transport.is_secure());
    let serves = sip.as_ref().is_some_and(secure)
        || http.as_ref().is_some_and(|http| http.listen.iter().any(|listen| listen.secure));
    let tls = root.table("tls").and_then(|table| tls::tls(table, serves));
    let dns = root.table("dns").and_then(dns::dns);
    let names: Vec<_> = trunks.iter().map(|trunk| trunk.name.as_str()).collect();
    let domain = sip.as_ref().map_or("", |sip| sip.domain.as_str());
    let around = (&channels[..], &known[..], domain);
    let presence = root.table("presence").and_then(|table| presence::presence(table, &trunks, around));
    let rcc = root.table("rcc").and_then(|table| rcc::rcc(table, &names));
    let contacts = outbound.clone().unwrap_or_default();
    let around = identity::Around {
        channels: &channels,
        known: &known,
        outbound: &contacts,
        directory: ldap.is_some(),
    };
    let identity = root.table("identity").and_then(|table| identity::identity(table, &around));
    root.end();
    let ((um, plans), identity) = (um?, identity?);
    let style = Arc::new(Style::new(templates, &notices, &users, &identity));
    Some(Site {
        sip: sip?,
        trunks,
        outbound: outbound?,
        locations,
        rules_files,
        routing: routing?,
        registrar: registrar?,
        plans,
        um,
        voicemail: voicemail?,
        users,
        attendants,
        bypass,
        policy: limits?,
        feature_codes,
        mail,
        channels,
        style,
        outbox: outbox?,
        store: store?,
        retention: retention?,
        metrics: metrics?,
        http: http?,
        book: book?,
        security: security?,
        tls: tls?,
        identity,
        dns: dns?,
        presence: presence?,
        rcc: rcc?,
        ldap,
    })
}
