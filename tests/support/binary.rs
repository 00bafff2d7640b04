//! The program under test.

/// What `POSTERN_BIN` names (`tests/support/run-suites` builds it once, as it is shipped), else what cargo built beside the test.
pub(crate) fn postern() -> String {
    std::env::var("POSTERN_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_postern").to_owned())
}
