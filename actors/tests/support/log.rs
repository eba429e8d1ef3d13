//! What is logged while a test looks.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

/// Takes what is written.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What it says so far, and no more of it the next time.
    pub fn take(&self) -> String {
        let octets = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8(octets).expect("UTF-8")
    }
}

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
