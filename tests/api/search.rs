//! Full-text search: what is found, by whom, and by types with an index and without one alike.

use crate::support::{Actor, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

fn ask(path: &str, query: &[(&str, &str)]) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(query);
    format!("{path}?{}", text.finish())
}

fn names(answer: &Value) -> Vec<String> {
    let items = answer["items"].as_array().expect("items");
    items.iter().map(|item| item["name"].as_str().unwrap_or("-").to_owned()).collect()
}

fn found(actor: &Actor, entity_type: &str, query: &[(&str, &str)]) -> Vec<String> {
    names(&actor.get(&ask(&format!("/entities/{entity_type}"), query)).expect(200).json())
}

const TYPES: [&str; 2] = ["plain", "indexed"];

/// Two types that hold the same; one of them with an index.
fn notes(admin: &Actor) {
    let schema = json!({"type": "object", "properties": {
        "text": {"type": "string"}, "tags": {"type": "array"}, "no": {"type": "integer"}, "iban": {"type": "string"}}});
    let fields = json!({"/iban": {"sensitivity": "restricted"}, "/text": {"sensitivity": "public"}});
    for name in TYPES {
        let search = (name == "indexed").then(|| json!(["/text", "/tags", "/no", "/iban"]));
        let body = json!({"name": name, "schema": schema, "fields": fields, "search": search});
        admin.post("/entity-types", &body).expect(201);
        for (name, data) in [
            ("Acme Paris", json!({"text": "A bridge over the river", "no": 12345, "iban": "DE77"})),
            ("Bolt", json!({"text": "Müller's bridges AND \"walls\"", "tags": ["urgent", {"by": "Acme"}]})),
            ("Cord", json!({"text": "100% cotton_thread e-mail: a@example.org", "iban": "bridge"})),
            ("Ärger", json!({"text": "nothing", "tags": []})),
        ] {
            let path = format!("/entities/{}", body["name"].as_str().unwrap());
            admin.post(&path, &json!({"name": name, "data": data})).expect(201);
        }
    }
}

