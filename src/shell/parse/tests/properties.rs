//! Properties of the parser, over random text.

extern crate std;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn any_list_survives_its_ranges(cpus in proptest::collection::vec(0u16..512, 1..60)) {
        let mask: CpuMask = cpus.iter().map(|&cpu| CpuId(cpu)).collect();
        let line = format!("cpu offline {}", mask.ranges());
        let wanted = Command::CpuOffline { cpus: CpuChoice::Listed(mask), teardown: None, grace: None };
        prop_assert_eq!(parse(&line), Ok(Some(wanted)));
    }

    #[test]
    fn a_cycle_crosses_the_command_line(
        done in 0u32.., more in 0u32.., teardown in prop::sample::select(std::vec![None, Some(TeardownMode::Serial)]),
        grace in prop::sample::select(std::vec![None, Some(Grace::Each)]),
        bringup in prop::sample::select(std::vec![None, Some(BringupPolicy::Fanout)]),
        image in proptest::option::of("[ -!#-~é]{0,20}"),
    ) {
        let asked = done.saturating_add(more).max(1);
        let cycle = Cycle { done, asked, teardown, grace, bringup, image };
        let bootargs = format!("quiet run=\"{cycle}; poweroff\" loglevel=3");
        let run = crate::options::Options::parse(&bootargs.as_str().into()).0.run.unwrap();
        let first = commands(&run).next().unwrap();
        prop_assert_eq!(parse(first), Ok(Some(Command::Cycle(cycle))));
    }

    #[test]
    fn no_text_panics(text in ".{0,60}") {
        let _ = parse(&text).map_err(|error| error.to_string());
        let pieces: Vec<&str> = commands(&text).collect();
        prop_assert_eq!(pieces.iter().map(|p| p.len() + 1).sum::<usize>(), text.len() + 1);
    }

    #[test]
    fn no_command_like_text_panics(
        at in 0..crate::shell::help::NAMES.len(),
        rest in proptest::collection::vec("(--)?(policy|teardown|at|cpu|cpus|done|asked|image|type)?=?[0-9a-fx,'\" -]{0,12}", 0..6),
    ) {
        let line = format!("{} {}", crate::shell::help::NAMES[at], rest.join(" "));
        if let Err(error) = parse(&line) {
            let text = error.to_string();
            prop_assert!(text.contains(';') && !text.contains('\n'), "{}", text);
        }
    }
}
