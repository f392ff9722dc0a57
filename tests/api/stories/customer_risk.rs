//! A bank keeps its customers and their credit risk here: the blueprint is applied, a thousand real applicants
//! are imported, a viewer, an analyst and an admin work on them, the audit log tells who did what, and the gate
//! is closed and opened again.

use super::site_of;
use crate::support::{Actor, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};

pub(super) const CUSTOMERS: &str = include_str!("../../data/german_credit.csv");

pub(super) fn bank() -> Site {
    let off = [("PORTCULLIS_LIMITS__ENABLED", "false")];
    site_of("customer_risk.toml", "make the entity type customers", &off)
}

pub(super) fn import(actor: &Actor, query: &str, csv: &str) -> crate::support::Answer {
    let path = format!("/entities/customers/import?{query}");
    actor.send(actor.request(Method::POST, &path).header("content-type", "text/csv").body(csv.to_owned()))
}

/// The value of a column in each row, as the file has it.
pub(super) fn column(name: &str) -> Vec<&'static str> {
    let mut lines = CUSTOMERS.lines();
    let at = lines.next().unwrap().split(',').position(|column| column == name).unwrap();
    lines.map(|line| line.split(',').nth(at).unwrap()).collect()
}

pub(super) fn total(actor: &Actor, query: &str) -> u64 {
    let answer = actor.get(&format!("/customers?count=true&limit=1&{query}")).expect(200);
    answer.json()["total"].as_u64().unwrap()
}

pub(super) fn customer(actor: &Actor, name: &str) -> Value {
    let answer = actor.get(&format!("/customers?filter=name=\"{name}\"")).expect(200).json();
    assert_eq!(answer["items"].as_array().unwrap().len(), 1, "{answer}");
    answer["items"][0].clone()
}

#[test]
fn a_bank_works_with_its_customers() {
    let site = bank();
    let admin = site.admin();
    let viewer = site.user(&admin, "vera", &["viewer"]);
    let analyst = site.user(&admin, "arno", &["analyst"]);

    bad_rows_change_nothing(&admin);
    let imported = import(&admin, "name_column=customer_no", CUSTOMERS).expect(200).json();
    assert_eq!((&imported["created"], &imported["failed"]), (&json!(1000), &json!(0)), "{imported}");

    everybody_sees_what_their_clearance_allows(&viewer, &analyst, &admin);
    questions_get_the_right_numbers(&viewer);
    the_analyst_works(&site, &viewer, &analyst);
    the_log_tells_who_did_what(&admin, &viewer, &analyst);
    the_gate_closes(&site, &admin, &viewer);
    let export = admin.get("/entities/customers/export?format=csv").expect(200);
    assert_eq!(export.text.lines().count(), 1 + 1001, "a header, the thousand, and the analyst's own");
}

fn bad_rows_change_nothing(admin: &Actor) {
    let header = CUSTOMERS.lines().next().unwrap();
    let good = CUSTOMERS.lines().nth(1).unwrap();
    let old = good.replace(",67,", ",670,");
    let short = good.replacen("A11,6,", "A11,six,", 1);
    let refused = import(admin, "name_column=customer_no", &format!("{header}\n{good}\n{old}\n{short}\n"));
    let problem = refused.problem(422, "validation_failed");
    let errors = problem["errors"].as_array().unwrap();
    let found: Vec<_> =
        errors.iter().map(|error| (error["row"].as_u64().unwrap(), error["pointer"].as_str().unwrap())).collect();
    assert_eq!(found, [(2, "/data/age_years"), (3, "/data/duration_months")], "{problem}");
    assert_eq!(total(admin, ""), 0);
}

fn everybody_sees_what_their_clearance_allows(viewer: &Actor, analyst: &Actor, admin: &Actor) {
    let fields = [("purpose", 3), ("credit_amount_dm", 3), ("age_years", 2), ("savings", 2), ("foreign_worker", 1)];
    for (field, readers) in fields {
        for (rank, actor) in [admin, analyst, viewer].into_iter().enumerate() {
            let shown = customer(actor, "C0001")["data"].get(field).is_some();
            assert_eq!(shown, rank < readers, "{field} for the {rank}th");
            // Nothing is asked of what is sealed without an index.
            let asks = rank < readers && field != "foreign_worker";
            for question in [format!("filter=data.{field}=null"), format!("sort=data.{field}")] {
                let status = actor.get(&format!("/customers?{question}")).status;
                assert_eq!(status, if asks { 200 } else { 422 }, "{question} for the {rank}th");
            }
        }
    }
    viewer.post("/customers", &json!({"name": "C9999", "data": {}})).problem(403, "forbidden");
    viewer.get("/users").problem(403, "forbidden");
    viewer.get("/audit").problem(403, "forbidden");
}

