//! Values that come in parts: `member;range=0-1499` ([MS-ADTS] 3.1.1.3.1.3.3).

/// One part of an attribute's values.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Range<'n> {
    /// The attribute's name, with its other options.
    pub attribute: &'n str,
    /// The index of the first value that is still missing; `None`: this was the last part.
    pub next: Option<u32>,
}

/// What an attribute's description says of a range; `None`: it has no such option, or not a right one.
pub fn range(description: &str) -> Option<Range<'_>> {
    let (attribute, bounds) = description.rsplit_once(';')?;
    let (option, bounds) = bounds.split_once('=')?;
    let (low, high) = bounds.split_once('-')?;
    let low: u32 = option.eq_ignore_ascii_case("range").then_some(low)?.parse().ok()?;
    let next = match high {
        "*" => None,
        high => Some(high.parse::<u32>().ok().filter(|high| *high >= low)?.checked_add(1)?),
    };
    Some(Range { attribute, next })
}

/// How the part from `next` on is asked for.
pub fn rest(attribute: &str, next: u32) -> String {
    format!("{attribute};range={next}-*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_says_what_is_missing() {
        let rows = [
            ("member;range=0-1499", Some(("member", Some(1500)))),
            ("Member;Range=1500-*", Some(("Member", None))),
            ("member;binary;range=0-0", Some(("member;binary", Some(1)))),
            ("member", None),
            ("member;binary", None),
            ("member;range=5-4", None),
            ("member;range=0-99999999999", None),
            ("member;range=0-4294967295", None),
            ("member;range=x-*", None),
            (";range=0-", None),
        ];
        for (description, expected) in rows {
            let found = range(description).map(|Range { attribute, next }| (attribute, next));
            assert_eq!(found, expected, "{description}");
        }
        assert_eq!(rest("member", 1500), "member;range=1500-*");
    }
}
