//! The tables in a connector's README. `operation | requests` tells what each operation asks of the
//! product; `operation | request | status | what it means | becomes` what comes of each status, where
//! the first row that fits says it: exceptions stand above the rule.
//!
//! A cell lists alternatives by comma. `every` fits all operations or requests, `every GET` the
//! requests of that method, `x (2)` the second time that one call makes request `x`.

use std::fmt::Write;

/// What a connector did.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub operation: String,
    pub request: String,
    /// The first, second, .. time in this call.
    pub nth: usize,
    pub status: String,
    pub becomes: String,
}

struct Written {
    line: usize,
    operations: Vec<String>,
    requests: Vec<String>,
    statuses: Vec<String>,
    becomes: String,
}

const SHOWN_MAX: usize = 60;

/// Fails unless each of `rows` is as the README says, and each row of the README is met.
#[track_caller]
pub fn compare(readme: &str, rows: &[Row]) {
    report(
        "| operation | request | status | what it means | becomes |",
        &differences(readme, rows),
    );
}

/// Fails unless the README tells the requests of each operation, in the order of the first call.
#[track_caller]
pub(super) fn compare_requests(readme: &str, made: &[(String, String)]) {
    let mut seen: Vec<(&str, Vec<&str>)> = Vec::new();
    for (operation, request) in made {
        match seen.iter_mut().find(|(of, _)| of == operation) {
            Some((_, requests)) if requests.contains(&request.as_str()) => {}
            Some((_, requests)) => requests.push(request),
            None => seen.push((operation, vec![request])),
        }
    }
    let written: Vec<(String, Vec<String>)> = tables(readme, &["operation", "requests"])
        .into_iter()
        .map(|(_, cells)| (plain(&cells[0]), list(&cells[1])))
        .collect();
    let as_said = |of: &str, requests: &[&str]| {
        written.iter().any(|(operation, said)| operation == of && said == requests)
    };
    let mut wrong = Vec::new();
    for (operation, requests) in seen.iter().filter(|(of, requests)| !as_said(of, requests)) {
        wrong.push(format!("| `{operation}` | `{}` |", requests.join("`, `")));
    }
    for (operation, _) in written.iter().filter(|(of, _)| seen.iter().all(|(made, _)| made != of)) {
        wrong.push(format!("`{operation}` has a row and is not tried"));
    }
    report("| operation | requests |", &wrong);
}

#[track_caller]
fn report(table: &str, wrong: &[String]) {
    let shown = wrong.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n");
    let count = wrong.len();
    assert!(wrong.is_empty(), "README.md, {table}\n{count} rows differ from what is so:\n{shown}");
}

fn differences(readme: &str, rows: &[Row]) -> Vec<String> {
    let columns = ["operation", "request", "status", "what it means", "becomes"];
    let written: Vec<Written> = tables(readme, &columns)
        .into_iter()
        .map(|(line, cells)| Written {
            line,
            operations: list(&cells[0]),
            requests: list(&cells[1]),
            statuses: list(&cells[2]),
            becomes: plain(&cells[4]),
        })
        .collect();
    let mut met = vec![false; written.len()];
    let mut wrong = Vec::new();
    for row in rows {
        let mut said = "no row fits".to_owned();
        if let Some(at) = written.iter().position(|written| written.fits(row)) {
            met[at] = true;
            if written[at].becomes == row.becomes {
                continue;
            }
            said = format!("line {} says: {}", written[at].line, written[at].becomes);
        }
        let Row { operation, request, nth, status, becomes } = row;
        let mut line = format!("| `{operation}` | `{request}`");
        if *nth > 1 {
            let _ = write!(line, " ({nth})");
        }
        wrong.push(format!("{line} | {status} |  | {becomes} | <- {said}"));
    }
    for written in written.iter().zip(met).filter(|(_, met)| !met).map(|(written, _)| written) {
        wrong.push(format!("line {}: nothing comes to this row", written.line));
    }
    wrong
}

