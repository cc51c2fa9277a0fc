//! What an error of the HTTP, TLS or socket library means: one class, a sentence for people, and the library's own words
//! behind it. Both programs name their failures with it; what helps differs with the program, and is theirs to say.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError};

use super::addresses::AddressError;

/// Why an exchange with another host failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionProblem {
    /// Its certificate is of a CA that is not trusted here.
    UnknownCa,
    /// Its certificate is for another name.
    OtherName,
    /// Its certificate has expired, by the clock of this computer.
    Expired,
    /// Its certificate is not valid yet, by the clock of this computer.
    NotYetValid,
    /// Its certificate is wrong in another way.
    Certificate,
    /// It does not accept the certificate of this program.
    Rejected,
    /// Both sides know no common version or cipher of TLS.
    TlsVersion,
    /// What it sends is not TLS.
    NotTls,
    /// What it sends is not HTTP.
    NotHttp,
    /// No CA is known here.
    NoCa,
    /// Nothing listens there.
    Refused,
    /// This computer has no route to it.
    NoRoute,
    /// It did not answer in time.
    TimedOut,
    /// It closed the connection early.
    Closed,
    /// The name has no address.
    Name,
    /// The name has no address of a family that this computer has.
    NoCommonFamily,
    /// This user may not connect: to a local socket, or past a rule of the system.
    Permission,
    /// There is no such local socket.
    NoSocket,
    /// The proxy did not connect.
    Proxy,
    /// Anything else.
    Other,
}

impl ConnectionProblem {
    /// What it means, as the end of "cannot reach X: …".
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::UnknownCa => "its certificate is not signed by a CA that is trusted here",
            Self::OtherName => "its certificate is for another name",
            Self::Expired => "its certificate has expired, by the clock of this computer",
            Self::NotYetValid => "its certificate is not valid yet, by the clock of this computer",
            Self::Certificate => "its certificate is not valid",
            Self::Rejected => "it does not accept the certificate of this computer",
            Self::TlsVersion => "it offers no version of TLS that is accepted here",
            Self::NotTls => "what answers at this port does not speak TLS (https)",
            Self::NotHttp => "what answers at this port does not speak plain HTTP; it may speak TLS (https)",
            Self::NoCa => "this computer knows no CA that could vouch for its certificate",
            Self::Refused => "nothing listens at this address and port",
            Self::NoRoute => "this computer has no route to it",
            Self::TimedOut => "it did not answer in time",
            Self::Closed => "it closed the connection before its answer was whole",
            Self::Name => "the host name has no address",
            Self::NoCommonFamily => "the host name has no address of a family that this computer has",
            Self::Permission => "this user may not connect to it",
            Self::NoSocket => "there is no such local socket",
            Self::Proxy => "the proxy did not connect to it",
            Self::Other => "the connection failed",
        }
    }
}

/// A [`ConnectionProblem`] with the library's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionFailure {
    /// What it is.
    pub problem: ConnectionProblem,
    /// The library's words.
    pub words: String,
}

impl fmt::Display for ConnectionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.problem.sentence(), self.words)
    }
}

/// Names the failure of an exchange, by the innermost error that says something.
#[must_use]
pub fn connection_failure(error: &(dyn Error + 'static)) -> ConnectionFailure {
    let timed_out = error.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout);
    let mut found = None;
    let mut words = String::new();
    for cause in chain(error) {
        words = cause.to_string();
        found = of_cause(cause).or(found);
    }
    let problem =
        found.unwrap_or(if timed_out { ConnectionProblem::TimedOut } else { ConnectionProblem::Other });
    ConnectionFailure { problem, words }
}

/// An error and its causes. An `io::Error` that carries another error does not name it as its source; we do.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        match error.downcast_ref::<io::Error>().map(io::Error::get_ref) {
            Some(Some(carried)) => Some(carried as &(dyn Error + 'static)),
            _ => (*error).source(),
        }
    })
}

fn of_cause(cause: &(dyn Error + 'static)) -> Option<ConnectionProblem> {
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(of_tls(error));
    }
    if let Some(error) = cause.downcast_ref::<AddressError>() {
        return Some(of_address(error));
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return of_http(error);
    }
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        return of_socket(error);
    }
    // Its words contain the URL, which may have any of these words in it; what failed is among its causes.
    if cause.is::<reqwest::Error>() {
        return None;
    }
    // These errors have no type of their own.
    let words = cause.to_string();
    match words.as_str() {
        words if words.starts_with("dns error") => Some(ConnectionProblem::Name),
        words if words.contains("tunnel") || words.contains("proxy") => Some(ConnectionProblem::Proxy),
        words if words.contains("No CA certificates were loaded") => Some(ConnectionProblem::NoCa),
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> ConnectionProblem {
    use AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(problem) => of_certificate(problem),
        rustls::Error::InvalidMessage(_) => ConnectionProblem::NotTls,
        rustls::Error::PeerIncompatible(_)
        | rustls::Error::AlertReceived(Alert::ProtocolVersion | Alert::HandshakeFailure) => {
            ConnectionProblem::TlsVersion
        }
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied,
        ) => ConnectionProblem::Rejected,
        rustls::Error::General(words) if words.contains("No CA certificates") => ConnectionProblem::NoCa,
        _ => ConnectionProblem::Other,
    }
}

fn of_certificate(problem: &CertificateError) -> ConnectionProblem {
    match problem {
        CertificateError::UnknownIssuer => ConnectionProblem::UnknownCa,
        // A certificate that signs itself is its own, unknown CA.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            ConnectionProblem::UnknownCa
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            ConnectionProblem::OtherName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => ConnectionProblem::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ConnectionProblem::NotYetValid
        }
        _ => ConnectionProblem::Certificate,
    }
}

