//! TLS: the fleet's own CA both ways, what a wrong one is called, and hands that are not shaken.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Extension;
use axum::Router;
use axum::routing::get;
use headwater_api::report::{AttemptResult, Reason};
use headwater_depot::limits::CLIENT_SHARE_DIVISOR;
use headwater_depot::serve::{
    Identify, ListenLimits, PeerCertificate, ServeLimits, SharedRepositories, listen_tls, nobody, router,
};
use headwater_depot::{Source, Walk};
use headwater_policy::Class;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, HandshakeKind, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::metadata_walk::outcomes;
use crate::world::{World, fetcher, now};

struct Ca(CertifiedIssuer<'static, KeyPair>);

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

impl Ca {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.0).unwrap();
        (vec![leaf.into()], key.into())
    }

    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add(self.0.der().clone()).unwrap();
        store
    }

    /// A server of this CA, that admits its clients, and anonymous callers too where `anonymous`.
    fn server(&self, anonymous: bool) -> Arc<ServerConfig> {
        headwater_depot::http::install_tls_provider();
        let verifier = WebPkiClientVerifier::builder(Arc::new(self.store()));
        let verifier = if anonymous { verifier.allow_unauthenticated() } else { verifier };
        let (chain, key) = self.issue();
        let config = ServerConfig::builder().with_client_cert_verifier(verifier.build().unwrap());
        Arc::new(config.with_single_cert(chain, key).unwrap())
    }

    fn client(&self, own: Option<Identity>) -> ClientConfig {
        headwater_depot::http::install_tls_provider();
        let config = ClientConfig::builder().with_root_certificates(self.store());
        match own {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).unwrap(),
            None => config.with_no_client_auth(),
        }
    }
}

struct Running {
    address: SocketAddr,
    folder: TempDir,
    tls: watch::Sender<Arc<ServerConfig>>,
    accepted_with_certificate: Arc<AtomicUsize>,
}

impl Running {
    async fn start(tls: Arc<ServerConfig>, limits: ListenLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = SharedRepositories::new(ServeLimits::default());
        site.share(Class::Components, folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tls, spoken) = watch::channel(tls);
        let accepted_with_certificate = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&accepted_with_certificate);
        let who = move |peer: Option<Extension<PeerCertificate>>| {
            counter.fetch_add(usize::from(peer.is_some()), Ordering::Relaxed);
            async move { peer.map_or("nobody", |_| "somebody") }
        };
        let routes = router(site).merge(Router::new().route("/who", get(who)));
        tokio::spawn(listen_tls(routes, listener, spoken, nobody, limits, std::future::pending()));
        Self { address, folder, tls, accepted_with_certificate }
    }

    fn publish(&self, world: &World) {
        for (path, bytes) in &world.files {
            let path = self.folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }

    fn source(&self, key: &str, scheme: &str) -> Source {
        let base = format!("{scheme}://{}", self.address).parse().unwrap();
        Source::new(key, &base, Some(1), Class::Components)
    }

    /// Asks who we are; the answer, and whether the handshake was a whole one.
    async fn ask(&self, config: &Arc<ClientConfig>) -> std::io::Result<(String, Option<HandshakeKind>)> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        stream.write_all(b"GET /who HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok((answer, stream.get_ref().1.handshake_kind()))
    }
}

#[tokio::test]
async fn the_fleet_authenticates_each_other_and_other_fleets_are_a_tls_failure() {
    let (ca, other) = (Ca::new(), Ca::new());
    let mut world = World::new();
    world.publish("one");
    let server = Running::start(ca.server(false), ListenLimits::default()).await;
    server.publish(&world);
    let check =
        async |what: &str, tls: Option<ClientConfig>, key: &str, scheme: &str, wanted: Option<Reason>| {
            let fetcher = fetcher();
            if let Some(tls) = tls {
                fetcher.set_fleet_tls(tls).unwrap();
            }
            let walk = Walk::new(&fetcher, vec![server.source(key, scheme)], 0, now());
            let refreshed = walk.refresh(&world.trusted(), None).await;
            assert_eq!(refreshed.is_ok(), wanted.is_none(), "{what}: {refreshed:?}");
            if wanted.is_some() {
                assert_eq!(outcomes(&walk.attempts()), [(AttemptResult::Failed, wanted)], "{what}");
            }
        };
    let member = || Some(ca.client(Some(ca.issue())));
    check("a member at the server", member(), "server", "https", None).await;
    check("a member at an update agent", member(), "update_agent:a", "https", None).await;
    check("in the clear", member(), "server", "http", Some(Reason::Tls)).await;
    check("no certificate of ours", Some(ca.client(None)), "server", "https", Some(Reason::Tls)).await;
    let of_other_fleet = Some(ca.client(Some(other.issue())));
    check("another fleet's client", of_other_fleet, "server", "https", Some(Reason::Tls)).await;
    let misled = Some(other.client(Some(ca.issue())));
    check("another fleet's server", misled, "server", "https", Some(Reason::Tls)).await;
    // A URL source is the public's: it does not learn who we are, and the fleet's CA says nothing of it.
    check("as a URL source", member(), "url:x", "https", Some(Reason::Tls)).await;
    check("before there is a fleet TLS", None, "server", "https", Some(Reason::Tls)).await;
}

