//! Which files a caller may know of: those within their permission that belong to nothing, or to an entity that they
//! may read.

use crate::{
    data::entities::{Entities, Ties, user_values},
    filter::{self, Field, Fields, Kind},
    permit::{Action, Permit, Reach, Rule},
    storage::Param,
};

/// A caller before files.
#[derive(Clone)]
pub(super) struct Sight {
    pub permit: Permit,
    pub ties: Ties,
}

impl Sight {
    pub fn new(entities: &Entities, permit: &Permit) -> Self {
        Self { permit: permit.clone(), ties: entities.ties(permit) }
    }

    /// The condition for files that the action may touch.
    pub fn seen(&self, action: Action, params: &mut Vec<Param<'static>>) -> String {
        let within = self.within(action, params);
        format!("({within} AND {})", self.ties.condition("files.entity_id", params))
    }

    fn within(&self, action: Action, params: &mut Vec<Param<'static>>) -> String {
        match self.permit.also("files", None, action) {
            None => "1 = 0".to_owned(),
            Some(Reach::Any) => "1 = 1".to_owned(),
            Some(Reach::Limited(rules)) => {
                let parts: Vec<_> = rules.iter().map(|rule| self.rule(rule, params)).collect();
                format!("({})", parts.join(" OR "))
            }
        }
    }

    fn rule(&self, rule: &Rule, params: &mut Vec<Param<'static>>) -> String {
        let text = match rule {
            Rule::Own => "owner_id = @user.id",
            Rule::Where(rule) => &rule.0,
        };
        self.bound(text, params).unwrap_or_else(|error| {
            tracing::warn!(%error, "a row rule does not fit files and lets nothing through");
            "1 = 0".to_owned()
        })
    }

    /// A filter as a condition.
    pub fn bound(&self, text: &str, params: &mut Vec<Param<'static>>) -> Result<String, filter::SyntaxError> {
        let principal = self.permit.caller().principal.as_deref();
        let user = |segments: &[String]| principal.map_or_else(Vec::new, |who| user_values(who, segments));
        filter::parse(text)?.bind(&user).to_sql(&FileFields, params)
    }
}

pub(super) struct FileFields;

impl Fields for FileFields {
    fn resolve(&self, segments: &[String]) -> Option<Field> {
        let [name] = segments else { return None };
        let column = |kind| Field::column(format!("files.{name}"), kind);
        Some(match name.as_str() {
            "id" | "name" | "content_type" | "sha256" | "state" => column(Kind::Text).never_null(),
            "entity_id" | "owner_id" | "created_by" | "updated_by" | "deleted_by" => column(Kind::Text),
            "size" | "version" => column(Kind::Number).never_null(),
            "created_at" | "updated_at" => column(Kind::Time).never_null(),
            "deleted_at" => column(Kind::Time),
            _ => return None,
        })
    }
}
