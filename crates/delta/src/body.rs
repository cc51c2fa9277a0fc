//! One file as one zstd frame.
//!
//! Decoding has two passes over the stored bytes: the first takes their digest, the second decodes. So a
//! decoder never sees a byte that was not verified, whatever the disk did to it since it was fetched.

use std::io::{self, Read, Seek, SeekFrom, Write};

use aws_lc_rs::digest::{Context, SHA256};
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use crate::limits::{CHUNK, LEVEL_MAX, MEMORY_OVERHEAD, WINDOW_LOG_MAX, WINDOW_LOG_MIN};

/// A SHA-256 digest, as bytes.
pub type FileDigest = [u8; 32];

/// The description of a body: all that [`decode`] needs, and what a release manifest contains of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Body {
    /// Digest of the stored bytes.
    pub sha256: FileDigest,
    /// Bytes stored.
    pub size: u64,
    /// Bytes of memory that decoding takes, at most.
    pub memory: u64,
}

/// What a body decodes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decoded {
    /// Digest of the file.
    pub sha256: FileDigest,
    /// Bytes of the file.
    pub size: u64,
}

/// A body could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The level is not one of zstd's.
    #[error("compression level {0} is not in 1–{LEVEL_MAX}; choose one that is")]
    Level(i32),
    /// The input was not as long as announced: it changed while it was read.
    #[error("the file was announced as {announced} bytes and gave {read}; it changed while it was read")]
    SizeChanged {
        /// Bytes announced.
        announced: u64,
        /// Bytes read, at least.
        read: u64,
    },
    /// Reading the file or writing the body failed.
    #[error("making a body failed")]
    Io(#[from] io::Error),
}

/// A body could not be turned back into its file.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The stored bytes are not the ones that were signed; nothing was decoded.
    #[error("the stored body is not what was signed (size or digest); fetch it again")]
    WrongBody,
    /// Decoding would take more memory than allowed; nothing was written.
    #[error(
        "the body needs {needed} bytes of memory and {allowed} are allowed; raise the limit or publish it with a smaller window"
    )]
    Memory {
        /// Bytes it declares.
        needed: u64,
        /// Bytes allowed.
        allowed: u64,
    },
    /// The stored bytes are as signed, and do not decode to the file that was signed with them.
    #[error("the body does not decode to the file it was signed for: {0}")]
    WrongFile(&'static str),
    /// Reading the body failed.
    #[error("reading the body failed")]
    Read(#[source] io::Error),
    /// Writing the file failed: most often a full disk.
    #[error("writing the file failed")]
    Write(#[source] io::Error),
}

/// Reads `size` bytes from `file`, writes their body to `stored` and returns its description.
///
/// The same input, size and level give the same bytes (one thread, one frame, size and checksum in the header).
pub fn encode(
    mut file: impl Read,
    size: u64,
    level: i32,
    stored: impl Write,
) -> Result<(Body, Decoded), EncodeError> {
    if !(1..=LEVEL_MAX).contains(&level) {
        return Err(EncodeError::Level(level));
    }
    let window_log = window_log_for(size);
    let mut encoder = Encoder::new(Tee::new(stored), level)?;
    encoder.set_pledged_src_size(Some(size))?;
    encoder.window_log(window_log)?;
    encoder.include_checksum(true)?;
    let mut digest = Context::new(&SHA256);
    let mut read = 0u64;
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = read_some(&mut file, &mut chunk)?;
        if n == 0 {
            break;
        }
        read += n as u64;
        if read > size {
            return Err(EncodeError::SizeChanged { announced: size, read });
        }
        digest.update(&chunk[..n]);
        encoder.write_all(&chunk[..n])?;
    }
    if read != size {
        return Err(EncodeError::SizeChanged { announced: size, read });
    }
    let mut tee = encoder.finish()?;
    tee.inner.flush()?;
    let body =
        Body { sha256: finish(tee.digest), size: tee.written, memory: (1 << window_log) + MEMORY_OVERHEAD };
    Ok((body, Decoded { sha256: finish(digest), size }))
}

/// Verifies `stored` against `body`, then writes the file it decodes to, which must be `file`.
///
/// Never writes more than `file.size` bytes, never takes more than `memory_max` bytes for its window and tables.
/// On an error what was written to `out` is worthless.
pub fn decode(
    stored: &mut (impl Read + Seek),
    body: &Body,
    file: &Decoded,
    memory_max: u64,
    out: impl Write,
) -> Result<(), DecodeError> {
    if body.memory > memory_max {
        return Err(DecodeError::Memory { needed: body.memory, allowed: memory_max });
    }
    verify_stored(stored, body)?;
    stored.seek(SeekFrom::Start(0)).map_err(DecodeError::Read)?;
    let mut decoder = Decoder::new(stored.take(body.size)).map_err(DecodeError::Read)?.single_frame();
    decoder.window_log_max(window_log_within(body.memory)).map_err(DecodeError::Read)?;
    copy_checked(&mut decoder, file, out)
}

/// Writes what `decoder` gives, which must be `file`.
pub(crate) fn copy_checked(
    decoder: &mut impl Read,
    file: &Decoded,
    mut out: impl Write,
) -> Result<(), DecodeError> {
    let mut checked = Checked::new(*file);
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = read_some(decoder, &mut chunk).map_err(failed)?;
        if n == 0 {
            break;
        }
        checked.take(&chunk[..n])?;
        out.write_all(&chunk[..n]).map_err(DecodeError::Write)?;
    }
    checked.finish()?;
    out.flush().map_err(DecodeError::Write)
}

