//! Names of tables and variables, and the path under which a boot loader offers an initrd.

use r_efi::efi::Guid;

/// The usual notation of a GUID; the last two groups are one number.
const fn guid(a: u32, b: u16, c: u16, d: u64) -> Guid {
    let d = d.to_be_bytes();
    Guid::from_fields(a, b, c, d[0], d[1], &[d[2], d[3], d[4], d[5], d[6], d[7]])
}

/// EFI_DTB_TABLE_GUID.
pub const DEVICE_TREE: Guid = guid(0xb1b621d5, 0xf19c, 0x41a5, 0x830b_d915_2c69_aae0);
/// SMBIOS3_TABLE_GUID.
pub const SMBIOS3: Guid = guid(0xf2fd1544, 0x9794, 0x4a2c, 0x992e_e5bb_cf20_e394);
/// LINUX_EFI_MEMRESERVE_TABLE_GUID.
pub const MEMRESERVE: Guid = guid(0x888eb0c6, 0x8ede, 0x4ff5, 0xa8f0_9aee_5cb9_77c2);
/// LINUX_EFI_RANDOM_SEED_TABLE_GUID.
pub const RANDOM_SEED: Guid = guid(0x1ce1e5bc, 0x7ceb, 0x42f2, 0x81e5_8aad_f180_f57b);
/// LINUX_EFI_INITRD_MEDIA_GUID.
pub const INITRD_MEDIA: Guid = guid(0x5568e427, 0x68fc, 0x4f3d, 0xac74_ca55_5231_cc68);
/// EFI_GLOBAL_VARIABLE.
pub const GLOBAL: Guid = guid(0x8be4df61, 0x93ca, 0x11d2, 0xaa0d_00e0_9803_2b8c);
/// SHIM_LOCK_GUID.
pub const SHIM: Guid = guid(0x605dab50, 0xe046, 0x4300, 0xabb6_3dd8_10dd_8b23);
