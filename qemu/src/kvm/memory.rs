//! How much memory the machine of the hypervisor needs.

use anyhow::{Context, Result};

use crate::machine::Options;

/// What Linux, QEMU and the initramfs take beside the guest, MiB.
const BESIDE: u64 = 1536;

/// As QEMU writes it: what the user said, or the guest's memory and [`BESIDE`].
///
/// # Errors
/// The guest's memory is not a size.
pub fn of_host(options: &Options) -> Result<String> {
    if let Some(mem) = &options.host.mem {
        return Ok(mem.clone());
    }
    let guest = mebibytes(&options.mem);
    let guest = guest.with_context(|| format!("--mem {}: not a size of memory", options.mem))?;
    Ok(format!("{}M", guest + BESIDE))
}

/// QEMU takes MiB where no unit is said.
fn mebibytes(size: &str) -> Option<u64> {
    let digits = size.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = digits.parse().ok()?;
    match size[digits.len()..].to_ascii_uppercase().as_str() {
        "K" => Some(count.div_ceil(1024)),
        "" | "M" => Some(count),
        "G" => count.checked_mul(1024),
        "T" => count.checked_mul(1024 * 1024),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_the_guests_memory_and_its_own() {
        let of = |mem: &str| of_host(&Options { mem: mem.into(), ..Options::new("k") });
        assert_eq!(of("1G").unwrap(), "2560M");
        assert_eq!(of("512").unwrap(), "2048M");
        assert_eq!(of("1500K").unwrap(), "1538M");
        assert!(of("much").is_err() && of("3X").is_err());
        let mut options = Options::new("k");
        options.host.mem = Some("9G".into());
        assert_eq!(of_host(&options).unwrap(), "9G");
    }
}
