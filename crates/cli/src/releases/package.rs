//! The content of a release: a folder, a file or an archive, turned into one stream for the server.
//!
//! All files are checked first, so that a refusal comes before the first byte is sent. A folder is packed while it is
//! sent: nothing is written to disk, and only a few chunks are in memory. The server checks the content of an archive.

mod file;
mod scan;
mod secrets;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

pub use self::file::PackedFile;

use crate::limits::{RELEASE_FILES_MAX, UPLOAD_CHUNK_BYTES, UPLOAD_CHUNKS_WAITING_MAX};
use crate::terminal::failure::Failure;
use crate::terminal::progress::Progress;

/// The content to send.
#[derive(Debug, Clone)]
pub struct Package {
    /// Bytes of content, for the progress bar.
    pub bytes: u64,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    /// Files to pack, in order of their paths in the release.
    Files(Vec<PackedFile>),
    /// An archive, sent as it is.
    Archive { path: PathBuf, format: &'static str },
}

impl Package {
    /// Scans `path`. The server unpacks an archive, unless `keep_archive`.
    pub fn of(path: &Path, keep_archive: bool) -> Result<Self, Failure> {
        let metadata = fs::metadata(path).map_err(|error| Failure::file("read", path, &error))?;
        secrets::refuse_data_folder(path)?;
        if metadata.is_dir() {
            return Self::of_folder(path);
        }
        if !metadata.is_file() {
            return Err(Failure::bad_input(format!("{} is neither a file nor a folder", path.display())));
        }
        File::open(path).map_err(|error| Failure::file("read", path, &error))?;
        let content = match archive_format(path).filter(|_| !keep_archive) {
            Some(format) => Content::Archive { path: path.to_owned(), format },
            None => Content::Files(vec![PackedFile::new(path, file_name(path)?, &metadata)]),
        };
        if let Content::Files(files) = &content {
            secrets::refuse_keys(files)?;
        }
        Ok(Self { bytes: metadata.len(), content })
    }

    fn of_folder(folder: &Path) -> Result<Self, Failure> {
        let files = scan::scan(folder, RELEASE_FILES_MAX)?;
        secrets::refuse_keys(&files)?;
        if files.is_empty() {
            return Err(Failure::bad_input(format!(
                "{} has no files: a release needs at least one",
                folder.display()
            )));
        }
        Ok(Self { bytes: files.iter().map(|file| file.size).sum(), content: Content::Files(files) })
    }

    /// Whether it is one file whose name is that of an archive of an unsupported kind.
    pub fn is_unknown_archive(&self) -> bool {
        let Content::Files(files) = &self.content else { return false };
        let [only] = files.as_slice() else { return false };
        let name = only.name.to_lowercase();
        [".tar.", ".tbz2", ".txz", ".7z", ".rar"].iter().any(|mark| name.contains(mark))
    }

    /// The format of the stream, as the API names it.
    pub fn format(&self) -> &'static str {
        match &self.content {
            Content::Files(_) => "tar",
            Content::Archive { format, .. } => format,
        }
    }

    /// The files, in order of their paths; `None` for an archive.
    pub fn files(&self) -> Option<&[PackedFile]> {
        match &self.content {
            Content::Files(files) => Some(files),
            Content::Archive { .. } => None,
        }
    }

    /// The stream, produced while it is read. A file that cannot be read or changes meanwhile breaks it off; the server
    /// then publishes nothing.
    pub fn stream(self, progress: Progress) -> reqwest::Body {
        let chunks = futures_util::stream::unfold(self.chunks(progress), |mut chunks| async {
            chunks.recv().await.map(|chunk| (chunk, chunks))
        });
        reqwest::Body::wrap_stream(chunks)
    }

    fn chunks(self, progress: Progress) -> mpsc::Receiver<io::Result<Vec<u8>>> {
        let (sender, receiver) = mpsc::channel(UPLOAD_CHUNKS_WAITING_MAX);
        tokio::task::spawn_blocking(move || {
            let mut chunks =
                Chunks { sender: sender.clone(), waiting: Vec::with_capacity(UPLOAD_CHUNK_BYTES), progress };
            if let Err(error) = self.write(&mut chunks).and_then(|()| chunks.flush()) {
                let _ = sender.blocking_send(Err(error));
            }
        });
        receiver
    }

    /// Writes the stream.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        match &self.content {
            Content::Archive { path, .. } => io::copy(&mut File::open(path)?, to).map(|_| ()),
            Content::Files(files) => {
                let mut tar = tar::Builder::new(to);
                for file in files {
                    append(&mut tar, file)?;
                }
                tar.finish()
            }
        }
    }
}

