//! The kexec planner against brute force, and over many generations.
#![cfg(not(loom))]

use std::fmt;

use baton::{
    kexec::{
        Digest, Header, InitrdChoice, Kind, LoadRequest, Placement, Plan,
        image::PageSize,
        placement::{Ask, Initrd, place},
        plan, script,
    },
    machine::Granules,
    memory::{Map, Owner, Range},
};
use proptest::prelude::*;

/// Everything in the random machines is a multiple of this, so that brute force is affordable. A
/// layout exists if and only if one exists in whole cells: all parts can be moved down to cells
/// without touching anything new.
const CELL: u64 = 64 << 10;
const BLOCK: u64 = 2 << 20;
const GIB: u64 = 1 << 30;
const LOW: u64 = 0x4000_0000;
const LOW_CELLS: u64 = 192;
const HIGH_CELLS: u64 = 64;

/// Two banks of RAM, as addresses of their cells, and who has each cell.
#[derive(Clone)]
struct Machine {
    high: u64,
    cells: Vec<(u64, Owner)>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.map().regions().try_for_each(|region| write!(f, "{} {}, ", region.range, region.owner))
    }
}

impl Machine {
    fn new(low: u64, high: u64) -> Self {
        let bank = |base: u64, cells: u64| (0..cells).map(move |i| (base + i * CELL, Owner::Free));
        Self { high, cells: bank(low, LOW_CELLS).chain(bank(high, HIGH_CELLS)).collect() }
    }

    fn map(&self) -> Map {
        let ram: Vec<Range> = self.cells.iter().map(|(at, _)| cell(*at)).collect();
        let mut map = Map::new(&ram);
        for (at, owner) in self.cells.iter().filter(|(_, owner)| *owner != Owner::Free) {
            map.claim(cell(*at), *owner).unwrap();
        }
        map
    }

    fn owner(&self, at: u64) -> Option<Owner> {
        self.cells.iter().find(|(cell, _)| *cell == at).map(|(_, owner)| *owner)
    }

    fn free(&self, range: Range) -> bool {
        (range.start..range.end)
            .step_by(CELL as usize)
            .all(|at| self.owner(at) == Some(Owner::Free))
    }
}

fn cell(at: u64) -> Range {
    Range::new(at, at + CELL)
}

/// A part of `size` bytes at every cell from which it is free.
fn places(machine: &Machine, size: u64) -> Vec<Range> {
    let all = machine.cells.iter().filter_map(|(at, _)| Range::sized(*at, size));
    all.filter(|range| machine.free(*range)).collect()
}

/// booting.rst: one window of 32 GiB that starts at a multiple of 1 GiB covers both.
fn share_window(a: Range, b: Range) -> bool {
    let mut starts = (0..80).map(|n| Range::new(n * GIB, (n + 32) * GIB));
    starts.any(|window| window.covers(&a) && window.covers(&b))
}

fn crosses_block(range: Range) -> bool {
    range.start / BLOCK != (range.end - 1) / BLOCK
}

/// The lowest kernel for which all parts have a place, by trying everything.
fn brute_force(machine: &Machine, ask: &Ask<'_>) -> Option<Range> {
    let whole = |size: u64| size.next_multiple_of(CELL);
    let dtbs: Vec<Range> =
        places(machine, whole(ask.dtb)).into_iter().filter(|dtb| !crosses_block(*dtb)).collect();
    let initrds = match ask.initrd {
        Initrd::None => vec![None],
        Initrd::Keep(range) => vec![Some(range)],
        Initrd::Place(size) => places(machine, whole(size)).into_iter().map(Some).collect(),
    };
    let fits = |kernel: &Range| {
        initrds
            .iter()
            .filter(|i| i.is_none_or(|i| share_window(i, *kernel) && !i.overlaps(kernel)))
            .any(|i| {
                let good = |dtb: &Range| !ask.dtb_above || dtb.start >= kernel.end;
                let clear =
                    |dtb: &Range| !dtb.overlaps(kernel) && i.is_none_or(|i| !i.overlaps(dtb));
                dtbs.iter().any(|dtb| good(dtb) && clear(dtb))
            })
    };
    let bases = machine.cells.iter().map(|(at, _)| *at).filter(|at| at % BLOCK == 0);
    bases
        .filter(|base| ask.at.is_none_or(|at| at == *base))
        .filter_map(|base| Range::sized(base + ask.header.text_offset, ask.header.image_size))
        .filter(|kernel| machine.free(*kernel))
        .find(fits)
}

/// The machine without the place of the tree's copy, if that place is good for it.
fn without_copy(machine: &Machine, ask: &Ask<'_>) -> Option<Machine> {
    let copy = Range::sized(ask.dtb_copy_at?, ask.dtb.next_multiple_of(CELL))?;
    if !machine.free(copy) || crosses_block(copy) {
        return None;
    }
    let mut left = machine.clone();
    let taken = left.cells.iter_mut().filter(|(at, _)| copy.covers(&cell(*at)));
    taken.for_each(|cell| cell.1 = Owner::Heap);
    Some(left)
}

