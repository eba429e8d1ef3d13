//! Numbers of each gateway of each route, labelled with their names.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The numbers of every route so far, by the names of route and gateway.
#[derive(Debug)]
pub struct Routes(Mutex<BTreeMap<(String, String), Numbers>>);

/// Calls that were sent to a gateway, and those of them that it failed.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    calls: u64,
    failures: u64,
}

impl Routes {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// A call goes to a gateway of a route.
    pub fn called(&self, route: &str, gateway: &str) {
        self.all().entry((route.to_owned(), gateway.to_owned())).or_default().calls += 1;
    }

    /// A gateway of a route has failed a call.
    pub fn failed(&self, route: &str, gateway: &str) {
        self.all().entry((route.to_owned(), gateway.to_owned())).or_default().failures += 1;
    }

    /// The text form of Prometheus.
    pub fn exposition(&self) -> String {
        type Number = fn(&Numbers) -> u64;
        const NUMBERS: [(&str, &str, Number); 2] = [
            ("route_calls_total", "Calls sent to a gateway of a route.", |numbers| numbers.calls),
            ("route_failures_total", "Those of them that the gateway failed.", |numbers| numbers.failures),
        ];
        let all = self.all();
        let mut text = String::new();
        for (name, help, value) in NUMBERS.iter().filter(|_| !all.is_empty()) {
            let _ = writeln!(text, "# HELP ringpost_{name} {help}\n# TYPE ringpost_{name} counter");
            for ((route, gateway), numbers) in all.iter() {
                let (route, gateway) = (escaped(route), escaped(gateway));
                let value = value(numbers);
                let _ = writeln!(text, "ringpost_{name}{{route=\"{route}\",gateway=\"{gateway}\"}} {value}");
            }
        }
        text
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<(String, String), Numbers>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name as the value of a label; names hold no line ends.
fn escaped(name: &str) -> String {
    name.replace('\\', "\\\\").replace('"', "\\\"")
}
