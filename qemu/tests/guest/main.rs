//! Boots the real image under QEMU and holds it to what it promises, one machine per test.
//!
//! `BATON_IMAGE` names the image; without it, it is `target/baton.Image`. Every name starts with
//! `real-guest::`, so that tests without QEMU can be run alone. Two machines run at a time unless
//! `--test-threads` says otherwise.
//!
//! `BATON_ACCEL=kvm` boots every machine as a guest of KVM, one at a time, and adds the families that
//! take long there; what can't be run so is listed in [`under_kvm`] and at the end of the run.

mod access;
mod boot;
mod busy;
mod check;
mod clean;
mod clusters;
mod console;
mod cycles;
mod devices;
mod errors;
mod faults;
mod gdb;
mod handover;
mod hotplug;
mod icount;
mod images;
mod initrd;
mod kexec;
mod kvm;
mod kvm_all;
mod large;
mod linux;
mod next_tree;
mod options;
mod power_cut;
mod quarantine;
mod quiesce;
mod results;
mod setup;
mod signature;
mod steps;
mod torture;
mod trees;
mod typed;
mod uefi;
mod under_kvm;
mod verify;
mod vm;
mod warm;

use libtest_mimic::Arguments;

fn main() {
    let mut arguments = Arguments::from_args();
    let machines = if under_kvm::asked() { 1 } else { 2 };
    arguments.test_threads = arguments.test_threads.or(Some(machines));
    let families = [
        boot::tests(),
        options::tests(),
        initrd::tests(),
        hotplug::tests(),
        steps::tests(),
        handover::tests(),
        quarantine::tests(),
        kexec::tests(),
        images::tests(),
        signature::tests(),
        verify::tests(),
        linux::tests(),
        uefi::tests(),
        busy::tests(),
        power_cut::tests(),
        cycles::tests(),
        icount::tests(),
        devices::tests(),
        quiesce::tests(),
        clean::tests(),
        access::tests(),
        errors::tests(),
        faults::tests(),
        trees::tests(),
        next_tree::tests(),
        large::tests(),
        clusters::tests(),
        console::tests(),
        typed::tests(),
        warm::tests(),
        results::tests(),
        torture::tests(),
        kvm::tests(),
        kvm_all::tests(),
    ];
    let (trials, left_out) = under_kvm::sorted(families.into_iter().flatten().collect());
    let conclusion = libtest_mimic::run(&arguments, trials);
    under_kvm::tell(&left_out);
    conclusion.exit();
}
