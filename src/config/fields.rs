//! The table of all settings: their names, and how a value is read into each. File and environment both go by it.

use std::{io, time::Duration};

use trijet_backend::Address;

use super::{
    ServerConfig,
    value::{self, Value},
};
use crate::Backend;

/// What kind of value a setting has, and where it goes.
pub(super) enum Field {
    Addresses,
    Backend,
    UnixMode,
    Flag(fn(&mut ServerConfig) -> &mut bool),
    Count(fn(&mut ServerConfig) -> &mut dyn Number),
    CountOrAuto(fn(&mut ServerConfig) -> &mut Option<usize>),
    Bytes(fn(&mut ServerConfig) -> &mut dyn Number),
    Time(fn(&mut ServerConfig) -> &mut Duration),
    TimeOrOff(fn(&mut ServerConfig) -> &mut Option<Duration>),
}

pub(super) const FIELDS: &[(&str, Field)] = &[
    ("address", Field::Addresses),
    ("backend", Field::Backend),
    ("workers", Field::CountOrAuto(|config| &mut config.workers)),
    ("drain_delay", Field::Time(|config| &mut config.drain_delay)),
    ("backlog", Field::Count(|config| &mut config.sockets.backlog)),
    ("no_delay", Field::Flag(|config| &mut config.sockets.no_delay)),
    ("reuse_address", Field::Flag(|config| &mut config.sockets.reuse_address)),
    ("unix_mode", Field::UnixMode),
    ("head_bytes_max", Field::Bytes(|config| &mut config.limits.head_bytes_max)),
    ("headers_max", Field::Count(|config| &mut config.limits.headers_max)),
    ("target_bytes_max", Field::Bytes(|config| &mut config.limits.target_bytes_max)),
    ("body_bytes_max", Field::Bytes(|config| &mut config.limits.body_bytes_max)),
    ("chunk_line_bytes_max", Field::Bytes(|config| &mut config.limits.chunk_line_bytes_max)),
    ("chunk_extension_bytes_max", Field::Bytes(|config| &mut config.limits.chunk_extension_bytes_max)),
    ("trailers_max", Field::Count(|config| &mut config.limits.trailers_max)),
    ("trailer_bytes_max", Field::Bytes(|config| &mut config.limits.trailer_bytes_max)),
    ("head_timeout", Field::Time(|config| &mut config.limits.head_timeout)),
    ("idle_timeout", Field::Time(|config| &mut config.limits.idle_timeout)),
    ("progress_grace", Field::Time(|config| &mut config.limits.progress_grace)),
    (
        "progress_bytes_per_second_min",
        Field::Bytes(|config| &mut config.limits.progress_bytes_per_second_min),
    ),
    ("stall_timeout", Field::Time(|config| &mut config.limits.stall_timeout)),
    ("connections_max", Field::CountOrAuto(|config| &mut config.limits.connections_max)),
    ("blocking_threads_max", Field::Count(|config| &mut config.limits.blocking_threads_max)),
    ("blocking_queue_max", Field::Count(|config| &mut config.limits.blocking_queue_max)),
    ("blocking_queue_timeout", Field::Time(|config| &mut config.limits.blocking_queue_timeout)),
    ("loop_hold_max", Field::TimeOrOff(|config| &mut config.limits.loop_hold_max)),
    ("output_high_bytes", Field::Bytes(|config| &mut config.limits.output_high_bytes)),
    ("output_low_bytes", Field::Bytes(|config| &mut config.limits.output_low_bytes)),
    ("drain_bytes_max", Field::Bytes(|config| &mut config.limits.drain_bytes_max)),
    ("linger_bytes_max", Field::Bytes(|config| &mut config.limits.linger_bytes_max)),
    ("linger_timeout", Field::Time(|config| &mut config.limits.linger_timeout)),
    ("turn_requests_max", Field::Count(|config| &mut config.limits.turn_requests_max)),
    ("turn_bytes_max", Field::Bytes(|config| &mut config.limits.turn_bytes_max)),
    ("shutdown_timeout", Field::Time(|config| &mut config.limits.shutdown_timeout)),
];

