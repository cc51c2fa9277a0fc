//! Sign-ins at the identity provider that are under way: begun by a browser that has not come back yet. Pure.
//!
//! Each is found by its state once, within its time, and only for the browser that began it.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::error::NotVouched;
use crate::limits::{SIGN_IN_SECONDS, SIGN_INS_MAX, SIGN_INS_PER_ADDRESS_MAX};
use crate::secret;

/// One sign-in under way.
#[derive(Debug)]
pub struct Begun {
    /// What the cookie of the browser holds.
    pub browser: SecretString,
    /// What the token must repeat.
    pub nonce: SecretString,
    /// Without which the code is refused (PKCE).
    pub verifier: SecretString,
    /// The network of the address that it was begun from.
    pub client_network: String,
    /// When.
    pub at: Timestamp,
}

/// All of them, by the hash of their state.
#[derive(Debug, Default)]
pub struct Pending(HashMap<String, Begun>);

impl Pending {
    /// One more is under way.
    pub fn begin(&mut self, state: &SecretString, begun: Begun) {
        self.0.retain(|_, known| is_open(known, begun.at));
        if self.0.values().filter(|known| known.client_network == begun.client_network).count()
            >= SIGN_INS_PER_ADDRESS_MAX
        {
            self.end_oldest(|known| known.client_network == begun.client_network);
        }
        if self.0.len() >= SIGN_INS_MAX {
            self.end_oldest(|_| true);
        }
        self.0.insert(secret::hash(state), begun);
    }

    /// The one of this state, which is over by that.
    ///
    /// # Errors
    /// [`NotVouched::NotBegun`], [`NotVouched::OtherBrowser`].
    pub fn take(
        &mut self,
        state: &SecretString,
        browser: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<Begun, NotVouched> {
        let begun = self.0.remove(&secret::hash(state)).filter(|begun| is_open(begun, now));
        let begun = begun.ok_or(NotVouched::NotBegun)?;
        // Hashes are compared, so that the time it takes reveals nothing of what is compared.
        match browser {
            Some(browser) if secret::hash(browser) == secret::hash(&begun.browser) => Ok(begun),
            _ => Err(NotVouched::OtherBrowser),
        }
    }

    fn end_oldest(&mut self, of: impl Fn(&Begun) -> bool) {
        let known = self.0.iter().filter(|(_, begun)| of(begun));
        let oldest = known.min_by_key(|(_, begun)| begun.at).map(|(state, _)| state.clone());
        oldest.map(|state| self.0.remove(&state));
    }
}

fn is_open(begun: &Begun, now: Timestamp) -> bool {
    now.duration_since(begun.at) < SignedDuration::from_secs(SIGN_IN_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    fn begin(pending: &mut Pending, state: &str, client_network: &str, second: i64) {
        let part = || secret("x");
        let browser = secret(&format!("browser of {state}"));
        let begun = Begun {
            browser,
            nonce: part(),
            verifier: part(),
            client_network: client_network.to_owned(),
            at: at(second),
        };
        pending.begin(&secret(state), begun);
    }

    #[test]
    fn a_sign_in_ends_once_in_its_browser_and_in_its_time() {
        let check = |state: &str, browser: Option<&str>, second: i64, expected: Result<(), NotVouched>| {
            let mut pending = Pending::default();
            begin(&mut pending, "one", "10.0.0.1", 0);
            let browser = browser.map(secret);
            let taken = pending.take(&secret(state), browser.as_ref(), at(second)).map(drop);
            assert_eq!(taken, expected, "{state} {browser:?} {second}");
            // Whatever came of it, it is over.
            if state == "one" {
                let again = pending.take(&secret("one"), Some(&secret("browser of one")), at(second));
                assert_eq!(again.map(drop), Err(NotVouched::NotBegun));
            }
        };
        check("one", Some("browser of one"), 0, Ok(()));
        check("one", Some("browser of one"), SIGN_IN_SECONDS - 1, Ok(()));
        check("one", Some("browser of one"), SIGN_IN_SECONDS, Err(NotVouched::NotBegun));
        check("one", Some("browser of two"), 1, Err(NotVouched::OtherBrowser));
        check("one", None, 1, Err(NotVouched::OtherBrowser));
        check("two", Some("browser of one"), 1, Err(NotVouched::NotBegun));
    }

    #[test]
    fn the_oldest_ends_when_one_more_begins_than_there_may_be() {
        let check = |max: usize, client_network: fn(usize) -> String| {
            let mut pending = Pending::default();
            for number in 0..=max {
                begin(&mut pending, &number.to_string(), &client_network(number), (number / 1000) as i64);
                assert_eq!(pending.0.len(), (number + 1).min(max), "{number}");
            }
        };
        check(SIGN_INS_PER_ADDRESS_MAX, |_| "10.0.0.1".to_owned());
        check(SIGN_INS_MAX, |number| number.to_string());

        let mut pending = Pending::default();
        begin(&mut pending, "other", "10.0.0.2", 0);
        for number in 0..=SIGN_INS_PER_ADDRESS_MAX {
            begin(&mut pending, &number.to_string(), "10.0.0.1", 1 + number as i64);
        }
        let mut is_open = |state: &str| {
            let browser = secret(&format!("browser of {state}"));
            pending.take(&secret(state), Some(&browser), at(100)).is_ok()
        };
        assert!(!is_open("0") && is_open("1") && is_open("other"));
    }
}