fn check(machine: &Machine, ask: &Ask<'_>, layout: &Placement) -> Result<(), TestCaseError> {
    let map = machine.map();
    let Placement { kernel, initrd, dtb, dtb_copy, copy } = *layout;
    let base = kernel.start - ask.header.text_offset;
    prop_assert!(base.is_multiple_of(BLOCK) && machine.owner(base).is_some());
    prop_assert_eq!(kernel.size(), ask.header.image_size);
    prop_assert!(!crosses_block(dtb) && dtb.size() >= ask.dtb && dtb.start % 4096 == 0);
    let mut written = match copy {
        None => vec![kernel, dtb],
        Some(copy) => {
            // What is in use, and not by what stays, has been asked for.
            prop_assert!(ask.at == Some(base) && map.require(kernel, Owner::Free).is_err());
            prop_assert_eq!((copy.to, copy.from.size()), (kernel, kernel.size()));
            prop_assert!(!matches!(ask.initrd, Initrd::Keep(kept) if kept.overlaps(&kernel)));
            vec![copy.from, copy.work, dtb]
        }
    };
    prop_assert!(!ask.dtb_above || dtb.start >= kernel.end);
    if let Some(copy) = dtb_copy {
        prop_assert!(Some(copy.start) == ask.dtb_copy_at && copy.size() == dtb.size());
        prop_assert!(!crosses_block(copy));
        written.push(copy);
    }
    match (ask.initrd, initrd) {
        (Initrd::None, None) => {}
        (Initrd::Keep(kept), Some(range)) => prop_assert!(kept == range),
        (Initrd::Place(size), Some(range)) => {
            prop_assert!(range.size() >= size && range.start % 4096 == 0);
            written.push(range);
        }
        other => prop_assert!(false, "{:?}", other),
    }
    prop_assert!(initrd.is_none_or(|range| share_window(range, kernel)));
    for (i, range) in written.iter().enumerate() {
        prop_assert_eq!(map.require(*range, Owner::Free), Ok(()));
        prop_assert!(written[..i].iter().all(|other| !other.overlaps(range)));
        prop_assert!(copy.is_none() || !range.overlaps(&kernel));
    }
    Ok(())
}

fn machine() -> impl Strategy<Value = Machine> {
    let high = prop_oneof![
        Just(LOW + 16 * GIB),
        Just(LOW + 31 * GIB),
        Just(LOW + 32 * GIB),
        Just(LOW + 33 * GIB)
    ];
    let low = prop_oneof![Just(LOW), Just(LOW + 3 * CELL)];
    let used = proptest::collection::vec((0..LOW_CELLS + HIGH_CELLS, 1..30usize), 0..12);
    (low, high, used, 0..LOW_CELLS - 8, 1..8usize).prop_map(|(low, high, used, initrd, size)| {
        let mut machine = Machine::new(low, high);
        let mut fill = |first: u64, n: usize, owner| {
            machine.cells.iter_mut().skip(first as usize).take(n).for_each(|cell| cell.1 = owner);
        };
        used.into_iter().for_each(|(first, n)| fill(first, n, Owner::Heap));
        fill(initrd, size, Owner::Initrd);
        machine
    })
}

fn kept(machine: &Machine) -> Range {
    let mut cells = machine.cells.iter().filter(|(_, owner)| *owner == Owner::Initrd);
    let first = cells.next().unwrap().0;
    Range::new(first, cells.next_back().map_or(first, |(at, _)| *at) + CELL)
}

