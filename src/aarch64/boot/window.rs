//! The device tree, through the window that `head.S` has mapped behind the image, and the console
//! that it names, for a kernel that has nothing else yet.
//!
//! `head.S` maps the 2 MiB block in which the tree begins. How long the tree is, its header says;
//! only then is it known whether the tree reaches into the next block. If not, that block is left
//! alone: there may be no memory.
//!
//! The boot CPU writes both statics here before any other CPU runs, so all accesses are relaxed.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::aarch64::mmio::Registers;
use crate::aarch64::mmu::{self, FIRMWARE, Kind, Tables};
use crate::aarch64::{layout, ram, uart};
use crate::config::{MAX_DTB, PAGE};
use crate::fdt::{self, Blocks};
use crate::memory::Range;
use crate::platform::early;

/// What one entry of a level 2 table maps; a tree is at most as large ([`MAX_DTB`]), and so lies in
/// two blocks at most.
const BLOCK: u64 = 2 << 20;

const _: () = assert!(MAX_DTB as u64 <= BLOCK);

/// Physical address of the tree while the boot CPU has no console, and [`NONE`] before and after.
static TREE: AtomicU64 = AtomicU64::new(NONE);
const NONE: u64 = u64::MAX;

/// Blocks of the window that are mapped: one by `head.S`.
static MAPPED: AtomicUsize = AtomicUsize::new(1);

/// Largest tree that is looked at for a console when it is too large to be used: what fits behind the
/// image in the same level 2 table, and more than any tree has.
const LOOKED_AT: usize = 64 << 20;

/// The tree at physical address `dtb`, and its range. The second block of the window is mapped if
/// the tree reaches that far.
pub fn tree(dtb: u64) -> (&'static [u8], Range) {
    // Before anything about the tree can panic.
    TREE.store(dtb, Ordering::Relaxed);
    let size = fdt::total_size(view(dtb, fdt::HEADER_BYTES));
    let size = size.unwrap_or_else(|why| panic!("device tree: {why}"));
    (view(dtb, size), Range::new(dtb, dtb + size as u64))
}

fn view(dtb: u64, bytes: usize) -> &'static [u8] {
    // The header itself may reach into the second block.
    let offset = dtb & (BLOCK - 1);
    let blocks = (offset + bytes as u64).div_ceil(BLOCK) as usize;
    for block in MAPPED.fetch_max(blocks, Ordering::Relaxed)..blocks {
        // SAFETY: the header says that the tree reaches that far.
        unsafe { mmu::extend_dtb_window(block) };
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
    let size = fdt::claimed_size(view(dtb, fdt::HEADER_BYTES))?;
    let tree = Blocks::of_any(view(dtb, size.min(LOOKED_AT)))?;
    let range = early::console(tree).or_else(|| early::console_of_firmware(tree, &FIRMWARE))?;
    let taken = [layout::image(), Range::saturating(dtb, size as u64)];
    if range.grow_to(PAGE).is_none_or(|pages| taken.iter().any(|taken| taken.overlaps(&pages))) {
        return None;
    }
    // SAFETY: TREE is set on the boot CPU only, and not once the tree has been read; what panics
    // does not go on. There is neither image nor tree; what is mapped, as the heap is, is not mapped
    // again. If the tree says both that there is a UART and that there is RAM, the UART is what is
    // believed: else the machine would stop without a word.
    let registers = unsafe {
        let mut tables = Tables::of_last_resort();
        tables.map(range, Kind::Device).ok()?;
        Registers::new(range)
    };
    uart::adopt(&registers);
    Some(())
}
