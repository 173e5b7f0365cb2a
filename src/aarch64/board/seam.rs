//! Clock, power and the other traits of the machine, behind the seam.

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use super::Board;
use crate::aarch64::gic::IPI;
use crate::aarch64::percpu::PerCpu;
use crate::aarch64::{cache, copier, layout, psci, ram, regs, timer, uart};
use crate::cpu::{CpuId, CpuMask};
use crate::handover;
use crate::kernel::layout::{Stacks, stacks_of};
use crate::machine::input::Input;
use crate::machine::{
    Affinity, Clock, ConsoleTerminal, CpuMemory, Ipi, Local, Memory, Power, PsciError, Recorder,
    Relocation, StepError, Typed,
};
use crate::memory::{Piece, Quiet};
use crate::trace::{Event, Ring, Untimed};

impl Clock for Board {
    fn now(&self) -> u64 {
        timer::now()
    }

    fn hz(&self) -> u64 {
        timer::hz()
    }

    fn wait(&self, deadline: Option<u64>) {
        self.sleep(deadline, || false);
    }

    fn wait_unless(&self, word: &AtomicU64, quiet: u64, deadline: Option<u64>) -> bool {
        // Acquire: pairs with the swap in `Remote::ask`, which changes the request word.
        self.sleep(deadline, || word.load(Ordering::Acquire) != quiet)
    }

    /// The monitor on the word makes its change an event; the event stream bounds the sleep.
    fn look_again(&self, word: &AtomicU64, seen: u64) {
        regs::wait_for_change(word, seen);
    }
}

impl Board {
    /// IRQs are masked from the last check of the IPI flag until WFI, and a pending interrupt ends
    /// WFI even while masked: no IPI can be missed in between. The interrupt that ended the sleep
    /// is served right here, without the detour through the vectors; or not at all, if `leaves`
    /// returns true.
    fn sleep(&self, deadline: Option<u64>, leaves: impl Fn() -> bool) -> bool {
        let me = self.me();
        self.unmask(me);
        self.arm(me, self.earliest(me, deadline));
        let daif = regs::irq_save();
        if !me.take_ipi() {
            regs::wfi();
        }
        let leaves = leaves();
        if leaves {
            me.set_masked(true);
        } else {
            self.gic.serve(|intid| self.interrupt(intid));
            regs::irq_restore(daif);
            me.take_ipi();
        }
        self.arm(me, None);
        leaves
    }

    /// Takes interrupts again.
    fn unmask(&self, me: &PerCpu) {
        if me.is_masked() {
            if me.set_masked(false) {
                self.gic.filter(false);
            }
            regs::irq_enable();
        }
    }

    /// Arms this CPU's timer, or turns an armed timer off.
    fn arm(&self, me: &PerCpu, deadline: Option<u64>) {
        if let Some(deadline) = deadline {
            me.set_armed(true);
            timer::arm(deadline);
        } else if me.is_armed() {
            me.set_armed(false);
            timer::disarm();
        }
    }
}

impl Power for Board {
    fn cpu_on(&self, cpu: CpuId) -> Result<(), PsciError> {
        let mpidr = self.topology.mpidr(cpu).ok_or(PsciError::InvalidParameters)?;
        regs::dsb_ishst(); // all stores for the new CPU come before its start by CPU_ON
        let record = &self.records[cpu.index()];
        if !record.is_filled() {
            return Err(PsciError::InvalidAddress);
        }
        let [entry, record] = [layout::secondary_entry(), address_of(record)].map(layout::physical);
        // SAFETY: `_secondary_entry` establishes all that Rust relies on from a record that is
        // filled, and the CPU's stacks are its own.
        unsafe { psci::cpu_on(mpidr, entry, record) }
    }

    fn affinity_info(&self, cpu: CpuId) -> Result<Affinity, PsciError> {
        psci::affinity_info(self.topology.mpidr(cpu).ok_or(PsciError::InvalidParameters)?)
    }
}

fn address_of<T>(value: &T) -> u64 {
    core::ptr::from_ref(value) as u64
}

impl Ipi for Board {
    fn wake(&self, cpus: &CpuMask) {
        self.send_ipi(cpus);
    }
}

impl CpuMemory for Board {
    fn prepare(&self, cpu: CpuId) -> Result<(), StepError> {
        let Stacks { ordinary, exception } = stacks_of(&self.stacks, cpu.index());
        let stacks = (layout::linear(ordinary.end), layout::linear(exception.end));
        let area = &self.areas[cpu.index()];
        area.reset();
        let record = &self.records[cpu.index()];
        // SAFETY: the roots are those of this kernel's tables, the stacks are mapped and this CPU's
        // alone, and the area is the CPU's, in the board, which is static.
        unsafe { record.fill(self.roots, stacks, area, cpu) };
        Ok(())
    }

