//! The files that a command line of QEMU names, carried to where another QEMU runs.

use std::path::PathBuf;

/// Options whose value is a file.
const FILES: [&str; 3] = ["-kernel", "-initrd", "-dtb"];
/// How other values name one.
const FILE: &str = "file=";
/// Where the files go.
const DIRECTORY: &str = "run/";

/// A file to be carried, and where to.
#[derive(Debug, PartialEq, Eq)]
pub struct Carried {
    /// Path here.
    pub from: PathBuf,
    /// Path there, without the slash in front.
    pub to: String,
}

/// The command line for there, and what it needs. A later option of one kind replaces an earlier one,
/// so what is replaced stays here.
pub fn carry(arguments: &[String]) -> (Vec<String>, Vec<Carried>) {
    let (mut line, mut files) = (Vec::new(), Vec::new());
    let mut previous = "";
    for (at, argument) in arguments.iter().enumerate() {
        let value = if FILES.contains(&previous) {
            let replaced = arguments[at + 1..].iter().any(|later| later == previous);
            if replaced { "/dev/null".to_string() } else { moved(argument, &mut files) }
        } else {
            match argument.split_once(FILE) {
                Some((before, rest)) if previous == "-device" => {
                    let (path, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                    format!("{before}{FILE}{}{after}", moved(path, &mut files))
                }
                _ => argument.clone(),
            }
        };
        line.push(value);
        previous = argument;
    }
    (line, files)
}

fn moved(path: &str, files: &mut Vec<Carried>) -> String {
    let to = format!("{DIRECTORY}{}", files.len());
    files.push(Carried { from: path.into(), to: to.clone() });
    format!("/{to}")
}

/// The command line for a shell.
pub fn quoted(arguments: &[String]) -> String {
    let quote = |argument: &String| format!("'{}'", argument.replace('\'', r"'\''"));
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(String::from).collect()
    }

    #[test]
    fn every_file_is_carried_and_named_by_its_new_path() {
        let line = "-M virt -kernel a/k.Image -initrd i.cpio -append run=x \
                    -device loader,file=b.Image,addr=0x5000,force-raw=on";
        let (line, files) = carry(&words(line));
        let wanted = "-M virt -kernel /run/0 -initrd /run/1 -append run=x \
                      -device loader,file=/run/2,addr=0x5000,force-raw=on";
        assert_eq!(line, words(wanted));
        let from: Vec<_> = files.iter().map(|f| f.from.to_str().unwrap()).collect();
        assert_eq!(from, ["a/k.Image", "i.cpio", "b.Image"]);
        assert_eq!(files[2].to, "run/2");
    }

    #[test]
    fn of_two_initrds_the_later_one_is_carried() {
        let (line, files) = carry(&words("-initrd a -initrd b"));
        assert_eq!(line, words("-initrd /dev/null -initrd /run/0"));
        assert_eq!(files, [Carried { from: "b".into(), to: "run/0".into() }]);
    }

    #[test]
    fn a_command_line_keeps_its_quotes() {
        let line = quoted(&["-append".into(), "run=\"a b\" it's".into()]);
        assert_eq!(line, r#"'-append' 'run="a b" it'\''s'"#);
    }
}
