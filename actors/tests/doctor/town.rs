//! A site with everything, and the servers that it names.

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering::SeqCst},
    },
    time::Duration,
};

use ringpost::doctor::{Report, Step, Verdict, kind};
use ringpost_actors::doctor::{Asked, examine};
use rustls::ServerConfig;
use tempfile::TempDir;

use crate::{
    authority::{Authority, Pair, lasting, params, server_config},
    dns::Dns,
    exchange::Exchange,
    sip::Answerer,
    smtp::Smtp,
    support::{
        http::{Asked as HttpAsked, Reply, Server},
        ports,
    },
};

/// What no output may show.
pub const SECRETS: [&str; 5] = ["pa55word", "exchange-pass", "graph-s3cret", "t0ken-of-hook", "query-s3cret"];

/// What EWS says of a mailbox.
pub const OPEN: &str = "<Envelope><Body><GetFolderResponse><ResponseMessages>\
    <GetFolderResponseMessage ResponseClass=\"Success\"><ResponseCode>NoError</ResponseCode>\
    </GetFolderResponseMessage></ResponseMessages></GetFolderResponse></Body></Envelope>";

pub struct Town {
    pub folder: TempDir,
    pub dns: Dns,
    pub authority: &'static Authority,
    pub pbx: Answerer,
    pub sbc: Answerer,
    pub um: Answerer,
    pub smtp: Smtp,
    pub graph: Exchange,
    pub ews: Server,
    /// The status that EWS answers a GET with, and whether it opens mailboxes.
    pub knocks: Arc<AtomicU16>,
    pub opens: Arc<AtomicU16>,
    pub hook: Server,
    pub hooked: Arc<AtomicU16>,
    pub sip: u16,
    pub rtp: u16,
    pub text: String,
}

fn served(authority: &Authority, names: &[&str]) -> Arc<ServerConfig> {
    server_config(&authority.signs(&params(names)))
}

impl Town {
    /// A healthy one.
    pub fn new() -> Self {
        Self::showing(|authority| authority.signs(&params(&["sbc.corp.test"])))
    }

    /// One whose SBC shows another certificate.
    pub fn showing(sbc: impl FnOnce(&Authority) -> Pair) -> Self {
        let authority = lasting("town");
        let folder = tempfile::tempdir().expect("a folder");
        authority.site(folder.path(), &["corp.test", "127.0.0.1"]);
        let local = || served(authority, &["127.0.0.1"]);
        let (pbx, um) = (Answerer::udp(), Answerer::stream(None));
        let sbc = Answerer::stream(Some(server_config(&sbc(authority))));
        let status = |code: u16| Arc::new(AtomicU16::new(code));
        let (knocks, opens, hooked) = (status(401), status(200), status(204));
        let (knock, open, hooks) = (knocks.clone(), opens.clone(), hooked.clone());
        let ews =
            Server::start(Some(local()), move |asked| exchange(asked, knock.load(SeqCst), open.load(SeqCst)));
        let hook = Server::start(Some(local()), move |asked| {
            assert_eq!((asked.method.as_str(), asked.path.as_str()), ("OPTIONS", "/hook"), "nothing else");
            assert_eq!(asked.header("x-api-key"), None, "nor with the token");
            Reply::Say(hooks.load(SeqCst), vec![], vec![])
        });
        let (smtp, graph) = (Smtp::start(local()), Exchange::start(Some(local())));
        let zone = format!(
            "pbx.corp.test NAPTR 10 10 s SIP+D2U _sip._udp.pbx.corp.test\n\
             _sip._udp.pbx.corp.test SRV 1 1 {} host.corp.test\n\
             host.corp.test A 127.0.0.1\nsbc.corp.test A 127.0.0.1\num.corp.test A 127.0.0.1\n\
             desk.corp.test A 127.0.0.1",
            pbx.address.port()
        );
        let mut town = Self {
            folder,
            dns: Dns::new(&zone),
            authority,
            pbx,
            sbc,
            um,
            smtp,
            graph,
            ews,
            knocks,
            opens,
            hook,
            hooked,
            sip: ports(3),
            rtp: (ports(10) + 1) & !1,
            text: String::new(),
        };
        town.writes_passwords();
        town.text = town.whole();
        town
    }

