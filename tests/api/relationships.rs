//! Relationships: both ends decide who may know of one, and one decides whether its ends may go.

use crate::support::{Actor, Answer, Site};
use reqwest::Method;
use serde_json::{Value, json};

fn types(admin: &Actor) {
    let fields = json!({"/secret": {"sensitivity": "restricted"}});
    admin.post("/entity-types", &json!({"name": "parts", "fields": fields})).expect(201);
    admin.post("/entity-types", &json!({"name": "notes", "owner_only": true})).expect(201);
}

fn part(actor: &Actor, name: &str) -> String {
    let data = json!({"secret": "s3cr3t-value", "open": 1});
    actor.post("/entities/parts", &json!({"name": name, "data": data})).expect(201).id()
}

fn join(actor: &Actor, from: &str, to: &str, kind: &str) -> Answer {
    actor.post("/relationships", &json!({"from_id": from, "to_id": to, "type": kind}))
}

fn restore(actor: &Actor, path: &str) -> Answer {
    actor.send(actor.request(Method::POST, &format!("{path}/restore")))
}

fn total(actor: &Actor, query: &str) -> Value {
    let page = actor.get(&format!("/relationships?count=true&{query}")).expect(200).json();
    assert_eq!(page["total"].as_u64().unwrap() as usize, page["items"].as_array().unwrap().len());
    page["total"].clone()
}

#[test]
fn a_relationship_is_made_changed_deleted_and_restored() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin);
    let [a, b, c] = ["a", "b", "c"].map(|name| part(&admin, name));
    let body = json!({"from_id": a, "to_id": b, "type": "uses", "data": {"since": 2020, "kind": "direct"}});
    let made = admin.post("/relationships", &body).expect(201);
    let path = format!("/relationships/{}", made.id());
    assert_eq!(made.header("location"), format!("/api/v1{path}"));
    assert_eq!(made.header("etag"), "\"1\"");
    assert_eq!((&made.json()["from_id"], &made.json()["data"]["since"]), (&json!(a), &json!(2020)));
    admin.post("/relationships", &body).problem(409, "conflict");
    join(&admin, &a, &b, "replaces").expect(201);
    join(&admin, &b, &a, "uses").expect(201);

    let changed = admin.patch(&path, &json!({"data": {"kind": null, "for": "tests"}})).expect(200).json();
    assert_eq!((&changed["data"], &changed["version"]), (&json!({"since": 2020, "for": "tests"}), &json!(2)));
    assert_eq!(admin.get(&path).expect(200).json(), changed);
    admin.patch(&path, &json!({"to_id": c})).problem(422, "validation_failed");
    let stale = admin.request(Method::PATCH, &path).header("if-match", "\"1\"").json(&json!({"data": {}}));
    admin.send(stale).problem(412, "precondition_failed");
    let known = admin.request(Method::GET, &path).header("if-none-match", "\"2\"");
    admin.send(known).expect(304);

    assert_eq!(total(&admin, &format!("from_id={a}")), 2);
    assert_eq!(total(&admin, &format!("to_id={a}")), 1);
    assert_eq!(total(&admin, &format!("from_id={a}&type=uses")), 1);
    assert_eq!(total(&admin, "filter=data.since%20%3D%202020"), 1);
    assert_eq!(total(&admin, &format!("from_id={c}")), 0);
    admin.get("/relationships?from_id=x").problem(422, "validation_failed");
    admin.get("/relationships?end=x").problem(422, "validation_failed");
    let first = admin.get("/relationships?limit=2&sort=type").expect(200).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let last = admin.get(&format!("/relationships?limit=2&sort=type&cursor={cursor}")).expect(200).json();
    assert_eq!((last["items"].as_array().unwrap().len(), &last["next_cursor"]), (1, &Value::Null));
    admin.get(&format!("/relationships?limit=2&sort=-type&cursor={cursor}")).problem(422, "validation_failed");

    admin.delete(&path).expect(204);
    admin.get(&path).problem(404, "not_found");
    admin.delete(&path).problem(404, "not_found");
    let gone = admin.get(&format!("{path}?deleted=include")).expect(200).json();
    assert_eq!(gone["deleted_by"], json!(admin.id));
    assert!(gone["deleted_at"].is_string());
    assert_eq!(total(&admin, "deleted=only"), 1);
    assert_eq!(restore(&admin, &path).expect(200).json()["deleted_at"], Value::Null);
    admin.delete(&path).expect(204);
    join(&admin, &a, &b, "uses").expect(201);
    restore(&admin, &path).problem(409, "conflict");

    let actions = admin.get("/audit?target_type=relationship&limit=200").expect(200).json();
    let actions: Vec<_> = actions["items"].as_array().unwrap().iter().rev().map(|event| &event["action"]).collect();
    let told = ["created", "created", "created", "updated", "deleted", "restored", "deleted", "created"];
    assert_eq!(actions, told.map(|word| json!(format!("relationship.{word}"))).iter().collect::<Vec<_>>());
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

