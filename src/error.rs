//! Why a run stopped: the place, what was expected, what was found, what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// An error that ends a run. Facts about the traffic are not errors: see [`crate::base::anomaly`].
#[derive(Debug)]
pub struct Error {
    /// File or argument, if one is to blame.
    pub path: Option<PathBuf>,
    /// Byte offset in the file.
    pub offset: Option<u64>,
    /// What went wrong: expected and found.
    pub message: String,
    /// What the user can do.
    pub advice: Option<String>,
}

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// With a message only.
    pub fn new(message: impl Into<String>) -> Self {
        Self { path: None, offset: None, message: message.into(), advice: None }
    }

    /// An I/O error on `path`.
    pub fn io(path: &Path, doing: &str, error: &io::Error) -> Self {
        Self::new(format!("cannot {doing}: {error}")).at(path)
    }

    /// Names the file.
    #[must_use]
    pub fn at(mut self, path: impl Into<PathBuf>) -> Self {
        self.path = Some(path.into());
        self
    }

    /// Names the byte offset.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}", path.display())?;
            if let Some(offset) = self.offset {
                write!(f, ", byte {offset}")?;
            }
            f.write_str(": ")?;
        }
        f.write_str(&self.message)?;
        if let Some(advice) = &self.advice {
            write!(f, "\n  {advice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
