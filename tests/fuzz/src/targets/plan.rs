//! The plan of a load.

use baton::config::{IMAGE_ALIGN, MAX_DTB, PAGE};
use baton::kexec::{Header, InitrdChoice, Kind, LoadPart, LoadRequest, Plan, plan as make};
use baton::machine::Granules;
use baton::memory::{Map, Owner, Range};

use super::check_message;
use crate::input::Input;

/// Where RAM may be, in units of this.
const UNIT: u64 = 64 << 10;
const GIB: u64 = 1 << 30;

/// A memory map, a kernel's header and what else is asked for, whatever they are.
pub fn plan(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let mut map = machine(&mut input);
    let initrd_bytes = vec![0x11; usize::from(input.u16()) << input.below(5)];
    let initrd = initrd(&mut input, &map, &initrd_bytes);
    let (at, dtb) = (base(&mut input), usize::from(input.u16()) << input.below(7));
    let kind = if input.u8() == 1 { Kind::Raw } else { Kind::Image };
    let image = match kind {
        Kind::Image => image(&mut input),
        Kind::Raw => vec![0xd5; 64 + usize::from(input.u16())],
    };
    let request =
        LoadRequest { image: &image, kind, initrd, bootargs: "", at, granules: Granules::FOUR_K };
    match make(&request, &map, dtb) {
        Ok(plan) => {
            check(&plan, &request, &map, dtb);
            check_claim(&plan, &mut map);
            true
        }
        Err(error) => {
            check_message(error);
            false
        }
    }
}

/// Up to four banks of RAM, of up to 4 GiB each, and who has what in them.
fn machine(input: &mut Input<'_>) -> Map {
    let banks: Vec<Range> = (0..=input.below(4)).map(|_| bank(input)).collect();
    let mut map = Map::new(&banks);
    for _ in 0..input.below(16) {
        let owners = [Owner::Initrd, Owner::Heap, Owner::Image, Owner::Trace];
        let owner = owners[usize::from(input.below(4))];
        let start = banks[usize::from(input.u8()) % banks.len()].start;
        let range =
            Range::sized(start + u64::from(input.u16()) * UNIT, u64::from(input.u16()) * PAGE);
        // What has an owner already stays his.
        let _ = map.claim(range.unwrap_or_default(), owner);
    }
    map
}

fn bank(input: &mut Input<'_>) -> Range {
    let start = match input.below(4) {
        0 => GIB,
        1 => u64::from(input.u16()) * UNIT,
        2 => u64::from(input.u8()) * GIB,
        _ => (1 << 48) - (2 * GIB) + u64::from(input.u16()) * UNIT,
    };
    Range::new(start, start + u64::from(input.u16()) * UNIT)
}

fn initrd<'a>(input: &mut Input<'_>, map: &Map, bytes: &'a [u8]) -> InitrdChoice<'a> {
    match input.below(4) {
        0 => InitrdChoice::None,
        1 => InitrdChoice::Bytes(bytes),
        2 => {
            let kept = map.regions().find(|region| region.owner == Owner::Initrd);
            InitrdChoice::Keep(kept.map_or(Range::default(), |region| region.range))
        }
        _ => InitrdChoice::Keep(Range::new(input.u64(), input.u64())),
    }
}

fn base(input: &mut Input<'_>) -> Option<u64> {
    match input.below(3) {
        0 => None,
        1 => Some(u64::from(input.u16()) * IMAGE_ALIGN),
        _ => Some(input.u64()),
    }
}

/// Fields of any size, or those that a kernel could have.
fn image(input: &mut Input<'_>) -> Vec<u8> {
    let mut file = vec![0; 64 + usize::from(input.u16())];
    let (offset, size) = match input.below(2) {
        0 => (input.u64(), input.u64()),
        _ => (u64::from(input.u16()) * PAGE, u64::from(input.u16()) * PAGE),
    };
    file[8..16].copy_from_slice(&offset.to_le_bytes());
    file[16..24].copy_from_slice(&size.to_le_bytes());
    file[24..32].copy_from_slice(&u64::from(input.u8()).to_le_bytes());
    file[56..60].copy_from_slice(b"ARM\x64");
    file
}

