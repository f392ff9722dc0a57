//! From [`Expression`] to a condition. Every comparison answers yes or no, also where a value is missing,
//! so `not` means what it says.

use super::{Comparison, Expression, Literal, Operand, Operator, Path, SyntaxError};
use crate::{
    clock::Time,
    storage::{self, Param},
};
use std::{fmt, sync::Arc};

/// The names that a filter or sort may use here.
pub trait Fields {
    /// What a name stands for; `None` when there is no such field, or none for this caller.
    fn resolve(&self, segments: &[String]) -> Option<Field>;
}

/// What can be compared with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Boolean,
    Time,
    /// Not declared: it is compared as what it is compared with.
    Any,
}

/// A column, or a member of a JSON column.
#[derive(Clone, Debug)]
pub struct Field {
    source: Source,
    pub kind: Kind,
    pub nullable: bool,
    asked: Asked,
}

/// What stands for a value.
type Digest = dyn Fn(&Literal) -> Option<String> + Send + Sync;

/// What a field can be asked.
#[derive(Clone)]
enum Asked {
    Anything,
    /// Only whether it equals a value: by what stands for that.
    Equality {
        sql: String,
        digest: Arc<Digest>,
    },
    /// Nothing, and why.
    Nothing(&'static str),
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anything => "Anything",
            Self::Equality { .. } => "Equality",
            Self::Nothing(_) => "Nothing",
        })
    }
}

#[derive(Clone, Debug)]
enum Source {
    Sql(String),
    Json { column: String, path: String },
}

impl Field {
    /// A column or another SQL expression.
    pub fn column(sql: impl Into<String>, kind: Kind) -> Self {
        Self { source: Source::Sql(sql.into()), kind, nullable: true, asked: Asked::Anything }
    }

    /// A member of a JSON column; `None` when a segment can't be asked for.
    pub fn json(column: &str, segments: &[String], kind: Kind) -> Option<Self> {
        let path = storage::json_path(segments)?;
        let source = Source::Json { column: column.to_owned(), path };
        Some(Self { source, kind, nullable: true, asked: Asked::Anything })
    }

    /// The same, but it can only be asked whether it equals a value: `sql` is then compared with the value's digest.
    pub fn found_by(
        mut self,
        sql: String,
        digest: impl Fn(&Literal) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.asked = Asked::Equality { sql, digest: Arc::new(digest) };
        self
    }

    /// The same, but it cannot be asked anything; `why` goes on behind its name.
    pub fn unusable(mut self, why: &'static str) -> Self {
        self.asked = Asked::Nothing(why);
        self
    }

    pub fn never_null(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// The value to compare or order by, as `kind`.
    pub(super) fn sql_as(&self, kind: Kind) -> String {
        match &self.source {
            Source::Sql(sql) => sql.clone(),
            Source::Json { column, path } => match kind {
                Kind::Text => storage::json_text(column, path),
                Kind::Time => storage::json_moment(column, path),
                Kind::Number => storage::json_number(column, path),
                Kind::Boolean => storage::json_boolean(column, path),
                Kind::Any => storage::json_value(column, path),
            },
        }
    }

    pub fn sql(&self) -> String {
        self.sql_as(self.kind)
    }

    /// The value to group by: of an undeclared member its JSON, so that `1`, `"1"` and `true` stay apart.
    pub(super) fn group(&self) -> String {
        match (&self.source, self.kind) {
            (Source::Json { column, path }, Kind::Any) => storage::json_member(column, path),
            _ => self.sql(),
        }
    }
}

/// A field to sort, group or measure by.
pub(super) fn resolve(fields: &impl Fields, path: &Path) -> Result<Field, SyntaxError> {
    let field = comparable(fields, path)?;
    match field.asked {
        Asked::Anything => Ok(field),
        _ => Err(SyntaxError::new(path.position, format!("`{path}` is personal data, which is only asked by ="))),
    }
}

fn comparable(fields: &impl Fields, path: &Path) -> Result<Field, SyntaxError> {
    let missing = || SyntaxError::new(path.position, format!("there is no field `{path}` to use here"));
    let field = fields.resolve(&path.segments).ok_or_else(missing)?;
    match field.asked {
        Asked::Nothing(why) => Err(SyntaxError::new(path.position, format!("`{path}` {why}"))),
        _ => Ok(field),
    }
}

impl Expression {
    /// The condition, with its values pushed to `params` and numbered from there.
    pub fn to_sql(&self, fields: &impl Fields, params: &mut Vec<Param<'static>>) -> Result<String, SyntaxError> {
        let mut sql = String::new();
        self.write(fields, params, false, &mut sql)?;
        Ok(sql)
    }

    /// Whether every name and type in it holds, without asking anything.
    pub fn check(&self, fields: &impl Fields) -> Result<(), SyntaxError> {
        self.to_sql(fields, &mut Vec::new()).map(drop)
    }

    fn write(
        &self,
        fields: &impl Fields,
        params: &mut Vec<Param<'static>>,
        negated: bool,
        sql: &mut String,
    ) -> Result<(), SyntaxError> {
        let (parts, word) = match self {
            Self::Compare(comparison) => {
                sql.push_str(&compare(comparison, fields, params, negated)?);
                return Ok(());
            }
            Self::Not(inner) => return inner.write(fields, params, !negated, sql),
            Self::And(parts) => (parts, if negated { " OR " } else { " AND " }),
            Self::Or(parts) => (parts, if negated { " AND " } else { " OR " }),
        };
        sql.push('(');
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                sql.push_str(word);
            }
            part.write(fields, params, negated, sql)?;
        }
        sql.push(')');
        Ok(())
    }
}

/// Neither true nor false, and so is its opposite.
const UNKNOWN: &str = "(1 = NULL)";

