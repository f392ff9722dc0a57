//! Files of somebody who is to be forgotten, or taken out: their rows go with the change, their contents by a job.

use super::{
    Files,
    model::{COLUMNS, File},
    sight::Sight,
    store,
};
use crate::{
    audit::{self, Event, Rewritten},
    clock::Time,
    data::{entities::Entities, sealed::ERASED},
    error::{Error, Result},
    ids::Id,
    jobs::{self, Engine},
    params,
    permit::{Action, Permit},
    storage::{Param, Reader, Tx},
};
use serde_json::{Value, json};

/// The job that removes contents.
const REMOVE: &str = "files.remove";

/// Whose files are meant.
#[derive(Clone, Copy)]
pub(in crate::data) enum Of {
    Entity(Id),
    Owner(Id),
}

impl Of {
    fn column(self) -> (&'static str, Id) {
        match self {
            Self::Entity(id) => ("entity_id", id),
            Self::Owner(id) => ("owner_id", id),
        }
    }
}

fn some_of(tx: &Tx<'_>, of: Of, most: usize) -> Result<Vec<File>> {
    let (column, id) = of.column();
    let sql = format!("SELECT {COLUMNS} FROM files WHERE {column} = ?1 ORDER BY created_at, id LIMIT ?2");
    tx.query_all(&sql, params![id, i64::try_from(most).unwrap_or(i64::MAX)], File::read)
}

/// Files that an account owns, deleted ones too.
pub(in crate::data) fn count_of_owner(reader: &Reader<'_>, owner: Id) -> Result<i64> {
    let sql = "SELECT count(*) FROM files WHERE owner_id = ?1";
    Ok(reader.query_one(sql, params![owner], |row| row.get(0))?.unwrap_or(0))
}

/// Gives up to `most` files of one account to another; how many those were.
pub(in crate::data) fn hand_over(
    tx: &Tx<'_>,
    (from, to): (Id, Id),
    by: Option<Id>,
    most: usize,
    now: Time,
    tell: &dyn Fn(Event) -> Result<()>,
) -> Result<usize> {
    let files = some_of(tx, Of::Owner(from), most)?;
    for before in &files {
        let after =
            File { owner_id: Some(to), version: before.version + 1, updated_at: now, updated_by: by, ..before.clone() };
        let sql = "UPDATE files SET owner_id = ?2, version = ?3, updated_at = ?4, updated_by = ?5 WHERE id = ?1";
        tx.execute(sql, params![after.id, to, after.version, now, by])?;
        tell(Event::new("file.updated", "file", after.id).changed(before, &after))?;
    }
    Ok(files.len())
}

/// Takes up to `most` files out of the database, and what events tell of them; which those were.
pub(in crate::data) fn forget_of(
    tx: &Tx<'_>,
    of: Of,
    most: usize,
    rewritten: &mut Rewritten,
    now: Time,
) -> Result<Vec<Id>> {
    let files = some_of(tx, of, most)?;
    if files.is_empty() {
        return Ok(Vec::new());
    }
    tx.leave_no_trace();
    for file in &files {
        tx.execute("DELETE FROM files WHERE id = ?1", params![file.id])?;
        audit::rewrite(tx, rewritten, ("file", &file.id.to_string()), |changes| {
            for side in ["before", "after"] {
                let Some(side) = changes.get_mut(side).and_then(Value::as_object_mut) else { continue };
                for name in ["name", "sha256", "details", "error"] {
                    if let Some(value) = side.get_mut(name).filter(|value| !value.is_null()) {
                        *value = ERASED.into();
                    }
                }
            }
            Ok(())
        })?;
    }
    let contents: Vec<_> = files.iter().map(|file| &file.content).collect();
    jobs::enqueue(tx, REMOVE, &contents, now)?;
    Ok(files.iter().map(|file| file.id).collect())
}

/// Files that the caller may read, each with where its content is; the newest first.
pub(in crate::data) fn taken_out(
    reader: &Reader<'_>,
    entities: &Entities,
    permit: &Permit,
    of: Of,
    most: u32,
) -> Result<Value> {
    let (column, id) = of.column();
    let mut params = vec![Param::Id(id), most.into()];
    let seen = Sight::new(entities, permit).seen(Action::Read, &mut params);
    let sql = format!(
        "SELECT {COLUMNS} FROM files WHERE {column} = ?1 AND {seen} ORDER BY created_at DESC, id DESC LIMIT ?2"
    );
    let files = reader.query_all(&sql, &params, File::read)?;
    let shown = files.iter().map(|file| {
        let mut shown = serde_json::to_value(file).map_err(Error::internal)?;
        shown["content_url"] = json!(format!("/api/v1/files/{}/content", file.id));
        Ok(shown)
    });
    shown.collect::<Result<Vec<_>>>().map(Value::from)
}

impl Files {
    /// Registers the job that removes contents with `engine`.
    pub(super) fn remove_with(&self, engine: &mut Engine) {
        let files = self.clone();
        engine.register(REMOVE, move |contents: Vec<String>, _| {
            let files = files.clone();
            async move { files.remove(contents).await }
        });
    }

    /// What was taken up again by a restored database stays.
    async fn remove(&self, contents: Vec<String>) -> Result<()> {
        for content in contents {
            if !self.ledger.db().read(|reader| store::is_content(reader, &content))? {
                self.objects.remove(&content).await?;
            }
        }
        Ok(())
    }
}