#[test]
fn what_cannot_be_joined_is_refused_with_the_place() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin);
    let [a, b] = ["a", "b"].map(|name| part(&admin, name));
    let absent = "01980000-0000-7000-8000-000000000000";
    let faults = |answer: Answer| {
        let problem = answer.problem(422, "validation_failed");
        let faults = problem["errors"].as_array().unwrap().clone();
        faults.iter().map(|fault| fault["pointer"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(faults(join(&admin, absent, &b, "uses")), ["/from_id"]);
    assert_eq!(faults(join(&admin, absent, absent, "uses")), ["/from_id", "/to_id"]);
    assert_eq!(faults(join(&admin, &a, &a, "uses")), ["/to_id"]);
    assert_eq!(faults(join(&admin, &a, &b, "Uses!")), ["/type"]);
    assert_eq!(faults(join(&admin, "x", &b, "uses")), ["/from_id"]);
    let long = json!({"from_id": a, "to_id": b, "type": "uses", "data": {"text": "x".repeat(11_000)}});
    assert_eq!(faults(admin.post("/relationships", &long)), ["/data"]);
    let control = json!({"from_id": a, "to_id": b, "type": "uses", "data": {"text": "a\u{0}b"}});
    assert_eq!(faults(admin.post("/relationships", &control)), ["/data/text"]);

    let kinds = "/relationship-types";
    let kind = admin.post(kinds, &json!({"name": "linked", "allow_self": true})).expect(201).json();
    assert_eq!((&kind["on_delete"], &kind["allow_self"]), (&json!("restrict"), &json!(true)));
    admin.post(kinds, &json!({"name": "linked"})).problem(409, "conflict");
    admin.post(kinds, &json!({"name": "Linked"})).problem(422, "validation_failed");
    admin.post(kinds, &json!({"name": "x", "on_delete": "set_null"})).problem(422, "validation_failed");
    let own = join(&admin, &a, &a, "linked").expect(201).id();
    let refused = admin.patch("/relationship-types/linked", &json!({"allow_self": false})).problem(409, "conflict");
    assert_eq!(refused["count"], 1);
    admin.delete("/relationship-types/linked").problem(409, "conflict");
    let shown = admin.get(&format!("/entities/parts/{a}?expand=relationships")).expect(200).json();
    assert_eq!(shown["relationships"].as_array().unwrap().len(), 1, "a loop stands there once");
    admin.delete(&format!("/entities/parts/{a}")).expect(204);
    admin.get(&format!("/relationships/{own}")).problem(404, "not_found");
    admin.delete("/relationship-types/linked").expect(204);
    let deleted = json!({"from_id": b, "to_id": a, "type": "uses"});
    assert_eq!(faults(admin.post("/relationships", &deleted)), ["/to_id"]);
}

#[test]
fn ends_are_held_or_take_their_relationships_along() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin);
    let [a, b, c] = ["a", "b", "c"].map(|name| part(&admin, name));
    let path = |id: &str| format!("/entities/parts/{id}");
    let held = join(&admin, &a, &b, "uses").expect(201).id();
    for end in [&a, &b] {
        let refused = admin.delete(&path(end)).problem(409, "conflict");
        assert_eq!(refused["count"], 1);
        assert_eq!(refused["detail"], "1 relationship holds this entity. Remove it first.");
        admin.get(&path(end)).expect(200);
    }
    let operations = json!({"operations": [{"op": "delete", "type": "parts", "id": b}]});
    let refused = admin.post("/batch", &operations).problem(422, "validation_failed");
    assert_eq!(refused["errors"][0]["pointer"], "/operations/0");

    let kind = json!({"name": "uses", "on_delete": "cascade"});
    admin.post("/relationship-types", &kind).expect(201);
    let other = join(&admin, &c, &b, "uses").expect(201).id();
    admin.delete(&path(&b)).expect(204);
    assert_eq!(total(&admin, "type=uses"), 0);
    admin.get(&path(&a)).expect(200);
    let gone = admin.get(&format!("/relationships/{held}?deleted=only")).expect(200).json();
    assert_eq!((&gone["deleted_by"], &gone["version"]), (&json!(admin.id), &json!(2)));
    restore(&admin, &format!("/relationships/{held}")).problem(409, "conflict");

    // With both ends gone it waits for the second to come back.
    admin.delete(&path(&a)).expect(204);
    restore(&admin, &path(&b)).expect(200);
    assert_eq!(total(&admin, "type=uses"), 1);
    admin.get(&format!("/relationships/{other}")).expect(200);
    restore(&admin, &path(&a)).expect(200);
    assert_eq!(total(&admin, "type=uses"), 2);
    let events = admin.get(&format!("/audit?target_id={held}")).expect(200).json();
    let actions: Vec<_> = events["items"].as_array().unwrap().iter().map(|event| &event["action"]).collect();
    assert_eq!(actions, ["relationship.restored", "relationship.deleted", "relationship.created"]);

    // What somebody deleted by hand stays deleted.
    admin.delete(&format!("/relationships/{other}")).expect(204);
    admin.delete(&path(&c)).expect(204);
    restore(&admin, &path(&c)).expect(200);
    admin.get(&format!("/relationships/{other}")).problem(404, "not_found");
}

