//! What bindings permit, feature by feature, on the small machine of `dts/fixtures/base.dtsi`: other
//! names of one controller, nexus nodes, RAM that may not be used, reservations of what was handed
//! over.
#![cfg(not(loom))]

mod fdt_support;

use baton::cpu::Mpidr;
use baton::fdt::{Blocks, Checked};
use baton::interrupt::Interrupt;
use baton::kernel::layout::{Claims, Left, Present, heap_place, lay_out};
use baton::memory::{Map, Owner, Ram, Range};
use baton::platform::early::{self, Early};
use baton::platform::{self, Described, Gic, PlatformError};
use fdt_support::changed;

const RAM: Range = Range::new(0x4000_0000, 0x5000_0000);
const UART: Range = Range::new(0x900_0000, 0x900_1000);

fn try_describe(tree: &[u8]) -> Result<Described, PlatformError> {
    platform::describe(tree, Mpidr::from_register(0))
}

fn describe(changes: &str) -> Described {
    try_describe(&changed("", changes)).unwrap()
}

/// Without a warning.
fn good(changes: &str) -> Described {
    let d = describe(changes);
    assert_eq!(d.warnings, [] as [&str; 0], "{changes}");
    d
}

fn error(changes: &str) -> String {
    try_describe(&changed("", changes)).unwrap_err().to_string()
}

/// The interrupt of the console.
fn console(changes: &str) -> Option<Interrupt> {
    describe(changes).machine.console.unwrap().interrupt
}

/// What is known before there is a heap is the same.
fn early_gic(tree: &[u8]) -> Option<Gic> {
    Early::look(Checked::of(tree).unwrap()).unwrap().gic
}

const GIC_V2: &str = "reg = <0 0x8000000 0 0x1000>, <0 0x8010000 0 0x1000>;";

#[test]
fn a_gicv2_has_many_names() {
    let names = [
        "arm,gic-400",
        "arm,cortex-a15-gic",
        "arm,cortex-a9-gic",
        "arm,cortex-a7-gic",
        "arm,cortex-a5-gic",
        "arm,arm11mp-gic",
        "arm,eb11mp-gic",
        "arm,tc11mp-gic",
        "arm,pl390",
        "qcom,msm-8660-qgic",
        "qcom,msm-qgic2",
        "brcm,brahma-b15-gic",
        "arm,arm1176jzf-devchip-gic",
    ];
    for name in names {
        let tree = changed("", &format!("&gic {{ compatible = \"{name}\"; {GIC_V2} }};"));
        let gic = try_describe(&tree).unwrap().machine.gic;
        assert!(matches!(gic, Gic::V2 { .. }), "{name}");
        assert_eq!(early_gic(&tree), Some(gic), "{name}");
    }
}

#[test]
fn registers_apart_for_each_cpu_and_gics_of_other_kinds_are_refused() {
    let none = "device tree: no interrupt controller that is a GICv2 or GICv3";
    for (name, more) in [
        ("arm,gic-400", "cpu-offset = <0x8000>;"),
        ("nvidia,tegra210-agic", ""),
        ("arm,gic-v5", ""),
        ("arm,gic", ""),
    ] {
        let text = format!("&gic {{ compatible = \"{name}\"; {GIC_V2} {more} }};");
        assert_eq!(error(&text), none, "{name}");
    }
}

/// A GIC that stands first, and whose interrupts go on to the CPUs' own.
#[test]
fn a_gic_behind_another_one_is_not_the_cpus_own() {
    let second = |interrupts: &str| {
        format!(
            "/ {{ agic: interrupt-controller@1000000 {{ compatible = \"arm,gic-400\"; \
             interrupt-controller; #interrupt-cells = <3>; \
             reg = <0 0x1000000 0 0x1000>, <0 0x1010000 0 0x1000>; {interrupts} }}; }};"
        )
    };
    // The one that comes first in the tree: nodes of the base come before.
    let moved = "/delete-node/ &gic; / { gic: gic@8000000 { \
                 compatible = \"arm,gic-v3\"; interrupt-controller; #interrupt-cells = <3>; \
                 reg = <0 0x8000000 0 0x10000>, <0 0x80a0000 0 0x40000>; interrupts = <1 9 4>; }; };";
    for interrupts in ["interrupts = <0 102 4>;", "interrupts-extended = <&gic 0 102 4>;"] {
        let tree = changed("", &format!("{}{moved}", second(interrupts)));
        let d = try_describe(&tree).unwrap();
        assert!(matches!(d.machine.gic, Gic::V3 { .. }), "{interrupts}");
        assert_eq!(early_gic(&tree), Some(d.machine.gic), "{interrupts}");
        assert_eq!(d.machine.console.unwrap().interrupt, Some(Interrupt::level(33)));
    }
    let tree = changed("", &format!("{}{moved}", second("")));
    let d = try_describe(&tree);
    assert!(d.is_err(), "the first, which is no worse, has none of the interrupts");
}

