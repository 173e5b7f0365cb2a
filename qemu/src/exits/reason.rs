//! Why a guest of KVM left the processor, in the terms of what it asked for.

use std::fmt;

/// Distributor and redistributors of QEMU's `virt`, and the sizes of their parts.
const GICD: std::ops::Range<u64> = 0x0800_0000..0x0801_0000;
const GICC: std::ops::Range<u64> = 0x0801_0000..0x0802_0000;
const GICR: std::ops::Range<u64> = 0x080a_0000..0x0900_0000;
const GICR_STRIDE: u64 = 0x2_0000;
/// Its other devices, by name.
const DEVICES: [(std::ops::Range<u64>, &str); 3] = [
    (0x0900_0000..0x0900_1000, "PL011"),
    (0x0901_0000..0x0901_1000, "PL031"),
    (0x0a00_0000..0x0a00_4000, "virtio-mmio"),
];

/// Registers of a distributor, by offset (IHI 0069 12.9, IHI 0048 4.3).
const DISTRIBUTOR: [(std::ops::Range<u64>, &str); 16] = [
    (0x000..0x004, "CTLR"),
    (0x004..0x008, "TYPER"),
    (0x008..0x00c, "IIDR"),
    (0x080..0x100, "IGROUPR"),
    (0x100..0x180, "ISENABLER"),
    (0x180..0x200, "ICENABLER"),
    (0x200..0x280, "ISPENDR"),
    (0x280..0x300, "ICPENDR"),
    (0x300..0x380, "ISACTIVER"),
    (0x380..0x400, "ICACTIVER"),
    (0x400..0x800, "IPRIORITYR"),
    (0x800..0xc00, "ITARGETSR"),
    (0xc00..0xd00, "ICFGR"),
    (0xf00..0xf04, "SGIR"),
    (0xf10..0xf30, "xPENDSGIR"),
    (0x6000..0x8000, "IROUTER"),
];

/// Registers of a redistributor's first frame (IHI 0069 12.10); the second one's have the names of
/// the distributor's.
const REDISTRIBUTOR: [(std::ops::Range<u64>, &str); 5] = [
    (0x00..0x04, "CTLR"),
    (0x08..0x10, "TYPER"),
    (0x14..0x18, "WAKER"),
    (0x70..0x78, "PROPBASER"),
    (0x78..0x80, "PENDBASER"),
];

/// System registers that KVM traps and guests of ours use, by (op0, op1, CRn, CRm, op2).
const SYSTEM: [([u8; 5], &str); 24] = [
    ([3, 0, 1, 0, 0], "SCTLR_EL1"),
    ([3, 0, 1, 0, 1], "ACTLR_EL1"),
    ([3, 0, 2, 0, 0], "TTBR0_EL1"),
    ([3, 0, 2, 0, 1], "TTBR1_EL1"),
    ([3, 0, 2, 0, 2], "TCR_EL1"),
    ([3, 0, 10, 2, 0], "MAIR_EL1"),
    ([3, 0, 12, 11, 5], "ICC_SGI1R_EL1"),
    ([3, 0, 12, 12, 5], "ICC_SRE_EL1"),
    ([2, 0, 0, 2, 2], "MDSCR_EL1"),
    ([2, 0, 1, 0, 4], "OSLAR_EL1"),
    ([2, 0, 1, 1, 4], "OSLSR_EL1"),
    ([2, 0, 1, 3, 4], "OSDLR_EL1"),
    ([3, 3, 9, 12, 0], "PMCR_EL0"),
    ([3, 3, 9, 12, 1], "PMCNTENSET_EL0"),
    ([3, 3, 9, 12, 2], "PMCNTENCLR_EL0"),
    ([3, 3, 9, 12, 3], "PMOVSCLR_EL0"),
    ([3, 3, 9, 14, 0], "PMUSERENR_EL0"),
    ([3, 0, 9, 14, 1], "PMINTENSET_EL1"),
    ([3, 0, 9, 14, 2], "PMINTENCLR_EL1"),
    ([3, 3, 9, 12, 5], "PMSELR_EL0"),
    ([3, 3, 14, 15, 7], "PMCCFILTR_EL0"),
    ([3, 3, 14, 2, 1], "CNTP_CTL_EL0"),
    ([3, 3, 14, 2, 2], "CNTP_CVAL_EL0"),
    ([3, 3, 14, 2, 0], "CNTP_TVAL_EL0"),
];

/// Functions of PSCI (DEN 0022), by the number without the width of the call.
const PSCI: [(u64, &str); 9] = [
    (0x0, "PSCI_VERSION"),
    (0x1, "CPU_SUSPEND"),
    (0x2, "CPU_OFF"),
    (0x3, "CPU_ON"),
    (0x4, "AFFINITY_INFO"),
    (0x6, "MIGRATE_INFO_TYPE"),
    (0x8, "SYSTEM_OFF"),
    (0x9, "SYSTEM_RESET"),
    (0xa, "PSCI_FEATURES"),
];

