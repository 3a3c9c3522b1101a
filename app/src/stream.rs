//! Numbered deltas of a view, made once and shared by all who follow it.

use std::sync::Arc;

use shared::view::{Status, StreamDelta};
use tokio::sync::mpsc;

/// A reader that is this many messages behind is told the whole view anew instead.
const QUEUE: usize = 32;

/// One message, as it goes to every reader's socket.
pub type Text = Arc<str>;

pub struct Subscriber {
    queue: mpsc::Sender<Text>,
    lagging: bool,
}

/// Everybody who follows one view.
#[derive(Default)]
pub struct Stream {
    subscribers: Vec<Subscriber>,
    sequence: u64,
}

impl Stream {
    /// The new reader's first message is `reset`.
    pub fn subscribe(&mut self, reset: StreamDelta, now_ms: u64) -> mpsc::Receiver<Text> {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let text = encode(reset, self.sequence, now_ms);
        let _ = queue.try_send(text);
        self.subscribers.push(Subscriber { queue, lagging: false });
        receiver
    }

    pub fn has_subscribers(&mut self) -> bool {
        self.subscribers.retain(|subscriber| !subscriber.queue.is_closed());
        !self.subscribers.is_empty()
    }

    pub fn len(&self) -> usize {
        self.subscribers.len()
    }

    pub fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }

    /// Sends a delta to all. Whoever could not take the last ones gets the whole view once there is room.
    pub fn publish(&mut self, delta: Option<StreamDelta>, now_ms: u64, reset: impl Fn() -> StreamDelta) {
        let text = delta.map(|delta| {
            self.sequence += 1;
            encode(delta, self.sequence, now_ms)
        });
        let mut whole: Option<Text> = None;
        for subscriber in &mut self.subscribers {
            if subscriber.lagging {
                // Only once the reader has taken everything: it must not fall behind again at once.
                if subscriber.queue.capacity() < QUEUE {
                    continue;
                }
                let whole = whole.get_or_insert_with(|| encode(reset(), self.sequence, now_ms));
                subscriber.lagging = subscriber.queue.try_send(whole.clone()).is_err();
            } else if let Some(text) = &text {
                subscriber.lagging = subscriber.queue.try_send(text.clone()).is_err();
            }
        }
    }

    pub fn status(&mut self, status: &Status, now_ms: u64) {
        let delta = StreamDelta { status: Some(status.clone()), ..StreamDelta::default() };
        self.publish(Some(delta), now_ms, StreamDelta::default);
    }
}

fn encode(mut delta: StreamDelta, sequence: u64, now_ms: u64) -> Text {
    delta.sequence = sequence;
    delta.at = now_ms;
    serde_json::to_string(&delta).unwrap_or_else(|_| "{}".into()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(text: &str) -> (u64, bool) {
        let delta: StreamDelta = serde_json::from_str(text).unwrap();
        (delta.sequence, delta.reset)
    }

    #[test]
    fn all_readers_get_the_same_numbered_message() {
        let mut stream = Stream::default();
        let reset = || StreamDelta { reset: true, ..StreamDelta::default() };
        let mut a = stream.subscribe(reset(), 0);
        let mut b = stream.subscribe(reset(), 0);
        stream.publish(Some(StreamDelta { gone: vec![1], ..StreamDelta::default() }), 5, reset);
        for reader in [&mut a, &mut b] {
            assert_eq!(sequence(&reader.try_recv().unwrap()), (0, true));
            assert_eq!(sequence(&reader.try_recv().unwrap()), (1, false));
        }
    }

    #[test]
    fn a_reader_that_falls_behind_is_told_everything_anew_and_costs_no_more_memory() {
        let mut stream = Stream::default();
        let reset = || StreamDelta { reset: true, ..StreamDelta::default() };
        let mut slow = stream.subscribe(reset(), 0);
        for _ in 0..QUEUE * 3 {
            stream.publish(Some(StreamDelta { gone: vec![1], ..StreamDelta::default() }), 0, reset);
        }
        let mut taken = 0;
        while slow.try_recv().is_ok() {
            taken += 1;
        }
        assert_eq!(taken, QUEUE);
        stream.publish(None, 0, reset);
        assert_eq!(sequence(&slow.try_recv().unwrap()), (QUEUE as u64 * 3, true));
        stream.publish(Some(StreamDelta::default()), 0, reset);
        assert_eq!(sequence(&slow.try_recv().unwrap()), (QUEUE as u64 * 3 + 1, false));
    }

    #[test]
    fn a_reader_that_went_is_forgotten() {
        let mut stream = Stream::default();
        let reader = stream.subscribe(StreamDelta::default(), 0);
        assert!(stream.has_subscribers());
        drop(reader);
        assert!(!stream.has_subscribers());
    }
}