#[test]
fn who_may_not_know_of_an_end_does_not_know_of_the_relationship() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin);
    let viewer = site.user(&admin, "viewer", &["viewer"]);
    let analyst = site.user(&admin, "analyst", &["analyst"]);
    let stranger = site.user(&admin, "stranger", &[]);
    let [a, b] = ["a", "b"].map(|name| part(&admin, name));
    let note = admin.post("/entities/notes", &json!({"name": "mine alone"})).expect(201).id();
    let open = join(&admin, &a, &b, "uses").expect(201).id();
    let hidden = [join(&admin, &a, &note, "noted"), join(&admin, &note, &b, "notes")];
    let hidden = hidden.map(|made| format!("/relationships/{}", made.expect(201).id()));

    for actor in [&viewer, &analyst] {
        assert_eq!(total(actor, ""), 1);
        assert_eq!(total(actor, &format!("to_id={note}")), 0);
        for path in &hidden {
            actor.get(path).problem(404, "not_found");
        }
        let shown = actor.get(&format!("/entities/parts/{a}?expand=relationships&depth=3")).expect(200);
        assert!(!shown.text.contains("mine alone") && !shown.text.contains(&note), "{}", shown.text);
        assert!(!shown.text.contains("s3cr3t-value"), "{}", shown.text);
        assert_eq!(shown.json()["relationships"].as_array().unwrap().len(), 1);
        let listed = actor.get("/entities/parts?expand=relationships&depth=2&sort=name").expect(200);
        assert!(!listed.text.contains("mine alone") && !listed.text.contains("s3cr3t-value"), "{}", listed.text);
        assert_eq!(listed.json()["items"][1]["relationships"][0]["direction"], "incoming");
    }
    assert_eq!(total(&admin, ""), 3);
    for path in &hidden {
        analyst.patch(path, &json!({"data": {"x": 1}})).problem(404, "not_found");
    }
    stranger.get("/relationships").problem(403, "forbidden");
    viewer.patch(&format!("/relationships/{open}"), &json!({"data": {}})).problem(403, "forbidden");
    analyst.patch(&format!("/relationships/{open}"), &json!({"data": {"x": 1}})).expect(200);
    analyst.delete(&format!("/relationships/{open}")).problem(403, "forbidden");
    join(&viewer, &b, &a, "uses").problem(403, "forbidden");
    let refused = join(&analyst, &a, &note, "seen").problem(422, "validation_failed");
    assert_eq!(
        (&refused["errors"][0]["pointer"], &refused["errors"][0]["code"]),
        (&json!("/to_id"), &json!("not_found"))
    );
    let mine = analyst.post("/entities/notes", &json!({"name": "the analyst's"})).expect(201).id();
    join(&analyst, &mine, &a, "about").expect(201);
    assert_eq!((total(&analyst, ""), total(&viewer, "")), (json!(2), json!(1)));

    // The refusal to delete counts only what the caller may know of.
    let role = json!({"name": "cleaner", "permissions": ["entities.parts:read", "entities.parts:delete", "relationships:read"]});
    admin.post("/roles", &role).expect(201);
    let cleaner = site.user(&admin, "cleaner", &["cleaner"]);
    assert_eq!(cleaner.delete(&format!("/entities/parts/{a}")).problem(409, "conflict")["count"], 1);
    // Reading an end is not changing it.
    let role =
        json!({"name": "joiner", "permissions": ["entities.parts:read", "relationships:read", "relationships:create"]});
    admin.post("/roles", &role).expect(201);
    let joiner = site.user(&admin, "joiner", &["joiner"]);
    join(&joiner, &b, &a, "uses").problem(403, "forbidden");
    let role = json!({"name": "looker", "permissions": ["entities.parts:read"]});
    admin.post("/roles", &role).expect(201);
    let looker = site.user(&admin, "looker", &["looker"]);
    looker.get(&format!("/entities/parts/{a}?expand=relationships")).problem(403, "forbidden");
}

