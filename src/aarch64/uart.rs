//! The PL011 console (crate arm-pl011-uart). Firmware has set the line up: baud rate and format
//! are left alone, as an SBSA UART asks.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arm_pl011_uart::{Error, Interrupts, PL011Registers, Uart, UniqueMmioPointer};
use spin::Mutex;

use super::mmio::Registers;
use super::regs;
use crate::machine::input::{Receiver, Typed};

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

/// Interrupts no more: the next kernel finds the line quiet, and every byte written is out. True if
/// the UART could interrupt.
pub fn quiesce() -> bool {
    let Some(mut uart) = uart() else { return false };
    let could = !uart.interrupt_masks().is_empty();
    uart.set_interrupt_masks(Interrupts::empty());
    uart.clear_interrupts(Interrupts::all());
    could
}

/// The receive interrupts: the FIFO has reached its level, or has held bytes for a while.
const RECEIVE: Interrupts = Interrupts::RXI.union(Interrupts::RTI);

/// The receiving half. One at a time: the input's lock is held.
pub struct Receive;

impl Receiver for Receive {
    fn acknowledge(&mut self) {
        uart().into_iter().for_each(|mut uart| uart.clear_interrupts(RECEIVE));
    }

    fn read(&mut self) -> Option<Typed> {
        match uart()?.read_word() {
            Ok(byte) => byte.map(Typed::Byte),
            Err(Error::Overrun) => Some(Typed::Lost),
            Err(_) => Some(Typed::Damaged),
        }
    }

    fn interrupt(&mut self, on: bool) {
        let masks = if on { RECEIVE } else { Interrupts::empty() };
        uart().into_iter().for_each(|mut uart| uart.set_interrupt_masks(masks));
    }
}
