//! A talk with one server: login, root entry, searches in pages, values in ranges. Whatever takes too long or grows too large
//! ends it.

use std::sync::Arc;

use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, ResultEntry, Scope, SearchOptions, StdStream,
    asn1::{PL, StructureTag},
    controls::{PagedResults, RawControl},
};
use ringpost::{
    directory::ldap::{Record, frame},
    notify::clean::reason,
    settings::{self, LdapBind, LdapServer},
};
use url::Url;

use super::{
    gate::Gate,
    open::{Opener, within},
    refusal::Refusal,
};
use crate::channel::lockout::Lockout;

/// RFC 2696.
const PAGES: &str = "1.2.840.113556.1.4.319";
/// Referrals that one search may bring.
const MOST_REFERRALS: usize = 100;

/// A search. Its filter is built from parts and not from texts.
#[derive(Clone, Debug)]
pub struct Search<'s> {
    /// The entry to search below.
    pub base: &'s str,
    /// How far.
    pub scope: Scope,
    /// As text (RFC 4515).
    pub filter: &'s str,
    /// What to ask of each entry.
    pub attributes: &'s [&'s str],
}

/// A connection on which Ringpost is logged in, or about to be.
pub struct Session {
    ldap: Ldap,
    /// `None`: a login by ticket, see [`ticket`].
    gate: Option<Arc<Gate>>,
    limits: Arc<settings::Ldap>,
    /// Whom the certificate is of, and the ticket for.
    host: String,
}

/// What a page's end has said.
struct Page {
    cookie: Vec<u8>,
    leads: Leads,
}

/// Where else a search leads.
#[derive(Debug, Default)]
pub struct Leads {
    /// To further parts below its base.
    pub on: Vec<String>,
    /// Where the base itself is, which is not on this server (RFC 4511 §4.1.10).
    pub instead: Option<Vec<String>>,
}

