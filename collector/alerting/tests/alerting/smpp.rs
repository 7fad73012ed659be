//! SMS by SMPP to a gateway that reads what it gets by itself and answers as it is told: refusing, throttling, breaking off,
//! hanging, with half an answer or with anything else.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use collector_alerting::Routing;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{MINUTE, SECOND, START, World, detection};

const BIND: u32 = 2;
const SUBMIT: u32 = 4;
const UNBIND: u32 = 6;
const NACK: u32 = 0x8000_0000;

#[derive(Clone, Copy)]
enum Answer {
    /// With a body as the request's kind has it, and without one as many gateways refuse.
    Taken,
    Status(u32),
    Nack(u32),
    /// First asks whether we are there, and answers something that nobody asked for.
    Chatty,
    /// These bytes, and nothing more.
    Bytes(&'static [u8]),
    Close,
    Unbind,
}

/// Its kind and its body.
type Request = (u32, Vec<u8>);

#[derive(Clone, Default)]
struct Gateway {
    received: Arc<Mutex<Vec<Request>>>,
    script: Arc<Mutex<VecDeque<Answer>>>,
    sessions: Arc<Mutex<(usize, usize)>>,
}

/// What a `submit_sm` says (SMPP 3.4, 4.4.1).
#[derive(Debug, PartialEq, Eq)]
struct Message {
    from: (u8, u8, String),
    to: (u8, u8, String),
    class: u8,
    receipt: u8,
    coding: u8,
    text: Vec<u8>,
}

impl Gateway {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let gateway = Self::default();
        let shared = gateway.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(shared.clone().serve(stream));
            }
        });
        (gateway, address)
    }

    async fn serve(self, mut stream: TcpStream) {
        {
            let mut sessions = self.sessions.lock().unwrap();
            sessions.0 += 1;
            sessions.1 = sessions.1.max(sessions.0);
        }
        self.answer(&mut stream).await.ok();
        self.sessions.lock().unwrap().0 -= 1;
    }

    async fn answer(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        loop {
            let length = stream.read_u32().await?;
            let (id, _, number) =
                (stream.read_u32().await?, stream.read_u32().await?, stream.read_u32().await?);
            let mut body = vec![0; length as usize - 16];
            stream.read_exact(&mut body).await?;
            self.received.lock().unwrap().push((id, body));
            let next = self.script.lock().unwrap().pop_front();
            let answer = |status| pdu(id | NACK, status, number, b"");
            let bytes = match next.unwrap_or(Answer::Taken) {
                Answer::Taken => pdu(id | NACK, 0, number, b"message-1\0"),
                Answer::Status(status) => answer(status),
                Answer::Nack(status) => pdu(NACK, status, number, b""),
                Answer::Chatty => {
                    stream.write_all(&pdu(0x15, 0, 77, b"")).await?;
                    stream.write_all(&pdu(SUBMIT | NACK, 0, 9_999, b"")).await?;
                    let mut alive = [0; 16];
                    stream.read_exact(&mut alive).await?;
                    assert_eq!(alive, *pdu(0x15 | NACK, 0, 77, b""));
                    pdu(id | NACK, 0, number, &[b'x'; 3_000])
                }
                Answer::Bytes(bytes) => {
                    stream.write_all(bytes).await?;
                    std::future::pending().await
                }
                Answer::Close => return Ok(()),
                Answer::Unbind => pdu(UNBIND, 0, 1, b""),
            };
            stream.write_all(&bytes).await?;
        }
    }

    fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.script.lock().unwrap() = answers.into_iter().collect();
    }

    fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.received.lock().unwrap())
    }

    /// The messages since the last call.
    fn messages(&self) -> Vec<Message> {
        let taken = self.take().into_iter();
        taken.filter(|(id, _)| *id == SUBMIT).map(|(_, body)| message(&body)).collect()
    }

    /// To whom they went.
    fn told(&self) -> Vec<String> {
        self.messages().into_iter().map(|message| message.to.2).collect()
    }
}

