//! A domain controller (Samba) in a network of its own, since its ports are fixed: `uSNChanged`, `objectGUID`, referrals to its
//! other naming contexts, logins by `user@domain` and `DOMAIN\user`, and by a Kerberos ticket where the build has it.

use std::{
    env,
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use ringpost::{
    directory::ldap::{Attributes, Filter, Profile},
    settings::{Ldap, LdapBind, LdapServer, LdapTls, Secret},
};
use ringpost_actors::{
    directory::{mirror::Mirror, servers::Servers},
    metrics::METRICS,
};

use crate::{
    authority::{Authority, params},
    poll, runtime,
    slapd::{NAME, names, settings},
    support::Running,
};

const BASE: &str = "DC=corp,DC=test";
const ADMIN: &str = "Passw0rd!x";
const READER: &str = "Svcpw!234";

#[test]
fn a_domain_controller_is_mirrored_by_its_numbers_of_changes() {
    let programs =
        ["/usr/bin/samba-tool", "/usr/sbin/samba", "/usr/bin/ldapmodify", "/usr/sbin/ip", "/usr/bin/unshare"];
    let missing = programs.iter().find(|path| !Path::new(path).exists());
    if let Some(missing) = missing {
        println!("skipped: no {missing}");
        return;
    }
    if !Command::new("unshare").args(["--net", "true"]).status().is_ok_and(|status| status.success()) {
        println!("skipped: a network of its own needs root");
        return;
    }
    let kerberos = tempfile::tempdir().expect("a folder");
    let config = "[libdefaults]\ndefault_realm = CORP.TEST\ndns_lookup_kdc = false\ndns_canonicalize_hostname = false\nrdns = false\n\
                  [realms]\nCORP.TEST = {\nkdc = 127.0.0.1\n}\n[domain_realm]\n.corp.test = CORP.TEST\n";
    fs::write(kerberos.path().join("krb5.conf"), config).expect("a file");
    let own = env::current_exe().expect("a program");
    let ran = Command::new("unshare")
        .arg("--net")
        .arg(own)
        .args(["--exact", "samba::in_a_network_of_its_own", "--ignored", "--nocapture"])
        .env("RINGPOST_OWN_NETWORK", "1")
        .env("KRB5_CONFIG", kerberos.path().join("krb5.conf"))
        .env("KRB5CCNAME", kerberos.path().join("tickets"))
        .output()
        .expect("it runs");
    let told = [ran.stdout, ran.stderr].map(|octets| String::from_utf8_lossy(&octets).into_owned()).concat();
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
    told.lines().filter(|line| line.contains("skipped: ")).for_each(|line| println!("{line}"));
}

#[test]
#[ignore = "started by the test above, behind unshare"]
fn in_a_network_of_its_own() {
    assert!(env::var_os("RINGPOST_OWN_NETWORK").is_some(), "only by the test above: it opens port 389");
    run("ip", &["link", "set", "lo", "up"]);
    let Some(dc) = Dc::start() else { return };
    runtime().block_on(async {
        let mut mirror = Mirror::new(Arc::new(dc.settings(LdapTls::Implicit, "svc-uc@corp.test")), Arc::default());
        let mut servers = dc.servers(LdapTls::Implicit, "svc-uc@corp.test", READER);
        let not_followed = METRICS.directory_referrals_total.get();
        let first = poll(&mut mirror, &mut servers).await.expect("it answers");
        assert!(first.whole && first.persons >= 24, "{first:?}");
        assert!(METRICS.directory_referrals_total.get() > not_followed, "its other naming contexts");
        let id = |mirror: &Mirror, name: &str| {
            mirror.roster().persons().find(|person| person.name == name).map(|person| (person.id, person.dn))
        };
        let before = id(&mirror, "First1 Last1").expect("a user");
        let mut told = async || {
            let summary = poll(&mut mirror, &mut servers).await.expect("it answers");
            (summary.whole, summary.added, summary.changed, summary.removed)
        };
        assert_eq!(told().await, (false, 0, 0, 0));
        dc.changes(&user(21));
        assert_eq!(told().await, (false, 1, 0, 0));
        dc.changes(&format!(
            "dn: CN=User 1,CN=Users,{BASE}\nchangetype: modify\nreplace: telephoneNumber\ntelephoneNumber: +49 30 1\n\n\
             dn: CN=User 1,CN=Users,{BASE}\nchangetype: modrdn\nnewrdn: CN=Renamed\ndeleteoldrdn: 1\n"
        ));
        assert_eq!(told().await, (false, 0, 1, 0));
        dc.changes(&format!("dn: CN=User 2,CN=Users,{BASE}\nchangetype: delete\n"));
        assert_eq!(told().await, (false, 0, 0, 1));
        let after = id(&mirror, "First1 Last1").expect("the same user");
        assert_eq!(after, (before.0, format!("CN=Renamed,CN=Users,{BASE}")));
        // The other ways in, and those that lead nowhere.
        let refused = async |tls, name: &str, password: &str| {
            let mut servers = dc.servers(tls, name, password);
            servers.session(&[]).await.map(drop).map_err(|refusal| refusal.to_string())
        };
        assert_eq!(refused(LdapTls::Start, "CORP\\svc-uc", READER).await, Ok(()));
        assert_eq!(refused(LdapTls::Start, &format!("CN=svc-uc,CN=Users,{BASE}"), READER).await, Ok(()));
        let wrong = refused(LdapTls::Implicit, "svc-uc@corp.test", "wrong").await.expect_err("a wrong password");
        assert!(wrong.contains("refuses the user name or the password"), "{wrong}");
        let open = refused(LdapTls::Never, "svc-uc@corp.test", READER).await.expect_err("T22");
        assert!(open.contains("takes no login without TLS (result 8)"), "{open}");
        let by_ticket = async |tls| {
            let settings = Ldap { bind: LdapBind::Gssapi, ..dc.settings(tls, "") };
            let mut servers = Servers::new(Arc::new(settings.clone())).expect("a CA").resolving(&names());
            let mut mirror = Mirror::new(Arc::new(settings), Arc::default());
            poll(&mut mirror, &mut servers).await.map_err(|refusal| refusal.to_string())
        };
        let without = by_ticket(LdapTls::Implicit).await.expect_err("no ticket");
        if !cfg!(feature = "gssapi") {
            assert!(without.contains("built without Kerberos"), "{without}");
            println!("skipped: logins by ticket need --features gssapi");
            return;
        }
        assert!(without.contains("is there a ticket"), "{without}");
        kinit("svc-uc", READER);
        for tls in [LdapTls::Implicit, LdapTls::Start] {
            let read = by_ticket(tls).await.expect("it answers");
            assert_eq!(read.persons, mirror.roster().len(), "{tls:?}");
        }
    });
}

struct Dc {
    folder: tempfile::TempDir,
    _running: Running,
}

impl Dc {
    /// Provisions and starts it with 20 users; `None` and a word where it cannot be provisioned here.
    fn start() -> Option<Self> {
        // Where it writes to the disk at each step it takes minutes.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder");
        let at = folder.path();
        let ours = Authority::new("ours");
        fs::write(at.join("ca.pem"), ours.pem()).expect("a file");
        ours.signs(&params(&[NAME, "127.0.0.1"])).writes(at, "own");
        run("chmod", &["600", &at.join("own.key").display().to_string()]);
        let option = |name: &str, file: &str| format!("--option={name}={}", at.join(file).display());
        let provisioned = Command::new("samba-tool")
            .args(["domain", "provision", "--server-role=dc", "--realm=CORP.TEST", "--domain=CORP"])
            .args(["--dns-backend=NONE", "--host-name=dc1", "--host-ip=127.0.0.1", "--use-rfc2307"])
            .args([format!("--adminpass={ADMIN}"), format!("--targetdir={}", at.display())])
            .args(["--option=interfaces=lo", "--option=bind interfaces only=yes"])
            .args([
                option("tls certfile", "own.pem"),
                option("tls keyfile", "own.key"),
                option("tls cafile", "ca.pem"),
            ])
            .arg("--option=server services=ldap,cldap,kdc")
            .arg("--option=ldap server require strong auth=allow_sasl_over_tls")
            .output()
            .expect("samba-tool");
        if !provisioned.status.success() {
            let why = String::from_utf8_lossy(&provisioned.stderr).into_owned();
            println!("skipped: Samba cannot be provisioned: {}", why.lines().last().unwrap_or_default());
            return None;
        }
        let config = at.join("etc/smb.conf").display().to_string();
        let log = File::create(at.join("samba.log")).expect("a file");
        let child = Command::new("/usr/sbin/samba")
            .args(["-s", &config, "--foreground", "--no-process-group", "-M", "single"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn()
            .expect("samba");
        let dc = Self { folder, _running: Running(child) };
        crate::program::within(Duration::from_secs(120), "the domain controller listens", || {
            [389, 636].iter().all(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
        run("samba-tool", &["user", "create", "svc-uc", READER, "-s", &config]);
        // What its service for DNS would do, which does not run here.
        run("samba-tool", &["spn", "add", "ldap/dc1.corp.test", "DC1$", "-s", &config]);
        dc.changes(&(1..=20).map(user).collect::<String>());
        Some(dc)
    }

    fn changes(&self, ldif: &str) {
        let mut asked = Command::new("ldapmodify")
            .args(["-x", "-H", "ldaps://127.0.0.1", "-D", "Administrator@corp.test", "-w", ADMIN])
            .env("LDAPTLS_CACERT", self.folder.path().join("ca.pem"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ldapmodify");
        asked.stdin.take().expect("piped").write_all(ldif.as_bytes()).expect("it reads");
        let done = asked.wait_with_output().expect("it ends");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    fn settings(&self, tls: LdapTls, name: &str) -> Ldap {
        let port = if tls == LdapTls::Implicit { 636 } else { 389 };
        let host = if tls == LdapTls::Never { "127.0.0.1" } else { NAME };
        let server = LdapServer { host: host.to_owned(), port, tls };
        Ldap {
            bind: LdapBind::Simple(name.to_owned(), Secret(READER.to_owned())),
            page: 7,
            timeout: Duration::from_secs(30),
            bases: vec![BASE.to_owned()],
            configuration: Some(format!("CN=Configuration,{BASE}")),
            filter: Filter::Written(Profile::ActiveDirectory.persons().to_owned()),
            profile: Profile::ActiveDirectory,
            attributes: Attributes::of(Profile::ActiveDirectory),
            ..settings(vec![server], self.folder.path())
        }
    }

    fn servers(&self, tls: LdapTls, name: &str, password: &str) -> Servers {
        let mut settings = self.settings(tls, name);
        settings.bind = LdapBind::Simple(name.to_owned(), Secret(password.to_owned()));
        Servers::new(Arc::new(settings)).expect("a CA").resolving(&names())
    }
}

fn user(number: usize) -> String {
    format!(
        "dn: CN=User {number},CN=Users,{BASE}\nchangetype: add\nobjectClass: user\nsAMAccountName: user{number}\n\
         userPrincipalName: user{number}@corp.test\ndisplayName: First{number} Last{number}\nmail: user{number}@corp.test\n\
         telephoneNumber: +49 30 900-{number:05}\nproxyAddresses: SMTP:user{number}@corp.test\n\
         proxyAddresses: sip:user{number}@corp.test\n\n"
    )
}

fn run(program: &str, words: &[&str]) {
    let ran = Command::new(program).args(words).output().expect(program);
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// Gets a ticket into the cache of the environment.
fn kinit(name: &str, password: &str) {
    let mut asked =
        Command::new("kinit").arg(name).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("kinit");
    asked.stdin.take().expect("piped").write_all(format!("{password}\n").as_bytes()).expect("it reads");
    assert!(asked.wait().expect("it ends").success());
}
