//! The encodings are those of LLVM's assembler for the text beside them.

use super::is_valid;

const VALID: &[(u32, &str)] = &[
    (0xb94001b0, "ldr w16, [x13]"),
    (0xb9400420, "ldr w0, [x1, #4]"),
    (0xf97ffc20, "ldr x0, [x1, #32760]"),
    (0xf94003ff, "ldr xzr, [sp]"),
    (0xb9000c62, "str w2, [x3, #12]"),
    (0xf900009f, "str xzr, [x4]"),
    (0x39400420, "ldrb w0, [x1, #1]"),
    (0x3900003f, "strb wzr, [x1]"),
    (0x79400420, "ldrh w0, [x1, #2]"),
    (0x79000020, "strh w0, [x1]"),
    (0x39c00020, "ldrsb w0, [x1]"),
    (0x39800020, "ldrsb x0, [x1]"),
    (0x79c00020, "ldrsh w0, [x1]"),
    (0x79800020, "ldrsh x0, [x1]"),
    (0xb9800020, "ldrsw x0, [x1]"),
    (0xb85fc020, "ldur w0, [x1, #-4]"),
    (0xf8003020, "stur x0, [x1, #3]"),
    (0x385ff020, "ldurb w0, [x1, #-1]"),
    (0x381ff020, "sturb w0, [x1, #-1]"),
    (0x78401020, "ldurh w0, [x1, #1]"),
    (0x78001020, "sturh w0, [x1, #1]"),
    (0x38dff020, "ldursb w0, [x1, #-1]"),
    (0x389ff020, "ldursb x0, [x1, #-1]"),
    (0x78c01020, "ldursh w0, [x1, #1]"),
    (0x78801020, "ldursh x0, [x1, #1]"),
    (0xb8801020, "ldursw x0, [x1, #1]"),
    (0xb8400820, "ldtr w0, [x1]"),
    (0xf8008820, "sttr x0, [x1, #8]"),
    (0x38400820, "ldtrb w0, [x1]"),
    (0x78000820, "sttrh w0, [x1]"),
    (0xb8800820, "ldtrsw x0, [x1]"),
    (0xb8626820, "ldr w0, [x1, x2]"),
    (0xf8627820, "ldr x0, [x1, x2, lsl #3]"),
    (0xb8225820, "str w0, [x1, w2, uxtw #2]"),
    (0x3822c820, "strb w0, [x1, w2, sxtw]"),
    (0x7862e820, "ldrh w0, [x1, x2, sxtx]"),
    (0xb8a26820, "ldrsw x0, [x1, x2]"),
    (0x38e26820, "ldrsb w0, [x1, x2]"),
    (0x18000040, "ldr w0, #8"),
    (0x58ffffc0, "ldr x0, #-8"),
    (0x98000040, "ldrsw x0, #8"),
    (0x88dffc20, "ldar w0, [x1]"),
    (0x08dffc20, "ldarb w0, [x1]"),
    (0x48dffc20, "ldarh w0, [x1]"),
    (0xc8dfffe0, "ldar x0, [sp]"),
    (0x889ffc20, "stlr w0, [x1]"),
    (0x089ffc3f, "stlrb wzr, [x1]"),
    (0x489ffc20, "stlrh w0, [x1]"),
    (0xc89ffc20, "stlr x0, [x1]"),
    (0x88df7c20, "ldlar w0, [x1]"),
    (0xc89f7c20, "stllr x0, [x1]"),
    (0xb8bfc020, "ldapr w0, [x1]"),
    (0x38bfc020, "ldaprb w0, [x1]"),
    (0x78bfc020, "ldaprh w0, [x1]"),
    (0xf8bfc020, "ldapr x0, [x1]"),
    (0x99404020, "ldapur w0, [x1, #4]"),
    (0x19804020, "ldapursb x0, [x1, #4]"),
    (0x99804020, "ldapursw x0, [x1, #4]"),
    (0xd91f8020, "stlur x0, [x1, #-8]"),
    (0x19000020, "stlurb w0, [x1]"),
];

