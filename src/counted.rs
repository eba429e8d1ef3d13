//! Numbers of things, for people to read.

use std::fmt::Display;

/// `1 user`, `2 users`.
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, thing: &str) -> String {
    let plural = if count == N::from(1) { "" } else { "s" };
    format!("{count} {thing}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_no_plural() {
        let said = [0_usize, 1, 2].map(|count| counted(count, "UM plan"));
        assert_eq!(said, ["0 UM plans", "1 UM plan", "2 UM plans"]);
        assert_eq!(counted(-1_i64, "day"), "-1 days");
    }
}
