//! A bank's thousand real applicants before four kinds of callers: a viewer, an analyst, an admin, and a scoring service
//! of the role system with a key. Each sees the fields of their clearance, by every way to them.

use super::customer_risk::{CUSTOMERS, bank, column, customer, import, total};
use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::Read,
    time::{Duration, Instant},
};

/// Fields with what the customer C0001 has there, the first of the callers who sees it, and whether it is sealed.
const FIELDS: [(&str, &str, usize, bool); 8] = [
    ("purpose", "A43", 0, false),
    ("credit_amount_dm", "1169", 0, false),
    ("age_years", "67", 1, false),
    ("savings", "A65", 1, false),
    ("checking_status", "A11", 1, false),
    ("telephone", "A192", 1, true),
    ("personal_status_sex", "A93", 2, true),
    ("foreign_worker", "A201", 2, true),
];

struct Bank {
    site: Site,
    admin: Actor,
    /// From the least clearance to the most: viewer, analyst, admin, system.
    callers: [(&'static str, Actor); 4],
    /// The service account.
    scorer: String,
}

fn open() -> Bank {
    let site = bank();
    let admin = site.admin();
    let viewer = site.user(&admin, "vera", &["viewer"]);
    let analyst = site.user(&admin, "arno", &["analyst"]);
    let service = json!({"email": "scorer@example.org", "kind": "service", "roles": ["system"]});
    let scorer = admin.post("/users", &service).expect(201).id();
    let scopes = ["read", "update", "export"].map(|action| format!("entities.customers:{action}"));
    let key = json!({"name": "scoring", "scopes": scopes, "owner_id": scorer});
    let key = admin.post("/api-keys", &key).expect(201).json();
    let system = site.holder(key["key"].as_str().unwrap());
    let imported = import(&admin, "name_column=customer_no", CUSTOMERS).expect(200).json();
    assert_eq!(imported["created"], 1000, "{imported}");
    let callers = [("viewer", viewer), ("analyst", analyst), ("admin", admin.clone()), ("system", system)];
    Bank { site, admin, callers, scorer }
}

/// The data of C0001 as it stands in the file.
fn first() -> Value {
    let header = CUSTOMERS.lines().next().unwrap().split(',');
    let row: BTreeMap<_, _> = header.zip(CUSTOMERS.lines().nth(1).unwrap().split(',')).collect();
    let typed = |text: &str| text.parse::<u64>().map_or_else(|_| json!(text), |number| json!(number));
    row.iter()
        .filter(|(name, _)| **name != "customer_no")
        .map(|(name, text)| ((*name).to_owned(), typed(text)))
        .collect()
}

/// How they stand in the order of clearances: the service sees what the admin sees.
fn rank(index: usize) -> usize {
    index.min(2)
}

fn visible(index: usize) -> Value {
    let mut data = first();
    for (field, _, least, _) in FIELDS {
        if rank(index) < least {
            data.as_object_mut().unwrap().remove(field);
        }
    }
    data
}

fn query(actor: &Actor, path: &str, pairs: &[(&str, &str)]) -> Answer {
    actor.send(actor.request(Method::GET, path).query(pairs))
}

#[test]
fn four_roles_see_the_same_customers_differently() {
    let bank = open();
    let id = customer(&bank.admin, "C0001")["id"].as_str().unwrap().to_owned();
    for (index, (role, actor)) in bank.callers.iter().enumerate() {
        let expected = visible(index);
        assert_eq!(total(actor, ""), 1000, "{role}");
        assert_eq!(actor.get(&format!("/customers/{id}")).expect(200).json()["data"], expected, "view by {role}");
        assert_eq!(customer(actor, "C0001")["data"], expected, "list for {role}");
        let old = actor.send(actor.at(Method::GET, &format!("/api/customers/{id}"))).expect(200);
        assert!(old.header("deprecation").starts_with('@') && old.header("link").contains("successor-version"));
        assert_eq!(old.json()["data"], expected, "the old path for {role}");
        for (field, value, least, sealed) in FIELDS {
            let sees = rank(index) >= least;
            questions(role, actor, (field, value, sees, sealed));
        }
    }
}

/// Filters, sorts, groups and picks by one field, with the figures that the file gives.
fn questions(role: &str, actor: &Actor, (field, value, sees, sealed): (&str, &str, bool, bool)) {
    let name = format!("data.{field}");
    let quoted = if value.parse::<u64>().is_ok() { value.to_owned() } else { format!("\"{value}\"") };
    let found = query(actor, "/customers", &[("filter", &format!("{name} = {quoted}")), ("count", "true")]);
    // A sealed value is found where it has an index.
    let finds = sees && field != "foreign_worker";
    if finds {
        let expected = column(field).iter().filter(|text| **text == value).count();
        assert_eq!(found.expect(200).json()["total"], expected, "filter on {field} by {role}");
    } else {
        found.problem(422, "validation_failed");
    }
    let status = |answer: Answer| answer.status;
    let open = if sees && !sealed { 200 } else { 422 };
    for (path, part) in [("/customers", "sort"), ("/customers/aggregate", "group_by")] {
        assert_eq!(status(query(actor, path, &[(part, &name)])), open, "{part} {field} by {role}");
    }
    let above = query(actor, "/customers", &[("filter", &format!("{name} > {quoted}"))]);
    assert_eq!(status(above), open, "more than {field} by {role}");
    let picked = query(actor, "/customers", &[("fields", &name), ("limit", "1")]);
    assert_eq!(status(picked), if sees { 200 } else { 422 }, "pick {field} by {role}");
}

#[test]
fn the_figures_of_the_bank_are_those_of_the_file() {
    let bank = open();
    let mut expected: BTreeMap<&str, (u64, u64, u64)> = BTreeMap::new();
    for (purpose, amount) in column("purpose").into_iter().zip(column("credit_amount_dm")) {
        let amount = amount.parse::<u64>().unwrap();
        let (count, sum, most) = expected.entry(purpose).or_default();
        (*count, *sum, *most) = (*count + 1, *sum + amount, (*most).max(amount));
    }
    for (role, actor) in &bank.callers[..3] {
        let measures = "count,sum(data.credit_amount_dm),max(data.credit_amount_dm)";
        let groups = query(actor, "/customers/aggregate", &[("group_by", "data.purpose"), ("measures", measures)]);
        let groups = groups.expect(200).json();
        let found: BTreeMap<_, _> = groups["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|group| {
                let number = |name: &str| group[name].as_u64().unwrap_or_else(|| panic!("{name} in {group}"));
                let figures =
                    (number("count"), number("sum(data.credit_amount_dm)"), number("max(data.credit_amount_dm)"));
                (group["data.purpose"].as_str().unwrap(), figures)
            })
            .collect();
        assert_eq!(found, expected, "{role}");
    }
    let bad = column("risk_class").iter().filter(|class| **class == "2").count();
    assert_eq!(bad, 300);
    let old =
        bank.admin.send(bank.admin.at(Method::GET, "/api/customers?count=true&limit=1&filter=data.risk_class%3D2"));
    assert_eq!(old.expect(200).json()["total"], bad);
    for (path, role, status) in [("/api/overview", 0, 403), ("/api/overview", 2, 200), ("/api/risk", 0, 200)] {
        let actor = &bank.callers[role].1;
        let answer = actor.send(actor.at(Method::GET, path));
        assert_eq!(answer.status, status, "{path}: {}", answer.text);
        assert!(answer.header("deprecation").starts_with('@'), "{path}");
    }
}

#[test]
fn history_exports_and_events_keep_to_what_each_sees() {
    let bank = open();
    let id = customer(&bank.admin, "C0001")["id"].as_str().unwrap().to_owned();
    let listen = |actor: &Actor| actor.request(Method::GET, "/events?types=customers").send().expect("a stream");
    let streams: Vec<_> = bank.callers.iter().map(|(role, actor)| (*role, listen(actor))).collect();
    let changed = json!({"purpose": "A46", "savings": "A64", "telephone": "A191", "personal_status_sex": "A92",
                         "foreign_worker": "A202"});
    bank.admin.patch(&format!("/customers/{id}"), &json!({ "data": changed })).expect(200);
    for (index, (role, actor)) in bank.callers.iter().enumerate() {
        let mut after = changed.clone();
        for (field, _, least, _) in FIELDS.iter().filter(|(_, _, least, _)| rank(index) < *least) {
            assert!(*least > 0);
            after.as_object_mut().unwrap().remove(*field);
        }
        let history = actor.get(&format!("/customers/{id}/history")).expect(200).json();
        assert_eq!(history["items"][0]["changes"]["after"]["data"], after, "the history for {role}");
        assert_eq!(history["items"][1]["changes"]["after"]["data"], visible(index), "how it began, for {role}");
        let first = actor.get(&format!("/customers/{id}/history/1")).expect(200).json();
        assert_eq!(first["data"], visible(index), "the first version for {role}");
        // What is above them is no way to write either, and the refusal does not say what stands there.
        if index < 2 {
            let guess = actor.patch(&format!("/customers/{id}"), &json!({"data": {"foreign_worker": "A201"}}));
            assert!(!guess.text.contains("A202"), "{}", guess.text);
            assert_eq!(guess.status, if index == 0 { 403 } else { 422 });
        }
    }
    exports(&bank);
    for (role, stream) in streams {
        let heard = read_until(stream, "entity.updated");
        assert!(heard.contains(&id) && heard.contains("\"version\":2"), "{role}: {heard}");
        assert!(!heard.contains("A202") && !heard.contains("data\":{\"purpose"), "{role}: {heard}");
    }
}

fn exports(bank: &Bank) {
    let export = |actor: &Actor, format: &str| actor.get(&format!("/customers/export?format={format}"));
    export(&bank.callers[0].1, "csv").problem(403, "forbidden");
    export(&bank.callers[1].1, "csv").problem(403, "forbidden");
    let taker = |name: &str, role: &str| bank.site.user(&bank.admin, name, &[role, "risk_exporter"]);
    let takers = [taker("victor", "viewer"), taker("anna", "analyst"), bank.admin.clone(), bank.callers[3].1.clone()];
    for (index, actor) in takers.iter().enumerate() {
        let lines = export(actor, "jsonl").expect(200).text;
        assert_eq!(lines.lines().count(), 1000);
        let second: Value = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .find(|row| row["name"] == "C0002")
            .expect("the second customer");
        let table = export(actor, "csv").expect(200).text;
        let titles: Vec<_> = table.lines().next().unwrap().split(',').collect();
        for (field, _, least, _) in FIELDS {
            let sees = rank(index) >= least;
            assert_eq!(second["data"].get(field).is_some(), sees, "{field} in the export of the {index}th");
            assert_eq!(titles.contains(&field), sees, "{field} in the table of the {index}th");
        }
    }
}

fn read_until(mut stream: reqwest::blocking::Response, what: &str) -> String {
    let (mut heard, mut part, begun) = (Vec::new(), [0; 4096], Instant::now());
    while begun.elapsed() < Duration::from_secs(20) && !String::from_utf8_lossy(&heard).contains(what) {
        match stream.read(&mut part) {
            Ok(0) | Err(_) => break,
            Ok(read) => heard.extend_from_slice(&part[..read]),
        }
    }
    String::from_utf8_lossy(&heard).into_owned()
}

#[test]
fn keys_reach_as_far_as_their_scopes_and_owners() {
    let bank = open();
    let Bank { site, admin, callers, scorer } = &bank;
    let (analyst, system) = (&callers[1].1, &callers[3].1);
    // The service scores, which is all that its key is for.
    let id = customer(system, "C0003")["id"].as_str().unwrap().to_owned();
    let scored = system.patch(&format!("/customers/{id}"), &json!({"confidence": 0.9})).expect(200).json();
    assert_eq!(scored["updated_by"], *scorer);
    system.delete(&format!("/customers/{id}")).problem(403, "forbidden");
    system.get("/risk").problem(403, "forbidden");
    system.get("/users").problem(403, "forbidden");
    // Nobody gives a key more than they hold, and it sees as its owner sees.
    let above = json!({"name": "above", "scopes": ["entities.customers:delete"]});
    analyst.post("/api-keys", &above).problem(403, "forbidden");
    let made = analyst.post("/api-keys", &json!({"name": "reports", "scopes": ["entities.customers:read"]}));
    let made = made.expect(201).json();
    let key = site.holder(made["key"].as_str().unwrap());
    assert_eq!(customer(&key, "C0001")["data"], visible(1));
    key.patch(&format!("/customers/{id}"), &json!({"confidence": 0.1})).problem(403, "forbidden");
    admin.patch(&format!("/users/{}", analyst.id), &json!({"roles": ["viewer"]})).expect(200);
    assert_eq!(customer(&key, "C0001")["data"], visible(0), "less once the owner may less");
    // Rotated with an overlap, closed with all keys, and ended with the account.
    let path = format!("/api-keys/{}", made["id"].as_str().unwrap());
    let rotated = analyst.post(&format!("{path}/rotate"), &json!({"overlap_minutes": 10})).expect(200).json();
    let next = site.holder(rotated["key"].as_str().unwrap());
    assert_eq!((total(&key, ""), total(&next, "")), (1000, 1000));
    site.clock.advance(11 * 60_000);
    key.get("/customers").problem(401, "unauthenticated");
    let close = json!({"active": true, "scope": "api_keys", "reason": "a key was found", "password": PASSWORD});
    admin.put("/kill-switch", &close).expect(200);
    for holder in [&next, system] {
        holder.get("/customers").problem(503, "kill_switch_active");
    }
    assert_eq!(total(admin, ""), 1000, "people go on");
    admin.put("/kill-switch", &json!({"active": false, "reason": "replaced", "password": PASSWORD})).expect(200);
    assert_eq!(total(system, ""), 1000);
    admin.patch(&format!("/users/{scorer}"), &json!({"status": "disabled"})).expect(200);
    system.get("/customers").problem(401, "unauthenticated");
}

/// The settings of the server are a fixed tree, in which a team's own are flags, on or off. A group with texts, numbers
/// and ranges is an entity type: checked by its schema, with versions, `If-Match`, and rights of its own.
#[test]
fn the_settings_of_a_model_are_checked_and_have_a_history() {
    let bank = open();
    let (viewer, analyst, admin) = (&bank.callers[0].1, &bank.callers[1].1, &bank.admin);
    let settings = json!({"model": "scoring", "provider": "anthropic", "endpoint": "https://models.example.org/v1",
                          "temperature": 0.7, "credential": "vault:scoring"});
    let made = admin.post("/model_settings", &json!({"name": "Scoring", "data": settings})).expect(201);
    assert_eq!(
        (&made.json()["data"]["max_output_tokens"], &made.json()["data"]["timeout_s"]),
        (&json!(1024), &json!(10))
    );
    let path = format!("/model_settings/{}", made.id());
    for (change, pointer) in [
        (json!({"temperature": 2.1}), "/data/temperature"),
        (json!({"temperature": -0.1}), "/data/temperature"),
        (json!({"temperature": "0.7"}), "/data/temperature"),
        (json!({"provider": "somebody"}), "/data/provider"),
        (json!({"top_p": 0}), "/data/top_p"),
        (json!({"max_output_tokens": 32_769}), "/data/max_output_tokens"),
        (json!({"max_output_tokens": 1.5}), "/data/max_output_tokens"),
        (json!({"timeout_s": 31}), "/data/timeout_s"),
        (json!({"endpoint": "not an address"}), "/data/endpoint"),
        (json!({"endpoint": null}), "/data/endpoint"),
        (json!({"temprature": 0.5}), "/data"),
    ] {
        let problem = admin.patch(&path, &json!({ "data": change })).problem(422, "validation_failed");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    admin.post("/model_settings", &json!({"data": settings})).problem(409, "conflict");
    assert_eq!(admin.get(&path).expect(200).json()["version"], 1, "nothing was changed");
    // Who runs the models changes them, who reads the figures sees how they come about.
    let tag = analyst.get(&path).expect(200).header("etag").to_owned();
    let set = analyst.request(Method::PATCH, &path).header("if-match", tag.clone());
    analyst.send(set.json(&json!({"data": {"temperature": 0.1}}))).expect(200);
    let stale = analyst.request(Method::PATCH, &path).header("if-match", tag);
    analyst.send(stale.json(&json!({"data": {"temperature": 0.2}}))).problem(412, "precondition_failed");
    let seen = viewer.get(&path).expect(200).json()["data"].clone();
    assert_eq!(
        (&seen["temperature"], &seen["endpoint"], &seen["credential"]),
        (&json!(0.1), &Value::Null, &Value::Null)
    );
    assert_eq!(analyst.get(&path).expect(200).json()["data"]["credential"], Value::Null);
    viewer.patch(&path, &json!({"data": {"temperature": 1}})).problem(403, "forbidden");
    let event = admin.get(&format!("/audit?target_id={}&limit=1", made.id())).expect(200).json()["items"][0].clone();
    assert_eq!(
        (&event["changes"]["before"]["data"]["temperature"], &event["changes"]["after"]["data"]["temperature"]),
        (&json!(0.7), &json!(0.1))
    );
    let restored = admin.post(&format!("{path}/history/1/restore"), &json!({})).expect(200).json();
    assert_eq!((&restored["data"]["temperature"], &restored["version"]), (&json!(0.7), &json!(3)));
    let overall = admin.get("/settings").expect(200).json();
    assert_eq!(overall["values"]["flags"]["scoring_by_model"], true, "set by the blueprint");
    assert_eq!(overall["values"]["inspection"]["mode"], "block");
}
