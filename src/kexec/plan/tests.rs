use alloc::{string::ToString, vec, vec::Vec};

use super::*;
use crate::{
    config::PAGE,
    kexec::{image::ImageError, placement::PlaceError},
};

const RAM: Range = Range::new(0x4000_0000, 0x4800_0000);
const HANDOVER: Range = Range::new(0x47e0_0000, 0x4800_0000);
const OLD_INITRD: Range = Range::new(0x4500_0000, 0x4500_1234);

fn map() -> Map {
    let mut map = Map::new(&[RAM]);
    map.claim(Range::new(RAM.start, RAM.start + (3 << 20)), Owner::Image).unwrap();
    map.claim(OLD_INITRD, Owner::Initrd).unwrap();
    map.claim(HANDOVER, Owner::Trace).unwrap();
    map
}

fn image(size: u64) -> Vec<u8> {
    let mut file = vec![0xaa; 5000];
    file[8..16].copy_from_slice(&0u64.to_le_bytes());
    file[16..24].copy_from_slice(&size.to_le_bytes());
    file[24..32].copy_from_slice(&0b1010u64.to_le_bytes());
    file[56..60].copy_from_slice(b"ARM\x64");
    file
}

fn request<'a>(image: &'a [u8], initrd: InitrdChoice<'a>) -> LoadRequest<'a> {
    let granules = Granules::FOUR_K;
    LoadRequest { image, kind: Kind::Image, initrd, bootargs: "quiet", at: None, granules }
}

#[test]
fn a_plan_says_what_goes_where_with_its_digest() {
    let (image, initrd) = (image(0x10_0000), [3; 100]);
    let plan = plan(&request(&image, InitrdChoice::Bytes(&initrd)), &map(), 9000).unwrap();
    assert_eq!(plan.entry, RAM.start + (4 << 20));
    let [kernel, new_initrd, dtb] = &plan.segments[..] else { panic!("{plan:?}") };
    assert_eq!((kernel.bytes, kernel.dest.size()), (5000, 0x10_0000));
    assert_eq!(kernel.digest, Some(Digest::of(&image)));
    assert_eq!(new_initrd.digest, Some(Digest::of(&initrd)));
    assert_eq!(plan.initrd, Range::sized(new_initrd.dest.start, 100));
    assert_eq!((dtb.dest, dtb.dest.size(), dtb.digest), (plan.dtb, 3 * PAGE, None));
    assert_eq!(plan.bytes_copied(), 0);
}

#[test]
fn a_kept_initrd_is_passed_on_but_no_segment() {
    let image = image(0x10_0000);
    let plan = plan(&request(&image, InitrdChoice::Keep(OLD_INITRD)), &map(), 9000).unwrap();
    assert_eq!(plan.initrd, Some(OLD_INITRD));
    assert!(plan.segments.iter().all(|segment| segment.what != LoadPart::Initrd));
}

#[test]
fn only_a_range_that_holds_an_initrd_can_be_kept() {
    let image = image(0x10_0000);
    let wrong = Range::new(OLD_INITRD.start, OLD_INITRD.end + PAGE);
    for range in [wrong, RAM, Range::new(0, 9), Range::new(9, 9)] {
        assert!(plan(&request(&image, InitrdChoice::Keep(range)), &map(), 9000).is_err());
    }
}

#[test]
fn claim_and_release_take_all_or_nothing() {
    let image = image(0x10_0000);
    let plan = plan(&request(&image, InitrdChoice::Bytes(&[1; 5])), &map(), 9000).unwrap();
    let mut claimed = map();
    assert!(plan.release(&mut claimed).is_err());
    plan.claim(&mut claimed).unwrap();
    assert_eq!(claimed.owner_of(plan.entry), Some(Owner::Segment));
    let before = claimed.clone();
    assert!(plan.claim(&mut claimed).is_err());
    assert_eq!(claimed, before);
    plan.release(&mut claimed).unwrap();
    assert_eq!(claimed, map());
    // The last segment's place is gone: the first must not stay claimed.
    claimed.claim(plan.dtb, Owner::Heap).unwrap();
    let before = claimed.clone();
    assert!(matches!(plan.claim(&mut claimed), Err(LoadError::Memory(_))));
    assert_eq!(claimed, before);
}

