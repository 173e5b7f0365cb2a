//! Where a tree holds numbers that only its own kernel should know.

use alloc::vec::Vec;
use core::ops::Range;

use super::Tree;

/// Properties of `/chosen` with random numbers.
const SEEDS: [&str; 2] = ["rng-seed", "kaslr-seed"];

/// Offsets in `dtb` of the values of all seeds. None if the tree can't be read.
pub fn seeds(dtb: &[u8]) -> Vec<Range<usize>> {
    let Ok(tree) = Tree::read(dtb) else { return Vec::new() };
    let Some(chosen) = tree.find("/chosen") else { return Vec::new() };
    let place = |value: &[u8]| {
        let start = (value.as_ptr() as usize).checked_sub(dtb.as_ptr() as usize)?;
        let range = start..start.checked_add(value.len())?;
        (range.end <= dtb.len()).then_some(range)
    };
    let values = chosen.properties().filter(|(name, _)| SEEDS.contains(name));
    values.filter_map(|(_, value)| place(value)).collect()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::fdt::edit::{Changes, next_tree};

    #[test]
    fn seeds_are_found_where_they_lie() {
        let mut empty = dtoolkit::model::DeviceTree::new();
        empty.root.add_child(dtoolkit::model::DeviceTreeNode::new("chosen").unwrap());
        let changes = Changes {
            rng_seed: Some([7; 32]),
            kaslr_seed: Some(0x0909_0909_0909_0909),
            ..Changes::default()
        };
        let mut dtb = vec![];
        next_tree(&empty.to_dtb(), &changes, &mut dtb).unwrap();
        let mut found: Vec<&[u8]> = seeds(&dtb).into_iter().map(|at| &dtb[at]).collect();
        found.sort_by_key(|seed| seed.len());
        assert_eq!(found, [&[9; 8][..], &[7; 32][..]]);
        assert_eq!(seeds(&dtb[..40]), []);
    }
}
