//! Where the interrupt controller is. Redistributors are in ranges of many, whose last frame says so,
//! or else each CPU names its own. With ranges, what the CPUs name counts for nothing (as in Linux).

use core::fmt;

use super::{GICD, GICR, Gicc, Madt};
use crate::config::{MAX_CPUS, PHYSICAL_END};
use crate::memory::Range;
use crate::platform::firmware::{FirmwareError, read};
use crate::platform::{Frames, Gic, MAX_REGIONS};

/// Bytes of registers: of the distributor of version 2 and of version 3, and of the CPU interface of
/// version 2 (Linux `include/linux/irqchip/arm-gic-acpi.h`).
const GICD_V2: u64 = 0x1000;
const GICD_V3: u64 = 0x10000;
const GICC_V2: u64 = 0x2000;

/// Bytes of one redistributor, without and with virtual LPIs.
const FRAME: u64 = 0x20000;
const FRAME_VLPIS: u64 = 0x40000;

/// Regions of redistributors.
type Regions = heapless::Vec<Range, MAX_REGIONS>;

/// Addresses of redistributors that CPUs name.
type Bases = heapless::Vec<u64, MAX_CPUS>;

/// Is told what was left out.
pub type Notes<'a> = &'a mut dyn FnMut(&str, fmt::Arguments<'_>);

/// The controller's registers.
///
/// # Errors
/// [`FirmwareError`] if there is none that has a driver.
pub fn gic(madt: &Madt<'_>, notes: Notes<'_>) -> Result<Gic, FirmwareError> {
    let mut distributors = madt.parts(GICD);
    let first = distributors.next().ok_or(FirmwareError::NoGic)?;
    if distributors.next().is_some() {
        notes("MADT GICD", format_args!("there is a second one; left out"));
    }
    let part = FirmwareError::Part { table: "MADT GICD", offset: first.offset };
    let base = read::u64(first.bytes, 8).ok_or(part)?;
    match read::u8(first.bytes, 20).ok_or(part)? {
        1 | 2 => v2(madt, base),
        3 | 4 => v3(madt, base, notes),
        // The register says what the table does not, but only once it is known where it is.
        0 if has_redistributors(madt) => v3(madt, base, notes),
        0 => v2(madt, base),
        _ => Err(FirmwareError::NoGic),
    }
}

fn has_redistributors(madt: &Madt<'_>) -> bool {
    madt.parts(GICR).next().is_some() || madt.cpus().any(|cpu| cpu.redistributor != 0)
}

fn registers(field: &'static str, base: u64, size: u64) -> Result<Range, FirmwareError> {
    let range = reached(base, size).filter(|range| range.start.is_multiple_of(0x1000));
    range.ok_or(FirmwareError::Field { table: "MADT", field, value: base })
}

/// Registers somewhere in the linear map.
fn reached(base: u64, size: u64) -> Option<Range> {
    Range::sized(base, size).filter(|range| range.start != 0 && range.end <= PHYSICAL_END)
}

fn v2(madt: &Madt<'_>, base: u64) -> Result<Gic, FirmwareError> {
    let enabled = madt.cpus().find(Gicc::is_enabled);
    let interface = enabled.map_or(0, |cpu| cpu.interface);
    Ok(Gic::V2 {
        distributor: registers("the address of the GICD", base, GICD_V2)?,
        cpu_interface: registers("the address of the GICC", interface, GICC_V2)?,
    })
}

fn v3(madt: &Madt<'_>, base: u64, notes: Notes<'_>) -> Result<Gic, FirmwareError> {
    let distributor = registers("the address of the GICD", base, GICD_V3)?;
    let mut redistributors = Regions::new();
    let (stride, frames) = if madt.parts(GICR).next().is_some() {
        ranges(madt, &mut redistributors, notes);
        (None, Frames::UpToLast)
    } else {
        (Some(by_cpu(madt, &mut redistributors, notes)), Frames::Each)
    };
    if redistributors.is_empty() {
        return Err(FirmwareError::Missing("redistributor (MADT GICR, or GICC with an address)"));
    }
    Ok(Gic::V3 { distributor, redistributors, stride, frames })
}

/// The ranges, each of at least one redistributor.
fn ranges(madt: &Madt<'_>, regions: &mut Regions, notes: Notes<'_>) {
    for part in madt.parts(GICR) {
        let (base, size) = (read::u64(part.bytes, 4), read::u32(part.bytes, 12));
        let range = reached(base.unwrap_or(0), u64::from(size.unwrap_or(0)));
        let is_one = |range: &Range| range.size() >= FRAME && range.start.is_multiple_of(0x10000);
        let range = range.filter(is_one);
        let offset = part.offset;
        match range.map(|range| regions.push(range)) {
            Some(Ok(())) => {}
            Some(Err(_)) => {
                notes("MADT GICR", format_args!("more than {MAX_REGIONS}; the rest is left out"));
                return;
            }
            None => {
                let why = "no aligned range with room for a redistributor; left out";
                notes("MADT GICR", format_args!("at offset {offset:#x}: {why}"));
            }
        }
    }
}

/// The redistributors of the CPUs that are there, neighbours in one region. Returns the distance of
/// neighbours. The redistributor of a CPU that is not there must not be touched.
fn by_cpu(madt: &Madt<'_>, regions: &mut Regions, notes: Notes<'_>) -> u64 {
    let usable = |at: &u64| reached(*at, FRAME).is_some() && at.is_multiple_of(0x10000);
    let named = |cpu: Gicc| Some(cpu.redistributor).filter(usable);
    let stride = stride(&sorted(madt.cpus().filter_map(named)));
    for base in sorted(madt.cpus().filter(Gicc::is_enabled).filter_map(named)) {
        let range = Range::new(base, base + FRAME);
        let end = regions.last().map(|last| last.end);
        if end == Some(range.end) {
            notes("MADT GICC", format_args!("two CPUs have the redistributor at {base:#x}"));
        } else if let Some(last) = regions.last_mut()
            && last.end - FRAME + stride == base
        {
            last.end = range.end;
        } else if regions.push(range).is_err() {
            let why = "too many regions; this redistributor and those above it are left out";
            notes("MADT GICC", format_args!("{base:#x}: {why}"));
            break;
        }
    }
    stride
}

fn sorted(bases: impl Iterator<Item = u64>) -> Bases {
    let mut sorted: Bases = bases.take(MAX_CPUS).collect();
    sorted.sort_unstable();
    sorted
}

/// The distance of neighbours: that of frames with virtual LPIs if no two are closer.
fn stride(bases: &Bases) -> u64 {
    let distances = bases.windows(2).map(|pair| pair[1] - pair[0]).filter(|&apart| apart > 0);
    if distances.min() == Some(FRAME_VLPIS) { FRAME_VLPIS } else { FRAME }
}
