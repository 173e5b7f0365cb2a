//! For tests: a program that stands in for QEMU, and the transcript of a guest that never ran.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use baton::report::{
    self, Bringup, BringupAt, BringupPolicy, Cycle, Floor, FloorMode, Hello, Kexec, MarkAt, Name,
    PhaseSpan, Phases, Psci, PsciMode, PsciScope, Quantiles, Record, Step, Teardown, TeardownAt,
    TeardownMode,
};
use baton::trace::{Dir, Mark, Phase};
use tempfile::TempDir;

use crate::Options;
use crate::report::{Report, Run, Trace};

/// Steps of the synthetic guest with their share of a CPU's time. The last is none of this version's.
const STEPS: &[(&str, u64)] = &[
    ("percpu:prepare", 3),
    ("cpu:check", 2),
    ("gic:starting", 12),
    ("timer:starting", 7),
    ("ipi:starting", 4),
    ("work:online", 9),
    ("console:online", 3),
];
/// Where the synthetic counter starts, ns.
const START: u64 = 7_000_000_000;

/// A guest with made-up times.
pub struct Script {
    /// CPUs, the boot CPU included.
    pub cpus: u32,
    /// Time of one CPU's steps, ns.
    pub cpu_ns: u64,
}

impl Script {
    /// A guest of some CPUs.
    pub fn new(cpus: u32) -> Self {
        Self { cpus, cpu_ns: 40_000 }
    }

    fn total(&self, mode: TeardownMode) -> u64 {
        let leaving = u64::from(self.cpus - 1);
        if mode == TeardownMode::Serial {
            leaving * self.cpu_ns * 3
        } else {
            self.cpu_ns * 2 + leaving * 900
        }
    }

    /// Hello of a generation.
    pub fn hello(&self, generation: u32) -> Record {
        let (cpus, online) = (self.cpus, self.cpus);
        let version = "0.1.0".to_string();
        let (el, gic, base) = (1, 3, 0x4020_0000);
        let (free_bytes, counter_hz) = (900 << 20, 62_500_000);
        Record::Hello(Hello {
            version,
            generation,
            cpus,
            online,
            el,
            gic,
            base,
            free_bytes,
            counter_hz,
        })
    }

    /// Bring-up of a generation.
    pub fn bringup(&self, generation: u32, at: BringupAt) -> Record {
        let cpus = self.cpus - 1;
        Record::Bringup(Bringup {
            generation,
            at: at.into(),
            cpus,
            online: cpus,
            failed: vec![],
            policy: BringupPolicy::Parallel.into(),
            kick_ns: 100_000,
            alive_ns: 150_000,
            online_ns: self.up_ns(),
        })
    }

    fn up_ns(&self) -> u64 {
        100_000 + self.cpu_ns * 2
    }

    /// Teardown by the kernel of a generation.
    pub fn teardown(&self, generation: u32, at: TeardownAt, mode: TeardownMode) -> Record {
        let total_ns = self.total(mode);
        let part = total_ns / 10;
        let phases = Phases {
            migrate_ns: part,
            online_down_ns: part * 3,
            grace_ns: part,
            stop_ns: part * 2,
            off_ns: part,
            dead_ns: part,
        };
        let (at, mode, cpus) = (at.into(), mode.into(), self.cpus - 1);
        let (stuck, noted, exclusive) = (vec![], vec![], vec![]);
        Record::Teardown(Teardown {
            generation,
            at,
            cpus,
            mode,
            grace: None,
            modelled_tick_hz: None,
            stuck,
            noted,
            exclusive,
            phases,
            total_ns,
        })
    }

    /// The jump into a generation.
    pub fn kexec(&self, generation: u32, mode: TeardownMode) -> Kexec {
        let exec_to_jump_ns = self.total(mode) + 20_000;
        let (jump_to_entry_ns, entry_to_online_ns) = (30_000, self.up_ns() + 200_000);
        Kexec {
            generation,
            from: "baton 0.1.0".into(),
            to: "baton 0.1.0".into(),
            teardown: mode.into(),
            bytes_copied: 0,
            copy_ns: 0,
            exec_to_jump_ns,
            verify_ns: None,
            jump_to_entry_ns,
            entry_to_online_ns,
            blackout_ns: exec_to_jump_ns + jump_to_entry_ns + entry_to_online_ns,
            exec_at_ns: START + u64::from(generation) * 1_000_000_000_000,
        }
    }

    /// What one jump prints.
    pub fn jump(&self, generation: u32, mode: TeardownMode, done: u32, asked: u32) -> Vec<Record> {
        vec![
            self.hello(generation),
            self.bringup(generation, BringupAt::Boot),
            self.teardown(generation - 1, TeardownAt::Kexec, mode),
            Record::Kexec(self.kexec(generation, mode)),
            Record::Cycle(Cycle { done, asked, teardown: mode.into() }),
        ]
    }

