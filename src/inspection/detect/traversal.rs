//! Paths that leave their folder, or that name what no value should.

use super::{Class, Reading, rules::Rule};
use memchr::memmem;
use regex::bytes::Regex;
use std::sync::LazyLock;

fn regex(pattern: &str) -> Regex {
    Regex::new(&format!("(?s-u){pattern}")).expect("a pattern that was tested")
}

/// Steps up in a row, however they are written.
const CLIMB: &str =
    r"(?:(?:\.{2,}|\?\.|\.\?|\?\?|0x2e0x2e|\.[/\\]+\.\.?|%\.%?\.)(?:[/\\?%;]*[/\\][/\\?%]*|0x2f|0x5c|2f)){3}";
static STEP: LazyLock<Regex> = LazyLock::new(|| regex(r"(?:^|[^.\w])\.{2,}[/\\;]|(?:^|[/\\])\.\.$|\.\.[/\\]"));
/// Files that only the system has a use for.
static SYSTEM_FILE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?:etc(?:[/\\]+|2f|0x2f|0x5c|%5c)(?:default/|security/|master\.)?(?:passwd|shadow|issue|group|hosts|gshadow|sudoers|crontab|my\.cnf)|boot\.ini|win\.ini|system\.ini|windows[/\\]+(?:system32|repair|win|system)|winnt[/\\]|system32[/\\]|proc[/\\]self|\.ssh[/\\]|web-inf|\.htpasswd|id_rsa|cmd\.exe|global\.asa|unattend\.xml|sysprep)",
    )
});

pub(super) fn rules() -> Vec<Rule> {
    let rule = |anchors: &str, pattern: &str| Rule::new(Class::Traversal, anchors, pattern);
    vec![
        rule("../ ..\\ ?/ ?\\ ./ .\\ 0x2e 0x2f 0x5c ..2f ..%", CLIMB),
        rule("://", r"^(?:file|php|zip|phar|expect|glob|ogg|rar|gopher|dict|jar|netdoc|compress\.\w+)://[^\s]"),
        rule(
            "://",
            r"(?:php|phar|expect)://(?:filter|input|stdin|[a-z0-9_./-]*\.phar|id|ls)|file:///?(?:etc|proc|c:|windows)",
        ),
        rule("::$", r"::\$(?:index_allocation|data)"),
        rule("etc proc & / \\", r"^\s*(?:[a-z]:)?[/\\.]+(?:etc[/\\]+(?:passwd|shadow)|proc[/\\]+self[/\\])"),
        rule("passwd shadow & / \\", r"[/\\]+etc[/\\]+(?:passwd|shadow)(?:[^\w]|$)"),
        rule("convert.", r"convert\.(?:iconv|base64-(?:en|de)code)\."),
        rule("..;", r"\.\.;(?:[/\\]|$)"),
        rule(".../ ...\\", r"(?:^|[/=\\])(?:\.{3,}[/\\]+){2}"),
        rule("../ ..\\", r"\.\.[/\\][^\s'\x22<>]*\x00|[=?&][^\s&]*(?:\.\.[/\\]){2}"),
    ]
}

/// One word that could be a path, and nothing else.
fn is_path(text: &[u8]) -> bool {
    let foreign =
        |byte: &u8| matches!(byte, b' ' | b'\n' | b'"' | b'\'' | b'(' | b'<' | b'>' | b'[' | b'`' | b',' | b'*' | b'=');
    !text.iter().any(foreign) && text.iter().any(|byte| matches!(byte, b'/' | b'\\')) || text.starts_with(b"..")
}

/// What the rules do not say: a value that is nothing but a path up, or a path to a file of the system.
pub(super) fn found(reading: &Reading<'_>) -> bool {
    let text = reading.decoded.trim_ascii();
    let path = text.len() < 4096 && is_path(text);
    if !path && ![&b"../"[..], b"..\\", b"..;"].iter().any(|step| memmem::find(text, step).is_some()) {
        return false;
    }
    let hidden = || STEP.is_match(text) && !STEP.is_match(reading.raw);
    if !path {
        return STEP.is_match(text) && (SYSTEM_FILE.is_match(text) || hidden() && text.len() < 256);
    }
    if SYSTEM_FILE.is_match(text) && is_disguised(text) {
        return true;
    }
    STEP.is_match(text) && (!is_link(text) || hidden())
}

/// A system's file under dots, doubled slashes or question marks, or by its full name.
fn is_disguised(text: &[u8]) -> bool {
    let start = &text[..text.len().min(4)];
    start.iter().any(|byte| matches!(byte, b'.' | b'?' | b'/' | b'\\' | b'%' | b':' | b'0'))
}

/// An address within a page or a project, as texts about software have them.
fn is_link(text: &[u8]) -> bool {
    let once = text.windows(3).filter(|part| *part == b"../").count() < 2;
    once && [".md", ".rs", ".js", ".ts", ".py", ".html", ".css", ".svg", ".png", ".jpg", "../"]
        .iter()
        .any(|end| text.ends_with(end.as_bytes()))
}
