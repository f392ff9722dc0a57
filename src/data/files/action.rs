//! What is done to files: kept, changed, deleted, restored.

use super::{
    Files,
    kinds::{self, Kind},
    model::{File, FileChange, State, Upload},
    process,
    receive::{Received, unfit},
    store,
};
use crate::{
    audit::Event,
    error::{Code, Error, Result},
    ids::Id,
    jobs,
    permit::{Action, Permit},
    refusal::Check,
    validate::FileName,
    web::{Deleted, Precondition},
};
use actix_web::http::Method;

/// What is to be kept, and under which name.
pub(super) struct New {
    pub received: Received,
    pub name: FileName,
    pub entity_id: Option<Id>,
    /// The agreement that it was sent under.
    pub upload: Option<Upload>,
}

pub(super) fn used() -> Error {
    Error::forbidden("This address was used already, or is none.")
        .because(Check::Authentication, "The upload that the address is for has come already, or was given up.")
}

impl Files {
    /// Whether files of a type are taken here.
    pub(super) fn ensure_taken(&self, mime: &str) -> Result<()> {
        let settings = self.config.load();
        let listed = settings.files.allow.is_empty() || settings.files.allow.iter().any(|allowed| &**allowed == mime);
        if listed && Kind::named(mime).is_some() {
            return Ok(());
        }
        let known: Vec<_> = if settings.files.allow.is_empty() {
            crate::config::FILE_TYPES.to_vec()
        } else {
            settings.files.allow.iter().map(|allowed| &**allowed).collect()
        };
        let detail = format!("Files of the type {mime} are not taken here; there are {}.", known.join(", "));
        Err(Error::new(Code::UnsupportedMediaType, detail))
    }

