//! A roster as a file: what it is, its version, its length, the roster, and the SHA-256 of all that.
//!
//! A file that was cut off, of another program or of another version is told apart and refused as a whole: the directory is
//! read again then. It may hold passwords, so only Ringpost itself should be able to read it.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{
    Roster,
    pack::{self, Pool, Reader, Writer},
};
use crate::directory::dial_plan::DialPlan;

const MAGIC: &[u8; 8] = b"RINGPEOP";
/// Of the form behind it; what does not know it reads nothing.
const VERSION: u32 = 1;
/// Magic, version, length.
const HEAD: usize = 8 + 4 + 8;
const DIGEST: usize = 32;

/// Why a file is no snapshot that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// It does not begin like one.
    #[error("it is no snapshot of a directory")]
    Foreign,
    /// Another Ringpost wrote it.
    #[error("it is of version {0}, this Ringpost reads version {VERSION}")]
    Version(u32),
    /// It is shorter or longer than it says.
    #[error("it is not whole")]
    Torn,
    /// Its octets are not those that were written.
    #[error("it is damaged")]
    Damaged,
}

/// A roster as octets.
pub fn encode(roster: &Roster) -> Vec<u8> {
    let mut file = Vec::with_capacity(roster.heap.len() + roster.starts.len() * 4 + 65_536);
    file.extend_from_slice(MAGIC);
    file.extend_from_slice(&VERSION.to_le_bytes());
    file.extend_from_slice(&[0; 8]);
    let mut w = Writer(&mut file);
    w.count(roster.pool.texts.len());
    roster.pool.texts.iter().for_each(|text| w.text(text));
    w.count(roster.plans.len());
    for plan in &roster.plans {
        w.text(&plan.name);
        w.text(&plan.dn);
        w.count(plan.servers.len());
        plan.servers.iter().for_each(|server| w.text(server));
    }
    w.count(roster.state.len());
    w.0.extend_from_slice(&roster.state);
    w.count(roster.starts.len());
    roster.starts.iter().for_each(|start| w.0.extend_from_slice(&start.to_le_bytes()));
    w.0.extend_from_slice(&roster.heap);
    let length = (file.len() - HEAD) as u64;
    file[12..HEAD].copy_from_slice(&length.to_le_bytes());
    let digest = Sha256::digest(&file);
    file.extend_from_slice(&digest);
    file
}

/// Reads a snapshot; the roster keeps the octets and copies little of them.
///
/// # Errors
/// What is wrong with it.
pub fn decode(file: Bytes) -> Result<Roster, Unreadable> {
    let whole = MAGIC.len().min(file.len());
    if file[..whole] != MAGIC[..whole] || file.is_empty() {
        return Err(Unreadable::Foreign);
    }
    let word =
        |at: usize| file.get(at..at + 4).and_then(|octets| octets.try_into().ok()).map(u32::from_le_bytes);
    match word(8) {
        Some(VERSION) => {}
        Some(other) => return Err(Unreadable::Version(other)),
        None => return Err(Unreadable::Torn),
    }
    let length = file.get(12..HEAD).and_then(|octets| octets.try_into().ok()).map(u64::from_le_bytes);
    let body = file.len().checked_sub(HEAD + DIGEST).ok_or(Unreadable::Torn)?;
    if length != Some(body as u64) {
        return Err(Unreadable::Torn);
    }
    let (said, digest) = file.split_at(file.len() - DIGEST);
    if Sha256::digest(said).as_slice() != digest {
        return Err(Unreadable::Damaged);
    }
    roster(&file).ok_or(Unreadable::Damaged)
}

/// Reads the body, and every person once, so that what is asked later is there.
fn roster(file: &Bytes) -> Option<Roster> {
    let end = file.len() - DIGEST;
    let mut r = Reader(&file[HEAD..end]);
    let texts = (0..r.entries()?).map(|_| r.text().map(Box::from)).collect::<Option<Vec<Box<str>>>>()?;
    let plans = (0..r.entries()?).map(|_| plan(&mut r)).collect::<Option<_>>()?;
    let length = r.count()?;
    let state = r.take(length)?.to_vec();
    let count = r.count()?;
    let starts = r.take(count.checked_mul(4)?)?.chunks_exact(4);
    let starts: Vec<u32> =
        starts.map(|start| u32::from_le_bytes(start.try_into().expect("four octets"))).collect();
    let roster =
        Roster { heap: file.slice(end - r.0.len()..end), starts, pool: Pool::of(texts), plans, state };
    let mut last = None;
    for place in 0..roster.len() {
        let packed = pack::at(&roster.heap, roster.starts[place] as usize)?;
        let (id, _) = pack::head(&mut packed.clone())?;
        if last.is_some_and(|last| last >= id) || pack::read(packed, &roster.pool).is_none() {
            return None;
        }
        last = Some(id);
    }
    Some(roster)
}

fn plan(r: &mut Reader<'_>) -> Option<DialPlan> {
    let (name, dn) = (r.text()?.to_owned(), r.text()?.to_owned());
    let servers = (0..r.entries()?).map(|_| r.text().map(str::to_owned)).collect::<Option<_>>()?;
    Some(DialPlan { name, dn, servers })
}