    /// What `timeline --json` prints after a jump.
    pub fn timeline(&self, generation: u32, mode: TeardownMode) -> Vec<Record> {
        let kexec = self.kexec(generation, mode);
        let mut out = Vec::new();
        for cpu in 1..self.cpus {
            self.down(&mut out, &kexec, cpu, mode);
            self.up(&mut out, &kexec, cpu);
        }
        self.phases(&mut out, &kexec, mode);
        out
    }

    /// The trace of a jump.
    pub fn trace(&self, generation: u32, mode: TeardownMode) -> Trace {
        let (kexec, records) = (self.kexec(generation, mode), self.timeline(generation, mode));
        Trace { kexec, cpus: self.cpus, warm: true, records }
    }

    fn down(&self, out: &mut Vec<Record>, kexec: &Kexec, cpu: u32, mode: TeardownMode) {
        let mut at = kexec.exec_at_ns + 10_000;
        let slot = if mode == TeardownMode::Serial { self.cpu_ns * 3 } else { 700 };
        at += slot * u64::from(cpu - 1);
        let generation = kexec.generation - 1;
        for (name, share) in STEPS.iter().rev() {
            at = step(out, cpu, name, Dir::Down, at, self.cpu_ns * share / 40, generation);
        }
        mark(out, cpu, Mark::ApIdleDead, Dir::Down, at, generation);
        mark(out, cpu, Mark::Dead, Dir::Down, at + self.cpu_ns / 2, generation);
    }

    fn up(&self, out: &mut Vec<Record>, kexec: &Kexec, cpu: u32) {
        let generation = kexec.generation;
        let entry = kexec.exec_at_ns + kexec.exec_to_jump_ns + kexec.jump_to_entry_ns;
        let mut at = entry + 180_000 + u64::from(cpu) * 100_000 / u64::from(self.cpus);
        mark(out, cpu, Mark::Kicked, Dir::Up, at, generation);
        at += 20_000;
        mark(out, cpu, Mark::Alive, Dir::Up, at, generation);
        for (name, share) in STEPS {
            at = step(out, cpu, name, Dir::Up, at, self.cpu_ns * share / 40, generation);
        }
        mark(out, cpu, Mark::Online, Dir::Up, at, generation);
    }

    fn phases(&self, out: &mut Vec<Record>, kexec: &Kexec, mode: TeardownMode) {
        let mut at = kexec.exec_at_ns;
        let total = self.total(mode);
        let old = kexec.generation - 1;
        at = phase(out, Phase::Preflight, Dir::Down, at, 10_000, old);
        let rounds = if mode == TeardownMode::Serial { u64::from(self.cpus - 1) } else { 1 };
        for _ in 0..rounds {
            for (name, share) in [
                (Phase::Migrate, 1),
                (Phase::OnlineDown, 3),
                (Phase::Grace, 1),
                (Phase::Stop, 2),
                (Phase::Off, 1),
                (Phase::DeadWork, 2),
            ] {
                at = phase(out, name, Dir::Down, at, total / rounds * share / 10, old);
            }
        }
        at = phase(out, Phase::Quiesce, Dir::Down, at, 8_000, old);
        at = phase(
            out,
            "jump",
            Dir::Up,
            at.max(kexec.exec_at_ns + kexec.exec_to_jump_ns),
            30_000,
            kexec.generation,
        );
        at = phase(out, "boot", Dir::Up, at, 160_000, kexec.generation);
        at = phase(out, Phase::Prepare, Dir::Up, at, 20_000, kexec.generation);
        at = phase(out, Phase::Kick, Dir::Up, at, 100_000, kexec.generation);
        phase(out, Phase::Sync, Dir::Up, at, self.cpu_ns * 2, kexec.generation);
    }
}

fn step(
    out: &mut Vec<Record>,
    cpu: u32,
    name: &str,
    dir: Dir,
    begin_ns: u64,
    length: u64,
    generation: u32,
) -> u64 {
    let (step, dir, end_ns) = (name.into(), dir.into(), begin_ns + length);
    out.push(Record::Step(Step { cpu, step, dir, begin_ns, end_ns, generation }));
    end_ns
}

fn mark(out: &mut Vec<Record>, cpu: u32, mark: Mark, dir: Dir, at_ns: u64, generation: u32) {
    let (mark, dir) = (mark.into(), dir.into());
    out.push(Record::Mark(MarkAt { cpu, mark, dir, at_ns, generation }));
}

