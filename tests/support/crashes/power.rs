//! The power goes: of the state folder there is what was synced, and of what was not, whatever the disk got round to.
//! `faults.c` records what is done to the files; here it is played again, without the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::crashes::model::Deed;
use crate::crashes::{Dice, Scene, Seed};
use crate::faults::{Disk, Faults, Place, Side};
use crate::rig::Wireguard;

/// A file by its inode.
type Inode = u64;
/// A folder's files.
type Names = BTreeMap<String, Inode>;

/// What a disk holds, and what it was told and need not hold yet.
struct Recorded {
    dirs: Vec<PathBuf>,
    log: PathBuf,
    files: BTreeMap<Inode, File>,
    /// Of each folder, as it was synced last.
    names: BTreeMap<Inode, Names>,
}

#[derive(Default)]
struct File {
    synced: Vec<u8>,
    since: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Written { at: usize, bytes: Vec<u8> },
    CutOff { at: usize },
}

/// Everybody works until the power goes, again and again.
pub(crate) fn a_power_loss_takes_nothing_that_was_answered_to(wireguard: Wireguard, times: usize) {
    let (mut disk, mut faults, mut paths) = (None, None, None);
    let scene = Scene::new(wireguard, |rig| {
        let (state, log) = (rig.path("state"), rig.path("power"));
        disk = Some(Disk::mount(&state, "64m"));
        fs::create_dir(state.join("keys")).unwrap();
        faults = Faults::new(rig.dir());
        let wishes = [format!("POWER_LOG={}", log.display()), format!("POWER_DIR={}", state.display())];
        let through = faults.iter().flat_map(Faults::through).map(str::to_owned).chain(wishes).collect();
        paths = Some((state, log));
        through
    });
    let (Some(mut scene), Some(faults), Some((state, log))) = (scene, faults, paths) else { return };
    let seed = Seed::choose();
    let mut dice = Dice::new(seed.0);
    let mut recorded = Recorded {
        dirs: vec![state.clone(), state.join("keys")],
        log,
        files: BTreeMap::new(),
        names: BTreeMap::new(),
    };
    for _ in 0..times {
        scene.works_until_killed(&mut dice);
        recorded.play();
        recorded.lose(&mut dice);
        scene.start();
        scene.check();
        let key = key_of_open(&scene);
        ends_before_a_new_key_has_its_place(&mut scene, &faults);
        recorded.play();
        recorded.lose(&mut dice);
        scene.start();
        scene.check();
        assert_ne!(key_of_open(&scene), key, "the new key was committed and is lost");
    }
    scene.is_whole();
    drop(scene);
    drop(disk);
}

/// The database says which key a location has now; the file has that key only once it is renamed.
fn ends_before_a_new_key_has_its_place(scene: &mut Scene, faults: &Faults) {
    faults.die(Place::Rename, Side::Before, 1);
    let lane = &mut scene.lanes[0];
    assert!(!scene.rig.gateway.enter(|| lane.perform(Deed::RotateKey("open".to_owned()))));
    scene.rig.end(Signal::SIGKILL);
    faults.live();
}

fn key_of_open(scene: &Scene) -> Option<String> {
    scene.seen().places["open"].key.clone()
}

impl Recorded {
    /// Reads what was done since the last time.
    fn play(&mut self) {
        let log = fs::read(&self.log).unwrap();
        let mut rest = log.as_slice();
        while let Some((head, after)) = rest.split_at_checked(24) {
            let number = |range: std::ops::Range<usize>| u64::from_ne_bytes(head[range].try_into().unwrap());
            let word = |range: std::ops::Range<usize>| u32::from_ne_bytes(head[range].try_into().unwrap());
            let (inode, at, length) = (number(0..8), usize::try_from(number(8..16)).unwrap(), word(16..20));
            let (bytes, after) = after.split_at(length.try_into().unwrap());
            let file = self.files.entry(inode).or_default();
            match word(20..24) {
                0 => file.since.push(Change::Written { at, bytes: bytes.to_owned() }),
                1 => file.since.push(Change::CutOff { at }),
                2 => std::mem::take(&mut file.since).iter().for_each(|change| change.make(&mut file.synced)),
                3 => drop(self.names.insert(inode, listed(bytes))),
                other => panic!("a record of kind {other}"),
            }
            rest = after;
        }
        assert_eq!(rest, [0; 0], "the record is cut short");
    }