impl Session {
    /// Opens a connection; nobody is logged in on it.
    pub async fn open(
        opener: &Opener,
        server: &LdapServer,
        limits: &Arc<settings::Ldap>,
    ) -> Result<Self, Refusal> {
        let host = server.host.clone();
        if limits.bind == LdapBind::Gssapi {
            let ldap = ticket::open(opener, server).await?;
            return Ok(Self { ldap, gate: None, limits: Arc::clone(limits), host });
        }
        let stream = opener.open(server).await?;
        let system = |error: std::io::Error| Refusal::unreachable(&error);
        let (gate, inner) = Gate::before(stream, limits.talk.max_message).map_err(system)?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(inner));
        // ldap3 connects nowhere: it is given its socket.
        let through = Url::parse("ldapi:///").map_err(|error| Refusal::Unusable(error.to_string()))?;
        let opened = LdapConnAsync::from_url_with_settings(settings, &through).await;
        let (connection, ldap) = opened.map_err(|error| Refusal::Lost(reason(&error.to_string())))?;
        tokio::spawn(async move {
            // The gate knows why.
            let _ = connection.drive().await;
        });
        Ok(Self { ldap, gate: Some(gate), limits: Arc::clone(limits), host })
    }

    /// Logs in; `account` is what all servers of the directory share, so that one refusal counts for all of them.
    pub async fn log_in(&mut self, (lockout, account): (&Lockout, &str)) -> Result<(), Refusal> {
        let (user, password) = match self.limits.bind.clone() {
            LdapBind::Anonymous => return Ok(()),
            LdapBind::Simple(user, password) => (user, password),
            LdapBind::Gssapi => {
                let bound = ticket::log_in(&mut self.ldap, &self.host);
                let answer = within("the login", self.limits.timeout, bound).await?;
                return match answer.rc {
                    0 => Ok(()),
                    code => Err(Refusal::result("the login by ticket", code, &answer.text)),
                };
            }
        };
        // RFC 4513 §5.1.2: a name with an empty password is taken by some servers, and nobody is logged in then.
        if password.0.is_empty() || user.is_empty() {
            return Err(Refusal::Unusable(
                "a login needs a user name and a password that is not empty".to_owned(),
            ));
        }
        let permit = lockout.admits(account).await.map_err(Refusal::Password)?;
        self.allow(self.limits.talk.max_message);
        let bound = within("the login", self.limits.timeout, async {
            self.ldap.simple_bind(&user, &password.0).await.map_err(|error| self.lost(error))
        });
        match bound.await? {
            answer if answer.rc == 0 => {
                permit.taken();
                Ok(())
            }
            answer if matches!(answer.rc, 48 | 49) => Err(Refusal::Password(permit.refused(&answer.text))),
            answer if matches!(answer.rc, 8 | 13) => Err(Refusal::WantsTls(answer.rc)),
            answer => Err(Refusal::result("the login", answer.rc, &answer.text)),
        }
    }

    /// One entry, with those attributes.
    pub async fn entry(&mut self, name: &str, attributes: &[&str]) -> Result<Option<Record>, Refusal> {
        let search = Search { base: name, scope: Scope::Base, filter: "(objectClass=*)", attributes };
        let mut found = None;
        let page = self.page(&search, None, &mut |record| found = Some(record)).await;
        match page {
            Ok(_) => Ok(found),
            Err(Refusal::Result { code: 32, .. }) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Everything that a search finds, page by page; what it says of other servers is returned.
    ///
    /// # Errors
    /// Where it did not come to its end; then what was found is good for nothing.
    pub async fn search(
        &mut self,
        search: &Search<'_>,
        found: &mut dyn FnMut(Record) -> Result<(), Refusal>,
    ) -> Result<Leads, Refusal> {
        let (mut cookie, mut leads) = (vec![], Leads::default());
        loop {
            let mut records = vec![];
            let page = self.page(search, Some(cookie), &mut |record| records.push(record)).await?;
            // A page with nothing on it and another one behind it could go on for ever.
            let empty = records.is_empty() && page.leads.on.is_empty();
            for mut record in records {
                if self.complete(&mut record).await? {
                    found(record)?;
                }
            }
            leads.on.extend(page.leads.on);
            leads.instead = page.leads.instead.or(leads.instead);
            if leads.on.len() + leads.instead.as_ref().map_or(0, Vec::len) > MOST_REFERRALS {
                return Err(Refusal::TooMuch("referrals", MOST_REFERRALS));
            }
            if page.cookie.is_empty() {
                return Ok(leads);
            }
            if empty {
                return Err(Refusal::Spoilt("an empty page that is not the last".to_owned()));
            }
            cookie = page.cookie;
        }
    }

    /// Asks for the values that were left out. `false`: the entry went meanwhile.
    async fn complete(&mut self, record: &mut Record) -> Result<bool, Refusal> {
        let mut octets = 0;
        loop {
            let missing = record.missing();
            if missing.is_empty() {
                return Ok(true);
            }
            let wanted: Vec<&str> = missing.iter().map(String::as_str).collect();
            let Some(further) = self.entry(&record.dn, &wanted).await? else { return Ok(false) };
            let values = further.attributes.iter().flat_map(|(_, values)| values);
            octets += values.map(Vec::len).sum::<usize>();
            if octets > self.limits.talk.max_message {
                return Err(Refusal::TooMuch(
                    "octets of an entry (max_message)",
                    self.limits.talk.max_message,
                ));
            }
            if !record.extend(further) {
                return Err(Refusal::Spoilt("a range of values without an end".to_owned()));
            }
        }
    }

    async fn page(
        &mut self,
        search: &Search<'_>,
        cookie: Option<Vec<u8>>,
        found: &mut dyn FnMut(Record),
    ) -> Result<Page, Refusal> {
        self.allow(self.limits.talk.max_answer);
        let patience = self.limits.timeout;
        within("a search", patience, self.page_for_ever(search, cookie, found)).await
    }

    async fn page_for_ever(
        &mut self,
        search: &Search<'_>,
        cookie: Option<Vec<u8>>,
        found: &mut dyn FnMut(Record),
    ) -> Result<Page, Refusal> {
        let seconds = i32::try_from(self.limits.timeout.as_secs().max(1)).unwrap_or(i32::MAX);
        self.ldap.with_search_options(SearchOptions::new().timelimit(seconds));
        if let Some(cookie) = cookie.filter(|_| self.limits.page > 0) {
            let size = i32::try_from(self.limits.page).unwrap_or(i32::MAX);
            self.ldap.with_controls(PagedResults { size, cookie });
        }
        let Search { base, scope, filter, attributes } = *search;
        let started = self.ldap.streaming_search(base, scope, filter, attributes).await;
        let mut stream = started.map_err(|error| lost(self.gate.as_deref(), error))?;
        let mut leads = Leads::default();
        loop {
            match stream.next().await {
                Ok(Some(entry)) if entry.is_ref() => leads.on.extend(ldap3::parse_refs(entry.0)),
                Ok(Some(entry)) => found(record(entry)),
                Ok(None) => break,
                Err(error) => return Err(lost(self.gate.as_deref(), error)),
            }
        }
        let end = stream.finish().await;
        match end.rc {
            0 => {}
            10 => leads.instead = Some(end.refs),
            code => return Err(Refusal::result("a search", code, &end.text)),
        }
        let control = end.ctrls.into_iter().map(|control| control.1);
        let control =
            control.filter(|RawControl { ctype, .. }| ctype == PAGES).find_map(|control| control.val);
        let cookie = control.map(|value| frame::cookie(&value)).transpose()?;
        Ok(Page { cookie: cookie.unwrap_or_default(), leads })
    }

    fn allow(&self, octets: usize) {
        self.gate.iter().for_each(|gate| gate.allow(octets));
    }

    fn lost(&self, error: LdapError) -> Refusal {
        lost(self.gate.as_deref(), error)
    }
}

fn lost(gate: Option<&Gate>, error: LdapError) -> Refusal {
    match error {
        LdapError::FilterParsing => Refusal::Unusable("the filter is none".to_owned()),
        other => gate.and_then(Gate::closed).unwrap_or_else(|| Refusal::Lost(reason(&other.to_string()))),
    }
}

/// A login by the ticket of the process (RFC 4752), in builds that have Kerberos. It is bound to the connection that TLS of
/// `ldap3` makes, so no gate stands before it; whoever answers there has proved by certificate and ticket who it is.
#[cfg(feature = "gssapi")]
mod ticket {
    use std::sync::Arc;

    use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, LdapResult, StdStream};
    use ringpost::{
        notify::clean::reason,
        settings::{LdapServer, LdapTls},
    };
    use url::Url;

    use super::super::{
        open::{Opener, within},
        refusal::Refusal,
    };

    pub async fn open(opener: &Opener, server: &LdapServer) -> Result<Ldap, Refusal> {
        let tcp = within("connecting", opener.patience, opener.connect(server)).await?;
        let tcp = tcp.into_std().map_err(|error| Refusal::unreachable(&error))?;
        let settings = LdapConnSettings::new()
            .set_std_stream(StdStream::Tcp(tcp))
            .set_config(Arc::clone(&opener.tls))
            .set_starttls(server.tls == LdapTls::Start);
        let url = Url::parse(&server.url()).map_err(|error| Refusal::Unusable(error.to_string()))?;
        let (connection, ldap) = within("TLS", opener.patience, async {
            let opened = LdapConnAsync::from_url_with_settings(settings, &url).await;
            opened.map_err(|error| Refusal::Tls(reason(&error.to_string())))
        })
        .await?;
        tokio::spawn(async move {
            // Whoever waits for an answer hears that it ended.
            let _ = connection.drive().await;
        });
        Ok(ldap)
    }

    pub async fn log_in(ldap: &mut Ldap, host: &str) -> Result<LdapResult, Refusal> {
        let help = "is there a ticket of KRB5CCNAME, or a keytab of KRB5_CLIENT_KTNAME?";
        let bound = ldap.sasl_gssapi_bind(host).await;
        bound.map_err(|error| Refusal::Unusable(format!("Kerberos: {}; {help}", reason(&error.to_string()))))
    }
}