fn compare(
    comparison: &Comparison,
    fields: &impl Fields,
    params: &mut Vec<Param<'static>>,
    negated: bool,
) -> Result<String, SyntaxError> {
    let field = comparable(fields, &comparison.field)?;
    if !matches!(field.asked, Asked::Anything) && comparison.operator != Operator::Equal {
        let message = format!("`{}` is personal data, which is only asked by =", comparison.field);
        return Err(SyntaxError::new(comparison.field.position, message));
    }
    let values = match &comparison.operand {
        // Checked, but not bound to anyone yet: it could be any value.
        Operand::User(_) => return Ok(UNKNOWN.to_owned()),
        Operand::Value(value) => std::slice::from_ref(value),
        Operand::List(_) if comparison.operator != Operator::In => {
            return Err(SyntaxError::new(comparison.position, "a list is compared with in"));
        }
        Operand::List(list) | Operand::Bound(list) => list.as_slice(),
    };
    let bound = matches!(comparison.operand, Operand::Bound(_));
    let mut any = Vec::with_capacity(values.len());
    for value in values {
        match one(&field, comparison, value, params, negated) {
            // A value of another type is not the filter's mistake when it is the user's.
            Err(_) if bound => any.push(UNKNOWN.to_owned()),
            outcome => any.push(outcome?),
        }
    }
    let all = negated != (comparison.operator == Operator::Unequal);
    Ok(match any.len() {
        1 => any.remove(0),
        0 => UNKNOWN.to_owned(),
        _ => format!("({})", any.join(if all { " AND " } else { " OR " })),
    })
}

fn one(
    field: &Field,
    comparison: &Comparison,
    value: &Literal,
    params: &mut Vec<Param<'static>>,
    negated: bool,
) -> Result<String, SyntaxError> {
    let wrong = |message: String| SyntaxError::new(comparison.position, message);
    let operator = match comparison.operator {
        Operator::In => Operator::Equal,
        other => other,
    };
    if *value == Literal::Null {
        let is_null = match operator {
            Operator::Equal => !negated,
            Operator::Unequal => negated,
            _ => return Err(wrong(format!("null is compared with = or !=, not with {operator}"))),
        };
        return Ok(format!("{} IS {}", field.sql_as(Kind::Any), if is_null { "NULL" } else { "NOT NULL" }));
    }
    let no_text = || wrong(format!("~ looks into texts, and `{}` is none", comparison.field));
    if operator == Operator::Contains && !matches!(field.kind, Kind::Text | Kind::Any) {
        return Err(no_text());
    }
    let (kind, param) = typed(field.kind, value)
        .map_err(|expected| wrong(format!("`{}` is compared with {expected}, not with {value}", comparison.field)))?;
    let sql = field.sql_as(kind);
    if operator == Operator::Contains {
        let (Kind::Text, Param::Owned(text)) = (kind, param) else {
            return Err(no_text());
        };
        params.push(Param::Owned(text.to_lowercase()));
        let contains = storage::contains(&sql, &format!("?{}", params.len()));
        return Ok(if negated { format!("({sql} IS NULL OR NOT {contains})") } else { contains });
    }
    if kind == Kind::Boolean && !matches!(operator, Operator::Equal | Operator::Unequal) {
        return Err(wrong(format!("true and false are compared with = or !=, not with {operator}")));
    }
    let (sql, param) = match &field.asked {
        Asked::Equality { sql, digest } => (sql.clone(), digest(value).map_or(Param::Null, Param::Owned)),
        _ => (sql, param),
    };
    params.push(param);
    let sign = sign(operator, negated);
    let compared = format!("{sql} {sign} ?{}", params.len());
    let also_missing = negated != (operator == Operator::Unequal);
    Ok(if also_missing && field.nullable { format!("({sql} IS NULL OR {compared})") } else { compared })
}

fn sign(operator: Operator, negated: bool) -> &'static str {
    match (operator, negated) {
        (Operator::Equal, true) | (Operator::Unequal, false) => "<>",
        (Operator::Less, false) | (Operator::GreaterOrEqual, true) => "<",
        (Operator::LessOrEqual, false) | (Operator::Greater, true) => "<=",
        (Operator::Greater, false) | (Operator::LessOrEqual, true) => ">",
        (Operator::GreaterOrEqual, false) | (Operator::Less, true) => ">=",
        _ => "=",
    }
}

/// The value as the field's kind, or what the field is compared with.
fn typed(kind: Kind, value: &Literal) -> Result<(Kind, Param<'static>), &'static str> {
    Ok(match (kind, value) {
        (Kind::Text | Kind::Any, Literal::Text(text)) => (Kind::Text, Param::Owned(text.clone())),
        (Kind::Number | Kind::Any, Literal::Integer(number)) => (Kind::Number, Param::Int(*number)),
        (Kind::Number | Kind::Any, Literal::Number(number)) => (Kind::Number, Param::Real(*number)),
        (Kind::Boolean | Kind::Any, Literal::Boolean(truth)) => (Kind::Boolean, Param::Int(i64::from(*truth))),
        (Kind::Time, Literal::Text(text)) => (Kind::Time, Param::Int(moment(text).ok_or(TIME)?.millis())),
        (Kind::Text, _) => return Err("a text in quotes"),
        (Kind::Number, _) => return Err("a number"),
        (Kind::Boolean, _) => return Err("true or false"),
        (Kind::Time, _) => return Err(TIME),
        (Kind::Any, Literal::Null) => return Err("a value"),
    })
}

const TIME: &str = "a time such as \"2026-01-31T12:00:00Z\" or a date";

/// A time, or the first moment of a date in UTC.
fn moment(text: &str) -> Option<Time> {
    if text.len() == 10 { format!("{text}T00:00:00Z").parse().ok() } else { text.parse().ok() }
}
