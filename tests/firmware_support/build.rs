//! Firmware's tables, put together by hand.

use dtoolkit::Node as _;
use dtoolkit::model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty};

/// A table with its header; length and checksum are filled in.
pub fn table(signature: &[u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let mut table =
        [&signature[..], &[0; 4], &[revision, 0], b"AMPERE", b"Altra   ", &[0; 12]].concat();
    table.extend(body);
    let length = table.len() as u32;
    table[4..8].copy_from_slice(&length.to_le_bytes());
    sealed(table, 9)
}

/// The checksum anew, at `at`.
pub fn sealed(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] = 0;
    bytes[at] = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    bytes
}

/// Zeros with fields written over.
pub fn fields(bytes: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut all = vec![0; bytes];
    for (at, value) in fields {
        all[*at..at + value.len()].copy_from_slice(value);
    }
    all
}

/// The root pointer.
pub fn rsdp(xsdt: u64) -> Vec<u8> {
    let length = 36u32.to_le_bytes();
    let bytes =
        fields(36, &[(0, b"RSD PTR "), (15, &[2]), (20, &length), (24, &xsdt.to_le_bytes())]);
    let mut bytes = sealed(bytes[..20].to_vec(), 8).into_iter().chain(bytes[20..].to_vec());
    sealed(bytes.by_ref().collect(), 32)
}

/// The fixed description, without its header.
pub fn fadt(flags: u32, boot: u16, minor: u8, dsdt: u64) -> Vec<u8> {
    let (flags, boot, dsdt) = (flags.to_le_bytes(), boot.to_le_bytes(), dsdt.to_le_bytes());
    let all = fields(276, &[(112, &flags), (129, &boot), (131, &[minor]), (140, &dsdt)]);
    all[36..].to_vec()
}

/// The generic timer, without its header: the four interrupts from secure EL1 to EL2.
pub fn gtdt(gsivs: [u32; 4], flags: u32) -> Vec<u8> {
    let mut all = [0; 104];
    for (gsiv, at) in gsivs.iter().zip([48, 56, 64, 72]) {
        all[at..at + 4].copy_from_slice(&gsiv.to_le_bytes());
        all[at + 4..at + 8].copy_from_slice(&flags.to_le_bytes());
    }
    all[36..].to_vec()
}

/// A generic address.
pub fn gas(space: u8, width: u8, access: u8, base: u64) -> Vec<u8> {
    [&[space, width, 0, access][..], &base.to_le_bytes()].concat()
}

/// The console, without its header.
pub fn spcr(kind: u8, address: &[u8], gsiv: u32) -> Vec<u8> {
    let gsiv = gsiv.to_le_bytes();
    fields(80, &[(36, &[kind]), (40, address), (52, &[8]), (54, &gsiv)])[36..].to_vec()
}

/// Ports for a debugger, without the header: type and address of each.
pub fn dbg2(ports: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut all = [44u32.to_le_bytes(), (ports.len() as u32).to_le_bytes()].concat();
    for (kind, address) in ports {
        let kind = kind.to_le_bytes();
        let head =
            fields(22, &[(1, &[38, 0]), (3, &[1]), (12, &[0, 0x80]), (14, &kind), (18, &[22])]);
        all.extend([head, address.clone(), vec![0; 4]].concat());
    }
    all
}

/// A part of the MADT: a CPU.
pub fn gicc(uid: u32, flags: u32, mpidr: u64, redistributor: u64) -> Vec<u8> {
    let (id, flags) = (uid.to_le_bytes(), flags.to_le_bytes());
    let (mpidr, frame) = (mpidr.to_le_bytes(), redistributor.to_le_bytes());
    let interface = 0x0801_0000u64.to_le_bytes();
    let list: [(usize, &[u8]); 6] =
        [(0, &[0x0b, 80]), (8, &id), (12, &flags), (32, &interface), (60, &frame), (68, &mpidr)];
    fields(80, &list)
}

/// A part of the MADT: the distributor.
pub fn gicd(base: u64, version: u8) -> Vec<u8> {
    fields(24, &[(0, &[0x0c, 24]), (8, &base.to_le_bytes()), (20, &[version])])
}

/// A part of the MADT: a range of redistributors.
pub fn gicr(base: u64, size: u32) -> Vec<u8> {
    fields(16, &[(0, &[0x0e, 16]), (4, &base.to_le_bytes()), (12, &size.to_le_bytes())])
}

/// A part of the MADT: an ITS.
pub fn its(base: u64) -> Vec<u8> {
    fields(20, &[(0, &[0x0f, 20]), (8, &base.to_le_bytes())])
}

/// The MADT of some parts, without its header.
pub fn madt(parts: &[Vec<u8>]) -> Vec<u8> {
    [vec![0; 8], parts.concat()].concat()
}

/// An entry of the memory map: type, address, virtual address, bytes, attributes.
pub fn entry(kind: u32, start: u64, virt: u64, size: u64, attribute: u64) -> Vec<u8> {
    let words = [start, virt, size / 4096, attribute].map(u64::to_le_bytes).concat();
    let mut entry = [&kind.to_le_bytes()[..], &[0; 4], &words].concat();
    entry.resize(48, 0xa5); // entries are longer than what is known of them
    entry
}

/// The system table.
pub fn system_table(count: u64, array: u64) -> Vec<u8> {
    fields(120, &[(0, b"IBI SYST"), (104, &count.to_le_bytes()), (112, &array.to_le_bytes())])
}

/// An element of LINUX_EFI_MEMRESERVE.
pub fn element(capacity: u32, next: u64, ranges: &[(u64, u64)]) -> Vec<u8> {
    let count = ranges.len() as u32;
    let mut all = [&capacity.to_le_bytes()[..], &count.to_le_bytes(), &next.to_le_bytes()].concat();
    for (base, size) in ranges {
        all.extend([base.to_le_bytes(), size.to_le_bytes()].concat());
    }
    all
}

/// What `/chosen` says.
pub struct Chosen {
    pub system_table: u64,
    pub map: u64,
    pub size: u32,
    pub stride: u32,
}

/// The tree of a kernel that firmware's tables describe, with more nodes at the root.
pub fn tree(chosen: &Chosen, more: &[DeviceTreeNode]) -> Vec<u8> {
    let mut tree = DeviceTree::new();
    let mut node = DeviceTreeNode::new_unchecked("chosen");
    let mut set = |name: &str, value: &[u8]| {
        node.add_property(DeviceTreeProperty::new_unchecked(name, value.to_vec()));
    };
    set("bootargs", b"console=ttyAMA0\0\0\0");
    set("linux,uefi-system-table", &chosen.system_table.to_be_bytes());
    set("linux,uefi-mmap-start", &chosen.map.to_be_bytes());
    set("linux,uefi-mmap-size", &chosen.size.to_be_bytes());
    set("linux,uefi-mmap-desc-size", &chosen.stride.to_be_bytes());
    set("linux,uefi-mmap-desc-ver", &1u32.to_be_bytes());
    for name in ["#address-cells", "#size-cells"] {
        let two = 2u32.to_be_bytes().to_vec();
        tree.root.add_property(DeviceTreeProperty::new_unchecked(name, two));
    }
    assert_eq!(node.name(), "chosen");
    tree.root.add_child(node);
    more.iter().for_each(|node| tree.root.add_child(node.clone()));
    tree.to_dtb()
}