/// The console below a bus that is a nexus; `map` is what the nexus says.
fn behind(map: &str, uart: &str) -> String {
    format!(
        "/delete-node/ &uart; &chosen {{ stdout-path = \"/bus/uart@9000000\"; }}; / {{ bus {{ \
         #address-cells = <2>; #size-cells = <2>; ranges; #interrupt-cells = <1>; {map} \
         uart@9000000 {{ compatible = \"arm,pl011\"; reg = <0 0x9000000 0 0x1000>; {uart} }}; }}; }};"
    )
}

#[test]
fn a_nexus_turns_interrupts_of_its_bus_into_those_of_the_gic() {
    let uart = "interrupts = <5>;";
    let edge = Some(Interrupt::edge(34));
    // The second entry is the one, by the specifier alone, by the address alone, and by both.
    for map in [
        "interrupt-map-mask = <0 0 63>; interrupt-map = <0 0 4 &gic 0 1 4>, <0 0 5 &gic 0 2 1>;",
        "interrupt-map-mask = <0 0xffffffff 0>; \
         interrupt-map = <0 0 0 &gic 0 1 4>, <0 0x9000000 0 &gic 0 2 1>;",
        "interrupt-map = <0 0x9000000 4 &gic 0 1 4>, <0 0x9000000 5 &gic 0 2 1>;",
        "interrupt-map-mask = <0 0 3>; interrupt-map = <0 0 5 &gic 0 2 1>;",
    ] {
        assert_eq!(console(&behind(map, uart)), edge, "{map}");
    }
    // By name, where the tree does not lead through the nexus.
    let named = format!(
        "{} / {{ nexus: nexus {{ #address-cells = <0>; #interrupt-cells = <2>; \
         interrupt-map = <7 8 &gic 0 2 1>; }}; }}; &uart {{ {} }};",
        "", "interrupt-parent = <&nexus>; interrupts = <7 8>;"
    );
    assert_eq!(console(&named), edge);
    let extended = named.replace(
        "interrupt-parent = <&nexus>; interrupts = <7 8>;",
        "interrupts-extended = <&nexus 7 8>;",
    );
    assert_eq!(console(&extended), edge);
}

/// A GIC that counts its addresses, because it has children, has them in every entry of a map.
#[test]
fn entries_are_as_long_as_the_parent_says() {
    for (cells, zeros) in [(0, ""), (1, "0"), (2, "0 0")] {
        let map = format!(
            "interrupt-map-mask = <0 0 63>; \
             interrupt-map = <0 0 4 &gic {zeros} 0 1 4>, <0 0 5 &gic {zeros} 0 2 4>;"
        );
        let gic = format!("&gic {{ #address-cells = <{cells}>; #size-cells = <{cells}>; }};");
        let text = format!("{gic}{}", behind(&map, "interrupts = <5>;"));
        assert_eq!(console(&text), Some(Interrupt::level(34)), "{cells}");
    }
}

/// Nexus nodes one behind the other; each reads the unit address that the one before has written.
#[test]
fn a_chain_of_nexus_nodes_is_followed_to_its_end() {
    let chain = "interrupt-map-mask = <0 0 63>; interrupt-map = <0 0 5 &middle 7 1 9>;";
    let middle = "/ { middle: middle { #address-cells = <2>; #interrupt-cells = <1>; \
                  interrupt-map = <7 0 9 &gic 0 1 4>, <7 1 9 &gic 0 2 4>; }; };";
    let text = format!("{}{middle}", behind(chain, "interrupts = <5>;"));
    assert_eq!(console(&text), Some(Interrupt::level(34)));
}

