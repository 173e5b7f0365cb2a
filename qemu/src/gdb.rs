//! QEMU's gdbstub (the remote serial protocol of gdb, appendix E of its manual): bytes of the guest's
//! physical memory, and a breakpoint.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How long the stub may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Number of the program counter among the registers.
const PC: usize = 32;

/// Where a stub listens. A port and no socket file: a run that is killed leaves nothing behind.
#[derive(Clone, Copy, Debug)]
pub struct Place(u16);

impl Place {
    /// One that nobody uses now.
    ///
    /// # Errors
    /// The host has no port on its own network.
    pub fn free() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("a port for QEMU's gdbstub")?;
        Ok(Self(listener.local_addr()?.port()))
    }

    /// What QEMU has to be told.
    pub fn arguments(self) -> [String; 2] {
        ["-gdb".into(), format!("tcp:127.0.0.1:{}", self.0)]
    }

    /// Stops the machine when it gets to `address` with its MMU off, from now on. The machine stands
    /// still for a moment now, and once it is there.
    ///
    /// # Errors
    /// The stub can't be reached or does not answer.
    pub fn watch(self, address: u64) -> Result<Watch> {
        let mut stub = Stub::open(self)?;
        stub.ok(&format!("Z1,{address:x},4"))?;
        stub.send("c")?;
        Ok(Watch(thread::spawn(move || stub.arrived(address))))
    }
}

/// Someone who waits for the machine to get somewhere.
pub struct Watch(JoinHandle<Result<Instant>>);

impl Watch {
    /// When it was there. It runs on.
    ///
    /// # Errors
    /// It was not, in [`PATIENCE`] times ten.
    pub fn when(self) -> Result<Instant> {
        self.0.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the gdbstub's reader has panicked")))
    }
}

/// A connection. The machine stands still until it is closed or told to go on.
pub struct Stub(TcpStream);

impl Stub {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens, or it does not answer.
    pub fn open(place: Place) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", place.0)).context("QEMU's gdbstub")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let mut stub = Self(stream);
        stub.ok("Qqemu.PhyMemMode:1")?;
        Ok(stub)
    }

    /// Waits for the breakpoint, takes it away and lets go.
    fn arrived(mut self, address: u64) -> Result<Instant> {
        self.0.set_read_timeout(Some(10 * PATIENCE))?;
        let stop = self.answer().context("waiting for the next kernel's first instruction")?;
        let at = Instant::now();
        self.0.write_all(b"+")?;
        self.0.set_read_timeout(Some(PATIENCE))?;
        ensure!(stop.starts_with('T'), "gdbstub says {stop:?} instead of a stop");
        let registers = self.ask("g")?;
        self.ok(&format!("z1,{address:x},4"))?;
        self.ok("D")?;
        let pc = registers.get(16 * PC..16 * PC + 16).and_then(|s| u64::from_str_radix(s, 16).ok());
        let pc = pc.map(u64::swap_bytes);
        ensure!(pc == Some(address), "stopped at {pc:x?}, not at {address:#x}");
        Ok(at)
    }

    /// The byte at a physical address.
    ///
    /// # Errors
    /// There is no memory.
    pub fn byte(&mut self, at: u64) -> Result<u8> {
        let answer = self.ask(&format!("m{at:x},1"))?;
        u8::from_str_radix(&answer, 16).with_context(|| format!("no byte at {at:#x}: {answer:?}"))
    }

    /// Sends a packet that is answered by OK.
    ///
    /// # Errors
    /// It was not.
    pub fn ok(&mut self, packet: &str) -> Result<()> {
        let answer = self.ask(packet)?;
        ensure!(answer == "OK", "gdbstub answers {packet:?} with {answer:?}");
        Ok(())
    }

    /// Has QEMU's monitor carry out a command that says nothing when all is well.
    ///
    /// # Errors
    /// What the monitor says, or the stub does not answer.
    pub fn monitor(&mut self, command: &str) -> Result<()> {
        let digits: String = command.bytes().map(|byte| format!("{byte:02x}")).collect();
        let (mut answer, mut said) = (self.ask(&format!("qRcmd,{digits}"))?, String::new());
        while answer != "OK" {
            let text = answer.strip_prefix('O').with_context(|| format!("gdbstub: {answer:?}"))?;
            said.push_str(text);
            answer = self.answer().with_context(|| format!("QEMU's monitor on {command:?}"))?;
            self.0.write_all(b"+")?;
        }
        let bytes = said
            .as_bytes()
            .chunks(2)
            .filter_map(|d| u8::from_str_radix(str::from_utf8(d).ok()?, 16).ok());
        let said: Vec<u8> = bytes.collect();
        ensure!(
            said.is_empty(),
            "QEMU's monitor on {command:?}: {}",
            String::from_utf8_lossy(&said).trim()
        );
        Ok(())
    }

    fn send(&mut self, packet: &str) -> Result<()> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        Ok(write!(self.0, "${packet}#{sum:02x}")?)
    }

    fn ask(&mut self, packet: &str) -> Result<String> {
        self.send(packet)?;
        loop {
            let text = self.answer().with_context(|| format!("gdbstub on {packet:?}"))?;
            self.0.write_all(b"+")?;
            // That the machine has stopped is said by itself, at some time after the connection.
            if !text.starts_with('T') {
                return Ok(text);
            }
        }
    }

    /// The next packet: `$TEXT#SUM`, behind acknowledgements.
    fn answer(&mut self) -> Result<String> {
        while self.next()? != b'$' {}
        let mut text = Vec::new();
        loop {
            match self.next()? {
                b'#' => break,
                byte => text.push(byte),
            }
        }
        let sum = text.iter().fold(0, |sum: u8, &byte| sum.wrapping_add(byte));
        let said = [self.next()?, self.next()?];
        ensure!(said == format!("{sum:02x}").as_bytes(), "wrong checksum of {text:?}");
        Ok(String::from_utf8(text)?)
    }

    fn next(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}
