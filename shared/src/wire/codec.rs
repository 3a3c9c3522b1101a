//! Frames: a version byte, then MessagePack with named fields, compressed by one zstd stream per connection and
//! direction that is flushed at the end of each message.
//!
//! Named fields let an old probe talk to a new app and the other way round. One stream per connection lets every
//! message refer to the ones before it; the small window (128 KiB) keeps a context at 0.6 MB on the reading side.

use std::cell::RefCell;
use std::{fmt, io};

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use zstd::stream::raw::{CParameter, DParameter, Decoder, Encoder, InBuffer, Operation, OutBuffer};

use super::{DECODED_BYTES_MAX, ENCODED_BYTES_MAX, Message, VERSION};

const LEVEL: i32 = 1;
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
        let mut frame = vec![VERSION];
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
}

/// What one step of a stream gives lies here until it is put where it belongs: most messages are much shorter.
const STEP_BYTES: usize = 32 << 10;
thread_local! {
    static STEP: RefCell<Box<[u8]>> = RefCell::new(vec![0; STEP_BYTES].into());
}

/// A message that was unpacked lies here until it is read. An app has hundreds of connections and few threads.
const KEPT_BYTES_MAX: usize = 1 << 20;
thread_local! {
    static UNPACKED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl FrameReader {
    pub fn new() -> io::Result<Self> {
        let mut stream = Decoder::new()?;
        stream.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        Ok(Self { stream })
    }

    /// After an error the stream cannot be trusted any more: close the connection.
    pub fn decode<T: Message>(&mut self, frame: &[u8]) -> Result<T, DecodeError> {
        UNPACKED.with_borrow_mut(|plain| {
            plain.clear();
            let message = self.unpack_frame(frame, plain).and_then(|()| read(plain));
            // One large snapshot must not keep its buffer for ever.
            plain.shrink_to(KEPT_BYTES_MAX);
            message
        })
    }

    /// Appends the message as MessagePack.
    pub fn unpack_frame(&mut self, frame: &[u8], plain: &mut Vec<u8>) -> Result<(), DecodeError> {
        if frame.len() > ENCODED_BYTES_MAX {
            return Err(DecodeError::TooLarge(frame.len()));
        }
        let (&version, body) = frame.split_first().ok_or(DecodeError::Empty)?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        self.unpack(body, plain)
    }

    fn unpack(&mut self, body: &[u8], plain: &mut Vec<u8>) -> Result<(), DecodeError> {
        let mut input = InBuffer::around(body);
        loop {
            let before = (input.pos(), plain.len());
            step(plain, |out| self.stream.run(&mut input, out).map(|_| ())).map_err(DecodeError::Compression)?;
            if plain.len() > DECODED_BYTES_MAX {
                return Err(DecodeError::Bomb);
            }
            if (input.pos(), plain.len()) == before {
                return Ok(());
            }
        }
    }
}

/// Reads what was unpacked. A message of a kind that this side does not know is `T::UNKNOWN`, whatever it carries.
pub fn read<T: Message>(plain: &[u8]) -> Result<T, DecodeError> {
    rmp_serde::from_slice(plain).or_else(|error| match rmp_serde::from_slice::<Kind>(plain) {
        Ok(Kind(kind)) if !T::KINDS.contains(&kind.as_str()) => Ok(T::UNKNOWN),
        _ => Err(error.into()),
    })
}

/// The name of a message's kind; what it carries is skipped, but must be whole.
struct Kind(String);

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Name;
        impl<'de> Visitor<'de> for Name {
            type Value = Kind;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a kind of message, alone or with what it carries")
            }

            fn visit_str<E>(self, name: &str) -> Result<Kind, E> {
                Ok(Kind(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
                let entry: Option<(String, IgnoredAny)> = map.next_entry()?;
                entry.map(|(name, _)| Kind(name)).ok_or_else(|| A::Error::custom("no kind"))
            }
        }
        from.deserialize_any(Name)
    }
}

