//! Row rules: what `where(…)` says holds in every way to an entity, for people and for nobody.

use crate::support::{Actor, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};

const ACTIONS: [&str; 5] = ["read", "create", "update", "delete", "export"];

fn names(answer: &Value) -> Vec<String> {
    let mut names: Vec<_> =
        answer["items"].as_array().expect("items").iter().map(|item| item["name"].to_string()).collect();
    names.sort();
    names.into_iter().map(|name| name.trim_matches('"').to_owned()).collect()
}

/// Somebody whose only role holds every action on tasks under `rule`.
fn under(site: &Site, admin: &Actor, name: &str, rule: &str, data: &Value) -> Actor {
    let permissions = ACTIONS.map(|action| format!("entities.tasks:{action}:where({rule})"));
    let held = json!({"name": name, "permissions": permissions, "clearance": "restricted"});
    admin.post("/roles", &held).expect(201);
    let email = format!("{name}@example.org");
    let body = json!({"email": email, "password": PASSWORD, "roles": [name], "data": data});
    admin.post("/users", &body).expect(201);
    site.log_in(&email)
}

fn tasks(admin: &Actor, search: &Value) -> Vec<String> {
    admin.post("/entity-types", &json!({"name": "tasks", "search": search})).expect(201);
    let tasks = [
        ("red one", json!({"team": "red", "by": "mail@example.org", "role": "roles", "level": 1})),
        ("red two", json!({"team": "red", "level": 2})),
        ("blue one", json!({"team": "blue", "level": 3})),
        ("none", json!({"level": 4})),
    ];
    tasks
        .map(|(name, data)| admin.post("/entities/tasks", &json!({"name": name, "data": data})).expect(201).id())
        .into()
}

#[test]
fn a_rule_holds_in_every_way_to_an_entity() {
    for search in [Value::Null, json!(["/team"])] {
        let site = Site::new();
        let admin = site.admin();
        let ids = tasks(&admin, &search);
        let data = json!({"teams": ["red", "green"]});
        let red = under(&site, &admin, "crew", "data.team in @user.data.teams", &data);
        let [mine, other] = [&ids[0], &ids[2]].map(|id| format!("/entities/tasks/{id}"));

        assert_eq!(names(&red.get("/entities/tasks?count=true").expect(200).json()), ["red one", "red two"]);
        assert_eq!(red.get("/entities/tasks?count=true").json()["total"], 2);
        assert_eq!(names(&red.get("/entities/tasks?sort=data.level&q=one").expect(200).json()), ["red one"]);
        assert_eq!(names(&red.get("/entities/tasks?q=blue").expect(200).json()), Vec::<String>::new());
        assert_eq!(names(&red.get("/entities/tasks?filter=data.level%20%3E%201").expect(200).json()), ["red two"]);
        let groups = red.get("/entities/tasks/aggregate?group_by=data.team&measures=count,max(data.level)").expect(200);
        assert_eq!(groups.json()["items"], json!([{"data.team": "red", "count": 2, "max(data.level)": 2}]));
        let lines = red.get("/entities/tasks/export?format=jsonl").expect(200).text;
        assert!(lines.contains("red two") && !lines.contains("blue") && !lines.contains("none"), "{lines}");
        for _ in 0..2 {
            red.get(&mine).expect(200);
            red.get(&other).problem(404, "not_found");
            red.get(&format!("{other}?fields=name")).problem(404, "not_found");
            red.get(&format!("{other}/history")).problem(404, "not_found");
        }

        red.patch(&other, &json!({"name": "taken"})).problem(404, "not_found");
        red.put(&other, &json!({"data": {"team": "red"}})).problem(404, "not_found");
        red.delete(&other).problem(404, "not_found");
        // Nothing is made outside of the rule, or moved out of it.
        red.post("/entities/tasks", &json!({"data": {"team": "blue"}})).problem(403, "forbidden");
        red.post("/entities/tasks", &json!({"data": {}})).problem(403, "forbidden");
        red.post("/entities/tasks", &json!({"name": "green one", "data": {"team": "green"}})).expect(201);
        red.patch(&mine, &json!({"data": {"team": "blue"}})).problem(403, "forbidden");
        red.patch(&mine, &json!({"data": {"team": null}})).problem(403, "forbidden");
        red.patch(&mine, &json!({"data": {"team": "green"}})).expect(200);
        let row = format!("{}\n", json!({"id": ids[2], "data": {"team": "red"}}));
        let import = red.request(Method::POST, "/entities/tasks/import").header("content-type", "application/x-ndjson");
        red.send(import.body(row)).problem(422, "validation_failed");
        let row = format!("{}\n", json!({"name": "smuggled", "data": {"team": "blue"}}));
        let import = red.request(Method::POST, "/entities/tasks/import").header("content-type", "application/x-ndjson");
        red.send(import.body(row)).problem(422, "validation_failed");
        assert_eq!(admin.get("/entities/tasks?count=true").json()["total"], 5);
        assert_eq!(admin.get(&other).json()["name"], "blue one");
        // What was taken off their data is out of reach on the next request.
        let crew = admin.get("/users?filter=email%20~%20%22crew%22").json()["items"][0]["id"].clone();
        let user = format!("/users/{}", crew.as_str().unwrap());
        admin.patch(&user, &json!({"data": {"teams": ["blue"]}})).expect(200);
        assert_eq!(names(&red.get("/entities/tasks").expect(200).json()), ["blue one"]);
        red.get(&mine).problem(404, "not_found");
        admin.patch(&user, &json!({"data": {"teams": null}})).expect(200);
        assert_eq!(names(&red.get("/entities/tasks").expect(200).json()), Vec::<String>::new());
    }
}

