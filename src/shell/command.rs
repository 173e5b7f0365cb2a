//! The console's commands, as values. What the user left open is `None`: the code that carries the
//! command out chooses the default.

use alloc::string::String;
use core::fmt;

use crate::cpu::{CpuId, CpuMask};
use crate::kexec::KexecLoad;
use crate::machine::CrashKind;
use crate::options::cpu;
use crate::report::{BringupPolicy, Grace, TeardownMode};
use crate::torture;
use crate::trace::named;

/// One command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Explain all commands, or the command of this name (or all that begin with this word).
    Help(Option<String>),
    /// List the CPUs.
    Cpus,
    /// Bring CPUs up.
    CpuOnline {
        /// Which.
        cpus: CpuChoice,
        /// How.
        policy: Option<BringupPolicy>,
    },
    /// Take CPUs down.
    CpuOffline {
        /// Which.
        cpus: CpuChoice,
        /// How.
        teardown: Option<TeardownMode>,
        /// With how many grace periods.
        grace: Option<Grace>,
    },
    /// List the hotplug steps and the state of each CPU.
    Hotplug,
    /// List the interrupts.
    Irqs,
    /// Show grace periods and each CPU's part.
    Rcu,
    /// Wait for a grace period.
    RcuSync {
        /// Wake those that have not moved.
        expedited: bool,
    },
    /// List the performance monitors of the clusters.
    Pmu,
    /// Count an event.
    PmuOpen {
        /// Where; `None`: in all clusters that do not.
        cluster: Option<usize>,
        /// Which.
        event: u16,
    },
    /// Count an event no longer.
    PmuClose {
        /// Where; `None`: in all clusters that do.
        cluster: Option<usize>,
        /// Which.
        event: u16,
    },
    /// Bring the totals up to now, and show the totals.
    PmuRead {
        /// Of which cluster; `None`: of all.
        cluster: Option<usize>,
    },
    /// Measure what firmware costs without a kernel.
    PsciBench {
        /// How often each CPU is turned on and off, each way.
        rounds: Option<u32>,
    },
    /// Print the results of the run as lines, or one of these lines.
    Report(Option<u32>),
    /// Show how memory is used.
    Mem,
    /// List the files of the initrd.
    Files,
    /// Load the next kernel.
    KexecLoad(KexecLoad),
    /// Show what is loaded.
    KexecStatus,
    /// Drop what is loaded.
    KexecUnload,
    /// Jump to what is loaded.
    KexecExec {
        /// How the CPUs are taken down.
        teardown: Option<TeardownMode>,
        /// With how many grace periods.
        grace: Option<Grace>,
        /// Hash the loaded kernel again first, whatever the command line says.
        verify: bool,
    },
    /// Kexec this kernel into itself again and again.
    Cycle(Cycle),
    /// Show the timeline of the last bring-up and teardown.
    Timeline {
        /// As records for programs.
        json: bool,
    },
    /// Show the devices that interrupt, and their counts.
    Devices,
    /// Set the clock's alarm.
    Alarm {
        /// From now, at least 1.
        seconds: u32,
    },
    /// Read from the disk.
    Disk {
        /// Sectors.
        reads: u32,
        /// False: return while reads are in flight.
        wait: bool,
    },
    /// Show the kernel's messages.
    Dmesg,
    /// Show the settings, or change one; the code that changes the setting checks the value.
    Set(Option<(Setting, String)>),
    /// Turn the machine off.
    Poweroff,
    /// Restart the machine.
    Reset,
    /// Take CPUs down and up again, over and over.
    Soak {
        /// How often.
        times: u32,
        /// Which; `None`: all that can go.
        cpus: Option<CpuChoice>,
    },
    /// Keep everything busy while CPUs come and go, and see whether all is right.
    Torture {
        /// What to keep busy.
        kind: torture::Kind,
        /// How long.
        seconds: Option<u32>,
        /// Where the choices come from; `None`: from the time.
        seed: Option<u64>,
    },
    /// Switch the stress on or off, or show its counts.
    Stress(Option<bool>),
    /// Make the kernel fault on purpose.
    Crash {
        /// How.
        kind: CrashKind,
        /// Where; `None`: on the CPU that runs the console.
        cpu: Option<CpuId>,
    },
}

/// The CPUs that a command is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CpuChoice {
    /// All that the command can apply to.
    All,
    /// These; the machine need not have all of these CPUs.
    Listed(CpuMask),
}

impl CpuChoice {
    /// Reads `3`, `3-9`, `1,3-5` or `all`; `None` if the text is none of these or names a CPU beyond
    /// the supported number.
    pub fn read(text: &str) -> Option<Self> {
        if text == "all" {
            return Some(Self::All);
        }
        let mut mask = CpuMask::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (cpu(first)?, cpu(last)?);
            if first > last {
                return None;
            }
            (first.0..=last.0).for_each(|n| mask.insert(CpuId(n)));
        }
        Some(Self::Listed(mask))
    }
}

/// A run of kexecs, and its progress. [`fmt::Display`] writes the command with which the next
/// kernel goes on; that text fits into a quoted `run=`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cycle {
    /// Kexecs done.
    pub done: u32,
    /// Kexecs asked for; at least 1 and at least `done`.
    pub asked: u32,
    /// How the CPUs are taken down.
    pub teardown: Option<TeardownMode>,
    /// With how many grace periods.
    pub grace: Option<Grace>,
    /// How the next kernels bring their CPUs up; `None`: as the command line says.
    pub bringup: Option<BringupPolicy>,
    /// The image to jump to. Holds no `"`, which a command line can't carry.
    pub image: Option<String>,
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cycle --done {} --asked {}", self.done, self.asked)?;
        if let Some(teardown) = self.teardown {
            write!(f, " --teardown {teardown}")?;
        }
        if let Some(grace) = self.grace {
            write!(f, " --grace {grace}")?;
        }
        if let Some(bringup) = self.bringup {
            write!(f, " --bringup {bringup}")?;
        }
        match &self.image {
            Some(image) => write!(f, " --image '{}'", image.replace('\'', r"'\''")),
            None => Ok(()),
        }
    }
}

named! {
    /// What `set` can change.
    Setting {
        /// Which messages are printed.
        Loglevel = "loglevel",
        /// Steps that are to fail.
        Fail = "fail",
        /// Steps that are to run on one CPU at a time.
        Exclusive = "exclusive",
        /// The CPU that serves the console.
        ConsoleCpu = "console.cpu",
        /// How long a phase of a bring-up or teardown may take.
        Timeout = "timeout",
        /// Which CPUs may take an interrupt.
        Irq = "irq",
        /// A next baton starts its CPUs before it reads its tree.
        Warm = "warm",
    }
}
