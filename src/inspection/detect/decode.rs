//! Undoes the encodings that attacks hide in, so that one text is looked at however it was written.
//! Each round is linear, and there are few of them.

use memchr::memmem;

/// Encodings within encodings that are followed.
const ROUNDS: usize = 4;

/// The text without its encodings, in small letters; none when it has none.
pub fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut current: Option<Vec<u8>> = None;
    for _ in 0..ROUNDS {
        let from = current.as_deref().unwrap_or(text);
        match round(from) {
            Some(next) => current = Some(next),
            None => break,
        }
    }
    current.map(|mut bytes| {
        bytes.make_ascii_lowercase();
        bytes
    })
}

/// Bytes that an encoding starts with.
static ENCODED: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, b'%' | b'&' | b'\\' | 0xc0..) || is_noise(byte as u8);
        byte += 1;
    }
    table
};

/// Control characters that readers skip.
const fn is_noise(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0e..=0x1f)
}

fn round(text: &[u8]) -> Option<Vec<u8>> {
    let first = text.iter().position(|byte| ENCODED[usize::from(*byte)])?;
    let mut out = Vec::with_capacity(text.len());
    out.extend_from_slice(&text[..first]);
    let (mut at, mut changed) = (first, false);
    while at < text.len() {
        let rest = &text[at..];
        let byte = rest[0];
        let unit = match byte {
            _ if !ENCODED[usize::from(byte)] => None,
            b'%' => percent(rest),
            b'&' => entity(rest),
            b'\\' => escape(rest),
            0xc0.. => folded(rest),
            _ => Some((Decoded::Nothing, 1)),
        };
        if let Some((decoded, length)) = unit {
            decoded.write(&mut out);
            at += length;
            changed = true;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    changed.then_some(out)
}

enum Decoded {
    Nothing,
    Byte(u8),
    Letter(u32),
}

impl Decoded {
    fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Nothing => {}
            Self::Byte(byte) => out.push(byte),
            Self::Letter(code) => {
                if let Some(letter) = char::from_u32(code) {
                    out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0_u32, |sum, digit| Some((sum << 4) | char::from(*digit).to_digit(16)?))
}

/// `%2e`, `%u002e`.
fn percent(rest: &[u8]) -> Option<(Decoded, usize)> {
    if let Some(code) = rest.get(2..6).filter(|_| matches!(rest[1], b'u' | b'U')).and_then(hex) {
        // Private letters stand for a slash in the tables that old servers use.
        let code = if (0xe000..0xf900).contains(&code) { u32::from(b'/') } else { code };
        return Some((Decoded::Letter(code), 6));
    }
    rest.get(1..3).and_then(hex).map(|byte| (Decoded::Byte(byte as u8), 3))
}

/// `\x3c`, `\u003c`, `\u{3c}`, and `\003c` of style sheets.
fn escape(rest: &[u8]) -> Option<(Decoded, usize)> {
    match rest.get(1)? {
        b'x' | b'X' => rest.get(2..4).and_then(hex).map(|byte| (Decoded::Byte(byte as u8), 4)),
        b'u' | b'U' if rest.get(2) == Some(&b'{') => {
            let end = rest.iter().take(12).position(|byte| *byte == b'}')?;
            hex(&rest[3..end]).map(|code| (Decoded::Letter(code), end + 1))
        }
        b'u' | b'U' => rest.get(2..6).and_then(hex).map(|code| (Decoded::Letter(code), 6)),
        b'0' if rest.get(2) == Some(&b'0') => rest.get(1..5).and_then(hex).map(|code| (Decoded::Letter(code), 5)),
        _ => None,
    }
}

const NAMED: [(&[u8], u8); 30] = [
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"quot", b'"'),
    (b"amp", b'&'),
    (b"apos", b'\''),
    (b"tab", b'\t'),
    (b"newline", b'\n'),
    (b"colon", b':'),
    (b"semi", b';'),
    (b"lpar", b'('),
    (b"rpar", b')'),
    (b"equals", b'='),
    (b"period", b'.'),
    (b"comma", b','),
    (b"sol", b'/'),
    (b"bsol", b'\\'),
    (b"lbrace", b'{'),
    (b"rbrace", b'}'),
    (b"lbrack", b'['),
    (b"lsqb", b'['),
    (b"rbrack", b']'),
    (b"rsqb", b']'),
    (b"grave", b'`'),
    (b"excl", b'!'),
    (b"num", b'#'),
    (b"dollar", b'$'),
    (b"percnt", b'%'),
    (b"plus", b'+'),
    (b"vert", b'|'),
    (b"nbsp", b' '),
];

/// `&#60;`, `&#x3c`, `&lt;`.
fn entity(rest: &[u8]) -> Option<(Decoded, usize)> {
    if rest.get(1) == Some(&b'#') {
        let is_hex = matches!(rest.get(2), Some(b'x' | b'X'));
        let (start, radix) = if is_hex { (3, 16) } else { (2, 10) };
        let digits = rest[start.min(rest.len())..].iter().take(12).take_while(|b| char::from(**b).is_digit(radix));
        let length = digits.count();
        let text = std::str::from_utf8(&rest[start..][..length]).ok()?;
        let code = u32::from_str_radix(text, radix).ok()?;
        let end = start + length;
        return Some((Decoded::Letter(code), end + usize::from(rest.get(end) == Some(&b';'))));
    }
    let length = rest[1..].iter().take(9).position(|byte| *byte == b';')?;
    let name = &rest[1..=length];
    let (_, byte) = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    Some((Decoded::Byte(*byte), length + 2))
}

/// Overlong forms of ASCII, and letters that look and are taken like it.
fn folded(rest: &[u8]) -> Option<(Decoded, usize)> {
    match rest[0] {
        0xc0 | 0xc1 => Some(overlong_pair(rest)).filter(|(_, length)| *length > 0),
        0xe0 | 0xf0 | 0xf8 | 0xfc => overlong(rest),
        0xef => match rest.get(1..3)? {
            [0xbc, last @ 0x81..=0xbf] => Some((Decoded::Byte(last - 0x60), 3)),
            [0xbd, last @ 0x80..=0x9e] => Some((Decoded::Byte(last - 0x20), 3)),
            _ => None,
        },
        0xe2 => match rest.get(1..3)? {
            [0x88, 0x95] | [0x81, 0x84] => Some((Decoded::Byte(b'/'), 3)),
            [0x88, 0x96] => Some((Decoded::Byte(b'\\'), 3)),
            [0x80, 0xa4] => Some((Decoded::Byte(b'.'), 3)),
            [0x80, 0x8b..=0x8f] => Some((Decoded::Nothing, 3)),
            _ => None,
        },
        _ => None,
    }
}

fn overlong_pair(rest: &[u8]) -> (Decoded, usize) {
    let Some(&next) = rest.get(1) else { return (Decoded::Nothing, 1) };
    let value = ((rest[0] & 3) << 6) | (next & 0x3f);
    match next {
        b'%' if rest.get(2..4).and_then(hex).is_some() => (Decoded::Nothing, 0),
        // Digits that are none: some servers make a slash of it.
        b'%' if rest.len() >= 4 => (Decoded::Byte(b'/'), 4),
        b'.' | b'/' | b'\\' => (Decoded::Byte(next), 2),
        b'n' => (Decoded::Byte(b'.'), 2),
        0..=0x1f | 0x80..=0xbf => (Decoded::Byte(value & 0x7f), 2),
        _ => (Decoded::Nothing, 1),
    }
}

fn overlong(rest: &[u8]) -> Option<(Decoded, usize)> {
    let length = match rest[0] {
        0xe0 => 3,
        0xf0 => 4,
        0xf8 => 5,
        _ => 6,
    };
    let [middle @ .., before, last] = rest.get(1..length)? else { return None };
    let value = (u32::from(before & 0x3f) << 6) | u32::from(last & 0x3f);
    let is_overlong = middle.iter().all(|byte| *byte == 0x80) && matches!(before, 0x80 | 0x81) && last & 0xc0 == 0x80;
    is_overlong.then_some((Decoded::Byte(value as u8), length))
}

/// The text as a form or a database reads it: comments are blanks, and `+` is one where nothing else is.
pub fn spaced(text: &[u8]) -> Option<Vec<u8>> {
    let plus = text.contains(&b'+') && !text.contains(&b' ');
    let comment = memmem::find(text, b"/*").is_some();
    if !plus && !comment {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'+' if plus => out.push(b' '),
            b'/' if text.get(at + 1) == Some(&b'*') => {
                if text.get(at + 2) == Some(&b'!') {
                    // What stands in such a comment is run by MySQL, behind a version number.
                    at += 3 + text[at + 3..].iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
                    out.push(b' ');
                    continue;
                }
                let Some(end) = memmem::find(&text[at + 2..], b"*/") else {
                    out.extend_from_slice(&text[at..]);
                    break;
                };
                out.push(b' ');
                at += end + 4;
                continue;
            }
            byte => out.push(byte),
        }
        at += 1;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        let bytes = decoded(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn encodings_are_undone_within_each_other() {
        for text in ["..%2f", "%252e%252e%252f", "%u002e%u002e/", "%c0%ae%c0%ae%c0%af", "&#46;&#x2e;&sol;", "..%c0%9v"]
        {
            assert_eq!(plain(text), "../", "{text}");
        }
        for text in
            ["%e0%80%ae./", "%f8%80%80%80%ae.%c0%2f", "\u{ff0e}\u{ff0e}\u{2215}", "\\u002e\\x2e\\u{2f}", ".%00./"]
        {
            assert_eq!(plain(text), "../", "{text}");
        }
        assert_eq!(plain("%%32%65"), ".");
        assert_eq!(plain("&amp;lt;SCRIPT&gt;"), "<script>");
    }

    #[test]
    fn ordinary_text_is_left_alone() {
        for text in ["plain", "100 % sure & ready", "C:\\users", "Größe, 東京", "a&b;c"] {
            assert!(decoded(text.as_bytes()).is_none(), "{text}");
        }
        for hostile in ["%", "&", "&#", "&#x", "\\", "\\u{", "%u", "%c0", "\u{ef}"] {
            let _ = decoded(hostile.as_bytes());
        }
    }

    #[test]
    fn comments_and_pluses_are_blanks() {
        let spaced = |text: &str| spaced(text.as_bytes()).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(spaced("1/**/union/*!50000select*/2").as_deref(), Some("1 union select*/2"));
        assert_eq!(spaced("1+or+2").as_deref(), Some("1 or 2"));
        assert_eq!(spaced("1 + 2"), None);
    }
}
