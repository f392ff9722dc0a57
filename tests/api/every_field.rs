//! Asks every route for values that are marked with their sensitivity, as a caller of each clearance, and finds none
//! above it: in bodies, headers and errors, of reads and writes, in the log, in what webhooks and listeners hear. The
//! routes come from the list that is mounted, so a new one is asked too.

use crate::support::{Actor, Answer, Receiver, Site};
use portcullis::{permit::Route, server::routes::routes};
use reqwest::{Method, blocking::RequestBuilder};
use serde_json::{Value, json};
use std::{
    cell::Cell,
    io::Read,
    time::{Duration, Instant},
};

pub const LEVELS: [&str; 4] = ["public", "internal", "confidential", "restricted"];
/// What a value of each level holds: words, and digits for the numbers.
pub const MARKS: [[&str; 2]; 4] = [
    ["zqopenvalue", "811003877"],
    ["zqplainvalue", "822003877"],
    ["zqincomevalue", "833003877"],
    ["zqibanvalue", "844003877"],
];

/// Every path with the level that it comes to.
const PATHS: [(&str, usize); 15] = [
    ("/title", 0),
    ("/rank", 0),
    ("/plain", 1),
    ("/size", 1),
    ("/income", 2),
    ("/wage", 2),
    ("/iban", 3),
    ("/score", 3),
    ("/bank/city", 1),
    ("/bank/note", 2),
    ("/bank/pin", 3),
    ("/cards/number", 3),
    ("/vault/door", 3),
    ("/phone", 2),
    ("/tax", 3),
];

pub fn fields() -> Value {
    let level = |level: usize| json!({"sensitivity": LEVELS[level]});
    json!({
        "/title": level(0), "/rank": level(0), "/income": level(2), "/wage": {"sensitivity": LEVELS[2], "index": true},
        "/iban": {"sensitivity": LEVELS[3], "unique": true}, "/score": {"sensitivity": LEVELS[3], "index": true},
        "/bank/note": level(2), "/bank/pin": level(3), "/cards/number": level(3), "/cards/note": level(2),
        "/vault": level(3), "/vault/door": level(0),
        // Sealed, one of them with an index.
        "/phone": {"sensitivity": LEVELS[2], "pii": true},
        "/tax": {"sensitivity": LEVELS[3], "pii": true, "index": true},
    })
}

pub fn data(number: u64) -> Value {
    let word = |level: usize| format!("{}{number}", MARKS[level][0]);
    let digits = |level: usize| MARKS[level][1].parse::<u64>().unwrap();
    json!({
        "title": word(0), "rank": digits(0), "plain": word(1), "size": digits(1), "income": word(2), "wage": digits(2),
        "iban": word(3), "score": digits(3), "bank": {"city": word(1), "note": word(2), "pin": word(3)},
        "cards": [{"kind": word(1), "number": word(3), "note": word(2)}, {"number": digits(3)}],
        "vault": {"door": word(3), "deep": [{"key": word(3)}]}, "phone": word(2), "tax": word(3),
    })
}

pub fn schema() -> Value {
    let text = json!({"type": "string"});
    let number = json!({"type": "integer"});
    json!({"type": "object", "properties": {"title": text, "rank": number, "plain": text, "size": number, "income": text,
        "wage": number, "iban": text, "score": number, "bank": {"type": "object"}, "cards": {"type": "array"},
        "vault": {"type": "object"}, "phone": text, "tax": text}})
}

pub struct World {
    pub site: Site,
    pub admin: Actor,
    receiver: Receiver,
    made: Cell<u64>,
    /// Whose the victims are.
    pub owner: String,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Person,
    /// The same by a key of theirs.
    Key,
    /// Without credentials, with what such callers were given.
    Nobody,
    /// With every permission and a clearance that is below.
    Administrator,
}

