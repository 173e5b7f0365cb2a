//! Numbers of a table: little-endian, at any alignment, at offsets from the table's start. `None`
//! past the table's end.

/// Some bytes.
pub fn array<const N: usize>(table: &[u8], at: usize) -> Option<[u8; N]> {
    table.get(at..)?.first_chunk().copied()
}

/// One byte.
pub fn u8(table: &[u8], at: usize) -> Option<u8> {
    table.get(at).copied()
}

/// Two bytes.
pub fn u16(table: &[u8], at: usize) -> Option<u16> {
    array(table, at).map(u16::from_le_bytes)
}

/// Four bytes.
pub fn u32(table: &[u8], at: usize) -> Option<u32> {
    array(table, at).map(u32::from_le_bytes)
}

/// Eight bytes.
pub fn u64(table: &[u8], at: usize) -> Option<u64> {
    array(table, at).map(u64::from_le_bytes)
}
