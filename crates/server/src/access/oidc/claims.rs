//! What a verified token claims: who it is, and which role that gives. Pure.

use serde_json::{Map, Value};

use crate::caller::{AdministratorRole, Vouched};
use crate::config::OidcConfig;
use crate::error::NotVouched;
use crate::limits::{SUBJECT_CHARS_MAX, VOUCHED_NAME_CHARS_MAX};

/// Who it is, and what they may.
///
/// # Errors
/// [`NotVouched::BadToken`], [`NotVouched::NoRole`].
pub fn vouched(
    config: &OidcConfig,
    subject: &str,
    claims: &Map<String, Value>,
) -> Result<Vouched, NotVouched> {
    // OpenID Connect Core, 2: at most 255 ASCII characters. It goes into the audit log, so none that hide others.
    let fits = |c: char| c.is_ascii_graphic() || c == ' ';
    if subject.is_empty() || subject.len() > SUBJECT_CHARS_MAX || !subject.chars().all(fits) {
        let reason = format!("its subject has not 1 to {SUBJECT_CHARS_MAX} ASCII characters");
        return Err(NotVouched::BadToken(reason));
    }
    let name = shown(claims.get(&config.name_claim).and_then(Value::as_str).unwrap_or("no name"));
    let role =
        role(config, claims).map_err(|why| NotVouched::NoRole { who: format!("{subject} ({name})"), why })?;
    Ok(Vouched { issuer: config.issuer.clone(), subject: subject.to_owned(), name, role })
}

/// The highest role that a value of the claim gives; or why there is none.
fn role(config: &OidcConfig, claims: &Map<String, Value>) -> Result<AdministratorRole, String> {
    let claim = &config.role_claim;
    let values: Vec<&str> = match claims.get(claim) {
        None => return Err(format!("the token has no claim `{claim}`, by which a role is found")),
        Some(Value::String(value)) => vec![value],
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_str).collect(),
        Some(_) => Vec::new(),
    };
    let role = values.into_iter().filter_map(|value| config.roles.get(value)).max();
    role.copied().ok_or_else(|| format!("no value of the claim `{claim}` has a role"))
}

/// People may choose their names at the provider: none reads like somebody else's line of a log.
fn shown(name: &str) -> String {
    let fits = |c: &char| c.is_alphanumeric() || " -_.@'".contains(*c);
    name.chars().filter(fits).take(VOUCHED_NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;
    use crate::caller::Actor;

    fn config() -> OidcConfig {
        let roles = [
            ("boss", AdministratorRole::Admin),
            ("ops", AdministratorRole::Operator),
            ("all", AdministratorRole::Viewer),
        ];
        OidcConfig {
            issuer: "https://id.example".to_owned(),
            client_id: "headwater".to_owned(),
            client_secret: SecretString::from("x".to_owned()),
            redirect_url: None,
            scopes: Vec::new(),
            name_claim: "preferred_username".to_owned(),
            role_claim: "groups".to_owned(),
            roles: roles.map(|(claimed, role)| (claimed.to_owned(), role)).into(),
        }
    }

    fn check_claims(subject: &str, claims: &Value) -> Result<Vouched, NotVouched> {
        vouched(&config(), subject, claims.as_object().unwrap())
    }

    #[test]
    fn the_highest_role_of_a_claims_values_counts() {
        let check = |groups: Value, expected: Result<AdministratorRole, &str>| {
            let got = check_claims("7", &json!({"groups": groups}));
            match expected {
                Ok(role) => assert_eq!(got.map(|vouched| vouched.role), Ok(role), "{groups}"),
                Err(word) => {
                    assert!(got.as_ref().is_err_and(|error| error.to_string().contains(word)), "{got:?}")
                }
            }
        };
        check(json!("ops"), Ok(AdministratorRole::Operator));
        check(json!(["all"]), Ok(AdministratorRole::Viewer));
        check(json!(["all", "boss", "ops", "cooks"]), Ok(AdministratorRole::Admin));
        check(json!([1, null, ["boss"], "all"]), Ok(AdministratorRole::Viewer));
        check(json!("cooks"), Err("no value of the claim `groups`"));
        check(json!("boss ops"), Err("no value of the claim"));
        check(json!("Boss"), Err("no value of the claim"));
        check(json!([]), Err("no value of the claim"));
        check(json!({"boss": true}), Err("no value of the claim"));
        let absent = check_claims("7", &json!({"roles": "boss"})).unwrap_err();
        assert!(absent.to_string().contains("no claim `groups`"), "{absent}");
    }

    #[test]
    fn a_subject_is_short_ascii_and_a_name_is_only_shown() {
        let check = |subject: &str, taken: bool| {
            assert_eq!(check_claims(subject, &json!({"groups": "all"})).is_ok(), taken, "{subject}");
        };
        check("", false);
        check("248289761001", true);
        check("CN=Ann Smith", true);
        check("ann\n", false);
        check("änn", false);
        check(&"7".repeat(SUBJECT_CHARS_MAX), true);
        check(&"7".repeat(SUBJECT_CHARS_MAX + 1), false);

        let check = |name: Value, expected: &str| {
            let vouched = check_claims("7", &json!({"groups": "all", "preferred_username": name})).unwrap();
            assert_eq!(Actor::from(&vouched).to_string(), format!("oidc:7 ({expected})"));
        };
        check(json!("ann@example.org"), "ann@example.org");
        check(json!("Zoë O'Neil"), "Zoë O'Neil");
        check(json!("admin)\nserver ("), "adminserver ");
        check(json!(7), "no name");
        check(json!("n".repeat(VOUCHED_NAME_CHARS_MAX + 1)), &"n".repeat(VOUCHED_NAME_CHARS_MAX));
    }
}
