//! A disk that is full, for tests: what is there can be read, nothing can be written.

use std::sync::PoisonError;

use super::{Store, StoreError};

impl Store {
    /// From now on every write fails.
    pub(crate) fn fill_the_disk(&self) -> Result<(), StoreError> {
        self.take_writes("ON")
    }

    /// Writes succeed again.
    pub(crate) fn free_the_disk(&self) -> Result<(), StoreError> {
        self.take_writes("OFF")
    }

    fn take_writes(&self, query_only: &str) -> Result<(), StoreError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(writer.pragma_update(None, "query_only", query_only)?)
    }
}
