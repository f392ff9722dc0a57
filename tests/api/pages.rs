//! Pages stay right while rows come, go and change their place: whatever is left alone is on one page exactly.

use crate::support::{Actor, Site};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    Create(Option<u8>),
    Delete(usize),
    Move(usize, Option<u8>),
}

fn steps() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let score = || proptest::option::weighted(0.8, 0..5u8);
    let step = prop_oneof![
        score().prop_map(Step::Create),
        any::<usize>().prop_map(Step::Delete),
        (any::<usize>(), score()).prop_map(|(row, score)| Step::Move(row, score)),
    ];
    proptest::collection::vec(proptest::collection::vec(step, 0..4), 3..8)
}

const QUESTIONS: [&str; 9] = [
    "sort=-created_at",
    "sort=created_at",
    "sort=name",
    "sort=data.score,-name",
    "sort=-data.score",
    "sort=-updated_at",
    "sort=id&filter=data.score%20!%3D%209",
    "q=row",
    "q=ro&sort=-data.score",
];

fn body(number: usize, score: Option<u8>) -> Value {
    json!({"name": format!("Row {}", number % 7), "data": {"score": score, "text": "row"}})
}

/// Walks through the pages while the steps happen between them.
fn walk(admin: &Actor, entity_type: &str, question: &str, steps: &[Vec<Step>]) -> Result<(), TestCaseError> {
    let path = format!("/entities/{entity_type}");
    let mut rows: Vec<String> = (0..20)
        .map(|number| admin.post(&path, &body(number, (number % 6 < 5).then_some(number as u8 % 6))).expect(201).id())
        .collect();
    let before: BTreeSet<String> = rows.iter().cloned().collect();
    let (mut touched, mut moved) = (BTreeSet::new(), BTreeSet::new());
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let (mut cursor, mut steps) = (String::new(), steps.iter());
    loop {
        let page = admin.get(&format!("{path}?{question}&limit=4{cursor}")).expect(200).json();
        for item in page["items"].as_array().unwrap() {
            *seen.entry(item["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        for step in steps.next().into_iter().flatten() {
            match step {
                Step::Create(score) => rows.push(admin.post(&path, &body(rows.len(), *score)).expect(201).id()),
                Step::Delete(row) if rows.len() > 4 => {
                    let id = rows.swap_remove(row % rows.len());
                    admin.delete(&format!("{path}/{id}")).expect(204);
                    touched.insert(id);
                }
                Step::Move(row, score) => {
                    let id = &rows[row % rows.len()];
                    admin.patch(&format!("{path}/{id}"), &json!({"data": {"score": score}})).expect(200);
                    touched.insert(id.clone());
                    moved.insert(id.clone());
                }
                Step::Delete(_) => {}
            }
        }
    }
    for id in before.difference(&touched) {
        prop_assert_eq!(seen.get(id), Some(&1), "{} was left alone, in {}", id, question);
    }
    for (id, times) in seen {
        prop_assert!(times == 1 || moved.contains(&id), "{} {} times in {}", id, times, question);
    }
    Ok(())
}

#[test]
fn pages_hold_what_is_left_alone_once_while_rows_come_and_go() {
    let site = Site::new();
    let admin = site.admin();
    let mut types = 0;
    let mut runner = TestRunner::new(ProptestConfig { cases: 2, ..ProptestConfig::default() });
    for question in QUESTIONS {
        let counter = std::cell::Cell::new(types);
        runner
            .run(&steps(), |steps| {
                counter.set(counter.get() + 1);
                let name = format!("rows{}", counter.get());
                let search = (counter.get() % 2 == 0).then(|| json!(["/text"]));
                let schema = json!({"type": "object", "properties": {"score": {"type": ["integer", "null"]}}});
                let body = json!({"name": name, "schema": schema, "search": search, "indexes": ["/score"]});
                admin.post("/entity-types", &body).expect(201);
                walk(&admin, &name, question, &steps)
            })
            .unwrap_or_else(|failure| panic!("{failure}"));
        types = counter.get();
    }
}
