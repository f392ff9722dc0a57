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

fn orders(admin: &Actor) {
    let schema = json!({"type": "object", "properties": {
        "city": {"type": "string"}, "amount": {"type": "number"}, "paid": {"type": "boolean"},
        "on": {"type": "string", "format": "date"}, "salary": {"type": "number"}, "any": {}},
        "additionalProperties": false});
    let fields = json!({"/salary": {"sensitivity": "restricted"}});
    admin.post("/entity-types", &json!({"name": "orders", "schema": schema, "fields": fields})).expect(201);
    for (name, data) in [
        ("a", json!({"city": "Paris", "amount": 10, "paid": true, "on": "2026-01-05", "salary": 1, "any": 1})),
        ("b", json!({"city": "Paris", "amount": 2.5, "paid": false, "on": "2026-01-31", "salary": 2, "any": "1"})),
        ("c", json!({"city": "Lyon", "amount": 4, "paid": true, "on": "2026-02-01", "salary": 3, "any": true})),
        ("d", json!({"amount": -4, "on": "2025-02-01", "any": null})),
    ] {
        admin.post("/entities/orders", &json!({"name": name, "data": data})).expect(201);
    }
}

fn groups(actor: &Actor, query: &[(&str, &str)]) -> Value {
    actor.get(&ask("/entities/orders/aggregate", query)).expect(200).json()["items"].clone()
}

#[test]
fn groups_are_counted_and_measured() {
    let site = Site::new();
    let admin = site.admin();
    orders(&admin);
    let all = [("measures", "count,sum(data.amount),min(data.amount),max(data.on),avg(data.amount),count(data.city)")];
    assert_eq!(
        groups(&admin, &all),
        json!([{"count": 4, "sum(data.amount)": 12.5, "min(data.amount)": -4, "max(data.on)": "2026-02-01T00:00:00.000Z",
                "avg(data.amount)": 3.125, "count(data.city)": 3}])
    );
    let by = |group_by: &str| groups(&admin, &[("group_by", group_by)]);
    assert_eq!(
        by("data.city"),
        json!([{"data.city": "Paris", "count": 2}, {"data.city": "Lyon", "count": 1}, {"data.city": null, "count": 1}])
    );
    assert_eq!(by("data.paid,data.city")[1], json!({"data.paid": true, "data.city": "Lyon", "count": 1}));
    let any = by("data.any");
    for value in [json!(1), json!("1"), json!(true), Value::Null] {
        assert!(any.as_array().unwrap().contains(&json!({"data.any": value, "count": 1})), "{any}");
    }
    let sorted = groups(&admin, &[("group_by", "month(data.on)"), ("sort", "month(data.on)"), ("measures", "count")]);
    assert_eq!(sorted[1], json!({"month(data.on)": "2026-01", "count": 2}));
    let query = [("group_by", "year(data.on)"), ("measures", "sum(data.amount)"), ("sort", "sum(data.amount)")];
    assert_eq!(groups(&admin, &query)[0], json!({"year(data.on)": "2025", "sum(data.amount)": -4}));
    let query = [("group_by", "data.city"), ("filter", "data.amount > 3"), ("sort", "data.city")];
    assert_eq!(groups(&admin, &query)[0], json!({"data.city": "Lyon", "count": 1}));
    let two = admin.get(&ask("/entities/orders/aggregate", &[("group_by", "data.city"), ("limit", "2")])).expect(200);
    assert_eq!((two.json()["items"].as_array().unwrap().len(), &two.json()["more"]), (2, &json!(true)));
    let deleted = admin.get("/entities/orders?sort=name&limit=1").expect(200).json()["items"][0]["id"].clone();
    admin.delete(&format!("/entities/orders/{}", deleted.as_str().unwrap())).expect(204);
    assert_eq!(groups(&admin, &[])[0]["count"], 3);
    assert_eq!(groups(&admin, &[("deleted", "only")])[0]["count"], 1);
    for (name, value) in [
        ("group_by", "data.nothing.x(1)"),
        ("group_by", "nothing"),
        ("group_by", "data.city,data.city"),
        ("group_by", "month(data.city)"),
        ("group_by", "sum(data.amount)"),
        ("group_by", "name,version,type,id"),
        ("measures", "sum"),
        ("measures", "sum(data.city)"),
        ("measures", "median(data.amount)"),
        ("measures", "count(*)"),
        ("measures", "sum(data.amount"),
        ("measures", "sum(data.amount),sum(data.amount)"),
        ("measures", ""),
        ("measures", "count;drop table entities"),
        ("sort", "nothing"),
        ("limit", "0"),
        ("limit", "201"),
        ("filter", "nothing = 1"),
        ("cursor", "x"),
    ] {
        let problem = admin.get(&ask("/entities/orders/aggregate", &[(name, value)])).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], format!("/{name}"), "{value}: {problem}");
    }
}

#[test]
fn a_sum_beyond_64_bits_is_a_number() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    for _ in 0..3 {
        admin.post("/entities/orders", &json!({"data": {"amount": i64::MAX}})).expect(201);
    }
    let sum = groups(&admin, &[("measures", "sum(data.amount)")])[0]["sum(data.amount)"].as_f64().unwrap();
    assert!(sum > 2.7e19, "{sum}");
}

#[test]
fn groups_tell_nothing_of_what_their_caller_may_not_read() {
    let site = Site::new();
    let admin = site.admin();
    orders(&admin);
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let asked = |query: &[(&str, &str)]| viewer.get(&ask("/entities/orders/aggregate", query));
    for (hidden, unknown) in [
        ([("group_by", "data.salary")], [("group_by", "data.absents")]),
        ([("measures", "sum(data.salary)")], [("measures", "sum(data.absents)")]),
        ([("measures", "count(data.salary)")], [("measures", "count(data.absents)")]),
        ([("filter", "data.salary > 1")], [("filter", "data.absents > 1")]),
    ] {
        let refused = asked(&hidden).problem(422, "validation_failed");
        let absent = asked(&unknown).problem(422, "validation_failed");
        let same = absent["errors"].to_string().replace("absents", "salary");
        assert_eq!(refused["errors"].to_string(), same, "a hidden field is like one that is not there");
    }
    assert_eq!(groups(&admin, &[("measures", "sum(data.salary)")])[0]["sum(data.salary)"], 6);
    let rule = "entities.orders:read:where(data.city = @user.data.city)";
    admin.post("/roles", &json!({"name": "local", "permissions": [rule]})).expect(201);
    let body = json!({"email": "l@example.org", "password": crate::support::PASSWORD, "roles": ["local"], "data": {"city": "Paris"}});
    admin.post("/users", &body).expect(201);
    let local = site.log_in("l@example.org");
    let seen = groups(&local, &[("group_by", "data.city"), ("measures", "count,sum(data.amount)")]);
    assert_eq!(seen, json!([{"data.city": "Paris", "count": 2, "sum(data.amount)": 12.5}]));
    let stranger = site.user(&admin, "stranger", &[]);
    stranger.get("/entities/orders/aggregate").problem(403, "forbidden");
    site.nobody().get("/entities/orders/aggregate").problem(401, "unauthenticated");
}
