//! `POST /batch`: up to a hundred creates, updates and deletes in one transaction. One that fails undoes all.

use super::{
    draft::{EntityPatch, check_members},
    model::Entity,
    scope::Scope,
    show, store,
    write::{Change, Entities, created, insert, removed},
};
use crate::{
    actor::Actor,
    audit::{Event, KeyedOutcome},
    error::{Code, Error, Faults, Result},
    ids::Id,
    permit::{
        Action, Permit, Route, SignedIn,
        rights::{CreateEntity, DeleteEntity, UpdateEntity},
    },
    storage::Tx,
    web::{Body, Precondition, Valid, nullable},
};
use actix_web::{HttpResponse, http::header, web::Data};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Asked before entities of a type are touched that the address of a request does not name.
pub trait ClosedTypes: Send + Sync {
    /// The refusal, while the type is closed.
    fn refuses(&self, entity_type: &str) -> Option<Error>;
}

/// Operations in one batch, at most.
const MOST: usize = 100;

pub(super) fn routes() -> Vec<Route> {
    vec![Route::post("/batch", "Create, update and delete up to 100 entities in one transaction", run)]
}

#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Batch {
    operations: Vec<Operation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Create,
    Update,
    Delete,
}

/// The tag as in the header `If-Match`, or the bare version.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(untagged, expecting = "`if_match` is an entity tag or a version")]
enum Tag {
    Version(i64),
    Text(String),
}

/// An update is a merge patch.
#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Operation {
    op: Kind,
    r#type: String,
    id: Option<Id>,
    if_match: Option<Tag>,
    #[serde(default, deserialize_with = "nullable")]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "nullable")]
    confidence: Option<Option<f64>>,
    #[serde(default, deserialize_with = "nullable")]
    data: Option<Option<Map<String, Value>>>,
    #[serde(default, deserialize_with = "nullable")]
    owner_id: Option<Option<Id>>,
}

impl Body for Batch {
    fn check(&self, faults: &mut Faults) {
        if !(1..=MOST).contains(&self.operations.len()) {
            faults.push("/operations", "out_of_range", format!("A batch has 1 to {MOST} operations."));
            return;
        }
        for (index, operation) in self.operations.iter().enumerate() {
            let mut own = Faults::default();
            operation.check(&mut own);
            for fault in own.into_inner() {
                faults.push(format!("{}{}", place(index), fault.pointer), fault.code, fault.message);
            }
        }
    }
}

fn place(index: usize) -> String {
    format!("/operations/{index}")
}

impl Operation {
    fn check(&self, faults: &mut Faults) {
        match (self.op, self.id) {
            (Kind::Create, Some(_)) => faults.push("/id", "unknown_field", "A new entity gets its id from the server."),
            (Kind::Update | Kind::Delete, None) => faults.push("/id", "required", "Say which entity is meant."),
            _ => {}
        }
        if self.op == Kind::Create && self.if_match.is_some() {
            faults.push("/if_match", "unknown_field", "A new entity has no version to match.");
        }
        let said = [
            ("/name", self.name.is_some()),
            ("/confidence", self.confidence.is_some()),
            ("/data", self.data.is_some()),
            ("/owner_id", self.owner_id.is_some()),
        ];
        for (pointer, _) in said.into_iter().filter(|(_, said)| self.op == Kind::Delete && *said) {
            faults.push(pointer, "unknown_field", "A delete takes no content.");
        }
        let name = self.name.as_ref().and_then(|name| name.as_deref());
        check_members(name, self.confidence.flatten(), faults);
    }

