//! ZooKeeper: the four-letter word `srvr`, which every server answers unless it was told not to, and the keys, read by
//! its own protocol. Format of that: zookeeper.jute and the programmer's guide of ZooKeeper.

use std::collections::BTreeSet;
use std::io::{Error, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use rustls::pki_types::ServerName;
use shared::report::{StoreMember, Trouble};

use super::address::{Access, Tls, User};
use super::caller::PATIENCE;
use super::keys::{Keys, ROOT};
use super::{Answer, Failure};

/// Where an ensemble keeps who is in it.
const CONFIGURATION: &str = "/zookeeper/config";
const GET_DATA: i32 = 4;
const GET_CHILDREN: i32 = 8;
const CLOSE: i32 = -11;
const AUTHENTICATE: i32 = 100;
const AUTHENTICATE_ID: i32 = -4;
const NO_NODE: i32 = -101;
const NO_AUTH: i32 = -102;
/// After which a server forgets a session that says nothing. Milliseconds.
const SESSION_MS: i32 = 4_000;
/// Servers' own bound on what they hold in one node, and some.
const ANSWER_MAX: usize = 2 << 20;
/// More keys are not read.
const KEYS_MAX: usize = 20_000;

pub fn ask(endpoint: &str, tls: Option<&Tls>) -> Result<Answer, Failure> {
    let mut call = connect(endpoint, tls)?;
    call.write_all(b"srvr").map_err(failed)?;
    let mut text = Vec::new();
    match call.take(64 << 10).read_to_end(&mut text) {
        // It hangs up after its answer, over TLS without a farewell.
        Err(error) if error.kind() != ErrorKind::UnexpectedEof || text.is_empty() => Err(failed(error)),
        _ => member(&String::from_utf8_lossy(&text)),
    }
}

fn failed(error: Error) -> Failure {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            Failure { trouble: Trouble::Silent, error: format!("no answer within {} s", PATIENCE.as_secs()) }
        }
        ErrorKind::InvalidData => Failure { trouble: Trouble::Confused, error: error.to_string() },
        ErrorKind::PermissionDenied => Failure { trouble: Trouble::Confused, error: error.to_string() },
        ErrorKind::UnexpectedEof => Failure { trouble: Trouble::Unreachable, error: "it ends the connection".into() },
        _ => Failure { trouble: Trouble::Unreachable, error: error.to_string() },
    }
}

/// A connection to a server, whatever carries its bytes.
trait Call: Read + Write {}

impl<S: Read + Write> Call for S {}

fn connect(endpoint: &str, tls: Option<&Tls>) -> Result<Box<dyn Call>, Failure> {
    let unreachable = |error: String| Failure { trouble: Trouble::Unreachable, error };
    let mut addresses = endpoint.to_socket_addrs().map_err(|error| unreachable(error.to_string()))?;
    let address = addresses.next().ok_or_else(|| unreachable("no such host".into()))?;
    let mut call = TcpStream::connect_timeout(&address, PATIENCE).map_err(failed)?;
    call.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    call.set_write_timeout(Some(PATIENCE)).map_err(failed)?;
    let Some(tls) = tls else { return Ok(Box::new(call)) };
    let host = super::host(endpoint).trim_matches(['[', ']']).to_owned();
    let name = ServerName::try_from(host).map_err(|error| unreachable(error.to_string()))?;
    let session = rustls::ClientConnection::new(tls.stream.clone(), name);
    let mut session = session.map_err(|error| unreachable(error.to_string()))?;
    while session.is_handshaking() {
        session.complete_io(&mut call).map_err(|error| match failed(error) {
            silent @ Failure { trouble: Trouble::Silent, .. } => silent,
            Failure { error, .. } => unreachable(format!("no TLS with it: {error}")),
        })?;
    }
    Ok(Box::new(rustls::StreamOwned::new(session, call)))
}

