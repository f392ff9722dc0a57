//! `Valid<T>`: a request body that was read within its limit, parsed strictly and checked.

use super::{
    RequestInfo, json,
    masked::{are_logged, masked},
    pace::Pace,
    strict::Strict,
};
use crate::error::{Code, Error, Fault, Faults, Result};
use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, http::header, web::Data};
use bytes::BytesMut;
use futures_util::{StreamExt, future::LocalBoxFuture};
use serde::de::{DeserializeOwned, Visitor};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;
use std::{fmt, rc::Rc};

/// A type that a JSON body becomes.
pub trait Body: DeserializeOwned + 'static {
    /// Top-level members whose text is taken as it is, control characters included.
    const VERBATIM: &'static [&'static str] = &[];

    /// What the type alone cannot say.
    fn check(&self, _faults: &mut Faults) {}
}

/// What looks at the members of a body before they are anything; whoever stands above leaves it with the request.
/// It is told which members hold text that is taken as it is.
#[derive(Clone)]
pub struct BodyCheck(pub Rc<CheckMembers>);

type CheckMembers = dyn Fn(&Map<String, Value>, &[&str]) -> Result<()>;

/// For `#[serde(default, deserialize_with = "nullable")]` on `Option<Option<T>>`: absent is `None`, null is `Some(None)`.
pub fn nullable<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// The largest body in bytes, for the whole server.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// A body that is what the handler expects.
#[derive(Debug)]
pub struct Valid<T>(pub T);

impl<T: Body> FromRequest for Valid<T> {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let bytes = read(&request, payload).await?;
            if bytes.is_empty() && !request.headers().contains_key(header::CONTENT_TYPE) {
                return from_value(Value::Object(Map::new())).map(Self);
            }
            check_content_type(&request)?;
            let value = json::parse(&bytes)?;
            if are_logged(&request) {
                let id = request.extensions().get::<RequestInfo>().map(|info| info.id.clone());
                tracing::info!(target: "portcullis::body", request_id = id.as_deref(), body = masked(&value), "request body");
            }
            let check = request.extensions().get::<BodyCheck>().cloned();
            if let (Some(check), Value::Object(members)) = (check, &value) {
                check.0(members, T::VERBATIM)?;
            }
            from_value(value).map(Self)
        })
    }
}

/// The media type of a request without its parameters, in lower case.
pub fn media_type(request: &HttpRequest) -> Option<String> {
    let value = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Refuses a body that is encoded, or written in another charset than UTF-8, for those who read bodies as they come.
pub fn ensure_plain(request: &HttpRequest) -> Result<()> {
    if request.headers().get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Error::new(Code::UnsupportedMediaType, "Send the body without Content-Encoding."));
    }
    if charset(request).is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        return Err(Error::new(Code::UnsupportedMediaType, "Send the body in UTF-8."));
    }
    Ok(())
}

fn check_content_type(request: &HttpRequest) -> Result<()> {
    let patch = request.method() == actix_web::http::Method::PATCH;
    let good = match media_type(request).as_deref() {
        Some("application/json") => true,
        Some("application/merge-patch+json") => patch,
        _ => false,
    };
    let utf8 = charset(request).is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"));
    if good && utf8 {
        return Ok(());
    }
    let expected = if patch { "application/merge-patch+json or application/json" } else { "application/json" };
    Err(Error::new(Code::UnsupportedMediaType, format!("Send the body as {expected} in UTF-8.")))
}

