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
