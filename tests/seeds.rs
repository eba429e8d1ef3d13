//! The corpus that fuzzing has left, played through the same functions on every run (T1, T2, T4, T5, T26).

use std::{fs, path::Path};

mod survives;

#[test]
fn what_fuzzing_has_found_does_no_harm() {
    for (room, survives) in survives::ROOMS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(room);
        let mut seeds: Vec<_> =
            fs::read_dir(&folder).expect(room).map(|entry| entry.expect("an entry").path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "no seeds for {room}");
        for seed in seeds {
            // Captured unless it fails: the name of the seed that did.
            println!("{}", seed.display());
            survives(&fs::read(&seed).expect("a seed"));
        }
    }
}
