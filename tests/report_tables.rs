//! CSV and Parquet: read back with polars, they hold what the report holds.
#![cfg(feature = "testkit")]

use std::fs::{self, File};
use std::path::Path;

use lmpcap::report::tables::{self, Data, Sheet};
use lmpcap::report::{self, WriteOptions};
use lmpcap::testkit::sample;
use polars::prelude::*;

fn csv(path: &Path) -> DataFrame {
    CsvReadOptions::default()
        .with_infer_schema_length(None)
        .try_into_reader_with_file_path(Some(path.to_path_buf()))
        .unwrap()
        .finish()
        .unwrap()
}

/// The value of a cell as a text to compare; `None` if it is null.
fn value(frame: &DataFrame, column: &str, row: usize) -> Option<String> {
    match frame.column(column).unwrap().get(row).unwrap() {
        AnyValue::Null => None,
        AnyValue::String(text) => Some(text.to_owned()),
        AnyValue::StringOwned(text) => Some(text.to_string()),
        AnyValue::Float64(v) => Some(format!("{v:?}")),
        other => Some(other.to_string()),
    }
}

fn expected(sheet: &Sheet, field: usize, row: usize) -> Option<String> {
    match &sheet.fields[field].data {
        Data::Text(v) => v[row].clone(),
        Data::Int(v) => v[row].map(|v| v.to_string()),
        Data::Float(v) => v[row].map(|v| format!("{v:?}")),
        Data::Bool(v) => v[row].map(|v| v.to_string()),
        Data::Time(v) => v[row].map(|t| t.rfc3339()),
    }
}

#[test]
fn parquet_holds_every_value_with_its_type() {
    for report in [sample::report(), sample::several(), sample::hostile(), sample::empty()] {
        let dir = tempfile::tempdir().unwrap();
        report::write(&report, &["parquet"], dir.path(), &WriteOptions::default()).unwrap();
        for sheet in tables::all(&report) {
            let path = dir.path().join("parquet").join(format!("{}.parquet", sheet.name));
            let frame = ParquetReader::new(File::open(&path).unwrap()).finish().unwrap();
            assert_eq!(frame.height(), sheet.fields[0].data.len(), "{}", sheet.name);
            assert_eq!(frame.width(), sheet.fields.len(), "{}", sheet.name);
            for (i, field) in sheet.fields.iter().enumerate() {
                let dtype = match field.data {
                    Data::Text(_) | Data::Time(_) => DataType::String,
                    Data::Int(_) => DataType::Int64,
                    Data::Float(_) => DataType::Float64,
                    Data::Bool(_) => DataType::Boolean,
                };
                assert_eq!(frame.column(field.name).unwrap().dtype(), &dtype, "{}.{}", sheet.name, field.name);
                for row in 0..frame.height() {
                    assert_eq!(value(&frame, field.name, row), expected(&sheet, i, row), "{}.{} row {row}", sheet.name, field.name);
                }
            }
        }
    }
}

#[test]
fn csv_holds_every_number_and_time() {
    let report = sample::several();
    let dir = tempfile::tempdir().unwrap();
    report::write(&report, &["csv"], dir.path(), &WriteOptions::default()).unwrap();
    let mut cells = 0;
    for sheet in tables::all(&report) {
        let frame = csv(&dir.path().join("csv").join(format!("{}.csv", sheet.name)));
        assert_eq!(frame.height(), sheet.fields[0].data.len(), "{}", sheet.name);
        let names: Vec<&str> = sheet.fields.iter().map(|field| field.name).collect();
        assert_eq!(frame.get_column_names(), names);
        for (i, field) in sheet.fields.iter().enumerate() {
            for row in 0..frame.height() {
                let (found, wanted) = (value(&frame, field.name, row), expected(&sheet, i, row));
                let same = match (&found, &wanted) {
                    // Columns of whole numbers alone come back as integers, empty texts as nothing.
                    (Some(a), Some(b)) => a == b || a.parse::<f64>().ok().zip(b.parse().ok()).is_some_and(|(a, b): (f64, f64)| a == b),
                    (None, Some(b)) => b.is_empty(),
                    (a, b) => a == b,
                };
                assert!(same, "{}.{} row {row}: {found:?}, not {wanted:?}", sheet.name, field.name);
                cells += 1;
            }
        }
    }
    assert!(cells > 10_000, "{cells}");
}

#[test]
fn no_cell_is_a_formula() {
    let dir = tempfile::tempdir().unwrap();
    report::write(&sample::hostile(), &["csv"], dir.path(), &WriteOptions::default()).unwrap();
    let mut hostile = 0;
    for entry in fs::read_dir(dir.path().join("csv")).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(['\x1b', '\u{202e}', '\r', '\t']), "{}", path.display());
        let frame = csv(&path);
        for column in frame.columns() {
            let Ok(texts) = column.str() else { continue };
            for cell in texts.iter().flatten() {
                hostile += usize::from(cell.starts_with("'=cmd"));
                let starts = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
                assert!(!starts, "{}: {cell:?}", path.display());
            }
        }
    }
    assert!(hostile > 50, "the hostile text is there, defused: {hostile}");
}

#[test]
fn the_dictionary_knows_every_column() {
    let dir = tempfile::tempdir().unwrap();
    let report = sample::report();
    report::write(&report, &["csv", "parquet"], dir.path(), &WriteOptions::default()).unwrap();
    for folder in ["csv", "parquet"] {
        let frame = csv(&dir.path().join(folder).join(tables::DICTIONARY));
        let columns: usize = tables::all(&report).iter().map(|sheet| sheet.fields.len()).sum();
        assert_eq!(frame.height(), columns);
        for row in 0..frame.height() {
            for column in ["table", "column", "type", "meaning"] {
                assert!(value(&frame, column, row).is_some_and(|text| !text.is_empty()));
            }
        }
    }
}

#[test]
fn units_stand_in_the_names() {
    // A number with a fraction has a unit, unless it is an index or a value whose unit stands beside it.
    for sheet in tables::all(&sample::report()) {
        for field in &sheet.fields {
            if matches!(field.data, Data::Float(_)) {
                let known = ["_ms", "_s", "_bps", "_percent", "_index", "_ppb", "_bytes_per_s"];
                let ends = known.iter().any(|end| field.name.ends_with(end)) || ["x", "y"].contains(&field.name);
                assert!(ends, "{}.{}", sheet.name, field.name);
            }
        }
    }
}
