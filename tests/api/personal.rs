//! Personal data: sealed wherever it is kept, found where that was asked for, and whole for those who may see it.

use crate::support::{Actor, Answer, Site};
use reqwest::Method;
use serde_json::{Value, json};
use std::{fs, path::Path};

pub const PEOPLE: &str = "/entities/people";

fn schema() -> Value {
    json!({"type": "object", "properties": {
        "iban": {"type": "string", "minLength": 4}, "no": {"type": "string"}, "city": {"type": "string"},
        "born": {"type": "string", "format": "date"}, "height": {"type": "number"}, "nick": {"type": "string", "default": "by-default"},
        "bank": {"type": "object"}, "contacts": {"type": "array", "items": {"type": "object"}}}})
}

pub fn people(admin: &Actor) {
    let fields = json!({
        "/iban": {"pii": true, "index": true, "sensitivity": "restricted"},
        "/no": {"pii": true, "unique": true},
        "/born": {"pii": true, "index": true},
        "/height": {"pii": true, "index": true},
        "/nick": {"pii": true},
        "/bank": {"pii": true},
        "/bank/pin": {"sensitivity": "restricted"},
        "/contacts/phone": {"pii": true}});
    let body = json!({"name": "people", "schema": schema(), "fields": fields, "search": ["/city"]});
    admin.post("/entity-types", &body).expect(201);
}

/// Every file of the data folder, deleted ones that are still open aside.
fn bytes(site: &Site) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    collect(&site.folder.path().join("data"), &mut all);
    all
}

pub fn collect(folder: &Path, all: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, all);
        } else if let Ok(bytes) = fs::read(&path) {
            all.push((path.display().to_string(), bytes));
        }
    }
}

pub fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Where any of these stands in the data folder.
fn found(site: &Site, texts: &[&str]) -> Vec<String> {
    let all = bytes(site);
    assert!(all.iter().any(|(name, bytes)| name.ends_with("portcullis.db") && !bytes.is_empty()));
    let hits = all.iter().flat_map(|(name, bytes)| {
        texts.iter().filter(|text| holds(bytes, text)).map(move |text| format!("{text} in {name}"))
    });
    hits.collect()
}

pub fn make(actor: &Actor, data: &Value) -> Answer {
    actor.post(PEOPLE, &json!({ "data": data }))
}

pub fn upload(actor: &Actor, query: &str, media: &'static str, body: &str) -> Answer {
    let request = actor.request(Method::POST, &format!("{PEOPLE}/import?{query}"));
    actor.send(request.header("content-type", media).body(body.to_owned()))
}

pub fn listed(actor: &Actor, filter: &str) -> Answer {
    actor.send(actor.request(Method::GET, PEOPLE).query(&[("filter", filter)]))
}

