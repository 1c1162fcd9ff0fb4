//! The tree of RFC 6962 over the entries of a log.
//!
//! Proofs are checked by `ct-merkle`. What it cannot do is ours: go on from the right edge of a tree
//! whose leaves are elsewhere, and make a proof from hashes that lie in files.

use std::ops::Range;

use ct_merkle::digest::Output;
use ct_merkle::{InclusionProof, RootHash};
use sha2::{Digest as _, Sha256};

/// A hash in the tree.
pub type Hash = [u8; 32];

/// How many entries a tree may have: beyond half of all numbers the library has no index.
const SIZE_MAX: u64 = u64::MAX / 4;

/// The hash of an entry.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new_with_prefix([0]);
    hasher.update(entry);
    hasher.finalize().into()
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new_with_prefix([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The right edge of a tree: the roots of the perfect trees that it consists of, the largest first,
/// one for each bit of its size. A tree grows, and has its root, by its edge alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    hashes: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree of `size` entries; `None` when there are not as many hashes as it has, or
    /// it is larger than any tree.
    #[must_use]
    pub fn from_parts(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        let is_sound = size <= SIZE_MAX && hashes.len() == size.count_ones() as usize;
        is_sound.then_some(Self { size, hashes })
    }

    /// How many entries the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the perfect trees, the largest first.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Adds an entry by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Each perfect tree of the same height that stands to the left is joined with the new one.
        for _ in 0..self.size.trailing_ones() {
            let left = self.hashes.pop().expect("an edge has a hash for each bit of its size");
            hash = node_hash(&left, &hash);
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        let joined =
            self.hashes.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or_else(|| Sha256::digest([]).into())
    }

    /// The root of the perfect tree over exactly these entries, if it is one of the edge.
    #[must_use]
    pub fn perfect(&self, entries: &Range<u64>) -> Option<Hash> {
        let mut start = 0;
        for hash in &self.hashes {
            // The largest power of two that what is left of the size holds.
            let end = start + (1 << (self.size - start).ilog2());
            if *entries == (start..end) {
                return Some(*hash);
            }
            start = end;
        }
        None
    }
}

/// Where the hashes of a tree are found.
pub trait Hashes {
    /// Why one is not.
    type Error;

    /// The root of the tree over these entries, if it is known as it is.
    fn known(&self, entries: &Range<u64>) -> Option<Hash>;

    /// The hash of one entry.
    ///
    /// # Errors
    /// It is not there.
    fn leaf(&mut self, index: u64) -> Result<Hash, Self::Error>;
}

/// The hashes beside the path from an entry to the root of the tree of `size` entries, from below.
///
/// # Errors
/// A hash that it takes is not there.
pub fn inclusion_path<H: Hashes>(
    index: u64,
    size: u64,
    hashes: &mut H,
) -> Result<Vec<Hash>, H::Error> {
    let mut path = Vec::new();
    let mut entries = 0..size;
    while entries.end - entries.start > 1 {
        let middle = split(&entries);
        let beside = if index < middle {
            let right = middle..entries.end;
            entries.end = middle;
            right
        } else {
            let left = entries.start..middle;
            entries.start = middle;
            left
        };
        path.push(root_of(beside, hashes)?);
    }
    path.reverse();
    Ok(path)
}

/// The root of the tree over these entries, of which there is at least one.
///
/// # Errors
/// A hash that it takes is not there.
pub fn root_of<H: Hashes>(entries: Range<u64>, hashes: &mut H) -> Result<Hash, H::Error> {
    if let Some(hash) = hashes.known(&entries) {
        return Ok(hash);
    }
    if entries.end - entries.start == 1 {
        return hashes.leaf(entries.start);
    }
    let middle = split(&entries);
    let left = root_of(entries.start..middle, hashes)?;
    let right = root_of(middle..entries.end, hashes)?;
    Ok(node_hash(&left, &right))
}

/// Where RFC 6962 divides a tree: before the largest power of two that is smaller than its size.
const fn split(entries: &Range<u64>) -> u64 {
    entries.start + (1 << (entries.end - entries.start - 1).ilog2())
}

/// Whether the path shows that `entry` is the one at `index` of the tree of `size` with this root.
#[must_use]
pub fn is_included(entry: &[u8], index: u64, path: &[Hash], size: u64, root: &Hash) -> bool {
    let path: Vec<Output<Sha256>> = path.iter().map(|hash| Output::<Sha256>::from(*hash)).collect();
    let proof = InclusionProof::<Sha256>::from_digests(&path);
    size <= SIZE_MAX
        && RootHash::<Sha256>::new((*root).into(), size)
            .verify_inclusion(&entry, index, &proof)
            .is_ok()
}
