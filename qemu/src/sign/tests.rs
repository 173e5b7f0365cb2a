use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use clap::Parser;
use tempfile::TempDir;

use super::*;

#[derive(Parser)]
struct Keygen {
    #[command(flatten)]
    args: KeygenArgs,
}

#[derive(Parser)]
struct Sign {
    #[command(flatten)]
    args: SignArgs,
}

#[derive(Parser)]
struct Verify {
    #[command(flatten)]
    args: VerifyArgs,
}

fn make_key(directory: &Path, name: &str) -> PathBuf {
    let out = directory.join(name);
    keygen(&Keygen::parse_from(["keygen", out.to_str().unwrap()]).args).unwrap();
    out
}

/// A directory with a key, an image and an initrd.
fn scene() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    make_key(directory.path(), "my");
    fs::write(directory.path().join("image"), b"an image").unwrap();
    fs::write(directory.path().join("initrd"), b"an initrd").unwrap();
    directory
}

fn words(directory: &Path, command: &str) -> Vec<String> {
    let word = |word: &str| match word.strip_prefix("./") {
        Some(name) => directory.join(name).display().to_string(),
        None => word.into(),
    };
    command.split(' ').map(word).collect()
}

fn signs(directory: &Path, command: &str) -> Result<()> {
    sign(&Sign::parse_from(words(directory, command)).args)
}

fn verifies(directory: &Path, command: &str) -> String {
    match verify(&Verify::parse_from(words(directory, command)).args) {
        Ok(()) => "good".into(),
        Err(error) => format!("{error:#}"),
    }
}

#[test]
fn a_signed_kernel_verifies_and_another_does_not() {
    let scene = scene();
    let at = scene.path();
    let parts = "--image ./image --initrd ./initrd --append maxcpus=2";
    signs(at, &format!("sign --key ./my {parts} ./sig")).unwrap();
    let check = |parts: &str| verifies(at, &format!("verify --key ./my.public {parts} ./sig"));
    assert_eq!(check(parts), "good");
    let cases = [
        ("--image ./initrd --initrd ./initrd --append maxcpus=2", "the image differs"),
        ("--image ./image --initrd none --append maxcpus=2", "the initrd differs"),
        ("--image ./image --initrd ./initrd", "the command line differs: \"maxcpus=2\""),
        ("--image ./image --initrd ./initrd --append maxcpus=2 --dtb ./image", "--dtb differs"),
        ("--image ./image --initrd ./initrd --append maxcpus=2 --type raw", "type image is signed"),
        ("--image ./image --initrd ./initrd --append maxcpus=2 --at any", "--at is for --type raw"),
    ];
    for (parts, wanted) in cases {
        assert!(check(parts).contains(wanted), "{parts}: {}", check(parts));
    }
    make_key(at, "other");
    let said = verifies(at, &format!("verify --key ./other.public {parts} ./sig"));
    assert!(said.contains("it is by key"), "{said}");
}

#[test]
fn a_flat_binary_is_signed_with_its_place() {
    let scene = scene();
    let at = scene.path();
    let parts = "--type raw --image ./image --initrd none";
    let why = format!("{:#}", signs(at, &format!("sign --key ./my {parts} ./sig")).unwrap_err());
    assert!(why.contains("sign it again with --at ADDRESS"), "{why}");
    signs(at, &format!("sign --key ./my {parts} --at 0x40200000 ./sig")).unwrap();
    let check = |more: &str| verifies(at, &format!("verify --key ./my.public {parts}{more} ./sig"));
    assert_eq!((check(""), check(" --at 0x40200000")), ("good".into(), "good".into()));
    let said = check(" --at 0x40400000");
    assert!(said.contains("--at 0x40200000 is signed and this is 0x40400000"), "{said}");
    assert!(fs::read_to_string(at.join("sig")).unwrap().contains("type raw\nat 0x40200000\n"));
    let odd = place("0x40280000").unwrap_err().to_string();
    assert!(odd.contains("no multiple of 2 MiB"), "{odd}");
    assert!(place("here").is_err() && place("any").is_ok());
}

#[test]
fn a_secret_is_its_owners_and_is_never_overwritten() {
    let scene = scene();
    let path = scene.path().join("my");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&path).unwrap();
    let again = Keygen::parse_from(["keygen", path.to_str().unwrap()]).args;
    assert!(format!("{:#}", keygen(&again).unwrap_err()).contains("not overwritten"));
    fs::remove_file(scene.path().join("my.public")).unwrap();
    assert!(format!("{:#}", keygen(&again).unwrap_err()).contains("no key is overwritten"));
    assert_eq!(fs::read(&path).unwrap(), before);
    let other = make_key(scene.path(), "other");
    assert_ne!(fs::read(other).unwrap(), before);
}

#[test]
fn wrong_files_are_named() {
    let scene = scene();
    let at = scene.path();
    let refusal = |command: &str| format!("{:#}", signs(at, command).unwrap_err());
    let said = refusal("sign --key ./my.public --image ./image --initrd none ./sig");
    assert!(said.contains("my.public") && said.contains("baton-secret"), "{said}");
    let said = refusal("sign --key ./my --image ./nothing --initrd none ./sig");
    assert!(said.contains("cannot read") && said.contains("nothing"), "{said}");
    let said = refusal("sign --key ./my --image ./image --initrd none --append a\tb ./sig");
    assert!(said.contains("control character"), "{said}");
    assert!(!at.join("sig").exists());
}

#[test]
fn the_test_key_can_sign_for_an_image_that_was_built_without_a_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/keys/test-key-do-not-trust.secret");
    let pair = key_pair(key(Path::new(path), keyfile::SECRET).unwrap()).unwrap();
    assert!(Key::new(*pair.pk).is_test());
    assert!(key_pair([0; 32]).is_err());
}
