//! The wire format of one trace event: two 64-bit words, shared by both kernels of a jump and by
//! the host tool.
//!
//! | bits of word 1 | field |
//! | --- | --- |
//! | 0..8 | kind: 1 step, 2 mark, 3 phase |
//! | 8..16 | which step, mark or phase |
//! | 16..18 | edge: 0 point, 1 begin, 2 end |
//! | 18 | direction: 0 up, 1 down |
//! | 24..40 | CPU |
//! | 40..64 | generation, low 24 bits |
//!
//! Word 0 is the generic counter, in ticks.

use core::num::NonZeroU64;

use crate::cpu::CpuId;

/// A step's place in the step table, see [`crate::hotplug::steps`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StepId(pub u8);

/// Up (towards ONLINE) or down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dir {
    /// Bringing a CPU up.
    Up,
    /// Taking a CPU down.
    Down,
}

impl Dir {
    /// `up` or `down`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Begin or end of a span, or a point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edge {
    /// A moment.
    Point,
    /// A span starts.
    Begin,
    /// A span ends.
    End,
}

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name that people and records use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// From the number on the wire.
            pub fn from_u8(value: u8) -> Option<Self> {
                Self::ALL.get(value as usize).copied()
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

named! {
    /// The states of a CPU that peers wait for; names as in Linux cpuhp.
    Mark {
        /// Off, and nothing of it prepared.
        Offline = "OFFLINE",
        /// CPU_ON was issued and the CPU has not been seen yet.
        Kicked = "KICKED",
        /// Given up before it came: if it comes later, it must turn itself off.
        ShouldDie = "SHOULD_DIE",
        /// Runs our code and knows who it is.
        Alive = "ALIVE",
        /// About to run its starting steps, interrupts off.
        ApOffline = "AP_OFFLINE",
        /// Starting steps done; runs its online steps, interrupts on.
        ApOnline = "AP_ONLINE",
        /// All steps done.
        Online = "ONLINE",
        /// Online steps undone; waits to be stopped.
        TeardownCpu = "TEARDOWN_CPU",
        /// Starting steps undone; its next act is CPU_OFF.
        ApIdleDead = "AP_IDLE_DEAD",
        /// Firmware says OFF.
        Dead = "DEAD",
        /// Firmware denied CPU_OFF: parked for good where nobody overwrites it.
        Quarantined = "QUARANTINED",
    }
}

named! {
    /// What the boot CPU is at, beside the steps of single CPUs.
    Phase {
        /// From the first instruction to the first line of Rust.
        Entry = "entry",
        /// Reading the device tree.
        Tree = "tree",
        /// Memory map and page tables.
        Memory = "memory",
        /// Interrupt controller and per-CPU areas.
        Devices = "devices",
        /// Command line, handover, and the boot CPU's own steps.
        Setup = "setup",
        /// Prepare steps of all CPUs.
        Prepare = "prepare",
        /// CPU_ON of all CPUs.
        Kick = "kick",
        /// Waiting until all are online or given up.
        Sync = "sync",
        /// Checks that can still refuse a kexec, and devices that act by themselves stop.
        Preflight = "preflight",
        /// Moving what CPUs share away from those that leave.
        Migrate = "migrate",
        /// Waiting for the online steps of the leaving CPUs.
        OnlineDown = "online-down",
        /// Waiting for readers.
        Grace = "grace",
        /// Stopping the leaving CPUs.
        Stop = "stop",
        /// Sweeping AFFINITY_INFO until all are OFF.
        Off = "off",
        /// Work for dead CPUs.
        DeadWork = "dead",
        /// Hashing again what is loaded.
        Verify = "verify",
        /// Interrupts and timers quiet, handover closed.
        Quiesce = "quiesce",
    }
}

impl Phase {
    /// What the boot CPU does or waits for meanwhile, in a few words.
    pub const fn what(self) -> &'static str {
        match self {
            Self::Entry => "first instruction to first line of Rust",
            Self::Tree => "reads the device tree",
            Self::Memory => "memory map and page tables",
            Self::Devices => "interrupt controller and per-CPU areas",
            Self::Setup => "command line, handover, its own steps",
            Self::Prepare => "its own work: prepare steps, for each CPU",
            Self::Kick => "firmware: a CPU_ON for each CPU",
            Self::Sync => "the CPUs: starting and online steps up",
            Self::Preflight => "its own work: checks that can refuse, devices stop",
            Self::Migrate => "its own work: shared steps down",
            Self::OnlineDown => "the CPUs: online steps down, or all steps if none can refuse",
            Self::Grace => "readers on CPUs that are not idle",
            Self::Stop => "the CPUs: all assemble, interrupts off",
            Self::Off => "the CPUs and firmware: starting steps down, CPU_OFF",
            Self::DeadWork => "its own work: prepare steps down",
            Self::Verify => "its own work: what is loaded is hashed again",
            Self::Quiesce => "its own work: interrupts and timers quiet",
        }
    }
}

