//! GICv3 by system registers.

use crate::aarch64::mmio::{Block, ReadOnly, ReadWrite, Registers};
use arm_gic_driver::v3::{self, ICC_CTLR_EL1, ICC_IGRPEN1_EL1, ICC_PMR_EL1, ICC_SRE_EL1};
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::register_structs;

use super::clean::{Common, Configured};
use super::private::PrivateTriggers;
use super::redistributor::patiently;
use super::{IPI, MASK_ALL_BUT_IPIS, SPECIAL, place};
use crate::aarch64::percpu::PerCpu;
use crate::aarch64::regs;
use crate::cpu::{CpuId, CpuMask, Mpidr};
use crate::interrupt::Interrupt;
use crate::irq::Words;
use crate::machine::inherited::Interrupts;
use crate::machine::{Route, StepError};

register_structs! {
    /// What routing, and leaving the distributor quiet, needs (IHI 0069 12.9).
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
        (0x0400 => _r2),
        (0x0c00 => pub(super) icfgr: [ReadWrite<u32>; 64]),
        (0x0d00 => _r3),
        (0x6000 => irouter: [ReadWrite<u64>; 1020]),
        (0x7fe0 => @END),
    }
}

// SAFETY: all fields are registers.
unsafe impl Block for Distributor {}

/// Affinity routing, alone and with the groups that a kernel uses: both groups where there is one
/// security state, group 1 where there are two. The numbers are the same in both views.
const ROUTING: u32 = 1 << 4;
const ON: u32 = ROUTING | 0b11;
/// Register write pending.
const RWP: u32 = 1 << 31;

/// A GICv3.
pub struct Gic3 {
    registers: &'static Distributor,
    common: &'static Common,
    configured: Configured,
    private: PrivateTriggers,
}

impl Gic3 {
    /// `None` if the piece is too small for a distributor.
    pub fn new(distributor: &Registers) -> Option<Self> {
        Some(Self {
            registers: distributor.block(0)?,
            common: distributor.block(0)?,
            configured: Configured::in_group1(),
            private: PrivateTriggers::default(),
        })
    }

    pub fn init_distributor(&self, cpu: &PerCpu, quiet: bool) -> Interrupts {
        let left = if quiet { Interrupts::default() } else { self.clear(cpu) };
        self.common().ctlr.set(ON); // affinity routing is on already
        self.settle();
        left
    }

    /// Affinity routing alone on, and nothing left of what another kernel has set; says what that
    /// was.
    fn clear(&self, cpu: &PerCpu) -> Interrupts {
        let (d, left) = (self.common(), self.common().look());
        d.ctlr.set(ROUTING);
        self.settle();
        if left.used {
            d.silence(d.words(), || self.settle());
            d.wipe(|intid| self.unroute(intid));
        }
        left.interrupts.and(cpu.redistributor.map(|frame| frame.left()).unwrap_or_default())
    }

    pub fn is_off(&self) -> bool {
        self.common().is_off()
    }

    pub fn cpu_up(&self, cpu: &PerCpu) -> Result<(), StepError> {
        let frame = cpu.redistributor.ok_or(StepError::NoRedistributor)?;
        ICC_SRE_EL1.write(ICC_SRE_EL1::SRE::SET + ICC_SRE_EL1::DFB::SET + ICC_SRE_EL1::DIB::SET);
        // `wake` may put the redistributor to sleep for a moment, to find out whether it can sleep.
        ICC_IGRPEN1_EL1.write(ICC_IGRPEN1_EL1::ENABLE::CLEAR);
        // ISB: group 1 is off at the interface before the redistributor is touched.
        regs::isb();
        frame.wake(cpu.set_clean(false))?;
        self.set_priority_mask(MASK_ALL_BUT_IPIS);
        ICC_CTLR_EL1.modify(ICC_CTLR_EL1::EOIMODE::CLEAR);
        // A priority that an earlier kernel left active would hold everything back for good.
        regs::clear_active_priorities(ICC_CTLR_EL1.read(ICC_CTLR_EL1::PRIBITS) as u32 + 1);
        ICC_IGRPEN1_EL1.write(ICC_IGRPEN1_EL1::ENABLE::SET);
        // ISB: the interface is on before the caller unmasks interrupts.
        regs::isb();
        Ok(())
    }

