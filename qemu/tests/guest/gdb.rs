//! QEMU's gdbstub as a way to change a byte of the guest's physical memory behind its back
//! (the remote serial protocol of gdb, appendix E of its manual; `Qqemu.PhyMemMode` is QEMU's own).

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::check::same;
use crate::vm::Setup;

/// How long the stub may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// The stub of a machine.
pub struct Gdb(PathBuf);

impl Gdb {
    /// Gives a machine a stub.
    pub fn with(setup: Setup) -> (Setup, Self) {
        let socket = setup.directory().join("gdb");
        let device = format!("unix:{},server=on,wait=off", socket.display());
        (setup.qemu(&["-gdb", &device]), Self(socket))
    }

    /// Flips a bit in the byte at this physical address. The machine stands still meanwhile.
    pub fn flip(&self, at: u64) -> Result<()> {
        let mut session = Session::open(&self.0)?;
        let old = session.byte(at)?;
        session.ok(&format!("M{at:x},1:{:02x}", old ^ 0x10))?;
        same("the byte", session.byte(at)?, old ^ 0x10)?;
        session.ok("D")
    }
}

struct Session(UnixStream);

impl Session {
    fn open(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).context("QEMU's gdbstub")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = Self(stream);
        session.ok("Qqemu.PhyMemMode:1")?;
        Ok(session)
    }

    fn byte(&mut self, at: u64) -> Result<u8> {
        let answer = self.ask(&format!("m{at:x},1"))?;
        u8::from_str_radix(&answer, 16).with_context(|| format!("no byte at {at:#x}: {answer:?}"))
    }

    fn ok(&mut self, packet: &str) -> Result<()> {
        same(packet, self.ask(packet)?.as_str(), "OK")
    }

    fn ask(&mut self, packet: &str) -> Result<String> {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.0, "${packet}#{sum:02x}")?;
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
