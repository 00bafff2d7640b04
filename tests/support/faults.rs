//! Faults of the program under test: it is started with `faults.c` in front of the C library, and does there what stands
//! in a file that this writes, from one moment to the next. The program itself is the one that is shipped.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::rig::program;

/// Calls that are counted, can fail, and at which the program can end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// `fsync`, `fdatasync`: around every commit, and where files are replaced.
    Sync,
    /// Where files are replaced, mails in a folder among them.
    Rename,
    /// Where files are removed.
    Remove,
    /// Writes to files: the database and its log, keys, locations.
    Write,
    /// What the kernel is told.
    Netlink,
    /// Answers to clients and administrators, and what is said to a mail server.
    Answer,
}

impl Place {
    pub(crate) const ALL: [Self; 6] =
        [Self::Sync, Self::Rename, Self::Remove, Self::Write, Self::Netlink, Self::Answer];

    fn number(self) -> u64 {
        Self::ALL.iter().position(|place| *place == self).unwrap().try_into().unwrap()
    }
}

/// On which side of a call the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

// Where what stands in `struct board`.
const CLOCK: u64 = 0;
const KILL_AT: u64 = 8;
const KILL_AFTER: u64 = 12;
const COUNTDOWN: u64 = 16;
const ERRORS: u64 = 20;
const CALLS: u64 = 44;
const NO_WIREGUARD: u64 = 68;
const ONLY_CHANGES: u64 = 72;
const LENGTH: u64 = 80;

/// The library, and the file of wishes.
pub(crate) struct Faults {
    board: File,
    before: Vec<String>,
}

impl Faults {
    /// Builds the library into a folder; `None` where there is no C compiler.
    pub(crate) fn new(dir: &Path) -> Option<Self> {
        let (library, path) = (dir.join("faults.so"), dir.join("faults"));
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/support/faults.c");
        let mut cc = program("cc");
        cc.args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source);
        let built = cc.output().ok()?;
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let board = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        board.set_len(LENGTH).unwrap();
        let said = |name: &str, path: &Path| format!("{name}={}", path.display());
        let before = vec!["env".to_owned(), said("LD_PRELOAD", &library), said("FAULTS", &path)];
        let faults = Self { board, before };
        faults.live();
        Some(faults)
    }

    /// The program that starts the one under test.
    pub(crate) fn through(&self) -> Vec<&str> {
        self.before.iter().map(String::as_str).collect()
    }

    /// The program ends at the `countdown`th call from now on, counted from 1.
    pub(crate) fn die(&self, place: Place, side: Side, countdown: u32) {
        self.put(COUNTDOWN, &countdown.to_ne_bytes());
        self.put(KILL_AFTER, &i32::from(side == Side::After).to_ne_bytes());
        self.put(KILL_AT, &u32::try_from(place.number()).unwrap().to_ne_bytes());
    }

    /// It does not end any more.
    pub(crate) fn live(&self) {
        self.put(KILL_AT, &(-1i32).to_ne_bytes());
    }

    /// From now on these calls fail; without an error they succeed again.
    pub(crate) fn fail(&self, place: Place, error: Option<nix::errno::Errno>) {
        let number = error.and_then(|error| std::io::Error::from(error).raw_os_error()).unwrap_or(0);
        self.put(ERRORS + 4 * place.number(), &number.to_ne_bytes());
    }

    /// From now on what is sent is lost on the way, or no more.
    pub(crate) fn lose(&self, place: Place, is_lost: bool) {
        self.put(ERRORS + 4 * place.number(), &(-i32::from(is_lost)).to_ne_bytes());
    }

    /// Whether only changes of links, addresses and routes are calls of [`Place::Netlink`], and looking is none.
    pub(crate) fn only_changes(&self, is_so: bool) {
        self.put(ONLY_CHANGES, &i32::from(is_so).to_ne_bytes());
    }

    /// Whether the kernel has no WireGuard, as far as the program hears.
    pub(crate) fn hide_wireguard(&self, is_hidden: bool) {
        self.put(NO_WIREGUARD, &i32::from(is_hidden).to_ne_bytes());
    }

    /// The program's clock is ahead by so much.
    pub(crate) fn clock(&self, seconds: i64) {
        self.put(CLOCK, &seconds.to_ne_bytes());
    }

    /// How many calls there were since the file was made.
    pub(crate) fn calls(&self, place: Place) -> u32 {
        let mut bytes = [0; 4];
        self.board.read_exact_at(&mut bytes, CALLS + 4 * place.number()).unwrap();
        u32::from_ne_bytes(bytes)
    }

    fn put(&self, at: u64, bytes: &[u8]) {
        self.board.write_all_at(bytes, at).unwrap();
    }
}

/// A small file system in memory, until it is dropped.
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts it on a folder, which is made.
    pub(crate) fn mount(path: &Path, size: &str) -> Self {
        std::fs::create_dir_all(path).unwrap();
        let option = format!("size={size},mode=700");
        let mount = program("mount").args(["-t", "tmpfs", "-o", &option, "tmpfs"]).arg(path).status();
        assert!(mount.unwrap().success());
        Self(path.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = program("umount").arg("--lazy").arg(&self.0).status();
    }
}