    fn inspect(&self, permit: &Permit, route: (&Method, &'static str), name: &FileName) -> Result<()> {
        let (inspection, (method, path)) = (&self.entities.inspection, route);
        let mode = inspection.mode_of(method, path);
        let parts = [("name".into(), name.as_str().into())].into_iter();
        inspection.parameters(&permit.actor(), mode, &format!("{method} {path}"), parts)
    }

    /// The content goes to the store under a name of its own first; then row, event and job appear together. What the
    /// row never came for is nobody's, and the store is swept of it.
    pub(super) async fn keep(&self, permit: &Permit, new: New) -> Result<File> {
        let New { received, name, entity_id, upload } = new;
        self.inspect(permit, (&Method::POST, "/files"), &name)?;
        let text = name.as_str().to_owned();
        let kind = received.look(move |file| kinds::tell(file, &text)).await?.map_err(unfit)?;
        let kind = agreed(kind, upload.as_ref())?;
        self.ensure_taken(kind.mime())?;
        let sight = self.sight(permit);
        if let Some(entity) = entity_id {
            self.ledger.db().read(|reader| sight.ties.ensure(reader, entity, "/entity_id"))?;
        }
        let (now, user) = (self.ledger.clock().now(), permit.user_id());
        let file = File {
            id: upload.as_ref().map_or_else(Id::new, |upload| upload.id),
            name: name.as_str().to_owned(),
            content_type: kind.mime().to_owned(),
            size: received.size,
            sha256: received.sha256.clone(),
            entity_id,
            owner_id: user,
            state: State::Processing,
            details: serde_json::json!({}),
            error: None,
            version: 1,
            created_at: now,
            updated_at: now,
            created_by: user,
            updated_by: user,
            deleted_at: None,
            deleted_by: None,
            content: Id::new().to_string(),
            job_id: None,
        };
        self.objects.put(&file.content, received.path()).await?;
        let content = file.content.clone();
        let kept = self
            .ledger
            .change(&permit.actor(), move |tx| {
                if let Some(upload) = &upload
                    && !store::take_upload(tx, upload.id)?
                {
                    return Err(used());
                }
                if let Some(entity) = file.entity_id {
                    sight.ties.ensure(tx, entity, "/entity_id")?;
                }
                let job_id = Some(jobs::enqueue(tx, process::JOB, &process::Job { file_id: file.id }, now)?);
                let file = File { job_id, ..file.clone() };
                store::insert(tx, &file)?;
                if !store::is_seen(tx, &sight, file.id, Action::Create)? {
                    return Err(Error::forbidden("Your permission does not reach a file like this.").because(
                        Check::Ownership,
                        "As it would be kept, the permission to create does not reach it.",
                    ));
                }
                let event = Event::new("file.created", "file", file.id).after(&file);
                Ok((file, event))
            })
            .await;
        if kept.is_err()
            && let Err(error) = self.objects.remove(&content).await
        {
            tracing::warn!(?error, content, "a content that nobody keeps stays until the store is swept");
        }
        kept
    }

    pub(super) async fn change(
        &self,
        permit: &Permit,
        id: Id,
        change: FileChange,
        precondition: Precondition,
    ) -> Result<File> {
        if let Some(name) = &change.name {
            super::upload::name(name.as_str()).map_err(|_| {
                Error::invalid_at("/name", "invalid_name", "Escapes in a name must not stand for what no name holds.")
            })?;
        }
        let (sight, clock, user) = (self.sight(permit), self.ledger.clock().clone(), permit.user_id());
        self.ledger
            .change(&permit.actor(), move |tx| {
                let before = store::find_for(tx, &sight, id, Action::Update, Deleted::Without)?;
                precondition.check_version(before.version)?;
                let mut after = before.clone();
                if let Some(name) = &change.name {
                    name.as_str().clone_into(&mut after.name);
                }
                if let Some(entity) = change.entity_id.filter(|entity| *entity != before.entity_id) {
                    for end in before.entity_id.into_iter().chain(entity) {
                        sight.ties.ensure(tx, end, "/entity_id")?;
                    }
                    after.entity_id = entity;
                }
                if after == before {
                    return Ok((after, None));
                }
                (after.version, after.updated_at, after.updated_by) = (before.version + 1, clock.now(), user);
                store::update(tx, &after)?;
                if !store::is_seen(tx, &sight, id, Action::Update)? {
                    return Err(Error::forbidden("Your permission does not reach a file like this."));
                }
                let event = Event::new("file.updated", "file", id).changed(&before, &after);
                Ok((after, Some(event)))
            })
            .await
    }

    /// The content stays until the time for a restoration is over.
    pub(super) async fn delete(&self, permit: &Permit, id: Id, precondition: Precondition) -> Result<()> {
        let (sight, clock, user) = (self.sight(permit), self.ledger.clock().clone(), permit.user_id());
        self.ledger
            .change(&permit.actor(), move |tx| {
                let before = store::find_for(tx, &sight, id, Action::Delete, Deleted::Without)?;
                precondition.check_version(before.version)?;
                let now = clock.now();
                let after = File {
                    deleted_at: Some(now),
                    deleted_by: user,
                    version: before.version + 1,
                    updated_at: now,
                    updated_by: user,
                    ..before.clone()
                };
                store::update(tx, &after)?;
                Ok(((), Event::new("file.deleted", "file", id).changed(&before, &after)))
            })
            .await
    }

    /// What is not deleted stays as it is.
    pub(super) async fn restore(&self, permit: &Permit, id: Id, precondition: Precondition) -> Result<File> {
        let (sight, clock, user) = (self.sight(permit), self.ledger.clock().clone(), permit.user_id());
        self.ledger
            .change(&permit.actor(), move |tx| {
                let before = store::find_for(tx, &sight, id, Action::Delete, Deleted::Include)?;
                precondition.check_version(before.version)?;
                if before.deleted_at.is_none() {
                    return Ok((before, None));
                }
                let after = File {
                    deleted_at: None,
                    deleted_by: None,
                    version: before.version + 1,
                    updated_at: clock.now(),
                    updated_by: user,
                    ..before.clone()
                };
                store::update(tx, &after)?;
                let event = Event::new("file.restored", "file", id).changed(&before, &after);
                Ok((after, Some(event)))
            })
            .await
    }
}

/// The kind that was agreed on; which kind of text it is, the agreement may say.
fn agreed(told: Kind, upload: Option<&Upload>) -> Result<Kind> {
    let Some(upload) = upload else { return Ok(told) };
    let named = Kind::named(&upload.content_type).unwrap_or(told);
    if named == told || named.is_text() && told.is_text() {
        return Ok(named);
    }
    let detail = format!("The content is {}, while {} was agreed on.", told.mime(), named.mime());
    Err(Error::new(Code::UnsupportedMediaType, detail))
}