fn phase(
    out: &mut Vec<Record>,
    name: impl Into<Name<Phase>>,
    dir: Dir,
    begin_ns: u64,
    length: u64,
    generation: u32,
) -> u64 {
    let (phase, dir, end_ns) = (name.into(), dir.into(), begin_ns + length);
    out.push(Record::Phase(PhaseSpan { cpu: 0, phase, dir, begin_ns, end_ns, generation }));
    end_ns
}

/// The report of a run that never was. With warm off everything takes twice as long.
pub fn report(cpus: u32) -> Report {
    let (script, slow) = (Script::new(cpus), Script { cpus, cpu_ns: 80_000 });
    let [serial, parallel] = [TeardownMode::Serial, TeardownMode::Parallel];
    let kinds = [(&script, serial), (&script, parallel), (&slow, serial), (&slow, parallel)];
    let mut run = Run {
        records: Vec::new(),
        traces: Vec::new(),
        command: vec!["qemu-system-aarch64".into(), "-append".into(), "a b".into()],
        seconds: 12,
    };
    for (generation, (script, mode)) in (1..).zip(kinds) {
        run.records.extend(script.jump(generation, mode, 1, 1));
        let trace = script.trace(generation, mode);
        run.traces.push(Trace { warm: generation <= 2, ..trace });
    }
    let options = Options { cpus, ..Options::new("/dev/null") };
    Report::new(&options, "QEMU emulator version 7.2.22", 1, run).expect("complete records")
}

/// Records as the console prints them.
pub fn print(records: &[Record]) -> String {
    let mut text = String::new();
    for record in records {
        let _ = write!(text, "{}\r\n", report::to_line(record));
    }
    text
}

/// The floor's records: each mode cold once and warm twice.
pub fn floors(cpus: u32) -> Vec<Record> {
    let mut records = Vec::new();
    for mode in [FloorMode::Parallel, FloorMode::Quiet, FloorMode::Serial] {
        for (warm, up_ns) in [(false, 900_000), (true, 40_000), (true, 60_000)] {
            let (cpus, mode) = (cpus - 1, mode.into());
            records.push(Record::Floor(Floor { cpus, mode, warm, up_ns, off_ns: 20_000 }));
        }
    }
    records
}

/// The script of a stand-in that prints its `boot` and ends.
pub fn only_print(directory: &TempDir) -> String {
    format!("#!/bin/sh\ncat {}\n", directory.path().join("boot").display())
}

/// A program that prints `boot`, then for each command its answer and the prompt. An answer that
/// ends with `EXIT` ends the program, one that ends with `HANG` never comes back.
pub fn qemu(boot: &str, answers: &[(&str, String)]) -> (TempDir, Options) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| directory.path().join(name);
    write(&at("boot"), boot);
    let mut cases = String::new();
    for (i, (command, answer)) in answers.iter().enumerate() {
        let then = if answer.ends_with("EXIT") { "exit 0" } else { "" };
        let then = if answer.ends_with("HANG") { "sleep 1000" } else { then };
        write(&at(&i.to_string()), answer.trim_end_matches("EXIT").trim_end_matches("HANG"));
        let _ = writeln!(cases, "'{command}') cat {}; {then};;", at(&i.to_string()).display());
    }
    let script = format!(
        "#!/bin/bash\ncat {}\nprintf 'baton> '\nwhile IFS= read -r -d $'\\r' line; do\n\
         printf '%s\\r\\n' \"$line\"\ncase \"$line\" in\n{cases}esac\nprintf 'baton> '\ndone\n",
        at("boot").display()
    );
    write(&at("qemu"), &script);
    fs::set_permissions(at("qemu"), fs::Permissions::from_mode(0o755)).expect("chmod");
    write(&at("k.Image"), "an image that is not looked at");
    let mut options = Options::new(at("k.Image"));
    options.qemu = at("qemu").display().to_string();
    (directory, options)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("a file in the temporary directory");
}

/// What `psci bench` says of some CPUs and of one of their clusters.
pub fn psci(cpus: u32) -> Vec<Record> {
    let around = |p50| Quantiles { min: p50 / 2, p50, p90: p50 * 2, p99: p50 * 3, max: p50 * 4 };
    let mode = |times: u64| PsciMode {
        call_ns: around(10_000 * times),
        first_ns: around(100_000 * times),
        off_ns: around(50_000 * times),
    };
    let of = |scope: PsciScope, number, cpus, whole: bool| {
        Record::Psci(Psci {
            generation: 0,
            scope: scope.into(),
            number,
            cpus,
            rounds: 5,
            version_ns: whole.then(|| around(200)),
            up_ns: whole.then_some([900_000, 400_000]),
            down_ns: whole.then_some([500_000, 90_000]),
            serial: mode(2),
            parallel: mode(5),
        })
    };
    vec![of(PsciScope::All, 0, cpus, true), of(PsciScope::Cluster, 1, cpus / 2, false)]
}
