//! What attacks look like, as functions of a text alone. They say yes or no and never change anything.

mod command;
mod decode;
mod nosql;
mod programs;
mod rules;
mod shell;
mod sql;
mod traversal;
mod word;
mod xss;

use rules::Rules;
use std::sync::LazyLock;

pub use nosql::is_operator;

/// A kind of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    Xss,
    Sql,
    NoSql,
    Command,
    Traversal,
}

impl Class {
    /// The name of the class in answers, events and counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xss => "xss",
            Self::Sql => "sql_injection",
            Self::NoSql => "nosql_injection",
            Self::Command => "command_injection",
            Self::Traversal => "path_traversal",
        }
    }

    pub const ALL: [Self; 5] = [Self::Xss, Self::Sql, Self::NoSql, Self::Command, Self::Traversal];
}

/// A text as it came and as others may read it, in small letters.
struct Reading<'a> {
    /// As it came, but for the letters' size.
    raw: &'a [u8],
    /// Without encodings.
    decoded: &'a [u8],
    /// Without encodings, comments and the `+` of forms.
    spaced: &'a [u8],
}

/// The first class that a text looks like.
pub fn inspect(text: &str) -> Option<Class> {
    if text.len() < 3 {
        return None;
    }
    let raw = text.as_bytes().to_ascii_lowercase();
    let decoded = decode::decoded(text.as_bytes());
    let decoded = decoded.as_deref().unwrap_or(&raw);
    let spaced = if raw.contains(&b'+') && !raw.contains(&b' ') {
        let blanks: Vec<u8> = text.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
        let undone = decode::decoded(&blanks).unwrap_or_else(|| blanks.to_ascii_lowercase());
        Some(decode::spaced(&undone).unwrap_or(undone))
    } else {
        decode::spaced(decoded)
    };
    let spaced = spaced.as_deref().unwrap_or(decoded);
    let reading = Reading { raw: &raw, decoded, spaced };
    let mut seen: Vec<&[u8]> = Vec::with_capacity(3);
    for text in [decoded, spaced, &raw] {
        if !seen.contains(&text) {
            seen.push(text);
            if let Some(class) = RULES.first(text) {
                return Some(class);
            }
            if shell::holds_command(text) {
                return Some(Class::Command);
            }
        }
    }
    if traversal::found(&reading) {
        return Some(Class::Traversal);
    }
    if xss::is_markup(&reading) {
        return Some(Class::Xss);
    }
    sql::is_statement(&reading).then_some(Class::Sql)
}

/// Makes the rules ready, so that no request has to wait for it.
pub fn prepare() {
    LazyLock::force(&RULES);
    programs::prepare();
}

static RULES: LazyLock<Rules> = LazyLock::new(|| {
    Rules::new(
        [nosql::rules(), traversal::rules(), xss::rules(), command::rules(), sql::rules()]
            .into_iter()
            .flatten()
            .collect(),
    )
});
