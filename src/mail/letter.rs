//! A letter: a template and what is filled in, as plain text and as HTML.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

/// Characters of one value that is filled in, at most.
const LONGEST: usize = 500;

const FRAME: &str = include_str!("templates/frame.html");

/// Declares the templates: a text each, whose first line is the subject.
macro_rules! templates {
    ($($(#[$doc:meta])* $name:ident = $file:literal,)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Template { $($(#[$doc])* $name),* }

        impl Template {
            #[cfg(test)]
            const ALL: &[Self] = &[$(Self::$name),*];

            fn text(self) -> &'static str {
                match self { $(Self::$name => include_str!(concat!("templates/", $file, ".txt"))),* }
            }
        }
    };
}

templates! {
    /// A link to choose a new password, asked for by whoever forgot theirs.
    PasswordReset = "password_reset",
    /// A link to choose the first password of an account that was just made.
    Invitation = "invitation",
    PasswordChanged = "password_changed",
    SecondFactorRemoved = "second_factor_removed",
    NewDevice = "new_device",
    /// To administrators: a session holds every permission for a while.
    GlassBroken = "glass_broken",
    /// A rule that watches the instance is broken.
    Alert = "alert",
    AlertOver = "alert_over",
    Test = "test",
}

/// What is to be said, and to whom.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub to: String,
    pub template: Template,
    values: BTreeMap<String, String>,
}

impl Letter {
    pub fn new(template: Template, to: impl Into<String>) -> Self {
        Self { to: to.into(), template, values: BTreeMap::new() }
    }

    /// Fills in `{{name}}`.
    pub fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.values.insert(name.to_owned(), value.to_string());
        self
    }

    pub fn subject(&self) -> String {
        self.fill(self.template.text().lines().next().unwrap_or_default(), false)
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for paragraph in self.paragraphs() {
            let _ = match link(paragraph) {
                Some((label, target)) => write!(text, "{label}:\n{}\n\n", self.fill(target, false)),
                None => write!(text, "{}\n\n", self.fill(paragraph, false)),
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    pub fn html(&self) -> String {
        let mut body = String::new();
        for paragraph in self.paragraphs() {
            let content = if let Some((label, target)) = link(paragraph) {
                format!("<a href=\"{}\">{}</a>", self.fill(target, true), escaped(label))
            } else {
                let lines: Vec<_> = paragraph.lines().map(|line| self.fill(line, true)).collect();
                lines.join("<br>\n")
            };
            let _ = writeln!(body, "<p>{content}</p>");
        }
        FRAME.replace("{{subject}}", &escaped(&self.subject())).replace("{{body}}", body.trim_end())
    }

    /// Whether its link is a credential.
    pub(super) fn is_secret(&self) -> bool {
        matches!(self.template, Template::PasswordReset | Template::Invitation)
    }

    fn paragraphs(&self) -> impl Iterator<Item = &'static str> {
        let body = self.template.text().split_once('\n').map_or("", |(_, body)| body);
        body.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty())
    }

    /// The template's own text with the values in it; the values are text and nothing else.
    fn fill(&self, text: &str, as_html: bool) -> String {
        let own = |text: &str| if as_html { escaped(text) } else { text.to_owned() };
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, (name, after))) =
            rest.split_once("{{").and_then(|(before, rest)| Some((before, rest.split_once("}}")?)))
        {
            let value = self.values.get(name).map(String::as_str).unwrap_or_default();
            filled.push_str(&own(before));
            filled.push_str(&own(&one_line(value)));
            rest = after;
        }
        filled + &own(rest)
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Letter({:?})", self.template)
    }
}

/// A paragraph `[label](target)`.
fn link(paragraph: &str) -> Option<(&str, &str)> {
    paragraph.strip_prefix('[')?.strip_suffix(')')?.split_once("](")
}

fn one_line(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(LONGEST).collect()
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 14] = [
        "email", "site", "link", "lifetime", "device", "ip", "at", "sessions", "who", "reason", "until", "title",
        "detail", "since",
    ];

    fn full(template: Template, value: &str) -> Letter {
        NAMES.iter().fold(Letter::new(template, "ada@example.org"), |letter, name| letter.with(name, value))
    }

    #[test]
    fn every_template_is_filled_in_whole() {
        for template in Template::ALL {
            let letter = full(*template, "VALUE");
            for text in [letter.subject(), letter.text(), letter.html()] {
                assert!(
                    !text.trim().is_empty() && !text.contains("{{") && !text.contains("}}"),
                    "{template:?}: {text}"
                );
            }
            let empty = Letter::new(*template, "ada@example.org");
            assert_ne!(empty.text(), letter.text(), "{template:?} fills in what it is given");
            let asked: Vec<_> =
                template.text().split("{{").skip(1).filter_map(|rest| rest.split("}}").next()).collect();
            assert!(asked.iter().all(|name| NAMES.contains(name)), "{template:?}: {asked:?}");
            assert!(!template.text().lines().next().unwrap().contains("{{"), "a subject holds nothing that varies");
        }
    }

    #[test]
    fn values_stay_text() {
        let letter = full(Template::NewDevice, "a\r\nBcc: eve@example.org\r\n\r\n<b>&\"'</b>{{link}}");
        assert!(!letter.text().contains("\nBcc:") && !letter.text().contains('\r'), "{}", letter.text());
        let html = letter.html();
        assert!(!html.contains("<b>") && html.contains("&lt;b&gt;&amp;&quot;&#39;&lt;/b&gt;{{link}}"), "{html}");
    }

    #[test]
    fn a_letter_shows_no_secret_where_it_is_logged() {
        let letter =
            full(Template::PasswordReset, "x").with("link", "https://a.example/console/set-password#token=abc");
        assert_eq!(format!("{letter:?}"), "Letter(PasswordReset)");
        assert!(letter.is_secret());
        assert!(letter.text().contains(":\nhttps://a.example/console/set-password#token=abc\n"));
    }
}
