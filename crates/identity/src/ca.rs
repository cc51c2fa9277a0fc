//! The fleet CA: issues what the fleet's machines show one another, and is rotated with an overlap.
//!
//! The CA before vouches for a new one with a *cross-signed certificate*: of the new CA's key, signed by the old CA.
//! Every chain carries the cross-signed certificates of its time of issue, so that a reader that trusts only an old CA
//! still gets from the leaf to it. Who trusts which CAs travels in the signed policy; a cross-signed certificate only
//! covers the time until that arrives.

use std::fmt;
use std::time::Duration;

use headwater_policy::ClientId;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo, date_time_ymd,
};
use secrecy::{ExposeSecret as _, SecretString};

use crate::certificate::{CLIENT_URI, CaCertificate, Chain};
use crate::error::IdentityError;
use crate::keys::{PublicKey, SecretKey};
use crate::limits::{
    CA_LIFE, CERTIFICATE_HEAD_START, CERTIFICATE_LIFE, CERTIFICATE_NAMES_MAX, CHAIN_CERTIFICATES_MAX,
    PEM_LENGTH_MAX,
};

/// The CA of a fleet: its key and its own certificate. It cannot be printed; only [`Self::to_pem`] gives it away.
pub struct FleetCa {
    key: SecretKey,
    certificate: CaCertificate,
}

/// A host name or address of a TLS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedName(SanType);

impl FleetCa {
    /// Makes a new CA.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn make(now: Timestamp) -> Result<Self, IdentityError> {
        let key = SecretKey::generate()?;
        let name = format!("Headwater fleet CA {}", &key.fingerprint().to_string()[..16]);
        let params = ca_params(&name, now, now + CA_LIFE)?;
        let issued = params.self_signed(key.pair()).map_err(|_| IdentityError::NoRandomness)?;
        let certificate = CaCertificate::from_der(issued.into())?;
        Ok(Self { key, certificate })
    }

    /// Reads a CA's file: its key and its certificate, each in PEM, in either order.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Unreadable`]: one of the two is missing, or the certificate is no CA's;
    /// [`IdentityError::OtherKey`]: they do not belong together.
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::Unreadable {
            wanted: "a fleet CA in PEM: its P-256 key in PKCS#8, and its certificate",
        };
        if pem.len() > PEM_LENGTH_MAX {
            return Err(unreadable);
        }
        let key = block(pem, "PRIVATE KEY").ok_or_else(|| unreadable.clone())?;
        let certificate = block(pem, "CERTIFICATE").ok_or_else(|| unreadable.clone())?;
        let (key, certificate) = (SecretKey::from_pem(key)?, CaCertificate::from_pem(certificate)?);
        if key.public() != certificate.key() {
            return Err(IdentityError::OtherKey);
        }
        Ok(Self { key, certificate })
    }

    /// The CA's file. To be written readable for its owner alone.
    pub fn to_pem(&self) -> SecretString {
        SecretString::from(format!("{}{}", self.key.to_pem().expose_secret(), self.certificate.to_pem()))
    }

    /// Its own, self-signed certificate: what others trust.
    pub fn certificate(&self) -> &CaCertificate {
        &self.certificate
    }

    /// Issues a client's certificate: good for 90 days, to show itself and nothing else. The certificates `cross_signed`
    /// lead from this CA to older ones, newest first.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`].
    pub fn issue_client(
        &self,
        key: &PublicKey,
        client: &ClientId,
        cross_signed: &[CaCertificate],
        now: Timestamp,
    ) -> Result<Chain, IdentityError> {
        self.issue_update_agent(key, client, &[], cross_signed, now)
    }

    /// Issues an update agent's certificate: a client's that is also good for a TLS server of `names`.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoRandomness`]; [`IdentityError::Names`]: more names than one certificate may have.
    pub fn issue_update_agent(
        &self,
        key: &PublicKey,
        client: &ClientId,
        names: &[ServedName],
        cross_signed: &[CaCertificate],
        now: Timestamp,
    ) -> Result<Chain, IdentityError> {
        let uri = format!("{CLIENT_URI}{client}").try_into().expect("a client's id is ASCII");
        let mut usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !names.is_empty() {
            usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        self.issue(key, client.as_str(), Some(SanType::URI(uri)), names, usages, cross_signed, now)
    }

    /// Issues the certificate of the server's own TLS listener.
    ///
    /// # Errors
    ///
    /// As [`Self::issue_update_agent`].
    pub fn issue_server(
        &self,
        key: &PublicKey,
        names: &[ServedName],
        cross_signed: &[CaCertificate],
        now: Timestamp,
    ) -> Result<Chain, IdentityError> {
        let usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(key, "Headwater server", None, names, usages, cross_signed, now)
    }

    /// Vouches for a newer CA: signs a certificate of its key with this CA's key.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Subject`]: the newer CA, handed in, has a name that cannot be written again.
    pub fn cross_sign(&self, newer: &CaCertificate, now: Timestamp) -> Result<CaCertificate, IdentityError> {
        let name = newer.common_name().ok_or(IdentityError::Subject)?;
        let params = ca_params(&name, now, newer.not_after().min(self.certificate.not_after()))?;
        let issued = params
            .signed_by(&public(&newer.key())?, &self.issuer()?)
            .map_err(|_| IdentityError::NoRandomness)?;
        let cross_signed = CaCertificate::from_der(issued.into())?;
        if cross_signed.raw_subject() == newer.raw_subject() {
            Ok(cross_signed)
        } else {
            Err(IdentityError::Subject)
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that differs between three kinds of certificates")]
    fn issue(
        &self,
        key: &PublicKey,
        common_name: &str,
        client: Option<SanType>,
        names: &[ServedName],
        usages: Vec<ExtendedKeyUsagePurpose>,
        cross_signed: &[CaCertificate],
        now: Timestamp,
    ) -> Result<Chain, IdentityError> {
        if names.len() > CERTIFICATE_NAMES_MAX {
            return Err(IdentityError::Names(CERTIFICATE_NAMES_MAX));
        }
        let mut params =
            params(common_name, now, (now + CERTIFICATE_LIFE).min(self.certificate.not_after()))?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages;
        params.subject_alt_names =
            client.into_iter().chain(names.iter().map(|name| name.0.clone())).collect();
        let leaf =
            params.signed_by(&public(key)?, &self.issuer()?).map_err(|_| IdentityError::NoRandomness)?;
        let above =
            cross_signed.iter().map(|certificate| certificate.der().clone()).take(CHAIN_CERTIFICATES_MAX - 1);
        Chain::new(std::iter::once(leaf.into()).chain(above).collect())
    }

    fn issuer(&self) -> Result<Issuer<'_, &rcgen::KeyPair>, IdentityError> {
        Issuer::from_ca_cert_der(self.certificate.der(), self.key.pair()).map_err(|_| IdentityError::Subject)
    }
}

impl fmt::Debug for FleetCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FleetCa({:?})", self.certificate)
    }
}

