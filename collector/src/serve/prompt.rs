//! A connection whose client has to say something soon: until a request's first bytes are there nobody else watches
//! the clock, and silence would hold a place for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// After so many bytes the version is known (the preface of HTTP/2 has 24, RFC 9113 section 3.4), and the limits of that
/// version hold.
const FIRST_BYTES: usize = 24;

/// Reading fails when the first bytes are not there in time; after them it changes nothing.
pub(super) struct Prompt<S> {
    stream: S,
    deadline: Option<Pin<Box<Sleep>>>,
    heard: usize,
}

impl<S> Prompt<S> {
    pub(super) fn new(stream: S, time_max: Duration) -> Self {
        Self { stream, deadline: Some(Box::pin(tokio::time::sleep(time_max))), heard: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prompt<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.deadline.is_none() {
            return read;
        }
        self.heard += buffer.filled().len() - before;
        if self.heard >= FIRST_BYTES {
            self.deadline = None;
        }
        match (&read, &mut self.deadline) {
            (Poll::Pending, Some(deadline)) => {
                deadline.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
            }
            _ => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prompt<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SOON: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn who_says_too_little_in_time_is_cut_and_who_has_spoken_may_be_silent() {
        let (mut client, server) = tokio::io::duplex(64);
        let mut prompt = Prompt::new(server, SOON);
        client.write_all(b"GET").await.unwrap();
        let mut heard = Vec::new();
        let error = prompt.read_to_end(&mut heard).await.unwrap_err();
        assert_eq!((error.kind(), heard.as_slice()), (io::ErrorKind::TimedOut, &b"GET"[..]));

        let (mut client, server) = tokio::io::duplex(64);
        let mut prompt = Prompt::new(server, SOON);
        client.write_all(&[b'x'; FIRST_BYTES]).await.unwrap();
        prompt.read_exact(&mut [0; FIRST_BYTES]).await.unwrap();
        tokio::time::sleep(2 * SOON).await;
        client.write_all(b"y").await.unwrap();
        assert_eq!(prompt.read_u8().await.unwrap(), b'y');
    }
}
