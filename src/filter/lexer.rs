//! A filter's text as tokens, each with the character it starts at.

use super::{Literal, Operator, SyntaxError};
use std::{iter::Peekable, str::Chars};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Quoted(String),
    Number(Literal),
    /// A date or time without quotes.
    Moment(String),
    Operator(Operator),
    Open,
    Close,
    Comma,
    Dot,
    At,
    Minus,
    End,
}

pub(super) struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    position: usize,
}

pub(super) fn is_word(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(super) fn is_keyword(word: &str) -> bool {
    matches!(word, "and" | "or" | "not" | "in" | "null" | "true" | "false")
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { chars: text.chars().peekable(), position: 1 }
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.chars.next()?;
        self.position += 1;
        Some(next)
    }

    fn take_while(&mut self, into: &mut String, wanted: impl Fn(char) -> bool) {
        while let Some(c) = self.chars.next_if(|c| wanted(*c)) {
            self.position += 1;
            into.push(c);
        }
    }

    /// The next token and where it starts.
    pub fn next(&mut self) -> Result<(Token, usize), SyntaxError> {
        while self.chars.peek().is_some_and(|c| c.is_whitespace()) {
            self.bump();
        }
        let start = self.position;
        let Some(first) = self.bump() else { return Ok((Token::End, start)) };
        let token = match first {
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '.' => Token::Dot,
            '@' => Token::At,
            '~' => Token::Operator(Operator::Contains),
            '=' => {
                self.eat('=');
                Token::Operator(Operator::Equal)
            }
            '!' if self.eat('=') => Token::Operator(Operator::Unequal),
            '<' if self.eat('=') => Token::Operator(Operator::LessOrEqual),
            '<' => Token::Operator(Operator::Less),
            '>' if self.eat('=') => Token::Operator(Operator::GreaterOrEqual),
            '>' => Token::Operator(Operator::Greater),
            '"' | '\'' => Token::Quoted(self.quoted(first, start)?),
            '-' if !self.chars.peek().is_some_and(char::is_ascii_digit) => Token::Minus,
            c if c == '-' || c.is_ascii_digit() => self.number(c, start)?,
            c if c.is_ascii_alphabetic() || c == '_' => {
                let mut word = String::from(c);
                self.take_while(&mut word, |c| c.is_ascii_alphanumeric() || c == '_');
                Token::Word(word)
            }
            other => {
                return Err(SyntaxError::new(start, format!("{other:?} is not expected here")));
            }
        };
        Ok((token, start))
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.chars.next_if_eq(&wanted).is_some();
        self.position += usize::from(found);
        found
    }

    fn quoted(&mut self, quote: char, start: usize) -> Result<String, SyntaxError> {
        let mut text = String::new();
        loop {
            let here = self.position;
            match self.bump() {
                None => return Err(SyntaxError::new(start, "this text has no closing quote")),
                Some(c) if c == quote => return Ok(text),
                Some('\\') => text.push(match self.bump() {
                    Some('n') => '\n',
                    Some('r') => '\r',
                    Some('t') => '\t',
                    Some(c @ ('\\' | '"' | '\'')) => c,
                    _ => return Err(SyntaxError::new(here, "unknown escape; use \\\\ for a backslash")),
                }),
                Some(c) => text.push(c),
            }
        }
    }

    fn number(&mut self, first: char, start: usize) -> Result<Token, SyntaxError> {
        let mut text = String::from(first);
        self.take_while(&mut text, |c| c.is_ascii_digit());
        if text.len() == 4 && first != '-' && self.chars.peek() == Some(&'-') {
            self.take_while(&mut text, |c| {
                c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | '+' | 'T' | 'Z' | 't' | 'z')
            });
            return Ok(Token::Moment(text));
        }
        if self.eat('.') {
            text.push('.');
            self.take_while(&mut text, |c| c.is_ascii_digit());
        }
        if let Some(e) = self.chars.next_if(|c| matches!(c, 'e' | 'E')) {
            self.position += 1;
            text.push(e);
            if let Some(sign) = self.chars.next_if(|c| matches!(c, '+' | '-')) {
                self.position += 1;
                text.push(sign);
            }
            self.take_while(&mut text, |c| c.is_ascii_digit());
        }
        if let Ok(integer) = text.parse() {
            return Ok(Token::Number(Literal::Integer(integer)));
        }
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && !text.ends_with('.') => Ok(Token::Number(Literal::Number(number))),
            _ => Err(SyntaxError::new(start, format!("{text} is not a number that can be stored"))),
        }
    }
}
