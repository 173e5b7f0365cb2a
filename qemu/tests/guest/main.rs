//! Boots the real image under QEMU and holds it to what it promises, one machine per test.
//!
//! `BATON_IMAGE` names the image; without it, it is `target/baton.Image`. Every name starts with
//! `real-guest::`, so that tests without QEMU can be run alone. Two machines run at a time unless
//! `--test-threads` says otherwise.

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
mod hotplug;
mod images;
mod initrd;
mod kexec;
mod linux;
mod options;
mod power_cut;
mod quarantine;
mod quiesce;
mod signature;
mod steps;
mod torture;
mod trees;
mod verify;
mod vm;

use libtest_mimic::Arguments;

fn main() {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let families = [
        boot::tests(),
        options::tests(),
        initrd::tests(),
        hotplug::tests(),
        steps::tests(),
        quarantine::tests(),
        kexec::tests(),
        images::tests(),
        signature::tests(),
        verify::tests(),
        linux::tests(),
        busy::tests(),
        power_cut::tests(),
        cycles::tests(),
        devices::tests(),
        quiesce::tests(),
        clean::tests(),
        access::tests(),
        errors::tests(),
        faults::tests(),
        trees::tests(),
        clusters::tests(),
        console::tests(),
        torture::tests(),
    ];
    libtest_mimic::run(&arguments, families.into_iter().flatten().collect()).exit();
}
