//! The one list of what is sealed in the database, and how it is sealed anew under the current key.

use crate::{
    clock::Time,
    error::Result,
    params,
    secrets::{Keyring, Purpose},
    storage::{Reader, Tx, json_text},
};

/// Where sealed values stand, and to whom each belongs.
struct Column {
    purpose: Purpose,
    table: &'static str,
    /// Tells its rows apart.
    key: &'static str,
    sealed: &'static str,
    /// The member of a JSON object that is sealed, where not the whole column is.
    member: Option<&'static str>,
    /// What the owner that a value is bound to is made of.
    owned_by: &'static str,
    owner: fn(&str) -> String,
}

/// One that is missing here would lose its key; a test looks through the whole database for what a key sealed.
const COLUMNS: &[Column] = &[
    Column {
        purpose: Purpose::Fields,
        table: "totp",
        key: "user_id",
        sealed: "secret",
        member: None,
        owned_by: "user_id",
        owner: |user| format!("totp:{user}"),
    },
    Column {
        purpose: Purpose::Fields,
        table: "idempotency_keys",
        key: "key",
        sealed: "answer",
        member: None,
        owned_by: "key",
        owner: |key| format!("idempotency:{key}"),
    },
    Column {
        purpose: Purpose::Fields,
        table: "jobs",
        key: "id",
        sealed: "payload",
        member: Some("$.sealed"),
        owned_by: "kind",
        owner: str::to_owned,
    },
    Column {
        purpose: Purpose::Fields,
        table: "data_keys",
        key: "subject",
        sealed: "wrapped",
        member: None,
        owned_by: "subject || ':' || key_id",
        owner: |key| format!("data-key:{key}"),
    },
    Column {
        purpose: Purpose::Webhooks,
        table: "webhooks",
        key: "id",
        sealed: "secret",
        member: None,
        owned_by: "id",
        owner: |id| format!("webhook:{id}"),
    },
    Column {
        purpose: Purpose::Webhooks,
        table: "webhooks",
        key: "id",
        sealed: "old_secret",
        member: None,
        owned_by: "id",
        owner: |id| format!("webhook:{id}"),
    },
];

/// Rows in one transaction.
const PAGE: i64 = 200;

impl Column {
    fn value(&self) -> String {
        self.member.map_or_else(|| self.sealed.to_owned(), |member| json_text(self.sealed, member))
    }

    /// A sealed value begins with the id of its key and a dot; `/` comes after the dot.
    fn count(&self, reader: &Reader<'_>, key: &str) -> Result<i64> {
        let value = self.value();
        let sql = format!("SELECT count(*) FROM {} WHERE {value} >= ?1 AND {value} < ?2", self.table);
        Ok(reader.query_one(&sql, params![format!("{key}."), format!("{key}/")], |row| row.get(0))?.unwrap_or(0))
    }

    /// Seals the next rows anew; the last of them, unless there is none.
    fn reseal(&self, tx: &Tx<'_>, keyring: &Keyring, key: &str, after: &str, now: Time) -> Result<Option<String>> {
        let (value, own, table, column) = (self.value(), self.key, self.table, self.sealed);
        let sql = format!(
            "SELECT {own}, {}, {value} FROM {table} WHERE {value} >= ?1 AND {value} < ?2 AND {own} > ?3 \
             ORDER BY {own} LIMIT ?4",
            self.owned_by
        );
        let bounds = params![format!("{key}."), format!("{key}/"), after, PAGE];
        let read =
            |row: &crate::storage::Row<'_>| Ok((row.get::<String>(0)?, row.get::<String>(1)?, row.get::<String>(2)?));
        let rows = tx.query_all(&sql, bounds, read)?;
        let change = format!("UPDATE {table} SET {column} = replace({column}, ?2, ?3) WHERE {own} = ?1");
        for (id, owned_by, sealed) in &rows {
            let owner = (self.owner)(owned_by);
            match keyring.unseal(self.purpose, &owner, sealed, now) {
                Ok(plain) => {
                    let anew = keyring.seal(self.purpose, &owner, &plain)?;
                    tx.execute(&change, params![id, sealed, anew])?;
                }
                // It was broken before; its key stays, so that nothing is lost that may still be saved.
                Err(error) => tracing::error!(table, id, ?error, "a sealed value cannot be sealed anew"),
            }
        }
        Ok(rows.last().map(|(id, ..)| id.clone()))
    }
}

/// How many values are sealed with this key.
pub(super) fn count(reader: &Reader<'_>, purpose: Purpose, key: &str) -> Result<i64> {
    of(purpose).map(|column| column.count(reader, key)).sum()
}

/// Where the work of sealing anew stands.
#[derive(Clone, Default)]
pub(super) struct Place {
    column: usize,
    after: String,
}

/// One page of the work under a retiring key; the place to go on from, or none when it is done.
pub(super) fn reseal(
    tx: &Tx<'_>,
    keyring: &Keyring,
    purpose: Purpose,
    key: &str,
    place: &Place,
    now: Time,
) -> Result<Option<Place>> {
    let Some(column) = of(purpose).nth(place.column) else { return Ok(None) };
    Ok(Some(match column.reseal(tx, keyring, key, &place.after, now)? {
        Some(after) => Place { column: place.column, after },
        None => Place { column: place.column + 1, after: String::new() },
    }))
}

fn of(purpose: Purpose) -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(move |column| column.purpose == purpose)
}
