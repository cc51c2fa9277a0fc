//! What is known of one operation, and the schemas of all of them.

use axum::http::StatusCode;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::Value;

/// The schemas of everything that goes over the wire, gathered as operations are described.
pub struct Schemas {
    /// Of requests: what has a default may be absent.
    pub request: SchemaGenerator,
    /// Of responses.
    pub response: SchemaGenerator,
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
            request: settings().for_deserialize().into_generator(),
            response: settings().for_serialize().into_generator(),
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
    /// The same body may come with 503.
    pub or_unavailable: bool,
    /// A use case may refuse it.
    pub refuses: bool,
    /// The identity provider is asked, which may fail.
    pub asks_provider: bool,
}

/// Describes one handler.
#[derive(Debug, Clone, Copy)]
pub struct Description(pub fn(&mut Operation<'_>));
