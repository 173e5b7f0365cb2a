//! Boot order and reboot order, each as a flat list.
//!
//! Logic returns to the machine only by [`Next`]: what the machine has to do is a value, so that
//! all of this module also runs on a host.

mod cpus;
pub mod layout;
mod loader;
mod peripherals;
mod reboot;
mod reporter;
mod results;
mod session;
pub(crate) mod timeline;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use cpus::Cpus;
pub use loader::{Loader, NOTHING_LOADED, UNPACK_LIMIT};
pub use peripherals::Peripherals;
pub use reporter::{Level, Reporter};
pub use results::Results;
pub use session::Session;

use crate::cpu::{CpuMask, Topology};
use crate::handover::{Area, HandoverError, Taken};
use crate::hotplug::Hotplug;
use crate::kexec::Departure;
use crate::machine::Board;
use crate::memory::{Piece, Ram, Range};
use crate::options::Options;
use crate::platform::{BootParams, Machine};
use crate::report::{BringupAt, Hello, Record, one_line};
use crate::services::Services;
use crate::sync::words::Word;
use crate::torture::Site;
use crate::trace::Phase;
use loader::{Here, Own, OwnTree};
use reporter::Passage;
use results::Came;

/// This kernel's name and version.
pub const NAME: &str = concat!("baton ", env!("CARGO_PKG_VERSION"));

/// What the entry found out before the first line of logic.
pub struct Boot {
    /// The machine.
    pub machine: Machine,
    /// What the boot loader or the kernel before has given.
    pub params: BootParams,
    /// All RAM.
    pub ram: Ram,
    /// The handover region.
    pub handover: Handover,
    /// The initrd, if the map gave the initrd's pages to it: these pages, and the exact range.
    pub initrd: Option<(Piece, Range)>,
    /// What was wrong with the tree, and with its claims on memory.
    pub warnings: Vec<String>,
    /// First counter read of this kernel, ticks.
    pub entry_at: u64,
    /// When each phase since then was over.
    pub stamps: Vec<(Phase, u64)>,
    /// Exception level of entry.
    pub entry_level: u32,
    /// Physical address of the image.
    pub base: u64,
    /// The device tree, in place.
    pub dtb: &'static [u8],
    /// Its physical range.
    pub dtb_range: Range,
    /// Its pages, if these are RAM.
    pub dtb_piece: Option<Piece>,
    /// The machine is as the kernel before has told; the tree has not been read.
    pub told: bool,
}

/// The handover region, in words that several kernels write in turn.
pub struct Handover {
    /// The region.
    pub area: Area<'static>,
    /// Where.
    pub range: Range,
    /// What the kernel before left there, or why that can't be used; `Err(None)` if it left nothing.
    pub taken: Result<Taken, Option<HandoverError>>,
}

impl Handover {
    /// Over `words` at `range`, for the CPUs of `topology`. Takes over what an earlier kernel left
    /// in `left`, which may be the same words; `now` is this kernel's first counter read.
    ///
    /// # Panics
    /// There are fewer words than [`bytes_for`](crate::handover::bytes_for) says.
    pub fn new(
        words: &'static [Word],
        range: Range,
        left: Option<&[Word]>,
        topology: &Topology,
        now: u64,
    ) -> Self {
        let area = Area::new(words, topology).expect("the layout asked handover::bytes_for");
        let taken = match left {
            Some(left) => area.take(left, topology, now).map_err(Some),
            None => {
                area.format(topology);
                area.forget_results();
                Err(None)
            }
        };
        Self { area, range, taken }
    }

    /// How many kexecs lie behind this kernel.
    pub fn generation(&self) -> u32 {
        self.taken.as_ref().map_or(0, |taken| taken.farewell.generation + 1)
    }

    /// True if the kernel before was a baton with the same CPUs that left the machine quiet.
    pub fn says_quiet(&self) -> bool {
        self.taken.as_ref().is_ok_and(|taken| taken.farewell.quiesced && taken.same_cpus)
    }
}

/// What the machine has to do when the kernel is through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Enter another kernel. Every other CPU is off, everything is quiet.
    Jump(Departure),
    /// Turn the machine off.
    PowerOff,
    /// Restart the machine.
    Reset,
}

/// The kernel on the boot CPU. Each part keeps its state to itself; the console hands a command
/// those parts that the command is about.
pub struct Kernel {
    /// Messages and records.
    pub(crate) out: Reporter,
    /// The CPUs.
    pub(crate) cpus: Cpus,
    /// What interrupts beside the CPUs.
    pub(crate) peripherals: Peripherals,
    /// The next kernel, and the owners of memory.
    pub(crate) loader: Loader,
    /// What the console is in the middle of.
    pub(crate) session: Session,
    /// What this run has measured.
    pub(crate) results: Results,
    /// What crosses the jump.
    area: Area<'static>,
}

