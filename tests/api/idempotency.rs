//! `Idempotency-Key`: the same request again is answered, not done again.

use crate::support::{Actor, Answer, Site};
use reqwest::Method;
use serde_json::{Value, json};

fn customers(admin: &Actor) {
    let fields = json!({"/no": {"unique": true}, "/iban": {"sensitivity": "restricted"}});
    admin.post("/entity-types", &json!({"name": "customers", "fields": fields})).expect(201);
}

fn keyed(actor: &Actor, path: &str, key: &str, body: &Value) -> Answer {
    actor.send(actor.request(Method::POST, path).header("idempotency-key", key).json(body))
}

fn total(admin: &Actor) -> Value {
    admin.get("/entities/customers?count=true&limit=1").expect(200).json()["total"].clone()
}

const PATH: &str = "/entities/customers";

#[test]
fn the_first_answer_comes_again_for_a_day() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let body = json!({"name": "Ann", "data": {"no": 1}});
    let first = keyed(&admin, PATH, "k1", &body).expect(201);
    assert_eq!(first.header("idempotency-replayed"), "");
    admin.patch(&format!("{PATH}/{}", first.id()), &json!({"name": "Bea"})).expect(200);
    let again = keyed(&admin, PATH, "k1", &body).expect(201);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(
        (&again.text, again.header("etag"), again.header("location")),
        (&first.text, first.header("etag"), first.header("location"))
    );
    assert_eq!(again.header("content-type"), "application/json");
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    let site = Site::on(site.close(), &[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = site.log_in("admin@example.org");
    assert_eq!(keyed(&admin, PATH, "k1", &body).expect(201).text, first.text, "also after a restart");
    let other = keyed(&admin, PATH, "k1", &json!({"data": {"no": 2}})).problem(422, "validation_failed");
    assert_eq!(other["errors"][0]["code"], "reused");
    keyed(&admin, &format!("{PATH}?upsert_on=/no"), "k1", &body).problem(422, "validation_failed");
    assert_eq!(total(&admin), 1);
    let operations =
        json!({"operations": [{"op": "create", "type": "customers"}, {"op": "create", "type": "customers"}]});
    let made = keyed(&admin, "/batch", "k1", &operations).expect(200);
    assert_eq!(
        keyed(&admin, "/batch", "k1", &operations).expect(200).text,
        made.text,
        "another route, another request"
    );
    let user = json!({"email": "new@example.org"});
    let made = keyed(&admin, "/users", "k1", &user).expect(201);
    assert_eq!(keyed(&admin, "/users", "k1", &user).expect(201).text, made.text, "the link in it too");
    assert_eq!(total(&admin), 3);
    site.clock.advance(24 * 3600 * 1000 + 1000);
    let admin = site.log_in("admin@example.org");
    keyed(&admin, PATH, "k1", &body).problem(409, "conflict");
    keyed(&admin, PATH, "k2", &json!({})).expect(201);
    assert_eq!(keyed(&admin, PATH, "k1", &json!({"data": {"no": 3}})).expect(422).header("idempotency-replayed"), "");
}

#[test]
fn a_key_belongs_to_its_caller_and_their_rights() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let body = json!({"data": {"city": "Paris"}});
    let (anna, ben) = (site.user(&admin, "anna", &["analyst"]), site.user(&admin, "ben", &["analyst"]));
    let hers = keyed(&anna, PATH, "same", &body).expect(201).id();
    assert_ne!(keyed(&ben, PATH, "same", &body).expect(201).id(), hers);
    let scopes = json!({"name": "robot", "scopes": ["entities.customers:create", "entities.customers:read"]});
    let key = admin.post("/api-keys", &scopes).expect(201).json()["key"].as_str().unwrap().to_owned();
    let robot = keyed(&site.holder(&key), PATH, "same", &body).expect(201).id();
    assert_ne!(keyed(&admin, PATH, "same", &body).expect(201).id(), robot, "a key is not its owner");
    site.nobody()
        .send(site.nobody().request(Method::POST, PATH).header("idempotency-key", "same").json(&body))
        .problem(401, "unauthenticated");
    admin.patch(&format!("/users/{}", anna.id), &json!({"roles": ["viewer"]})).expect(200);
    keyed(&anna, PATH, "same", &body).problem(403, "forbidden");
    admin.patch(&format!("/users/{}", anna.id), &json!({"roles": ["analyst"]})).expect(200);
    assert_eq!(keyed(&anna, PATH, "same", &body).expect(201).id(), hers);
    let fields = json!({"/city": {"sensitivity": "restricted"}});
    admin.patch("/entity-types/customers", &json!({ "fields": fields })).expect(200);
    let hidden = keyed(&anna, PATH, "same", &body);
    assert!(!hidden.text.contains("Paris"), "{}", hidden.text);
    hidden.problem(409, "conflict");
    assert_eq!(total(&admin), 4);
}

