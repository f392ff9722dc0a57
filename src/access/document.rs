//! The access matrix as a document for people: Markdown with tables.

use super::matrix::{Field, Key, Matrix, Row};
use crate::{clock::Time, permit::Action};
use std::{collections::BTreeMap, fmt::Write as _};

impl Matrix {
    /// The document of what was enforced at `at`.
    pub fn markdown(&self, at: Time) -> String {
        let mut text = format!("# Access matrix\n\nAs enforced at {at}. What is not said is not allowed.\n\n");
        text.push_str("## Roles\n\n| Role | Sees fields up to |\n| --- | --- |\n");
        for (role, clearance) in &self.clearances {
            line(&mut text, [cell(role), clearance.to_string()]);
        }
        text.push_str("\n## What each role may do\n\n");
        self.rights(&mut text);
        if let Some(keys) = &self.keys {
            text.push_str("\n## What each API key may do\n\n");
            keys_table(keys, &mut text);
        }
        text.push_str("\n## Who may read which field\n\n");
        self.fields_table(&mut text);
        text
    }

    fn rights(&self, text: &mut String) {
        let heading = ["Resource", "Action"].map(str::to_owned).into_iter();
        line(text, heading.chain(self.roles.iter().map(|role| cell(role))));
        line(text, (0..self.roles.len() + 2).map(|_| "---".to_owned()));
        for row in &self.resources {
            for action in row.actions {
                let held = self.roles.iter().map(|role| reach(row, role, *action));
                line(text, [row.name.clone(), action.as_str().to_owned()].into_iter().chain(held));
            }
        }
    }

    fn fields_table(&self, text: &mut String) {
        if self.fields.is_empty() {
            text.push_str("No entity type declares or marks a field: every field is internal.\n");
            return;
        }
        text.push_str("| Type | Field | Sensitivity | Read by the roles | By the keys |\n");
        text.push_str("| --- | --- | --- | --- | --- |\n");
        for field in &self.fields {
            let roles = field.readable_by.iter().map(|role| cell(role)).collect();
            line(
                text,
                [
                    field.r#type.clone(),
                    cell(&field.path),
                    field.sensitivity.to_string(),
                    names(roles),
                    self.keys_of(field),
                ],
            );
        }
    }

    fn keys_of(&self, field: &Field) -> String {
        let Some(readers) = &field.readable_by_keys else { return "not told".to_owned() };
        let keys = self.keys.iter().flatten().filter(|key| readers.contains(&key.id));
        names(keys.map(|key| cell(&key.name)).collect())
    }
}

fn reach(row: &Row, role: &str, action: Action) -> String {
    let held = row.grants.get(role).and_then(|actions| actions.get(&action));
    held.map_or_else(|| "–".to_owned(), |reach| cell(reach))
}

fn keys_table(keys: &[Key], text: &mut String) {
    if keys.is_empty() {
        text.push_str("No key works at present.\n");
        return;
    }
    text.push_str("| Key | Owner | Sees fields up to | May |\n| --- | --- | --- | --- |\n");
    for key in keys {
        let held = key.grants.iter().map(|(resource, actions)| format!("{}: {}", resource, told(actions))).collect();
        line(text, [cell(&key.name), cell(&key.owner_email), key.clearance.to_string(), names(held)]);
    }
}

fn told(actions: &BTreeMap<Action, String>) -> String {
    let one = |(action, reach): (&Action, &String)| match reach.as_str() {
        "any" => action.as_str().to_owned(),
        reach => format!("{} {}", action.as_str(), cell(reach)),
    };
    actions.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn names(names: Vec<String>) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join("; ") }
}

fn line(text: &mut String, cells: impl IntoIterator<Item = String>) {
    text.push('|');
    for cell in cells {
        let _ = write!(text, " {cell} |");
    }
    text.push('\n');
}

/// What somebody typed, so that it stays one cell and plain text.
fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '|' | '`' | '*' | '[' | ']' => safe.extend(['\\', c]),
            '<' => safe.push_str("&lt;"),
            '&' => safe.push_str("&amp;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
