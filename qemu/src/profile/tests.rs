use std::io::Cursor;

use super::account::{Side, Span};
use super::show::short;
use super::*;

/// Lines of QEMU 7.2 with a block that an access to a device ends, and one that is not run at once.
const RECORDED: &str = "\
----------------
IN: 
0xffffff80000e6d30:  d2a12008  mov      x8, #0x9000000
0xffffff80000e6d34:  aa0803e8  mov      x8, x8
0xffffff80000e6d38:  b9000101  str      w1, [x8]
0xffffff80000e6d3c:  d65f03c0  ret      

Trace 0: 0x7f4994bf13c0 [0000000000004000/ffffff80000e6d30/00000121/ff020200] 
cpu_io_recompile: rewound execution of TB to ffffff80000e6d38
----------------
IN: 
0xffffff80000e6d38:  b9000101  str      w1, [x8]

Trace 0: 0x7f4994bf15c0 [0000000000004000/ffffff80000e6d38/00000121/ff038201] 
----------------
IN: 
0xffffff80000e6d3c:  d65f03c0  ret      

Trace 0: 0x7f4994bf1780 [0000000000004000/ffffff80000e6d3c/00000121/ff020200] 
----------------
IN: 
0xffffff80000864b4:  d53be040  mrs      x0, cntvct_el0

Trace 3: 0x7f4994bf1900 [0000000000004000/ffffff80000864b4/00000121/ff020200] 
Stopped execution of TB chain before 0x7f4994bf1900 [ffffff80000864b4] 
Trace 3: 0x7f4994bf1900 [0000000000004000/ffffff80000864b4/00000121/ff020200] 
";

fn run(text: &str) -> Result<Vec<(u32, u64, u64)>> {
    let (mut log, mut all) = (Log::new(Cursor::new(text)), Vec::new());
    while let Some(ran) = log.next()? {
        all.push((ran.cpu, ran.pc & 0xffff, ran.instructions));
    }
    Ok(all)
}

#[test]
fn what_was_run_of_each_block_is_counted_once() {
    let all = run(RECORDED).unwrap();
    assert_eq!(all, [(0, 0x6d30, 2), (0, 0x6d38, 1), (0, 0x6d3c, 1), (3, 0x64b4, 1)]);
}

#[test]
fn the_rewound_place_of_old_versions_is_where_the_cpu_goes_on() {
    let old = RECORDED.replace(
        "rewound execution of TB to ffffff80000e6d38",
        "rewound execution of TB to ffffff80000e6d30",
    );
    assert_eq!(run(&old).unwrap(), run(RECORDED).unwrap());
}

#[test]
fn lines_of_other_versions_are_read() {
    // Of 8.x to 10.x, with symbols; and of a QEMU without a disassembler.
    let text = "IN: _start\nOBJD-T: 40e03bd5c0035fd6\n\nLinking TBs 0x1 index 0 -> 0x2\n\
                Trace 1: 0x107bbc180 [00000100/0000000080001000/01c1401b/ff020201] _start\n\
                Trace 1: 0x107bbc180 [00000100/0000000080001000/01c1401b/ff020201]\n";
    assert_eq!(run(text).unwrap(), [(1, 0x1000, 2); 2]);
    let mut log = Log::new(Cursor::new(text));
    assert_eq!(log.next().unwrap().unwrap().reads().collect::<Vec<_>>(), [0]);
}

#[test]
fn a_block_that_is_translated_again_has_its_new_length() {
    let again = "Trace 0: 0x7f00 [0/80001000/1/2]\n";
    let block = |words: &str| format!("IN: \n{words}\n{again}");
    let one = "0x80001000:  d65f03c0  ret";
    let text = [block(&format!("{one}\n{one}")), again.into(), block(one), again.into()].concat();
    let lengths: Vec<u64> = run(&text).unwrap().iter().map(|ran| ran.2).collect();
    assert_eq!(lengths, [2, 2, 1, 1]);
}

#[test]
fn what_is_not_known_is_an_error() {
    let why = |text: &str| format!("{:#}", run(text).unwrap_err());
    let unseen = "Trace 0: 0x7f00 [0/80001000/1/2]";
    assert!(why(unseen).contains("does not say what is in the block at 0x80001000"));
    // A description whose place in its page is another one is not this block's.
    let other = format!("IN: \n0x80001004:  d65f03c0  ret\n{unseen}");
    assert!(why(&other).contains("does not say what is in"));
    assert!(why("Trace 0x7f00 [80001000]").contains("form that is not known"));
    assert!(why("Stopped execution of TB chain before now").contains("form that is not known"));
}

const UP: u64 = 0xffff_ff80_0000_0000;
const BASE: u64 = 0x4020_0000;

fn made_up() -> Symbols {
    let names = [
        (0x0, 0, "entry"),
        (0x1000, 0x100, "baton::kernel::reboot::<impl baton::kernel::Kernel>::exec"),
        (0x1040, 0, "a_label_inside"),
        (0x2000, 0x10, "_ZN5baton7aarch645timer3now17h0123456789abcdefE"),
        (0x3000, 0x100, "baton::hotplug::ap::<impl baton::hotplug::Hotplug>::secondary"),
        (0x4000, 0x100, "baton::hotplug::Hotplug::boot_cpu_up"),
    ];
    let names = names.map(|(at, size, name)| (UP + at, size, name.to_string()));
    Symbols::new(names.to_vec(), (UP, 0x10000), &[BASE])
}

