//! Asks every route for values that are marked with their sensitivity, as a caller of each clearance, and finds none
//! above it: in bodies, headers and errors, of reads and writes, in the log, in what webhooks and listeners hear. The
//! routes come from the list that is mounted, so a new one is asked too.

mod asks;

use crate::support::{Actor, Answer, Receiver, Site};
use asks::{Ask, asks};
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
