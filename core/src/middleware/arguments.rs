//! The arguments of a middleware: up to 4 extractors of the head, the request, and [`Next`].

use std::future::ready;

use super::Next;
use crate::{FromRequestParts, IntoResponse, Request, Response, extract::Needs, handler::or_refuse};

/// A tuple of extractors of the head that ends in [`Request`] and [`Next`].
pub trait LayerArguments: Sized + Send + 'static {
    /// Takes them all, or gives the response that the first rejection became.
    fn extract(request: Request, next: Next) -> impl Future<Output = Result<Self, Box<Response>>> + Send;

    /// Declares what they need.
    fn declare(needs: &mut Needs);
}

impl LayerArguments for (Request, Next) {
    fn extract(request: Request, next: Next) -> impl Future<Output = Result<Self, Box<Response>>> + Send {
        ready(Ok((request, next)))
    }

    fn declare(_: &mut Needs) {}
}

macro_rules! layer_arguments {
    ($($head:ident)*) => {
        impl<$($head: FromRequestParts),*> LayerArguments for ($($head,)* Request, Next) {
            #[expect(non_snake_case, reason = "each value is named after its type parameter")]
            fn extract(
                request: Request,
                next: Next,
            ) -> impl Future<Output = Result<Self, Box<Response>>> + Send {
                let (mut parts, body) = request.into_parts();
                async move {
                    $(let $head = or_refuse!($head::from_request_parts(&mut parts, &next.context).await);)*
                    Ok(($($head,)* Request::from_parts(parts, body), next))
                }
            }

            fn declare(needs: &mut Needs) {
                $($head::declare(needs);)*
            }
        }
    };
}
layer_arguments!(A1);
layer_arguments!(A1 A2);
layer_arguments!(A1 A2 A3);
layer_arguments!(A1 A2 A3 A4);
