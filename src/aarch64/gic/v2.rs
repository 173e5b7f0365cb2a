//! GICv2 by memory: up to eight CPUs.

use arm_gic_driver::v2::{Ack, CpuInterface, Gic, SGITarget, TargetList};
use arm_gic_driver::{IntId, VirtAddr};
use spin::Mutex;
use tock_registers::interfaces::{Readable, Writeable};
use tock_registers::register_structs;
use tock_registers::registers::{ReadOnly, ReadWrite};

use super::{KICK, KICK_PRIORITY, MASK_ALL_BUT_KICKS, PRIORITY, SPECIAL};
use crate::aarch64::percpu::PerCpu;
use crate::aarch64::regs;
use crate::cpu::{CpuMask, Mpidr};
use crate::hotplug::StepError;

register_structs! {
    /// What leaving the distributor and a CPU quiet needs (IHI 0048 4.3). The first word of each
    /// array is banked: it belongs to the CPU that accesses it.
    Distributor {
        (0x0000 => ctlr: ReadWrite<u32>),
        (0x0004 => typer: ReadOnly<u32>),
        (0x0008 => _r0),
        (0x0100 => isenabler: [ReadWrite<u32>; 32]),
        (0x0180 => icenabler: [ReadWrite<u32>; 32]),
        (0x0200 => ispendr: [ReadWrite<u32>; 32]),
        (0x0280 => icpendr: [ReadWrite<u32>; 32]),
        (0x0300 => _r2),
        (0x0380 => icactiver: [ReadWrite<u32>; 32]),
        (0x0400 => ipriorityr: [ReadWrite<u32>; 8]),
        (0x0420 => @END),
    }
}

/// A GICv2.
pub struct Gic2 {
    distributor: u64,
    cpu_interface: u64,
    /// The boot CPU programs shared interrupts, and a CPU that leaves as the console's target.
    driver: Mutex<Gic>,
}

impl Gic2 {
    pub fn new(distributor: u64, cpu_interface: u64) -> Self {
        let driver = Mutex::new(gic(distributor, cpu_interface));
        Self { distributor, cpu_interface, driver }
    }

    pub fn init_distributor(&self) {
        // Without a target of its own this CPU is the only one, and routes are implicit.
        let _ = self.driver.lock().try_init();
    }

    pub fn cpu_up(&self, cpu: &PerCpu) -> Result<(), StepError> {
        let mut interface = self.interface();
        let d = self.registers();
        d.icenabler[0].set(!0);
        d.icpendr[0].set(!0);
        d.icactiver[0].set(!0);
        interface.init_current_cpu();
        let word = u32::from_ne_bytes([PRIORITY; 4]);
        d.ipriorityr.iter().for_each(|p| p.set(word));
        d.ipriorityr[0].set(word & !0xff | u32::from(KICK_PRIORITY) << (KICK * 8));
        interface.set_priority_mask(MASK_ALL_BUT_KICKS);
        cpu.set_gicv2_target(interface.current_cpu_target().as_u8());
        Ok(())
    }

    pub fn cpu_down(&self, cpu: &PerCpu) -> Result<(), StepError> {
        let d = self.registers();
        d.icenabler[0].set(!0);
        d.icpendr[0].set(!0);
        d.icactiver[0].set(!0);
        self.interface().set_priority_mask(0);
        // SAFETY: GICC_CTLR, the first register of the CPU interface, mapped as device for good.
        unsafe { (self.cpu_interface as *mut u32).write_volatile(0) };
        cpu.set_gicv2_target(0);
        Ok(())
    }

    pub fn enable_private(&self, _cpu: &PerCpu, intid: u32, on: bool) {
        let d = self.registers();
        let register = if on { &d.isenabler[0] } else { &d.icenabler[0] };
        register.set(1 << intid);
    }

    pub fn set_priority_mask(&self, mask: u8) {
        self.interface().set_priority_mask(mask);
        regs::dsb_sy();
    }

    pub fn kick(&self, cpus: &CpuMask, areas: &[PerCpu]) {
        regs::dsb_ishst(); // what was stored before the kick is seen by who it wakes
        let bits = cpus.iter().filter_map(|cpu| areas.get(cpu.index()));
        let list = bits.fold(0, |list, area| list | area.gicv2_target());
        if list != 0 {
            let target = SGITarget::TargetList(TargetList::from_raw(list));
            self.interface().send_sgi(IntId::sgi(KICK), target);
        }
    }

    pub fn route(&self, intid: u32, to: &PerCpu, _mpidr: Mpidr) -> Result<(), StepError> {
        let target = to.gicv2_target();
        if target == 0 {
            return Ok(()); // the only CPU: routes are implicit
        }
        let driver = self.driver.lock();
        driver.set_target_cpu(spi(intid), TargetList::from_raw(target));
        let back = driver.get_target_cpu(spi(intid)).as_u8();
        (back == target).then_some(()).ok_or(StepError::RouteRejected)
    }

    pub fn enable_shared(&self, intid: u32, on: bool) {
        self.driver.lock().set_irq_enable(spi(intid), on);
    }

    pub fn set_pending(&self, intid: u32, on: bool) {
        let d = self.registers();
        let words = if on { &d.ispendr } else { &d.icpendr };
        words[intid as usize / 32 % 32].set(1 << (intid % 32));
    }

    pub fn serve(&self, mut handle: impl FnMut(u32)) {
        let interface = self.interface();
        loop {
            let ack = interface.ack();
            let intid = match ack {
                Ack::SGI { intid, .. } | Ack::Other(intid) => intid.to_u32(),
            };
            if intid >= SPECIAL {
                return;
            }
            regs::dsb_sy(); // the handler sees what was stored before the interrupt was sent
            handle(intid);
            interface.eoi(ack);
        }
    }

    pub fn quiesce(&self) {
        let d = self.registers();
        d.ctlr.set(0);
        let words = (d.typer.get() & 0x1f) as usize + 1;
        for i in 1..words.min(32) {
            d.icenabler[i].set(!0);
            d.icpendr[i].set(!0);
            d.icactiver[i].set(!0);
        }
        regs::dsb_sy();
    }

    fn interface(&self) -> CpuInterface {
        gic(self.distributor, self.cpu_interface).cpu_interface()
    }

    fn registers(&self) -> &'static Distributor {
        // SAFETY: the distributor's registers, mapped as device for good.
        unsafe { &*(self.distributor as *const Distributor) }
    }
}

fn gic(distributor: u64, cpu_interface: u64) -> Gic {
    let (d, c) = (VirtAddr::new(distributor as usize), VirtAddr::new(cpu_interface as usize));
    // SAFETY: both register blocks are mapped as device for good; a driver value holds addresses
    // only, and the private registers that several of them reach are banked per CPU.
    unsafe { Gic::new(d, c, None) }
}

fn spi(intid: u32) -> IntId {
    IntId::spi(intid - 32)
}
