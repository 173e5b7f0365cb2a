//! The tables on the terminal.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

use crate::stats::{Row, Spread};
use crate::units;

const RULE: LineStyle = LineStyle::none().fill('─').junction('─');
const STYLE: TableStyle =
    TableStyle::new().top_border(RULE).header_separator(RULE).bottom_border(RULE);

/// A table with right-aligned columns after the first `names` ones, as lines.
pub fn render(head: &[&str], rows: &[Vec<String>], names: usize) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(head);
    rows.iter().for_each(|row| {
        table.add_row(row);
    });
    for column in table.column_iter_mut().skip(names) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// The table of `baton run`.
pub fn kexec(rows: &[Row]) -> String {
    let head = [
        "",
        "phase",
        "serial\nmedian",
        "\nmin",
        "\nmax",
        "parallel\nmedian",
        "\nmin",
        "\nmax",
        "serial /\nparallel",
    ];
    let mut group = "";
    let cells = rows.iter().map(|row| {
        let name = if row.group == group { "" } else { &row.group };
        group = &row.group;
        line(name, row)
    });
    render(&head, &cells.collect::<Vec<_>>(), 2)
}

fn line(group: &str, row: &Row) -> Vec<String> {
    let mut line = vec![group.to_string(), row.phase.clone()];
    line.extend(spread(row.serial));
    line.extend(spread(row.parallel));
    line.push(row.ratio.map_or("-".to_string(), units::three_digits));
    line
}

/// Median, least and greatest as cells.
pub fn spread(spread: Option<Spread>) -> [String; 3] {
    match spread {
        Some(Spread { median, min, max }) => [median, min, max].map(units::time),
        None => ["-", "-", "-"].map(String::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::Script;
    use crate::{collect, stats};

    #[test]
    fn every_phase_is_a_line_and_columns_line_up() {
        let script = Script::new(8);
        let records = [script.jump(1, "serial", 1, 1), script.jump(2, "parallel", 1, 1)].concat();
        let text = kexec(&stats::summary(&collect::jumps(&records).unwrap()));
        let lines: Vec<&str> = text.lines().collect();
        let width = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == width), "{text}");
        let total = lines.iter().find(|line| line.contains(" total ")).unwrap();
        let cells: Vec<&str> = total.split_whitespace().collect();
        assert_eq!(cells[..3], ["total", "840", "us"], "{text}");
        assert_eq!(cells.last(), Some(&"9.73"), "{text}");
        for phase in ["online-down", "jump -> entry", "blackout", "kick"] {
            assert_eq!(lines.iter().filter(|line| line.contains(phase)).count(), 1, "{text}");
        }
    }
}
