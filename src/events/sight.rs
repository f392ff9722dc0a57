//! Whether a listener may hear of an event, judged as it is sent.

use super::told::{AUDIT, FILES, RELATIONSHIPS, RESOURCES, Subject, Told};
use crate::{
    data::{entities::Entities, files::Files},
    error::{Error, Result},
    kill_switch::{KillSwitch, Visit},
    permit::{
        Action, Caller, Grants, Reach, Recheck, SignedIn, is_name,
        rights::{ReadEntity, ReadFiles, ReadRelationships},
    },
    refusal::Check,
};
use actix_web::http::Method;
use std::{collections::BTreeSet, sync::Arc};

/// Names in `types`, at most.
const MOST_TYPES: usize = 50;

/// One listener: who, and of what.
pub(super) struct Sight {
    pub caller: Caller,
    pub recheck: Recheck,
    pub entities: Entities,
    pub files: Files,
    pub kill_switch: KillSwitch,
    /// Absent for everything but the audit log.
    pub types: Option<BTreeSet<Arc<str>>>,
}

/// The names in `types`; a type's alias stands for the type.
pub(super) fn types(text: &str, entities: &Entities) -> Result<BTreeSet<Arc<str>>> {
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    if names.len() > MOST_TYPES || !names.iter().all(|name| is_name(name)) {
        let message = format!("Up to {MOST_TYPES} names of types with commas between them, as in customers,orders.");
        return Err(Error::invalid_at("/types", "invalid", message));
    }
    let canonical = |name: &str| match entities.types.by_alias(name) {
        Some(kind) => kind.name.clone(),
        None => name.into(),
    };
    Ok(names.into_iter().map(canonical).collect())
}

impl Sight {
    /// The caller as they are now, when they may go on listening.
    pub fn still(&self) -> Result<SignedIn> {
        let principal = self.recheck.ask()?;
        let by_key = principal.key.is_some();
        let visit = Visit { path: "/events", method: &Method::GET, entity_type: None, by_key };
        if let Some(closed) = self.kill_switch.refuses_visit(&visit) {
            return Err(closed);
        }
        let mut named = self.types.iter().flatten();
        if let Some(closed) = named.find_map(|name| self.kill_switch.refuses_type(name)) {
            return Err(closed);
        }
        if !self.reads_any(&principal.grants) {
            let error = Error::forbidden("You may not read what this stream tells of.");
            return Err(error.because(Check::Permission, "The caller may read none of the types."));
        }
        let caller = Caller { principal: Some(principal.clone()), ..self.caller.clone() };
        Ok(SignedIn { caller, principal })
    }

    fn reads_any(&self, grants: &Grants) -> bool {
        match &self.types {
            None => grants.permissions().iter().any(|held| held.action.is_none_or(|action| action == Action::Read)),
            Some(names) => names.iter().any(|name| {
                let resource = &**name == AUDIT || RESOURCES.iter().any(|(_, resource)| *resource == &**name);
                if resource {
                    reads(grants, name)
                } else if [FILES, RELATIONSHIPS].contains(&&**name) {
                    grants.reach(name, None, Action::Read).is_some()
                } else {
                    grants.reach("entities", Some(name), Action::Read).is_some()
                }
            }),
        }
    }

    /// What they hear of these events; nothing of what they may not read.
    pub fn heard(&self, who: &SignedIn, events: &[Arc<Told>]) -> Result<Vec<u8>> {
        let grants = who.caller.grants();
        let audits = self.types.as_ref().is_some_and(|names| names.contains(AUDIT)) && reads(grants, AUDIT);
        let mut heard = Vec::new();
        for event in events {
            if self.may_hear(who, &event.subject)? {
                heard.extend_from_slice(&event.frame);
            }
            if audits {
                heard.extend_from_slice(&event.audit_frame);
            }
        }
        Ok(heard)
    }

    fn may_hear(&self, who: &SignedIn, subject: &Subject) -> Result<bool> {
        let wants = |name: &str| self.types.as_ref().is_none_or(|names| names.contains(name));
        match subject {
            Subject::Other => Ok(false),
            Subject::Resource(name) => Ok(wants(name) && reads(who.caller.grants(), name)),
            Subject::File { id } => {
                let may = wants(FILES) && who.caller.grants().reach(FILES, None, Action::Read).is_some();
                Ok(may && self.files.is_readable(&who.permit::<ReadFiles>(None)?, *id)?)
            }
            Subject::Relationship { id } => {
                let may =
                    wants(RELATIONSHIPS) && who.caller.grants().reach(RELATIONSHIPS, None, Action::Read).is_some();
                Ok(may && self.entities.knows_relationship(&who.permit::<ReadRelationships>(None)?, *id)?)
            }
            Subject::Entity { entity_type, id } => {
                let there = wants(entity_type) && self.entities.types.get(entity_type).is_some();
                let may = who.caller.grants().reach("entities", Some(entity_type), Action::Read).is_some();
                if !there || !may || self.kill_switch.refuses_type(entity_type).is_some() {
                    return Ok(false);
                }
                self.entities.is_readable(&who.permit::<ReadEntity>(Some(entity_type))?, entity_type, *id)
            }
        }
    }
}

/// Whether all of a resource may be read.
fn reads(grants: &Grants, resource: &str) -> bool {
    grants.reach(resource, None, Action::Read) == Some(Reach::Any)
}
