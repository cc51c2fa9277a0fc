//! How a listener of the console plane is reached, and the cookies that go with it.

use axum::http::HeaderValue;

/// How a listener of the console plane is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over plain HTTP, or the local socket.
    Plain,
    /// Over TLS.
    Tls,
}

impl Transport {
    /// Name of the session's cookie. Over TLS browsers take one of this prefix only from the host itself, for all its
    /// paths, and over TLS.
    pub fn cookie_name(self) -> &'static str {
        match self {
            Self::Plain => "headwater_session",
            Self::Tls => "__Host-headwater_session",
        }
    }

    /// The header by which a browser is recognised when the identity provider sends it back. That navigation begins
    /// elsewhere, so the cookie is `Lax`: the browser would not send one that is `Strict`.
    pub fn set_sign_in_cookie(self, token: &str, seconds: i64) -> HeaderValue {
        let secure = if self == Self::Tls { "; Secure" } else { "" };
        let name = self.sign_in_cookie_name();
        let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&text).expect("tokens are base64url")
    }

    /// Name of that cookie.
    pub fn sign_in_cookie_name(self) -> &'static str {
        match self {
            Self::Plain => "headwater_sign_in",
            Self::Tls => "__Host-headwater_sign_in",
        }
    }

    /// What the origins of its pages begin with.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "http://",
            Self::Tls => "https://",
        }
    }

    /// The header that gives a browser a session, for so many seconds; 0: takes it away.
    pub fn set_cookie(self, token: &str, seconds: i64) -> HeaderValue {
        let secure = if self == Self::Tls { "; Secure" } else { "" };
        let name = self.cookie_name();
        let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
        HeaderValue::from_str(&text).expect("tokens are base64url")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_for_this_host_alone_and_over_tls_for_nothing_else() {
        let check =
            |transport: Transport, expected: &str| assert_eq!(transport.set_cookie("abc", 60), expected);
        check(Transport::Plain, "headwater_session=abc; Path=/; HttpOnly; SameSite=Strict; Max-Age=60");
        check(
            Transport::Tls,
            "__Host-headwater_session=abc; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure",
        );
        let check = |transport: Transport, expected: &str| {
            assert_eq!(transport.set_sign_in_cookie("abc", 60), expected)
        };
        check(Transport::Plain, "headwater_sign_in=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60");
        check(
            Transport::Tls,
            "__Host-headwater_sign_in=abc; Path=/; HttpOnly; SameSite=Lax; Max-Age=60; Secure",
        );
    }
}
