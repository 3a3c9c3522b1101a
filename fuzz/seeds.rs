//! Inputs to begin with, made of the recorded stream: `seeds RECORDING CORPUS`.

use std::path::PathBuf;
use std::{env, fs, io};

use shared::wire::codec::FrameReader;

fn main() -> io::Result<()> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(recording), Some(corpus)) = (arguments.next(), arguments.next()) else {
        return Err(io::Error::other("usage: seeds RECORDING CORPUS"));
    };
    let recording = fs::read(recording)?;
    for target in ["frames", "messages"] {
        fs::create_dir_all(corpus.join(target))?;
    }
    let mut reader = FrameReader::new()?;
    let (mut rest, mut said, mut n) = (&*recording, Vec::new(), 0);
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (frame, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        rest = after;
        fs::write(corpus.join(format!("frames/recorded-{n}")), frame)?;
        let mut message = Vec::new();
        reader.unpack_frame(frame, &mut message).map_err(io::Error::other)?;
        if let Ok(length) = u16::try_from(message.len()) {
            said.extend(length.to_le_bytes());
            said.extend(message);
            fs::write(corpus.join(format!("messages/recorded-{n}")), &said)?;
        }
        n += 1;
    }
    Ok(())
}
