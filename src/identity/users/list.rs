//! The list of users: filtered, sorted, in pages.

use super::{
    model::{User, UserView},
    store,
};
use crate::{
    error::{Error, Result},
    filter::{self, CursorKey, Field, Fields, Kind, Listed, Listing, Order},
    identity::Identity,
    storage::{Param, Reader},
    web::{Deleted, ListQuery, Page},
};
use serde_json::Value;

/// What a filter or sort may name.
struct UserFields;

impl Fields for UserFields {
    fn resolve(&self, segments: &[String]) -> Option<Field> {
        let [name, rest @ ..] = segments else { return None };
        if name == "data" && !rest.is_empty() {
            return Field::json("users.data", rest, Kind::Any);
        }
        if !rest.is_empty() {
            return None;
        }
        let column = |kind| Some(Field::column(format!("users.{name}"), kind));
        match name.as_str() {
            "id" | "email" | "kind" | "status" => Some(column(Kind::Text)?.never_null()),
            "created_at" | "updated_at" => Some(column(Kind::Time)?.never_null()),
            "name" | "deleted_by" => column(Kind::Text),
            "last_login_at" | "deleted_at" => column(Kind::Time),
            _ => None,
        }
    }
}

pub(super) fn page(
    reader: &Reader<'_>,
    identity: &Identity,
    query: &ListQuery,
    key: &CursorKey,
) -> Result<Page<Value>> {
    if query.q.is_some() {
        return Err(Error::invalid_at("/q", "unknown_parameter", "Users have no full-text search; use `filter`."));
    }
    let limit = query.limit()?;
    let picked = query.fields.as_deref().map(pick).transpose()?;
    let sort = query.sort.as_deref().unwrap_or("-created_at");
    let keys = filter::parse_sort(sort).map_err(|error| Error::invalid(vec![error.at("/sort")]))?;
    let order = Order::new(&keys, &UserFields, Field::column("users.id", Kind::Text))
        .map_err(|error| Error::invalid(vec![error.at("/sort")]))?;
    let mut params: Vec<Param<'static>> = Vec::new();
    let mut condition = match query.deleted()? {
        Deleted::Without => "users.deleted_at IS NULL".to_owned(),
        Deleted::Include => "1 = 1".to_owned(),
        Deleted::Only => "users.deleted_at IS NOT NULL".to_owned(),
    };
    if let Some(text) = query.filter.as_deref().filter(|text| !text.trim().is_empty()) {
        let expression = filter::parse(text)?;
        condition = format!("{condition} AND {}", expression.to_sql(&UserFields, &mut params)?);
    }
    let deleted = query.deleted.as_deref().unwrap_or_default();
    let question = ["users", query.filter.as_deref().unwrap_or_default(), sort, deleted];
    let listing = Listing {
        tables: "users",
        columns: store::COLUMNS,
        width: store::COLUMN_COUNT,
        condition,
        params,
        order: &order,
        limit,
        count: query.count.unwrap_or(false),
        cursor: query.cursor.as_deref(),
        question: &question,
    };
    let Listed { items: mut users, next_cursor, total } = listing.run(reader, key, store::read)?;
    store::add_roles(reader, &mut users)?;
    let items = show_all(reader, identity, users, picked.as_deref())?;
    Ok(Page { items, next_cursor, total })
}

fn show_all(
    reader: &Reader<'_>,
    identity: &Identity,
    users: Vec<User>,
    picked: Option<&[String]>,
) -> Result<Vec<Value>> {
    let locked = identity.lockout.locked(reader)?;
    let show = |user: User| {
        let until = if locked.is_empty() { None } else { locked.get(&identity.account_key(&user.email)).copied() };
        let mut shown = serde_json::to_value(UserView::new(user, until)).map_err(Error::internal)?;
        if let (Some(picked), Value::Object(members)) = (picked, &mut shown) {
            members.retain(|name, _| picked.contains(name));
        }
        Ok(shown)
    };
    users.into_iter().map(show).collect()
}

impl Identity {
    /// How many accounts are locked for some network. Attempts on addresses that belong to nobody do not count.
    pub fn locked_users(&self, reader: &Reader<'_>) -> Result<i64> {
        let locked = self.lockout.locked(reader)?;
        let mut count = 0;
        if !locked.is_empty() {
            reader.query_each("SELECT email_key FROM users WHERE deleted_at IS NULL", &[], |row| {
                count += i64::from(locked.contains_key(&self.account_key(row.text(0)?)));
                Ok(())
            })?;
        }
        Ok(count)
    }

    /// Everybody who is not deleted, by address; for the command line.
    pub fn users(&self) -> Result<Vec<UserView>> {
        self.db().read_long(|reader| {
            let locked = self.lockout.locked(reader)?;
            let view = |user: User| {
                let until = locked.get(&self.account_key(&user.email)).copied();
                UserView::new(user, until)
            };
            Ok(store::all(reader)?.into_iter().map(view).collect())
        })
    }
}

const MEMBERS: [&str; 14] = [
    "id",
    "email",
    "name",
    "kind",
    "status",
    "roles",
    "data",
    "created_at",
    "updated_at",
    "last_login_at",
    "deleted_at",
    "deleted_by",
    "locked_until",
    "mfa_enabled",
];

/// `?fields=email,roles`: these members and the id.
fn pick(text: &str) -> Result<Vec<String>> {
    let mut picked = vec!["id".to_owned()];
    for name in text.split(',').map(str::trim) {
        if !MEMBERS.contains(&name) {
            let message = format!("There is no field `{name}` here; there are {}.", MEMBERS.join(", "));
            return Err(Error::invalid_at("/fields", "unknown_field", message));
        }
        picked.push(name.to_owned());
    }
    Ok(picked)
}
