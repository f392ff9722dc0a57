//! What `where(…)` says is checked on every write: in batches, by a unique field, in restores and imports, at the ends of
//! relationships and for files; and whoever has no credentials stays within it by every way.

use crate::support::{Actor, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};

const RULE: &str = "data.team in @user.data.teams";

struct Ruled {
    site: Site,
    admin: Actor,
    /// Reaches the tasks of the red team, by every action.
    red: Actor,
    mine: String,
    other: String,
}

fn ruled() -> Ruled {
    let site = Site::new();
    let admin = site.admin();
    let fields = json!({"/no": {"unique": true}});
    admin.post("/entity-types", &json!({"name": "tasks", "fields": fields})).expect(201);
    let mut permissions: Vec<String> = ["read", "create", "update", "delete", "export"]
        .map(|action| format!("entities.tasks:{action}:where({RULE})"))
        .into();
    for resource in ["relationships", "files"] {
        permissions.extend(["read", "create", "update", "delete"].map(|action| format!("{resource}:{action}")));
    }
    admin.post("/roles", &json!({"name": "crew", "permissions": permissions, "clearance": "restricted"})).expect(201);
    let user = json!({"email": "red@example.org", "password": PASSWORD, "roles": ["crew"], "data": {"teams": ["red"]}});
    admin.post("/users", &user).expect(201);
    let red = site.log_in("red@example.org");
    let task = |name: &str, team: &str, no: u32| {
        let body = json!({"name": name, "data": {"team": team, "no": no}});
        admin.post("/entities/tasks", &body).expect(201).id()
    };
    let (mine, other) = (task("red task", "red", 1), task("hidden task", "blue", 2));
    Ruled { site, admin, red, mine, other }
}

impl Ruled {
    fn path(id: &str) -> String {
        format!("/entities/tasks/{id}")
    }

    /// Everything there is, in words.
    fn state(&self) -> String {
        let list = |path: &str| self.admin.get(path).expect(200).json()["items"].to_string();
        [
            list("/entities/tasks?deleted=include&sort=id&limit=200"),
            list("/relationships?deleted=include&sort=id"),
            list("/files?deleted=include&sort=id"),
        ]
        .join("\n")
    }

    fn batch(&self, operations: &Value) -> crate::support::Answer {
        self.red.post("/batch", &json!({ "operations": operations }))
    }

    fn import(&self, query: &str, rows: &[Value]) -> crate::support::Answer {
        let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        let request = self.red.request(Method::POST, &format!("/entities/tasks/import?{query}"));
        self.red.send(request.header("content-type", "application/x-ndjson").body(lines.join("\n")))
    }

    /// What the red team's member is grouped under from now on.
    fn teams(&self, teams: &Value) {
        self.admin.patch(&format!("/users/{}", self.red.id), &json!({"data": {"teams": teams}})).expect(200);
    }
}

#[test]
fn a_batch_stays_within_the_rule() {
    let all = ruled();
    let (mine, other) = (&all.mine, &all.other);
    let before = all.state();
    let good = json!({"op": "create", "type": "tasks", "name": "good", "data": {"team": "red"}});
    for (bad, status) in [
        (json!({"op": "create", "type": "tasks", "data": {"team": "blue"}}), 403),
        (json!({"op": "create", "type": "tasks"}), 403),
        (json!({"op": "update", "type": "tasks", "id": other, "name": "taken"}), 422),
        (json!({"op": "update", "type": "tasks", "id": other, "data": {"team": "red"}}), 422),
        (json!({"op": "update", "type": "tasks", "id": mine, "data": {"team": "blue"}}), 403),
        (json!({"op": "update", "type": "tasks", "id": mine, "data": {"team": null}}), 403),
        (json!({"op": "delete", "type": "tasks", "id": other}), 422),
    ] {
        let refused = all.batch(&json!([good, bad]));
        assert_eq!(refused.status, status, "{bad}: {}", refused.text);
        assert!(!refused.text.contains("hidden task"), "{}", refused.text);
        assert!(refused.text.contains("/operations/1") || status == 403, "{}", refused.text);
        assert_eq!(all.state(), before, "{bad} changed something");
    }
    let done = all.batch(&json!([good, {"op": "update", "type": "tasks", "id": mine, "name": "renamed"},
                                 {"op": "delete", "type": "tasks", "id": mine}]));
    assert_eq!(done.expect(200).json()["results"].as_array().unwrap().len(), 3);
}

