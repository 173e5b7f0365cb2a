//! The instructions by which software reaches the registers (Arm ARM C6.2, MRS and MSR (register);
//! Arm DSU TRM, chapter "PMU", for the encodings).

use super::PmuReg;

/// MRS with op0 3, op1 0, CRn 15.
const MRS: u32 = 0xd538_f000;
/// MSR with the same.
const MSR: u32 = 0xd518_f000;
/// All but CRm, op2 and Rt.
const FIXED: u32 = 0xffff_f000;

/// One access to one register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// Which register.
    pub register: PmuReg,
    /// MSR if true, MRS if not.
    pub write: bool,
    /// Number of the general register; 31 is XZR.
    pub general: u8,
}

impl Access {
    /// What an instruction does to these registers; `None` for any other instruction.
    pub fn decode(instruction: u32) -> Option<Self> {
        let write = match instruction & FIXED {
            MRS => false,
            MSR => true,
            _ => return None,
        };
        let [crm, op2] = [instruction >> 8 & 0xf, instruction >> 5 & 7];
        let mut all = PmuReg::ALL.into_iter();
        let register = all.find(|register| register.encoding() == (crm, op2))?;
        Some(Self { register, write, general: (instruction & 0x1f) as u8 })
    }
}

impl PmuReg {
    /// CRm and op2; op0 is 3, op1 is 0, CRn is 15.
    pub const fn encoding(self) -> (u32, u32) {
        match self {
            Self::Control => (5, 0),
            Self::CountersOn => (5, 1),
            Self::CountersOff => (5, 2),
            Self::OverflowSet => (5, 3),
            Self::OverflowClear => (5, 4),
            Self::Select => (5, 5),
            Self::InterruptsOn => (5, 6),
            Self::InterruptsOff => (5, 7),
            Self::Cycles => (6, 0),
            Self::EventType => (6, 1),
            Self::EventCount => (6, 2),
            Self::Events0 => (6, 4),
            Self::Events1 => (6, 5),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn instructions_as_an_assembler_makes_them() {
        let mrs = Access { register: PmuReg::Control, write: false, general: 0 };
        assert_eq!(Access::decode(0xd538_f500), Some(mrs)); // mrs x0, s3_0_c15_c5_0
        let msr = Access { register: PmuReg::EventCount, write: true, general: 31 };
        assert_eq!(Access::decode(0xd518_f65f), Some(msr)); // msr s3_0_c15_c6_2, xzr
        let mrs = Access { register: PmuReg::Events1, write: false, general: 17 };
        assert_eq!(Access::decode(0xd538_f6b1), Some(mrs)); // mrs x17, s3_0_c15_c6_5
    }

    #[test]
    fn each_register_has_an_encoding_of_its_own() {
        let all: Vec<_> = (0..1 << 12).filter_map(|low| Access::decode(MRS | low)).collect();
        assert_eq!(all.len(), PmuReg::ALL.len() * 32);
        for register in PmuReg::ALL {
            assert_eq!(all.iter().filter(|access| access.register == register).count(), 32);
        }
    }

    #[test]
    fn neighbours_are_none() {
        for other in [
            0,           // udf #0
            0xd538_f660, // S3_0_C15_C6_3: CLUSTERPMMDCR_EL3
            0xd538_f700, // CRm 7
            0xd53b_f500, // op1 3
            0xd528_f500, // SYSL
            0xd518_e500, // CRn 14
            0xd503_201f, // nop
        ] {
            assert_eq!(Access::decode(other), None, "{other:#x}");
        }
    }
}
