//! Numbers that people type.

use crate::config::MAX_CPUS;
use crate::cpu::CpuId;

/// A number in digits, or in hexadecimal after `0x`. `None` for anything else, a sign and an empty
/// text included, and for what does not fit.
pub fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let plain = digits.chars().all(|c| c.is_digit(radix));
    if plain { u64::from_str_radix(digits, radix).ok() } else { None }
}

/// A CPU's logical number in digits; `None` for anything else and from [`MAX_CPUS`] on.
pub fn cpu(text: &str) -> Option<CpuId> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let id = text.parse().ok().filter(|&n| plain && usize::from(n) < MAX_CPUS)?;
    Some(CpuId(id))
}
