//! GICv2 by memory: up to eight CPUs.

use crate::aarch64::mmio::{Block, ReadOnly, ReadWrite, Registers, WriteOnly};
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;

use super::clean::{Common, Configured};
use super::private::PrivateTriggers;
use super::{IPI, IPI_PRIORITY, MASK_ALL_BUT_IPIS, PRIORITY, SPECIAL, place};
use crate::aarch64::percpu::PerCpu;
use crate::aarch64::regs;
use crate::cpu::{CpuId, CpuMask};
use crate::interrupt::Interrupt;
use crate::irq::Words;
use crate::machine::inherited::Interrupts;
use crate::machine::{Route, StepError};

register_structs! {
    /// The registers for routing and for leaving the distributor and a CPU quiet (IHI 0048 4.3).
    /// The first word of each array is banked: every CPU accesses a word of its own.
    pub(super) Distributor {
        (0x0000 => ctlr: ReadWrite<u32>),
        (0x0004 => pub(super) typer: ReadOnly<u32>),
        (0x0008 => _r0),
        (0x0100 => pub(super) isenabler: [ReadWrite<u32>; 32]),
        (0x0180 => icenabler: [ReadWrite<u32>; 32]),
        (0x0200 => pub(super) ispendr: [ReadWrite<u32>; 32]),
        (0x0280 => icpendr: [ReadWrite<u32>; 32]),
        (0x0300 => _r1),
        (0x0380 => pub(super) icactiver: [ReadWrite<u32>; 32]),
        (0x0400 => ipriorityr: [ReadWrite<u32>; 8]),
        (0x0420 => _r2),
        (0x0800 => itargetsr: [ReadWrite<u8>; 1020]),
        (0x0bfc => _r3),
        (0x0c00 => pub(super) icfgr: [ReadWrite<u32>; 64]),
        (0x0d00 => _r5),
        (0x0f00 => sgir: WriteOnly<u32>),
        (0x0f04 => _r4),
        (0x0f10 => cpendsgir: [ReadWrite<u32>; 4]),
        (0x0f20 => @END),
    }
}

register_structs! {
    /// The same registers of the CPU interface (IHI 0048 4.4). The driver crate uses volatile
    /// accesses, for which the compiler chooses the instruction (see [`crate::aarch64::mmio`]).
    Interface {
        (0x0000 => ctlr: ReadWrite<u32>),
        (0x0004 => pmr: WriteOnly<u32>),
        (0x0008 => bpr: ReadWrite<u32>),
        (0x000c => iar: ReadOnly<u32>),
        (0x0010 => eoir: WriteOnly<u32>),
        (0x0014 => _r0),
        (0x00d0 => apr: [ReadWrite<u32>; 4]),
        (0x00e0 => @END),
    }
}

// SAFETY: all fields are registers.
unsafe impl Block for Distributor {}
// SAFETY: all fields are registers.
unsafe impl Block for Interface {}

/// GICC_CTLR: interrupts of group 0, or of the only group, are signalled.
const ENABLE: u32 = 1;
/// GICC_IAR: the interrupt's number; the rest says which CPU sent an SGI.
const INTID: u32 = 0x3ff;

/// A GICv2.
pub struct Gic2 {
    registers: &'static Distributor,
    common: &'static Common,
    interface: &'static Interface,
    configured: Configured,
    private: PrivateTriggers,
}

impl Gic2 {
    /// `None` if a piece is too small for what it should hold.
    pub fn new(distributor: &Registers, cpu_interface: &Registers) -> Option<Self> {
        Some(Self {
            registers: distributor.block(0)?,
            common: distributor.block(0)?,
            interface: cpu_interface.block(0)?,
            configured: Configured::default(),
            private: PrivateTriggers::default(),
        })
    }

    /// On a machine with one CPU routes are implicit.
    pub fn init_distributor(&self, _cpu: &PerCpu, quiet: bool) -> Interrupts {
        let left = if quiet { Interrupts::default() } else { self.clear() };
        self.common().ctlr.set(1);
        left
    }

    /// Off, and nothing left of what another kernel has set; says what that was.
    fn clear(&self) -> Interrupts {
        let (d, left) = (self.common(), self.common().look());
        let private = self.private_left();
        d.ctlr.set(0);
        if left.used {
            d.silence(d.words(), regs::dsb_sy);
            d.wipe(|intid| self.unroute(intid));
        }
        left.interrupts.and(private)
    }