#[test]
fn matching_by_a_unique_field_stays_within_the_rule() {
    let all = ruled();
    let before = all.state();
    let upsert = |data: &Value| all.red.post("/entities/tasks?upsert_on=/no", &json!({ "data": data }));
    // It is known to be taken, as by any unique field; nothing else of it is.
    let taken = upsert(&json!({"no": 2, "team": "red"}));
    assert!(!taken.text.contains("hidden"), "{}", taken.text);
    taken.problem(409, "conflict");
    upsert(&json!({"no": 1, "team": "blue"})).problem(403, "forbidden");
    upsert(&json!({"no": 3, "team": "blue"})).problem(403, "forbidden");
    upsert(&json!({"no": 3})).problem(403, "forbidden");
    for query in ["mode=all_or_nothing&upsert_on=/no", "upsert_on=/no"] {
        let row = json!({"data": {"no": 2, "team": "red"}});
        let refused = all.import(query, &[row]);
        assert!(!refused.text.contains("hidden"), "{}", refused.text);
        refused.problem(422, "validation_failed");
    }
    assert_eq!(all.state(), before);
    upsert(&json!({"no": 1, "team": "red", "note": "x"})).expect(200);
    upsert(&json!({"no": 3, "team": "red"})).expect(201);
}

#[test]
fn restores_stay_within_the_rule() {
    let all = ruled();
    let post = |path: &str| all.red.post(path, &json!({}));
    // What was deleted is restored by those who reach it.
    let (mine, other) = (Ruled::path(&all.mine), Ruled::path(&all.other));
    for path in [&mine, &other] {
        all.admin.delete(path).expect(204);
    }
    let before = all.state();
    post(&format!("{other}/restore")).problem(404, "not_found");
    all.teams(&json!(["green"]));
    post(&format!("{mine}/restore")).problem(404, "not_found");
    all.red.get(&format!("{mine}?deleted=include")).problem(404, "not_found");
    all.teams(&json!(["red"]));
    assert_eq!(all.state(), before);
    assert!(!all.red.get("/entities/tasks?deleted=include").expect(200).text.contains("hidden task"));
    assert!(!all.red.get("/entities/tasks?deleted=only").expect(200).text.contains("hidden task"));
    post(&format!("{mine}/restore")).expect(200);
    // A version from before it was theirs is none for them, and no way out of the rule either.
    all.admin.post(&format!("{other}/restore"), &json!({})).expect(200);
    all.admin.patch(&other, &json!({"name": "shown task", "data": {"team": "red"}})).expect(200);
    let history = all.red.get(&format!("{other}/history")).expect(200);
    assert!(history.text.contains("shown task") && !history.text.contains("hidden task"), "{}", history.text);
    assert!(!history.text.contains("blue"), "{}", history.text);
    all.red.get(&format!("{other}/history/1")).problem(404, "not_found");
    post(&format!("{other}/history/1/restore")).problem(404, "not_found");
    let mut wide: Vec<String> = vec!["entities.tasks:read".into()];
    wide.push(format!("entities.tasks:update:where({RULE})"));
    all.admin.post("/roles", &json!({"name": "wide", "permissions": wide})).expect(201);
    let user =
        json!({"email": "wide@example.org", "password": PASSWORD, "roles": ["wide"], "data": {"teams": ["red"]}});
    all.admin.post("/users", &user).expect(201);
    let reader = all.site.log_in("wide@example.org");
    assert!(reader.get(&format!("{other}/history/1")).expect(200).text.contains("hidden task"));
    reader.post(&format!("{other}/history/1/restore"), &json!({})).problem(403, "forbidden");
    assert_eq!(all.admin.get(&other).expect(200).json()["data"]["team"], "red");
}

#[test]
fn the_ends_of_relationships_stay_within_the_rule() {
    let all = ruled();
    let (mine, other) = (&all.mine, &all.other);
    let second = json!({"name": "second", "data": {"team": "red"}});
    let second = all.red.post("/entities/tasks", &second).expect(201).id();
    let join = |actor: &Actor, from: &str, to: &str| {
        actor.post("/relationships", &json!({"from_id": from, "to_id": to, "type": "before", "data": {"a": 1}}))
    };
    let across = join(&all.admin, mine, other).expect(201).id();
    let before = all.state();
    for (from, to) in [(mine, other), (other, mine), (&second, other), (other, &second)] {
        join(&all.red, from, to).problem(422, "validation_failed");
    }
    let path = format!("/relationships/{across}");
    all.red.get(&path).problem(404, "not_found");
    all.red.patch(&path, &json!({"data": {"a": 2}})).problem(404, "not_found");
    all.red.delete(&path).problem(404, "not_found");
    all.red.post(&format!("{path}/restore"), &json!({})).problem(404, "not_found");
    assert_eq!(all.red.get("/relationships?count=true").expect(200).json()["total"], 0);
    assert_eq!(all.red.get(&format!("/relationships?to_id={other}")).expect(200).json()["items"], json!([]));
    let expanded = all.red.get(&format!("{}?expand=relationships", Ruled::path(mine))).expect(200).json();
    assert_eq!(expanded["relationships"], json!([]));
    // It holds the task all the same; which other one it is for is not told.
    let held = all.red.delete(&Ruled::path(mine));
    assert!(!held.text.contains(other.as_str()), "{}", held.text);
    held.problem(409, "conflict");
    assert_eq!(all.state(), before);
    let joined = join(&all.red, mine, &second).expect(201).id();
    all.red.get(&format!("/relationships/{joined}")).expect(200);
    // An end that leaves the rule takes the relationship out of sight.
    all.admin.patch(&Ruled::path(&second), &json!({"data": {"team": "blue"}})).expect(200);
    all.red.get(&format!("/relationships/{joined}")).problem(404, "not_found");
}

