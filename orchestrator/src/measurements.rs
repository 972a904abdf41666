//! The time and the peaks of memory that items had in earlier builds. Knows the names of items, and
//! nothing else of them.
//!
//! They are in one file in the profile's state directory: header, checksum, records. The file is
//! small and is replaced as a whole, so a damaged one is not repaired: the build begins with no
//! measurements. A lost file costs time, never correctness, so it is not synced to the disk.

use crate::sys::whole_file;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Write};
use tender_units::{Bytes, Micros};

/// The number is the version of the records' format. A file of another version is not read.
const HEADER: &[u8; 23] = b"tender-measurements 01\n";
/// Bytes of the blake3 hash of the records, which follow it.
const CHECKSUM: usize = 32;
/// A larger file was not written by us, and reading it would cost more time than it saves. Bytes.
const LARGEST_FILE: u64 = 64 << 20;
/// Peaks that are kept for each stage of an item. With more, a source that has shrunk would be
/// overestimated for too many builds.
const MOST_PEAKS: usize = 8;
/// If there are more items, those with the smallest peaks are dropped.
const MOST_ITEMS: usize = 100_000;

/// The file is damaged, or of another version. Reads as a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the record of measurements in {path} is {why}; the build starts a new one")]
pub struct Unreadable {
    path: Utf8PathBuf,
    why: String,
}

