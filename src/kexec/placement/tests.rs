extern crate std;

use alloc::string::ToString;

use super::*;
use crate::kexec::image::PageSize;

const CELL: u64 = 64 << 10;
const BLOCK: u64 = 2 << 20;
const GIB: u64 = 1 << 30;
const LOW: u64 = 0x4000_0000;

fn header(cells: u64, text_offset: u64, anywhere: bool) -> Header {
    Header { text_offset, image_size: cells * CELL, page_size: PageSize::K4, anywhere }
}

#[test]
fn a_full_machine_names_what_has_no_room() {
    let header = header(16, 0, true);
    let ask = Ask {
        header: &header,
        initrd: Initrd::None,
        dtb: 4096,
        dtb_above: false,
        dtb_copy_at: None,
        at: None,
    };
    let mut map = Map::new(&[Range::new(LOW, LOW + BLOCK)]);
    assert!(place(&map, &ask).is_ok());
    let large = Ask { initrd: Initrd::Place(BLOCK), ..ask };
    let no_room = |what, size| PlaceError::NoRoom { what, size, largest: BLOCK };
    assert_eq!(place(&map, &large), Err(no_room(LoadPart::Initrd, BLOCK)));
    assert_eq!(place(&map, &Ask { dtb: BLOCK, ..ask }), Err(no_room(LoadPart::Dtb, BLOCK)));
    map.claim(Range::new(LOW, LOW + 1), Owner::Image).unwrap();
    let error = place(&map, &ask).unwrap_err();
    assert!(matches!(error, PlaceError::NoRoom { what: LoadPart::Kernel, .. }));
    assert!(error.to_string().contains("no room for the kernel: it needs 0x100000 bytes"));
}

#[test]
fn the_initrd_leaves_the_only_block_that_fits_the_device_tree() {
    let header = header(32, 0, true);
    let map = Map::new(&[Range::new(LOW, LOW + 2 * BLOCK + 8 * CELL)]);
    let ask = Ask {
        header: &header,
        initrd: Initrd::Place(8 * CELL),
        dtb: BLOCK,
        dtb_above: false,
        dtb_copy_at: None,
        at: None,
    };
    let layout = place(&map, &ask).unwrap();
    assert_eq!(layout.initrd, Range::sized(LOW + 2 * BLOCK, 8 * CELL));
    assert_eq!(layout.dtb, Range::new(LOW + BLOCK, LOW + 2 * BLOCK));
}

#[test]
fn the_device_tree_is_high_but_where_old_kernels_look_for_it() {
    let header = header(16, 8 * CELL, false);
    let ask = Ask {
        header: &header,
        initrd: Initrd::None,
        dtb: 5000,
        dtb_above: false,
        dtb_copy_at: None,
        at: None,
    };
    let mut map = Map::new(&[Range::new(LOW, LOW + 4 * GIB)]);
    assert_eq!(place(&map, &ask).unwrap().dtb.end, LOW + GIB / 2);
    map.claim(Range::new(LOW + 4 * BLOCK, LOW + GIB), Owner::Heap).unwrap();
    assert_eq!(place(&map, &ask).unwrap().dtb.end, LOW + 4 * BLOCK);
    map.claim(Range::new(LOW + 24 * CELL, LOW + 4 * BLOCK), Owner::Heap).unwrap();
    assert_eq!(place(&map, &ask).unwrap().dtb.end, LOW + 4 * GIB);
}

#[test]
fn an_initrd_that_is_too_far_away_has_to_be_copied() {
    let far = Range::new(100 * GIB, 100 * GIB + CELL);
    let mut map = Map::new(&[Range::new(LOW, LOW + BLOCK), far]);
    map.claim(far, Owner::Initrd).unwrap();
    let header = header(4, 0, true);
    let ask = Ask {
        header: &header,
        initrd: Initrd::Keep(far),
        dtb: 4096,
        dtb_above: false,
        dtb_copy_at: None,
        at: None,
    };
    assert_eq!(place(&map, &ask), Err(PlaceError::InitrdTooFar { initrd: far }));
    assert!(place(&map, &Ask { initrd: Initrd::Place(CELL), ..ask }).is_ok());
}

#[test]
fn a_terabyte_that_cannot_work_is_refused_in_reasonable_time() {
    // Room for each part alone, but never for all: the search has to try every base.
    let mut map = Map::new(&[Range::new(0, 1 << 40)]);
    map.claim(Range::new(4 * BLOCK, 1 << 40), Owner::Heap).unwrap();
    let header = header(64, 0, true);
    let initrd = Initrd::Place(2 * BLOCK);
    let ask =
        Ask { header: &header, initrd, dtb: CELL, dtb_above: false, dtb_copy_at: None, at: None };
    let begin = std::time::Instant::now();
    assert!(matches!(place(&map, &ask), Err(PlaceError::NoRoom { what: LoadPart::Dtb, .. })));
    let near = Ask { initrd: Initrd::None, dtb: BLOCK, ..ask };
    let mut holes = Map::new(&[Range::new(0, 1 << 40)]);
    holes.reserve(Range::new(BLOCK / 2, BLOCK));
    assert!(place(&holes, &near).is_ok());
    assert!(begin.elapsed().as_secs() < 5);
}

