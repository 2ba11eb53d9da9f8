//! A table before it is written: named columns of one type each.

use polars::prelude::{Column, DataFrame, NamedFrom, PolarsResult, Series};

use crate::base::time::Timestamp;

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Text.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Numbers.
    Float(Vec<Option<f64>>),
    /// True or false.
    Bool(Vec<Option<bool>>),
    /// Moments.
    Time(Vec<Option<Timestamp>>),
}

impl Data {
    /// How many values.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(v) => v.len(),
            Self::Int(v) => v.len(),
            Self::Float(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Time(v) => v.len(),
        }
    }

    /// A column of the same type without values.
    pub fn none(&self) -> Self {
        match self {
            Self::Text(_) => Self::Text(Vec::new()),
            Self::Int(_) => Self::Int(Vec::new()),
            Self::Float(_) => Self::Float(Vec::new()),
            Self::Bool(_) => Self::Bool(Vec::new()),
            Self::Time(_) => Self::Time(Vec::new()),
        }
    }

    /// Adds the value of `row` of a column of the same type; null without a row, and where the types differ.
    pub fn push(&mut self, from: &Self, row: Option<usize>) {
        fn one<T: Clone>(to: &mut Vec<Option<T>>, from: Option<&Vec<Option<T>>>, row: Option<usize>) {
            to.push(from.zip(row).and_then(|(from, row)| from.get(row).cloned().flatten()));
        }
        match (self, from) {
            (Self::Text(to), Self::Text(from)) => one(to, Some(from), row),
            (Self::Int(to), Self::Int(from)) => one(to, Some(from), row),
            (Self::Float(to), Self::Float(from)) => one(to, Some(from), row),
            (Self::Bool(to), Self::Bool(from)) => one(to, Some(from), row),
            (Self::Time(to), Self::Time(from)) => one(to, Some(from), row),
            (Self::Text(to), _) => one(to, None, row),
            (Self::Int(to), _) => one(to, None, row),
            (Self::Float(to), _) => one(to, None, row),
            (Self::Bool(to), _) => one(to, None, row),
            (Self::Time(to), _) => one(to, None, row),
        }
    }

    /// As a column of a data frame; `form` is applied to every text.
    pub fn column(&self, name: &str, form: impl Fn(&str) -> String) -> Column {
        let name = name.into();
        match self {
            Self::Text(v) => Series::new(name, v.iter().map(|t| t.as_deref().map(&form)).collect::<Vec<_>>()),
            Self::Int(v) => Series::new(name, v),
            Self::Float(v) => Series::new(name, v),
            Self::Bool(v) => Series::new(name, v),
            Self::Time(v) => Series::new(name, v.iter().map(|t| t.map(Timestamp::rfc3339)).collect::<Vec<_>>()),
        }
        .into()
    }

    /// True without any value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its type as the dictionary calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Int(_) => "integer",
            Self::Float(_) => "number",
            Self::Bool(_) => "boolean",
            Self::Time(_) => "time",
        }
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Its name, with the unit at its end.
    pub name: &'static str,
    /// What it holds.
    pub what: &'static str,
    /// Its values.
    pub data: Data,
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// Its name, also its file's.
    pub name: &'static str,
    /// What a row is.
    pub what: &'static str,
    /// Its columns, all of one length.
    pub fields: Vec<Field>,
}

impl Sheet {
    /// Without columns.
    pub(super) fn plain(name: &'static str, what: &'static str) -> Self {
        Self { name, what, fields: Vec::new() }
    }

    /// With the run's name in `rows` rows.
    pub(super) fn new(name: &'static str, what: &'static str, run: &str, rows: usize) -> Self {
        let mut sheet = Self::plain(name, what);
        sheet.text("run", "name of the run", std::iter::repeat_n(Some(run.to_owned()), rows));
        sheet
    }

    fn add(&mut self, name: &'static str, what: &'static str, data: Data) {
        debug_assert!(self.fields.first().is_none_or(|first| first.data.len() == data.len()), "{}.{name}", self.name);
        debug_assert!(self.fields.iter().all(|field| field.name != name), "{}.{name} twice", self.name);
        self.fields.push(Field { name, what, data });
    }

    pub(super) fn text(&mut self, name: &'static str, what: &'static str, values: impl IntoIterator<Item = Option<String>>) {
        self.add(name, what, Data::Text(values.into_iter().collect()));
    }

    pub(super) fn count(&mut self, name: &'static str, what: &'static str, values: impl IntoIterator<Item = Option<u64>>) {
        // A count beyond the range of an i64 is beyond any capture; null is honest where a wrapped number would not be.
        self.add(name, what, Data::Int(values.into_iter().map(|v| v.and_then(|v| i64::try_from(v).ok())).collect()));
    }

    pub(super) fn int(&mut self, name: &'static str, what: &'static str, values: impl IntoIterator<Item = Option<i64>>) {
        self.add(name, what, Data::Int(values.into_iter().collect()));
    }

    pub(super) fn float(&mut self, name: &'static str, what: &'static str, values: impl IntoIterator<Item = Option<f64>>) {
        self.add(name, what, Data::Float(values.into_iter().map(|v| v.filter(|v| v.is_finite())).collect()));
    }

    pub(super) fn bool(&mut self, name: &'static str, what: &'static str, values: impl IntoIterator<Item = Option<bool>>) {
        self.add(name, what, Data::Bool(values.into_iter().collect()));
    }

    pub(super) fn time(&mut self, name: &'static str, what: &'static str, values: impl IntoIterator<Item = Option<Timestamp>>) {
        self.add(name, what, Data::Time(values.into_iter().collect()));
    }

    /// As a data frame; `form` is applied to every captured text.
    pub(super) fn frame(&self, form: impl Fn(&str) -> String) -> PolarsResult<DataFrame> {
        let height = self.fields.first().map_or(0, |field| field.data.len());
        DataFrame::new(height, self.fields.iter().map(|field| field.data.column(field.name, &form)).collect())
    }
}
