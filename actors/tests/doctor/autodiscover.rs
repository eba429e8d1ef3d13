//! R28 R31: Autodiscover and EWS as the doctor asks them: what lives, and who sees the credentials.

use std::{fs, time::Duration};

use ringpost::settings::{
    Autodiscover, Ews as Settings, EwsAccess, EwsLogin, EwsServer, EwsVersion, PASSWORD_REST, Place, Secret,
};
use ringpost_actors::channel::{Ews, Knock, Shut, token::Tokens};
use serde_json::json;

use crate::{
    authority::{Authority, params, server_config},
    emulator::Emulator,
    support::http::{Asked, Reply, Server},
    town::OPEN,
};

const NAMES: [&str; 2] = ["corp.test", "autodiscover.corp.test"];
const INVALID: &str = "<Autodiscover><Response><Error><ErrorCode>600</ErrorCode><Message>Invalid Request</Message>\
                       </Error></Response></Autodiscover>";

fn settings(server: EwsServer, password: &str) -> Settings {
    let password = Secret(password.into());
    Settings {
        server,
        login: EwsLogin::Basic { user: "svc@corp.test".into(), password },
        from: "um@corp.test".into(),
        access: EwsAccess::Impersonation,
        version: EwsVersion::Exchange2013,
        ca: None,
        request_timeout: Duration::from_secs(3),
        password_rest: PASSWORD_REST,
    }
}

struct World {
    server: Server,
    folder: tempfile::TempDir,
}

fn world(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> World {
    let (folder, authority) = (tempfile::tempdir().expect("a folder"), Authority::new("ours"));
    fs::write(folder.path().join("ca.pem"), authority.pem()).expect("a file");
    let tls = server_config(&authority.signs(&params(&NAMES)));
    World { server: Server::start(Some(tls), answer), folder }
}

impl World {
    fn ews(&self, password: &str) -> Ews {
        let ports = (self.server.port, 9);
        let order = vec![Place::Domain, Place::Host];
        let server =
            EwsServer::Autodiscover(Autodiscover { order, hosts: vec![], keep: Duration::ZERO, ports });
        let settings = Settings { ca: Some(self.folder.path().join("ca.pem")), ..settings(server, password) };
        let names = NAMES.map(|name| (name.to_owned(), ([127, 0, 0, 1], 0).into()));
        Ews::resolving(settings, &Tokens::default(), &names).expect("a channel")
    }

    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/autodiscover/autodiscover.xml", self.server.port)
    }

    fn posts(&self) -> usize {
        self.server.asked().iter().filter(|asked| asked.method == "POST").count()
    }
}

/// "600 Invalid Request" means that Autodiscover is alive.
#[test]
fn r31_what_lives_asks_for_credentials_or_says_600() {
    for (status, body, expected) in [
        (401, "", Knock::Lives("401: it lives and asks for credentials".into())),
        (200, INVALID, Knock::Lives("600 Invalid Request: it lives".into())),
        (200, "<html>a web site</html>", Knock::Strange("HTTP 200".into())),
        (302, "", Knock::Redirects("302: it sends one elsewhere".into())),
        (404, "", Knock::Strange("HTTP 404".into())),
    ] {
        let world = world(move |asked| {
            assert_eq!(asked.header("authorization"), None);
            Reply::Say(status, vec![], body.as_bytes().to_vec())
        });
        let knocked = actix::System::new().block_on(world.ews("pw").knock(&world.url("corp.test")));
        assert_eq!(knocked, expected, "{status} {body}");
        let foreign = actix::System::new().block_on(world.ews("pw").knock("https://127.0.0.1:9/"));
        assert!(matches!(foreign, Knock::Nothing(_)), "{foreign:?}");
    }
}

/// R28: a bare domain that is a web site sees no credentials; a wrong password is shown to one place, once.
#[test]
fn r28_only_a_place_that_lives_is_shown_the_credentials() {
    let world = world(|asked| {
        let host = asked.header("host").expect("a host").split(':').next().expect("a name").to_owned();
        let port = asked.header("host").and_then(|host| host.split(':').nth(1)).expect("a port").to_owned();
        let good = asked.header("authorization") == Some("Basic c3ZjQGNvcnAudGVzdDpwdw==");
        match (asked.method.as_str(), host.as_str()) {
            ("GET", "corp.test") => Reply::Say(404, vec![], vec![]),
            ("GET", _) => Reply::Say(401, vec![], vec![]),
            ("POST", "autodiscover.corp.test") if good && asked.path == "/EWS" => {
                Reply::Say(200, vec![], OPEN.as_bytes().to_vec())
            }
            ("POST", "autodiscover.corp.test") if good => {
                let url = format!("https://autodiscover.corp.test:{port}/EWS");
                let said = format!(
                    "<Autodiscover><Protocol><Type>EXCH</Type><EwsUrl>{url}</EwsUrl></Protocol></Autodiscover>"
                );
                Reply::Say(200, vec![], said.into_bytes())
            }
            ("POST", "autodiscover.corp.test") => Reply::Say(401, vec![], vec![]),
            other => panic!("{other:?}"),
        }
    });
    actix::System::new().block_on(async {
        let ews = world.ews("pw");
        let url = ews.discovers("tu@corp.test").await.expect("it is found");
        assert!(url.ends_with("/EWS"), "{url}");
        assert_eq!(ews.opens_inbox(&url, "tu@corp.test").await, Ok(()));
        assert_eq!(world.posts(), 2);
        let refused = world.ews("wrong").discovers("tu@corp.test").await;
        assert!(matches!(refused, Err(Shut::Login(_))), "{refused:?}");
        assert_eq!(world.posts(), 3, "once");
    });
}

/// The question for the Inbox keeps to the published schema, with both kinds of access, and changes nothing.
#[test]
fn r31_the_inbox_opens_at_the_emulator_that_checks_the_schema() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(exchange) = Emulator::start(folder.path()) else { return };
    actix::System::new().block_on(async {
        for access in [EwsAccess::Impersonation, EwsAccess::Delegate] {
            let settings = settings(EwsServer::Url(exchange.url()), "pw");
            let settings = Settings { access, ca: Some(exchange.ca.clone()), ..settings };
            let ews = Ews::new(settings, &Tokens::default()).expect("a channel");
            assert!(matches!(ews.knock(&exchange.url()).await, Knock::Lives(_)));
            assert_eq!(ews.opens_inbox(&exchange.url(), "tu@corp.test").await, Ok(()), "{access:?}");
        }
        exchange.fails(&[json!({"kind": "code", "value": "ErrorImpersonateUserDenied"})]).await;
        let settings = settings(EwsServer::Url(exchange.url()), "pw");
        let ews = Ews::new(Settings { ca: Some(exchange.ca.clone()), ..settings }, &Tokens::default());
        let shut = ews.expect("a channel").opens_inbox(&exchange.url(), "tu@corp.test").await;
        assert_eq!(shut, Err(Shut::Other("ErrorImpersonateUserDenied".into())));
        assert_eq!((exchange.count("bad_requests").await, exchange.count("bad_responses").await), (0, 0));
        assert_eq!(exchange.items("tu@corp.test").await.len(), 0);
    });
}
