//! Keys that a running daemon cannot change: what they name is open, or bound. A reload leaves them as they are and
//! says so.

use super::Config;

impl Config {
    /// This configuration with `running`'s values for what only a restart changes, and the keys that differ.
    #[must_use]
    pub fn keeping_what_runs(self, running: &Self) -> (Self, Vec<&'static str>) {
        let differs = [
            ("state_dir", self.state_dir != running.state_dir),
            ("admin_socket", self.admin_socket != running.admin_socket),
            ("http.listen", self.listen != running.listen),
            ("metrics.listen", self.metrics_listen != running.metrics_listen),
        ];
        let keys = differs.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect();
        let kept = Self {
            state_dir: running.state_dir.clone(),
            admin_socket: running.admin_socket.clone(),
            listen: running.listen.clone(),
            metrics_listen: running.metrics_listen.clone(),
            ..self
        };
        (kept, keys)
    }
}
