//! Running a router on a listener: HTTP/1.1, over TLS or not, with limits on heads, connections, time and silence.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::holder::Identify;
use super::permits::{Permit, Permits};
use super::send_rate::SendRate;
use crate::limits;

/// What a listener stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenLimits {
    /// Connections at once, half of them for one address, an eighth for one client; one beyond gets 503 and is closed.
    pub connections_max: usize,
    /// Time for the TLS handshake, where there is one.
    pub handshake_timeout: Duration,
    /// Time for a request's head, also for the next one on a kept connection.
    pub header_timeout: Duration,
    /// Time of waiting for the other side to take what we send, in which it must take
    /// [`SEND_BYTES_MIN`](crate::limits::SEND_BYTES_MIN), or the connection is cut.
    pub send_timeout: Duration,
    /// Time for a refused connection to read its 503.
    pub refusal_time: Duration,
    /// Time for running answers to end at shutdown.
    pub shutdown_grace: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            handshake_timeout: limits::HANDSHAKE_TIMEOUT,
            header_timeout: limits::HEADER_TIMEOUT,
            send_timeout: limits::SEND_TIMEOUT,
            refusal_time: limits::REFUSAL_TIME,
            shutdown_grace: limits::SHUTDOWN_GRACE,
        }
    }
}

/// The TLS that a listener speaks; a new one takes its place for the connections that come after.
pub type Tls = watch::Receiver<Arc<ServerConfig>>;

/// The certificate that the other side showed in the handshake and that the TLS configuration found good (DER): an
/// extension of every request of a connection that has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate(pub CertificateDer<'static>);

/// Serves `router` until `shutdown` ends, then lets running answers end for a while and returns.
///
/// Every request carries `axum::extract::ConnectInfo<SocketAddr>`.
pub async fn listen(
    router: Router,
    listener: TcpListener,
    limits: ListenLimits,
    shutdown: impl Future<Output = ()>,
) {
    accept(router, listener, None, limits, shutdown).await;
}

/// As [`listen`], over TLS. Requests carry a [`PeerCertificate`] where one was shown, and the [`Holder`](super::Holder) that they count for;
/// `identify` says whose certificate it is.
pub async fn listen_tls(
    router: Router,
    listener: TcpListener,
    tls: Tls,
    identify: Identify,
    limits: ListenLimits,
    shutdown: impl Future<Output = ()>,
) {
    accept(router, listener, Some((tls, identify)), limits, shutdown).await;
}

async fn accept(
    router: Router,
    listener: TcpListener,
    tls: Option<(Tls, Identify)>,
    limits: ListenLimits,
    shutdown: impl Future<Output = ()>,
) {
    let permits = Permits::new(limits.connections_max);
    let refusals = Arc::new(Semaphore::new(limits::REFUSALS_MAX));
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                // A listener of both families shows an IPv4 peer in IPv6 form.
                Ok((stream, peer)) => (stream, SocketAddr::new(peer.ip().to_canonical(), peer.port())),
                Err(error) => {
                    // Out of file handles, or a connection that went before it was taken: the next may do better.
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(limits::ACCEPT_PAUSE).await;
                    continue;
                }
            },
            // Collects what has ended, so that the set does not grow.
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let tls =
            tls.as_ref().map(|(tls, identify)| (TlsAcceptor::from(Arc::clone(&tls.borrow())), *identify));
        if let Some(permit) = permits.take(peer.ip()) {
            connections.spawn(meet(router.clone(), stream, tls, peer, limits, stopped.clone(), permit));
        } else if let Ok(permit) = Arc::clone(&refusals).try_acquire_owned() {
            let tls = tls.map(|(tls, _)| tls);
            connections.spawn(refuse(stream, tls, limits.refusal_time, permit));
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.shutdown_grace, ended).await.is_err() {
        tracing::info!("connections are cut that did not end in time");
    }
}

