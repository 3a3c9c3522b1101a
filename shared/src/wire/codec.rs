//! Frames: a version byte, then MessagePack with named fields, compressed by one zstd stream per connection and
//! direction that is flushed at the end of each message.
//!
//! Named fields let an old probe talk to a new app and the other way round. One stream per connection lets every
//! message refer to the ones before it; the small window (128 KiB) keeps a context at 0.6 MB on the reading side.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use zstd::stream::raw::{CParameter, DParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

use super::{DECODED_BYTES_MAX, ENCODED_BYTES_MAX, VERSION};

const LEVEL: i32 = 3;
const WINDOW_LOG: u32 = 17;

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("frame of {0} bytes is larger than the {ENCODED_BYTES_MAX} that are allowed")]
    TooLarge(usize),
    #[error("frame is empty")]
    Empty,
    #[error("frame has version {0}, this side speaks {VERSION}")]
    Version(u8),
    #[error("frame does not decompress: {0}")]
    Compression(io::Error),
    #[error("frame decompresses to more than {DECODED_BYTES_MAX} bytes")]
    Bomb,
    #[error("frame ends in the middle of a message: {0}")]
    Message(#[from] rmp_serde::decode::Error),
}

#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    #[error("message does not encode: {0}")]
    Message(#[from] rmp_serde::encode::Error),
    #[error("message does not compress: {0}")]
    Compression(#[from] io::Error),
}

/// The sending half of one connection.
pub struct FrameWriter {
    stream: Encoder<'static>,
    plain: Vec<u8>,
}

impl FrameWriter {
    pub fn new() -> io::Result<Self> {
        Self::with(LEVEL, WINDOW_LOG)
    }

    /// For a side that says little: a small context (an app holds one for each probe), the same format.
    pub fn terse() -> io::Result<Self> {
        Self::with(1, 10)
    }

    fn with(level: i32, window_log: u32) -> io::Result<Self> {
        let mut stream = Encoder::new(level)?;
        stream.set_parameter(CParameter::WindowLog(window_log))?;
        Ok(Self { stream, plain: Vec::new() })
    }

    pub fn encode<T: Serialize>(&mut self, message: &T) -> Result<Vec<u8>, EncodeError> {
        self.plain.clear();
        rmp_serde::encode::write_named(&mut self.plain, message)?;
        let mut frame = Vec::with_capacity(256 + self.plain.len() / 4);
        frame.push(VERSION);
        let mut input = InBuffer::around(&self.plain);
        while input.pos() < self.plain.len() {
            step(&mut frame, |out| self.stream.run(&mut input, out).map(|_| ()))?;
        }
        loop {
            let mut left = 0;
            step(&mut frame, |out| {
                left = self.stream.flush(out)?;
                Ok(())
            })?;
            if left == 0 {
                break;
            }
        }
        // One large snapshot must not keep its buffer for the rest of the connection.
        self.plain.shrink_to(64 << 10);
        Ok(frame)
    }
}

/// The receiving half of one connection.
pub struct FrameReader {
    stream: Decoder<'static>,
    plain: Vec<u8>,
}

impl FrameReader {
    pub fn new() -> io::Result<Self> {
        let mut stream = Decoder::new()?;
        stream.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { stream, plain: Vec::new() })
    }

    /// After an error the stream cannot be trusted any more: close the connection.
    pub fn decode<T: DeserializeOwned>(&mut self, frame: &[u8]) -> Result<T, DecodeError> {
        if frame.len() > ENCODED_BYTES_MAX {
            return Err(DecodeError::TooLarge(frame.len()));
        }
        let (&version, body) = frame.split_first().ok_or(DecodeError::Empty)?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        self.plain.clear();
        let mut input = InBuffer::around(body);
        loop {
            let before = (input.pos(), self.plain.len());
            step(&mut self.plain, |out| self.stream.run(&mut input, out).map(|_| ()))
                .map_err(DecodeError::Compression)?;
            if self.plain.len() > DECODED_BYTES_MAX {
                return Err(DecodeError::Bomb);
            }
            if (input.pos(), self.plain.len()) == before {
                break;
            }
        }
        let message = rmp_serde::from_slice(&self.plain);
        self.plain.shrink_to(64 << 10);
        Ok(message?)
    }
}

