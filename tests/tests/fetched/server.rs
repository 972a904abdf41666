//! A server for archives on loopback, by http or TLS, which also is a proxy and can misbehave.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Barrier, Mutex};

#[derive(Clone)]
pub enum Answer {
    File(Vec<u8>),
    /// The head of a file, and half of it.
    Half(Vec<u8>),
    /// As `Half`, and then nothing until the client goes away.
    Stuck(Vec<u8>),
    Tagged(TaggedFile),
    /// A file, once all of those who wait for it have come.
    Together(Arc<Barrier>, Vec<u8>),
    /// The connection ends.
    Nothing,
    Garbage,
    Redirect(String),
    Status(u16),
}

/// A file with an ETag.
#[derive(Clone)]
pub struct TaggedFile {
    pub bytes: Vec<u8>,
    pub tag: &'static str,
    /// A part of it is sent to who asks for that of this tag.
    pub ranges: bool,
    /// So many bytes are sent, and then the connection ends.
    pub sends: usize,
    /// It does not end until the client goes away.
    pub is_stuck: bool,
}

impl TaggedFile {
    pub fn whole(bytes: &[u8], tag: &'static str) -> TaggedFile {
        let bytes = bytes.to_vec();
        TaggedFile { bytes, tag, ranges: true, sends: usize::MAX, is_stuck: false }
    }

    /// The head of the answer to a request for a part, and what is sent.
    fn answer(&self, asked: &Asked) -> Vec<u8> {
        let all = self.bytes.len();
        let is_for_us = self.ranges && asked.if_range.as_deref() == Some(self.tag);
        let start = asked.start.filter(|_| is_for_us);
        let (status, start, more) = match start {
            Some(start) if start < all => {
                let last = all - 1;
                (
                    "206 Partial Content",
                    start,
                    format!("Content-Range: bytes {start}-{last}/{all}\r\n"),
                )
            }
            Some(_) => ("416 Range Not Satisfiable", all, String::new()),
            None => ("200 OK", 0, String::new()),
        };
        let rest = &self.bytes[start..];
        let more = format!("{more}ETag: {}\r\n", self.tag);
        [head(status, rest.len(), &more).as_bytes(), &rest[..rest.len().min(self.sends)]].concat()
    }
}

/// A request.
#[derive(Clone, Debug)]
struct Asked {
    target: String,
    /// Where the part begins that it is for.
    start: Option<usize>,
    if_range: Option<String>,
}

pub struct Server {
    port: u16,
    answers: Arc<Mutex<HashMap<String, Vec<Answer>>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub fn http() -> Server {
        Server::start(None)
    }

    /// With the certificate of `localhost` in PEM, which it returns.
    pub fn tls() -> (Server, String) {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(own.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        (Server::start(Some(Arc::new(config))), own.cert.pem())
    }

    fn start(tls: Option<Arc<rustls::ServerConfig>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            answers: Arc::default(),
            asked: Arc::default(),
        };
        let (answers, asked) = (Arc::clone(&server.answers), Arc::clone(&server.asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                let tls = tls.clone();
                std::thread::spawn(move || {
                    let answer = |request: &Asked| {
                        asked.lock().unwrap().push(request.clone());
                        let mut answers = answers.lock().unwrap();
                        let left = answers.get_mut(&request.target)?;
                        // The last one counts from then on.
                        Some(if left.len() > 1 { left.remove(0) } else { left[0].clone() })
                    };
                    match tls {
                        None => talk(&mut BufReader::new(stream), &answer),
                        Some(config) => {
                            let Ok(connection) = rustls::ServerConnection::new(config) else {
                                return;
                            };
                            let stream = rustls::StreamOwned::new(connection, stream);
                            talk(&mut BufReader::new(Tls(stream)), &answer);
                        }
                    }
                });
            }
        });
        server
    }

    /// Answers in this order; the last again and again.
    pub fn answer(&self, path: &str, answers: &[Answer]) {
        self.answers.lock().unwrap().insert(path.to_owned(), answers.to_vec());
    }

    /// The addresses that were asked for, as the requests had them.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.target.clone()).collect()
    }

    /// Where the parts began that the requests were for, each with its tag.
    pub fn ranges(&self) -> Vec<Option<(usize, String)>> {
        let range = |asked: &Asked| Some((asked.start?, asked.if_range.clone()?));
        self.asked.lock().unwrap().iter().map(range).collect()
    }

    pub fn http_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn https_url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

trait Connection: Read {
    fn out(&mut self) -> &mut dyn Write;
}

impl Connection for TcpStream {
    fn out(&mut self) -> &mut dyn Write {
        self
    }
}

struct Tls(rustls::StreamOwned<rustls::ServerConnection, TcpStream>);

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Connection for Tls {
    fn out(&mut self) -> &mut dyn Write {
        &mut self.0
    }
}

/// Serves one request, and ends the connection. Errors are the client's.
fn talk(stream: &mut BufReader<impl Connection>, answer: &dyn Fn(&Asked) -> Option<Answer>) {
    let Some(mut asked) = request(stream) else { return };
    if asked.target.starts_with("CONNECT ") {
        let _ = stream.get_mut().out().write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let host = asked.target.trim_start_matches("CONNECT ").to_owned();
        let Some(inner) = request(stream) else { return };
        asked = Asked { target: format!("http://{host}{}", inner.target), ..inner };
    }
    let answer = answer(&asked).unwrap_or(Answer::Status(404));
    let is_stuck = match &answer {
        Answer::Stuck(_) => true,
        Answer::Tagged(file) => file.is_stuck,
        _ => false,
    };
    let bytes = match answer {
        Answer::File(bytes) => [head("200 OK", bytes.len(), "").into_bytes(), bytes].concat(),
        Answer::Half(bytes) | Answer::Stuck(bytes) => {
            let half = bytes[..bytes.len() / 2].to_vec();
            [head("200 OK", bytes.len(), "").into_bytes(), half].concat()
        }
        Answer::Tagged(file) => file.answer(&asked),
        Answer::Together(all, bytes) => {
            all.wait();
            [head("200 OK", bytes.len(), "").into_bytes(), bytes].concat()
        }
        Answer::Nothing => return,
        Answer::Garbage => b"\x00\x01 good morning\r\n\r\n".to_vec(),
        Answer::Redirect(to) => head("302 Found", 0, &format!("Location: {to}\r\n")).into_bytes(),
        Answer::Status(code) => head(&format!("{code} Odd"), 0, "").into_bytes(),
    };
    let out = stream.get_mut().out();
    let _ = out.write_all(&bytes).and_then(|()| out.flush());
    if is_stuck {
        let _ = stream.read(&mut [0]);
    }
}

fn head(status: &str, length: usize, more: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n")
}

/// Reads the head of a request.
fn request(stream: &mut impl BufRead) -> Option<Asked> {
    let mut first = String::new();
    stream.read_line(&mut first).ok()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let target = if method == "CONNECT" { format!("CONNECT {target}") } else { target.to_owned() };
    let mut asked = Asked { target, start: None, if_range: None };
    let mut line = String::new();
    while stream.read_line(&mut line).ok()? > 2 {
        let (name, value) = line.trim_end().split_once(": ")?;
        match name.to_lowercase().as_str() {
            "range" => {
                asked.start = value.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok();
            }
            "if-range" => asked.if_range = Some(value.to_owned()),
            _ => {}
        }
        line.clear();
    }
    Some(asked)
}
