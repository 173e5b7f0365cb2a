//! What the console is in the middle of: the commands that wait, a series of kexecs, stress. All of
//! this crosses a jump, and so does what was typed and not read.

mod typed;

use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use super::Reporter;
use crate::handover::{CycleCount, StressCount};
use crate::kexec::script::{self, ScriptError};
use crate::machine::Typed;
use crate::torture::Site;
use crate::torture::stress::Stress;

/// Begins the last element of a script that has what was typed. Only kernels write it for each
/// other: it is no command of the console.
const TYPED: &str = "typed ";

/// The commands that wait, and what stays on while commands run.
#[derive(Default)]
pub struct Session {
    script: VecDeque<String>,
    /// The series of kexecs that the next jump belongs to; asked for 0 outside a series.
    cycle: CycleCount,
    /// What keeps the machine busy beside commands, if that is on.
    stress: Option<Stress>,
    /// What stress that is over has done, in all kernels.
    past: StressCount,
}

impl Session {
    /// Takes the next command that waits, if one does.
    pub fn next_command(&mut self) -> Option<String> {
        self.script.pop_front()
    }

    /// Drops the commands that wait, and says how many there were.
    pub fn drop_commands(&mut self) -> usize {
        mem::take(&mut self.script).len()
    }

    /// Lets commands wait, in place of those that do: those of `own`, which this kernel was given on
    /// purpose, then what is left of the last kernel's script.
    ///
    /// # Errors
    /// Why a text is no script; the commands that wait are the same as before.
    pub fn wait_with(&mut self, own: &str, left: &str) -> Result<(), ScriptError> {
        let commands = [script::split(own)?, script::split(left)?].concat();
        self.script = commands.into_iter().map(String::from).collect();
        Ok(())
    }

    /// The commands that wait and then what was typed, as the text that crosses a jump.
    ///
    /// # Errors
    /// Why these can't go along.
    pub fn script(&self, typed: &[Typed]) -> Result<String, String> {
        let commands = self.script.iter().map(String::as_str);
        let typed = (!typed.is_empty()).then(|| format!("{TYPED}'{}'", typed::encode(typed)));
        script::join(commands.chain(typed.as_deref())).map_err(|e| {
            let what = if typed.is_some() { " and what was typed meanwhile" } else { "" };
            format!("{e}; the commands that wait{what} can't go along")
        })
    }

    /// Takes apart what the last kernel's [`Self::script`] made: the commands, and what was typed.
    pub fn typed_in(script: &str) -> (&str, Vec<Typed>) {
        let found = script.strip_suffix('\'').and_then(|rest| rest.rsplit_once('\''));
        let found = found.and_then(|(before, text)| {
            let commands = before.strip_suffix(TYPED)?;
            let alone = commands.is_empty() || commands.ends_with("; ");
            Some((commands, typed::decode(text)?)).filter(|_| alone)
        });
        found.unwrap_or((script, Vec::new()))
    }

    /// The next jump is number `count.done` of a series. Unless that jump is the last one, `rest`
    /// becomes the first command that waits: the next kernel goes on with the series by itself.
    pub fn enter_cycle(&mut self, count: CycleCount, rest: String) {
        if count.done < count.asked {
            self.script.push_front(rest);
        }
        self.cycle = count;
    }

    /// Takes [`Self::enter_cycle`] back: the jump was refused.
    pub fn leave_cycle(&mut self) {
        let count = mem::take(&mut self.cycle);
        if count.done < count.asked {
            self.script.pop_front();
        }
    }

    /// Where in a series of kexecs the next jump is.
    pub fn cycle(&self) -> CycleCount {
        self.cycle
    }

    /// Switches the stress on or off; nothing happens if the state is the one asked for. Boot CPU.
    ///
    /// # Errors
    /// A cluster that does not answer: the stress stays off. What was lost: the stress is off.
    pub fn set_stress(&mut self, site: Site, on: bool) -> Result<(), String> {
        match (on, self.stress.take()) {
            (true, None) => self.stress = Some(Stress::on(site)?),
            (false, Some(stress)) => {
                let (tally, result) = stress.off();
                self.past.sent += tally.sent;
                self.past.handled += tally.handled;
                result?;
            }
            (_, stress) => self.stress = stress,
        }
        Ok(())
    }

    /// Reports and takes over what the last kernel's stress has done, and switches the stress on
    /// again if the last kernel left the stress on. Boot CPU.
    pub(super) fn go_on_with_stress(&mut self, out: &mut Reporter, site: Site, count: StressCount) {
        self.past = count;
        out.interrupts(site.hotplug.generation(), &count);
        if let Err(why) = self.set_stress(site, count.on) {
            out.error("stress", &why);
        }
    }

    /// What the stress has done so far, in all kernels.
    pub fn stress_count(&self) -> StressCount {
        let now = self.stress.as_ref().map(Stress::tally).unwrap_or_default();
        let StressCount { sent, handled, .. } = self.past;
        let on = self.stress.is_some();
        StressCount { on, sent: sent + now.sent, handled: handled + now.handled }
    }

    /// What the stress that is on has done, for people; `None` if the stress is off.
    pub fn stress_now(&self) -> Option<String> {
        self.stress.as_ref().map(Stress::describe)
    }

