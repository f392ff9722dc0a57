//! A file's name that every system takes as a name and as nothing else. It is refused, never rewritten.

use super::is_deceptive;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, fmt::Write, str::FromStr};

/// Bytes of a name on the usual file systems.
const LONGEST: usize = 255;
const DEVICES: [&str; 8] = ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$", "$mft"];

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct FileName(String);

crate::described::text_schema!(
    FileName,
    "file-name",
    "A name without folders, control characters or what systems keep for themselves."
);

/// Why a text is no name of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAFileName {
    #[error("a file name has at least one character")]
    Empty,
    #[error("a file name has at most 255 bytes")]
    TooLong,
    #[error("a file name holds no / \\ or :")]
    Separator,
    #[error("a file name holds no control characters and none that change how it is read")]
    Character,
    #[error("a file name neither starts with a dot or a blank nor ends with one")]
    Edge,
    #[error("this name belongs to a device on Windows")]
    Device,
}

impl FileName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value of `Content-Disposition` with which a browser saves the file and does not open it (RFC 6266).
    pub fn disposition(&self) -> String {
        let plain: String = self
            .0
            .chars()
            .map(|letter| if letter.is_ascii() && !matches!(letter, '"' | '%') { letter } else { '_' })
            .collect();
        let mut value = format!("attachment; filename=\"{plain}\"");
        if plain != self.0 {
            value.push_str("; filename*=UTF-8''");
            for byte in self.0.bytes() {
                if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
                    value.push(char::from(byte));
                } else {
                    let _ = write!(value, "%{byte:02X}");
                }
            }
        }
        value
    }
}

impl FromStr for FileName {
    type Err = NotAFileName;

    fn from_str(text: &str) -> Result<Self, NotAFileName> {
        if text.is_empty() {
            return Err(NotAFileName::Empty);
        }
        if text.len() > LONGEST {
            return Err(NotAFileName::TooLong);
        }
        if text.contains(['/', '\\', ':', '\u{2215}', '\u{2044}', '\u{ff0f}', '\u{ff3c}']) {
            return Err(NotAFileName::Separator);
        }
        if text.chars().any(|letter| letter.is_control() || is_deceptive(letter)) {
            return Err(NotAFileName::Character);
        }
        let is_edge = |letter: char| letter == '.' || letter.is_whitespace();
        if text.starts_with(is_edge) || text.ends_with(is_edge) {
            return Err(NotAFileName::Edge);
        }
        if is_device(text) { Err(NotAFileName::Device) } else { Ok(Self(text.to_owned())) }
    }
}

/// Whether Windows takes it for a device, whatever its ending.
fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let port = stem.strip_prefix("com").or_else(|| stem.strip_prefix("lpt"));
    let is_port = port.is_some_and(|number| {
        let mut letters = number.chars();
        letters.next().is_some_and(|one| one.is_ascii_digit() || "¹²³".contains(one)) && letters.next().is_none()
    });
    is_port || DEVICES.contains(&stem.as_str())
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FileName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_names() {
        let long = "n".repeat(255);
        for good in ["report.pdf", "Größe 2 (1).xlsx", "東京.txt", "a", "console.log", "com10.txt", "conference", &long]
        {
            assert_eq!(good.parse::<FileName>().unwrap().as_str(), good);
        }
        let longer = "ß".repeat(128);
        for (bad, why) in [
            ("", NotAFileName::Empty),
            (longer.as_str(), NotAFileName::TooLong),
            ("../etc/passwd", NotAFileName::Separator),
            ("..\\boot.ini", NotAFileName::Separator),
            ("C:autoexec.bat", NotAFileName::Separator),
            ("notes.txt:hidden", NotAFileName::Separator),
            ("a\u{ff0f}b", NotAFileName::Separator),
            ("a.png\0.exe", NotAFileName::Character),
            ("a\r\nb", NotAFileName::Character),
            ("a\u{1b}[31m", NotAFileName::Character),
            ("a\u{85}b", NotAFileName::Character),
            ("gpj.\u{202e}exe", NotAFileName::Character),
            ("a\u{200b}.txt", NotAFileName::Character),
            (".htaccess", NotAFileName::Edge),
            ("..", NotAFileName::Edge),
            ("a.", NotAFileName::Edge),
            ("a ", NotAFileName::Edge),
            (" a", NotAFileName::Edge),
            ("a\u{a0}", NotAFileName::Edge),
            ("con", NotAFileName::Device),
            ("NUL.tar.gz", NotAFileName::Device),
            ("Aux .txt", NotAFileName::Device),
            ("com1", NotAFileName::Device),
            ("LPT\u{b2}.doc", NotAFileName::Device),
            ("CONIN$", NotAFileName::Device),
        ] {
            assert_eq!(bad.parse::<FileName>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn a_browser_is_told_the_name_whatever_letters_it_has() {
        let told = |text: &str| text.parse::<FileName>().unwrap().disposition();
        assert_eq!(told("report.csv"), "attachment; filename=\"report.csv\"");
        assert_eq!(told("a\"b%.csv"), "attachment; filename=\"a_b_.csv\"; filename*=UTF-8''a%22b%25.csv");
        assert_eq!(told("Größe.csv"), "attachment; filename=\"Gr__e.csv\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.csv");
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_in_its_folder(text in any::<String>()) {
            if let Ok(name) = text.parse::<FileName>() {
                let joined = std::path::Path::new("/folder").join(name.as_str());
                prop_assert_eq!(joined.parent(), Some(std::path::Path::new("/folder")));
                prop_assert_eq!(joined.file_name().unwrap().to_str(), Some(text.as_str()));
                let told = name.disposition();
                prop_assert!(told.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{}", told);
                prop_assert_eq!(told.matches('"').count(), 2);
            }
        }
    }
}
