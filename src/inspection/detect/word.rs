//! Reads one word as a shell does: quotes, escapes and variables that hold nothing are undone.

/// A word with its quotes and escapes undone, as a shell reads it.
pub(super) struct Word {
    pub name: Vec<u8>,
    pub length: usize,
    /// It was written so that it can't be recognised.
    pub hidden: bool,
    /// What its folder adds.
    pub in_bin: i8,
    /// A variable stands for the blank behind it, or a brace for it all.
    pub joined: bool,
}

impl Word {
    pub fn read(text: &[u8]) -> Self {
        let mut word = Self { name: Vec::new(), length: 0, hidden: false, in_bin: 0, joined: false };
        let braces = text.first() == Some(&b'{');
        let mut at = usize::from(braces);
        while let Some(&byte) = text.get(at) {
            let rest = &text[at..];
            match byte {
                b',' if braces => {
                    word.joined = true;
                    word.hidden = true;
                    break;
                }
                b'\'' | b'"' => {
                    let Some(end) = closing(rest) else {
                        // The quote that a value breaks out of may stand before the command too.
                        if !word.name.is_empty() || at > 0 {
                            break;
                        }
                        at += 1;
                        continue;
                    };
                    let around = !word.name.is_empty() || text.get(at + end + 1).is_some_and(u8::is_ascii_alphanumeric);
                    word.hidden |= around;
                    word.name.extend_from_slice(&rest[1..end]);
                    at += end + 1;
                }
                b'\\' | b'^' => {
                    let letter = rest.get(1).is_some_and(u8::is_ascii_alphanumeric);
                    if !letter
                        || byte == b'\\' && matches!(rest.get(1), Some(b'n' | b'r' | b't')) && ends_word(rest.get(2))
                    {
                        break;
                    }
                    if byte == b'\\' && is_folder(&text[..at]) {
                        word.name.push(byte);
                    } else {
                        word.hidden = true;
                    }
                    at += 1;
                }
                b'$' => {
                    if is_blank_variable(rest) {
                        word.joined = true;
                        word.hidden |= !word.name.is_empty();
                        break;
                    }
                    let Some(length) = empty_variable(rest) else { break };
                    word.hidden |= !word.name.is_empty();
                    at += length;
                }
                b' ' | b'\t' | b'\n' | b'\r' | b';' | b'|' | b'&' | b'<' | b'>' | b'(' | b')' | b'`' | b'#' | b',' => {
                    break;
                }
                _ => {
                    word.name.push(byte);
                    at += 1;
                }
            }
            if word.name.len() > 64 {
                word.name.clear();
                break;
            }
        }
        word.length = at;
        word.locate();
        word
    }

    /// Takes the folders away.
    fn locate(&mut self) {
        while self.name.ends_with(b"/") {
            self.name.pop();
        }
        let Some(slash) = self.name.iter().rposition(|byte| matches!(byte, b'/' | b'\\')) else { return };
        let folder = &self.name[..slash];
        self.hidden |= folder.len() <= 16 && is_pattern(folder);
        self.in_bin = if folder.ends_with(b"bin") || folder.ends_with(b"system32") { 2 } else { 0 };
        self.name.drain(..=slash);
    }
}

/// A folder that is not named but matched.
fn is_pattern(folder: &[u8]) -> bool {
    let is_sign = |byte: &u8| matches!(byte, b'?' | b'*' | b'[');
    folder.first() == Some(&b'/')
        && folder.iter().any(is_sign)
        && folder.iter().all(|byte| is_sign(byte) || byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b']'))
}

fn ends_word(byte: Option<&u8>) -> bool {
    byte.is_none_or(|byte| !byte.is_ascii_alphanumeric())
}

/// Where the quote at the start is closed, when nothing but letters of a name stands between.
fn closing(text: &[u8]) -> Option<usize> {
    let inner = text[1..].iter().take(40).position(|byte| {
        *byte == text[0] || !(byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'?' | b'*'))
    })?;
    (text[inner + 1] == text[0]).then_some(inner + 1)
}

/// The start of a path on Windows.
fn is_folder(text: &[u8]) -> bool {
    text.contains(&b':') || matches!(text.first(), Some(b'%' | b'.'))
}

/// `$u ` in front of a command: a variable that nobody set.
pub(super) fn unset_variable(text: &[u8]) -> Option<usize> {
    let name = text.strip_prefix(b"$")?.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    (1..=8).contains(&name).then_some(name + 1).filter(|length| text.get(*length) == Some(&b' '))
}

fn is_blank_variable(text: &[u8]) -> bool {
    text.starts_with(b"$ifs") || text.starts_with(b"${ifs")
}

/// A variable that holds nothing, put between letters.
fn empty_variable(text: &[u8]) -> Option<usize> {
    match text.get(1..)? {
        [b'@' | b'*' | b'0'..=b'9' | b'!', ..] => Some(2),
        [b'(', b')', ..] => Some(3),
        [b'{', b'@' | b'*', b'}', ..] => Some(4),
        [b'{', rest @ ..] => {
            let length = rest.iter().take(16).position(|byte| *byte == b'}')?;
            rest[..length].iter().all(u8::is_ascii_alphanumeric).then_some(length + 3)
        }
        [b'a'..=b'z', ..] => {
            let name = text[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
            (name <= 4).then_some(name + 1)
        }
        _ => None,
    }
}
