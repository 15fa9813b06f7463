//! A test is a function of the backend it runs on; these macros make one test of it for each that is
//! compiled in, so that the name of a failing one tells the backend: `basics::mio::hello`.

#![allow(unused_macros, reason = "each test binary takes the parts that it needs")]

macro_rules! on_every_backend {
    ($($test:ident),* $(,)?) => {
        #[cfg(feature = "threaded")]
        mod threaded {
            $(#[test] fn $test() { super::$test(trijet::Backend::Threaded); })*
        }
        #[cfg(feature = "mio")]
        mod mio {
            $(#[test] fn $test() { super::$test(trijet::Backend::Mio); })*
        }
        #[cfg(feature = "tokio")]
        mod tokio {
            $(#[test] fn $test() { super::$test(trijet::Backend::Tokio); })*
        }
    };
}

/// As `on_every_backend!`, each in a process of its own, after `$setting` in its shell.
macro_rules! in_children_on_every_backend {
    ($setting:literal: $($test:ident),* $(,)?) => {
        #[cfg(feature = "threaded")]
        mod threaded {
            $(#[test] fn $test() { in_child!($setting, $test, trijet::Backend::Threaded); })*
        }
        #[cfg(feature = "mio")]
        mod mio {
            $(#[test] fn $test() { in_child!($setting, $test, trijet::Backend::Mio); })*
        }
        #[cfg(feature = "tokio")]
        mod tokio {
            $(#[test] fn $test() { in_child!($setting, $test, trijet::Backend::Tokio); })*
        }
    };
}

macro_rules! in_child {
    ($setting:literal, $test:ident, $backend:expr) => {
        $crate::common::child::run(module_path!(), stringify!($test), $setting, || super::$test($backend))
    };
}
