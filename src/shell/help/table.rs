//! The commands.

mod parts;

use super::{Entry, Item};
use crate::shell::command::Command;
use crate::shell::parse::build;

const TEARDOWN: Item = Item {
    name: "--teardown",
    value: "serial|parallel",
    meaning: "one CPU after the other, or all at once; if not given, the value of\n\
              cpuhp.teardown= on the kernel command line",
};

const GRACE: Item = Item {
    name: "--grace",
    value: "each|once",
    meaning: "a grace period for each CPU, or one for all; if not given, the value of\n\
              cpuhp.grace=, or else each with serial and once with parallel",
};

const LIST: Item = Item {
    name: "LIST|all",
    value: "",
    meaning: "CPU numbers as \"cpus\" shows them: 3, 3-9 or 1,3-5; or all of them",
};

const fn argument(name: &'static str, meaning: &'static str) -> Item {
    Item { name, value: "", meaning }
}

const fn option(name: &'static str, value: &'static str, meaning: &'static str) -> Item {
    Item { name, value, meaning }
}

/// All commands, in the order of the list that `help` prints.
pub static TABLE: [Entry; 33] = [
    Entry {
        name: "help",
        arguments: "[COMMAND]",
        summary: "lists the commands, or explains one",
        items: &[argument("COMMAND", "a command, or its first word: cpu, kexec")],
        example: "help cpu online",
        build: build::help,
    },
    Entry {
        name: "cpus",
        arguments: "",
        summary: "lists the CPUs and their states",
        items: &[],
        example: "cpus",
        build: |_| Ok(Command::Cpus),
    },
    Entry {
        name: "cpu online",
        arguments: "LIST|all",
        summary: "brings CPUs up",
        items: &[
            LIST,
            option(
                "--policy",
                "serial|parallel|fanout",
                "one after the other; all kicked by the boot CPU; or each CPU that is up\n\
                 kicks more. If not given, the value of cpuhp.bringup=",
            ),
        ],
        example: "cpu online 1-7 --policy fanout",
        build: build::cpu_online,
    },
    Entry {
        name: "cpu offline",
        arguments: "LIST|all",
        summary: "takes CPUs down; all means all but the boot CPU",
        items: &[LIST, TEARDOWN, GRACE],
        example: "cpu offline 1,3-5 --teardown serial",
        build: build::cpu_offline,
    },
    Entry {
        name: "hotplug",
        arguments: "",
        summary: "lists the hotplug steps and where each CPU stands",
        items: &[],
        example: "hotplug",
        build: |_| Ok(Command::Hotplug),
    },
    Entry {
        name: "irqs",
        arguments: "",
        summary: "lists the interrupts and their CPUs",
        items: &[],
        example: "irqs",
        build: |_| Ok(Command::Irqs),
    },
    parts::RCU,
    parts::RCU_SYNC,
    parts::PMU,
    parts::PMU_OPEN,
    parts::PMU_READ,
    parts::PMU_CLOSE,
    parts::PSCI_BENCH,
    parts::REPORT,
    Entry {
        name: "mem",
        arguments: "",
        summary: "shows how memory is used",
        items: &[],
        example: "mem",
        build: |_| Ok(Command::Mem),
    },
    Entry {
        name: "files",
        arguments: "",
        summary: "lists the files of the initrd",
        items: &[],
        example: "files",
        build: |_| Ok(Command::Files),
    },
    Entry {
        name: "kexec load",
        arguments: "PATH",
        summary: "loads the next kernel and checks it",
        items: &[
            argument("PATH", "a kernel among the files"),
            option(
                "--type",
                "image|raw",
                "an arm64 Image, also in gzip, zstd or EFI zboot; or a flat binary",
            ),
            option(
                "--initrd",
                "PATH|keep|none",
                "its initrd: a file, the one of this kernel, or none",
            ),
            option("--append", "\"ARGS\"", "its command line"),
            option("--dtb", "PATH", "its device tree; if not given, the one of this kernel"),
            option("--sig", "PATH", "its signature; if not given, PATH.sig if there is one"),
            option(
                "--at",
                "ADDR",
                "its base, a multiple of 2 MiB; if in use, the jump copies it there",
            ),
        ],
        example: "kexec load linux --initrd rootfs --append \"console=ttyAMA0 quiet\"",
        build: build::kexec_load,
    },
    Entry {
        name: "kexec status",
        arguments: "",
        summary: "shows what is loaded, and where",
        items: &[],
        example: "kexec status",
        build: |_| Ok(Command::KexecStatus),
    },
    Entry {
        name: "kexec unload",
        arguments: "",
        summary: "drops what is loaded",
        items: &[],
        example: "kexec unload",
        build: |_| Ok(Command::KexecUnload),
    },
    Entry {
        name: "kexec exec",
        arguments: "",
        summary: "takes all other CPUs down and jumps to what is loaded",
        items: &[
            TEARDOWN,
            GRACE,
            option("--verify", "", "hash it all again first; always done with kexec.verify=on"),
        ],
        example: "kexec exec --teardown parallel",
        build: build::kexec_exec,
    },
    Entry {
        name: "cycle",
        arguments: "N",
        summary: "kexecs this kernel into itself N times",
        items: &[
            argument("N", "how often, from 1 on; Ctrl-C ends it early"),
            TEARDOWN,
            GRACE,
            option(
                "--bringup",
                "POLICY",
                "how the next kernels bring their CPUs up: serial, parallel or fanout",
            ),
            option("--image", "PATH", "an Image among the files to jump to instead of this one"),
            option("--done", "D", ""),
            option("--asked", "N", ""),
        ],
        example: "cycle 5 --teardown serial",
        build: build::cycle,
    },
    Entry {
        name: "timeline",
        arguments: "",
        summary: "shows when each CPU did which step",
        items: &[option("--json", "", "as records for programs, one on each line")],
        example: "timeline --json",
        build: build::timeline,
    },
    Entry {
        name: "devices",
        arguments: "",
        summary: "lists the devices that interrupt, and what they did",
        items: &[],
        example: "devices",
        build: |_| Ok(Command::Devices),
    },
    Entry {
        name: "alarm",
        arguments: "N",
        summary: "lets the clock interrupt in N seconds",
        items: &[argument("N", "seconds; up to one less, since the clock ticks in whole ones")],
        example: "alarm 2",
        build: build::alarm,
    },
    Entry {
        name: "disk",
        arguments: "N",
        summary: "reads N sectors, as many at a time as the device takes",
        items: &[
            argument("N", "sectors; each is checked when it comes; Ctrl-C ends the wait"),
            option("--nowait", "", "return while the last ones are in flight"),
        ],
        example: "disk 1000",
        build: build::disk,
    },
    Entry {
        name: "dmesg",
        arguments: "",
        summary: "shows the kernel's messages again",
        items: &[],
        example: "dmesg",
        build: |_| Ok(Command::Dmesg),
    },
    Entry {
        name: "set",
        arguments: "[NAME VALUE]",
        summary: "changes a setting; without arguments: shows them",
        items: &[
            argument("loglevel N", "messages up to this level are printed, 0 to 7"),
            argument("timeout MS", "how long a phase may take before the missing CPUs are named"),
            argument(
                "fail STEP[:CPU][:up|down][:TIMES]",
                "makes a step fail on purpose, once if TIMES is not given; \"hotplug\"\n\
                 lists the steps. kick is a CPU_ON that never arrives, off a CPU_OFF\n\
                 that firmware denies, quiesce a device that does not stop for the jump.\n\
                 Without CPU or with an empty one it is any: gic:starting::up.\n\
                 fail none takes all of that back",
            ),
            argument(
                "exclusive STEP",
                "lets a step run on one CPU at a time, to see what that costs;\n\
                 exclusive none takes that back",
            ),
            argument("console.cpu N", "the CPU that serves the console"),
            argument(
                "irq N affinity LIST",
                "the CPUs that may take interrupt N, of which one does; \"irqs\" lists them",
            ),
            argument(
                "warm on|off",
                "tells a baton that is loaded from now on the machine, so that it starts\n\
                 its CPUs before it reads its tree; off for comparison",
            ),
        ],
        example: "set fail gic:starting:3:up",
        build: build::set,
    },
    Entry {
        name: "soak",
        arguments: "N",
        summary: "takes CPUs down and up again, N times",
        items: &[
            argument("N", "how often, from 1 on; Ctrl-C ends it early"),
            option("--cpus", "LIST|all", "which CPUs; if not given, all but the boot CPU"),
        ],
        example: "soak 100 --cpus 1-3",
        build: build::soak,
    },
    Entry {
        name: "torture",
        arguments: "KIND",
        summary: "keeps everything busy while CPUs come and go",
        items: &[
            argument("hotplug", "random sets of CPUs, in all modes and policies; timers, work"),
            argument("rcu", "besides: readers, callbacks, grace periods"),
            argument("irq", "besides: interrupts, each of which must be handled once"),
            argument("pmu", "besides: events of the clusters"),
            argument("all", "all of these"),
            option("--seconds", "N", "how long; 10 if not given; Ctrl-C ends it early"),
            option("--seed", "S", "the same choices again"),
        ],
        example: "torture all --seconds 60",
        build: build::torture,
    },
    Entry {
        name: "stress",
        arguments: "[on|off]",
        summary: "keeps every CPU busy, also across kexecs",
        items: &[],
        example: "stress on",
        build: build::stress,
    },
    Entry {
        name: "crash",
        arguments: "KIND",
        summary: "makes the kernel fault on purpose, to see its report",
        items: &[
            argument("undef", "an undefined instruction"),
            argument("stack", "the stack grows into its guard page"),
            argument("write-text", "a write to code"),
            argument("write-loaded", "a write to the loaded kernel"),
            argument("null", "a read of address 0"),
            argument("panic", "a panic"),
            option("--cpu", "N", "where; if not given, on the CPU that runs the console"),
        ],
        example: "crash stack --cpu 2",
        build: build::crash,
    },
    Entry {
        name: "poweroff",
        arguments: "",
        summary: "turns the machine off",
        items: &[],
        example: "poweroff",
        build: |_| Ok(Command::Poweroff),
    },
    Entry {
        name: "reset",
        arguments: "",
        summary: "restarts the machine",
        items: &[],
        example: "reset",
        build: |_| Ok(Command::Reset),
    },
];
