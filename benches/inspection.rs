//! What inspecting a text costs, by length, for texts that hold no attack.

use portcullis::inspection::class_of;
use std::{fs, hint::black_box, path::Path, time::Instant};

const ROUNDS: usize = 500;

fn text(file: &str, length: usize) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/inspect/benign").join(file);
    let all = fs::read_to_string(path).expect("the file of lines");
    let harmless: Vec<&str> = all.lines().filter(|line| class_of(line).is_none()).collect();
    let text = harmless.join(" ").repeat(1 + length / all.len() * 2);
    text.chars()
        .scan(0, |size, letter| {
            *size += letter.len_utf8();
            (*size <= length).then_some(letter)
        })
        .collect()
}

fn main() {
    for file in ["prose.txt", "tech_prose.txt", "multilingual.txt"] {
        for length in [100, 1_000, 10_000, 100_000] {
            let text = text(file, length);
            let mut times: Vec<_> = (0..ROUNDS)
                .map(|_| {
                    let start = Instant::now();
                    black_box(class_of(black_box(&text)));
                    start.elapsed()
                })
                .collect();
            times.sort_unstable();
            println!("{file} {length} bytes: median {:?}, least {:?}", times[ROUNDS / 2], times[0]);
        }
    }
}
