//! Kamailio as a presence server of a test's own.

use std::{
    fs::{self, File},
    net::SocketAddr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{Over, Peer, until};

const TABLES: &str = "/usr/share/kamailio/db_sqlite";

/// A presence server that ends with its test, or loses its memory.
pub struct Kamailio {
    pub address: SocketAddr,
    folder: tempfile::TempDir,
    child: Child,
}

impl Kamailio {
    /// One with an empty memory; `None` and a word about it where it is not installed. `defines`: further definitions for
    /// its configuration.
    pub fn start(address: SocketAddr, defines: &[&str]) -> Option<Self> {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let mut folders: Vec<PathBuf> = std::env::split_paths(&paths).collect();
        folders.push("/usr/sbin".into());
        let program = folders.iter().map(|folder| folder.join("kamailio")).find(|path| path.is_file());
        let (Some(program), true) = (program, Path::new(TABLES).is_dir()) else {
            println!("skipped: kamailio with its SQLite and presence modules is not installed");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("kamailio.db");
        let tables = rusqlite::Connection::open(&database).expect("a database");
        for name in ["standard", "presence"] {
            let sql =
                fs::read_to_string(format!("{TABLES}/{name}-create.sql")).expect("Kamailio's own tables");
            tables.execute_batch(&sql).expect("they are made");
        }
        drop(tables);
        let log = File::create(folder.path().join("log")).expect("a log");
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/services/kamailio-presence.cfg");
        let mut command = Command::new(program);
        command.arg("-f").arg(config).args(["-DD", "-E", "-m", "32", "-M", "4", "-Y"]).arg(folder.path());
        for (name, value) in [
            ("LISTEN_UDP", format!("udp:{address}")),
            ("LISTEN_TCP", format!("tcp:{address}")),
            ("SERVER", format!("\"sip:{address}\"")),
            ("DB", format!("\"sqlite:///{}\"", database.display())),
        ] {
            command.arg("-A").arg(format!("{name}={value}"));
        }
        for define in defines {
            command.arg("-A").arg(define);
        }
        // A group of its own, for its children must go with it.
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("kamailio runs");
        let kamailio = Self { address, folder, child };
        let mut probe = Peer::new(Over::Udp, "127.0.0.1", address);
        until(&format!("kamailio answers: {}", kamailio.log()), || {
            probe.request("OPTIONS", &format!("sip:{address}"), "", "");
            probe.next(Duration::from_millis(50)).is_some()
        });
        Some(kamailio)
    }

    /// Where it writes what it does.
    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}
