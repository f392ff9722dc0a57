//! From text to [`Expression`], with bounded depth and length.

use super::{
    Comparison, Expression, Literal, Operand, Operator, Path, SyntaxError,
    lexer::{Lexer, Token, is_keyword},
};

/// A filter's length in bytes, at most.
const LENGTH: usize = 4096;
/// Parentheses and `not` within each other, at most.
const DEPTH: usize = 32;
const COMPARISONS: usize = 100;
const LIST: usize = 200;
const SEGMENTS: usize = 9;

/// Reads a filter such as `data.city = "Paris" and (confidence >= 0.5 or name ~ "acme")`.
pub fn parse(text: &str) -> Result<Expression, SyntaxError> {
    if text.len() > LENGTH {
        return Err(SyntaxError::new(LENGTH + 1, format!("a filter has at most {LENGTH} bytes")));
    }
    let mut parser = Parser::new(text)?;
    let expression = parser.alternatives(0)?;
    match parser.token {
        Token::End => Ok(expression),
        _ => Err(parser.unexpected("`and`, `or` or the end")),
    }
}

pub(super) struct Parser<'a> {
    lexer: Lexer<'a>,
    pub token: Token,
    pub position: usize,
    comparisons: usize,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Result<Self, SyntaxError> {
        let mut lexer = Lexer::new(text);
        let (token, position) = lexer.next()?;
        Ok(Self { lexer, token, position, comparisons: 0 })
    }

    /// Takes the current token and moves on.
    pub fn advance(&mut self) -> Result<Token, SyntaxError> {
        let (next, position) = self.lexer.next()?;
        self.position = position;
        Ok(std::mem::replace(&mut self.token, next))
    }

    pub fn unexpected(&self, wanted: &str) -> SyntaxError {
        let found = match &self.token {
            Token::End => "the end".to_owned(),
            Token::Word(word) => format!("`{word}`"),
            Token::Quoted(_) => "a text".to_owned(),
            Token::Number(number) => number.to_string(),
            Token::Moment(moment) => moment.clone(),
            Token::Operator(operator) => format!("`{operator}`"),
            Token::Open => "`(`".to_owned(),
            Token::Close => "`)`".to_owned(),
            Token::Comma => "`,`".to_owned(),
            Token::Dot => "`.`".to_owned(),
            Token::At => "`@`".to_owned(),
            Token::Minus => "`-`".to_owned(),
        };
        SyntaxError::new(self.position, format!("expected {wanted}, found {found}"))
    }

    fn keyword(&mut self, word: &str) -> Result<bool, SyntaxError> {
        let found = matches!(&self.token, Token::Word(found) if found == word);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn alternatives(&mut self, depth: usize) -> Result<Expression, SyntaxError> {
        let mut parts = vec![self.conditions(depth)?];
        while self.keyword("or")? {
            parts.push(self.conditions(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    fn conditions(&mut self, depth: usize) -> Result<Expression, SyntaxError> {
        let mut parts = vec![self.condition(depth)?];
        while self.keyword("and")? {
            parts.push(self.condition(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    fn condition(&mut self, depth: usize) -> Result<Expression, SyntaxError> {
        if depth >= DEPTH {
            return Err(SyntaxError::new(self.position, format!("nested more than {DEPTH} deep")));
        }
        if self.keyword("not")? {
            return Ok(Expression::Not(Box::new(self.condition(depth + 1)?)));
        }
        if self.token == Token::Open {
            self.advance()?;
            let inner = self.alternatives(depth + 1)?;
            if self.token != Token::Close {
                return Err(self.unexpected("`)`"));
            }
            self.advance()?;
            return Ok(inner);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Expression, SyntaxError> {
        self.comparisons += 1;
        if self.comparisons > COMPARISONS {
            return Err(SyntaxError::new(self.position, format!("a filter has at most {COMPARISONS} comparisons")));
        }
        let field = self.path()?;
        let negated = self.keyword("not")?;
        let operator = match &self.token {
            Token::Operator(operator) if !negated => *operator,
            Token::Word(word) if word == "in" => Operator::In,
            _ if negated => return Err(self.unexpected("`in`")),
            _ => return Err(self.unexpected("one of = != < <= > >= ~ in")),
        };
        self.advance()?;
        let position = self.position;
        let operand = if operator == Operator::In { self.list()? } else { self.operand()? };
        let comparison = Expression::Compare(Comparison { field, operator, operand, position });
        Ok(if negated { Expression::Not(Box::new(comparison)) } else { comparison })
    }

    /// A name: words, or quoted segments where a key is no word.
    pub fn path(&mut self) -> Result<Path, SyntaxError> {
        let position = self.position;
        match &self.token {
            Token::Word(word) if !is_keyword(word) => {}
            Token::At => {
                return Err(SyntaxError::new(
                    position,
                    "@user stands on the right of a comparison, a field on the left",
                ));
            }
            _ => return Err(self.unexpected("the name of a field")),
        }
        Ok(Path { segments: self.segments()?, position })
    }

    fn segments(&mut self) -> Result<Vec<String>, SyntaxError> {
        let mut segments = Vec::new();
        loop {
            match &self.token {
                Token::Word(_) | Token::Quoted(_) => {}
                _ => return Err(self.unexpected("a name, or a key in quotes")),
            }
            if segments.len() == SEGMENTS {
                return Err(SyntaxError::new(self.position, "this name goes deeper than data can"));
            }
            if let Token::Word(segment) | Token::Quoted(segment) = self.advance()? {
                segments.push(segment);
            }
            if self.token != Token::Dot {
                return Ok(segments);
            }
            self.advance()?;
        }
    }

    fn operand(&mut self) -> Result<Operand, SyntaxError> {
        if self.token == Token::At { self.user() } else { Ok(Operand::Value(self.literal()?)) }
    }

    fn user(&mut self) -> Result<Operand, SyntaxError> {
        self.advance()?;
        let position = self.position;
        let segments = match &self.token {
            Token::Word(word) if word == "user" => self.segments()?.split_off(1),
            _ => return Err(self.unexpected("`user`")),
        };
        match segments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["id" | "email" | "roles"] | ["data", _, ..] => Ok(Operand::User(segments)),
            _ => Err(SyntaxError::new(position, "use @user.id, @user.email, @user.roles or @user.data.…")),
        }
    }

    fn list(&mut self) -> Result<Operand, SyntaxError> {
        if self.token == Token::At {
            return self.user();
        }
        if self.token != Token::Open {
            return Err(self.unexpected("a list such as (1, 2)"));
        }
        let mut list = Vec::new();
        loop {
            self.advance()?;
            if list.len() == LIST {
                return Err(SyntaxError::new(self.position, format!("a list has at most {LIST} values")));
            }
            list.push(self.literal()?);
            match self.token {
                Token::Comma => {}
                Token::Close => break,
                _ => return Err(self.unexpected("`,` or `)`")),
            }
        }
        self.advance()?;
        Ok(Operand::List(list))
    }

    fn literal(&mut self) -> Result<Literal, SyntaxError> {
        let literal = match &self.token {
            Token::Word(word) => match word.as_str() {
                "null" => Literal::Null,
                "true" => Literal::Boolean(true),
                "false" => Literal::Boolean(false),
                _ => return Err(self.unexpected("a value; texts stand in quotes")),
            },
            Token::Quoted(text) | Token::Moment(text) => Literal::Text(text.clone()),
            Token::Number(number) => number.clone(),
            _ => return Err(self.unexpected("a value")),
        };
        self.advance()?;
        Ok(literal)
    }
}