/// The stages of an item that have estimates of their own. The front end of C++ uses several times
/// the memory of its module, and a linker several times that of a backend of link-time
/// optimisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    FrontEnd,
    BackEnd,
    /// The program that joins the pieces.
    Join,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Peaks {
    /// Bytes, the newest last.
    measured: Vec<Bytes>,
    /// The estimate after a kill, bytes. The next measurement removes it.
    doubled: Option<Bytes>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct ItemMeasurements {
    /// How long its last success took.
    wall_us: Option<Micros>,
    front_end: Peaks,
    back_end: Peaks,
    join: Peaks,
}

/// Measurements by the items' names.
#[derive(Clone, Debug)]
pub struct Measurements {
    path: Utf8PathBuf,
    /// Sorted, so that equal measurements give equal files.
    items: BTreeMap<String, ItemMeasurements>,
    changed: bool,
}

impl Measurements {
    /// Reads the file. Without one there are no measurements. Nor are there if it is damaged or of
    /// another version; then the second result says so.
    pub fn read(path: &Utf8Path) -> (Measurements, Option<Unreadable>) {
        let (items, why) = match load(path) {
            Ok(items) => (items, None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => (BTreeMap::new(), None),
            Err(error) => (BTreeMap::new(), Some(error.to_string())),
        };
        let note = why.map(|why| Unreadable { path: path.to_owned(), why });
        (Measurements { path: path.to_owned(), items, changed: false }, note)
    }

    /// The expected peak of the stage, bytes. `None` if it was neither measured nor killed.
    pub fn estimate(&self, item: &str, stage: Stage) -> Option<Bytes> {
        self.items.get(item)?.of(stage).estimate()
    }

    /// How long the last success of the item took, microseconds.
    pub fn wall_us(&self, item: &str) -> Option<Micros> {
        self.items.get(item)?.wall_us
    }

    /// Records that the item succeeded, and how long it took, microseconds.
    pub fn succeeded(&mut self, item: &str, wall_us: Micros) {
        self.item(item).wall_us = Some(wall_us);
    }

    /// Records the peak of a stage that has ended, bytes.
    pub fn measured(&mut self, item: &str, stage: Stage, bytes: Bytes) {
        let peaks = self.peaks(item, stage);
        if peaks.measured.len() == MOST_PEAKS {
            peaks.measured.remove(0);
        }
        peaks.measured.push(bytes);
        peaks.doubled = None;
    }

    /// Records that the item was killed for memory while it held `bytes`. Until it is measured, its
    /// estimate is twice that, or twice the old estimate if that is more. Returns the new estimate.
    pub fn killed(&mut self, item: &str, stage: Stage, bytes: Bytes) -> Bytes {
        let peaks = self.peaks(item, stage);
        let doubled = bytes.max(peaks.estimate().unwrap_or_default()).saturating_mul(2);
        peaks.doubled = Some(doubled);
        doubled
    }

    /// Replaces the file if anything was measured. Drops items for which `keep` is false, because
    /// the workspace does not have them any more.
    ///
    /// # Errors
    /// The file cannot be written. Then the old one is kept.
    pub fn write(&mut self, keep: impl Fn(&str) -> bool) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        self.items.retain(|name, _| keep(name));
        self.drop_smallest(MOST_ITEMS);
        let payload = postcard::to_allocvec(&self.items).map_err(io::Error::other)?;
        let dir = self
            .path
            .parent()
            .ok_or_else(|| io::Error::other("a state file without a directory"))?;
        std::fs::create_dir_all(dir)?;
        let mut file = tempfile::Builder::new().prefix(".measurements").tempfile_in(dir)?;
        file.write_all(HEADER)?;
        file.write_all(blake3::hash(&payload).as_bytes())?;
        file.write_all(&payload)?;
        file.persist(&self.path).map_err(|error| error.error)?;
        self.changed = false;
        Ok(())
    }

    fn drop_smallest(&mut self, most: usize) {
        let surplus = self.items.len().saturating_sub(most);
        if surplus == 0 {
            return;
        }
        let largest = |item: &ItemMeasurements| {
            item.front_end.estimate().max(item.back_end.estimate()).max(item.join.estimate())
        };
        let mut by_size: Vec<_> =
            self.items.iter().map(|(name, item)| (largest(item), name.clone())).collect();
        by_size.sort_unstable();
        for (_, name) in &by_size[..surplus] {
            self.items.remove(name);
        }
    }

    fn item(&mut self, item: &str) -> &mut ItemMeasurements {
        self.changed = true;
        self.items.entry(item.to_owned()).or_default()
    }

    fn peaks(&mut self, item: &str, stage: Stage) -> &mut Peaks {
        let item = self.item(item);
        match stage {
            Stage::FrontEnd => &mut item.front_end,
            Stage::BackEnd => &mut item.back_end,
            Stage::Join => &mut item.join,
        }
    }
}

impl ItemMeasurements {
    fn of(&self, stage: Stage) -> &Peaks {
        match stage {
            Stage::FrontEnd => &self.front_end,
            Stage::BackEnd => &self.back_end,
            Stage::Join => &self.join,
        }
    }
}

impl Peaks {
    /// The largest of the recent peaks, of which each later build takes off an eighth, and a
    /// sixteenth more. The peaks of one source vary by a few percent, and too small an estimate
    /// costs a kill, while one that is too large costs a short wait.
    fn estimate(&self) -> Option<Bytes> {
        let decayed =
            |(age, peak): (usize, &Bytes)| (0..age).fold(*peak, |peak, _| peak - peak / 8);
        let measured = self.measured.iter().rev().enumerate().map(decayed).max();
        let with_margin = measured.map(|peak| peak.saturating_add(peak / 16));
        with_margin.max(self.doubled)
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn load(path: &Utf8Path) -> io::Result<BTreeMap<String, ItemMeasurements>> {
    decode(&whole_file::read(path.as_std_path(), LARGEST_FILE)?)
}

fn decode(bytes: &[u8]) -> io::Result<BTreeMap<String, ItemMeasurements>> {
    let rest =
        bytes.strip_prefix(HEADER).ok_or_else(|| damaged("of another version or damaged"))?;
    let (checksum, payload) =
        rest.split_at_checked(CHECKSUM).ok_or_else(|| damaged("truncated"))?;
    if blake3::hash(payload).as_bytes() != checksum {
        return Err(damaged("damaged"));
    }
    let mut items: BTreeMap<String, ItemMeasurements> =
        postcard::from_bytes(payload).map_err(|_| damaged("damaged"))?;
    for peaks in items
        .values_mut()
        .flat_map(|item| [&mut item.front_end, &mut item.back_end, &mut item.join])
    {
        peaks.measured.drain(..peaks.measured.len().saturating_sub(MOST_PEAKS));
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tempfile::TempDir;

    fn empty() -> (TempDir, Measurements) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("release/.tender/measurements");
        let (measurements, note) = Measurements::read(&path);
        assert_eq!((measurements.items.len(), note), (0, None));
        (dir, measurements)
    }

    #[test]
    fn estimate_is_the_largest_of_the_recent_peaks() {
        let check = |peaks: &[u64], expect: Option<u64>| {
            let (_dir, mut measurements) = empty();
            peaks.iter().for_each(|peak| measurements.measured("a", Stage::FrontEnd, Bytes(*peak)));
            assert_eq!(measurements.estimate("a", Stage::FrontEnd), expect.map(Bytes), "{peaks:?}");
        };
        check(&[], None);
        check(&[0], Some(0));
        check(&[1600], Some(1700));
        check(&[1600, 1600], Some(1700));
        check(&[800, 1600], Some(1700));
        // Each later build takes off an eighth.
        check(&[1600, 160], Some(1400 + 1400 / 16));
        check(&[1600, 160, 160], Some(1225 + 1225 / 16));
        // Only the last eight peaks are kept.
        check(&[1 << 40, 1, 1, 1, 1, 1, 1, 1, 1], Some(1));
        check(&[u64::MAX], Some(u64::MAX));
    }

    #[test]
    fn wall_time_is_that_of_the_last_success() {
        let (_dir, mut measurements) = empty();
        assert_eq!(measurements.wall_us("a"), None);
        measurements.succeeded("a", Micros(50));
        measurements.succeeded("a", Micros(40));
        measurements.measured("a", Stage::Join, Bytes(1600));
        measurements.write(|_| true).unwrap();
        let (again, _) = Measurements::read(&measurements.path);
        assert_eq!((again.wall_us("a"), again.wall_us("b")), (Some(Micros(40)), None));
    }

    #[test]
    fn stages_and_items_are_separate() {
        let (_dir, mut measurements) = empty();
        measurements.measured("a", Stage::FrontEnd, Bytes(1600));
        measurements.measured("a", Stage::BackEnd, Bytes(160));
        assert_eq!(measurements.estimate("a", Stage::FrontEnd), Some(Bytes(1700)));
        assert_eq!(measurements.estimate("a", Stage::BackEnd), Some(Bytes(170)));
        assert_eq!(measurements.estimate("b", Stage::BackEnd), None);
    }

    #[test]
    fn kill_doubles_the_estimate_until_it_is_measured() {
        let (_dir, mut measurements) = empty();
        measurements.measured("a", Stage::FrontEnd, Bytes(1600));
        assert_eq!(measurements.killed("a", Stage::FrontEnd, Bytes(5000)), Bytes(10_000));
        assert_eq!(measurements.estimate("a", Stage::FrontEnd), Some(Bytes(10_000)));
        assert_eq!(measurements.killed("a", Stage::FrontEnd, Bytes(1)), Bytes(20_000));
        measurements.measured("a", Stage::FrontEnd, Bytes(3200));
        assert_eq!(measurements.estimate("a", Stage::FrontEnd), Some(Bytes(3400)));
        assert_eq!(measurements.killed("new", Stage::BackEnd, Bytes(7)), Bytes(14));
    }

    #[test]
    fn measurements_are_read_again_without_dropped_items() {
        let (dir, mut measurements) = empty();
        measurements.measured("a", Stage::FrontEnd, Bytes(1600));
        measurements.killed("b", Stage::BackEnd, Bytes(50));
        measurements.measured("gone", Stage::BackEnd, Bytes(7));
        measurements.write(|name| name != "gone").unwrap();
        let (again, note) = Measurements::read(&measurements.path);
        assert_eq!((&again.items, note), (&measurements.items, None));
        assert_eq!(again.items.len(), 2);
        assert_eq!(again.estimate("b", Stage::BackEnd), Some(Bytes(100)));
        let state = measurements.path.parent().unwrap();
        assert_eq!(state.read_dir_utf8().unwrap().count(), 1, "no temporary file is left");
        drop(dir);
        // A build that has measured nothing writes no file.
        let mut again = again;
        again.write(|_| true).unwrap();
        assert!(!again.path.exists());
    }

    #[test]
    fn measurements_that_are_equal_give_equal_files() {
        let write = |names: [&str; 3]| {
            let (_dir, mut measurements) = empty();
            names.iter().for_each(|name| {
                measurements.measured(name, Stage::BackEnd, Bytes(name.len() as u64))
            });
            measurements.write(|_| true).unwrap();
            std::fs::read(&measurements.path).unwrap()
        };
        assert_eq!(write(["a", "bb", "ccc"]), write(["ccc", "a", "bb"]));
    }

    #[test]
    fn smallest_items_are_dropped_first_when_there_are_too_many() {
        let (_dir, mut measurements) = empty();
        for (name, bytes) in [("a", 5), ("b", 9000), ("c", 5), ("d", 7000)] {
            measurements.measured(name, Stage::BackEnd, Bytes(bytes));
        }
        measurements.drop_smallest(3);
        assert_eq!(measurements.items.keys().collect::<Vec<_>>(), ["b", "c", "d"]);
        measurements.drop_smallest(2);
        assert_eq!(measurements.items.keys().collect::<Vec<_>>(), ["b", "d"]);
    }

    #[test]
    fn damaged_file_is_reported_and_replaced() {
        let (_dir, mut measurements) = empty();
        measurements.measured("a", Stage::FrontEnd, Bytes(1));
        measurements.write(|_| true).unwrap();
        let good = std::fs::read(&measurements.path).unwrap();
        let check = |bytes: &[u8], why: &str| {
            std::fs::write(&measurements.path, bytes).unwrap();
            let (mut read, note) = Measurements::read(&measurements.path);
            assert!(read.items.is_empty());
            assert_eq!(note, Some(Unreadable { path: measurements.path.clone(), why: why.into() }));
            read.measured("b", Stage::FrontEnd, Bytes(1));
            read.write(|_| true).unwrap();
            assert_eq!(Measurements::read(&measurements.path).1, None);
        };
        check(b"", "of another version or damaged");
        check(b"tender-measurements 99\nxxx", "of another version or damaged");
        check(&good[..HEADER.len() + 3], "truncated");
        check(&good[..good.len() - 1], "damaged");
        check(&[&good[..], b"x"].concat(), "damaged");
        let nonsense = [255; 40];
        let sealed = [&HEADER[..], blake3::hash(&nonsense).as_bytes(), &nonsense].concat();
        check(&sealed, "damaged");
    }

    #[test]
    fn unreadable_file_is_reported_and_unwritable_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap();
        let (mut measurements, note) = Measurements::read(path);
        assert!(note.is_some());
        measurements.measured("a", Stage::FrontEnd, Bytes(1));
        assert!(measurements.write(|_| true).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        /// A file that is truncated at any place, or has any byte changed, gives no measurements
        /// and an error, and never other numbers.
        #[test]
        fn damage_of_any_byte_is_detected(
            items in proptest::collection::vec(("[a-z]{1,8}", any::<bool>(), any::<u64>()), 1..8),
            flip in any::<bool>(),
        ) {
            let (_dir, mut measurements) = empty();
            for (name, front, bytes) in &items {
                measurements.measured(name, if *front { Stage::FrontEnd } else { Stage::BackEnd }, Bytes(*bytes));
            }
            measurements.write(|_| true).unwrap();
            let whole = std::fs::read(&measurements.path).unwrap();
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                if flip { damaged[at] ^= 0x41 } else { damaged.truncate(at) }
                std::fs::write(&measurements.path, &damaged).unwrap();
                let (read, note) = Measurements::read(&measurements.path);
                prop_assert!(read.items.is_empty() && note.is_some());
            }
        }

        /// At least the newest peak, at most the largest and a sixteenth.
        #[test]
        fn estimate_covers_the_last_peak(peaks in proptest::collection::vec(0u64..1 << 50, 1..20)) {
            let (_dir, mut measurements) = empty();
            peaks.iter().for_each(|peak| measurements.measured("a", Stage::FrontEnd, Bytes(*peak)));
            let estimate = measurements.estimate("a", Stage::FrontEnd).unwrap();
            let largest = *peaks.iter().max().unwrap();
            prop_assert!(estimate >= Bytes(*peaks.last().unwrap()) && estimate <= Bytes(largest + largest / 16));
        }
    }

    /// The input is only what follows the checksum: nearly no input of a fuzzer has a correct one.
    #[test]
    fn fuzz_measurements() {
        tender_fuzz::check("measurements", 3_000, |payload| {
            decode(payload).unwrap_err();
            let sealed = [&HEADER[..], blake3::hash(payload).as_bytes(), payload].concat();
            let Ok(items) = decode(&sealed) else { return };
            let mut measurements = Measurements { path: "".into(), items, changed: false };
            for name in measurements.items.keys().cloned().collect::<Vec<_>>() {
                for stage in [Stage::FrontEnd, Stage::BackEnd, Stage::Join] {
                    measurements.estimate(&name, stage);
                    measurements.killed(&name, stage, Bytes(1));
                    measurements.measured(&name, stage, Bytes(u64::MAX));
                    assert!(measurements.peaks(&name, stage).measured.len() <= MOST_PEAKS);
                }
            }
            measurements.drop_smallest(1);
        });
    }
}
