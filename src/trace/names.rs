//! The words that traces and records use. Each kind of word is a closed list: an enum whose values
//! have the names that people and other programs see.

/// A value of a closed list, with its name.
pub trait Named: Copy + Eq + 'static {
    /// All of the list, in order.
    const ALL: &'static [Self];

    /// The name that people and records use.
    fn name(self) -> &'static str;

    /// The value with a name.
    fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.name() == name)
    }
}

/// Declares a closed list: an enum that is [`Named`].
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// All values, in order.
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

        impl $crate::trace::Named for $name {
            const ALL: &'static [Self] = Self::ALL;

            fn name(self) -> &'static str {
                self.name()
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

pub(crate) use named;

named! {
    /// Up (towards ONLINE) or down.
    Dir {
        /// Bringing a CPU up.
        Up = "up",
        /// Taking a CPU down.
        Down = "down",
    }
}

named! {
    /// The hotplug steps, in the order in which a CPU comes up: what each does is told by the row
    /// of the same place in [`crate::hotplug::steps::STEPS`].
    StepName {
        /// Stacks and per-CPU area.
        PercpuPrepare = "percpu:prepare",
        /// Per-CPU timers.
        TimersPrepare = "timers:prepare",
        /// Per-CPU work.
        WorkPrepare = "work:prepare",
        /// RCU callbacks.
        RcuPrepare = "rcu:prepare",
        /// The CPU is what was found out at boot.
        CpuCheck = "cpu:check",
        /// RCU grace periods.
        RcuStarting = "rcu:starting",
        /// GIC redistributor and CPU interface.
        GicStarting = "gic:starting",
        /// Virtual timer.
        TimerStarting = "timer:starting",
        /// Inter-processor interrupt.
        IpiStarting = "ipi:starting",
        /// Interrupts and per-CPU work.
        WorkOnline = "work:online",
        /// Performance monitors of the cluster.
        PmuOnline = "pmu:online",
        /// Shared interrupts.
        IrqShared = "irq:shared",
    }
}

named! {
    /// The states of a CPU that peers wait for; names as in Linux cpuhp.
    Mark {
        /// Off, and nothing prepared.
        Offline = "OFFLINE",
        /// CPU_ON was issued and the CPU has not been seen yet.
        Kicked = "KICKED",
        /// Given up before it was seen alive: a CPU that comes later must turn itself off.
        ShouldDie = "SHOULD_DIE",
        /// Runs this kernel's code and knows its CPU number.
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
        /// Firmware denied CPU_OFF: parked for good in memory that is never overwritten.
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

/// A checksum (FNV-1a) of the names of all steps, marks and phases, in order. Two kernels whose
/// sums are equal mean the same by the numbers in their events.
pub const NAMES_SUM: u64 = {
    let (mut sum, mut i) = (0xcbf2_9ce4_8422_2325, 0);
    while i < StepName::ALL.len() {
        sum = add_name(sum, StepName::ALL[i].name());
        i += 1;
    }
    i = 0;
    while i < Mark::ALL.len() {
        sum = add_name(sum, Mark::ALL[i].name());
        i += 1;
    }
    i = 0;
    while i < Phase::ALL.len() {
        sum = add_name(sum, Phase::ALL[i].name());
        i += 1;
    }
    sum
};

/// A name, and a byte that no name has.
const fn add_name(mut sum: u64, name: &str) -> u64 {
    let (bytes, mut i) = (name.as_bytes(), 0);
    while i < bytes.len() {
        sum = (sum ^ bytes[i] as u64).wrapping_mul(0x100_0000_01b3);
        i += 1;
    }
    (sum ^ 0xff).wrapping_mul(0x100_0000_01b3)
}
