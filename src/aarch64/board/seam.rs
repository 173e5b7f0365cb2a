//! Clock, power and the other traits of the machine, behind the seam.

use alloc::string::String;
use core::sync::atomic::{AtomicU64, Ordering};

use super::Board;
use crate::aarch64::gic::IPI;
use crate::aarch64::percpu::PerCpu;
use crate::aarch64::{cache, copier, layout, psci, ram, regs, timer, uart};
use crate::config::{EXCEPTION_STACK_BYTES, PAGE, STACK_BYTES};
use crate::cpu::{CpuId, CpuMask};
use crate::handover;
use crate::machine::{
    Affinity, Clock, ConsoleTerminal, CpuMemory, Ipi, Local, Memory, Power, PsciError, Recorder,
    Relocation, StepError,
};
use crate::memory::Range;
use crate::sync::words::Word;
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
    /// A CPU's ring in this kernel's bank, looked up once.
    fn ring(&self, cpu: CpuId, generation: u32) -> &Ring<'static> {
        let rings = self.rings.call_once(|| {
            let ring = |cpu| self.trace.ring(generation, cpu).expect("a CPU of the topology");
            self.topology.cpus().map(ring).collect()
        });
        &rings[cpu.index()]
    }

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
        let record = layout::physical(address_of(&self.records[cpu.index()]), self.base);
        psci::cpu_on(mpidr, layout::physical(layout::secondary_entry(), self.base), record)
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
        let slot = layout::linear(self.claims.stack_slot(cpu.index()).start);
        let stack = slot + PAGE + STACK_BYTES;
        let exception = stack + PAGE + EXCEPTION_STACK_BYTES;
        let area = &self.areas[cpu.index()];
        area.reset();
        let record = &self.records[cpu.index()];
        record.fill(self.roots, (stack, exception), address_of(area), u64::from(cpu.0));
        Ok(())
    }

    fn release(&self, cpu: CpuId) {
        self.areas[cpu.index()].reset();
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
        self.ring(event.cpu, event.generation).record(&event);
    }

    fn record_now(&self, first: Untimed, second: Option<Untimed>) {
        let at = timer::now();
        let Some(ring) = self.rings.get().and_then(|rings| rings.get(first.cpu().index())) else {
            return [Some(first), second]
                .into_iter()
                .flatten()
                .filter_map(|e| e.at(at))
                .for_each(|e| self.record(e));
        };
        ring.append(first.encode(at));
        if let Some(second) = second {
            ring.append(second.encode(at));
        }
    }
}

impl Memory for Board {
    fn bytes(&self, range: Range) -> &'static [u8] {
        ram::bytes(range)
    }

    fn words(&self, range: Range) -> &'static [Word] {
        ram::words(range)
    }

    fn write(&self, at: u64, bytes: &[u8]) {
        ram::write(at, bytes);
    }

    fn zero(&self, range: Range) {
        ram::zero(range);
    }

    fn clean(&self, range: Range) {
        ram::clean(range);
    }

    fn protect(&self, range: Range, on: bool) -> bool {
        self.tables.lock().protect(range, on)
    }

    fn prepare_copy(&self, copy: &Relocation, entry: u64, dtb: u64) -> Result<(), String> {
        let stamp = self.claims.handover.start + handover::COPIED_AT;
        copier::prepare(copy, &copier::Exit { entry, dtb, el2: self.entry_level == 2, stamp })
    }
}

impl ConsoleTerminal for Board {
    fn put(&self, text: &str) {
        uart::write(text);
    }

    fn get(&self) -> Option<u8> {
        let daif = regs::irq_save();
        let byte = self.input.lock().pop_front();
        regs::irq_restore(daif);
        byte
    }

    fn listen(&self) {
        uart::listen();
    }

    fn take_input(&self) -> bool {
        self.receive()
    }
}