fn member(text: &str) -> Result<Answer, Failure> {
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    // In a majority that is lost a server answers that it does not serve requests.
    if text.contains("not currently serving requests") {
        return Ok(Answer::default());
    }
    let (Some(mode), Some(version)) = (value("Mode:"), value("Zookeeper version:")) else {
        let said = text.lines().next().unwrap_or("nothing").trim();
        return Err(Failure { trouble: Trouble::Confused, error: format!("it answers srvr with: {said}") });
    };
    let version = version.split(['-', ',']).next().unwrap_or_default().to_owned();
    let member = StoreMember { version, role: mode.into(), has_leader: true, ..StoreMember::default() };
    Ok(Answer { member, ..Answer::default() })
}

/// All keys of engines below a prefix, and where the servers of the ensemble serve clients, as far as it keeps that.
pub fn keys(endpoint: &str, prefix: &str, access: &Access) -> Result<(Keys, BTreeSet<String>), Failure> {
    let tls = access.tls.as_ref();
    let mut session = Session::open(connect(endpoint, tls)?, access.user.as_ref()).map_err(failed)?;
    // Servers before 3.5 keep none, and it may be kept from those who are no administrators.
    let configuration = match session.data(CONFIGURATION) {
        Err(error) if error.kind() != ErrorKind::PermissionDenied => return Err(failed(error)),
        kept => kept.ok().flatten().unwrap_or_default(),
    };
    let port = endpoint.rsplit_once(':').map_or("2181", |(_, port)| port);
    let configuration = String::from_utf8_lossy(&configuration);
    let servers = if tls.is_some() { servers_over_tls(&configuration, port) } else { servers(&configuration, port) };
    let above = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
    let mut keys = Keys::new();
    let mut waiting = vec![format!("{above}/{ROOT}")];
    while let Some(path) = waiting.pop() {
        if keys.len() >= KEYS_MAX {
            let error = format!("it holds more than {KEYS_MAX} keys of engines");
            return Err(Failure { trouble: Trouble::Confused, error });
        }
        // One that went since its parent was asked is none.
        let Some(value) = session.data(&path).map_err(failed)? else { continue };
        let children = session.children(&path).map_err(failed)?.unwrap_or_default();
        waiting.extend(children.into_iter().map(|child| format!("{path}/{child}")));
        let key = path.strip_prefix(&above).unwrap_or(&path).trim_matches('/').to_owned();
        keys.insert(key, String::from_utf8_lossy(&value).into_owned());
    }
    session.close();
    Ok((keys, servers))
}

/// Of lines such as `server.1=10.0.0.1:2888:3888:participant;0.0.0.0:2181`. Where a server serves clients at all of its
/// addresses that is its own; where its line does not tell the port, it is the one that the others have.
fn servers(configuration: &str, port: &str) -> BTreeSet<String> {
    let lines = configuration.lines().filter_map(|line| line.strip_prefix("server.")?.split_once('='));
    let servers = lines.filter_map(|(_, server)| {
        let (peer, client) = server.split_once(';').unwrap_or((server, port));
        let own = match peer.strip_prefix('[') {
            Some(v6) => format!("[{}]", v6.split_once(']')?.0),
            None => peer.split(':').next()?.to_owned(),
        };
        let (address, port) = client.trim().rsplit_once(':').unwrap_or(("", client.trim()));
        let is_any = matches!(address.trim_matches(['[', ']']), "" | "0.0.0.0" | "::" | "0:0:0:0:0:0:0:0");
        Some(format!("{}:{port}", if is_any { own.as_str() } else { address }))
    });
    servers.collect()
}

/// An ensemble keeps where its servers serve clients in the clear. Over TLS they do at another port, that it does not
/// keep: the one that the others have.
fn servers_over_tls(configuration: &str, port: &str) -> BTreeSet<String> {
    let hosts = servers(configuration, port).into_iter();
    hosts.map(|server| format!("{}:{port}", super::host(&server))).collect()
}

/// Of one server, over whatever carries bytes.
struct Session<S> {
    stream: S,
    xid: i32,
}

