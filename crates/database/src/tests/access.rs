//! Administrators, sessions, API tokens.

use super::{TEST, at, check};
use crate::administrators::{
    self as rows, AdministratorRole, AdministratorRow, ApiTokenRow, SessionRow, Vouched, Whose,
};

fn administrator(name: &str) -> AdministratorRow {
    AdministratorRow {
        name: name.to_owned(),
        role: AdministratorRole::Operator,
        password: "$argon2id$".to_owned(),
        one_time: true,
        made: at(1),
        last_sign_in: None,
    }
}

fn session(token: &str, whose: Whose, made: i64) -> SessionRow {
    SessionRow { token: token.to_owned(), whose, made: at(made), expires: at(made + 100) }
}

#[tokio::test]
async fn administrators_are_changed_and_removed_with_their_sessions_and_tokens() {
    check(async |db| {
        let mut tx = db.begin().await.unwrap();
        rows::put(&mut tx, &administrator("bob")).await.unwrap();
        rows::put(&mut tx, &administrator("ann")).await.unwrap();
        let changed = AdministratorRow {
            role: AdministratorRole::Admin,
            one_time: false,
            last_sign_in: Some(at(7)),
            ..administrator("ann")
        };
        rows::put(&mut tx, &changed).await.unwrap();
        let token = ApiTokenRow {
            name: "backup".to_owned(),
            token: "hash".to_owned(),
            administrator: Some("ann".to_owned()),
            role: AdministratorRole::Viewer,
            scopes: vec!["clients".to_owned()],
            made: at(1),
            expires: at(9),
        };
        rows::insert_token(&mut tx, &token).await.unwrap();
        let of_machine = ApiTokenRow {
            name: "local".to_owned(),
            token: "other".to_owned(),
            administrator: None,
            ..token.clone()
        };
        rows::insert_token(&mut tx, &of_machine).await.unwrap();
        rows::insert_session(&mut tx, &session("s", Whose::Administrator("ann".to_owned()), 1), 9)
            .await
            .unwrap();
        assert_eq!(rows::count_tokens(&mut tx).await.unwrap(), 2);
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.administrators().await.unwrap(), [changed.clone(), administrator("bob")]);
        assert_eq!(db.administrator("ann").await.unwrap(), Some(changed));
        assert_eq!(db.api_token("hash").await.unwrap(), Some(token));
        let mut tx = db.begin().await.unwrap();
        rows::delete(&mut tx, "ann", at(9)).await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.api_tokens().await.unwrap(), [of_machine]);
        assert_eq!(db.session("s").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn the_oldest_session_ends_when_there_are_too_many() {
    check(async |db| {
        let vouched = Whose::Vouched(Vouched {
            issuer: "https://idp".to_owned(),
            subject: "7".to_owned(),
            name: "Ann".to_owned(),
            role: AdministratorRole::Viewer,
        });
        let mut tx = db.begin().await.unwrap();
        let of_bob = session("bob", Whose::Administrator("bob".to_owned()), 1);
        rows::insert_session(&mut tx, &of_bob, 2).await.unwrap();
        for (token, made) in [("1", 10), ("2", 11), ("3", 12)] {
            rows::insert_session(&mut tx, &session(token, vouched.clone(), made), 2).await.unwrap();
        }
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.session("1").await.unwrap(), None);
        assert_eq!(db.session("2").await.unwrap(), Some(session("2", vouched.clone(), 11)));
        assert!(db.session("3").await.unwrap().is_some());
        assert_eq!(db.session("bob").await.unwrap(), Some(of_bob), "each has its own number");
        let mut tx = db.begin().await.unwrap();
        // Sessions that are over are removed when another begins.
        rows::insert_session(&mut tx, &session("4", vouched, 112), 9).await.unwrap();
        rows::delete_session(&mut tx, "4").await.unwrap();
        tx.commit(TEST).await.unwrap();
        for token in ["2", "3", "4", "bob"] {
            assert_eq!(db.session(token).await.unwrap(), None, "{token}");
        }
    })
    .await;
}
