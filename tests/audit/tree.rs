//! Our half of the tree against the library's.

use std::ops::Range;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;
use urgence::audit::tree::{Edge, Hash, Hashes, inclusion_path, is_included, leaf_hash};

const SIZE_MAX: u64 = 200;

fn entry(index: u64) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

/// Leaves from `begins.size()` on; to the left there is the edge alone.
struct From {
    begins: Edge,
}

impl Hashes for From {
    type Error = u64;

    fn known(&self, entries: &Range<u64>) -> Option<Hash> {
        self.begins.perfect(entries)
    }

    fn leaf(&mut self, index: u64) -> Result<Hash, u64> {
        if index < self.begins.size() { Err(index) } else { Ok(leaf_hash(&entry(index))) }
    }
}

fn edge_of(size: u64) -> Edge {
    let mut edge = Edge::default();
    (0..size).for_each(|index| edge.push(leaf_hash(&entry(index))));
    edge
}

#[test]
fn an_edge_has_the_root_of_the_library_at_every_size() {
    let mut library: MemoryBackedTree<Sha256, Vec<u8>> = MemoryBackedTree::new();
    let mut edge = Edge::default();
    for size in 0..=SIZE_MAX {
        assert_eq!(
            (edge.size(), edge.root().as_slice()),
            (size, library.root().as_bytes().as_slice())
        );
        // What is kept of it is enough to go on.
        edge = Edge::from_parts(size, edge.hashes().to_vec()).unwrap();
        edge.push(leaf_hash(&entry(size)));
        library.push(entry(size));
    }
    assert_eq!(Edge::from_parts(3, vec![[0; 32]]), None);
}

#[test]
fn a_path_is_the_library_s_for_every_entry_of_every_size() {
    let mut library: MemoryBackedTree<Sha256, Vec<u8>> = MemoryBackedTree::new();
    for size in 1..=SIZE_MAX {
        library.push(entry(size - 1));
        let root = edge_of(size).root();
        for index in 0..size {
            let path = inclusion_path(index, size, &mut From { begins: Edge::default() }).unwrap();
            let theirs = library.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(path.concat(), theirs.as_bytes(), "entry {index} of {size}");
            assert!(is_included(&entry(index), index, &path, size, &root));
            assert!(!is_included(&entry(index + 1), index, &path, size, &root));
            assert!(!is_included(&entry(index), index, &path, size, &leaf_hash(&root)));
        }
    }
}

#[test]
fn a_path_needs_only_the_edge_of_what_lies_before_the_files() {
    const SIZE: u64 = 100;
    let root = edge_of(SIZE).root();
    for first in 0..SIZE {
        let mut from = From { begins: edge_of(first) };
        for index in first..SIZE {
            let path = inclusion_path(index, SIZE, &mut from).unwrap();
            assert!(is_included(&entry(index), index, &path, SIZE, &root), "{index} from {first}");
        }
    }
}

#[test]
fn nothing_is_in_an_empty_tree_and_wild_numbers_are_refused() {
    assert!(!is_included(b"", 0, &[], 0, &Edge::default().root()));
    assert!(!is_included(b"", u64::MAX, &[], u64::MAX, &[0; 32]));
    assert!(!is_included(b"", 5, &[], 5, &[0; 32]));
    assert_eq!(Edge::from_parts(u64::MAX, vec![[0; 32]; 64]), None);
    assert_eq!(Edge::from_parts(u64::MAX - 9, vec![[0; 32]; 62]), None);
}