/// Circles end, and what a map does not have is no interrupt; the console is then polled.
#[test]
fn a_nexus_that_leads_nowhere_gives_no_interrupt() {
    let uart = "interrupts = <5>;";
    let to = |entry: &str| format!("interrupt-map-mask = <0 0 63>; interrupt-map = <{entry}>;");
    let circle = "/ { middle: middle { #address-cells = <0>; #interrupt-cells = <1>; \
                  interrupt-map = <5 &middle 5>; }; };";
    let other = "/ { other: other { interrupt-controller; #interrupt-cells = <1>; }; };";
    for text in [
        format!("{}{circle}", behind(&to("0 0 5 &middle 5"), uart)),
        format!("{}{other}", behind(&to("0 0 5 &other 5"), uart)),
        behind(&to("0 0 6 &gic 0 1 4"), uart),
        behind(&to("0 0 5 &gic 0 1"), uart),
        behind(&to("0 0 5 0x7777 0 1 4"), uart),
        behind("interrupt-map-mask = <0 0>; interrupt-map = <0 0 5 &gic 0 1 4>;", uart),
        behind("", uart),
        behind(&to("0 0 5 &gic 0 988 4"), uart),
    ] {
        let d = describe(&text);
        assert_eq!(d.machine.console.unwrap().interrupt, None, "{text}");
        assert!(d.warnings[0].contains("no usable interrupt, the console is polled"), "{text}");
    }
}

/// Without `interrupt-parent` anywhere, the parent is the controller.
#[test]
fn the_parent_in_the_tree_is_the_interrupt_parent() {
    let text = "/ { /delete-property/ interrupt-parent; }; &timer { interrupt-parent = <&gic>; }; \
                /delete-node/ &uart; &chosen { stdout-path = \"/interrupt-controller@8000000/bus/uart@9000000\"; }; \
                &gic { #address-cells = <2>; #size-cells = <2>; ranges; bus { #address-cells = <2>; \
                #size-cells = <2>; ranges; uart@9000000 { compatible = \"arm,pl011\"; \
                reg = <0 0x9000000 0 0x1000>; interrupts = <0 1 4>; }; }; };";
    assert_eq!(console(text), Some(Interrupt::level(33)));
}

#[test]
fn uarts_and_timers_have_other_names() {
    for name in ["arm,pl011", "arm,pl011-axi", "arm,sbsa-uart"] {
        let d = good(&format!("&uart {{ compatible = \"{name}\"; }};"));
        assert_eq!(d.machine.console.unwrap().base, UART, "{name}");
    }
    for name in ["arm,armv8-timer", "arm,armv7-timer", "arm,cortex-a15-timer"] {
        good(&format!("&timer {{ compatible = \"{name}\"; }};"));
    }
    let d = describe("&timer { fsl,erratum-a008585; };");
    let text = "/timer: fsl,erratum-a008585: not worked around, times may be wrong";
    assert_eq!(d.warnings, [text]);
    let names =
        "&timer { interrupt-names = \"virt\", \"phys\"; interrupts = <1 11 4>, <1 14 4>; };";
    let timer = good(names).machine.timer;
    assert_eq!((timer.virtual_ppi.intid, timer.physical_ppi.intid), (27, 30));
    assert_eq!(timer.hypervisor_ppi, None);
}

#[test]
fn a_cpu_that_has_failed_is_named_and_one_that_is_not_there_is_not() {
    let status = |status: &str| describe(&format!("&cpu1 {{ status = \"{status}\"; }};"));
    for failed in ["fail", "fail-hot"] {
        let d = status(failed);
        assert_eq!(d.machine.topology.len(), 1);
        let text = "/cpus/cpu@1: left out: its status says that it has failed";
        assert_eq!(d.warnings, [text], "{failed}");
    }
    let d = status("disabled");
    assert_eq!((d.machine.topology.len(), d.warnings.len()), (1, 0));
    assert_eq!(status("ok").machine.topology.len(), 2);
}

