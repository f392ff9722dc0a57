//! A change of rights is no state that a caller has seen: the tag that they hold of what they saw before stands for
//! nothing any more, and they get what they may see now.

use crate::support::{Actor, Answer, Site};
use reqwest::Method;
use serde_json::{Value, json};

struct Known {
    path: String,
    tag: String,
}

/// What they see at a path, which holds this word, and the tag of it.
#[track_caller]
fn known(actor: &Actor, path: &str, word: &str) -> Known {
    let answer = actor.get(path).expect(200);
    assert!(answer.text.contains(word), "{path}: {}", answer.text);
    let known = Known { path: path.to_owned(), tag: answer.header("etag").to_owned() };
    assert!(!known.tag.is_empty(), "{path}");
    again(actor, &known).expect(304);
    known
}

fn again(actor: &Actor, known: &Known) -> Answer {
    actor.send(actor.request(Method::GET, &known.path).header("if-none-match", known.tag.clone()))
}

/// That the tags stand for nothing any more, and the word is not told.
#[track_caller]
fn untold(actor: &Actor, all: &[Known], word: &str) {
    for known in all {
        let answer = again(actor, known);
        assert_eq!(answer.status, 200, "{}: {}", known.path, answer.text);
        assert!(!answer.text.contains(word), "{}: {}", known.path, answer.text);
        assert_ne!(answer.header("etag"), known.tag, "{}", known.path);
    }
}

struct Bank {
    site: Site,
    admin: Actor,
    clerk: Actor,
    paths: Vec<String>,
}

fn bank() -> Bank {
    let site = Site::new();
    let admin = site.admin();
    let fields =
        json!({"/income": {"sensitivity": "confidential"}, "/phone": {"sensitivity": "confidential", "pii": true}});
    admin.post("/entity-types", &json!({"name": "customers", "fields": fields})).expect(201);
    let data = json!({"income": "income-777", "phone": "phone-777", "city": "Delft"});
    let id = admin.post("/entities/customers", &json!({"data": data})).expect(201).id();
    let permissions = ["entities.customers:read", "entity_types:read", "relationships:read"];
    let role = json!({"name": "clerk", "permissions": permissions, "clearance": "confidential"});
    admin.post("/roles", &role).expect(201);
    let clerk = site.user(&admin, "carl", &["clerk"]);
    let path = format!("/entities/customers/{id}");
    let paths = ["", "?fields=data", "/history/1"].map(|more| format!("{path}{more}"));
    Bank { site, admin, clerk, paths: paths.into() }
}

impl Bank {
    fn known(&self, word: &str) -> Vec<Known> {
        self.paths.iter().map(|path| known(&self.clerk, path, word)).collect()
    }
}

#[test]
fn a_lower_clearance_outdates_every_tag() {
    for word in ["income-777", "phone-777"] {
        let bank = bank();
        let all = bank.known(word);
        bank.admin.patch("/roles/clerk", &json!({"clearance": "internal"})).expect(200);
        untold(&bank.clerk, &all, word);
        // And back: what was tagged while it was hidden is not the whole.
        let hidden: Vec<_> = bank.paths.iter().map(|path| known(&bank.clerk, path, "Delft")).collect();
        bank.admin.patch("/roles/clerk", &json!({"clearance": "confidential"})).expect(200);
        for known in hidden {
            assert!(again(&bank.clerk, &known).expect(200).text.contains(word));
        }
    }
}

#[test]
fn another_role_outdates_every_tag() {
    let bank = bank();
    let all = bank.known("income-777");
    bank.admin.patch(&format!("/users/{}", bank.clerk.id), &json!({"roles": ["viewer"]})).expect(200);
    untold(&bank.clerk, &all, "income-777");
    bank.admin.patch(&format!("/users/{}", bank.clerk.id), &json!({"roles": []})).expect(200);
    for known in &all {
        again(&bank.clerk, known).problem(403, "forbidden");
    }
}

