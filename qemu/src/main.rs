//! baton, the host tool.
fn main() {}
