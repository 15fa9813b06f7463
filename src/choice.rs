//! Which backend serves: pinned in code, named by the environment, set in a configuration, or preferred among those that
//! are compiled in. It starts nothing.

use std::{env, fmt, io, str::FromStr};

/// The environment variable that names the backend.
const VARIABLE: &str = "TRIJET_BACKEND";

/// A backend, compiled in or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Thread-per-request: feature `threaded`, on by default.
    Threaded,
    /// Event loops on mio: feature `mio`.
    Mio,
    /// The Tokio runtime: feature `tokio`.
    Tokio,
}

impl Backend {
    /// All of them, the preferred first.
    pub const ALL: [Self; 3] = [Self::Tokio, Self::Mio, Self::Threaded];

    /// Its name: that of its feature, and of `TRIJET_BACKEND`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Threaded => "threaded",
            Self::Mio => "mio",
            Self::Tokio => "tokio",
        }
    }

    /// Whether it is compiled in.
    pub const fn is_compiled(self) -> bool {
        match self {
            Self::Threaded => cfg!(feature = "threaded"),
            Self::Mio => cfg!(feature = "mio"),
            Self::Tokio => cfg!(feature = "tokio"),
        }
    }

    /// The one that this thread works for: in handlers, middleware, bodies, and what they [spawn](crate::rt::spawn).
    /// `None` outside of a server, and in simulation.
    ///
    /// ```
    /// use trijet::{Backend, Router, get};
    ///
    /// assert_eq!(Backend::current(), None);
    /// let app = Router::new().route("/", get(async || format!("served by {:?}", Backend::current())));
    /// ```
    pub fn current() -> Option<Self> {
        trijet_core::rt::backend()?.parse().ok()
    }

    /// Those that are compiled in, the preferred first.
    pub fn compiled() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|backend| backend.is_compiled())
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Backend {
    type Err = io::Error;

    fn from_str(name: &str) -> io::Result<Self> {
        Self::ALL
            .into_iter()
            .find(|backend| backend.name() == name)
            .ok_or_else(|| invalid(format!("there is no backend {name:?}: {}", list_compiled())))
    }
}

/// Where a server was told its backend.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told {
    /// In code.
    Pinned(Backend),
    /// In its configuration.
    #[cfg(feature = "config")]
    Configured(Backend),
}

/// The backend to serve with, and why, for the log.
pub(crate) fn choose(told: Option<Told>) -> io::Result<(Backend, String)> {
    choose_by(told, env::var_os(VARIABLE).map(|name| name.to_string_lossy().into_owned()).as_deref())
}

fn choose_by(told: Option<Told>, variable: Option<&str>) -> io::Result<(Backend, String)> {
    let (backend, why) = match (told, variable.filter(|name| !name.is_empty())) {
        (Some(Told::Pinned(backend)), _) => (backend, "pinned in code".to_owned()),
        (_, Some(name)) => {
            let backend = name.parse().map_err(|error| invalid(format!("{VARIABLE}: {error}")))?;
            (backend, format!("{VARIABLE} names it"))
        }
        #[cfg(feature = "config")]
        (Some(Told::Configured(backend)), None) => (backend, "set in the configuration".to_owned()),
        (None, None) => {
            let preferred = Backend::compiled().next().ok_or_else(|| invalid(list_compiled()))?;
            let others: Vec<_> = Backend::compiled().skip(1).map(Backend::name).collect();
            let why = match others.as_slice() {
                [] => "the only one compiled in".to_owned(),
                [other] => format!("preferred over {other}, which is compiled in too"),
                others => format!("preferred over {}, which are compiled in too", others.join(" and ")),
            };
            (preferred, why)
        }
    };
    if !backend.is_compiled() {
        return Err(invalid(format!(
            "backend {backend} is not compiled in: {}; it needs the feature `{backend}` of trijet",
            list_compiled()
        )));
    }
    Ok((backend, why))
}

fn list_compiled() -> String {
    let compiled: Vec<_> = Backend::compiled().map(Backend::name).collect();
    if compiled.is_empty() {
        "no backend is compiled in: enable one of the features `threaded`, `mio`, `tokio` of trijet"
            .to_owned()
    } else {
        format!("compiled in: {}", compiled.join(", "))
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_told_with_what_there_is() {
        let error = choose_by(None, Some("rocket")).unwrap_err().to_string();
        assert!(error.contains("TRIJET_BACKEND") && error.contains("\"rocket\""), "{error}");
        for backend in Backend::compiled() {
            assert!(error.contains(backend.name()), "{error}");
        }
    }

    #[test]
    fn the_order_is_pin_then_environment_then_configuration_then_preference() {
        for backend in Backend::ALL {
            let chosen = choose_by(Some(Told::Pinned(backend)), Some("rocket"));
            assert_eq!(chosen.is_ok(), backend.is_compiled(), "{backend} pinned");
            let others = [
                None,
                #[cfg(feature = "config")]
                Some(Told::Configured(Backend::Threaded)),
                #[cfg(feature = "config")]
                Some(Told::Configured(Backend::Mio)),
            ];
            for other in others {
                match choose_by(other, Some(backend.name())) {
                    Ok((chosen, why)) => assert!(chosen == backend && why.contains(VARIABLE), "{why}"),
                    Err(error) => {
                        assert!(!backend.is_compiled(), "{error}");
                        assert!(error.to_string().contains(&format!("feature `{backend}`")), "{error}");
                    }
                }
            }
            #[cfg(feature = "config")]
            for variable in [None, Some("")] {
                let chosen = choose_by(Some(Told::Configured(backend)), variable).ok();
                let expected = (backend, "set in the configuration".to_owned());
                assert_eq!(chosen, backend.is_compiled().then_some(expected));
            }
        }
        let preferred = choose_by(None, None).map(|(backend, _)| backend).ok();
        assert_eq!(preferred, Backend::compiled().next());
    }

    #[test]
    fn an_empty_variable_is_as_good_as_none() {
        assert_eq!(choose_by(None, Some("")).ok(), choose_by(None, None).ok());
    }
}
