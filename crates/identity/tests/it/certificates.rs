//! Certificates: which client they name, how long they are valid, and what is not signed.

use headwater_identity::limits::{CERTIFICATE_NAMES_MAX, CHAIN_CERTIFICATES_MAX, PEM_LENGTH_MAX};
use headwater_identity::{
    CaCertificate, Chain, ClientKey, FleetCa, IdentityError, Peer, ServedName, SigningRequest,
};
use rcgen::{CertificateParams, DnType, KeyPair};

use crate::{id, later, now};

fn names(texts: &[&str]) -> Vec<ServedName> {
    texts.iter().map(|text| ServedName::parse(text).unwrap()).collect()
}

#[test]
fn a_client_certificate_names_its_client_and_key_for_ninety_days() {
    let ca = FleetCa::make(now()).unwrap();
    let key = ClientKey::generate().unwrap();
    let request = SigningRequest::from_pem(&key.signing_request(&id("paris-01")).unwrap()).unwrap();
    assert_eq!(request.key(), key.public());
    let chain = ca.issue_client(&request.key(), &id("paris-01"), &[], now()).unwrap();
    let chain = Chain::from_pem(&chain.to_pem()).unwrap();
    let peer = chain.peer().unwrap();
    assert_eq!((&peer.client, peer.key, peer.not_after), (&id("paris-01"), key.fingerprint(), later(90)));
    assert!(chain.served_names().is_empty());
    assert!(peer.is_good_at(later(89)) && !peer.is_good_at(later(90)));
    assert!(!chain.renewal_due(later(59)) && chain.renewal_due(later(60)));
}

#[test]
fn an_update_agents_certificate_says_where_it_serves() {
    let ca = FleetCa::make(now()).unwrap();
    let key = ClientKey::generate().unwrap();
    let served = names(&["10.0.0.7", "[2001:db8::7]", "UA.example", "::1"]);
    let chain = ca.issue_update_agent(&key.public(), &id("ua"), &served, &[], now()).unwrap();
    assert_eq!(chain.served_names(), ["10.0.0.7", "2001:db8::7", "::1", "ua.example"]);
    assert_eq!(chain.peer().unwrap().client, id("ua"));
    let shown: Vec<String> = served.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["10.0.0.7", "2001:db8::7", "ua.example", "::1"]);
}

#[test]
fn the_servers_certificate_names_no_client() {
    let ca = FleetCa::make(now()).unwrap();
    let key = ClientKey::generate().unwrap();
    let chain = ca.issue_server(&key.public(), &names(&["updates.example"]), &[], now()).unwrap();
    assert_eq!(chain.peer(), Err(IdentityError::NoClient));
    assert_eq!(Peer::from_der(b"no certificate"), Err(IdentityError::NoClient));
}

#[test]
fn no_certificate_outlives_its_ca() {
    let ca = FleetCa::make(later(-3600)).unwrap();
    let key = ClientKey::generate().unwrap();
    let chain = ca.issue_client(&key.public(), &id("a"), &[], now()).unwrap();
    assert_eq!(chain.not_after(), ca.certificate().not_after());
}

#[test]
fn what_is_no_name_or_address_is_refused() {
    for text in ["", "a b", "http://x", "10.0.0.7:80", "ex*mple", "[::1"] {
        assert!(matches!(ServedName::parse(text), Err(IdentityError::Name(_))), "{text}");
    }
}