/// How this kernel was entered.
#[derive(Clone, Copy)]
struct Entered {
    /// First counter read, ticks.
    at: u64,
    /// Exception level.
    level: u32,
    /// Physical address of the image.
    base: u64,
    /// The machine is as the kernel before has told.
    told: bool,
}

/// Says that this kernel has gone the short way.
const TOLD: &str =
    "the kernel before has told the machine: CPUs were started before the tree was read";

/// Puts the services and the hotplug state in the place where interrupt handlers and the other CPUs
/// look.
pub type Publish<'a> = &'a dyn Fn(Arc<Services>, Hotplug) -> (&'static Services, &'static Hotplug);

/// Boots: from what the entry found out to a kernel that can serve its console.
pub fn primary(board: &'static dyn Board, mut boot: Boot, publish: Publish<'_>) -> Kernel {
    let (options, warnings) = Options::parse(&boot.params.bootargs);
    let area = boot.handover.area;
    let generation = boot.handover.generation();
    let taken = core::mem::replace(&mut boot.handover.taken, Err(None));
    let parked = taken.as_ref().map_or(CpuMask::new(), |taken| taken.farewell.parked);
    area.clear_rings(generation);
    let topology = boot.machine.topology.clone();
    let services = Arc::new(Services::new(&topology, &boot.machine.clusters));
    let hotplug = Hotplug::new(topology, services.clone(), generation);
    let (services, hotplug) = publish(services, hotplug);
    let site = Site { board, hotplug, services };
    let entered =
        Entered { at: boot.entry_at, level: boot.entry_level, base: boot.base, told: boot.told };
    let stamps = core::mem::take(&mut boot.stamps);
    let mut kernel = Kernel::new(site, area, &options, parked, boot);
    kernel.cpus.inject_faults(&mut kernel.out, &options.fail);
    kernel.cpus.boot_cpu(&mut kernel.out);
    kernel.peripherals.request_console(&mut kernel.out);
    kernel.cpus.trace_boot(entered.at, &stamps);
    kernel.cpus.secondaries(options.maxcpus);
    // From here on nothing is timed, so from here on there is printing.
    let wrong = if entered.told { kernel.read_tree() } else { Vec::new() };
    kernel.loader.forget_tree_seeds();
    kernel.peripherals.start(&mut kernel.out);
    kernel.introduce(entered);
    wrong.iter().for_each(|what| kernel.out.error("tree", what));
    kernel.out.warn(warnings.iter().map(|warning| one_line(&warning.to_string())));
    kernel.out.warn(
        kernel
            .loader
            .why_not_inherited()
            .map(|why| format!("a kexec is going to be refused: {why}")),
    );
    kernel.out.warn(hotplug.tick_hz().map(|hz| {
        format!(
            "rcu.tick={hz}: grace periods of a teardown end at modelled ticks of {hz} Hz; figures of \
             grace, teardown and blackout are modelled"
        )
    }));
    kernel.loader.warn_of_test_key(&mut kernel.out);
    let came = taken.as_ref().ok().map(|taken| Came::by(&taken.farewell, entered.told));
    kernel.account_for(taken, entered, options.run);
    kernel.hello(entered);
    kernel.begin_results(came);
    kernel
}

impl Kernel {
    /// The parts, before anything has been started. The warnings of `boot` are held back.
    fn new(
        site: Site,
        area: Area<'static>,
        options: &Options,
        parked: CpuMask,
        boot: Boot,
    ) -> Self {
        let (board, generation) = (site.board, site.hotplug.generation());
        let Boot { machine, params, ram, handover, initrd, dtb, dtb_range, dtb_piece, .. } = boot;
        let BootParams { bootargs, rng_seed, .. } = params;
        let own = Own { bytes: dtb, range: dtb_range, piece: dtb_piece };
        let reserved = &machine.reserved;
        let here = Here::new(&machine);
        let tree = OwnTree::new(board, own, handover.range, reserved, rng_seed, generation);
        let mut out = Reporter::new(board, board, options.loglevel, options.brief);
        boot.warnings.into_iter().for_each(|warning| out.hold(warning));
        Self {
            out,
            cpus: Cpus::new(site, area, options, parked),
            peripherals: Peripherals::new(site, machine),
            loader: Loader::new(board, ram, here, tree, initrd, bootargs, options),
            session: Session::default(),
            results: Results::new(area),
            area,
        }
    }