impl ServedName {
    /// An address, or a host name.
    ///
    /// # Errors
    ///
    /// [`IdentityError::Name`].
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let bad = || IdentityError::Name(text.escape_debug().to_string());
        match rustls::pki_types::ServerName::try_from(bare).map_err(|_| bad())? {
            rustls::pki_types::ServerName::IpAddress(address) => {
                Ok(Self(SanType::IpAddress(std::net::IpAddr::from(address))))
            }
            _ => Ok(Self(SanType::DnsName(bare.to_ascii_lowercase().try_into().map_err(|_| bad())?))),
        }
    }
}

impl From<std::net::IpAddr> for ServedName {
    fn from(address: std::net::IpAddr) -> Self {
        Self(SanType::IpAddress(address.to_canonical()))
    }
}

impl fmt::Display for ServedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            SanType::IpAddress(address) => write!(f, "{address}"),
            SanType::DnsName(name) => f.write_str(name.as_str()),
            _ => Ok(()),
        }
    }
}

fn ca_params(name: &str, now: Timestamp, end: Timestamp) -> Result<CertificateParams, IdentityError> {
    let mut params = params(name, now, end)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn params(name: &str, now: Timestamp, end: Timestamp) -> Result<CertificateParams, IdentityError> {
    let mut serial = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|_| IdentityError::NoRandomness)?;
    serial[0] &= 0x7f;
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970(now - CERTIFICATE_HEAD_START);
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970(end);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn since_1970(time: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(time.as_second()).unwrap_or(0))
}

fn public(key: &PublicKey) -> Result<SubjectPublicKeyInfo, IdentityError> {
    SubjectPublicKeyInfo::from_der(key.spki())
        .map_err(|_| IdentityError::Request("its key is not of the curve P-256"))
}

/// The first PEM block of that label, its lines included.
fn block<'a>(pem: &'a str, label: &str) -> Option<&'a str> {
    let end_line = format!("-----END {label}-----");
    let start = pem.find(&format!("-----BEGIN {label}-----"))?;
    let end = pem[start..].find(&end_line)? + end_line.len();
    Some(&pem[start..start + end])
}
