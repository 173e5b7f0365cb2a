extern crate std;

use alloc::{vec, vec::Vec};

use proptest::prelude::*;

use super::*;

const BASE: u64 = 0x4000_0000;

fn at(first: u64, end: u64) -> Range {
    Range::new(BASE + first * PAGE, BASE + end * PAGE)
}

#[test]
fn what_was_claimed_as_one_can_be_freed_in_pieces() {
    let mut map = Map::new(&[at(0, 16)]);
    map.claim(at(2, 6), Owner::Heap).unwrap();
    map.claim(at(6, 8), Owner::Heap).unwrap();
    assert_eq!(map.regions().count(), 3);
    map.free(at(4, 7)).unwrap();
    let owners: Vec<_> = map.regions().map(|r| (r.range, r.owner)).collect();
    let (free, heap) = (Owner::Free, Owner::Heap);
    assert_eq!(
        owners,
        vec![
            (at(0, 2), free),
            (at(2, 4), heap),
            (at(4, 7), free),
            (at(7, 8), heap),
            (at(8, 16), free)
        ]
    );
    map.free(at(2, 4)).unwrap();
    map.free(at(7, 8)).unwrap();
    assert_eq!(map, Map::new(&[at(0, 16)]));
}

#[test]
fn a_claim_on_taken_memory_names_who_has_it_and_changes_nothing() {
    let mut map = Map::new(&[at(0, 16)]);
    map.claim(at(4, 6), Owner::Initrd).unwrap();
    let before = map.clone();
    let refused = map.claim(at(5, 8), Owner::Heap).unwrap_err();
    assert_eq!(refused, MapError::InUse { asked: at(5, 8), range: at(5, 6), owner: Owner::Initrd });
    assert!(std::format!("{refused}").contains("initrd has 0x40005000..0x40006000"));
    let outside = map.claim(at(14, 18), Owner::Heap).unwrap_err();
    assert_eq!(outside, MapError::NotRam { asked: at(14, 18), at: BASE + 16 * PAGE });
    assert!(matches!(map.free(at(3, 5)), Err(MapError::AlreadyFree { .. })));
    assert!(matches!(map.claim(at(3, 3), Owner::Heap), Err(MapError::BadRange(_))));
    assert_eq!(map, before);
}

#[test]
fn pages_that_ram_covers_in_part_are_left_out_unless_its_neighbour_completes_them() {
    let split = BASE + 4 * PAGE + 0x800;
    let map = Map::new(&[
        Range::new(split, BASE + 8 * PAGE + 1),
        Range::new(BASE + 1, split),
        Range::new(5, 5),
    ]);
    assert_eq!(map.regions().map(|r| r.range).collect::<Vec<_>>(), vec![at(1, 8)]);
    assert_eq!((map.owner_of(BASE + 0xfff), map.owner_of(BASE + 8 * PAGE)), (None, None));
    assert_eq!(map.owner_of(BASE + 0x1fff), Some(Owner::Free));
}

#[test]
fn reservations_are_clipped_to_ram_and_spare_what_has_an_owner() {
    let mut map = Map::new(&[at(0, 8), at(12, 16)]);
    map.claim(at(2, 3), Owner::Dtb).unwrap();
    map.reserve(Range::new(BASE + PAGE + 8, BASE + 13 * PAGE + 1));
    map.reserve(Range::new(0, 1));
    map.reserve(Range::new(u64::MAX - 5, u64::MAX));
    assert_eq!(map.owner_of(BASE + PAGE), Some(Owner::Firmware));
    assert_eq!(map.owner_of(BASE + 2 * PAGE), Some(Owner::Dtb));
    assert_eq!(map.free_bytes(), 3 * PAGE);
}

#[test]
fn an_allocation_takes_the_end_it_is_asked_for_and_stays_below_its_limit() {
    let mut map = Map::new(&[at(1, 64)]);
    let low = map.allocate(1, 4 * PAGE, Owner::Tables, Side::Low, None).unwrap();
    let high = map.allocate(2 * PAGE, 1, Owner::Heap, Side::High, Some(BASE + 9 * PAGE)).unwrap();
    assert_eq!((low, high), (at(4, 5), at(7, 9)));
    assert!(matches!(
        map.allocate(60 * PAGE, PAGE, Owner::Heap, Side::Low, None),
        Err(MapError::NoRoom { largest, .. }) if largest == 55 * PAGE
    ));
    for (size, align) in [(0, PAGE), (u64::MAX, PAGE), (PAGE, 3), (PAGE, 0)] {
        let refused = map.allocate(size, align, Owner::Heap, Side::High, None);
        assert_eq!(refused, Err(MapError::BadSize { size, align }));
    }
}