fn charset(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

/// The bytes of a JSON body, within their limit and at a fair pace.
pub async fn read(request: &HttpRequest, mut payload: Payload) -> Result<BytesMut> {
    if request.headers().contains_key(header::CONTENT_TYPE) {
        check_content_type(request)?;
    }
    ensure_plain(request)?;
    let limit = request.app_data::<Data<BodyLimit>>().map_or(10 << 20, |limit| limit.0);
    let too_large =
        || Error::new(Code::PayloadTooLarge, format!("The body is larger than the {limit} bytes that are taken here."));
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > limit as u64) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(announced.unwrap_or(0).min(64 << 10) as usize);
    let mut pace = Pace::start();
    while let Some(chunk) = pace.within(payload.next()).await? {
        let chunk = chunk.map_err(|cause| {
            Error::new(Code::MalformedJson, "The body broke off before its end.").caused_by(cause.to_string())
        })?;
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        pace.received(chunk.len())?;
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Turns a parsed body into `T`, naming every unknown member and the place of the first wrong type.
pub(super) fn from_value<T: Body>(value: Value) -> Result<T> {
    let Value::Object(members) = &value else {
        return Err(Error::invalid_at("", "wrong_type", "The body must be a JSON object."));
    };
    let mut faults = Faults::default();
    json::check_strings(&value, T::VERBATIM, &mut faults);
    if let Some(known) = field_names::<T>() {
        for name in members.keys().filter(|name| !known.contains(&name.as_str())) {
            if faults.is_full() {
                break;
            }
            let known = known.join(", ");
            faults.push(
                pointer_to(name),
                "unknown_field",
                format!("There is no field `{name}` here; there are {known}."),
            );
        }
    }
    faults.into_result()?;
    let body: T =
        serde_path_to_error::deserialize(Strict(value)).map_err(|cause| Error::invalid(vec![fault(&cause)]))?;
    let mut faults = Faults::default();
    body.check(&mut faults);
    faults.into_result()?;
    Ok(body)
}

fn pointer_to(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn fault(cause: &serde_path_to_error::Error<serde_json::Error>) -> Fault {
    let mut pointer: String = cause
        .path()
        .iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => pointer_to(key),
            Segment::Enum { variant } => pointer_to(variant),
            Segment::Unknown => String::new(),
        })
        .collect();
    let message = cause.inner().to_string();
    let named = |prefix: &str| message.strip_prefix(prefix).and_then(|rest| rest.split('`').next()).map(pointer_to);
    let code = if let Some(name) = named("missing field `") {
        pointer.push_str(&name);
        "required"
    } else if let Some(name) = named("unknown field `") {
        if !pointer.ends_with(&name) {
            pointer.push_str(&name);
        }
        "unknown_field"
    } else if message.starts_with("invalid type") {
        "wrong_type"
    } else {
        "invalid"
    };
    Fault { pointer, code: code.into(), message: sentence(&message) }
}

fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let start: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{start}{}.", letters.as_str().trim_end_matches('.'))
}

/// The member names of a struct, asked of its own `Deserialize`; none for maps and flattened types.
pub(super) fn field_names<T: DeserializeOwned>() -> Option<&'static [&'static str]> {
    T::deserialize(Probe).err().and_then(|found| found.0)
}

struct Probe;

#[derive(Debug)]
struct Found(Option<&'static [&'static str]>);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("field names")
    }
}

impl std::error::Error for Found {}

impl serde::de::Error for Found {
    fn custom<M: fmt::Display>(_: M) -> Self {
        Self(None)
    }
}

impl<'de> serde::Deserializer<'de> for Probe {
    type Error = Found;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Found> {
        Err(Found(None))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Found> {
        Err(Found(Some(fields)))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Note {
        title: String,
        #[serde(default)]
        tags: Vec<u32>,
    }
    impl Body for Note {
        fn check(&self, faults: &mut Faults) {
            if self.title.is_empty() {
                faults.push("/title", "empty", "A title has at least one character.");
            }
        }
    }

    fn pointers(json: &str) -> Vec<String> {
        let error = from_value::<Note>(json::parse(json.as_bytes()).unwrap()).unwrap_err();
        error.faults().iter().map(|fault| format!("{} {}", fault.pointer, fault.code)).collect()
    }

    #[test]
    fn each_fault_says_where() {
        assert_eq!(pointers(r#"{"title": "a", "x": 1, "y": 2}"#), ["/x unknown_field", "/y unknown_field"]);
        assert_eq!(pointers(r#"{"title": "a", "tags": [1, "two"]}"#), ["/tags/1 wrong_type"]);
        assert_eq!(pointers(r#"{"tags": []}"#), ["/title required"]);
        assert_eq!(pointers(r#"["a"]"#), [" wrong_type"]);
        assert_eq!(pointers(r#"{"title": ""}"#), ["/title empty"]);
        let good = from_value::<Note>(serde_json::json!({"title": "a", "tags": [7]})).unwrap();
        assert_eq!((good.title.as_str(), good.tags.as_slice()), ("a", &[7][..]));
    }
}
