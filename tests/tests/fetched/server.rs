//! A server for archives on loopback, by http or TLS, which also is a proxy and can misbehave.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub enum Answer {
    File(Vec<u8>),
    /// The head of a file, and half of it.
    Half(Vec<u8>),
    /// As `Half`, and then nothing until the client goes away.
    Stuck(Vec<u8>),
    /// The connection ends.
    Nothing,
    Garbage,
    Redirect(String),
    Status(u16),
}

pub struct Server {
    port: u16,
    answers: Arc<Mutex<HashMap<String, Vec<Answer>>>>,
    asked: Arc<Mutex<Vec<String>>>,
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
                    let answer = |path: &str| {
                        asked.lock().unwrap().push(path.to_owned());
                        let mut answers = answers.lock().unwrap();
                        let left = answers.get_mut(path)?;
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
        self.asked.lock().unwrap().clone()
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
fn talk(stream: &mut BufReader<impl Connection>, answer: &dyn Fn(&str) -> Option<Answer>) {
    let Some(mut target) = request(stream) else { return };
    if target.starts_with("CONNECT ") {
        let _ = stream.get_mut().out().write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let host = target.trim_start_matches("CONNECT ").to_owned();
        let Some(inner) = request(stream) else { return };
        target = format!("http://{host}{inner}");
    }
    let answer = answer(&target).unwrap_or(Answer::Status(404));
    let is_stuck = matches!(answer, Answer::Stuck(_));
    let out = stream.get_mut().out();
    let head = |status: &str, length: usize, more: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n")
    };
    let bytes = match answer {
        Answer::File(bytes) => [head("200 OK", bytes.len(), "").into_bytes(), bytes].concat(),
        Answer::Half(bytes) | Answer::Stuck(bytes) => {
            let half = bytes[..bytes.len() / 2].to_vec();
            [head("200 OK", bytes.len(), "").into_bytes(), half].concat()
        }
        Answer::Nothing => return,
        Answer::Garbage => b"\x00\x01 good morning\r\n\r\n".to_vec(),
        Answer::Redirect(to) => head("302 Found", 0, &format!("Location: {to}\r\n")).into_bytes(),
        Answer::Status(code) => head(&format!("{code} Odd"), 0, "").into_bytes(),
    };
    let _ = out.write_all(&bytes).and_then(|()| out.flush());
    if is_stuck {
        let _ = stream.read(&mut [0]);
    }
}

/// Reads the head of a request, and returns what it asks for.
fn request(stream: &mut impl BufRead) -> Option<String> {
    let mut first = String::new();
    stream.read_line(&mut first).ok()?;
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?.to_owned());
    let mut line = String::new();
    while stream.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    Some(if method == "CONNECT" { format!("CONNECT {target}") } else { target })
}