impl World {
    pub fn new(search: &Value) -> Self {
        let receiver = Receiver::start();
        let allowed = receiver.allowed();
        let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_OUTBOUND__ALLOW", &allowed)]);
        let admin = site.admin();
        let body = json!({"name": "customers", "schema": schema(), "fields": fields(), "search": search});
        admin.post("/entity-types", &body).expect(201);
        let hook = json!({"name": "All", "url": receiver.url("/hook"), "events": ["*"]});
        admin.post("/webhooks", &hook).expect(201);
        let owner = json!({"email": "owner@example.org", "roles": ["viewer"]});
        let owner = admin.post("/users", &owner).expect(201).id();
        Self { site, admin, receiver, made: Cell::new(0), owner }
    }

    /// Somebody with every right that is not administration, or all of them, and one clearance.
    pub fn caller(&self, level: usize, who: Who) -> Actor {
        let name = format!("sees_{}", LEVELS[level]);
        let permissions = if who == Who::Administrator { vec!["*".to_owned()] } else { permissions() };
        let role = json!({"permissions": permissions, "clearance": LEVELS[level]});
        if who == Who::Nobody {
            self.admin.patch("/roles/anonymous", &role).expect(200);
            return self.site.nobody();
        }
        let mut role = role;
        role["name"] = json!(name);
        self.admin.post("/roles", &role).expect(201);
        let caller = self.site.user(&self.admin, &name, &[&name]);
        if who != Who::Key {
            return caller;
        }
        let key = caller.post("/api-keys", &json!({"name": "walks", "scopes": permissions})).expect(201).json();
        self.site.holder(key["key"].as_str().unwrap())
    }

    fn make(&self) -> String {
        self.made.set(self.made.get() + 1);
        let body = json!({"name": "Somebody", "data": data(self.made.get()), "owner_id": self.owner});
        self.admin.post("/entities/customers", &body).expect(201).id()
    }

    /// A new entity full of marks that was deleted; its id.
    pub fn deleted(&self) -> String {
        let id = self.make();
        self.admin.delete(&format!("/entities/customers/{id}")).expect(204);
        id
    }

    /// A new entity full of marks, in its second version and joined to another; its id and its relationship's.
    pub fn victim(&self) -> (String, String) {
        let (one, other) = (self.make(), self.make());
        self.made.set(self.made.get() + 1);
        let change = json!({"data": {"iban": format!("{}{}", MARKS[3][0], self.made.get()), "plain": null}});
        self.admin.patch(&format!("/entities/customers/{one}"), &change).expect(200);
        let join = json!({"from_id": one, "to_id": other, "type": "knows"});
        let join = self.admin.post("/relationships", &join).expect(201).id();
        (one, join)
    }
}

