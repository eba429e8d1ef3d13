//! The order of SRV records (RFC 2782).

use super::Srv;

/// Lowest priority first; among those of one priority each comes first as often as its weight says. `random` gives a number
/// from 0 up to and including its argument. The root (`.`) is no server and left out.
pub fn order(records: &[Srv], mut random: impl FnMut(u32) -> u32) -> Vec<&Srv> {
    let mut left: Vec<&Srv> = records.iter().filter(|record| !record.target.is_empty()).collect();
    // Those of weight 0 come first in their priority, so that they are chosen only by a 0 where others have a weight.
    left.sort_by_key(|record| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(first) = left.first() {
        let priority = first.priority;
        let group = left.iter().take_while(|record| record.priority == priority);
        let sum: u32 = group.map(|record| u32::from(record.weight)).sum();
        let chosen = random(sum).min(sum);
        let mut running = 0;
        let at = left.iter().position(|record| {
            running += u32::from(record.weight);
            running >= chosen
        });
        ordered.push(left.remove(at.unwrap_or(0)));
    }
    ordered
}
