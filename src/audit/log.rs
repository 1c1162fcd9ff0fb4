//! A replica's own log: its segments and its checkpoints, outside Redis.
//!
//! Only appended to. A line that a kill has cut off is dropped at the next start, since nothing that
//! was signed can be in it: the segment is on disk before its checkpoint is written, and the checkpoint
//! before Redis hears of it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checkpoint::{Checkpoint, notes};
use super::edge_state::EdgeState;
use super::entry::{Line, digest, hash_of_hex};
use super::error::LogError;
use super::segment::{CHECKPOINTS, Header, PUBLIC_KEY, Start, file_name, first_of};
use super::tree::{Edge, Hash};
use super::verify::{Point, Walk, verify_own};
use super::{SEAL_EVERY, Verified};
use crate::core::DeskName;
use crate::sign::{NoteSigner, NoteVerifier};
use crate::store::{AuditEdge, Cursor};

/// Where a log lies, and who signs it.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// The directory of the segments.
    pub directory: PathBuf,
    /// Whose log it is.
    pub desk: DeskName,
    /// Who signs the checkpoints; its name is the origin of the log.
    pub signer: Arc<NoteSigner>,
    /// Whose signatures are trusted besides the signer's own: the other replicas', and its own earlier
    /// ones. Nothing that lies with the log or in Redis says whom to trust.
    pub verifiers: Vec<NoteVerifier>,
    /// How many entries a segment holds: a power of two.
    pub segment_len: u64,
}

/// A checkpoint with all that it takes to go on from it.
#[derive(Clone, Debug)]
pub(super) struct Sealed {
    pub(super) point: Point,
    pub(super) note: String,
}

/// A log that can be appended to.
pub struct Log {
    settings: LogSettings,
    /// The tree so far.
    edge: Edge,
    cursor: Cursor,
    /// The SHA-256 of what is stored at the cursor; `None` before the first entry of all.
    stored: Option<Hash>,
    /// How the next segment will begin.
    start: Start,
    output: Option<File>,
    /// Keeps every other process from writing here, for as long as it is open.
    lock: Option<File>,
    sealed: Option<Sealed>,
    /// The segments by their first entries: where each ends.
    segments: BTreeMap<u64, u64>,
    /// The roots of whole segments, and the edges that the files begin at: what proofs take besides
    /// single entries.
    pub(super) roots: BTreeMap<u64, Hash>,
    pub(super) starts: Vec<Edge>,
}

impl LogSettings {
    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> LogError + use<> {
        let directory = self.directory.display().to_string();
        move |source| LogError::File { operation, directory, source }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Whose signatures count.
    pub(super) fn trusted(&self) -> Vec<NoteVerifier> {
        let own = std::iter::once(self.signer.verifier());
        own.chain(&self.verifiers).cloned().collect()
    }

    /// Makes the directory, and writes the public key into it, for those who look for it there.
    fn prepare(&self) -> Result<(), LogError> {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(&self.directory);
        made.map_err(self.failed("make the directory"))?;
        let present = read_or_empty(&self.path(PUBLIC_KEY)).map_err(self.failed("read the key"))?;
        let present = String::from_utf8_lossy(&present).into_owned();
        let mut keys: Vec<NoteVerifier> =
            present.lines().filter_map(|line| line.parse().ok()).collect();
        let own = self.signer.verifier();
        if keys.last() != Some(own) {
            keys.retain(|key| key != own);
            keys.push(own.clone());
            let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
            fs::write(self.path(PUBLIC_KEY), text).map_err(self.failed("write the public key"))?;
        }
        Ok(())
    }

    /// The directory, locked for this process; a kill unlocks it.
    fn lock(&self) -> Result<File, LogError> {
        let lock = File::open(&self.directory).map_err(self.failed("open the directory"))?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(fs::TryLockError::WouldBlock) => {
                Err(LogError::Taken { directory: self.directory.display().to_string() })
            }
            Err(fs::TryLockError::Error(source)) => Err(self.failed("lock")(source)),
        }
    }

    fn names(&self) -> Result<Vec<String>, LogError> {
        let listed = fs::read_dir(&self.directory).map_err(self.failed("list"))?;
        let names = listed.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names = names.collect::<io::Result<Vec<_>>>().map_err(self.failed("list"))?;
        names.sort();
        Ok(names)
    }

