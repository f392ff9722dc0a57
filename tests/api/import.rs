//! Import and export: real customers in, the same out, and every mistake named.

use crate::support::{Actor, Answer, Site};
use serde_json::{Value, json};
use std::fmt::Write;

fn people(admin: &Actor) {
    let schema = json!({
        "type": "object",
        "required": ["no"],
        "properties": {
            "no": {"type": "string"},
            "age": {"type": "integer", "minimum": 18},
            "score": {"type": "number"},
            "active": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "iban": {"type": "string"}
        }
    });
    let fields = json!({"/iban": {"sensitivity": "restricted"}});
    admin.post("/entity-types", &json!({"name": "people", "schema": schema, "fields": fields})).expect(201);
}

fn import(actor: &Actor, query: &str, media: &'static str, body: impl Into<reqwest::blocking::Body>) -> Answer {
    let request = actor.request(reqwest::Method::POST, &format!("/entities/people/import{query}"));
    actor.send(request.header("content-type", media).body(body))
}

fn total(actor: &Actor) -> i64 {
    actor.get("/entities/people?count=true&limit=1").expect(200).json()["total"].as_i64().unwrap()
}

const CSV: &str = "no,name,confidence,age,score,active,tags,zip,iban\n\
                   1,\"Ann, B\",0.5,30,1.5,true,\"[\"\"a\"\"]\",01234,DE1\n\
                   2,Ben,,,,,,,\n";

#[test]
fn a_table_comes_in_typed_and_goes_out_as_it_came() {
    let site = Site::new();
    let admin = site.admin();
    people(&admin);
    let report = import(&admin, "", "text/csv", CSV).expect(200).json();
    assert_eq!(report, json!({"created": 2, "updated": 0, "failed": 0, "errors": []}));
    let items = admin.get("/entities/people?sort=name").expect(200).json()["items"].clone();
    let data =
        json!({"no": "1", "age": 30, "score": 1.5, "active": true, "tags": ["a"], "zip": "01234", "iban": "DE1"});
    assert_eq!((&items[0]["name"], &items[0]["data"]), (&json!("Ann, B"), &data));
    assert_eq!(items[1]["data"], json!({"no": "2"}));
    let events = admin.get("/audit?action=entity.created").expect(200).json();
    assert_eq!(events["items"].as_array().unwrap().len(), 2, "one event for each row");

    let csv = admin.get("/entities/people/export?format=csv").expect(200);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let again = import(&admin, "", "text/csv", csv.text.clone()).expect(200).json();
    assert_eq!((&again["created"], &again["updated"]), (&json!(0), &json!(2)), "known ids are merged into");
    assert_eq!(admin.get("/entities/people?sort=name").expect(200).json()["items"], items, "and nothing changed");
    let lines = admin.get("/entities/people/export?format=jsonl").expect(200);
    assert_eq!(lines.text.lines().count(), 2);
    import(&admin, "", "application/x-ndjson", lines.text).expect(200);
    assert_eq!(admin.get("/entities/people?sort=name").expect(200).json()["items"], items);
    admin.get("/entities/people/export?format=xml").problem(422, "validation_failed");

    let named = import(&admin, "?name_column=no", "text/csv", "\u{feff}no,data.name\nN1,x\n");
    assert_eq!(named.problem(422, "validation_failed")["errors"][0]["pointer"], "/data/no");
    assert_eq!(admin.get("/audit/verify").expect(200).json()["valid"], true);
}

#[test]
fn bad_rows_are_named_and_nothing_changes() {
    let site = Site::new();
    let admin = site.admin();
    people(&admin);
    let bad = "no,age,confidence,id\n1,30,0.5,\n2,x,,\n3,5,,\n,20,,\n5,20,7,\n6,20,0.1\n7,30,,nonsense\n";
    let problem = import(&admin, "", "text/csv", bad).problem(422, "validation_failed");
    let errors: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|e| format!("{} {}", e["row"], e["pointer"])).collect();
    assert_eq!(
        errors,
        ["2 \"/data/age\"", "3 \"/data/age\"", "4 \"/data/no\"", "5 \"/confidence\"", "6 \"\"", "7 \"/id\""]
    );
    assert_eq!((problem["failed"].clone(), total(&admin)), (json!(6), 0));
    let report = import(&admin, "?mode=skip_errors", "text/csv", bad).expect(200).json();
    assert_eq!((&report["created"], &report["failed"], total(&admin)), (&json!(1), &json!(6), 1));

    let lines = "{\"data\":{\"no\":\"8\"}}\n\n{\"data\":{\"no\":8}}\n[1]\n{\"data\":{\"no\":\"9\",\"no\":\"9\"}}\n{\"version\":1}\nnonsense\n";
    let problem = import(&admin, "", "application/x-ndjson", lines).problem(422, "validation_failed");
    let rows: Vec<_> = problem["errors"].as_array().unwrap().iter().map(|e| e["row"].as_u64().unwrap()).collect();
    assert_eq!(rows, [3, 4, 5, 6, 7]);
    assert_eq!(total(&admin), 1);

    let many = (0..300).fold(String::from("no,age\n"), |mut all, no| {
        let _ = writeln!(all, "{no},x");
        all
    });
    let problem = import(&admin, "", "text/csv", many).problem(422, "validation_failed");
    assert_eq!((problem["errors"].as_array().unwrap().len(), &problem["failed"]), (100, &json!(300)));
    for (query, media, body) in [
        ("", "text/csv", "no,no\n1,2\n"),
        ("", "text/csv", ""),
        ("", "text/csv", "no,\n1,2\n"),
        ("?name_column=missing", "text/csv", "no\n1\n"),
        ("?mode=perhaps", "text/csv", "no\n1\n"),
        ("?surprise=1", "text/csv", "no\n1\n"),
        ("", "text/csv", "no,name\n1,a\u{0}b\n"),
        ("", "text/csv", "no\na\u{1}b\n"),
    ] {
        import(&admin, query, media, body).problem(422, "validation_failed");
    }
    import(&admin, "", "application/json", "{}").problem(415, "unsupported_media_type");
    let endless = format!("no\n\"{}", "x".repeat(2 << 20));
    import(&admin, "", "text/csv", endless).problem(422, "validation_failed");
    import(&site.user(&admin, "vera", &["viewer"]), "", "text/csv", "no\n1\n").problem(403, "forbidden");
    assert_eq!(total(&admin), 1);
}