impl<S: Read + Write> Session<S> {
    fn open(stream: S, user: Option<&User>) -> std::io::Result<Self> {
        let mut session = Self { stream, xid: 0 };
        let mut hello = Vec::new();
        hello.extend(0i32.to_be_bytes());
        hello.extend(0i64.to_be_bytes());
        hello.extend(SESSION_MS.to_be_bytes());
        hello.extend(0i64.to_be_bytes());
        buffer(&mut hello, &[0; 16]);
        session.send(&hello)?;
        session.receive()?;
        if let Some(User { name, password }) = user {
            let mut credentials = Vec::new();
            credentials.extend(0i32.to_be_bytes());
            buffer(&mut credentials, b"digest");
            buffer(&mut credentials, format!("{name}:{password}").as_bytes());
            session.ask(AUTHENTICATE_ID, AUTHENTICATE, &credentials)?;
        }
        Ok(session)
    }

    /// None where there is no such node.
    fn data(&mut self, path: &str) -> std::io::Result<Option<Vec<u8>>> {
        let Some(answer) = self.read(GET_DATA, path)? else { return Ok(None) };
        Ok(Some(Parser(&answer).buffer().ok_or_else(cut_short)?.to_vec()))
    }

    fn children(&mut self, path: &str) -> std::io::Result<Option<Vec<String>>> {
        let Some(answer) = self.read(GET_CHILDREN, path)? else { return Ok(None) };
        let mut parser = Parser(&answer);
        let count = parser.number().ok_or_else(cut_short)?;
        let names = (0..count).map(|_| Some(String::from_utf8_lossy(parser.buffer()?).into_owned()));
        names.collect::<Option<Vec<String>>>().ok_or_else(cut_short).map(Some)
    }

    fn read(&mut self, operation: i32, path: &str) -> std::io::Result<Option<Vec<u8>>> {
        let mut request = Vec::new();
        buffer(&mut request, path.as_bytes());
        // No watch.
        request.push(0);
        self.xid += 1;
        self.ask(self.xid, operation, &request)
    }

    /// What follows the answer's head; none where there is no such node.
    fn ask(&mut self, xid: i32, operation: i32, request: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        message.extend(xid.to_be_bytes());
        message.extend(operation.to_be_bytes());
        message.extend(request);
        self.send(&message)?;
        let answer = self.receive()?;
        let mut parser = Parser(&answer);
        let (Some(of), Some(_), Some(_), Some(error)) =
            (parser.number(), parser.number(), parser.number(), parser.number())
        else {
            return Err(cut_short());
        };
        match error {
            _ if of != xid => Err(Error::new(ErrorKind::InvalidData, "it answers another question")),
            0 => Ok(Some(parser.0.to_vec())),
            NO_NODE => Ok(None),
            NO_AUTH => Err(Error::new(ErrorKind::PermissionDenied, "it refuses access: see --cluster-store-user")),
            error => Err(Error::new(ErrorKind::InvalidData, format!("it answers with its error {error}"))),
        }
    }

    /// So that it need not wait until the session is over.
    fn close(mut self) {
        self.xid += 1;
        let _ = self.ask(self.xid, CLOSE, &[]);
    }

    fn send(&mut self, message: &[u8]) -> std::io::Result<()> {
        let mut framed = Vec::with_capacity(message.len() + 4);
        buffer(&mut framed, message);
        self.stream.write_all(&framed)
    }

    fn receive(&mut self) -> std::io::Result<Vec<u8>> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > ANSWER_MAX {
            return Err(Error::new(ErrorKind::InvalidData, "what it answers is no ZooKeeper's"));
        }
        let mut message = vec![0; length];
        self.stream.read_exact(&mut message)?;
        Ok(message)
    }
}

fn cut_short() -> Error {
    Error::new(ErrorKind::InvalidData, "its answer is cut short")
}

fn buffer(message: &mut Vec<u8>, bytes: &[u8]) {
    let length = i32::try_from(bytes.len()).expect("a message of less than 2 GiB");
    message.extend(length.to_be_bytes());
    message.extend(bytes);
}

