//! The dishonest part of the faulty source: the right answer, sent wrongly.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;

use super::answer::Answer;
use super::fault::Fault;
use crate::limits::ENDLESS_BYTES_MAX;
use crate::wait;

/// What was sent.
#[derive(Debug, Default)]
pub struct Sent {
    pub status: u16,
    pub bytes: u64,
}

const CHUNK_BYTES: usize = 16 * 1024;

/// What is left to do once everything was sent.
pub enum Afterwards {
    /// The connection may be closed.
    Close,
    /// It is kept, silently.
    Hold,
}

/// Sends the answer with the fault in it.
pub fn relay(
    connection: &mut TcpStream,
    mut answer: Answer,
    fault: Option<&Fault>,
    head_only: bool,
    sent: &mut Sent,
) -> Result<Afterwards> {
    sent.status = answer.status;
    let endless = matches!(fault, Some(Fault::Endless));
    let length = answer
        .length
        .filter(|_| !endless)
        .map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
    let head =
        format!("HTTP/1.1 {} Answer\r\n{}{length}Connection: close\r\n\r\n", answer.status, answer.headers);
    connection.write_all(head.as_bytes())?;
    if head_only {
        return Ok(Afterwards::Close);
    }
    let mut at = answer.start;
    let mut left = answer.length.unwrap_or(u64::MAX);
    let mut chunk = vec![0; CHUNK_BYTES];
    while left > 0 {
        let wanted = left.min(chunk_bytes(fault)) as usize;
        let count = answer.body.read(&mut chunk[..wanted])?;
        if count == 0 {
            break;
        }
        left -= count as u64;
        let end = match fault {
            Some(Fault::Stall { at: stop } | Fault::Truncate { at: stop }) => {
                stop.saturating_sub(at).min(count as u64) as usize
            }
            _ => count,
        };
        if let Some(Fault::Flip { at: flipped }) = fault
            && let Some(byte) =
                flipped.checked_sub(at).and_then(|index| chunk[..count].get_mut(index as usize))
        {
            *byte ^= 0x20;
        }
        connection.write_all(&chunk[..end])?;
        sent.bytes += end as u64;
        at += count as u64;
        match fault {
            Some(Fault::Stall { .. }) if end < count => return Ok(Afterwards::Hold),
            Some(Fault::Truncate { .. }) if end < count => return Ok(Afterwards::Close),
            Some(Fault::Slow { bytes_per_second }) => {
                wait::pause(Duration::from_secs_f64(count as f64 / *bytes_per_second as f64))
            }
            _ => {}
        }
    }
    if endless {
        send_on_and_on(connection, sent)?;
    }
    Ok(Afterwards::Close)
}

/// A slow line is slow in small steps, or it would look silent.
fn chunk_bytes(fault: Option<&Fault>) -> u64 {
    match fault {
        Some(Fault::Slow { bytes_per_second }) => (bytes_per_second / 10).clamp(1, CHUNK_BYTES as u64),
        _ => CHUNK_BYTES as u64,
    }
}

fn send_on_and_on(connection: &mut TcpStream, sent: &mut Sent) -> Result<()> {
    let chunk = [b' '; CHUNK_BYTES];
    while sent.bytes < ENDLESS_BYTES_MAX {
        connection.write_all(&chunk)?;
        sent.bytes += chunk.len() as u64;
    }
    Ok(())
}

/// Sends nothing until the client closes the connection.
pub fn hold(connection: &mut TcpStream) -> Result<()> {
    let mut rest = [0; 1024];
    while connection.read(&mut rest)? > 0 {}
    Ok(())
}

/// An answer without content.
pub fn status(connection: &mut TcpStream, code: u16, retry_after_seconds: Option<u32>) -> Result<Afterwards> {
    let retry = retry_after_seconds.map_or(String::new(), |seconds| format!("Retry-After: {seconds}\r\n"));
    let head = format!("HTTP/1.1 {code} Answer\r\n{retry}Content-Length: 0\r\nConnection: close\r\n\r\n");
    connection.write_all(head.as_bytes())?;
    Ok(Afterwards::Close)
}
