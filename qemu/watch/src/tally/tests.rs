use super::{Access, Instruction, Tally};

const PLAIN: u32 = 0xb94001b0; // ldr w16, [x13]
const WRITE_BACK: u32 = 0xb84045b0; // ldr w16, [x13], #4

fn access(opcode: u32, pc: u64, at: u64, store: bool) -> Access {
    Access { by: Instruction { pc, opcode }, at, store, region: "a device".into() }
}

fn report(accesses: &[Access]) -> String {
    let mut tally = Tally::default();
    accesses.iter().for_each(|access| tally.add(access.clone()));
    tally.to_string()
}

#[test]
fn plain_accesses_are_counted_by_page() {
    let seen = [
        access(PLAIN, 0x10, 0x8000084, false),
        access(PLAIN, 0x10, 0x8000ffc, false),
        access(PLAIN, 0x14, 0x8001000, true),
    ];
    assert_eq!(report(&seen), "page 0x8000000 2 0 a device\npage 0x8001000 0 1 a device\nend\n");
}

#[test]
fn an_offence_is_told_once_and_counted_each_time() {
    let again = access(WRITE_BACK, 0xffff800000001230, 0x8000084, false);
    let seen = [again.clone(), again.clone(), access(WRITE_BACK, 0x20, 0x8000088, true)];
    let wanted = "offence 0xffff800000001230 0xb84045b0 load 0x8000084 a device\n\
                  offence 0x0000000000000020 0xb84045b0 store 0x8000088 a device\n\
                  page 0x8000000 2 1 a device\nend\n";
    assert_eq!(report(&seen), wanted);
}

#[test]
fn another_opcode_at_the_same_address_is_another_offence() {
    let seen = [access(WRITE_BACK, 0x20, 0, true), access(0xa9000440, 0x20, 0, true)];
    assert_eq!(report(&seen).lines().filter(|line| line.starts_with("offence")).count(), 2);
}

#[test]
fn nothing_seen_is_an_empty_report() {
    assert_eq!(report(&[]), "end\n");
}