/// What of an answer is not read yet.
struct Parser<'a>(&'a [u8]);

impl<'a> Parser<'a> {
    fn number(&mut self) -> Option<i32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(i32::from_be_bytes(*number))
    }

    /// One of length -1 is none, which is as good as empty here.
    fn buffer(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).unwrap_or(0);
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_word_is_read_and_so_is_its_silence_on_requests() {
        let text = "Zookeeper version: 3.8.0-${mvngit.commit.id}, built on 2023-02-22\nLatency min/avg/max: 0/0.0/0\nMode: standalone\n";
        let answer = member(text).ok().unwrap();
        assert_eq!((answer.member.version.as_str(), answer.member.role.as_str()), ("3.8.0", "standalone"));
        assert!(answer.member.has_leader);
        let lost = member("This ZooKeeper instance is not currently serving requests\n").ok().unwrap();
        assert!(!lost.member.has_leader);
        let refused = member("srvr is not executed because it is not in the whitelist.\n").err().unwrap();
        assert_eq!(refused.trouble, Trouble::Confused);
        assert!(refused.error.contains("not in the whitelist"));
    }

    #[test]
    fn an_ensemble_keeps_where_its_servers_serve_clients() {
        let kept = "server.1=10.77.0.1:2888:3888:participant;0.0.0.0:2181\n\
                    server.2=zk2:2888:3888:observer;10.77.0.2:2182\n\
                    server.3=[fd00::3]:2888:3888:participant;[0:0:0:0:0:0:0:0]:2183\n\
                    server.4=zk4:2888:3888:participant\nversion=100000000";
        let found: Vec<String> = servers(kept, "2184").into_iter().collect();
        assert_eq!(found, ["10.77.0.1:2181", "10.77.0.2:2182", "[fd00::3]:2183", "zk4:2184"]);
        assert!(servers("", "2181").is_empty(), "one that stands alone");
        let found: Vec<String> = servers_over_tls(kept, "2281").into_iter().collect();
        assert_eq!(found, ["10.77.0.1:2281", "10.77.0.2:2281", "[fd00::3]:2281", "zk4:2281"]);
    }

    /// Answers what it was told to, whatever it is asked.
    struct Scripted(std::io::Cursor<Vec<u8>>);

    impl Read for Scripted {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn scripted(answers: &[Vec<u8>]) -> Session<Scripted> {
        let mut bytes = Vec::new();
        buffer(&mut bytes, &[0; 36]);
        answers.iter().for_each(|answer| buffer(&mut bytes, answer));
        Session::open(Scripted(std::io::Cursor::new(bytes)), None).unwrap()
    }

    fn answer(xid: i32, error: i32, body: &[u8]) -> Vec<u8> {
        [&xid.to_be_bytes()[..], &[0; 8], &error.to_be_bytes(), body].concat()
    }

    #[test]
    fn a_node_that_is_not_there_is_none_and_one_that_is_refused_is_told() {
        let mut session = scripted(&[answer(1, NO_NODE, &[]), answer(2, NO_AUTH, &[])]);
        assert_eq!(session.data("/docker").unwrap(), None);
        let error = session.data("/docker").unwrap_err();
        assert!(error.to_string().contains("--cluster-store-user"), "{error}");
    }

    #[test]
    fn an_answer_that_is_cut_short_or_of_another_question_or_too_long_is_no_answer() {
        assert!(scripted(&[answer(7, 0, &[])]).data("/").is_err());
        assert!(scripted(&[answer(1, 0, &[0, 0])]).data("/").is_err());
        assert!(scripted(&[answer(1, 0, &[0, 0, 0, 2, 0, 0, 0, 9])]).children("/").is_err());
        assert!(scripted(&[vec![1]]).data("/").is_err());
        let mut endless = scripted(&[]);
        endless.stream = Scripted(std::io::Cursor::new(i32::MAX.to_be_bytes().to_vec()));
        assert!(endless.data("/").unwrap_err().to_string().contains("no ZooKeeper"));
    }
}