fn pdu(id: u32, status: u32, number: u32, body: &[u8]) -> Vec<u8> {
    let length = 16 + u32::try_from(body.len()).unwrap();
    [length, id, status, number]
        .iter()
        .flat_map(|one| one.to_be_bytes())
        .chain(body.to_vec())
        .collect()
}

fn text(rest: &mut &[u8]) -> String {
    let end = rest.iter().position(|byte| *byte == 0).unwrap();
    let text = String::from_utf8(rest[..end].to_vec()).unwrap();
    *rest = &rest[end + 1..];
    text
}

fn byte(rest: &mut &[u8]) -> u8 {
    let byte = rest[0];
    *rest = &rest[1..];
    byte
}

fn message(body: &[u8]) -> Message {
    let mut rest = body;
    let rest = &mut rest;
    assert_eq!(text(rest), "", "service_type");
    let from = (byte(rest), byte(rest), text(rest));
    let to = (byte(rest), byte(rest), text(rest));
    let class = byte(rest);
    assert_eq!((byte(rest), byte(rest)), (0, 0), "protocol and priority");
    assert_eq!((text(rest), text(rest)), (String::new(), String::new()), "schedule and validity");
    let receipt = byte(rest);
    assert_eq!(byte(rest), 0, "replace");
    let coding = byte(rest);
    assert_eq!(byte(rest), 0, "predefined");
    let length = usize::from(byte(rest));
    assert_eq!(rest.len(), length);
    Message { from, to, class, receipt, coding, text: rest.to_vec() }
}

fn config(address: &str, more: &str) -> String {
    format!(
        "
route: {{receiver: phone}}
receivers:
  - name: phone
    smpp_configs:
      - address: '{address}'
        transport: tcp
        system_id: tinh
        password: mat-khau
        system_type: alert
        from: HaiDang
        to: ['+84900000001', '0900000002']
        {more}
"
    )
}

async fn world(more: &str) -> (World, Gateway) {
    let (gateway, address) = Gateway::start().await;
    let world = World::new(&config(&address, more)).await;
    let found = vec![detection(1, "máy-1", START)];
    world.alerting.commit_detections(1, b"", found, START + MINUTE).await.unwrap();
    (world, gateway)
}

async fn attempt(world: &World, minutes: i64) -> String {
    world.alerting.deliver_due(START + minutes * MINUTE).await.unwrap();
    world.alerting.notifications(1).await.unwrap().remove(0).last_error
}

#[tokio::test]
async fn each_number_gets_the_message_in_one_session() {
    let (world, gateway) = world("fold_diacritics: true").await;
    gateway.script([Answer::Taken, Answer::Chatty]);
    assert_eq!(attempt(&world, 1).await, "");
    let received = gateway.received.lock().unwrap().clone();
    let kinds: Vec<u32> = received.iter().map(|(id, _)| *id).collect();
    assert_eq!(kinds, [BIND, SUBMIT, SUBMIT, UNBIND]);
    assert_eq!(received[0].1, b"tinh\0mat-khau\0alert\0\x34\0\0\0");
    let text = "(KHAN CAP) may-1 - do mat khau. Tu 08:12 ngay 21/11/2026 (da 1 phut).";
    let wanted = |to: (u8, u8, &str)| Message {
        from: (5, 0, "HaiDang".to_owned()),
        to: (to.0, to.1, to.2.to_owned()),
        class: 0,
        receipt: 0,
        coding: 0,
        text: text.as_bytes().to_vec(),
    };
    assert_eq!(gateway.messages(), [wanted((1, 1, "84900000001")), wanted((0, 1, "0900000002"))]);
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 1);
}

