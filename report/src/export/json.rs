//! How does a program read everything that the other formats are made of?
//!
//! [`Suite`] as it is, on one line; `results/schema/export.schema.json` is its JSON Schema, and
//! `results/README.md` says what the names mean.

use super::Suite;

/// The suite as JSON.
pub(super) fn write(suite: &Suite) -> String {
    super::json_text(suite)
}

/// The JSON Schema of the format.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Suite).to_value()
}
