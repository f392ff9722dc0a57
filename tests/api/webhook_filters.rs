//! Webhooks that are told of some of the events they match: by what it was done to, and by how it ended.

use crate::support::{Actor, Receiver, Site};
use serde_json::{Value, json};

fn make(admin: &Actor, receiver: &Receiver, filter: &Value) -> String {
    let body = json!({"name": "Chat", "url": receiver.url("/hook"), "events": ["*"], "filter": filter});
    admin.post("/webhooks", &body).expect(201).id()
}

/// Action and kind of target of each call, in the order of the log.
fn heard(receiver: &Receiver, count: usize) -> Vec<(String, String)> {
    let calls = receiver.wait_for(count);
    let mut bodies: Vec<Value> = calls.iter().map(|call| serde_json::from_str(&call.body).unwrap()).collect();
    bodies.sort_by_key(|body| body["seq"].as_i64());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    bodies.iter().map(|body| (text(&body["action"]), text(&body["target"]["type"]))).collect()
}

#[test]
fn a_filter_names_kinds_of_things_entity_types_and_outcomes() {
    let (orders, refusals, everything) = (Receiver::start(), Receiver::start(), Receiver::start());
    let allowed = [&orders, &refusals, &everything].map(Receiver::allowed).join(",");
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_OUTBOUND__ALLOW", &allowed)]);
    let admin = site.admin();
    for name in ["orders", "notes"] {
        admin.post("/entity-types", &json!({"name": name})).expect(201);
    }
    let vera = site.user(&admin, "vera", &[]);
    make(&admin, &orders, &json!({"target_types": ["orders", "role"], "outcomes": ["success"]}));
    make(&admin, &refusals, &json!({"outcomes": ["denied"]}));
    make(&admin, &everything, &json!({}));
    let order = admin.post("/entities/orders", &json!({"name": "one"})).expect(201).id();
    admin.post("/entities/notes", &json!({"name": "two"})).expect(201);
    admin.delete(&format!("/entities/orders/{order}")).expect(204);
    vera.post("/roles", &json!({"name": "team", "permissions": []})).problem(403, "forbidden");
    admin.post("/roles", &json!({"name": "team", "permissions": []})).expect(201);
    let pair = |action: &str, kind: &str| (action.to_owned(), kind.to_owned());
    let of_orders = [pair("entity.created", "entity"), pair("entity.deleted", "entity"), pair("role.created", "role")];
    assert_eq!(heard(&orders, 3), of_orders);
    assert_eq!(heard(&refusals, 1), [pair("request.denied", "route")]);
    let all = heard(&everything, 5);
    for (action, kind) in [("role.created", "role"), ("entity.created", "entity"), ("request.denied", "route")] {
        assert!(all.contains(&pair(action, kind)), "{all:?}");
    }
    assert_eq!((orders.wait_for(3).len(), refusals.wait_for(1).len()), (3, 1), "nothing else came meanwhile");
}

#[test]
fn a_filter_is_shown_changed_audited_and_refused_when_it_is_none() {
    let receiver = Receiver::start();
    let allowed = receiver.allowed();
    let site = Site::with(&[("PORTCULLIS_LIMITS__ENABLED", "false"), ("PORTCULLIS_OUTBOUND__ALLOW", &allowed)]);
    let admin = site.admin();
    let id = make(&admin, &receiver, &json!({}));
    let path = format!("/webhooks/{id}");
    let none = json!({"target_types": [], "outcomes": []});
    assert_eq!(admin.get(&path).expect(200).json()["filter"], none);
    let filter = json!({"target_types": ["user"], "outcomes": ["success", "failed"]});
    let changed = admin.patch(&path, &json!({"filter": filter})).expect(200).json();
    assert_eq!(changed["filter"], filter);
    assert_eq!(admin.patch(&path, &json!({"name": "Talk"})).expect(200).json()["filter"], filter);
    let events = admin.get("/audit?action=webhook.updated").expect(200).json();
    assert_eq!(events["items"][1]["changes"]["after"]["filter"], filter);
    for (bad, pointer) in [
        (json!({"target_types": ["No Name"]}), "/filter/target_types"),
        (json!({"target_types": "user"}), "/filter/target_types"),
        (json!({"outcomes": ["perhaps"]}), "/filter/outcomes/0"),
        (json!({"actions": ["user.created"]}), "/filter/actions"),
        (json!([]), "/filter"),
    ] {
        let problem = admin.patch(&path, &json!({"filter": bad})).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    assert_eq!(admin.get(&path).expect(200).json()["filter"], filter);
}