#[tokio::test]
async fn with_diacritics_parts_are_joined_and_kinds_of_numbers_are_as_the_operator_says() {
    let more = ["from_ton: 3", "from_npi: 9", "to_ton: 2", "to_npi: 8"].join("\n        ");
    let text = "bão số một ".repeat(9);
    let (world, gateway) = world(&format!("{more}\n        message: {text}")).await;
    assert_eq!(attempt(&world, 1).await, "");
    let messages = gateway.messages();
    assert_eq!(messages.len(), 4);
    assert!(messages.iter().all(|one| one.class == 0x40 && one.coding == 8));
    assert_eq!(messages[0].from, (3, 9, "HaiDang".to_owned()));
    assert_eq!(messages[0].to, (2, 8, "84900000001".to_owned()));
    let (one, two) = (&messages[0].text, &messages[1].text);
    assert_eq!((one[..3].to_vec(), one[4..6].to_vec()), (vec![5, 0, 3], vec![2, 1]));
    assert_eq!((one[3], two[4..6].to_vec()), (two[3], vec![2, 2]));
    let letters: Vec<u16> = [&one[6..], &two[6..]]
        .concat()
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    assert_eq!(String::from_utf16(&letters).unwrap(), text.trim_end());
}

#[tokio::test]
async fn a_refused_number_keeps_nothing_from_the_others_and_is_tried_alone() {
    let (world, gateway) = world("").await;
    gateway.script([Answer::Taken, Answer::Status(0x0b)]);
    let said = attempt(&world, 1).await;
    assert!(
        said.contains(
            "a message to 84900000001 with EsmeRinvdstadr (0x0000000b): look at the number"
        ),
        "{said}"
    );
    assert_eq!(gateway.told(), ["84900000001", "0900000002"]);
    assert_eq!(attempt(&world, 2).await, "");
    assert_eq!(gateway.told(), ["84900000001"]);
}

#[tokio::test]
async fn a_throttled_session_ends_and_the_gateway_is_left_alone_for_a_while() {
    let (world, gateway) = world("").await;
    gateway.script([Answer::Taken, Answer::Status(0x58)]);
    let said = attempt(&world, 1).await;
    assert!(said.contains("EsmeRthrottled (0x00000058): too many messages at once"), "{said}");
    let kinds: Vec<u32> = gateway.take().iter().map(|(id, _)| *id).collect();
    assert_eq!(kinds, [BIND, SUBMIT, UNBIND], "it had too many: no second message");
    let channel = world.alerting.channels(START + MINUTE).await.unwrap().remove(0);
    assert_eq!(channel.held_until_ms, Some(START + MINUTE + 30 * SECOND));
    attempt(&world, 2).await;
    assert_eq!(gateway.told(), ["84900000001", "0900000002"]);
}

#[tokio::test]
async fn a_message_that_breaks_the_session_costs_the_next_one_nothing() {
    for (breaks, said) in [
        (Answer::Close, "closed the connection"),
        (Answer::Unbind, "ended the session"),
        (Answer::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "this does not speak SMPP"),
        (Answer::Bytes(b"\0\0\0\x0f\x80\0\0\x04\0\0\0\0\0\0\0\x01"), "a PDU of 15 bytes"),
        (
            Answer::Bytes(b"\x7f\xff\xff\xff\x80\0\0\x04\0\0\0\0\0\0\0\x01"),
            "a PDU of 2147483647 bytes",
        ),
    ] {
        let (world, gateway) = world("").await;
        gateway.script([Answer::Taken, breaks]);
        let last_error = attempt(&world, 1).await;
        assert!(last_error.contains(said), "{last_error}");
        assert_eq!(gateway.told(), ["84900000001", "0900000002"]);
        assert_eq!(attempt(&world, 2).await, "");
        assert_eq!(gateway.told(), ["84900000001"]);
    }
}

#[tokio::test]
async fn half_an_answer_is_none_and_does_not_hold_the_next_message() {
    let (world, gateway) = world("").await;
    gateway.script([Answer::Taken, Answer::Bytes(b"\0\0\0\x1a\x80\0\0\x04\0\0\0\0\0\0\0\x02mess")]);
    let said = attempt(&world, 1).await;
    assert!(said.contains("no answer within 10 s"), "{said}");
    assert_eq!(gateway.told(), ["84900000001", "0900000002"]);
}

