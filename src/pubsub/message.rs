//! A message as its receivers get it: encoded once for each version of the protocol that one of them speaks.

use bytes::Bytes;

use crate::protocol::{Reply, Version};

/// A push of so many words, in both versions of the protocol.
pub struct Message<'a, const N: usize> {
    words: [&'a [u8]; N],
    encoded: [Option<Bytes>; 2],
}

impl<'a, const N: usize> Message<'a, N> {
    /// One of these words.
    pub fn new(words: [&'a [u8]; N]) -> Message<'a, N> {
        Message {
            words,
            encoded: [None, None],
        }
    }

    /// Its bytes in a version.
    pub fn bytes(&mut self, version: Version) -> Bytes {
        let bytes = &mut self.encoded[usize::from(version == Version::Resp3)];
        let words = &self.words;
        bytes.get_or_insert_with(|| encode(words, version)).clone()
    }
}

/// What a word's length and line ends take at most, in bytes.
const FRAME: usize = 24;

fn encode(words: &[&[u8]], version: Version) -> Bytes {
    let room = words.iter().map(|word| word.len() + FRAME).sum();
    let mut bytes = Vec::with_capacity(room);
    let mut push = Reply::new(&mut bytes, version);
    push.push(words.len());
    words.iter().for_each(|word| push.bulk(word));
    bytes.into()
}
