//! Request inspection: off, observe and block, for the server and for one type, and what it leaves behind.

use crate::support::{Actor, Site};
use reqwest::Method;
use serde_json::{Value, json};

const LIMITS: (&str, &str) = ("PORTCULLIS_LIMITS__ENABLED", "false");
const SCRIPT: &str = "<script>alert(document.cookie)</script>";

fn with(mode: &str) -> (Site, Actor) {
    let site = Site::with(&[LIMITS, ("PORTCULLIS_INSPECTION__MODE", mode)]);
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "notes", "alias": "memos"})).expect(201);
    (site, admin)
}

fn events(admin: &Actor) -> Vec<Value> {
    let answer = admin.get("/audit?action=request.inspected&limit=200").expect(200).json();
    answer["items"].as_array().expect("items").clone()
}

fn counted(admin: &Actor, class: &str) -> (u64, u64) {
    let overview = admin.get("/overview").expect(200).json();
    let findings = overview["inspection"]["findings"].as_array().expect("findings").clone();
    let of = findings.iter().find(|finding| finding["class"] == class).expect("the class");
    (of["observed"].as_u64().unwrap(), of["blocked"].as_u64().unwrap())
}

#[test]
fn what_looks_like_an_attack_is_refused_by_pointer_and_class() {
    let (_site, admin) = with("block");
    let good = json!({"name": "Seán O'Brien & Sons", "data": {
        "text": "Select a colour from the list; or drop by -- the table is set.", "url": "https://example.org/?a=1&b=2",
        "code": "let x = a < b && c > d;", "path": "docs/readme.md"}});
    let id = admin.post("/entities/notes", &good).expect(201).id();
    for (value, class) in [
        (json!(SCRIPT), "xss"),
        (json!("&#60;img src=x onerror=alert(1)&#62;"), "xss"),
        (json!("1' OR '1'='1"), "sql_injection"),
        (json!("1%2520union%2520select%25201,2,3"), "sql_injection"),
        (json!({"$ne": null}), "nosql_injection"),
        (json!(["fine", {"a": {"$where": "sleep(1)"}}]), "nosql_injection"),
        (json!("127.0.0.1; cat /etc/hosts"), "command_injection"),
        (json!("..%c0%af..%c0%af..%c0%afetc/passwd"), "path_traversal"),
    ] {
        let body = json!({"data": {"a": value}});
        for answer in [
            admin.post("/entities/notes", &body),
            admin.post("/entities/notes", &body),
            admin.patch(&format!("/entities/notes/{id}"), &body),
            admin.put(&format!("/entities/notes/{id}"), &body),
        ] {
            let problem = answer.problem(422, "inspection_blocked");
            let error = &problem["errors"][0];
            assert_eq!(error["code"], class, "{body}: {problem}");
            assert!(error["pointer"].as_str().unwrap().starts_with("/data/a"), "{problem}");
        }
    }
    admin.post("/entities/notes", &json!({"name": SCRIPT})).problem(422, "inspection_blocked");
    let stored = admin.get(&format!("/entities/notes/{id}")).expect(200).json();
    assert_eq!((&stored["data"], &stored["version"]), (&good["data"], &json!(1)), "nothing was changed");
    assert!(counted(&admin, "xss").1 >= 9);
    let noted = &events(&admin)[0];
    assert_eq!((&noted["outcome"], &noted["target"]["id"]), (&json!("denied"), &json!("notes")));
    assert!(!noted.to_string().contains("<script"), "no value is kept: {noted}");
}

#[test]
fn addresses_are_looked_at_behind_the_right_to_use_them() {
    let (site, admin) = with("block");
    for query in ["?username[$ne]=x", "?deleted=%3Cscript%3Ealert(1)%3C/script%3E", "?limit=1%27%20or%20%271%27=%271"] {
        admin.get(&format!("/entities/notes{query}")).problem(422, "inspection_blocked");
        site.nobody().get(&format!("/entities/notes{query}")).problem(401, "unauthenticated");
    }
    admin.get("/users?limit=1%20union%20select%201,2,3").problem(422, "inspection_blocked");
    admin.get("/entities/notes/..%252f..%252f..%252fetc%252fpasswd").problem(422, "inspection_blocked");
    let filter = "data.city = \"Paris\" and (confidence >= 0.5 or name ~ \"x\" or 1 = 1)";
    let request = admin.request(Method::GET, "/entities/notes").query(&[("filter", filter)]);
    assert_ne!(admin.send(request).json()["code"], "inspection_blocked", "a filter has a grammar of its own");
    let request = admin.request(Method::GET, "/entities/notes").query(&[("filter", "name = \"a\" or name = \"b\"")]);
    admin.send(request).expect(200);
}

