//! Events of a DSU (Arm DSU TRM, "PMU events"; Arm ARM D13.11 for the common numbers).

/// Cycles of the cluster's clock, which have a counter of their own, 64 bits wide.
pub const CYCLES: u16 = 0x11;

/// Joins two counters to one of 64 bits. Of no use here, where every total has 64 bits.
pub(super) const CHAIN: u16 = 0x1e;

/// Events below this number are listed in CLUSTERPMCEID0 and 1; for higher numbers no register
/// tells whether the cluster has the event.
pub(super) const LISTED: u16 = 0x40;

/// The events that have a name here.
pub const NAMED: [(u16, &str); 13] = [
    (CYCLES, "cycles"),
    (0x19, "bus_access"),
    (0x1a, "memory_error"),
    (0x1d, "bus_cycles"),
    (0x29, "l3d_cache_allocate"),
    (0x2a, "l3d_cache_refill"),
    (0x2b, "l3d_cache"),
    (0x2c, "l3d_cache_wb"),
    (0x60, "bus_access_rd"),
    (0x61, "bus_access_wr"),
    (0xc0, "scu_snp_access"),
    (0xc1, "scu_snp_evict"),
    (0xc2, "scu_snp_no_cpu_snp"),
];

/// The name of an event, if it has one here.
pub fn name(event: u16) -> Option<&'static str> {
    NAMED.iter().find(|(number, _)| *number == event).map(|(_, name)| *name)
}

/// The event of that name.
pub fn by_name(name: &str) -> Option<u16> {
    NAMED.iter().find(|(_, known)| *known == name).map(|(number, _)| *number)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_unique_and_lead_to_each_other() {
        for (event, known) in NAMED {
            assert_eq!((name(event), by_name(known)), (Some(known), Some(event)));
        }
        assert_eq!((name(CHAIN), by_name("chain")), (None, None));
    }
}
