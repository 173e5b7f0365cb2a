//! A machine like Ampere's Altra: 80 cores in one socket and two in another, in an order that is not
//! that of their affinities; devices above 2^44; a memory map of 64 fragments; runtime services at
//! virtual addresses. Each part can be changed before the tables are put together.

use super::Guest;
use super::aml::{device, interrupt, method, name, named_resources, number, returns, scope, text};
use super::build::{
    Chosen, dbg2, element, entry, fadt, gas, gicc, gicd, gicr, gtdt, its, madt, rsdp, spcr,
    system_table, table, tree,
};

pub const WB: u64 = 8;
pub const RUNTIME: u64 = 1 << 63;

/// Where things lie: ACPI's tables, the system table, the memory map, what Linux has reserved.
pub const TABLES: u64 = 0xbc00_0000;
pub const SYSTEM: u64 = 0xbd00_0018;
pub const ARRAY: u64 = 0xbd00_1000;
pub const MAP: u64 = 0xb000_0018;
pub const ROOT: u64 = 0xb100_0f98;
pub const ELEMENTS: [u64; 2] = [0xb200_0000, 0x80_1234_5000];
pub const MEMATTR: u64 = 0xb300_0518;
pub const INITRD: u64 = 0xb300_8f18;

/// The CPU that boots.
pub const BOOT: u64 = 0x12_0000;

/// Where the distance of runtime services from their place is.
const VIRTUAL: u64 = 0x2000_0000;

/// What the tables are made of.
#[derive(Clone)]
pub struct Altra {
    /// Flags, boot flags, minor and major version.
    pub fadt: (u32, u16, u8, u8),
    pub parts: Vec<Vec<u8>>,
    pub gtdt: Vec<u8>,
    /// Bodies of further tables.
    pub more: Vec<([u8; 4], Vec<u8>)>,
    pub dsdt: Vec<u8>,
    pub map: Vec<Vec<u8>>,
    /// Configuration tables.
    pub tables: Vec<([u8; 16], u64)>,
    pub writes: Vec<(u64, Vec<u8>)>,
}

/// A core by its number in socket 0.
pub fn core(number: u64) -> (u32, u64) {
    let (cluster, core) = (number / 2, number % 2);
    ((cluster << 8 | core) as u32, cluster << 16 | core << 8)
}

/// Numbers of cores in the order of the table.
pub fn order() -> impl Iterator<Item = u64> {
    (0..80).map(|i| i * 37 % 80)
}

impl Altra {
    pub fn new() -> Self {
        Self {
            fadt: (1 << 20 | 1 << 4, 1, 3, 6),
            parts: parts(),
            gtdt: gtdt([29, 30, 27, 26], 2),
            more: vec![
                (*b"SPCR", spcr(3, &gas(0, 32, 0, 0x1000_0260_0000), 98)),
                (*b"DBG2", dbg2(&[(0x0e, gas(0, 32, 3, 0x1000_0262_0000))])),
            ],
            dsdt: dsdt(),
            map: map(),
            tables: vec![
                (guid(0x8868e871, 0xe4f1, 0x11d3, 0xbc22_0080_c73c_8881), TABLES + 0x18),
                (guid(0x888eb0c6, 0x8ede, 0x4ff5, 0xa8f0_9aee_5cb9_77c2), ROOT),
                (guid(0xdcfa911d, 0x26eb, 0x469f, 0xa220_38b7_dc46_1220), MEMATTR),
                (guid(0x5568e427, 0x68fc, 0x4f3d, 0xac74_ca55_5231_cc68), INITRD),
            ],
            writes: reserved(),
        }
    }

    /// The same with other CPUs and controllers.
    pub fn with_parts(parts: Vec<Vec<u8>>) -> Self {
        Self { parts, ..Self::new() }
    }

    /// The same without a table.
    pub fn without(mut self, signature: &[u8; 4]) -> Self {
        self.more.retain(|(found, _)| found != signature);
        self
    }

    /// Memory and tree.
    pub fn guest(&self) -> Guest {
        let mut writes = self.writes.clone();
        let mut at = TABLES + 0x1098; // as QEMU does it, not aligned
        let mut entries = Vec::new();
        let mut put = |bytes: Vec<u8>| {
            let here = at;
            at += bytes.len() as u64 + 5;
            writes.push((here, bytes));
            here
        };
        let dsdt = put(table(b"DSDT", 2, &self.dsdt));
        let (flags, boot, minor, major) = self.fadt;
        entries.push(put(table(b"FACP", major, &fadt(flags, boot, minor, dsdt))));
        entries.push(put(table(b"APIC", 5, &madt(&self.parts))));
        entries.push(put(table(b"GTDT", 3, &self.gtdt)));
        for (signature, body) in &self.more {
            entries.push(put(table(signature, 2, body)));
        }
        let body: Vec<u8> = entries.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        let xsdt = put(table(b"XSDT", 1, &body));
        writes.push((TABLES + 0x18, rsdp(xsdt)));
        writes
            .push((SYSTEM, system_table(self.tables.len() as u64, ARRAY - 0xbd00_0000 + VIRTUAL)));
        let array =
            self.tables.iter().flat_map(|(guid, at)| [&guid[..], &at.to_le_bytes()].concat());
        writes.push((ARRAY, array.collect()));
        writes.push((MAP, self.map.concat()));
        Guest { tree: tree(&self.chosen(), &[]), writes }
    }

