//! The OpenAPI document: the copy in `docs` is current, and what it says holds together.

use std::path::Path;

use serde_json::Value;

use crate::harness::Server;

fn document() -> Value {
    serde_json::from_str(headwater_server::openapi()).unwrap()
}

#[test]
fn the_copy_in_docs_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let current = headwater_server::generate_openapi();
    if std::env::var_os("HEADWATER_UPDATE").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let copy = std::fs::read_to_string(&path).unwrap_or_default();
    // The first line that differs shows more than the whole document.
    let differs = copy.lines().zip(current.lines()).enumerate().find(|(_, (a, b))| a != b);
    assert!(
        copy == current,
        "docs/openapi.json does not match the routes (first difference: {differs:?}); run this test with \
         HEADWATER_UPDATE=1, and look at what changed: programs of others are written against it"
    );
}

#[test]
fn every_route_is_in_it_with_a_sentence() {
    let document = document();
    for row in headwater_server::console_routes() {
        let operation = &document["paths"][row.path][row.method.as_str().to_lowercase()];
        assert!(operation["summary"].as_str().is_some_and(|text| text.ends_with('.')), "{row:?}");
        let parts = row.path.matches('{').count();
        let given = operation["parameters"].as_array().unwrap();
        assert_eq!(given.iter().filter(|part| part["in"] == "path").count(), parts, "{row:?}");
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(value: &Value, document: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(to)) = fields.get("$ref") {
                    assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to} leads nowhere");
                }
                fields.values().for_each(|value| check(value, document));
            }
            Value::Array(items) => items.iter().for_each(|value| check(value, document)),
            _ => {}
        }
    }
    let document = document();
    check(&document, &document);
}

#[tokio::test]
async fn the_server_gives_it_to_every_caller() {
    let server = Server::start().await;
    let answer = server.anonymous(reqwest::Method::GET, "/api/v1/openapi.json").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), headwater_server::openapi());
}