/// A virtio device writes to memory by itself, at addresses that a bus may change.
#[test]
fn a_device_whose_bus_translates_its_addresses_is_left_out() {
    let disk = |ranges: &str| {
        describe(&format!(
            "/ {{ bus {{ #address-cells = <2>; #size-cells = <2>; ranges; {ranges} \
             disk@a000000 {{ compatible = \"virtio,mmio\"; reg = <0 0xa000000 0 0x200>; \
             interrupts = <0 16 1>; }}; }}; }};"
        ))
    };
    assert_eq!(disk("").machine.virtio.len(), 1);
    assert_eq!(disk("dma-ranges;").machine.virtio.len(), 1);
    let d = disk("dma-ranges = <0 0 0 0x40000000 0 0x10000000>;");
    assert_eq!(d.machine.virtio.len(), 0);
    let text = "/bus/disk@a000000: left out: /bus has dma-ranges that are not empty";
    assert_eq!(d.warnings, [text]);
}

/// RAM, and the heap's place in it.
fn usable(tree: &[u8]) -> (Vec<Range>, Range) {
    let d = try_describe(tree).unwrap();
    let early = Early::look(Checked::of(tree).unwrap()).unwrap();
    let bytes: u64 = d.machine.memory.iter().map(Range::size).sum();
    assert_eq!(early.ram_bytes(), bytes);
    let heap = heap_place(&early, &|_| {}).unwrap();
    assert!(d.machine.memory.iter().any(|ram| ram.covers(&heap)), "{heap}");
    (d.machine.memory, heap)
}

#[test]
fn only_the_range_that_chosen_permits_is_used() {
    let of = |cells: &str| {
        changed("", &format!("&chosen {{ linux,usable-memory-range = <{cells}>; }};"))
    };
    let one = Range::new(0x4200_0000, 0x4a00_0000);
    assert_eq!(usable(&of("0 0x42000000 0 0x8000000")).0, [one]);
    // The second is for devices of 32 bits; in any order, and touching.
    let low = Range::new(0x4000_0000, 0x4100_0000);
    let two = usable(&of("0 0x42000000 0 0x8000000 0 0x40000000 0 0x1000000")).0;
    assert_eq!(two, [low, one]);
    let touching = usable(&of("0 0x41000000 0 0x1000000 0 0x40000000 0 0x1000000")).0;
    assert_eq!(touching, [Range::new(0x4000_0000, 0x4200_0000)]);
    // It never makes RAM of what is none.
    assert_eq!(usable(&of("0 0x30000000 0 0x80000000")).0, [RAM]);
}

/// Not knowing what may be used is no leave to use all.
#[test]
fn a_range_that_cannot_be_read_permits_nothing() {
    let tree =
        |cells: &str| changed("", &format!("&chosen {{ linux,usable-memory-range = {cells}; }};"));
    for (cells, why) in [
        ("<0 0x42000000 0>", "linux,usable-memory-range has 12 bytes, but its entries have 16"),
        ("\"\"", "linux,usable-memory-range has 1 bytes, but its entries have 16"),
        ("<0 0x42000000 0 0>", "none of the RAM lies in it"),
        ("[ ]", "none of the RAM lies in it"),
        ("<0 0x10000000 0 0x1000000>", "none of the RAM lies in it"),
        ("<0xffffffff 0xffffffff 0 0x10>", "0x10 bytes at 0xffffffffffffffff end past"),
    ] {
        let error = try_describe(&tree(cells)).unwrap_err();
        assert!(matches!(error, PlatformError::Usable(_)), "{cells}: {error}");
        let text = error.to_string();
        assert!(
            text.contains(why) && text.contains("/chosen: linux,usable-memory-range"),
            "{text}"
        );
        let tree = tree(cells);
        let early = Early::look(Checked::of(&tree).unwrap());
        // Where there is RAM is known only when all is read.
        assert!(early.is_err() || heap_place(&early.unwrap(), &|_| {}).is_none(), "{cells}");
    }
    let nine = "0 0x42000000 0 0x1000 ".repeat(9);
    let error = try_describe(&tree(&format!("<{nine}>"))).unwrap_err().to_string();
    assert!(error.contains("more than 8 ranges"), "{error}");
}

