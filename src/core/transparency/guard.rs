//! What must be left out so that nothing small is told, and none of it can be computed from the rest.
//!
//! A small number left out alone is no secret: the total less all the others is the number itself.
//! So what is left out is a pool, and a pool is safe when it holds at least `min` even without its
//! largest part: whoever knows that part, because it is their own, still faces no small number. Until
//! it is safe, the smallest of what could have been told goes into it as well.

/// What is left out.
pub(super) struct Pool {
    /// The indexes of the parts in it.
    pub(super) parts: Vec<usize>,
    /// Whether the sum of its parts, or a total that they belong to, may be told.
    pub(super) is_safe: bool,
}

/// Whether the sum of these parts gives none of them away.
pub(super) fn is_safe(parts: impl Iterator<Item = u64> + Clone, min: u64) -> bool {
    let largest = parts.clone().max().unwrap_or(0);
    parts.sum::<u64>() - largest >= min
}

/// Which of these parts of a total are left out. Zero is not small: there is nothing to find.
pub(super) fn pool(sizes: &[u64], min: u64) -> Pool {
    let is_small = |size: u64| 0 < size && size < min;
    let (mut parts, mut others): (Vec<usize>, Vec<usize>) =
        (0..sizes.len()).filter(|index| sizes[*index] > 0).partition(|i| is_small(sizes[*i]));
    if parts.is_empty() {
        return Pool { parts, is_safe: true };
    }
    // The smallest last, as it is taken first.
    others.sort_by_key(|index| std::cmp::Reverse(sizes[*index]));
    let is_safe = loop {
        if is_safe(parts.iter().map(|index| sizes[*index]), min) {
            break true;
        }
        match others.pop() {
            Some(index) => parts.push(index),
            None => break false,
        }
    };
    Pool { parts, is_safe }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What the public sees of parts and their total: each part or a gap, and the total or none.
    type Seen = (Vec<Option<u64>>, Option<u64>);

    fn seen(sizes: &[u64], min: u64) -> Seen {
        let pool = pool(sizes, min);
        // A part that there is not looks like one that is left out.
        let shown = |(index, size): (usize, &u64)| {
            (*size > 0 && !pool.parts.contains(&index)).then_some(*size)
        };
        let total = pool.is_safe.then(|| sizes.iter().sum());
        (sizes.iter().enumerate().map(shown).collect(), total)
    }

    /// All worlds of four parts of up to nine: whatever is left out could have been something else.
    #[test]
    fn nothing_that_is_left_out_can_be_computed() {
        const PARTS: u32 = 4;
        const MOST: u64 = 9;
        const MIN: u64 = 3;
        let mut worlds: BTreeMap<Seen, Vec<Vec<u64>>> = BTreeMap::new();
        for number in 0..(MOST + 1).pow(PARTS) {
            let sizes: Vec<u64> =
                (0..PARTS).map(|part| number / (MOST + 1).pow(part) % (MOST + 1)).collect();
            worlds.entry(seen(&sizes, MIN)).or_default().push(sizes);
        }
        let mut left_out = 0;
        for ((parts, total), alike) in worlds {
            for (part, shown) in parts.iter().enumerate() {
                assert!(shown.is_none_or(|size| size >= MIN));
                let is_small = |sizes: &Vec<u64>| (1..MIN).contains(&sizes[part]);
                // Where every part is there and as large as a small one can be, the total says so.
                let has_gap = |sizes: &Vec<u64>| sizes.contains(&0);
                if shown.is_some() || !alike.iter().any(is_small) || !alike.iter().any(has_gap) {
                    continue;
                }
                left_out += 1;
                // Worlds at the edge of what is enumerated have neighbours beyond it.
                let is_at_edge = alike.iter().any(|sizes| sizes.contains(&MOST));
                let first = alike[0][part];
                let is_open = alike.iter().any(|sizes| sizes[part] != first);
                assert!(is_open || is_at_edge, "{parts:?} of {total:?} is {alike:?}");
            }
        }
        assert!(left_out > 20, "{left_out}");
    }

    #[test]
    fn without_anything_small_nothing_is_left_out() {
        assert_eq!(seen(&[10, 0, 12], 10), (vec![Some(10), None, Some(12)], Some(22)));
    }

    #[test]
    fn a_single_small_part_takes_others_with_it() {
        // With 12 alone, whoever knows the 12 would know the 4.
        assert_eq!(seen(&[4, 12, 15, 40], 10), (vec![None, None, None, Some(40)], Some(71)));
        assert_eq!(seen(&[4, 12], 10), (vec![None, None], None));
    }
}
