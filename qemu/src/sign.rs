//! Keys and signatures: `baton keygen`, `baton sign`, `baton verify`. What a signature covers, and
//! what its file looks like, is defined in [`baton::kexec::signature`], which the kernel uses too.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use baton::config::{IMAGE_ALIGN, MAX_BOOTARGS};
use baton::kexec::plan::Kind;
use baton::kexec::signature::{Asked, Key, Place, Signature, Statement, keyfile, parse};
use clap::{Args, ValueEnum};
use ed25519_compact::{KeyPair, Noise, PublicKey, Seed};

/// What the file of the public half is called beside that of the secret half.
const PUBLIC_SUFFIX: &str = ".public";

/// `baton keygen`.
#[derive(Args)]
pub struct KeygenArgs {
    /// Where the secret half goes, readable by its owner only; the public half goes to OUT.public
    out: PathBuf,
}

/// What is signed.
#[derive(Args)]
pub struct PartArgs {
    /// The kernel, as its file lies in the initrd (packed, if it is packed there)
    #[arg(long, value_name = "PATH")]
    image: PathBuf,
    /// How `kexec load --type` reads it
    #[arg(long = "type", value_enum, default_value = "image")]
    kind: KindArg,
    /// Where a flat binary goes, as `kexec load --at` takes it: the multiple of 2 MiB below its first
    /// byte. `any` for a binary that runs anywhere. An arm64 Image does, and has no place
    #[arg(long, value_name = "ADDRESS|any", value_parser = place)]
    at: Option<Place>,
    /// The initrd that the kernel gets, or none. For one that is kept (the default of `kexec
    /// load`): what the running kernel was booted with, without the archive of signatures behind it
    #[arg(long, value_name = "PATH|none")]
    initrd: PathBuf,
    /// The whole command line that the kernel gets. `kexec load` without --append passes the
    /// running kernel's on, without its run=
    #[arg(long, value_name = "ARGS", default_value = "")]
    append: String,
    /// The device tree, if `kexec load` is given one with --dtb
    #[arg(long, value_name = "PATH")]
    dtb: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum KindArg {
    Image,
    Raw,
}

/// `baton sign`.
#[derive(Args)]
pub struct SignArgs {
    /// The secret key, as `baton keygen` makes it
    #[arg(long, value_name = "PATH")]
    key: PathBuf,
    #[command(flatten)]
    parts: PartArgs,
    /// Where the signature goes; `kexec load IMAGE` looks for IMAGE.sig
    out: PathBuf,
}

/// `baton verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// The public key, as `baton keygen` makes it
    #[arg(long, value_name = "PATH")]
    key: PathBuf,
    #[command(flatten)]
    parts: PartArgs,
    /// The signature
    signature: PathBuf,
}

/// The bytes of all parts.
struct Parts {
    image: Vec<u8>,
    initrd: Option<Vec<u8>>,
    dtb: Option<Vec<u8>>,
}

impl PartArgs {
    fn read(&self) -> Result<Parts> {
        let none = self.initrd.as_os_str() == "none";
        let initrd = (!none).then(|| read(&self.initrd)).transpose()?;
        let dtb = self.dtb.as_deref().map(read).transpose()?;
        Ok(Parts { image: read(&self.image)?, initrd, dtb })
    }

    fn asked<'a>(&'a self, parts: &'a Parts) -> Result<Asked<'a>> {
        let bytes = self.append.len();
        ensure!(bytes <= MAX_BOOTARGS, "--append has {bytes} bytes, {MAX_BOOTARGS} are allowed");
        let kind = match self.kind {
            KindArg::Image => Kind::Image,
            KindArg::Raw => Kind::Raw,
        };
        ensure!(
            kind == Kind::Raw || self.at.is_none(),
            "--at is for --type raw: an arm64 Image runs anywhere, and its place is not signed"
        );
        Ok(Asked {
            kind,
            place: self.at,
            image: &parts.image,
            initrd: parts.initrd.as_deref(),
            dtb: parts.dtb.as_deref(),
            append: self.append.as_bytes(),
        })
    }
}

