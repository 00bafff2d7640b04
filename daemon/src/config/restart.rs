//! Keys that a running daemon cannot change: what they name is open, or bound. A reload leaves them as they are and
//! says so.

use std::mem::discriminant;

use super::{Config, Http};

impl Config {
    /// This configuration with `running`'s values for what only a restart changes, and the keys that differ.
    #[must_use]
    pub fn keeping_what_runs(self, running: &Self) -> (Self, Vec<&'static str>) {
        let differs = [
            ("state_dir", self.state_dir != running.state_dir),
            ("admin_socket", self.admin_socket != running.admin_socket),
            ("http.listen", self.http.listen != running.http.listen),
            ("http.redirect_listen", self.http.redirect_listen != running.http.redirect_listen),
            ("http.tls", discriminant(&self.http.tls) != discriminant(&running.http.tls)),
            ("metrics.listen", self.metrics_listen != running.metrics_listen),
        ];
        let keys =
            differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect::<Vec<_>>();
        let tls = if keys.contains(&"http.tls") { running.http.tls.clone() } else { self.http.tls.clone() };
        let http = Http {
            listen: running.http.listen.clone(),
            redirect_listen: running.http.redirect_listen.clone(),
            tls,
            ..self.http
        };
        let kept = Self {
            state_dir: running.state_dir.clone(),
            admin_socket: running.admin_socket.clone(),
            http,
            metrics_listen: running.metrics_listen.clone(),
            ..self
        };
        (kept, keys)
    }
}
