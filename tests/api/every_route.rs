//! Knocks on every door: each route as nobody, as a stranger, as each role, and with keys of each scope. The grid is
//! a snapshot, so a change of rights shows in review; the list of open doors may only shrink.

use crate::support::{Actor, Answer, Site};
use portcullis::{
    permit::{Need, Route},
    server::routes::routes,
};
use reqwest::Method;
use serde_json::json;
use std::{collections::BTreeSet, fmt::Write as _};

const ROLES: [&str; 4] = ["viewer", "analyst", "admin", "system"];

/// Doors that end sessions; knocked on by somebody who is signed in for that alone.
fn ends_session(route: &Route) -> bool {
    route.path.starts_with("/auth/logout") || route.path.contains("/sessions")
}

fn knock(actor: &Actor, route: &Route) -> Answer {
    let absent = "01980000-0000-7000-8000-000000000000";
    let path: Vec<String> = route
        .path
        .split('/')
        .map(|segment| match segment {
            "{type}" => "orders".to_owned(),
            "{name}" => "absent".to_owned(),
            "{seq}" | "{version}" => "999999".to_owned(),
            segment if segment.starts_with('{') => absent.to_owned(),
            segment => segment.to_owned(),
        })
        .collect();
    let method: Method = route.method.as_str().parse().unwrap();
    let request = actor.request(method.clone(), &path.join("/"));
    let body = method != Method::GET && method != Method::DELETE;
    actor.send(if body { request.json(&json!({})) } else { request })
}

fn verdict(answer: &Answer) -> &'static str {
    match (answer.status, answer.text.contains("\"code\":\"forbidden\"")) {
        (401, _) => "401",
        (403, true) => "403",
        (500.., _) => panic!("a knock broke the door: {}", answer.text),
        _ => "open",
    }
}

/// An administrator's key.
fn key(site: &Site, admin: &Actor, scopes: &[&str]) -> Actor {
    let made = admin.post("/api-keys", &json!({"name": "knocker", "scopes": scopes})).expect(201).json();
    site.holder(made["key"].as_str().unwrap())
}

/// A program's account that holds the role `system`, with a key for all that it may do.
fn service(site: &Site, admin: &Actor) -> Actor {
    let body = json!({"email": "robot@example.org", "kind": "service", "roles": ["system"]});
    let owner = admin.post("/users", &body).expect(201).id();
    let permissions = admin.get("/roles/system").expect(200).json()["permissions"].clone();
    let key = json!({"name": "robot", "owner_id": owner, "scopes": permissions});
    site.holder(admin.post("/api-keys", &key).expect(201).json()["key"].as_str().unwrap())
}

#[test]
fn every_route_lets_in_whom_it_should() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let stranger = site.user(&admin, "stranger", &[]);
    let key = key(&site, &admin, &[]);
    site.user(&admin, "leaver", &[]);
    let mut grid = String::new();
    for route in routes() {
        let name = format!("{} {}", route.method, route.path);
        let _ = write!(grid, "{name:<52}");
        let nobody = verdict(&knock(&site.nobody(), &route));
        let _ = write!(grid, " nobody {nobody:<5}");
        match route.need {
            Need::Public(reason) => assert!(!reason.is_empty(), "{name} is open without a reason"),
            _ => assert_eq!(nobody, "401", "{name} lets nobody in"),
        }
        let stranger = if ends_session(&route) { site.log_in("leaver@example.org") } else { stranger.clone() };
        let met = verdict(&knock(&stranger, &route));
        let _ = write!(grid, " stranger {met:<5}");
        let by_key = verdict(&knock(&key, &route));
        let _ = write!(grid, " key {by_key:<5}");
        if let Need::Permission { .. } = route.need {
            assert_eq!(met, "403", "{name} lets a stranger in");
        }
        if !matches!(route.need, Need::Public(_) | Need::SignedIn) {
            assert_eq!(by_key, "403", "{name} lets in a key without scopes");
        }
        grid.push('\n');
    }
    insta::assert_snapshot!("doors", grid);
}

#[test]
fn each_role_opens_what_it_holds() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let people = ROLES.map(|role| match role {
        "admin" => admin.clone(),
        "system" => service(&site, &admin),
        role => site.user(&admin, role, &[role]),
    });
    let mut grid = String::new();
    for route in routes().iter().filter(|route| matches!(route.need, Need::Permission { .. })) {
        let name = format!("{} {}", route.method, route.path);
        let _ = write!(grid, "{name:<52}");
        for (role, person) in ROLES.iter().zip(&people) {
            let met = verdict(&knock(person, route));
            assert_ne!(met, "401", "{name} as {role}");
            let _ = write!(grid, " {role} {met:<5}");
        }
        grid.push('\n');
    }
    insta::assert_snapshot!("roles", grid);
}

fn scope(route: &Route) -> Option<String> {
    match route.need {
        Need::Permission { resource: "entities", action } => Some(format!("entities.*:{}", action.as_str())),
        Need::Permission { resource, action } | Need::Own { resource, action } => {
            Some(format!("{resource}:{}", action.as_str()))
        }
        _ => None,
    }
}

#[test]
fn each_key_opens_what_its_scope_says_and_nothing_else() {
    let site = Site::new();
    let admin = site.admin();
    admin.post("/entity-types", &json!({"name": "orders"})).expect(201);
    let scopes: BTreeSet<String> = routes().iter().filter_map(scope).collect();
    for held in &scopes {
        let key = key(&site, &admin, &[held]);
        for route in routes() {
            let Some(needed) = scope(&route) else { continue };
            let expected = if needed == *held { "open" } else { "403" };
            assert_eq!(verdict(&knock(&key, &route)), expected, "{} {} with {held}", route.method, route.path);
        }
    }
    let stranger = site.user(&admin, "stranger", &[]);
    let scopes: Vec<&str> = scopes.iter().map(String::as_str).collect();
    stranger.post("/api-keys", &json!({"name": "x", "scopes": scopes})).problem(403, "forbidden");
    let promoted = site.user(&admin, "promoted", &["admin"]);
    let key = key(&site, &promoted, &scopes);
    admin.patch(&format!("/users/{}", promoted.id), &json!({"roles": []})).expect(200);
    for route in routes().iter().filter(|route| scope(route).is_some()) {
        assert_eq!(verdict(&knock(&key, route)), "403", "{} {} after the rights are gone", route.method, route.path);
    }
}

/// What answers beside the list of routes, and to whom.
#[test]
fn what_is_not_in_the_list_of_routes_is_as_closed_as_it_says() {
    let site = Site::new();
    let admin = site.admin();
    let stranger = site.user(&admin, "stranger", &[]);
    for (path, nobody, met, known) in [
        ("/health", 200, 200, 200),
        ("/health/live", 200, 200, 200),
        ("/health/ready", 200, 200, 200),
        ("/console/", 200, 200, 200),
        ("/console/../portcullis.toml", 404, 404, 404),
        ("/docs", 200, 200, 200),
        ("/openapi.json", 200, 200, 200),
        ("/metrics", 200, 401, 401),
        ("/", 302, 302, 302),
        ("/api/v1", 404, 404, 404),
        ("/api/v1/", 404, 404, 404),
        ("/nowhere", 404, 404, 404),
    ] {
        let ask = |actor: &Actor| actor.send(actor.at(Method::GET, path)).status;
        assert_eq!((ask(&site.nobody()), ask(&stranger), ask(&admin)), (nobody, met, known), "{path}");
    }
}
