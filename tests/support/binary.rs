//! The program under test.

/// What `POSTERN_BIN` names (`tests/support/run-suites` builds it once, as it is shipped), else what cargo built beside the test.
pub(crate) fn postern() -> String {
    let built = || option_env!("CARGO_BIN_EXE_postern").map(str::to_owned);
    std::env::var("POSTERN_BIN").ok().or_else(built).unwrap()
}
