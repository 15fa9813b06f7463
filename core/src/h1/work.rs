//! Counts the bytes that the engine looks at or copies, for the tests that hold their growth. Outside
//! tests it is nothing.

#[cfg(test)]
thread_local! {
    static BYTES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Notes that so many bytes are looked at or copied.
#[inline]
pub(super) fn count(bytes: usize) {
    #[cfg(test)]
    BYTES.set(BYTES.get() + bytes);
    #[cfg(not(test))]
    let _ = bytes;
}

/// The bytes counted on this thread since the last call.
#[cfg(test)]
pub(super) fn take() -> usize {
    BYTES.take()
}
