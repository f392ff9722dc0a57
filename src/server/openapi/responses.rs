//! What an operation answers, when it goes well and when not.

use crate::{
    error::Code,
    permit::{Need, Route},
    web::status,
};
use actix_web::http::Method;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The refusals that the document tells apart, one for each status; more codes may share one.
const REFUSALS: &[(&str, Code, &str)] = &[
    ("BadRequest", Code::MalformedJson, "The body is no JSON, or breaks off."),
    ("Unauthenticated", Code::Unauthenticated, "No credential, or one that is not good (any more)."),
    ("Forbidden", Code::Forbidden, "Known, but not allowed to."),
    ("NotFound", Code::NotFound, "Not there, or not for the caller to know of."),
    ("Timeout", Code::RequestTimeout, "It took too long."),
    ("Conflict", Code::Conflict, "It clashes with how things stand."),
    ("PreconditionFailed", Code::PreconditionFailed, "It changed meanwhile: `If-Match` names another version."),
    ("PayloadTooLarge", Code::PayloadTooLarge, "The body is too large."),
    ("UnsupportedMediaType", Code::UnsupportedMediaType, "The body is of another type than the route takes."),
    ("Invalid", Code::ValidationFailed, "What is wrong, and where, in `errors`."),
    ("RateLimited", Code::RateLimited, "Too often; `Retry-After` says when again."),
    ("Internal", Code::Internal, "Something broke; the log has it under the request id."),
    ("Unavailable", Code::Unavailable, "The kill switch is on, or something that is needed is not there."),
    ("StorageFull", Code::StorageFull, "The disk is full; nothing was changed."),
];

pub(super) fn components() -> Value {
    let headers = json!({
        "X-Request-Id": { "schema": { "type": "string" }, "description": "Stands in the log and in audit events too." },
    });
    let one = |(name, code, about): &(&str, Code, &str)| {
        let example = json!({ "type": "about:blank", "title": about, "status": status(*code).as_u16(), "detail": about,
            "instance": "/api/v1/…", "code": code.slug(), "request_id": "01980000-0000-7000-8000-000000000000" });
        let content = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" }, "example": example } });
        ((*name).to_owned(), json!({ "description": about, "headers": headers, "content": content }))
    };
    Value::Object(REFUSALS.iter().map(one).collect())
}

pub(super) fn problem_schema() -> Value {
    json!({
        "type": "object",
        "description": "An error (RFC 9457).",
        "required": ["type", "title", "status", "code", "request_id"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "instance": { "type": "string" },
            "code": { "type": "string", "description": "Stable, for programs." },
            "request_id": { "type": "string" },
            "decision_id": { "type": "string", "description": "On 401, 403, 429 and 503: `GET /api/v1/decisions/{id}` says why." },
            "errors": { "type": "array", "items": { "type": "object", "required": ["pointer", "code", "message"], "properties": {
                "pointer": { "type": "string" }, "code": { "type": "string" }, "message": { "type": "string" },
            } } },
        },
    })
}

/// The answers of a route.
pub(super) fn of(route: &Route, takes_body: bool, conditional: bool, schemas: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for (code, schema) in route.answers(schemas) {
        responses.insert(code.to_string(), good(schema.as_ref(), conditional));
    }
    if conditional && route.method == Method::GET {
        responses.insert("304".into(), json!({ "description": "What the caller has is current." }));
    }
    for (name, code, _) in REFUSALS {
        if applies(route, *code, takes_body, conditional) {
            let reference = json!({ "$ref": format!("#/components/responses/{name}") });
            responses.insert(status(*code).as_u16().to_string(), reference);
        }
    }
    Value::Object(responses)
}

fn good(schema: Option<&Schema>, conditional: bool) -> Value {
    let mut answer = json!({ "description": "Done." });
    if let Some(schema) = schema {
        answer["content"] = json!({ "application/json": { "schema": schema } });
    }
    if conditional {
        answer["headers"] = json!({ "ETag": { "schema": { "type": "string" } } });
    }
    answer
}

fn applies(route: &Route, code: Code, takes_body: bool, conditional: bool) -> bool {
    let (read, public) = (route.method == Method::GET, matches!(route.need, Need::Public(_)));
    match code {
        Code::Unauthenticated | Code::Forbidden => !public || route.refuses.contains(&code),
        Code::NotFound => route.path.contains('{'),
        Code::Conflict | Code::StorageFull => !read,
        Code::PreconditionFailed => !read && conditional,
        Code::PayloadTooLarge | Code::UnsupportedMediaType | Code::MalformedJson => !read || takes_body,
        _ => true,
    }
}
