//! Third stage: memory can be used. From here to the board.
//!
//! The order in here: the way to call PSCI first; then the handover, since its seal says whether
//! the kernel before was a baton that left the machine quiet; then the distributor, which is looked
//! through only if that is not so; then the board is published, the boot CPU gets its per-CPU area,
//! and interrupts are unmasked.

use alloc::boxed::Box;

use super::Found;
use super::laid::Laid;
use crate::aarch64::board::{self, Board, Parts};
use crate::aarch64::percpu::PerCpu;
use crate::aarch64::{dsu, inherited, layout, percpu, psci, ram, regs, timer};
use crate::kernel::layout::Left;
use crate::kernel::{Boot, Handover};
use crate::trace::Phase;

/// Memory that can be used.
pub struct Mapped {
    /// The owner of each page.
    pub laid: Laid,
}

impl Mapped {
    /// Sets up what all CPUs share, and publishes the board.
    pub fn board(self) -> (Boot, &'static Board) {
        let Self { laid: Laid { mut found, ram, claims } } = self;
        let machine = &found.described.machine;
        psci::set_conduit(machine.psci.conduit);
        let topology = &machine.topology;
        let range = claims.handover.range();
        let words = ram::words(claims.handover);
        let left = match claims.left {
            Left::Nowhere => None,
            Left::Here => Some(words),
            Left::Elsewhere(piece) => Some(ram::words(piece)),
        };
        let handover = Handover::new(words, range, left, topology, found.entry.at);
        let from_baton = handover.says_quiet();
        let rings = handover.area.rings(handover.generation()).collect();
        let areas: Box<[PerCpu]> = topology
            .cpus()
            .map(|cpu| PerCpu::new(cpu, topology.mpidr(cpu).and_then(|m| found.frames.of(cpu, m))))
            .collect();
        interrupt_controller(&mut found, &areas, from_baton);
        let Found { entry, tree, present, described, inherited, gic, .. } = found;
        let Found { lpis_left_on, told, tables, mut stamps, .. } = found;
        let machine = described.machine;
        let board = board::publish(Board::new(Parts {
            topology: machine.topology.clone(),
            gic,
            areas,
            stacks: claims.stacks,
            handover: range,
            rings,
            lpis_left_on,
            inherited,
            timer_ppi: machine.timer.virtual_ppi,
            psci_version: psci::version().unwrap_or((0, 2)),
            entry_level: entry.level,
            tables,
        }));
        dsu::set_up(&machine.clusters, machine.topology.len());
        percpu::set_current(&board.areas[machine.topology.boot().index()]);
        // Handlers find the board, and this CPU's area by TPIDR_EL1.
        regs::serror_enable();
        regs::irq_enable();
        stamps.push((Phase::Devices, timer::now()));
        let initrd = described.params.initrd;
        let boot = Boot {
            machine,
            params: described.params,
            ram,
            handover,
            initrd: claims.initrd.zip(initrd),
            warnings: described.warnings,
            told,
            entry_at: entry.at,
            stamps,
            entry_level: entry.level,
            base: layout::base(),
            dtb: tree,
            dtb_range: present.dtb,
            dtb_piece: claims.dtb,
        };
        (boot, board)
    }
}

/// Puts the distributor, and what the kernel before left running on the boot CPU, in order.
fn interrupt_controller(found: &mut Found, areas: &[PerCpu], from_baton: bool) {
    let gic = &found.gic;
    // If the kernel that jumped here was a baton, the distributor is off and everything is quiet:
    // nothing is read to find out. Another kernel in between may have passed the handover on, but
    // leaves the distributor on.
    let quiet = from_baton && gic.is_off();
    let inherited = &mut found.inherited;
    if !quiet {
        (inherited.counting, inherited.debugging) = inherited::stop_counting_and_debugging();
    }
    areas.iter().for_each(|area| _ = area.set_clean(quiet));
    let boot = found.described.machine.topology.boot();
    inherited.interrupts = gic.init_distributor(&areas[boot.index()], quiet);
}
