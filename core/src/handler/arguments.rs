//! Functions of 0 to 12 arguments, seen as functions of one tuple: [`Call`]; and how such a
//! tuple is taken from a request: [`Arguments`]. Arity is known nowhere else.

use std::future::ready;

use http::request::Parts;

use crate::{
    Body, FromRequest, FromRequestParts, IntoResponse, Request, Response,
    extract::{Context, ContextRef, Needs, ViaParts},
    received::ReceivedHead,
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
    /// What of a request they are taken from.
    type Source: Send + 'static;

    /// Makes of a request as much as they look at.
    fn take(head: ReceivedHead<'_>, body: Body, context: ContextRef<'_>) -> Self::Source;

    /// Takes them all, or gives the response that the first rejection became.
    fn extract(source: Self::Source) -> impl Future<Output = Result<Self, Box<Response>>> + Send;

    /// Declares what they need.
    fn declare(needs: &mut Needs);
}

/// What extractors are given.
#[derive(Debug)]
pub struct Source {
    head: Head,
    body: Body,
    context: Context,
}

/// Small, since it is moved a few times on its way to a handler's future.
#[derive(Debug)]
enum Head {
    Read(Box<Parts>),
    /// Nobody looks at it, and it was not made.
    Unread,
    /// It cannot be made: this is the answer.
    Refused(Box<Response>),
}

impl Source {
    fn new(reads_head: bool, head: ReceivedHead<'_>, body: Body, context: ContextRef<'_>) -> Self {
        let head = match head {
            ReceivedHead::Parts(parts) => Head::Read(parts),
            ReceivedHead::Wire(_) if !reads_head => Head::Unread,
            ReceivedHead::Wire(head) => match head.parts() {
                Ok(parts) => Head::Read(Box::new(parts)),
                Err(refusal) => Head::Refused(Box::new(refusal.into_response())),
            },
        };
        Self { head, body, context: context.into_context() }
    }
}

impl Head {
    /// Where it was not made, one without anything stands for it.
    fn parts(self) -> Result<Parts, Box<Response>> {
        match self {
            Self::Read(parts) => Ok(*parts),
            Self::Unread => Ok(Request::new(()).into_parts().0),
            Self::Refused(response) => Err(response),
        }
    }
}

impl Arguments<ViaParts> for () {
    type Source = ();

    #[inline]
    fn take(_: ReceivedHead<'_>, _: Body, _: ContextRef<'_>) {}

    fn extract((): ()) -> impl Future<Output = Result<Self, Box<Response>>> + Send {
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
            type Source = Source;

            fn take(head: ReceivedHead<'_>, body: Body, context: ContextRef<'_>) -> Source {
                Source::new($($head::READS_HEAD ||)* Last::READS_HEAD, head, body, context)
            }

            #[expect(non_snake_case, reason = "each value is named after its type parameter")]
            fn extract(source: Source) -> impl Future<Output = Result<Self, Box<Response>>> + Send {
                // Taken apart out here, each is held once in the future, and not twice.
                let Source { head, body, context } = source;
                async move {
                    let mut parts = head.parts()?;
                    $(let $head = or_refuse!($head::from_request_parts(&mut parts, &context).await);)*
                    let request = Request::from_parts(parts, body);
                    let last = or_refuse!(Last::from_request(request, &context).await);
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
    type Source = Source;

    fn take(head: ReceivedHead<'_>, body: Body, context: ContextRef<'_>) -> Source {
        Source::new(Last::READS_HEAD, head, body, context)
    }

    fn extract(source: Source) -> impl Future<Output = Result<Self, Box<Response>>> + Send {
        // As above.
        let Source { head, body, context } = source;
        async move {
            let request = Request::from_parts(head.parts()?, body);
            Ok((or_refuse!(Last::from_request(request, &context).await),))
        }
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
