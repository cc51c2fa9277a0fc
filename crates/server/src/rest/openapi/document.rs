//! The OpenAPI document of the console plane, made from the table of routes and the types of its handlers.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use headwater_api::v1::ErrorAnswer;
use headwater_policy::{Class, Repository};
use serde_json::{Map, Value, json};

use super::operation::{Operation, Schemas};
use super::{join, summaries};
use crate::limits;
use crate::rest::route::{RequiredRole, RouteRow};

/// The document of a table of routes, as a file.
pub fn generate(rows: &[RouteRow]) -> String {
    let mut text = serde_json::to_string_pretty(&document(rows)).expect("JSON can be written");
    text.push('\n');
    text
}

/// What is refused above a limit: schema, field, keyword, limit.
const BOUNDS: &[(&str, &str, &str, usize)] = &[
    ("EditsRequest", "edits", "maxItems", limits::EDITS_MAX),
    ("MoveRequest", "clients", "maxItems", limits::MOVE_CLIENTS_MAX),
    ("SaveRequest", "comment", "maxLength", limits::COMMENT_CHARS_MAX),
    ("RestoreRequest", "comment", "maxLength", limits::COMMENT_CHARS_MAX),
    ("SettingsSetRequest", "comment", "maxLength", limits::COMMENT_CHARS_MAX),
    ("VendorRequest", "schedule_minutes", "maximum", limits::VENDOR_SCHEDULE_MINUTES_MAX as usize),
    ("AdministratorRequest", "name", "maxLength", limits::ADMINISTRATOR_NAME_CHARS_MAX),
    ("ApiTokenRequest", "name", "maxLength", limits::ADMINISTRATOR_NAME_CHARS_MAX),
    ("ApiTokenRequest", "scopes", "maxItems", limits::TOKEN_SCOPES_MAX),
    ("ApiTokenRequest", "days", "maximum", limits::TOKEN_DAYS_MAX as usize),
];

fn document(rows: &[RouteRow]) -> Value {
    let mut schemas = Schemas::new();
    let error = schemas.response.subschema_for::<ErrorAnswer>();
    let mut paths = Map::new();
    for row in rows {
        let path = paths.entry(row.path).or_insert_with(|| json!({}));
        path[row.method.as_str().to_lowercase()] = operation(row, &mut schemas);
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Headwater",
            "version": "v1",
            "description": "The console plane of a Headwater server. In a path, a domain is written with `%2F` for its \
                            `/` (`root%2Fparis`). Beyond its limit of connections a server answers 503 without a body.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "token": [] }, { "session": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http", "scheme": "bearer",
                    "description": "An API token (`hwa_…`)."
                },
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "headwater_session",
                    "description": "The session of a signed-in administrator; over TLS the cookie is \
                                    `__Host-headwater_session`. A request that changes something must come from the \
                                    server's own pages."
                },
            },
            "responses": refusals(&error.into()),
            "schemas": {},
        },
    });
    join::join(&mut document, &mut schemas);
    bound(&mut document);
    plain_words(&mut document);
    document
}

fn operation(row: &RouteRow, schemas: &mut Schemas) -> Value {
    let mut known = Operation {
        schemas,
        path: Vec::new(),
        query: None,
        body: None,
        answer: (StatusCode::OK, None),
        refuses: false,
        asks_provider: false,
        or_unavailable: false,
    };
    row.description.0(&mut known);
    let summary = summaries::of(&row.method, row.path).unwrap_or_else(|| {
        panic!(
            "{} {} has no line in rest/openapi/summaries.rs; write there what it does",
            row.method, row.path
        )
    });
    let mut operation = json!({
        "summary": summary,
        "operationId": operation_id(row),
        "tags": [row.scope()],
        "parameters": parameters(row.path, &known),
        "responses": responses(row, &known),
    });
    if let Some((kind, schema)) = &known.body {
        operation["requestBody"] = json!({ "required": true, "content": { *kind: { "schema": schema } } });
    }
    match row.required_role {
        RequiredRole::Anyone => operation["security"] = json!([]),
        RequiredRole::Role(role) => {
            operation["description"] = json!(format!("Needs the role `{role}`."));
            operation["x-required-role"] = json!(role.to_string());
        }
    }
    operation
}

fn operation_id(row: &RouteRow) -> String {
    let words: Vec<&str> =
        row.path.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let words = words.strip_prefix(&["api", "v1"]).unwrap_or(&words);
    format!("{}_{}", row.method.as_str().to_lowercase(), words.join("_"))
}

