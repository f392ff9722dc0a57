//! Recovery codes: ten at a time, fifty random bits each, in letters that are hard to mistake.

use crate::{error::Result, secrets::random_bytes};

const COUNT: usize = 10;
const LENGTH: usize = 10;
/// Crockford's base 32.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// New codes as they are shown: `abcde-fghjk`.
pub(super) fn codes() -> Result<Vec<String>> {
    (0..COUNT)
        .map(|_| {
            let letters = random_bytes::<LENGTH>()?.map(|byte| char::from(LETTERS[usize::from(byte % 32)]));
            let (left, right) = letters.split_at(LENGTH / 2);
            Ok(left.iter().chain(&['-']).chain(right).collect())
        })
        .collect()
}

/// A code as it is compared, however it was typed.
pub(super) fn plain(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric).map(|letter| match letter.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        letter => letter,
    });
    letters.take(2 * LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_differ_and_are_known_however_they_are_typed() {
        let codes = codes().unwrap();
        let distinct: std::collections::HashSet<_> = codes.iter().map(|code| plain(code)).collect();
        assert_eq!((codes.len(), distinct.len()), (COUNT, COUNT));
        assert!(codes.iter().all(|code| code.len() == LENGTH + 1 && plain(code).len() == LENGTH));
        assert_eq!(plain(" O1ABC defgh"), plain("0labc-DEFGH"));
    }
}
