//! The types of a [`Machine`] and of the [`BootParams`] of one boot.

use alloc::string::String;
use alloc::vec::Vec;

use super::PlatformError;
use crate::config::PAGE;
use crate::cpu::{CpuMask, Topology};
use crate::interrupt::Interrupt;
use crate::machine::device::{DeviceAt, DevicesAt};
use crate::memory::Range;
use crate::options::CommandLine;

/// What this machine is, as far as the kernel uses that: the same at each boot.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Name of the machine.
    pub model: String,
    /// RAM that may be used: sorted, without overlaps, neighbours joined.
    pub memory: Vec<Range>,
    /// Memory that may not be used, in the order of its source. May lie outside the RAM and may
    /// overlap.
    pub reserved: Vec<Reserved>,
    /// The CPUs that can be started, and the one that runs.
    pub topology: Topology,
    /// The clusters that have performance monitors, in the order of the tree.
    pub clusters: Vec<Cluster>,
    /// How firmware starts and stops CPUs.
    pub psci: Psci,
    /// The interrupt controller.
    pub gic: Gic,
    /// The generic timer's interrupts.
    pub timer: Timer,
    /// The UART for the console, if there is one that has a driver.
    pub console: Option<Console>,
    /// The real-time clock, a PL031.
    pub rtc: Option<Device>,
    /// Places for virtio devices, in the order of the tree; most may be empty.
    pub virtio: Vec<Device>,
}

impl Machine {
    /// All registers that this kernel reaches, and of what device.
    pub fn registers(&self) -> impl Iterator<Item = (&'static str, Range)> + '_ {
        let named = |what| move |range| (what, range);
        let console = self.console.iter().map(|console| console.base);
        let rtc = self.rtc.iter().map(|rtc| rtc.base);
        let virtio = self.virtio.iter().map(|virtio| virtio.base);
        let console = console.map(named("the console"));
        let devices = rtc.map(named("the clock")).chain(virtio.map(named("a virtio device")));
        self.gic.registers().map(named("the GIC")).chain(console).chain(devices)
    }

    /// Where devices are, or may be.
    pub fn devices(&self) -> DevicesAt {
        let at = |device: &Device| DeviceAt { registers: device.base, interrupt: device.interrupt };
        DevicesAt { clock: self.rtc.as_ref().map(at), virtio: self.virtio.iter().map(at).collect() }
    }

    /// Checks that no page of registers lies in `ram`: registers and RAM are mapped in different
    /// ways, and a bank that has registers in it can't be believed.
    ///
    /// # Errors
    /// [`PlatformError::InRam`] with the first registers that do.
    pub fn apart_from(&self, ram: &[Range]) -> Result<(), PlatformError> {
        let mut found = self.registers().filter_map(|(what, registers)| {
            let ram = ram_at(registers, ram.iter().copied())?;
            Some(PlatformError::InRam { what, registers, ram })
        });
        found.next().map_or(Ok(()), Err)
    }

    /// In what `told`, which another kernel has said of this machine, is not what this one says. Of
    /// clock and virtio devices another kernel says nothing.
    pub fn differences(&self, told: &Self) -> Vec<&'static str> {
        let same = [
            ("memory", self.memory == told.memory),
            ("reservations", self.reserved == told.reserved),
            ("CPUs", self.topology == told.topology),
            ("clusters", self.clusters == told.clusters),
            ("PSCI", self.psci == told.psci),
            ("GIC", self.gic == told.gic),
            ("timer", self.timer == told.timer),
            ("console", self.console == told.console),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect()
    }
}

/// The first of `ram` in which a page of `registers` lies; the registers themselves if these are no
/// whole pages of the address space.
pub(super) fn ram_at(registers: Range, mut ram: impl Iterator<Item = Range>) -> Option<Range> {
    match registers.grow_to(PAGE) {
        Some(pages) => ram.find(|ram| ram.overlaps(&pages)),
        None => Some(registers),
    }
}

impl Gic {
    /// GICD registers.
    pub fn distributor(&self) -> Range {
        match self {
            Self::V2 { distributor, .. } | Self::V3 { distributor, .. } => *distributor,
        }
    }

    /// Architecture version, 2 or 3.
    pub fn version(&self) -> u32 {
        match self {
            Self::V2 { .. } => 2,
            Self::V3 { .. } => 3,
        }
    }

