//! What a filter says, whatever it is asked of.

use super::SyntaxError;
use std::fmt;

#[derive(Clone, Debug)]
pub enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Comparison),
}

#[derive(Clone, Debug)]
pub struct Comparison {
    pub field: Path,
    pub operator: Operator,
    pub operand: Operand,
    /// Where the operand stands, for errors.
    pub position: usize,
}

/// A name such as `created_at` or `data.city`.
#[derive(Clone, Debug)]
pub struct Path {
    pub segments: Vec<String>,
    pub position: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    In,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    Value(Literal),
    List(Vec<Literal>),
    /// `@user.data.team`: the segments behind `@user`.
    User(Vec<String>),
    /// What the user has there. Without any, nothing compares to it, neither alike nor unlike.
    Bound(Vec<Literal>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Null,
    Boolean(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

impl Expression {
    /// Puts the user's values in the place of `@user.…`.
    pub fn bind(&self, user: &impl Fn(&[String]) -> Vec<Literal>) -> Self {
        let all = |parts: &[Self]| parts.iter().map(|part| part.bind(user)).collect();
        match self {
            Self::And(parts) => Self::And(all(parts)),
            Self::Or(parts) => Self::Or(all(parts)),
            Self::Not(inner) => Self::Not(Box::new(inner.bind(user))),
            Self::Compare(comparison) => {
                let mut bound = comparison.clone();
                if let Operand::User(segments) = &comparison.operand {
                    let mut values = user(segments);
                    values.retain(|value| *value != Literal::Null);
                    bound.operand = Operand::Bound(values);
                }
                Self::Compare(bound)
            }
        }
    }

    /// Visits every comparison, for checks of what a rule refers to.
    pub fn each(&self, visit: &mut impl FnMut(&Comparison) -> Result<(), SyntaxError>) -> Result<(), SyntaxError> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().try_for_each(|part| part.each(visit)),
            Self::Not(inner) => inner.each(visit),
            Self::Compare(comparison) => visit(comparison),
        }
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut join = |parts: &[Self], word: &str| {
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    write!(f, " {word} ")?;
                }
                match part {
                    Self::And(_) | Self::Or(_) => write!(f, "({part})")?,
                    _ => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Self::And(parts) => join(parts, "and"),
            Self::Or(parts) => join(parts, "or"),
            Self::Not(inner) => write!(f, "not ({inner})"),
            Self::Compare(comparison) => {
                write!(f, "{} {} {}", comparison.field, comparison.operator, comparison.operand)
            }
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_segments(f, &self.segments)
    }
}

fn write_segments(f: &mut fmt::Formatter<'_>, segments: &[String]) -> fmt::Result {
    for (index, segment) in segments.iter().enumerate() {
        if index > 0 {
            f.write_str(".")?;
        }
        if super::lexer::is_word(segment) && (index > 0 || !super::lexer::is_keyword(segment)) {
            f.write_str(segment)?;
        } else {
            quote(f, segment)?;
        }
    }
    Ok(())
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Contains => "~",
            Self::In => "in",
        })
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(literal) => literal.fmt(f),
            Self::List(list) | Self::Bound(list) => {
                f.write_str("(")?;
                for (index, literal) in list.iter().enumerate() {
                    write!(f, "{}{literal}", if index > 0 { ", " } else { "" })?;
                }
                f.write_str(")")
            }
            Self::User(segments) => {
                f.write_str("@user.")?;
                write_segments(f, segments)
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Number(value) => write!(f, "{value:?}"),
            Self::Text(text) => quote(f, text),
        }
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            other => write!(f, "{other}")?,
        }
    }
    f.write_str("\"")
}