/// What is sent to one route: the path that its pattern stands for, the query and the body.
struct Ask {
    query: String,
    body: Option<(String, &'static str)>,
    headers: Vec<(&'static str, &'static str)>,
}

fn ask(query: &[(&str, &str)]) -> Ask {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    Ask { query, body: None, headers: Vec::new() }
}

fn send(body: &Value) -> Ask {
    Ask { body: Some((body.to_string(), "application/json")), ..ask(&[]) }
}

fn permissions() -> Vec<String> {
    let mut permissions = vec!["audit:read".to_owned(), "audit:export".to_owned(), "users:export".to_owned()];
    for action in ["read", "create", "update", "delete", "export"] {
        permissions.push(format!("entities.*:{action}"));
    }
    for resource in ["relationships", "files"] {
        permissions.extend(["read", "create", "update", "delete"].map(|action| format!("{resource}:{action}")));
    }
    for resource in ["entity_types", "webhooks", "decisions", "observations", "overview", "jobs", "users", "roles"] {
        permissions.push(format!("{resource}:read"));
    }
    permissions
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
fn asks(route: &Route, id: &str) -> Vec<Ask> {
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

/// Whether a route may be asked by somebody who has to stay signed in, and answers at all.
fn is_asked(route: &Route) -> bool {
    let about_entities = ["/entities", "/batch", "/relationships", "/audit", "/files"];
    let about_entities = about_entities.iter().any(|start| route.path.starts_with(start));
    (route.method == actix_web::http::Method::GET && route.path != "/events") || about_entities
}

fn path_of(route: &Route, id: &str, join: &str, user: &str) -> String {
    let filled = route.path.split('/').map(|segment| match segment {
        "{type}" => "customers",
        "{version}" => "1",
        "{seq}" => "20",
        "{id}" if route.path.starts_with("/relationships") => join,
        "{id}" if route.path.starts_with("/users") => user,
        "{id}" => id,
        "{name}" | "{kind}" | "{rule}" | "{delivery}" => "absent",
        unknown if unknown.starts_with('{') => panic!("{} {}: say what {unknown} stands for", route.method, route.path),
        plain => plain,
    });
    filled.collect::<Vec<_>>().join("/")
}

/// Panics when an answer tells a value above `level`, wherever it stands.
#[track_caller]
pub fn ensure_untold(answer: &Answer, level: usize, what: &str) {
    let headers = format!("{:?}", answer.headers);
    for (above, marks) in MARKS.iter().enumerate().skip(level + 1) {
        for mark in marks {
            for (place, text) in [("body", &answer.text), ("headers", &headers)] {
                let told = text.find(mark);
                let near = told.map(|at| &text[at.saturating_sub(120)..(at + 40).min(text.len())]);
                assert!(
                    told.is_none(),
                    "{what} tells {} what is {} in its {place}: {near:?}",
                    LEVELS[level],
                    LEVELS[above]
                );
            }
        }
    }
    assert!(answer.status < 500, "{what}: {}", answer.text);
}

/// The marks of these levels that a caller is shown at all, so that a silent walk does not pass for a good one.
fn seen(text: &str, shown: &mut [bool; 4]) {
    for (level, marks) in MARKS.iter().enumerate() {
        shown[level] |= marks.iter().any(|mark| text.contains(mark));
    }
}

fn request(caller: &Actor, route: &Route, path: &str, ask: Ask) -> RequestBuilder {
    let method: Method = route.method.as_str().parse().unwrap();
    let target = if ask.query.is_empty() { path.to_owned() } else { format!("{path}?{}", ask.query) };
    let mut request = caller.request(method, &target);
    for (name, value) in ask.headers {
        request = request.header(name, value);
    }
    match ask.body {
        Some((body, kind)) => request.header("content-type", kind).body(body),
        None => request,
    }
}

fn walk(level: usize, who: Who, search: &Value) {
    let world = World::new(search);
    let caller = world.caller(level, who);
    let (id, join) = world.victim();
    let deleted = world.deleted();
    let mut shown = [false; 4];
    let mut refused = Vec::new();
    for route in routes().iter().filter(|route| is_asked(route)) {
        let changes = route.method != actix_web::http::Method::GET;
        let restores = route.path == "/entities/{type}/{id}/restore";
        // What is refused changes nothing, so that whom it was tried on is there for the next.
        let mut whom: Option<(String, String)> = None;
        for ask in asks(route, &id) {
            let of_deleted = route.path.starts_with("/entities/{type}/{id}") && ask.query.starts_with("deleted=");
            let (id, join) = match whom.take() {
                Some(untouched) => untouched,
                None if restores => (world.deleted(), join.clone()),
                None if changes && route.path.contains("{id}") => world.victim(),
                None if of_deleted => (deleted.clone(), join.clone()),
                None => (id.clone(), join.clone()),
            };
            let path = path_of(route, &id, &join, &world.owner);
            let told = format!(
                "{} {path}?{} {:?}",
                route.method,
                ask.query,
                ask.body.as_ref().map(|body| &body.0[..body.0.len().min(200)])
            );
            let asks_hidden = route.path == "/entities/{type}" && !changes && ask.query.contains("q=zq");
            let answer = caller.send(request(&caller, route, &path, ask));
            ensure_untold(&answer, level, &told);
            seen(&answer.text, &mut shown);
            whom = (changes && answer.status >= 400).then_some((id, join));
            if asks_hidden {
                ensure_found_only_what_is_seen(&answer, level, &told);
            }
            if let Some(decision) = serde_json::from_str::<Value>(&answer.text)
                .ok()
                .and_then(|body| body["decision_id"].as_str().map(str::to_owned))
            {
                refused.push(decision);
            }
        }
    }
    for way in ["", "/history", "/history/1", "/export"] {
        ensure_untold(&caller.get(&format!("/entities/customers/{deleted}{way}")), level, "what was deleted");
    }
    for decision in refused.iter().take(50) {
        ensure_untold(&caller.get(&format!("/decisions/{decision}")), level, "a decision");
    }
    for seq in (1..=60).chain(world.made.get() as i64..world.made.get() as i64 + 40) {
        ensure_untold(&caller.get(&format!("/audit/{seq}")), level, "an event of the log");
    }
    let expected: [bool; 4] = std::array::from_fn(|other| other <= level);
    assert_eq!(shown, expected, "what {} is shown", LEVELS[level]);
}

/// A search finds nothing by words that only stand where the caller may not read.
fn ensure_found_only_what_is_seen(answer: &Answer, level: usize, told: &str) {
    let hidden = MARKS.iter().skip(level + 1).any(|[word, _]| told.contains(&format!("q={word}")));
    if hidden && answer.status == 200 {
        assert_eq!(answer.json()["items"], json!([]), "{told} finds by what {} may not see", LEVELS[level]);
    }
}

fn searched() -> Value {
    json!(["/title", "/plain", "/income", "/iban", "/vault/door"])
}

#[test]
fn the_public_see_what_is_public() {
    walk(0, Who::Person, &searched());
}

#[test]
fn what_is_internal_ends_there() {
    walk(1, Who::Person, &Value::Null);
}

#[test]
fn what_is_confidential_ends_there() {
    walk(2, Who::Person, &searched());
}

#[test]
fn whoever_may_see_all_does() {
    walk(3, Who::Person, &Value::Null);
}

#[test]
fn a_key_sees_what_its_owner_sees() {
    walk(1, Who::Key, &searched());
}

#[test]
fn nobody_sees_what_is_public() {
    walk(0, Who::Nobody, &searched());
}

#[test]
fn every_permission_is_no_clearance() {
    walk(1, Who::Administrator, &searched());
}

#[test]
fn listeners_and_webhooks_hear_no_values() {
    let world = World::new(&Value::Null);
    let caller = world.caller(1, Who::Person);
    let stream = caller.request(Method::GET, "/events").send().expect("a stream");
    let (id, join) = world.victim();
    world.admin.delete(&format!("/relationships/{join}")).expect(204);
    world.admin.delete(&format!("/entities/customers/{id}")).expect(204);
    let mut heard = Vec::new();
    let begun = Instant::now();
    let mut stream = stream;
    let mut part = [0; 4096];
    while begun.elapsed() < Duration::from_secs(20) && !String::from_utf8_lossy(&heard).contains("entity.deleted") {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(read) => heard.extend_from_slice(&part[..read]),
        }
    }
    let heard = String::from_utf8_lossy(&heard).into_owned();
    assert!(heard.contains("entity.created") && heard.contains("entity.deleted"), "{heard}");
    let calls = world.receiver.wait_for(5);
    let told: Vec<String> = calls.iter().map(|call| call.body.clone()).collect();
    assert!(told.iter().any(|body| body.contains("entity.")), "{told:?}");
    for mark in MARKS.iter().flatten() {
        assert!(!heard.contains(mark) && !told.iter().any(|body| body.contains(mark)), "{mark}: {heard} {told:?}");
    }
}
