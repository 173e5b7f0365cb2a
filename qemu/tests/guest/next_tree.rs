//! Trees for the next baton with which it could not come up: `kexec load` refuses each with the
//! reason, and what was loaded before stays.

use anyhow::{Result, ensure};
use libtest_mimic::Trial;

use crate::check::{has, same};
use crate::clean::probe;
use crate::trees::{dumped, tool};
use crate::vm::{Setup, cpus, test};

const MEMORY: &str = "/memory@40000000";

/// What is changed in QEMU's own tree, by `fdtput`, and what the refusal says.
const REFUSED: [(&str, &[&str], &str); 14] = [
    ("no-memory", &["-tx", MEMORY, "reg", "0", "40000000", "0", "0"], "no memory node"),
    ("tiny", &["-tx", MEMORY, "reg", "0", "40000000", "0", "400000"], "none are left for a heap"),
    ("over-devices", &["-tx", MEMORY, "reg", "0", "8000000", "0", "58000000"], "lie in RAM"),
    ("phantom", &["-tx", MEMORY, "reg", "0", "40000000", "1", "0"], "is not there"),
    (
        "phantom-bank",
        &["-tx", MEMORY, "reg", "0", "40000000", "0", "40000000", "1", "0", "0", "40000000"],
        "is not there",
    ),
    ("wrap", &["-tx", MEMORY, "reg", "0", "40000000", "ffffffff", "ffffffff"], "no memory node"),
    ("cells", &["-tx", "/", "#size-cells", "5"], ""),
    ("no-cells", &["-tx", "/", "#address-cells", "0"], ""),
    ("psci-method", &["-ts", "/psci", "method", "svc"], "neither hvc nor smc"),
    ("psci-other", &["-ts", "/psci", "method", "smc"], "PSCI is said to be called by smc"),
    ("no-boot-cpu", &["-ts", "/cpus/cpu@0", "status", "disabled"], "the CPU that runs"),
    ("no-gic", &["-ts", "/intc@8000000", "status", "disabled"], "no interrupt controller"),
    (
        "gic-elsewhere",
        &[
            "-tx",
            "/intc@8000000",
            "reg",
            "0",
            "10000000",
            "0",
            "10000",
            "0",
            "100a0000",
            "0",
            "f60000",
        ],
        "the GIC is said to be a GICv3 at 0x10000000",
    ),
    (
        "gic-in-ram",
        &[
            "-tx",
            "/intc@8000000",
            "reg",
            "0",
            "8000000",
            "0",
            "10000",
            "0",
            "50000000",
            "0",
            "f60000",
        ],
        "lie in RAM",
    ),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("next_tree", "refused_with_the_reason", refused),
        test("next_tree", "another_kernel_gets_any_tree", any_for_others),
        test("next_tree", "a_mute_next_kernel_is_warned_of", mute),
    ]
}

/// QEMU's tree with one change, as a file of the initrd.
fn with_tree(setup: Setup, name: &str, change: &[&str]) -> Result<Setup> {
    let path = dumped(&setup)?;
    let (option, rest) = change.split_at(1);
    tool("fdtput", &[option, &[path.as_str()], rest].concat())?;
    let tree = std::fs::read(&path)?;
    setup.file(&format!("{name}.dtb"), &tree)
}

fn with_all(mut setup: Setup) -> Result<Setup> {
    for (name, change, _) in REFUSED {
        setup = with_tree(setup, name, change)?;
    }
    Ok(setup)
}

fn refused() -> Result<()> {
    let mut vm = with_all(cpus(2)?)?.boot()?;
    vm.run("kexec load baton.Image --append maxcpus=1")?;
    let before = vm.run("kexec status")?;
    for (name, _, says) in REFUSED {
        let why = vm.refused(&format!("kexec load baton.Image --dtb {name}.dtb"))?;
        has(&why, &["this kernel could not come up with its tree: ", says, "leave --dtb out"])
            .map_err(|why| why.context(name))?;
        same("loaded", vm.run("kexec status")?, &before[..])?;
    }
    let (_, hello) = vm.jump("kexec exec", 1)?;
    same("CPUs online", hello.online, 1)?;
    vm.power_off()
}

/// What another kernel makes of its tree is not known here.
fn any_for_others() -> Result<()> {
    let setup = with_all(cpus(2)?)?.file("other.Image", &std::fs::read(probe()?)?)?;
    let mut vm = setup.boot()?;
    for name in ["phantom", "psci-other", "gic-elsewhere"] {
        vm.run(&format!("kexec load other.Image --dtb {name}.dtb"))?;
    }
    vm.power_off()
}

fn mute() -> Result<()> {
    let change = ["-ts", "/pl011@9000000", "status", "disabled"];
    let mut vm = with_tree(cpus(2)?, "mute", &change)?.boot()?;
    let said = vm.run("kexec load baton.Image --dtb mute.dtb")?.join("\n");
    has(&said, &["warning: the tree has no console that the next kernel can drive"])?;
    let said = vm.run("kexec load baton.Image")?.join("\n");
    ensure!(!said.contains("no console"), "{said}");
    vm.power_off()
}