/// Runs one step of a stream and puts what it gives at the end of `buffer`.
fn step(buffer: &mut Vec<u8>, run: impl FnOnce(&mut OutBuffer<'_, [u8]>) -> io::Result<()>) -> io::Result<()> {
    STEP.with_borrow_mut(|room| {
        let mut out = OutBuffer::around(&mut room[..]);
        let result = run(&mut out);
        buffer.extend_from_slice(out.as_slice());
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::Delta;
    use crate::id::ProcessId;
    use crate::id::{HostId, InstanceId};
    use crate::report::{Collector, CollectorStatus, Process};
    use crate::wire::{Ack, Hello, Refused, Snapshot, Stamp, ToApp, ToProbe, Update, Welcome};
    use proptest::prelude::*;
    use uuid::Uuid;

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
        let error = FrameReader::new().unwrap().decode::<ToApp>(&frame).unwrap_err();
        assert!(matches!(error, DecodeError::Bomb), "{error}");
    }

    #[test]
    fn a_message_and_a_kind_from_the_future_are_read_as_unknown() {
        #[derive(Serialize)]
        enum Future {
            Teleport,
            Warp { factor: u8, crew: Vec<String> },
            Delta(u8),
        }
        #[derive(Serialize)]
        struct NewStatus<'a> {
            state: &'a str,
            shiny: u8,
        }
        let (mut writer, mut reader) = (FrameWriter::new().unwrap(), FrameReader::new().unwrap());
        for message in [Future::Teleport, Future::Warp { factor: 9, crew: vec!["a".into()] }] {
            let frame = writer.encode(&message).unwrap();
            assert_eq!(reader.decode::<ToApp>(&frame).unwrap(), ToApp::Unknown);
            let frame = writer.encode(&message).unwrap();
            assert_eq!(reader.decode::<ToProbe>(&frame).unwrap(), ToProbe::Unknown);
        }
        let frame = writer.encode(&Future::Delta(1)).unwrap();
        assert!(reader.decode::<ToApp>(&frame).is_err(), "a known kind that carries nonsense is no unknown one");
        assert_eq!(reader.decode::<ToApp>(&writer.encode(&snapshot(1)).unwrap()).unwrap(), snapshot(1), "and goes on");
        let bytes = rmp_serde::to_vec_named(&("sonar", NewStatus { state: "warp", shiny: 1 })).unwrap();
        let (collector, status): (Collector, CollectorStatus) = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(collector, Collector::Unknown);
        assert_eq!(status.state, crate::report::CollectorState::Unknown);
    }

    #[test]
    fn the_kinds_that_are_known_are_all_of_them() {
        let hello = Hello {
            host: HostId(Uuid::nil()),
            instance: InstanceId(Uuid::nil()),
            hostname: String::new(),
            scope_version: String::new(),
            token: String::new(),
            capabilities: Vec::new(),
            publish_interval_ms: 0,
        };
        fn kind<T: Serialize>(message: &T) -> String {
            rmp_serde::from_slice::<Kind>(&rmp_serde::to_vec_named(message).unwrap()).unwrap().0
        }
        let update = Update { sequence: 2, at: Stamp::default(), delta: Delta::default() };
        let to_app = [ToApp::Hello(hello), snapshot(1), ToApp::Delta(update)].map(|message| kind(&message));
        assert_eq!(to_app, *ToApp::KINDS);
        let welcome = Welcome {
            app: InstanceId(Uuid::nil()),
            hostname: String::new(),
            scope_version: String::new(),
            capabilities: Vec::new(),
        };
        let refused = Refused { reason: String::new() };
        let to_probe = [ToProbe::Welcome(welcome), ToProbe::Refused(refused), ToProbe::Ack(Ack { sequence: 1 })];
        let to_probe: Vec<String> = to_probe.iter().map(kind).chain([kind(&ToProbe::Resync)]).collect();
        assert_eq!(to_probe, ToProbe::KINDS);
    }

    #[test]
    fn a_field_from_the_future_is_skipped_and_a_missing_one_has_its_default() {
        #[derive(Serialize, Deserialize)]
        struct Old {
            name: String,
            novelty: u32,
        }
        let bytes = rmp_serde::to_vec_named(&Old { name: "x".into(), novelty: 1 }).unwrap();
        let process: Process = rmp_serde::from_slice(&bytes).unwrap();
        assert_eq!(process, Process { name: "x".into(), ..Process::default() });
    }

    #[test]
    fn an_empty_delta_is_small() {
        let update: ToApp = ToApp::Delta(Update { sequence: 2, at: Stamp::default(), delta: Delta::default() });
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