/// The boot protocol's demands, and that nothing is written to what is not free.
fn check(plan: &Plan, request: &LoadRequest<'_>, map: &Map, dtb: usize) {
    let header = match request.kind {
        Kind::Image => Header::parse(request.image, request.granules, map.total_bytes()).unwrap(),
        Kind::Raw => Header::raw(request.image, map.total_bytes()).unwrap(),
    };
    let written = segment(plan, LoadPart::Kernel).expect("a kernel is placed");
    let kernel = plan.copy.map_or(written, |copy| copy.to);
    assert_eq!((plan.entry, kernel.size()), (kernel.start, header.image_size));
    let base = kernel.start - header.text_offset;
    assert!(base.is_multiple_of(IMAGE_ALIGN) && map.owner_of(base).is_some());
    assert!(request.at.is_none_or(|at| at == base) && kernel.end <= 1 << 48);
    assert_eq!(segment(plan, LoadPart::Dtb), Some(plan.dtb));
    check_tree(plan, request, map, kernel);
    assert!(plan.dtb.size() >= dtb as u64 && plan.dtb.size() <= MAX_DTB as u64);
    assert_eq!(plan.dtb.start / IMAGE_ALIGN, (plan.dtb.end - 1) / IMAGE_ALIGN);
    check_initrd(plan, request, map, kernel);
    for (i, segment) in plan.segments.iter().enumerate() {
        assert_eq!(map.require(segment.dest, Owner::Free), Ok(()));
        assert!(
            segment.dest.start.is_multiple_of(PAGE) && segment.bytes as u64 <= segment.dest.size()
        );
        assert!(plan.segments[..i].iter().all(|other| !other.dest.overlaps(&segment.dest)));
    }
    check_copy(plan, request, map, kernel);
}

/// The tree of a flat binary lies above it, and a copy at the start of RAM or nowhere.
fn check_tree(plan: &Plan, request: &LoadRequest<'_>, map: &Map, kernel: Range) {
    let copy = segment(plan, LoadPart::DtbCopy);
    if request.kind == Kind::Image {
        assert_eq!((copy, plan.dtb_copy_left_out), (None, None));
        return;
    }
    assert!(plan.dtb.start >= kernel.end);
    let start = map.regions().next().map(|region| region.range.start);
    assert_eq!(copy.map(|copy| copy.start).or(plan.dtb_copy_left_out), start);
    assert!(copy.is_none_or(|copy| copy.size() == plan.dtb.size() && !copy.overlaps(&kernel)));
}

/// What is asked for and in use is copied to, and only that; nothing that is written before lies
/// there, and nothing that stays.
fn check_copy(plan: &Plan, request: &LoadRequest<'_>, map: &Map, kernel: Range) {
    let free = map.require(kernel, Owner::Free).is_ok();
    assert_eq!((plan.copy.is_none(), plan.bytes_copied() == 0), (free, free));
    let Some(copy) = plan.copy else { return };
    assert!(request.at.is_some() && copy.from.size() == copy.to.size());
    assert!(plan.ranges().all(|range| !range.overlaps(&copy.to)));
    assert!(plan.initrd.is_none_or(|initrd| !initrd.overlaps(&copy.to)));
    assert_eq!(map.require(copy.work, Owner::Free), Ok(()));
    let under = map.regions().filter(|region| region.range.overlaps(&copy.to));
    assert!(under.into_iter().all(|region| region.owner.ends_with_kernel()));
}

fn check_initrd(plan: &Plan, request: &LoadRequest<'_>, map: &Map, kernel: Range) {
    let dest = segment(plan, LoadPart::Initrd);
    match request.initrd {
        InitrdChoice::None => assert_eq!((plan.initrd, dest), (None, None)),
        InitrdChoice::Keep(kept) => {
            assert_eq!((plan.initrd, dest), (Some(kept), None));
            assert_eq!(map.require(kept, Owner::Initrd), Ok(()));
        }
        InitrdChoice::Bytes(bytes) => {
            let (dest, initrd) = (dest.unwrap(), plan.initrd.unwrap());
            assert!(dest.covers(&initrd) && initrd.size() == bytes.len() as u64);
        }
    }
    let Some(initrd) = plan.initrd else { return };
    let window = |end: u64| end.div_ceil(GIB).saturating_sub(32) * GIB;
    let lowest = window(kernel.end.max(initrd.end));
    assert!(lowest <= kernel.start.min(initrd.start), "{kernel} and {initrd} share no 32 GiB");
}

fn segment(plan: &Plan, what: LoadPart) -> Option<Range> {
    plan.segments.iter().find(|segment| segment.what == what).map(|segment| segment.dest)
}

/// Its memory can be taken and given back, and then all is as before.
fn check_claim(plan: &Plan, map: &mut Map) {
    let before = map.clone();
    plan.claim(map).expect("what is planned is free");
    assert!(plan.claim(map).is_err());
    plan.release(map).expect("what was taken can be given back");
    assert_eq!(*map, before);
}
