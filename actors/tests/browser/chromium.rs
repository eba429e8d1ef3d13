//! Chromium without a window, with a microphone that nobody speaks into.

use std::{
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::page::Page;

pub struct Chromium {
    child: Child,
    _profile: TempDir,
    pub page: Page,
}

impl Chromium {
    /// One whose page has phones of these users, which register at `server`. `None` and a word about it where Chromium or
    /// SIP.js is missing.
    pub fn new(server: &str, users: &str) -> Option<Self> {
        let program = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
            let asked =
                Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            asked.is_ok_and(|status| status.success())
        });
        let (Some(program), Some(sipjs)) = (program, sipjs()) else {
            println!("skipped: Chromium or SIP.js is missing");
            return None;
        };
        let page = Page::new(sipjs);
        let profile = tempfile::tempdir().expect("a folder");
        let child = start(program, profile.path(), page.address, &format!("server={server}&users={users}"));
        Some(Self { child, _profile: profile, page })
    }
}

fn start(program: &str, profile: &Path, page: SocketAddr, asked: &str) -> Child {
    Command::new(program)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
        .args(["--disable-background-networking", "--disable-features=WebRtcHideLocalIpsWithMdns"])
        // Our certificates are those of the test.
        .arg("--ignore-certificate-errors")
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("http://{page}/phone.html?{asked}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("Chromium starts")
}

/// The folder of SIP.js, which npm fetches where it is not there.
fn sipjs() -> Option<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/browser/sipjs.sh");
    let found = Command::new(script).stderr(Stdio::null()).output().ok()?;
    found.status.success().then(|| PathBuf::from(String::from_utf8_lossy(&found.stdout).trim()))
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It has many processes.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}