fn parameters(path: &str, known: &Operation<'_>) -> Vec<Value> {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let of_path = names.zip(&known.path).map(|(name, schema)| {
        let word = |words: &[&str]| json!({ "type": "string", "enum": words });
        let schema = match name {
            "class" => word(&Class::ALL.map(Class::as_str)),
            "repository" => word(&Repository::ALL.map(Repository::as_str)),
            _ => schema.clone(),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let mut parameters: Vec<Value> = of_path.collect();
    let Some(query) = &known.query else { return parameters };
    let required: BTreeSet<&str> =
        query["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, schema) in query["properties"].as_object().into_iter().flatten() {
        let (mut schema, needed) = (schema.clone(), required.contains(name.as_str()));
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        // In a query what is absent is not there: it is never `null`.
        if let Some(kinds) = schema["type"].as_array().cloned() {
            schema["type"] = kinds.into_iter().find(|kind| kind != "null").unwrap_or_default();
        }
        parameters.push(json!({
            "name": name, "in": "query", "required": needed, "description": description, "schema": schema,
        }));
    }
    parameters
}

/// Success, and every refusal that the authorizer, the arguments and the use case can come to.
fn responses(row: &RouteRow, known: &Operation<'_>) -> Value {
    let (status, content) = &known.answer;
    let mut responses = json!({});
    responses[status.as_str()] = match content {
        Some((kind, schema)) => json!({ "description": "Done.", "content": { *kind: { "schema": schema } } }),
        None if status.is_redirection() => {
            json!({ "description": "Continue at the URL in the header Location." })
        }
        None => json!({ "description": "Done; the answer is empty." }),
    };
    if known.or_unavailable {
        responses["503"] = responses[status.as_str()].clone();
        responses["503"]["description"] = json!("The server does not do all of its work.");
    }
    // A request under a foreign name or from a foreign page is refused on every path.
    let mut statuses = BTreeSet::from([403]);
    if row.required_role != RequiredRole::Anyone {
        statuses.extend([401, 500]);
    }
    if !known.path.is_empty() || known.query.is_some() || known.body.is_some() {
        statuses.insert(400);
    }
    if known.body.is_some() {
        statuses.insert(413);
    }
    if known.body.as_ref().is_some_and(|(kind, _)| *kind == "application/json") {
        statuses.extend([408, 415]);
    }
    if known.refuses {
        statuses.extend([400, 404, 500]);
        if row.method != Method::GET {
            statuses.extend([409, 413, 422, 507]);
        }
        if row.required_role == RequiredRole::Anyone {
            statuses.extend([401, 429]);
        }
        if known.body.as_ref().is_some_and(|(kind, _)| *kind != "application/json") {
            statuses.insert(503);
        }
    }
    if known.asks_provider {
        statuses.extend([502, 503]);
    }
    for status in statuses {
        responses[status.to_string()] = json!({ "$ref": format!("#/components/responses/{status}") });
    }
    responses
}

/// Every status that `errors` gives, and what it means.
fn refusals(error: &Value) -> Value {
    let table = [
        (400, "The request is malformed: `invalid_request`, `upload_broken`."),
        (401, "Nobody is signed in: `not_signed_in`, `bad_api_token`, `wrong_password`, `not_vouched`."),
        (
            403,
            "This role, token or origin does not permit it: `forbidden`, `out_of_scope`, `foreign_origin`, `not_this_way`, \
               `one_time_password`.",
        ),
        (404, "It does not exist: `not_found`, `no_vendor`, `no_provider`."),
        (408, "The body came too slowly: `too_slow`."),
        (
            409,
            "The present state does not permit it: `exists`, `draft_outdated`, `draft_changed`, `version_moved`, `named_by_entries`, \
               `domain_not_empty`, `name_of_vendor`, `root_unsigned`, `last_admin`, `is_update_agent`, `signing_stopped`.",
        ),
        (413, "Over a limit: `too_large`."),
        (415, "The body is not JSON: `not_json`."),
        (422, "Understood and refused: `invalid_list`, `not_for_root`, `bad_root`, `bad_archive`."),
        (
            429,
            "Too many requests: `too_many_attempts`, `too_often`; the header Retry-After has the time to wait.",
        ),
        (500, "The server failed: `database`, `keys`, `signing`, `lost`, `backup`; its log has the reason."),
        (502, "The identity provider's answer is unusable: `provider_broken`."),
        (503, "`busy`, `provider_down`, `provider_silent`: the header Retry-After has the time to wait."),
        (507, "No space: `disk`, `quota`."),
    ];
    let each = |(status, description): (u16, &str)| {
        let content = json!({ "application/json": { "schema": error } });
        (status.to_string(), json!({ "description": description, "content": content }))
    };
    Value::Object(table.into_iter().map(each).collect())
}

fn bound(document: &mut Value) {
    for (schema, field, keyword, limit) in BOUNDS {
        let schemas = &mut document["components"]["schemas"];
        let property = schemas[*schema]["properties"].get_mut(*field);
        let property = property.expect("a bound names a message and a field of it");
        property[*keyword] = json!(limit);
    }
}

/// Descriptions come from the comments of the code: links to other code mean nothing here.
fn plain_words(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "description" => *text = without_links(text),
                    _ => plain_words(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plain_words),
        _ => {}
    }
}

fn without_links(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else { break };
        plain.push_str(before);
        plain.push('`');
        plain.push_str(name);
        plain.push('`');
        rest = match after.strip_prefix('(').and_then(|link| link.split_once(')')) {
            Some((_, after)) => after,
            None => after,
        };
    }
    plain.push_str(rest);
    plain.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::without_links;

    #[test]
    fn links_to_code_become_plain_words() {
        let check = |text: &str, expected: &str| assert_eq!(without_links(text), expected);
        check("By key of [`A`](crate::b::A),\nor [`C`].", "By key of `A`, or `C`.");
        check("A list [1, 2]", "A list [1, 2]");
    }
}
