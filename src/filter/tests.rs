use super::*;
use crate::storage::{self, Column, Param};

pub(super) struct Table;

impl Fields for Table {
    fn resolve(&self, segments: &[String]) -> Option<Field> {
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["id"] => Some(Field::column("id", Kind::Text).never_null()),
            ["name"] => Some(Field::column("name", Kind::Text)),
            ["confidence"] => Some(Field::column("confidence", Kind::Number)),
            ["created_at"] => Some(Field::column("created_at", Kind::Time).never_null()),
            ["data", "secret"] => None,
            ["data", "amount"] => Field::json("data", &segments[1..], Kind::Number),
            ["data", "due"] => Field::json("data", &segments[1..], Kind::Time),
            ["data", "city"] => Field::json("data", &segments[1..], Kind::Text),
            ["data", _, ..] => Field::json("data", &segments[1..], Kind::Any),
            _ => None,
        }
    }
}

/// Rows to ask: (id, name, confidence, data).
const ROWS: [(&str, Option<&str>, Option<f64>, &str); 5] = [
    (
        "1",
        Some("Acme 100%"),
        Some(0.9),
        r#"{"city":"Paris","amount":10,"flag":true,"due":"2026-01-31","odd key":{"x":1}}"#,
    ),
    (
        "2",
        Some("acme_1000"),
        Some(0.4),
        r#"{"city":"Lyon","amount":2.5,"flag":false,"due":"2026-01-31T00:30:00+01:00"}"#,
    ),
    ("3", None, None, r#"{"city":null,"amount":-3,"flag":"true","due":"now"}"#),
    ("4", Some("MÜLLER"), Some(0.5), r#"{"amount":10,"due":"2026-02-01T12:00:00.500Z"}"#),
    ("5", Some("it's \"q\""), Some(1.0), r#"{"city":"O'Hare","flag":1}"#),
];

pub(super) struct Asked {
    _folder: tempfile::TempDir,
    db: storage::Db,
    _writer: storage::Writer,
}

impl Asked {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (db, writer) = storage::open(folder.path(), &storage::Options::default()).unwrap();
        writer
            .write_blocking(|tx| {
                tx.execute(
                    "CREATE TABLE things (id TEXT, name TEXT, confidence REAL, created_at INTEGER, data TEXT)",
                    &[],
                )?;
                for (at, (id, name, confidence, data)) in ROWS.iter().enumerate() {
                    let row = crate::params![*id, *name, *confidence, at as i64 * 86_400_000, *data];
                    tx.execute("INSERT INTO things VALUES (?1, ?2, ?3, ?4, ?5)", row)?;
                }
                Ok(())
            })
            .unwrap();
        Self { _folder: folder, db, _writer: writer }
    }

    pub fn ids(&self, condition: &str, params: &[Param<'_>]) -> String {
        let sql = format!("SELECT id FROM things WHERE {condition} ORDER BY id");
        self.db.read(|r| r.query_all(&sql, params, |row| row.get::<String>(0))).unwrap().concat()
    }

    fn filter(&self, text: &str) -> String {
        let mut params = Vec::new();
        let sql = parse(text).unwrap().to_sql(&Table, &mut params).unwrap();
        self.ids(&sql, &params)
    }
}

#[test]
fn filters_say_what_they_mean() {
    let asked = Asked::new();
    for (filter, ids) in [
        (r#"data.city = "Paris""#, "1"),
        (r#"data.city = 'Paris' and (confidence >= 0.5 or name ~ "acme")"#, "1"),
        (r#"data.city != "Paris""#, "2345"),
        (r#"not data.city = "Paris""#, "2345"),
        (r#"not (data.city != "Paris")"#, "1"),
        ("data.city = null", "34"),
        ("data.city != null", "125"),
        ("data.missing.deep = null", "12345"),
        (r#"name ~ "100%""#, "1"),
        (r#"name ~ "_1""#, "2"),
        (r#"name ~ "müll""#, "4"),
        (r#"not name ~ "acme""#, "345"),
        (r#"data.city = "O'Hare""#, "5"),
        (r#"name = "it's \"q\"""#, "5"),
        ("data.amount > 2", "124"),
        ("data.amount = 10", "14"),
        ("data.amount < -1e0", "3"),
        ("not data.amount > 2", "35"),
        ("data.flag = true", "1"),
        ("data.flag != true", "2345"),
        ("data.flag = 1", "5"),
        (r#"data.flag = "true""#, "3"),
        (r#"data."odd key".x = 1"#, "1"),
        (r#"data.city in ("Paris", "Lyon")"#, "12"),
        (r#"data.city in ("Paris", null)"#, "134"),
        (r#"data.city not in ("Paris", "Lyon")"#, "345"),
        ("created_at >= 1970-01-03", "345"),
        (r#"created_at = "1970-01-02T01:00:00+01:00""#, "2"),
        ("data.due = 2026-01-31", "1"),
        ("data.due < 2026-01-31", "2"),
        ("data.due = 2026-01-30T23:30:00Z", "2"),
        ("data.due >= '2026-01-31' and data.due < '2026-02-01T12:00:00.501Z'", "14"),
        ("data.due in (2026-01-31, '2026-02-01T13:00:00.5+01:00')", "14"),
        ("data.due != 2026-01-31", "2345"),
        ("data.due = null", "5"),
        ("id = '1' or id = '2' and id = '3'", "1"),
        ("not id = '1' and not (id = '2' or id = '3')", "45"),
        ("confidence <= 0.5", "24"),
    ] {
        assert_eq!(asked.filter(filter), ids, "{filter}");
    }
}

#[test]
fn a_user_value_that_is_missing_opens_nothing() {
    let asked = Asked::new();
    let user = |segments: &[String]| match segments.join(".").as_str() {
        "data.city" => vec![Literal::Text("Paris".into())],
        "roles" => vec![Literal::Text("Lyon".into()), Literal::Text("Paris".into())],
        "data.number" => vec![Literal::Integer(1)],
        _ => Vec::new(),
    };
    for (rule, ids) in [
        ("data.city = @user.data.city", "1"),
        ("data.city != @user.data.city", "2345"),
        ("data.city in @user.roles", "12"),
        ("data.city = @user.data.team", ""),
        ("data.city != @user.data.team", ""),
        ("not data.city = @user.data.team", ""),
        ("not (data.city != @user.data.team)", ""),
        ("data.city = @user.data.number", ""),
        ("not data.city = @user.data.number", ""),
        ("id = '3' or data.city = @user.data.team", "3"),
    ] {
        let mut params = Vec::new();
        let sql = parse(rule).unwrap().bind(&user).to_sql(&Table, &mut params).unwrap();
        assert_eq!(asked.ids(&sql, &params), ids, "{rule}");
    }
    let unbound = parse("data.city = @user.data.city").unwrap().to_sql(&Table, &mut Vec::new()).unwrap();
    assert_eq!(asked.ids(&unbound, &[]), "");
}

#[test]
fn mistakes_are_named_with_their_place() {
    let refusal = |text: &str| match parse(text) {
        Ok(expression) => expression.to_sql(&Table, &mut Vec::new()).unwrap_err(),
        Err(error) => error,
    };
    for (text, position, part) in [
        ("", 1, "the name of a field"),
        ("name", 5, "one of ="),
        ("name = ", 8, "a value"),
        ("name = Paris", 8, "quotes"),
        ("ünknown = 1", 1, "not expected"),
        ("name = 'ü' and nme = 1", 16, "no field `nme`"),
        ("data.secret = 1", 1, "no field `data.secret`"),
        ("data.amount = 'x'", 15, "a number"),
        ("name = 5", 8, "a text"),
        ("name ~ null", 8, "null is compared"),
        ("confidence ~ 5", 14, "looks into texts"),
        ("data.flag < true", 13, "true and false"),
        ("created_at > 'soon'", 14, "a time"),
        ("data.due = 'tomorrow'", 12, "a time"),
        ("data.due > 2026-02-30", 12, "a time"),
        ("data.due ~ '2026'", 12, "looks into texts"),
        ("name = 'open", 8, "closing quote"),
        ("name = 'a' 'b'", 12, "the end"),
        ("(name = 'a'", 12, "`)`"),
        ("name in ()", 10, "a value"),
        ("name = 1e400", 8, "not a number"),
        ("@user.id = name", 1, "on the right"),
        ("name = @user.password_hash", 9, "use @user.id"),
        ("name = 'a'; drop table users", 11, "not expected"),
        (r#"data."a\"b" = 1"#, 1, "no field"),
    ] {
        let error = refusal(text);
        assert_eq!((error.position, error.message.contains(part)), (position, true), "{text}: {error}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    for text in ["(".repeat(4000), "not ".repeat(1000), "(".repeat(100_000), "a".repeat(100_000)] {
        assert!(parse(&text).is_err());
    }
    let many = vec!["id='a'"; 101].join(" or ");
    assert!(parse(&many).unwrap_err().message.contains("at most 100"));
    let widest = vec!["data.amount!=1"; 100].join(" or ");
    assert_eq!(Asked::new().filter(&widest), "12345");
}

#[test]
fn pages_hold_every_row_once_in_every_order() {
    let asked = Asked::new();
    let id = || Field::column("id", Kind::Text);
    for sort in [
        "name",
        "-name",
        "data.city,-name",
        "-data.city",
        "data.flag,confidence",
        "-created_at",
        "id",
        "-id",
        "data.amount,id",
    ] {
        let order = Order::new(&parse_sort(sort).unwrap(), &Table, id()).unwrap();
        let sql = format!("SELECT id FROM things ORDER BY {}", order.sql());
        let whole = asked.db.read(|r| r.query_all(&sql, &[], |row| row.get::<String>(0))).unwrap();
        let mut paged = Vec::new();
        let mut position: Option<Position> = None;
        while paged.len() <= ROWS.len() {
            let parts = match &position {
                Some(at) => order.parts_after(at, &[]).unwrap(),
                None => vec![("1 = 1".to_owned(), Vec::new())],
            };
            let mut page = Vec::new();
            for (condition, params) in parts {
                let left = 2 - page.len();
                let (columns, order_by) = (order.columns(), order.sql());
                let sql =
                    format!("SELECT id, {columns} FROM things WHERE {condition} ORDER BY {order_by} LIMIT {left}");
                let read = |row: &storage::Row<'_>| Ok((row.get::<String>(0)?, order.position(row, 1)?));
                page.extend(asked.db.read(|r| r.query_all(&sql, &params, read)).unwrap());
            }
            if let Some(at) = &position {
                let mut params = Vec::new();
                let sql = format!(
                    "SELECT id FROM things WHERE {} ORDER BY {} LIMIT 2",
                    order.after(at, &mut params).unwrap(),
                    order.sql()
                );
                let whole = asked.db.read(|r| r.query_all(&sql, &params, |row| row.get::<String>(0))).unwrap();
                assert_eq!(page.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), whole, "{sort}");
            }
            position = page.last().map(|(_, at)| at.clone());
            if position.is_none() {
                break;
            }
            paged.extend(page.into_iter().map(|(id, _)| id));
        }
        assert_eq!(paged, whole, "{sort}");
    }
}

#[test]
fn sorts_are_checked() {
    for (text, position) in
        [("", 1), ("-", 2), ("name,", 6), ("name,name", 6), ("a,b,c,d,e", 9), ("name desc", 6), ("--name", 2)]
    {
        assert_eq!(parse_sort(text).unwrap_err().position, position, "{text}");
    }
    let unknown = Order::new(&parse_sort("name,data.secret").unwrap(), &Table, Field::column("id", Kind::Text));
    assert_eq!(unknown.err().unwrap().position, 6);
}

#[test]
fn cursors_belong_to_their_question() {
    let key = CursorKey::new(b"a key for tests");
    let position = Position(vec![
        cursor::Value::from(Column::Text("ü")),
        cursor::Value::from(Column::Real(0.1 + 0.2)),
        cursor::Value::from(Column::Null),
        cursor::Value::from(Column::Int(i64::MIN)),
    ]);
    let sealed = key.seal(&["customers", "name"], &position);
    assert_eq!(key.open(&["customers", "name"], &sealed).unwrap(), position);
    assert!(key.open(&["customersn", "ame"], &sealed).is_err());
    assert!(key.open(&["customers", "-name"], &sealed).is_err());
    assert!(CursorKey::new(b"another").open(&["customers", "name"], &sealed).is_err());
    for forged in ["", "x", "AAAA", &"A".repeat(100_000), "..", &sealed[1..]] {
        assert!(key.open(&["customers", "name"], forged).is_err());
    }
}