/// Shakes hands where there is TLS, then serves.
async fn meet(
    router: Router,
    stream: TcpStream,
    tls: Option<(TlsAcceptor, Identify)>,
    peer: SocketAddr,
    limits: ListenLimits,
    stopped: watch::Receiver<bool>,
    mut permit: Permit,
) {
    // Small answers shall not wait for the next one.
    let _ = stream.set_nodelay(true);
    let router = router.layer(axum::Extension(ConnectInfo(peer)));
    let stream = Guarded::new(stream, limits.send_timeout);
    let Some((tls, identify)) = tls else {
        return serve_connection(router, stream, peer, limits.header_timeout, stopped).await;
    };
    let stream = match timeout(limits.handshake_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => return tracing::debug!(%peer, "a TLS handshake did not end in time"),
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first).cloned();
    let Some(leaf) = shown else {
        return serve_connection(router, stream, peer, limits.header_timeout, stopped).await;
    };
    if let Some(client) = identify(&leaf)
        && !permit.pass_to(&client)
    {
        tracing::debug!(%peer, client, "a client has as many connections as one client may have");
        let _ = timeout(limits.refusal_time, refuse_as_busy(stream)).await;
        return;
    }
    let router = router
        .layer(axum::Extension(permit.holder().clone()))
        .layer(axum::Extension(PeerCertificate(leaf.into_owned())));
    serve_connection(router, stream, peer, limits.header_timeout, stopped).await;
}

/// Serves HTTP/1.1 on a connection until it ends or, once `stopped` is true, the answer under way has. `peer` is for the
/// log.
///
/// A request that was taken is worked to its end, though its sender goes away meanwhile: it may be in the middle of a
/// change, which is made whole.
pub async fn serve_connection(
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: impl Display,
    header_timeout: Duration,
    mut stopped: watch::Receiver<bool>,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(limits::REQUEST_HEAD_MAX)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let stop = async move { drop(stopped.wait_for(|stopped| *stopped).await) };
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        // The other side's doing, and no news: it went away, was slow, or spoke no HTTP.
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// Answers 503 to a connection beyond the limit, and reads a little so that the answer arrives before the reset.
async fn refuse(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    time_max: Duration,
    _permit: OwnedSemaphorePermit,
) {
    let refusing = async {
        match tls {
            Some(tls) => refuse_as_busy(tls.accept(stream).await?).await,
            None => refuse_as_busy(stream).await,
        }
    };
    // Whether the answer arrived makes no difference.
    let _ = timeout(time_max, refusing).await;
}

async fn refuse_as_busy(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        limits::RETRY_AFTER.as_secs()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut asked = vec![0; limits::REQUEST_HEAD_MAX];
    while stream.read(&mut asked).await? > 0 {}
    Ok(())
}

/// A connection that is cut when the other side takes too little of what we send.
struct Guarded {
    stream: TcpStream,
    rate: SendRate,
    waiting: Option<Waiting>,
}

struct Waiting {
    since: Instant,
    ends: Pin<Box<Sleep>>,
}

impl Guarded {
    fn new(stream: TcpStream, send_timeout: Duration) -> Self {
        Self { stream, rate: SendRate::new(send_timeout), waiting: None }
    }

    fn guard<T>(
        &mut self,
        context: &mut Context<'_>,
        sent: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        match sent {
            Poll::Ready(Ok(sent)) => {
                let waited = self.waiting.take().map_or(Duration::ZERO, |waiting| waiting.since.elapsed());
                self.rate.took(bytes(&sent) as u64, waited);
                Poll::Ready(Ok(sent))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let left = self.rate.left();
                let waiting = self.waiting.get_or_insert_with(|| {
                    let since = Instant::now();
                    Waiting { since, ends: Box::pin(sleep_until(since + left)) }
                });
                match waiting.ends.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.guard(cx, sent, |sent| *sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.guard(cx, sent, |sent| *sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.guard(cx, flushed, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.guard(cx, shut, |()| 0)
    }
}
