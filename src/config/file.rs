//! Settings from whatever serde reads. By hand, without serde's macros: the table has all names, and an error names the
//! setting, which a derived one would not. Where it stands is the format's to say.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Unexpected, Visitor},
};

use super::{
    ServerConfig,
    fields::{FIELDS, Field, find},
    value::Value,
};

impl<'de> Deserialize<'de> for ServerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::default().deserialize(deserializer)
    }
}

/// Reads over what it has, which are then the defaults: an application's own.
///
/// ```
/// use std::time::Duration;
///
/// use serde::{Deserialize, Deserializer, de::DeserializeSeed};
/// use trijet::ServerConfig;
///
/// #[derive(Deserialize)]
/// struct Config {
///     #[serde(default = "defaults", deserialize_with = "read")]
///     server: ServerConfig,
/// }
///
/// fn defaults() -> ServerConfig {
///     let mut defaults = ServerConfig::default();
///     defaults.drain_delay = Duration::from_secs(5);
///     defaults
/// }
///
/// fn read<'de, D: Deserializer<'de>>(server: D) -> Result<ServerConfig, D::Error> {
///     defaults().deserialize(server)
/// }
///
/// # #[cfg(feature = "json")] {
/// let config: Config = serde_json::from_str(r#"{ "server": { "workers": 2 } }"#)?;
/// assert_eq!((config.server.workers, config.server.drain_delay), (Some(2), Duration::from_secs(5)));
/// let config: Config = serde_json::from_str(r#"{ "server": { "drain_delay": 0 } }"#)?;
/// assert!(config.server.drain_delay.is_zero());
/// # }
/// # Ok::<(), serde_json::Error>(())
/// ```
impl<'de> DeserializeSeed<'de> for ServerConfig {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table(self))
    }
}

/// All settings, over what they are without it.
struct Table(ServerConfig);

impl<'de> Visitor<'de> for Table {
    type Value = ServerConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings of a server, by their names")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<ServerConfig, M::Error> {
        let mut config = self.0;
        let mut seen = [false; FIELDS.len()];
        while let Some(Name { index }) = map.next_key()? {
            let (name, field) = &FIELDS[index];
            if std::mem::replace(&mut seen[index], true) {
                return Err(M::Error::custom(format_args!("`{name}` is set twice")));
            }
            map.next_value_seed(Setting { name, field, config: &mut config })?;
        }
        Ok(config)
    }
}

/// The name of a setting, as its place in the table. A seed's own type, so that the format knows where an error stands.
struct Name {
    index: usize,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a setting")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
                let index = find(name).map_err(|why| E::custom(format_args!("`{name}`: {why}")))?;
                Ok(Name { index })
            }
        }
        deserializer.deserialize_identifier(Text)
    }
}

/// The value of one setting.
struct Setting<'a> {
    name: &'static str,
    field: &'static Field,
    config: &'a mut ServerConfig,
}

impl Setting<'_> {
    fn set<E: Error>(self, value: &Value) -> Result<(), E> {
        let Self { name, field, config } = self;
        field.set(config, value).map_err(|why| E::custom(format_args!("`{name}`: {why}")))
    }
}

