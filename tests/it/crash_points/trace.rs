//! The changes of a directory by a program, from a trace by strace.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use edge_cache_tests::debian::STRACE;
use tempfile::NamedTempFile;

/// The system calls that change a disk.
const CALLS: &str = "openat,open,creat,write,pwrite64,writev,pwritev,lseek,rename,renameat,renameat2,unlink,unlinkat,\
    rmdir,mkdir,mkdirat,fsync,fdatasync,ftruncate,link,linkat,symlink,copy_file_range,sendfile,fallocate";
/// The longest text that strace shows whole.
const BYTES_MAX: &str = "100000000";

/// A change of a disk, or what the program said meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operation {
    /// An empty file takes the place of what had this name.
    Create(PathBuf),
    /// An empty file gets this name where nothing has it.
    CreateMissing(PathBuf),
    /// Bytes are written at an offset, or behind all others.
    Write(PathBuf, Option<usize>, Vec<u8>),
    /// A file gets this length.
    Truncate(PathBuf, usize),
    /// A file gets another name.
    Rename(PathBuf, PathBuf),
    /// A file gets a second name.
    Link(PathBuf, PathBuf),
    /// A file or an empty directory is removed.
    Remove(PathBuf),
    /// A directory is made.
    MakeDirectory(PathBuf),
    /// A file or directory becomes durable.
    Sync(PathBuf),
    /// The program wrote this to its standard output.
    Said(String),
}

/// Runs a program, and returns its changes below a directory; `None` where there is no strace.
pub(super) fn trace(below: &Path, program: &Path, args: &[&str]) -> Result<Option<Vec<Operation>>> {
    let file = NamedTempFile::new()?;
    let Some(strace) = STRACE.program() else {
        return Ok(None);
    };
    let ended = Command::new(strace)
        .args(["-f", "-y", "-xx", "-s", BYTES_MAX, "-e"])
        .arg(format!("trace={CALLS}"))
        .arg("-o")
        .arg(file.path())
        .arg(program)
        .args(args)
        .output()?;
    ensure!(ended.status.success(), "{ended:?}");
    let lines = fs::read_to_string(file.path())?;
    operations(&lines, below).map(Some)
}

/// Reads a trace.
fn operations(trace: &str, below: &Path) -> Result<Vec<Operation>> {
    let mut operations = Vec::new();
    let mut unfinished: BTreeMap<&str, &str> = BTreeMap::new();
    for line in trace.lines() {
        let (thread, rest) = line.split_once(' ').context("no thread")?;
        let rest = rest.trim_start();
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, begun);
            continue;
        }
        let joined;
        let call = if rest.starts_with("<... ") {
            let (_, end) = rest.split_once(" resumed>").context("no end")?;
            let begun = unfinished.remove(thread).context("no begin")?;
            joined = format!("{begun}{end}");
            &joined
        } else {
            rest
        };
        // Signals, ends of threads, and calls that failed change nothing.
        let Some((name, rest)) = call.split_once('(') else {
            continue;
        };
        let Some((args, result)) = rest.rsplit_once(") ") else {
            continue;
        };
        if result.trim_start().starts_with("= -1") {
            continue;
        }
        let args: Vec<&str> = args.split(", ").collect();
        operations.extend(operation(name, &args, result, below).with_context(|| shortened(call))?);
    }
    Ok(operations)
}

fn shortened(call: &str) -> String {
    call.chars().take(300).collect()
}

/// Returns what a call changes below the directory.
fn operation(name: &str, args: &[&str], result: &str, below: &Path) -> Result<Option<Operation>> {
    let arg = |at: usize| args.get(at).copied().context("an argument is missing");
    let inside = |path: &Path| path.starts_with(below);
    // The path of a file descriptor, or of a name relative to one.
    let of_descriptor = |at| arg(at).and_then(descriptor);
    let of_name = |at| arg(at).and_then(text).map(|bytes| path(&bytes));
    let of_relative = |at| Ok::<_, anyhow::Error>(of_descriptor(at)?.join(of_name(at + 1)?));
    let one = |path: PathBuf, make: fn(PathBuf) -> Operation| inside(&path).then(|| make(path));
    let two = |from: PathBuf, to: PathBuf, make: fn(PathBuf, PathBuf) -> Operation| {
        ensure!(inside(&from) == inside(&to), "a name enters or leaves");
        Ok(inside(&from).then(|| make(from, to)))
    };
    Ok(match name {
        "write" => {
            let (file, bytes) = (arg(0)?, text(arg(1)?)?);
            if file.starts_with("1<") {
                return Ok(Some(Operation::Said(String::from_utf8(bytes)?)));
            }
            let file = descriptor(file)?;
            inside(&file).then_some(Operation::Write(file, None, bytes))
        }
        "pwrite64" => {
            let (file, bytes) = (of_descriptor(0)?, text(arg(1)?)?);
            let offset = Some(arg(3)?.parse()?);
            inside(&file).then_some(Operation::Write(file, offset, bytes))
        }
        "ftruncate" => {
            let (file, length) = (of_descriptor(0)?, arg(1)?.parse()?);
            inside(&file).then_some(Operation::Truncate(file, length))
        }
        "openat" => {
            let file = descriptor(result.trim_start_matches(['=', ' ']))?;
            let flags = arg(2)?;
            ensure!(!inside(&file) || !flags.contains("O_APPEND"), "it appends");
            let is_new = flags.contains("O_TRUNC") || flags.contains("O_EXCL");
            let creates = flags.contains("O_CREAT");
            let make = match is_new {
                true => Operation::Create,
                false => Operation::CreateMissing,
            };
            creates.then(|| one(file, make)).flatten()
        }
        "rename" => two(of_name(0)?, of_name(1)?, Operation::Rename)?,
        "renameat" | "renameat2" => two(of_relative(0)?, of_relative(2)?, Operation::Rename)?,
        "link" => two(of_name(0)?, of_name(1)?, Operation::Link)?,
        "linkat" => two(of_relative(0)?, of_relative(2)?, Operation::Link)?,
        "unlink" | "rmdir" => one(of_name(0)?, Operation::Remove),
        "unlinkat" => one(of_relative(0)?, Operation::Remove),
        "mkdir" => one(of_name(0)?, Operation::MakeDirectory),
        "mkdirat" => one(of_relative(0)?, Operation::MakeDirectory),
        "fsync" | "fdatasync" => one(of_descriptor(0)?, Operation::Sync),
        // Reading moves the offset of a file, too.
        "lseek" => None,
        other => {
            let touches = args.iter().any(|arg| {
                let named = descriptor(arg).ok();
                let named = named.or_else(|| text(arg).ok().map(|bytes| path(&bytes)));
                named.is_some_and(|path| inside(&path))
            });
            ensure!(!touches, "{other} is not in the model");
            None
        }
    })
}

/// Returns the path in `3<\x2f…>`.
fn descriptor(text: &str) -> Result<PathBuf> {
    let (_, rest) = text.split_once('<').context("no descriptor")?;
    let (hex, _) = rest.split_once('>').context("no end of a path")?;
    Ok(path(&bytes(hex)?))
}

/// Returns the bytes of `"\x2f…"`.
fn text(quoted: &str) -> Result<Vec<u8>> {
    let hex = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    bytes(hex.context("the text is not whole")?)
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    let digits = hex.split("\\x").skip(1);
    let bytes = digits.map(|digits| u8::from_str_radix(digits, 16));
    bytes.collect::<Result<_, _>>().context("it is not hex")
}

fn path(bytes: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(bytes)).to_path_buf()
}