    /// Drops what a kill has cut off.
    fn mend(&self) -> Result<(), LogError> {
        let failed = |operation| self.failed(operation);
        if let Some(last) = self.names()?.iter().rev().find(|name| first_of(name).is_some()) {
            let path = self.path(last);
            let bytes = fs::read(&path).map_err(failed("read a segment"))?;
            let is_line_end = |byte: &&u8| **byte == b'\n';
            let has_entries = bytes.iter().filter(is_line_end).nth(1).is_some();
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if !has_entries {
                fs::remove_file(&path).map_err(failed("drop a segment without entries"))?;
            } else if whole < bytes.len() {
                truncate(&path, whole).map_err(failed("drop a line that was cut off"))?;
                tracing::warn!(file = last, "dropped the end of the audit log, which was cut off");
            }
        }
        let path = self.path(CHECKPOINTS);
        let bytes = read_or_empty(&path).map_err(failed("read the checkpoints"))?;
        let (_, whole) = notes(&String::from_utf8_lossy(&bytes));
        if whole < bytes.len() {
            truncate(&path, whole).map_err(failed("drop a checkpoint that was cut off"))?;
        }
        Ok(())
    }
}

fn read_or_empty(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read,
    }
}

fn truncate(path: &Path, len: usize) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.set_len(len as u64)?;
    file.sync_all()
}