/// A kernel, heap and stacks, a tree, a file archive, a handover, firmware.
fn lived_in() -> Map {
    let mut map = Map::new(&[Range::new(LOW, LOW + 64 * BLOCK)]);
    let mut claim = |blocks: core::ops::Range<u64>, owner| {
        map.claim(Range::new(LOW + blocks.start * BLOCK, LOW + blocks.end * BLOCK), owner).unwrap();
    };
    claim(1..2, Owner::Image);
    claim(8..9, Owner::Initrd);
    claim(10..11, Owner::Dtb);
    claim(20..21, Owner::Firmware);
    claim(50..60, Owner::Heap);
    claim(60..62, Owner::Stacks);
    claim(62..64, Owner::Trace);
    map
}

#[test]
fn a_place_that_ends_with_this_kernel_is_copied_to_and_any_other_is_refused() {
    let map = lived_in();
    let header = header(40, 0, true); // more than a block
    for block in 0..64 {
        let base = LOW + block * BLOCK;
        let ask = Ask {
            header: &header,
            initrd: Initrd::None,
            dtb: 9000,
            dtb_above: false,
            dtb_copy_at: None,
            at: Some(base),
        };
        let kernel = Range::new(base, base + 40 * CELL);
        let firmware = Range::new(LOW + 20 * BLOCK, LOW + 21 * BLOCK);
        let above = Range::new(LOW + 62 * BLOCK, u64::MAX);
        let result = place(&map, &ask);
        if kernel.overlaps(&firmware) || kernel.overlaps(&above) {
            assert!(
                matches!(result, Err(PlaceError::Taken { what: LoadPart::Kernel, .. })),
                "{block}"
            );
            continue;
        }
        let layout = result.unwrap();
        assert_eq!(layout.kernel, kernel);
        let Some(copy) = layout.copy else {
            assert_eq!(map.require(kernel, Owner::Free), Ok(()), "{block}");
            continue;
        };
        assert!(map.require(kernel, Owner::Free).is_err(), "{block}: nothing to copy");
        assert_eq!(
            (copy.to, copy.from.size(), copy.work.size()),
            (kernel, kernel.size(), COPIER_BYTES)
        );
        let parts = [copy.to, copy.from, copy.work, layout.dtb];
        for (i, part) in parts.iter().enumerate() {
            assert!(parts[..i].iter().all(|other| !part.overlaps(other)), "{block}: {parts:?}");
        }
        for part in &parts[1..] {
            assert_eq!(map.require(*part, Owner::Free), Ok(()), "{block}: {parts:?}");
        }
    }
}

#[test]
fn the_initrd_that_is_kept_is_not_copied_over() {
    let (map, header) = (lived_in(), header(4, 0, true));
    let initrd = Range::new(LOW + 8 * BLOCK, LOW + 9 * BLOCK);
    let at = Some(initrd.start);
    let ask = Ask {
        header: &header,
        initrd: Initrd::Keep(initrd),
        dtb: 9000,
        dtb_above: false,
        dtb_copy_at: None,
        at,
    };
    let error = place(&map, &ask).unwrap_err();
    assert!(error.to_string().contains("initrd has"), "{error}");
    let moved = place(&map, &Ask { initrd: Initrd::Place(BLOCK), ..ask }).unwrap();
    assert!(moved.copy.is_some());
    assert!(!moved.initrd.unwrap().overlaps(&moved.kernel));
}

#[test]
fn a_copy_that_finds_no_room_to_wait_in_is_refused() {
    let mut map = Map::new(&[Range::new(LOW, LOW + 3 * BLOCK)]);
    map.claim(Range::new(LOW, LOW + 2 * BLOCK), Owner::Image).unwrap();
    let header = header(30, 0, true);
    let ask = Ask {
        header: &header,
        initrd: Initrd::None,
        dtb: 4096,
        dtb_above: false,
        dtb_copy_at: None,
        at: Some(LOW),
    };
    let error = place(&map, &ask).unwrap_err();
    assert!(matches!(error, PlaceError::NoRoom { what: LoadPart::Kernel, .. }), "{error}");
    map.claim(Range::new(LOW + 2 * BLOCK + 4096, LOW + 3 * BLOCK), Owner::Heap).unwrap();
    let error = place(&map, &ask).unwrap_err();
    assert!(matches!(error, PlaceError::NoRoom { what: LoadPart::Copier, .. }), "{error}");
}
