//! What holds for every filter: it is read or refused, written and read again, and its values are bound.

use super::{
    tests::{Asked, Table},
    *,
};
use proptest::prelude::*;

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        any::<i64>().prop_map(Literal::Integer),
        (-1e300..1e300f64).prop_map(Literal::Number),
        any::<String>().prop_map(Literal::Text),
    ]
}

fn operand() -> impl Strategy<Value = (Operator, Operand)> {
    use Operator::{Contains, Equal, Greater, GreaterOrEqual, In, Less, LessOrEqual, Unequal};
    let alike = prop_oneof![
        Just(Equal),
        Just(Unequal),
        Just(Less),
        Just(LessOrEqual),
        Just(Greater),
        Just(GreaterOrEqual),
        Just(Contains)
    ];
    let user = prop_oneof![Just(vec!["id"]), Just(vec!["roles"]), Just(vec!["data", "te am", "x"])]
        .prop_map(|segments| Operand::User(segments.into_iter().map(str::to_owned).collect()));
    prop_oneof![
        (alike, literal()).prop_map(|(operator, value)| (operator, Operand::Value(value))),
        proptest::collection::vec(literal(), 1..4).prop_map(|list| (In, Operand::List(list))),
        user.prop_map(|user| (Equal, user)),
    ]
}

/// Whatever a filter can say, as deep as it may be said.
fn expression() -> impl Strategy<Value = Expression> {
    let key = "[^\"\\\\]{1,8}";
    let field = prop_oneof![
        prop_oneof![Just("name"), Just("confidence"), Just("created_at")].prop_map(|name| vec![name.to_owned()]),
        proptest::collection::vec(key, 1..4).prop_map(|keys| [vec!["data".to_owned()], keys].concat()),
    ];
    let leaf = (field, operand()).prop_map(|(segments, (operator, operand))| {
        Expression::Compare(Comparison { field: Path { segments, position: 0 }, operator, operand, position: 0 })
    });
    leaf.prop_recursive(5, 24, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expression::And),
            proptest::collection::vec(inner.clone(), 2..4).prop_map(Expression::Or),
            inner.prop_map(|inner| Expression::Not(Box::new(inner))),
        ]
    })
}

fn without_positions(expression: &Expression) -> Expression {
    let all = |parts: &[Expression]| parts.iter().map(without_positions).collect();
    match expression {
        Expression::And(parts) => Expression::And(all(parts)),
        Expression::Or(parts) => Expression::Or(all(parts)),
        Expression::Not(inner) => Expression::Not(Box::new(without_positions(inner))),
        Expression::Compare(comparison) => {
            let mut same = comparison.clone();
            (same.position, same.field.position) = (0, 0);
            Expression::Compare(same)
        }
    }
}

thread_local! {
    static ASKED: Asked = Asked::new();
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = parse(&text);
        let _ = parse_sort(&text);
    }

    #[test]
    fn any_words_are_read_or_refused(words in proptest::collection::vec(
        prop_oneof!["name", "data", "and", "or", "not", "in", "null", "@user", "[()=<>~,.!'\"-]", "[0-9]{1,20}"], 0..60)) {
        if let Ok(expression) = parse(&words.join(" ")) {
            let _ = expression.to_sql(&Table, &mut Vec::new());
        }
    }

    #[test]
    fn what_is_written_is_read_again(whole in expression()) {
        let text = whole.to_string();
        prop_assume!(text.len() <= 4096);
        let read = without_positions(&parse(&text).unwrap());
        prop_assert_eq!(format!("{read:?}"), format!("{whole:?}"));
        prop_assert_eq!(read.to_string(), text);
    }

    /// Whatever the values are, they are bound: the text of the query does not change with them, and it runs.
    #[test]
    fn every_value_is_a_parameter(whole in expression(), mark in "[A-Z]{12}") {
        fn marked(expression: &Expression, mark: &str) -> Expression {
            let all = |parts: &[Expression]| parts.iter().map(|part| marked(part, mark)).collect();
            match expression {
                Expression::And(parts) => Expression::And(all(parts)),
                Expression::Or(parts) => Expression::Or(all(parts)),
                Expression::Not(inner) => Expression::Not(Box::new(marked(inner, mark))),
                Expression::Compare(comparison) => {
                    let mut same = comparison.clone();
                    let mark = |literal: &mut Literal| {
                        if let Literal::Text(text) = literal {
                            *text = format!("{mark}' OR 1=1 --{text}");
                        }
                    };
                    match &mut same.operand {
                        Operand::Value(value) => mark(value),
                        Operand::List(list) | Operand::Bound(list) => list.iter_mut().for_each(mark),
                        Operand::User(_) => {}
                    }
                    Expression::Compare(same)
                }
            }
        }
        let mut params = Vec::new();
        if let Ok(sql) = marked(&whole, &mark).to_sql(&Table, &mut params) {
            prop_assert!(!sql.contains(&mark), "{}", sql);
            for number in 1..=params.len() {
                let place = format!("?{number}");
                prop_assert!(sql.contains(&place), "{} without {}", sql, place);
            }
            ASKED.with(|asked| asked.ids(&sql, &params));
        }
    }
}

#[test]
fn long_texts_cost_little() {
    let long = "x".repeat(100_000);
    let hostile = [
        format!("name = '{long}'"),
        format!("name ~ '{}b'", "a".repeat(100_000)),
        format!("name in ({})", "'a',".repeat(25_000)),
        "name = 'a' or ".repeat(7_000),
        "\\".repeat(100_000),
        "-".repeat(100_000),
        "9".repeat(100_000),
    ];
    let began = std::time::Instant::now();
    for text in &hostile {
        assert!(parse(text).is_err() && parse_sort(text).is_err());
    }
    // The longest that are read, too.
    for text in [format!("name = '{}'", "x".repeat(4000)), "not ".repeat(1000), "9".repeat(4000)] {
        let _ = parse(&text);
    }
    assert!(began.elapsed() < std::time::Duration::from_millis(200), "{:?}", began.elapsed());
}
