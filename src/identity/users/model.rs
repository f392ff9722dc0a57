//! A user as it is kept, shown, made and changed.

use crate::{
    access::ANONYMOUS,
    clock::Time,
    error::Faults,
    identity::{Email, Password},
    ids::Id,
    validate::has_control,
    web::{Body, nullable},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const NAME_CHARS: usize = 200;
const DATA_BYTES: usize = 10 * 1024;
/// Levels of `data`, and keys in all of it, at most: as entities have them.
const DATA_DEPTH: usize = 8;
const DATA_KEYS: usize = 200;
const ROLES: usize = 100;
pub(super) const SERVICES_HAVE_KEYS: &str = "A service account has no password; it calls with API keys.";

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal),+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($variant),+ }

        impl $name {
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub(super) fn parse(text: &str) -> Option<Self> {
                match text { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

words!(
    /// Who the account is for.
    Kind { Person = "person", Service = "service" }
);
words!(
    /// Whether one can sign in to it.
    Status { Active = "active", Disabled = "disabled", Pending = "pending" }
);

#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct User {
    pub id: Id,
    pub email: String,
    pub name: Option<String>,
    pub kind: Kind,
    pub status: Status,
    pub roles: Vec<String>,
    pub data: Map<String, Value>,
    pub created_at: Time,
    pub updated_at: Time,
    pub last_login_at: Option<Time>,
    pub deleted_at: Option<Time>,
    pub deleted_by: Option<Id>,
    #[serde(skip)]
    pub mfa_enabled: bool,
    #[serde(skip)]
    pub version: i64,
}

impl User {
    /// May do things.
    pub fn is_active(&self) -> bool {
        self.status == Status::Active && self.deleted_at.is_none()
    }

    /// May have sessions. Services call with keys and with nothing else.
    pub fn may_sign_in(&self) -> bool {
        self.is_active() && self.kind == Kind::Person
    }
}

/// A user as others see it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct UserView {
    #[serde(flatten)]
    pub user: User,
    pub locked_until: Option<Time>,
    pub mfa_enabled: bool,
}

impl UserView {
    pub fn new(user: User, locked_until: Option<Time>) -> Self {
        Self { mfa_enabled: user.mfa_enabled, user, locked_until }
    }
}

#[derive(Clone, Debug, Deserialize, schemars::JsonSchema)]
pub struct NewUser {
    pub email: Email,
    pub name: Option<String>,
    pub password: Option<Password>,
    #[serde(default)]
    pub roles: Vec<String>,
    pub status: Option<Status>,
    pub kind: Option<Kind>,
    #[serde(default)]
    pub data: Map<String, Value>,
}

#[derive(Clone, Debug, Default, Deserialize, schemars::JsonSchema)]
pub struct UserChange {
    pub email: Option<Email>,
    #[serde(default, deserialize_with = "nullable")]
    pub name: Option<Option<String>>,
    pub roles: Option<Vec<String>>,
    pub status: Option<Status>,
    pub kind: Option<Kind>,
    pub data: Option<Map<String, Value>>,
}

impl Body for NewUser {
    const VERBATIM: &'static [&'static str] = &["password"];

    fn check(&self, faults: &mut Faults) {
        check_name(self.name.as_deref(), faults);
        check_roles(&self.roles, faults);
        check_data(&self.data, faults);
        if self.kind == Some(Kind::Service) && self.password.is_some() {
            faults.push("/password", "invalid", SERVICES_HAVE_KEYS);
        }
    }
}

impl Body for UserChange {
    fn check(&self, faults: &mut Faults) {
        check_name(self.name.as_ref().and_then(Option::as_deref), faults);
        check_roles(self.roles.as_deref().unwrap_or_default(), faults);
        if let Some(data) = &self.data {
            check_data(data, faults);
        }
    }
}

pub(in crate::identity) fn check_name(name: Option<&str>, faults: &mut Faults) {
    if name.is_some_and(|name| name.chars().count() > NAME_CHARS) {
        faults.push("/name", "too_long", format!("A name has at most {NAME_CHARS} characters."));
    }
}

fn check_roles(roles: &[String], faults: &mut Faults) {
    if roles.len() > ROLES {
        faults.push("/roles", "too_many", format!("A user has at most {ROLES} roles."));
        return;
    }
    for (index, role) in roles.iter().enumerate() {
        if role == ANONYMOUS {
            let message = "The role anonymous is for callers without an account; nobody is given it.";
            faults.push(format!("/roles/{index}"), "invalid", message);
        } else if roles[..index].contains(role) {
            faults.push(format!("/roles/{index}"), "repeated", format!("The role {role} is named twice."));
        }
    }
}

fn check_data(data: &Map<String, Value>, faults: &mut Faults) {
    if serde_json::to_string(data).map_or(usize::MAX, |text| text.len()) > DATA_BYTES {
        faults.push("/data", "too_long", format!("`data` has at most {DATA_BYTES} bytes as compact JSON."));
    }
    let mut shape = Shape { deepest: 1, keys: 0, control: false };
    shape.members(data, 1);
    if shape.deepest > DATA_DEPTH {
        faults.push("/data", "too_deep", format!("`data` is nested more than {DATA_DEPTH} deep."));
    }
    if shape.keys > DATA_KEYS {
        faults.push("/data", "too_many_keys", format!("`data` has more than {DATA_KEYS} keys in all."));
    }
    if shape.control {
        faults.push("/data", "control_character", "A text in `data` holds a control character.");
    }
}

struct Shape {
    deepest: usize,
    keys: usize,
    control: bool,
}

impl Shape {
    fn members(&mut self, members: &Map<String, Value>, depth: usize) {
        self.keys += members.len();
        for (name, member) in members {
            self.control |= has_control(name);
            self.value(member, depth + 1);
        }
    }

    /// A value at a depth that it has when it holds others.
    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::String(text) => self.control |= has_control(text),
            Value::Array(items) => {
                self.deepest = self.deepest.max(depth);
                for item in items {
                    self.value(item, depth + 1);
                }
            }
            Value::Object(members) => {
                self.deepest = self.deepest.max(depth);
                self.members(members, depth);
            }
            _ => {}
        }
    }
}
