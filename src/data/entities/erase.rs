//! Forgetting the personal data of an entity: its key is destroyed, so that neither its history nor the audit log, nor
//! any copy of them, can be read there any more.

use super::{
    events::EntityEvents,
    model::Entity,
    relationships,
    routes::{respond, target},
    scope::Scope,
    show, store,
    write::Entities,
};
use crate::{
    actor::Actor,
    audit::{self, Event, Rewritten, SeenBy, keyed_forget},
    data::{
        entity_types::{EntityType, Mask, claim},
        files, sealed,
    },
    error::{Error, Result},
    ids::Id,
    params,
    permit::{
        Action, Allowed, Permit, Route,
        rights::{DeleteEntity, ExportEntity, ReadAudit},
    },
    personal::{Erasure, Forgetting, SubjectKey, SubjectKind},
    storage::{Reader, Tx},
    web::{At, Deleted, Precondition, Valid, Why},
};
use actix_web::{HttpResponse, web::Data};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post(
            "/entities/{type}/{id}/anonymise",
            "Destroy the personal data of an entity; the rest stays in use",
            anonymise,
        ),
        Route::post("/entities/{type}/{id}/erase", "Destroy the personal data of an entity and delete it", erase),
        Route::get("/entities/{type}/{id}/export", "Everything that is kept of an entity", export),
    ]
}

async fn anonymise(
    permit: Allowed<DeleteEntity>,
    path: At<(String, Id)>,
    precondition: Precondition,
    body: Valid<Why>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    forget(&permit, path.0, Forgetting::Anonymise, precondition, body.0, &entities).await
}

async fn erase(
    permit: Allowed<DeleteEntity>,
    path: At<(String, Id)>,
    precondition: Precondition,
    body: Valid<Why>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    forget(&permit, path.0, Forgetting::Erase, precondition, body.0, &entities).await
}

async fn forget(
    permit: &Permit,
    path: (String, Id),
    act: Forgetting,
    precondition: Precondition,
    why: Why,
    entities: &Entities,
) -> Result<HttpResponse> {
    let (scope, id) = target(entities, permit, path)?;
    let entity = entities.forget(scope.clone(), id, act, precondition, why.reason).await?;
    respond(HttpResponse::Ok(), entities, &scope, &entity)
}

impl Entities {
    /// Forgets one entity, for commands.
    pub async fn forget_one(
        &self,
        permit: &Permit,
        entity_type: &str,
        id: Id,
        act: Forgetting,
        reason: Option<String>,
    ) -> Result<()> {
        let scope = self.scope(permit, entity_type)?;
        self.forget(scope, id, act, Precondition::default(), reason).await.map(drop)
    }

    async fn forget(
        &self,
        scope: Scope,
        id: Id,
        act: Forgetting,
        condition: Precondition,
        reason: Option<String>,
    ) -> Result<Entity> {
        let hidden = scope.entity_type.personal().iter().find(|field| !scope.mask().shows(&field.path));
        if hidden.is_some() {
            let told = "This type has personal data above your clearance; only somebody who may see it can destroy it.";
            return Err(Error::forbidden(told));
        }
        let (entities, actor) = (self.clone(), scope.permit.actor());
        self.ledger
            .change(&actor, move |tx| {
                let old = store::find_for(tx, &scope, id, Action::Delete, Deleted::Include)?;
                condition.check_version(old.version)?;
                if act == Forgetting::Anonymise && store::is_erased(tx, id)? {
                    return Err(Error::conflict("This entity was erased already."));
                }
                let told = Told { act, reason: reason.as_deref(), by: scope.user() };
                let (new, event) = entities.forget_in(tx, &scope.entity_type, &old, &told)?;
                relationships::follow(tx, &entities, &scope, &old, &new)?;
                Ok((new, event))
            })
            .await
    }

