//! What a handler takes and answers, read off its own type: the OpenAPI document cannot differ from the code.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use headwater_api::v1::Health;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::operation::{Description, Operation};
use crate::caller::Caller;
use crate::error::Error;
use crate::rest::json::{Body, Path, Query};
use crate::rest::oidc::{Arrive, Leave};
use crate::rest::responses::{HealthAnswer, PlainJson, Tar, WithHeader};

/// A handler, described; `T` is what axum makes of its arguments.
pub trait Described<T> {
    /// Writes down what it takes and answers.
    fn describe(operation: &mut Operation<'_>);

    /// The same, to be kept in a row of the table.
    fn description() -> Description {
        Description(Self::describe)
    }
}

/// An argument of a handler.
pub trait RequestSchema {
    /// Writes down what of the request it is.
    fn describe(_: &mut Operation<'_>) {}
}

/// What a handler answers.
pub trait ResponseSchema {
    /// Writes down what it is.
    fn describe(operation: &mut Operation<'_>);
}

macro_rules! described {
    ($($argument:ident),*) => {
        impl<F, Answer, A: ResponseSchema, M, $($argument: RequestSchema),*> Described<(M, $($argument,)*)> for F
        where
            F: FnOnce($($argument),*) -> Answer,
            Answer: Future<Output = A>,
        {
            fn describe(operation: &mut Operation<'_>) {
                $($argument::describe(operation);)*
                A::describe(operation);
            }
        }
    };
}

described!(A1);
described!(A1, A2);
described!(A1, A2, A3);
described!(A1, A2, A3, A4);
described!(A1, A2, A3, A4, A5);

impl<F: FnOnce() -> Answer, Answer: Future<Output = A>, A: ResponseSchema> Described<((),)> for F {
    fn describe(operation: &mut Operation<'_>) {
        A::describe(operation);
    }
}

impl<S> RequestSchema for State<S> {}
impl RequestSchema for Caller {}
impl RequestSchema for HeaderMap {}
impl<T> RequestSchema for Extension<T> {}

impl<T: JsonSchema> RequestSchema for Body<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.schemas.request.subschema_for::<T>();
        operation.body = Some(("application/json", schema.into()));
    }
}

/// The body as it comes: an archive.
impl RequestSchema for Request {
    fn describe(operation: &mut Operation<'_>) {
        operation.body = Some(("application/octet-stream", json!({})));
    }
}

impl<T: JsonSchema> RequestSchema for Query<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.query = Some(T::json_schema(&mut operation.schemas.request).into());
    }
}

impl<T: PathParts> RequestSchema for Path<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.path = T::schemas();
    }
}

/// The parts of a path.
pub trait PathParts {
    /// The schema of each.
    fn schemas() -> Vec<Value>;
}

impl PathParts for String {
    fn schemas() -> Vec<Value> {
        vec![json!({ "type": "string", "minLength": 1 })]
    }
}

impl PathParts for u64 {
    fn schemas() -> Vec<Value> {
        vec![json!({ "type": "integer", "format": "uint64", "minimum": 0 })]
    }
}

impl<A: PathParts, B: PathParts> PathParts for (A, B) {
    fn schemas() -> Vec<Value> {
        [A::schemas(), B::schemas()].concat()
    }
}

impl<T: JsonSchema> ResponseSchema for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.schemas.response.subschema_for::<T>();
        operation.answer = (StatusCode::OK, Some(("application/json", schema.into())));
    }
}

/// With a status of its own: something was made.
impl<T: JsonSchema> ResponseSchema for (StatusCode, Json<T>) {
    fn describe(operation: &mut Operation<'_>) {
        Json::<T>::describe(operation);
        operation.answer.0 = StatusCode::CREATED;
    }
}

/// With nothing but a status: it is done.
impl ResponseSchema for StatusCode {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer = (Self::NO_CONTENT, None);
    }
}

impl<T: ResponseSchema> ResponseSchema for (WithHeader, T) {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
    }
}

impl ResponseSchema for (StatusCode, WithHeader) {
    fn describe(operation: &mut Operation<'_>) {
        StatusCode::describe(operation);
    }
}

impl<T: ResponseSchema> ResponseSchema for Result<T, Error> {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
        operation.refuses = true;
    }
}

impl ResponseSchema for HealthAnswer {
    fn describe(operation: &mut Operation<'_>) {
        Json::<Health>::describe(operation);
        operation.or_unavailable = true;
    }
}

impl ResponseSchema for Tar {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer = (StatusCode::OK, Some(("application/x-tar", json!({}))));
    }
}

impl ResponseSchema for PlainJson {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer = (StatusCode::OK, Some(("application/json", json!({ "type": "object" }))));
    }
}

impl ResponseSchema for Leave {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer = (StatusCode::SEE_OTHER, None);
        operation.asks_provider = true;
    }
}

impl ResponseSchema for Arrive {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer = (StatusCode::OK, Some(("text/html", json!({ "type": "string" }))));
        operation.asks_provider = true;
    }
}
