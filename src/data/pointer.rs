//! JSON pointers (RFC 6901) into `data`, and what lies at their end.

use serde_json::Value;

/// The names between the slashes; `None` when it is not a pointer to a member.
pub fn segments(pointer: &str) -> Option<Vec<String>> {
    let rest = pointer.strip_prefix('/')?;
    rest.split('/')
        .map(|segment| {
            let bytes = segment.as_bytes();
            let escaped = |at: usize| matches!(bytes.get(at + 1), Some(b'0' | b'1'));
            let good = !segment.is_empty() && (0..bytes.len()).all(|at| bytes[at] != b'~' || escaped(at));
            good.then(|| segment.replace("~1", "/").replace("~0", "~"))
        })
        .collect()
}

/// One step of a pointer as it is written.
pub fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

pub fn join<S: AsRef<str>>(segments: &[S]) -> String {
    segments.iter().fold(String::new(), |path, segment| path + "/" + &escape(segment.as_ref()))
}

/// Removes what stands at the path. Arrays on the way are looked through: the rest of the path goes for each item.
pub fn remove(value: &mut Value, path: &[String]) {
    let Some((first, rest)) = path.split_first() else { return };
    match value {
        Value::Object(members) if rest.is_empty() => {
            members.shift_remove(first);
        }
        Value::Object(members) => {
            if let Some(member) = members.get_mut(first) {
                remove(member, rest);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| remove(item, path)),
        _ => {}
    }
}

/// What stands at the path, through objects only.
pub fn get<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, segment| value.as_object()?.get(segment))
}

/// Puts `new` at the path, making objects on the way; `false` when something else stands there.
pub fn put(value: &mut Value, path: &[String], new: Value) -> bool {
    let (Some((first, rest)), Value::Object(members)) = (path.split_first(), value) else { return false };
    if rest.is_empty() {
        members.insert(first.clone(), new);
        return true;
    }
    put(members.entry(first.clone()).or_insert_with(|| Value::Object(serde_json::Map::new())), rest, new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pointers_are_split_and_joined() {
        assert_eq!(segments("/a~1b/c~0d").unwrap(), ["a/b", "c~d"]);
        assert_eq!(join(&["a/b", "c~d"]), "/a~1b/c~0d");
        for bad in ["", "/", "a", "/a//b", "/a~", "/a~2"] {
            assert_eq!(segments(bad), None, "{bad}");
        }
    }

    #[test]
    fn removal_looks_through_arrays() {
        let mut value = json!({"a": {"b": [{"c": 1, "d": 2}, [{"c": 3}]]}, "c": 4});
        remove(&mut value, &segments("/a/b/c").unwrap());
        assert_eq!(value, json!({"a": {"b": [{"d": 2}, [{}]]}, "c": 4}));
    }
}
