//! Which address of a name to connect to: all of them are tried, a little apart, and the first that answers is used.
//!
//! The HTTP library tries the addresses of a family one after the other, and waits for each until its share of the
//! time-out is over. Here the next starts [`ADDRESS_DELAY`] after the one before, families in turn (RFC 8305). The address
//! that answered is put first and remembered for [`ADDRESS_KEPT`], so that only the first of many connections costs one
//! more; a name with a single address costs none.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use headwater_policy::{Family, FamilySet};
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::limits::{ADDRESS_DELAY, ADDRESS_KEPT, ADDRESSES_MAX, NAMES_KEPT_MAX};

/// The addresses of names, the one that answered first. Clones share what is remembered.
#[derive(Debug, Clone)]
pub struct Addresses {
    families: FamilySet,
    connect_timeout: Duration,
    kept: Arc<Mutex<HashMap<String, Kept>>>,
}

#[derive(Debug, Clone)]
struct Kept {
    addresses: Vec<IpAddr>,
    until: Instant,
}

/// Why no address of a name can be used. Found again in the chain of an HTTP library's error.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// The name is not resolved.
    #[error("the name {name} is not resolved: {source}")]
    Unknown {
        /// The name.
        name: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// The name server did not answer.
    #[error("the name {name} is not resolved: no answer in {} s", timeout.as_secs_f32())]
    NoAnswer {
        /// The name.
        name: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// It has addresses, but only of families that this computer does not have.
    #[error("the name {name} has no address of a family that this computer has")]
    NoCommonFamily {
        /// The name.
        name: String,
    },
    /// None of its addresses answers.
    #[error("no address of {name} answers: {tried}")]
    Unreachable {
        /// The name.
        name: String,
        /// Each address with its error.
        tried: String,
        /// Did every one refuse or fail? If not, the time-out was over.
        all_failed: bool,
    },
}

impl Addresses {
    /// For a computer with these families; `connect_timeout` is the time for all addresses of a name together.
    pub fn new(families: FamilySet, connect_timeout: Duration) -> Self {
        Self { families, connect_timeout, kept: Arc::default() }
    }

    /// Finds out which address of the URL's name answers, if it has several and that is not known. Afterwards the HTTP
    /// client that resolves names by this value connects to that one first.
    ///
    /// # Errors
    /// The name has no address that answers.
    pub async fn choose(&self, url: &Url) -> Result<(), AddressError> {
        // Only a name has a choice.
        let (Some(name), Some(port)) = (url.domain(), url.port_or_known_default()) else { return Ok(()) };
        if self.kept(name).is_some() {
            return Ok(());
        }
        let ends = Instant::now() + self.connect_timeout;
        let Ok(found) = timeout_at(ends, self.look_up(name)).await else {
            return Err(AddressError::NoAnswer { name: name.to_owned(), timeout: self.connect_timeout });
        };
        let mut addresses = found?;
        if addresses.len() > 1 {
            let chosen = first_to_answer(&addresses, port, ends).await.map_err(|failed| {
                let tried = addresses.iter().map(|address| match failed.get(address) {
                    Some(error) => format!("{address}: {error}"),
                    None => format!("{address}: no answer"),
                });
                let tried = tried.collect::<Vec<_>>().join("; ");
                let all_failed = failed.len() == addresses.len();
                AddressError::Unreachable { name: name.to_owned(), tried, all_failed }
            })?;
            addresses.retain(|address| *address != chosen);
            addresses.insert(0, chosen);
        }
        self.keep(name, addresses);
        Ok(())
    }

    /// Forgets which address of the URL's name answered: the connection to it failed.
    pub fn forget(&self, url: &Url) {
        if let Some(name) = url.domain() {
            self.lock().remove(name);
        }
    }

    fn kept(&self, name: &str) -> Option<Vec<IpAddr>> {
        let kept = self.lock();
        kept.get(name).filter(|kept| Instant::now() < kept.until).map(|kept| kept.addresses.clone())
    }

    fn keep(&self, name: &str, addresses: Vec<IpAddr>) {
        let now = Instant::now();
        let mut kept = self.lock();
        if kept.len() >= NAMES_KEPT_MAX {
            kept.retain(|_, kept| now < kept.until);
        }
        if kept.len() < NAMES_KEPT_MAX {
            kept.insert(name.to_owned(), Kept { addresses, until: now + ADDRESS_KEPT });
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The addresses of a name in the order in which they are tried.
    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, AddressError> {
        let found = tokio::net::lookup_host((name, 0)).await;
        let found = found.map_err(|source| AddressError::Unknown { name: name.to_owned(), source })?;
        let usable = found.map(|address| address.ip()).filter(|ip| self.families.contains(family_of(*ip)));
        let usable = in_turn(usable.collect());
        if usable.is_empty() {
            return Err(AddressError::NoCommonFamily { name: name.to_owned() });
        }
        Ok(usable)
    }
}

impl Resolve for Addresses {
    fn resolve(&self, name: Name) -> Resolving {
        let own = self.clone();
        Box::pin(async move {
            let addresses = match own.kept(name.as_str()) {
                Some(kept) => kept,
                None => own.look_up(name.as_str()).await?,
            };
            let sockets: Vec<SocketAddr> =
                addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
            Ok(Box::new(sockets.into_iter()) as Addrs)
        })
    }
}

fn family_of(address: IpAddr) -> Family {
    if address.is_ipv4() { Family::V4 } else { Family::V6 }
}

/// The families in turn, beginning with that of the first address; within a family the resolver's order (RFC 8305,
/// section 4). Each address once, and no more of them than are tried.
fn in_turn(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut once: Vec<IpAddr> = Vec::new();
    for address in addresses {
        if !once.contains(&address) {
            once.push(address);
        }
    }
    let first_is_v4 = once.first().is_some_and(IpAddr::is_ipv4);
    let (mine, others): (Vec<IpAddr>, Vec<IpAddr>) =
        once.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    let (mut mine, mut others) = (mine.into_iter(), others.into_iter());
    let mut ordered = Vec::new();
    loop {
        let (one, other) = (mine.next(), others.next());
        if one.is_none() && other.is_none() {
            ordered.truncate(ADDRESSES_MAX);
            return ordered;
        }
        ordered.extend(one.into_iter().chain(other));
    }
}

/// Connects to one address after the other, [`ADDRESS_DELAY`] apart or as soon as all before have failed: the first that
/// answers, or what became of those that failed until `ends`.
async fn first_to_answer(
    addresses: &[IpAddr],
    port: u16,
    ends: Instant,
) -> Result<IpAddr, HashMap<IpAddr, io::Error>> {
    let mut waiting = addresses.iter().copied();
    let mut connecting = FuturesUnordered::new();
    let mut failed = HashMap::new();
    let mut next_at = Instant::now();
    loop {
        if next_at <= Instant::now() || connecting.is_empty() {
            match waiting.next() {
                Some(address) => {
                    connecting.push(async move { (address, TcpStream::connect((address, port)).await) });
                    next_at = Instant::now() + ADDRESS_DELAY;
                }
                None if connecting.is_empty() => return Err(failed),
                None => next_at = ends,
            }
        }
        tokio::select! {
            Some((address, outcome)) = connecting.next() => match outcome {
                Ok(_) => return Ok(address),
                Err(error) => {
                    failed.insert(address, error);
                    // RFC 8305, section 5: no need to wait for the next after a failure.
                    next_at = Instant::now();
                }
            },
            () = sleep_until(next_at.min(ends)) => if Instant::now() >= ends {
                return Err(failed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt as _;
    use tokio::net::TcpSocket;

    use super::*;

    fn check(found: &[&str], expected: &[&str]) {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(in_turn(addresses(found)), addresses(expected), "{found:?}");
    }

    #[test]
    fn families_take_turns_and_the_first_one_begins() {
        check(&[], &[]);
        check(&["10.0.0.1", "10.0.0.2", "10.0.0.1"], &["10.0.0.1", "10.0.0.2"]);
        check(&["fd00::1", "fd00::2", "10.0.0.1"], &["fd00::1", "10.0.0.1", "fd00::2"]);
        check(&["10.0.0.1", "fd00::1", "fd00::2"], &["10.0.0.1", "fd00::1", "fd00::2"]);
        let many: Vec<String> = (0..=ADDRESSES_MAX).map(|number| format!("10.0.0.{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        check(&many, &many[..ADDRESSES_MAX]);
    }

    #[test]
    fn no_more_names_are_kept_than_the_limit() {
        let addresses = Addresses::new(FamilySet::BOTH, Duration::from_secs(1));
        for number in 0..=NAMES_KEPT_MAX {
            addresses.keep(&format!("name-{number}"), vec![ip(1)]);
            let is_kept = addresses.kept(&format!("name-{number}")).is_some();
            assert_eq!(is_kept, number < NAMES_KEPT_MAX, "name {number}");
        }
    }

    /// Loopback addresses that share a port: on some somebody listens, on some nobody answers at all, the others refuse.
    struct Hosts {
        port: u16,
        _kept: Vec<Box<dyn std::any::Any>>,
    }

    fn ip(number: u8) -> IpAddr {
        Ipv4Addr::new(127, 0, 7, number).into()
    }

    impl Hosts {
        async fn new(listening: &[u8], silent: &[u8]) -> Self {
            let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
            let mut port = 0;
            for number in listening.iter().chain(silent) {
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(SocketAddr::new(ip(*number), port)).unwrap();
                port = socket.local_addr().unwrap().port();
                let listener = socket.listen(1).unwrap();
                if silent.contains(number) {
                    // Once its queue is full, the system drops what else comes, as if the host were gone.
                    for _ in 0..3 {
                        let mut connecting = Box::pin(
                            TcpSocket::new_v4().unwrap().connect(SocketAddr::new(ip(*number), port)),
                        );
                        kept.push(Box::new((&mut connecting).now_or_never()));
                        kept.push(Box::new(connecting));
                    }
                }
                kept.push(Box::new(listener));
            }
            Self { port, _kept: kept }
        }

        async fn first_of(&self, tried: &[u8], wait: Duration) -> Result<IpAddr, usize> {
            let tried: Vec<IpAddr> = tried.iter().map(|number| ip(*number)).collect();
            let ends = Instant::now() + wait;
            first_to_answer(&tried, self.port, ends).await.map_err(|failed| failed.len())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_costs_a_quarter_of_a_second_and_not_its_share_of_the_time_out() {
        let hosts = Hosts::new(&[3], &[1, 2]).await;
        let began = Instant::now();
        assert_eq!(hosts.first_of(&[1, 2, 3], Duration::from_secs(10)).await, Ok(ip(3)));
        let took = began.elapsed();
        assert_eq!(took, 2 * ADDRESS_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_refuses_costs_no_wait_and_the_order_holds_among_those_that_answer() {
        let hosts = Hosts::new(&[3, 4], &[]).await;
        let began = Instant::now();
        assert_eq!(hosts.first_of(&[1, 2, 3, 4], Duration::from_secs(10)).await, Ok(ip(3)));
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert_eq!(hosts.first_of(&[4, 3], Duration::from_secs(10)).await, Ok(ip(4)));
        assert_eq!(hosts.first_of(&[1, 2], Duration::from_secs(10)).await, Err(2), "all refused");
    }

    #[tokio::test(start_paused = true)]
    async fn when_nobody_answers_it_ends_in_time_and_says_who_failed() {
        let hosts = Hosts::new(&[], &[1, 2]).await;
        let wait = Duration::from_millis(600);
        let began = Instant::now();
        assert_eq!(hosts.first_of(&[1, 2, 3], wait).await, Err(1), "one refused, two were silent");
        assert_eq!(began.elapsed(), wait);
    }
}