impl Written {
    fn fits(&self, row: &Row) -> bool {
        let method = row.request.split(' ').next().unwrap_or_default();
        let this_time = format!("{} ({})", row.request, row.nth);
        let of_method = format!("every {method}");
        let has = |cell: &[String], words: &[&str]| {
            cell.iter().any(|said| said == "every" || words.contains(&said.as_str()))
        };
        has(&self.operations, &[&row.operation])
            && has(&self.requests, &[&row.request, &this_time, &of_method])
            && has(&self.statuses, &[&plain(&row.status)])
    }
}

/// The rows of all tables with these columns: line number, cells.
fn tables(readme: &str, columns: &[&str]) -> Vec<(usize, Vec<String>)> {
    let mut rows = Vec::new();
    let mut inside = false;
    for (at, line) in readme.lines().enumerate() {
        let Some(line) = line.trim().strip_prefix('|') else {
            inside = false;
            continue;
        };
        let cells = line.trim_end_matches('|').split('|').map(|cell| cell.trim().to_owned());
        let cells: Vec<String> = cells.collect();
        if cells == columns {
            inside = true;
        } else if inside && !cells[0].starts_with("---") && cells.len() == columns.len() {
            rows.push((at + 1, cells));
        } else if inside && cells.len() != columns.len() {
            panic!("README.md:{}: {} cells, not {}", at + 1, cells.len(), columns.len());
        }
    }
    assert!(!rows.is_empty(), "README.md has no table `{}`", columns.join(" | "));
    rows
}

fn list(cell: &str) -> Vec<String> {
    cell.split(',').map(plain).collect()
}

fn plain(text: impl AsRef<str>) -> String {
    text.as_ref().replace('`', "").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = "
| operation | requests |
| --- | --- |
| `pay` | `GET /p`, `POST /p` |

| operation | request | status | what it means | becomes |
| --- | --- | --- | --- | --- |
| `pay` | `GET /p` (2) | 404 | gone meanwhile | `gone`, never |
| every | every GET | 404 | new | answer `paid` |
| every | every | 401, 403 | | `unauthorised`, refresh-auth |
";

    fn row(request: &str, nth: usize, status: &str, becomes: &str) -> Row {
        Row {
            operation: "pay".into(),
            request: request.into(),
            nth,
            status: status.into(),
            becomes: becomes.into(),
        }
    }

    #[test]
    fn the_first_row_that_fits_says_it_and_each_row_is_met() {
        let whole = [
            row("GET /p", 1, "404", "answer paid"),
            row("GET /p", 2, "404", "gone, never"),
            row("POST /p", 1, "403", "unauthorised, refresh-auth"),
        ];
        assert_eq!(differences(README, &whole), Vec::<String>::new());
        assert_eq!(differences(README, &whole[1..]), ["line 9: nothing comes to this row"]);
        let mut other = whole.to_vec();
        other.push(row("POST /p", 1, "404", "rejected, never"));
        other.push(row("GET /p", 2, "401", "rejected, never"));
        assert_eq!(
            differences(README, &other),
            [
                "| `pay` | `POST /p` | 404 |  | rejected, never | <- no row fits",
                "| `pay` | `GET /p` (2) | 401 |  | rejected, never | <- line 10 says: unauthorised, refresh-auth",
            ]
        );
    }

    #[test]
    fn an_operation_has_its_requests_in_order() {
        let made = |requests: &[&str]| -> Vec<(String, String)> {
            requests.iter().map(|request| ("pay".to_owned(), (*request).to_owned())).collect()
        };
        compare_requests(README, &made(&["GET /p", "POST /p", "GET /p"]));
        for wrong in [made(&["POST /p", "GET /p"]), made(&["GET /p"])] {
            assert!(std::panic::catch_unwind(|| compare_requests(README, &wrong)).is_err());
        }
    }
}
