//! Where a capture was taken.

use std::fmt;
use std::str::FromStr;

/// Role of a capture point in the experiment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Role {
    /// Who uses the service of the VM.
    Client,
    /// The node that the VM leaves.
    Source,
    /// The node that the VM goes to.
    Destination,
    /// A node of the storage cluster.
    Storage,
    /// The node of the control services.
    Controller,
    /// Not known.
    #[default]
    Unknown,
}

impl Role {
    /// All roles that a point can be given.
    pub const GIVEN: [Self; 5] = [Self::Client, Self::Source, Self::Destination, Self::Storage, Self::Controller];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Source => "source",
            Self::Destination => "destination",
            Self::Storage => "storage",
            Self::Controller => "controller",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::GIVEN
            .into_iter()
            .find(|r| r.name() == text)
            .ok_or_else(|| format!("{text:?} is not a role: expected client, source, destination, storage or controller"))
    }
}
