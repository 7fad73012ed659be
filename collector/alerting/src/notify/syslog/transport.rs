//! Lines on their way: each attempt has a connection of its own, so that what a broken one swallowed is sent again.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

use super::super::SendError;
use super::super::tls::Tls;
use crate::routing::{SyslogChannel, SyslogTransport};

/// How long the other side has to close, or to complain, once we have said all.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

pub(super) struct Transport {
    address: String,
    way: Way,
}

enum Way {
    Udp,
    Tcp,
    Tls(Tls),
}

impl Transport {
    pub(super) fn new(channel: &SyslogChannel) -> Result<Self, SendError> {
        let way = match channel.transport {
            SyslogTransport::Udp => Way::Udp,
            SyslogTransport::Tcp => Way::Tcp,
            SyslogTransport::Tls => Way::Tls(Tls::new(&channel.address, &channel.tls)?),
        };
        Ok(Self { address: channel.address.clone(), way })
    }

    pub(super) async fn send(&self, lines: &[String]) -> io::Result<()> {
        match &self.way {
            Way::Udp => datagrams(&self.address, lines).await,
            Way::Tcp => counted(TcpStream::connect(&self.address).await?, lines).await,
            Way::Tls(tls) => {
                let stream = TcpStream::connect(&self.address).await?;
                counted(tls.over(stream).await?, lines).await
            }
        }
    }
}

async fn datagrams(address: &str, lines: &[String]) -> io::Result<()> {
    let to = tokio::net::lookup_host(address).await?.next();
    let to = to.ok_or_else(|| io::Error::other(format!("{address} has no address")))?;
    let from = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(from).await?;
    socket.connect(to).await?;
    for line in lines {
        socket.send(line.as_bytes()).await?;
    }
    Ok(())
}

/// Lines with their length in front (RFC 6587, 3.4.1; RFC 5425, 4.3).
async fn counted(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    lines: &[String],
) -> io::Result<()> {
    for line in lines {
        stream.write_all(format!("{} {line}", line.len()).as_bytes()).await?;
    }
    stream.flush().await?;
    stream.shutdown().await?;
    // What comes back says nothing to us but whether the other side has broken off.
    let mut rest = [0; 256];
    let closed = async {
        loop {
            match stream.read(&mut rest).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // TLS that ends without its last word: the lines were taken all the same.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    };
    tokio::time::timeout(CLOSE_WAIT, closed).await.unwrap_or(Ok(()))
}