    /// The stress sends no interrupts any more that only a leaving CPU can take
    /// ([`Stress::rest_lines`]). Boot CPU.
    pub fn rest_stress_lines(&self) {
        self.stress.iter().for_each(Stress::rest_lines);
    }

    /// The stress sends nothing any more; returns what was sent and not handled, for people
    /// ([`Stress::drain`]). Boot CPU.
    pub fn drain_stress(&self) -> Vec<String> {
        self.stress.as_ref().map(Stress::drain).unwrap_or_default()
    }

    /// The stress goes on after [`Self::rest_stress_lines`] or [`Self::drain_stress`].
    pub fn resume_stress(&self) {
        self.stress.iter().for_each(Stress::resume);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::config::{MAX_SCRIPT, MAX_TYPED};

    fn waiting(script: &str) -> Session {
        let mut session = Session::default();
        session.wait_with(script, "").unwrap();
        session
    }

    #[test]
    fn commands_wait_in_order_and_cross_a_jump() {
        let mut session = waiting("cpus; kexec load 'a;b' ;; reset");
        assert_eq!(session.script(&[]).unwrap(), "cpus; kexec load 'a;b'; reset");
        assert_eq!(session.next_command().unwrap(), "cpus");
        assert_eq!(session.script(&[]).unwrap(), "kexec load 'a;b'; reset");
        assert_eq!((session.drop_commands(), session.drop_commands()), (2, 0));
        assert_eq!(session.next_command(), None);
        assert_eq!(session.script(&[]).unwrap(), "");
    }

    #[test]
    fn what_is_no_script_changes_nothing_and_what_can_not_cross_is_named() {
        let mut session = waiting("cpus");
        assert!(session.wait_with("mem 'x", "").is_err() && session.wait_with("", "x\0").is_err());
        assert_eq!(session.script(&[]).unwrap(), "cpus");
        let count = CycleCount { done: 1, asked: 2 };
        session.enter_cycle(count, "two; commands".into());
        let why = session.script(&[]).unwrap_err();
        assert!(why.ends_with("; the commands that wait can't go along"), "{why}");
    }

    #[test]
    fn what_was_typed_goes_along_behind_the_commands() {
        let typed: Vec<Typed> = b"mem\rset 'x".iter().copied().map(Typed::Byte).collect();
        let script = waiting("cpus; kexec load 'a;b'").script(&typed).unwrap();
        assert_eq!(script, "cpus; kexec load 'a;b'; typed 'mem^Mset ^x27x'");
        assert_eq!(Session::typed_in(&script), ("cpus; kexec load 'a;b'; ", typed.clone()));
        let script = Session::default().script(&typed).unwrap();
        assert_eq!(Session::typed_in(&script), ("", typed));
        for script in ["", "cpus; kexec load 'a;b'", "say typed 'a'", "typed 'a^'"] {
            assert_eq!(Session::typed_in(script), (script, Vec::new()));
        }
    }

    #[test]
    fn what_waits_at_most_goes_along() {
        // Commands of 15 letters, as many as can wait.
        let text = b"set loglevel 5\r".iter().cycle().take(MAX_TYPED);
        let typed: Vec<Typed> = text.copied().map(Typed::Byte).collect();
        let session = waiting("cycle --done 12 --asked 100 --teardown parallel; poweroff");
        let script = session.script(&typed).unwrap();
        assert_eq!(Session::typed_in(&script).1, typed);
        let too_much = [Typed::Byte(0); MAX_TYPED];
        let why = session.script(&too_much).unwrap_err();
        assert!(why.contains("what was typed meanwhile can't go along"), "{why}");
    }

    #[test]
    fn own_commands_come_before_what_is_left() {
        let mut session = Session::default();
        let longest = "x".repeat(MAX_SCRIPT);
        session.wait_with(&longest, "cpus; mem").unwrap();
        assert_eq!(session.next_command(), Some(longest));
        assert_eq!(session.script(&[]).unwrap(), "cpus; mem");
    }

    #[test]
    fn a_series_goes_on_first_and_a_refused_jump_leaves_no_trace() {
        let mut session = waiting("poweroff");
        let count = CycleCount { done: 1, asked: 3 };
        session.enter_cycle(count, "cycle --done 1 --asked 3".into());
        assert_eq!(session.cycle(), count);
        assert_eq!(session.script(&[]).unwrap(), "cycle --done 1 --asked 3; poweroff");
        session.leave_cycle();
        assert_eq!(session.cycle(), CycleCount::default());
        assert_eq!(session.script(&[]).unwrap(), "poweroff");
    }

    #[test]
    fn the_last_jump_of_a_series_leaves_no_command() {
        let mut session = waiting("poweroff");
        session.enter_cycle(CycleCount { done: 3, asked: 3 }, "cycle".into());
        assert_eq!(session.script(&[]).unwrap(), "poweroff");
        session.leave_cycle();
        assert_eq!(session.script(&[]).unwrap(), "poweroff");
    }

    #[test]
    fn without_stress_nothing_is_sent() {
        let session = Session::default();
        assert_eq!(session.stress_count(), StressCount::default());
        assert_eq!((session.stress_now(), session.drain_stress()), (None, Vec::new()));
    }
}
