//! Changes of entity types, people and roles: whoever holds every permission and a low clearance learns no value from what
//! is refused to them, nor from what is done.

use crate::{
    every_field::{LEVELS, MARKS, Who, World, ensure_untold, fields, schema},
    support::Answer,
};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Changes that what is stored does not allow, each refused with its count and first examples, or not for the caller.
fn changes() -> Vec<Value> {
    let mut all = Vec::new();
    for (name, wanted) in [
        ("title", json!({"type": "integer"})),
        ("plain", json!({"type": "integer"})),
        ("income", json!({"type": "integer"})),
        ("iban", json!({"type": "string", "maxLength": 3})),
        ("iban", json!({"enum": ["a", "b"]})),
        ("score", json!({"type": "integer", "maximum": 5})),
        ("bank", json!({"type": "object", "properties": {"pin": {"type": "integer"}}})),
        ("cards", json!({"type": "array", "items": {"properties": {"number": {"type": "boolean"}}}})),
        ("vault", json!({"type": "array"})),
        ("phone", json!({"type": "string", "maxLength": 3})),
        ("tax", json!({"type": "string", "pattern": "^a$"})),
    ] {
        let mut next = schema();
        next["properties"][name] = wanted;
        all.push(json!({ "schema": next }));
    }
    let mut required = schema();
    required["required"] = json!(["absent"]);
    let mut closed = schema();
    closed["additionalProperties"] = json!(false);
    closed["properties"].as_object_mut().unwrap().remove("iban");
    all.extend([json!({ "schema": required }), json!({ "schema": closed })]);
    for pointer in ["/rank", "/score", "/tax", "/wage"] {
        let mut next = fields();
        next[pointer]["unique"] = json!(true);
        all.push(json!({ "fields": next }));
    }
    for (pointer, sensitivity) in
        [("/iban", "public"), ("/income", "public"), ("/vault", "internal"), ("/tax", "public")]
    {
        let mut next = fields();
        next[pointer]["sensitivity"] = json!(sensitivity);
        all.push(json!({ "fields": next }));
    }
    let mut unmarked = fields();
    unmarked.as_object_mut().unwrap().remove("/iban");
    all.push(json!({ "fields": unmarked }));
    for steps in [
        json!({"rename": {"/iban": "/title"}}),
        json!({"rename": {"/title": "/iban"}}),
        json!({"rename": {"/iban": "/open"}}),
        json!({"set_default": {"/absent": "x"}, "remove": ["/title"]}),
        json!({"remove": ["/iban"]}),
        json!({"rename": {"/plain": "/income"}}),
    ] {
        let mut next = schema();
        next["properties"]["rank"] = json!({"type": "string"});
        all.push(json!({ "schema": next, "migration": steps }));
    }
    all
}

fn settle(world: &World) {
    let begun = Instant::now();
    let back = json!({"schema": schema(), "fields": fields()});
    loop {
        let shown = world.admin.get("/entity-types/customers").expect(200).json();
        if shown["migration"] == Value::Null && shown["indexing"] == Value::Null {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{shown}");
        std::thread::sleep(Duration::from_millis(20));
    }
    let done = world.admin.patch("/entity-types/customers", &back);
    assert!(done.status < 300, "{}", done.text);
}

#[test]
fn what_is_refused_of_a_type_is_told_without_values() {
    for level in [0, 1, 2] {
        let world = World::new(&Value::Null);
        let caller = world.caller(level, Who::Administrator);
        let victims = [world.victim().0, world.victim().0, world.deleted()];
        let mut refused = 0;
        for change in changes() {
            let told = format!("{} changes a type: {change}", LEVELS[level]);
            let answer = caller.patch("/entity-types/customers", &change);
            ensure_untold(&answer, level, &told);
            refused += usize::from(matches!(answer.status, 403 | 409 | 422));
            for path in [
                "/entity-types/customers".to_owned(),
                "/entity-types".to_owned(),
                "/access-matrix".to_owned(),
                "/openapi.json".to_owned(),
                "/jobs".to_owned(),
                format!("/entities/customers/{}", victims[0]),
                format!("/entities/customers/{}/history", victims[1]),
            ] {
                ensure_untold(&caller.get(&path), level, &format!("{path} after: {told}"));
            }
            settle(&world);
        }
        assert!(refused >= 20, "{refused}");
        for (method, path, body) in [
            (Method::DELETE, "/entity-types/customers", json!({})),
            (Method::POST, "/entity-types", json!({"name": "customers"})),
            (Method::POST, "/entity-types", json!({"name": "more", "fields": {"/a": {"sensitivity": "restricted"}}})),
            (Method::PATCH, "/entity-types/customers", json!({"search": ["/iban", "/income"]})),
            (Method::PATCH, "/entity-types/customers", json!({"indexes": ["/iban", "/bank/pin"]})),
        ] {
            let answer = caller.send(caller.request(method.clone(), path).json(&body));
            ensure_untold(&answer, level, &format!("{method} {path} {body}"));
            settle(&world);
        }
        let all = caller.get("/entities/customers?limit=200&deleted=include").expect(200);
        ensure_untold(&all, level, "everything afterwards");
        assert!(all.text.contains(MARKS[0][0]), "{}", all.text);
    }
}

#[test]
fn people_and_roles_are_changed_without_values() {
    for level in [0, 1, 2] {
        let world = World::new(&Value::Null);
        let caller = world.caller(level, Who::Administrator);
        world.victim();
        world.deleted();
        let check = |what: &str, answer: Answer| {
            ensure_untold(&answer, level, what);
            answer
        };
        let post = |path: &str, body: Value| check(path, caller.post(path, &body));
        let user = format!("/users/{}", world.owner);
        for act in ["unlock", "sessions/revoke", "reset-mfa", "password-link", "restore"] {
            post(&format!("{user}/{act}"), json!({}));
        }
        check("the user's own", caller.get(&format!("{user}/export"))).expect(200);
        check("their access", caller.get(&format!("{user}/access")));
        check("a change", caller.patch(&user, &json!({"name": "Other", "roles": ["viewer", "analyst"]})));
        check("data", caller.patch(&user, &json!({"data": {"team": "x"}})));
        let guess = format!("entities.customers:read:where(data.iban ~ \"{}\")", &MARKS[3][0][..4]);
        let role = json!({"name": "guesses", "permissions": [guess], "clearance": LEVELS[level]});
        post("/roles", role);
        check(
            "a rule",
            caller.patch("/roles/guesses", &json!({"permissions": ["entities.customers:read:where(data.iban ="]})),
        );
        let above =
            json!({"name": "above", "permissions": ["entities.customers:read"], "clearance": LEVELS[level + 1]});
        post("/roles", above).problem(403, "forbidden");
        check("themselves", caller.patch(&format!("/users/{}", caller.id), &json!({"roles": ["admin"]})))
            .problem(403, "forbidden");
        post("/users", json!({"email": "above@example.org", "roles": ["admin"]})).problem(403, "forbidden");
        let name = format!("sees_{}", LEVELS[level]);
        let more = json!({"clearance": LEVELS[level + 1]});
        check("their role", caller.patch(&format!("/roles/{name}"), &more)).problem(403, "forbidden");
        check("a role", caller.delete("/roles/guesses"));
        for act in ["anonymise", "erase"] {
            post(&format!("{user}/{act}"), json!({"reason": "asked for"}));
        }
        check("deleting", caller.delete(&user));
        check("all", caller.get("/entities/customers?deleted=include&limit=200")).expect(200);
    }
}
