//! Regular expressions in schemas. They run in linear time here, but a schema is also read by others:
//! patterns on which a backtracking engine takes exponential time are refused.

use regex_syntax::hir::{Hir, HirKind, Repetition};

const LENGTH: usize = 1000;

/// Why a pattern is refused, if it is.
pub(super) fn refusal(pattern: &str) -> Option<String> {
    if pattern.len() > LENGTH {
        return Some(format!("a pattern has at most {LENGTH} bytes"));
    }
    let parsed = regex_syntax::ParserBuilder::new().nest_limit(50).build().parse(pattern);
    match parsed {
        Err(_) => Some("it is no regular expression without look-around and back-references".to_owned()),
        Ok(hir) if explodes(&hir) => {
            Some("it repeats what already repeats itself, which takes exponential time in many engines".to_owned())
        }
        Ok(_) => None,
    }
}

fn explodes(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            (unbounded(repetition) && ambiguous(&repetition.sub)) || explodes(&repetition.sub)
        }
        HirKind::Capture(capture) => explodes(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().any(explodes),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

fn unbounded(repetition: &Repetition) -> bool {
    repetition.max.is_none_or(|max| max > 20)
}

/// Whether a text of this can be split into several of it in more than one way, as `a+` or `a|aa` can.
fn ambiguous(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(repetition) => unbounded(repetition) || ambiguous(&repetition.sub),
        HirKind::Capture(capture) => ambiguous(&capture.sub),
        HirKind::Alternation(parts) => parts.iter().any(ambiguous) || prefixes(parts),
        HirKind::Concat(parts) => {
            let mut needed = parts.iter().filter(|part| part.properties().minimum_len() != Some(0));
            match (needed.next(), needed.next()) {
                (Some(only), None) => ambiguous(only) || parts.iter().any(|part| repeats(part) && part != only),
                (None, _) => parts.iter().any(repeats),
                _ => false,
            }
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => false,
    }
}

/// Whether this is a bare repetition of the same characters that stand beside it, as in `a*a`.
fn repeats(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Repetition(repetition) if unbounded(repetition) && ambiguous(hir)
        && repetition.sub.properties().minimum_len() == Some(0))
}

fn prefixes(parts: &[Hir]) -> bool {
    let literals: Vec<&[u8]> = parts
        .iter()
        .filter_map(|part| match part.kind() {
            HirKind::Literal(literal) => Some(&*literal.0),
            _ => None,
        })
        .collect();
    literals
        .iter()
        .enumerate()
        .any(|(index, one)| literals.iter().enumerate().any(|(other, two)| index != other && two.starts_with(one)))
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn patterns_that_explode_are_refused() {
        for bad in [
            "(a+)+$",
            "^(a*)*$",
            "([a-zA-Z]+)*",
            "(a|aa)+",
            "((a+)b?)*",
            "(.*)*",
            "(?=a)",
            "(a)\\1",
            "(",
            "(a{1,}){50,}",
        ] {
            assert!(refusal(bad).is_some(), "{bad}");
        }
        for good in [
            "^[a-z]+(-[a-z]+)*$",
            "^C[0-9]{4}$",
            "^(foo|bar)+$",
            "^\\d{1,3}(\\.\\d{1,3}){3}$",
            "^(\\w+\\s)*$",
            "[^@]+@[^@]+",
        ] {
            assert!(refusal(good).is_none(), "{good}");
        }
    }
}
