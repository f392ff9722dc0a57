//! Request inspection at the gate: the address of a request, and bodies other than entities, which are looked at
//! where they are written.

use super::App;
use crate::{
    data::entity_types::EntityTypes,
    error::Result,
    inspection::{Inspection, Mode},
    permit::{Caller, Route},
    web::BodyCheck,
};
use actix_web::{HttpMessage, HttpRequest, http::Method};
use std::rc::Rc;

/// Query parameters that are parsed strictly, and whose words are those of SQL.
const OWN_GRAMMAR: [&str; 4] = ["filter", "sort", "fields", "cursor"];
/// Members of bodies that have a grammar of their own, or hold what nobody but their owner may read.
const LEFT_OUT: [&str; 20] = [
    "permissions",
    "scopes",
    "filter",
    "schema",
    "fields",
    "indexes",
    "search",
    "password",
    "current_password",
    "new_password",
    "token",
    "refresh_token",
    "secret",
    "key",
    "totp",
    "recovery_code",
    "code",
    "challenge",
    "email",
    "url",
];

pub struct Inspector {
    types: EntityTypes,
    inspection: Inspection,
}

impl Inspector {
    pub fn new(app: &App) -> Self {
        Self { types: app.entity_types.clone(), inspection: app.inspection.clone() }
    }

    /// Looks at the address of a request whose caller may do what they ask for, and has its body looked at. What has
    /// a grammar of its own is left to that.
    pub fn look_at(&self, request: &HttpRequest, route: &Route, caller: &Caller) -> Result<()> {
        let path = request.match_info();
        let entity_type = path.get("type");
        let own = entity_type.and_then(|name| self.types.require(name).ok()?.inspection);
        let mode = own.unwrap_or_else(|| self.inspection.mode_of(&route.method, route.path));
        if mode == Mode::Off {
            return Ok(());
        }
        let target = format!("{} {}", route.method, route.path);
        if !path.is_empty() || !request.query_string().is_empty() {
            let segments = path.iter().map(|(name, value)| (name.into(), value.into()));
            let query = form_urlencoded::parse(request.query_string().as_bytes())
                .filter(|(name, _)| !OWN_GRAMMAR.contains(&&**name));
            self.inspection.parameters(&caller.actor(), mode, &target, segments.chain(query))?;
        }
        if has_body(route) {
            let (inspection, actor) = (self.inspection.clone(), caller.actor());
            let check = BodyCheck(Rc::new(move |members, verbatim| {
                let seen = members
                    .iter()
                    .filter(|(name, _)| !verbatim.contains(&name.as_str()) && !LEFT_OUT.contains(&name.as_str()));
                inspection.body(&actor, mode, &target, seen)
            }));
            request.extensions_mut().insert(check);
        }
        Ok(())
    }
}

/// Whether a route takes a body that nothing else looks at.
fn has_body(route: &Route) -> bool {
    let is_write = matches!(route.method, Method::POST | Method::PUT | Method::PATCH);
    // Nothing stands in the way of closing the gate, whatever reason is given.
    let is_spared = matches!(route.noun(), "entities" | "batch" | "settings" | "kill-switch");
    is_write && !route.streams && !is_spared
}
