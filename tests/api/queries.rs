//! What lists can be asked: filters on dates, groups, words, and pages while rows come and go.

use crate::support::{Actor, Site};
use serde_json::{Value, json};

/// A path with its query, values written as an address wants them.
fn ask(path: &str, query: &[(&str, &str)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query);
    format!("{path}?{}", text.finish())
}

fn names(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().expect("items");
    items.iter().map(|item| item["name"].as_str().unwrap_or("-").to_owned()).collect()
}

fn filtered(actor: &Actor, path: &str, filter: &str) -> Vec<String> {
    names(&actor.get(&ask(path, &[("filter", filter), ("sort", "name")])).expect(200).json())
}

#[test]
fn dates_are_compared_as_moments() {
    let site = Site::new();
    let admin = site.admin();
    let schema = json!({"type": "object", "properties": {
        "due": {"type": "string", "format": "date"},
        "sent": {"type": ["string", "null"], "format": "date-time"}}});
    admin.post("/entity-types", &json!({"name": "invoices", "schema": schema, "indexes": ["/due"]})).expect(201);
    for (name, due, sent) in [
        ("a", "2026-01-31", json!("2026-01-31T23:30:00-01:00")),
        ("b", "2026-02-01", json!("2026-02-01T00:00:00Z")),
        ("c", "2025-12-24", Value::Null),
    ] {
        admin.post("/entities/invoices", &json!({"name": name, "data": {"due": due, "sent": sent}})).expect(201);
    }
    for (filter, found) in [
        ("data.due >= 2026-01-31", vec!["a", "b"]),
        ("data.due < 2026-01-31", vec!["c"]),
        ("data.due = '2026-01-31T00:00:00Z'", vec!["a"]),
        ("data.sent > 2026-02-01T00:00:00Z", vec!["a"]),
        ("data.sent = '2026-02-01T01:00:00+01:00'", vec!["b"]),
        ("data.sent = null", vec!["c"]),
        ("not data.sent <= 2026-02-01", vec!["a", "c"]),
        ("data.due in (2026-02-01, 2025-12-24) and created_at > 2020-01-01", vec!["b", "c"]),
    ] {
        assert_eq!(filtered(&admin, "/entities/invoices", filter), found, "{filter}");
    }
    let sorted = admin.get("/entities/invoices?sort=-data.sent").expect(200).json();
    assert_eq!(names(&sorted), ["a", "b", "c"]);
    let refused = admin.get(&ask("/entities/invoices", &[("filter", "name = 'ü' and data.due > 'soon'")]));
    let problem = refused.problem(422, "validation_failed");
    let message = problem["errors"][0]["message"].as_str().unwrap();
    assert!(message.contains("at character 27"), "{message}");
}
