//! What the kernel, firmware or loader before this one left on this machine beyond what the boot
//! protocol promises. Everything named here has been turned off before this can be read.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Interrupts that were not as they are after power-on: all shared ones, and the boot CPU's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interrupts {
    /// Could be forwarded.
    pub enabled: u32,
    /// Waited for a CPU.
    pub pending: u32,
    /// Acknowledged, and never ended.
    pub active: u32,
}

impl Interrupts {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            enabled: self.enabled + other.enabled,
            pending: self.pending + other.pending,
            active: self.active + other.active,
        }
    }
}

/// What was found on the boot CPU and in the interrupt controller at entry.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inherited {
    /// Interrupts.
    pub interrupts: Interrupts,
    /// Redistributors on which LPIs were enabled and could be turned off.
    pub lpis: u32,
    /// Timers of the boot CPU that were armed.
    pub timers: Vec<&'static str>,
    /// Its performance monitors counted.
    pub counting: bool,
    /// Its breakpoints, watchpoints or single step were on.
    pub debugging: bool,
    /// The console's UART could interrupt.
    pub console: bool,
    /// Other registers that did not have the value that a reset gives them. Registers that are
    /// UNKNOWN after a reset are left out: their values prove nothing.
    pub registers: Vec<(&'static str, u64)>,
}

impl Inherited {
    /// A line for each kind of thing that was found.
    pub fn warnings(&self) -> Vec<String> {
        let named = [
            self.interrupts(),
            self.lpis(),
            self.timers(),
            self.counting.then(|| "performance monitors were left counting; stopped".into()),
            self.debugging.then(|| "breakpoints or watchpoints were left on; turned off".into()),
            self.console.then(|| "the UART was left able to interrupt; masked".into()),
            self.registers(),
        ];
        named.into_iter().flatten().collect()
    }

    fn interrupts(&self) -> Option<String> {
        let Interrupts { enabled, pending, active } = self.interrupts;
        let counts = [(active, "active"), (pending, "pending"), (enabled, "enabled")];
        let some = counts.iter().filter(|(count, _)| *count > 0);
        let named: Vec<String> = some.map(|(count, what)| format!("{count} {what}")).collect();
        (!named.is_empty()).then(|| format!("interrupts were left {}; cleared", named.join(", ")))
    }

    fn lpis(&self) -> Option<String> {
        let n = self.lpis;
        (n > 0).then(|| format!("LPIs were left enabled on {n} redistributors; turned off"))
    }

    fn timers(&self) -> Option<String> {
        let named = self.timers.join(", ");
        (!named.is_empty()).then(|| format!("timers were left armed: {named}; turned off"))
    }

    fn registers(&self) -> Option<String> {
        let one = |(name, value): &(&str, u64)| format!("{name} {value:#x}");
        let named: Vec<String> = self.registers.iter().map(one).collect();
        let named = named.join(", ");
        (!named.is_empty()).then(|| format!("registers were left set: {named}; reset"))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn a_clean_machine_gives_no_warning() {
        assert!(Inherited::default().warnings().is_empty());
    }

    #[test]
    fn each_kind_has_a_line_that_names_it() {
        let found = Inherited {
            interrupts: Interrupts { enabled: 3, pending: 0, active: 1 }
                .and(Interrupts { enabled: 1, ..Interrupts::default() }),
            lpis: 4,
            timers: vec!["virtual", "physical"],
            counting: true,
            debugging: true,
            console: true,
            registers: vec![("HCR_EL2", 0x3b), ("ANOTHER", 7)],
        };
        let wanted = [
            "interrupts were left 1 active, 4 enabled; cleared",
            "LPIs were left enabled on 4 redistributors; turned off",
            "timers were left armed: virtual, physical; turned off",
            "performance monitors were left counting; stopped",
            "breakpoints or watchpoints were left on; turned off",
            "the UART was left able to interrupt; masked",
            "registers were left set: HCR_EL2 0x3b, ANOTHER 0x7; reset",
        ];
        assert_eq!(found.warnings(), wanted);
    }
}
