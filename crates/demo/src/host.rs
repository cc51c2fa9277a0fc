//! What the demo needs of the program that runs it: an API client, and a place for its text.

use std::path::Path;

use futures_util::future::BoxFuture;
use headwater_api::policy::PolicyDocument;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::text::Paint;

/// The program that runs the demo.
pub trait Host: Send + Sync {
    /// Connects to the API of a server by its local socket.
    ///
    /// # Errors
    /// The client cannot be set up.
    fn connect(&self, socket: &Path) -> Result<Box<dyn Transport>>;

    /// Prints a line of the story.
    fn line(&self, text: &str);

    /// Prints a remark beside the story.
    fn note(&self, text: &str);

    /// A source list as a table.
    fn source_list(&self, policy: &PolicyDocument) -> String;

    /// The colours of the story.
    fn paint(&self) -> Paint;

    /// Ends when somebody stops the demo.
    fn stopped(&self) -> BoxFuture<'static, ()>;
}

/// How a request changes the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Adds or starts something.
    Post,
    /// Sets something.
    Put,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub enum RequestBody {
    /// None.
    Empty,
    /// A message.
    Json(Value),
    /// An archive.
    Bytes(Vec<u8>),
}

/// Carries requests to a server.
pub trait Transport: Send + Sync {
    /// Sends a request, and returns the answer's message.
    fn send<'a>(
        &'a self,
        method: Method,
        path: &'a str,
        query: &'a [(&'a str, String)],
        body: RequestBody,
    ) -> BoxFuture<'a, Result<Value>>;

    /// One segment of a path, encoded.
    fn segment(&self, text: &str) -> String;
}

/// The demo's API client: messages over a [`Transport`].
pub struct Api(Box<dyn Transport>);

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Api")
    }
}

impl Api {
    /// Over a transport.
    pub fn new(transport: Box<dyn Transport>) -> Self {
        Self(transport)
    }

    /// Reads a message.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        read(self.0.send(Method::Get, path, &[], RequestBody::Empty).await?)
    }

    /// Sends a message and reads the answer.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        message: &impl Serialize,
    ) -> Result<T> {
        let message = serde_json::to_value(message).expect("a wire message always serialises");
        read(self.0.send(method, path, &[], RequestBody::Json(message)).await?)
    }

    /// Sends a request without a message and reads the answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        read(self.0.send(Method::Post, path, &[], RequestBody::Empty).await?)
    }

    /// Uploads an archive.
    pub async fn upload(&self, path: &str, query: &[(&str, String)], archive: Vec<u8>) -> Result<()> {
        self.0.send(Method::Post, path, query, RequestBody::Bytes(archive)).await.map(drop)
    }

    /// One segment of a path, encoded.
    pub fn segment(&self, text: &str) -> String {
        self.0.segment(text)
    }
}

fn read<T: DeserializeOwned>(answer: Value) -> Result<T> {
    serde_json::from_value(answer)
        .map_err(|error| Error::failed(format!("the demo's server sent an unexpected answer: {error}")))
}