fn of_address(error: &AddressError) -> ConnectionProblem {
    match error {
        AddressError::Unknown { .. } => ConnectionProblem::Name,
        AddressError::NoCommonFamily { .. } => ConnectionProblem::NoCommonFamily,
        AddressError::NoAnswer { .. } | AddressError::Unreachable { all_failed: false, .. } => {
            ConnectionProblem::TimedOut
        }
        AddressError::Unreachable { all_failed: true, .. } => ConnectionProblem::Refused,
    }
}

fn of_http(error: &hyper::Error) -> Option<ConnectionProblem> {
    match error {
        error if error.is_parse() => Some(ConnectionProblem::NotHttp),
        error if error.is_timeout() => Some(ConnectionProblem::TimedOut),
        error if error.is_incomplete_message() || error.is_closed() => Some(ConnectionProblem::Closed),
        _ => None,
    }
}

fn of_socket(error: &io::Error) -> Option<ConnectionProblem> {
    use io::ErrorKind as Kind;
    Some(match error.kind() {
        Kind::ConnectionRefused => ConnectionProblem::Refused,
        Kind::NetworkUnreachable | Kind::HostUnreachable | Kind::NetworkDown | Kind::AddrNotAvailable => {
            ConnectionProblem::NoRoute
        }
        Kind::TimedOut => ConnectionProblem::TimedOut,
        Kind::UnexpectedEof | Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe => {
            ConnectionProblem::Closed
        }
        Kind::PermissionDenied => ConnectionProblem::Permission,
        Kind::NotFound => ConnectionProblem::NoSocket,
        _ => return None,
    })
}

/// What to say of an answer that is not the expected JSON.
#[must_use]
pub fn describe_unreadable(body: &[u8], error: &dyn Error) -> String {
    if is_web_page(body) {
        return WEB_PAGE.to_owned();
    }
    match body.is_empty() {
        true => "its answer is empty".to_owned(),
        false => format!("its answer is not what this program expects ({error})"),
    }
}

/// What an answer is that [`is_web_page`].
pub const WEB_PAGE: &str = "it answers with a web page: the login page of a network (captive portal), a proxy or another \
                            service answers in its place";

/// Whether a body that should be JSON is a web page.
#[must_use]
pub fn is_web_page(body: &[u8]) -> bool {
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'<')
}

#[cfg(test)]
mod tests {
    use rustls::{InvalidMessage, PeerIncompatible};

    use super::*;

    /// As the HTTP library hands it out: inside an I/O error.
    fn check(error: impl Error + Send + Sync + 'static, problem: ConnectionProblem) {
        let words = error.to_string();
        let outer = io::Error::other(io::Error::other(error));
        let failure = connection_failure(&outer);
        assert_eq!(failure.problem, problem, "{words}");
        assert!(failure.to_string().contains(&words), "the library's words: {failure}");
        assert!(failure.to_string().starts_with(problem.sentence()), "{failure}");
    }

    #[test]
    fn each_error_of_tls_has_its_meaning() {
        use AlertDescription as Alert;
        let certificate = rustls::Error::InvalidCertificate;
        check(certificate(CertificateError::UnknownIssuer), ConnectionProblem::UnknownCa);
        check(certificate(CertificateError::NotValidForName), ConnectionProblem::OtherName);
        check(certificate(CertificateError::Expired), ConnectionProblem::Expired);
        check(certificate(CertificateError::NotValidYet), ConnectionProblem::NotYetValid);
        check(certificate(CertificateError::BadEncoding), ConnectionProblem::Certificate);
        check(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), ConnectionProblem::NotTls);
        let incompatible = rustls::Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon);
        check(incompatible, ConnectionProblem::TlsVersion);
        for (alert, problem) in [
            (Alert::CertificateRequired, ConnectionProblem::Rejected),
            (Alert::CertificateExpired, ConnectionProblem::Rejected),
            (Alert::UnknownCA, ConnectionProblem::Rejected),
            (Alert::HandshakeFailure, ConnectionProblem::TlsVersion),
            (Alert::InternalError, ConnectionProblem::Other),
        ] {
            check(rustls::Error::AlertReceived(alert), problem);
        }
    }

    #[test]
    fn each_error_of_a_socket_has_its_meaning() {
        use io::ErrorKind as Kind;
        let cases = [
            (Kind::ConnectionRefused, ConnectionProblem::Refused),
            (Kind::NetworkUnreachable, ConnectionProblem::NoRoute),
            (Kind::HostUnreachable, ConnectionProblem::NoRoute),
            (Kind::TimedOut, ConnectionProblem::TimedOut),
            (Kind::ConnectionReset, ConnectionProblem::Closed),
            (Kind::UnexpectedEof, ConnectionProblem::Closed),
            (Kind::PermissionDenied, ConnectionProblem::Permission),
            (Kind::NotFound, ConnectionProblem::NoSocket),
            (Kind::InvalidData, ConnectionProblem::Other),
        ];
        for (kind, problem) in cases {
            check(io::Error::from(kind), problem);
        }
    }

    #[test]
    fn a_web_page_is_recognised() {
        for (body, expected) in [
            ("<html>", true),
            ("\n <!DOCTYPE html>", true),
            ("\u{feff}<html>", true),
            ("{\"a\": \"<\"}", false),
            ("", false),
        ] {
            assert_eq!(is_web_page(body.as_bytes()), expected, "{body}");
        }
        let error = serde_json::from_str::<u32>("x").unwrap_err();
        assert!(describe_unreadable(b"<p>", &error).contains("captive portal"));
        assert!(describe_unreadable(b"", &error).contains("empty"));
        assert!(describe_unreadable(b"x", &error).contains("expected value"));
    }
}
