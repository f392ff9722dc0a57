//! The verdict: a score of 100, by category, and what to do about each finding.

use super::check::{Category, Looked, Outcome, Severity};
use crate::clock::Time;
use serde::Serialize;

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Report {
    pub score: u32,
    pub checked_at: Time,
    pub categories: Vec<CategoryScore>,
    /// The gravest first.
    pub findings: Vec<Finding>,
    /// What is as it should be.
    pub passed: Vec<Passed>,
    /// The scores of the last days, oldest first.
    pub trend: Vec<Day>,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct CategoryScore {
    pub name: Category,
    pub score: u32,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Finding {
    pub id: &'static str,
    pub category: Category,
    pub severity: Severity,
    pub title: &'static str,
    pub evidence: String,
    pub remedy: String,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Passed {
    pub id: &'static str,
    pub category: Category,
    pub title: &'static str,
    pub evidence: String,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Day {
    pub at: Time,
    pub score: i64,
}

impl Report {
    pub(super) fn new(checked_at: Time, results: Vec<Looked>, trend: Vec<Day>) -> Self {
        let score_of = |of: &dyn Fn(&Looked) -> bool| {
            let counted = results.iter().filter(|looked| of(looked));
            let (earned, whole) = counted.fold((0, 0), |(earned, whole), looked| {
                let points = looked.check.points;
                let good = matches!(looked.outcome, Outcome::Good(_));
                (earned + if good { points } else { 0 }, whole + points)
            });
            // Rounded down: 100 is for those without a finding.
            (earned * 100).checked_div(whole).unwrap_or(0)
        };
        let score = score_of(&|_| true);
        let category = |name| CategoryScore { name, score: score_of(&|looked| looked.check.category == name) };
        let categories = Category::ALL.into_iter().map(category).collect();
        let (mut findings, mut passed) = (Vec::new(), Vec::new());
        for Looked { check, outcome } in results {
            let finding = |title, severity, evidence, remedy: String| Finding {
                id: check.id,
                category: check.category,
                severity,
                title,
                evidence,
                remedy,
            };
            match outcome {
                Outcome::Good(evidence) => {
                    passed.push(Passed { id: check.id, category: check.category, title: check.good, evidence });
                }
                Outcome::Bad { severity, evidence, remedy } => {
                    findings.push(finding(check.bad, severity, evidence, remedy.to_owned()));
                }
                Outcome::NotProbed(why) => findings.push(finding(
                    check.good,
                    Severity::NotProbed,
                    why,
                    "Make it possible to look; until then it counts as if it were bad.".to_owned(),
                )),
            }
        }
        findings.sort_by_key(|finding| finding.severity);
        Self { score, checked_at, categories, findings, passed, trend }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::check::Check, *};

    fn looked(category: Category, points: u32, outcome: Outcome) -> Looked {
        let check = Check { id: "x", good: "X", bad: "No X", category, points, look: |_, _| unreachable!() };
        Looked { check, outcome }
    }

    #[test]
    fn nothing_is_earned_by_what_was_not_looked_at() {
        let bad = Outcome::Bad { severity: Severity::Low, evidence: String::new(), remedy: "Mend it." };
        let results = vec![
            looked(Category::Data, 6, Outcome::Good(String::new())),
            looked(Category::Data, 2, Outcome::NotProbed("Gone.".into())),
            looked(Category::Access, 4, bad),
        ];
        let report = Report::new(Time(0), results, Vec::new());
        assert_eq!(report.score, 50);
        let of = |name| report.categories.iter().find(|category| category.name == name).unwrap().score;
        assert_eq!((of(Category::Data), of(Category::Access), of(Category::Transport)), (75, 0, 0));
        assert_eq!(
            report.findings.iter().map(|one| one.severity).collect::<Vec<_>>(),
            [Severity::Low, Severity::NotProbed]
        );
    }
}