    /// Whether the caller may do such a thing with such entities at all.
    fn permit(&self, who: &SignedIn, entities: &Entities) -> Result<Permit> {
        if let Some(refusal) = entities.closed.get().and_then(|closed| closed.refuses(&self.r#type)) {
            return Err(refusal);
        }
        match self.op {
            Kind::Create => who.permit::<CreateEntity>(Some(&self.r#type)),
            Kind::Update => who.permit::<UpdateEntity>(Some(&self.r#type)),
            Kind::Delete => who.permit::<DeleteEntity>(Some(&self.r#type)),
        }
    }

    /// Checks what can be checked before the writer's turn.
    fn prepare(self, entities: &Entities, permit: &Permit) -> Result<Step> {
        let unknown = |_| Error::invalid_at("/type", "not_found", "There is no such entity type.");
        let scope = entities.scope(permit, &self.r#type).map_err(unknown)?;
        let condition = self.if_match.map_or_else(Precondition::default, |tag| match tag {
            Tag::Version(version) => Precondition::if_match(version.to_string()),
            Tag::Text(text) => Precondition::if_match(text),
        });
        let patch =
            EntityPatch { name: self.name, confidence: self.confidence, data: self.data, owner_id: self.owner_id };
        patch.inspect(entities, &scope)?;
        let missing = || Error::invalid_at("/id", "required", "Say which entity is meant.");
        let act = match self.op {
            Kind::Create => Act::Create(Box::new(patch.into_new().into_entity(&scope, entities.ledger.clock().now())?)),
            Kind::Update => Act::Update(self.id.ok_or_else(missing)?, condition, Box::new(patch)),
            Kind::Delete => Act::Delete(self.id.ok_or_else(missing)?, condition),
        };
        Ok(Step { scope, act })
    }
}

/// An operation that was found good as far as that goes.
struct Step {
    scope: Scope,
    act: Act,
}

enum Act {
    Create(Box<Entity>),
    Update(Id, Precondition, Box<EntityPatch>),
    Delete(Id, Precondition),
}

impl Step {
    fn run(&self, tx: &Tx<'_>, entities: &Entities) -> Result<(Entity, Option<Event>)> {
        let (scope, now) = (&self.scope, entities.ledger.clock().now());
        match &self.act {
            Act::Create(entity) => {
                insert(tx, scope, entity)?;
                Ok((*entity.clone(), Some(created(entity, entity.state(&scope.entity_type)?))))
            }
            Act::Update(id, condition, patch) => {
                let step = |scope: &Scope, old: &Entity| patch.apply(scope, old, now);
                entities.change_in(tx, scope, *id, Change::UPDATE, condition, step)
            }
            Act::Delete(id, condition) => {
                let step = |scope: &Scope, old: &Entity| Ok(removed(scope, old, now));
                entities.change_in(tx, scope, *id, Change::DELETE, condition, step)
            }
        }
    }

    /// What the caller gets to see of the outcome: of what is deleted, or theirs to write but not to read, only
    /// which it is.
    fn show(&self, tx: &Tx<'_>, entity: &Entity, out: &mut Vec<u8>) -> Result<()> {
        let readable = entity.deleted_at.is_none()
            && (self.scope.reaches_all(Action::Read) || store::within_reach(tx, &self.scope, entity.id, Action::Read)?);
        if readable {
            return show::write_shown(&self.scope, None, entity.shown(), out);
        }
        let known = serde_json::json!({"id": entity.id, "version": entity.version});
        serde_json::to_writer(out, &known).map_err(Error::internal)
    }
}

/// The error of one operation as that of the batch. Missing rights stay what they are.
fn failed(index: usize, error: Error) -> Error {
    let place = match error.code() {
        Code::NotFound => format!("{}/id", place(index)),
        Code::PreconditionFailed => format!("{}/if_match", place(index)),
        _ => place(index),
    };
    let error = error.within(&place);
    match error.code() {
        Code::NotFound | Code::PreconditionFailed | Code::Conflict => Error::invalid(error.faults().to_vec()),
        _ => error,
    }
}

async fn run(who: SignedIn, body: Valid<Batch>, entities: Data<Entities>) -> Result<HttpResponse> {
    let operations = body.0.operations;
    let permits = operations.iter().enumerate();
    let permits =
        permits.map(|(index, operation)| operation.permit(&who, &entities).map_err(|error| failed(index, error)));
    let permits = permits.collect::<Result<Vec<_>>>()?;
    let mut steps = Vec::with_capacity(operations.len());
    for (index, (operation, permit)) in operations.into_iter().zip(&permits).enumerate() {
        steps.push(operation.prepare(&entities, permit).map_err(|error| failed(index, error))?);
    }
    let body = entities.batch(&who.caller.actor(), steps).await?;
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, super::routes::JSON)).body(body))
}

impl Entities {
    async fn batch(&self, actor: &Actor, steps: Vec<Step>) -> Result<String> {
        let (entities, steps) = (self.clone(), Arc::new(steps));
        let change = move |tx: &Tx<'_>| {
            let (mut outcomes, mut events) = (Vec::with_capacity(steps.len()), Vec::with_capacity(steps.len()));
            for (index, step) in steps.iter().enumerate() {
                let (entity, event) = step.run(tx, &entities).map_err(|error| failed(index, error))?;
                outcomes.push(entity);
                events.extend(event);
            }
            let mut body = b"{\"results\":[".to_vec();
            for (index, (step, entity)) in steps.iter().zip(&outcomes).enumerate() {
                if index > 0 {
                    body.push(b',');
                }
                step.show(tx, entity, &mut body)?;
            }
            body.extend_from_slice(b"]}");
            Ok((String::from_utf8(body).map_err(Error::internal)?, events))
        };
        let again = |_: &Tx<'_>, body: &String| {
            let headers = vec![(header::CONTENT_TYPE.to_string(), "application/json".to_owned())];
            Ok(KeyedOutcome::Answered { status: 200, headers, body: body.clone() })
        };
        self.ledger.change_answered(actor, change, again).await
    }
}
