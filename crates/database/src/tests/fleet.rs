//! Clients, their keys, tokens, unknown clients, CAs, keys of domains.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{TEST, at, check, put_domain};
use crate::clients::{self, ClientRow};
use crate::enrolment_tokens::{self, EnrolmentTokenRow};
use crate::fleet::{self, CaRow};
use crate::fleet_view::Filter;
use crate::identities::{self as keys, IdentityRow, NewestStatements, RevokedRow};
use crate::limits::{UNKNOWN_CLIENTS_MAX, UNKNOWN_CLIENTS_PROVEN_MAX};
use crate::unknown_clients::{self, Proof, UnknownClient};
use crate::{Connection, Tx, count, number};

pub fn client(id: &str, domain: &str) -> ClientRow {
    ClientRow {
        id: id.to_owned(),
        domain: domain.to_owned(),
        addresses: vec!["10.0.0.1".to_owned()],
        program: "0.1.0".to_owned(),
        policy_version: 4,
        versions: BTreeMap::from([("components".to_owned(), 3)]),
        first_seen: at(1),
        last_seen: at(2),
    }
}

async fn fleet(tx: &mut Tx) {
    put_domain(tx, "root").await;
    put_domain(tx, "root/paris").await;
    for (id, domain) in [("b", "root"), ("a", "root/paris"), ("B", "root/paris")] {
        clients::put(tx, &client(id, domain)).await.unwrap();
    }
}

fn identity(client: &str, key: &str) -> IdentityRow {
    IdentityRow {
        client: client.to_owned(),
        key: key.to_owned(),
        public_key: "p".to_owned(),
        encryption_key: "e".to_owned(),
        enrolled: at(1),
        certificate_end: at(100),
        taken: NewestStatements { check_in: 1, report: 2, renewal: 3 },
        reports_made: 4,
    }
}

#[tokio::test]
async fn clients_are_listed_in_order_counted_and_moved() {
    check(async |db| {
        let mut tx = db.begin().await.unwrap();
        fleet(&mut tx).await;
        let later = ClientRow {
            domain: "root".to_owned(),
            first_seen: at(9),
            last_seen: at(9),
            ..client("a", "root")
        };
        clients::put(&mut tx, &ClientRow { program: "nul \0 in it".to_owned(), ..later }).await.unwrap();
        assert_eq!(tx.clients_count().await.unwrap(), 3);
        tx.commit(TEST).await.unwrap();
        let ids = async |domain, after| -> Vec<String> {
            db.clients(domain, after, 2).await.unwrap().into_iter().map(|row| row.id).collect()
        };
        assert_eq!(ids(None, "").await, ["B", "a"]);
        assert_eq!(ids(None, "a").await, ["b"]);
        assert_eq!(ids(Some("root/paris"), "").await, ["B", "a"]);
        let seen = db.client("a").await.unwrap().unwrap();
        assert_eq!((seen.domain.as_str(), seen.first_seen, seen.last_seen), ("root/paris", at(1), at(9)));
        let mut tx = db.begin().await.unwrap();
        clients::set_domain(&mut tx, "a", "root").await.unwrap();
        keys::put(&mut tx, &identity("a", "k1")).await.unwrap();
        clients::delete(&mut tx, "B").await.unwrap();
        tx.commit(TEST).await.unwrap();
        assert_eq!(db.clients_by_domain().await.unwrap(), BTreeMap::from([("root".to_owned(), 2)]));
        let fleet = db.fleet_page(&Filter::default(), at(0), "", 10, false).await.unwrap();
        let with_key: Vec<_> = fleet.iter().map(|row| (row.client.id.as_str(), row.has_key)).collect();
        assert_eq!(with_key, [("a", true), ("b", false)]);
    })
    .await;
}

