//! The closed lists of words that only records and their commands use.

use crate::trace::named;

named! {
    /// How CPUs are brought up.
    #[derive(Default)]
    BringupPolicy {
        /// The boot CPU kicks one CPU and waits for that CPU before kicking the next.
        Serial = "serial",
        /// The boot CPU kicks all CPUs and then waits for all.
        #[default]
        Parallel = "parallel",
        /// Each CPU that is up kicks more CPUs.
        Fanout = "fanout",
    }
}

named! {
    /// How CPUs are taken down.
    #[derive(Default)]
    TeardownMode {
        /// One CPU through all its steps before the next one starts.
        Serial = "serial",
        /// All leaving CPUs at once.
        #[default]
        Parallel = "parallel",
    }
}

named! {
    /// How many grace periods a teardown waits for.
    Grace {
        /// One for each CPU.
        Each = "each",
        /// One for all.
        Once = "once",
    }
}

impl TeardownMode {
    /// The grace periods of a teardown of this kind, if none are asked for.
    pub const fn grace(self) -> Grace {
        match self {
            Self::Serial => Grace::Each,
            Self::Parallel => Grace::Once,
        }
    }
}

named! {
    /// What a bring-up was for.
    BringupAt {
        /// The kernel booted.
        Boot = "boot",
        /// A console command.
        Online = "online",
    }
}

named! {
    /// What a teardown was for.
    TeardownAt {
        /// The next kernel.
        Kexec = "kexec",
        /// A console command.
        Offline = "offline",
    }
}

named! {
    /// How the bare PSCI payload turned its CPUs on and off.
    FloorMode {
        /// The boot CPU calls CPU_ON for all.
        Parallel = "parallel",
        /// As parallel, and each CPU leaves its part of the GIC quiet and asleep.
        Quiet = "quiet",
        /// Each CPU that is on calls CPU_ON for two others.
        Fanout = "fanout",
        /// Each CPU that is on calls CPU_ON for one other.
        Chain = "chain",
        /// One CPU after the other.
        Serial = "serial",
    }
}

named! {
    /// Which CPUs the figures of firmware are of.
    PsciScope {
        /// All that were measured.
        All = "all",
        /// Those of one socket: affinity level 3.
        Socket = "socket",
        /// Those that share all affinity levels above the core's.
        Cluster = "cluster",
    }
}

named! {
    /// What a trial keeps busy.
    TortureKind {
        /// CPUs that come and go.
        Hotplug = "hotplug",
        /// And readers, callbacks, grace periods.
        Rcu = "rcu",
        /// And interrupts.
        Irq = "irq",
        /// And the clusters' monitors.
        Pmu = "pmu",
        /// All of these.
        All = "all",
    }
}

named! {
    /// What came of a trial.
    Verdict {
        /// Nothing went wrong.
        Pass = "pass",
        /// Something did.
        Fail = "fail",
    }
}

impl From<TeardownMode> for FloorMode {
    fn from(mode: TeardownMode) -> Self {
        match mode {
            TeardownMode::Serial => Self::Serial,
            TeardownMode::Parallel => Self::Parallel,
        }
    }
}

impl From<BringupPolicy> for FloorMode {
    fn from(policy: BringupPolicy) -> Self {
        match policy {
            BringupPolicy::Serial => Self::Serial,
            BringupPolicy::Parallel => Self::Parallel,
            BringupPolicy::Fanout => Self::Fanout,
        }
    }
}