    /// What was left of this CPU's own interrupts. SGIs are always enabled (IHI 0048 4.3.5).
    fn private_left(&self) -> Interrupts {
        let d = self.registers();
        Interrupts {
            enabled: (d.isenabler[0].get() & !0xffff).count_ones(),
            pending: d.ispendr[0].get().count_ones(),
            active: d.icactiver[0].get().count_ones(),
        }
    }

    pub fn is_off(&self) -> bool {
        self.common().is_off()
    }

    pub fn cpu_up(&self, cpu: &PerCpu) -> Result<(), StepError> {
        let (interface, d) = (self.interface(), self.registers());
        self.clear_private();
        // A priority that an earlier kernel left active would hold everything back for good.
        interface.ctlr.set(0);
        interface.bpr.set(0);
        interface.apr.iter().for_each(|active| active.set(0));
        let word = u32::from_ne_bytes([PRIORITY; 4]);
        d.ipriorityr.iter().for_each(|p| p.set(word));
        d.ipriorityr[0].set(word & !0xff | u32::from(IPI_PRIORITY) << (IPI * 8));
        interface.pmr.set(MASK_ALL_BUT_IPIS.into());
        interface.ctlr.set(ENABLE);
        cpu.set_gicv2_target(self.own_target());
        Ok(())
    }

    /// How the distributor names this CPU: what the targets of its private interrupts read (IHI
    /// 0048 4.3.12). Those of an interrupt that the CPU does not have read as 0, so the next is
    /// asked; on a machine with one CPU all do.
    fn own_target(&self) -> u8 {
        let private = &self.registers().itargetsr[..32];
        private.iter().map(Readable::get).find(|&target| target != 0).unwrap_or(0)
    }

    pub fn cpu_down(&self, cpu: &PerCpu) -> Result<(), StepError> {
        self.interface().pmr.set(0);
        self.interface().ctlr.set(0);
        cpu.set_gicv2_target(0);
        self.clear_private(); // last, so that hardly any IPI comes later and stays pending
        self.private.take_back(&self.registers().icfgr[1]);
        Ok(())
    }

    /// No private interrupt of this CPU enabled, pending or active. Pending SGIs have registers of
    /// their own (IHI 0048 4.3.16); these are written only where an SGI is pending, because Xen
    /// reads the registers as zero and answers a write with a data abort (xen/arch/arm/vgic-v2.c).
    fn clear_private(&self) {
        let d = self.registers();
        d.icenabler[0].set(!0);
        d.cpendsgir.iter().filter(|sgis| sgis.get() != 0).for_each(|sgis| sgis.set(!0));
        d.icpendr[0].set(!0);
        d.icactiver[0].set(!0);
    }

    pub fn configure(&self, interrupt: Interrupt) {
        self.configured.add(self.common(), interrupt);
    }

    pub fn configure_private(&self, _cpu: &PerCpu, interrupt: Interrupt) {
        self.private.set(&self.registers().icfgr[1], interrupt);
    }

    pub fn enable_private(&self, _cpu: &PerCpu, intid: u32, on: bool) {
        let d = self.registers();
        let register = if on { &d.isenabler[0] } else { &d.icenabler[0] };
        register.set(1 << intid);
    }

    pub fn set_priority_mask(&self, mask: u8) {
        self.interface().pmr.set(mask.into());
        // The mask is in force before the caller unmasks interrupts.
        regs::dsb_sy();
    }

    pub fn wake(&self, cpus: &CpuMask, areas: &[PerCpu]) {
        // Stores before the IPI are visible to the woken CPU; pairs with the DSB in its `serve`.
        regs::dsb_ishst();
        let bits = cpus.iter().filter_map(|cpu| areas.get(cpu.index()));
        let list = bits.fold(0, |list, area| list | area.gicv2_target());
        if list != 0 {
            self.registers().sgir.set(u32::from(list) << 16 | IPI);
        }
    }