/// Why a vCPU left. Its name is the row that it is counted in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A call of the firmware.
    Psci(String),
    /// A register of a device, by name.
    Device {
        /// `GICD_CTLR`, `PL011`.
        name: String,
        /// A store.
        write: bool,
    },
    /// A system register that KVM emulates.
    System {
        /// `SCTLR_EL1`.
        name: String,
        /// A write.
        write: bool,
    },
    /// It sleeps.
    Wait,
    /// Memory that the host had not given yet.
    Stage2,
    /// An interrupt of the host: its own timer, or a message from another of its CPUs.
    Interrupt,
    /// Another exception class.
    Other(u64),
}

impl Reason {
    /// For HVC with this number in x0.
    pub fn psci(function: u64) -> Self {
        let known = PSCI.iter().find(|(number, _)| *number == function & 0x1f);
        let is_psci = function & 0x3fff_ffe0 == 0x0400_0000;
        let name = known.filter(|_| is_psci).map(|(_, name)| (*name).to_string());
        Self::Psci(name.unwrap_or_else(|| format!("call {function:#x}")))
    }

    /// For an access at a physical address.
    pub fn device(at: u64, write: bool) -> Self {
        Self::Device { name: register(at), write }
    }

    /// True for this call of the firmware.
    pub fn is_call(&self, name: &str) -> bool {
        matches!(self, Self::Psci(called) if called == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |write: &bool| if *write { "write" } else { "read" };
        match self {
            Self::Psci(name) => write!(f, "PSCI {name}"),
            Self::System { name, .. } if name == "ICC_SGI1R_EL1" => write!(f, "SGI sent"),
            Self::Device { name, .. } if name == "GICD_SGIR" => write!(f, "SGI sent"),
            Self::Device { name, write } | Self::System { name, write } => {
                write!(f, "{name} {}", way(write))
            }
            Self::Wait => write!(f, "WFI or WFE"),
            Self::Stage2 => write!(f, "stage 2 fault"),
            Self::Interrupt => write!(f, "interrupt for the host"),
            Self::Other(class) => write!(f, "exception class {class:#x}"),
        }
    }
}

fn find(table: &[(std::ops::Range<u64>, &str)], at: u64) -> Option<String> {
    table.iter().find(|(range, _)| range.contains(&at)).map(|(_, name)| (*name).to_string())
}

fn register(at: u64) -> String {
    let or_offset = |name: Option<String>, offset| name.unwrap_or_else(|| format!("{offset:#x}"));
    if GICD.contains(&at) {
        let offset = at - GICD.start;
        return format!("GICD_{}", or_offset(find(&DISTRIBUTOR, offset), offset));
    }
    if GICC.contains(&at) {
        return format!("GICC_{:#x}", at - GICC.start);
    }
    if GICR.contains(&at) {
        let offset = (at - GICR.start) % GICR_STRIDE;
        let name = match offset.checked_sub(0x1_0000) {
            Some(second) => find(&DISTRIBUTOR, second),
            None => find(&REDISTRIBUTOR, offset),
        };
        return format!("GICR_{}", or_offset(name, offset));
    }
    find(&DEVICES, at).unwrap_or_else(|| format!("device at {at:#x}"))
}

/// The name of a system register.
pub fn sysreg(encoding: [u8; 5]) -> String {
    let known = SYSTEM.iter().find(|(known, _)| *known == encoding);
    let [op0, op1, crn, crm, op2] = encoding;
    let unknown = || match (op0, op1, crn, op2) {
        (3, 0, 0, _) => "an ID register".to_string(),
        (2, 0, 0, 5) => "DBGBCRn_EL1".to_string(),
        (2, 0, 0, 7) => "DBGWCRn_EL1".to_string(),
        _ => format!("S{op0}_{op1}_C{crn}_C{crm}_{op2}"),
    };
    known.map_or_else(unknown, |(_, name)| (*name).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_have_the_names_of_the_manuals() {
        let name = |at, write| Reason::device(at, write).to_string();
        assert_eq!(name(0x0800_0000, true), "GICD_CTLR write");
        assert_eq!(name(0x0800_0384, true), "GICD_ICACTIVER write");
        assert_eq!(name(0x0800_6100, false), "GICD_IROUTER read");
        assert_eq!(name(0x080c_0008, false), "GICR_TYPER read");
        assert_eq!(name(0x080d_0280, true), "GICR_ICPENDR write");
        assert_eq!(name(0x0900_0038, true), "PL011 write");
        assert_eq!(name(0x0a00_0e00, false), "virtio-mmio read");
        assert_eq!(name(0x0c00_0000, false), "device at 0xc000000 read");
    }

    #[test]
    fn calls_of_both_widths_are_one_function() {
        assert!(Reason::psci(0xc400_0003).is_call("CPU_ON"));
        assert!(Reason::psci(0x8400_0002).is_call("CPU_OFF"));
        assert_eq!(Reason::psci(0x8600_0001).to_string(), "PSCI call 0x86000001");
    }

    #[test]
    fn system_registers_that_nobody_named_keep_their_encoding() {
        assert_eq!(sysreg([3, 0, 12, 11, 5]), "ICC_SGI1R_EL1");
        assert_eq!(sysreg([3, 0, 0, 5, 0]), "an ID register");
        assert_eq!(sysreg([2, 0, 0, 3, 5]), "DBGBCRn_EL1");
        assert_eq!(sysreg([3, 3, 9, 13, 0]), "S3_3_C9_C13_0");
    }
}
