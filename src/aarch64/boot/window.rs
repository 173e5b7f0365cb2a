//! The device tree, through the window that `head.S` has mapped behind the image, and the console
//! that it names, for a kernel that has nothing else yet.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::registers;
use crate::aarch64::mmu::{self, Kind, Tables};
use crate::aarch64::{layout, ram, uart};
use crate::config::MAX_DTB;
use crate::fdt::{self, Checked};
use crate::memory::Range;
use crate::platform::early;

/// What one entry of a level 2 table maps; a tree is at most as large ([`MAX_DTB`]), and so lies in
/// two blocks at most.
const BLOCK: u64 = 2 << 20;

const _: () = assert!(MAX_DTB as u64 <= BLOCK);

/// Physical addresses of the tree and of the image, while the boot CPU has no console; the tree's is
/// [`NONE`] before and after.
static TREE: AtomicU64 = AtomicU64::new(NONE);
static BASE: AtomicU64 = AtomicU64::new(0);
const NONE: u64 = u64::MAX;

/// The second block is mapped too.
static EXTENDED: AtomicBool = AtomicBool::new(false);

/// The tree at physical address `dtb`, and its range, for an image at `base`. The second block of
/// the window is mapped if the tree reaches that far.
pub fn tree(dtb: u64, base: u64) -> (&'static [u8], Range) {
    TREE.store(dtb, Ordering::Relaxed);
    BASE.store(base, Ordering::Relaxed);
    let size = fdt::total_size(view(dtb, fdt::HEADER_BYTES));
    let size = size.unwrap_or_else(|why| panic!("device tree: {why}"));
    (view(dtb, size), Range::new(dtb, dtb + size as u64))
}

fn view(dtb: u64, bytes: usize) -> &'static [u8] {
    let offset = dtb & (BLOCK - 1);
    if offset + bytes as u64 > BLOCK && !EXTENDED.swap(true, Ordering::Relaxed) {
        mmu::extend_dtb_window();
    }
    // SAFETY: the window is mapped that far, read-only, for good. The loader gave the tree to this
    // kernel, which changes nothing in it as long as the tree is read here.
    unsafe { ram::window(layout::DTB_WINDOW + offset, bytes) }
}

/// The tree has been read: what it says of a console is known.
pub fn close() {
    TREE.store(NONE, Ordering::Relaxed);
}

/// A console for a panic of the boot CPU before the tree has been read: the console that the tree
/// names, whatever else is wrong with the tree. Nothing is allocated. `None` if there is none.
pub fn console_of_last_resort() -> Option<()> {
    // Taken, so that a panic in here does not come back.
    let dtb = Some(TREE.swap(NONE, Ordering::Relaxed)).filter(|&dtb| dtb != NONE)?;
    let size = fdt::total_size(view(dtb, fdt::HEADER_BYTES)).ok()?;
    let range = early::console(Checked::of(view(dtb, size)).ok()?)?;
    let mut tables = Tables::of_last_resort(BASE.load(Ordering::Relaxed));
    tables.map(range, Kind::Device).ok()?;
    uart::adopt(&registers::of_mapped(range));
    Some(())
}
