//! Names that Ringpost gives: a place in a table, a random check and the lane, written as 16 hexadecimal digits.
//!
//! Via branches, tags and Call-IDs are made of them, so that an answer finds its owner without a search, and its lane.

/// `lane (8 bits) | place (24 bits) | random (32 bits)`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Token(pub u64);

/// What RFC 3261 §8.1.1.7 has every branch start with.
pub const MAGIC: &[u8] = b"z9hG4bK";

impl Token {
    fn new(lane: u8, place: u32, random: u32) -> Self {
        Self(u64::from(lane) << 56 | u64::from(place & 0xff_ffff) << 32 | u64::from(random))
    }

    /// The lane that gave the name.
    pub fn lane(self) -> u8 {
        (self.0 >> 56) as u8
    }

    fn place(self) -> usize {
        (self.0 >> 32) as usize & 0xff_ffff
    }

    /// The 16 digits.
    pub fn text(self) -> [u8; 16] {
        let mut text = [0; 16];
        for (at, digit) in text.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(self.0 >> (60 - 4 * at)) as usize & 15];
        }
        text
    }

    /// Reads 16 digits back; `None` where it is no name of ours.
    pub fn read(text: &[u8]) -> Option<Self> {
        if text.len() != 16 {
            return None;
        }
        text.iter()
            .try_fold(0u64, |sum, digit| {
                let value = match digit {
                    b'0'..=b'9' => digit - b'0',
                    b'a'..=b'f' => digit - b'a' + 10,
                    _ => return None,
                };
                Some(sum << 4 | u64::from(value))
            })
            .map(Self)
    }

    /// Reads a branch that we made.
    pub fn of_branch(branch: &[u8]) -> Option<Self> {
        Self::read(branch.strip_prefix(MAGIC)?)
    }
}

/// The lane, of so many, of a call that has no tag of ours yet: the same for every request with its Call-ID.
pub fn lane_of_call(call_id: &[u8], lanes: usize) -> u8 {
    if lanes < 2 {
        return 0;
    }
    // FNV-1a: the same on every lane and cheap; an attacker who aims at one lane gains nothing over flooding it.
    let hash = call_id
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, o| (h ^ u64::from(*o)).wrapping_mul(0x0100_0000_01b3));
    // Its last octets have reached only the low bits, and many a PBX counts its calls there: spread them (MurmurHash3).
    let hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    ((hash >> 32) as usize % lanes) as u8
}

/// A table whose entries are found by their token; a token of an entry that is gone finds nothing.
#[derive(Debug)]
pub struct Table<T> {
    lane: u8,
    entries: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    /// How many were taken out since the table was last shortened.
    removed: usize,
}

impl<T> Table<T> {
    /// An empty table of a lane.
    pub fn new(lane: u8) -> Self {
        Self { lane, entries: Vec::new(), free: Vec::new(), removed: 0 }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts an entry in under a new name; `random` must not be guessable (RFC 3261 §19.3). `None` where all 2^24 places
    /// are taken.
    pub fn insert(&mut self, random: u32, entry: T) -> Option<Token> {
        let token = self.reserve(random)?;
        self.fill(token, entry);
        Some(token)
    }

    /// Takes a place that is filled in a moment, so that the entry can hold its own name.
    pub fn reserve(&mut self, random: u32) -> Option<Token> {
        let place = match self.free.pop() {
            Some(place) => place,
            None if self.entries.len() > 0xff_ffff => return None,
            None => {
                self.entries.push((0, None));
                (self.entries.len() - 1) as u32
            }
        };
        self.entries[place as usize].0 = random;
        Some(Token::new(self.lane, place, random))
    }

    /// Fills a place that was reserved.
    pub fn fill(&mut self, token: Token, entry: T) {
        if let Some(place) = self.entries.get_mut(token.place()).filter(|e| e.0 == token.0 as u32) {
            place.1 = Some(entry);
        }
    }

    /// The entry of that name.
    pub fn find(&self, token: Token) -> Option<&T> {
        self.entries.get(token.place()).filter(|e| e.0 == token.0 as u32).and_then(|e| e.1.as_ref())
    }

    /// The entry of that name, to change it.
    pub fn find_mut(&mut self, token: Token) -> Option<&mut T> {
        self.entries.get_mut(token.place()).filter(|e| e.0 == token.0 as u32).and_then(|e| e.1.as_mut())
    }

    /// Takes the entry of that name out.
    pub fn remove(&mut self, token: Token) -> Option<T> {
        let entry = self.entries.get_mut(token.place()).filter(|e| e.0 == token.0 as u32)?;
        let taken = entry.1.take()?;
        self.free.push(token.place() as u32);
        self.removed += 1;
        if self.removed > self.entries.len().max(1_024) {
            self.shorten();
        }
        Some(taken)
    }

    /// Gives back the places at the end that a flood has left empty. Each removal pays for looking at one place.
    fn shorten(&mut self) {
        self.removed = 0;
        // Highest first: the lowest places are taken again first, so that the end stays empty.
        self.free.sort_unstable_by(|a, b| b.cmp(a));
        let last = self.entries.len();
        let empty =
            self.free.iter().enumerate().take_while(|(n, place)| last - 1 - n == **place as usize).count();
        self.entries.truncate(last - empty);
        self.free.drain(..empty);
        self.entries.shrink_to(self.entries.len() * 2);
        self.free.shrink_to(self.entries.len() * 2);
    }

    /// Every entry.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|e| e.1.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_and_nothing_else_is() {
        let token = Token::new(3, 77, 0xdead_beef);
        assert_eq!(&token.text(), b"0300004ddeadbeef");
        assert_eq!(Token::read(&token.text()), Some(token));
        assert_eq!(token.lane(), 3);
        assert_eq!(Token::of_branch(b"z9hG4bK0300004ddeadbeef"), Some(token));
        for other in
            [&b"z9hG4bK"[..], b"0300004ddeadbeef", b"z9hG4bK0300004ddeadbeeg", b"z9hG4bK0300004DDEADBEEF"]
        {
            assert_eq!(Token::of_branch(other), None);
        }
    }

    #[test]
    fn a_name_dies_with_its_entry() {
        let mut table = Table::new(1);
        let first = table.insert(10, "a").expect("room");
        assert_eq!(table.remove(first), Some("a"));
        let second = table.insert(11, "b").expect("room");
        assert_eq!(table.find(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.find(second), Some(&"b"));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_flood_is_forgotten() {
        let mut table = Table::new(0);
        let stays = table.insert(1, 0).expect("room");
        let reserved = table.reserve(7).expect("room");
        let flood: Vec<_> = (0..50_000).map(|n| table.insert(n, n).expect("room")).collect();
        for token in flood {
            assert!(table.remove(token).is_some());
        }
        for n in 0..2_000 {
            let token = table.insert(n, n).expect("room");
            assert_eq!(table.find(token), Some(&n));
            assert_eq!(table.remove(token), Some(n));
        }
        table.fill(reserved, 9);
        assert_eq!((table.find(stays), table.find(reserved), table.len()), (Some(&0), Some(&9), 2));
        assert!(table.entries.capacity() < 5_000, "{}", table.entries.capacity());
    }
}
