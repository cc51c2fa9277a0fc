//! Statements and answers: forged, replayed, of another kind or client, truncated, changed.

use headwater_identity::limits::{BODY_LENGTH_MAX, RESPONSE_SIGNING_KEYS_FORMER_MAX};
use headwater_identity::{
    Answer, ClientKey, IdentityError, ResponseSigningKey, Statement, StatementKind, StatementVerifyError,
};
use proptest::prelude::*;

use crate::id;

fn statement(key: &ClientKey) -> Statement {
    Statement::sign(key, &id("paris-01"), StatementKind::Report, 7, r#"{"took_ms":12}"#.to_owned()).unwrap()
}

/// The statement as JSON, with `change` done to it.
fn changed(key: &ClientKey, change: impl FnOnce(&mut serde_json::Value)) -> Statement {
    let mut value = serde_json::to_value(statement(key)).unwrap();
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

#[test]
fn an_answer_passes_with_any_of_the_last_keys() {
    let keys: Vec<_> =
        (0..=RESPONSE_SIGNING_KEYS_FORMER_MAX + 1).map(|_| ResponseSigningKey::generate().unwrap()).collect();
    let answer = Answer::sign(&keys[0], &id("a"), StatementKind::CheckIn, 7, "{}".to_owned()).unwrap();
    let answer = answer.also_by(keys[1..].iter()).unwrap();
    for (age, key) in keys.iter().enumerate() {
        let passes = answer.clone().verify(&[key.public()], &id("a"), StatementKind::CheckIn, 7).is_ok();
        assert_eq!(passes, age <= RESPONSE_SIGNING_KEYS_FORMER_MAX, "{age}");
    }
    let mut text = serde_json::to_value(&answer).unwrap();
    text["body"] = "{ }".into();
    let changed: Answer = serde_json::from_value(text).unwrap();
    assert!(changed.verify(&[keys[1].public()], &id("a"), StatementKind::CheckIn, 7).is_err());
}

#[test]
fn what_a_client_signed_passes() {
    let key = ClientKey::generate().unwrap();
    let travelled = serde_json::to_string(&statement(&key)).unwrap();
    let arrived: Statement = serde_json::from_str(&travelled).unwrap();
    assert_eq!(arrived.claimed_client(), Some(id("paris-01")));
    let verified = arrived.verify(&id("paris-01"), &key.public(), StatementKind::Report).unwrap();
    assert_eq!((verified.sequence(), verified.body()), (7, r#"{"took_ms":12}"#));
    assert_eq!((verified.client(), verified.kind()), (&id("paris-01"), StatementKind::Report));
}

#[test]
fn what_was_changed_in_transit_does_not() {
    let key = ClientKey::generate().unwrap();
    let check = |what: &str, forged: Statement, wanted: StatementVerifyError| {
        let found = forged.verify(&id("paris-01"), &key.public(), StatementKind::Report).unwrap_err();
        assert_eq!(found, wanted, "{what}");
    };
    let other = ClientKey::generate().unwrap();
    check("signed by another key", statement(&other), StatementVerifyError::Signature);
    check(
        "another body",
        changed(&key, |s| s["body"] = r#"{"took_ms":13}"#.into()),
        StatementVerifyError::Signature,
    );
    check(
        "a shorter body",
        changed(&key, |s| s["body"] = r#"{"took_ms":12"#.into()),
        StatementVerifyError::Signature,
    );
    check("a later number", changed(&key, |s| s["sequence"] = 8.into()), StatementVerifyError::Signature);
    check("no signature", changed(&key, |s| s["signature"] = "".into()), StatementVerifyError::Signature);
    check(
        "half a signature",
        changed(&key, |s| s["signature"] = "MEUCIQ==".into()),
        StatementVerifyError::Signature,
    );
    check("no base64", changed(&key, |s| s["signature"] = "%".into()), StatementVerifyError::Signature);
    check(
        "another kind",
        changed(&key, |s| s["kind"] = "check_in".into()),
        StatementVerifyError::Kind { wanted: StatementKind::Report, found: StatementKind::CheckIn },
    );
    let found = "rome-01".to_owned();
    check(
        "another client",
        changed(&key, |s| s["client"] = "rome-01".into()),
        StatementVerifyError::Client { wanted: id("paris-01"), found },
    );
    check("a later format", changed(&key, |s| s["format"] = 2.into()), StatementVerifyError::Format(2));
}

#[test]
fn a_kind_or_client_that_is_asked_for_wrongly_does_not_pass_for_it() {
    // The carrier changes the words, and asks for what it changed them to.
    let key = ClientKey::generate().unwrap();
    let as_check_in = changed(&key, |s| s["kind"] = "check_in".into());
    assert_eq!(
        as_check_in.verify(&id("paris-01"), &key.public(), StatementKind::CheckIn),
        Err(StatementVerifyError::Signature)
    );
    let as_rome = changed(&key, |s| s["client"] = "rome-01".into());
    assert_eq!(
        as_rome.verify(&id("rome-01"), &key.public(), StatementKind::Report),
        Err(StatementVerifyError::Signature)
    );
}

#[test]
fn an_answer_is_to_one_question_and_by_the_server() {
    let key = ClientKey::generate().unwrap();
    let answer = || Answer::sign(&key, &id("paris-01"), StatementKind::CheckIn, 3, "{}".to_owned()).unwrap();
    let other = ClientKey::generate().unwrap();
    let keys = [other.public(), key.public()];
    assert_eq!(answer().verify(&keys, &id("paris-01"), StatementKind::CheckIn, 3).unwrap().body(), "{}");
    assert_eq!(
        answer().verify(&keys, &id("paris-01"), StatementKind::CheckIn, 4),
        Err(StatementVerifyError::Sequence { wanted: 4, found: 3 })
    );
    let unknown = answer().verify(&[other.public()], &id("paris-01"), StatementKind::CheckIn, 3);
    assert_eq!(unknown, Err(StatementVerifyError::Signature));
    assert!(matches!(
        answer().verify(&keys, &id("rome"), StatementKind::CheckIn, 3),
        Err(StatementVerifyError::Client { .. })
    ));
}

#[test]
fn a_statement_is_no_answer() {
    // The same key, the same words: the signed bytes differ.
    let key = ClientKey::generate().unwrap();
    let as_answer: Answer = serde_json::from_value(serde_json::to_value(statement(&key)).unwrap()).unwrap();
    let found = as_answer.verify(&[key.public()], &id("paris-01"), StatementKind::Report, 7);
    assert_eq!(found, Err(StatementVerifyError::Signature));
}

#[test]
fn a_body_has_a_limit_on_both_sides() {
    let key = ClientKey::generate().unwrap();
    let sign = |length| Statement::sign(&key, &id("a"), StatementKind::Report, 1, "x".repeat(length));
    assert!(sign(BODY_LENGTH_MAX).unwrap().verify(&id("a"), &key.public(), StatementKind::Report).is_ok());
    assert!(matches!(sign(BODY_LENGTH_MAX + 1), Err(IdentityError::Oversized { max: BODY_LENGTH_MAX, .. })));
    let mut long = serde_json::to_value(sign(10).unwrap()).unwrap();
    long["body"] = "x".repeat(BODY_LENGTH_MAX + 1).into();
    let long: Statement = serde_json::from_value(long).unwrap();
    let found = long.verify(&id("a"), &key.public(), StatementKind::Report);
    assert_eq!(found, Err(StatementVerifyError::Oversized(BODY_LENGTH_MAX)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_changed_bit_of_a_signature_passes(byte in 0_usize..70, bit in 0_u8..8) {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD;
        let key = ClientKey::generate().unwrap();
        let forged = changed(&key, |s| {
            let mut signature = STANDARD.decode(s["signature"].as_str().unwrap()).unwrap();
            let at = byte % signature.len();
            signature[at] ^= 1 << bit;
            s["signature"] = STANDARD.encode(signature).into();
        });
        prop_assert!(forged.verify(&id("paris-01"), &key.public(), StatementKind::Report).is_err());
    }
}
