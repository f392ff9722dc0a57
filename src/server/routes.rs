//! Every route under `/api/v1`: the one list that is mounted, checked and walked by the tests.

use super::gate::{Door, Gate};
use crate::{
    access, audit, background, backup,
    data::{entities, entity_types, files, relationship_types},
    decisions, doctor,
    error::{Code, Error, Result},
    events, identity, kill_switch, observability, observation,
    permit::Route,
    rotation, settings, webhooks,
};
use actix_web::{
    HttpResponse, guard,
    http::Method,
    web::{self, ServiceConfig},
};
use std::collections::BTreeMap;

pub fn routes() -> Vec<Route> {
    [
        identity::routes(),
        access::routes(),
        audit::routes(),
        entity_types::routes(),
        relationship_types::routes(),
        entities::routes(),
        files::routes(),
        kill_switch::routes(),
        settings::routes(),
        rotation::routes(),
        super::mail::routes(),
        super::forward_auth::routes(),
        webhooks::routes(),
        background::routes(),
        backup::routes(),
        events::routes(),
        super::overview::routes(),
        decisions::routes(),
        doctor::routes(),
        observation::routes(),
        observability::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What a limit by route can name, such as `POST /entities/{type}`.
pub fn patterns() -> Vec<String> {
    routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect()
}

/// The built-in nouns under `/api/v1`, which no entity type may take as its alias.
pub fn nouns() -> Vec<&'static str> {
    let mut nouns: Vec<_> = routes().iter().map(Route::noun).collect();
    nouns.sort_unstable();
    nouns.dedup();
    nouns
}

/// Mounts the list: a scope for each noun, a resource for each path, the gate around each resource.
pub fn mount(config: &mut ServiceConfig, gate: &Gate) {
    let mut by_noun: BTreeMap<&str, BTreeMap<&str, Vec<Route>>> = BTreeMap::new();
    for route in routes() {
        by_noun.entry(route.noun()).or_default().entry(route.path).or_default().push(route);
    }
    let mut nouns: Vec<_> = by_noun.into_iter().collect();
    nouns.sort_by_key(|(noun, _)| *noun != "entities");
    for (noun, paths) in nouns {
        let mut scope = web::scope(&format!("/api/v1/{noun}"));
        let mut paths: Vec<_> = paths.into_iter().collect();
        paths.sort_by_key(|(path, _)| specificity(path));
        for (path, routes) in paths {
            scope = scope.service(resource(&path[noun.len() + 1..], routes, gate));
        }
        config.service(scope);
    }
}

/// Literal segments go before placeholders, so that `/audit/verify` is not taken for an event's number.
fn specificity(path: &str) -> (usize, Vec<bool>) {
    let placeholders: Vec<bool> = path.split('/').map(|segment| segment.starts_with('{')).collect();
    (placeholders.len(), placeholders)
}

fn resource(path: &str, routes: Vec<Route>, gate: &Gate) -> impl actix_web::dev::HttpServiceFactory + 'static {
    let allow = allowed_methods(&routes);
    let mut resource = web::resource(path.to_owned());
    for route in &routes {
        let method = route.method.clone();
        let answers = guard::fn_guard(move |context| {
            let asked = &context.head().method;
            *asked == method || (method == Method::GET && *asked == Method::HEAD)
        });
        resource = resource.route(route.mount().guard(answers));
    }
    let refuse = web::to(move || {
        let allow = allow.clone();
        async move { method_not_allowed(&allow) }
    });
    resource.default_service(refuse).wrap(Door::new(gate.clone(), routes))
}

fn allowed_methods(routes: &[Route]) -> String {
    let mut methods: Vec<&str> = routes.iter().map(|route| route.method.as_str()).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.join(", ")
}

pub(super) fn method_not_allowed(allow: &str) -> Result<HttpResponse> {
    let detail = format!("This address knows the methods {allow}.");
    Err(Error::new(Code::MethodNotAllowed, detail).with("allow", allow))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::Clock,
        config::{Config, Sources},
        permit::Public,
        server::{App, serve::edge},
    };
    use actix_web::test::{TestRequest, call_service, init_service, read_body};

    async fn broken(_: Public) -> Result<HttpResponse> {
        panic!("four copper weathervanes")
    }

    #[test]
    fn a_panic_in_a_handler_is_an_error_without_its_words_and_the_next_request_is_answered() {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources { data_dir: Some(folder.path().join("data")), ..Sources::default() };
        let app = App::open(Config::load(&sources).unwrap(), Clock::movable()).unwrap();
        actix_web::rt::System::new().block_on(knock(&app));
    }

    async fn knock(app: &App) {
        let routes = vec![Route::get("/broken", "Breaks", broken).open("It is tried here alone.")];
        let served = actix_web::App::new().wrap(edge(app)).service(resource("/api/v1/broken", routes, &Gate::new(app)));
        let service = init_service(served).await;
        for _ in 0..3 {
            let answer = call_service(&service, TestRequest::get().uri("/api/v1/broken").to_request()).await;
            assert_eq!(answer.status(), 500);
            let body = read_body(answer).await;
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["code"], "internal", "{problem}");
            assert!(!problem.to_string().contains("weathervanes"));
        }
        let nothing = TestRequest::get().uri("/api/v1/nothing").to_request();
        assert_eq!(call_service(&service, nothing).await.status(), 404);
    }
}
