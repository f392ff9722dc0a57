//! Types whose entities are migrated: what would not fit is refused with its count, what does is carried out by a job
//! that survives a restart, and nothing is lost or shown to the wrong people on the way.

use crate::support::{Actor, Site};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

fn fill(actor: &Actor, rows: usize) {
    let mut lines = String::new();
    for number in 0..rows {
        let data =
            json!({"no": number, "town": format!("Town {number}"), "code": format!("secret-{number}"), "old": 1});
        let _ = writeln!(lines, "{}", json!({"name": format!("Row {number}"), "data": data}));
    }
    let import = actor.request(Method::POST, "/entities/places/import").header("content-type", "application/x-ndjson");
    actor.send(import.body(lines)).expect(200);
}

fn places(admin: &Actor, rows: usize) {
    let schema = json!({"type": "object", "required": ["town"], "additionalProperties": false, "properties": {
        "no": {"type": "integer"}, "town": {"type": "string"}, "code": {"type": "string"}, "old": {"type": "integer"}}});
    let fields = json!({"/code": {"sensitivity": "restricted"}, "/town": {"index": true}});
    admin.post("/entity-types", &json!({"name": "places", "schema": schema, "fields": fields})).expect(201);
    fill(admin, rows);
}

fn next_schema() -> Value {
    json!({"type": "object", "required": ["city", "tier"], "additionalProperties": false, "properties": {
        "no": {"type": "integer"}, "city": {"type": "string"}, "secret": {"type": "string"}, "tier": {"type": "string"}}})
}

fn migration() -> Value {
    let steps =
        json!({"rename": {"/town": "/city", "/code": "/secret"}, "remove": ["/old"], "set_default": {"/tier": "new"}});
    json!({"schema": next_schema(), "migration": steps})
}

