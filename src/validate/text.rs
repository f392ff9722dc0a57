//! Characters that have no place in a text that people read, and how they are written where they came all the same.

use std::{borrow::Cow, fmt::Write};

/// Whether a text holds control characters other than tab and line ends.
pub fn has_control(text: &str) -> bool {
    text.bytes().any(|b| (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')) || b == 0x7f)
}

/// Characters that make a text look like another one: marks that turn its direction, ends of lines that only some
/// programs see, letters without any width, and tags.
pub fn is_deceptive(letter: char) -> bool {
    matches!(
        letter,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// The text as one line of a log: whatever would end the line, reach the terminal or turn the text around stands
/// there as an escape of JSON, so that it may stand within a JSON text too.
pub fn one_line(text: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| !letter.is_control() && !is_deceptive(letter);
    let Some(first) = text.find(|letter| !is_plain(letter)) else { return Cow::Borrowed(text) };
    let mut line = String::with_capacity(text.len() + 16);
    line.push_str(&text[..first]);
    for letter in text[first..].chars() {
        match letter {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            letter if is_plain(letter) => line.push(letter),
            letter => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_ends_a_line_or_reaches_a_terminal_is_escaped() {
        assert!(matches!(one_line("plain, größer, 東京 🦀"), Cow::Borrowed(_)));
        for (text, line) in [
            ("a\r\nINFO forged", r"a\r\nINFO forged"),
            ("\u{1b}[2Jgone\u{7}", r"\u001b[2Jgone\u0007"),
            ("\u{9b}31m\u{85}\u{2028}", r"\u009b31m\u0085\u2028"),
            ("gpj.\u{202e}exe\u{2066}", r"gpj.\u202eexe\u2066"),
            ("\u{e0041}", r"\udb40\udc41"),
            ("tab\there", r"tab\there"),
        ] {
            assert_eq!(one_line(text), line);
        }
    }

    proptest! {
        #[test]
        fn a_line_is_one_line_and_valid_inside_json(text in any::<String>()) {
            let line = one_line(&text);
            prop_assert!(line.chars().all(|letter| !letter.is_control() && !is_deceptive(letter)));
            prop_assert_eq!(one_line(&line), line.clone());
            let inside = serde_json::to_string(&text).unwrap();
            let read: String = serde_json::from_str(&one_line(&inside)).unwrap();
            prop_assert_eq!(read, text);
        }
    }
}