#[test]
fn a_memory_node_may_limit_itself() {
    let of = |cells: &str| {
        changed(
            "",
            &format!(
                "&memory {{ linux,usable-memory = <{cells}>; }}; / {{ memory@80000000 {{ \
                 device_type = \"memory\"; reg = <0 0x80000000 0 0x1000000>; hotpluggable; }}; }};"
            ),
        )
    };
    let other = Range::new(0x8000_0000, 0x8100_0000);
    let limited = Range::new(0x4000_0000, 0x4100_0000);
    let d = try_describe(&of("0 0x40000000 0 0x1000000")).unwrap();
    assert_eq!((d.machine.memory, d.warnings.len()), (vec![limited, other], 0));
    for nothing in ["0 0x40000000 0 0", "0 0x20000000 0 0x1000"] {
        assert_eq!(try_describe(&of(nothing)).unwrap().machine.memory, [other], "{nothing}");
    }
    let tree = of("0 0x40000000 0");
    let d = try_describe(&tree).unwrap();
    assert_eq!(d.machine.memory, [other]);
    assert!(d.warnings[0].contains("/memory@40000000: not used: linux,usable-memory: "));
    let early = Early::look(Checked::of(&tree).unwrap()).unwrap();
    assert!(other.covers(&heap_place(&early, &|_| {}).unwrap()));
}

#[test]
fn an_initrd_that_is_none_is_named_for_what_it_is() {
    let limits = "linux,usable-memory-range = <0 0x40000000 0 0x8000000>;";
    for (start, end, more, why) in [
        (0x4100_0000u64, 0x4100_0000u64, "", "it is empty"),
        (0x4100_0000, 0x4000_0000, "", "it ends below its start"),
        (0x4fff_f000, 0x5000_1000, "", "a part of it is not in RAM"),
        (0x2000_0000, 0x2000_1000, "", "it is not in RAM"),
        (0x4900_0000, 0x4900_1000, limits, "that RAM may not be used"),
        (0x47ff_f000, 0x4800_1000, limits, "that RAM may not be used"),
    ] {
        for cells in [1, 2] {
            let cell = |n: u64| if cells == 1 { format!("{n:#x}") } else { format!("0 {n:#x}") };
            let d = describe(&format!(
                "&chosen {{ linux,initrd-start = <{}>; linux,initrd-end = <{}>; {more} }};",
                cell(start),
                cell(end)
            ));
            let at = Range::new(start, end);
            assert_eq!(d.params.initrd, None);
            assert_eq!(d.warnings, [format!("/chosen: initrd at {at} ignored: {why}")]);
        }
    }
}

/// Registers and RAM in one place: one of the two is wrong, and it is said at once, by the UART.
#[test]
fn registers_in_ram_are_refused() {
    let bank =
        |start: u64| format!("&memory {{ reg = <0 {start:#x} 0 0x{:x}>; }};", 0x5000_0000 - start);
    let text = error(&bank(0x900_0000));
    assert_eq!(
        text,
        "device tree: the console's registers at 0x9000000..0x9001000 lie in RAM at \
         0x9000000..0x50000000; correct the memory node"
    );
    assert!(
        error(&bank(0x800_0000)).contains("the GIC's registers at 0x8000000..0x8010000 lie in")
    );
    let early = |tree: &[u8]| early::console(Blocks::of_any(tree).unwrap());
    assert_eq!(early(&changed("", &bank(0x800_0000))), Some(UART));
}

#[test]
fn a_root_whose_cells_fit_nothing_is_named() {
    let tree = changed("", "/ { #address-cells = <7>; };");
    let text = "device tree: #address-cells of the root is not 1 or 2, so no address can be read; \
                correct it";
    assert_eq!(try_describe(&tree).unwrap_err().to_string(), text);
    let early = Early::look(Checked::of(&tree).unwrap()).err();
    assert_eq!(early, Some(PlatformError::RootCells("#address-cells")));
}