const NOT_VALID: &[(u32, &str)] = &[
    (0xb84045b0, "ldr w16, [x13], #4"),
    (0xb800456e, "str w14, [x11], #4"),
    (0xb80045bf, "str wzr, [x13], #4"),
    (0xb8008420, "str w0, [x1], #8"),
    (0x38001420, "strb w0, [x1], #1"),
    (0xf8408c20, "ldr x0, [x1, #8]!"),
    (0xb8004c20, "str w0, [x1, #4]!"),
    (0x78402420, "ldrh w0, [x1], #2"),
    (0x78020520, "strh w0, [x9], #32"),
    (0xb8804c20, "ldrsw x0, [x1, #4]!"),
    (0x38c01420, "ldrsb w0, [x1], #1"),
    (0x29400440, "ldp w0, w1, [x2]"),
    (0xa8c10440, "ldp x0, x1, [x2], #16"),
    (0xa9000440, "stp x0, x1, [x2]"),
    (0xa9bf7bfd, "stp x29, x30, [sp, #-16]!"),
    (0x69400440, "ldpsw x0, x1, [x2]"),
    (0xa8400440, "ldnp x0, x1, [x2]"),
    (0x28000440, "stnp w0, w1, [x2]"),
    (0x3dc00020, "ldr q0, [x1]"),
    (0xfd400420, "ldr d0, [x1, #8]"),
    (0xbc404420, "ldr s0, [x1], #4"),
    (0x3d400020, "ldr b0, [x1]"),
    (0x3d800420, "str q0, [x1, #16]"),
    (0x7c226820, "str h0, [x1, x2]"),
    (0xfc401020, "ldur d0, [x1, #1]"),
    (0x1c000040, "ldr s0, #8"),
    (0xad400440, "ldp q0, q1, [x2]"),
    (0x4c407020, "ld1 { v0.16b }, [x1]"),
    (0x4c9fa820, "st1 { v0.4s, v1.4s }, [x1], #32"),
    (0x4d40c820, "ld1r { v0.4s }, [x1]"),
    (0x885f7c20, "ldxr w0, [x1]"),
    (0xc85ffc20, "ldaxr x0, [x1]"),
    (0x88027c20, "stxr w2, w0, [x1]"),
    (0xc802fc20, "stlxr w2, x0, [x1]"),
    (0xc87f0440, "ldxp x0, x1, [x2]"),
    (0xc8230440, "stxp w3, x0, x1, [x2]"),
    (0x88a07c41, "cas w0, w1, [x2]"),
    (0xc8e0fc41, "casal x0, x1, [x2]"),
    (0x48207c82, "casp x0, x1, x2, x3, [x4]"),
    (0xb8200041, "ldadd w0, w1, [x2]"),
    (0xb820005f, "stadd w0, [x2]"),
    (0xf8e01041, "ldclral x0, x1, [x2]"),
    (0xb8203041, "ldset w0, w1, [x2]"),
    (0xb8208041, "swp w0, w1, [x2]"),
    (0xf8e08041, "swpal x0, x1, [x2]"),
    (0x38204041, "ldsmaxb w0, w1, [x2]"),
    (0xf8200420, "ldraa x0, [x1]"),
    (0xf8a01c20, "ldrab x0, [x1, #8]!"),
    (0xf9800020, "prfm pldl1keep, [x1]"),
    (0xf89ff020, "prfum pldl1keep, [x1, #-1]"),
    (0xf8a26820, "prfm pldl1keep, [x1, x2]"),
    (0xd8000040, "prfm pldl1keep, #8"),
    (0xd50b7420, "dc zva, x0"),
    (0xd50b7e20, "dc civac, x0"),
    (0xd9200820, "stg x0, [x1]"),
    (0xd9600020, "ldg x0, [x1]"),
    (0xd9a01420, "st2g x0, [x1], #16"),
    (0xf83fd100, "ld64b x0, [x8]"),
    (0xf83f9100, "st64b x0, [x8]"),
    (0xa400a000, "ld1b { z0.b }, p0/z, [x0]"),
    (0x8b020020, "add x0, x1, x2"),
    (0xd2800000, "mov x0, #0"),
    (0xd503201f, "nop"),
    (0xd65f03c0, "ret"),
    (0xd4000001, "svc #0"),
    (0xd4000002, "hvc #0"),
    (0xd5380000, "mrs x0, MIDR_EL1"),
    (0xd5033f9f, "dsb sy"),
    (0x00000000, "udf #0"),
];

/// Unallocated; each is one bit away from one that is valid.
const UNALLOCATED: [u32; 4] = [
    0xf9c00020, // LDR, unsigned offset: size 3, opc 3
    0xb9c00020, // LDR, unsigned offset: size 2, opc 3
    0xf8620820, // LDR, register offset: option 0
    0xd9800020, // LDAPUR: size 3, opc 2
];

#[test]
fn a_load_or_store_of_one_register_has_a_syndrome() {
    for (opcode, text) in VALID {
        assert!(is_valid(*opcode), "{opcode:#010x} {text}");
    }
}

#[test]
fn nothing_else_has() {
    for (opcode, text) in NOT_VALID {
        assert!(!is_valid(*opcode), "{opcode:#010x} {text}");
    }
    for opcode in UNALLOCATED {
        assert!(!is_valid(opcode), "{opcode:#010x}");
    }
}

/// Base and data register say nothing about the form.
#[test]
fn every_register_is_as_good() {
    let others = [0, 1, 13, 31];
    for (opcode, text) in VALID.iter().filter(|(_, text)| text.contains('[')) {
        for register in others {
            let opcode = opcode & !0x3ff | register << 5 | register;
            assert!(is_valid(opcode), "{opcode:#010x}, made from {text}");
        }
    }
}