#[test]
fn a_stricter_field_outdates_every_tag() {
    let bank = bank();
    let all = bank.known("income-777");
    let pii = json!({"sensitivity": "confidential", "pii": true});
    let fields = json!({"/income": {"sensitivity": "restricted"}, "/phone": pii});
    bank.admin.patch("/entity-types/customers", &json!({ "fields": fields })).expect(200);
    untold(&bank.clerk, &all, "income-777");
    // One stricter and one laxer at once: as many fields, but not the same.
    let bank = self::bank();
    let all = bank.known("income-777");
    let fields =
        json!({"/income": {"sensitivity": "restricted"}, "/phone": pii, "/city": {"sensitivity": "confidential"}});
    bank.admin.patch("/entity-types/customers", &json!({ "fields": fields })).expect(200);
    untold(&bank.clerk, &all, "income-777");
}

#[test]
fn a_rule_that_leaves_it_out_leaves_no_tag_either() {
    let bank = bank();
    let all = bank.known("income-777");
    let rule = "entities.customers:read:where(data.city = @user.data.city)";
    bank.admin.patch("/roles/clerk", &json!({"permissions": [rule]})).expect(200);
    let user = format!("/users/{}", bank.clerk.id);
    for data in [json!({}), json!({"city": "Gouda"})] {
        bank.admin.patch(&user, &json!({ "data": data })).expect(200);
        for known in &all {
            again(&bank.clerk, known).problem(404, "not_found");
        }
    }
    bank.admin.patch(&user, &json!({"data": {"city": "Delft"}})).expect(200);
    for known in &all {
        again(&bank.clerk, known).expect(304);
    }
}

#[test]
fn relationships_outdate_with_the_right_to_their_data_and_keys_with_their_owner() {
    let bank = bank();
    let ends: Vec<_> = (0..2).map(|_| bank.admin.post("/entities/customers", &json!({})).expect(201).id()).collect();
    let join = json!({"from_id": ends[0], "to_id": ends[1], "type": "knows", "data": {"since": "since-777"}});
    let join = format!("/relationships/{}", bank.admin.post("/relationships", &join).expect(201).id());
    let all = [known(&bank.clerk, &join, "since-777")];
    let scopes = json!(["entities.customers:read"]);
    let key = bank.clerk.post("/api-keys", &json!({"name": "a", "scopes": scopes})).expect(201).json();
    let key = bank.site.holder(key["key"].as_str().unwrap());
    let by_key: Vec<_> = bank.paths.iter().map(|path| known(&key, path, "income-777")).collect();
    bank.admin.patch("/roles/clerk", &json!({"clearance": "public"})).expect(200);
    untold(&bank.clerk, &all, "since-777");
    untold(&key, &by_key, "income-777");
}

#[test]
fn whole_documents_are_told_anew_when_rights_change() {
    let bank = bank();
    let admin = &bank.admin;
    // The type itself, the user and their role: what they say of rights is of now.
    let type_of = admin.get("/entity-types/customers").expect(200).header("etag").to_owned();
    let fields =
        json!({"/income": {"sensitivity": "restricted"}, "/phone": {"sensitivity": "restricted", "pii": true}});
    admin.patch("/entity-types/customers", &json!({ "fields": fields })).expect(200);
    let request = admin.request(Method::GET, "/entity-types/customers").header("if-none-match", type_of);
    let now = admin.send(request).expect(200).json();
    assert_eq!(now["fields"]["/income"]["sensitivity"], "restricted");
    let me = |actor: &Actor| actor.get("/auth/me").expect(200).json()["clearance"].clone();
    assert_eq!(me(&bank.clerk), json!("confidential"));
    admin.patch("/roles/clerk", &json!({"clearance": "public"})).expect(200);
    assert_eq!(me(&bank.clerk), json!("public"));
    let _: Value = now;
}
