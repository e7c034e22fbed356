//! Hashes of the log's tree as C2SP tlog-tiles cuts them: one file per level, 32 bytes a hash, in order.
//!
//! What is kept here can be made again from the store, and is at every start. Nothing is checked: readers hold what they
//! get against a signed checkpoint. It knows leaves and their hashes, no record.

use crate::store::Store;
use claviger_shared::{id::Digest, log::merkle};
use std::{fs, io, os::unix::fs::FileExt, path::PathBuf};

/// Hashes of a full tile.
pub const WIDTH: u64 = 256;
/// Levels that a tree of 2^64 leaves has.
pub const MAX_LEVEL: u8 = 7;
/// Bytes of a hash.
const HASH: u64 = 32;
/// Levels of the binary tree in one tile.
const HEIGHT: u32 = 8;
/// Bytes of entries read in one step.
const STEP: u64 = 512 * 1024;

/// Hashes of one level.
struct Level {
    file: fs::File,
    count: u64,
    /// Those after the last full tile.
    open: Vec<Digest>,
}

/// Every level's hashes, as far as the log was followed.
pub(super) struct Tiles {
    dir: PathBuf,
    levels: Vec<Level>,
}

impl Tiles {
    pub(super) const fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            levels: Vec::new(),
        }
    }

    /// Leaves followed so far.
    pub(super) fn size(&self) -> u64 {
        self.levels.first().map_or(0, |level| level.count)
    }

    /// Follows some entries; whether there may be more.
    pub(super) fn step(&mut self, store: &dyn Store) -> io::Result<bool> {
        let next = self.size();
        if next >= store.tail().size {
            return Ok(false);
        }
        let read = store.read(next, STEP).map_err(io::Error::other)?;
        for entry in &read.entries {
            self.append(0, merkle::leaf_hash(&entry.leaf))?;
        }
        Ok(!read.end && !read.entries.is_empty())
    }

    fn append(&mut self, level: usize, hash: Digest) -> io::Result<()> {
        if self.levels.len() <= level {
            let made = self.create(level)?;
            self.levels.push(made);
        }
        let Some(own) = self.levels.get_mut(level) else {
            return Ok(());
        };
        own.file.write_all_at(&hash.0, own.count * HASH)?;
        own.count += 1;
        own.open.push(hash);
        if own.open.len() as u64 == WIDTH {
            let root = merkle::root(&own.open);
            own.open.clear();
            self.append(level + 1, root)?;
        }
        Ok(())
    }

    fn create(&self, level: usize) -> io::Result<Level> {
        fs::create_dir_all(&self.dir)?;
        let file = fs::File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(self.dir.join(format!("level{level}")))?;
        Ok(Level {
            file,
            count: 0,
            open: Vec::with_capacity(WIDTH as usize),
        })
    }

    /// `count` hashes from `first` on one level; nothing where they are not all there.
    pub(super) fn read(&self, level: u8, first: u64, count: u64) -> io::Result<Option<Vec<u8>>> {
        let end = first.checked_add(count);
        let Some(own) = self.levels.get(usize::from(level)) else {
            return Ok(None);
        };
        if count == 0 || end.is_none_or(|end| end > own.count) {
            return Ok(None);
        }
        let mut bytes = vec![0; (count * HASH) as usize];
        own.file.read_exact_at(&mut bytes, first * HASH)?;
        Ok(Some(bytes))
    }

    /// The inclusion proof of a leaf in the tree of `size` leaves (RFC 6962 §2.1.1).
    pub(super) fn proof(&self, index: u64, size: u64) -> io::Result<Option<Vec<Digest>>> {
        if index >= size || size > self.size() {
            return Ok(None);
        }
        let (mut low, mut high) = (0, size);
        let mut proof = Vec::new();
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                proof.push(self.hash(middle, high)?);
                high = middle;
            } else {
                proof.push(self.hash(low, middle)?);
                low = middle;
            }
        }
        proof.reverse();
        Ok(Some(proof))
    }

    /// The hash over leaves from `low` to before `high`, which a tree of RFC 6962 has as a subtree.
    fn hash(&self, low: u64, high: u64) -> io::Result<Digest> {
        let count = high - low;
        if !count.is_power_of_two() {
            let middle = low + split(count);
            return Ok(merkle::node_hash(
                &self.hash(low, middle)?,
                &self.hash(middle, high)?,
            ));
        }
        // A complete subtree is the root over some hashes of the tile level at or below it.
        let height = count.trailing_zeros();
        let level = height / HEIGHT;
        let under = HEIGHT * level;
        let bytes = self.read(level as u8, low >> under, count >> under)?;
        let bytes = bytes.ok_or_else(|| io::Error::other("a hash is missing"))?;
        let (hashes, _) = bytes.as_chunks::<32>();
        let hashes: Vec<_> = hashes.iter().copied().map(Digest).collect();
        Ok(merkle::root(&hashes))
    }
}

/// The largest power of two below `count`, which is at least 2.
const fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use claviger_shared::log::merkle::Tree;

    fn leaf(n: u64) -> Digest {
        merkle::leaf_hash(&n.to_be_bytes())
    }

    #[test]
    fn every_level_is_the_root_of_the_full_tiles_below_and_every_proof_leads_to_the_root() {
        let dir = tempfile::TempDir::new().unwrap();
        let mut tiles = Tiles::new(dir.path().join("tiles"));
        let size = 2 * WIDTH * WIDTH + 3 * WIDTH + 7;
        let leaves: Vec<_> = (0..size).map(leaf).collect();
        for hash in &leaves {
            tiles.append(0, *hash).unwrap();
        }
        assert_eq!(tiles.size(), size);
        let counts: Vec<_> = tiles.levels.iter().map(|level| level.count).collect();
        assert_eq!(
            counts,
            [size, 2 * WIDTH + 3, 2],
            "a partial tile is in no level above"
        );
        let second = merkle::root(&leaves[WIDTH as usize..2 * WIDTH as usize]);
        assert_eq!(tiles.read(1, 1, 1).unwrap().unwrap(), second.0);
        for (tree, at) in [
            (size, 0),
            (size, size - 1),
            (size, 70_000),
            (1, 0),
            (257, 256),
            (65_537, 3),
        ] {
            let known = Tree::new(leaves[..tree as usize].to_vec());
            let proof = tiles.proof(at, tree).unwrap().unwrap();
            assert_eq!(
                Some(&proof),
                known.proof(at as usize).as_ref(),
                "{at} of {tree}"
            );
            merkle::verify_inclusion(&leaf(at), at, tree, &proof, &known.root()).unwrap();
        }
        assert_eq!(tiles.proof(size, size).unwrap(), None);
        assert_eq!(tiles.proof(0, size + 1).unwrap(), None);
    }

    #[test]
    fn what_is_not_there_is_not_read() {
        let dir = tempfile::TempDir::new().unwrap();
        let mut tiles = Tiles::new(dir.path().to_owned());
        assert_eq!(tiles.read(0, 0, 1).unwrap(), None);
        tiles.append(0, leaf(0)).unwrap();
        assert_eq!(tiles.read(0, 0, 1).unwrap().unwrap(), leaf(0).0);
        for (level, first, count) in [(0, 0, 0), (0, 0, 2), (0, 1, 1), (1, 0, 1), (0, u64::MAX, 1)]
        {
            assert_eq!(tiles.read(level, first, count).unwrap(), None);
        }
    }
}