fn questions_get_the_right_numbers(viewer: &Actor) {
    assert_eq!(total(viewer, ""), 1000);
    let amounts = column("credit_amount_dm");
    let purposes = column("purpose");
    let large = amounts
        .iter()
        .zip(&purposes)
        .filter(|(amount, purpose)| amount.parse::<u32>().unwrap() > 5000 && **purpose == "A43");
    let expected = large.count() as u64;
    assert_eq!(total(viewer, "filter=data.credit_amount_dm > 5000 and data.purpose = \"A43\""), expected);
    let bad = column("risk_class").iter().filter(|class| **class == "2").count() as u64;
    assert_eq!(total(viewer, "filter=not data.risk_class = 1"), bad);

    // All pages together are the file, in order, each row once.
    let mut sorted: Vec<u32> = amounts.iter().map(|amount| amount.parse().unwrap()).collect();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = viewer.get(&format!("/customers?sort=-data.credit_amount_dm&limit=170{cursor}")).expect(200).json();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["data"]["credit_amount_dm"].as_u64().unwrap() as u32));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, sorted);
}

fn the_analyst_works(site: &Site, viewer: &Actor, analyst: &Actor) {
    let id = customer(analyst, "C0002")["id"].as_str().unwrap().to_owned();
    let path = format!("/customers/{id}");
    let before = analyst.get(&path).expect(200);
    let change = json!({"confidence": 0.8, "data": {"risk_class": 1}});
    let change_it = |tag: &str| {
        let request = analyst.request(Method::PATCH, &path).header("if-match", tag.to_owned());
        analyst.send(request.header("content-type", "application/merge-patch+json").body(change.to_string()))
    };
    let after = change_it(before.header("etag")).expect(200);
    assert_eq!((&after.json()["data"]["risk_class"], &after.json()["version"]), (&json!(1), &json!(2)));
    change_it(before.header("etag")).problem(412, "precondition_failed");
    assert_eq!(viewer.get(&path).expect(200).json()["confidence"], 0.8, "the viewer sees it at once");

    // What the analyst cannot see cannot be written either, and stays as it is.
    analyst.patch(&path, &json!({"data": {"foreign_worker": "A202"}})).expect(422);
    analyst.patch(&path, &json!({"data": {"risk_class": 7}})).problem(422, "validation_failed");
    analyst.delete(&path).problem(403, "forbidden");

    let review = json!({"data": {"customer_id": id, "score": 0.12, "decision": "approve"}});
    analyst.post("/risk", &review).expect(201);
    analyst
        .post(
            "/customers",
            &json!({"name": "C1001", "data": {
        "credit_amount_dm": 500, "duration_months": 6, "purpose": "A40", "risk_class": 1}}),
        )
        .expect(201);

    // The paths of the old system still answer, and say that they are old.
    let old = viewer.send(viewer.at(Method::GET, &format!("/api{path}"))).expect(200);
    assert!(old.header("deprecation").starts_with('@'));
    assert_eq!(old.header("link"), format!("</api/v1{path}>; rel=\"successor-version\""));
    let _ = site;
}

fn the_log_tells_who_did_what(admin: &Actor, viewer: &Actor, analyst: &Actor) {
    let id = customer(admin, "C0002")["id"].as_str().unwrap().to_owned();
    let events = admin.get(&format!("/audit?target_id={id}")).expect(200).json();
    let newest = &events["items"][0];
    assert_eq!((&newest["actor"]["id"], &newest["outcome"]), (&json!(analyst.id), &json!("success")), "{newest}");
    assert_eq!(newest["changes"]["before"]["data"]["risk_class"], 2);
    assert_eq!(newest["changes"]["after"]["data"]["risk_class"], 1);
    let denied = admin.get(&format!("/audit?actor_id={}&outcome=denied", viewer.id)).expect(200).json();
    assert!(!denied["items"].as_array().unwrap().is_empty(), "the viewer's refusals are in the log");
    let verdict = admin.get("/audit/verify").expect(200).json();
    assert_eq!(verdict["valid"], true, "{verdict}");
    assert!(verdict["checked"].as_u64().unwrap() > 1000, "one event for each imported row: {verdict}");
}

fn the_gate_closes(site: &Site, admin: &Actor, viewer: &Actor) {
    let close = json!({"active": true, "scope": "all", "reason": "lost laptop"});
    admin.put("/kill-switch", &close).expect(403);
    let mut close = close;
    close["password"] = json!(PASSWORD);
    admin.put("/kill-switch", &close).expect(200);
    viewer.get("/customers").problem(503, "kill_switch_active");
    viewer.send(viewer.at(Method::GET, "/api/%63ustomers")).problem(503, "kill_switch_active");
    admin.get("/customers").problem(503, "kill_switch_active");
    site.nobody().get("/customers").problem(401, "unauthenticated");
    for path in ["/health", "/health/ready", "/console/"] {
        viewer.send(viewer.at(Method::GET, path)).expect(200);
    }
    for (email, password) in
        [("vera@example.org", PASSWORD), ("vera@example.org", "wrong"), ("nobody@example.org", "x")]
    {
        let body = json!({"email": email, "password": password});
        site.nobody().post("/auth/login", &body).problem(503, "kill_switch_active");
    }
    let open = json!({"active": false, "reason": "found again", "password": PASSWORD});
    admin.put("/kill-switch", &open).expect(200);
    viewer.get("/customers").expect(200);
    let flips = admin.get("/audit?target_type=kill_switch").expect(200).json();
    assert!(flips.to_string().contains("lost laptop") && flips.to_string().contains("found again"), "{flips}");
}
