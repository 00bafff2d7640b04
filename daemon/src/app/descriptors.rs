//! How many files and sockets this process may have open: as many as the administrator's hard limit allows. The usual soft
//! limit is small only for the sake of programs that use `select`.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit as far as it goes, and says what it is then.
pub(super) fn raise() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => Ok(hard),
        Err(error) => {
            tracing::warn!(%error, limit = soft, "cannot raise the limit of open files; it stays");
            Ok(soft)
        }
    }
}
