//! The server of `[http]` itself: what strangers can do to it.

use crate::fetch::{Served, basic, office};

#[test]
fn what_is_not_served_is_not_found_and_every_answer_is_guarded() {
    let served = Served::start(office);
    for (line, status) in [("GET /", 404), ("GET /book/../store.db", 404), ("POST /x", 404)] {
        let answer = served.asks(line, &basic("1001", "secret"));
        assert_eq!(answer.status, status, "{line}");
        assert_eq!(answer.one("x-content-type-options"), "nosniff");
        assert_eq!(answer.one("cache-control"), "no-store");
        assert!(answer.all("server").is_empty() && answer.all("strict-transport-security").is_empty());
    }
    served.ringpost.stops_well();
}
