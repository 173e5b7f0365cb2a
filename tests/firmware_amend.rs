//! What is written into UEFI's tables for the kernels that follow: on machines recorded from guests that
//! Linux had booted, and on one made like a board.
#![cfg(not(loom))]

mod firmware_support;

use baton::fdt::{Checked, Tree};
use baton::memory::Range;
use baton::platform::firmware::amend::{self, Amendment, Element};
use firmware_support::Guest;
use firmware_support::altra::{Altra, BOOT, ELEMENTS, ROOT, guid};

const INITRD_TABLE: &str = "LINUX_EFI_INITRD_MEDIA";

/// Turns the bits of old numbers: so each byte is new, and shows from which it was made.
fn stir(old: &[u8]) -> [u8; 32] {
    core::array::from_fn(|i| !old.get(i).copied().unwrap_or(0))
}

fn amended(guest: &Guest) -> Vec<Amendment> {
    let tree = Checked::of(&guest.tree).unwrap();
    amend::for_next(&Tree::of(&tree), &guest.memory(), stir)
}

fn reserved(guest: &Guest, ranges: &[Range], page: u64) -> Result<Option<Element>, &'static str> {
    let tree = Checked::of(&guest.tree).unwrap();
    amend::reserve(&Tree::of(&tree), &guest.memory(), ranges, page)
}

/// The guest after something was written to its memory.
fn with(guest: &Guest, at: u64, bytes: &[u8]) -> Guest {
    let mut guest = guest.clone();
    guest.writes.push((at, bytes.to_vec()));
    guest
}

#[test]
fn the_initrd_of_the_first_linux_is_forgotten_once() {
    let guest = Guest::recorded("v4el2");
    let all = amended(&guest);
    assert_eq!(all.len(), 1, "{all:?}");
    let Amendment { what, at, bytes } = &all[0];
    assert_eq!((*what, *at, &bytes[..]), (INITRD_TABLE, 0xb81b_3f18, &[0; 16][..]));
    assert_eq!(amended(&with(&guest, *at, bytes)), []);
    // That Linux got its initrd by the tree.
    assert_eq!(amended(&Guest::recorded("v4svam")), []);
}

/// The made machine, with a table of a seed that says `size` and has 40 bytes.
fn seeded(size: u32) -> Guest {
    const AT: u64 = 0xb300_7000;
    let mut altra = Altra::new();
    let guid = guid(0x1ce1e5bc, 0x7ceb, 0x42f2, 0x81e5_8aad_f180_f57b);
    altra.tables.push((guid, AT));
    altra.writes.push((AT, [&size.to_le_bytes()[..], &[0x0f; 40]].concat()));
    altra.guest()
}

#[test]
fn a_seed_is_made_anew_from_the_one_that_was_there() {
    let of = |size| amended(&seeded(size)).into_iter().find(|a| a.what != INITRD_TABLE);
    let amendment = |size: usize| Amendment {
        what: "LINUX_EFI_RANDOM_SEED",
        at: 0xb300_7000,
        bytes: [&(size as u32).to_le_bytes()[..], &vec![0xf0; size]].concat(),
    };
    assert_eq!(of(32), Some(amendment(32)));
    assert_eq!(of(40), Some(amendment(32)), "as many as Linux writes");
    assert_eq!(of(u32::MAX), Some(amendment(32)));
    assert_eq!(of(5), Some(amendment(5)));
    assert_eq!(of(0), None);
}

#[test]
fn a_machine_without_uefi_has_nothing_to_amend() {
    let mut guest = Guest::recorded("v4el2");
    guest.writes.clear();
    assert_eq!(amended(&guest), []);
    assert_eq!(reserved(&guest, &[Range::new(0x5000_0000, 0x5020_0000)], 0x6000_0000), Ok(None));
}

#[test]
fn a_reservation_for_good_is_one_that_the_reader_finds_before_all_others() {
    for (guest, boot) in [(Guest::recorded("v4el2"), 0), (Altra::new().guest(), BOOT)] {
        let before = guest.machine(boot).machine;
        let free = before.memory.iter().max_by_key(|bank| bank.size()).unwrap();
        let page = free.start + 0x10_0000;
        let range = Range::new(free.start + 0x20_0000, free.start + 0x40_0000);
        let element = reserved(&guest, &[range], page).unwrap().unwrap();
        assert_eq!((element.page.len(), element.link.bytes.len()), (4096, 8));
        let unlinked = with(&guest, page, &element.page);
        let linked = with(&unlinked, element.link.at, &element.link.bytes);
        let after = linked.machine(boot).machine;
        let has = |what: Range| after.reserved.iter().any(|r| r.range.covers(&what));
        assert!(has(range) && has(Range::new(page, page + 4096)));
        let old = before.reserved.iter().all(|old| has(old.range));
        assert!(old, "what was reserved before is still reserved");
        assert_eq!(unlinked.machine(boot).machine.reserved, before.reserved, "until the link");
        assert_eq!(reserved(&linked, &[range], page), Ok(None), "once");
    }
}

#[test]
fn a_list_that_cannot_be_added_to_is_named() {
    let range = [Range::new(0x5000_0000, 0x5020_0000)];
    let mut none = Altra::new();
    none.tables.retain(|(_, at)| *at != ROOT);
    assert!(reserved(&none.guest(), &range, 0x6000_0000).unwrap_err().contains("no list"));
    let endless = with(&Altra::new().guest(), ELEMENTS[0] + 8, &ROOT.to_le_bytes());
    assert!(reserved(&endless, &range, 0x6000_0000).unwrap_err().contains("cannot be read"));
    let many: Vec<Range> = (0..256).map(|i| Range::new(i << 20, (i << 20) + 4096)).collect();
    assert!(
        reserved(&Altra::new().guest(), &many, 0x6000_0000).unwrap_err().contains("more ranges")
    );
}

/// Linux warns, and reads on.
#[test]
fn a_map_of_another_version_is_read_with_a_warning() {
    let mut guest = Guest::recorded("v4el2");
    assert_eq!(guest.machine(0).warnings, Vec::<String>::new());
    let at = {
        let tree = Tree::read(&guest.tree).unwrap();
        let mut all = tree.find("/chosen").unwrap().properties();
        let (_, version) = all.find(|(name, _)| *name == "linux,uefi-mmap-desc-ver").unwrap();
        version.as_ptr() as usize - guest.tree.as_ptr() as usize
    };
    assert_eq!(guest.tree[at..at + 4], [0, 0, 0, 1]);
    guest.tree[at + 3] = 2;
    match guest.describe(0) {
        Ok(d) => {
            assert!(d.warnings[0].contains("version 2, read as version 1"), "{:?}", d.warnings)
        }
        Err(why) => panic!("{why}"),
    }
}
