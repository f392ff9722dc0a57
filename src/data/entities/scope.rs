//! What a caller reaches of a type, as conditions for queries.

use crate::{
    audit::{self, Ledger},
    data::{
        entity_types::{EntityType, Mask, digest_sql},
        sealed::{self, PersonalField},
    },
    error::{Fault, Faults, Result},
    filter::{self, Field, Fields, Kind, Literal},
    ids::Id,
    observation::{Observations, Seen},
    permit::{Action, Clearance, Permit, Principal, Reach, Rule},
    personal::DataKeys,
    storage::Param,
};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// A caller before the entities of one type.
#[derive(Clone)]
pub(super) struct Scope {
    pub permit: Permit,
    pub entity_type: Arc<EntityType>,
    pub keys: DataKeys,
    ledger: Ledger,
    /// The sensitive fields that a question named, where the type has any.
    named: Option<Arc<Mutex<audit::Fields>>>,
    observations: Option<Observations>,
}

impl Scope {
    pub fn new(permit: &Permit, entity_type: Arc<EntityType>, ledger: &Ledger, keys: &DataKeys) -> Self {
        let named = (!entity_type.watched().fields.is_empty()).then(Arc::default);
        let (permit, ledger, keys) = (permit.clone(), ledger.clone(), keys.clone());
        Self { permit, entity_type, keys, ledger, named, observations: None }
    }

    /// Records which sensitive fields `text`, a part of `data` as it is about to be shown, holds. An error where that
    /// cannot be recorded.
    pub fn saw(&self, text: &[u8], id: impl FnOnce() -> Option<Id>) -> Result<()> {
        if self.named.is_none() {
            return Ok(());
        }
        self.saw_fields(self.entity_type.watched_in(self.permit.clearance(), text), id)
    }

    pub fn saw_fields(&self, fields: audit::Fields, id: impl FnOnce() -> Option<Id>) -> Result<()> {
        if fields.is_empty() {
            return Ok(());
        }
        self.ledger.saw(&self.permit.actor(), self.entity_type.watched(), fields, 1, id)
    }

    /// Records the sensitive fields that were asked about so far, whatever is shown of them.
    pub fn saw_named(&self) -> Result<()> {
        let Some(named) = &self.named else { return Ok(()) };
        let fields = std::mem::take(&mut *named.lock().unwrap_or_else(PoisonError::into_inner));
        self.saw_fields(fields, || None)
    }

    /// Notes that a question names a path in `data`.
    pub fn name(&self, path: &[String]) {
        self.fields().name(path);
    }

    /// The same, for writing: the schema may be in observe mode.
    pub fn observing(self, observations: &Observations) -> Self {
        Self { observations: Some(observations.clone()), ..self }
    }

    /// Names what in `data` does not fit the schema, or counts it where that is in observe mode.
    pub fn check_schema(&self, data: &Value, faults: &mut Faults) {
        let mut own = Faults::default();
        self.entity_type.check(data, self.mask(), &mut own);
        if own.is_empty() {
            return;
        }
        let name = &self.entity_type.name;
        let rule = self.observations.as_ref().and_then(|all| all.watches(&format!("validators.schema.{name}")));
        if let Some((observations, rule)) = self.observations.as_ref().zip(rule) {
            let told = |fault: Fault| format!("{} at {}", fault.code, fault.pointer);
            let detail: Vec<_> = own.into_inner().into_iter().take(5).map(told).collect();
            let seen =
                Seen { actor: &self.permit.actor(), route: &format!("a write on {name}"), detail: &detail.join(", ") };
            observations.count(&rule, &seen);
            return;
        }
        for Fault { pointer, code, message } in own.into_inner() {
            faults.push(pointer, code, message);
        }
    }

    pub fn mask(&self) -> &Arc<Mask> {
        self.entity_type.mask(self.permit.clearance())
    }

    pub fn user(&self) -> Option<Id> {
        self.permit.user_id()
    }

    /// Which entities the action may touch; none at all without a reach.
    pub fn reach(&self, action: Action) -> Option<Reach> {
        let (grants, name) = (self.permit.caller().grants(), &self.entity_type.name);
        if self.entity_type.owner_only {
            grants.reach_owner_only(name, action)
        } else {
            grants.reach("entities", Some(name), action)
        }
    }

    /// How far the action reaches, in words.
    pub fn told(&self, action: Action) -> String {
        self.reach(action).map_or_else(|| "nothing".to_owned(), |reach| reach.to_string())
    }

    pub fn reaches_all(&self, action: Action) -> bool {
        self.reach(action) == Some(Reach::Any)
    }

    /// The condition for rows that the action may touch.
    pub fn condition(&self, action: Action, params: &mut Vec<Param<'static>>) -> String {
        match self.reach(action) {
            None => "1 = 0".to_owned(),
            Some(Reach::Any) => "1 = 1".to_owned(),
            Some(Reach::Limited(rules)) => {
                let parts: Vec<_> = rules.iter().map(|rule| self.rule(rule, params)).collect();
                format!("({})", parts.join(" OR "))
            }
        }
    }