#[test]
fn no_value_stands_in_plain_in_the_data_folder() {
    let site = Site::new();
    let admin = site.admin();
    people(&admin);
    let data = json!({"iban": "PLAIN-iban-1", "no": "PLAIN-no-1", "born": "1969-07-20", "height": 171.25, "city": "visible-city",
        "bank": {"name": "PLAIN-bank", "pin": "PLAIN-pin"}, "contacts": [{"phone": "PLAIN-phone-1", "kind": "kind-visible"}]});
    let keyed = || admin.request(Method::POST, PEOPLE).header("idempotency-key", "k1").json(&json!({ "data": data }));
    let made = admin.send(keyed()).expect(201);
    assert_eq!(admin.send(keyed()).expect(201).text, made.text);
    let mut whole = data.clone();
    whole["nick"] = json!("by-default");
    assert_eq!(made.json()["data"], whole);
    let path = format!("{PEOPLE}/{}", made.id());
    assert_eq!(admin.get(&path).expect(200).json()["data"], whole);
    admin.patch(&path, &json!({"data": {"iban": "PLAIN-iban-2"}})).expect(200);
    admin.put(&path, &json!({"data": {"iban": "PLAIN-iban-3", "city": "visible-city"}})).expect(200);
    let batch = json!({"operations": [
        {"op": "create", "type": "people", "data": {"iban": "PLAIN-batch-1"}},
        {"op": "update", "type": "people", "id": made.id(), "data": {"nick": "PLAIN-batch-2"}}]});
    admin.post("/batch", &batch).expect(200);
    upload(&admin, "", "text/csv", "iban,no\nPLAIN-csv-1,PLAIN-csv-2\nPLAIN-csv-3,PLAIN-csv-4\n").expect(200);
    upload(&admin, "", "text/csv", "iban,no\nPLAIN-csv-5,PLAIN-csv-6\nx,PLAIN-csv-7\n")
        .problem(422, "validation_failed");
    let lines = format!(
        "{{\"id\":\"{}\",\"data\":{{\"nick\":\"PLAIN-known\"}}}}\n{{\"data\":{{\"no\":\"PLAIN-csv-2\",\"iban\":\"PLAIN-matched\"}}}}\n",
        made.id()
    );
    upload(&admin, "upsert_on=/no", "application/x-ndjson", &lines).expect(200);
    upload(&admin, "mode=skip_errors", "application/x-ndjson", "{\"data\":{\"iban\":\"PLAIN-skip\"}}\n").expect(200);
    admin.post(&format!("{PEOPLE}?upsert_on=/no"), &json!({"data": {"no": "PLAIN-upsert"}})).expect(201);
    admin
        .post(&format!("{PEOPLE}?upsert_on=/no"), &json!({"data": {"no": "PLAIN-upsert", "nick": "PLAIN-again"}}))
        .expect(200);
    make(&admin, &json!({"no": "PLAIN-upsert"})).problem(409, "conflict");
    listed(&admin, "data.iban = \"PLAIN-iban-3\"").expect(200);
    admin.get(&format!("{PEOPLE}?q=plain")).expect(200);
    admin.send(admin.request(Method::POST, &format!("{path}/history/1/restore"))).expect(200);
    let history = admin.get(&format!("{path}/history")).expect(200);
    assert!(history.text.contains("PLAIN-iban-2") && history.text.contains("PLAIN-known"), "{}", history.text);
    assert_eq!(admin.get(&path).expect(200).json()["data"], whole, "the first version came back whole");
    let events = admin.get(&format!("/audit?target_id={}", made.id())).expect(200);
    assert!(events.text.contains("PLAIN-iban-1") && !events.text.contains("$sealed"), "{}", events.text);
    let taken = admin.get("/audit/export").expect(200);
    assert!(taken.text.contains("$sealed") && !taken.text.contains("PLAIN"), "an export carries what was hashed");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    assert!(admin.get(&format!("{PEOPLE}/export?format=jsonl")).expect(200).text.contains("PLAIN-skip"));
    let texts = ["PLAIN", "1969-07-20", "171.25", "by-default\"", "plain"];
    // The schema says the default itself.
    let hits: Vec<_> = found(&site, &texts).into_iter().filter(|hit| !hit.starts_with("by-default")).collect();
    assert!(hits.is_empty(), "{hits:?}");
    assert!(!found(&site, &["visible-city"]).is_empty() && !found(&site, &["kind-visible"]).is_empty());
    let site = Site::on(site.close(), &[]);
    assert!(found(&site, &texts[..3]).is_empty(), "nor once all is written back");
    let admin = site.log_in("admin@example.org");
    assert_eq!(admin.get(&path).expect(200).json()["data"], whole);
}

