//! Rules that are tried only where a text holds what they need at least, so that ordinary text costs few passes.

use super::Class;
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::bytes::{Regex, RegexBuilder};

/// A pattern, and what has to be there for it to match.
pub struct Rule {
    class: Class,
    needs: Vec<Vec<String>>,
    regex: Regex,
    /// The alternatives that look at a few letters at a time, wherever they stand.
    near: Vec<String>,
    /// The others: bound to the start, or reaching far.
    others: Vec<Regex>,
}

fn build(pattern: &str) -> Regex {
    RegexBuilder::new(pattern)
        .size_limit(64 << 20)
        .dfa_size_limit(16 << 20)
        .build()
        .unwrap_or_else(|cause| panic!("{pattern}: {cause}"))
}

fn joined(alternatives: &[String]) -> String {
    format!("(?s-u){}", alternatives.join("|"))
}

impl Rule {
    /// `needs` lists parts of which one has to be there, set apart by blanks; ` & ` joins such lists of which
    /// each has to be met, and `_` stands for a blank within a part.
    pub fn new(class: Class, needs: &str, pattern: &str) -> Self {
        let part = |part: &str| if part == "_" { part.to_owned() } else { part.replace('_', " ") };
        let needs = needs.split(" & ").map(|list| list.split(' ').map(part).collect()).collect();
        let (starts, rest): (Vec<_>, Vec<_>) =
            alternatives(pattern).into_iter().partition(|alternative| alternative.starts_with('^'));
        let (far, near): (Vec<_>, Vec<_>) = rest.into_iter().partition(|alternative| reaches_far(alternative));
        Self {
            class,
            needs,
            regex: build(&format!("(?s-u){pattern}")),
            near,
            others: [starts, far].iter().filter(|some| !some.is_empty()).map(|some| build(&joined(some))).collect(),
        }
    }
}

/// What stands between the `|` that are in no brackets.
fn alternatives(pattern: &str) -> Vec<String> {
    let (mut depth, mut in_class, mut escaped) = (0, false, false);
    let mut all = vec![String::new()];
    for letter in pattern.chars() {
        match letter {
            _ if escaped => {}
            '[' if !in_class => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => depth += 1,
            ')' if !in_class => depth -= 1,
            '|' if !in_class && depth == 0 => {
                all.push(String::new());
                continue;
            }
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        all.last_mut().expect("there is one").push(letter);
    }
    all
}

/// Whether a pattern repeats nearly any letter without end.
fn reaches_far(pattern: &str) -> bool {
    pattern.match_indices("[^").any(|(at, _)| {
        let class = &pattern[at + 2..];
        class.find(']').is_some_and(|end| class[end + 1..].starts_with(['*', '+']))
    }) || pattern.contains(".*")
}

/// Lists of needs that a rule has at most.
const LISTS: usize = 3;
type Set = u128;

/// All rules, and one automaton for everything that they need.
pub struct Rules {
    all: Vec<Rule>,
    words: AhoCorasick,
    /// For each word and each byte: the rules whose first, second and third need it meets.
    met_by_word: Vec<[Set; LISTS]>,
    met_by_byte: Box<[[Set; LISTS]; 256]>,
    /// What rules with fewer needs have from the start.
    met: [Set; LISTS],
    /// All near alternatives as one pattern, which says at once that none matches.
    any_near: Regex,
    /// The rules that have others.
    with_others: Set,
}

impl Rules {
    pub fn new(rules: Vec<Rule>) -> Self {
        assert!(rules.len() <= Set::BITS as usize, "the set of rules is full");
        let mut words: Vec<&str> = Vec::new();
        let mut met_by_word: Vec<[Set; LISTS]> = Vec::new();
        let mut met_by_byte = Box::new([[0; LISTS]; 256]);
        let (mut met, mut with_others) = ([0; LISTS], 0);
        for (number, rule) in rules.iter().enumerate() {
            assert!(rule.needs.len() <= LISTS, "a rule has three needs at most");
            with_others |= Set::from(!rule.others.is_empty()) << number;
            for without in met.iter_mut().skip(rule.needs.len()) {
                *without |= 1 << number;
            }
            for (list, parts) in rule.needs.iter().enumerate() {
                for part in parts {
                    if let [byte] = part.as_bytes() {
                        met_by_byte[usize::from(*byte)][list] |= 1 << number;
                        continue;
                    }
                    let at = words.iter().position(|known| known == part).unwrap_or_else(|| {
                        words.push(part);
                        met_by_word.push([0; LISTS]);
                        words.len() - 1
                    });
                    met_by_word[at][list] |= 1 << number;
                }
            }
        }
        let words = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::DFA))
            .prefilter(false)
            .build(&words)
            .expect("words that were tested");
        let near: Vec<String> = rules.iter().flat_map(|rule| rule.near.iter().cloned()).collect();
        let any_near = build(&joined(&near));
        Self { all: rules, words, met_by_word, met_by_byte, met, any_near, with_others }
    }

    /// The class of the first rule that matches a text in small letters.
    pub fn first(&self, text: &[u8]) -> Option<Class> {
        let mut open = self.open(text);
        let near = open != 0 && self.any_near.is_match(text);
        if !near {
            open &= self.with_others;
        }
        while open != 0 {
            let rule = &self.all[open.trailing_zeros() as usize];
            let tried = if near { std::slice::from_ref(&rule.regex) } else { &rule.others };
            if tried.iter().any(|regex| regex.is_match(text)) {
                return Some(rule.class);
            }
            open &= open - 1;
        }
        None
    }

    /// The rules whose needs a text meets.
    fn open(&self, text: &[u8]) -> Set {
        let mut met = self.met;
        let mut add = |by: &[Set; LISTS]| {
            for (sum, more) in met.iter_mut().zip(by) {
                *sum |= more;
            }
        };
        let mut present = [false; 256];
        for byte in text {
            present[usize::from(*byte)] = true;
        }
        for (by, _) in self.met_by_byte.iter().zip(present).filter(|(_, present)| *present) {
            add(by);
        }
        for found in self.words.find_overlapping_iter(text) {
            add(&self.met_by_word[found.pattern().as_usize()]);
        }
        met[0] & met[1] & met[2]
    }
}