    /// Forgets an entity within a transaction. The ledger of erasures hears of it before the commit.
    pub(super) fn forget_in(
        &self,
        tx: &Tx<'_>,
        entity_type: &EntityType,
        old: &Entity,
        told: &Told<'_>,
    ) -> Result<(Entity, Event)> {
        let (now, erased) = (self.ledger.clock().now(), told.act == Forgetting::Erase);
        let fields = entity_type.personal();
        let mut data: Value = serde_json::from_str(&old.data).map_err(Error::internal)?;
        sealed::remove(fields, &mut data);
        let gone = erased && old.deleted_at.is_none();
        let new = Entity {
            name: None,
            data: data.to_string(),
            version: old.version + 1,
            updated_at: now,
            updated_by: told.by,
            deleted_at: if gone { Some(now) } else { old.deleted_at },
            deleted_by: if gone { told.by } else { old.deleted_by },
            key: None,
            ..old.clone()
        };
        store::update(tx, self.types.keys(), old, &new, told.act.word())?;
        let live = |entity: &Entity| entity.deleted_at.is_none().then(|| entity.data.clone());
        let (had, has) = (live(old), live(&new));
        claim(tx, entity_type, &Mask::default(), old.id, (had.as_deref(), has.as_deref()))?;
        Self::empty_versions(tx, entity_type, old.id)?;
        if erased {
            tx.execute("UPDATE entities SET erased_at = ?2 WHERE id = ?1", params![old.id, now])?;
        }
        let key = SubjectKey::destroy(tx, old.id)?;
        keyed_forget(tx, self.types.keys().keyring(), old.id, now)?;
        let mut rewritten = empty_events(tx, entity_type, old.id)?;
        let files = files::forget_of(tx, files::Of::Entity(old.id), usize::MAX, &mut rewritten, now)?;
        self.cache.outdate(tx, vec![old.id]);
        let erasure = Erasure { at: now, kind: SubjectKind::Entity, id: old.id, act: told.act, key };
        self.types.keys().erasures().record(&erasure)?;
        let pointers: Vec<_> = fields.iter().map(|field| &field.pointer).collect();
        let after = json!({
            "type": entity_type.name, "version": new.version, "deleted_at": new.deleted_at, "destroyed": pointers,
            "files": files, "reason": told.reason,
        });
        let action = if erased { "entity.erased" } else { "entity.anonymised" };
        Ok((new, Event::new(action, "entity", old.id).after(&after).rewriting(rewritten)))
    }

    /// What earlier versions say of the person goes; that it was there, and what else they say, stays.
    fn empty_versions(tx: &Tx<'_>, entity_type: &EntityType, id: Id) -> Result<()> {
        let sql = "SELECT version, data FROM entity_versions WHERE id = ?1";
        let versions = tx.query_all(sql, params![id], |row| Ok((row.get::<i64>(0)?, row.get::<String>(1)?)))?;
        for (version, text) in versions {
            let mut data: Value = serde_json::from_str(&text).map_err(Error::internal)?;
            sealed::erase(entity_type.personal(), &mut data);
            let sql = "UPDATE entity_versions SET data = ?3, name = NULL WHERE id = ?1 AND version = ?2";
            tx.execute(sql, params![id, version, data.to_string()])?;
        }
        Ok(())
    }

    /// Erases again what the ledger of erasures names and this database, restored from a backup, still knows.
    pub fn forget_again(&self) -> Result<usize> {
        let mut again = 0;
        for erasure in
            self.types.keys().erasures().all()?.into_iter().filter(|erasure| erasure.kind == SubjectKind::Entity)
        {
            if !self.ledger.db().read(|reader| store::knows(reader, &erasure))? {
                continue;
            }
            let entities = self.clone();
            self.ledger.change_blocking(&Actor::system("erasures"), move |tx| {
                let old = store::anywhere(tx, erasure.id)?.ok_or_else(Error::not_found)?;
                let entity_type = entities.types.require(&old.entity_type)?;
                let reason = Some("it was erased before this database was restored");
                let event = entities.forget_in(tx, &entity_type, &old, &Told { act: erasure.act, reason, by: None })?.1;
                Ok(((), event))
            })?;
            again += 1;
        }
        Ok(again)
    }
}

