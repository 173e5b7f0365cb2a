//! The PL011 console (crate arm-pl011-uart). Firmware has set the line up: baud rate and format
//! are left alone, as an SBSA UART asks.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arm_pl011_uart::{Interrupts, PL011Registers, Uart, UniqueMmioPointer};
use spin::Mutex;

use super::mmio::Registers;
use super::regs;

/// How often a full FIFO is looked at again before a byte is dropped: some tenths of a second.
const PATIENCE: u32 = 10_000_000;

/// Virtual address of the registers; 0 while there is no console.
static BASE: AtomicU64 = AtomicU64::new(0);

/// One writer at a time; taken with interrupts masked. Innermost of all locks.
static WRITER: Mutex<()> = Mutex::new(());

/// Set when a panic is being reported: from then on only the report is written.
static SILENCED: AtomicBool = AtomicBool::new(false);

/// Keeps every ordinary writer off the line, also one that is in the middle of its text.
pub fn silence() {
    SILENCED.store(true, Ordering::Relaxed);
}

/// Uses the PL011 that has these registers.
pub fn adopt(registers: &Registers) {
    BASE.store(registers.pointer::<PL011Registers>().as_ptr() as u64, Ordering::Relaxed);
}

/// The registers, as often as wanted: the panic path must not depend on a lock that another CPU may
/// hold.
fn uart() -> Option<Uart<'static>> {
    let base = BASE.load(Ordering::Relaxed);
    let registers = NonNull::new(base as *mut PL011Registers)?;
    // SAFETY: `BASE` comes from a piece of registers, mapped for good. Writers exclude each other
    // by WRITER (but for a panic, which prefers mixed text to none); the data register's two
    // directions are independent.
    Some(Uart::new(unsafe { UniqueMmioPointer::new(registers) }))
}

/// Writes text, a carriage return before each line feed.
pub fn write(text: &str) {
    let daif = regs::irq_save();
    {
        let _writer = WRITER.lock();
        write_while(text, || !SILENCED.load(Ordering::Relaxed));
    }
    regs::irq_restore(daif);
}

/// Writes text whoever holds the lock. For a panic.
pub fn write_unlocked(text: &str) {
    write_while(text, || true);
}

fn write_while(text: &str, go_on: impl Fn() -> bool) {
    let Some(mut uart) = uart() else { return };
    for byte in text.bytes().take_while(|_| go_on()) {
        if byte == b'\n' {
            put(&mut uart, b'\r');
        }
        put(&mut uart, byte);
    }
}

fn put(uart: &mut Uart<'_>, byte: u8) {
    if (0..PATIENCE).any(|_| !uart.is_tx_fifo_full()) {
        uart.write_word(byte);
    }
}

/// Lets received bytes interrupt.
pub fn listen() {
    if let Some(mut uart) = uart() {
        uart.set_interrupt_masks(Interrupts::RXI | Interrupts::RTI);
    }
}

/// Interrupts no more: the next kernel finds the line quiet, and every byte written is out. True if
/// the UART could interrupt.
pub fn quiesce() -> bool {
    let Some(mut uart) = uart() else { return false };
    let could = !uart.interrupt_masks().is_empty();
    uart.set_interrupt_masks(Interrupts::empty());
    uart.clear_interrupts(Interrupts::all());
    could
}

/// Takes every byte that has come in.
pub fn receive(mut take: impl FnMut(u8)) {
    let Some(mut uart) = uart() else { return };
    // Before the FIFO is emptied: a byte that comes in between interrupts again.
    uart.clear_interrupts(Interrupts::RXI | Interrupts::RTI);
    while !uart.is_rx_fifo_empty() {
        // A byte with a line error is dropped: the editor would only show garbage.
        if let Ok(Some(byte)) = uart.read_word() {
            take(byte);
        }
    }
}
