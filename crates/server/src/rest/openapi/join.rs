//! One list of schemas for both directions: what a request may leave out, a response has.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::operation::Schemas;

/// Puts the schemas of both directions into one list. If a message may be sent with less than it is answered with, the one
/// of requests gets a name of its own.
pub fn join(document: &mut Value, schemas: &mut Schemas) {
    let responses = schemas.response.take_definitions(true);
    let requests = schemas.request.take_definitions(true);
    let mut differ: BTreeSet<String> = BTreeSet::new();
    let differs = |name: &str, schema: &Value| responses.get(name).is_some_and(|other| other != schema);
    // What refers to one that differs differs too.
    loop {
        let more: Vec<String> = requests
            .iter()
            .filter(|(name, schema)| {
                responses.contains_key(*name)
                    && !differ.contains(*name)
                    && (differs(name, schema) || refers_to(schema, &differ))
            })
            .map(|(name, _)| name.clone())
            .collect();
        if more.is_empty() {
            break;
        }
        differ.extend(more);
    }
    let mut all = responses;
    for (name, mut schema) in requests {
        rename(&mut schema, &differ);
        let name = if differ.contains(&name) { format!("{name}Request") } else { name };
        all.insert(name, schema);
    }
    for operation in document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut) {
        for operation in operation.as_object_mut().into_iter().flat_map(Map::values_mut) {
            rename(&mut operation["requestBody"], &differ);
            if operation["requestBody"].is_null() {
                operation.as_object_mut().expect("an operation is an object").remove("requestBody");
            }
        }
    }
    document["components"]["schemas"] = Value::Object(all);
}

fn refers_to(schema: &Value, names: &BTreeSet<String>) -> bool {
    match schema {
        Value::Object(fields) => fields.iter().any(|(key, value)| match value.as_str() {
            Some(text) if key == "$ref" => text.rsplit('/').next().is_some_and(|name| names.contains(name)),
            _ => refers_to(value, names),
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, names)),
        _ => false,
    }
}

fn rename(schema: &mut Value, names: &BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value.as_str().and_then(|text| text.rsplit('/').next()) {
                    Some(name) if key == "$ref" && names.contains(name) => {
                        *value = json!(format!("#/components/schemas/{name}Request"));
                    }
                    _ => rename(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}