#[test]
fn files_of_ruled_entities_stay_within_the_rule() {
    let all = ruled();
    let (mine, other) = (&all.mine, &all.other);
    let hidden = all.admin.upload_to(other, "hidden.txt", b"hidden words").expect(201).id();
    let own = all.red.upload_to(mine, "own.txt", b"words").expect(201).id();
    crate::files::processed(&all.admin, &hidden);
    crate::files::processed(&all.admin, &own);
    let before = all.state();
    all.red.upload_to(other, "b.txt", b"words").problem(422, "validation_failed");
    let bring = json!({"method": "PUT", "name": "b.txt", "content_type": "text/plain", "size": 5, "entity_id": other});
    all.red.post("/files/presign", &bring).problem(422, "validation_failed");
    all.red.post("/files/presign", &json!({"method": "GET", "file_id": hidden})).problem(404, "not_found");
    let path = format!("/files/{hidden}");
    all.red.get(&path).problem(404, "not_found");
    all.red.get(&format!("{path}/content")).problem(404, "not_found");
    all.red.patch(&path, &json!({"entity_id": mine})).problem(404, "not_found");
    all.red.patch(&path, &json!({"entity_id": null})).problem(404, "not_found");
    all.red.delete(&path).problem(404, "not_found");
    all.red.post(&format!("{path}/restore"), &json!({})).problem(404, "not_found");
    all.red.patch(&format!("/files/{own}"), &json!({"entity_id": other})).problem(422, "validation_failed");
    assert!(!all.red.get("/files?deleted=include").expect(200).text.contains("hidden"));
    assert_eq!(all.state(), before);
    let fetch = all.red.post("/files/presign", &json!({"method": "GET", "file_id": own})).expect(200).json();
    let signed = || reqwest::blocking::get(fetch["url"].as_str().unwrap()).unwrap().status();
    assert_eq!(signed(), 200);
    all.teams(&json!(["green"]));
    all.red.get(&format!("/files/{own}")).problem(404, "not_found");
    assert_eq!(signed(), 404, "a signed address goes no further than who asked for it");
}

#[test]
fn an_import_that_skips_errors_skips_what_the_rule_forbids() {
    let all = ruled();
    let rows = [
        json!({"id": all.mine, "data": {"note": "merged"}}),
        json!({"id": all.other, "name": "taken"}),
        json!({"name": "inside", "data": {"team": "red"}}),
        json!({"name": "outside", "data": {"team": "blue"}}),
        json!({"id": all.mine, "data": {"team": "blue"}}),
        json!({"name": "of nobody"}),
    ];
    let report = all.import("mode=skip_errors", &rows).expect(200);
    assert!(!report.text.contains("hidden task"), "{}", report.text);
    let report = report.json();
    assert_eq!(
        (&report["created"], &report["updated"], &report["failed"]),
        (&json!(1), &json!(1), &json!(4)),
        "{report}"
    );
    let wrong: Vec<_> =
        report["errors"].as_array().unwrap().iter().map(|error| error["row"].as_u64().unwrap()).collect();
    assert_eq!(wrong, [2, 4, 5, 6], "{report}");
    assert_eq!(all.admin.get("/entities/tasks?count=true").expect(200).json()["total"], 3);
    assert_eq!(all.admin.get(&Ruled::path(&all.other)).expect(200).json()["name"], "hidden task");
    assert_eq!(all.admin.get(&Ruled::path(&all.mine)).expect(200).json()["data"]["note"], "merged");
}