#[test]
fn what_a_request_asks_for_is_ignored_and_what_is_not_proven_is_refused() {
    // It asks to be a CA for another name; it gets what the issuer gives.
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["server.example".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "somebody else");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let pem = params.serialize_request(&pair).unwrap().pem().unwrap();
    let request = SigningRequest::from_pem(&pem).unwrap();
    let ca = FleetCa::make(now()).unwrap();
    let chain = ca.issue_client(&request.key(), &id("paris-01"), &[], now()).unwrap();
    assert_eq!(chain.peer().unwrap().client, id("paris-01"));
    assert!(chain.served_names().is_empty());
    assert!(CaCertificate::from_pem(&chain.to_pem()).is_err(), "it is no CA's");

    let other_curve = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let p384 = CertificateParams::default().serialize_request(&other_curve).unwrap().pem().unwrap();
    // One base64 character of the signature changed.
    let at = pem.rfind("\n-----END").unwrap() - 6;
    let mut forged = pem.clone();
    let replacement = if forged.as_bytes()[at] == b'A' { "B" } else { "A" };
    forged.replace_range(at..=at, replacement);
    for (what, pem) in [
        ("another curve", p384.as_str()),
        ("a changed signature", &forged),
        ("cut off", &pem[..pem.len() / 2]),
        ("nothing", ""),
        ("too long", &" ".repeat(PEM_LENGTH_MAX + 1)),
    ] {
        assert!(matches!(SigningRequest::from_pem(pem), Err(IdentityError::Request(_))), "{what}");
    }
}

#[test]
fn chains_and_names_have_limits() {
    let ca = FleetCa::make(now()).unwrap();
    let key = ClientKey::generate().unwrap();
    let cross_signed = ca.cross_sign(FleetCa::make(now()).unwrap().certificate(), now()).unwrap();
    let cross_signed = vec![cross_signed; CHAIN_CERTIFICATES_MAX + 1];
    let chain = ca.issue_client(&key.public(), &id("a"), &cross_signed, now()).unwrap();
    assert_eq!(chain.to_pem().matches("BEGIN").count(), CHAIN_CERTIFICATES_MAX);
    let too_long = chain.to_pem() + &ca.certificate().to_pem();
    assert!(Chain::from_pem(&too_long).is_err());
    assert!(Chain::from_pem("").is_err());
    assert!(CaCertificate::from_pem(&format!("{0}{0}", ca.certificate().to_pem())).is_err());
    let issue =
        |count| ca.issue_server(&key.public(), &vec![names(&["a.example"])[0].clone(); count], &[], now());
    assert!(issue(CERTIFICATE_NAMES_MAX).is_ok());
    let refused = issue(CERTIFICATE_NAMES_MAX + 1).unwrap_err();
    assert_eq!(refused.to_string(), "a certificate has at most 64 names and addresses");
}

#[test]
fn who_issued_a_certificate_is_checked_as_of_the_moment_of_issue() {
    let (old, other) = (FleetCa::make(now()).unwrap(), FleetCa::make(now()).unwrap());
    let new = FleetCa::make(later(10)).unwrap();
    let cross_signed = old.cross_sign(new.certificate(), later(10)).unwrap();
    let key = ClientKey::generate().unwrap();
    let chain = new.issue_client(&key.public(), &id("a"), &[cross_signed], later(20)).unwrap();
    let check = |cas: &[&FleetCa], issued: bool, leads: bool| {
        let cas: Vec<CaCertificate> = cas.iter().map(|ca| ca.certificate().clone()).collect();
        assert_eq!((chain.is_issued_by(&cas), chain.leads_to(&cas)), (issued, leads), "{cas:?}");
    };
    check(&[&new], true, true);
    check(&[&other, &new], true, true);
    check(&[&old], false, true);
    check(&[&other], false, false);
    check(&[], false, false);
    assert!(!headwater_identity::is_issued_by(b"no certificate", &[new.certificate().clone()]));
}

#[test]
fn only_a_ca_whose_name_can_be_written_again_is_cross_signed() {
    let ca = FleetCa::make(now()).unwrap();
    let pair = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::OrganizationName, "Example");
    let handed_in = params.self_signed(&pair).unwrap().pem();
    let handed_in = CaCertificate::from_pem(&handed_in).unwrap();
    assert_eq!(ca.cross_sign(&handed_in, now()), Err(IdentityError::Subject));
}