/// What does not decode as it was signed is the publisher's fault or a lying size, and distinguished from a disk that cannot be
/// read; a system's own errors are never `Other`.
fn failed(error: io::Error) -> DecodeError {
    match error.kind() {
        io::ErrorKind::Other | io::ErrorKind::UnexpectedEof => {
            DecodeError::WrongFile("it is not one zstd frame within its declared memory")
        }
        _ => DecodeError::Read(error),
    }
}

/// Whether what is decoded is the file that was signed.
pub(crate) struct Checked {
    file: Decoded,
    digest: Context,
    written: u64,
}

impl Checked {
    pub(crate) fn new(file: Decoded) -> Self {
        Self { file, digest: Context::new(&SHA256), written: 0 }
    }

    /// Takes the next decoded bytes, before they are written.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        self.written += bytes.len() as u64;
        if self.written > self.file.size {
            return Err(DecodeError::WrongFile("it is longer than declared"));
        }
        self.digest.update(bytes);
        Ok(())
    }

    /// After the last byte.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        if self.written != self.file.size {
            return Err(DecodeError::WrongFile("it is shorter than declared"));
        }
        if finish(self.digest) != self.file.sha256 {
            return Err(DecodeError::WrongFile("its digest is another"));
        }
        Ok(())
    }
}

pub(crate) fn verify_stored(stored: &mut (impl Read + Seek), body: &Body) -> Result<(), DecodeError> {
    stored.seek(SeekFrom::Start(0)).map_err(DecodeError::Read)?;
    let mut digest = Context::new(&SHA256);
    let mut size = 0u64;
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = read_some(stored, &mut chunk).map_err(DecodeError::Read)?;
        if n == 0 {
            break;
        }
        size += n as u64;
        if size > body.size {
            return Err(DecodeError::WrongBody);
        }
        digest.update(&chunk[..n]);
    }
    if size == body.size && finish(digest) == body.sha256 { Ok(()) } else { Err(DecodeError::WrongBody) }
}

/// The smallest window that holds the whole file, within our limits: small files need little memory.
fn window_log_for(size: u64) -> u32 {
    let covers = u64::BITS - size.saturating_sub(1).leading_zeros();
    covers.clamp(WINDOW_LOG_MIN, WINDOW_LOG_MAX)
}

/// The largest window that `memory` bytes hold beside the decoder's own needs.
fn window_log_within(memory: u64) -> u32 {
    memory
        .saturating_sub(MEMORY_OVERHEAD)
        .checked_ilog2()
        .unwrap_or(WINDOW_LOG_MIN)
        .clamp(WINDOW_LOG_MIN, WINDOW_LOG_MAX)
}

pub(crate) fn read_some(reader: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn finish(digest: Context) -> FileDigest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.finish().as_ref());
    bytes
}

/// Takes the digest and count of what passes through.
struct Tee<W> {
    inner: W,
    digest: Context,
    written: u64,
}

impl<W> Tee<W> {
    fn new(inner: W) -> Self {
        Self { inner, digest: Context::new(&SHA256), written: 0 }
    }
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.digest.update(&bytes[..n]);
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