    fn rule(&self, rule: &Rule, params: &mut Vec<Param<'static>>) -> String {
        let condition = match rule {
            Rule::Own => match self.user() {
                Some(user) => {
                    params.push(Param::Id(user));
                    return format!("owner_id = ?{}", params.len());
                }
                None => return "1 = 0".to_owned(),
            },
            Rule::Where(rule) => {
                let principal = self.permit.caller().principal.as_deref();
                let user = |segments: &[String]| principal.map_or_else(Vec::new, |who| user_values(who, segments));
                let fields = EntityFields { mask: &Mask::default(), named: None, ..self.fields() };
                filter::parse(&rule.0).and_then(|parsed| parsed.bind(&user).to_sql(&fields, params))
            }
        };
        condition.unwrap_or_else(|error| {
            tracing::warn!(%error, entity_type = &*self.entity_type.name, "a row rule does not fit this type and lets nothing through");
            "1 = 0".to_owned()
        })
    }

    /// The fields that this caller may filter and sort by.
    pub fn fields(&self) -> EntityFields<'_> {
        let named = self.named.as_deref().map(|named| (named, self.permit.clearance()));
        EntityFields { entity_type: &self.entity_type, mask: self.mask(), named, keys: &self.keys }
    }

    /// A filter as a condition.
    pub fn filter(&self, text: &str, params: &mut Vec<Param<'static>>) -> Result<String> {
        let principal = self.permit.caller().principal.as_deref();
        let user = |segments: &[String]| principal.map_or_else(Vec::new, |who| user_values(who, segments));
        Ok(filter::parse(text)?.bind(&user).to_sql(&self.fields(), params)?)
    }
}

/// What stands behind `@user.…`.
pub(in crate::data) fn user_values(user: &Principal, segments: &[String]) -> Vec<Literal> {
    let names: Vec<&str> = segments.iter().map(String::as_str).collect();
    match names.as_slice() {
        ["id"] => vec![Literal::Text(user.user_id.to_string())],
        ["email"] => vec![Literal::Text(user.email.to_string())],
        ["roles"] => user.roles.iter().map(|role| Literal::Text(role.to_string())).collect(),
        ["data", path @ ..] => match path.iter().try_fold(&*user.data, |value, name| value.get(name)) {
            Some(Value::Array(items)) => items.iter().filter_map(literal).collect(),
            Some(value) => literal(value).into_iter().collect(),
            None => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn literal(value: &Value) -> Option<Literal> {
    match value {
        Value::Bool(truth) => Some(Literal::Boolean(*truth)),
        Value::Number(number) => number.as_i64().map(Literal::Integer).or_else(|| number.as_f64().map(Literal::Number)),
        Value::String(text) => Some(Literal::Text(text.clone())),
        _ => None,
    }
}

pub(super) struct EntityFields<'a> {
    entity_type: &'a EntityType,
    mask: &'a Mask,
    keys: &'a DataKeys,
    named: Option<(&'a Mutex<audit::Fields>, Clearance)>,
}

impl EntityFields<'_> {
    fn name(&self, path: &[String]) {
        if let Some((named, clearance)) = self.named {
            let mut named = named.lock().unwrap_or_else(PoisonError::into_inner);
            *named = named.and(self.entity_type.watched_at(clearance, path));
        }
    }
}

impl Fields for EntityFields<'_> {
    fn resolve(&self, segments: &[String]) -> Option<Field> {
        let (first, path) = segments.split_first()?;
        if first == "data" && !path.is_empty() {
            let kind = self.entity_type.kind(path);
            let there = self.mask.shows(path) && self.entity_type.allows(path);
            self.name(path);
            let field = there.then(|| Field::json("data", path, kind)).flatten()?;
            return Some(match self.entity_type.personal_at(path) {
                Some(personal) => self.personal(field, personal, path),
                None => field,
            });
        }
        if !path.is_empty() {
            return None;
        }
        let column = |kind| Field::column(first.clone(), kind);
        Some(match first.as_str() {
            "id" | "type" => column(Kind::Text).never_null(),
            "name" | "owner_id" | "created_by" | "updated_by" | "deleted_by" => column(Kind::Text),
            "confidence" => column(Kind::Number),
            "version" => column(Kind::Number).never_null(),
            "created_at" | "updated_at" => column(Kind::Time).never_null(),
            "deleted_at" => column(Kind::Time),
            _ => return None,
        })
    }
}

impl EntityFields<'_> {
    /// A sealed value is found by the digest beside it, where there is one.
    fn personal(&self, field: Field, personal: &PersonalField, path: &[String]) -> Field {
        let indexed = self.entity_type.indexed().any(|pointer| pointer == personal.pointer);
        let Some(sql) = digest_sql(path).filter(|_| indexed && personal.path == path) else {
            return field.unusable("is personal data without an index of its own, which nothing can be asked of");
        };
        let (keys, name, personal) = (self.keys.clone(), self.entity_type.name.clone(), personal.clone());
        field.found_by(sql, move |value| {
            let value = match value {
                Literal::Null => Value::Null,
                Literal::Boolean(truth) => (*truth).into(),
                Literal::Integer(number) => (*number).into(),
                Literal::Number(number) => (*number).into(),
                Literal::Text(text) => text.as_str().into(),
            };
            sealed::digest(&keys, &name, &personal, &value).ok().map(hex::encode)
        })
    }
}
