//! `trace.json`: the timelines as Chrome trace events, for Perfetto and chrome://tracing.
//!
//! Format: "Trace Event Format", JSON object form; times are microseconds.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::timeline::{Bar, Lane, Timeline};

/// All timelines, each as a process of its own, a thread per CPU. The phases of the boot CPU are a
/// thread behind the last CPU, because they overlap its steps without holding them.
pub fn trace(timelines: &[Timeline]) -> Value {
    let events: Vec<Value> =
        timelines.iter().enumerate().flat_map(|(pid, timeline)| process(pid, timeline)).collect();
    json!({ "displayTimeUnit": "ns", "traceEvents": events })
}

fn process(pid: usize, timeline: &Timeline) -> Vec<Value> {
    let (mode, new) = (timeline.label(), timeline.generation);
    let name = format!("{mode} kexec, kernel {} to {new}", new.saturating_sub(1));
    let mut events = vec![meta("process_name", pid, 0, json!({ "name": name }))];
    for (cpu, lane) in timeline.lanes.iter().enumerate() {
        events.push(meta("thread_name", pid, cpu, json!({ "name": format!("CPU {cpu}") })));
        events.push(meta("thread_sort_index", pid, cpu, json!({ "sort_index": cpu + 1 })));
        events.extend(thread(pid, cpu, lane));
    }
    let tid = timeline.lanes.len();
    events.push(meta("thread_name", pid, tid, json!({ "name": "boot CPU: phases" })));
    events.push(meta("thread_sort_index", pid, tid, json!({ "sort_index": 0 })));
    events.extend(timeline.phases.iter().map(|bar| span(pid, tid, "phase", bar)));
    events
}

fn thread(pid: usize, cpu: usize, lane: &Lane) -> Vec<Value> {
    let steps = lane.bars.iter().map(|bar| span(pid, cpu, "step", bar));
    let marks = lane.ticks.iter().map(|tick| {
        let (name, ts) = (&tick.name, micros(tick.at));
        json!({ "name": name, "cat": "mark", "ph": "i", "s": "t", "ts": ts, "pid": pid, "tid": cpu })
    });
    steps.chain(marks).collect()
}

fn span<T: Display>(pid: usize, tid: usize, category: &str, bar: &Bar<T>) -> Value {
    json!({
        "name": bar.name.to_string(), "cat": category, "ph": "X", "pid": pid, "tid": tid,
        "ts": micros(bar.begin), "dur": micros(bar.end - bar.begin), "args": { "dir": bar.dir },
    })
}

fn meta(name: &str, pid: usize, tid: usize, args: Value) -> Value {
    json!({ "name": name, "ph": "M", "pid": pid, "tid": tid, "args": args })
}

fn micros(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use baton::report::TeardownMode;

    use super::*;
    use crate::fake::Script;
    use crate::units::Unit;

    fn sample() -> Value {
        let both = [TeardownMode::Serial, TeardownMode::Parallel]
            .map(|mode| Timeline::new(&Script::new(4).trace(1, mode), Unit::Time));
        let text = trace(&both).to_string();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn every_event_has_what_its_kind_needs() {
        let trace = sample();
        let events = trace["traceEvents"].as_array().unwrap();
        for event in events {
            let numbers: &[&str] = match event["ph"].as_str().unwrap() {
                "X" => &["pid", "tid", "ts", "dur"],
                "i" => &["pid", "tid", "ts"],
                "M" => &["pid", "tid"],
                other => panic!("unknown kind {other}"),
            };
            assert!(event["name"].is_string(), "{event}");
            assert!(numbers.iter().all(|key| event[*key].as_f64().unwrap() >= 0.0), "{event}");
        }
        let steps = events.iter().filter(|event| event["cat"] == "step").count();
        assert_eq!(steps, 2 * 3 * 14);
    }

    #[test]
    fn each_mode_is_a_process_with_a_named_thread_for_each_cpu() {
        let trace = sample();
        let named = |pid: u64, tid: u64| {
            let events = trace["traceEvents"].as_array().unwrap().iter();
            let mut names =
                events.filter(|e| e["name"] == "thread_name" && e["pid"] == pid && e["tid"] == tid);
            names.next().map(|e| e["args"]["name"].as_str().unwrap().to_string())
        };
        assert_eq!(named(1, 3).as_deref(), Some("CPU 3"));
        assert_eq!(named(0, 4).as_deref(), Some("boot CPU: phases"));
        assert_eq!(named(2, 0), None);
    }
}