#[tokio::test]
async fn a_client_that_is_refused_learns_so_and_not_that_a_file_is_missing() {
    for status in [401_u16, 403] {
        let ca = Ca::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
        let (_tls, spoken) = watch::channel(ca.server(false));
        let refuse = async move || axum::http::StatusCode::from_u16(status).unwrap();
        let routes = Router::new().fallback(refuse);
        tokio::spawn(listen_tls(
            routes,
            listener,
            spoken,
            nobody,
            ListenLimits::default(),
            std::future::pending(),
        ));
        let fetcher = fetcher();
        fetcher.set_fleet_tls(ca.client(Some(ca.issue()))).unwrap();
        let source = Source::new("server", &base, None, Class::Components);
        let walk = Walk::new(&fetcher, vec![source], 0, now());
        assert!(walk.refresh(&World::new().trusted(), None).await.is_err());
        let attempts = walk.attempts();
        assert_eq!(outcomes(&attempts), [(AttemptResult::Failed, Some(Reason::NotAdmitted))], "{attempts:?}");
        assert!(attempts[0].detail.contains("does not admit this client"), "{attempts:?}");
    }
}

/// With its certificate a client counts for itself, from whichever addresses it comes; others at them still get in.
#[tokio::test]
async fn one_client_has_its_share_of_connections_from_all_its_addresses() {
    let ca = Ca::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_tls, spoken) = watch::channel(ca.server(true));
    let limits = ListenLimits { connections_max: 16, ..ListenLimits::default() };
    let routes = Router::new().route("/", get(|| async { "hello" }));
    let identify: Identify = |_| Some("pc-1".to_owned());
    tokio::spawn(listen_tls(routes, listener, spoken, identify, limits, std::future::pending()));
    let open = async |own: &str, config: Arc<ClientConfig>| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind(format!("{own}:0").parse().unwrap()).unwrap();
        let stream = socket.connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(config).connect(name, stream).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        (String::from_utf8_lossy(&status[9..]).into_owned(), stream)
    };
    let mut held = Vec::new();
    for number in 1..=6_usize {
        let (status, stream) =
            open(&format!("127.0.0.{number}"), Arc::new(ca.client(Some(ca.issue())))).await;
        let expected = if number <= 16_usize.div_ceil(CLIENT_SHARE_DIVISOR) { "200" } else { "503" };
        assert_eq!(status, expected, "connection {number}");
        held.push(stream);
    }
    let (status, _stream) = open("127.0.0.1", Arc::new(ca.client(None))).await;
    assert_eq!(status, "200", "somebody else at the same address");
}

#[tokio::test]
async fn who_shows_a_certificate_is_known_to_the_routes_and_resuming_is_cheap() {
    let ca = Ca::new();
    let server = Running::start(ca.server(true), ListenLimits::default()).await;
    let member = Arc::new(ca.client(Some(ca.issue())));
    let (answer, kind) = server.ask(&member).await.unwrap();
    assert!(answer.ends_with("somebody") && kind == Some(HandshakeKind::Full), "{answer} {kind:?}");
    let (answer, kind) = server.ask(&member).await.unwrap();
    assert!(answer.ends_with("somebody"), "a resumed session has its certificate: {answer}");
    assert_eq!(kind, Some(HandshakeKind::Resumed));
    assert_eq!(server.accepted_with_certificate.load(Ordering::Relaxed), 2);
    let anonymous = Arc::new(ca.client(None));
    assert!(server.ask(&anonymous).await.unwrap().0.ends_with("nobody"));
}

#[tokio::test]
async fn a_new_configuration_holds_for_the_next_connection() {
    let (ca, next) = (Ca::new(), Ca::new());
    let server = Running::start(ca.server(true), ListenLimits::default()).await;
    let client = Arc::new(next.client(None));
    assert!(server.ask(&client).await.is_err());
    server.tls.send_replace(next.server(true));
    assert!(server.ask(&client).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_cut_off_and_holds_a_place_until_then() {
    let ca = Ca::new();
    let limits = ListenLimits { connections_max: 1, ..ListenLimits::default() };
    let began = Instant::now();
    let server = Running::start(ca.server(true), limits).await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    // The beginning of a handshake record, and no more.
    silent.write_all(&[22, 3, 1]).await.unwrap();
    let client = Arc::new(ca.client(None));
    let (answer, _) = server.ask(&client).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503"), "its place is taken: {answer}");
    // It may be closed or reset: what was sent and not read decides.
    let _ = silent.read_to_end(&mut Vec::new()).await;
    assert_eq!(began.elapsed(), limits.handshake_timeout, "the silent one is cut off");
    let (answer, _) = server.ask(&client).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "its place is free again: {answer}");
}
