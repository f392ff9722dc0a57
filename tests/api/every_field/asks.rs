//! What each route is asked for: every path in every part of a query, and bodies that name them.

use super::{MARKS, PATHS};
use portcullis::permit::Route;
use serde_json::{Value, json};

/// What is sent to one route: the path that its pattern stands for, the query and the body.
pub(super) struct Ask {
    pub query: String,
    pub body: Option<(String, &'static str)>,
    pub headers: Vec<(&'static str, &'static str)>,
}

fn ask(query: &[(&str, &str)]) -> Ask {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    Ask { query, body: None, headers: Vec::new() }
}

fn send(body: &Value) -> Ask {
    Ask { body: Some((body.to_string(), "application/json")), ..ask(&[]) }
}

fn dotted(path: &str) -> String {
    format!("data{}", path.replace('/', "."))
}

/// Questions that name each path in each part of a query.
fn questions() -> Vec<Ask> {
    let mut all = vec![
        ask(&[]),
        ask(&[("count", "true"), ("limit", "200")]),
        ask(&[("deleted", "include"), ("expand", "relationships"), ("depth", "3")]),
        ask(&[("deleted", "only"), ("limit", "200")]),
        ask(&[("deleted", "only"), ("q", MARKS[3][0])]),
        ask(&[("fields", "name,data")]),
    ];
    for (path, level) in PATHS {
        let name = dotted(path);
        let [word, digits] = MARKS[level];
        for filter in [
            format!("{name} = \"{word}1\""),
            format!("{name} ~ \"{}\"", &word[..6]),
            format!("{name} >= {digits}"),
            format!("not {name} = null"),
            format!("{name} in (\"{word}1\", \"{word}2\")"),
            format!("name = \"Somebody\" and {name} > \"a\" or {name} ="),
        ] {
            all.push(ask(&[("filter", &filter), ("count", "true")]));
        }
        for part in ["sort", "fields"] {
            all.push(ask(&[(part, &name)]));
        }
        all.push(ask(&[("sort", &format!("-{name},name")), ("limit", "1")]));
        all.push(ask(&[("q", word)]));
        all.push(ask(&[("q", &format!("{word}1 somebody")), ("count", "true"), ("fields", "name")]));
    }
    all
}

fn groups() -> Vec<Ask> {
    let each = PATHS.iter().flat_map(|(path, level)| {
        let name = dotted(path);
        let measure = |verb: &str| ask(&[("group_by", "data.title"), ("measures", &format!("count,{verb}({name})"))]);
        let mut all = vec![ask(&[("group_by", &name)]), ask(&[("q", MARKS[*level][0])])];
        all.extend(["sum", "min", "max", "avg"].map(measure));
        all
    });
    each.collect()
}

/// Bodies that write at each path, and some that touch what lies above it.
fn writes() -> Vec<Value> {
    let mut all = vec![
        json!({"name": "Renamed"}),
        json!({"data": {}}),
        json!({"data": {"title": "new", "nonsense": [1]}}),
        json!({"data": {"bank": null, "cards": null, "vault": null}}),
        json!({"data": {"bank": 5, "cards": [{"kind": 7}], "vault": "x"}}),
        json!({"data": {"title": 5, "rank": "x", "income": 7, "iban": 8, "score": "x"}}),
        json!({"data": {"pad": "x".repeat(10 * 1024)}}),
        json!({"confidence": 7, "data": [1]}),
    ];
    for (path, _) in PATHS {
        let names: Vec<&str> = path[1..].split('/').collect();
        for value in [json!("guess"), json!(null), json!(1)] {
            let nested = names.iter().rev().fold(value, |value, name| json!({*name: value}));
            all.push(json!({"data": nested}));
        }
    }
    all
}

fn rows(id: &str) -> Vec<Ask> {
    let lines: Vec<String> = writes()
        .into_iter()
        .map(|mut row| {
            row["id"] = json!(id);
            row.to_string()
        })
        .collect();
    let json_lines = (lines.join("\n"), "application/x-ndjson");
    let table = format!("id,title,iban,income,bank\n{id},a,b,c,d\n{id},,,,\nno-id,a,,,\n");
    let mut all = vec![];
    for mode in ["all_or_nothing", "skip_errors"] {
        all.push(Ask { body: Some(json_lines.clone()), ..ask(&[("mode", mode)]) });
        all.push(Ask { body: Some((table.clone(), "text/csv")), ..ask(&[("mode", mode)]) });
        let by = ask(&[("mode", mode), ("upsert_on", "/iban")]);
        all.push(Ask { body: Some(("iban,title\nguess,x\n".into(), "text/csv")), ..by });
    }
    all
}

fn batches(id: &str) -> Vec<Ask> {
    let operation = |kind: &str, body: &Value| {
        let mut operation = body.clone();
        operation["op"] = json!(kind);
        operation["type"] = json!("customers");
        if kind != "create" {
            operation["id"] = json!(id);
        }
        operation
    };
    let mut all: Vec<Ask> = Vec::new();
    for body in writes() {
        for kind in ["create", "update"] {
            all.push(send(
                &json!({"operations": [operation("update", &json!({"name": "Twice"})), operation(kind, &body)]}),
            ));
        }
    }
    all.push(send(&json!({"operations": [operation("delete", &json!({"if_match": 1}))]})));
    all.push(send(&json!({"operations": [operation("delete", &json!({}))]})));
    all
}

/// What a route is asked. Those without a word of their own are asked plainly, with what their paths name filled in.
pub(super) fn asks(route: &Route, id: &str) -> Vec<Ask> {
    let bodies = || writes().iter().map(send).collect::<Vec<_>>();
    match (route.method.as_str(), route.path) {
        ("GET", "/entities/{type}") => questions(),
        ("GET", "/entities/{type}/{id}") => {
            let mut all = vec![ask(&[]), ask(&[("expand", "relationships"), ("depth", "3")])];
            all.extend(["only", "include"].map(|which| ask(&[("deleted", which)])));
            all.extend(PATHS.iter().map(|(path, _)| ask(&[("fields", &dotted(path))])));
            all.push(Ask { headers: vec![("if-none-match", "\"1\"")], ..ask(&[]) });
            all
        }
        ("GET", "/entities/{type}/aggregate") => groups(),
        ("GET", "/entities/{type}/export") => {
            let mut all = vec![ask(&[("format", "csv")]), ask(&[("format", "jsonl")])];
            all.extend(PATHS.iter().map(|(path, _)| ask(&[("filter", &format!("{} != null", dotted(path)))])));
            all
        }
        ("POST", "/entities/{type}") => {
            let mut all = bodies();
            for (path, _) in PATHS {
                all.extend(writes().iter().map(|body| Ask { query: ask(&[("upsert_on", path)]).query, ..send(body) }));
            }
            let twice =
                || Ask { headers: vec![("idempotency-key", "again")], ..send(&json!({"data": {"title": "t"}})) };
            all.extend([twice(), twice()]);
            all
        }
        ("PATCH" | "PUT", "/entities/{type}/{id}") => {
            let mut all = bodies();
            all.push(Ask { headers: vec![("if-match", "\"999\"")], ..send(&json!({"name": "x"})) });
            all
        }
        ("POST", "/entities/{type}/import") => rows(id),
        ("POST", "/batch") => batches(id),
        ("POST", "/relationships") => {
            let join = |kind: &str| json!({"from_id": id, "to_id": id, "type": kind});
            vec![
                send(&join("knows")),
                send(&json!({"from_id": id, "to_id": "01980000-0000-7000-8000-000000000000", "type": "x"})),
            ]
        }
        ("GET", "/audit") => ["limit=200", "target_type=entity&limit=200", "action=entities.read"]
            .map(|query| Ask { query: query.into(), ..ask(&[]) })
            .into(),
        ("GET", "/audit/export") => vec![ask(&[("format", "jsonl")]), ask(&[("format", "csv")])],
        ("GET" | "DELETE", _) => vec![ask(&[])],
        _ => vec![send(&json!({}))],
    }
}