#[test]
fn values_are_found_by_equality_where_that_was_asked_for() {
    let site = Site::new();
    let admin = site.admin();
    people(&admin);
    let one = make(&admin, &json!({"iban": "DE-1", "born": "1969-07-20", "height": 171, "nick": "a"})).expect(201).id();
    make(&admin, &json!({"iban": "DE-2", "height": 171.5})).expect(201);
    let ids = |filter: &str| {
        let items = listed(&admin, filter).expect(200).json()["items"].clone();
        items.as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("data.iban = \"DE-1\""), [one.as_str()]);
    assert_eq!(ids("data.height = 171.0"), [one.as_str()]);
    assert_eq!(ids("data.born = \"1969-07-20\""), [one.as_str()]);
    assert_eq!(ids("data.born = null").len(), 1);
    assert_eq!(ids("not (data.iban = \"DE-1\")").len(), 1);
    assert!(ids("data.iban = \"de-1\"").is_empty());
    for (filter, position) in [
        ("data.iban != \"DE-1\"", 1),
        ("data.city = \"x\" and data.iban > \"DE-1\"", 21),
        ("data.iban ~ \"DE\"", 1),
        ("data.iban in (\"DE-1\")", 1),
        ("data.nick = \"a\"", 1),
        ("data.no = \"1\"", 1),
        ("data.bank.name = \"x\"", 1),
        ("data.contacts = \"x\"", 1),
    ] {
        let problem = listed(&admin, filter).problem(422, "validation_failed");
        let message = problem["errors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains("personal data") && message.ends_with(&format!("(at character {position})")),
            "{message}"
        );
    }
    for query in ["?sort=data.iban", "/aggregate?group_by=data.iban", "/aggregate?measures=min(data.born)"] {
        let problem = admin.get(&format!("{PEOPLE}{query}")).problem(422, "validation_failed");
        assert!(problem["errors"][0]["message"].as_str().unwrap().contains("personal data"), "{problem}");
    }
    let plan = site.app.ledger.db().read(|reader| {
        let sql = "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE 'entities_people_%' AND sql LIKE '%$digest%'";
        reader.query_all(sql, &[], |row| row.get::<String>(0))
    });
    assert_eq!(plan.unwrap().len(), 3, "each by an index");
    for (index, body) in [
        json!({"search": ["/nick"]}),
        json!({"search": ["/bank/name"]}),
        json!({"indexes": ["/bank/name"]}),
        json!({"fields": {"/bank": {"pii": true}, "/bank/name": {"unique": true}}}),
    ]
    .into_iter()
    .enumerate()
    {
        let problem = admin.patch("/entity-types/people", &body).problem(422, "validation_failed");
        assert!(problem["errors"][0]["message"].as_str().unwrap().len() > 20, "{index}: {problem}");
    }
}

#[test]
fn each_clearance_sees_its_part_and_keeps_the_rest() {
    let site = Site::new();
    let admin = site.admin();
    people(&admin);
    let data = json!({"iban": "PLAIN-1", "nick": "n", "bank": {"name": "b", "pin": "PLAIN-2"}});
    let made = make(&admin, &data).expect(201);
    let path = format!("{PEOPLE}/{}", made.id());
    let analyst = site.user(&admin, "anna", &["analyst"]);
    let seen = json!({"nick": "n", "bank": {"name": "b"}});
    assert_eq!(analyst.get(&path).expect(200).json()["data"], seen);
    assert_eq!(
        analyst.get(&format!("{path}/history")).expect(200).json()["items"][0]["changes"]["after"]["data"],
        seen
    );
    analyst.patch(&path, &json!({"data": {"nick": "m", "bank": {"name": "c"}}})).expect(200);
    analyst.patch(&path, &json!({"data": {"bank": {"pin": "x"}}})).problem(422, "validation_failed");
    analyst.put(&path, &json!({"data": {"nick": "p"}})).expect(200);
    assert_eq!(
        admin.get(&path).expect(200).json()["data"],
        json!({"iban": "PLAIN-1", "nick": "p", "bank": {"pin": "PLAIN-2"}})
    );
    assert!(!analyst.get(&format!("{PEOPLE}?q=plain")).expect(200).text.contains(&made.id()));
    listed(&analyst, "data.iban = \"PLAIN-1\"").problem(422, "validation_failed");
}

