//! Rows in columns that line up, for people.

use std::fmt::Write as _;

/// The rows under their heading, each column as wide as its widest cell; control characters are escaped.
pub fn table<const N: usize>(heading: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut rows: Vec<_> = rows.into_iter().map(|row| row.map(|cell| printable(&cell))).collect();
    rows.insert(0, heading.map(str::to_owned));
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// What somebody typed into a name must not move the cursor of who lists it.
pub fn printable(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_line_up_and_nothing_moves_the_cursor() {
        let text = table(["name", "n"], [["é\u{1b}[2J".to_owned(), "1".to_owned()]]);
        assert_eq!(text, "name   n\né\u{fffd}[2J  1\n");
    }
}
