//! Reading, checking and writing the rows of an import.

use super::{
    Import, Mode, ROWS, Report, is_of_row, rows,
    rows::Incoming,
    spool::{Prepared, Spool},
};
use crate::{
    audit::Event,
    data::{
        entities::{
            draft::EntityPatch,
            model::Entity,
            routes::ensure_may_update,
            scope::Scope,
            store,
            upsert::Match,
            write::{Change, Entities, created, insert, update},
        },
        entity_types::{EntityTypes, UniqueField},
    },
    error::{Error, Result},
    permit::{Action, Permit},
    storage::{Reader, Tx},
    web::Deleted,
};
use std::{io::Read, sync::Arc};

/// Rows in one transaction when wrong ones are skipped.
const CHUNK: usize = 500;

#[derive(Clone, Copy)]
enum Done {
    Created,
    Updated,
}

impl Report {
    fn count(&mut self, done: Done) {
        match done {
            Done::Created => self.created += 1,
            Done::Updated => self.updated += 1,
        }
    }
}

impl Entities {
    /// Imports everything from `input`; `progress` hears how many rows were read, and may end it before the whole
    /// is written. For threads where blocking is fine.
    pub fn import(
        &self,
        permit: &Permit,
        entity_type: &str,
        import: &Import,
        input: &mut dyn Read,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Report> {
        let scope = self.scope(permit, entity_type)?;
        let by = import.upsert_on.as_deref().map(|pointer| {
            ensure_may_update(permit, &scope)?;
            Match::field(&scope, pointer)
        });
        let by = by.transpose()?;
        let mut each_row = |row: u64| if row.is_multiple_of(1000) { progress(row) } else { Ok(()) };
        match import.mode {
            Mode::AllOrNothing => self.import_whole(scope, import, by, input, &mut each_row),
            Mode::SkipErrors => self.import_good(&scope, import, by.as_ref(), input, &mut each_row),
        }
    }

    fn import_whole(
        &self,
        scope: Scope,
        import: &Import,
        by: Option<UniqueField>,
        input: &mut dyn Read,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Report> {
        let mut report = Report::default();
        let mut spool = Spool::new(&self.scratch)?;
        let mut count = 0;
        rows::read(input, import, &scope.entity_type, |row, incoming| {
            progress(row)?;
            count += 1;
            if count > ROWS {
                let message = format!("More than {ROWS} rows go in with mode=skip_errors, or in several files.");
                return Err(Error::invalid_at("/mode", "too_many_rows", message));
            }
            match incoming.and_then(|incoming| self.prepare(&scope, incoming, by.as_ref())) {
                Ok(prepared) if report.failed == 0 => spool.push(&prepared),
                Ok(_) => Ok(()),
                Err(error) if is_of_row(&error) => {
                    report.fail(row, &error);
                    Ok(())
                }
                Err(error) => Err(error),
            }
        })?;
        if report.failed > 0 {
            return Err(report.refusal());
        }
        // Whoever is gone by now may not have sent everything.
        progress(count)?;
        let (rows, entities, actor) = (spool.finish()?, self.clone(), scope.permit.actor());
        self.ledger.change_rows_blocking(&actor, move |tx, record| {
            EntityTypes::ensure_current(tx, &scope.entity_type)?;
            let mut report = Report::default();
            rows.each(|prepared| match entities.write(tx, &scope, &prepared, by.as_ref()) {
                Ok((done, event)) => {
                    report.count(done);
                    event.map_or(Ok(()), record)
                }
                Err(error) if is_of_row(&error) => {
                    let mut failed = Report::default();
                    failed.fail(prepared.row(), &error);
                    Err(failed.refusal())
                }
                Err(error) => Err(error),
            })?;
            Ok(report)
        })
    }

    fn import_good(
        &self,
        scope: &Scope,
        import: &Import,
        by: Option<&UniqueField>,
        input: &mut dyn Read,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Report> {
        let mut report = Report::default();
        let mut chunk = Vec::with_capacity(CHUNK);
        rows::read(input, import, &scope.entity_type, |row, incoming| {
            progress(row)?;
            match incoming.and_then(|incoming| self.prepare(scope, incoming, by)) {
                Ok(prepared) => chunk.push(prepared),
                Err(error) if is_of_row(&error) => report.fail(row, &error),
                Err(error) => return Err(error),
            }
            if chunk.len() == CHUNK {
                self.write_chunk(scope, std::mem::take(&mut chunk), by, &mut report)?;
            }
            Ok(())
        })?;
        self.write_chunk(scope, chunk, by, &mut report)?;
        Ok(report)
    }

    /// Writes a chunk in one transaction; when a row in it is wrong after all, each row in one of its own.
    fn write_chunk(
        &self,
        scope: &Scope,
        chunk: Vec<Prepared>,
        by: Option<&UniqueField>,
        report: &mut Report,
    ) -> Result<()> {
        let chunk = Arc::new(chunk);
        match self.write_rows(scope, &chunk, 0..chunk.len(), by) {
            Ok(done) => done.into_iter().for_each(|done| report.count(done)),
            Err(error) if is_of_row(&error) => {
                for index in 0..chunk.len() {
                    match self.write_rows(scope, &chunk, index..index + 1, by) {
                        Ok(done) => done.into_iter().for_each(|done| report.count(done)),
                        Err(error) if is_of_row(&error) => report.fail(chunk[index].row(), &error),
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn write_rows(
        &self,
        scope: &Scope,
        chunk: &Arc<Vec<Prepared>>,
        part: std::ops::Range<usize>,
        by: Option<&UniqueField>,
    ) -> Result<Vec<Done>> {
        if part.is_empty() {
            return Ok(Vec::new());
        }
        let (entities, scope, chunk, actor) = (self.clone(), scope.clone(), chunk.clone(), scope.permit.actor());
        let by = by.cloned();
        self.ledger.change_rows_blocking(&actor, move |tx, record| {
            EntityTypes::ensure_current(tx, &scope.entity_type)?;
            let mut all = Vec::with_capacity(part.len());
            for prepared in &chunk[part.clone()] {
                let (done, event) = entities.write(tx, &scope, prepared, by.as_ref())?;
                event.map_or(Ok(()), record)?;
                all.push(done);
            }
            Ok(all)
        })
    }

    /// Checks a row as far as that goes before the writer's turn.
    fn prepare(&self, scope: &Scope, incoming: Incoming, by: Option<&UniqueField>) -> Result<Prepared> {
        rows::check(&incoming)?;
        incoming.patch.inspect(self, scope)?;
        let now = self.ledger.clock().now();
        if let Some(id) = incoming.id {
            let known = self.ledger.db().read(|reader| {
                let taken = store::is_taken(reader, id)?;
                taken.then(|| store::find_for(reader, scope, id, Action::Update, Deleted::Without)).transpose()
            });
            let hidden = "There is an entity with this id that you cannot change.";
            let known = known.map_err(|error| {
                if is_of_row(&error) { Error::invalid_at("/id", "not_writable", hidden) } else { error }
            })?;
            if let Some(old) = known {
                incoming.patch.apply(scope, &old, now)?;
                return Ok(Prepared::Known { id, incoming });
            }
        }
        if let Some(field) = by.filter(|_| incoming.id.is_none()) {
            let wanted = Match::new(scope, field.clone(), incoming.patch.data.as_ref().and_then(Option::as_ref))?;
            let known = self.ledger.db().read(|reader| Self::matching(reader, scope, &wanted))?;
            match known {
                Some(old) => incoming.patch.apply(scope, &old, now).map(drop)?,
                None => incoming.patch.clone().into_new().into_entity(scope, now).map(drop)?,
            }
            return Ok(Prepared::Matched { incoming });
        }
        let Incoming { row, id, patch } = incoming;
        let entity = patch.into_new().into_entity_as(scope, id.unwrap_or_default(), now)?;
        Ok(Prepared::New { row, entity: Box::new(entity) })
    }

    fn matching(reader: &Reader<'_>, scope: &Scope, wanted: &Match) -> Result<Option<Entity>> {
        let Some(id) = wanted.find(reader, scope)? else { return Ok(None) };
        let found = store::find_for(reader, scope, id, Action::Update, Deleted::Without);
        found.map(Some).map_err(|error| wanted.hide(scope, error))
    }

    fn write(
        &self,
        tx: &Tx<'_>,
        scope: &Scope,
        prepared: &Prepared,
        by: Option<&UniqueField>,
    ) -> Result<(Done, Option<Event>)> {
        match prepared {
            Prepared::New { entity, .. } => Self::write_new(tx, scope, entity),
            Prepared::Known { id, incoming } => {
                let old = store::find_for(tx, scope, *id, Action::Update, Deleted::Without)?;
                self.write_over(tx, scope, &incoming.patch, &old)
            }
            Prepared::Matched { incoming } => {
                let field = by.ok_or_else(|| Error::internal("a row is to be matched by no field"))?;
                let data = incoming.patch.data.as_ref().and_then(Option::as_ref);
                if let Some(old) = Self::matching(tx, scope, &Match::new(scope, field.clone(), data)?)? {
                    self.write_over(tx, scope, &incoming.patch, &old)
                } else {
                    let new = incoming.patch.clone().into_new();
                    Self::write_new(tx, scope, &new.into_entity(scope, self.ledger.clock().now())?)
                }
            }
        }
    }

    fn write_new(tx: &Tx<'_>, scope: &Scope, entity: &Entity) -> Result<(Done, Option<Event>)> {
        insert(tx, scope, entity)?;
        Ok((Done::Created, Some(created(entity, entity.state(&scope.entity_type)?))))
    }

    fn write_over(
        &self,
        tx: &Tx<'_>,
        scope: &Scope,
        patch: &EntityPatch,
        old: &Entity,
    ) -> Result<(Done, Option<Event>)> {
        let new = patch.apply(scope, old, self.ledger.clock().now())?;
        if new == *old {
            return Ok((Done::Updated, None));
        }
        let event = update(tx, scope, Change::UPDATE, old, &new)?;
        self.cache.outdate(tx, vec![new.id]);
        Ok((Done::Updated, Some(event)))
    }
}
