//! What libFuzzer says on a run, as a row of a table.

/// Head of the table.
pub const HEADER: &str =
    "target       executions     per s   coverage     new   corpus    bytes  result";

/// What a run did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Log {
    executions: u64,
    per_second: u64,
    /// Pieces of code (edges) that the corpus reached before the run, and after.
    coverage: (u64, u64),
    /// Inputs that each reach something else, and their bytes as libFuzzer puts it.
    corpus: (u64, String),
    /// The file with the input that the target failed on.
    pub failure: Option<String>,
}

impl Log {
    /// Reads what libFuzzer wrote.
    pub fn read(text: &str) -> Self {
        let mut log = Self::default();
        text.lines().for_each(|line| log.take(line));
        log
    }

    fn take(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let after = |name: &str| {
            let at = words.iter().position(|word| *word == name)?;
            words.get(at + 1).copied()
        };
        let number = |name: &str| after(name)?.parse().ok();
        self.executions = number("stat::number_of_executed_units:").unwrap_or(self.executions);
        self.per_second = number("stat::average_exec_per_sec:").unwrap_or(self.per_second);
        if let Some(coverage) = number("cov:").filter(|_| line.starts_with('#')) {
            let before = if words.contains(&"INITED") { coverage } else { self.coverage.0 };
            self.coverage = (before, coverage);
        }
        if let Some((inputs, bytes)) = after("corp:").and_then(|corpus| corpus.split_once('/')) {
            self.corpus = (inputs.parse().unwrap_or(self.corpus.0), bytes.into());
        }
        if let Some((_, file)) = line.split_once("Test unit written to ") {
            self.failure = Some(file.trim().into());
        }
    }

    /// A row of the table.
    pub fn row(&self, name: &str) -> String {
        let (before, after) = self.coverage;
        let (inputs, bytes) = &self.corpus;
        let result = if self.failure.is_some() { "FAILED" } else { "ok" };
        format!(
            "{name:<11} {:>11} {:>9} {after:>10} {:>7} {inputs:>8} {bytes:>8}  {result}",
            self.executions,
            self.per_second,
            after.saturating_sub(before)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = "\
INFO: seed corpus: files: 7 min: 5b max: 43b total: 178b rss: 32Mb
#8\tINITED cov: 200 ft: 231 corp: 7/178b exec/s: 0 rss: 33Mb
#9\tNEW    cov: 210 ft: 240 corp: 8/1201Kb lim: 43 exec/s: 0 rss: 33Mb L: 3/43 MS: 1 EraseBytes-
Done 371893 runs in 4 second(s)
stat::number_of_executed_units: 371893
stat::average_exec_per_sec:     92973
";

    #[test]
    fn a_run_is_read_from_its_log() {
        let log = Log::read(RUN);
        let wanted = Log {
            executions: 371893,
            per_second: 92973,
            coverage: (200, 210),
            corpus: (8, "1201Kb".into()),
            failure: None,
        };
        assert_eq!(log, wanted);
        assert!(
            log.row("script")
                .ends_with("371893     92973        210      10        8   1201Kb  ok")
        );
        assert_eq!(log.row("script").len() + "result".len(), HEADER.len() + "ok".len());
    }

    #[test]
    fn a_failure_names_its_input() {
        let text = format!("{RUN}artifact_prefix='/x/a-'; Test unit written to /x/a-crash-12\n");
        let log = Log::read(&text);
        assert_eq!(log.failure.as_deref(), Some("/x/a-crash-12"));
        assert!(log.row("script").ends_with("FAILED"));
    }
}
