//! Strict JSON (RFC 8259): duplicate keys refused, and whoever asks is told of control characters.

use crate::{
    error::{Code, Error, Faults, Result},
    validate::has_control,
};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Parses one JSON text. Duplicate keys, invalid UTF-8, lone surrogates, numbers out of range
/// and nesting over 128 are `malformed_json`.
pub fn parse(bytes: &[u8]) -> Result<Value> {
    let malformed =
        |cause: &dyn fmt::Display| Error::new(Code::MalformedJson, format!("The body is not JSON: {cause}."));
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(malformed(&"it starts with a byte order mark"));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|cause| malformed(&format_args!("it is not UTF-8 from byte {}", cause.valid_up_to() + 1)))?;
    if holds_long_integer(bytes) {
        return Err(malformed(&"a whole number has too many digits to be kept exactly; send it as text"));
    }
    serde_json::from_str::<Strict>(text).map(|strict| strict.0).map_err(|cause| malformed(&cause))
}

/// Whether a whole number outside of strings has more digits than 64 bits surely hold; it would be rounded.
fn holds_long_integer(bytes: &[u8]) -> bool {
    let (mut in_string, mut escaped, mut digits, mut exact) = (false, false, 0, true);
    for &byte in bytes.iter().chain(b" ") {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' | b'e' | b'E' | b'+' => exact = false,
            _ if digits > 19 && exact => return true,
            _ => (digits, exact, in_string) = (0, true, byte == b'"'),
        }
    }
    false
}

/// Names every string and key in `value` that holds a control character other than tab and line ends.
pub(super) fn check_strings(value: &Value, skip: &[&str], faults: &mut Faults) {
    if let Value::Object(members) = value {
        for (name, member) in members.iter().filter(|(name, _)| !skip.contains(&name.as_str())) {
            walk(name, member, &mut String::new(), faults);
        }
    }
}

fn walk(name: &str, value: &Value, above: &mut String, faults: &mut Faults) {
    if faults.is_full() || !has_control(name) && !may_hold_strings(value) {
        return;
    }
    let length = above.len();
    above.push('/');
    above.push_str(&name.replace('~', "~0").replace('/', "~1"));
    if has_control(name) {
        faults.push(above.clone(), "control_character", "A key holds a control character.");
    }
    match value {
        Value::String(text) if has_control(text) => {
            faults.push(above.clone(), "control_character", "The text holds a control character.");
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(&index.to_string(), item, above, faults);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                walk(name, member, above, faults);
            }
        }
        _ => {}
    }
    above.truncate(length);
}

fn may_hold_strings(value: &Value) -> bool {
    match value {
        Value::String(text) => has_control(text),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => false,
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StrictSeed.deserialize(deserializer).map(Strict)
    }
}

struct StrictSeed;

impl<'de> DeserializeSeed<'de> for StrictSeed {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for StrictSeed {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element_seed(StrictSeed)? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(StrictSeed)?;
            if all.contains_key(&name) {
                return Err(serde::de::Error::custom(format_args!("the key `{name}` stands twice in one object")));
            }
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_strict_json_is_malformed() {
        let deep = "[".repeat(100_000);
        let bad: [&[u8]; 9] = [
            b"",
            b"{\"a\":1,\"a\":2}",
            b"{\"d\":{\"a\":1,\"a\":2}}",
            b"1e400",
            b"NaN",
            b"\"\\ud800\"",
            b"\"\xff\"",
            b"\xef\xbb\xbf{}",
            deep.as_bytes(),
        ];
        for bytes in bad {
            assert_eq!(parse(bytes).unwrap_err().code(), Code::MalformedJson);
        }
        assert_eq!(parse(b"[18446744073709551616]").unwrap_err().code(), Code::MalformedJson);
        let kept =
            parse(b"[9223372036854775807, 6.02214076e23, \"18446744073709551616\", 0.12345678901234567]").unwrap();
        assert_eq!(
            kept.to_string(),
            "[9223372036854775807,6.02214076e+23,\"18446744073709551616\",0.12345678901234566]"
        );
        assert_eq!(parse(b"{\"__proto__\": {\"$ne\": 1}}").unwrap()["__proto__"]["$ne"], 1);
    }

    #[test]
    fn control_characters_are_named_by_pointer() {
        let value = parse(br#"{"a": {"b": ["ok\n", "no\u0000"]}, "password": "\u0000"}"#).unwrap();
        let mut faults = Faults::default();
        check_strings(&value, &["password"], &mut faults);
        let faults = faults.into_inner();
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].pointer, "/a/b/1");
    }
}
