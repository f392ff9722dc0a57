//! Settings by route.

use super::{
    kinds::{InspectionMode, is_route},
    setting::{Setting, Shape},
};
use std::{collections::BTreeMap, ops::Deref};
use toml::Value;

/// What inspection does by route, from entries such as `"POST /users" = "block"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InspectionRoutes(BTreeMap<String, InspectionMode>);

impl Deref for InspectionRoutes {
    type Target = BTreeMap<String, InspectionMode>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Setting for InspectionRoutes {
    const TABLE: bool = true;

    fn form() -> String {
        format!("named by a route such as \"POST /users\", {}", InspectionMode::form())
    }

    fn shape() -> Shape {
        Shape::Table { of: Box::new(InspectionMode::shape()) }
    }

    fn read(value: &Value) -> Option<Self> {
        let entry = |(pattern, value): (&String, &Value)| {
            let mode = InspectionMode::read(value)?;
            is_route(pattern).then(|| (pattern.clone(), mode))
        };
        value.as_table()?.iter().map(entry).collect::<Option<_>>().map(Self)
    }

    fn write(&self) -> Option<Value> {
        let entries = self.0.iter().filter_map(|(pattern, mode)| Some((pattern.clone(), mode.write()?)));
        Some(Value::Table(entries.collect()))
    }

    fn from_text(text: &str) -> Value {
        InspectionMode::from_text(text)
    }
}