#[tokio::test]
async fn an_account_that_is_refused_is_said_once_and_its_password_not_at_all() {
    for (answer, wanted) in [
        (Answer::Status(0x0e), "the account with EsmeRinvpaswd (0x0000000e): look at `system_id`"),
        (Answer::Status(0x05), "another session has this account"),
        (Answer::Status(0x0401), "Other(1025) (0x00000401): ask the operator"),
        (Answer::Nack(3), "EsmeRinvcmdid"),
        (Answer::Nack(0), "EsmeRunknownerr"),
    ] {
        let (world, gateway) = world("").await;
        gateway.script([answer]);
        let said = attempt(&world, 1).await;
        assert!(said.contains(wanted) && !said.contains("mat-khau"), "{said}");
        assert_eq!(gateway.take().len(), 1, "an account is not tried again and again");
    }
    let long = "x".repeat(9);
    let (gateway, address) = Gateway::start().await;
    let config = config(&address, "").replace("mat-khau", &long);
    let world = World::new(&config).await;
    let found = vec![detection(1, "máy-1", START)];
    world.alerting.commit_detections(1, b"", found, START + MINUTE).await.unwrap();
    let said = attempt(&world, 1).await;
    assert!(said.contains("the password of the SMPP account: SMPP takes 8 letters"), "{said}");
    assert!(!said.contains(&long) && gateway.take().is_empty(), "{said}");
}

#[tokio::test]
async fn one_session_at_a_time_however_many_notifications_wait() {
    let (world, gateway) = world("").await;
    let more = (2..12).map(|at| detection(at, &format!("máy-{at}"), START)).collect();
    world.alerting.commit_detections(2, b"", more, START + MINUTE).await.unwrap();
    world.alerting.deliver_due(START + MINUTE).await.unwrap();
    assert_eq!(world.alerting.stats(START).await.unwrap().sent, 11);
    assert_eq!(gateway.told().len(), 22);
    assert_eq!(gateway.sessions.lock().unwrap().1, 1);
}

#[test]
fn what_cannot_be_an_account_is_refused_when_it_is_read() {
    let text = "
route: {receiver: x}
receivers:
  - name: x
    smpp_configs:
      - {address: gateway, system_id: một, from: '', to: []}
      - {address: 'gateway:2775', transport: udp, system_id: abcdefghijklmnop, password: x, from: a, to: ['1'], parts_max: 11}
      - {address: 'gateway:2775', transport: tcp, tls_config: {insecure_skip_verify: true}, system_id: 7, password_file: x, password: y, from: a, to: ['1']}
";
    let problems = Routing::parse(Path::new("a.yml"), text).unwrap_err().to_string();
    expect_test::expect![[r#"
        a.yml:6: "gateway" is not host:port
        a.yml:6: an SMPP account needs `password` or `password_file`
        a.yml:6: `system_id` is 1 to 15 letters and digits without diacritics
        a.yml:6: `from` is 1 to 20 letters and digits without diacritics
        a.yml:6: `to` names 1 to 50 numbers
        a.yml:7: `transport` is one of tls, tcp
        a.yml:7: `system_id` is 1 to 15 letters and digits without diacritics
        a.yml:7: `parts_max` is between 1 and 10
        a.yml:8: `insecure_skip_verify` is not for SMPP: give the server's `ca_file`
        a.yml:8: `tls_config` goes with `transport: tls`
        a.yml:8: give one of `password` and `password_file`, not both"#]]
    .assert_eq(&problems);
}

#[test]
fn a_password_is_not_shown() {
    let routing = Routing::parse(Path::new("a.yml"), &config("gateway:2775", "")).unwrap();
    assert!(!routing.written().contains("mat-khau"), "{}", routing.written());
    assert!(routing.written().contains("system_id: tinh"));
}