#[test]
fn what_is_there_is_sealed_once_a_field_is_marked() {
    let site = Site::new();
    let admin = site.admin();
    let fields = json!({"/no": {"unique": true}});
    admin.post("/entity-types", &json!({"name": "people", "schema": schema(), "fields": fields})).expect(201);
    let made = make(&admin, &json!({"iban": "PLAIN-1", "no": "N1", "nick": {"$sealed": "x"}}))
        .problem(422, "validation_failed");
    assert_eq!(made["errors"][0]["pointer"], "/data/nick");
    let made = make(&admin, &json!({"iban": "PLAIN-1", "no": "N1", "bank": {"$sealed": "x"}})).expect(201);
    let path = format!("{PEOPLE}/{}", made.id());
    admin.patch(&path, &json!({"data": {"iban": "PLAIN-2"}})).expect(200);
    let gone = make(&admin, &json!({"iban": "PLAIN-3", "no": "N2"})).expect(201).id();
    admin.delete(&format!("{PEOPLE}/{gone}")).expect(204);
    let fields =
        json!({"/iban": {"pii": true, "index": true}, "/no": {"pii": true, "unique": true}, "/bank": {"pii": true}});
    admin.patch("/entity-types/people", &json!({ "fields": fields })).expect(200);
    assert_eq!(admin.get(&path).expect(200).json()["data"]["bank"], json!({"$sealed": "x"}), "whatever it looks like");
    assert_eq!(listed(&admin, "data.iban = \"PLAIN-2\"").expect(200).json()["items"].as_array().unwrap().len(), 1);
    assert!(admin.get(&format!("{path}/history")).expect(200).text.contains("PLAIN-1"));
    make(&admin, &json!({"no": "N1"})).problem(409, "conflict");
    make(&admin, &json!({"no": "N2"})).expect(201);
    admin.send(admin.request(Method::POST, &format!("{PEOPLE}/{gone}/restore"))).problem(409, "conflict");
    let rows = site.app.ledger.db().read(|reader| {
        let sql = "SELECT data FROM entities UNION ALL SELECT data FROM entity_versions";
        reader.query_all(sql, &[], |row| row.get::<String>(0))
    });
    assert!(rows.unwrap().iter().all(|row| !row.contains("PLAIN")));
    let told = admin.get(&format!("/audit?target_type=entity&target_id={}", made.id())).expect(200);
    assert!(told.text.contains("PLAIN-1") && told.text.contains("PLAIN-2"), "{}", told.text);
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    let hits = found(&site, &["PLAIN"]);
    assert!(hits.is_empty(), "what was told before the field was marked is sealed too: {hits:?}");
    let back =
        admin.patch("/entity-types/people", &json!({"fields": {"/iban": {"pii": false}, "/no": {"unique": true}}}));
    let problem = back.problem(422, "validation_failed");
    assert!(problem["errors"][0]["message"].as_str().unwrap().contains("stays sealed"), "{problem}");
    admin
        .patch("/entity-types/people", &json!({"schema": {"properties": {"iban": {"type": "number"}}}}))
        .problem(422, "validation_failed");
    admin
        .patch(
            "/entity-types/people",
            &json!({"schema": {"properties": {"iban": {"type": "string", "maxLength": 9}}}, "indexes": ["/iban"]}),
        )
        .expect(200);
}

