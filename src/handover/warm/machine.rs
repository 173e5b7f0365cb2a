//! The machine and the boot's parameters, field by field.

use alloc::string::String;
use alloc::vec::Vec;

use super::WarmError;
use super::wire::{Reader, Writer};
use crate::config::{MAX_BOOTARGS_READ, MAX_CPUS, MAX_HANDOVER, PAGE, PHYSICAL_END};
use crate::cpu::{CpuId, CpuMask, Mpidr, Topology};
use crate::interrupt::{Interrupt, Trigger};
use crate::memory::Range;
use crate::options::CommandLine;
use crate::platform::{
    BootParams, Cluster, Conduit, Console, Frames, Gic, MAX_CLUSTER_CPUS, Machine, Psci,
    PsciVersion, Reserved, Timer, Uart,
};

/// Where an interrupt is none.
const NONE: u64 = u64::MAX;

/// Interrupts that the architecture numbers, LPIs not included.
const INTIDS: usize = 8192;

/// Banks and reservations of a machine; more than any has.
const MANY: usize = 1 << 16;

/// Writes both.
pub fn write(out: &mut Writer, machine: &Machine, params: &BootParams) {
    out.number(machine.memory.len() as u64);
    machine.memory.iter().for_each(|&bank| out.range(bank));
    out.number(machine.reserved.len() as u64);
    machine.reserved.iter().for_each(|reserved| write_reserved(out, reserved));
    write_cpus(out, &machine.topology);
    out.number(machine.clusters.len() as u64);
    machine.clusters.iter().for_each(|cluster| write_cluster(out, cluster));
    out.number(u64::from(machine.psci.conduit == Conduit::Smc));
    out.number(u64::from(machine.psci.version == PsciVersion::V1_0));
    write_gic(out, &machine.gic);
    let Timer { virtual_ppi, physical_ppi, hypervisor_ppi } = machine.timer;
    let ppis = [Some(virtual_ppi), Some(physical_ppi), hypervisor_ppi];
    ppis.into_iter().for_each(|ppi| out.number(interrupt_word(ppi)));
    out.number(u64::from(machine.console.is_some()));
    machine.console.iter().for_each(|console| write_console(out, console));
    out.text(params.bootargs.bytes());
    out.maybe(params.initrd);
    out.maybe(params.handover);
}

/// Reads both.
///
/// # Errors
/// [`WarmError::Malformed`] with the first field that can't be.
pub fn read(from: &mut Reader<'_>) -> Result<(Machine, BootParams), WarmError> {
    let memory = named("bank of memory", list(from, MANY, |from| from.range(PHYSICAL_END)))?;
    let in_order = memory.is_sorted_by(|a, b| a.end < b.start);
    named("bank of memory", in_order.then_some(()))?;
    let reserved = named("reservation", list(from, MANY, read_reserved))?;
    let topology = named("CPU", read_cpus(from))?;
    let clusters = named("cluster", read_clusters(from, topology.len()))?;
    let psci = named("PSCI", read_psci(from))?;
    let gic = named("GIC", read_gic(from))?;
    let timer = named("timer", read_timer(from))?;
    let console = named("console", maybe(from, read_console))?;
    let machine = Machine {
        model: String::new(),
        memory,
        reserved,
        topology,
        clusters,
        psci,
        gic,
        timer,
        console,
        rtc: None,
        virtio: Vec::new(),
    };
    let params = named("parameter", read_params(from, &machine.memory))?;
    Ok((machine, params))
}

fn named<T>(what: &'static str, read: Option<T>) -> Result<T, WarmError> {
    read.ok_or(WarmError::Malformed(what))
}

/// A count and so many; the room for them is not taken before each has been read.
fn list<'a, T>(
    from: &mut Reader<'a>,
    most: usize,
    mut one: impl FnMut(&mut Reader<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = from.count(most)?;
    (0..count).map(|_| one(from)).collect()
}

fn maybe<'a, T>(
    from: &mut Reader<'a>,
    one: impl FnOnce(&mut Reader<'a>) -> Option<T>,
) -> Option<Option<T>> {
    if from.flag()? { one(from).map(Some) } else { Some(None) }
}

fn string(from: &mut Reader<'_>) -> Option<String> {
    let text = str::from_utf8(from.text()?).ok()?;
    (!text.contains(char::is_control)).then(|| text.into())
}

fn write_reserved(out: &mut Writer, Reserved { range, name, no_map }: &Reserved) {
    out.range(*range);
    out.number(u64::from(*no_map));
    out.text(name.as_bytes());
}

fn read_reserved(from: &mut Reader<'_>) -> Option<Reserved> {
    let range = from.range(u64::MAX)?;
    let no_map = from.flag()?;
    Some(Reserved { range, no_map, name: string(from)? })
}

fn write_cpus(out: &mut Writer, topology: &Topology) {
    out.number(topology.boot().index() as u64);
    out.number(topology.len() as u64);
    let mpidrs = topology.cpus().filter_map(|cpu| topology.mpidr(cpu));
    mpidrs.for_each(|mpidr| out.number(mpidr.value()));
}

fn read_cpus(from: &mut Reader<'_>) -> Option<Topology> {
    let boot = from.count(MAX_CPUS - 1)?;
    let mpidrs = list(from, MAX_CPUS, |from| Mpidr::from_reg(from.number()?))?;
    Topology::new(&mpidrs, *mpidrs.get(boot)?).ok()
}

