//! NSD serves the zone of RFC 3263's example, and is killed.

use std::{
    fs,
    net::UdpSocket,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    QUICK,
    support::{Over, Peer, Site, metrics, ports, until},
};

struct Nsd {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Nsd {
    /// Serves a zone `example.test`; `None` where there is no NSD.
    fn new(records: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, root) = (ports(1), folder.path().display().to_string());
        let conf = format!(
            "server:\n  ip-address: 127.0.0.1\n  port: {port}\n  username: \"\"\n  chroot: \"\"\n  server-count: 1\n  \
             zonesdir: \"{root}\"\n  pidfile: \"{root}/pid\"\n  xfrdfile: \"{root}/xfrd\"\n  zonelistfile: \"{root}/zones\"\n  \
             xfrdir: \"{root}\"\n  database: \"\"\nremote-control:\n  control-enable: no\n\
             zone:\n  name: example.test\n  zonefile: zone\n"
        );
        let zone = format!(
            "$ORIGIN example.test.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n{records}"
        );
        fs::write(folder.path().join("conf"), conf).expect("written");
        fs::write(folder.path().join("zone"), zone).expect("written");
        let program = ["nsd", "/usr/sbin/nsd"].into_iter().find_map(|program| {
            let mut command = Command::new(program);
            command.args(["-d", "-c"]).arg(folder.path().join("conf"));
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
        });
        let Some(child) = program else {
            println!("skipped: no nsd");
            return None;
        };
        let nsd = Self { child, port, _folder: folder };
        until("NSD answers", || nsd.answers());
        Some(nsd)
    }

    /// Whether it answers a question for the SOA record.
    fn answers(&self) -> bool {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket");
        let question = b"\0\x01\0\0\0\x01\0\0\0\0\0\0\x07example\x04test\0\0\x06\0\x01";
        drop(socket.send_to(question, ("127.0.0.1", self.port)));
        let mut answer = [0; 512];
        // No error, at least one record.
        socket.recv(&mut answer).is_ok_and(|length| length > 12 && answer[3] & 15 == 0 && answer[7] > 0)
    }

    fn dies(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Drop for Nsd {
    fn drop(&mut self) {
        self.dies();
    }
}

#[test]
fn a_real_dns_server_leads_to_the_servers_of_rfc_3263_and_its_death_costs_nothing() {
    let site = Site::new();
    let mut first = Peer::new(Over::Tcp, "127.0.0.21", site.sip);
    let mut second = Peer::new(Over::Udp, "127.0.0.22", site.sip);
    let Some(mut nsd) = Nsd::new(&format!(
        "@ NAPTR 50 50 \"s\" \"SIPS+D2T\" \"\" _sips._tcp\n@ NAPTR 90 50 \"s\" \"SIP+D2T\" \"\" _sip._tcp\n\
         @ NAPTR 100 50 \"s\" \"SIP+D2U\" \"\" _sip._udp\n_sips._tcp SRV 0 1 5061 server1\n_sip._tcp SRV 0 1 {} server1\n\
         _sip._udp CNAME service\nservice CNAME farther\nfarther SRV 0 1 {} server2\nserver1 A 127.0.0.21\nserver2 CNAME elsewhere\nelsewhere A 127.0.0.22\n",
        first.address.port(),
        second.address.port()
    )) else {
        return;
    };
    let http = ports(1);
    let mut pbx = site.peer(Over::Udp);
    let ringpost = site
        .table(&format!("[dns]\nservers = [\"127.0.0.1:{}\"]\n{QUICK}", nsd.port))
        .table(&format!(
            "[metrics]\nlisten = \"127.0.0.1:{http}\"\n[[user]]\naddress = \"sip:1001@corp.test\"\nnumbers = [\"1001\"]\n\
             missed_calls = \"off\"\ndevices = [\"sip:desk@example.test\"]\n[[user]]\naddress = \"sip:1002@corp.test\"\n\
             numbers = [\"1002\"]\nmissed_calls = \"off\"\ndevices = [\"sip:desk@nobody.example.test\"]"
        ))
        .start();
    let invite = pbx.invite("1001");
    // TLS is no transport of this site, TCP comes next.
    let out = first.expect("INVITE");
    first.answer(&out, 503);
    first.expect("ACK");
    let out = second.expect("INVITE");
    second.answer(&out, 486);
    second.expect("ACK");
    pbx.refused(&invite, 486);
    let invite = pbx.invite("1002");
    pbx.refused(&invite, 480);
    assert!(metrics::number(http, "dns_queries_total") > 0);
    nsd.dies();
    // It is dead, its answers serve; the server that failed comes last now.
    let invite = pbx.invite("1001");
    let out = second.expect("INVITE");
    second.answer(&out, 486);
    second.expect("ACK");
    pbx.refused(&invite, 486);
    assert!(metrics::number(http, "dns_cache_hits_total") > 0);
    drop((pbx, first, second));
    ringpost.stops_well();
}
