//! What a baton tells the next one of the machine: the same machine comes out, and nothing that is
//! damaged, of another version or for another entry is taken.
#![cfg(not(loom))]

mod fdt_support;

use baton::config::PHYSICAL_END;
use baton::cpu::Mpidr;
use baton::handover::{Entered, Warm, WarmError, warm_record};
use baton::memory::Range;
use baton::platform::{self, BootParams, Described, Machine};
use fdt_support::dtb;

const GOOD: [&str; 8] = [
    "good-altra-like",
    "good-bus",
    "good-clusters",
    "good-no-console",
    "good-triggers",
    "good-virt-el2",
    "good-virt-gicv2-2",
    "good-virt-gicv3-4",
];

/// Words before the machine, and the word of the seal.
const FIXED: usize = 11;
const SEAL: usize = 3;

/// A machine, where a kernel would be entered on it, and what that kernel is told.
struct Told {
    entered: Entered,
    machine: Machine,
    params: BootParams,
    words: Vec<u64>,
}

fn told(name: &str) -> Told {
    let boot = Mpidr::from_register(0);
    let Described { machine, params, .. } = platform::describe(&dtb(name), boot).unwrap();
    // The last bank has room for image, tree and heap, whatever is reserved at its start.
    let bank = machine.memory.last().unwrap();
    let end = bank.end & !0x1f_ffff;
    let heap = Range::new(end - 0x40_0000, end);
    let image = Range::new(heap.start - 0x40_0000, heap.start - 0x20_0000);
    let entered = Entered { boot, image, dtb: Range::new(image.end, image.end + 0x3456) };
    let bytes = warm_record(&entered, heap, &machine, &params).unwrap();
    let words = bytes.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    Told { entered, machine, params, words }
}

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Seals what was changed, as a kernel with a fault, or an enemy, would.
fn sealed(mut words: Vec<u64>) -> Vec<u64> {
    let fold = |sum: u64, word: u64| (sum ^ word).wrapping_mul(0x100_0000_01b3).rotate_left(32);
    let counted = words.iter().enumerate().filter(|(at, _)| *at != SEAL).map(|(_, word)| *word);
    words[SEAL] = counted.fold(0xcbf2_9ce4_8422_2325, fold).max(1);
    words
}

fn read(words: &[u64], entered: &Entered) -> Result<(Machine, BootParams), WarmError> {
    Warm::open(&bytes(words), entered)?.read()
}

#[test]
fn the_same_machine_comes_out() {
    for name in GOOD {
        let told = told(name);
        let (machine, params) = read(&told.words, &told.entered).unwrap();
        assert_eq!(told.machine.differences(&machine), [""; 0], "{name}");
        assert_eq!(params.bootargs, told.params.bootargs, "{name}");
        assert_eq!((params.initrd, params.handover), (told.params.initrd, told.params.handover));
        assert_eq!(params.rng_seed, None, "{name}");
        let longer = [&told.words[..], &[7]].concat();
        assert!(read(&longer, &told.entered).is_ok(), "what follows the record is not read");
    }
}

#[test]
fn without_the_seal_no_word_is_believed() {
    let told = told("good-clusters");
    for at in 0..told.words.len() {
        for bit in [0, 17, 63] {
            let mut words = told.words.clone();
            words[at] ^= 1 << bit;
            let error = read(&words, &told.entered).unwrap_err();
            let wanted = match at {
                0 => error == WarmError::Absent,
                1 => matches!(error, WarmError::Version(_)),
                2 => matches!(error, WarmError::Malformed("length") | WarmError::Unsealed),
                _ => error == WarmError::Unsealed,
            };
            assert!(wanted, "word {at}: {error}");
        }
    }
    assert_eq!(read(&[], &told.entered).unwrap_err(), WarmError::Absent);
}

#[test]
fn it_is_for_one_entry() {
    let told = told("good-virt-gicv3-4");
    let Entered { boot, image, dtb } = told.entered;
    let moved = |range: Range| Range::new(range.start + 0x1000, range.end + 0x1000);
    let others = [
        (Entered { boot: Mpidr::from_register(1), ..told.entered }, "boot CPU"),
        (Entered { image: moved(image), ..told.entered }, "image"),
        (Entered { dtb: moved(dtb), ..told.entered }, "tree"),
        (Entered { dtb: Range::new(dtb.start, dtb.end + 8), ..told.entered }, "tree"),
    ];
    for (other, what) in others {
        assert_eq!(read(&told.words, &other).unwrap_err(), WarmError::Elsewhere(what));
    }
    assert!(read(&told.words, &Entered { boot, image, dtb }).is_ok());
}

/// Whatever a sealed record says, a machine that comes out is one that can be.
#[test]
fn a_sealed_record_with_one_odd_word_is_refused_or_makes_sense() {
    for name in GOOD {
        let told = told(name);
        let (mut taken, mut refused) = (0, 0);
        for at in FIXED..told.words.len() {
            for odd in [0, 1, 2, told.words[at] ^ 1, told.words[at] ^ 0x1000, 1 << 40, u64::MAX] {
                let mut words = told.words.clone();
                words[at] = odd;
                match read(&sealed(words), &told.entered) {
                    Ok((machine, params)) => {
                        taken += 1;
                        check(&machine, &params);
                    }
                    Err(WarmError::Malformed(_)) => refused += 1,
                    Err(other) => panic!("{name}, word {at}: {other}"),
                }
            }
        }
        assert!(taken > 0 && refused > 0, "{name}: {taken} taken, {refused} refused");
    }
}

fn check(machine: &Machine, params: &BootParams) {
    assert!(machine.memory.iter().all(|bank| !bank.is_empty() && bank.end <= PHYSICAL_END));
    assert!(machine.memory.is_sorted());
    let cpus = machine.topology.len();
    let clusters = machine.clusters.iter();
    assert!(clusters.flat_map(|cluster| cluster.cpus.iter()).all(|cpu| cpu.index() < cpus));
    machine.apart_from(&machine.memory).unwrap();
    let inside = |range: Range| machine.memory.iter().any(|bank| bank.covers(&range));
    assert!([params.initrd, params.handover].into_iter().flatten().all(inside));
}
