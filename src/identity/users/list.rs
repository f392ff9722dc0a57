//! The list of users: filtered, sorted, in pages.

use super::{
    model::{User, UserView},
    store,
};
use crate::{
    error::{Error, Result},
    filter::{self, CursorKey, Field, Fields, Kind, Order},
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
    let total = query.count.unwrap_or(false).then(|| count(reader, &condition, &params)).transpose()?;
    let deleted = query.deleted.as_deref().unwrap_or_default();
    let question = ["users", query.filter.as_deref().unwrap_or_default(), sort, deleted];
    if let Some(cursor) = &query.cursor {
        let position = key.open(&question, cursor)?;
        let behind = order
            .after(&position, &mut params)
            .ok_or_else(|| Error::invalid_at("/cursor", "invalid_cursor", "This cursor belongs to another sort."))?;
        condition = format!("{condition} AND ({behind})");
    }
    params.push((limit + 1).into());
    let sql = format!(
        "SELECT {}, {} FROM users WHERE {condition} ORDER BY {} LIMIT ?{}",
        store::COLUMNS,
        order.columns(),
        order.sql(),
        params.len()
    );
    let mut rows =
        reader.query_all(&sql, &params, |row| Ok((store::read(row)?, order.position(row, store::COLUMN_COUNT)?)))?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|(_, position)| key.seal(&question, position));
    let mut users: Vec<User> = rows.into_iter().map(|(user, _)| user).collect();
    store::add_roles(reader, &mut users)?;
    let items = show_all(reader, identity, users, picked.as_deref())?;
    Ok(Page { items, next_cursor, total })
}

fn count(reader: &Reader<'_>, condition: &str, params: &[Param<'_>]) -> Result<i64> {
    let sql = format!("SELECT count(*) FROM users WHERE {condition}");
    Ok(reader.query_one(&sql, params, |row| row.get(0))?.unwrap_or(0))
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
            let sql = format!("SELECT {} FROM users WHERE deleted_at IS NULL ORDER BY email_key", store::COLUMNS);
            let mut users = reader.query_all(&sql, &[], store::read)?;
            let locked = self.lockout.locked(reader)?;
            for portion in users.chunks_mut(200) {
                store::add_roles(reader, portion)?;
            }
            let view = |user: User| {
                let until = locked.get(&self.account_key(&user.email)).copied();
                UserView::new(user, until)
            };
            Ok(users.into_iter().map(view).collect())
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
