//! Linphone without a window, led by the commands that a person would type.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::support::ports;

/// How long the phone may take for anything: it looks at its sockets a few times a second.
const SLOW: Duration = Duration::from_secs(20);

pub struct Linphone {
    child: Child,
    port: u16,
    name: String,
    folder: PathBuf,
    /// How much of what it has printed is dealt with.
    read: usize,
}

impl Linphone {
    /// `None` and a word about it where linphonec is missing. `sip` are further lines of its `[sip]` section, `more` further
    /// sections.
    pub fn new(name: &str, folder: &Path, sip: &str, more: &str) -> Option<Self> {
        let port = ports(1);
        let rtp = ports(2);
        let folder = folder.join("linphone").join(name);
        // It writes its data base where it finds this folder, and complains otherwise.
        fs::create_dir_all(folder.join(".local/share/linphone")).expect("a folder");
        let tls = if sip.contains("root_ca") { "-1" } else { "0" };
        let settings = format!(
            "[sip]\nsip_port={port}\nsip_tcp_port=0\nsip_tls_port={tls}\nguess_hostname=0\nauto_net_state_mon=0\n\
             register_only_when_network_is_up=0\nmedia_encryption=none\ncontact=<sip:{name}@127.0.0.1:{port}>\n{sip}\n\
             [rtp]\naudio_rtp_port={rtp}\n[sound]\nplayback_dev_id=none\n{more}\n"
        );
        fs::write(folder.join("rc"), settings).expect("written");
        let out = File::create(folder.join("out")).expect("a file");
        let started = Command::new("linphonec")
            .args(["-c", "rc", "-d", "6", "-l", "log"])
            .current_dir(&folder)
            .env("HOME", &folder)
            .stdin(Stdio::piped())
            .stdout(out.try_clone().expect("a file"))
            .stderr(out)
            .spawn();
        let Ok(child) = started else {
            println!("skipped: linphonec is missing");
            return None;
        };
        let mut phone = Self { child, port, name: name.to_owned(), folder, read: 0 };
        phone.shows("linphonec>");
        phone.says("ipv6 disable", "ipv6 use disabled");
        phone.says("soundcard use files", "Using wav files");
        Some(phone)
    }

    /// Where it listens on UDP.
    pub fn uri(&self) -> String {
        format!("sip:{}@127.0.0.1:{}", self.name, self.port)
    }

    /// Types a command, and waits for what it shows then.
    pub fn says(&mut self, command: &str, shows: &str) {
        let typed = self.child.stdin.as_mut().map(|stdin| stdin.write_all(format!("{command}\n").as_bytes()));
        typed.expect("a pipe").expect("it reads");
        self.shows(shows);
    }

    /// Waits until it shows this, and forgets all that it has shown until then.
    pub fn shows(&mut self, words: &str) {
        let end = Instant::now() + SLOW;
        loop {
            let shown = self.shown();
            if let Some(found) = shown.get(self.read..).and_then(|new| new.find(words)) {
                self.read += found + words.len();
                return;
            }
            assert!(Instant::now() < end, "{} never showed {words:?}:\n{shown}", self.name);
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What it has logged, signalling and all.
    pub fn log(&self) -> String {
        self.file("log")
    }

    fn shown(&self) -> String {
        self.file("out")
    }

    fn file(&self, name: &str) -> String {
        fs::read(self.folder.join(name))
            .map_or(String::new(), |all| String::from_utf8_lossy(&all).into_owned())
    }

    /// Plays a tone to the far end from now on, and keeps what comes from there in a file.
    pub fn plays(&mut self, hertz: f64) -> PathBuf {
        let (tone, heard) = (self.folder.join("tone.wav"), self.folder.join("heard.wav"));
        fs::write(&tone, wav(hertz)).expect("written");
        self.says(&format!("play {}", tone.display()), "linphonec>");
        self.says(&format!("record {}", heard.display()), "linphonec>");
        heard
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Twenty seconds of a tone, 16 bits at 8 kHz.
fn wav(hertz: f64) -> Vec<u8> {
    const RATE: u32 = 8_000;
    let samples = (0..20 * RATE).flat_map(|at| {
        let angle = std::f64::consts::TAU * hertz * f64::from(at) / f64::from(RATE);
        ((12_000.0 * angle.sin()) as i16).to_le_bytes()
    });
    let samples: Vec<u8> = samples.collect();
    let mut wav = Vec::with_capacity(44 + samples.len());
    let length = samples.len() as u32;
    wav.extend(b"RIFF");
    wav.extend((36 + length).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(RATE.to_le_bytes());
    wav.extend((2 * RATE).to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(length.to_le_bytes());
    wav.extend(samples);
    wav
}
