//! The system calls of a process and its threads, as strace writes them down.

use std::{
    collections::HashMap,
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Whether this machine lets us look; a word about it where not.
pub fn possible() -> bool {
    let tried = Command::new("strace").args(["-f", "-e", "trace=fsync", "true"]).output();
    let possible = tried.is_ok_and(|output| output.status.success());
    if !possible {
        println!("skipped: no strace, or it may not look at processes");
    }
    possible
}

/// The words that put a program under strace, which writes to that file; the program stays the process that is started.
pub fn words(file: &Path, more: &[&str]) -> Vec<String> {
    let file = file.to_str().expect("Unicode");
    let words = ["strace", "-D", "-f", "-q", "-y", "-o", file, "-s", "6000", "-e", "signal=none"];
    words.iter().chain(more).map(|word| (*word).to_owned()).collect()
}

/// A strace at a process that runs; its end leaves the process alone.
pub struct Attached(Child);

impl Attached {
    pub fn to(pid: u32, file: &Path, more: &[&str]) -> Self {
        let child = Command::new("strace")
            .args(["-f", "-q", "-p", &pid.to_string(), "-o"])
            .arg(file)
            .args(["-e", "signal=none"])
            .args(more)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace starts");
        let traced = || {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
            tasks.flatten().all(|task| {
                let status = fs::read_to_string(task.path().join("status")).unwrap_or_default();
                status.lines().any(|line| line == format!("TracerPid:\t{}", child.id()))
            })
        };
        crate::support::until("every thread is traced", traced);
        Self(child)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// One system call.
#[derive(Debug)]
pub struct Syscall {
    pub name: String,
    /// What stands between the parentheses, and the result.
    pub text: String,
    /// The lines of the trace in which it began and ended.
    pub began: usize,
    pub ended: usize,
}

impl Syscall {
    pub fn is(&self, names: &[&str]) -> bool {
        names.contains(&self.name.as_str())
    }

    pub fn is_sync(&self) -> bool {
        self.is(&["fsync", "fdatasync"]) && self.text.ends_with("= 0")
    }

    /// Whether its first argument is a file of that name.
    pub fn is_of(&self, file: &str) -> bool {
        let first = self.text.split([',', ')']).next().unwrap_or_default();
        first.ends_with(&format!("{file}>"))
    }
}

/// The calls of a trace in the order in which they ended.
pub fn read(file: &Path) -> Vec<Syscall> {
    let trace = String::from_utf8_lossy(&fs::read(file).expect("a trace")).into_owned();
    let mut begun: HashMap<&str, (usize, String)> = HashMap::new();
    let mut calls = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(rest) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(pid, (number, rest.to_owned()));
            continue;
        }
        let (began, whole) = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let tail = resumed.split_once(" resumed>").map_or("", |(_, tail)| tail);
                let Some((began, head)) = begun.remove(pid) else { continue };
                (began, head + tail)
            }
            None => (number, rest.to_owned()),
        };
        if let Some((name, text)) = whole.split_once('(') {
            calls.push(Syscall { name: name.to_owned(), text: text.to_owned(), began, ended: number });
        }
    }
    calls
}
