//! What a handler takes and answers, read off its own type: the OpenAPI document cannot say anything else than the code.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::{Extension, Json};
use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Value, json};

use super::json::{Body, Path, Query};
use crate::caller::Caller;
use crate::error::Error;

/// The schemas of everything that goes over the wire, gathered as operations are described.
pub struct Schemas {
    /// Of what is taken: what has a default may be absent.
    pub taken: SchemaGenerator,
    /// Of what is given.
    pub given: SchemaGenerator,
}

impl Schemas {
    /// None yet.
    pub fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            taken: settings().for_deserialize().into_generator(),
            given: settings().for_serialize().into_generator(),
        }
    }
}

/// What is known of one operation from its handler's type.
pub struct Operation<'a> {
    /// Where the schemas go.
    pub schemas: &'a mut Schemas,
    /// Schemas of the path's parts, in order.
    pub path: Vec<Value>,
    /// Schema of the query.
    pub query: Option<Value>,
    /// Type of the body and its schema.
    pub body: Option<(&'static str, Value)>,
    /// Status of success, with the type of the answer's body and its schema.
    pub answer: (StatusCode, Option<(&'static str, Value)>),
    /// A use case may refuse it.
    pub refuses: bool,
    /// The identity provider is asked, which may fail.
    pub asks_provider: bool,
}

/// A handler, described; `T` is what axum makes of its arguments.
pub trait Described<T> {
    /// Writes down what it takes and answers.
    fn describe(operation: &mut Operation<'_>);
}

/// An argument of a handler.
pub trait Taken {
    /// Writes down what of the request it is.
    fn describe(_: &mut Operation<'_>) {}
}

/// What a handler answers.
pub trait Given {
    /// Writes down what it is.
    fn describe(operation: &mut Operation<'_>);
}

macro_rules! described {
    ($($argument:ident),*) => {
        impl<F, Answer, A: Given, M, $($argument: Taken),*> Described<(M, $($argument,)*)> for F
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

impl<F: FnOnce() -> Answer, Answer: Future<Output = A>, A: Given> Described<((),)> for F {
    fn describe(operation: &mut Operation<'_>) {
        A::describe(operation);
    }
}

impl<S> Taken for State<S> {}
impl Taken for Caller {}
impl Taken for HeaderMap {}
impl<T> Taken for Extension<T> {}

impl<T: JsonSchema> Taken for Body<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.schemas.taken.subschema_for::<T>();
        operation.body = Some(("application/json", schema.into()));
    }
}

/// The body as it comes: an archive.
impl Taken for Request {
    fn describe(operation: &mut Operation<'_>) {
        operation.body = Some(("application/octet-stream", json!({})));
    }
}

impl<T: JsonSchema> Taken for Query<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.query = Some(T::json_schema(&mut operation.schemas.taken).into());
    }
}

impl<T: PathParts> Taken for Path<T> {
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

impl<T: JsonSchema> Given for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.schemas.given.subschema_for::<T>();
        operation.answer = (StatusCode::OK, Some(("application/json", schema.into())));
    }
}

/// With a status of its own, a handler says that it made something.
impl<T: JsonSchema> Given for (StatusCode, Json<T>) {
    fn describe(operation: &mut Operation<'_>) {
        Json::<T>::describe(operation);
        operation.answer.0 = StatusCode::CREATED;
    }
}

/// With nothing but a status, that it is done.
impl Given for StatusCode {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer = (Self::NO_CONTENT, None);
    }
}

/// A header beside it: a cookie that is given or taken away.
pub type WithHeader = AppendHeaders<[(HeaderName, HeaderValue); 1]>;

impl<T: Given> Given for (WithHeader, T) {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
    }
}

impl Given for (StatusCode, WithHeader) {
    fn describe(operation: &mut Operation<'_>) {
        StatusCode::describe(operation);
    }
}

impl<T: Given> Given for Result<T, Error> {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
        operation.refuses = true;
    }
}

/// A file of a type of its own.
pub struct Tar(pub Response);

impl IntoResponse for Tar {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Given for Tar {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer = (StatusCode::OK, Some(("application/x-tar", json!({}))));
    }
}

/// An answer that is JSON without a type among our messages: the OpenAPI document itself.
pub struct Plain(pub Response);

impl IntoResponse for Plain {
    fn into_response(self) -> Response {
        self.0
    }
}

impl Given for Plain {
    fn describe(operation: &mut Operation<'_>) {
        operation.answer = (StatusCode::OK, Some(("application/json", json!({ "type": "object" }))));
    }
}
