//! GICv3 by system registers.

use arm_gic_driver::v3::{self, Gic, ICC_CTLR_EL1, ICC_IGRPEN1_EL1, ICC_PMR_EL1, ICC_SRE_EL1};
use arm_gic_driver::{IntId, VirtAddr};
use spin::Mutex;
use tock_registers::interfaces::{ReadWriteable, Readable, Writeable};
use tock_registers::register_structs;
use tock_registers::registers::{ReadOnly, ReadWrite};

use super::{KICK, MASK_ALL_BUT_KICKS, SPECIAL, redistributor};
use crate::aarch64::percpu::PerCpu;
use crate::aarch64::regs;
use crate::cpu::{CpuMask, Mpidr};
use crate::hotplug::StepError;

register_structs! {
    /// What leaving the distributor quiet needs (IHI 0069 12.9).
    Distributor {
        (0x0000 => ctlr: ReadWrite<u32>),
        (0x0004 => typer: ReadOnly<u32>),
        (0x0008 => _r0),
        (0x0180 => icenabler: [ReadWrite<u32>; 32]),
        (0x0200 => ispendr: [ReadWrite<u32>; 32]),
        (0x0280 => icpendr: [ReadWrite<u32>; 32]),
        (0x0300 => _r2),
        (0x0380 => icactiver: [ReadWrite<u32>; 32]),
        (0x0400 => @END),
    }
}

/// The group enables of GICD_CTLR in every security view.
const GROUP_ENABLES: u32 = 0b111;
/// Register write pending.
const RWP: u32 = 1 << 31;

/// A GICv3.
pub struct Gic3 {
    distributor: u64,
    /// The boot CPU programs shared interrupts, and a CPU that leaves as the console's target.
    driver: Mutex<Gic>,
}

impl Gic3 {
    pub fn new(distributor: u64) -> Self {
        // The driver scans redistributors from the second address on; it is never asked to.
        let base = VirtAddr::new(distributor as usize);
        // SAFETY: the distributor's registers, mapped as device for good; one driver for them.
        let driver = Mutex::new(unsafe { Gic::new(base, base) });
        Self { distributor, driver }
    }

    pub fn init_distributor(&self) {
        self.driver.lock().init();
    }

    pub fn cpu_up(&self, cpu: &PerCpu) -> Result<(), StepError> {
        if cpu.redistributor == 0 {
            return Err(StepError::NoRedistributor);
        }
        ICC_SRE_EL1.write(ICC_SRE_EL1::SRE::SET + ICC_SRE_EL1::DFB::SET + ICC_SRE_EL1::DIB::SET);
        regs::isb();
        redistributor::wake(cpu.redistributor)?;
        self.set_priority_mask(MASK_ALL_BUT_KICKS);
        ICC_CTLR_EL1.modify(ICC_CTLR_EL1::EOIMODE::CLEAR);
        ICC_IGRPEN1_EL1.write(ICC_IGRPEN1_EL1::ENABLE::SET);
        regs::isb();
        Ok(())
    }

    pub fn cpu_down(&self, cpu: &PerCpu) -> Result<(), StepError> {
        if cpu.redistributor == 0 {
            return Err(StepError::NoRedistributor);
        }
        ICC_IGRPEN1_EL1.write(ICC_IGRPEN1_EL1::ENABLE::CLEAR);
        regs::isb();
        regs::dsb_sy(); // the interface is off before the redistributor hears of sleep
        redistributor::sleep(cpu.redistributor)
    }

    pub fn enable_private(&self, cpu: &PerCpu, intid: u32, on: bool) {
        redistributor::enable(cpu.redistributor, intid, on);
    }

    pub fn set_priority_mask(&self, mask: u8) {
        ICC_PMR_EL1.write(ICC_PMR_EL1::PRIORITY.val(u64::from(mask)));
        regs::isb();
    }

    /// One write per 16 CPUs that share the upper affinities. The driver can't say the range of
    /// Aff0 and has no barrier before the write.
    pub fn kick(&self, cpus: &CpuMask, mpidrs: &dyn Fn(usize) -> Mpidr) {
        regs::dsb_ishst(); // what was stored before the kick is seen by who it wakes
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
        regs::isb();
    }

    pub fn route(&self, intid: u32, _to: &PerCpu, mpidr: Mpidr) -> Result<(), StepError> {
        let [aff3, aff2, aff1, aff0] = [3, 2, 1, 0].map(|level| mpidr.aff(level));
        let to = v3::Affinity { aff0, aff1, aff2, aff3 };
        let driver = self.driver.lock();
        driver.set_target_cpu(spi(intid), Some(to));
        let back = driver.get_target_cpu(spi(intid));
        (back == Some(to)).then_some(()).ok_or(StepError::RouteRejected)
    }

    pub fn enable_shared(&self, intid: u32, on: bool) {
        self.driver.lock().set_irq_enable(spi(intid), on);
        self.settle();
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
            regs::dsb_sy(); // the handler sees what was stored before the interrupt was sent
            handle(intid.to_u32());
            v3::eoi1(intid);
        }
    }

    pub fn quiesce(&self) {
        let d = self.registers();
        d.ctlr.set(d.ctlr.get() & !GROUP_ENABLES);
        let words = (d.typer.get() & 0x1f) as usize + 1;
        for i in 1..words.min(32) {
            d.icenabler[i].set(!0);
            d.icpendr[i].set(!0);
            d.icactiver[i].set(!0);
        }
        self.settle();
    }

    /// Waits until the distributor has taken the last write; gives up silently, since all that
    /// could follow is the same wait.
    fn settle(&self) {
        let d = self.registers();
        let _ = (0..10_000).find(|_| d.ctlr.get() & RWP == 0);
    }

    fn registers(&self) -> &'static Distributor {
        // SAFETY: the distributor's registers, mapped as device for good.
        unsafe { &*(self.distributor as *const Distributor) }
    }
}

fn spi(intid: u32) -> IntId {
    IntId::spi(intid - 32)
}

/// The fields of ICC_SGI1R_EL1 that CPUs of one list share, and the CPU's bit in the list.
fn target(mpidr: Mpidr) -> (u64, u64) {
    let [a3, a2, a1, a0] = [3, 2, 1, 0].map(|level| u64::from(mpidr.aff(level)));
    let range = a0 >> 4;
    (a3 << 48 | range << 44 | a2 << 32 | a1 << 16, 1 << (a0 & 0xf))
}

fn send(group: Option<u64>, list: u64) {
    if let Some(group) = group {
        regs::write_icc_sgi1r(group | u64::from(KICK) << 24 | list);
    }
}
