//! Handshakes, in memory: who gets through, by the TLS library's own verifier.

use std::sync::Arc;

use headwater_identity::limits::TLS_SESSIONS_MAX;
use headwater_identity::tls::{self, Anonymous};
use headwater_identity::{CaCertificate, Chain, ClientKey, FleetCa, Peer, ServedName, ServerKey};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use crate::id;

/// Handshakes go by the machine's clock.
fn today() -> Timestamp {
    Timestamp::from_second(i64::try_from(rustls::pki_types::UnixTime::now().as_secs()).unwrap()).unwrap()
}

struct Server {
    chain: Chain,
    key: ServerKey,
}

fn server(ca: &FleetCa, cross_signed: &[CaCertificate], now: Timestamp) -> Server {
    let key = ServerKey::generate().unwrap();
    let names = [ServedName::parse("server.example").unwrap()];
    let chain = ca.issue_server(&key.public(), &names, cross_signed, now).unwrap();
    Server { chain, key }
}

fn client(ca: &FleetCa, cross_signed: &[CaCertificate], now: Timestamp) -> (Chain, ClientKey) {
    let key = ClientKey::generate().unwrap();
    (ca.issue_client(&key.public(), &id("paris-01"), cross_signed, now).unwrap(), key)
}

/// Shakes hands; returns the client that the server sees, or the error.
fn shake(
    server: &Server,
    server_trusts: &[CaCertificate],
    client: Option<&(Chain, ClientKey)>,
    client_trusts: &[CaCertificate],
    anonymous: Anonymous,
) -> Result<Option<Peer>, rustls::Error> {
    let config = tls::server_config(&server.chain, &server.key, server_trusts, anonymous).unwrap();
    let mut server = ServerConnection::new(config).unwrap();
    let own = client.map(|(chain, key)| (chain, key));
    let config = Arc::new(tls::client_config(client_trusts, own).unwrap());
    let mut client = ClientConnection::new(config, ServerName::try_from("server.example").unwrap()).unwrap();
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
        if !client.is_handshaking() && !server.is_handshaking() && !client.wants_write() {
            assert_eq!(server.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
            let shown = server.peer_certificates().and_then(<[_]>::first);
            return Ok(shown.map(|leaf| Peer::from_der(leaf).unwrap()));
        }
    }
    panic!("no handshake ends so late");
}

#[test]
fn both_sides_of_one_fleet_know_each_other() {
    let ca = FleetCa::make(today()).unwrap();
    let trust = [ca.certificate().clone()];
    let (server, client) = (server(&ca, &[], today()), client(&ca, &[], today()));
    let peer = shake(&server, &trust, Some(&client), &trust, Anonymous::Refused).unwrap().unwrap();
    assert_eq!((peer.client, peer.key), (id("paris-01"), client.1.fingerprint()));
}

#[test]
fn a_caller_without_a_certificate_is_admitted_where_that_is_allowed() {
    let ca = FleetCa::make(today()).unwrap();
    let trust = [ca.certificate().clone()];
    let server = server(&ca, &[], today());
    assert_eq!(shake(&server, &trust, None, &trust, Anonymous::Allowed), Ok(None));
    assert!(shake(&server, &trust, None, &trust, Anonymous::Refused).is_err());
}

#[test]
fn other_fleets_and_expired_certificates_are_refused() {
    let (ca, other) = (FleetCa::make(today()).unwrap(), FleetCa::make(today()).unwrap());
    let trust = [ca.certificate().clone()];
    let good = (server(&ca, &[], today()), client(&ca, &[], today()));
    let long_ago = today() - SignedDuration::from_hours(24 * 91);
    let old_ca = FleetCa::make(long_ago).unwrap();
    let old_trust = [old_ca.certificate().clone()];
    let check = |what: &str, server: &Server, client: &(Chain, ClientKey), trust: &[CaCertificate]| {
        let shaken = shake(server, trust, Some(client), trust, Anonymous::Allowed);
        assert!(matches!(shaken, Err(rustls::Error::InvalidCertificate(_))), "{what}: {shaken:?}");
    };
    check("another fleet's client", &good.0, &client(&other, &[], today()), &trust);
    check("another fleet's server", &server(&other, &[], today()), &good.1, &trust);
    check("an expired server", &server(&old_ca, &[], long_ago), &client(&old_ca, &[], today()), &old_trust);
    check("an expired client", &server(&old_ca, &[], today()), &client(&old_ca, &[], long_ago), &old_trust);
    // A client's certificate is no server's.
    let (chain, key) = client(&ca, &[], today());
    check("a client that poses as the server", &Server { chain, key }, &good.1, &trust);
    // And the server's is no client's.
    let posing = server(&ca, &[], today());
    check("a server that poses as a client", &good.0, &(posing.chain, posing.key), &trust);
}

#[test]
fn a_client_that_missed_three_rotations_still_knows_the_server_and_is_known() {
    let cas: Vec<FleetCa> = (0..4).map(|_| FleetCa::make(today()).unwrap()).collect();
    // Newest first, as chains carry them.
    let cross_signed: Vec<CaCertificate> = cas
        .windows(2)
        .rev()
        .map(|pair| pair[0].cross_sign(pair[1].certificate(), today()).unwrap())
        .collect();
    let server = server(&cas[3], &cross_signed, today());
    let oldest = [cas[0].certificate().clone()];
    let newest = [cas[3].certificate().clone()];
    let all: Vec<CaCertificate> = cas.iter().rev().map(|ca| ca.certificate().clone()).collect();
    let old_client = client(&cas[0], &[], today());
    shake(&server, &all, Some(&old_client), &oldest, Anonymous::Refused).unwrap();
    // The other way round: an update agent that missed them, and a client of today.
    let new_client = client(&cas[3], &cross_signed, today());
    shake(&server, &oldest, Some(&new_client), &newest, Anonymous::Refused).unwrap();
    // Without the cross-signed certificates it fails: they are what does it.
    let bare = crate::handshakes::server(&cas[3], &[], today());
    assert!(shake(&bare, &all, Some(&old_client), &oldest, Anonymous::Refused).is_err());
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused_at_once() {
    let ca = FleetCa::make(today()).unwrap();
    let trust = [ca.certificate().clone()];
    let server = server(&ca, &[], today());
    let other = ServerKey::generate().unwrap();
    assert!(tls::server_config(&server.chain, &other, &trust, Anonymous::Allowed).is_err());
    assert!(tls::server_config(&server.chain, &server.key, &[], Anonymous::Allowed).is_err());
    assert!(tls::client_config(&trust, Some((&server.chain, &other))).is_err());
}

#[test]
fn a_listener_remembers_a_bounded_number_of_sessions() {
    let ca = FleetCa::make(today()).unwrap();
    let trust = [ca.certificate().clone()];
    let server = server(&ca, &[], today());
    let config = tls::server_config(&server.chain, &server.key, &trust, Anonymous::Allowed).unwrap();
    let sessions = &config.session_storage;
    let remembered =
        |count: usize| (0..count).filter(|number| sessions.get(&number.to_be_bytes()).is_some()).count();
    for number in 0..TLS_SESSIONS_MAX * 2 {
        sessions.put(number.to_be_bytes().to_vec(), vec![1]);
    }
    let kept = remembered(TLS_SESSIONS_MAX * 2);
    assert!(kept <= TLS_SESSIONS_MAX && kept > TLS_SESSIONS_MAX / 2, "{kept}");
}