#[test]
fn clearance_holds_for_tables_too() {
    let site = Site::new();
    let admin = site.admin();
    people(&admin);
    import(&admin, "", "text/csv", CSV).expect(200);
    let analyst = site.user(&admin, "anna", &["analyst"]);
    let problem = import(&analyst, "", "text/csv", "no,iban\n3,DE3\n").problem(422, "validation_failed");
    assert_eq!(problem["errors"][0]["pointer"], "/data/iban");
    assert_eq!(total(&admin), 2);
    let id = admin.get("/entities/people?sort=name&limit=1").json()["items"][0]["id"].as_str().unwrap().to_owned();
    import(&analyst, "", "text/csv", format!("id,age\n{id},44\n")).expect(200);
    let merged: Value = admin.get(&format!("/entities/people/{id}")).json();
    assert_eq!((&merged["data"]["age"], &merged["data"]["iban"]), (&json!(44), &json!("DE1")));
}

/// What a blueprint in the repository says, applied as the command does.
fn apply(site: &Site, text: &str) -> portcullis::error::Result<Vec<String>> {
    use portcullis::{data::blueprint::Plan, permit::Permit};
    let app = &site.app;
    let plan = Plan::new(
        text,
        std::path::Path::new("tests/blueprints"),
        &app.ledger,
        &app.roles,
        &app.entity_types,
        &app.settings,
    )?;
    let mut done = Vec::new();
    let permit = Permit::command_line();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let mut note = |step| done.push(step);
    let work = plan.apply(&app.ledger, &app.roles, &app.entity_types, &app.settings, &permit, &mut note);
    runtime.block_on(work)?;
    Ok(done)
}

#[test]
fn a_blueprint_makes_room_for_real_customers() {
    let site = Site::new();
    let admin = site.admin();
    let text = include_str!("../blueprints/customer_risk.toml");
    assert_eq!(apply(&site, text).unwrap().len(), 6);
    assert_eq!(apply(&site, text).unwrap(), Vec::<String>::new(), "applying it twice changes nothing");
    let written =
        portcullis::data::blueprint::export(&site.app.roles, &site.app.entity_types, &[], &site.app.settings).unwrap();
    assert_eq!(apply(&site, &written).unwrap(), Vec::<String>::new(), "what is written is accepted: {written}");
    let csv = include_bytes!("../data/german_credit.csv").to_vec();
    let request = admin.request(reqwest::Method::POST, "/entities/customers/import?name_column=customer_no");
    let report = admin.send(request.header("content-type", "text/csv").body(csv)).expect(200).json();
    assert_eq!(report, json!({"created": 1000, "updated": 0, "failed": 0, "errors": []}));
    let bad = "filter=data.risk_class%20%3D%202%20and%20data.age_years%20%3C%2030&count=true&limit=1&sort=-data.credit_amount_dm";
    let page = admin.get(&format!("/entities/customers?{bad}")).expect(200).json();
    assert_eq!((&page["total"], &page["items"][0]["data"]["credit_amount_dm"]), (&json!(137), &json!(15672)), "{page}");
    let other = Site::new();
    other.admin();
    assert_eq!(apply(&other, &written).unwrap().len(), 6);
}

#[test]
fn every_mistake_in_a_blueprint_is_named_at_once() {
    let site = Site::new();
    site.admin();
    let text = r#"
        [[roles]]
        name = "Bad Name"
        permissions = ["ghosts:read"]
        [[entity_types]]
        name = "orders"
        schema = "../etc/passwd"
        [[entity_types]]
        name = "users"
        alias = "auth"
        schema = '{"type": "objekt"}'
        fields."/a" = { index = true }
    "#;
    let error = apply(&site, text).unwrap_err();
    let at: Vec<_> = error.faults().iter().map(|fault| fault.pointer.as_str()).collect();
    for expected in [
        "/roles/0/name",
        "/roles/0/permissions/0",
        "/entity_types/0/schema",
        "/entity_types/1/name",
        "/entity_types/1/alias",
        "/entity_types/1/fields/~1a/index",
        "/entity_types/1/schema/type",
    ] {
        assert!(at.contains(&expected), "{expected} is not in {at:?}");
    }
    assert!(site.app.entity_types.all().is_empty());
    assert!(apply(&site, "[[roles]]\nname = 5").unwrap_err().detail().contains("line 2"));
    assert!(apply(&site, "[[webhooks]]\nname = 'x'").is_err());
}
