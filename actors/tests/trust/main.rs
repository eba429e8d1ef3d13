//! T21: whom Ringpost gives a notice, a password or a token to. Every channel that speaks TLS, and the identity provider,
//! against every certificate; what is refused is logged with its reason.

#[allow(dead_code, reason = "a part of it serves here")]
#[path = "../transports/authority.rs"]
mod authority;
mod certificates;
mod servers;
#[path = "../support/mod.rs"]
mod support;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};

use jiff::Timestamp;
use ringpost::{
    outbox::{
        Delivery,
        Status::{Dead, Delivered},
        Wish, items,
    },
    settings::{
        self, EwsAccess, EwsLogin, EwsServer, EwsVersion, GraphDelivery, Mail, MailAuth, MailTls, MailUrl,
        OAuth, PASSWORD_REST, Proof, Secret,
    },
};
use ringpost_actors::{
    channel::{Channel, Ews, Graph, Smtp, Webhook, token::Tokens},
    outbox::PostAll,
};

use authority::Authority;
use servers::{Ports, Servers};
use support::{by_mail, chain, list, log::Log, outbox, schedule, settled};

/// Whom all of them want to reach; `*.corp.test` speaks for it.
const NAME: &str = "mail.corp.test";

/// Every client, by the name that its channel has here.
const CLIENTS: [&str; 9] = [
    "smtps",
    "starttls",
    "smtp-token",
    "ews-basic",
    "ews-ntlm",
    "ews-token",
    "graph",
    "graph-token",
    "webhook",
];

/// Makes the clients that talk to a server under test, and to an honest one beside it.
struct Maker {
    ca: PathBuf,
    pem: String,
    tested: Ports,
    honest: Ports,
}

impl Maker {
    fn client(&self, name: &str) -> Arc<dyn Channel> {
        let at = |port: u16, path: &str| format!("https://{NAME}:{port}{path}");
        let (tested, honest) = (self.tested, self.honest);
        let basic = EwsLogin::Basic { user: "svc".into(), password: Secret("pw".into()) };
        match name {
            "smtps" => self.smtp(tested.smtps, MailTls::Implicit, MailAuth::Password),
            "starttls" => self.smtp(tested.starttls, MailTls::Required, MailAuth::Password),
            "smtp-token" => {
                let auth = MailAuth::OAuth(Box::new(oauth(at(tested.http, "/token"))));
                self.smtp(honest.smtps, MailTls::Implicit, auth)
            }
            "ews-basic" => self.ews(at(tested.http, "/EWS"), basic),
            "ews-ntlm" => {
                let ntlm = EwsLogin::Ntlm { user: "CORP\\svc".into(), password: Secret("pw".into()) };
                self.ews(at(tested.http, "/EWS"), ntlm)
            }
            "ews-token" => {
                self.ews(at(honest.http, "/EWS"), EwsLogin::OAuth(oauth(at(tested.http, "/token"))))
            }
            "graph" => self.graph(at(tested.http, "/v1.0"), at(honest.http, "/token")),
            "graph-token" => self.graph(at(honest.http, "/v1.0"), at(tested.http, "/token")),
            "webhook" => {
                let settings = settings::Webhook {
                    url: at(tested.http, "/hook"),
                    secret: None,
                    token: Some(("X-Api-Key".into(), Secret("t0ken".into()))),
                    ca: Some(self.ca.clone()),
                    timeout: Duration::from_secs(5),
                    template: None,
                };
                Arc::new(Webhook::resolving(settings, &names()).expect("a client"))
            }
            other => panic!("no client {other}"),
        }
    }

    fn smtp(&self, port: u16, tls: MailTls, auth: MailAuth) -> Arc<dyn Channel> {
        let login = Some(("me".to_owned(), Secret("pw".into())));
        let url = MailUrl::Smtp { host: NAME.into(), port, tls, login };
        let mail = Mail { url, from: "um@corp.test".into(), ca: None, auth, password_rest: PASSWORD_REST };
        let smtp = Smtp::resolving(&mail, &Tokens::default(), Some(self.pem.as_bytes()), &names());
        Arc::new(smtp.expect("a client"))
    }

    fn ews(&self, url: String, login: EwsLogin) -> Arc<dyn Channel> {
        let settings = settings::Ews {
            server: EwsServer::Url(url),
            login,
            from: "um@corp.test".into(),
            access: EwsAccess::Impersonation,
            version: EwsVersion::Exchange2013,
            ca: Some(self.ca.clone()),
            request_timeout: Duration::from_secs(5),
            password_rest: PASSWORD_REST,
        };
        Arc::new(Ews::resolving(settings, &Tokens::default(), &names()).expect("a client"))
    }