const PAGES: u64 = 48;

#[derive(Clone, Debug)]
enum Act {
    Claim(u64, u64, Owner),
    Reserve(u64, u64),
    Free(u64, u64),
    Allocate(u64, u32, Owner, Side, Option<u64>),
}

fn owner() -> impl Strategy<Value = Owner> {
    prop_oneof![Just(Owner::Heap), Just(Owner::Segment), Just(Owner::Stacks)]
}

fn act() -> impl Strategy<Value = Act> {
    let side = prop_oneof![Just(Side::Low), Just(Side::High)];
    prop_oneof![
        (0..PAGES, 0..10u64, owner()).prop_map(|(p, n, o)| Act::Claim(p, n, o)),
        (0..PAGES, 0..6u64).prop_map(|(p, n)| Act::Reserve(p, n)),
        (0..PAGES, 0..12u64).prop_map(|(p, n)| Act::Free(p, n)),
        (0..10u64, 0..4u32, owner(), side, proptest::option::of(0..PAGES))
            .prop_map(|(n, a, o, s, b)| Act::Allocate(n, a, o, s, b)),
    ]
}

/// The oracle: one cell per page, `None` where there is no RAM.
type Cells = Vec<Option<Owner>>;

fn cells(map: &Map) -> Cells {
    (0..PAGES).map(|page| map.owner_of(BASE + page * PAGE)).collect()
}

fn all(cells: &Cells, first: u64, n: u64, good: impl Fn(Owner) -> bool) -> bool {
    n > 0 && (first..first + n).all(|p| cells.get(p as usize).copied().flatten().is_some_and(&good))
}

fn fill(cells: &mut Cells, first: u64, n: u64, owner: Owner) {
    cells[first as usize..(first + n) as usize].fill(Some(owner));
}

/// Does the act on the oracle; true if the act is possible.
fn expect(cells: &mut Cells, act: &Act) -> bool {
    match *act {
        Act::Claim(p, n, owner) => {
            let good = all(cells, p, n, |o| o == Owner::Free);
            if good {
                fill(cells, p, n, owner);
            }
            good
        }
        Act::Free(p, n) => {
            let good = all(cells, p, n, |o| o != Owner::Free);
            if good {
                fill(cells, p, n, Owner::Free);
            }
            good
        }
        Act::Reserve(p, n) => {
            let free = |page: &u64| all(cells, *page, 1, |o| o == Owner::Free);
            let pages: Vec<u64> = (p..p + n).filter(free).collect();
            pages.into_iter().for_each(|page| fill(cells, page, 1, Owner::Firmware));
            true
        }
        Act::Allocate(n, align, owner, side, below) => {
            let top = below.unwrap_or(PAGES).min(PAGES);
            let mut starts = (0..PAGES).filter(|p| {
                p % (1 << align) == 0 && p + n <= top && all(cells, *p, n, |o| o == Owner::Free)
            });
            let start = if side == Side::Low { starts.next() } else { starts.next_back() };
            start.inspect(|p| fill(cells, *p, n, owner)).is_some()
        }
    }
}

fn perform(map: &mut Map, act: &Act) -> bool {
    match *act {
        Act::Claim(p, n, owner) => map.claim(at(p, p + n), owner).is_ok(),
        Act::Free(p, n) => map.free(at(p, p + n)).is_ok(),
        Act::Reserve(p, n) => {
            map.reserve(at(p, p + n));
            true
        }
        Act::Allocate(n, align, owner, side, below) => {
            let below = below.map(|p| BASE + p * PAGE);
            map.allocate(n * PAGE, PAGE << align, owner, side, below).is_ok()
        }
    }
}

proptest! {
    #[test]
    fn the_map_does_what_an_array_of_pages_does(
        hole in 10..40u64,
        acts in proptest::collection::vec(act(), 1..60),
    ) {
        let mut map = Map::new(&[at(0, hole), at(hole + 2, PAGES)]);
        let mut oracle = cells(&map);
        for act in &acts {
            prop_assert_eq!(perform(&mut map, act), expect(&mut oracle, act), "{:?}", act);
            prop_assert_eq!(&cells(&map), &oracle, "{:?}", act);
        }
        let free = oracle.iter().filter(|cell| **cell == Some(Owner::Free)).count() as u64;
        prop_assert_eq!(map.free_bytes(), free * PAGE);
        let regions: Vec<Region> = map.regions().collect();
        for pair in regions.windows(2) {
            prop_assert!(pair[0].range.end <= pair[1].range.start);
            let touch = pair[0].range.end == pair[1].range.start;
            prop_assert!(!(touch && pair[0].owner == pair[1].owner), "not merged: {:?}", pair);
        }
    }
}