#[test]
fn a_written_segment_is_verified_to_its_end() {
    let image = image(0x10_0000);
    let mut plan = plan(&request(&image, InitrdChoice::None), &map(), 9000).unwrap();
    let mut memory = image.clone();
    memory.resize(0x10_0000, 0);
    let kernel = plan.segments[0].clone();
    assert_eq!(kernel.verify(&memory), Ok(()));
    for at in [100, 4999, 5000, 0xf_ffff] {
        memory[at] ^= 1;
        assert!(matches!(kernel.verify(&memory), Err(LoadError::Corrupt { .. })), "{at}");
        memory[at] ^= 1;
    }
    assert!(kernel.verify(&memory[1..]).is_err());
    let mut tree = vec![5; 12288];
    assert!(plan.segments[1].verify(&tree).is_err(), "not made yet");
    plan.seal_dtb(&[5; 8000]).unwrap();
    tree[8000] = 1;
    assert_eq!(plan.segments[1].verify(&tree), Ok(()));
    let long = plan.seal_dtb(&[5; 12289]);
    assert_eq!(long, Err(LoadError::DtbTooLong { bytes: 12289, room: 12288 }));
}

#[test]
fn a_bad_request_is_refused_with_its_reason() {
    let image = image(0x10_0000);
    let good = request(&image, InitrdChoice::None);
    let refused = |request: LoadRequest<'_>| plan(&request, &map(), 9000).unwrap_err();
    let elf = refused(LoadRequest { image: b"\x7fELF", ..good });
    assert!(elf.to_string().contains("ELF file; convert it"), "{elf}");
    let long = "x".repeat(MAX_BOOTARGS + 1);
    let too_long = LoadError::BootargsTooLong { bytes: MAX_BOOTARGS + 1 };
    assert_eq!(refused(LoadRequest { bootargs: &long, ..good }), too_long);
    let control = refused(LoadRequest { bootargs: "a\nb", ..good });
    assert_eq!(control, LoadError::BootargsControl { at: 1 });
    let empty = refused(LoadRequest { initrd: InitrdChoice::Bytes(&[]), ..good });
    assert_eq!(empty, LoadError::Place(PlaceError::NoInitrd));
    let odd = refused(LoadRequest { at: Some(RAM.start + PAGE), ..good });
    assert_eq!(odd, LoadError::Place(PlaceError::NotAligned { base: RAM.start + PAGE }));
    let taken = refused(LoadRequest { at: Some(HANDOVER.start), ..good });
    assert!(taken.to_string().contains("trace has 0x47e00000..0x48000000"), "{taken}");
    let nothing = refused(LoadRequest { kind: Kind::Raw, image: &[], ..good });
    assert_eq!(nothing, LoadError::Image(ImageError::TooShort { bytes: 0 }));
    for dtb in [0, (2 << 20) + 1] {
        assert!(plan(&good, &map(), dtb).is_err());
    }
}

#[test]
fn a_raw_binary_is_planned_like_an_image_with_its_tree_above_it() {
    let code = [0x1f; 3000];
    let raw = LoadRequest { kind: Kind::Raw, ..request(&code, InitrdChoice::None) };
    let plan = plan(&raw, &map(), 4096).unwrap();
    assert_eq!(plan.entry % (2 << 20), 0x8_0000);
    assert_eq!(plan.segments[0].dest.size(), (2 << 20) + PAGE);
    assert!(plan.dtb.start >= plan.segments[0].dest.end);
    // The running image is at the start of RAM.
    assert_eq!((plan.segments.len(), plan.dtb_copy_left_out), (2, Some(RAM.start)));
}