#[test]
fn what_was_refused_is_kept_where_it_was_about_how_things_stand() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let taken = admin.post(PATH, &json!({"data": {"no": 1}})).expect(201).id();
    let body = json!({"data": {"no": 1}});
    let first = keyed(&admin, PATH, "k1", &body).problem(409, "conflict");
    admin.delete(&format!("{PATH}/{taken}")).expect(204);
    let again = keyed(&admin, PATH, "k1", &body);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.problem(409, "conflict")["errors"], first["errors"]);
    keyed(&admin, PATH, "k2", &json!({"data": 5})).problem(422, "validation_failed");
    keyed(&admin, PATH, "k2", &body).expect(201);
    let vera = site.user(&admin, "vera", &["viewer"]);
    keyed(&vera, PATH, "k3", &body).problem(403, "forbidden");
    admin.patch(&format!("/users/{}", vera.id), &json!({"roles": ["analyst"]})).expect(200);
    keyed(&vera, PATH, "k3", &json!({"data": {"no": 3}})).expect(201);
}

#[test]
fn of_many_at_once_one_is_done() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let body = json!({"data": {"city": "Paris"}});
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..12).map(|_| scope.spawn(|| keyed(&admin, PATH, "race", &body).status)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| matches!(status, 201 | 409)), "{statuses:?}");
    assert!(statuses.contains(&201));
    assert_eq!(total(&admin), 1);
    keyed(&admin, PATH, "race", &body).expect(201);
    assert_eq!(total(&admin), 1);
}

#[test]
fn keys_that_are_none_and_doors_that_take_none() {
    let site = Site::new();
    let admin = site.admin();
    customers(&admin);
    let long = "k".repeat(256);
    for key in ["", " ", "a b", "é", &long] {
        let request = admin.request(Method::POST, PATH).header("idempotency-key", key.as_bytes()).json(&json!({}));
        admin.send(request).problem(422, "validation_failed");
    }
    let twice = admin.request(Method::POST, PATH).header("idempotency-key", "a").header("idempotency-key", "b");
    admin.send(twice.json(&json!({}))).problem(422, "validation_failed");
    keyed(&admin, PATH, &long[..255], &json!({})).expect(201);
    for path in ["/auth/login", "/auth/logout-all", "/auth/password", "/api-keys", "/entities/customers/import"] {
        let refused = keyed(&admin, path, "k", &json!({})).problem(422, "validation_failed");
        assert_eq!(refused["errors"][0]["pointer"], "/Idempotency-Key", "{path}");
    }
    let broken = admin.request(Method::POST, PATH).header("idempotency-key", "k").header("content-type", "text/plain");
    admin.send(broken.body("{}")).problem(415, "unsupported_media_type");
    let large =
        admin.request(Method::POST, PATH).header("idempotency-key", "k").header("content-type", "application/json");
    admin.send(large.body(vec![b' '; 11 << 20])).problem(413, "payload_too_large");
    let patch = admin.request(Method::GET, PATH).header("idempotency-key", "k");
    admin.send(patch).expect(200);
    assert_eq!(total(&admin), 1);
}

/// What is kept is sealed: neither the key nor the answer can be read in the files.
#[test]
fn what_is_kept_is_sealed() {
    let site = Site::new();
    let admin = site.admin();
    let made = keyed(&admin, "/users", "very-own-key", &json!({"email": "new@example.org"})).expect(201).json();
    let link = made["set_password_url"].as_str().unwrap().rsplit(['=', '/']).next().unwrap().to_owned();
    let folder = site.close();
    for file in std::fs::read_dir(folder.path().join("data")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in ["very-own-key", &link] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{} holds {secret}", path.display());
            }
        }
    }
}