    /// Distributor, and CPU interface or redistributors.
    pub fn registers(&self) -> impl Iterator<Item = Range> + '_ {
        let (distributor, rest) = match self {
            Self::V2 { distributor, cpu_interface } => {
                (distributor, core::slice::from_ref(cpu_interface))
            }
            Self::V3 { distributor, redistributors, .. } => (distributor, &redistributors[..]),
        };
        core::iter::once(distributor).chain(rest).copied()
    }
}

/// What this boot was given by a boot loader or by the kernel before.
#[derive(Clone, Default, Debug)]
pub struct BootParams {
    /// Command line; empty if there is none.
    pub bootargs: CommandLine,
    /// The initrd, whole in RAM.
    pub initrd: Option<Range>,
    /// What an earlier kernel handed over, whole in RAM.
    pub handover: Option<Range>,
    /// Entropy from the boot loader.
    pub rng_seed: Option<Vec<u8>>,
}

/// Memory that may not be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reserved {
    /// Where.
    pub range: Range,
    /// The node's name, `/memreserve/` for an entry of the memory reservation block, or what of
    /// firmware's tables it is.
    pub name: String,
    /// True if the range may not even be mapped.
    pub no_map: bool,
}

/// How PSCI is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conduit {
    /// Hypervisor call.
    Hvc,
    /// Secure monitor call.
    Smc,
}

impl Conduit {
    /// The name in the tree.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hvc => "hvc",
            Self::Smc => "smc",
        }
    }
}

/// The oldest PSCI that the tree promises; PSCI_VERSION tells what is there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PsciVersion {
    /// `arm,psci-0.2`.
    V0_2,
    /// `arm,psci-1.0`.
    V1_0,
}

/// The firmware interface that starts and stops CPUs (Arm DEN 0022).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Psci {
    /// How firmware is called.
    pub conduit: Conduit,
    /// What the tree promises.
    pub version: PsciVersion,
}

/// Regions of redistributors that are used.
pub const MAX_REGIONS: usize = 64;

/// The interrupt controller.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::large_enum_variant)] // there is one of it, and it is made before there is a heap
pub enum Gic {
    /// GICv2.
    V2 {
        /// GICD registers.
        distributor: Range,
        /// GICC registers.
        cpu_interface: Range,
    },
    /// GICv3 or later.
    V3 {
        /// GICD registers.
        distributor: Range,
        /// Regions of GICR frames; at least one, none empty.
        redistributors: heapless::Vec<Range, MAX_REGIONS>,
        /// Bytes from one CPU's frames to the next, if not the architecture's distance.
        stride: Option<u64>,
        /// Where a region ends.
        frames: Frames,
    },
}

/// Which frames of a region of redistributors are a CPU's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frames {
    /// Those up to the one that says that it is the last. The region may be longer.
    UpToLast,
    /// Each: the region was made of the frames of single CPUs, and any of them may say that it is the
    /// last.
    Each,
}

/// Interrupts of the generic timer (INTIDs 16 to 31 on every machine with private ones).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timer {
    /// EL1 virtual timer.
    pub virtual_ppi: Interrupt,
    /// Non-secure EL1 physical timer.
    pub physical_ppi: Interrupt,
    /// Non-secure EL2 physical timer.
    pub hypervisor_ppi: Option<Interrupt>,
}

/// UARTs that have a driver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Uart {
    /// Arm PL011.
    Pl011,
    /// The subset of a PL011 that the Arm server base system architecture asks for: the speed is
    /// fixed.
    Sbsa,
}

/// The console's UART.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Console {
    /// Its registers.
    pub base: Range,
    /// Its interrupt; `None` if the tree does not give one that can be used: the console must then
    /// be polled.
    pub interrupt: Option<Interrupt>,
    /// The kind of UART.
    pub uart: Uart,
}

/// A device with registers and one shared interrupt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// Its registers.
    pub base: Range,
    /// Its interrupt, an SPI.
    pub interrupt: Interrupt,
    /// The node's name.
    pub name: String,
}

/// CPUs that one unit can have (Arm DSU TRM, section "Cluster configurations").
pub const MAX_CLUSTER_CPUS: usize = 8;

/// CPUs that share a unit with performance monitors, reached by system registers of these CPUs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cluster {
    /// Its CPUs, one to [`MAX_CLUSTER_CPUS`]; no CPU is in two clusters.
    pub cpus: CpuMask,
    /// The shared interrupt that tells of an overflow; no two clusters have the same.
    pub interrupt: Interrupt,
    /// The node's name.
    pub name: String,
    /// True if the tree asks this kernel to stand in for the registers, by `baton,emulate`: the
    /// cores have none. Without the property an access to a register that the core lacks is a fault
    /// like any other.
    pub emulate: bool,
}