    fn writes_passwords(&self) {
        for (file, secret) in [("mail.password", SECRETS[0]), ("exchange.password", SECRETS[1])] {
            fs::write(self.path(file), secret).expect("written");
        }
        fs::write(self.path("online.secret"), SECRETS[2]).expect("written");
        fs::write(self.path("hook.token"), SECRETS[3]).expect("written");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn whole(&self) -> String {
        let (udp, tls, metrics) = (self.sip, self.sip + 1, self.sip + 2);
        let (sbc, um) = (self.sbc.address.port(), self.um.address.port());
        let (smtp, ews, hook) = (self.smtp.port, self.ews.port, self.hook.port);
        let (rtp, last) = (self.rtp, self.rtp + 7);
        let (graph, token) = (self.graph.url("/v1.0"), self.graph.url("/t/token"));
        let (keys, dns) = (
            "[tls]\ncertificates = [\"own.pem\"]\nkeys = [\"own.key\"]\nca = \"ca\"\n",
            self.dns.table("timeout = \"1s\"\n"),
        );
        format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:{udp}\", \"tcp:127.0.0.1:{udp}\", \"tls:127.0.0.1:{tls}\"]\n\
             domain = \"corp.test\"\nlanes = 1\nmax_connections = 100\n{keys}{dns}\
             [[trunk]]\nname = \"pbx\"\nsources = [\"127.0.0.1\"]\ntarget = \"sip:pbx.corp.test\"\nprefixes = [\"+49\"]\n\
             [[trunk]]\nname = \"provider\"\nsources = [\"127.0.0.2\"]\n\
             target = \"sip:sbc.corp.test:{sbc};transport=tls\"\nprefixes = [\"+\"]\n\
             [um.plan.main]\nservers = [\"embedded\", \"sip:um.corp.test:{um};transport=tcp\"]\n\
             [voicemail]\nrtp_ports = \"{rtp}-{last}\"\nrecordings = \"recordings\"\n\
             [[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\nmail = \"ada@corp.test\"\num_plan = \"main\"\n\
             devices = [\"sip:desk@desk.corp.test\"]\ntime_zone = \"Europe/Copenhagen\"\n\
             [mail]\nurl = \"smtp://svc@127.0.0.1:{smtp}?starttls=required\"\nfrom = \"rp@corp.test\"\n\
             password_file = \"mail.password\"\nca = \"ca/own.pem\"\n\
             [channel.exchange]\nkind = \"ews\"\nurl = \"https://127.0.0.1:{ews}/EWS/Exchange.asmx\"\nauth = \"basic\"\n\
             user = \"svc@corp.test\"\npassword_file = \"exchange.password\"\nfrom = \"rp@corp.test\"\nca = \"ca/own.pem\"\n\
             [channel.online]\nkind = \"graph\"\nurl = \"{graph}\"\nfrom = \"rp@corp.test\"\nca = \"ca/own.pem\"\n\
             token_url = \"{token}\"\nclient_id = \"app\"\nclient_secret_file = \"online.secret\"\n\
             [channel.hook]\nkind = \"webhook\"\nurl = \"https://127.0.0.1:{hook}/hook?key={}\"\ntoken_file = \"hook.token\"\n\
             token_header = \"X-Api-Key\"\nca = \"ca/own.pem\"\n\
             [channel.archive]\nkind = \"maildir\"\npath = \"archive\"\nfrom = \"rp@corp.test\"\n\
             [store]\npath = \"store.db\"\n[metrics]\nlisten = \"127.0.0.1:{metrics}\"\n",
            SECRETS[4]
        )
    }

    /// Other words in the site file.
    pub fn replaces(&mut self, old: &str, new: &str) {
        assert!(self.text.contains(old), "{old}");
        self.text = self.text.replacen(old, new, 1);
    }

    /// Writes the site file.
    pub fn writes(&self) -> PathBuf {
        let file = self.path("site.toml");
        fs::write(&file, &self.text).expect("written");
        file
    }

    /// What the doctor says of it.
    pub fn report(&self) -> Report {
        self.reports(|_| {})
    }

    /// The same, asked otherwise.
    pub fn reports(&self, change: impl FnOnce(&mut Asked)) -> Report {
        let mut asked =
            Asked { file: self.writes(), user: None, only: None, timeout: Duration::from_secs(5) };
        change(&mut asked);
        let report = actix::System::new().block_on(async { examine(&asked).await });
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        for step in &report.steps {
            assert!(kind(&step.name).is_some(), "nobody knows of {}", step.name);
        }
        for secret in SECRETS {
            assert!(
                !report.text(true).contains(secret) && !report.json().contains(secret),
                "{secret} is shown"
            );
        }
        report
    }
}

/// Exchange: asks for credentials, and opens mailboxes for the right ones. `opens`: 200, or 404 for a mailbox that is none.
fn exchange(asked: &HttpAsked, knocks: u16, opens: u16) -> Reply {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let good = format!("Basic {}", STANDARD.encode("svc@corp.test:exchange-pass"));
    match (asked.method.as_str(), asked.header("authorization")) {
        ("GET", None) => Reply::Say(knocks, vec![], vec![]),
        ("POST", Some(login)) if login == good => {
            assert!(asked.text().contains("<m:GetFolder>"), "{}", asked.text());
            let says = if opens == 200 { "NoError" } else { "ErrorNonExistentMailbox" };
            let class = if opens == 200 { "Success" } else { "Error" };
            let body = OPEN.replace("NoError", says).replace("Success", class);
            Reply::Say(200, vec![], body.into_bytes())
        }
        ("POST", _) => Reply::Say(401, vec![("WWW-Authenticate", "Basic".into())], vec![]),
        other => panic!("{other:?}"),
    }
}

/// The step of that name.
pub fn step<'r>(report: &'r Report, name: &str) -> &'r Step {
    let found = report.steps.iter().find(|step| step.name == name);
    found.unwrap_or_else(|| panic!("no step {name} in {}", report.text(false)))
}

/// Every step with its verdict.
pub fn verdicts(report: &Report) -> Vec<(String, Verdict)> {
    report.steps.iter().map(|step| (step.name.clone(), step.found.verdict)).collect()
}
