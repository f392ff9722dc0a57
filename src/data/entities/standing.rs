//! How a caller stands to one entity, without touching it.

use super::{scope::Scope, store, write::Entities};
use crate::{
    error::{Error, Result},
    ids::Id,
    permit::{Action, Permit, Reach},
    web::Deleted,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The action may touch it.
    Within,
    /// It can be read, and not more.
    Readable,
    /// It does not exist for them.
    Hidden,
}

impl Entities {
    /// Whether the permit's caller may read an entity, deleted or not.
    pub fn is_readable(&self, permit: &Permit, entity_type: &str, id: Id) -> Result<bool> {
        let scope = Scope::new(permit, self.types.require(entity_type)?, &self.ledger, self.types.keys());
        match scope.reach(Action::Read) {
            None => Ok(false),
            Some(Reach::Any) => Ok(true),
            Some(Reach::Limited(_)) => {
                self.ledger.db().read(|reader| store::is_within(reader, &scope, id, Action::Read, Deleted::Include))
            }
        }
    }

    /// How the permit's caller stands to an entity, and how far the action reaches for them.
    pub fn standing(&self, permit: &Permit, entity_type: &str, id: Id, action: Action) -> Result<(Standing, String)> {
        let scope = Scope::new(permit, self.types.require(entity_type)?, &self.ledger, self.types.keys());
        let standing = self.ledger.db().read(|reader| {
            if store::is_within(reader, &scope, id, action, Deleted::Without)? {
                return Ok(Standing::Within);
            }
            let readable = store::is_within(reader, &scope, id, Action::Read, Deleted::Without)?;
            Ok::<_, Error>(if readable { Standing::Readable } else { Standing::Hidden })
        })?;
        Ok((standing, scope.told(action)))
    }
}
