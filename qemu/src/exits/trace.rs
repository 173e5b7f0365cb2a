//! What the tracepoints of KVM say (Linux `arch/arm64/kvm/trace_arm.h`, `trace_handle_exit.h` and
//! `include/trace/events/kvm.h`), line by line, as exits of the guest.

use super::reason::{Reason, sysreg};
use crate::kvm::Tracing;

/// The tracepoints that are needed. An exit for a device access is known by `kvm_mmio`, for a system
/// register by `kvm_sys_access`, and so on; `kvm_exit` itself is kept for what has none of its own.
/// The two registers through which text leaves are left out: 0x0 and 0x18 of QEMU's PL011. KVM says
/// `kvm_guest_fault` for an access to a device too; of these only RAM is wanted.
pub const TRACING: Tracing = Tracing {
    events: &[
        (
            "kvm_exit",
            "esr_ec != 0x24 && esr_ec != 0x20 && esr_ec != 0x18 && esr_ec != 0x16 && esr_ec != 0x1",
        ),
        ("kvm_mmio", "gpa != 0x9000000 && gpa != 0x9000018"),
        ("kvm_hvc_arm64", ""),
        ("kvm_wfx_arm64", ""),
        ("kvm_sys_access", ""),
        ("kvm_guest_fault", "ipa >= 0x40000000 && ipa < 0x4000000000"),
    ],
    kib: 16384,
};

/// One exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The vCPU: QEMU's number.
    pub cpu: u32,
    /// The host's clock, ns.
    pub at: u64,
    /// Why.
    pub reason: Reason,
}

/// Exits in the order of the host's clock, and how many events of the buffer were overwritten.
#[derive(Debug, Default)]
pub struct Trace {
    /// See [`Exit`].
    pub exits: Vec<Exit>,
    /// Events that the host had to drop.
    pub lost: u64,
}

/// The trace in a log of the hypervisor.
pub fn read(log: &str) -> Trace {
    let mut trace = Trace::default();
    for line in log.lines() {
        if let Some(counts) = line.split_once("entries-in-buffer/entries-written: ") {
            let numbers = two_numbers(counts.1.split([' ', '/']));
            trace.lost += numbers.map_or(0, |(kept, written)| written.saturating_sub(kept));
        }
        trace.exits.extend(exit(line));
    }
    trace.exits.sort_by_key(|exit| exit.at);
    trace
}

/// The first two of some words, as numbers.
fn two_numbers<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<(u64, u64)> {
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// From a line such as `CPU 0/KVM-97 [000] ..... 19.139098: kvm_wfx_arm64: guest executed wfi ...`.
fn exit(line: &str) -> Option<Exit> {
    let (task, rest) = line.trim_start().strip_prefix("CPU ")?.split_once("/KVM-")?;
    let (before, rest) = rest.split_once(": ")?;
    let at = nanoseconds(before.split_whitespace().last()?)?;
    let (event, text) = rest.split_once(": ")?;
    Some(Exit { cpu: task.parse().ok()?, at, reason: reason(event, text)? })
}

/// `19.139098` as ns.
fn nanoseconds(seconds: &str) -> Option<u64> {
    let (whole, micros) = seconds.split_once('.')?;
    let (whole, micros): (u64, u64) = (whole.parse().ok()?, micros.parse().ok()?);
    Some(whole * 1_000_000_000 + micros * 1000)
}

fn reason(event: &str, text: &str) -> Option<Reason> {
    match event {
        "kvm_mmio" => mmio(text),
        "kvm_hvc_arm64" => Some(Reason::psci(hex_after(text, "r0: ")?)),
        "kvm_wfx_arm64" => Some(Reason::Wait),
        "kvm_sys_access" => system(text),
        "kvm_guest_fault" => Some(Reason::Stage2),
        "kvm_exit" if text.starts_with("IRQ") => Some(Reason::Interrupt),
        "kvm_exit" => Some(Reason::Other(hex_after(text, "HSR_EC: ")?)),
        _ => None,
    }
}

/// `mmio write len 4 gpa 0x8000100 val 0x1`; a read that user space has to satisfy comes twice, the
/// first time as `unsatisfied-read`.
fn mmio(text: &str) -> Option<Reason> {
    let write = match text.split(' ').nth(1)? {
        "write" => true,
        "read" => false,
        _ => return None,
    };
    Some(Reason::device(hex_after(text, "gpa ")?, write))
}

/// `PC: 40201900 SYS_SCTLR_EL1 (3,0,1,0,0) write`.
fn system(text: &str) -> Option<Reason> {
    let (_, encoding) = text.rsplit_once('(')?;
    let (encoding, way) = encoding.split_once(')')?;
    let mut fields = encoding.split(',').map(|field| field.parse::<u8>().ok());
    let mut next = || fields.next().flatten();
    let encoding = [next()?, next()?, next()?, next()?, next()?];
    Some(Reason::System { name: sysreg(encoding), write: way.trim() == "write" })
}

/// The number in hexadecimal behind `key`.
fn hex_after(text: &str, key: &str) -> Option<u64> {
    let digits = text.split_once(key)?.1.trim_start_matches("0x");
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    u64::from_str_radix(&digits[..end], 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
# entries-in-buffer/entries-written: 7/9   #P:2
       CPU 0/KVM-97      [000] .....    19.139098: kvm_exit: IRQ: HSR_EC: 0x0000 (UNKNOWN), PC: 0x4020178c
       CPU 1/KVM-98      [001] d..1.    19.145053: kvm_sys_access: PC: 40201900 SYS_SCTLR_EL1 (3,0,1,0,0) write
       CPU 0/KVM-97      [000] .....    19.145100: kvm_mmio: mmio unsatisfied-read len 4 gpa 0xa000000 val 0x0
       CPU 0/KVM-97      [000] .....    19.145101: kvm_mmio: mmio read len 4 gpa 0xa000000 val 0x74726976
       CPU 0/KVM-97      [000] .....    19.144000: kvm_mmio: mmio write len 4 gpa 0x80a0014 val 0x0
       CPU 0/KVM-97      [000] .....    19.146000: kvm_hvc_arm64: HVC at 0xffff800000060270 (r0: 0x00000000c4000003, imm: 0x0)
       CPU 0/KVM-97      [000] .....    19.147000: kvm_wfx_arm64: guest executed wfi at: 0xffff800000060270
   qemu-system-aar-97    [000] .....    19.147000: kvm_wfx_arm64: guest executed wfi at: 0xffff800000060270
";

    #[test]
    fn every_kind_of_line_is_an_exit_in_order_of_time() {
        let trace = read(LOG);
        let seen: Vec<_> =
            trace.exits.iter().map(|e| (e.cpu, e.at / 1000, e.reason.to_string())).collect();
        let wanted = [
            (0, 19_139_098, "interrupt for the host"),
            (0, 19_144_000, "GICR_WAKER write"),
            (1, 19_145_053, "SCTLR_EL1 write"),
            (0, 19_145_101, "virtio-mmio read"),
            (0, 19_146_000, "PSCI CPU_ON"),
            (0, 19_147_000, "WFI or WFE"),
        ];
        assert_eq!(seen, wanted.map(|(cpu, at, name)| (cpu, at, name.to_string())));
        assert_eq!(trace.lost, 2);
    }
}
