//! Bodies as they may stand in a log: their shape, without what is secret or personal, and of a bounded length.

use crate::config::Live;
use actix_web::{HttpRequest, web::Data};
use serde_json::Value;

/// Bytes of a body that are logged.
const LONGEST: usize = 4096;
/// Parts of the names of members that are never shown, not even their length.
const SECRET: [&str; 14] = [
    "password",
    "secret",
    "token",
    "totp",
    "code",
    "key",
    "csrf",
    "cookie",
    "authorization",
    "nonce",
    "salt",
    "url",
    "signature",
    "hash",
];
/// Members that say what a thing is, not whose.
const PLAIN: [&str; 16] = [
    "id",
    "type",
    "kind",
    "status",
    "state",
    "action",
    "scope",
    "outcome",
    "created_at",
    "updated_at",
    "at",
    "mode",
    "title",
    "instance",
    "request_id",
    "op",
];

/// Whether bodies are logged, as `log.bodies` says.
pub fn are_logged(request: &HttpRequest) -> bool {
    request.app_data::<Data<Live>>().is_some_and(|config| config.load().log.bodies)
}

/// The body as one line: texts by their length, unless their member only says what a thing is.
pub fn masked(value: &Value) -> String {
    let mut text = hidden("", value).to_string();
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

fn hidden(name: &str, value: &Value) -> Value {
    let lower = name.to_lowercase();
    if SECRET.iter().any(|part| lower.contains(part)) && !value.is_null() {
        return "(hidden)".into();
    }
    match value {
        Value::String(_) if PLAIN.contains(&lower.as_str()) => value.clone(),
        Value::String(text) => format!("(text of {})", text.chars().count()).into(),
        Value::Array(items) => items.iter().map(|item| hidden(name, item)).collect(),
        // What a team keeps is nobody's business here, numbers and flags included.
        Value::Object(members) if lower == "data" => members
            .iter()
            .map(|(name, value)| (name.clone(), kind(value).into()))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), hidden(name, value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "(null)",
        Value::Bool(_) => "(flag)",
        Value::Number(_) => "(number)",
        Value::String(_) => "(text)",
        Value::Array(_) => "(list)",
        Value::Object(_) => "(object)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_keeps_its_shape_and_nothing_secret_or_personal() {
        let body = json!({
            "email": "ada@example.org", "password": "seven bronze turnstiles", "roles": ["admin"], "limit": 3,
            "data": {"iban": "NL91", "age": 42, "tags": ["x"]}, "type": "customers", "API_Key": ["ptk_1"],
        });
        let expected = json!({
            "email": "(text of 15)", "password": "(hidden)", "roles": ["(text of 5)"], "limit": 3,
            "data": {"iban": "(text)", "age": "(number)", "tags": "(list)"}, "type": "customers", "API_Key": "(hidden)",
        });
        assert_eq!(masked(&body), expected.to_string());
        let long = masked(&json!({"id": "é".repeat(5000)}));
        assert!(long.len() <= LONGEST + 3 && long.ends_with('…'));
    }
}