/// What events tell of the person goes, also what was told before a field was marked.
fn empty_events(tx: &Tx<'_>, entity_type: &EntityType, id: Id) -> Result<Rewritten> {
    let mut rewritten = Rewritten::new();
    audit::rewrite(tx, &mut rewritten, ("entity", &id.to_string()), |changes| {
        for side in ["before", "after"] {
            let Some(side) = changes.get_mut(side).and_then(Value::as_object_mut) else { continue };
            if let Some(name) = side.get_mut("name").filter(|name| !name.is_null()) {
                *name = sealed::ERASED.into();
            }
            if let Some(data) = side.get_mut("data") {
                sealed::erase(entity_type.personal(), data);
            }
        }
        Ok(())
    })?;
    Ok(rewritten)
}

/// What is done, why and by whom.
pub(super) struct Told<'a> {
    pub act: Forgetting,
    pub reason: Option<&'a str>,
    pub by: Option<Id>,
}

async fn export(
    permit: Allowed<ExportEntity>,
    path: At<(String, Id)>,
    entities: Data<Entities>,
) -> Result<HttpResponse> {
    let (entity_type, id) = path.0;
    Ok(HttpResponse::Ok().json(entities.export_one(&permit, &entity_type, id).await?))
}

/// Versions and events in one document, at most.
pub(super) const MOST: u32 = 1000;

impl Entities {
    /// Everything that is kept of an entity, as far as the caller may see it.
    pub async fn export_one(&self, permit: &Permit, entity_type: &str, id: Id) -> Result<Value> {
        let scope = self.scope(permit, entity_type)?;
        let whole = self.everything(&scope, id).await?;
        let event = Event::new("entity.exported", "entity", id).after(&json!({"type": scope.entity_type.name}));
        self.ledger.change(&permit.actor(), move |_| Ok(((), event.clone()))).await?;
        Ok(whole)
    }

    async fn everything(&self, scope: &Scope, id: Id) -> Result<Value> {
        let (entities, scope) = (self.clone(), scope.clone());
        let read = move |reader: &Reader<'_>| {
            store::find_for(reader, &scope, id, Action::Export, Deleted::Include)?;
            let entity = store::find(reader, &scope, id, Deleted::Include)?.ok_or_else(Error::not_found)?;
            let versions = super::history::versions(reader, &scope, id, entity.version, MOST as usize)?;
            let versions =
                versions.iter().map(|(version, _)| show::value(&scope, version)).collect::<Result<Vec<_>>>()?;
            let events = match scope.permit.extend::<ReadAudit>(None) {
                Some(_) => {
                    let filter = audit::Filter { target_id: Some(id.to_string()), ..audit::Filter::default() };
                    entities.events(reader, &filter, &scope.permit)?
                }
                None => Vec::new(),
            };
            Ok(json!({
                "exported_at": entities.ledger.clock().now(),
                "entity": show::value(&scope, &entity)?,
                "earlier_versions": versions,
                "files": files::taken_out(reader, &entities, &scope.permit, files::Of::Entity(id), MOST)?,
                "events": events,
            }))
        };
        self.ledger.db().read_off(read).await
    }

    /// The newest events of a kind, as the caller may see them.
    pub(super) fn events(
        &self,
        reader: &Reader<'_>,
        filter: &audit::Filter,
        permit: &Permit,
    ) -> Result<Vec<audit::Shown>> {
        let events = EntityEvents { types: self.types.clone(), ledger: self.ledger.clone() };
        let who = SeenBy::new(Arc::new(events), permit);
        Ok(audit::page(reader, filter, MOST, None, false, &self.cursors, Some(&who))?.items)
    }
}
