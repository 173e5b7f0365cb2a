use baton::cpu::Mpidr;
use baton::platform::{Cluster, describe};
use tempfile::TempDir;

use super::*;

/// A tree as QEMU makes it, as far as CPUs are concerned.
fn machine(cpus: u32, directory: &TempDir) -> PathBuf {
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../dts/fixtures/base.dtsi");
    let mut text = format!("/dts-v1/;\n/include/ {fixture:?}\n&cpus {{\n");
    for cpu in 2..cpus {
        let own = format!("device_type = \"cpu\"; enable-method = \"psci\"; reg = <{cpu}>;");
        text.push_str(&format!("cpu@{cpu} {{ {own} }};\n"));
    }
    let (source, blob) = (directory.path().join("dump.dts"), directory.path().join("dump.dtb"));
    fs::write(&source, text + "};\n").unwrap();
    dtc(&source, &blob, directory.path()).unwrap();
    blob
}

fn merge(cpus: u32, source: &Path) -> Result<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let dump = machine(cpus, &directory);
    Ok(fs::read(merged(&dump, source, directory.path())?).unwrap())
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dts").join(format!("{name}.dts"))
}

fn clusters(cpus: u32, source: &Path) -> Vec<Cluster> {
    let blob = merge(cpus, source).unwrap();
    let description = describe(&blob, Mpidr::from_register(0)).unwrap();
    assert_eq!(description.warnings, [] as [&str; 0], "{cpus} CPUs, {}", source.display());
    assert_eq!(description.machine.topology.len(), cpus as usize);
    description.machine.clusters
}

fn written(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.dts");
    fs::write(&path, text).unwrap();
    (directory, path)
}

#[test]
fn each_source_fits_machines_of_any_size() {
    for (name, at_8, at_80, at_200) in
        [("dsu-2", 4, 40, 40), ("dsu-4", 2, 20, 20), ("dsu-8", 1, 10, 25), ("dsu-uneven", 4, 7, 7)]
    {
        let counts = [2, 8, 80, 200].map(|cpus| clusters(cpus, &shipped(name)).len());
        let at_2 = if name == "dsu-uneven" { 2 } else { 1 };
        assert_eq!(counts, [at_2, at_8, at_80, at_200], "{name}");
    }
}

#[test]
fn a_cluster_that_is_partly_there_keeps_those_cpus() {
    let found = clusters(11, &shipped("dsu-4"));
    let cpus: Vec<_> = found.iter().map(|c| c.cpus.ranges().to_string()).collect();
    assert_eq!(cpus, ["0-3", "4-7", "8-10"]);
    assert_eq!(found.iter().map(|c| c.interrupt.intid).collect::<Vec<_>>(), [208, 209, 210]);
}

#[test]
fn what_dtc_refuses_is_said_with_file_and_line() {
    let (_keep, path) = written("/ {\n\tbroken = <1\n};\n");
    let error = format!("{:#}", merge(4, &path).unwrap_err());
    assert!(error.contains("own.dts; correct it"), "{error}");
    assert!(error.contains(&format!("{}:3.", path.display())), "{error}");
}

#[test]
fn references_that_are_wrong_are_left_for_dtc_to_name() {
    for reference in ["&{/cpus/cpu@x}", "&{/cpu/cpu@1}", "&{/cpus/cpu@}"] {
        let (_keep, path) = written(&format!("/ {{ n {{ cpus = <{reference}>; }}; }};"));
        let error = format!("{:#}", merge(4, &path).unwrap_err());
        assert!(error.contains(&reference[2..reference.len() - 1]), "{error}");
    }
    let (_keep, path) = written("&{/cpus/cpu@7} { status = \"disabled\"; };");
    assert!(merge(8, &path).is_ok());
    assert!(format!("{:#}", merge(4, &path).unwrap_err()).contains("/cpus/cpu@7"));
}

#[test]
fn a_source_that_is_not_there_and_a_qemu_that_dumps_nothing_are_named() {
    let error = merge(4, Path::new("/nowhere/x.dts")).unwrap_err();
    assert!(format!("{error:#}").contains("/nowhere/x.dts"));
    let (directory, mut options) = crate::fake::qemu("", &[]);
    options.dts = Some(shipped("dsu-2"));
    options.qemu = "true".into();
    let error = applied(&options, directory.path()).unwrap_err();
    assert!(format!("{error:#}").contains("no device tree"), "{error:#}");
    options.qemu = "/nowhere/qemu".into();
    let error = applied(&options, directory.path()).unwrap_err();
    assert!(format!("{error:#}").contains("install QEMU"), "{error:#}");
}