#[test]
fn addresses_are_in_their_functions_wherever_the_kernel_runs() {
    let symbols = made_up();
    let name = |pc| symbols.name(symbols.at(pc));
    assert!(name(UP + 0x1044).ends_with("Kernel>::exec"), "{}", name(UP + 0x1044));
    assert_eq!(name(UP + 0x200c), "baton::aarch64::timer::now");
    assert_eq!(name(BASE + 0x20), "entry");
    assert_eq!(name(BASE + 0x200c), "baton::aarch64::timer::now");
    for pc in [UP + 0x2010, BASE - 4, BASE + 0x10000, UP - 4] {
        assert_eq!(name(pc), "(no function)", "{pc:#x}");
    }
}

/// A log in which each block is `length` times NOP, with the counter's read where `read` says.
fn block(cpu: u32, pc: u64, length: u64, read: Option<u64>) -> String {
    let word = |i| if Some(i) == read { "d53be040" } else { "d503201f" };
    let line = |i| format!("{:#x}:  {}  x\n", pc + 4 * i, word(i));
    let lines: String = (0..length).map(line).collect();
    format!("IN: \n{lines}\nTrace {cpu}: {pc:#x} [0/{pc:016x}/0/0] \n")
}

fn account(blocks: &[String]) -> Result<Vec<(Span, Side, String, u64)>> {
    let (symbols, text) = (made_up(), blocks.concat());
    let (mut log, mut account) = (Log::new(Cursor::new(text)), Account::new(&symbols));
    while let Some(ran) = log.next()? {
        account.add(&ran);
    }
    account.close()
}

#[test]
fn a_kexec_is_counted_from_the_read_of_exec_to_the_last_cpu_online() {
    let (exec, now, ap) = (UP + 0x1000, UP + 0x2000, UP + 0x3000);
    let blocks = [
        block(1, now, 2, Some(0)),          // read for another purpose, before
        block(0, exec, 10, None),           // before exec is accepted
        block(0, now, 3, Some(1)),          // exec_at: 2 of these
        block(1, ap, 6, Some(2)),           // on the way down: no end
        block(0, now, 3, Some(1)),          // another read: all 3
        block(0, BASE, 7, Some(0)),         // the next kernel's entry
        block(0, UP + 0x4000, 20, Some(4)), // the boot CPU is ONLINE: an end, but not the last
        block(1, ap, 30, None),
        block(1, now, 4, Some(1)),  // CPU 1 is ONLINE: 1 of these
        block(0, exec, 1000, None), // after
    ];
    let mut all = account(&blocks).unwrap();
    all.sort_by_key(|row| row.3);
    let figures: Vec<_> = all.iter().map(|(span, side, _, count)| (*span, *side, *count)).collect();
    let wanted = [
        (Span::Up, Side::Others, 1),
        (Span::Down, Side::Boot, 5),
        (Span::Down, Side::Others, 6),
        (Span::Jump, Side::Boot, 7),
        (Span::Up, Side::Boot, 20),
        (Span::Up, Side::Others, 30),
    ];
    assert_eq!(figures, wanted, "{all:?}");
    assert_eq!(all[1].2, "baton::aarch64::timer::now");
    let why = |blocks: &[String]| account(blocks).unwrap_err().to_string();
    assert!(why(&blocks[..2]).contains("Kernel::exec"));
    assert!(why(&blocks[..6]).contains("ONLINE"));
}

#[test]
fn the_table_has_the_most_expensive_functions_and_the_sum() {
    let record = r#"@baton {"v":1,"record":"kexec","generation":1,"from":"a","to":"b","teardown":"parallel","bytes_copied":0,"copy_ns":0,"exec_to_jump_ns":9,"jump_to_entry_ns":1,"entry_to_online_ns":1,"blackout_ns":1000,"exec_at_ns":5}"#;
    let Record::Kexec(kexec) = baton::report::from_line(record).unwrap() else { panic!() };
    let counts = [
        (Span::Down, Side::Boot, "a", 700),
        (Span::Up, Side::Others, "a", 100),
        (Span::Up, Side::Boot, "b", 150),
        (Span::Up, Side::Boot, "c", 60),
    ];
    let counts = counts.map(|(span, side, name, count)| (span, side, name.to_string(), count));
    let profile = Profile::new(&Options::new("k"), &kexec, counts.to_vec());
    assert!(
        profile.headline().contains("1,010 instructions")
            && profile.headline().contains("(+1.00 %)")
    );
    let text = profile.table(1);
    let words = |name: &str| {
        let line = text.lines().find(|line| line.contains(name)).unwrap();
        line.split_whitespace().map(String::from).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(words(" a "), "a 800 79.2 700 - - - - 100");
    assert_eq!(words("2 others"), "2 others 210 20.8 - - - - 210 -");
    assert_eq!(words("sum"), "sum 1,010 100.0 700 - - - 210 100");
    let json = serde_json::to_value(&profile).unwrap();
    assert_eq!(json["functions"].as_array().unwrap().len(), 3);
    assert_eq!(
        json["columns"][0],
        serde_json::json!({"span": "down", "side": "boot", "instructions": 700})
    );
}

#[test]
fn names_are_short_in_the_table() {
    let cases = [
        (
            "baton::hotplug::ap::<impl baton::hotplug::Hotplug>::secondary",
            "hotplug::ap::<impl Hotplug>::secondary",
        ),
        ("<baton::a::DiskDriver as baton::b::Driver>::quiesce", "<DiskDriver as Driver>::quiesce"),
        ("memcpy", "memcpy"),
        ("core::slice::sort::<&mut core::x::Y<a::B>>::go", "core::slice::sort::<&mut Y<B>>::go"),
    ];
    for (name, wanted) in cases {
        assert_eq!(short(name), wanted);
    }
}