fn appending(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

impl Log {
    /// Reads the files that there are, checks them whole, and goes on with them; `None` without any.
    ///
    /// # Errors
    /// A file cannot be read or written, or is not what was signed.
    pub fn open(settings: &LogSettings) -> Result<Option<Self>, LogError> {
        settings.prepare()?;
        let lock = settings.lock()?;
        settings.mend()?;
        let path = settings.path(CHECKPOINTS);
        let checkpoints = read_or_empty(&path).map_err(settings.failed("read the checkpoints"))?;
        let mut walk = Walk::new(&checkpoints, &settings.trusted());
        let broken =
            |fault| LogError::Broken { directory: settings.directory.display().to_string(), fault };
        let mut log = Self::empty(settings, Start::Begins);
        for name in settings.names()?.iter().filter(|name| first_of(name).is_some()) {
            let bytes = fs::read(settings.path(name)).map_err(settings.failed("read a segment"))?;
            let seen = walk.segment(name, &bytes).map_err(broken)?;
            let first = seen.header.edge.size();
            log.segments.insert(first, seen.size);
            if seen.size - first == settings.segment_len {
                log.roots.insert(first, seen.root);
            }
            if seen.header.start != Start::Continues {
                log.starts.push(seen.header.edge);
            }
        }
        walk.finish().map_err(broken)?;
        let Some(point) = walk.point else { return Ok(None) };
        let text = String::from_utf8_lossy(&checkpoints);
        log.sealed = walk
            .sealed
            .zip(notes(&text).0.last())
            .map(|(point, note)| Sealed { point, note: (*note).to_owned() });
        (log.edge, log.cursor, log.stored) = (point.edge, point.cursor, Some(point.stored));
        log.start = Start::Continues;
        log.lock = Some(lock);
        if !log.edge.size().is_multiple_of(settings.segment_len) {
            let last = log.segments.keys().next_back().copied().unwrap_or_default();
            let output = appending(&settings.path(&file_name(last)));
            log.output = Some(output.map_err(settings.failed("open a segment"))?);
        }
        Ok(Some(log))
    }

    /// A log whose files begin at an edge that Redis has kept.
    ///
    /// # Errors
    /// Another process writes there.
    pub(super) fn begin(settings: &LogSettings, kept: EdgeState) -> Result<Self, LogError> {
        let mut log = Self::empty(settings, Start::Begins);
        log.lock = Some(settings.lock()?);
        log.go_to(kept);
        Ok(log)
    }

    /// Goes on from an edge that Redis has kept, since what lies between is no longer to be had.
    pub(super) fn rejoin(&mut self, kept: EdgeState) {
        self.output = None;
        self.start = Start::Rejoins;
        self.go_to(kept);
    }

    fn go_to(&mut self, kept: EdgeState) {
        self.starts.push(kept.edge.clone());
        (self.edge, self.cursor, self.stored) = (kept.edge, kept.cursor, kept.stored);
    }

    fn empty(settings: &LogSettings, start: Start) -> Self {
        Self {
            settings: settings.clone(),
            edge: Edge::default(),
            cursor: Cursor::default(),
            stored: None,
            start,
            output: None,
            lock: None,
            sealed: None,
            segments: BTreeMap::new(),
            roots: BTreeMap::new(),
            starts: Vec::new(),
        }
    }

    /// How many entries the log has, here or elsewhere.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// The root of its tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// Where the stream was read to, and the SHA-256 of what is stored there.
    #[must_use]
    pub const fn read_to(&self) -> (Cursor, Option<Hash>) {
        (self.cursor, self.stored)
    }

    pub(super) const fn sealed(&self) -> Option<&Sealed> {
        self.sealed.as_ref()
    }

    /// How many entries are signed.
    #[must_use]
    pub fn signed(&self) -> u64 {
        self.sealed.as_ref().map_or(0, |sealed| sealed.point.edge.size())
    }

    /// Adds what is stored at these places of the stream. When this returns it is on disk, and every
    /// size that is to be signed is signed. After an error the log must be opened again.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn append(&mut self, entries: &[(Cursor, Vec<u8>)]) -> Result<(), LogError> {
        let mut due = Vec::new();
        let mut lines = String::new();
        for (cursor, stored) in entries {
            if self.output.is_none() {
                self.open_segment(&mut lines)?;
            }
            let line = Line::new(self.size(), &self.settings.desk, *cursor, stored);
            lines.push_str(&line.render());
            self.edge.push(line.leaf());
            (self.cursor, self.stored) = (*cursor, Some(digest(stored)));
            if self.size().is_multiple_of(SEAL_EVERY) {
                due.extend(self.point());
            }
            if self.size().is_multiple_of(self.settings.segment_len) {
                self.write(&mut lines)?;
                self.close_segment()?;
            }
        }
        self.write(&mut lines)?;
        self.seal(&due)
    }

    /// The right edge of the tree as it would be with these entries.
    pub(super) fn edge_with(&self, entries: &[(Cursor, Vec<u8>)]) -> Edge {
        let mut edge = self.edge.clone();
        for (cursor, stored) in entries {
            edge.push(Line::new(edge.size(), &self.settings.desk, *cursor, stored).leaf());
        }
        edge
    }

    /// Signs the log as it is, if it is not signed. Where these files do not hold the last entry, it is
    /// left to whoever does: a checkpoint of entries that are not here would be taken for a loss of them.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn seal_now(&mut self) -> Result<(), LogError> {
        let last = self.segments.last_key_value();
        let is_here = last.is_some_and(|(first, end)| first < end && *end == self.size());
        let due = self.point().filter(|point| is_here && point.edge.size() > self.signed());
        self.seal(due.as_slice())
    }

    fn point(&self) -> Option<Point> {
        let stored = self.stored?;
        Some(Point { edge: self.edge.clone(), cursor: self.cursor, stored })
    }

    fn open_segment(&mut self, lines: &mut String) -> Result<(), LogError> {
        let first = self.size();
        let path = self.settings.path(&file_name(first));
        self.output = Some(appending(&path).map_err(self.settings.failed("make a segment"))?);
        let origin = self.settings.signer.name().to_owned();
        let header = Header { origin, start: self.start, edge: self.edge.clone() };
        lines.push_str(&header.render());
        self.start = Start::Continues;
        self.segments.insert(first, first);
        File::open(&self.settings.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(self.settings.failed("make a segment"))
    }

    fn write(&mut self, lines: &mut String) -> Result<(), LogError> {
        let Some(output) = &mut self.output else { return Ok(()) };
        if lines.is_empty() {
            return Ok(());
        }
        let written = output.write_all(lines.as_bytes()).and_then(|()| output.sync_data());
        written.map_err(self.settings.failed("write a segment"))?;
        lines.clear();
        let size = self.edge.size();
        if let Some(mut last) = self.segments.last_entry() {
            last.insert(size);
        }
        Ok(())
    }

    fn close_segment(&mut self) -> Result<(), LogError> {
        self.output = None;
        if let Some((&first, &end)) = self.segments.last_key_value()
            && end - first == self.settings.segment_len
        {
            let mut whole = Edge::default();
            self.leaves(first)?.into_iter().for_each(|leaf| whole.push(leaf));
            self.roots.insert(first, whole.root());
        }
        Ok(())
    }

    /// Writes the checkpoints of these points, the smallest first.
    fn seal(&mut self, due: &[Point]) -> Result<(), LogError> {
        let Some(last) = due.last().cloned() else { return Ok(()) };
        let signed = due.iter().map(|point| {
            let origin = self.settings.signer.name().to_owned();
            let (size, root) = (point.edge.size(), point.edge.root());
            Checkpoint { origin, size, root }.sign(&self.settings.signer)
        });
        let signed: Vec<String> = signed.collect();
        let path = self.settings.path(CHECKPOINTS);
        appending(&path)
            .and_then(|mut file| {
                file.write_all(signed.concat().as_bytes())?;
                file.sync_data()
            })
            .map_err(self.settings.failed("write a checkpoint"))?;
        for (point, note) in due.iter().zip(&signed) {
            // Whoever keeps the log keeps what was signed, also where these files are lost.
            tracing::info!(desk = %self.settings.desk, size = point.edge.size(), note, "checkpoint");
        }
        self.sealed = signed.into_iter().next_back().map(|note| Sealed { point: last, note });
        Ok(())
    }

    /// What was written and not signed before a kill is signed now, at the sizes that every replica
    /// signs.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub(super) fn seal_what_was_not(&mut self) -> Result<(), LogError> {
        let (signed, size) = (self.signed(), self.size());
        let due = (signed / SEAL_EVERY + 1..=size / SEAL_EVERY).map(|count| count * SEAL_EVERY);
        let mut points = Vec::new();
        for size in due {
            let Some((&first, _)) = self.segments.range(..size).next_back() else { continue };
            if first < size
                && let Some(point) = self.point_at(first, size)?
            {
                points.push(point);
            }
        }
        self.seal(&points)
    }

    /// The right edge of the tree as it was at this size; `None` where these files do not hold its last
    /// entry.
    pub(super) fn edge_at(&self, size: u64) -> Result<Option<Edge>, LogError> {
        let Some((&first, _)) = self.segments.range(..size).next_back() else { return Ok(None) };
        Ok(self.point_at(first, size)?.map(|point| point.edge))
    }

    /// The point of this size, in the segment that begins with `first`.
    fn point_at(&self, first: u64, size: u64) -> Result<Option<Point>, LogError> {
        let name = file_name(first);
        let bytes = fs::read(self.settings.path(&name));
        let bytes = bytes.map_err(self.settings.failed("read a segment"))?;
        let mut lines = bytes.split(|byte| *byte == b'\n');
        let Some(mut edge) = lines.next().and_then(Header::parse).map(|header| header.edge) else {
            return Ok(None);
        };
        for line in lines {
            let Ok((line, entry)) = Line::parse(line, edge.size()) else { break };
            edge.push(line.leaf());
            if edge.size() == size
                && let Ok(cursor) = entry.cursor.parse()
            {
                return Ok(Some(Point { edge, cursor, stored: digest(&line.stored) }));
            }
        }
        Ok(None)
    }

    /// Checks all files against the keys that are trusted here.
    ///
    /// # Errors
    /// A file cannot be read, or is not what was signed.
    pub fn verify(&self) -> Result<Verified, LogError> {
        let read = |name: &str| fs::read(self.settings.path(name));
        verify_own(&self.settings.names()?, &self.settings.trusted(), read).map_err(|fault| {
            LogError::Broken { directory: self.settings.directory.display().to_string(), fault }
        })
    }

    /// The edge for Redis, of the last checkpoint.
    pub(super) fn sealed_edge(&self) -> Option<AuditEdge> {
        self.sealed.as_ref().map(|sealed| EdgeState::of(sealed).render())
    }

    /// The first entries of the segments, the earliest first.
    pub(super) fn segments(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> + '_ {
        self.segments.iter().map(|(first, end)| (*first, *end))
    }

    /// The entries of the segment that begins with `first`.
    pub(super) fn lines(&self, first: u64) -> Result<Vec<Vec<u8>>, LogError> {
        let bytes = fs::read(self.settings.path(&file_name(first)));
        let bytes = bytes.map_err(self.settings.failed("read a segment"))?;
        let lines = bytes.split(|byte| *byte == b'\n').skip(1);
        Ok(lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect())
    }

    /// The hashes of the entries of the segment that begins with `first`.
    pub(super) fn leaves(&self, first: u64) -> Result<Vec<Hash>, LogError> {
        let hash = |line: &Vec<u8>| hash_of_hex(std::str::from_utf8(line.get(..64)?).ok()?);
        Ok(self.lines(first)?.iter().filter_map(hash).collect())
    }

    /// How many entries a whole segment has.
    pub(super) const fn segment_len(&self) -> u64 {
        self.settings.segment_len
    }

    /// That an entry is not in the files.
    pub(super) fn lacks(&self, index: u64) -> LogError {
        let missing = format!("entry {index} is not here");
        self.settings.failed("read an entry")(io::Error::new(io::ErrorKind::NotFound, missing))
    }
}