#[test]
fn a_permission_on_relationships_can_be_limited() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin);
    let [a, b] = ["a", "b"].map(|name| part(&admin, name));
    let theirs = format!("/relationships/{}", join(&admin, &a, &b, "uses").expect(201).id());
    let every = ["entities.parts:read", "entities.parts:update"];
    let roles = [
        ("own", vec!["relationships:read:own", "relationships:create:own", "relationships:delete:own"]),
        ("ruled", vec!["relationships:read:where(type = \"uses\")", "relationships:create:where(type = \"uses\")"]),
    ];
    let [own, ruled] = roles.map(|(name, mut permissions)| {
        permissions.extend(every);
        admin.post("/roles", &json!({"name": name, "permissions": permissions})).expect(201);
        site.user(&admin, name, &[name])
    });
    assert_eq!(total(&own, ""), 0);
    own.get(&theirs).problem(404, "not_found");
    own.delete(&theirs).problem(404, "not_found");
    let mine = join(&own, &b, &a, "made").expect(201).id();
    assert_eq!(total(&own, ""), 1);
    assert_eq!(total(&ruled, ""), 1);
    ruled.get(&theirs).expect(200);
    ruled.get(&format!("/relationships/{mine}")).problem(404, "not_found");
    join(&ruled, &b, &a, "made_too").problem(403, "forbidden");
    join(&ruled, &b, &a, "uses").expect(201);
    own.delete(&format!("/relationships/{mine}")).expect(204);
    let expanded = own.get(&format!("/entities/parts/{a}?expand=relationships")).expect(200).json();
    assert_eq!(expanded["relationships"], json!([]));
}

