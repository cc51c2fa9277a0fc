//! Running a router on a listener: HTTP/1.1, with limits on heads, connections, time and silence.

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
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::limits;

/// What a listener stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenLimits {
    /// Connections at once; one beyond is told 503 and closed.
    pub connections_max: usize,
    /// Time for a request's head, also for the next one on a kept connection.
    pub header_timeout: Duration,
    /// Time without progress in sending after which a connection is cut.
    pub send_timeout: Duration,
    /// Time for a refused connection to hear that it is refused.
    pub refusal_time: Duration,
    /// Time for running answers to end at shutdown.
    pub shutdown_grace: Duration,
}

impl Default for ListenLimits {
    fn default() -> Self {
        Self {
            connections_max: limits::CONNECTIONS_MAX,
            header_timeout: limits::HEADER_TIMEOUT,
            send_timeout: limits::SEND_TIMEOUT,
            refusal_time: limits::REFUSAL_TIME,
            shutdown_grace: limits::SHUTDOWN_GRACE,
        }
    }
}

/// Serves `router` until `shutdown` ends, then lets running answers end for a while and returns.
///
/// Every request carries `axum::extract::ConnectInfo<SocketAddr>`.
pub async fn listen(
    router: Router,
    listener: TcpListener,
    limits: ListenLimits,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(limits.connections_max));
    let refusals = Arc::new(Semaphore::new(limits::REFUSALS_MAX));
    let (stopping, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
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
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            connections.spawn(serve(router.clone(), stream, peer, limits, stopped.clone(), place));
        } else if let Ok(place) = Arc::clone(&refusals).try_acquire_owned() {
            connections.spawn(refuse(stream, limits.refusal_time, place));
        }
    }
    drop(listener);
    stopping.send_replace(true);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.shutdown_grace, ended).await.is_err() {
        tracing::info!("connections are cut that did not end in time");
    }
}

async fn serve(
    router: Router,
    stream: TcpStream,
    peer: SocketAddr,
    limits: ListenLimits,
    mut stopped: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    // Small answers shall not wait for the next one.
    let _ = stream.set_nodelay(true);
    let router = router.layer(axum::Extension(ConnectInfo(peer)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits::REQUEST_HEAD_MAX)
        .serve_connection(
            TokioIo::new(Guarded::new(stream, limits.send_timeout)),
            TowerToHyperService::new(router),
        );
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

/// Tells a connection beyond the limit to come back, and reads a little so that it hears it before the reset.
async fn refuse(mut stream: TcpStream, time_max: Duration, _place: OwnedSemaphorePermit) {
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        limits::RETRY_AFTER.as_secs()
    );
    let telling = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let mut asked = vec![0; limits::REQUEST_HEAD_MAX];
        while stream.read(&mut asked).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether it listened makes no difference.
    let _ = timeout(time_max, telling).await;
}

/// A connection that is cut when the other side does not take what we send.
struct Guarded {
    stream: TcpStream,
    send_timeout: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    fn new(stream: TcpStream, send_timeout: Duration) -> Self {
        Self { stream, send_timeout, deadline: None }
    }

    fn guard<T>(&mut self, context: &mut Context<'_>, sent: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if sent.is_ready() {
            self.deadline = None;
            return sent;
        }
        let limit = self.send_timeout;
        let deadline =
            self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + limit)));
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
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
        self.guard(cx, sent)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.guard(cx, sent)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.guard(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.guard(cx, shut)
    }
}
