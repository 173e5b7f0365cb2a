//! UART, clock and virtio transports as they are found.

use crate::console::{item, of};
use crate::mmio::{read, write};
use crate::uart::UART;

/// Where QEMU virt has its PL031.
pub const RTC: u64 = 0x0901_0000;
/// First virtio transport, from one to the next, and how many there are.
pub const VIRTIO: u64 = 0x0a00_0000;
/// See [`VIRTIO`].
pub const VIRTIO_STRIDE: u64 = 0x200;
/// See [`VIRTIO`].
pub const VIRTIO_PLACES: u64 = 32;

/// ILPR, IBRD, FBRD, LCR_H, CR, IFLS, IMSC, RIS, DMACR.
const UART_REGISTERS: [u64; 9] = [0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38, 0x3c, 0x48];

/// The PL011 as it is.
pub fn look_at_uart() -> [u64; 9] {
    UART_REGISTERS.map(|at| read(UART + at).into())
}

/// What it was before this payload printed.
pub fn show_uart(found: &[u64; 9]) {
    let &[ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr] = found;
    item("uart.ilpr", ilpr);
    item("uart.ibrd", ibrd);
    item("uart.fbrd", fbrd);
    item("uart.lcr_h", lcr_h);
    item("uart.cr", cr);
    item("uart.ifls", ifls);
    item("uart.imsc", imsc);
    item("uart.ris", ris);
    item("uart.dmacr", dmacr);
}

/// Clock and transports.
pub fn show() {
    item("rtc.match", read(RTC + 4).into());
    item("rtc.control", read(RTC + 0xc).into());
    item("rtc.imsc", read(RTC + 0x10).into());
    item("rtc.ris", read(RTC + 0x14).into());
    (0..VIRTIO_PLACES).for_each(transport);
}

/// A place where a device sits: its kind, what it is up to, its first queue.
fn transport(place: u64) {
    let base = VIRTIO + place * VIRTIO_STRIDE;
    let device = read(base + 8);
    if device == 0 {
        return;
    }
    write(base + 0x30, 0); // QueueSel
    let queue = if read(base + 4) == 1 { 0x40 } else { 0x44 }; // QueuePFN, QueueReady
    of("virtio", place, ".device", device.into());
    of("virtio", place, ".status", read(base + 0x70).into());
    of("virtio", place, ".interrupts", read(base + 0x60).into());
    of("virtio", place, ".queue0", read(base + queue).into());
}
