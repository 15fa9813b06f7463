//! Functions of 0 to 12 arguments, seen as functions of one tuple: [`Call`]; and how such a
//! tuple is taken from a request: [`Arguments`]. Arity is known nowhere else.

use std::future::ready;

use crate::{
    FromRequest, FromRequestParts, IntoResponse, Request, Response,
    extract::{Context, Needs, ViaParts},
};

/// A function of the arguments `A`, a tuple.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of at most 12 arguments",
    label = "not a function of at most 12 arguments",
    note = "group further arguments into one type, and implement `trijet::FromRequestParts` for it"
)]
pub trait Call<A> {
    /// What it returns.
    type Output;

    /// Calls it.
    fn apply(&self, arguments: A) -> Self::Output;
}

/// A tuple of extractors, taken from a request one after the other; the last may take the body.
pub trait Arguments<M>: Sized + Send + 'static {
    /// Whether one of them looks at the head of the request.
    const READS_HEAD: bool;

    /// Takes them all, or gives the response that the first rejection became.
    fn extract(
        request: Request,
        context: &Context,
    ) -> impl Future<Output = Result<Self, Box<Response>>> + Send;

    /// Declares what they need.
    fn declare(needs: &mut Needs);
}

impl Arguments<ViaParts> for () {
    const READS_HEAD: bool = false;

    fn extract(_: Request, _: &Context) -> impl Future<Output = Result<Self, Box<Response>>> + Send {
        ready(Ok(()))
    }

    fn declare(_: &mut Needs) {}
}

/// The value of a `Result`; its error is returned at once, as a response.
macro_rules! or_refuse {
    ($extracted:expr) => {
        match $extracted {
            Ok(value) => value,
            Err(rejection) => return Err(Box::new(rejection.into_response())),
        }
    };
}
pub(crate) use or_refuse;

macro_rules! call {
    ($($argument:ident)*) => {
        impl<F, R, $($argument),*> Call<($($argument,)*)> for F
        where
            F: Fn($($argument),*) -> R,
        {
            type Output = R;

            #[expect(non_snake_case, reason = "each value is named after its type parameter")]
            fn apply(&self, ($($argument,)*): ($($argument,)*)) -> R {
                self($($argument),*)
            }
        }
    };
}

macro_rules! arguments {
    ($($head:ident)*) => {
        call!($($head)* Last);

        impl<M, $($head,)* Last> Arguments<M> for ($($head,)* Last,)
        where
            $($head: FromRequestParts,)*
            Last: FromRequest<M>,
        {
            const READS_HEAD: bool = $($head::READS_HEAD ||)* Last::READS_HEAD;

            #[expect(non_snake_case, reason = "each value is named after its type parameter")]
            fn extract(
                request: Request,
                context: &Context,
            ) -> impl Future<Output = Result<Self, Box<Response>>> + Send {
                // Taken apart out here, the request is held once in the future, and not twice.
                let (mut parts, body) = request.into_parts();
                async move {
                    $(let $head = or_refuse!($head::from_request_parts(&mut parts, context).await);)*
                    let request = Request::from_parts(parts, body);
                    let last = or_refuse!(Last::from_request(request, context).await);
                    Ok(($($head,)* last,))
                }
            }

            fn declare(needs: &mut Needs) {
                $($head::declare(needs);)*
                Last::declare(needs);
            }
        }
    };
}

call!(Last);

impl<M, Last: FromRequest<M>> Arguments<M> for (Last,) {
    const READS_HEAD: bool = Last::READS_HEAD;

    fn extract(
        request: Request,
        context: &Context,
    ) -> impl Future<Output = Result<Self, Box<Response>>> + Send {
        let last = Last::from_request(request, context);
        async move { Ok((or_refuse!(last.await),)) }
    }

    fn declare(needs: &mut Needs) {
        Last::declare(needs);
    }
}

impl<F: Fn() -> R, R> Call<()> for F {
    type Output = R;

    fn apply(&self, (): ()) -> R {
        self()
    }
}

arguments!(A1);
arguments!(A1 A2);
arguments!(A1 A2 A3);
arguments!(A1 A2 A3 A4);
arguments!(A1 A2 A3 A4 A5);
arguments!(A1 A2 A3 A4 A5 A6);
arguments!(A1 A2 A3 A4 A5 A6 A7);
arguments!(A1 A2 A3 A4 A5 A6 A7 A8);
arguments!(A1 A2 A3 A4 A5 A6 A7 A8 A9);
arguments!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10);
arguments!(A1 A2 A3 A4 A5 A6 A7 A8 A9 A10 A11);