/// Waits until a type's entities are migrated; how often that was seen under way.
fn migrated(admin: &Actor) -> usize {
    let begun = std::time::Instant::now();
    let mut seen = 0;
    while admin.get("/entity-types/people").expect(200).json()["migration"] != Value::Null {
        assert!(begun.elapsed().as_secs() < 90, "it does not end");
        seen += 1;
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    seen
}

#[test]
fn many_entities_are_sealed_by_a_job_with_their_history_and_events() {
    const ROWS: usize = 1600;
    let site = Site::new();
    let admin = site.admin();
    let fields = json!({"/no": {"unique": true}, "/iban": {"index": true}});
    let body = json!({"name": "people", "schema": schema(), "fields": fields, "search": ["/iban", "/city"]});
    admin.post("/entity-types", &body).expect(201);
    let row = |number: usize| json!({"data": {"iban": format!("PLAIN-iban-{number}"), "no": format!("PLAIN-no-{number}"), "bank": {"$sealed": "x"}}});
    let lines: Vec<_> = (0..ROWS).map(|number| row(number).to_string()).collect();
    upload(&admin, "", "application/x-ndjson", &lines.join("\n")).expect(200);
    let first = listed(&admin, "data.iban = \"PLAIN-iban-0\"").expect(200).json()["items"][0].clone();
    let path = format!("{PEOPLE}/{}", first["id"].as_str().unwrap());
    admin.patch(&path, &json!({"data": {"iban": "PLAIN-iban-later"}})).expect(200);
    let fields =
        json!({"/iban": {"pii": true, "index": true}, "/no": {"pii": true, "unique": true}, "/bank": {"pii": true}});
    let unique = json!({"/iban": {"pii": true, "unique": true}});
    let refused = admin.patch("/entity-types/people", &json!({"fields": unique, "search": []}));
    assert_eq!(refused.problem(422, "validation_failed")["errors"][0]["code"], "not_alone");
    let change = json!({"fields": fields, "search": ["/city"]});
    let begun = admin.patch("/entity-types/people", &change).expect(202).json();
    assert_eq!((&begun["migration"]["total"], &begun["fields"]["/iban"]["pii"]), (&json!(ROWS), &json!(true)));
    let meanwhile = admin.get(&format!("{PEOPLE}?limit=200")).expect(200);
    assert!(!meanwhile.text.contains("$digest"), "{}", meanwhile.text);
    migrated(&admin);
    let after = admin.get("/entity-types/people").expect(200).json();
    assert_eq!((&after["fields"]["/no"]["unique"], &after["search"]), (&json!(true), &json!(["/city"])));
    assert_eq!(admin.get(&path).expect(200).json()["data"]["iban"], "PLAIN-iban-later");
    assert_eq!(admin.get(&path).expect(200).json()["version"], 2, "no entity changed");
    assert!(admin.get(&format!("{path}/history")).expect(200).text.contains("PLAIN-iban-0"));
    assert!(
        admin
            .get(&format!("/audit?target_id={}", first["id"].as_str().unwrap()))
            .expect(200)
            .text
            .contains("PLAIN-iban-0")
    );
    for number in [1, 700, ROWS - 1] {
        let found = listed(&admin, &format!("data.iban = \"PLAIN-iban-{number}\"")).expect(200).json();
        assert_eq!(found["items"][0]["data"]["no"], format!("PLAIN-no-{number}"));
        make(&admin, &json!({"no": format!("PLAIN-no-{number}")})).problem(409, "conflict");
    }
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    let hits = found(&site, &["PLAIN"]);
    assert!(hits.is_empty(), "{hits:?}");
    let folder = site.close();
    assert!(found(&Site::on(folder, &[]), &["PLAIN"]).is_empty());
}

#[test]
fn personal_and_unique_fields_are_moved_and_removed_and_parts_of_them_are_not() {
    let site = Site::new();
    let admin = site.admin();
    let fields = json!({"/no": {"unique": true}, "/phone": {"pii": true, "index": true}, "/bank": {"pii": true},
        "/place": {"unique": true}});
    let schema = json!({"properties": {"phone": {"type": "string"}, "tel": {"type": "string"}}});
    admin.post("/entity-types", &json!({"name": "people", "schema": schema, "fields": fields})).expect(201);
    let data = json!({"no": "1", "phone": "PLAIN-phone", "bank": {"pin": "PLAIN-pin"}, "place": {"x": 1}});
    let path = format!("{PEOPLE}/{}", make(&admin, &data).expect(201).id());
    for (steps, word) in [
        (json!({"remove": ["/bank/pin"]}), "sealed together with /bank"),
        (json!({"rename": {"/place/x": "/place/y"}}), "unique as a whole"),
        (json!({"set_default": {"/no": "2"}}), "one value cannot be given"),
    ] {
        let refused = admin.patch("/entity-types/people", &json!({"migration": steps}));
        assert!(refused.problem(422, "validation_failed").to_string().contains(word), "{word}");
    }
    let steps = json!({"rename": {"/no": "/number", "/phone": "/tel"}, "remove": ["/bank"]});
    admin.patch("/entity-types/people", &json!({"migration": steps})).expect(202);
    migrated(&admin);
    let now = admin.get(&path).expect(200).json();
    assert_eq!(now["data"], json!({"number": "1", "tel": "PLAIN-phone", "place": {"x": 1}}), "{now}");
    assert_eq!(listed(&admin, "data.tel = \"PLAIN-phone\"").expect(200).json()["items"].as_array().unwrap().len(), 1);
    make(&admin, &json!({"number": "1"})).problem(409, "conflict");
    make(&admin, &json!({"no": "1", "number": "2"})).expect(201);
    let fields = admin.get("/entity-types/people").expect(200).json()["fields"].clone();
    for pointer in ["/phone", "/tel", "/bank"] {
        assert_eq!(fields[pointer]["pii"], true, "{pointer} was, so earlier versions hold it: {fields}");
    }
    assert!(admin.get(&format!("{path}/history/1")).expect(200).text.contains("PLAIN-pin"));
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    assert!(found(&site, &["PLAIN"]).is_empty());
}

#[test]
fn a_sealed_value_opens_for_its_own_entity_and_field_alone() {
    let site = Site::new();
    let admin = site.admin();
    admin
        .post("/entity-types", &json!({"name": "people", "fields": {"/a": {"pii": true}, "/b": {"pii": true}}}))
        .expect(201);
    let one = make(&admin, &json!({"a": "PLAIN-a", "b": "PLAIN-b"})).expect(201).id();
    let two = make(&admin, &json!({"a": "PLAIN-c", "b": "PLAIN-d"})).expect(201).id();
    let stored = |id: &str| {
        let sql = format!("SELECT data FROM entities WHERE id = '{id}'");
        let text = site.app.ledger.db().read(|reader| reader.query_one(&sql, &[], |row| row.get::<String>(0))).unwrap();
        serde_json::from_str::<Value>(&text.unwrap()).unwrap()
    };
    let put = |id: &str, data: &Value| {
        let sql = format!("UPDATE entities SET data = '{data}' WHERE id = '{id}'");
        site.app.ledger.unrecorded_blocking("somebody alters the file", move |tx| tx.execute(&sql, &[])).unwrap();
    };
    let (first, second) = (stored(&one), stored(&two));
    for (what, altered) in [
        ("fields", json!({"a": first["b"], "b": first["a"]})),
        ("entities", json!({"a": second["a"], "b": first["b"]})),
    ] {
        put(&one, &altered);
        for path in ["", "/export"] {
            // Nothing of it is kept in memory: the list is read from the database.
            let shown = admin.get(&format!("{PEOPLE}/{one}{path}?fields=data"));
            assert!(!shown.text.contains("PLAIN-a") && !shown.text.contains("PLAIN-c"), "{what}: {}", shown.text);
            shown.problem(500, "internal");
        }
        let list = admin.get(PEOPLE);
        assert!(list.status == 500 && !list.text.contains("PLAIN"), "{what}: {}", list.text);
    }
    put(&one, &first);
    assert_eq!(admin.get(&format!("{PEOPLE}/{one}?fields=data")).expect(200).json()["data"]["a"], "PLAIN-a");
}
