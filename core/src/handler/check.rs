//! Functions that do nothing but have the compiler name what is wrong with a handler.

use super::{Arguments, Call};
use crate::IntoResponse;

/// Gives `handler` back if it is a handler that is a plain `fn`; else the compiler names the
/// argument or the return type at fault.
///
/// ```
/// use trijet_core::{Path, check_fn, get};
/// fn report(Path(id): Path<u64>) -> String { format!("report {id}") }
/// let route = get(check_fn(report));
/// ```
pub fn check_fn<F, A, M>(handler: F) -> F
where
    F: Call<A> + Clone + Send + Sync + 'static,
    A: Arguments<M>,
    F::Output: IntoResponse,
{
    handler
}

/// Gives `handler` back if it is a handler that is an `async fn`; else the compiler names the
/// argument, the return type or the future at fault.
///
/// ```
/// use trijet_core::{Path, check_async, get};
/// async fn report(Path(id): Path<u64>) -> String { format!("report {id}") }
/// let route = get(check_async(report));
/// ```
pub fn check_async<F, A, M>(handler: F) -> F
where
    F: Call<A> + Clone + Send + Sync + 'static,
    A: Arguments<M>,
    F::Output: Future<Output: IntoResponse> + Send + 'static,
{
    handler
}