fn header(cells: u64, text_offset: u64, anywhere: bool) -> Header {
    Header { text_offset, image_size: cells * CELL, page_size: PageSize::K4, anywhere }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn the_planner_finds_the_lowest_layout_that_brute_force_finds(
        machine in machine(),
        kernel in 1..70u64,
        text_offset in prop_oneof![Just(0), Just(CELL), Just(8 * CELL), Just(31 * CELL)],
        anywhere: bool,
        initrd in prop_oneof![Just(None), Just(Some(0)), (1..60u64).prop_map(Some)],
        dtb in prop_oneof![1..=32u64, Just(32)],
        odd in 0..4096u64,
        at in proptest::option::weighted(0.2, 0..8u64),
        dtb_above: bool,
        dtb_copy: bool,
    ) {
        let header = header(kernel, text_offset, anywhere);
        let initrd = match initrd {
            None => Initrd::None,
            Some(0) => Initrd::Keep(kept(&machine)),
            Some(cells) => Initrd::Place(cells * CELL - odd),
        };
        let at = at.map(|block| if block < 6 { LOW + block * BLOCK } else { machine.high });
        let dtb_copy_at = dtb_copy.then_some(LOW);
        let ask = Ask { header: &header, initrd, dtb: dtb * CELL - odd, dtb_above, dtb_copy_at, at };
        let with_copy = without_copy(&machine, &ask).and_then(|left| brute_force(&left, &ask));
        let wanted = with_copy.or_else(|| brute_force(&machine, &ask));
        match place(&machine.map(), &ask) {
            Ok(layout) => {
                prop_assert_eq!(Some(layout.kernel).filter(|_| layout.copy.is_none()), wanted);
                prop_assert!(layout.copy.is_some() || layout.dtb_copy.is_some() == with_copy.is_some());
                check(&machine, &ask, &layout)?;
            }
            Err(error) => prop_assert_eq!(wanted, None, "{}", error),
        }
    }

    #[test]
    fn no_header_makes_the_planner_panic(
        text_offset in any::<u64>(),
        image_size in any::<u64>(),
        shift in 0..64u32,
        flags in 0..16u64,
        at in any::<Option<u64>>(),
        kept in any::<(u64, u64)>(),
        dtb in 0..3_000_000usize,
    ) {
        let image = image(200, text_offset >> shift, image_size >> shift, flags);
        let map = Map::new(&[Range::new(0, 64 << 20), Range::new(u64::MAX - (9 << 20), u64::MAX)]);
        let initrd = InitrdChoice::Keep(Range::new(kept.0, kept.1));
        for initrd in [initrd, InitrdChoice::None, InitrdChoice::Bytes(&[1])] {
            let request = LoadRequest { initrd, at, ..request(&image) };
            if let Ok(plan) = plan(&request, &map, dtb) {
                prop_assert!(plan.segments.iter().all(|s| s.dest.end <= 64 << 20));
            }
        }
    }

    #[test]
    fn a_joined_script_splits_into_its_commands(
        commands in proptest::collection::vec("[a-z;'\" ]{0,12}", 0..6),
    ) {
        if let Ok(text) = script::join(commands.iter().map(String::as_str)) {
            let each = commands.iter().flat_map(|command| script::split(command).unwrap());
            prop_assert_eq!(script::split(&text).unwrap(), each.collect::<Vec<_>>());
        }
    }
}

fn image(bytes: usize, text_offset: u64, image_size: u64, flags: u64) -> Vec<u8> {
    let mut file = vec![0x5a; bytes];
    file[8..16].copy_from_slice(&text_offset.to_le_bytes());
    file[16..24].copy_from_slice(&image_size.to_le_bytes());
    file[24..32].copy_from_slice(&flags.to_le_bytes());
    file[56..60].copy_from_slice(b"ARM\x64");
    file
}

fn request(image: &[u8]) -> LoadRequest<'_> {
    LoadRequest {
        image,
        kind: Kind::Image,
        initrd: InitrdChoice::None,
        bootargs: "",
        at: None,
        granules: Granules::FOUR_K,
    }
}

/// What a new kernel finds: RAM, and in it itself, its device tree and the initrd.
fn next_map(plan: &Plan) -> Map {
    let mut map = Map::new(&[Range::new(LOW, LOW + GIB)]);
    map.claim(plan.segments[0].dest, Owner::Image).unwrap();
    map.claim(plan.dtb, Owner::Dtb).unwrap();
    map.claim(plan.initrd.unwrap(), Owner::Initrd).unwrap();
    map
}

#[test]
fn generations_take_turns_in_the_same_memory() {
    let image = image(300_000, 0, 0x18_0000, 0b1010);
    let initrd = Range::new(LOW + (128 << 20), LOW + (128 << 20) + 7_654_321);
    let request = LoadRequest { initrd: InitrdChoice::Keep(initrd), ..request(&image) };
    let mut map = Map::new(&[Range::new(LOW, LOW + GIB)]);
    map.claim(initrd, Owner::Initrd).unwrap();
    let mut seen = Vec::new();
    for generation in 0..1000 {
        let plan = plan(&request, &map, 70_000).unwrap();
        let mut loaded = map.clone();
        plan.claim(&mut loaded).unwrap();
        let taken: u64 = plan.segments.iter().map(|segment| segment.dest.size()).sum();
        assert_eq!(loaded.free_bytes() + taken, map.free_bytes());
        map = next_map(&plan);
        seen.push((plan.entry, plan.dtb, map.free_bytes()));
        if generation >= 2 {
            assert_eq!(seen[generation], seen[generation - 2], "generation {generation}");
        }
    }
    assert_ne!(seen[0].0, seen[1].0);
}

#[test]
fn digests_are_those_of_the_files() {
    let image = image(5000, 0, 0x10000, 0b1010);
    let plan = plan(&request(&image), &Map::new(&[Range::new(LOW, LOW + GIB)]), 4096).unwrap();
    assert_eq!(plan.segments[0].digest, Some(Digest::of(&image)));
}
