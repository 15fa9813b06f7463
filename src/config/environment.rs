//! Settings from variables of the environment.

use std::{ffi::OsString, io};

use super::{
    ServerConfig,
    fields::{FIELDS, Field, find},
    value::Value,
};

/// Changes what `variables` with this prefix set.
///
/// # Errors
/// The first that names no setting, or makes no sense, by its name.
pub(super) fn apply(
    config: &mut ServerConfig,
    prefix: &str,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> io::Result<()> {
    for (variable, value) in variables {
        // A variable that is no text cannot be one of ours, but for its beginning.
        let variable = variable.to_string_lossy();
        let Some(name) = variable.strip_prefix(prefix) else { continue };
        let invalid = |why: String| {
            let text = format!("the environment variable {variable}: {why}");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let is_capital = !name.bytes().any(|byte| byte.is_ascii_lowercase());
        let name = if is_capital { name.to_ascii_lowercase() } else { variable.clone().into_owned() };
        let index = find(&name).map_err(invalid)?;
        let value =
            value.into_string().map_err(|value| invalid(format!("it is {value:?}, which is no text")))?;
        if !value.is_empty() {
            let field = &FIELDS[index].1;
            let value = match field {
                // There are no lists here.
                Field::Addresses => Value::List(value.split(',').map(str::to_owned).collect()),
                _ => Value::Text(value),
            };
            field.set(config, &value).map_err(invalid)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::ffi::OsStringExt, time::Duration};

    use super::*;
    use crate::Backend;

    fn read(variables: &[(&str, &str)]) -> io::Result<ServerConfig> {
        let mut config = ServerConfig::default();
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        apply(&mut config, "TRIJET_", variables).map(|()| config)
    }

    #[test]
    fn variables_with_the_prefix_are_settings() {
        let config = read(&[
            ("TRIJET_ADDRESS", "127.0.0.1:1, [::1]:2,unix:/run/app.sock"),
            ("TRIJET_BACKEND", "mio"),
            ("TRIJET_WORKERS", "3"),
            ("TRIJET_BODY_BYTES_MAX", "8 MiB"),
            ("TRIJET_HEAD_TIMEOUT", "1.5"),
            ("TRIJET_LOOP_HOLD_MAX", "off"),
            ("TRIJET_CONNECTIONS_MAX", "100"),
            ("TRIJET_NO_DELAY", "false"),
            ("TRIJET_UNIX_MODE", "0660"),
            ("TRIJET_IDLE_TIMEOUT", ""),
            ("PATH", "/bin"),
            ("trijet_workers", "of another"),
        ])
        .unwrap();
        let addresses: Vec<_> = config.address.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1:1", "[::1]:2", "unix:/run/app.sock"]);
        assert_eq!((config.backend, config.workers), (Some(Backend::Mio), Some(3)));
        assert_eq!(config.limits.body_bytes_max, 8 << 20);
        assert_eq!(config.limits.head_timeout, Duration::from_millis(1500));
        assert_eq!((config.limits.loop_hold_max, config.limits.connections_max), (None, Some(100)));
        assert_eq!((config.sockets.no_delay, config.sockets.unix_mode), (false, Some(0o660)));
        assert_eq!(config.limits.idle_timeout, Duration::from_secs(75));
        let auto = read(&[("TRIJET_CONNECTIONS_MAX", "auto"), ("TRIJET_WORKERS", "auto")]).unwrap();
        assert_eq!(auto, ServerConfig::default());
    }

    #[test]
    fn what_makes_no_sense_is_named_with_its_variable() {
        for (name, value, what) in [
            ("TRIJET_WROKERS", "3", "there is no such setting; there are address, backend, workers, "),
            ("TRIJET_workers", "3", "there is no such setting"),
            ("TRIJET_", "3", "there is no such setting"),
            ("TRIJET_WORKERS", "many", "it is \"many\", and has to be a whole number, or auto"),
            ("TRIJET_WORKERS", "-1", "it is \"-1\", and has to be a whole number, or auto"),
            ("TRIJET_BACKEND", "rocket", "there is no backend \"rocket\""),
            ("TRIJET_ADDRESS", "8080", "\"8080\" is no address to listen on: its port is missing"),
            ("TRIJET_ADDRESS", "127.0.0.1:1,", "\"\" is no address to listen on"),
            (
                "TRIJET_TURN_REQUESTS_MAX",
                "4294967296",
                "it is \"4294967296\", and has to be at most 4294967295",
            ),
            ("TRIJET_ADDRESS", ",", "\"\" is no address to listen on"),
            ("TRIJET_HEAD_TIMEOUT", "soon", "and has to be a time: seconds, or"),
            ("TRIJET_BODY_BYTES_MAX", "8 MB", "and has to be a whole number of bytes"),
            ("TRIJET_NO_DELAY", "yes", "and has to be true or false"),
            ("TRIJET_UNIX_MODE", "rw", "and has to be octal digits"),
        ] {
            let error = read(&[(name, value)]).unwrap_err().to_string();
            assert!(error.starts_with(&format!("the environment variable {name}: ")), "{error}");
            assert!(error.contains(what), "{error}");
        }
        let no_text = OsString::from_vec(vec![0xff]);
        let mut config = ServerConfig::default();
        let error = apply(&mut config, "TRIJET_", [("TRIJET_WORKERS".into(), no_text)]).unwrap_err();
        assert!(error.to_string().contains("which is no text"), "{error}");
    }
}