#[test]
fn expansion_goes_as_deep_as_it_is_asked_to_and_ends() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin);
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| part(&admin, name));
    for (from, to) in [(&a, &b), (&b, &c), (&c, &d), (&d, &a)] {
        join(&admin, from, to, "next").expect(201);
    }
    let path = format!("/entities/parts/{a}");
    let plain = admin.get(&path).expect(200).json();
    assert!(plain.get("relationships").is_none());
    let one = admin.get(&format!("{path}?expand=relationships")).expect(200);
    let items = one.json()["relationships"].clone();
    assert_eq!((&items[0]["direction"], &items[0]["entity"]["name"]), (&json!("outgoing"), &json!("b")));
    assert_eq!((&items[1]["direction"], &items[1]["entity"]["name"]), (&json!("incoming"), &json!("d")));
    assert!(items[0]["entity"].get("relationships").is_none());
    let three = admin.get(&format!("{path}?expand=relationships&depth=3&fields=name")).expect(200).json();
    let deep = &three["relationships"][0]["entity"]["relationships"][0]["entity"];
    assert_eq!((&deep["name"], three.get("data")), (&json!("c"), None));
    assert_eq!(three["more_relationships"], false);
    let known = admin.request(Method::GET, &format!("{path}?expand=relationships"));
    admin.send(known.header("if-none-match", one.header("etag"))).expect(304);
    admin.patch(&format!("/entities/parts/{b}"), &json!({"name": "another"})).expect(200);
    let known = admin.request(Method::GET, &format!("{path}?expand=relationships"));
    let fresh = admin.send(known.header("if-none-match", one.header("etag"))).expect(200);
    assert!(fresh.text.contains("another"));
    for wrong in ["expand=owner", "expand=relationships&depth=4", "expand=relationships&depth=0", "depth=1"] {
        admin.get(&format!("{path}?{wrong}")).problem(422, "validation_failed");
        admin.get(&format!("/entities/parts?{wrong}")).problem(422, "validation_failed");
    }
    admin.get("/users?expand=relationships").problem(422, "validation_failed");
}

#[test]
fn many_relationships_are_cut_and_said_to_be() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin);
    let hub = part(&admin, "hub");
    for number in 0..120 {
        join(&admin, &part(&admin, &format!("spoke {number}")), &hub, "spoke").expect(201);
    }
    let shown = admin.get(&format!("/entities/parts/{hub}?expand=relationships&depth=3")).expect(200).json();
    assert_eq!(shown["relationships"].as_array().unwrap().len(), 100);
    assert_eq!(shown["more_relationships"], true);
    let listed = admin.get("/entities/parts?expand=relationships&depth=3&limit=200").expect(200).json();
    assert!(listed["items"].as_array().unwrap().iter().all(|item| item["relationships"].is_array()));
}

#[test]
fn a_closed_type_closes_what_leads_to_it() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin);
    let a = part(&admin, "a");
    let note = admin.post("/entities/notes", &json!({"name": "noted"})).expect(201).id();
    let path = format!("/relationships/{}", join(&admin, &a, &note, "about").expect(201).id());
    let close =
        json!({"active": true, "scope": "type:notes", "reason": "looked into", "password": crate::support::PASSWORD});
    admin.put("/kill-switch", &close).expect(200);
    admin.get(&path).problem(404, "not_found");
    assert_eq!(total(&admin, ""), 0);
    join(&admin, &a, &note, "more").problem(503, "kill_switch_active");
    let shown = admin.get(&format!("/entities/parts/{a}?expand=relationships")).expect(200);
    assert!(!shown.text.contains("noted"));
}

#[test]
fn a_repeated_request_joins_once() {
    let site = Site::new();
    let admin = site.admin();
    types(&admin);
    let [a, b] = ["a", "b"].map(|name| part(&admin, name));
    let body = json!({"from_id": a, "to_id": b, "type": "uses"});
    let ask = || admin.send(admin.request(Method::POST, "/relationships").header("idempotency-key", "k1").json(&body));
    let (first, second) = (ask().expect(201), ask().expect(201));
    assert_eq!(first.json(), second.json());
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(total(&admin, ""), 1);
}