    /// Leaves on the disk what is on it for certain, and of the rest what the dice say; then records anew.
    fn lose(&mut self, dice: &mut Dice) {
        let mut kept = Vec::new();
        for dir in &self.dirs {
            let present = found(dir);
            let inode = fs::metadata(dir).unwrap().ino();
            let synced = self.names.get(&inode).cloned().unwrap_or_default();
            let all: BTreeSet<&String> = synced.keys().chain(present.keys()).collect();
            for name in all {
                let (old, new) = (synced.get(name), present.get(name));
                let chosen = if old == new || dice.below(2) == 0 { old } else { new };
                // The index of the log is made anew; its like is not written as files are.
                if let Some(file) =
                    chosen.filter(|_| !name.ends_with("-shm")).map(|inode| self.files.get(inode))
                {
                    kept.push((dir.join(name), file.map(|file| file.left(dice)).unwrap_or_default()));
                }
            }
            for name in present.keys() {
                fs::remove_file(dir.join(name)).unwrap();
            }
        }
        for (path, bytes) in kept {
            let mut file = fs::File::options();
            let mut file = file.write(true).create_new(true).mode(0o600).open(path).unwrap();
            std::io::Write::write_all(&mut file, &bytes).unwrap();
        }
        self.begin();
    }

    /// What is there is there for certain.
    fn begin(&mut self) {
        self.files.clear();
        self.names.clear();
        for dir in &self.dirs {
            let names = found(dir);
            for (name, inode) in &names {
                let synced = fs::read(dir.join(name)).unwrap();
                self.files.insert(*inode, File { synced, since: Vec::new() });
            }
            self.names.insert(fs::metadata(dir).unwrap().ino(), names);
        }
        fs::write(&self.log, "").unwrap();
    }
}

impl File {
    /// What was synced, and of what was not: nothing, everything, the beginning, or some here and there.
    fn left(&self, dice: &mut Dice) -> Vec<u8> {
        let count = u32::try_from(self.since.len()).unwrap();
        let first = match dice.below(3) {
            0 => 0,
            1 => count,
            _ => dice.below(count + 1),
        };
        let scattered = dice.below(3) == 0;
        let mut bytes = self.synced.clone();
        for (number, change) in (0..).zip(&self.since) {
            let is_kept = if scattered { dice.below(2) == 0 } else { number < first };
            if is_kept {
                change.make(&mut bytes);
            } else if number == first {
                change.torn(dice).make(&mut bytes);
            }
        }
        bytes
    }
}

impl Change {
    fn make(&self, file: &mut Vec<u8>) {
        match self {
            Self::Written { at, bytes } => {
                file.resize(file.len().max(at + bytes.len()), 0);
                file[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::CutOff { at } => file.resize(*at, 0),
        }
    }

    /// The first sectors of it.
    fn torn(&self, dice: &mut Dice) -> Self {
        match self {
            Self::Written { at, bytes } => {
                let sectors = dice.below(1 + u32::try_from(bytes.len() / 512).unwrap());
                let length = bytes.len().min(512 * usize::try_from(sectors).unwrap());
                Self::Written { at: *at, bytes: bytes[..length].to_owned() }
            }
            Self::CutOff { .. } => self.clone(),
        }
    }
}

/// A folder as it was recorded.
fn listed(bytes: &[u8]) -> Names {
    let text = std::str::from_utf8(bytes).unwrap();
    let entries = text.lines().map(|line| line.split_once(' ').unwrap());
    let files = entries.filter(|(_, name)| ![".", "..", "keys"].contains(name));
    files.map(|(inode, name)| (name.to_owned(), inode.parse().unwrap())).collect()
}

/// A folder as it is.
fn found(dir: &Path) -> Names {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|file| (file.file_name().into_string().unwrap(), file.metadata().unwrap().ino())).collect()
}
