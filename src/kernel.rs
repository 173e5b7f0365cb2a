//! Boot order and reboot order, each as a flat list.
//!
//! Logic returns to the machine only by [`Next`]: what the machine has to do is a value, so that
//! all of this module also runs on a host.

mod devices;
mod inherited;
mod irqs;
pub mod layout;
mod load;
mod log;
mod reboot;
mod records;
mod signature;
mod tree;
mod verify;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use load::UNPACK_LIMIT;
pub use log::Level;
pub use reboot::NOTHING_LOADED;

use crate::cpu::{CpuId, CpuMask};
use crate::handover::{Area, Farewell, HandoverError, StressCount};
use crate::hotplug::{BringupOutcome, Hotplug, fault};
use crate::kexec::{Loaded, script};
use crate::machine::Board;
use crate::machine::device::DevicesFound;
use crate::memory::{Map, Range};
use crate::options::{self, Options};
use crate::platform::{BootParams, Machine};
use crate::report::{BringupAt, Cycle, Record};
use crate::services::Services;
use crate::torture::Site;
use crate::torture::stress::Stress;
use crate::trace::{Dir, Phase, Ring};
use layout::Claims;
use log::Log;

/// This kernel's name and version.
pub const NAME: &str = concat!("baton ", env!("CARGO_PKG_VERSION"));

/// What the entry found out before the first line of logic.
pub struct Boot {
    /// The machine.
    pub machine: Machine,
    /// What the boot loader or the kernel before has given.
    pub params: BootParams,
    /// The owner of every page of RAM.
    pub map: Map,
    /// The memory that belongs to this kernel.
    pub claims: Claims,
    /// What was wrong with the tree, and with its claims on memory.
    pub warnings: Vec<String>,
    /// First counter read of this kernel, ticks.
    pub entry_at: u64,
    /// When each phase since then was over.
    pub stamps: [(Phase, u64); 4],
    /// Exception level of entry.
    pub entry_level: u32,
    /// Physical address of the image.
    pub base: u64,
    /// The device tree, in place.
    pub dtb: &'static [u8],
    /// Its physical range.
    pub dtb_range: Range,
}

/// What the machine has to do when the kernel is through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Enter another kernel. Every other CPU is off, everything is quiet.
    Jump {
        /// Its entry.
        entry: u64,
        /// Its device tree.
        dtb: u64,
        /// Physical address of the prepared copier; `None` if the kernel is in its place already.
        copier: Option<u64>,
    },
    /// Turn the machine off.
    PowerOff,
    /// Restart the machine.
    Reset,
}

/// The kernel on the boot CPU.
pub struct Kernel {
    /// The machine.
    pub board: &'static dyn Board,
    /// The CPUs.
    pub hotplug: &'static Hotplug,
    /// The services of the CPUs.
    pub services: &'static Services,
    /// What this kernel was booted with.
    pub boot: Boot,
    /// The command line.
    pub options: Options,
    /// The next kernel, if one is loaded.
    pub loaded: Option<Loaded>,
    /// Commands that wait.
    pub script: VecDeque<String>,
    /// The last bring-up.
    pub last_bringup: BringupOutcome,
    /// Devices that interrupt.
    pub devices: DevicesFound,
    /// What keeps the machine busy beside commands, if that is on.
    pub stress: Option<Stress>,
    /// What stress that is over has done, in all kernels.
    pub stresses: StressCount,
    /// CPUs that could not be turned off and were parked, by this kernel or an earlier one.
    parked: CpuMask,
    /// CPUs that an earlier kernel left ON.
    foreign: CpuMask,
    area: Area<'static>,
    log: Log,
}

/// Puts the services and the hotplug state in the place where interrupt handlers and the other CPUs
/// look.
pub type Publish<'a> = &'a dyn Fn(Arc<Services>, Hotplug) -> (&'static Services, &'static Hotplug);

/// Boots: from what the entry found out to a kernel that can serve its console.
pub fn primary(board: &'static dyn Board, boot: Boot, publish: Publish<'_>) -> Kernel {
    let (options, warnings) = Options::parse(&boot.params.bootargs);
    let area = area(board, &boot);
    let farewell = predecessor(&area, &boot);
    let generation = farewell.as_ref().map_or(0, |(f, _)| f.generation + 1);
    let parked = farewell.as_ref().map_or(CpuMask::new(), |(f, _)| f.parked);
    area.clear_rings(generation);
    let topology = boot.machine.topology.clone();
    let services = Arc::new(Services::new(&topology, &boot.machine.clusters));
    let hotplug = Hotplug::new(topology, services.clone(), generation);
    let (services, hotplug) = publish(services, hotplug);
    let log = Log::new(options.loglevel);
    let script = VecDeque::new();
    let mut kernel = Kernel {
        board,
        hotplug,
        services,
        boot,
        options,
        loaded: None,
        script,
        last_bringup: BringupOutcome::default(),
        devices: DevicesFound::default(),
        stress: None,
        stresses: StressCount::default(),
        parked,
        foreign: CpuMask::new(),
        area,
        log,
    };
    kernel.inject_faults();
    kernel.boot_cpu();
    kernel.trace_boot();
    kernel.secondaries();
    // From here on nothing is timed, so from here on there is printing.
    kernel.forget_tree_seeds();
    kernel.start_devices();
    kernel.introduce();
    warnings.iter().for_each(|w| kernel.say(Level::Warning, &w.to_string()));
    kernel.warn_of_test_key();
    kernel.account_for(farewell);
    kernel.hello();
    kernel
}

