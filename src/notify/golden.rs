//! Compares texts with the files in tests/golden.

use std::{env, fs, path::Path};

/// Compares with tests/golden/NAME, line ends aside; `BLESS=1` writes it.
pub fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let text = text.replace("\r\n", "\n");
    if env::var_os("BLESS").is_some() {
        fs::write(&path, &text).expect("tests/golden is writable");
    }
    let kept = fs::read_to_string(&path).expect("run once with BLESS=1");
    assert_eq!(text, kept, "{name}");
}
