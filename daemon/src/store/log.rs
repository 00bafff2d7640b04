//! The write-ahead log beside a database file, looked at before SQLite reads it: SQLite takes the first frame that is wrong for
//! the end of the log, and what was committed after it would be lost without a word. Nothing here changes it.
//!
//! A log may end in frames that never got to the disk, when the power went; but no transaction is begun before the one
//! before it is on disk. So what is wrong before a commit that something continues was right once. Leftovers of attempts that
//! could not be synced may stand there, too: they do not continue each other. (The format: SQLite's `fileformat2.html`,
//! section 4.) A log that was cut off, or damaged in what was committed last, ends there for everybody: that is not seen.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::tx::StoreError;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// Where the header does not say.
const USUAL_PAGE_BYTES: usize = 4096;
/// With the last bit set, checksums are made of big-endian numbers.
const MAGIC: u32 = 0x377f_0682;

/// What frames are judged by.
struct Log {
    is_big_endian: bool,
    sums: (u32, u32),
    /// Of this generation; `None`: the header is wrong.
    salts: Option<Vec<u8>>,
}

/// One frame as it stands there.
struct Frame {
    header: Vec<u8>,
    page: Vec<u8>,
}

/// Refuses a log of which something in the middle is wrong.
pub(super) fn inspect(database: &Path) -> Result<(), StoreError> {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    // What cannot be read SQLite complains of.
    let Ok(file) = File::open(name) else { return Ok(()) };
    let mut file = BufReader::new(file);
    let Some(header) = take(&mut file, HEADER_BYTES) else { return Ok(()) };
    let said = usize::try_from(number(&header, 8)).unwrap_or(0);
    let page_bytes = if (512..=65_536).contains(&said) { said } else { USUAL_PAGE_BYTES };
    let mut log = Log::new(&header);
    let mut frames = std::iter::from_fn(|| Frame::read(&mut file, page_bytes)).peekable();
    while frames.next_if(|frame| log.takes(frame)).is_some() {}
    let (mut salts, mut was_committed) = (log.salts.clone().unwrap_or_default(), false);
    for frame in frames {
        if frame.salts() != salts {
            if log.salts.is_some() {
                continue;
            }
            // Which generation it is only the frames can say.
            (salts, was_committed) = (frame.salts().to_vec(), false);
        }
        if log.adds(&frame) && was_committed {
            return Err(StoreError::Damaged("its write-ahead log, postern.db-wal".to_owned()));
        }
        was_committed = frame.is_commit();
        log.sums = frame.sums();
    }
    Ok(())
}

impl Log {
    fn new(header: &[u8]) -> Self {
        let is_big_endian = number(header, 0) & 1 == 1;
        let mut log = Self { is_big_endian, sums: (0, 0), salts: None };
        log.add(header.get(..24).unwrap_or_default());
        if number(header, 0) & !1 == MAGIC && log.sums == (number(header, 24), number(header, 28)) {
            log.salts = header.get(16..24).map(<[u8]>::to_vec);
        } else {
            log.is_big_endian = cfg!(target_endian = "big");
        }
        log
    }

    /// Whether the frame continues the log.
    fn takes(&mut self, frame: &Frame) -> bool {
        let before = self.sums;
        let is_next = self.salts.as_deref() == Some(frame.salts()) && self.adds(frame);
        if !is_next {
            self.sums = before;
        }
        is_next
    }

    /// Adds a frame, and says whether that makes what the frame says.
    fn adds(&mut self, frame: &Frame) -> bool {
        self.add(frame.header.get(..8).unwrap_or_default());
        self.add(&frame.page);
        self.sums == frame.sums()
    }

    fn add(&mut self, bytes: &[u8]) {
        let read = if self.is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes };
        let (words, _) = bytes.as_chunks::<4>();
        for pair in words.chunks_exact(2) {
            let &[first, second] = pair else { continue };
            self.sums.0 = self.sums.0.wrapping_add(read(first)).wrapping_add(self.sums.1);
            self.sums.1 = self.sums.1.wrapping_add(read(second)).wrapping_add(self.sums.0);
        }
    }
}

impl Frame {
    fn read(file: &mut impl Read, page_bytes: usize) -> Option<Self> {
        let header = take(file, FRAME_HEADER_BYTES)?;
        Some(Self { header, page: take(file, page_bytes)? })
    }

    fn salts(&self) -> &[u8] {
        self.header.get(8..16).unwrap_or_default()
    }

    fn sums(&self) -> (u32, u32) {
        (number(&self.header, 16), number(&self.header, 20))
    }

    fn is_commit(&self) -> bool {
        number(&self.header, 4) > 0
    }
}

