//! A frame as it comes from the socket: it is read, or refused with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shared::wire::codec::FrameReader;
use shared::wire::{ToApp, ToProbe};

fuzz_target!(|frame: &[u8]| {
    if let Ok(mut reader) = FrameReader::new() {
        let _ = reader.decode::<ToApp>(frame);
    }
    if let Ok(mut reader) = FrameReader::new() {
        let _ = reader.decode::<ToProbe>(frame);
    }
});
