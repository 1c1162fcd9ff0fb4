//! The hashes that a proof takes, from the files of a log.

use std::ops::Range;

use super::error::LogError;
use super::log::Log;
use super::tree::{Hash, Hashes};

/// The hashes of a log for one proof: the segment that was read last is kept.
pub(super) struct LogHashes<'l> {
    log: &'l Log,
    read: Option<(u64, Vec<Hash>)>,
}

impl<'l> LogHashes<'l> {
    pub(super) const fn new(log: &'l Log) -> Self {
        Self { log, read: None }
    }
}

impl Hashes for LogHashes<'_> {
    type Error = LogError;

    fn known(&self, entries: &Range<u64>) -> Option<Hash> {
        let whole = self.log.roots.get(&entries.start);
        let is_whole = entries.end - entries.start == self.log.segment_len();
        let at_a_start = || self.log.starts.iter().find_map(|edge| edge.perfect(entries));
        whole.copied().filter(|_| is_whole).or_else(at_a_start)
    }

    fn leaf(&mut self, index: u64) -> Result<Hash, LogError> {
        let lacks = || self.log.lacks(index);
        let (first, _) =
            self.log.segments().rev().find(|(first, _)| *first <= index).ok_or_else(lacks)?;
        if self.read.as_ref().is_none_or(|(read, _)| *read != first) {
            self.read = Some((first, self.log.leaves(first)?));
        }
        let offset = usize::try_from(index - first).unwrap_or(usize::MAX);
        let leaf = self.read.as_ref().and_then(|(_, leaves)| leaves.get(offset).copied());
        leaf.ok_or_else(lacks)
    }
}