#[test]
fn nobody_stays_within_the_rule_by_every_way() {
    let site = Site::new();
    let admin = site.admin();
    let fields = json!({"/title": {"sensitivity": "public"}, "/shown": {"sensitivity": "public"}});
    admin.post("/entity-types", &json!({"name": "news", "fields": fields})).expect(201);
    let post = |title: &str, shown: bool| {
        let data = json!({"title": title, "note": "secret plan", "shown": shown});
        admin.post("/entities/news", &json!({"name": title, "data": data})).expect(201).id()
    };
    let (open, draft, gone) = (post("Unripe", false), post("Draft", false), post("Withdrawn", false));
    admin
        .patch(&format!("/entities/news/{open}"), &json!({"name": "Ripe", "data": {"title": "Ripe", "shown": true}}))
        .expect(200);
    let join = json!({"from_id": open, "to_id": draft, "type": "cites", "data": {"why": "secret plan"}});
    let join = admin.post("/relationships", &join).expect(201).id();
    admin.delete(&format!("/entities/news/{gone}")).expect(204);
    let picture = admin.upload_to(&open, "open.txt", b"words for all").expect(201).id();
    let hidden = admin.upload_to(&draft, "draft.txt", b"secret plan").expect(201).id();
    let permissions = ["entities.news:read:where(data.shown = true)", "relationships:read", "files:read"];
    admin.patch("/roles/anonymous", &json!({"permissions": permissions, "clearance": "public"})).expect(200);

    let nobody = site.nobody();
    let untold = |answer: crate::support::Answer| {
        for word in ["secret", "Draft", "Unripe", "Withdrawn", draft.as_str(), hidden.as_str(), gone.as_str()] {
            assert!(!answer.text.contains(word), "{word}: {}", answer.text);
        }
        answer
    };
    let history = untold(nobody.get(&format!("/entities/news/{open}/history"))).expect(200).json();
    assert_eq!(history["items"].as_array().unwrap().len(), 1, "what it was before is not public");
    untold(nobody.get(&format!("/entities/news/{open}/history/1"))).problem(404, "not_found");
    untold(nobody.get(&format!("/entities/news/{open}/history/2"))).expect(200);
    for id in [&draft, &gone] {
        for more in ["", "?deleted=include", "?deleted=only", "?expand=relationships", "/history"] {
            nobody.get(&format!("/entities/news/{id}{more}")).problem(404, "not_found");
        }
    }
    let expanded =
        untold(nobody.get(&format!("/entities/news/{open}?expand=relationships&depth=3"))).expect(200).json();
    assert_eq!(expanded["relationships"], json!([]));
    for query in ["?deleted=include&count=true", "?expand=relationships&count=true", "?q=draft&count=true"] {
        let total = untold(nobody.get(&format!("/entities/news{query}"))).expect(200).json()["total"].clone();
        assert_eq!(total, json!(i32::from(!query.contains("draft"))), "{query}");
    }
    assert_eq!(untold(nobody.get("/entities/news?deleted=only")).expect(200).json()["items"], json!([]));
    assert_eq!(untold(nobody.get("/relationships")).expect(200).json()["items"], json!([]));
    nobody.get(&format!("/relationships/{join}")).problem(404, "not_found");
    untold(nobody.get("/files?deleted=include")).expect(200);
    assert_eq!(nobody.get(&format!("/files/{picture}/content")).expect(200).text, "words for all");
    for path in [format!("/files/{hidden}"), format!("/files/{hidden}/content")] {
        nobody.get(&path).problem(404, "not_found");
    }
    nobody.post("/files/presign", &json!({"method": "GET", "file_id": picture})).problem(401, "unauthenticated");
    nobody.get("/events").problem(401, "unauthenticated");
    let operations = json!([{"op": "update", "type": "news", "id": open, "name": "Mine"}]);
    nobody.post("/batch", &json!({ "operations": operations })).problem(401, "unauthenticated");
    nobody.get(&format!("/entities/news/{open}/export")).problem(401, "unauthenticated");
    let restore = |path: String| nobody.send(nobody.request(Method::POST, &path));
    restore(format!("/entities/news/{open}/history/2/restore")).problem(401, "unauthenticated");
    restore(format!("/entities/news/{gone}/restore")).problem(401, "unauthenticated");
    nobody.upload_to(&open, "mine.txt", b"words").problem(401, "unauthenticated");
    // A write that is given to nobody stays within its rule too.
    let wide = json!(["entities.news:read:where(data.shown = true)", "entities.news:create:where(data.shown = true)"]);
    admin.patch("/roles/anonymous", &json!({"permissions": wide, "clearance": "public"})).expect(200);
    nobody.post("/entities/news", &json!({"data": {"title": "Letter", "shown": false}})).expect(403);
    nobody.post("/entities/news", &json!({"data": {"title": "Letter"}})).expect(403);
    nobody.post("/entities/news", &json!({"data": {"title": "Letter", "shown": true}})).expect(201);
    nobody.post("/entities/news", &json!({"data": {"title": "Letter", "shown": true, "note": "x"}})).expect(422);
}
