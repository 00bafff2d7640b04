//! A decoder as strict as the command line client's, to which the desktop client hands the same objects: a field that is
//! missing, null or of another type makes the whole answer unusable (protocol sections 4 and 8).

use serde_json::Value;

/// `name:type`; `?` may be null or absent. `i` is an integer of 64 bits, `n` one of 32, `a` an array of strings.
const INSTANCE: &str = "id:s name:s url:s proxy_url:s username:s enterprise_enabled:b disable_all_traffic:b \
                        openid_display_name:s? client_traffic_policy:n?";
const DEVICE: &str = "id:i name:s pubkey:s user_id:i created_at:i";
const LOCATION: &str = "network_id:i network_name:s config:s endpoint:s assigned_ip:s pubkey:s allowed_ips:s dns:s? \
                        mfa_enabled:b keepalive_interval:n location_mfa_mode:n? service_location_mode:n?";
const USER: &str = "first_name:s last_name:s login:s email:s phone_number:s? is_active:b device_names:a enrolled:b \
                    is_admin:b";
const ADMIN: &str = "name:s phone_number:s? email:s";
const SETTINGS: &str = "vpn_setup_optional:b only_client_activation:b admin_device_management:b smtp_configured:b \
                        mfa_required:b";

/// The answer of `start`.
pub(crate) fn start(answer: &Value) -> Result<(), String> {
    object(answer, "deadline_timestamp:i final_page_content:s")?;
    object(&answer["instance"], INSTANCE)?;
    for (name, fields) in [("admin", ADMIN), ("user", USER), ("settings", SETTINGS)] {
        if !answer[name].is_null() {
            object(&answer[name], fields)?;
        }
    }
    Ok(())
}

/// What `create_device` and `network_info` answer, and what a poll holds.
pub(crate) fn device_config(answer: &Value) -> Result<(), String> {
    object(answer, "token:s?")?;
    object(&answer["device"], DEVICE)?;
    object(&answer["instance"], INSTANCE)?;
    let locations = answer["configs"].as_array().ok_or("configs is no array")?;
    locations.iter().try_for_each(|location| object(location, LOCATION))
}

/// See [`INSTANCE`] for how `fields` are written.
pub(crate) fn object(value: &Value, fields: &str) -> Result<(), String> {
    let found = value.as_object().ok_or_else(|| format!("not an object: {value}"))?;
    for field in fields.split_whitespace() {
        let (name, kind) = field.split_once(':').unwrap();
        let value = found.get(name).unwrap_or(&Value::Null);
        let fits = match kind.trim_end_matches('?') {
            "s" => value.is_string(),
            "b" => value.is_boolean(),
            "i" => value.is_i64(),
            "n" => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            "a" => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            other => panic!("no such type: {other}"),
        };
        let may_miss = kind.ends_with('?') && value.is_null();
        if !(fits || may_miss) {
            return Err(format!("{name} in {found:?}"));
        }
    }
    Ok(())
}