    pub fn cpu_down(&self, cpu: &PerCpu) -> Result<(), StepError> {
        let frame = cpu.redistributor.ok_or(StepError::NoRedistributor)?;
        ICC_IGRPEN1_EL1.write(ICC_IGRPEN1_EL1::ENABLE::CLEAR);
        regs::isb();
        regs::dsb_sy(); // the interface is off before the redistributor hears of sleep
        let asleep = frame.sleep(&self.private);
        cpu.set_clean(true);
        asleep
    }

    pub fn configure(&self, interrupt: Interrupt) {
        self.configured.add(self.common(), interrupt);
    }

    pub fn configure_private(&self, cpu: &PerCpu, interrupt: Interrupt) {
        if let Some(frame) = cpu.redistributor {
            frame.configure(&self.private, interrupt);
        }
    }

    pub fn enable_private(&self, cpu: &PerCpu, intid: u32, on: bool) {
        if let Some(frame) = cpu.redistributor {
            frame.enable(intid, on);
        }
    }

    pub fn set_priority_mask(&self, mask: u8) {
        ICC_PMR_EL1.write(ICC_PMR_EL1::PRIORITY.val(u64::from(mask)));
        // ISB: the mask is in force before the caller unmasks interrupts.
        regs::isb();
    }

    /// One write per 16 CPUs that share the upper affinities. The driver can't say the range of
    /// Aff0 and has no barrier before the write.
    pub fn wake(&self, cpus: &CpuMask, mpidrs: &dyn Fn(usize) -> Mpidr) {
        // Stores before the IPI are visible to the woken CPU; pairs with the DSB in its `serve`.
        regs::dsb_ishst();
        let mut group = None;
        let mut list = 0;
        for cpu in cpus.iter() {
            let mpidr = mpidrs(cpu.index());
            let (to, bit) = target(mpidr);
            if group != Some(to) {
                send(group, list);
                (group, list) = (Some(to), 0);
            }
            list |= bit;
        }
        send(group, list);
        // ISB: the writes of ICC_SGI1R_EL1 are executed before this returns.
        regs::isb();
    }

    /// An interrupt that was already forwarded to a CPU is withdrawn when the disabling has taken
    /// effect (IHI 0069 12.9.4, RWP); a CPU that has already acknowledged the interrupt also ends
    /// it. Not so under KVM: RWP is never set there, and the disabling does not reach the list
    /// registers of a running CPU (vgic_mmio_write_cenable of arch/arm64/kvm/vgic/vgic-mmio.c).
    /// That CPU takes the interrupt even after its route has changed, or hands it back when that
    /// CPU next leaves the guest, and then the interrupt follows its route (vgic_prune_ap_list of
    /// vgic.c). So this kernel relies on this alone: a leaving CPU serves every interrupt that it
    /// takes until it masks interrupts, and an interrupt not taken by then comes to the CPU that
    /// the route names. See doc/gic-under-kvm.md.
    pub fn apply(
        &self,
        routes: &[Route],
        destination: &dyn Fn(CpuId) -> u64,
    ) -> Result<(), (u32, u64)> {
        let d = self.registers();
        let all = Words::of(routes.iter().map(|r| r.intid));
        all.iter().for_each(|(i, bits)| d.icenabler[i].set(bits));
        self.settle();
        let router = |route: &Route| &d.irouter[route.intid as usize];
        routes.iter().for_each(|route| router(route).set(destination(route.to.cpu())));
        let differs = |route: &Route| {
            let is = router(route).get();
            (is != destination(route.to.cpu())).then_some((route.intid, is))
        };
        let wrong = routes.iter().find_map(differs);
        let on = Words::of(routes.iter().filter(|r| r.enable).map(|r| r.intid));
        // Stores for a handler come before the enabling; pairs with the DSB in `serve`.
        regs::dsb_ishst();
        on.iter().for_each(|(i, bits)| d.isenabler[i].set(bits));
        wrong.map_or(Ok(()), Err)
    }

    pub fn route_of(&self, intid: u32) -> u64 {
        self.registers().irouter[intid as usize].get()
    }

