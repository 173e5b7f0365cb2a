//! What can be wrong with a request, and what the user can do then.

use core::fmt;

use super::events::{LISTED, name};
use crate::cpu::{CpuId, CpuMask};

/// Why a request to a cluster's PMU was not carried out. Nothing has changed, unless `begun` is
/// set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PmuError {
    /// No such cluster.
    NoCluster {
        /// Asked for.
        asked: usize,
        /// How many clusters there are, numbered from 0.
        clusters: usize,
    },
    /// The cluster does not count this event.
    NoEvent {
        /// The cluster.
        cluster: usize,
        /// Asked for.
        event: u16,
        /// Events below 0x40 that the cluster has, one bit each.
        has: u64,
    },
    /// CHAIN was asked for.
    Chain,
    /// All counters are in use.
    Full {
        /// The cluster.
        cluster: usize,
        /// How many event counters the cluster has, beside the cycle counter.
        counters: u32,
    },
    /// The event is being counted already.
    AlreadyOpen {
        /// The cluster.
        cluster: usize,
        /// The event.
        event: u16,
    },
    /// The event is not being counted.
    NotOpen {
        /// The cluster.
        cluster: usize,
        /// The event.
        event: u16,
    },
    /// No CPU of the cluster is online, and no other CPU reaches the registers.
    Stopped {
        /// The cluster.
        cluster: usize,
        /// Its CPUs.
        cpus: CpuMask,
    },
    /// Another request to this cluster is under way.
    Busy {
        /// The cluster.
        cluster: usize,
    },
    /// The owner did not answer in time.
    Silent {
        /// The cluster.
        cluster: usize,
        /// Its owner.
        owner: CpuId,
        /// True if the request was under way: the owner may have carried it out.
        begun: bool,
    },
}

impl fmt::Display for PmuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoCluster { clusters: 0, .. } => f.write_str(
                "this machine has no DSU PMU; its device tree needs a node compatible with \
                 arm,dsu-pmu",
            ),
            Self::NoCluster { asked, clusters } => {
                write!(f, "there is no cluster {asked}; use one of 0-{}", clusters - 1)
            }
            Self::NoEvent { cluster, event, has } => no_event(f, cluster, event, has),
            Self::Chain => f.write_str(
                "event 0x1e (CHAIN) only widens another counter; open that event alone, its total \
                 has 64 bits",
            ),
            Self::Full { cluster, counters } => write!(
                f,
                "all {counters} event counters of cluster {cluster} are in use; close one of its \
                 events first"
            ),
            Self::AlreadyOpen { cluster, event } => write!(
                f,
                "cluster {cluster} counts event {event:#x} already; read it, or close it to begin \
                 anew"
            ),
            Self::NotOpen { cluster, event } => {
                write!(f, "cluster {cluster} does not count event {event:#x}; open it first")
            }
            Self::Stopped { cluster, cpus } => write!(
                f,
                "no CPU of cluster {cluster} is online; bring one of CPUs {} online first",
                cpus.ranges()
            ),
            Self::Busy { cluster } => write!(
                f,
                "another request to cluster {cluster} is under way; try again when it is done"
            ),
            Self::Silent { cluster, owner, begun } => silent(f, cluster, owner, begun),
        }
    }
}

fn no_event(f: &mut fmt::Formatter<'_>, cluster: usize, event: u16, has: u64) -> fmt::Result {
    write!(f, "cluster {cluster} has no event {event:#x}; use one of")?;
    for event in (0..LISTED).filter(|&e| has >> e & 1 == 1) {
        write!(f, " {event:#x}")?;
        if let Some(name) = name(event) {
            write!(f, " ({name})")?;
        }
    }
    write!(f, ", or 0x40 to 0xffff as its manual says")
}

fn silent(f: &mut fmt::Formatter<'_>, cluster: usize, owner: CpuId, begun: bool) -> fmt::Result {
    write!(f, "CPU {owner}, which owns cluster {cluster}, did not answer in time; ")?;
    f.write_str(if begun {
        "it had begun, so look what is open before trying again"
    } else {
        "see whether that CPU still works, then try again"
    })
}

impl core::error::Error for PmuError {}
