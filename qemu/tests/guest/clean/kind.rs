//! The machines of these tests, and what of each differs from what it is after power-on.

use anyhow::Result;

use super::{CPUS, SLOW};
use crate::vm::{Setup, cpus, kvm};

/// A part of the machine that is not as after power-on, and why that is right.
pub struct Known {
    /// What its items begin with.
    pub items: &'static str,
    pub why: &'static str,
}

const fn known(items: &'static str, why: &'static str) -> Known {
    Known { items, why }
}

/// Whatever the machine.
const ALWAYS: [Known; 2] = [
    known("sctlr.rest", "its reset value is the implementation's; ours has what is RES1"),
    known("sctlr_el1", "the same, of EL1"),
];
const EL1: [Known; 2] = [
    known("elr_el1", "the next kernel is entered by ERET, which makes its PSTATE that of a reset"),
    known("spsr_el1", "the same"),
];
const EL2: [Known; 1] = [known("cptr_el2", "RES1 bits, which this QEMU resets to 0; none traps")];
/// Each of these items of the CPUs that baton takes down.
const GICV2: &str = "banked priorities: only their own CPU could reset them, on its way out";
const OS_LOCK: &str = "a reset locks it, by the architecture; KVM's leaves it open";
const POISON: &str = "UNKNOWN after a reset: KVM fills it with a pattern, baton leaves 0";
/// All that KVM fills so. Its emulated monitors have counters there, and the bits of them.
const POISONED: [&str; 14] = [
    "esr_el1",
    "far_el1",
    "mair_el1",
    "par_el1",
    "pmcntenset_el0",
    "pmcr_el0",
    "pmintenset_el1",
    "pmovsset_el0",
    "pmselr_el0",
    "tpidr_el0",
    "tpidr_el1",
    "tpidrro_el0",
    "ttbr0_el1",
    "ttbr1_el1",
];
const SGI_ENABLES: [&str; 4] =
    ["gicc[0].isenabler0", "gicc[1].isenabler0", "gicc[2].isenabler0", "gicc[3].isenabler0"];
const SGIS: &str =
    "whether SGIs are enabled after a reset is the implementation's: KVM enables them";
const FOREIGN: &str = "an earlier kernel left it ON, so it is not ours";
const LPIS: &str = "LPIs that are on can't be turned off without CES; tables are reserved";
const VECTORS: &str = "vector length, which baton, entered at EL2, traps and never touches";

/// A machine, and what goes with it.
#[derive(Clone, Copy, Default)]
pub struct Kind {
    pub gic2: bool,
    pub el2: bool,
    pub max: bool,
    pub serial: bool,
    pub lpis: bool,
    pub vhe: bool,
    /// The next kernel is copied to where this one is.
    pub copied: bool,
    /// The tree declares edges where QEMU's has levels, private ones among them.
    pub edges: bool,
    /// A guest of KVM.
    pub kvm: bool,
}

impl Kind {
    pub fn setup(self) -> Result<Setup> {
        let machine = if self.kvm { kvm(CPUS)? } else { cpus(CPUS)? };
        let mut setup = machine.disk_latency(SLOW);
        // Devices that baton has no driver for, and a second disk, which it does not use.
        setup = setup.qemu(&["-device", "virtio-rng-device", "-device", "virtio-balloon-device"]);
        setup = setup.qemu(&["-blockdev", "driver=null-co,node-name=second"]);
        setup = setup.qemu(&["-device", "virtio-blk-device,drive=second"]);
        if self.gic2 {
            setup = setup.gic2();
        }
        if self.el2 {
            setup = setup.el2();
        }
        if self.max {
            setup = setup.qemu(&["-cpu", "max", "-machine", "mte=on"]);
        }
        Ok(setup)
    }

    pub fn mode(self) -> &'static str {
        if self.serial { "serial" } else { "parallel" }
    }

    /// What may and must differ.
    pub fn known(self, dirty: bool, lpis_stay: bool) -> Vec<Known> {
        let mut list = Vec::from(ALWAYS);
        if self.el2 {
            list.extend(EL2)
        } else {
            list.extend(EL1)
        }
        if self.gic2 && !dirty {
            list.push(known("gicc[1].ipriorityr", GICV2));
        }
        if self.gic2 {
            list.push(known("gicc[2].ipriorityr", GICV2));
            list.push(known("gicc[3].ipriorityr", GICV2));
        }
        if self.kvm {
            list.push(known("oslsr_el1", OS_LOCK));
            list.extend(POISONED.map(|name| known(name, POISON)));
        }
        if self.kvm && self.gic2 {
            list.extend(SGI_ENABLES.map(|name| known(name, SGIS)));
        }
        if dirty {
            list.push(known("cpu[1].", FOREIGN));
            list.push(known(if self.gic2 { "gicc[1]." } else { "gicr[1].waker" }, FOREIGN));
        }
        if dirty && lpis_stay {
            for items in ["gicr[0].", "gicr[1].", "gicr[2].", "gicr[3]."] {
                list.push(known(items, LPIS));
            }
        }
        if dirty && self.max && self.el2 {
            list.push(known("zcr_el1", VECTORS));
        }
        list
    }
}
