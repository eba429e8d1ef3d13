//! An OpenLDAP server of a test's own: TLS only, no anonymous questions, pages only.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use ringpost::directory::ldap::{Attributes, Filter, Profile};
use ringpost::settings::{DirectoryUm, Ldap, LdapBind, LdapServer, LdapTalk, LdapTls, Secret};

use crate::{
    authority::{Authority, params},
    program::{ports, within},
    support::{Running, service},
};

pub const BASE: &str = "dc=corp,dc=test";
pub const USERS: &str = "ou=Users,dc=corp,dc=test";
/// Who reads.
pub const READER: &str = "cn=ringpost,dc=corp,dc=test";
pub const PASSWORD: &str = "reader's";
/// The name in its certificate.
pub const NAME: &str = "dc1.corp.test";

pub struct Slapd {
    pub folder: tempfile::TempDir,
    pub ldap: u16,
    pub ldaps: u16,
    running: Option<Running>,
}

/// Whether slapd is there; a word about it where it is not.
pub fn is_there() -> bool {
    let there =
        [Path::new("/usr/sbin/slapd"), Path::new("/usr/bin/ldapmodify")].iter().all(|path| path.exists());
    if !there {
        println!("skipped: no slapd or no ldap-utils");
    }
    there
}

/// The base entries, and as many users, numbered from 1.
pub fn people(count: usize) -> String {
    let mut ldif = format!(
        "dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: corp\no: corp\n\n\
         dn: {READER}\nobjectClass: person\ncn: ringpost\nsn: ringpost\nuserPassword: {PASSWORD}\n\n\
         dn: {USERS}\nobjectClass: organizationalUnit\nou: Users\n\n\
         dn: ou=Left,{BASE}\nobjectClass: organizationalUnit\nou: Left\n\n"
    );
    for number in 1..=count {
        // Two copies of a directory call their entries the same.
        let id = format!("objectClass: user\nentryUUID: 00000000-0000-4000-8000-{number:012}\n");
        ldif += &user(number).replacen("objectClass: user\n", &id, 1);
    }
    ldif
}

/// One user as LDIF.
pub fn user(number: usize) -> String {
    let mut ldif = String::new();
    write!(
        ldif,
        "dn: cn=User {number},{USERS}\nobjectClass: user\ncn: User {number}\nsn: Last{number}\ngivenName: First{number}\n\
         displayName: First{number} Last{number}\nsAMAccountName: user{number}\nmail: user{number}@corp.test\n\
         telephoneNumber: +49 30 900-{number:05}\nemployeeNumber: 7{number:04}\nmsRTCSIP-PrimaryUserAddress: sip:user{number}@corp.test\n\
         proxyAddresses: SMTP:user{number}@corp.test\nproxyAddresses: smtp:alias{number}@corp.test\n\n"
    )
    .expect("a string takes everything");
    ldif
}

impl Slapd {
    /// With these entries; `lines` of its configuration go before its database.
    pub fn start(ours: &Authority, entries: &str, lines: &str) -> Self {
        Self::at(ours, entries, lines, ports(2))
    }

