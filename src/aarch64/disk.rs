//! A virtio block device (crate virtio-drivers: transport and queue), read one sector at a time,
//! many reads in flight.
//!
//! The crate's own block driver is not used. That driver asks the device for interrupts only at
//! certain places of the ring, and decides whether to notify the device by reading the device's
//! notification setting right after its own store, without a full barrier in between. Under an
//! emulator that orders such a pair less strictly than the architecture, a notification gets lost,
//! and with it a read.

mod dma;
mod slot;

use core::array;

use virtio_drivers::device::common::Feature;
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::mmio::{MmioError, MmioTransport, VirtIOHeader};
use virtio_drivers::transport::{DeviceStatus, DeviceType, Transport};

pub use slot::Verdict;

use self::dma::Heap;
use self::slot::Slot;
use super::mmio::Registers;
use super::regs;
use crate::machine::device::DeviceError;

/// Reads in flight at most.
const SLOTS: usize = 16;
/// Descriptors of the queue; a read takes three.
const QUEUE: usize = 64;
const _: () = assert!(3 * SLOTS <= QUEUE);

/// The device has one queue for requests.
const REQUESTS: u16 = 0;
/// Offset of the capacity, in sectors, in the configuration space (virtio 1.2, 5.2.4).
const CAPACITY: usize = 0;

/// A running block device. Dropping this value resets the device.
pub struct Disk {
    // First, so that the device is reset before its queue is gone.
    transport: MmioTransport<'static>,
    queue: VirtQueue<Heap, QUEUE>,
    slots: [Slot; SLOTS],
    sectors: u64,
    next: u64,
}

/// What sits in a place for a device; `None` if nothing does.
pub fn look(place: Registers) -> Option<MmioTransport<'static>> {
    let header = place.pointer::<VirtIOHeader>();
    // SAFETY: a piece of registers, mapped for good, of the size given; the piece is given up, so
    // that there is one transport.
    let transport = unsafe { MmioTransport::new(header, place.size()) };
    transport.map_err(|_: MmioError| ()).ok()
}

/// Stops a device, which this kernel or an earlier one may have started. True if the device ran.
pub fn stop(transport: &mut MmioTransport<'static>) -> bool {
    let ran = !transport.get_status().is_empty();
    transport.set_status(DeviceStatus::empty());
    ran
}

/// True for block devices.
pub fn is_disk(transport: &MmioTransport<'static>) -> bool {
    transport.device_type() == DeviceType::Block
}

/// Notices for every read, and requests in the ring itself: nothing but the version.
fn begin(transport: &mut MmioTransport<'static>) {
    transport.begin_init(Feature::VERSION_1);
}

fn finish(transport: &mut MmioTransport<'static>) -> Option<VirtQueue<Heap, QUEUE>> {
    let queue = VirtQueue::new(transport, REQUESTS, false, false).ok()?;
    transport.finish_init();
    Some(queue)
}

impl Disk {
    /// Starts the device (virtio 1.2, 3.1.1). `None` if the device has no sectors or too short a
    /// queue, or if there is no memory; the device is then left reset.
    pub fn start(mut transport: MmioTransport<'static>) -> Option<Self> {
        begin(&mut transport);
        let half = |at| transport.read_config_space::<u32>(CAPACITY + at).ok();
        let sectors = u64::from(half(4)?) << 32 | u64::from(half(0)?);
        let queue = finish(&mut transport)?;
        let slots = array::from_fn(|_| Slot::new());
        (sectors > 0).then_some(Self { transport, queue, slots, sectors, next: 0 })
    }

    /// Reads in flight.
    pub fn in_flight(&self) -> u32 {
        self.slots.iter().filter(|slot| slot.token.is_some()).count() as u32
    }

    /// Starts a read of the next sector.
    ///
    /// # Errors
    /// No room.
    pub fn submit(&mut self) -> Result<(), DeviceError> {
        let free = self.slots.iter_mut().find(|slot| slot.token.is_none());
        let slot = free.ok_or(DeviceError::Full)?;
        // SAFETY: no token, so nothing in flight; from `add` on this code leaves the buffers alone
        // until the queue has given the token back.
        let token = unsafe {
            slot.fill(self.next % self.sectors);
            let pieces = slot.pieces();
            self.queue.add(&[pieces.header], &mut [pieces.data, pieces.status])
        };
        slot.token = Some(token.map_err(|_| DeviceError::Full)?);
        self.next += 1;
        regs::dsb_sy(); // the request is visible before the device is notified
        self.transport.notify(REQUESTS);
        Ok(())
    }

    /// Takes back every read that is done; true if the device had raised its line. The line goes
    /// down first: a read that comes back while this runs raises it again, and may be taken now.
    pub fn take(&mut self, mut judged: impl FnMut(Verdict)) -> bool {
        let raised = !self.transport.ack_interrupt().is_empty();
        // The acknowledgement reaches the device before the used ring is read: a completion that
        // this read misses raises the line again.
        regs::dsb_sy();
        while let Some(token) = self.queue.peek_used() {
            // A token that is in no slot would be at the head of the ring for ever.
            let Some(slot) = self.slots.iter_mut().find(|s| s.token == Some(token)) else { break };
            // SAFETY: the device has given the token back, and so the slot's buffers.
            let written = unsafe {
                let pieces = slot.pieces();
                self.queue.pop_used(token, &[pieces.header], &mut [pieces.data, pieces.status])
            };
            slot.token = None;
            // SAFETY: as above.
            judged(unsafe { slot.verdict(written.unwrap_or(0)) });
        }
        raised
    }

    /// Begins a reset.
    pub fn reset(&mut self) {
        self.transport.set_status(DeviceStatus::empty());
    }

    /// True once the reset is over: from then on the device touches no memory (virtio 1.2, 2.1.2).
    pub fn is_reset(&self) -> bool {
        self.transport.get_status().is_empty()
    }

    /// The device is reset: no read comes back any more, and the buffers are ours.
    pub fn forget_reads(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.token = None);
    }

    /// Starts the device again from any state, with a new queue; reads in flight do not come back.
    /// False if the device does not reset or start, or if there is no memory.
    pub fn restart(&mut self) -> bool {
        self.reset();
        if !self.is_reset() {
            return false;
        }
        self.forget_reads();
        begin(&mut self.transport);
        let queue = finish(&mut self.transport);
        queue.map(|queue| self.queue = queue).is_some()
    }
}
