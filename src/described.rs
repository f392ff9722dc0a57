//! How types that JSON writes as a text are told of in the document of the API.

/// `text_schema!(Id, "uuid", "An id: a UUID of version 7")`: a JSON string in that format.
macro_rules! text_schema {
    ($type:ty, $format:literal, $description:literal) => {
        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "format": $format, "description": $description })
            }
        }
    };
}

pub(crate) use text_schema;