fn wait(admin: &Actor) {
    let begun = Instant::now();
    while admin.get("/entity-types/places").expect(200).json()["migration"] != Value::Null {
        assert!(begun.elapsed() < Duration::from_secs(90), "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// How far the job says that it is, once it says so.
fn told(admin: &Actor) -> Value {
    let begun = Instant::now();
    loop {
        let jobs = admin.get("/jobs?kind=entity_types.migrate").expect(200).json();
        let progress = jobs["items"].as_array().unwrap().iter().map(|job| &job["progress"]);
        if let Some(progress) = progress.into_iter().find(|progress| progress.is_object()) {
            return progress.clone();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not say how far it is: {jobs}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn entities_are_moved_to_the_new_shape_by_a_job_that_goes_on_after_a_restart() {
    const ROWS: usize = 6000;
    let site = Site::new();
    let admin = site.admin();
    places(&admin, ROWS);
    let kept = admin.get("/entities/places?sort=name&limit=1").expect(200).json()["items"][0].clone();
    let begun = admin.patch("/entity-types/places", &migration()).expect(202).json();
    assert_eq!(begun["migration"]["total"], ROWS);
    // The old schema holds until all are done; nobody writes meanwhile.
    let type_now = admin.get("/entity-types/places").expect(200).json();
    if type_now["migration"] != Value::Null {
        assert_eq!(type_now["schema"]["required"], json!(["town"]));
        admin.patch("/entity-types/places", &json!({"alias": "spots"})).problem(409, "conflict");
    }
    let so_far = told(&admin);
    assert_eq!((&so_far["total"], &so_far["message"]), (&json!(ROWS), &json!("Migrating places")));
    assert!(so_far["done"].as_u64().is_some_and(|done| done >= 500), "{so_far}");
    let folder = site.close();
    let site = Site::on(folder, &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = site.log_in("admin@example.org");
    wait(&admin);
    let after = admin.get("/entity-types/places").expect(200).json();
    assert_eq!(after["schema"], next_schema());
    let fields = json!({"/city": {"sensitivity": "internal", "index": true}, "/secret": {"sensitivity": "restricted"},
                        "/code": {"sensitivity": "restricted"}});
    for (pointer, options) in fields.as_object().unwrap() {
        for (name, value) in options.as_object().unwrap() {
            assert_eq!(&after["fields"][pointer][name], value, "{pointer} {name}: {}", after["fields"]);
        }
    }
    let count = |filter: &str| {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("filter", filter).finish();
        admin.get(&format!("/entities/places?count=true&limit=1&{query}")).expect(200).json()["total"].clone()
    };
    assert_eq!(count("data.city ~ \"Town\" and data.tier = \"new\" and data.secret ~ \"secret-\""), ROWS);
    assert_eq!(count("data.city = \"Town 17\""), 1);
    let path = format!("/entities/places/{}", kept["id"].as_str().unwrap());
    let one = admin.get(&path).expect(200).json();
    assert_eq!(one["data"], json!({"no": 0, "city": "Town 0", "secret": "secret-0", "tier": "new"}));
    assert_eq!(one["version"], 2, "each is migrated once");
    let history = admin.get(&format!("{path}/history")).expect(200).json();
    assert_eq!(
        (&history["items"][0]["action"], &history["items"][1]["action"]),
        (&json!("migrated"), &json!("created"))
    );
    // What the old fields held stays hidden in history from whoever may not see it.
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    for way in ["", "/history", "/history/1"] {
        let seen = viewer.get(&format!("{path}{way}")).expect(200);
        assert!(!seen.text.contains("secret-"), "{way}: {}", seen.text);
    }
    let events = admin.get("/audit?action=entity.migrated&count=true&limit=1").expect(200).json();
    assert_eq!(events["total"], ROWS);
    assert_eq!(
        admin.get("/audit?action=entity_type.migration_begun").expect(200).json()["items"].as_array().unwrap().len(),
        1
    );
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
    admin.post("/entities/places", &json!({"data": {"city": "Delft", "tier": "x"}})).expect(201);
}

#[test]
fn entities_are_read_and_not_written_meanwhile() {
    let site = Site::new();
    let admin = site.admin();
    places(&admin, 4000);
    let id = admin.get("/entities/places?limit=1").json()["items"][0]["id"].as_str().unwrap().to_owned();
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    admin.patch("/entity-types/places", &migration()).expect(202);
    let (mut refused, mut progress) = (0, Vec::new());
    loop {
        let shown = admin.get("/entity-types/places").expect(200).json()["migration"].clone();
        if shown == Value::Null {
            break;
        }
        progress.push(shown["done"].as_i64().unwrap());
        let written = admin.patch(&format!("/entities/places/{id}"), &json!({"name": "Meanwhile"}));
        match written.status {
            503 => refused += 1,
            // It ended between the two requests.
            200 => {}
            // It ended while this was on its way.
            _ => {
                let problem = written.problem(409, "conflict");
                assert_eq!(problem["detail"], "The type places was changed just now. Try again.");
            }
        }
        let page = viewer.get("/entities/places?limit=200").expect(200);
        assert!(!page.text.contains("secret-"), "{}", page.text);
    }
    assert!(refused > 0 && progress.is_sorted() && progress.len() > 1, "{refused} {progress:?}");
    admin.patch(&format!("/entities/places/{id}"), &json!({"name": "Afterwards"})).expect(200);
}

#[test]
fn what_would_not_fit_is_refused_with_its_count_and_changes_nothing() {
    let site = Site::new();
    let admin = site.admin();
    places(&admin, 1500);
    let before = admin.get("/entity-types/places").expect(200).text;
    let plain = json!({"schema": next_schema(), "fields": {"/code": {"sensitivity": "restricted"}}});
    let refused = admin.patch("/entity-types/places", &plain).problem(422, "validation_failed");
    assert_eq!((&refused["count"], refused["errors"].as_array().unwrap().len()), (&json!(1500), 6));
    let short =
        json!({"schema": next_schema(), "migration": {"rename": {"/town": "/city"}, "remove": ["/old", "/code"]}});
    let refused = admin.patch("/entity-types/places", &short).problem(422, "validation_failed");
    assert_eq!(refused["count"], 1500, "the tier is missing: {refused}");
    admin.post("/entities/places", &json!({"data": {"town": "x", "code": "y"}})).expect(201);
    let clash = json!({"schema": {"type": "object"}, "fields": {"/code": {"sensitivity": "restricted"}}, "migration": {"rename": {"/code": "/town"}}});
    let refused = admin.patch("/entity-types/places", &clash).problem(422, "validation_failed");
    assert_eq!(refused["count"], 1501);
    assert!(refused["errors"][1]["message"].as_str().unwrap().contains("both /code and /town"), "{refused}");
    for wrong in [
        json!({"rename": {"town": "/city"}}),
        json!({"rename": {"/town": "/town/name"}}),
        json!({"delete": ["/old"]}),
        json!({}),
    ] {
        admin.patch("/entity-types/places", &json!({"migration": wrong})).problem(422, "validation_failed");
    }
    let rights = ["entity_types:read", "entity_types:update", "entities.*:read"];
    admin.post("/roles", &json!({"name": "designer", "permissions": rights, "clearance": "internal"})).expect(201);
    let designer = site.user(&admin, "designer", &["designer"]);
    for steps in
        [json!({"rename": {"/code": "/no2"}}), json!({"remove": ["/code"]}), json!({"set_default": {"/code": "x"}})]
    {
        designer.patch("/entity-types/places", &json!({"migration": steps})).problem(403, "forbidden");
    }
    assert_eq!(admin.get("/entity-types/places").expect(200).text, before);
    assert_eq!(admin.get("/audit?action=entity.migrated&count=true").json()["total"], 0);
}