/// The root counts its cells so that nothing below can be read: what the names of nodes say is
/// enough for a console that says so.
#[test]
fn a_console_is_found_by_its_name_where_cells_make_no_sense() {
    let console = |text: &str| early::console(Blocks::of_any(&changed("", text)).unwrap());
    let short = Range::new(UART.start, UART.start + 0x4c);
    assert_eq!(console("/ { #address-cells = <7>; };"), Some(short));
    assert_eq!(console("/ { #address-cells = <1>; };"), Some(short), "16 bytes are no 3 cells");
    assert_eq!(
        console("/ { #address-cells = <7>; }; &uart { reg = <0x9000000 0x1000>; };"),
        Some(short)
    );
    let other = "/ { #address-cells = <7>; }; &uart { reg = <0 0x8000000 0 0x1000>; };";
    assert_eq!(console(other), None, "its name says something else");
}

// What was handed over, and who has it.

const IMAGE: Range = Range::new(0x4020_0000, 0x4040_0000);
const TREE: Range = Range::new(0x4800_0000, 0x4801_0000);
const INITRD: Range = Range::new(0x4400_0000, 0x4408_0123);

fn chosen(initrd: Range) -> String {
    format!(
        "&chosen {{ linux,initrd-start = <0 {:#x}>; linux,initrd-end = <0 {:#x}>; \
         baton,handover = <0 0x4c000000 0 0x400000>; }};",
        initrd.start, initrd.end
    )
}

fn node(name: &str, range: Range, more: &str) -> String {
    let (start, size) = (range.start, range.size());
    format!("{name}@{start:x} {{ reg = <0 {start:#x} 0 {size:#x}>; {more} }};")
}

fn reserved(nodes: &str) -> String {
    format!(
        "/ {{ reserved-memory {{ #address-cells = <2>; #size-cells = <2>; ranges; {nodes} }}; }};"
    )
}

fn laid_out(tree: &[u8]) -> (Ram, Claims, Vec<String>) {
    let d = try_describe(tree).unwrap();
    let early = Early::look(Checked::of(tree).unwrap()).unwrap();
    let heap = heap_place(&early, &|take| [IMAGE, TREE].into_iter().for_each(take)).unwrap();
    // SAFETY: nothing reads or writes memory through a piece here.
    let mut ram = unsafe { Ram::new(Map::new(&d.machine.memory)) };
    let present = Present { image: IMAGE, dtb: TREE, heap };
    let (claims, warnings) = lay_out(&mut ram, &d.machine, &d.params, present).unwrap();
    (ram, claims, [d.warnings, warnings].concat())
}

fn pages(range: Range) -> Range {
    range.grow_to(0x1000).unwrap()
}

/// Exact, in whole pages, larger, in parts, over both at once: the range belongs to what was handed
/// over, and the rest of the reservation stays reserved.
#[test]
fn what_was_handed_over_is_ours_however_it_is_reserved() {
    let part = |start: u64, end: u64| Range::new(start, end);
    let cases: [&[Range]; 7] = [
        &[INITRD],
        &[part(INITRD.start, 0x4408_1000)],
        &[part(INITRD.start - 0x3000, INITRD.end + 0x5000)],
        &[part(INITRD.start, INITRD.start + 0x1000)],
        &[part(INITRD.start, 0x4404_0000), part(0x4404_0000, 0x4408_1000)],
        &[part(INITRD.start, TREE.end + 0x2000)],
        &[TREE, INITRD, part(0x4c00_0000, 0x4c40_0000), IMAGE],
    ];
    for ranges in cases {
        let entries: String = ranges
            .iter()
            .map(|r| format!("/memreserve/ {:#x} {:#x};\n", r.start, r.size()))
            .collect();
        let nodes: String = ranges.iter().map(|r| node("r", *r, "")).collect();
        let trees = [
            changed(&entries, &chosen(INITRD)),
            changed("", &(reserved(&nodes) + &chosen(INITRD))),
        ];
        for tree in trees {
            let (ram, claims, warnings) = laid_out(&tree);
            assert_eq!(warnings, [] as [&str; 0], "{ranges:x?}");
            assert_eq!(claims.initrd.map(|piece| piece.range()), Some(pages(INITRD)));
            assert_eq!(claims.dtb.map(|piece| piece.range()), Some(TREE));
            assert!(matches!(claims.left, Left::Here));
            let ours = [(pages(INITRD), Owner::Initrd), (TREE, Owner::Dtb), (IMAGE, Owner::Image)];
            for (range, owner) in ours {
                assert_eq!(ram.map().require(range, owner), Ok(()), "{ranges:x?}");
            }
            for range in ranges {
                let free = ram.map().free_ranges().find(|free| free.overlaps(range));
                assert_eq!(free, None, "{ranges:x?}: the rest stays reserved");
            }
        }
    }
}

