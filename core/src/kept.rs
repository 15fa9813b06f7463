//! A value whose destructor is in a program once. What drops a router is 6 KB of machine code with all that it holds, and was
//! in a program seven times: in each unit of compilation that may have to drop one, on whatever path.

use std::ops::{Deref, DerefMut};

/// A value on the heap, known by its kind only where it is made and looked at.
pub(crate) struct Kept<T>(Box<dyn Holds<T>>);

trait Holds<T>: Send + Sync {
    fn get(&self) -> &T;

    fn get_mut(&mut self) -> &mut T;
}

impl<T: Send + Sync> Holds<T> for T {
    fn get(&self) -> &T {
        self
    }

    fn get_mut(&mut self) -> &mut T {
        self
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Box::new(value))
    }
}

impl<T> Deref for Kept<T> {
    type Target = T;

    fn deref(&self) -> &T {
        (*self.0).get()
    }
}

impl<T> DerefMut for Kept<T> {
    fn deref_mut(&mut self) -> &mut T {
        (*self.0).get_mut()
    }
}