/// Runs one step of a stream with some room at the end of `buffer`.
fn step(buffer: &mut Vec<u8>, run: impl FnOnce(&mut OutBuffer<'_, [u8]>) -> io::Result<()>) -> io::Result<()> {
    const ROOM: usize = 32 << 10;
    let start = buffer.len();
    buffer.resize(start + ROOM, 0);
    let mut out = OutBuffer::around(&mut buffer[start..]);
    let result = run(&mut out);
    let written = out.pos();
    buffer.truncate(start + written);
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::Delta;
    use crate::id::ProcessId;
    use crate::report::{Collector, CollectorStatus, Process};
    use crate::wire::{Snapshot, Stamp, ToApp, Update};
    use proptest::prelude::*;
    use serde::Deserialize;

    fn snapshot(processes: u32) -> ToApp {
        let mut report = crate::Report::default();
        for pid in 0..processes {
            let process = Process { name: format!("p{pid}"), ..Process::default() };
            report.processes.insert(ProcessId { pid, start: 7 }, process);
        }
        report.collectors.insert(Collector::Docker, CollectorStatus::default());
        ToApp::Snapshot(Snapshot { sequence: 1, at: Stamp::default(), report })
    }

    #[test]
    fn messages_of_one_connection_decode_in_their_order() {
        let (mut writer, mut reader) = (FrameWriter::new().unwrap(), FrameReader::new().unwrap());
        for count in [0, 1, 5_000, 3] {
            let message = snapshot(count);
            let frame = writer.encode(&message).unwrap();
            assert_eq!(reader.decode::<ToApp>(&frame).unwrap(), message);
        }
    }

    #[test]
    fn a_terse_side_is_understood() {
        let (mut writer, mut reader) = (FrameWriter::terse().unwrap(), FrameReader::new().unwrap());
        for count in [1, 2_000, 1] {
            let frame = writer.encode(&snapshot(count)).unwrap();
            assert_eq!(reader.decode::<ToApp>(&frame).unwrap(), snapshot(count));
        }
    }

    #[test]
    fn a_truncated_frame_is_an_error() {
        let frame = FrameWriter::new().unwrap().encode(&snapshot(100)).unwrap();
        for length in [0, 1, 2, frame.len() / 2, frame.len() - 1] {
            assert!(FrameReader::new().unwrap().decode::<ToApp>(&frame[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn a_frame_of_another_version_is_named_as_such() {
        let mut frame = FrameWriter::new().unwrap().encode(&snapshot(1)).unwrap();
        frame[0] = 9;
        let error = FrameReader::new().unwrap().decode::<ToApp>(&frame).unwrap_err();
        assert!(matches!(error, DecodeError::Version(9)), "{error}");
    }

    #[test]
    fn a_frame_that_unpacks_without_bound_is_refused() {
        let mut writer = FrameWriter::new().unwrap();
        let frame = writer.encode(&vec![0u8; DECODED_BYTES_MAX + 1]).unwrap();
        let error = FrameReader::new().unwrap().decode::<Vec<u8>>(&frame).unwrap_err();
        assert!(matches!(error, DecodeError::Bomb), "{error}");
    }

    #[test]
    fn a_message_and_a_kind_from_the_future_are_read_as_unknown() {
        #[derive(Serialize)]
        enum Future {
            Teleport,
        }
        #[derive(Serialize)]
        struct NewStatus<'a> {
            state: &'a str,
            shiny: u8,
        }
        let frame = FrameWriter::new().unwrap().encode(&Future::Teleport).unwrap();
        assert_eq!(FrameReader::new().unwrap().decode::<ToApp>(&frame).unwrap(), ToApp::Unknown);
        let frame = FrameWriter::new().unwrap().encode(&("ebpf", NewStatus { state: "warp", shiny: 1 })).unwrap();
        let (collector, status): (Collector, CollectorStatus) = FrameReader::new().unwrap().decode(&frame).unwrap();
        assert_eq!(collector, Collector::Unknown);
        assert_eq!(status.state, crate::report::CollectorState::Unknown);
    }

    #[test]
    fn a_field_from_the_future_is_skipped_and_a_missing_one_has_its_default() {
        #[derive(Serialize, Deserialize)]
        struct Old {
            name: String,
            novelty: u32,
        }
        let frame = FrameWriter::new().unwrap().encode(&Old { name: "x".into(), novelty: 1 }).unwrap();
        let process: Process = FrameReader::new().unwrap().decode(&frame).unwrap();
        assert_eq!(process, Process { name: "x".into(), ..Process::default() });
    }

    #[test]
    fn an_empty_delta_is_small() {
        let update = ToApp::Delta(Update { sequence: 2, at: Stamp::default(), delta: Delta::default() });
        assert!(FrameWriter::new().unwrap().encode(&update).unwrap().len() < 100);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut frame = vec![VERSION];
            frame.extend(bytes);
            let _ = FrameReader::new().unwrap().decode::<ToApp>(&frame);
        }
    }
}
