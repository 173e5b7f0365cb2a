//! All acts, in their order.

use core::convert::Infallible;

use baton_efi::command_line;
use baton_efi::tree::{self, Chosen, Written};
use r_efi::efi;

use super::exit::Room;
use super::initrd::Initrd;
use super::place::{File, Placed};
use super::{Firmware, Refused, console, cpu, initrd, place, tables};

/// Starts the kernel that lies in front of the stub.
///
/// # Errors
/// What refused; firmware goes on.
pub fn boot(firmware: &Firmware, stub: u64, offset: u64) -> Result<Infallible, Refused> {
    let file = File::of(stub, offset)?;
    let mut text = firmware.pages(
        "memory for the command line",
        command_line::MAX as u64,
        efi::LOADER_DATA,
    )?;
    let line = convert(firmware, text.bytes())?;
    let initrd = initrd::load(firmware, line)?;
    let old = tables::device_tree(firmware)?;
    let seeds = tables::seeds(firmware)?;
    tables::reserve_list(firmware)?;
    let tell = tables::needs_virtual_addresses(firmware);
    let kernel = place::place(firmware, &file)?;
    let room = Room::new(firmware)?;
    let mut chosen = Chosen {
        bootargs: line.as_bytes(),
        initrd: initrd.as_ref().map(Initrd::range),
        seeds,
        secure_boot: tables::secure_boot(firmware),
        system_table: firmware.system() as u64,
        map: room.at(),
    };
    let size = tree::ROOM + line.len() + old.map_or(0, <[u8]>::len);
    let mut pages = firmware.pages("memory for the device tree", size as u64, efi::LOADER_DATA)?;
    let written = match old {
        Some(old) => tree::from_firmware(old, &chosen, pages.bytes())?,
        None => tree::alone(&chosen, pages.bytes())?,
    };
    forget(&mut chosen);
    tell_user(&chosen, &written, tell);
    let mut left = room.leave(firmware)?;
    // ---- Point of no return: from here on nothing can fail, allocate or print. ----
    cpu::mask();
    left.place_runtime(firmware.runtime(), tell);
    written.set_map(pages.bytes(), left.words());
    let initrd = chosen.initrd.map_or((0, 0), |(start, end)| (start, end - start));
    enter(&kernel, [(pages.at(), written.len as u64), left.range(), initrd])
}

/// The load options as text.
fn convert<'t>(firmware: &Firmware, text: &'t mut [u8]) -> Result<&'t str, Refused> {
    let room = text.len().min(command_line::MAX);
    let len = command_line::from_utf16(firmware.options()?, &mut text[..room])?;
    // The conversion writes UTF-8 and nothing else.
    Ok(str::from_utf8(&text[..len]).unwrap_or_default())
}

/// Wipes the seeds, which are in the tree now: the kernel wipes them there, and knows of no other copy.
fn forget(chosen: &mut Chosen<'_>) {
    if let Some(seeds) = &mut chosen.seeds {
        (seeds.rng, seeds.kaslr) = ([0; 32], 0);
    }
    core::hint::black_box(&chosen.seeds); // the stores count
}

/// One line on the firmware's console, the last one: after it the kernel has to speak.
fn tell_user(chosen: &Chosen<'_>, written: &Written, tell: bool) {
    let machine = if written.describes_machine { "a device tree" } else { "ACPI" };
    let level = cpu::level();
    console::say(format_args!("baton: from UEFI at EL{level}, machine by {machine}, "));
    match chosen.initrd {
        Some((start, end)) => console::say(format_args!("initrd of {} bytes", end - start)),
        None if written.kept_initrd => {
            console::say(format_args!("initrd of the boot loader's tree"))
        }
        None => console::say(format_args!("no initrd")),
    }
    let seeds = if chosen.seeds.is_some() { "" } else { ", no random numbers" };
    let services = if tell { ", runtime services at virtual addresses" } else { "" };
    console::say(format_args!("{seeds}{services}\n"));
}

/// Cleans what the kernel finds with the MMU off, and this program's own code, and enters the kernel.
fn enter(kernel: &Placed, ranges: [(u64, u64); 3]) -> ! {
    cpu::clean(kernel.at, kernel.span);
    ranges.into_iter().for_each(|(at, bytes)| cpu::clean(at, bytes));
    cpu::clean_own();
    let [(tree, _), ..] = ranges;
    // SAFETY: boot services are gone, interrupts are masked; the kernel and this code are clean.
    unsafe { cpu::leave(kernel.at, tree) }
}
