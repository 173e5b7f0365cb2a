//! Policies.
/// How CPUs are brought up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BringupPolicy {
    /// One after another.
    Serial,
    /// The boot CPU kicks all, then waits.
    Parallel,
    /// Each CPU that is up kicks more.
    Fanout,
}
/// How CPUs are taken down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TeardownMode {
    /// One after another.
    Serial,
    /// All at once.
    Parallel,
}
