//! Random numbers that nobody can guess, for tags and branches (RFC 3261 §19.3).

/// A source that asks the operating system for 4 KiB at a time.
pub fn source() -> Box<dyn FnMut() -> u32> {
    let mut pool = [0u8; 4096];
    let mut used = pool.len();
    Box::new(move || {
        if used + 4 > pool.len() {
            if let Err(error) = getrandom::fill(&mut pool) {
                tracing::error!(%error, "The operating system gives no random numbers");
                pool.iter_mut().for_each(|octet| *octet = fastrand::u8(..));
            }
            used = 0;
        }
        let four = [pool[used], pool[used + 1], pool[used + 2], pool[used + 3]];
        used += 4;
        u32::from_ne_bytes(four)
    })
}

/// A number of 128 bits.
pub fn number() -> u128 {
    let mut octets = [0; 16];
    if let Err(error) = getrandom::fill(&mut octets) {
        tracing::error!(%error, "The operating system gives no random numbers");
        return fastrand::u128(..);
    }
    u128::from_ne_bytes(octets)
}

/// A key that lasts as long as the process.
pub fn key() -> [u8; 32] {
    let mut source = source();
    let mut key = [0; 32];
    key.chunks_exact_mut(4).for_each(|four| four.copy_from_slice(&source().to_ne_bytes()));
    key
}
