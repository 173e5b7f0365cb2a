use super::*;

fn options() -> Options {
    Options { accel: Accel::Kvm, ..Options::new("/dev/null") }
}

#[test]
fn a_guest_of_kvm_does_not_enter_at_el2() {
    let refusal = check(&Options { el2: true, ..options() }).unwrap_err().to_string();
    assert!(refusal.contains("enters at EL1"), "{refusal}");
}

#[test]
fn a_missing_hypervisor_is_named_with_the_way_to_it() {
    if !is_nested(&options()) {
        return; // this host is a hypervisor itself
    }
    let mut options = options();
    options.host.root = "/nowhere".into();
    let refusal = check(&options).unwrap_err().to_string();
    assert!(refusal.contains("no Linux 6.1 in /nowhere/boot"), "{refusal}");
    assert!(refusal.contains("make kvm"), "{refusal}");
}

#[test]
fn figures_say_whose_kvm_it_was() {
    let wanted = if has_kvm() { "kvm" } else { "KVM under TCG" };
    assert_eq!(accel_name(&options()), wanted);
    assert_eq!(accel_name(&Options::new("k")), "tcg");
}
