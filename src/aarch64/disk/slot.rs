//! One read: the request to the device, and the data and status that the device writes (virtio 1.2,
//! 5.2.6).

use alloc::boxed::Box;
use core::ptr::NonNull;

/// Bytes of a sector.
pub const SECTOR: usize = 512;

/// Read.
const IN: u32 = 0;
/// Done, without fault.
const OK: u8 = 0;

/// What was in a buffer before the device writes: neither zero nor a status.
const POISON: u8 = 0xa5;

/// What the device reads and writes. Lies in one page, so in one piece of physical memory.
#[repr(C, align(1024))]
struct Buffers {
    data: [u8; SECTOR],
    header: [u8; 16],
    status: u8,
}

/// The pieces of a request in the order of the queue.
pub struct Pieces<'a> {
    pub header: &'a [u8],
    pub data: &'a mut [u8],
    pub status: &'a mut [u8],
}

/// How a read ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Good, and every byte is zero.
    Zeroes,
    /// Good.
    Data,
    /// Bad status, bytes missing, or the buffer is unchanged.
    Bad,
}

/// Room for one read, for as long as the kernel runs.
pub struct Slot {
    buffers: NonNull<Buffers>,
    /// What the queue calls the read that is in flight.
    pub token: Option<u16>,
}

// SAFETY: the buffers are the slot's alone, or the device's while a token is set.
unsafe impl Send for Slot {}

impl Slot {
    pub fn new() -> Self {
        let buffers =
            Box::leak(Box::new(Buffers { data: [0; SECTOR], header: [0; 16], status: 0 }));
        Self { buffers: NonNull::from(buffers), token: None }
    }

    /// Writes the request; the bytes that the device will write are poisoned, so that a missing
    /// write is noticed.
    ///
    /// # Safety
    /// No read is in flight in this slot.
    pub unsafe fn fill(&mut self, sector: u64) {
        // SAFETY: the caller's promise: no read is in flight, so the buffers are ours alone.
        let buffers = unsafe { self.buffers.as_mut() };
        buffers.data.fill(POISON);
        buffers.status = POISON;
        buffers.header[..4].copy_from_slice(&IN.to_le_bytes());
        buffers.header[8..].copy_from_slice(&sector.to_le_bytes());
    }

    /// The pieces, to give to the queue or to take back.
    ///
    /// # Safety
    /// The device does not have the buffers yet, or has given them back.
    pub unsafe fn pieces(&mut self) -> Pieces<'_> {
        // SAFETY: the caller's promise: the device does not have the buffers.
        let buffers = unsafe { self.buffers.as_mut() };
        Pieces {
            header: &buffers.header,
            data: &mut buffers.data,
            status: core::slice::from_mut(&mut buffers.status),
        }
    }

    /// How the read ended; `written` is the device's count of bytes written.
    ///
    /// # Safety
    /// The device has given the buffers back.
    pub unsafe fn verdict(&self, written: u32) -> Verdict {
        // SAFETY: the caller's promise: the device has given the buffers back.
        let Buffers { data, status, .. } = unsafe { self.buffers.as_ref() };
        let whole = written as usize == SECTOR + 1;
        if *status != OK || !whole || data.iter().all(|&b| b == POISON) {
            Verdict::Bad
        } else if data.iter().all(|&b| b == 0) {
            Verdict::Zeroes
        } else {
            Verdict::Data
        }
    }
}