/// What an event is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// A hotplug step, by its place in the table.
    Step(StepId),
    /// A mark was reached.
    Mark(Mark),
    /// A phase of the boot CPU.
    Phase(Phase),
}

/// One trace event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// The generic counter, ticks.
    pub at: u64,
    /// The CPU that the event is about (for prepare steps, not the one that ran it).
    pub cpu: CpuId,
    /// How many kexecs lay behind the kernel that recorded it (24 bits).
    pub generation: u32,
    /// Up or down.
    pub dir: Dir,
    /// Begin, end or a point.
    pub edge: Edge,
    /// What it is about.
    pub what: What,
}

/// An event without its time: word 1, which is never 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Untimed(NonZeroU64);

impl Untimed {
    /// What happens to a CPU, of this generation.
    #[inline]
    pub fn new(cpu: CpuId, generation: u32, dir: Dir, edge: Edge, what: What) -> Self {
        let (kind, code) = match what {
            What::Step(step) => (1, step.0),
            What::Mark(mark) => (2, mark as u8),
            What::Phase(phase) => (3, phase as u8),
        };
        let word = u64::from(code) << 8
            | (edge as u64) << 16
            | (dir as u64) << 18
            | u64::from(cpu.0) << 24
            | u64::from(generation & 0xff_ffff) << 40;
        Self(NonZeroU64::new(kind).unwrap_or(NonZeroU64::MIN) | word)
    }

    /// The CPU that it is about.
    #[inline]
    pub fn cpu(self) -> CpuId {
        CpuId((self.0.get() >> 24) as u16)
    }

    /// The two words as they lie in a ring, if it happens at `at`.
    #[inline]
    pub fn encode(self, at: u64) -> [u64; 2] {
        [at, self.0.get()]
    }

    /// The event, if it happens at `at`.
    pub fn at(self, at: u64) -> Option<Event> {
        Event::decode(self.encode(at))
    }
}

impl Event {
    /// The two words as they lie in a ring.
    pub fn encode(&self) -> [u64; 2] {
        let Self { at, cpu, generation, dir, edge, what } = *self;
        Untimed::new(cpu, generation, dir, edge, what).encode(at)
    }

    /// Reads two words back; `None` if they are not an event (an empty or foreign slot).
    pub fn decode(words: [u64; 2]) -> Option<Self> {
        let [at, word] = words;
        let code = (word >> 8) as u8;
        let what = match word as u8 {
            1 => What::Step(StepId(code)),
            2 => What::Mark(Mark::from_u8(code)?),
            3 => What::Phase(Phase::from_u8(code)?),
            _ => return None,
        };
        let edge = [Edge::Point, Edge::Begin, Edge::End].get((word >> 16 & 3) as usize).copied()?;
        let dir = if word >> 18 & 1 == 0 { Dir::Up } else { Dir::Down };
        let cpu = CpuId((word >> 24) as u16);
        Some(Self { at, cpu, generation: (word >> 40) as u32, dir, edge, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_wire() {
        let kinds = Mark::ALL
            .iter()
            .map(|&m| What::Mark(m))
            .chain(Phase::ALL.iter().map(|&p| What::Phase(p)))
            .chain((0..=255).map(|s| What::Step(StepId(s))));
        for (i, what) in kinds.enumerate() {
            let edge = [Edge::Point, Edge::Begin, Edge::End][i % 3];
            let dir = [Dir::Up, Dir::Down][i % 2];
            let cpu = CpuId((i * 37 % 512) as u16);
            let event =
                Event { at: u64::MAX - i as u64, cpu, generation: 0xab_cdef, dir, edge, what };
            assert_eq!(Event::decode(event.encode()), Some(event));
            let untimed = Untimed::new(cpu, event.generation, dir, edge, what);
            assert_eq!((untimed.cpu(), untimed.at(event.at)), (cpu, Some(event)));
        }
    }

    #[test]
    fn an_empty_slot_is_no_event() {
        assert_eq!(Event::decode([0, 0]), None);
        assert_eq!(Event::decode([1, 2 | 0xff << 8]), None);
    }
}
