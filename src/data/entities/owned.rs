//! What becomes of the entities and files of an account that is erased: they stay, are erased with it, or get another
//! owner. A job sees to them, begun with the erasure and for the types that the caller reaches all of.

use super::{erase::Told, model::Entity, relationships, scope::Scope, store, write::Entities};
use crate::{
    actor::Actor,
    audit::{Event, Rewritten},
    data::{entity_types::EntityType, files},
    error::{Error, Faults, Result},
    identity::{Identity, User, UserView},
    ids::Id,
    jobs::{self, Context, Engine},
    params,
    permit::{Action, Allowed, Permit, Reach, Route, rights::DeleteUsers},
    personal::Forgetting,
    storage::{Reader, Row, Tx},
    web::{At, Body, Precondition, Valid, check_reason, etag},
};
use actix_web::{HttpResponse, http::header::ETAG, web::Data};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

const SETTLE: &str = "users.settle_owned";
/// Entities or files in one transaction: what others wait for, at most.
const CHUNK: usize = 50;
/// Entities that are looked up together.
const AHEAD: i64 = 5000;
/// The job makes way for others after this long, and is taken up again.
const TURN: Duration = Duration::from_secs(20);

pub(super) fn routes() -> Vec<Route> {
    vec![Route::post("/users/{id}/erase", "Forget a user for good", erase)]
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It stays, with an owner who is nobody any more.
    #[default]
    Keep,
    Erase,
    HandOver,
}

#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct EraseUser {
    pub reason: Option<String>,
    /// What becomes of the entities and files that the user owns.
    pub owned: Option<Fate>,
    /// With `hand_over`: the user who owns them afterwards.
    pub to: Option<Id>,
}

impl Body for EraseUser {
    fn check(&self, faults: &mut Faults) {
        check_reason(self.reason.as_deref(), faults);
        match (self.owned.unwrap_or_default(), self.to) {
            (Fate::HandOver, None) => faults.push("/to", "required", "Say who owns it afterwards."),
            (Fate::Keep | Fate::Erase, Some(_)) => {
                faults.push("/to", "unknown_field", "This field goes with `hand_over`.");
            }
            _ => {}
        }
    }
}

/// What an account owned as it was erased, as far as the caller may know of it, and what becomes of that.
#[derive(Clone, Debug, Serialize)]
pub struct Owned {
    pub fate: Fate,
    pub entities: BTreeMap<String, i64>,
    pub files: Option<i64>,
}

#[derive(Serialize)]
struct Erased {
    #[serde(flatten)]
    user: UserView,
    owned: Owned,
}

/// What the job is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Task {
    owner: Id,
    /// The next owner; none: it is erased.
    to: Option<Id>,
    types: Vec<String>,
    by: Option<Id>,
    reason: Option<String>,
    after: Option<Id>,
}

async fn erase(
    permit: Allowed<DeleteUsers>,
    id: At<Id>,
    precondition: Precondition,
    body: Valid<EraseUser>,
    identity: Data<Identity>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let (user, owned) = entities.erase_user(&identity, &permit, id.0, body.0, precondition).await?;
    let tag = etag(user.version, 0);
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(Erased { user: identity.view(user)?, owned }))
}