#[test]
fn a_copy_of_the_tree_lies_at_the_start_of_ram_if_that_is_free() {
    let (code, free) = ([0x1f; 3000], Map::new(&[RAM]));
    let initrd = InitrdChoice::Bytes(&[7; 9000]); // which would go there otherwise
    let raw = LoadRequest { kind: Kind::Raw, ..request(&code, initrd) };
    let mut plan = super::plan(&raw, &free, 9000).unwrap();
    let [kernel, _, dtb, copy] = &plan.segments[..] else { panic!("{plan:?}") };
    assert_eq!(
        (copy.what, copy.dest),
        (LoadPart::DtbCopy, Range::new(RAM.start, RAM.start + 3 * PAGE))
    );
    assert_eq!((plan.dtb, plan.dtb_copy_left_out), (dtb.dest, None));
    assert!(dtb.dest.start >= kernel.dest.end);
    plan.seal_dtb(&[5; 8000]).unwrap();
    assert_eq!(plan.segments[3].digest, plan.segments[2].digest);
    assert_eq!(plan.segments[3].bytes, 8000);
    let mut claimed = free.clone();
    plan.claim(&mut claimed).unwrap();
    assert_eq!(claimed.owner_of(RAM.start), Some(Owner::Segment));
    // A tree of more than 0x80000 bytes leaves no room below the lowest kernel.
    let large = super::plan(&raw, &free, 0x9_0000).unwrap();
    assert_eq!((large.entry, large.segments.len()), (RAM.start + 0x28_0000, 4));
    let image = image(0x10_0000);
    let other = super::plan(&request(&image, InitrdChoice::None), &free, 9000).unwrap();
    assert_eq!((other.segments.len(), other.dtb_copy_left_out), (2, None));
}

#[test]
fn the_copy_gives_way_and_the_tree_above_does_not() {
    let code = [0x1f; 3000];
    let raw = LoadRequest { kind: Kind::Raw, ..request(&code, InitrdChoice::None) };
    // Room for kernel and tree, and none for a copy of 0x90000 bytes below.
    let small =
        Map::new(&[Range::new(RAM.start, RAM.start + 0x8_0000 + (2 << 20) + PAGE + 0x9_0000)]);
    let plan = super::plan(&raw, &small, 0x9_0000).unwrap();
    assert_eq!((plan.segments.len(), plan.dtb_copy_left_out), (2, Some(RAM.start)));
    let none = Map::new(&[Range::new(RAM.start, RAM.start + 0x8_0000 + (2 << 20) + PAGE)]);
    let refused = super::plan(&raw, &none, 4096).unwrap_err();
    assert_eq!(refused, LoadError::Place(PlaceError::NoRoomAbove { size: 4096 }));
    let last = RAM.end - (4 << 20);
    let high = super::plan(&LoadRequest { at: Some(last), ..raw }, &Map::new(&[RAM]), 2 << 20);
    assert!(high.unwrap_err().to_string().contains("give a lower --at"));
}

#[test]
fn a_kernel_over_the_running_one_waits_elsewhere_and_all_of_it_is_claimed() {
    let (image, mut map) = (image(0x10_0000), map());
    let over =
        LoadRequest { at: Some(RAM.start), ..request(&image, InitrdChoice::Keep(OLD_INITRD)) };
    let plan = plan(&over, &map, 9000).unwrap();
    let copy = plan.copy.unwrap();
    assert_eq!((plan.entry, plan.bytes_copied()), (RAM.start, 0x10_0000));
    assert_eq!(plan.segments[0].dest, copy.from);
    let free = map.free_bytes();
    plan.claim(&mut map).unwrap();
    let taken = copy.from.size() + copy.work.size() + plan.dtb.size();
    assert_eq!(free - map.free_bytes(), taken);
    assert_eq!(map.owner_of(RAM.start), Some(Owner::Image));
    plan.release(&mut map).unwrap();
    assert_eq!(map.free_bytes(), free);
}
