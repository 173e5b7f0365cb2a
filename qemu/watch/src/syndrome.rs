//! Which A64 instructions have a valid syndrome when their access to memory traps to EL2.
//!
//! The Arm ARM (DDI 0487, ESR_EL2, ISS encoding for an exception from a Data Abort, ISV) names them:
//! loads and stores of a single general-purpose register, the zero register included, those with
//! acquire or release semantics included, load exclusive and store exclusive excluded, and those
//! with write-back excluded.
//!
//! The list is closed. What is not recognised has no syndrome, so an encoding that a later
//! architecture adds is an offence until it is looked up and added here. Left out on purpose: LDRAA
//! and LDRAB, which no driver needs, and LD64B and ST64B, whose syndrome does not say what a
//! hypervisor would need for a plain access.

/// A group of encodings: those that are `value` under `mask`.
struct Group {
    mask: u32,
    value: u32,
    valid: fn(u32) -> bool,
}

const GROUPS: [Group; 8] = [
    // LDR, STR and their narrower kin, unsigned immediate offset
    Group { mask: 0x3f00_0000, value: 0x3900_0000, valid: moves_data },
    // LDUR, STUR: unscaled immediate offset
    Group { mask: 0x3f20_0c00, value: 0x3800_0000, valid: moves_data },
    // LDTR, STTR: unprivileged
    Group { mask: 0x3f20_0c00, value: 0x3800_0800, valid: moves_data },
    // LDR, STR: register offset
    Group { mask: 0x3f20_0c00, value: 0x3820_0800, valid: with_offset },
    // LDR (literal)
    Group { mask: 0x3f00_0000, value: 0x1800_0000, valid: literal },
    // LDAR, STLR, LDLAR, STLLR
    Group { mask: 0x3fbf_7c00, value: 0x089f_7c00, valid: always },
    // LDAPR
    Group { mask: 0x3fff_fc00, value: 0x38bf_c000, valid: always },
    // LDAPUR, STLUR
    Group { mask: 0x3f20_0c00, value: 0x1900_0000, valid: moves_data },
];

/// True if an access of this instruction that traps to EL2 has a valid syndrome.
pub fn is_valid(opcode: u32) -> bool {
    let group = GROUPS.iter().find(|group| opcode & group.mask == group.value);
    group.is_some_and(|group| (group.valid)(opcode))
}

fn always(_: u32) -> bool {
    true
}

/// Loads, stores and loads that extend the sign; neither a prefetch nor what is unallocated.
fn moves_data(opcode: u32) -> bool {
    let (size, opc) = (opcode >> 30, opcode >> 22 & 3);
    match opc {
        2 => size < 3,
        3 => size < 2,
        _ => true,
    }
}

/// As [`moves_data`]; the offset is extended from 32 bits or is one of 64.
fn with_offset(opcode: u32) -> bool {
    moves_data(opcode) && opcode & 1 << 14 != 0
}

/// All but the prefetch.
fn literal(opcode: u32) -> bool {
    opcode >> 30 < 3
}

#[cfg(test)]
mod tests;
