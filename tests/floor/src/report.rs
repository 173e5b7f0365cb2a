//! The two records that this payload prints, field for field as baton's `report` module has them.

use core::fmt::{self, Write};

use crate::mmio::write;
use crate::uart::{UART, put};

const CR: u64 = 0x30;
const CR_UARTEN_TXE: u32 = 1 | (1 << 8);

/// One round of turning all APs on and off.
pub struct Floor {
    /// APs.
    pub cpus: usize,
    /// parallel, quiet, fanout, chain or serial.
    pub mode: &'static str,
    /// False the first time in this boot.
    pub warm: bool,
    /// First CPU_ON until the last AP was seen alive.
    pub up_ns: u64,
    /// Word to leave given until AFFINITY_INFO said OFF for all.
    pub off_ns: u64,
}

/// Prints a `floor` record.
pub fn floor(f: &Floor) {
    line(format_args!(
        r#""floor","cpus":{},"mode":"{}","warm":{},"up_ns":{},"off_ns":{}"#,
        f.cpus, f.mode, f.warm, f.up_ns, f.off_ns
    ));
}

/// Prints an `error` record. `what` must need no escapes in JSON.
pub fn error(what: &dyn fmt::Display) {
    line(format_args!(r#""error","what":"{what}","where":"floor""#));
}

/// Turns the transmitter on; the line settings mean nothing to QEMU.
pub fn enable() {
    write(UART + CR, CR_UARTEN_TXE);
}

/// The console as a place to write text to; only the boot CPU prints.
struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(put);
        Ok(())
    }
}

fn line(fields: fmt::Arguments<'_>) {
    // The console never refuses text.
    let _ = writeln!(Console, "@baton {{\"v\":1,\"record\":{fields}}}\r");
}
