//! What has to hold for records and texts whatever the scenario.

use std::fmt::Debug;

use anyhow::{Result, ensure};
use baton::report::{Bringup, Hello, Kexec, Record, Teardown};

/// Counter ticks are rounded to nanoseconds; a sum of a few of them is off by so much.
const ROUNDING_NS: u64 = 8;

/// Fails unless the two are equal; shows both.
pub fn same<T: PartialEq<U> + Debug, U: Debug>(what: &str, got: T, wanted: U) -> Result<()> {
    ensure!(got == wanted, "{what}: got {got:?}, wanted {wanted:?}");
    Ok(())
}

/// Fails unless the text has all of these in it.
pub fn has(text: &str, parts: &[&str]) -> Result<()> {
    for part in parts {
        ensure!(text.contains(part), "{part:?} is not in {text:?}");
    }
    Ok(())
}

/// A kernel has come up: its records agree with each other.
pub fn arrival(bringup: &Bringup, hello: &Hello, generation: u32) -> Result<()> {
    same("generations", (bringup.generation, hello.generation), (generation, generation))?;
    same("at", bringup.at.as_str(), "boot")?;
    same("CPUs online", hello.online, bringup.online + 1)?;
    ensure!(bringup.cpus < hello.cpus, "{} of {} CPUs were kicked", bringup.cpus, hello.cpus);
    ensure!(
        hello.base.is_multiple_of(2 << 20),
        "base {:#x} is not a multiple of 2 MiB",
        hello.base
    );
    ensure!(hello.counter_hz > 0 && hello.free_bytes > 0, "{hello:?}");
    counts(bringup)
}

/// A bring-up's numbers agree with each other.
pub fn counts(bringup: &Bringup) -> Result<()> {
    same("CPUs asked", bringup.cpus, bringup.online + bringup.failed.len() as u32)?;
    ensure!(bringup.alive_ns <= bringup.online_ns, "ONLINE before ALIVE: {bringup:?}");
    ensure!(bringup.online == 0 || bringup.alive_ns > 0, "nobody was ALIVE: {bringup:?}");
    Ok(())
}

/// All CPUs of the machine are online.
pub fn all_online(bringup: &Bringup, hello: &Hello, cpus: u32) -> Result<()> {
    same("failed", &bringup.failed, &Vec::new())?;
    same("CPUs and those online", (hello.cpus, hello.online), (cpus, cpus))
}

/// The record of a bring-up by command: all that were asked have come.
pub fn came(record: &Record, cpus: u32) -> Result<()> {
    let Record::Bringup(bringup) = record else { anyhow::bail!("no bringup: {record:?}") };
    counts(bringup)?;
    same("at", bringup.at.as_str(), "online")?;
    same("asked and online", (bringup.cpus, bringup.online), (cpus, cpus))
}

/// The record of a teardown by command: all that were asked have left.
pub fn left(record: &Record, cpus: u32, mode: &str) -> Result<()> {
    let Record::Teardown(teardown) = record else { anyhow::bail!("no teardown: {record:?}") };
    same("at, mode", (teardown.at.as_str(), teardown.mode.as_str()), ("offline", mode))?;
    same("stuck", &teardown.stuck, &Vec::new())?;
    same("CPUs", teardown.cpus, cpus)?;
    phases(teardown)
}

/// The phases of a teardown lie inside it.
pub fn phases(teardown: &Teardown) -> Result<()> {
    let parts = &teardown.phases;
    let sum = parts.migrate_ns
        + parts.online_down_ns
        + parts.grace_ns
        + parts.stop_ns
        + parts.off_ns
        + parts.dead_ns;
    ensure!(sum <= teardown.total_ns + ROUNDING_NS, "phases take {sum} ns: {teardown:?}");
    ensure!(teardown.cpus == 0 || parts.off_ns > 0, "no time to turn off: {teardown:?}");
    Ok(())
}

/// The record of a jump: nothing copied, and its parts make up the blackout.
pub fn jump(kexec: &Kexec, generation: u32, mode: &str) -> Result<()> {
    same("generation", kexec.generation, generation)?;
    same("teardown", kexec.teardown.as_str(), mode)?;
    same("bytes copied", kexec.bytes_copied, 0)?;
    ensure!(kexec.from.starts_with("baton "), "from {:?}", kexec.from);
    let sum = kexec.exec_to_jump_ns + kexec.jump_to_entry_ns + kexec.entry_to_online_ns;
    let off = sum.abs_diff(kexec.blackout_ns);
    ensure!(off <= ROUNDING_NS, "parts make {sum} ns: {kexec:?}");
    ensure!(kexec.jump_to_entry_ns > 0, "no time passed in the jump: {kexec:?}");
    Ok(())
}
