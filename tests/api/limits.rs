//! Rate limits by address and by caller.

use crate::support::{Answer, Site};
use reqwest::Method;
use serde_json::json;

fn spoofed(site: &Site, header: &str, value: &str) -> Answer {
    let nobody = site.nobody();
    nobody.send(nobody.request(Method::GET, "/users").header(header, value))
}

/// Uses up the public allowance of one address; how many requests that took.
fn exhaust(mut ask: impl FnMut(usize) -> Answer) -> usize {
    (0..200).find(|number| ask(*number).status == 429).expect("a limit")
}

#[test]
fn nobody_has_twenty_requests_whatever_they_ask_and_say() {
    let site = Site::with(&[]);
    let nobody = site.nobody();
    let first = nobody.get("/users").problem(401, "unauthenticated");
    assert!(first["decision_id"].is_string());
    let answer = nobody.get("/users");
    assert_eq!(answer.header("ratelimit-policy"), "\"public\";q=20;w=60");
    assert!(answer.header("ratelimit").starts_with("\"public\";r="), "{}", answer.header("ratelimit"));
    let asks = ["/users", "/nothing", "/users/", "/%75sers", "/audit"];
    let used = exhaust(|number| {
        let path = asks[number % asks.len()];
        match number % 4 {
            0 => nobody.send(nobody.at(Method::GET, &format!("/api{path}"))),
            1 => nobody.send(nobody.request(Method::DELETE, path)),
            2 => nobody.send(nobody.request(Method::GET, path).bearer_auth("not.a.token")),
            _ => spoofed(&site, "x-forwarded-for", &format!("198.51.100.{number}")),
        }
    });
    assert!((17..=25).contains(&used), "{used}");
    for header in ["x-forwarded-for", "x-real-ip", "forwarded"] {
        assert_eq!(spoofed(&site, header, "198.51.100.7").status, 429, "{header}");
    }
    let refused = nobody.get("/users");
    assert!((1..=3).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    refused.problem(429, "rate_limited");
    for (open, status) in [("/health", 200), ("/health/ready", 200), ("/console/", 200), ("/favicon.ico", 404)] {
        assert_eq!(nobody.send(nobody.at(Method::GET, open)).status, status, "{open}");
    }
    site.clock.advance(60_000);
    nobody.get("/users").expect(401);
}

#[test]
fn behind_a_trusted_proxy_each_network_counts_for_itself() {
    let site = Site::with(&[("PORTCULLIS_SERVER__TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")]);
    exhaust(|_| spoofed(&site, "x-forwarded-for", "203.0.113.9"));
    assert_eq!(spoofed(&site, "x-forwarded-for", "203.0.113.10").status, 401);
    for same in ["8.8.8.8, 203.0.113.9", "203.0.113.9, 10.1.2.3", "::ffff:203.0.113.9"] {
        assert_eq!(spoofed(&site, "x-forwarded-for", same).status, 429, "{same}");
    }
    exhaust(|number| spoofed(&site, "x-forwarded-for", &format!("2001:db8:0:7::{number:x}")));
    assert_eq!(spoofed(&site, "x-forwarded-for", "2001:db8:0:7:ffff::1").status, 429);
    assert_eq!(spoofed(&site, "x-forwarded-for", "2001:db8:0:8::1").status, 401);
}

#[test]
fn log_ins_have_a_limit_of_their_own_and_known_callers_none_unless_set() {
    let site = Site::with(&[("PORTCULLIS_LIMITS__ROLES__ADMIN_PER_MINUTE", "40")]);
    let admin = site.admin();
    let nobody = site.nobody();
    let used = exhaust(|number| {
        nobody.post("/auth/login", &json!({"email": format!("x{number}@example.org"), "password": "wrong wrong wrong"}))
    });
    assert!(used <= 5, "{used}");
    assert_eq!(nobody.get("/users").status, 401, "the public limit is another");
    let answer = admin.get("/overview").expect(200);
    assert_eq!(answer.header("ratelimit-policy"), "\"caller\";q=40;w=60");
    let used = exhaust(|_| admin.get("/overview"));
    assert!((38..=45).contains(&used), "{used}");
    admin.get("/overview").problem(429, "rate_limited");
    site.clock.advance(60_000);
    admin.patch("/roles/viewer", &json!({"rate_limit": {"per_minute": 3}})).expect(200);
    let viewer = {
        site.clock.advance(60_000);
        site.user(&admin, "viewer", &["viewer"])
    };
    assert!(exhaust(|_| viewer.get("/auth/me")) <= 4, "a role's own limit holds at once");
}