#[test]
fn words_are_found_wherever_they_stand() {
    let site = Site::new();
    let admin = site.admin();
    notes(&admin);
    for (q, all) in [
        ("bridge", vec!["Cord", "Bolt", "Acme Paris"]),
        ("BRIDGE river", vec!["Acme Paris"]),
        ("bridges", vec!["Bolt"]),
        ("bridg", vec!["Cord", "Bolt", "Acme Paris"]),
        ("bridg river", vec![]),
        ("acme", vec!["Bolt", "Acme Paris"]),
        ("acme paris", vec!["Acme Paris"]),
        ("paris ac", vec!["Acme Paris"]),
        ("muller", vec!["Bolt"]),
        ("MÜLLER", vec!["Bolt"]),
        ("arger", vec!["Ärger"]),
        ("123", vec!["Acme Paris"]),
        ("urgent", vec!["Bolt"]),
        ("a@example.org", vec!["Cord"]),
        ("e-mail", vec!["Cord"]),
        ("cotton_thread", vec!["Cord"]),
        ("DE77", vec!["Acme Paris"]),
        // Nothing is an operator.
        ("bridges AND walls", vec!["Bolt"]),
        ("bridge OR nothing", vec![]),
        ("NOT bridge", vec![]),
        ("bridge*", vec!["Cord", "Bolt", "Acme Paris"]),
        ("\"bridge", vec!["Cord", "Bolt", "Acme Paris"]),
        ("text:bridge", vec![]),
        ("c1 : bridge", vec![]),
        ("{c0} : acme", vec![]),
        ("^acme", vec!["Bolt", "Acme Paris"]),
        ("NEAR(bridge river)", vec![]),
        ("'; drop table entities; --", vec![]),
        ("%", vec![]),
        ("* \" ( )", vec![]),
    ] {
        for entity_type in TYPES {
            assert_eq!(found(&admin, entity_type, &[("q", q)]), all, "{entity_type}: {q}");
            let mut sorted = all.clone();
            sorted.sort_unstable();
            assert_eq!(found(&admin, entity_type, &[("q", q), ("sort", "name")]), sorted, "{entity_type}: {q} by name");
        }
    }
    for entity_type in TYPES {
        assert_eq!(found(&admin, entity_type, &[("q", "  ")]).len(), 4, "nothing asked for is no search");
        let path = format!("/entities/{entity_type}");
        for long in ["x ".repeat(17), "x".repeat(1001), "ä".repeat(501)] {
            let problem = admin.get(&ask(&path, &[("q", &long)])).problem(422, "validation_failed");
            assert_eq!(problem["errors"][0]["pointer"], "/q");
        }
        admin.get(&ask(&path, &[("q", &"x".repeat(20_000))])).problem(414, "uri_too_long");
        let began = Instant::now();
        assert!(found(&admin, entity_type, &[("q", &"a".repeat(1000))]).is_empty());
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn a_search_goes_with_filter_sort_pages_counts_groups_and_deletion() {
    let site = Site::new();
    let admin = site.admin();
    notes(&admin);
    for entity_type in TYPES {
        let path = format!("/entities/{entity_type}");
        for number in 0..25 {
            let data = json!({"text": format!("page {}", number % 2), "no": number});
            admin.post(&path, &json!({"name": format!("Page {number:02}"), "data": data})).expect(201);
        }
        for sort in ["-created_at", "created_at", "name", "-data.no", "data.text,-name"] {
            let whole = found(&admin, entity_type, &[("q", "pag"), ("sort", sort), ("limit", "200")]);
            assert_eq!(whole.len(), 25);
            let (mut paged, mut cursor) = (Vec::new(), None::<String>);
            loop {
                let mut query = vec![("q", "pag"), ("sort", sort), ("limit", "7"), ("count", "true")];
                query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
                let page = admin.get(&ask(&path, &query)).expect(200).json();
                assert_eq!(page["total"], 25);
                paged.extend(names(&page));
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = Some(next.to_owned());
            }
            assert_eq!(paged, whole, "{entity_type} {sort}");
        }
        assert_eq!(found(&admin, entity_type, &[("q", "page"), ("filter", "data.no >= 23")]), ["Page 24", "Page 23"]);
        let next = admin.get(&ask(&path, &[("q", "page"), ("limit", "1")])).json()["next_cursor"].clone();
        let other = [("q", "pages"), ("limit", "1"), ("cursor", next.as_str().unwrap())];
        admin.get(&ask(&path, &other)).problem(422, "validation_failed");
        let groups = [("q", "page"), ("group_by", "data.text")];
        let groups = admin.get(&ask(&format!("{path}/aggregate"), &groups)).expect(200).json();
        assert_eq!(groups["items"][0], json!({"data.text": "page 0", "count": 13}));

        // An index follows every change: of a name, of data, deletion and restoration.
        let id = admin.get(&ask(&path, &[("q", "river")])).json()["items"][0]["id"].as_str().unwrap().to_owned();
        let one = format!("{path}/{id}");
        admin.patch(&one, &json!({"name": "Zeta", "data": {"text": "a tunnel"}})).expect(200);
        assert_eq!(found(&admin, entity_type, &[("q", "tunnel")]), ["Zeta"]);
        for gone in ["river", "paris"] {
            assert!(found(&admin, entity_type, &[("q", gone)]).is_empty(), "{gone}");
        }
        admin.delete(&one).expect(204);
        assert!(found(&admin, entity_type, &[("q", "tunnel")]).is_empty());
        assert_eq!(found(&admin, entity_type, &[("q", "tunnel"), ("deleted", "only")]), ["Zeta"]);
        assert_eq!(found(&admin, entity_type, &[("q", "tunnel"), ("deleted", "include")]), ["Zeta"]);
        admin.post(&format!("{one}/restore"), &json!({})).expect(200);
        assert_eq!(found(&admin, entity_type, &[("q", "tunnel")]), ["Zeta"]);
        // What was refused leaves nothing behind.
        admin.patch(&one, &json!({"name": "Refused", "data": {"no": "x"}})).problem(422, "validation_failed");
        assert!(found(&admin, entity_type, &[("q", "refused")]).is_empty());
    }
}

#[test]
fn a_search_finds_nothing_its_caller_may_not_read() {
    let site = Site::new();
    let admin = site.admin();
    notes(&admin);
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let body = json!({"name": "outside", "permissions": ["entities.*:read"], "clearance": "public"});
    admin.post("/roles", &body).expect(201);
    let outside = site.user(&admin, "outside", &["outside"]);
    let rule = |name: &str| format!("entities.{name}:read:where(name = @user.data.own)");
    let body = json!({"name": "narrow", "permissions": TYPES.map(rule), "clearance": "restricted"});
    admin.post("/roles", &body).expect(201);
    let body = json!({"email": "n@example.org", "password": PASSWORD, "roles": ["narrow"], "data": {"own": "Bolt"}});
    admin.post("/users", &body).expect(201);
    let narrow = site.log_in("n@example.org");
    let stranger = site.user(&admin, "stranger", &[]);
    for entity_type in TYPES {
        let who = |actor: &Actor, q: &str| found(actor, entity_type, &[("q", q)]);
        assert_eq!(who(&admin, "DE77"), ["Acme Paris"]);
        assert!(who(&viewer, "DE77").is_empty() && who(&viewer, "de7").is_empty(), "a restricted field");
        assert_eq!(who(&viewer, "bridge"), ["Bolt", "Acme Paris"], "not by the field above the clearance");
        assert_eq!(who(&viewer, "12345"), ["Acme Paris"]);
        assert!(who(&outside, "12345").is_empty() && who(&outside, "urgent").is_empty(), "unmarked is not public");
        assert_eq!(who(&outside, "river"), ["Acme Paris"]);
        assert_eq!(who(&narrow, "bridge"), ["Bolt"], "the row rule holds");
        let count = admin.get(&ask(&format!("/entities/{entity_type}"), &[("q", "bridge"), ("count", "true")]));
        assert_eq!(count.json()["total"], 3);
        let count = narrow.get(&ask(&format!("/entities/{entity_type}"), &[("q", "bridge"), ("count", "true")]));
        assert_eq!(count.json()["total"], 1);
        stranger.get(&ask(&format!("/entities/{entity_type}"), &[("q", "x")])).problem(403, "forbidden");
    }
    // A field that becomes sensitive is out of sight at once, whatever the index holds.
    let fields = json!({"/iban": {"sensitivity": "restricted"}, "/text": {"sensitivity": "restricted"}});
    for entity_type in TYPES {
        admin.patch(&format!("/entity-types/{entity_type}"), &json!({"fields": fields})).expect(200);
        assert!(found(&viewer, entity_type, &[("q", "river")]).is_empty());
        assert_eq!(found(&admin, entity_type, &[("q", "river")]), ["Acme Paris"]);
    }
}

/// Waits until the type's indexes are whole; what was seen of their progress meanwhile.
fn indexed(admin: &Actor, entity_type: &str) -> Vec<i64> {
    let (began, mut seen) = (Instant::now(), Vec::new());
    loop {
        match admin.get(&format!("/entity-types/{entity_type}")).expect(200).json()["indexing"].as_i64() {
            Some(percent) => seen.push(percent),
            None => return seen,
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{seen:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn import(admin: &Actor, entity_type: &str, count: usize) {
    let mut lines = String::new();
    for number in 0..count {
        let line = json!({"name": format!("Row {number}"), "data": {"text": format!("word{} common", number % 100), "no": number}});
        let _ = writeln!(lines, "{line}");
    }
    let request = admin.request(Method::POST, &format!("/entities/{entity_type}/import"));
    admin.send(request.header("content-type", "application/x-ndjson").body(lines)).expect(200);
}

#[test]
fn what_is_there_is_indexed_by_a_job_while_others_write() {
    let site = Site::new();
    let admin = site.admin();
    let schema = json!({"type": "object", "properties": {"text": {"type": "string"}, "no": {"type": "integer"}}});
    admin.post("/entity-types", &json!({"name": "rows", "schema": schema})).expect(201);
    import(&admin, "rows", 6000);
    assert_eq!(admin.get("/entity-types/rows").json()["indexing"], Value::Null);
    let asked = admin.patch("/entity-types/rows", &json!({"search": ["/text"], "indexes": ["/no"]})).expect(200).json();
    assert_eq!((&asked["search"], &asked["indexes"]), (&json!(["/text"]), &json!(["/no"])));
    assert!(asked["indexing"].is_i64(), "{asked}");
    // Meanwhile everything is found all the same.
    let total = |q: &str| {
        let answer = admin.get(&ask("/entities/rows", &[("q", q), ("count", "true"), ("limit", "1")]));
        answer.expect(200).json()["total"].as_i64().unwrap()
    };
    assert_eq!((total("word7"), total("word7 common")), (60 + 600, 60));
    admin.post("/entities/rows", &json!({"name": "New", "data": {"text": "word7 fresh", "no": -1}})).expect(201);
    let seen = indexed(&admin, "rows");
    assert!(seen.is_sorted(), "{seen:?}");
    assert_eq!(found(&admin, "rows", &[("q", "fresh")]), ["New"]);
    let all =
        admin.get(&ask("/entities/rows", &[("q", "word7"), ("count", "true"), ("limit", "2")])).expect(200).json();
    assert_eq!((all["total"].clone(), names(&all)[0].as_str()), (json!(661), "New"));
    assert_eq!(found(&admin, "rows", &[("filter", "data.no < 2"), ("sort", "data.no")]), ["New", "Row 0", "Row 1"]);
    // Without it again, and gone with its type.
    let changed = admin.patch("/entity-types/rows", &json!({"search": null})).expect(200).json();
    assert_eq!((&changed["search"], &changed["indexing"]), (&Value::Null, &Value::Null));
    assert_eq!(found(&admin, "rows", &[("q", "fresh")]), ["New"]);
    admin.patch("/entity-types/rows", &json!({"search": []})).expect(200);
    indexed(&admin, "rows");
    assert!(found(&admin, "rows", &[("q", "fresh")]).is_empty(), "only the name is looked into");
    assert_eq!(found(&admin, "rows", &[("q", "new")]), ["New"]);
    for search in [json!(["text"]), json!(["/text", "/text"]), json!([""]), json!(vec!["/x"; 11]), json!("/text")] {
        admin.patch("/entity-types/rows", &json!({"search": search})).problem(422, "validation_failed");
    }
}

#[test]
fn an_index_outlives_a_restart_and_goes_with_its_type() {
    let site = Site::new();
    let admin = site.admin();
    notes(&admin);
    let folder = site.close();
    let site = Site::on(folder, &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = site.log_in("admin@example.org");
    assert_eq!(found(&admin, "indexed", &[("q", "river")]), ["Acme Paris"]);
    let all = admin.get("/entities/indexed").expect(200).json();
    for entity in all["items"].as_array().unwrap() {
        admin.delete(&format!("/entities/indexed/{}", entity["id"].as_str().unwrap())).expect(204);
    }
    admin.delete("/entity-types/indexed").expect(204);
    admin.post("/entity-types", &json!({"name": "indexed", "search": ["/text"]})).expect(201);
    assert!(found(&admin, "indexed", &[("q", "river"), ("deleted", "include")]).is_empty());
    admin.post("/entities/indexed", &json!({"name": "x", "data": {"text": "river"}})).expect(201);
    assert_eq!(found(&admin, "indexed", &[("q", "river")]), ["x"]);
}
