//! Bytes that a tree carries along between its header and its first block. The header says where
//! each block begins (devicetree specification v0.4, section 5.2), so that nothing reads what lies
//! before; and whatever writes the tree anew leaves these bytes out.

use alloc::vec::Vec;

use super::HEADER_BYTES;

/// Words of the header that are offsets into the tree, and the one of the whole size.
const MOVED: [usize; 4] = [1, 2, 3, 4];

/// A copy of `tree`, which is well-formed, that carries `bytes`; `None` if it would be too large for
/// its header, or if `bytes` would upset the alignment of the blocks.
pub fn carry(tree: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, blocks) = tree.split_at_checked(HEADER_BYTES)?;
    let added = u32::try_from(bytes.len()).ok().filter(|added| added.is_multiple_of(8))?;
    let mut out = [header, bytes, blocks].concat();
    for word in MOVED {
        let place = out[word * 4..].first_chunk_mut()?;
        *place = u32::from_be_bytes(*place).checked_add(added)?.to_be_bytes();
    }
    Some(out)
}

/// What lies between header and reservation block; empty if there is nothing, or no such tree.
pub fn carried(tree: &[u8]) -> &[u8] {
    let word = |i: usize| Some(u32::from_be_bytes(*tree.get(i * 4..)?.first_chunk()?) as usize);
    let first = [2, 3, 4].into_iter().filter_map(word).min().unwrap_or(0);
    tree.get(HEADER_BYTES..first).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use dtoolkit::model::DeviceTree;

    use super::*;
    use crate::fdt::Checked;

    fn minimal() -> Vec<u8> {
        DeviceTree::new().to_dtb()
    }

    #[test]
    fn a_tree_that_carries_something_is_the_same_tree() {
        let tree = minimal();
        let carries = carry(&tree, b"eightbytes and 6").unwrap();
        assert_eq!(carried(&carries), b"eightbytes and 6");
        assert_eq!(carried(&tree), b"");
        let read = |tree: &[u8]| {
            alloc::format!("{:?}", Checked::of(tree).unwrap().tokens().collect::<Vec<_>>())
        };
        assert_eq!(read(&carries), read(&tree));
    }

    #[test]
    fn what_would_upset_the_blocks_is_refused() {
        assert_eq!(carry(&minimal(), b"odd"), None);
        assert_eq!(carry(b"short", &[]), None);
        assert_eq!(carried(b"short"), b"");
        assert_eq!(carried(&[0xff; 64]), b"");
    }
}
