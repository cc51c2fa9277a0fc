//! The honest part of the faulty source: what was asked, and the right answer to it.

use std::fs::File;
use std::io::{Read, Seek as _, SeekFrom, Write as _};
use std::net::TcpStream;
use std::path::{Component, Path};

use anyhow::{Context, Result, bail};

use super::fault::{Fault, Upstream};
use crate::limits::HEAD_BYTES_MAX;

/// What was asked for.
pub struct Asked {
    pub method: String,
    pub path: String,
    /// First byte, and last if it was named.
    pub range: Option<(u64, Option<u64>)>,
    head: String,
    length: usize,
}

/// The right answer, not yet sent.
pub struct Answer {
    pub status: u16,
    /// Header lines to pass on, each ended by CRLF.
    pub headers: String,
    pub length: Option<u64>,
    /// Number of the body's first byte in the file.
    pub start: u64,
    pub body: Box<dyn Read>,
}

/// Reads up to the empty line; `None` if the connection was closed before anything came.
pub fn read_head(connection: &mut impl Read) -> Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX {
            bail!("a head of more than {HEAD_BYTES_MAX} bytes");
        }
        match connection.read(&mut byte)? {
            0 if head.is_empty() => return Ok(None),
            0 => bail!("the connection ended within a head"),
            _ => head.push(byte[0]),
        }
    }
    Ok(Some(String::from_utf8(head).context("a head that is not text")?))
}

impl Asked {
    /// From a request's head.
    pub fn parse(head: &str) -> Result<Self> {
        let mut words = head.split(' ');
        let method = words.next().context("a request has a method")?.to_owned();
        let path = words.next().context("a request has a path")?.to_owned();
        let range = header(head, "range").and_then(|value| {
            let (start, end) = value.strip_prefix("bytes=")?.split_once('-')?;
            Some((start.parse().ok()?, end.parse().ok()))
        });
        let length = header(head, "content-length").map_or(Ok(0), str::parse)?;
        Ok(Self { method, path, range, head: head.to_owned(), length })
    }
}

impl Answer {
    /// Answers a request for a range as the fault says.
    pub fn change_range(&mut self, fault: Option<&Fault>) {
        let Some(Fault::OfRange { code, content_range }) = fault else { return };
        if self.status != 206 {
            return;
        }
        self.status = *code;
        let other = |line: &&str| !line.to_ascii_lowercase().starts_with("content-range:");
        self.headers = self.headers.lines().filter(other).map(|line| format!("{line}\r\n")).collect();
        self.headers.extend(content_range.iter().map(|range| format!("Content-Range: {range}\r\n")));
    }
}

/// Asks the upstream; a body of the request is taken from `connection`.
pub fn open(upstream: &Upstream, asked: &Asked, connection: &mut TcpStream) -> Result<Answer> {
    match upstream {
        Upstream::Http(address) => {
            let mut body = vec![0; asked.length];
            connection.read_exact(&mut body)?;
            let mut upstream = TcpStream::connect(address)?;
            upstream.write_all(one_request_only(&asked.head).as_bytes())?;
            upstream.write_all(&body)?;
            passed_on(upstream)
        }
        Upstream::Folder(folder) => from_folder(folder, asked),
    }
}

/// The head with `Connection: close`.
fn one_request_only(head: &str) -> String {
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    lines.retain(|line| !line.to_ascii_lowercase().starts_with("connection:"));
    lines.push("Connection: close");
    lines.join("\r\n") + "\r\n\r\n"
}

fn passed_on(mut upstream: TcpStream) -> Result<Answer> {
    let head = read_head(&mut upstream)?.context("the upstream gave no answer")?;
    let status = head.split(' ').nth(1).context("an answer has a status")?.parse()?;
    let length = header(&head, "content-length").map(str::parse).transpose()?;
    let start = header(&head, "content-range")
        .and_then(|value| value.strip_prefix("bytes ")?.split('-').next()?.parse().ok())
        .unwrap_or(0);
    let passed = |line: &&str| {
        let line = line.to_ascii_lowercase();
        !line.is_empty() && !line.starts_with("connection:") && !line.starts_with("content-length:")
    };
    let headers = head.lines().skip(1).filter(passed).map(|line| format!("{line}\r\n")).collect();
    Ok(Answer { status, headers, length, start, body: Box::new(upstream) })
}

fn from_folder(folder: &Path, asked: &Asked) -> Result<Answer> {
    let relative = Path::new(asked.path.trim_start_matches('/'));
    let plain = relative.components().all(|part| matches!(part, Component::Normal(_)));
    let opened =
        if plain { File::open(folder.join(relative)) } else { Err(std::io::ErrorKind::NotFound.into()) };
    let Some(mut file) = opened.ok().filter(|file| file.metadata().is_ok_and(|it| it.is_file())) else {
        return Ok(Answer {
            status: 404,
            headers: String::new(),
            length: Some(0),
            start: 0,
            body: Box::new(std::io::empty()),
        });
    };
    let whole = file.metadata()?.len();
    let mut headers = String::new();
    if let (true, Some(name)) = (asked.path.contains("/blobs/"), relative.file_name()) {
        headers += &format!("ETag: \"sha256-{}\"\r\n", name.to_string_lossy());
    }
    let Some((start, end)) = asked.range.filter(|(start, _)| *start < whole) else {
        return Ok(Answer { status: 200, headers, length: Some(whole), start: 0, body: Box::new(file) });
    };
    let end = end.unwrap_or(whole - 1).min(whole - 1);
    headers += &format!("Content-Range: bytes {start}-{end}/{whole}\r\n");
    file.seek(SeekFrom::Start(start))?;
    let length = end + 1 - start;
    Ok(Answer { status: 206, headers, length: Some(length), start, body: Box::new(file.take(length)) })
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines.into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
