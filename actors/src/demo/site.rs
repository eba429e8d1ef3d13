//! The site of the demonstration, as a person would write it.

use std::net::SocketAddr;

use jiff::tz::TimeZone;

/// The users; each is one way of being told.
pub const ADA: &str = "1001";
/// Told by a UM of somebody else.
pub const BEN: &str = "1002";
/// Told by Ringpost's own mail.
pub const CLEO: &str = "1003";

/// Where everybody is.
pub struct Addresses {
    /// Ringpost.
    pub ringpost: SocketAddr,
    /// The desk phone.
    pub desk: SocketAddr,
    /// The softphone.
    pub soft: SocketAddr,
    /// The UM of somebody else.
    pub um: SocketAddr,
}

/// The site file. Its paths count from its own folder.
pub fn text(Addresses { ringpost, desk, soft, um }: &Addresses) -> String {
    let zone = time_zone();
    let user = |number, name: &str, plan, told| {
        format!(
            r#"
[[user]]
address = "sip:{number}@demo.example"
name = "{name}"
numbers = ["{number}"]
devices = ["sip:desk@{desk}", "sip:soft@{soft}"]
ring_for = "1500ms"
um_plan = "{plan}"
missed_calls = "{told}"
mail = "{mail}@demo.example"
time_zone = "{zone}"
"#,
            mail = name.split(' ').next().unwrap_or(name).to_lowercase()
        )
    };
    let users = [
        user(ADA, "Ada Example", "own", "um"),
        user(BEN, "Ben Example", "outside", "um"),
        user(CLEO, "Cleo Example", "outside", "mail"),
    ];
    format!(
        r#"# The site of `ringpost demo`: everything is on this machine, and the ports are of that run.
[sip]
listen = ["udp:{ringpost}"]
domain = "demo.example"
drain = "2s"

[[trunk]]
name = "pbx"
sources = ["127.0.0.1"]

# Ringpost's own voice mail.
[um.plan.own]
servers = ["embedded"]

# A UM of somebody else, which takes its time to answer.
[um.plan.outside]
servers = ["sip:um@{um}"]
{}
[mail]
url = "maildir:mail"
from = "ringpost@demo.example"

[store]
path = "ringpost.db"
"#,
        users.concat()
    )
}

/// The person's own, so that the mails show times that the person knows; UTC where the system does not say.
fn time_zone() -> String {
    let system = TimeZone::system();
    let known = system.iana_name().filter(|name| TimeZone::get(name).is_ok());
    known.unwrap_or("UTC").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_is_a_good_one() {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let text = text(&Addresses { ringpost: at(5060), desk: at(5061), soft: at(5062), um: at(5063) });
        let site = crate::load::text(std::path::Path::new("/demo/site.toml"), &text).expect("a good site");
        assert_eq!((site.users.len(), site.plans.len()), (3, 2));
    }
}