impl<'de> DeserializeSeed<'de> for Setting<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Setting<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` to be {}", self.name, self.field.expected())
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<(), E> {
        self.set(&Value::Flag(flag))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.set(&Value::Whole(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        match u64::try_from(number) {
            Ok(number) => self.set(&Value::Whole(number)),
            // No setting is negative.
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        self.set(&Value::Number(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.set(&Value::Text(text.to_owned()))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element_seed(Element(&self))? {
            texts.push(text);
        }
        self.set(&Value::List(texts))
    }
}

/// One of a list, whose mistakes are those of the setting.
struct Element<'a>(&'a Setting<'a>);

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Element<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use trijet_core::{Limits, SocketSettings};

    use super::*;
    use crate::Backend;

    #[test]
    fn a_file_sets_what_it_names_and_leaves_the_rest() {
        let config: ServerConfig = toml::from_str(
            r#"
            address = ["127.0.0.1:1", "unix:/run/app.sock"]
            backend = "threaded"
            workers = 3
            body_bytes_max = "8 MiB"
            head_bytes_max = 1024
            head_timeout = 1.5
            idle_timeout = "2 min"
            loop_hold_max = "off"
            no_delay = false
            unix_mode = "0660"
            drain_delay = 10
            "#,
        )
        .unwrap();
        let expected = ServerConfig {
            address: vec!["127.0.0.1:1".parse().unwrap(), "unix:/run/app.sock".parse().unwrap()],
            backend: Some(Backend::Threaded),
            workers: Some(3),
            limits: Limits {
                body_bytes_max: 8 << 20,
                head_bytes_max: 1024,
                head_timeout: Duration::from_millis(1500),
                idle_timeout: Duration::from_secs(120),
                loop_hold_max: None,
                ..Limits::default()
            },
            sockets: SocketSettings { no_delay: false, unix_mode: Some(0o660), ..SocketSettings::default() },
            drain_delay: Duration::from_secs(10),
        };
        assert_eq!(config, expected);
        assert_eq!(toml::from_str::<ServerConfig>("").unwrap(), ServerConfig::default());
        let one: ServerConfig =
            serde_json::from_str(r#"{ "address": "[::1]:2", "workers": "auto" }"#).unwrap();
        assert_eq!(one.address, ["[::1]:2".parse().unwrap()]);
    }

    #[test]
    fn a_comma_is_a_part_of_a_path() {
        for text in [r#"address = "unix:/tmp/a,b:80""#, r#"address = ["unix:/tmp/a,b:80"]"#] {
            let config: ServerConfig = toml::from_str(text).unwrap();
            assert_eq!(config.address, [trijet_backend::Address::unix("/tmp/a,b:80")]);
        }
    }

    #[test]
    fn it_may_be_a_part_of_the_application_s_own() {
        #[derive(serde::Deserialize)]
        struct Own {
            database: String,
            #[serde(default)]
            server: ServerConfig,
        }
        let own: Own = toml::from_str("database = \"app.db\"\n[server]\nworkers = 2").unwrap();
        assert_eq!((&*own.database, own.server.workers), ("app.db", Some(2)));
        let own: Own = toml::from_str("database = \"app.db\"").unwrap();
        assert_eq!(own.server, ServerConfig::default());
    }

    #[test]
    fn every_field_of_the_limits_and_the_sockets_is_a_setting() {
        let shown = format!("{:?}{:?}", Limits::default(), SocketSettings::default());
        let names: Vec<&str> = shown
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
            .filter_map(|word| word.strip_suffix(':'))
            .collect();
        assert!(names.len() > 25, "{names:?}");
        let own = ["address", "backend", "workers", "drain_delay"];
        let listed: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
        for name in &names {
            assert!(listed.contains(name), "{name} is no setting");
        }
        assert_eq!(listed.len(), names.len() + own.len());
    }

    /// Each setting goes where its name says, and nowhere else.
    #[test]
    fn each_setting_changes_the_field_of_its_name() {
        for (name, field) in FIELDS {
            let text = match field {
                Field::Addresses => "127.0.0.1:12345",
                Field::Backend => "threaded",
                Field::UnixMode => "0123",
                Field::Flag(_) => "false",
                _ => "12345",
            };
            let mut config = ServerConfig::default();
            field.set(&mut config, &Value::Text(text.to_owned())).unwrap();
            let [before, after] = [ServerConfig::default(), config].map(|config| format!("{config:?}"));
            let alike = |pairs: &mut dyn Iterator<Item = (u8, u8)>| pairs.take_while(|(a, b)| a == b).count();
            let start = alike(&mut before.bytes().zip(after.bytes()));
            let end = alike(&mut before.bytes().rev().zip(after.bytes().rev()));
            let place = after[..start].rsplit_once(": ").unwrap().0;
            assert!(place.ends_with(&format!(" {name}")), "{name}: {place}");
            let changed = &after[start..after.len() - end];
            assert!(!changed.is_empty() && !changed.contains(": "), "{name}: {changed}");
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (line, what) in [
            ("wrokers = 3", "`wrokers`: there is no such setting; there are address, backend, workers, "),
            ("workers = \"many\"", "`workers`: it is \"many\", and has to be a whole number, or auto"),
            ("workers = -1", "expected `workers` to be a whole number, or auto"),
            ("workers = 1.5", "`workers`: it is 1.5, and has to be a whole number, or auto"),
            ("workers = [3]", "expected `workers` to be a whole number, or auto"),
            ("workers = [\"3\"]", "`workers`: it is a list, and has to be a whole number, or auto"),
            ("address = [8080]", "expected `address` to be an address to listen on, or a list of them"),
            ("workers = { count = 3 }", "expected `workers` to be a whole number, or auto"),
            ("backend = \"rocket\"", "`backend`: there is no backend \"rocket\""),
            ("backend = 1", "`backend`: it is 1, and has to be the name of a backend"),
            ("address = \"8080\"", "`address`: \"8080\" is no address to listen on: its port is missing"),
            (
                "address = 8080",
                "`address`: it is 8080, and has to be an address to listen on, or a list of them",
            ),
            ("no_delay = 1", "`no_delay`: it is 1, and has to be true or false"),
            ("head_timeout = \"soon\"", "`head_timeout`: it is \"soon\", and has to be a time"),
            ("head_timeout = inf", "`head_timeout`: it is inf, and has to be a time"),
            (
                "turn_requests_max = 4294967296",
                "`turn_requests_max`: it is 4294967296, and has to be at most 4294967295",
            ),
            ("backlog = 3000000000", "`backlog`: it is 3000000000, and has to be at most 2147483647"),
            ("workers = 3.0", "`workers`: it is 3.0, and has to be a whole number, or auto"),
            (
                "address = []",
                "`address`: it is an empty list, and has to be an address to listen on, or a list",
            ),
            ("unix_mode = 660", "`unix_mode`: it is 660, and has to be octal digits in quotes"),
        ] {
            let error = toml::from_str::<ServerConfig>(&format!("\n{line}\n")).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("line 2"), "{line}: {error}");
        }
        let json = "{ \"workers\": 3,\n \"workers\": 4 }";
        let error = serde_json::from_str::<ServerConfig>(json).unwrap_err().to_string();
        assert!(error.contains("`workers` is set twice") && error.contains("line 2"), "{error}");
        let error = serde_json::from_str::<ServerConfig>("{ \"workers\": null }").unwrap_err().to_string();
        assert!(error.contains("expected `workers` to be") && error.contains("line 1"), "{error}");
    }
}
