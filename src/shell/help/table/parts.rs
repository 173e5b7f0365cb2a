//! Commands about what lives on CPUs.

use super::{Command, Entry, argument, build, option};
use crate::shell::help::Item;

const CLUSTER: Item =
    argument("CLUSTER", "its number as \"pmu\" shows it, or all that have a CPU online");

const EVENT: Item = argument(
    "EVENT",
    "its number, 0x19 or 25, or its name, bus_access; cycles has a counter\nof its own",
);

pub const RCU: Entry = Entry {
    name: "rcu",
    arguments: "",
    summary: "shows grace periods, and which CPUs they wait for",
    items: &[],
    example: "rcu",
    build: |_| Ok(Command::Rcu),
};

pub const RCU_SYNC: Entry = Entry {
    name: "rcu sync",
    arguments: "",
    summary: "waits for a grace period, and says how long it took",
    items: &[option("--expedited", "", "wake the CPUs that have not been quiescent")],
    example: "rcu sync --expedited",
    build: build::rcu_sync,
};

pub const PMU: Entry = Entry {
    name: "pmu",
    arguments: "",
    summary: "lists the clusters and what they count",
    items: &[],
    example: "pmu",
    build: |_| Ok(Command::Pmu),
};

pub const PMU_OPEN: Entry = Entry {
    name: "pmu open",
    arguments: "CLUSTER EVENT",
    summary: "counts an event of a cluster",
    items: &[CLUSTER, EVENT],
    example: "pmu open 0 cycles",
    build: build::pmu_open,
};

pub const PMU_READ: Entry = Entry {
    name: "pmu read",
    arguments: "[CLUSTER]",
    summary: "reads the counters now, of all clusters or of one",
    items: &[argument("CLUSTER", "its number as \"pmu\" shows it")],
    example: "pmu read 0",
    build: build::pmu_read,
};

pub const PMU_CLOSE: Entry = Entry {
    name: "pmu close",
    arguments: "CLUSTER EVENT",
    summary: "stops counting an event, and says its total",
    items: &[CLUSTER, EVENT],
    example: "pmu close 0 0x19",
    build: build::pmu_close,
};

pub const PSCI_BENCH: Entry = Entry {
    name: "psci bench",
    arguments: "",
    summary: "measures CPU_ON and CPU_OFF without a kernel",
    items: &[option(
        "--rounds",
        "N",
        "how often each CPU is turned on and off, one by one and all at once; up\n\
         to 32, 5 if not given. Ctrl-C ends it between two rounds",
    )],
    example: "psci bench --rounds 10",
    build: build::psci_bench,
};

pub const REPORT: Entry = Entry {
    name: "report",
    arguments: "[N]",
    summary: "prints the results of this run, as lines for a program",
    items: &[argument("N", "one of these lines again, by its number")],
    example: "report 17",
    build: build::report,
};