    /// A store to a device is complete after the barrier, and the disabling takes with it: version
    /// 2 has nothing to wait for. Not quite so under KVM: a running CPU with the interrupt in a
    /// list register takes the interrupt all the same, or hands it back when that CPU next leaves
    /// the guest (vgic_v2_fold_lr_state of arch/arm64/kvm/vgic/vgic-v2.c, vgic_prune_ap_list of
    /// vgic.c). On a machine with one CPU routes read as 0, and so does the CPU's own destination.
    pub fn apply(
        &self,
        routes: &[Route],
        destination: &dyn Fn(CpuId) -> u64,
    ) -> Result<(), (u32, u64)> {
        let d = self.registers();
        let all = Words::of(routes.iter().map(|r| r.intid));
        all.iter().for_each(|(i, bits)| d.icenabler[i].set(bits));
        regs::dsb_sy();
        let target = |route: &Route| &d.itargetsr[route.intid as usize];
        routes.iter().for_each(|route| target(route).set(destination(route.to.cpu()) as u8));
        let differs = |route: &Route| {
            let is = u64::from(target(route).get());
            (is != destination(route.to.cpu())).then_some((route.intid, is))
        };
        let wrong = routes.iter().find_map(differs);
        all.iter().for_each(|(i, bits)| self.pend_again(i, bits));
        let on = Words::of(routes.iter().filter(|r| r.enable).map(|r| r.intid));
        // Stores for a handler come before the enabling; pairs with the DSB in `serve`.
        regs::dsb_ishst();
        on.iter().for_each(|(i, bits)| d.isenabler[i].set(bits));
        wrong.map_or(Ok(()), Err)
    }

    /// An interrupt that is pending while its route changes moves to the new CPU (IHI 0048 4.3.12);
    /// in QEMU before 9.1 the interrupt stays with the old CPU, which does not take it until it is
    /// routed there again. So the pending state is withdrawn and set anew. These interrupts are
    /// disabled: none is taken in between, and an arrival in between sets the pending state by
    /// itself. Under KVM an interrupt may be taken in between, from a list register: an edge then
    /// does not read as pending; for a level the handler finds one reason and may be called once
    /// more without any.
    fn pend_again(&self, word: usize, bits: u32) {
        let d = self.registers();
        let pending = d.ispendr[word].get() & bits;
        if pending != 0 {
            d.icpendr[word].set(pending);
            d.ispendr[word].set(pending);
        }
    }

    pub fn route_of(&self, intid: u32) -> u64 {
        u64::from(self.registers().itargetsr[intid as usize].get())
    }

    pub fn enable_shared(&self, intid: u32, on: bool) {
        let (word, bit) = place(intid);
        let d = self.registers();
        // Stores for the handler come before the enabling; pairs with the DSB in `serve`.
        regs::dsb_ishst();
        let register = if on { &d.isenabler[word] } else { &d.icenabler[word] };
        register.set(bit);
        // The distributor has the store before this returns.
        regs::dsb_sy();
    }

    pub fn set_pending(&self, intid: u32, on: bool) {
        let d = self.registers();
        let words = if on { &d.ispendr } else { &d.icpendr };
        words[intid as usize / 32 % 32].set(1 << (intid % 32));
    }

    pub fn serve(&self, mut handle: impl FnMut(u32)) {
        let interface = self.interface();
        loop {
            let taken = interface.iar.get();
            let intid = taken & INTID;
            if intid >= SPECIAL {
                return;
            }
            // The handler sees what was stored before the interrupt was sent or enabled; pairs with
            // the DSB ISHST in `wake`, `apply` and `enable_shared`.
            regs::dsb_sy();
            handle(intid);
            interface.eoir.set(taken); // for an SGI the value includes the sending CPU
        }
    }

    /// The priorities of the other CPUs' private interrupts stay: only those CPUs could have reset
    /// them.
    pub fn quiesce(&self, cpu: &PerCpu, _areas: &[PerCpu]) {
        let d = self.common();
        d.ctlr.set(0);
        d.silence(self.configured.used(), regs::dsb_sy);
        self.configured.take_back(d, |intid| self.unroute(intid));
        self.registers().ipriorityr.iter().for_each(|word| word.set(0));
        let _ = self.cpu_down(cpu); // can't fail
        // Every store to the GIC is complete before the jump.
        regs::dsb_sy();
    }

    fn unroute(&self, intid: usize) {
        self.registers().itargetsr[intid].set(0);
    }

    fn common(&self) -> &'static Common {
        self.common
    }

    fn interface(&self) -> &'static Interface {
        self.interface
    }

    pub(super) fn registers(&self) -> &'static Distributor {
        self.registers
    }
}
