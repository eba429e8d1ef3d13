//! Baresip, with audio that is heard: a phone that plays a tone, and recordings that are looked at for one.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use ringpost::voicemail::wav::{Format, Wav};

use crate::support::{ports, until};

/// A headless phone that plays a tone and keeps what it hears.
pub struct Phone {
    pid: String,
    port: u16,
    control: u16,
    folder: PathBuf,
}

impl Phone {
    /// `None` and a word about it where baresip is missing.
    pub fn new(name: &str, folder: &Path, mode: &str, hertz: u32) -> Option<Self> {
        Self::start(name, folder, (mode, hertz), &[])
    }

    /// One that registers by a password, and is at an address of its own.
    pub fn registering(name: &str, folder: &Path, mode: &str, hertz: u32, registrar: &str) -> Option<Self> {
        let host = [
            ("RINGPOST_PHONE_HOST", "127.0.0.2"),
            ("RINGPOST_PHONE_REGISTRAR", registrar),
            ("RINGPOST_PHONE_PASSWORD", "secret"),
        ];
        Self::start(name, folder, (mode, hertz), &host)
    }

    /// The same, and it watches its own mailbox.
    pub fn with_lamp(name: &str, folder: &Path, registrar: &str) -> Option<Self> {
        let host = [
            ("RINGPOST_PHONE_HOST", "127.0.0.2"),
            ("RINGPOST_PHONE_REGISTRAR", registrar),
            ("RINGPOST_PHONE_PASSWORD", "secret"),
            ("RINGPOST_PHONE_MODULE", "mwi.so"),
        ];
        Self::start(name, folder, ("manual", 440), &host)
    }

    /// What it tells as it happens, as netstrings of JSON.
    pub fn events(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.control)).expect("baresip listens")
    }

    /// The same over TLS; it believes nobody but that CA.
    pub fn secure(
        name: &str,
        folder: &Path,
        (mode, hertz): (&str, u32),
        at: &str,
        ca: &Path,
    ) -> Option<Self> {
        let host = [
            ("RINGPOST_PHONE_CA", ca.to_str().expect("UTF-8")),
            ("RINGPOST_PHONE_REGISTRAR", at),
            ("RINGPOST_PHONE_PASSWORD", "secret"),
        ];
        Self::start(name, folder, (mode, hertz), &host)
    }

    fn start(name: &str, folder: &Path, (mode, hertz): (&str, u32), more: &[(&str, &str)]) -> Option<Self> {
        if Command::new("baresip").arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
            println!("skipped: baresip is missing");
            return None;
        }
        // It opens the port after its own for TLS.
        let port = ports(3);
        let control = port + 2;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/baresip/phone.sh");
        let started = Command::new("bash")
            .arg(script)
            .args([name, &port.to_string(), &control.to_string(), mode, &hertz.to_string()])
            .env("RINGPOST_RUN", folder)
            .envs(more.iter().copied())
            .stderr(Stdio::inherit())
            .output()
            .expect("bash");
        assert!(started.status.success());
        let pid = String::from_utf8_lossy(&started.stdout).trim().to_owned();
        let phone = Self { pid, port, control, folder: folder.join("baresip").join(name) };
        until("baresip listens", || TcpStream::connect(("127.0.0.1", control)).is_ok());
        Some(phone)
    }

    pub fn uri(&self) -> String {
        format!(
            "sip:{}@127.0.0.1:{}",
            self.folder.file_name().unwrap_or_default().to_string_lossy(),
            self.port
        )
    }

    /// A command, as a netstring of JSON.
    pub fn says(&self, command: &str) {
        let mut control = TcpStream::connect(("127.0.0.1", self.control)).expect("baresip listens");
        write!(control, "{}:{command},", command.len()).expect("baresip reads");
        // Closing at once would drop the command.
        thread::sleep(Duration::from_millis(200));
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Ends it; the file of what it has heard.
    pub fn heard(self) -> PathBuf {
        let _ = Command::new("kill").args(["-INT", &self.pid]).status();
        until("baresip ends", || !Path::new("/proc").join(&self.pid).join("exe").exists());
        files(&self.folder, "dec.wav").pop().expect("one recording")
    }
}

impl Drop for Phone {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.pid]).stderr(Stdio::null()).status();
    }
}

pub fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    all.filter(|path| path.to_string_lossy().ends_with(end)).collect()
}

/// The length in seconds, and how much of the power in the second from 0.5 s on is at this pitch.
pub fn tone(file: &Path, hertz: f64) -> (f64, f64) {
    let samples = samples(file);
    (samples.len() as f64 / RATE, share(samples.get(4_000..12_000).unwrap_or(&samples), hertz))
}

/// How many seconds of a recording are at this pitch, wherever they lie: phones stretch and cut what they hear late.
pub fn seconds_at(file: &Path, hertz: f64) -> f64 {
    const PIECE: usize = 400;
    let samples = samples(file);
    let pieces = samples.chunks_exact(PIECE).filter(|piece| share(piece, hertz) > 0.9);
    (pieces.count() * PIECE) as f64 / RATE
}

const RATE: f64 = 8_000.0;

fn samples(file: &Path) -> Vec<f64> {
    let octets = fs::read(file).expect("a recording");
    let wav = Wav::read(&octets).expect("a WAV file");
    match wav.format {
        Format::G711(codec) => wav.samples.iter().map(|octet| f64::from(codec.decode(*octet))).collect(),
        Format::Pcm16 => {
            wav.samples.chunks_exact(2).map(|two| f64::from(i16::from_le_bytes([two[0], two[1]]))).collect()
        }
    }
}

/// How much of the power is at this pitch (Goertzel).
fn share(samples: &[f64], hertz: f64) -> f64 {
    let step = std::f64::consts::TAU * hertz / RATE;
    let (mut last, mut before, mut energy) = (0.0, 0.0, f64::MIN_POSITIVE);
    for sample in samples {
        (last, before) = (sample + 2.0 * step.cos() * last - before, last);
        energy += sample * sample;
    }
    let power = last * last + before * before - 2.0 * step.cos() * last * before;
    2.0 * power / (energy * samples.len() as f64)
}