#[test]
fn rules_ask_for_whatever_a_user_is() {
    let site = Site::new();
    let admin = site.admin();
    tasks(&admin, &Value::Null);
    let seen = |name: &str, rule: &str, data: Value| {
        names(&under(&site, &admin, name, rule, &data).get("/entities/tasks").expect(200).json())
    };
    assert_eq!(seen("mail", "data.by = @user.email", json!({})), ["red one"]);
    assert_eq!(seen("roles", "data.role in @user.roles", json!({})), ["red one"]);
    assert_eq!(
        seen("level", "data.level >= @user.data.rank.least", json!({"rank": {"least": 3}})),
        ["blue one", "none"]
    );
    assert_eq!(seen("both", "data.team = 'red' and not data.level = @user.data.not", json!({"not": 1})), ["red two"]);
    // Whoever lacks what a rule asks for reaches nothing, whichever way it asks.
    assert!(seen("lacks", "data.team = @user.data.team", json!({})).is_empty());
    assert!(seen("denies", "data.team != @user.data.team", json!({})).is_empty());
    assert!(seen("null", "data.team = @user.data.team", json!({"team": null})).is_empty());
    assert!(seen("text", "data.level = @user.data.level", json!({"level": "4"})).is_empty());
    assert!(seen("unknown", "nothing = 1 or data.team = 'red'", json!({})).is_empty(), "a rule that does not fit");
    let mine = under(&site, &admin, "owner", "owner_id = @user.id", &json!({}));
    mine.post("/entities/tasks", &json!({"name": "mine"})).expect(201);
    assert_eq!(names(&mine.get("/entities/tasks").expect(200).json()), ["mine"]);
    for rule in ["data.team =", "data.team = @user.password_hash", "data.team = ("] {
        let body = json!({"name": "wrong", "permissions": [format!("entities.tasks:read:where({rule})")]});
        admin.post("/roles", &body).problem(422, "validation_failed");
    }
}

#[test]
fn nobody_sees_what_is_public_and_no_more() {
    let site = Site::new();
    let admin = site.admin();
    let fields = json!({"/title": {"sensitivity": "public"}, "/shown": {"sensitivity": "public"}});
    admin.post("/entity-types", &json!({"name": "news", "fields": fields, "search": ["/title", "/note"]})).expect(201);
    let post = |title: &str, shown: bool| {
        let data = json!({"title": title, "note": "secret plan", "shown": shown});
        admin.post("/entities/news", &json!({"name": title, "data": data})).expect(201).id()
    };
    let (open, draft) = (post("Opening", true), post("Draft", false));
    let nobody = site.nobody();
    nobody.get("/entities/news").problem(401, "unauthenticated");
    let rule = "entities.news:read:where(data.shown = true)";
    admin.patch("/roles/anonymous", &json!({"permissions": [rule], "clearance": "public"})).expect(200);
    let list = nobody.get("/entities/news").expect(200);
    assert_eq!(names(&list.json()), ["Opening"]);
    assert_eq!(list.json()["items"][0]["data"], json!({"title": "Opening", "shown": true}));
    let one = nobody.get(&format!("/entities/news/{open}")).expect(200);
    assert!(!one.text.contains("secret"), "{}", one.text);
    nobody.get(&format!("/entities/news/{draft}")).problem(404, "not_found");
    assert_eq!(names(&nobody.get("/entities/news?q=open").expect(200).json()), ["Opening"]);
    assert!(names(&nobody.get("/entities/news?q=secret").expect(200).json()).is_empty());
    assert!(names(&nobody.get("/entities/news?q=draft").expect(200).json()).is_empty());
    for query in ["filter=data.note%20%3D%20null", "sort=data.note", "fields=data.note"] {
        nobody.get(&format!("/entities/news?{query}")).problem(422, "validation_failed");
    }
    let groups = nobody.get("/entities/news/aggregate?group_by=data.title").expect(200).json();
    assert_eq!(groups["items"], json!([{"data.title": "Opening", "count": 1}]));
    nobody.get("/entities/news/aggregate?group_by=data.note").problem(422, "validation_failed");
    for refused in [
        nobody.get("/entities/news/export"),
        nobody.post("/entities/news", &json!({})),
        nobody.patch(&format!("/entities/news/{open}"), &json!({"name": "x"})),
        nobody.delete(&format!("/entities/news/{open}")),
        nobody.get("/entity-types"),
        nobody.get("/users"),
    ] {
        refused.problem(401, "unauthenticated");
    }
    admin.patch("/roles/anonymous", &json!({"permissions": ["entities.news:read:own"]})).expect(200);
    assert!(names(&nobody.get("/entities/news").expect(200).json()).is_empty(), "nobody owns nothing");
    admin.patch("/roles/anonymous", &json!({"permissions": []})).expect(200);
    nobody.get("/entities/news").problem(401, "unauthenticated");
}