/// Memory that may not be mapped, or in which CPUs are parked, is nobody's to hand over.
#[test]
fn what_lies_in_closed_memory_is_left_out() {
    let handover = Range::new(0x4c00_0000, 0x4c40_0000);
    for (name, more, why) in
        [("secure", "no-map;", "may not be mapped"), ("baton-quarantine", "", "has parked CPUs")]
    {
        for (range, what) in [
            (INITRD, "the initrd"),
            (handover, "what an earlier kernel left"),
            (TREE, "the device tree"),
        ] {
            let inner = Range::new(range.start + 0x1000, range.start + 0x2000);
            let tree = changed("", &(reserved(&node(name, inner, more)) + &chosen(INITRD)));
            let (ram, claims, warnings) = laid_out(&tree);
            let here = matches!(claims.left, Left::Here);
            let given = [claims.initrd.is_some(), here, claims.dtb.is_some()];
            let wanted = [range != INITRD, range != handover, range != TREE];
            assert_eq!((given, warnings.len()), (wanted, 1), "{warnings:?}");
            let said = &warnings[0];
            let outcome = match range == TREE {
                true => "is used where it is, but its seeds are not wiped",
                false => "is left out",
            };
            assert!(said.starts_with(&format!("{what} at {range} {outcome}: {name}@")), "{said}");
            assert!(said.contains(why), "{said}");
            assert_eq!(said.ends_with("clean slate"), range == handover, "{said}");
            assert_eq!(ram.map().require(inner, Owner::Firmware), Ok(()));
        }
    }
    let tree = changed("", &(reserved(&node("secure", IMAGE, "no-map;")) + &chosen(INITRD)));
    let (ram, _, warnings) = laid_out(&tree);
    assert_eq!(ram.map().require(IMAGE, Owner::Image), Ok(()));
    assert!(warnings[0].starts_with("the kernel runs at 0x40200000..0x40400000, but secure@"));
}

#[test]
fn an_initrd_on_top_of_something_is_named_with_it() {
    let over = |initrd: Range| laid_out(&changed("", &chosen(initrd))).2;
    let at = |start: u64, end: u64, why: &str| {
        let initrd = Range::new(start, end);
        assert_eq!(over(initrd), [format!("the initrd at {initrd} is left out: {why}")]);
    };
    at(0x4030_0000, 0x4050_0000, "it overlaps the image at 0x40200000..0x40400000");
    at(0x47f0_0000, 0x4800_0001, "it overlaps the dtb at 0x48000000..0x48010000");
    // What an earlier kernel left comes after what this one was given.
    let why = "it overlaps the initrd at 0x4c000000..0x4c001000; starting with a clean slate";
    let left = "what an earlier kernel left at 0x4c000000..0x4c400000 is left out";
    assert_eq!(over(Range::new(0x4c00_0000, 0x4c00_1000)), [format!("{left}: {why}")]);
}

#[test]
fn a_handover_that_is_too_small_for_these_cpus_is_read_where_it_is() {
    let text = "&chosen { baton,handover = <0 0x4c000000 0 0x1000>; };";
    let (ram, claims, warnings) = laid_out(&changed("", text));
    let region = Range::new(0x4c00_0000, 0x4c00_1000);
    assert!(matches!(&claims.left, Left::Elsewhere(piece) if piece.range() == region));
    assert!(!claims.handover.range().overlaps(&region) && warnings.is_empty(), "{warnings:?}");
    for range in [region, claims.handover.range()] {
        assert_eq!(ram.map().require(range, Owner::Trace), Ok(()));
    }
}