    pub fn chosen(&self) -> Chosen {
        let size = self.map.concat().len() as u32;
        Chosen { system_table: SYSTEM, map: MAP, size, stride: 48 }
    }
}

/// A GUID as it lies in memory.
pub fn guid(a: u32, b: u16, c: u16, d: u64) -> [u8; 16] {
    let all = [&a.to_le_bytes()[..], &b.to_le_bytes(), &c.to_le_bytes(), &d.to_be_bytes()].concat();
    all.try_into().unwrap()
}

/// CPUs, the distributor, eight ITSs, and ranges of redistributors that go on behind the last one.
fn parts() -> Vec<Vec<u8>> {
    let gicd = gicd(0x1001_0000_0000, 3);
    let here = order().map(core).map(|(uid, mpidr)| gicc(uid, 1, mpidr, 0));
    let there = [0, 1u64].map(|core| gicc(1 << 16 | core as u32, 1, 1 << 32 | core << 8, 0));
    let ranges = [0x1001_0014_0000, 0x5001_0014_0000].map(|base| gicr(base, 0x100_0000));
    let its = (0..8).map(|n| its(0x1001_0004_0000 + n * 0x2_0000));
    here.chain(there).chain([gicd]).chain(its).chain(ranges).collect()
}

/// 40 units with monitors, of which the last says that it is not there; UARTs.
fn dsdt() -> Vec<u8> {
    let clusters = (0..40u32).flat_map(|n| {
        let cpu = |core: u32| {
            let body =
                [name("_HID", &text("ACPI0007")), name("_UID", &number(n << 8 | core))].concat();
            device(&format!("C{n:02}{core}"), &body)
        };
        let unit = [
            name("_HID", &text("ARMHD500")),
            name("_UID", &number(n)),
            named_resources(&[interrupt(1, 64 + n)]),
            method("_STA", &returns(&[0x0a, if n == 39 { 0 } else { 0xf }])),
        ];
        let computed = method("_DSM", &[0x70, 0x01, 0x60, 0xa4, 0x60]);
        let body = [
            name("_HID", &text("ACPI0010")),
            computed,
            cpu(0),
            cpu(1),
            device(&format!("DU{n:02}"), &unit.concat()),
        ];
        device(&format!("CL{n:02}"), &body.concat())
    });
    scope("\\_SB_", &clusters.collect::<Vec<u8>>())
}

/// A first bank below 4 GiB in 60 fragments, not in order, and a large one above 2^39.
fn map() -> Vec<Vec<u8>> {
    let ram = |n: u64| {
        let kind = [7, 4, 3, 7, 2, 7, 4, 7][n as usize % 8];
        entry(kind, 0x9000_0000 + n * 0x0080_0000, 0, 0x0080_0000, 0xf)
    };
    let mut map: Vec<Vec<u8>> = (0..60).map(|i| i * 7 % 60).map(ram).collect();
    map.push(entry(2, 0xae00_0000, 0, 0x0a00_0000, WB));
    map.push(entry(9, TABLES, 0, 0x0100_0000, WB));
    map.push(entry(6, 0xbd00_0000, VIRTUAL, 0x0010_0000, WB | RUNTIME));
    map.push(entry(0, 0x8830_0000, 0, 0x0010_0000, WB));
    map.push(entry(7, 0x80_0000_0000, 0, 0x10_0000_0000, WB));
    map.push(entry(11, 0x1000_0260_0000, 0, 0x1000, 1 | RUNTIME));
    map
}

/// Three tables of LPIs for each CPU: 255 in a first page, the rest in a second.
fn reserved() -> Vec<(u64, Vec<u8>)> {
    let tables = |from: u64, count: u64| -> Vec<(u64, u64)> {
        (from..from + count).map(|n| (0x81_0000_0000 + n * 0x1_0000, 0x1_0000)).collect()
    };
    vec![
        (ROOT, element(0, ELEMENTS[0], &[])),
        (ELEMENTS[0], element(255, ELEMENTS[1], &tables(0, 255))),
        (ELEMENTS[1], element(255, 0, &tables(255, 5))),
        (MEMATTR, [1u32, 200, 40, 0].map(u32::to_le_bytes).concat()),
        (INITRD, [0xb0a4_0000u64, 0x428_b600].map(u64::to_le_bytes).concat()),
    ]
}