    pub fn enable_shared(&self, intid: u32, on: bool) {
        let (word, bit) = place(intid);
        let d = self.registers();
        if on {
            // Stores for the handler come before the enabling; pairs with the DSB in `serve`.
            regs::dsb_ishst();
            d.isenabler[word].set(bit);
        } else {
            d.icenabler[word].set(bit);
            self.settle();
        }
    }

    pub fn set_pending(&self, intid: u32, on: bool) {
        let d = self.registers();
        let words = if on { &d.ispendr } else { &d.icpendr };
        words[intid as usize / 32 % 32].set(1 << (intid % 32));
    }

    pub fn serve(&self, mut handle: impl FnMut(u32)) {
        loop {
            let intid = v3::ack1();
            if intid.to_u32() >= SPECIAL {
                return;
            }
            // The handler sees what was stored before the interrupt was sent or enabled; pairs with
            // the DSB ISHST in `wake`, `apply` and `enable_shared`.
            regs::dsb_sy();
            handle(intid.to_u32());
            v3::eoi1(intid);
        }
    }

    /// Groups off, so that nothing is forwarded any more; then every interrupt off, and one wait
    /// for both (RWP is set until both have taken effect, IHI 0069 12.9.4); then all that this
    /// kernel has set is taken back. A CPU that left has taken back its own redistributor's
    /// settings; here only an IPI that came later is withdrawn. For a CPU that did not, the boot
    /// CPU takes them back.
    pub fn quiesce(&self, cpu: &PerCpu, areas: &[PerCpu]) {
        let d = self.common();
        d.ctlr.set(ROUTING);
        d.silence(self.configured.used(), || self.settle());
        self.configured.take_back(d, |intid| self.unroute(intid));
        if let Some(frame) = cpu.redistributor {
            frame.end_active();
        }
        let others = areas.iter().filter(|area| area.cpu != cpu.cpu);
        for (area, frame) in others.filter_map(|area| Some((area, area.redistributor?))) {
            match area.is_clean() {
                true => frame.withdraw(),
                false => frame.take_back(&self.private),
            }
        }
        // A redistributor that does not go to sleep in time is left awake: the next kernel wakes it
        // anyway.
        let _ = self.cpu_down(cpu);
        self.set_priority_mask(0);
    }

    /// Private interrupts of a CPU that is off, or not ours, or this one, at its last act.
    pub fn take_back(&self, cpu: &PerCpu) {
        if let Some(frame) = cpu.redistributor {
            frame.take_back(&self.private);
        }
    }

    fn unroute(&self, intid: usize) {
        self.registers().irouter[intid].set(0);
    }

    fn common(&self) -> &'static Common {
        self.common
    }

    /// Waits until the distributor has taken the last write; gives up silently at the deadline,
    /// since all that could follow is the same wait. KVM's distributor has taken a write when the
    /// store is over, and never sets RWP (vgic_mmio_read_v3_misc of
    /// arch/arm64/kvm/vgic/vgic-mmio-v3.c).
    fn settle(&self) {
        let d = self.registers();
        patiently(|| d.ctlr.get() & RWP == 0);
    }

    pub(super) fn registers(&self) -> &'static Distributor {
        self.registers
    }

    /// Bits of an interrupt number that the distributor has (GICD_TYPER.IDbits).
    pub fn id_bits(&self) -> u32 {
        (self.registers.typer.get() >> 19 & 0x1f) + 1
    }
}

/// GICD_IROUTER's value for one CPU.
pub fn destination(mpidr: Mpidr) -> u64 {
    let [a3, a2, a1, a0] = [3, 2, 1, 0].map(|level| u64::from(mpidr.aff(level)));
    a3 << 32 | a2 << 16 | a1 << 8 | a0
}

/// The fields of ICC_SGI1R_EL1 that CPUs of one list share, and the CPU's bit in the list.
fn target(mpidr: Mpidr) -> (u64, u64) {
    let [a3, a2, a1, a0] = [3, 2, 1, 0].map(|level| u64::from(mpidr.aff(level)));
    let range = a0 >> 4;
    (a3 << 48 | range << 44 | a2 << 32 | a1 << 16, 1 << (a0 & 0xf))
}

fn send(group: Option<u64>, list: u64) {
    if let Some(group) = group {
        regs::write_icc_sgi1r(group | u64::from(IPI) << 24 | list);
    }
}
