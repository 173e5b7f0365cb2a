//! Commands about memory and the next kernel: `mem`, `files`, `kexec`, `cycle`.

use alloc::format;
use alloc::string::{String, ToString};

use super::Outcome;
use crate::handover::CycleCount;
use crate::hotplug::Way;
use crate::kernel::{Kernel, Loader, Reporter, UNPACK_LIMIT};
use crate::kexec::{Files, KexecLoad, Kind};
use crate::options::{CommandLine, Shown};
use crate::report::BringupPolicy;
use crate::shell::command::Cycle;

/// What `cycle` loads by default.
const DEFAULT_IMAGE: &str = "baton.Image";

/// `mem`.
pub(super) fn mem(out: &Reporter, loader: &Loader) -> Outcome {
    let map = loader.map();
    for region in map.regions() {
        let (range, kib) = (region.range, region.range.size() >> 10);
        out.print(&format!("{range:<24}  {kib:>10} KiB  {}", region.owner.name()));
    }
    let (free, total) = (map.free_bytes(), map.total_bytes());
    out.print(&format!("free {free} of {total} bytes"));
    Ok(None)
}

/// `files`.
pub(super) fn files(out: &Reporter, loader: &Loader) -> Outcome {
    let (bytes, range) = loader.initrd().ok_or("there is no initrd; boot with -initrd")?;
    let files = Files::open(bytes, UNPACK_LIMIT).map_err(|e| e.to_string())?;
    for (name, size) in files.iter() {
        out.print(&format!("{size:>12}  {}", Shown(name)));
    }
    files.faults().for_each(|fault| out.print(&format!("warning: {fault}")));
    out.print(&format!("initrd at {range}"));
    Ok(None)
}

/// `kexec load`.
pub(super) fn load(out: &mut Reporter, loader: &mut Loader, ask: &KexecLoad) -> Outcome {
    loader.load(out, ask)?;
    status(out, loader)
}

/// `kexec status`.
pub(super) fn status(out: &Reporter, loader: &Loader) -> Outcome {
    match loader.loaded() {
        Some(loaded) => out.print(&loaded.to_string()),
        None => out.print("no kernel is loaded"),
    }
    Ok(None)
}

/// `kexec unload`.
pub(super) fn unload(loader: &mut Loader) -> Outcome {
    loader.unload()?;
    Ok(None)
}

/// `kexec exec`: the whole kernel leaves.
pub(super) fn exec(kernel: &mut Kernel, way: Way, verify: bool) -> Outcome {
    let verify = verify || kernel.loader.verifies();
    kernel.exec(way, verify).map(Some)
}

/// `cycle`: one more kexec of a series. The rest of the series goes along as the first command of the
/// script, so that the next kernel goes on without being asked.
pub(super) fn cycle(kernel: &mut Kernel, cycle: &Cycle) -> Outcome {
    if cycle.done >= cycle.asked {
        return Ok(None);
    }
    let ask = ask(&kernel.loader, cycle)?;
    kernel.loader.load(&mut kernel.out, &ask)?;
    if kernel.cpus.interrupted() {
        kernel.out.print(&format!("{} of {} kexecs are done", cycle.done, cycle.asked));
        return Ok(None);
    }
    let way = kernel.cpus.way(cycle.teardown, cycle.grace);
    let done = cycle.done + 1;
    let rest = Cycle { done, teardown: Some(way.mode), ..cycle.clone() };
    kernel.session.enter_cycle(CycleCount { done, asked: cycle.asked }, rest.to_string());
    let verify = kernel.loader.verifies();
    let next = kernel.exec(way, verify);
    next.map(Some).inspect_err(|_| kernel.session.leave_cycle())
}

/// What a kexec of the series loads.
fn ask(loader: &Loader, cycle: &Cycle) -> Result<KexecLoad, String> {
    let path = String::from(cycle.image.as_deref().unwrap_or(DEFAULT_IMAGE));
    let append = cycle.bringup.map(|policy| bootargs_with(loader, policy)).transpose()?;
    Ok(KexecLoad { path, kind: Kind::Image, initrd: None, append, dtb: None, sig: None, at: None })
}

/// Our command line with another bring-up policy.
fn bootargs_with(loader: &Loader, policy: BringupPolicy) -> Result<CommandLine, String> {
    let bootargs = loader.inherited_bootargs()?.without("cpuhp.bringup");
    Ok(bootargs.with(&format!("cpuhp.bringup={policy}")))
}