    fn graph(&self, url: String, token_url: String) -> Arc<dyn Channel> {
        let settings = settings::Graph {
            url,
            from: "um@corp.test".into(),
            deliver: GraphDelivery::Json,
            ca: Some(self.ca.clone()),
            oauth: oauth(token_url),
        };
        Arc::new(Graph::resolving(&settings, &Tokens::default(), &names()).expect("a client"))
    }
}

fn oauth(token_url: String) -> OAuth {
    OAuth { token_url, client_id: "app".into(), scope: "s".into(), proof: Proof::Secret(Secret("x".into())) }
}

fn names() -> [(String, SocketAddr); 1] {
    [(NAME.into(), ([127, 0, 0, 1], 0).into())]
}

/// The log of this process.
fn log() -> Log {
    let log = Log::default();
    let writer = Mutex::new(log.clone());
    tracing_subscriber::fmt().with_ansi(false).with_writer(writer).init();
    log
}

#[test]
fn t21_only_the_right_certificate_gets_a_notice_a_password_or_a_token() {
    let log = log();
    let folder = tempfile::tempdir().expect("a folder");
    let ours = Authority::new("ours");
    let ca = ca(folder.path(), &ours);
    let honest = Servers::start(&ours.signs(&authority::params(&[NAME])));
    for (certificate, pair, refused) in certificates::table(&ours) {
        let tested = Servers::start(&pair);
        let maker = Maker { ca: ca.clone(), pem: ours.pem(), tested: tested.ports, honest: honest.ports };
        let clients = CLIENTS.map(|name| (name, maker.client(name)));
        let chains = CLIENTS.map(|name| chain(&[name]));
        let ends = actix::System::new().block_on(async {
            let (outbox, scribe) = outbox(None, schedule(Duration::from_millis(30)), &clients);
            let notice = by_mail(certificate, "tu@corp.test").notice;
            let items = items(&notice, &chains, Timestamp::now(), &Wish::default());
            outbox.send(PostAll(items)).await.expect("alive").expect("written");
            settled(&scribe).await;
            list(&scribe, None).await
        });
        let log = log.take();
        assert_eq!(ends.len(), CLIENTS.len());
        for end in ends {
            let (client, reason) = (end.item.way.channel().to_string(), end.reason.unwrap_or_default());
            let Some(words) = refused else {
                assert_eq!((end.status, reason.as_str()), (Delivered, ""), "{client} with {certificate}");
                continue;
            };
            assert_eq!(end.status, Dead, "{client} with {certificate}");
            assert!(reason.contains(words), "{client} with {certificate}: {reason}");
            let told = |line: &&str| line.contains(&format!("channel=\"{client}\"")) && line.contains(words);
            assert!(log.lines().any(|line| told(&line)), "{client} with {certificate}: {log}");
        }
        let heard = tested.heard();
        match refused {
            None => assert!(heard.len() > CLIENTS.len(), "{heard:?}"),
            Some(_) => assert!(heard.is_empty(), "{certificate}: {heard:?}"),
        }
    }
}

/// T21: opportunistic TLS stays TLS: a server that has offered STARTTLS once does not speak in the open any more.
#[test]
fn t21_who_strips_starttls_later_gets_nothing_either() {
    let ours = Authority::new("ours");
    let server = Servers::start(&ours.signs(&authority::params(&[NAME])));
    let url = MailUrl::Smtp {
        host: NAME.into(),
        port: server.ports.starttls,
        tls: MailTls::Opportunistic,
        login: None,
    };
    let (from, auth) = ("um@corp.test".into(), MailAuth::Password);
    let mail = Mail { url, from, ca: None, auth, password_rest: PASSWORD_REST };
    let smtp = || {
        let pem = ours.pem();
        Smtp::resolving(&mail, &Tokens::default(), Some(pem.as_bytes()), &names()).expect("a client")
    };
    let item = by_mail("1", "tu@corp.test");
    actix::System::new().block_on(async {
        let knows = smtp();
        assert_eq!(knows.deliver(&item).await, Delivery::Delivered);
        let by_tls = server.heard().len();
        server.stripped.store(true, SeqCst);
        let end = knows.deliver(&item).await;
        assert!(matches!(&end, Delivery::Down { reason, .. } if reason.contains("STARTTLS")), "{end:?}");
        assert!(
            server.heard()[by_tls..].iter().all(|line| line.starts_with("EHLO ")),
            "{:?}",
            server.heard()
        );
        // Whoever has never seen it offered takes it as it is: that is what opportunistic means (RFC 7435).
        assert_eq!(smtp().deliver(&item).await, Delivery::Delivered);
    });
}

fn ca(folder: &Path, ours: &Authority) -> PathBuf {
    let path = folder.join("ca.pem");
    fs::write(&path, ours.pem()).expect("a file");
    path
}
