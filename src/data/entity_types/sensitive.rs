//! Which of a type's confidential and restricted fields stand in what somebody is shown.

use super::model::Definition;
use crate::{
    audit::{Fields, Watched},
    data::pointer,
    permit::Clearance,
};
use memchr::memmem::Finder;
use std::sync::Arc;

/// The fields of a type whose reading is recorded.
#[derive(Debug)]
pub(super) struct Sensitive {
    watched: Arc<Watched>,
    fields: Vec<Field>,
}

#[derive(Debug)]
struct Field {
    sensitivity: Clearance,
    path: Vec<String>,
    /// How the text of `data` says the last name of the path.
    member: Finder<'static>,
}

impl Sensitive {
    pub fn new(definition: &Definition) -> Self {
        let marked = definition.fields.iter().filter(|(_, options)| options.sensitivity >= Clearance::Confidential);
        let found = marked.filter_map(|(text, options)| {
            let path = pointer::segments(text)?;
            let name = serde_json::to_string(path.last()?).ok()?;
            let member = Finder::new(&format!("{name}:")).into_owned();
            Some((text.clone(), Field { sensitivity: options.sensitivity, path, member }))
        });
        let (names, fields) = found.unzip();
        Self { watched: Arc::new(Watched { name: definition.name.clone(), fields: names }), fields }
    }

    pub fn watched(&self) -> &Arc<Watched> {
        &self.watched
    }

    fn those(&self, clearance: Clearance, holds: impl Fn(&Field) -> bool) -> Fields {
        let mut found = Fields::default();
        if clearance < Clearance::Confidential {
            return found;
        }
        for (place, field) in self.fields.iter().enumerate() {
            if field.sensitivity <= clearance && holds(field) {
                found.insert(place);
            }
        }
        found
    }

    /// Those that `text`, compact JSON as somebody with `clearance` sees it, holds: none is missed, and one is told
    /// too many where another member has the same name.
    pub fn in_text(&self, clearance: Clearance, text: &[u8]) -> Fields {
        self.those(clearance, |field| field.member.find(text).is_some())
    }

    /// Those that a question about `path` asks for.
    pub fn at(&self, clearance: Clearance, path: &[String]) -> Fields {
        self.those(clearance, |field| field.path.starts_with(path) || path.starts_with(&field.path))
    }
}
