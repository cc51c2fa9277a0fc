//! Receiving an archive: streamed to a file in the data folder, within its size and never waiting for long.

use std::io::SeekFrom;

use axum::body::{Body, BodyDataStream, Bytes, HttpBody};
use futures_util::StreamExt;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::error::{Doing, Refusal, Result};
use crate::limits;
use crate::publishing::PublishingService;

/// Receives the body as a file without a name: whatever happens, nothing of it stays.
pub async fn receive(publishing: &PublishingService, body: Body) -> Result<std::fs::File> {
    let folder = publishing.upload_folder();
    let file = tempfile::tempfile_in(&folder).doing(|| format!("cannot write in {}", folder.display()))?;
    let mut file = tokio::fs::File::from_std(file);
    let max = publishing.upload_bytes_max();
    let too_large = || Refusal::TooLarge {
        what: "the archive".to_owned(),
        limit: max,
        unit: "bytes",
        hint: "raise upload_mib_max in the server's configuration, or split it",
    };
    // Refused before a byte is taken, where the length was announced.
    if body.size_hint().lower() > max {
        return Err(too_large().into());
    }
    let mut received = 0_u64;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = next(&mut chunks).await? {
        received += chunk.len() as u64;
        if received > max {
            return Err(too_large().into());
        }
        file.write_all(&chunk).await.doing(|| format!("cannot write in {}", folder.display()))?;
    }
    finish(file).await.doing(|| format!("cannot write in {}", folder.display()))
}

/// The next bytes; `None` if it has ended.
async fn next(chunks: &mut BodyDataStream) -> Result<Option<Bytes>> {
    let next = tokio::time::timeout(limits::UPLOAD_IDLE_MAX, chunks.next()).await.map_err(|_| {
        Refusal::UploadBroken(format!("no byte came for {} s", limits::UPLOAD_IDLE_MAX.as_secs()))
    })?;
    Ok(next.transpose().map_err(|error| Refusal::UploadBroken(error.to_string()))?)
}

async fn finish(mut file: tokio::fs::File) -> std::io::Result<std::fs::File> {
    file.flush().await?;
    file.seek(SeekFrom::Start(0)).await?;
    Ok(file.into_std().await)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use futures_util::{StreamExt, stream};

    use super::next;
    use crate::limits::UPLOAD_IDLE_MAX;

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_falls_silent_is_given_up() {
        let first = stream::once(async { Ok::<_, Infallible>("some") });
        let mut chunks = Body::from_stream(first.chain(stream::pending())).into_data_stream();
        assert_eq!(next(&mut chunks).await.unwrap().unwrap(), "some");
        let begun = tokio::time::Instant::now();
        let given_up = next(&mut chunks).await.unwrap_err();
        assert!(given_up.to_string().contains("no byte came for 60 s"), "{given_up}");
        assert_eq!(begun.elapsed().as_secs(), UPLOAD_IDLE_MAX.as_secs());
    }
}
