//! Everything that is kept of a person, as one document: the account, what belongs to it, and what they own.

use super::{erase::MOST, scope::Scope, show, store, write::Entities};
use crate::{
    audit::{self, Event},
    data::files,
    error::Result,
    identity::Identity,
    ids::Id,
    permit::{
        Action, Allowed, Permit, Route,
        rights::{ExportUsers, ReadAudit, ReadEntity},
    },
    storage::{Param, Reader},
    web::{At, Deleted},
};
use actix_web::{HttpResponse, web::Data};
use serde_json::{Value, json};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::get("/users/{id}/export", "Everything that is kept of a user", export)]
}

async fn export(
    permit: Allowed<ExportUsers>,
    id: At<Id>,
    identity: Data<Identity>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    Ok(HttpResponse::Ok().json(entities.of_user(&identity, &permit, id.0).await?))
}

impl Entities {
    /// What the caller may see of all that is kept of a user.
    pub async fn of_user(&self, identity: &Identity, permit: &Permit, id: Id) -> Result<Value> {
        let actor = permit.actor();
        let (entities, identity, permit) = (self.clone(), identity.clone(), permit.clone());
        let read = move |reader: &Reader<'_>| {
            let mut whole = identity.kept_of(reader, id)?;
            whole["entities"] = entities.owned(reader, &permit, id)?;
            whole["files"] = files::taken_out(reader, &entities, &permit, files::Of::Owner(id), MOST)?;
            if permit.extend::<ReadAudit>(None).is_some() {
                let about = audit::Filter { target_id: Some(id.to_string()), ..audit::Filter::default() };
                let by = audit::Filter { actor_id: Some(id), ..audit::Filter::default() };
                whole["events_about"] = json!(entities.events(reader, &about, &permit)?);
                whole["events_by"] = json!(entities.events(reader, &by, &permit)?);
            }
            whole["exported_at"] = json!(entities.ledger.clock().now());
            Ok(whole)
        };
        let whole = self.ledger.db().read_off(read).await?;
        let event = Event::new("user.exported", "user", id);
        self.ledger.change(&actor, move |_| Ok(((), event.clone()))).await?;
        Ok(whole)
    }

    fn owned(&self, reader: &Reader<'_>, permit: &Permit, owner: Id) -> Result<Value> {
        let mut all = Vec::new();
        for entity_type in self.types.all() {
            let Some(permit) = permit.extend::<ReadEntity>(Some(&entity_type.name)) else { continue };
            let scope = Scope::new(&permit, entity_type, &self.ledger, self.types.keys());
            let mut params = vec![Param::Id(owner), MOST.into()];
            let condition = scope.condition(Action::Read, &mut params);
            for entity in store::owned(reader, &scope, Deleted::Include, &condition, &params)? {
                all.push(show::value(&scope, &entity)?);
            }
        }
        Ok(all.into())
    }
}