/// The place of the setting `name` in the table.
///
/// # Errors
/// A sentence with those that there are.
pub(super) fn find(name: &str) -> Result<usize, String> {
    FIELDS.iter().position(|(own, _)| *own == name).ok_or_else(|| {
        let names: Vec<_> = FIELDS.iter().map(|(name, _)| *name).collect();
        format!("there is no such setting; there are {}", names.join(", "))
    })
}

/// A number in the type of its field.
pub(super) trait Number {
    /// Sets it.
    ///
    /// # Errors
    /// The largest that it can be, where that is less.
    fn set(&mut self, number: u64) -> Result<(), u64>;
}

macro_rules! number {
    ($($number:ty),*) => {
        $(
            impl Number for $number {
                fn set(&mut self, number: u64) -> Result<(), u64> {
                    *self = number.try_into().map_err(|_| Self::MAX as u64)?;
                    Ok(())
                }
            }
        )*
    };
}

number!(i32, u32, u64, usize);

impl Field {
    /// What a value has to be, for errors.
    pub(super) fn expected(&self) -> &'static str {
        match self {
            Self::Addresses => "an address to listen on, or a list of them",
            Self::Backend => "the name of a backend: threaded, mio or tokio",
            Self::UnixMode => "octal digits in quotes, from \"0\" to \"0777\"",
            Self::Flag(_) => "true or false",
            Self::Count(_) => "a whole number",
            Self::CountOrAuto(_) => "a whole number, or auto",
            Self::Bytes(_) => "a whole number of bytes, or one with KiB, MiB or GiB",
            Self::Time(_) => "a time: seconds, or a number with ms, s, min or h",
            Self::TimeOrOff(_) => "a time: seconds, or a number with ms, s, min or h; or off",
        }
    }

    /// Reads `value` into its place.
    ///
    /// # Errors
    /// A sentence that says what it is and what it has to be.
    pub(super) fn set(&self, config: &mut ServerConfig, value: &Value) -> Result<(), String> {
        let set = match self {
            Self::Addresses => addresses(value)?.map(|addresses| config.address = addresses),
            Self::Backend => backend(value)?.map(|backend| config.backend = Some(backend)),
            Self::UnixMode => value::mode(value).map(|mode| config.sockets.unix_mode = Some(mode)),
            Self::Flag(field) => value::flag(value).map(|flag| *field(config) = flag),
            Self::Count(field) => {
                value::count(value).map(|count| fits(field(config).set(count), value)).transpose()?
            }
            Self::CountOrAuto(field) => {
                let set = |count: Option<u64>| -> Result<(), String> {
                    let mut own = 0_usize;
                    count.map(|count| fits(own.set(count), value)).transpose()?;
                    *field(config) = count.map(|_| own);
                    Ok(())
                };
                value::or_word("auto", value, value::count).map(set).transpose()?
            }
            Self::Bytes(field) => {
                value::bytes(value).map(|bytes| fits(field(config).set(bytes), value)).transpose()?
            }
            Self::Time(field) => value::time(value).map(|time| *field(config) = time),
            Self::TimeOrOff(field) => {
                value::or_word("off", value, value::time).map(|time| *field(config) = time)
            }
        };
        set.ok_or_else(|| format!("it is {value}, and has to be {}", self.expected()))
    }
}

/// A sentence where a number was too large.
fn fits(set: Result<(), u64>, value: &Value) -> Result<(), String> {
    set.map_err(|most| format!("it is {value}, and has to be at most {most}"))
}

/// `None` where it is no kind of value that addresses can be.
fn addresses(value: &Value) -> Result<Option<Vec<Address>>, String> {
    let parse = |text: &str| text.trim().parse().map_err(|error: io::Error| error.to_string());
    match value {
        Value::List(list) if list.is_empty() => Ok(None),
        Value::List(list) => list.iter().map(|each| parse(each)).collect::<Result<_, _>>().map(Some),
        Value::Text(one) => parse(one).map(|address| Some(vec![address])),
        _ => Ok(None),
    }
}

/// As [`addresses`].
fn backend(value: &Value) -> Result<Option<Backend>, String> {
    let Value::Text(name) = value else { return Ok(None) };
    name.trim().parse().map(Some).map_err(|error: io::Error| error.to_string())
}