fn append(tar: &mut tar::Builder<impl Write>, file: &PackedFile) -> io::Result<()> {
    let name = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", file.path.display()));
    let mut header = tar::Header::new_gnu();
    header.set_size(file.size);
    header.set_mode(if file.executable { 0o755 } else { 0o644 });
    header.set_mtime(0);
    let opened = File::open(&file.path).map_err(name)?;
    let mut content = Counted { inner: opened.take(file.size), left: file.size };
    tar.append_data(&mut header, &file.name, &mut content).map_err(name)?;
    let longer = content.inner.into_inner().read(&mut [0])? > 0;
    if content.left > 0 || longer {
        return Err(io::Error::other(format!("{} changed while it was read", file.path.display())));
    }
    Ok(())
}

struct Counted<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left -= count as u64;
        Ok(count)
    }
}

fn file_name(path: &Path) -> Result<String, Failure> {
    match path.file_name().map(|name| name.to_str()) {
        Some(Some(name)) => Ok(name.to_owned()),
        Some(None) => {
            Err(Failure::bad_input(format!("the name of {} is not UTF-8", path.display()))
                .with_hint("rename it"))
        }
        None => Err(Failure::bad_input(format!("{} has no name of its own", path.display()))
            .with_hint("give its full path")),
    }
}

fn archive_format(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_string_lossy().to_lowercase();
    [(".tar", "tar"), (".tar.gz", "tar.gz"), (".tgz", "tar.gz"), (".zip", "zip")]
        .into_iter()
        .find(|(suffix, _)| name.ends_with(suffix))
        .map(|(_, format)| format)
}

/// Collects written bytes into chunks for the stream.
struct Chunks {
    sender: mpsc::Sender<io::Result<Vec<u8>>>,
    waiting: Vec<u8>,
    progress: Progress,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= UPLOAD_CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.waiting, Vec::with_capacity(UPLOAD_CHUNK_BYTES));
        self.progress.advance(chunk.len() as u64);
        self.sender
            .blocking_send(Ok(chunk))
            .map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the server closed the connection"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::io::Read as _;

    use super::Package;
    use crate::limits::{UPLOAD_CHUNK_BYTES, UPLOAD_CHUNKS_WAITING_MAX};
    use crate::terminal::progress::Progress;

    #[test]
    fn a_folder_becomes_a_tar_in_order_of_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("b/c")).unwrap();
        fs::write(folder.path().join("b/c/deep"), "deep").unwrap();
        fs::write(folder.path().join("a"), "first").unwrap();
        let package = Package::of(folder.path(), false).unwrap();
        assert_eq!((package.bytes, package.format()), (9, "tar"));
        let mut bytes = Vec::new();
        package.write(&mut bytes).unwrap();
        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), text);
        }
        let expected =
            [("a", "first"), ("b/c/deep", "deep")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(files, BTreeMap::from(expected));
    }

    #[test]
    fn content_that_cannot_be_a_release_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |path: &std::path::Path| Package::of(path, false).unwrap_err().message;
        assert!(refused(folder.path()).contains("has no files"));
        assert!(refused(&folder.path().join("absent")).contains("absent"));
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        assert!(refused(folder.path()).contains("link is a symbolic link"));
    }

    #[test]
    fn a_file_that_shrank_breaks_the_stream_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules");
        fs::write(&path, "0123456789").unwrap();
        let package = Package::of(&path, false).unwrap();
        fs::write(&path, "0123").unwrap();
        let error = package.write(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("rules changed while it was read"), "{error}");
    }

    #[test]
    fn an_archive_is_sent_as_it_is_unless_kept_as_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.TGZ");
        fs::write(&path, "not checked here").unwrap();
        assert_eq!(Package::of(&path, false).unwrap().format(), "tar.gz");
        assert_eq!(Package::of(&path, true).unwrap().format(), "tar");
    }

    /// A slow network delays packing; it does not grow memory.
    #[tokio::test]
    async fn only_a_few_chunks_wait_for_the_network() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules");
        fs::write(&path, vec![1; 10 * UPLOAD_CHUNK_BYTES]).unwrap();
        let package = Package::of(&path, false).unwrap();
        let progress = Progress::bytes(false, "", 0);
        let mut chunks = package.chunks(progress.clone());
        let begun = std::time::Instant::now();
        while chunks.len() < UPLOAD_CHUNKS_WAITING_MAX {
            assert!(begun.elapsed().as_secs() < 30, "{} chunks", chunks.len());
            tokio::task::yield_now().await;
        }
        let mut bytes = 0;
        while let Some(chunk) = chunks.recv().await {
            assert!(chunks.len() <= UPLOAD_CHUNKS_WAITING_MAX);
            bytes += chunk.unwrap().len();
        }
        assert!(bytes > 10 * UPLOAD_CHUNK_BYTES, "{bytes}");
    }
}