/// Makes a key.
///
/// # Errors
/// One of the files is there already, or cannot be written.
pub fn keygen(args: &KeygenArgs) -> Result<()> {
    let pair = key_pair(random()?)?;
    let mut public = args.out.clone().into_os_string();
    public.push(PUBLIC_SUFFIX);
    let public = PathBuf::from(public);
    ensure!(!public.exists(), "{} is there already; a key is not overwritten", public.display());
    let secret = format!(
        "# Secret key: who has this can sign.\n{} {}\n",
        keyfile::SECRET,
        hex(&*pair.sk.seed())
    );
    create(&args.out, &secret, 0o600)?;
    create(&public, &format!("{} {}\n", keyfile::PUBLIC, hex(&*pair.pk)), 0o644)?;
    println!("{}: secret key, keep it", args.out.display());
    let id = Key::new(*pair.pk).id();
    println!("{}: public key {id}, for make KEY={0}", public.display());
    Ok(())
}

/// Signs what a kernel is loaded with.
///
/// # Errors
/// A file that cannot be read or written, or is no key.
pub fn sign(args: &SignArgs) -> Result<()> {
    let pair = key_pair(key(&args.key, keyfile::SECRET)?)?;
    let parts = args.parts.read()?;
    let signature = sign_with(&pair, &args.parts.asked(&parts)?, Some(Noise::new(random16()?)))?;
    let out = args.out.display();
    fs::write(&args.out, signature.to_string()).with_context(|| format!("cannot write {out}"))?;
    println!("{out}: signed by key {}", signature.statement.key);
    Ok(())
}

/// Checks a signature as the kernel does.
///
/// # Errors
/// A file that cannot be read, or why the signature is not good.
pub fn verify(args: &VerifyArgs) -> Result<()> {
    let key = Key::new(key(&args.key, keyfile::PUBLIC)?);
    let parts = args.parts.read()?;
    let path = args.signature.display();
    let signature = parse(&read(&args.signature)?).with_context(|| format!("{path}"))?;
    signature.verify(&key, &args.parts.asked(&parts)?).with_context(|| format!("{path}"))?;
    println!("{path}: good, by key {}", key.id());
    Ok(())
}

/// The signature of all that a kernel is to be loaded with.
///
/// # Errors
/// What can't be signed: a flat binary without a place, or a command line that is not one line of
/// plain text.
pub fn sign_with(pair: &KeyPair, asked: &Asked<'_>, noise: Option<Noise>) -> Result<Signature> {
    let statement = Statement::new(Key::new(*pair.pk).id(), asked)?;
    let signature = *pair.sk.sign(statement.message(), noise);
    Ok(Signature { statement, signature })
}

/// A place as it is given to `--at`.
fn place(text: &str) -> Result<Place> {
    if text == "any" {
        return Ok(Place::Any);
    }
    let base =
        baton::options::number(text).context("neither any nor an address such as 0x48000000")?;
    ensure!(
        base.is_multiple_of(IMAGE_ALIGN),
        "{base:#x} is no multiple of 2 MiB; a flat binary is entered 0x80000 above one"
    );
    Ok(Place::At(base))
}

/// The pair that grows from a seed.
///
/// # Errors
/// The seed is all zeros.
pub fn key_pair(seed: [u8; 32]) -> Result<KeyPair> {
    let pair = KeyPair::try_from_seed(Seed::new(seed)).ok();
    let good = pair.filter(|pair| PublicKey::new(*pair.pk).validate().is_ok());
    good.context("the secret key is all zeros; make one with `baton keygen`")
}

/// The key in a file. `kind` is [`keyfile::PUBLIC`] or [`keyfile::SECRET`].
///
/// # Errors
/// The file cannot be read, or has no such key in it.
pub fn key(path: &Path, kind: &'static str) -> Result<[u8; 32]> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    keyfile::read(&text, kind).with_context(|| format!("{shown}"))
}

fn read(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file that must not be there yet.
fn create(path: &Path, text: &str, mode: u32) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let shown = path.display();
    let mut file = file.with_context(|| format!("cannot make {shown}; no key is overwritten"))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {shown}"))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let source = "/dev/urandom";
    let mut file = fs::File::open(source).with_context(|| format!("cannot open {source}"))?;
    file.read_exact(&mut bytes).with_context(|| format!("cannot read {source}"))?;
    Ok(bytes)
}

fn random16() -> Result<[u8; Noise::BYTES]> {
    random()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