impl Entities {
    /// Erases an account, and says what becomes of what it owned.
    pub async fn erase_user(
        &self,
        identity: &Identity,
        permit: &Permit,
        id: Id,
        asked: EraseUser,
        precondition: Precondition,
    ) -> Result<(User, Owned)> {
        let (entities, by) = (self.clone(), permit.clone());
        let (fate, to) = (asked.owned.unwrap_or_default(), asked.to);
        let look = move |reader: &Reader<'_>| {
            if let Some(to) = to
                && (to == id || !store::user_exists(reader, to)?)
            {
                return Err(Error::invalid_at("/to", "not_found", "There is no other user with this id."));
            }
            entities.owned_by(reader, &by, id, fate)
        };
        let (owned, types) = self.ledger.db().read_off(look).await?;
        let task = Task { owner: id, to, types, by: permit.user_id(), reason: asked.reason.clone(), after: None };
        let now = self.ledger.clock().now();
        let besides = move |tx: &Tx<'_>| {
            if fate != Fate::Keep {
                jobs::enqueue(tx, SETTLE, &task, now)?;
            }
            Ok(json!({"owned": fate, "to": to}))
        };
        let act = Forgetting::Erase;
        let user = identity.forget_user(permit, id, act, precondition, asked.reason, besides).await?;
        Ok((user, owned))
    }

    /// What an account owns, and the types of its entities. Refused where the caller does not reach all of it.
    fn owned_by(&self, reader: &Reader<'_>, permit: &Permit, owner: Id, fate: Fate) -> Result<(Owned, Vec<String>)> {
        let (mut entities, mut types) = (BTreeMap::new(), Vec::new());
        let action = if fate == Fate::Erase { Action::Delete } else { Action::Update };
        for entity_type in self.types.all() {
            let count = count(reader, &entity_type, owner)?;
            if count == 0 {
                continue;
            }
            let scope = Scope::new(permit, entity_type.clone(), &self.ledger, self.types.keys());
            let hidden = entity_type.personal().iter().any(|field| !scope.mask().shows(&field.path));
            if fate != Fate::Keep && (!scope.reaches_all(action) || fate == Fate::Erase && hidden) {
                return Err(beyond(action));
            }
            types.push(entity_type.name.to_string());
            if scope.reaches_all(Action::Read) {
                entities.insert(entity_type.name.to_string(), count);
            }
        }
        let files = files::count_of_owner(reader, owner)?;
        let reaches = |action| permit.also("files", None, action) == Some(Reach::Any);
        if fate != Fate::Keep && files > 0 && !reaches(action) {
            return Err(beyond(action));
        }
        Ok((Owned { fate, entities, files: reaches(Action::Read).then_some(files) }, types))
    }

    /// Registers the job that sees to what erased accounts owned.
    pub fn settle_owned(&self, engine: &mut Engine) {
        let entities = self.clone();
        engine.register_blocking(SETTLE, move |task: Task, context| entities.settle(task, &context));
    }

    fn settle(&self, mut task: Task, context: &Context) -> Result<()> {
        let began = Instant::now();
        let over = || context.is_cancelled() || began.elapsed() > TURN;
        loop {
            let (owner, after) = (task.owner, task.after.map_or_else(String::new, |id| id.to_string()));
            let ahead = self.ledger.db().read_long(move |reader| {
                let sql = "SELECT id, type FROM entities WHERE owner_id = ?1 AND id > ?2 AND erased_at IS NULL
                           ORDER BY id LIMIT ?3";
                let read = |row: &Row<'_>| Ok((row.get::<Id>(0)?, row.get::<String>(1)?));
                reader.query_all(sql, params![owner, &after, AHEAD], read)
            })?;
            let Some((last, _)) = ahead.last() else { break };
            let last = *last;
            let ids: Vec<_> = ahead.iter().filter(|(_, name)| task.types.contains(name)).map(|(id, _)| *id).collect();
            for ids in ids.chunks(CHUNK) {
                let (entities, chunk, some) = (self.clone(), task.clone(), ids.to_vec());
                let settle = move |tx: &Tx<'_>, tell: &dyn Fn(Event) -> Result<()>| {
                    some.iter().try_for_each(|id| entities.settle_one(tx, &chunk, *id, tell))
                };
                self.ledger.change_rows_blocking(&actor(), settle)?;
                task.after = ids.last().copied();
                if over() {
                    return self.take_up_later(task);
                }
            }
            task.after = Some(last);
        }
        while !self.settle_files(&task)? {
            if over() {
                return self.take_up_later(task);
            }
        }
        Ok(())
    }

    fn take_up_later(&self, task: Task) -> Result<()> {
        let (now, reason) = (self.ledger.clock().now(), "the rest of what an erased account owned");
        self.ledger.unrecorded_blocking(reason, move |tx| jobs::enqueue(tx, SETTLE, &task, now).map(drop))
    }

    fn settle_one(&self, tx: &Tx<'_>, task: &Task, id: Id, tell: &dyn Fn(Event) -> Result<()>) -> Result<()> {
        let Some(old) = store::anywhere(tx, id)?.filter(|entity| entity.owner_id == Some(task.owner)) else {
            return Ok(());
        };
        let entity_type = self.types.require(&old.entity_type)?;
        let Some(to) = task.to else { return self.erase_one(tx, task, &entity_type, &old, tell) };
        let new = Entity {
            owner_id: Some(to),
            version: old.version + 1,
            updated_at: self.ledger.clock().now(),
            updated_by: task.by,
            ..old.clone()
        };
        store::update(tx, self.types.keys(), &old, &new, "updated")?;
        self.cache.outdate(tx, vec![id]);
        tell(Event::new("entity.updated", "entity", id).changed(&old.state(&entity_type)?, &new.state(&entity_type)?))
    }

    /// What a relationship holds cannot be deleted, so it is anonymised.
    fn erase_one(
        &self,
        tx: &Tx<'_>,
        task: &Task,
        entity_type: &Arc<EntityType>,
        old: &Entity,
        tell: &dyn Fn(Event) -> Result<()>,
    ) -> Result<()> {
        let held = old.deleted_at.is_none() && relationships::is_held(tx, old.id)?;
        let act = if held { Forgetting::Anonymise } else { Forgetting::Erase };
        let told = Told { act, reason: task.reason.as_deref(), by: task.by };
        let (new, event) = self.forget_in(tx, entity_type, old, &told)?;
        let permit = Permit::full("erasure");
        let scope = Scope::new(&permit, entity_type.clone(), &self.ledger, self.types.keys());
        relationships::follow(tx, self, &scope, old, &new)?;
        tell(event)
    }

    /// Whether no file of the account is left to see to.
    fn settle_files(&self, task: &Task) -> Result<bool> {
        let (clock, task) = (self.ledger.clock().clone(), task.clone());
        self.ledger.change_rows_blocking(&actor(), move |tx, tell| {
            let now = clock.now();
            if let Some(to) = task.to {
                return Ok(files::hand_over(tx, (task.owner, to), task.by, CHUNK, now, tell)? < CHUNK);
            }
            let mut rewritten = Rewritten::new();
            let gone = files::forget_of(tx, files::Of::Owner(task.owner), CHUNK, &mut rewritten, now)?;
            if !gone.is_empty() {
                let after = json!({"files": gone, "reason": task.reason});
                tell(Event::new("user.files_erased", "user", task.owner).after(&after).rewriting(rewritten))?;
            }
            Ok(gone.len() < CHUNK)
        })
    }
}

fn actor() -> Actor {
    Actor::system("erasure")
}

fn beyond(action: Action) -> Error {
    let can = if action == Action::Delete { "erase" } else { "hand over" };
    let message = format!(
        "You may not {can} all that this account owns, so nothing was done. It takes the permission to {} every \
         entity of those types and every file, and to erase, the clearance for what is personal in them.",
        action.as_str()
    );
    Error::forbidden(message)
}

/// Entities of a type that an account owns, deleted ones too.
fn count(reader: &Reader<'_>, entity_type: &EntityType, owner: Id) -> Result<i64> {
    let mut count = 0;
    for deleted in ["deleted_at IS NULL", "deleted_at IS NOT NULL AND erased_at IS NULL"] {
        let sql = format!("SELECT count(*) FROM entities WHERE type = ?1 AND {deleted} AND owner_id = ?2");
        count += reader.query_one(&sql, params![&*entity_type.name, owner], |row| row.get::<i64>(0))?.unwrap_or(0);
    }
    Ok(count)
}