    /// On that port and the next one.
    pub fn at(ours: &Authority, entries: &str, lines: &str, ldap: u16) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path();
        fs::create_dir(path.join("db")).expect("a folder");
        fs::write(path.join("ca.pem"), ours.pem()).expect("a file");
        ours.signs(&params(&[NAME, "127.0.0.1"])).writes(path, "own");
        let schema = service("slapd/users.schema");
        let (at, schema) = (path.display(), schema.display());
        let config = format!(
            "include /etc/ldap/schema/core.schema\ninclude /etc/ldap/schema/cosine.schema\n\
             include /etc/ldap/schema/inetorgperson.schema\ninclude {schema}\n\
             modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {at}/pid\n\
             TLSCACertificateFile {at}/ca.pem\nTLSCertificateFile {at}/own.pem\nTLSCertificateKeyFile {at}/own.key\n\
             localSSF 256\ndisallow bind_anon\nrequire authc\nsecurity simple_bind=128\nsizelimit 1000\n{lines}\n\
             database mdb\nmaxsize 1073741824\nsuffix \"{BASE}\"\nrootdn \"cn=root,{BASE}\"\nrootpw rootpw\n\
             directory {at}/db\nlimits users size.soft=1000 size.hard=1000 size.pr=1000 size.prtotal=unlimited\n\
             index objectClass,entryUUID,modifyTimestamp eq\ndbnosync\n\
             access to attrs=userPassword by anonymous auth by * none\naccess to * by users read\n"
        );
        fs::write(path.join("slapd.conf"), config).expect("a file");
        let mut slapd = Self { folder, ldap, ldaps: ldap + 1, running: None };
        let ldif = slapd.file("data.ldif");
        fs::write(&ldif, entries).expect("a file");
        let added = Command::new("/usr/sbin/slapadd")
            .args(["-q", "-f"])
            .arg(slapd.file("slapd.conf"))
            .arg("-l")
            .arg(ldif)
            .output()
            .expect("it runs");
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        slapd.goes_on();
        slapd
    }

    /// Starts again after it was killed.
    pub fn goes_on(&mut self) {
        let log = File::options().append(true).create(true).open(self.file("log")).expect("a file");
        let socket = self.file("socket").display().to_string().replace('/', "%2F");
        let listen =
            format!("ldap://127.0.0.1:{} ldaps://127.0.0.1:{} ldapi://{socket}", self.ldap, self.ldaps);
        let child = Command::new("/usr/sbin/slapd")
            .arg("-f")
            .arg(self.file("slapd.conf"))
            .args(["-h", &listen, "-d", "stats"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("slapd");
        self.running = Some(Running(child));
        within(Duration::from_secs(20), "slapd listens", || {
            [self.ldap, self.ldaps]
                .iter()
                .all(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok())
        });
    }

    /// Says LDIF with changes to it, as its owner.
    pub fn changes(&self, ldif: &str) {
        let socket = self.file("socket").display().to_string().replace('/', "%2F");
        let mut asked = Command::new("/usr/bin/ldapmodify")
            .args([
                "-x",
                "-H",
                &format!("ldapi://{socket}"),
                "-D",
                &format!("cn=root,{BASE}"),
                "-w",
                "rootpw",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ldapmodify");
        asked.stdin.take().expect("piped").write_all(ldif.as_bytes()).expect("it reads");
        let done = asked.wait_with_output().expect("it ends");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub fn pid(&self) -> u32 {
        self.running.as_ref().map_or(0, |running| running.0.id())
    }

    /// As by SIGKILL.
    pub fn dies(&mut self) {
        self.running = None;
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.file("log")).unwrap_or_default()).into_owned()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn server(&self, tls: LdapTls) -> LdapServer {
        let port = if tls == LdapTls::Implicit { self.ldaps } else { self.ldap };
        LdapServer { host: NAME.to_owned(), port, tls }
    }

    /// What a site says of it.
    pub fn settings(&self) -> Ldap {
        settings(vec![self.server(LdapTls::Implicit)], self.folder.path())
    }
}

/// A directory of the profile `openldap` below [`BASE`]; `folder` has its CA and takes its snapshot.
pub fn settings(servers: Vec<LdapServer>, folder: &Path) -> Ldap {
    Ldap {
        servers,
        bind: LdapBind::Simple(READER.to_owned(), Secret(PASSWORD.to_owned())),
        ca: Some(folder.join("ca.pem")),
        timeout: Duration::from_secs(10),
        talk: LdapTalk::default(),
        page: 500,
        poll: Duration::from_secs(300),
        full: Duration::from_secs(86_400),
        snapshot: folder.join("directory.snapshot"),
        bases: vec![BASE.to_owned()],
        configuration: None,
        filter: Filter::equal("objectClass", "user"),
        profile: Profile::OpenLdap,
        attributes: Attributes::of(Profile::OpenLdap),
        last_digits: 0,
        um: DirectoryUm::default(),
        users: None,
    }
}

/// The name of the certificate leads to loopback.
pub fn names() -> [(String, std::net::SocketAddr); 1] {
    [(NAME.to_owned(), ([127, 0, 0, 1], 0).into())]
}

/// As a site shares it.
pub fn shared(settings: Ldap) -> Arc<Ldap> {
    Arc::new(settings)
}
