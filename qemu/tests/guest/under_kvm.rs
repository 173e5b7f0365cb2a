//! Which tests make no sense for a guest of KVM, and why. None is dropped without a word: it is
//! ignored, and the run ends with the list.

use libtest_mimic::Trial;

const EL2: &str = "a guest of KVM enters at EL1";
const MANY: &str = "more CPUs than a KVM under translation serves before the deadlines";
const WATCH: &str = "the plugin sees the accesses of a translated guest alone";
const TOOL: &str = "about host processes, not about the guest";
const MODEL: &str = "a CPU model or a device option that KVM refuses";
const GDB: &str =
    "changes memory by the gdbstub of the QEMU that has the guest, out of reach in its Linux";
const FILE: &str = "reads the guest's memory in a file of this host";
const LOG: &str = "counts PSCI calls in the log of a translator";
const REAL_TIME: &str = "holds times of the guest against the host's clock";
const COUNTED: &str = "counts instructions of a translated guest";
const LARGE: &str = "a tree of 20,000 nodes takes minutes where the translator is translated too";
const FIRMWARE: &str = "firmware for QEMU on this host, which starts the image as on a board";
const OWN: &str = "in kvm_all, with a machine of its own";

/// Families, and tests or what the names of some begin with.
const NOT_RUN: [(&str, &str); 41] = [
    ("access::", WATCH),
    ("boot::el2", EL2),
    ("boot::80_cpus_on_one_thread", MANY),
    ("boot::512_cpus", MANY),
    ("boot::serial_80_cpus", MANY),
    ("boot::parallel_80_cpus", MANY),
    ("boot::fanout_80_cpus", MANY),
    ("busy::", OWN),
    ("clean::", OWN),
    ("clusters::of_four_at_el2", EL2),
    ("clusters::uneven_with_gicv2_at_el2", EL2),
    ("clusters::forty_of_two", MANY),
    ("clusters::sixty_four_of_eight", MANY),
    ("console::pmu_open_read_close_on_gicv2_at_el2", EL2),
    ("console::serial_timeline_of_80_cpus", MANY),
    ("console::parallel_timeline_of_80_cpus", MANY),
    ("cycles::80_cpus", MANY),
    ("cycles::el2", EL2),
    ("cycles::512_cpus", MANY),
    ("devices::el2", EL2),
    ("faults::el2", EL2),
    ("icount::", COUNTED),
    ("images::copied_over_what_runs_at_el2", EL2),
    ("images::page_sizes_that_the_cpu_lacks_are_refused", MODEL),
    ("images::no_seed_of_this_kernel_is_left_in_memory", FILE),
    ("kexec::bases_at_el2", EL2),
    ("large::a_tree_of_many_nodes", LARGE),
    ("large::the_largest_tree", LARGE),
    ("large::an_image_of_another_span_at_el2", EL2),
    ("linux::", OWN),
    ("power_cut::", TOOL),
    ("quarantine::el2", EL2),
    ("quiesce::refusal_modern_el2", EL2),
    ("quiesce::an_alarm_that_was_due_meanwhile_rings", REAL_TIME),
    ("torture::all_gicv2_at_el2", EL2),
    ("trees::no_console", LOG),
    ("uefi::", FIRMWARE),
    ("verify::a_changed_kernel_is_refused", GDB),
    ("verify::a_changed_tree_is_refused", EL2),
    ("verify::a_changed_kept_initrd_is_refused", GDB),
    ("verify::a_cpu_that_stays_parked_is_in_nobodys_way", GDB),
];
/// The family that only a run under KVM has.
const ONLY_THERE: &str = "kvm_all::";

/// True if the whole run is to be under KVM.
pub fn asked() -> bool {
    std::env::var("BATON_ACCEL").is_ok_and(|accel| accel == "kvm")
}

fn bare(trial: &Trial) -> &str {
    trial.name().strip_prefix("real-guest::").unwrap_or_else(|| trial.name())
}

/// The tests of this run, with those ignored that can't be run in it, and a line for each of these.
///
/// # Panics
/// If a line of the table fits no test.
pub fn sorted(trials: Vec<Trial>) -> (Vec<Trial>, Vec<String>) {
    for (begin, _) in NOT_RUN {
        let fits = trials.iter().any(|trial| bare(trial).starts_with(begin));
        assert!(fits, "{begin} is listed as not run under KVM, and there is no such test");
    }
    if !asked() {
        let here = |trial: &Trial| !bare(trial).starts_with(ONLY_THERE);
        return (trials.into_iter().filter(here).collect(), Vec::new());
    }
    let mut left_out = Vec::new();
    let mark = |trial: Trial| {
        let reason = NOT_RUN.iter().find(|(begin, _)| bare(&trial).starts_with(begin));
        if let Some((_, why)) = reason {
            left_out.push(format!("{}: {why}", bare(&trial)));
        }
        trial.with_ignored_flag(reason.is_some())
    };
    let trials = trials.into_iter().map(mark).collect();
    (trials, left_out)
}

/// Prints what was not run, and why.
pub fn tell(left_out: &[String]) {
    if !left_out.is_empty() {
        println!("not run under KVM, {} tests:\n  {}", left_out.len(), left_out.join("\n  "));
    }
}