#[tokio::test]
async fn keys_are_replaced_revoked_and_their_gaps_go_with_them() {
    check(async |db| {
        let mut tx = db.begin().await.unwrap();
        fleet(&mut tx).await;
        keys::put(&mut tx, &identity("a", "k1")).await.unwrap();
        keys::put(&mut tx, &identity("a", "k2")).await.unwrap();
        assert_eq!(keys::of_key(&mut tx, "k1").await.unwrap(), None);
        assert_eq!(keys::of_client(&mut tx, "a").await.unwrap(), Some(identity("a", "k2")));
        keys::put_gaps(&mut tx, "a", &[(1, 2), (5, 9)]).await.unwrap();
        keys::put_gaps(&mut tx, "a", &[(5, 8)]).await.unwrap();
        assert_eq!(keys::gaps(&mut tx, "a").await.unwrap(), [(5, 8)]);
        let revoked = |key: &str, until| RevokedRow {
            key: key.to_owned(),
            client: "a".to_owned(),
            revoked: at(50),
            until: at(until),
        };
        for (key, until) in [("k1", 60), ("k2", 90), ("k3", 80), ("k3", 90)] {
            keys::revoke(&mut tx, &revoked(key, until)).await.unwrap();
        }
        keys::delete(&mut tx, "a").await.unwrap();
        assert!(keys::gaps(&mut tx, "a").await.unwrap().is_empty());
        assert!(
            keys::is_revoked(&mut tx, "k1").await.unwrap() && !keys::is_revoked(&mut tx, "k9").await.unwrap()
        );
        assert!(
            keys::any_revoked(&mut tx, "a").await.unwrap() && !keys::any_revoked(&mut tx, "b").await.unwrap()
        );
        assert_eq!(keys::count_revoked_still(&mut tx, at(60)).await.unwrap(), 2);
        assert_eq!(keys::revoked_still(&mut tx, at(60), 1).await.unwrap(), [revoked("k2", 90)]);
        for _ in 0..2 {
            keys::mark_client_revoked(&mut tx, "a", at(50)).await.unwrap();
        }
        assert!(keys::is_client_revoked(&mut tx, "a").await.unwrap());
        keys::unmark_client_revoked(&mut tx, "a").await.unwrap();
        assert!(!keys::is_client_revoked(&mut tx, "a").await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn enrolment_tokens_are_numbered_used_and_end() {
    check(async |db| {
        let token = |digest: &str, expires| EnrolmentTokenRow {
            number: 0,
            digest: digest.to_owned(),
            domain: "root".to_owned(),
            client: None,
            uses: 2,
            uses_left: 2,
            made: at(1),
            expires: at(expires),
        };
        let mut tx = db.begin().await.unwrap();
        let first = enrolment_tokens::insert(&mut tx, &token("a", 10)).await.unwrap();
        let second = enrolment_tokens::insert(&mut tx, &token("b", 20)).await.unwrap();
        assert!(first > 0 && second > first);
        enrolment_tokens::use_once(&mut tx, first).await.unwrap();
        let used = enrolment_tokens::of_digest(&mut tx, "a").await.unwrap().unwrap();
        assert_eq!((used.number, used.uses_left), (first, 1));
        let listed: Vec<u64> =
            enrolment_tokens::all(&mut tx).await.unwrap().iter().map(|row| row.number).collect();
        assert_eq!(listed, [second, first]);
        assert_eq!(enrolment_tokens::last_end(&mut tx, at(11)).await.unwrap(), Some(at(20)));
        assert_eq!(enrolment_tokens::last_end(&mut tx, at(21)).await.unwrap(), None);
        assert_eq!(enrolment_tokens::delete_ended(&mut tx, at(11)).await.unwrap(), 1);
        assert!(
            enrolment_tokens::delete(&mut tx, second).await.unwrap()
                && !enrolment_tokens::delete(&mut tx, second).await.unwrap()
        );
        assert_eq!(enrolment_tokens::how_many(&mut tx).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn authorities_and_domain_keys_replace_one_another() {
    check(async |db| {
        let mut tx = db.begin().await.unwrap();
        for number in 1..=3 {
            let cross_signed = (number > 1).then(|| "cross".to_owned());
            let ca = CaRow { number, certificate: format!("ca {number}"), cross_signed, distrusted: false };
            fleet::insert_ca(&mut tx, &ca, at(5)).await.unwrap();
        }
        fleet::distrust_cas_before(&mut tx, 3).await.unwrap();
        fleet::delete_cas_before(&mut tx, 2).await.unwrap();
        let cas = fleet::cas(&mut tx).await.unwrap();
        assert_eq!(
            cas.iter().map(|ca| (ca.number, ca.distrusted)).collect::<Vec<_>>(),
            [(3, false), (2, true)]
        );
        assert_eq!(fleet::ca_made(&mut tx, 3).await.unwrap(), at(5));
        fleet::put_domain_key(&mut tx, "root", "one", at(1)).await.unwrap();
        fleet::put_domain_key(&mut tx, "root", "two", at(1)).await.unwrap();
        assert_eq!(fleet::domain_key(&mut tx, "root").await.unwrap().as_deref(), Some("two"));
        fleet::delete_domain_keys(&mut tx, "root").await.unwrap();
        assert_eq!(fleet::domain_key(&mut tx, "root").await.unwrap(), None);
    })
    .await;
}

/// So many unknown clients at once, and then one more as it comes in. How many are held then, without and with a proof.
async fn noted(db: &mut Connection, many: u32, proof: Option<&Proof>) -> (u32, u32) {
    let public_key = proof.map_or("", |proof| &proof.public_key);
    sqlx::query(
        "WITH RECURSIVE n (i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
         INSERT INTO unknown_clients (client, key, reason, address, count, first_seen, last_seen, public_key) \
         SELECT 'pc-' || i || $2, 'k', '', '', 1, 0, 0, $2 FROM n",
    )
    .bind(i64::from(many))
    .bind(public_key)
    .execute(db.sql())
    .await
    .unwrap();
    let unknown_client = UnknownClient { client: "pc", key: public_key, reason: "unknown", proof };
    unknown_clients::note(db, &unknown_client, "10.0.0.1", 1, Timestamp::UNIX_EPOCH).await.unwrap();
    let held = unknown_clients::all(db).await.unwrap();
    let proven = held.iter().filter(|one| one.proven).count();
    (u32::try_from(held.len() - proven).unwrap(), u32::try_from(proven).unwrap())
}

#[tokio::test]
async fn a_client_that_only_asks_does_not_push_out_one_that_has_proven_something() {
    check(async |db| {
        let mut tx = db.begin().await.unwrap();
        let proof = Proof {
            public_key: "p".to_owned(),
            encryption_key: "s".to_owned(),
            certificate_end: Timestamp::UNIX_EPOCH,
            renewal: 1,
        };
        let almost = UNKNOWN_CLIENTS_PROVEN_MAX - 1;
        assert_eq!(noted(&mut tx, almost, Some(&proof)).await, (0, UNKNOWN_CLIENTS_PROVEN_MAX));
        let both = (UNKNOWN_CLIENTS_MAX, UNKNOWN_CLIENTS_PROVEN_MAX);
        assert_eq!(noted(&mut tx, UNKNOWN_CLIENTS_MAX, None).await, both);
        let another = UnknownClient { client: "pc-0", key: "p", reason: "unknown", proof: Some(&proof) };
        unknown_clients::note(&mut tx, &another, "10.0.0.1", 1, Timestamp::UNIX_EPOCH).await.unwrap();
        let all = unknown_clients::all(&mut tx).await.unwrap().len();
        assert_eq!(all, (UNKNOWN_CLIENTS_MAX + UNKNOWN_CLIENTS_PROVEN_MAX) as usize);
    })
    .await;
}

#[tokio::test]
async fn unknown_clients_are_counted_and_keep_the_newest_proof() {
    check(async |db| {
        let mut tx = db.begin().await.unwrap();
        let proof = |renewal| Proof {
            public_key: "p".to_owned(),
            encryption_key: "s".to_owned(),
            certificate_end: at(9),
            renewal,
        };
        for (renewal, times, now) in [(5, 1, 10), (3, 2, 11)] {
            let proof = proof(renewal);
            let one = UnknownClient { client: "pc", key: "k", reason: "unknown", proof: Some(&proof) };
            unknown_clients::note(&mut tx, &one, "10.0.0.1", times, at(now)).await.unwrap();
        }
        let seen = unknown_clients::all(&mut tx).await.unwrap().remove(0);
        assert_eq!((seen.count, seen.first_seen, seen.last_seen, seen.proven), (3, at(10), at(11), true));
        assert_eq!(unknown_clients::proven(&mut tx).await.unwrap()[0].proof.renewal, 5);
        assert_eq!(unknown_clients::delete_before(&mut tx, at(11)).await.unwrap(), 0);
        unknown_clients::forget(&mut tx, "other", "k").await.unwrap();
        assert!(unknown_clients::all(&mut tx).await.unwrap().is_empty());
    })
    .await;
}

#[test]
fn numbers_that_the_database_cannot_hold_become_its_greatest() {
    assert_eq!(count(number(7)), 7);
    assert_eq!(number(u64::MAX), i64::MAX);
}
