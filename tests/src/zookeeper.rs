//! Puts keys into a real ZooKeeper, by its own protocol.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

const CREATE: i32 = 1;
const NODE_EXISTS: i32 = -110;
const ALL_PERMISSIONS: i32 = 31;

/// The keys of a recorded etcd (GET /v2/keys/?recursive=true), and one of somebody else.
///
/// # Panics
/// Where the server does not take them.
pub fn load(host: &str, recording: &str) {
    let text = std::fs::read_to_string(recording).unwrap_or_else(|error| panic!("{recording}: {error}"));
    let recorded: Value = serde_json::from_str(&text).expect("a recording in JSON");
    let mut keys = vec![("/somebody/else".to_owned(), "{\"name\":1".to_owned())];
    collect(&recorded["node"], &mut keys);
    let mut stream = TcpStream::connect((host, 2181)).expect("ZooKeeper");
    send(&mut stream, &[&[0; 12][..], &10_000i32.to_be_bytes(), &[0; 8], &framed(&[0; 16])].concat());
    receive(&mut stream);
    let mut made = BTreeSet::new();
    for (key, value) in keys {
        let parents = key.match_indices('/').skip(1).map(|(at, _)| key[..at].to_owned());
        for parent in parents {
            if made.insert(parent.clone()) {
                create(&mut stream, &parent, "");
            }
        }
        create(&mut stream, &key, &value);
        made.insert(key);
    }
}

fn collect(node: &Value, keys: &mut Vec<(String, String)>) {
    if let (Some(key), Some(value)) = (node["key"].as_str(), node["value"].as_str()) {
        keys.push((key.to_owned(), value.to_owned()));
    }
    node["nodes"].as_array().into_iter().flatten().for_each(|below| collect(below, keys));
}

fn create(stream: &mut TcpStream, path: &str, value: &str) {
    let anybody =
        [&1i32.to_be_bytes()[..], &ALL_PERMISSIONS.to_be_bytes(), &framed(b"world"), &framed(b"anyone")].concat();
    let head = [1i32.to_be_bytes(), CREATE.to_be_bytes()].concat();
    send(stream, &[&head[..], &framed(path.as_bytes()), &framed(value.as_bytes()), &anybody, &[0; 4]].concat());
    let answer = receive(stream);
    let error = answer.get(12..16).and_then(|bytes| bytes.try_into().ok()).map(i32::from_be_bytes);
    assert!(matches!(error, Some(0 | NODE_EXISTS)), "{path}: {error:?}");
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    let length = i32::try_from(bytes.len()).expect("a short text");
    [&length.to_be_bytes()[..], bytes].concat()
}

fn send(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(&framed(message)).expect("ZooKeeper takes it");
}

fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("an answer");
    let mut message = vec![0; usize::try_from(i32::from_be_bytes(length)).expect("a length")];
    stream.read_exact(&mut message).expect("a whole answer");
    message
}
