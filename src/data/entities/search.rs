//! `?q=`: which entities hold the words where the caller may read them.

use super::{scope::Scope, store, write::Entities};
use crate::{
    data::pointer,
    error::Result,
    filter::{Field, Kind},
    permit::Action,
    storage::{
        Param, Reader,
        search::{SearchIndex, Sight, Words, looks_like},
    },
    web::Deleted,
};

/// What is asked of the entities of a type: where they are, and what each of them fulfils.
pub(super) struct Question {
    pub tables: String,
    pub condition: String,
    pub params: Vec<Param<'static>>,
    /// Set where the rows come in the order of creation by themselves.
    pub number: Option<Field>,
}

impl Question {
    /// Of what the caller reaches, those that fulfil the filter and hold the words of `q`.
    pub fn new(
        entities: &Entities,
        scope: &Scope,
        deleted: Deleted,
        filter: Option<&str>,
        q: Option<&str>,
        by_creation: bool,
    ) -> Result<Self> {
        let mut params = Vec::new();
        let mut condition = store::of_type(&scope.entity_type.name, deleted);
        if !scope.reaches_all(Action::Read) {
            condition = format!("{condition} AND {}", scope.condition(Action::Read, &mut params));
        }
        if let Some(text) = filter {
            condition = format!("{condition} AND {}", scope.filter(text, &mut params)?);
        }
        let mut question = Self { tables: "entities".to_owned(), condition, params, number: None };
        if let Some(text) = q.filter(|text| !text.trim().is_empty()) {
            let words = Words::parse(text)?;
            match &scope.entity_type.search {
                Some(pointers) => {
                    pointers.iter().filter_map(|pointer| pointer::segments(pointer)).for_each(|path| scope.name(&path));
                }
                None => scope.name(&[]),
            }
            entities.ledger.db().read(|reader| question.search(reader, scope, &words, by_creation))?;
        }
        Ok(question)
    }

    fn and(&mut self, condition: &str) {
        self.condition = format!("{} AND {condition}", self.condition);
    }

    fn place(&mut self, param: Param<'static>) -> String {
        self.params.push(param);
        format!("?{}", self.params.len())
    }

    /// By the type's index where there is one, else by looking at each entity. Either way only what the caller's mask
    /// shows whole is looked into.
    fn search(&mut self, reader: &Reader<'_>, scope: &Scope, words: &Words, by_creation: bool) -> Result<()> {
        let shows = |path: &[String]| scope.mask().shows(path);
        let index = SearchIndex::of(reader, &scope.entity_type.name)?;
        let Some(index) = index.filter(|index| index.ready) else {
            let sight = if let Some(pointers) = &scope.entity_type.search {
                let paths = pointers.iter().filter_map(|pointer| pointer::segments(pointer));
                Sight { only: Some(paths.filter(|path| shows(path)).collect()), hidden: Vec::new() }
            } else {
                let mut sight = scope.mask().sight();
                sight.hidden.extend(scope.entity_type.personal().iter().map(|field| field.path.clone()));
                sight
            };
            let (sight, words) = (self.place(sight.param()), self.place(words.param()));
            self.and(&looks_like("name", "data", &sight, &words));
            return Ok(());
        };
        let Some(asked) = index.asked(reader, words, shows)? else {
            self.and("1 = 0");
            return Ok(());
        };
        let place = self.place(asked);
        if by_creation {
            let (tables, matches) = index.tables(&place);
            self.tables = tables;
            self.and(&matches);
            self.number = Some(Field::column(index.number(), Kind::Number).never_null());
        } else {
            self.and(&index.among(&place));
        }
        Ok(())
    }
}
