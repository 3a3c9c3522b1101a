//! Stands in for an app and keeps what a probe says, frame by frame: the fixtures that must be read for ever.

use std::io::Write;
use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use shared::id::InstanceId;
use shared::wire::codec::{FrameReader, FrameWriter};
use shared::wire::{Ack, ToApp, ToProbe, Welcome};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

/// Writes `frames` frames of the first probe that connects, each after its length (4 bytes, big endian).
pub async fn run(listen: &str, file: &Path, frames: usize) {
    let listener = TcpListener::bind(listen).await.expect("an address to listen on");
    let (stream, _) = listener.accept().await.expect("a probe");
    let mut socket = accept_async(stream).await.expect("a websocket");
    let mut reader = FrameReader::new().expect("a decoder");
    let mut writer = FrameWriter::terse().expect("an encoder");
    let mut file = std::fs::File::create(file).expect("a file to write");
    let mut kept = 0;
    while kept < frames {
        let Some(Ok(message)) = socket.next().await else { break };
        let Message::Binary(frame) = message else { continue };
        let length = u32::try_from(frame.len()).expect("a frame of less than 4 GiB");
        file.write_all(&length.to_be_bytes()).and_then(|()| file.write_all(&frame)).expect("room on the disk");
        kept += 1;
        let answer = match reader.decode::<ToApp>(&frame).expect("a frame of this version") {
            ToApp::Hello(_) => ToProbe::Welcome(Welcome {
                app: InstanceId(Uuid::nil()),
                hostname: "recorder".into(),
                scope_version: String::new(),
                capabilities: Vec::new(),
            }),
            ToApp::Snapshot(snapshot) => ToProbe::Ack(Ack { sequence: snapshot.sequence }),
            ToApp::Delta(update) => ToProbe::Ack(Ack { sequence: update.sequence }),
            ToApp::Unknown => continue,
        };
        let frame = writer.encode(&answer).expect("a frame");
        if socket.send(Message::Binary(frame.into())).await.is_err() {
            break;
        }
    }
    println!("{kept} frames");
}