#[test]
fn observing_notes_and_lets_pass() {
    let (_site, admin) = with("observe");
    for _ in 0..3 {
        admin.post("/entities/notes", &json!({"name": "x", "data": {"a": SCRIPT}})).expect(201);
    }
    assert_eq!(counted(&admin, "xss"), (3, 0));
    let noted = events(&admin);
    assert_eq!(noted.len(), 1, "a flood is counted together: {noted:?}");
    assert_eq!((&noted[0]["outcome"], &noted[0]["actor"]["id"]), (&json!("success"), &json!(admin.id)));
    let finding = &noted[0]["changes"]["after"]["findings"][0];
    assert_eq!((&finding["class"], &finding["pointer"]), (&json!("xss"), &json!("/data/a")));
}

#[test]
fn a_type_has_a_mode_of_its_own() {
    let (site, admin) = with("off");
    let body = json!({"data": {"a": SCRIPT}});
    admin.post("/entities/notes", &body).expect(201);
    assert_eq!(admin.get("/entity-types/notes").json()["inspection"], json!(null));
    let strict = admin.patch("/entity-types/notes", &json!({"inspection": "block"})).expect(200).json();
    assert_eq!(strict["inspection"], "block");
    admin.post("/entities/notes", &body).problem(422, "inspection_blocked");
    admin.get("/entities/notes?limit=1%27%20or%20%271%27=%271").problem(422, "inspection_blocked");
    admin.patch("/entity-types/notes", &json!({"indexes": []})).expect(200);
    admin.post("/entities/notes", &body).problem(422, "inspection_blocked");

    let site = Site::on(site.close(), &[LIMITS, ("PORTCULLIS_INSPECTION__MODE", "block")]);
    let admin = site.log_in("admin@example.org");
    assert_eq!(admin.get("/entity-types/notes").json()["inspection"], "block");
    admin.patch("/entity-types/notes", &json!({"inspection": "off"})).expect(200);
    admin.post("/entities/notes", &body).expect(201);
    admin.patch("/entity-types/notes", &json!({"inspection": null})).expect(200);
    admin.post("/entities/notes", &body).problem(422, "inspection_blocked");
}

#[test]
fn imports_are_looked_at_row_by_row() {
    let (_site, admin) = with("block");
    let send = |query: &str| {
        let rows = "name,text\nA,plain\nB,<img src=x onerror=alert(1)>\nC,1; drop table users\n";
        let request = admin.request(Method::POST, &format!("/entities/notes/import{query}"));
        admin.send(request.header("content-type", "text/csv").body(rows))
    };
    let problem = send("").problem(422, "validation_failed");
    let places: Vec<_> =
        problem["errors"].as_array().unwrap().iter().map(|e| format!("{} {}", e["row"], e["pointer"])).collect();
    assert_eq!(places, ["2 \"/data/text\"", "3 \"/data/text\""]);
    let report = send("?mode=skip_errors").expect(200).json();
    assert_eq!((&report["created"], &report["failed"]), (&json!(1), &json!(2)));
}

#[test]
fn bodies_of_administration_are_looked_at_but_not_what_is_secret_or_has_a_grammar() {
    let (_site, admin) = with("block");
    let user = |name: &str, data: Value| json!({"email": "ada@example.org", "name": name, "data": data});
    for (body, pointer) in [
        (user(SCRIPT, json!({})), "/name"),
        (user("Ada", json!({"team": {"note": "x'; drop table users; --"}})), "/data/team/note"),
        (user("Ada", json!({"$where": "sleep(1)"})), "/data/$where"),
    ] {
        let problem = admin.post("/users", &body).problem(422, "inspection_blocked");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let mut good = user("Ada O'Brien", json!({"team": "R&D; ops"}));
    good["password"] = json!("' or 1=1 -- $(reboot)");
    admin.post("/users", &good).expect(201);
    admin.post("/api-keys", &json!({"name": SCRIPT, "scopes": []})).problem(422, "inspection_blocked");
    let permissions = ["entities.notes:read:where(data.team = \"x\" or data.team = \"y\")"];
    admin.post("/roles", &json!({"name": "readers", "permissions": permissions})).expect(201);
    let noted = events(&admin);
    assert!(noted.iter().any(|event| event["target"]["id"] == "POST /users"), "{noted:?}");
}

#[test]
fn a_route_has_a_mode_of_its_own() {
    let (_site, admin) = with("off");
    let user = |name: &str, email: &str| json!({"name": name, "email": email});
    admin.post("/users", &user(SCRIPT, "one@example.org")).expect(201);
    let routes = |routes: Value| admin.patch("/settings", &json!({"inspection": {"routes": routes}}));
    routes(json!({"POST /users": "block"})).expect(200);
    admin.post("/users", &user(SCRIPT, "two@example.org")).problem(422, "inspection_blocked");
    admin.patch("/auth/me", &json!({"name": SCRIPT})).expect(200);
    for (pattern, hint) in [("POST /usres", "POST /users"), ("POST /entities/{type}", "entity type")] {
        let problem = routes(json!({pattern: "block"})).problem(422, "validation_failed");
        assert!(problem["errors"][0]["message"].as_str().unwrap().contains(hint), "{problem}");
    }
    routes(json!({"POST /users": "observe"})).expect(200);
    admin.post("/users", &user(SCRIPT, "two@example.org")).expect(201);
    assert_eq!(counted(&admin, "xss"), (1, 1));
}