fn write_cluster(out: &mut Writer, cluster: &Cluster) {
    let Cluster { cpus, interrupt, name, emulate } = cluster;
    out.number(cpus.len() as u64);
    cpus.iter().for_each(|cpu| out.number(u64::from(cpu.0)));
    out.number(interrupt_word(Some(*interrupt)));
    out.number(u64::from(*emulate));
    out.text(name.as_bytes());
}

/// No CPU is in two clusters.
fn read_clusters(from: &mut Reader<'_>, cpus: usize) -> Option<Vec<Cluster>> {
    let mut seen = CpuMask::new();
    list(from, cpus, |from| {
        let members = from.count(MAX_CLUSTER_CPUS).filter(|&members| members > 0)?;
        let mut mask = CpuMask::new();
        for _ in 0..members {
            let cpu = CpuId(from.count(cpus - 1)? as u16);
            if seen.contains(cpu) {
                return None;
            }
            seen.insert(cpu);
            mask.insert(cpu);
        }
        let interrupt = read_interrupt(from)??;
        Some(Cluster { cpus: mask, interrupt, emulate: from.flag()?, name: string(from)? })
    })
}

fn read_psci(from: &mut Reader<'_>) -> Option<Psci> {
    let conduit = if from.flag()? { Conduit::Smc } else { Conduit::Hvc };
    let version = if from.flag()? { PsciVersion::V1_0 } else { PsciVersion::V0_2 };
    Some(Psci { conduit, version })
}

fn write_gic(out: &mut Writer, gic: &Gic) {
    out.number(gic_kind(gic));
    out.range(gic.distributor());
    match gic {
        Gic::V2 { cpu_interface, .. } => out.range(*cpu_interface),
        Gic::V3 { redistributors, stride, .. } => {
            out.number(redistributors.len() as u64);
            redistributors.iter().for_each(|&region| out.range(region));
            out.number(stride.unwrap_or(0));
        }
    }
}

/// Version 2, version 3, or version 3 with a redistributor for each CPU by itself.
fn gic_kind(gic: &Gic) -> u64 {
    match gic {
        Gic::V2 { .. } => 0,
        Gic::V3 { frames: Frames::UpToLast, .. } => 1,
        Gic::V3 { frames: Frames::Each, .. } => 2,
    }
}

fn read_gic(from: &mut Reader<'_>) -> Option<Gic> {
    let kind = from.count(2)?;
    let distributor = registers(from)?;
    if kind == 0 {
        return Some(Gic::V2 { distributor, cpu_interface: registers(from)? });
    }
    let frames = if kind == 1 { Frames::UpToLast } else { Frames::Each };
    let mut redistributors = heapless::Vec::new();
    for _ in 0..from.count(redistributors.capacity()).filter(|&regions| regions > 0)? {
        redistributors.push(registers(from)?).ok()?;
    }
    let stride = Some(from.number()?).filter(|&stride| stride != 0);
    Some(Gic::V3 { distributor, redistributors, stride, frames })
}

/// Registers are somewhere and have a size.
fn registers(from: &mut Reader<'_>) -> Option<Range> {
    from.range(PHYSICAL_END).filter(|range| !range.is_empty())
}

fn read_timer(from: &mut Reader<'_>) -> Option<Timer> {
    let private = |ppi: Interrupt| (16..32).contains(&ppi.intid).then_some(ppi);
    let virtual_ppi = private(read_interrupt(from)??)?;
    let physical_ppi = private(read_interrupt(from)??)?;
    let hypervisor_ppi = read_interrupt(from)?;
    Some(Timer { virtual_ppi, physical_ppi, hypervisor_ppi })
}

fn write_console(out: &mut Writer, Console { base, interrupt, uart }: &Console) {
    out.range(*base);
    out.number(interrupt_word(*interrupt));
    out.number(u64::from(*uart == Uart::Sbsa));
}

fn read_console(from: &mut Reader<'_>) -> Option<Console> {
    let base = registers(from)?;
    let interrupt = read_interrupt(from)?;
    let uart = if from.flag()? { Uart::Sbsa } else { Uart::Pl011 };
    Some(Console { base, interrupt, uart })
}

/// Number and trigger in one word.
fn interrupt_word(interrupt: Option<Interrupt>) -> u64 {
    let word = |i: Interrupt| u64::from(i.intid) << 1 | u64::from(i.trigger == Trigger::Edge);
    interrupt.map_or(NONE, word)
}

fn read_interrupt(from: &mut Reader<'_>) -> Option<Option<Interrupt>> {
    let word = from.number()?;
    if word == NONE {
        return Some(None);
    }
    let intid = usize::try_from(word >> 1).ok().filter(|&intid| intid < INTIDS)? as u32;
    let interrupt = if word & 1 == 1 { Interrupt::edge(intid) } else { Interrupt::level(intid) };
    Some(Some(interrupt))
}

/// Both ranges lie in the memory that may be used, as those do that come from a tree.
fn read_params(from: &mut Reader<'_>, memory: &[Range]) -> Option<BootParams> {
    let bootargs = from.text().filter(|text| text.len() <= MAX_BOOTARGS_READ)?;
    let mut range = || {
        let range = from.range(PHYSICAL_END)?;
        let inside = range.is_empty() || memory.iter().any(|bank| bank.covers(&range));
        inside.then(|| Some(range).filter(|range| !range.is_empty()))
    };
    let (initrd, handover) = (range()?, range()?);
    let whole = |range: &Range| {
        range.start.is_multiple_of(PAGE) && (PAGE..=MAX_HANDOVER).contains(&range.size())
    };
    let fits = handover.is_none_or(|range| whole(&range));
    let bootargs = CommandLine::from(bootargs);
    fits.then_some(BootParams { bootargs, initrd, handover, rng_seed: None })
}
