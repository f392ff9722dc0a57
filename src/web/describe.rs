//! What the documentation says of a handler's parameters, read off their types.

use super::{At, Body, Params, Precondition, Valid};
use actix_web::{
    HttpRequest,
    web::{Data, Payload},
};
use schemars::{JsonSchema, Schema, SchemaGenerator};

/// What a handler takes, as it is told parameter by parameter.
pub struct Description<'g> {
    /// Holds the schemas that others refer to.
    pub schemas: &'g mut SchemaGenerator,
    pub body: Option<Schema>,
    pub query: Option<Schema>,
    /// Heeds `If-Match` and `If-None-Match`.
    pub conditional: bool,
    /// Takes a body that is no JSON.
    pub raw: bool,
}

impl<'g> Description<'g> {
    pub fn new(schemas: &'g mut SchemaGenerator) -> Self {
        Self { schemas, body: None, query: None, conditional: false, raw: false }
    }
}

/// A parameter that the documentation can tell of.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no place in the API document",
    note = "derive schemars::JsonSchema for the type of a body or query"
)]
pub trait Described {
    fn describe(_: &mut Description<'_>) {}
}

impl<T: Body + JsonSchema> Described for Valid<T> {
    fn describe(description: &mut Description<'_>) {
        description.body = Some(description.schemas.subschema_for::<T>());
    }
}

impl<T: JsonSchema> Described for Params<T> {
    fn describe(description: &mut Description<'_>) {
        description.query = Some(T::json_schema(description.schemas));
    }
}

impl Described for Precondition {
    fn describe(description: &mut Description<'_>) {
        description.conditional = true;
    }
}

impl Described for Payload {
    fn describe(description: &mut Description<'_>) {
        description.raw = true;
    }
}

impl<T> Described for At<T> {}
impl<T: ?Sized> Described for Data<T> {}
impl Described for HttpRequest {}

macro_rules! described {
    ($($one:ident)*) => {
        impl<$($one: Described),*> Described for ($($one,)*) {
            fn describe(description: &mut Description<'_>) {
                $($one::describe(description);)*
            }
        }
    };
}

described!(A B);
described!(A B C);
described!(A B C D);
