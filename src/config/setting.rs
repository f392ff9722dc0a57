//! What a key can hold: how each type is read from a file or from text, shown, and described.

use super::kinds::Token;
use crate::cron::Cron;
use ipnet::IpNet;
use jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};
use toml::Value;

/// What a key takes, as far as a form needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Shape {
    Text,
    Number,
    Switch,
    Choice {
        of: Vec<&'static str>,
    },
    List,
    /// Entries of free names.
    Table {
        of: Box<Shape>,
    },
}

/// A type that a key can have.
pub trait Setting: Sized {
    /// Never shown.
    const SECRET: bool = false;
    /// Holds entries of free names, so that `section.key.name` is one entry.
    const TABLE: bool = false;

    /// What is legal, to follow "must be".
    fn form() -> String;

    fn shape() -> Shape {
        Shape::Text
    }

    /// The value as a file gives it; none when it is not legal.
    fn read(value: &Value) -> Option<Self>;

    /// The value as a file would give it; none when it is not set.
    fn write(&self) -> Option<Value>;

    /// What the environment or a flag says, as a file would say it.
    fn from_text(text: &str) -> Value {
        Value::String(text.to_owned())
    }
}

impl Setting for u32 {
    fn form() -> String {
        "a whole number".into()
    }

    fn shape() -> Shape {
        Shape::Number
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_integer().and_then(|number| Self::try_from(number).ok())
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Integer(i64::from(*self)))
    }

    fn from_text(text: &str) -> Value {
        text.trim().parse().map_or_else(|_| Value::String(text.to_owned()), Value::Integer)
    }
}

impl Setting for bool {
    fn form() -> String {
        "true or false".into()
    }

    fn shape() -> Shape {
        Shape::Switch
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_bool()
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Boolean(*self))
    }

    fn from_text(text: &str) -> Value {
        text.trim().parse().map_or_else(|_| Value::String(text.to_owned()), Value::Boolean)
    }
}

impl Setting for String {
    fn form() -> String {
        "text".into()
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.clone()))
    }
}

impl Setting for SocketAddr {
    fn form() -> String {
        "an address and port such as 127.0.0.1:8080 or [::1]:8080".into()
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.trim().parse().ok()
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.to_string()))
    }
}

impl Setting for Cron {
    fn form() -> String {
        "a cron expression of five fields (minute, hour, day, month, weekday, in UTC) such as 0 3 * * *, or @daily"
            .into()
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_str()?.parse().ok()
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.to_string()))
    }
}

impl Setting for PathBuf {
    fn form() -> String {
        "a path".into()
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_str().filter(|text| !text.is_empty() && !text.contains('\0')).map(Self::from)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.display().to_string()))
    }
}

impl Setting for IpNet {
    fn form() -> String {
        "an address or network such as 10.0.0.1 or 10.0.0.0/8".into()
    }

    fn read(value: &Value) -> Option<Self> {
        let text = value.as_str()?.trim();
        text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Self::from))
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.to_string()))
    }
}

impl Setting for Date {
    fn form() -> String {
        "a date such as 2027-12-31".into()
    }

    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text.trim().parse().ok(),
            Value::Datetime(stamp) => stamp.to_string().parse().ok(),
            _ => None,
        }
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.to_string()))
    }
}

impl Setting for SecretString {
    const SECRET: bool = true;

    fn form() -> String {
        "text, kept secret".into()
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_str().filter(|text| !text.is_empty()).map(Self::from)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.expose_secret().to_owned()))
    }
}

impl Setting for Token {
    const SECRET: bool = true;

    fn form() -> String {
        "a random secret of at least 32 bytes, not an example (`openssl rand -hex 32` makes one)".into()
    }

    fn read(value: &Value) -> Option<Self> {
        Self::parse(value.as_str()?)
    }

    fn write(&self) -> Option<Value> {
        Some(Value::String(self.expose().to_owned()))
    }
}

impl<T: Setting> Setting for Option<T> {
    const SECRET: bool = T::SECRET;

    fn form() -> String {
        T::form()
    }

    fn shape() -> Shape {
        T::shape()
    }

    fn read(value: &Value) -> Option<Self> {
        if value.as_str() == Some("") { Some(None) } else { T::read(value).map(Some) }
    }

    fn write(&self) -> Option<Value> {
        self.as_ref().and_then(T::write)
    }

    fn from_text(text: &str) -> Value {
        if text.is_empty() { Value::String(String::new()) } else { T::from_text(text) }
    }
}

impl<T: Setting> Setting for Vec<T> {
    const SECRET: bool = T::SECRET;

    fn form() -> String {
        format!("a list, each entry {}", T::form())
    }

    fn shape() -> Shape {
        Shape::List
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_array()?.iter().map(T::read).collect()
    }

    fn write(&self) -> Option<Value> {
        Some(Value::Array(self.iter().filter_map(T::write).collect()))
    }

    fn from_text(text: &str) -> Value {
        Value::Array(text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(T::from_text).collect())
    }
}

impl<T: Setting> Setting for BTreeMap<String, T> {
    const SECRET: bool = T::SECRET;
    const TABLE: bool = true;

    fn form() -> String {
        T::form()
    }

    fn shape() -> Shape {
        Shape::Table { of: Box::new(T::shape()) }
    }

    fn read(value: &Value) -> Option<Self> {
        value.as_table()?.iter().map(|(name, value)| Some((name.clone(), T::read(value)?))).collect()
    }

    fn write(&self) -> Option<Value> {
        let entries = self.iter().filter_map(|(name, value)| Some((name.clone(), value.write()?)));
        Some(Value::Table(entries.collect()))
    }

    fn from_text(text: &str) -> Value {
        T::from_text(text)
    }
}
