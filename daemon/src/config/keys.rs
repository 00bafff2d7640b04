//! The keys of `postern.toml`, for the tests.

/// Every key there is, by table: what `config/postern.toml` has to document.
pub(super) const KEYS: &[(&str, &[&str])] = &[
    ("", &["instance_name", "public_url", "state_dir", "admin_socket", "locations_dir"]),
    (
        "http",
        &[
            "listen",
            "trusted_proxies",
            "tls",
            "certificate_file",
            "key_file",
            "key_credential",
            "redirect_listen",
        ],
    ),
    ("http.acme", &["directory", "email", "ca_file"]),
    ("contact", &["name", "email", "phone"]),
    ("branding", &["company", "accent", "logo", "help_text", "links"]),
    ("mail", &["from", "directory", "templates_dir"]),
    (
        "mail.smtp",
        &[
            "host",
            "port",
            "security",
            "username",
            "password_file",
            "password_credential",
            "ca_file",
            "timeout",
            "hello_name",
        ],
    ),
    ("enrollment", &["token_ttl", "session_ttl", "device_step", "devices_per_session"]),
    ("sign_in", &["idle_timeout", "absolute_timeout"]),
    ("security", &["second_factor"]),
    ("gateway", &["backend", "reconcile_interval"]),
    ("metrics", &["listen"]),
    ("audit", &["keep"]),
    ("backup", &["recipients", "directory", "keep"]),
    ("client", &["core_version", "component_version"]),
];
