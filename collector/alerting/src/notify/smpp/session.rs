//! A session of SMPP 3.4: one request at a time, and the answer to it in bounded time. Of answers only the header is read:
//! their bodies say nothing that is needed, and what gateways write there is often not what the specification says.

use std::io;
use std::time::Duration;

use rusmpp::encode::{Encode, Length};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::super::http::REQUEST_TIMEOUT;

/// How long a gateway has to say goodbye: all was said.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(2);

/// Length, identity, status and number of a PDU (SMPP 3.4, 3.2).
const HEADER_BYTES: u32 = 16;

/// A PDU that is longer is none: those of a gateway are some dozen bytes.
const PDU_BYTES_MAX: u32 = 64 << 10;

/// What makes the identity of an answer from that of its request.
const ANSWER: u32 = 0x8000_0000;

pub(super) trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

pub(super) type Stream = Box<dyn Connection>;

pub(super) struct Session {
    stream: Stream,
    sequence: u32,
}

struct Header {
    id: CommandId,
    status: CommandStatus,
    sequence: u32,
}

impl Session {
    pub(super) fn over(stream: Stream) -> Self {
        Self { stream, sequence: 0 }
    }

    /// What the gateway answers. After an error the session cannot be used any more.
    pub(super) async fn ask(&mut self, request: impl Into<Pdu>) -> io::Result<CommandStatus> {
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.answer(request.into())).await;
        answer.unwrap_or_else(|_| {
            let seconds = REQUEST_TIMEOUT.as_secs();
            let text = format!("no answer within {seconds} s");
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        })
    }

    /// Whether it goes well or not: what was taken is taken.
    pub(super) async fn end(mut self) {
        tokio::time::timeout(GOODBYE_TIMEOUT, self.ask(Pdu::Unbind)).await.ok();
    }

    async fn answer(&mut self, request: Pdu) -> io::Result<CommandStatus> {
        self.sequence += 1;
        let request = Command::new(CommandStatus::EsmeRok, self.sequence, request);
        let wanted = CommandId::from(u32::from(request.id()) | ANSWER);
        self.write(request).await?;
        loop {
            let header = self.read().await?;
            match header.id {
                id if id == wanted && header.sequence == self.sequence => {
                    return Ok(header.status);
                }
                CommandId::GenericNack if header.status == CommandStatus::EsmeRok => {
                    return Ok(CommandStatus::EsmeRunknownerr);
                }
                CommandId::GenericNack => return Ok(header.status),
                CommandId::EnquireLink => {
                    let alive = Pdu::EnquireLinkResp;
                    let status = CommandStatus::EsmeRok;
                    self.write(Command::new(status, header.sequence, alive)).await?;
                }
                CommandId::Unbind => {
                    return Err(io::Error::other("the gateway ended the session"));
                }
                // Of something that nobody waits for.
                _ => {}
            }
        }
    }

    async fn write(&mut self, command: Command) -> io::Result<()> {
        let mut bytes = vec![0; command.length()];
        command.encode(&mut bytes);
        let length = u32::try_from(bytes.len() + 4).map_err(io::Error::other)?;
        self.stream.write_all(&[&length.to_be_bytes()[..], &bytes].concat()).await?;
        self.stream.flush().await
    }

    async fn read(&mut self) -> io::Result<Header> {
        self.header().await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::new(error.kind(), "the gateway closed the connection")
            }
            _ => error,
        })
    }

    async fn header(&mut self) -> io::Result<Header> {
        let length = self.stream.read_u32().await?;
        if !(HEADER_BYTES..=PDU_BYTES_MAX).contains(&length) {
            let text = format!("a PDU of {length} bytes: this does not speak SMPP");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        let id = CommandId::from(self.stream.read_u32().await?);
        let status = CommandStatus::from(self.stream.read_u32().await?);
        let sequence = self.stream.read_u32().await?;
        let mut body = vec![0; usize::try_from(length - HEADER_BYTES).unwrap_or(0)];
        self.stream.read_exact(&mut body).await?;
        Ok(Header { id, status, sequence })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes of an answer of these bytes, behind which the gateway says nothing more.
    async fn asked(bytes: &[u8]) -> io::Result<CommandStatus> {
        let (ours, mut theirs) = tokio::io::duplex(1 << 20);
        theirs.write_all(bytes).await?;
        theirs.shutdown().await?;
        Session::over(Box::new(ours)).ask(Pdu::Unbind).await
    }

    fn pdu(id: u32, status: u32, number: u32, body: usize) -> Vec<u8> {
        let length = HEADER_BYTES + u32::try_from(body).unwrap();
        let header = [length, id, status, number].into_iter().flat_map(u32::to_be_bytes);
        header.chain(std::iter::repeat_n(7, body)).collect()
    }

    const UNBIND: u32 = 6;

    #[tokio::test]
    async fn a_body_is_passed_over_up_to_its_bound() {
        let room = usize::try_from(PDU_BYTES_MAX - HEADER_BYTES).unwrap();
        for (body, fits) in [(0, true), (room, true), (room + 1, false)] {
            let answer = pdu(UNBIND | ANSWER, 0, 1, body);
            assert_eq!(asked(&answer).await.is_ok(), fits, "{body}");
        }
        let cut = asked(&pdu(UNBIND | ANSWER, 0, 1, 9)[..24]).await.unwrap_err();
        assert_eq!(cut.to_string(), "the gateway closed the connection");
    }

    #[tokio::test]
    async fn an_answer_to_something_else_is_none() {
        for other in [pdu(UNBIND | ANSWER, 0, 2, 0), pdu(5 | ANSWER, 0, 1, 0), pdu(5, 0, 1, 9)] {
            assert!(asked(&other).await.is_err());
            let answer = [other, pdu(UNBIND | ANSWER, 0x58, 1, 0)].concat();
            assert_eq!(asked(&answer).await.unwrap(), CommandStatus::EsmeRthrottled);
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_it_ends(bytes in prop::collection::vec(any::<u8>(), 0..200), length in 0_u32..40) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
            let framed = [&length.to_be_bytes()[..], &bytes].concat();
            for answer in [bytes, framed] {
                let said = runtime.block_on(asked(&answer));
                prop_assert!(said.is_err() || answer.len() >= 16);
            }
        }
    }
}
