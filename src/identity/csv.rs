//! Contacts as comma-separated values (RFC 4180), as office programs write them.

use super::{Book, Fault};

/// Reads a whole file.
pub fn read(text: &str) -> Result<Book, Vec<Fault>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let head = text.lines().next().unwrap_or_default();
    let separator = if head.contains(';') && !head.contains(',') { ';' } else { ',' };
    let mut faults = vec![];
    let mut records = records(text, separator, &mut faults).into_iter();
    let (_, head) = records.next().unwrap_or_default();
    let column = |cell: &str| cell.trim().to_lowercase();
    let name = head.iter().position(|cell| column(cell) == "name");
    let numbers: Vec<usize> = (0..head.len()).filter(|at| column(&head[*at]).starts_with("number")).collect();
    let (Some(name), false) = (name, numbers.is_empty()) else {
        let what = "wants a header with a column \"name\" and one or more that begin with \"number\"";
        return Err(vec![Fault { line: 1, what: what.into() }]);
    };
    let mut book = Book::default();
    for (line, record) in records {
        if record.len() != head.len() {
            let what = format!("has {} columns, the header has {}", record.len(), head.len());
            faults.push(Fault { line, what });
            continue;
        }
        let own = numbers.iter().map(|at| record[*at].as_str()).filter(|number| !number.trim().is_empty());
        for number in own {
            match record[name].trim() {
                "" => faults.push(Fault { line, what: "a number without a name".into() }),
                name => book.add(name, number),
            }
        }
    }
    faults.sort_by_key(|fault| fault.line);
    if faults.is_empty() { Ok(book) } else { Err(faults) }
}

/// Every record that is not blank, with the line that it begins in.
fn records(text: &str, separator: char, faults: &mut Vec<Fault>) -> Vec<(usize, Vec<String>)> {
    let (mut records, mut record, mut cell) = (vec![], vec![], String::new());
    let (mut line, mut began, mut quoted) = (1, 1, None);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' if quoted.is_some() && rest.peek() == Some(&'"') => {
                rest.next();
                cell.push('"');
            }
            '"' if quoted.is_some() => quoted = None,
            '"' if cell.is_empty() => quoted = Some(line),
            '\r' if quoted.is_none() && rest.peek() == Some(&'\n') => {}
            '\n' if quoted.is_none() => {
                record.push(std::mem::take(&mut cell));
                records.push((began, std::mem::take(&mut record)));
                began = line + 1;
            }
            c if c == separator && quoted.is_none() => record.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
        line += usize::from(c == '\n');
    }
    if let Some(line) = quoted {
        faults.push(Fault { line, what: "a quotation mark that is never closed".into() });
    } else if !cell.is_empty() || !record.is_empty() {
        record.push(cell);
        records.push((began, record));
    }
    records.retain(|(_, record)| record.iter().any(|cell| !cell.trim().is_empty()));
    records
}