/// So many bytes; `None`: there are not so many any more.
fn take(file: &mut impl Read, count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    file.read_exact(&mut bytes).ok().map(|()| bytes)
}

/// The number at a place, as the format writes all of them.
fn number(bytes: &[u8], at: usize) -> u32 {
    let found = bytes.get(at..).and_then(<[u8]>::first_chunk);
    found.map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::fixtures::a_person;
    use crate::store::Store;

    const FRAME: usize = FRAME_HEADER_BYTES + 4096;

    /// A database as a killed daemon leaves it, with its log.
    fn a_database() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("running.db")).unwrap();
        for number in 0..50 {
            store.write_blocking(|tx| Ok::<_, StoreError>(a_person(tx, &format!("user{number}")))).unwrap();
        }
        let path = dir.path().join("postern.db");
        fs::copy(dir.path().join("running.db"), &path).unwrap();
        let log = fs::read(dir.path().join("running.db-wal")).unwrap();
        assert!(log.len() > HEADER_BYTES + 50 * FRAME);
        (dir, path, log)
    }

    fn judged(path: &Path, log: &[u8]) -> Result<(), StoreError> {
        fs::write(path.with_extension("db-wal"), log).unwrap();
        inspect(path)
    }

    #[test]
    fn whatever_is_wrong_amid_what_was_committed_is_refused() {
        let (_dir, path, log) = a_database();
        judged(&path, &log).unwrap();
        let middle = HEADER_BYTES + 20 * FRAME;
        for (at, length) in
            [(middle, 4096), (middle + 30, 1), (middle + 4, 1), (0, 4096), (17, 1), (4, 1), (8, 4)]
        {
            let mut harmed = log.clone();
            harmed[at..at + length].iter_mut().for_each(|byte| *byte ^= 0xa5);
            let refused = judged(&path, &harmed);
            assert!(matches!(refused, Err(StoreError::Damaged(_))), "{at} {length}");
            assert!(Store::open(&path).is_err(), "{at} {length}");
            assert_eq!(fs::read(path.with_extension("db-wal")).unwrap(), harmed, "it was changed");
        }
    }

    #[test]
    fn a_log_that_ends_amid_a_transaction_is_taken() {
        let (_dir, path, log) = a_database();
        let frames = (log.len() - HEADER_BYTES) / FRAME;
        let commits = (0..frames).filter(|frame| number(&log, HEADER_BYTES + frame * FRAME + 4) > 0);
        let last_two: Vec<usize> = commits.collect::<Vec<_>>().into_iter().rev().take(2).collect();
        // What the power took of the last transaction: any of its frames.
        for lost in last_two[1] + 1..=last_two[0] {
            let mut torn = log.clone();
            let at = HEADER_BYTES + lost * FRAME;
            torn[at..at + FRAME].fill(0);
            judged(&path, &torn).unwrap();
            judged(&path, &log[..at + 100]).unwrap();
        }
        for short in [0, 10, HEADER_BYTES] {
            judged(&path, &log[..short]).unwrap();
        }
    }

    /// A commit that could not be synced stays there, and shorter attempts after it write over its beginning only.
    #[test]
    fn what_attempts_left_that_were_never_synced_is_no_damage() {
        let (_dir, path, log) = a_database();
        let frames: Vec<&[u8]> =
            log[HEADER_BYTES..].as_chunks::<FRAME>().0.iter().map(|frame| &frame[..]).collect();
        let commits: Vec<usize> = (0..frames.len()).filter(|at| number(frames[*at], 4) > 0).collect();
        let [valid, shorter, longer] = [commits[5], commits[8], commits[11]];
        let mut left = log[..HEADER_BYTES + (valid + 1) * FRAME].to_vec();
        left.extend([frames[shorter], frames[longer - 1], frames[longer]].concat());
        judged(&path, &left).unwrap();
    }

    #[test]
    fn what_an_older_generation_left_behind_is_no_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postern.db");
        let store = Store::open(&path).unwrap();
        let person = |number: u32| {
            store.write_blocking(|tx| Ok::<_, StoreError>(a_person(tx, &format!("user{number}")))).unwrap();
        };
        (0..50).for_each(person);
        let other = rusqlite::Connection::open(&path).unwrap();
        other.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())).unwrap();
        let before = fs::read(path.with_extension("db-wal")).unwrap();
        (50..55).for_each(person);
        let after = fs::read(path.with_extension("db-wal")).unwrap();
        assert!(before[..HEADER_BYTES] != after[..HEADER_BYTES] && before.len() == after.len());
        inspect(&path).unwrap();
    }
}
