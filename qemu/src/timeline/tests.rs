use baton::report::TeardownMode::{self, Parallel, Serial};
use baton::trace::{Mark, Phase};

use super::*;
use crate::fake::Script;
use crate::report::Trace;
use crate::units::Unit;

fn timeline(cpus: u32, mode: TeardownMode) -> Timeline {
    let script = Script::new(cpus);
    let (kexec, records) = (script.kexec(1, mode), script.timeline(1, mode));
    Timeline::new(&Trace { kexec, cpus, warm: true, records }, Unit::Time)
}

/// Names of the elements, if every tag is closed in order and every attribute is quoted.
fn elements(xml: &str) -> Result<Vec<String>, String> {
    let (mut open, mut seen, mut rest) = (Vec::new(), Vec::new(), xml);
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').ok_or("a tag without its end")?;
        let tag = &rest[start + 1..end];
        if tag.contains('<') || tag.matches('"').count() % 2 == 1 {
            return Err(format!("broken tag <{tag}>"));
        }
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_lowercase).collect();
        if tag.starts_with('/') {
            (open.pop().as_deref() == Some(name.as_str()))
                .then_some(())
                .ok_or(format!("stray </{name}>"))?;
        } else {
            seen.push(name.clone());
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        rest = &rest[end + 1..];
    }
    if open.is_empty() { Ok(seen) } else { Err(format!("not closed: {open:?}")) }
}

#[test]
fn pictures_are_well_formed_and_have_one_lane_per_cpu() {
    for cpus in [1, 2, 16, 80, 512] {
        for mode in [Serial, Parallel] {
            let svg = picture(&timeline(cpus, mode), 1200.0);
            assert_eq!(elements(&svg).unwrap().iter().filter(|name| *name == "svg").count(), 1);
            assert_eq!(svg.matches("class=\"lane\"").count(), cpus as usize);
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
            assert!(svg.len() < 2 << 20, "{cpus} CPUs {mode}: {} bytes", svg.len());
        }
    }
}

#[test]
fn both_modes_beside_each_other_share_a_legend_and_a_scale() {
    let both = [timeline(16, Serial), timeline(16, Parallel)];
    let svg = beside(&both, 1200.0);
    elements(&svg).unwrap();
    assert_eq!(svg.matches("class=\"lane\"").count(), 32);
    assert_eq!(svg.matches(">gic:starting</text>").count(), 1);
    assert_eq!(svg.matches("The blackout on one scale").count(), 1);
    elements(&same_scale(&both, 800.0)).unwrap();
}

#[test]
fn names_with_markup_do_not_break_the_picture() {
    let mut timeline = timeline(2, Parallel);
    timeline.lanes[1].bars[0].name = "<a & \"b\">".into();
    let svg = picture(&timeline, 1200.0);
    elements(&svg).unwrap();
    assert!(svg.contains("&lt;a &amp; &quot;b&quot;&gt;"));
}

#[test]
fn what_lies_outside_the_kexec_is_left_out() {
    let script = Script::new(4);
    let kexec = script.kexec(2, Parallel);
    let mut records = script.timeline(2, Parallel);
    let inside = Timeline::new(
        &Trace { kexec: kexec.clone(), cpus: 4, warm: true, records: records.clone() },
        Unit::Time,
    );
    // The old kernel's own bring-up, a CPU that is none, and what came later.
    records.extend(Script::new(4).timeline(1, Parallel));
    records.extend(Script::new(4).timeline(3, Parallel));
    records.extend(
        Script::new(9)
            .timeline(2, Parallel)
            .into_iter()
            .filter(|r| matches!(r, baton::report::Record::Step(step) if step.cpu >= 4)),
    );
    assert_eq!(Timeline::new(&Trace { kexec, cpus: 4, warm: true, records }, Unit::Time), inside);
    assert!(inside.lanes[1..].iter().all(|lane| lane.bars.len() >= 14));
    let ends = inside.lanes.iter().flat_map(|lane| &lane.bars).map(|bar| bar.end);
    assert!(ends.max().unwrap() <= inside.end);
}

#[test]
fn a_cpu_passes_through_its_states_without_a_gap() {
    let timeline = timeline(4, Serial);
    let states = timeline.states(2);
    let names: Vec<&str> = states.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, ["ONLINE", "AP_IDLE_DEAD", "DEAD", "KICKED", "ALIVE", "ONLINE"]);
    assert!(states.windows(2).all(|pair| pair[0].2 == pair[1].1));
    assert_eq!((states[0].1, states[5].2), (0, timeline.end));
    assert!(states[2].1 < timeline.jump.0 && states[3].1 > timeline.jump.1);
    assert_eq!(timeline.states(timeline.boot_cpu), [(&Mark::Online.into(), 0, timeline.end)]);
}

#[test]
fn the_jump_and_the_boot_are_known_even_if_nobody_traced_them() {
    let script = Script::new(2);
    let kexec = script.kexec(1, Parallel);
    let mut records = script.timeline(1, Parallel);
    records.retain(|record| match record {
        baton::report::Record::Phase(span) => {
            !matches!(Part::from(&span.phase), Part::Jump | Part::Boot)
        }
        _ => true,
    });
    let timeline = Timeline::new(&Trace { kexec, cpus: 2, warm: true, records }, Unit::Time);
    let at = |part: Part| timeline.phases.iter().find(|bar| bar.name == part).unwrap();
    let prepare = at(Part::Phase(Phase::Prepare)).begin;
    assert_eq!((at(Part::Jump).begin, at(Part::Jump).end), timeline.jump);
    assert_eq!((at(Part::Boot).begin, at(Part::Boot).end), (timeline.jump.1, prepare));
}

#[test]
fn phases_that_the_rings_have_lost_are_shown_as_a_lower_bound() {
    let mut timeline = timeline(4, Serial);
    assert!(!picture(&timeline, 1200.0).contains("over "));
    let lost = timeline.phases.iter().position(|bar| bar.name == Part::Phase(Phase::Stop)).unwrap();
    timeline.phases.remove(lost);
    let svg = picture(&timeline, 1200.0);
    assert_eq!((svg.matches("stop over ").count(), svg.matches("over ").count()), (1, 1));
}

/// Writes pictures to look at: `cargo test -p baton-qemu samples -- --ignored`.
#[test]
#[ignore = "only writes files"]
fn samples() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/samples");
    std::fs::create_dir_all(&directory).unwrap();
    for cpus in [16, 80, 512] {
        let both = [timeline(cpus, Serial), timeline(cpus, Parallel)];
        for one in &both {
            let name = format!("{}-{cpus}.svg", one.mode);
            std::fs::write(directory.join(name), picture(one, 1200.0)).unwrap();
        }
        let page = crate::html::page(&crate::fake::report(cpus), &both);
        std::fs::write(directory.join(format!("index-{cpus}.html")), page).unwrap();
        std::fs::write(directory.join(format!("both-{cpus}.svg")), beside(&both, 1200.0)).unwrap();
    }
}