    /// Where trials and the stress run: the machine with all that it has.
    pub(crate) fn site(&self) -> Site {
        self.cpus.site()
    }

    /// Reads the tree of a machine that the kernel before has told: what it has not told, and whether
    /// it was right. Returns what was not right.
    fn read_tree(&mut self) -> Vec<String> {
        let boot = self.cpus.hotplug().topology().boot_mpidr();
        let read = match self.loader.describe(boot) {
            Ok(read) => read,
            Err(why) => return Vec::from([format!("{why}; nothing of it is used")]),
        };
        read.warnings.into_iter().for_each(|warning| self.out.hold(warning));
        let machine = self.peripherals.adopt(read.machine);
        let params = self.loader.adopt(read.params);
        let wrong = |what| format!("says another {what} than the kernel before, which is believed");
        machine.into_iter().chain(params).map(wrong).collect()
    }

    /// Says what this kernel is, what was noted while nothing could be printed, and what the kernel
    /// before left behind.
    fn introduce(&mut self, entered: Entered) {
        let (out, cpus) = (&mut self.out, &mut self.cpus);
        out.say(Level::Info, &banner(cpus.site(), self.peripherals.machine(), entered));
        if entered.told {
            out.say(Level::Info, TOLD);
        }
        out.say_held();
        self.peripherals.say_left_on(out);
        cpus.look_for_foreign();
        cpus.say_foreign(out, "its interrupts are off, and it is left alone");
        cpus.say_absent(out);
        out.bringup(cpus.hotplug(), BringupAt::Boot, cpus.policy(), cpus.last_bringup());
    }

    /// Says how the last jump went, and goes on with what the last kernel was asked to do, or with
    /// what this one is asked to do by `run`.
    fn account_for(
        &mut self,
        taken: Result<Taken, Option<HandoverError>>,
        entered: Entered,
        run: Option<String>,
    ) {
        let script = match taken {
            Ok(taken) => {
                self.report(&taken, entered);
                taken.farewell.script
            }
            Err(why) => {
                if let Some(why) = why {
                    let text = format!("{why}; starting with a clean slate");
                    self.out.say(Level::Warning, &text);
                }
                String::new()
            }
        };
        let (script, typed) = Session::typed_in(&script);
        self.peripherals.open_console(&typed);
        if let Err(why) = self.session.wait_with(&run.unwrap_or_default(), script) {
            self.out.error("run=", &why.to_string());
        }
    }

    /// Reports what the last kernel's farewell says, and goes on with its stress.
    fn report(&mut self, taken: &Taken, entered: Entered) {
        let (out, site) = (&mut self.out, self.cpus.site());
        let Taken { farewell, jump_at, copied_at, .. } = taken;
        let passage = Passage { jump_at: *jump_at, copied_at: *copied_at, entry_at: entered.at };
        out.jump(site.hotplug, farewell, &passage);
        out.cycle(farewell);
        let cpus = &self.cpus;
        out.in_brief(site.hotplug, farewell, &passage, || {
            timeline::outages(&timeline::events(cpus), site.hotplug.generation(), farewell.exec_at)
        });
        self.session.go_on_with_stress(out, site, farewell.stress);
    }

    fn hello(&self, entered: Entered) {
        let Site { board, hotplug, .. } = self.cpus.site();
        self.out.record(&Record::Hello(Hello {
            version: String::from(NAME),
            generation: hotplug.generation(),
            cpus: hotplug.topology().len() as u32,
            online: hotplug.online().len() as u32,
            el: entered.level,
            gic: board.gic_version(),
            base: entered.base,
            free_bytes: self.loader.map().free_bytes(),
            counter_hz: board.hz(),
        }));
    }
}

/// The first line: this kernel and its machine.
fn banner(site: Site, machine: &Machine, entered: Entered) -> String {
    let Site { board, hotplug, .. } = site;
    let (major, minor) = board.psci_version();
    let clusters = match machine.clusters.len() {
        0 => String::new(),
        count => format!(" in {count} clusters"),
    };
    format!(
        "{NAME}, generation {}: {}, {} of {} CPUs{clusters}, EL{}, PSCI {major}.{minor}, GICv{}, image at {:#x}",
        hotplug.generation(),
        machine.model,
        hotplug.online().len(),
        machine.topology.len(),
        entered.level,
        board.gic_version(),
        entered.base,
    )
}
