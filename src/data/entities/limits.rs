//! What `data` may be, whatever its schema says.

use crate::{data::pointer, error::Faults, validate::has_control};
use serde_json::Value;

/// Bytes of compact UTF-8.
pub(super) const SIZE: usize = 10 * 1024;
const DEPTH: usize = 8;
const KEYS: usize = 200;

/// The compact text of `data`, or what is wrong with it. Nothing is ever rewritten.
pub(super) fn check(data: &Value, faults: &mut Faults) -> Option<String> {
    let mut walk = Walk { keys: 0, deepest: 0, control: Vec::new() };
    walk.value(data, 0, &mut Vec::new());
    let before = walk.control.len();
    for path in walk.control {
        faults.push(format!("/data{path}"), "control_character", "The text holds a control character.");
    }
    if walk.deepest > DEPTH {
        faults.push("/data", "too_deep", format!("The data is nested more than {DEPTH} deep."));
    }
    if walk.keys > KEYS {
        faults.push("/data", "too_many_keys", format!("The data has more than {KEYS} keys in all."));
    }
    let text = serde_json::to_string(data).ok()?;
    if text.len() > SIZE {
        faults.push("/data", "too_large", format!("The data has more than {SIZE} bytes as compact JSON."));
    }
    (before == 0 && walk.deepest <= DEPTH && walk.keys <= KEYS && text.len() <= SIZE).then_some(text)
}

struct Walk {
    keys: usize,
    deepest: usize,
    control: Vec<String>,
}

/// Places with control characters that one answer names.
const NAMED: usize = 20;

impl Walk {
    fn value<'v>(&mut self, value: &'v Value, depth: usize, path: &mut Vec<&'v str>) {
        match value {
            Value::String(text) => self.text(text, path),
            Value::Array(items) => {
                self.deepest = self.deepest.max(depth + 1);
                for item in items {
                    self.value(item, depth + 1, path);
                }
            }
            Value::Object(members) => {
                self.deepest = self.deepest.max(depth + 1);
                self.keys += members.len();
                for (name, member) in members {
                    path.push(name);
                    self.text(name, path);
                    self.value(member, depth + 1, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, path: &[&str]) {
        if has_control(text) && self.control.len() < NAMED {
            self.control.push(pointer::join(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn codes(data: &Value) -> Vec<String> {
        let mut faults = Faults::default();
        let text = check(data, &mut faults);
        assert_eq!(text.is_none(), !faults.is_empty());
        faults.into_inner().into_iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    }

    #[test]
    fn limits_are_exact() {
        let sized = |size: usize| json!({"a": "x".repeat(size - 8)});
        assert!(codes(&sized(SIZE)).is_empty());
        assert_eq!(codes(&sized(SIZE + 1)), ["/data too_large"]);
        let keys = |count: usize| Value::Object((0..count).map(|n| (n.to_string(), json!(n))).collect());
        assert!(codes(&keys(200)).is_empty());
        assert_eq!(codes(&keys(201)), ["/data too_many_keys"]);
        let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({"a": inner}));
        assert!(codes(&nested(8)).is_empty());
        assert_eq!(codes(&nested(9)), ["/data too_deep"]);
        assert_eq!(
            codes(&json!({"a": ["ok\n", {"b\u{0}": "\u{1}"}]})),
            ["/data/a/b\u{0} control_character", "/data/a/b\u{0} control_character"]
        );
        assert!(codes(&json!({"__proto__": {"$ne": 1}, "a.b": "𝄞"})).is_empty());
    }
}