fn area(board: &dyn Board, boot: &Boot) -> Area<'static> {
    let cpus = boot.machine.topology.len();
    let words = board.words(boot.claims.handover);
    Area::new(words, cpus, boot.machine.topology.boot())
        .expect("the layout asked handover::bytes_for")
}

/// What the kernel before this one left. A region that holds nothing usable is made a clean slate.
fn predecessor(area: &Area<'_>, boot: &Boot) -> Result<(Farewell, u64), Option<HandoverError>> {
    let taken = if boot.claims.inherited { area.take().map_err(Some) } else { Err(None) };
    if taken.is_err() {
        area.format();
    }
    taken
}

impl Kernel {
    /// Where trials and the stress run: this machine.
    pub fn site(&self) -> Site {
        Site { board: self.board, hotplug: self.hotplug, services: self.services }
    }

    fn inject_faults(&mut self) {
        for spec in &self.options.fail {
            if let Err(why) = fault::inject(self.hotplug, spec) {
                self.boot.warnings.push(why);
            }
        }
    }

    /// The boot CPU's own interrupts and timer, through the same steps as on every CPU.
    fn boot_cpu(&mut self) {
        if let Err(failure) = self.hotplug.boot_cpu_up(self.board) {
            self.boot.warnings.push(format!("boot CPU: {failure}"));
        }
        self.console();
    }

    /// Records the phases that were timed before there was a ring.
    fn trace_boot(&self) {
        let setup = [(Phase::Setup, self.board.now())];
        let mut begin = self.boot.entry_at;
        for &(phase, end) in self.boot.stamps.iter().chain(&setup) {
            self.hotplug.record_phase(self.board, phase, Dir::Up, begin, end);
            begin = end;
        }
    }

    fn secondaries(&mut self) {
        let topology = self.hotplug.topology();
        let most = self.options.maxcpus.unwrap_or(usize::MAX).max(1);
        let boot = topology.boot();
        let cpus: CpuMask = topology.cpus().filter(|&c| c != boot).take(most - 1).collect();
        self.last_bringup = self.hotplug.bring_up(self.board, &cpus, self.options.bringup);
    }

    fn introduce(&mut self) {
        let d = &self.boot.machine;
        let (major, minor) = self.board.psci_version();
        let clusters = match d.clusters.len() {
            0 => String::new(),
            count => format!(" in {count} clusters"),
        };
        let text = format!(
            "{NAME}, generation {}: {}, {} of {} CPUs{clusters}, EL{}, PSCI {major}.{minor}, GICv{}, image at {:#x}",
            self.hotplug.generation(),
            d.model,
            self.hotplug.online().len(),
            d.topology.len(),
            self.boot.entry_level,
            self.board.gic_version(),
            self.boot.base,
        );
        let noted: Vec<String> = self.boot.warnings.clone();
        self.say(Level::Info, &text);
        noted.iter().for_each(|w| self.say(Level::Warning, w));
        self.inherited();
        self.report_bringup(BringupAt::Boot, self.options.bringup, &self.last_bringup.clone());
    }

    /// Says how the last jump went, and goes on with what the last kernel was asked to do.
    fn account_for(&mut self, farewell: Result<(Farewell, u64), Option<HandoverError>>) {
        let commands = match farewell {
            Ok((farewell, jump_at)) => {
                self.report_jump(&farewell, jump_at);
                self.report_cycle(&farewell);
                self.go_on_with_stress(&farewell);
                // What this kernel was given on purpose comes before what is left of the last
                // one's.
                let own = self.options.run.as_deref().filter(|run| !run.trim().is_empty());
                own.map_or(farewell.script.clone(), |own| format!("{own}; {}", farewell.script))
            }
            Err(why) => {
                if let Some(why) = why {
                    self.say(Level::Warning, &format!("{why}; starting with a clean slate"));
                }
                self.options.run.clone().unwrap_or_default()
            }
        };
        match script::split(&commands) {
            Ok(list) => self.script = list.into_iter().map(String::from).collect(),
            Err(why) => self.error("run=", &why.to_string()),
        }
    }

    fn report_cycle(&self, farewell: &Farewell) {
        let cycle = farewell.cycle;
        if cycle.asked > 0 {
            self.record(&Record::Cycle(Cycle {
                done: cycle.done,
                asked: cycle.asked,
                teardown: farewell.teardown.into(),
            }));
        }
    }

    /// A CPU's ring in the bank of a generation.
    pub fn ring(&self, generation: u32, cpu: CpuId) -> Option<Ring<'static>> {
        self.area.ring(generation, cpu)
    }

    /// The bootargs that the next kernel gets by default: this kernel's, without the commands meant
    /// for this kernel.
    pub fn inherited_bootargs(&self) -> String {
        options::without_run(&self.boot.params.bootargs)
    }
}
