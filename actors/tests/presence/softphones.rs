//! Real phones that watch: baresip's contacts and linphone's friends see who is busy and who is free.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    linphone::Linphone,
    support::{
        Over, Ringpost, ports,
        sipp::{self, Sipp},
        within,
    },
    watcher::site,
};

/// How long a phone may take.
const SLOW: Duration = Duration::from_secs(30);

/// Baresip without a window, with one contact that it watches.
struct Baresip {
    child: Child,
    control: u16,
    folder: PathBuf,
}

impl Baresip {
    /// `None` and a word about it where it is missing. It is the user 1002, and watches 1001.
    fn new(folder: &Path, ringpost: &Ringpost) -> Option<Self> {
        let folder = folder.join("watching");
        fs::create_dir_all(&folder).expect("a folder");
        // It opens the port after its own for TLS.
        let port = ports(3);
        let control = port + 2;
        let config = format!(
            "sip_listen 127.0.0.1:{port}\nnet_interface 127.0.0.1\nmodule_path /usr/lib/baresip/modules\nmodule g711.so\n\
             module_tmp uuid.so\nmodule_tmp account.so\nmodule_app contact.so\nmodule_app presence.so\nmodule_app menu.so\n\
             module_app ctrl_tcp.so\nctrl_tcp_listen 127.0.0.1:{control}\n"
        );
        fs::write(folder.join("config"), config).expect("written");
        fs::write(folder.join("accounts"), format!("<sip:1002@127.0.0.1:{port};transport=udp>;regint=0\n"))
            .expect("written");
        let contact = format!("\"Colleague\" <sip:1001@{}>;presence=p2p\n", ringpost.sip);
        fs::write(folder.join("contacts"), contact).expect("written");
        let log = File::create(folder.join("log")).expect("a file");
        let started = Command::new("baresip")
            .args(["-v", "-f"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn();
        let Ok(child) = started else {
            println!("skipped: baresip is missing");
            return None;
        };
        Some(Self { child, control, folder })
    }

    /// What it lists.
    fn contacts(&self) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.control)) else { return String::new() };
        let command = "{\"command\":\"contacts\"}";
        let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
        let _ = write!(stream, "{}:{command},", command.len());
        let (mut answer, mut octets) = (String::new(), [0; 4_096]);
        while let Ok(length @ 1..) = stream.read(&mut octets) {
            answer.push_str(&String::from_utf8_lossy(&octets[..length]));
            if answer.contains("response") {
                break;
            }
        }
        answer
    }

    fn shows(&self, state: &str) {
        let mut last = String::new();
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        let so = || {
            last = self.contacts();
            last.contains(state)
        };
        let seen = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| within(SLOW, state, so)));
        assert!(seen.is_ok(), "baresip never shows {state}: {last}\n{}", log());
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn baresip_sees_a_colleague_busy_and_free() {
    let site = site("users = \"full\"");
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let folder = site.folder.path().to_owned();
    let ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").start();
    let Some(watching) = Baresip::new(&folder, &ringpost) else { return };
    watching.shows("Online");
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    let mut talk = pbx.talks(&invite, &mut phone, &ringing);
    watching.shows("Busy");
    pbx.ends(&mut talk, &mut phone);
    watching.shows("Online");
    drop(watching);
    ringpost.is_well();
}

#[test]
fn linphone_sees_a_friend_busy_and_free() {
    let site = site("users = \"full\"");
    let (mut pbx, mut phone) = (site.peer(Over::Udp), site.peer(Over::Udp));
    let folder = site.folder.path().to_owned();
    let ringpost = site.user("1001", &[&phone], "").user("1002", &[], "").start();
    let Some(mut watching) = Linphone::new("1002", &folder, "subscribe_presence_only_when_registered=0", "")
    else {
        return;
    };
    watching.says(&format!("friend add Colleague sip:1001@{}", ringpost.sip), "linphonec>");
    watching.shows("is Online");
    let invite = pbx.invite("1001");
    let ringing = phone.expect("INVITE");
    let mut talk = pbx.talks(&invite, &mut phone, &ringing);
    watching.shows("is Busy");
    pbx.ends(&mut talk, &mut phone);
    watching.shows("is Online");
    drop(watching);
    ringpost.is_well();
}

/// An implementation that is not ours at the other end of the dialog: begins, is told, and ends.
#[test]
fn sipp_watches_on_udp_and_tcp() {
    if !sipp::is_there() {
        return;
    }
    for over in Over::BOTH {
        let site = site("users = \"full\"");
        let mut watchers = Sipp::new("watcher.xml", over, &site);
        let ringpost = site.user("1001", &[], "").user("1002", &[], "").start();
        let at = ringpost.sip.to_string();
        watchers.start(50, &["-s", "1001", "-r", "50", &at]);
        watchers.succeeds();
        ringpost.is_well();
    }
}
