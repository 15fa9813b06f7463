//! What the environment says. A variable that is there and makes no sense must end the start, with its name.

use std::{
    env::{self, VarError},
    ffi::OsString,
    fmt::Display,
    path::PathBuf,
    str::FromStr,
};

/// More than anybody types; a program that means well can wait.
const LINKS_PER_MINUTE: u32 = 60;

pub(crate) struct Settings {
    /// `PORT`: 8080 if unset, any free one if 0.
    pub(crate) port: u16,
    /// `LINKS_DB`: `links.db` if unset. It is made if it is not there.
    pub(crate) database: PathBuf,
    /// `LINKS_STATIC`: the folder of the static files; the one beside this source if unset.
    pub(crate) static_folder: PathBuf,
    /// `LINKS_TOKEN`: what the API asks for. If unset, there is no API.
    pub(crate) token: Option<String>,
    /// `LINKS_PER_MINUTE`: how many one client may add, 60 if unset.
    pub(crate) links_per_minute: u32,
}

impl Settings {
    pub(crate) fn from_environment() -> Result<Self, String> {
        let path =
            |name, default: &str| PathBuf::from(env::var_os(name).unwrap_or_else(|| OsString::from(default)));
        Ok(Self {
            port: read("PORT")?.unwrap_or(8080),
            database: path("LINKS_DB", "links.db"),
            static_folder: path("LINKS_STATIC", concat!(env!("CARGO_MANIFEST_DIR"), "/static")),
            token: read("LINKS_TOKEN")?.map(checked_token).transpose()?,
            links_per_minute: match read("LINKS_PER_MINUTE")?.unwrap_or(LINKS_PER_MINUTE) {
                0 => return Err("LINKS_PER_MINUTE is 0: nobody could add a link".into()),
                links => links,
            },
        })
    }
}

/// The value of a variable, if it is set.
fn read<T: FromStr<Err: Display>>(name: &str) -> Result<Option<T>, String> {
    match env::var(name) {
        Ok(value) => value.parse().map(Some).map_err(|error| format!("{name} is {value:?}: {error}")),
        Err(VarError::NotPresent) => Ok(None),
        Err(error) => Err(format!("{name}: {error}")),
    }
}

/// RFC 6750 §2.1: a token of other characters could not be sent, and nobody would be let in. The text is not repeated.
fn checked_token(token: String) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let body = token.trim_end_matches('=');
    if body.is_empty() || !body.bytes().all(is_allowed) {
        return Err(
            "LINKS_TOKEN: a token is letters, digits and -._~+/, at least one, and = at its end".into()
        );
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::checked_token;

    #[test]
    fn a_token_can_be_sent() {
        for (token, is_one) in [
            ("c2VjcmV0==", true),
            ("a-._~+/9", true),
            ("", false),
            ("=", false),
            ("two words", false),
            ("ö", false),
        ] {
            let checked = checked_token(token.to_owned());
            assert_eq!(checked.is_ok(), is_one, "{token}");
            assert!(checked.err().is_none_or(|error| token.len() < 2 || !error.contains(token)));
        }
    }
}