    fn release(&self, cpu: CpuId) {
        self.areas[cpu.index()].reset();
        self.records[cpu.index()].clear();
    }

    fn write_record(&self, cpu: CpuId, start: u32) {
        let record = &self.records[cpu.index()];
        record.set_token(u64::from(start));
        let at = address_of(record);
        cache::clean_to_poc(at, size_of_val(record) as u64);
    }
}

impl Local for Board {
    fn check(&self) -> Result<(), StepError> {
        let me = self.me();
        if self.topology.mpidr(me.cpu) != Some(crate::aarch64::this_mpidr()) {
            return Err(StepError::WrongMpidr);
        }
        if me.cpu != self.topology.boot() && me.entry_level() != u64::from(self.entry_level) {
            return Err(StepError::WrongLevel);
        }
        if !regs::Features::here().suffice_for(&self.features) {
            return Err(StepError::MissingFeature);
        }
        Ok(())
    }

    fn gic_up(&self) -> Result<(), StepError> {
        self.gic.cpu_up(self.me())
    }

    fn gic_down(&self) -> Result<(), StepError> {
        self.gic.cpu_down(self.me())
    }

    fn timer_up(&self) {
        timer::disarm();
        timer::start_event_stream();
        self.gic.configure_private(self.me(), self.timer_ppi);
        self.gic.enable_private(self.me(), self.timer_ppi.intid, true);
    }

    /// Its interrupt stays enabled for the moment: a timer that is off raises none, and
    /// [`Local::gic_down`] disables all that there are.
    fn timer_down(&self) {
        self.arm(self.me(), None);
        self.hand_over_overflows();
    }

    fn ipi_up(&self) {
        self.gic.enable_private(self.me(), IPI, true);
    }

    fn ipi_down(&self) {
        self.gic.enable_private(self.me(), IPI, false);
    }

    fn resume(&self) {
        self.unmask(self.me());
    }

    fn interrupts(&self, all: bool) {
        let me = self.me();
        if me.is_masked() && !all {
            me.filter_later(); // with IRQs masked none gets through anyway
            return;
        }
        self.gic.filter(all);
        me.set_masked(false);
        regs::irq_enable();
    }
}

impl Recorder for Board {
    fn record(&self, event: Event) {
        self.rings[event.cpu.index()].record(&event);
    }

    fn ring(&self, cpu: CpuId) -> Option<Ring<'_>> {
        self.rings.get(cpu.index()).copied()
    }

    fn record_now(&self, first: Untimed, second: Option<Untimed>) {
        self.rings[first.cpu().index()].append_at(timer::now(), first, second);
    }
}

impl Memory for Board {
    fn bytes<'p>(&self, piece: &'p Piece) -> &'p [u8] {
        ram::bytes(piece)
    }

    fn read_only(&self, piece: Piece) -> &'static [u8] {
        ram::read_only(piece)
    }

    fn write(&self, piece: &mut Piece, bytes: &[u8]) {
        ram::write(piece, 0, bytes);
    }

    fn zero(&self, piece: &mut Piece, part: core::ops::Range<usize>) {
        ram::zero(piece, part);
    }

    fn clean(&self, piece: &Piece, part: core::ops::Range<usize>) {
        ram::clean(piece, part);
    }

    fn protect(&self, quiet: &Quiet, on: bool) -> bool {
        self.tables.lock().protect(quiet, on)
    }

    fn prepare_copy(
        &self,
        work: &mut Piece,
        copy: &Relocation,
        entry: u64,
        dtb: u64,
    ) -> Result<(), String> {
        let stamp = self.handover.start + handover::COPIED_AT;
        let el2 = self.entry_level == 2;
        copier::prepare(work, copy, &copier::Exit { entry, dtb, el2, stamp })
    }
}

impl ConsoleTerminal for Board {
    fn put(&self, text: &str) {
        uart::write(text);
    }

    fn get(&self) -> Option<Typed> {
        self.with_input(Input::next)
    }

    fn listen(&self, interrupts: bool) {
        self.with_input(|input, uart| input.open(interrupts, uart));
    }

    fn hold(&self) -> Vec<Typed> {
        self.with_input(|input, uart| {
            input.shut(uart);
            input.waiting()
        })
    }

    fn restore(&self, typed: &[Typed]) {
        self.with_input(|input, _| input.restore(typed));
    }

    fn take_input(&self) -> bool {
        self.receive()
    }

    fn interrupted(&self) -> bool {
        self.with_input(Input::interrupted)
    }

    fn take_interrupt(&self) -> bool {
        self.with_input(Input::take_interrupt)
    }
}
