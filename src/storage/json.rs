//! Members of JSON columns, in the words of the engine. A member that is missing, or of another type
//! than asked for, is NULL.

/// The path of a member as the engine writes it; `None` when a name holds what no path can say.
pub fn json_path<S: AsRef<str>>(segments: &[S]) -> Option<String> {
    let mut path = String::from("$");
    for segment in segments {
        let segment = segment.as_ref();
        if segment.is_empty() || segment.contains(|c: char| c == '"' || c == '\\' || c.is_control()) {
            return None;
        }
        path.push_str(".\"");
        path.push_str(&segment.replace('\'', "''"));
        path.push('"');
    }
    Some(path)
}

/// The member as it is: text, number, or truth as 1 and 0.
pub fn json_value(column: &str, path: &str) -> String {
    format!("({column} ->> '{path}')")
}

/// The member as JSON text; NULL also where it is null.
pub fn json_member(column: &str, path: &str) -> String {
    format!("nullif({column} -> '{path}', 'null')")
}

/// The day, in UTC, of a moment in milliseconds, as text such as `2026-01-31`.
pub fn day(millis: &str) -> String {
    format!("strftime('%Y-%m-%d', {millis} / 1000, 'unixepoch')")
}

pub fn json_text(column: &str, path: &str) -> String {
    format!("(CASE WHEN json_type({column}, '{path}') = 'text' THEN {column} ->> '{path}' END)")
}

/// The moment that a date or time says, such as `2026-01-31` (in UTC) or `2026-01-31T12:00:00+01:00`, in milliseconds.
pub fn json_moment(column: &str, path: &str) -> String {
    let text = format!("{column} ->> '{path}'");
    // Words such as `now` would be another moment at each look.
    let like_a_date = "GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'";
    format!(
        "(CASE WHEN json_type({column}, '{path}') = 'text' AND {text} {like_a_date} \
         THEN CAST(round(unixepoch({text}, 'subsec') * 1000) AS INTEGER) END)"
    )
}

pub fn json_number(column: &str, path: &str) -> String {
    format!("(CASE WHEN json_type({column}, '{path}') IN ('integer', 'real') THEN {column} ->> '{path}' END)")
}

pub fn json_boolean(column: &str, path: &str) -> String {
    format!("(CASE json_type({column}, '{path}') WHEN 'true' THEN 1 WHEN 'false' THEN 0 END)")
}

/// Whether `text` holds what `parameter` (in lower case) says, whatever the case; nothing in it is a wildcard.
pub fn contains(text: &str, parameter: &str) -> String {
    format!("(contains_folded({text}, {parameter}) = 1)")
}