/// A build without Kerberos; a site that wants it is refused before.
#[cfg(not(feature = "gssapi"))]
mod ticket {
    use ldap3::{Ldap, LdapResult};
    use ringpost::settings::LdapServer;

    use super::super::{open::Opener, refusal::Refusal};

    pub async fn open(_: &Opener, _: &LdapServer) -> Result<Ldap, Refusal> {
        Err(Refusal::Unusable("this Ringpost was built without Kerberos".to_owned()))
    }

    pub async fn log_in(_: &mut Ldap, _: &str) -> Result<LdapResult, Refusal> {
        Err(Refusal::Unusable("this Ringpost was built without Kerberos".to_owned()))
    }
}

/// The gate has seen that it is an entry.
fn record(entry: ResultEntry) -> Record {
    let mut parts = list(entry.0).into_iter();
    let dn = parts.next().map(octets).unwrap_or_default();
    let attributes = parts.next().map(list).unwrap_or_default().into_iter().map(|attribute| {
        let mut parts = list(attribute).into_iter();
        let name = parts.next().map(octets).unwrap_or_default();
        let values = parts.next().map(list).unwrap_or_default().into_iter().map(octets).collect();
        (text(name), values)
    });
    let attributes = attributes.collect();
    Record { dn: text(dn), attributes }
}

fn text(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn list(tag: StructureTag) -> Vec<StructureTag> {
    match tag.payload {
        PL::C(parts) => parts,
        PL::P(_) => vec![],
    }
}

fn octets(tag: StructureTag) -> Vec<u8> {
    match tag.payload {
        PL::P(octets) => octets,
        PL::C(_) => vec![],
    }
}
